//! `harness bisect`

mod end;
mod step;

use std::path::PathBuf;
use std::process::ExitCode;

use super::curve::channel;
use super::options::{BuildArguments, TrialArguments};
use super::project::{events, project, results, session};
use super::schedule::ScheduleArguments;
use super::{Failure, Global};
use crate::bisect::Options;
use crate::model::bisection::Criterion;
use crate::model::{Channel, KernelName};
use crate::plan::ParamFilter;
use crate::results::Run;
use crate::session::bisect::{Bisect, Ends, Point, Range, ResumableBisection, Searched};
use crate::session::{Catalogue, TrialOptions};

/// Find the commit, patch or option that lost your log, although the loss is a matter of luck.
///
/// Each trial tells something about every commit before and after the one that it was of. What to try next, and how often,
/// follows from what would tell most for its time; it ends when one commit is as likely as --confidence says. A commit that
/// does not build, does not boot or has no trial that counts is passed over.
///
/// Exit codes: 0 found; 1 not found: the ends do not differ, or there were not enough trials; 2 and 3 as always.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
      harness bisect --tree ~/linux --good v6.11 --bad HEAD --scenario panic-during-oops-dump --param hold=700ms \
      --param post_notifiers=0 --channel pstore\n  \
      harness bisect --series notifier-lists --scenario notifier-hangs --channel kdump\n  \
      harness bisect --tree ~/linux --good v6.11 --scenario my-reproducer --panic 'WARNING in skb_copy'\n  \
      harness bisect --config good.config bad.config --scenario panic-alone --hang\n  \
      harness bisect --resume latest\n  \
      git bisect run harness bisect step --scenario panic-alone --channel pstore"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Commits of this git tree, which is only read; with --good and --bad
    #[arg(long, value_name = "DIR", group = "range", requires = "good")]
    tree: Option<PathBuf>,
    /// A commit that is known to be good
    #[arg(long, value_name = "REV", requires = "tree")]
    good: Option<String>,
    /// A commit that is known to be bad
    #[arg(long, value_name = "REV", default_value = "HEAD", requires = "tree")]
    bad: String,
    /// The patches of this variant's series
    #[arg(long, value_name = "NAME", group = "range")]
    series: Option<String>,
    /// The options that two configurations differ in, whole ones or fragments
    #[arg(long, num_args = 2, value_names = ["GOOD", "BAD"], group = "range")]
    config: Option<Vec<PathBuf>>,
    /// What every commit is built as: a variant's patches, or a setting as in `stock+post_notifiers=1`
    #[arg(long, value_name = "NAME", default_value = "stock", conflicts_with_all = ["series", "config"])]
    variant: String,
    /// The base, with --series and --config [default: 6.12]
    #[arg(long, value_name = "NAME", conflicts_with = "tree")]
    base: Option<String>,
    #[command(flatten)]
    what: What,
    /// Look for where it ceased to happen
    #[arg(long)]
    fixed: bool,
    /// How sure the answer has to be
    #[arg(long, value_name = "SHARE", default_value_t = Options::default().confidence, value_parser = confidence)]
    confidence: f64,
    /// No more trials than this in all
    #[arg(long, value_name = "N", default_value_t = Options::default().at_most, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    at_most: u32,
    /// Begin with the trials of this log, which --log wrote
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Write a log here, as `git bisect log` does; it is in the run's folder in any case
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Resume a bisection: its id, its folder, or `latest`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["range", "good", "scenario", "param", "channel", "order", "hang", "panic",
          "fixed", "replay", "kconfig", "make_arg", "seed", "accelerator", "time", "cold", "read_back", "read_back_kernel", "kdump", "crash_kernel",
          "full_vmcore", "schedule"])]
    resume: Option<String>,
    #[command(flatten)]
    built_by: BuildArguments,
    #[command(flatten)]
    trials_as: TrialArguments,
    #[command(flatten)]
    schedule: ScheduleArguments,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Judge the commit that is checked out, for `git bisect run`
    Step(step::Arguments),
}

/// What is run, and what is looked for in it.
#[derive(Debug, Clone, clap::Args)]
struct What {
    /// The scenario
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Its point: a value of each parameter that it sweeps (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<ParamFilter>,
    /// That this channel does not keep the log; `order`: that any assertion on the order is broken [default: pstore]
    #[arg(long, value_name = "CHANNEL", value_parser = channel, group = "criterion")]
    channel: Option<Channel>,
    /// That the assertion on the order with these words is broken
    #[arg(long, value_name = "WORDS", group = "criterion")]
    order: Option<String>,
    /// That the guest hangs
    #[arg(long, group = "criterion")]
    hang: bool,
    /// That the kernel dies, of whatever; or with these words in its panic or in the title of one of its reports
    #[arg(long, value_name = "WORDS", num_args = 0..=1, default_missing_value = "", group = "criterion")]
    panic: Option<String>,
}

impl What {
    fn criterion(&self) -> Criterion {
        match (&self.order, &self.panic) {
            (Some(words), _) => Criterion::Order(words.clone()),
            (None, Some(words)) => Criterion::Panic(Some(words.clone()).filter(|words| !words.is_empty())),
            (None, None) if self.hang => Criterion::Hang,
            (None, None) => Criterion::Channel(self.channel.unwrap_or(Channel::Pstore)),
        }
    }

