//! `harness bisect step`: a step of somebody else's bisection.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use tokio::sync::watch;

use super::What;
use super::begin::guest_mib;
use super::point::Point;
use super::workshop::Workshop;
use crate::bisect::{Tallies, Tally, by_template};
use crate::cli::context::Context;
use crate::cli::crash_kernels::CrashKernels;
use crate::cli::inputs::{self, Inputs};
use crate::cli::run::How;
use crate::cli::{Failure, Global, build, doctor, execution};
use crate::kernel::{self, Canceller, CheckedOut, Fault};
use crate::model::KernelName;
use crate::plan::Plan;
use crate::preflight;
use crate::results::Run;
use crate::run::{self as runner, Sink, Stop};
use crate::stats::{Interval, share_sequence};

/// Exit code for what cannot be judged.
const SKIP: u8 = 125;
/// Exit code for a bad commit.
const BAD: u8 = 1;
/// Exit code that ends `git bisect run`: nothing would come of going on.
const ABORT: u8 = 128;

/// Judge the commit that is checked out, for `git bisect run`.
///
/// Trials are run until it is clear whether the share of those in which it happens is below or above --threshold: 0 below, 1
/// above, 125 if that is not clear after --at-most trials, or the commit does not build or boot; 128, which ends the bisection,
/// after Ctrl-C or where the host fails. Where `harness bisect` can be used it takes far fewer trials: it does not have to be
/// sure of any commit but one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  git bisect run harness bisect step --scenario panic-during-oops-dump --param hold=700ms \
                        --param post_notifiers=0 --channel pstore --threshold 0.2"
)]
pub struct Arguments {
    /// The git tree, whose checked-out commit is judged; what is not committed is not seen
    #[arg(long, value_name = "DIR", default_value = ".")]
    tree: PathBuf,
    /// What the commit is built as
    #[arg(long, value_name = "NAME", default_value = "stock")]
    variant: String,
    #[command(flatten)]
    what: What,
    /// A commit is bad if it happens in more than this share of trials
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = crate::cli::run::share)]
    threshold: f64,
    /// No more trials than this
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    at_most: u32,
    #[command(flatten)]
    how: How,
}

pub async fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    match judge(global, arguments).await {
        Ok(code) => Ok(ExitCode::from(code)),
        // Neither the commit's fault nor one that another commit would not have: 2 and 3 would be "bad" to git.
        Err(failure) => {
            failure.report();
            Ok(ExitCode::from(ABORT))
        }
    }
}

async fn judge(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let mut context = Context::load(global)?.with_crash_kernels(arguments.how.kdump);
    let criterion = arguments.what.criterion();
    let point = Point::of(&context, &arguments.what, &criterion)?;
    let CheckedOut { head, good, tree } = CheckedOut::read(&arguments.tree, &Canceller::default())?;
    kernel::commit_as_base(&context.project, &tree, &head, &good)?;
    let name = KernelName { variant: arguments.variant.clone(), base: kernel::commit_name(&head) };
    context.also(name.base.clone());
    let context = context.with_guests_of(std::slice::from_ref(&name))?;
    let skip = |reason: &str| {
        eprintln!("{name} cannot be judged: {reason}");
        Ok(SKIP)
    };
    let kernel = match build::try_kernel(&context, &name).await? {
        Ok(kernel) => kernel,
        Err(error) if error.fault() == Fault::Input => return skip(&build::first_line(&error)),
        Err(error) => return Err(error.into()),
    };
    let seed = arguments.how.seed();
    let plan = Plan::again([point.cell(name.clone())], arguments.at_most, seed, None);
    let report = preflight::check(&doctor::options(global)?).await;
    let workshop = Workshop::of(&context, arguments.how.clone(), &report).await?;
    let crash_kernels = CrashKernels::build(&context, std::slice::from_ref(&kernel), &workshop.how).await?;
    let stages = match workshop.stages(&context, (&kernel, &crash_kernels), &plan.cells()[0]).await? {
        Ok(stages) => stages,
        Err(reason) => return skip(&reason),
    };
    let jobs = workshop.how.jobs(guest_mib(&context, &plan)?);
    let run = Run::create(&context.results, SystemTime::now())?;
    let selection = point.selection(vec![name.clone()], arguments.at_most);
    let inputs = Inputs {
        kernels: std::slice::from_ref(&kernel),
        crash_kernels: &crash_kernels,
        report: &report,
        selection: &selection,
        suite: None,
        how: &workshop.how,
        jobs,
        seed,
        templates: workshop.templates,
        traced: workshop.tracer.is_some(),
        plan: &plan,
        shard: None,
        until: None,
    };
    run.write_info(&inputs::describe(&context, &run, &inputs)?)?;
    let log = run.log()?;
    let (stopper, stop) = watch::channel(Stop::No);
    let listening = tokio::spawn(execution::listen(stopper));
    let mut tallies = Tallies::default();
    let mut planned = plan.iter();
    let verdict = loop {
        if *stop.borrow() != Stop::No {
            break Verdict::Interrupted;
        }
        let batch: Vec<_> = planned.by_ref().take(jobs.max(1) as usize).collect();
        if batch.is_empty() {
            break Verdict::NotClear;
        }
        let work = batch.iter().map(|trial| stages.work(&context, trial, 0)).collect::<Result<Vec<_>, _>>()?;
        let ended = runner::execute(work, jobs, Sink { run: &run, log: &log }, stop.clone(), |record| {
            if let Some(event) = criterion.happened(&record.outcome) {
                tallies.count(event, record.template.as_deref());
            }
        });
        ended.await.map_err(|error| Failure::hinted_host(&error, error.hint()))?;
        // Of nothing it is all shares.
        if let Some(clear) = Verdict::of(share_sequence(&by_template(&tallies)), arguments.threshold) {
            break clear;
        }
    };
    listening.abort();
    execution::write_reports(&run, &run.info()?)?;
    let Tally { trials, events } = tallies.all();
    eprintln!("{name}: {verdict}: {criterion} in {events} of {trials} trials, in {}", run.id());
    Ok(verdict.code())
}

/// What is said of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    NotClear,
    /// The user wanted an end before it was clear.
    Interrupted,
}

impl Verdict {
    /// What a share that lies in this interval means, if that is clear.
    fn of(share: Interval, threshold: f64) -> Option<Self> {
        match share {
            Interval { lo, .. } if lo > threshold => Some(Self::Bad),
            Interval { hi, .. } if hi < threshold => Some(Self::Good),
            Interval { .. } => None,
        }
    }

    /// The exit code, as `git bisect run` understands it: one that was interrupted ends it, and is not recorded.
    const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Bad => BAD,
            Self::NotClear => SKIP,
            Self::Interrupted => ABORT,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::NotClear => "not clear",
            Self::Interrupted => "interrupted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_told_what_is_clear() {
        let verdict = |lo, hi| Verdict::of(Interval { lo, hi }, 0.2);
        assert_eq!(verdict(0.0, 0.19), Some(Verdict::Good));
        assert_eq!(verdict(0.21, 0.5), Some(Verdict::Bad));
        assert_eq!(verdict(0.1, 0.3), None);
        assert_eq!([Verdict::Good, Verdict::Bad, Verdict::NotClear].map(Verdict::code), [0, 1, 125]);
    }

    /// `git bisect run` ends with 128 and above, and records everything else.
    #[test]
    fn a_step_that_was_interrupted_is_not_recorded() {
        assert!(Verdict::Interrupted.code() >= 128);
    }
}
