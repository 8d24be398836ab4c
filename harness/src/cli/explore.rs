//! `harness explore`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::curve::channel;
use super::options::{BuildArguments, TrialArguments};
use super::project::{catalogue, project, results, session};
use super::{FOUND, Failure, Global, Output, print, print_json};
use crate::explore::matrix_picture;
use crate::kernel::CustomBuild;
use crate::model::bisection::Criterion;
use crate::model::{Channel, KernelName};
use crate::plan::ParamFilter;
use crate::results::{ExploredInfo, Run};
use crate::scenario;
use crate::schedule;
use crate::session::bisect::Point;
use crate::session::{Catalogue, Explore, Explored, ResumableSearch, TrialOptions};

/// Find the order of steps on two CPUs that loses your log, and force it.
///
/// What each CPU does is learnt from trials as they come; then each order of two steps on two CPUs that can be forced is, by
/// holding one CPU before the one step until another has come to the other. A run like any other, with the orders as a
/// parameter; --resume goes on with it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  harness explore panic-during-oops-dump --param hold=0ms --param post_notifiers=1 --budget 10min\n  \
                  harness explore two-panics-at-once --param second=5000us --variant stock --variant stock@6.1\n  \
                  harness explore --resume latest --budget 5min --save-schedule lost.yaml"
)]
pub struct Arguments {
    /// The scenario
    #[arg(required_unless_present = "resume")]
    scenario: Option<String>,
    /// The value of a parameter (repeatable); one point of the scenario is searched
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<ParamFilter>,
    /// A variant (repeatable); orders in which one loses the log and another does not are told
    #[arg(long, value_name = "NAME", default_value = "stock")]
    variant: Vec<String>,
    /// The channel whose loss is looked for
    #[arg(long, value_name = "CHANNEL", default_value = "pstore", value_parser = channel)]
    channel: Channel,
    /// An actor that begins at once, whatever its scenario says of when (repeatable)
    #[arg(long, value_name = "ACTOR")]
    free: Vec<String>,
    /// How many holds an order may take: 2 searches, around what was found, for orders of orders
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    depth: u8,
    /// How long it may take, of which building and booting is no part: 30min, 90s
    #[arg(long, value_name = "TIME", default_value = "30min", value_parser = budget)]
    budget: Duration,
    /// Go on with a search: its id, its folder, or `latest`. Everything but --budget and --jobs is as it was then
    #[arg(long, value_name = "RUN", conflicts_with_all = ["scenario", "param", "variant", "channel", "free", "depth",
          "kconfig", "make_arg", "seed", "accelerator", "time", "cold", "templates", "phase", "read_back", "read_back_kernel", "kdump", "crash_kernel", "full_vmcore"])]
    resume: Option<String>,
    /// Write the smallest cause to a file, for --schedule; of several kernels that of the first that has one
    #[arg(long, value_name = "FILE")]
    save_schedule: Option<PathBuf>,
    /// Write the matrix of a kernel's orders to standard output, as a picture; of several kernels of the first
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Option<Form>,
    #[command(flatten)]
    built_by: BuildArguments,
    #[command(flatten)]
    trials_as: TrialArguments,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// A picture
    Svg,
}

/// Reads a time as scenarios have it, or in minutes.
fn budget(text: &str) -> Result<Duration, String> {
    let minutes = text.strip_suffix("min").and_then(|minutes| minutes.parse::<u32>().ok());
    let minutes = minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
    minutes.or_else(|| scenario::duration(text)).ok_or_else(|| "write it as 30min or 90s".to_owned())
}

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let explored = match &arguments.resume {
        Some(name) => resume(global, name, &arguments).await?,
        None => begin(global, &arguments).await?,
    };
    if let Some(path) = &arguments.save_schedule {
        save(&explored, path)?;
    }
    match (arguments.form, global.format) {
        (Some(Form::Svg), _) => {
            if let Some((name, findings)) = explored.findings.first() {
                print(&matrix_picture(name, findings).document())?;
            }
        }
        (None, Output::Json) => print_json(&explored.json())?,
        (None, Output::Text) => {
            print(&explored.text())?;
            print(&format!("run: {}, {} trials\n", explored.run.folder().display(), explored.trials))?;
        }
    }
    if !explored.complete {
        eprintln!("not complete\n\nhint: harness explore --resume {}", explored.run.id());
    }
    let found = explored.findings.iter().any(|(_, findings)| !findings.causes.is_empty());
    Ok(if found { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

async fn begin(global: &Global, arguments: &Arguments) -> Result<Explored, Failure> {
    let options = arguments.trials_as.options();
    let catalogue = catalogue(global)?.with_crash_kernels(options.kdump);
    let name = arguments.scenario.clone().unwrap_or_default();
    let point = Point::of(&catalogue, &name, &arguments.param, &Criterion::Channel(arguments.channel))?;
    let base = catalogue.default_base();
    let build = arguments.built_by.suffix(&catalogue.project)?;
    let mut kernels = Vec::new();
    for name in &arguments.variant {
        let mut kernel = KernelName::parse(name, &base);
        catalogue.known().kernel(&kernel)?;
        kernel.variant = CustomBuild::name(&kernel.variant, &build);
        kernels.push(kernel);
    }
    let actors: Vec<String> = catalogue
        .instance(&point.cell(KernelName::parse("stock", &base)))?
        .map_err(Failure::input)?
        .actors
        .iter()
        .map(|actor| actor.name.clone())
        .collect();
    if let Some(unknown) = arguments.free.iter().find(|free| !actors.contains(free)) {
        let hint = actors.join(", ");
        return Err(Failure::input(format!("scenario `{name}` has no actor `{unknown}`\n\nhint: it has {hint}")));
    }
    let catalogue = catalogue.with_guests_of(&kernels)?;
    let session = session(global, catalogue, options).await?;
    session.rig.can_hold()?;
    let how = ExploredInfo { channel: arguments.channel, free: arguments.free.clone(), deepens: arguments.depth > 1 };
    session.explore(Explore { point, kernels, how }, arguments.budget).await
}

async fn resume(global: &Global, name: &str, arguments: &Arguments) -> Result<Explored, Failure> {
    let project = project(global)?;
    let resumable = ResumableSearch::open(Run::find(&results(global, &project), name)?)?;
    let options = TrialOptions::again(resumable.info(), arguments.trials_as.jobs());
    let catalogue = Catalogue::load(project)?.with_crash_kernels(options.kdump).with_guests_of(&resumable.kernels())?;
    let session = session(global, catalogue, options).await?;
    session.rig.can_hold()?;
    session.resume_search(resumable, arguments.budget).await
}

/// Writes the smallest cause that was found.
fn save(explored: &Explored, path: &std::path::Path) -> Result<(), Failure> {
    let found =
        explored.findings.iter().find_map(|(name, findings)| Some((name, findings.channel, findings.causes.first()?)));
    let Some((name, channel, cause)) = found else {
        return Err(Failure::input(format!(
            "write {}: no order that was forced loses the log\n\nhint: --budget gives it more time",
            path.display()
        )));
    };
    let why = format!("{name}: {channel} is lost when {}.", cause.words);
    std::fs::write(path, schedule::written(&cause.schedule, &why))
        .map_err(|error| Failure::host(format!("write {}: {error}", path.display())))
}