    /// What is tried.
    fn point(&self, catalogue: &Catalogue, criterion: &Criterion) -> Result<Point, Failure> {
        let scenario = self.scenario.as_ref().ok_or_else(|| Failure::input("no scenario\n\nhint: --scenario NAME"))?;
        Point::of(catalogue, scenario, &self.param, criterion)
    }
}

fn confidence(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if 0.5 < share && share < 1.0 => Ok(share),
        _ => Err("it must lie between 0.5 and 1".to_owned()),
    }
}

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    if let Some(Command::Step(arguments)) = &arguments.command {
        return step::main(global, arguments).await;
    }
    let searched = match &arguments.resume {
        Some(name) => Box::pin(resume(global, name, &arguments)).await?,
        None => Box::pin(begin(global, &arguments)).await?,
    };
    end::print_end(global, &searched)
}

async fn begin(global: &Global, arguments: &Arguments) -> Result<Searched, Failure> {
    let mut options = arguments.trials_as.options();
    let mut catalogue = super::project::catalogue(global)?.with_crash_kernels(options.kdump);
    let criterion = arguments.what.criterion();
    let point = arguments.what.point(&catalogue, &criterion)?;
    let stock = point.cell(KernelName::parse("stock", &catalogue.default_base()));
    arguments.schedule.force_on(&catalogue, [&stock], &mut options)?;
    let tags = catalogue.scenario(&point.scenario)?.tags.clone();
    let words: Vec<&str> = tags.iter().map(String::as_str).chain(arguments.what.channel.map(Channel::name)).collect();
    let build = arguments.built_by.suffix(&catalogue.project)?;
    let range = Range::of(&catalogue, &arguments.ends(&catalogue)?, &words, &events())?.built_by(&build);
    for name in range.scratch() {
        catalogue.add_scratch(name.to_owned());
    }
    let catalogue = with_guests_of(catalogue, range.kernels.clone())?;
    let Arguments { fixed, confidence, at_most, .. } = *arguments;
    let (replay, log_file) = (arguments.replay.clone(), arguments.log.clone());
    let session = session(global, catalogue, options).await?;
    session.bisect(Bisect { range, point, criterion, fixed, confidence, at_most, replay, log_file }).await
}

async fn resume(global: &Global, name: &str, arguments: &Arguments) -> Result<Searched, Failure> {
    let project = project(global)?;
    let results = results(global, &project);
    let catalogue = Catalogue::load(project)?;
    let resumable = ResumableBisection::open(&catalogue, Run::find(&results, name)?)?;
    let options = TrialOptions::again(resumable.info(), arguments.trials_as.jobs());
    let mut catalogue = catalogue.with_crash_kernels(options.kdump);
    for name in resumable.scratch() {
        catalogue.add_scratch(name);
    }
    let catalogue = with_guests_of(catalogue, resumable.kernels())?;
    session(global, catalogue, options).await?.resume_bisection(resumable, arguments.log.clone()).await
}

/// Commits are bases, and which one says nothing about the guests: it is enough to look at each variant once.
fn with_guests_of(catalogue: Catalogue, mut kernels: Vec<KernelName>) -> Result<Catalogue, Failure> {
    kernels.dedup_by(|one, other| one.variant == other.variant);
    catalogue.with_guests_of(&kernels)
}

impl Arguments {
    /// Where it searches.
    fn ends(&self, catalogue: &Catalogue) -> Result<Ends, Failure> {
        let base = self.base.clone().unwrap_or_else(|| catalogue.default_base());
        match self {
            Self { tree: Some(tree), good: Some(good), bad, variant, .. } => {
                let (tree, good, bad, variant) = (tree.clone(), good.clone(), bad.clone(), variant.clone());
                Ok(Ends::Commits { tree, good, bad, variant })
            }
            Self { series: Some(series), .. } => Ok(Ends::Patches { series: series.clone(), base }),
            Self { config: Some(configs), .. } => {
                let [good, bad] = configs.as_slice() else { return Err(Failure::input("--config takes two files")) };
                Ok(Ends::Options { good: good.clone(), bad: bad.clone(), base })
            }
            _ => {
                let hint = "--tree DIR --good REV, --series NAME, --config GOOD BAD, or --resume RUN";
                Err(Failure::input(format!("nothing to bisect\n\nhint: {hint}")))
            }
        }
    }
}
