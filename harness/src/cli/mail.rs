//! `harness report mail`

use std::process::ExitCode;

use super::compare::Compared;
use super::project::{project, results};
use super::{Failure, Global, print};
use crate::compare::{Evidence, Options, Side};
use crate::kernel::{Asked, Variant};
use crate::model::KernelName;
use crate::report::{Mail, mail};
use crate::results::{LATEST, Run};

/// Write what a run says of a variant as a mail to a list.
///
/// Plain text of 72 columns: what the variant is said to do, what became worse and better with its intervals, where the order of
/// steps is another one, and the commands that repeat it. The exit code is 0, whatever the results.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness report mail latest --candidate kmsg-dump-before-stop > mail.txt")]
pub struct Arguments {
    /// The run: its id, `latest`, or a path with a `/`
    #[arg(default_value = LATEST)]
    run: String,
    /// The variant, NAME or NAME@BASE [default: the only one beside the first]
    #[arg(long, value_name = "NAME")]
    candidate: Option<String>,
    /// What it is compared with, NAME or NAME@BASE [default: the run's first variant]
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let project = project(global)?;
    let results = results(global, &project);
    let run = Run::find(&results, &arguments.run)?;
    let info = run.info()?;
    let mut there: Vec<KernelName> = Vec::new();
    for cell in run.summary()?.cells {
        if !there.contains(&cell.key.kernel()) {
            there.push(cell.key.kernel());
        }
    }
    let base = arguments.base.clone().or_else(|| there.first().map(ToString::to_string)).unwrap_or_default();
    let others = || there.iter().filter(|name| name.to_string() != base && name.variant != base);
    let candidate = match (&arguments.candidate, others().collect::<Vec<_>>().as_slice()) {
        (Some(named), _) => named.clone(),
        (None, [only]) => only.to_string(),
        (None, others) => {
            let list: Vec<String> = others.iter().map(ToString::to_string).collect();
            let run = run.id();
            return Err(Failure::input(match list.as_slice() {
                [] => format!("run {run} has no variant beside {base}"),
                list => format!(
                    "which variant of run {run} is the mail of?\n\nhint: --candidate, one of {}",
                    list.join(", ")
                ),
            }));
        }
    };
    let side = |name: &str| Side::parse(name)?.or_run(&arguments.run).load(&results);
    let (base, candidate) = (side(&base)?, side(&candidate)?);
    let evidence = if base.sequential || candidate.sequential { Evidence::Sequential } else { Evidence::Fixed };
    let options = Options { evidence, ..Options::default() };
    let Compared { comparison, orders } = Compared::of(&base, &candidate, options)?;
    // A variant that is not here any more, or was another machine's, has no claim that could be read.
    let claim = Variant::find(&project, Asked::of(&candidate.variant).name).ok().map(|variant| variant.claim);
    let name = |variant: String, base: String| KernelName { variant, base };
    print(&mail(&Mail {
        info: &info,
        base: name(base.variant, base.base),
        candidate: name(candidate.variant, candidate.base),
        claim,
        comparison: &comparison,
        orders: &orders,
        margin: options.margin,
    }))?;
    Ok(ExitCode::SUCCESS)
}
