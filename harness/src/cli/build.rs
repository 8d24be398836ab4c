//! `harness build`

use std::process::ExitCode;

use super::options::BuildArguments;
use super::project::{catalogue, events};
use super::{Failure, Global, Output, print, print_json};
use crate::kernel::{CustomBuild, Fault, KernelError};
use crate::model::KernelName;
use crate::session::{self, Cancellation, Event};

/// Build kernels.
///
/// Each is kept in the cache under a name made from all that went into it; what is there is not built again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness build stock kmsg-dump-before-stop")]
pub struct Arguments {
    /// The variants, each perhaps with a base of its own, as in stock@6.1 [default: all that are for the base]
    variants: Vec<String>,
    /// The base that they are made from [default: 6.12]
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
    /// Build each variant patch by patch, from none of its series to all of it: NAME~2, NAME~1, NAME
    #[arg(long, requires = "variants")]
    each: bool,
    #[command(flatten)]
    built_by: BuildArguments,
}

pub async fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let catalogue = catalogue(global)?;
    let (events, cancellation) = (events(), Cancellation::listen()?);
    let base = arguments.base.clone().unwrap_or_else(|| catalogue.default_base());
    let build = arguments.built_by.suffix(&catalogue.project)?;
    let parse = |name: &String| KernelName::parse(name, &base);
    let all =
        || catalogue.variants.iter().map(|variant| KernelName { variant: variant.name.clone(), base: base.clone() });
    let asked: Vec<KernelName> = match arguments.variants.as_slice() {
        [] => all().collect(),
        variants => variants.iter().map(parse).collect(),
    };
    let mut asked = if arguments.each { catalogue.patch_by_patch(&asked)? } else { asked };
    for name in &mut asked {
        name.variant = CustomBuild::name(&name.variant, &build);
    }
    let mut kernels = Vec::new();
    let mut failed = None;
    if arguments.variants.is_empty() {
        // What is wrong with one of them stops none of the others.
        for broken in catalogue.broken("variant") {
            if let Some(earlier) = failed.replace(Failure::from(broken.problems.first().clone())) {
                events.send(&Event::Failed(&earlier));
            }
        }
    }
    for name in &asked {
        match session::kernel(&catalogue, name, &events, &cancellation).await? {
            Ok(kernel) => kernels.push(kernel),
            // Nobody has asked for it by name.
            Err(error @ KernelError::NotForBase { .. }) if arguments.variants.is_empty() => {
                eprintln!("left out: {}", error.first_line());
            }
            // Here neither.
            Err(error) if error.fault() == Fault::Input => {
                if let Some(earlier) = failed.replace(Failure::from(error)) {
                    events.send(&Event::Failed(&earlier));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    match global.format {
        Output::Json => print_json(&kernels.iter().map(|kernel| &kernel.record).collect::<Vec<_>>())?,
        Output::Text => {
            for kernel in &kernels {
                print(&format!("{}@{}  {}\n", kernel.variant, kernel.base, kernel.dir.display()))?;
            }
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}
