//! `harness bisect step`: a step of somebody else's bisection.

use std::path::PathBuf;
use std::process::ExitCode;

use super::What;
use crate::cli::options::{BuildArguments, TrialArguments};
use crate::cli::project::{catalogue, session};
use crate::cli::{Failure, Global, report_failure};
use crate::kernel::{self, Canceller, CheckedOut, CustomBuild};
use crate::model::KernelName;
use crate::session::bisect::{Step, Stepped, Verdict};

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
    built_by: BuildArguments,
    #[command(flatten)]
    trials_as: TrialArguments,
}

pub async fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    match judge(global, arguments).await {
        Ok(code) => Ok(ExitCode::from(code)),
        // Neither the commit's fault nor one that another commit would not have: 2 and 3 would be "bad" to git.
        Err(failure) => {
            report_failure(&failure);
            Ok(ExitCode::from(ABORT))
        }
    }
}

async fn judge(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let options = arguments.trials_as.options();
    let mut catalogue = catalogue(global)?.with_crash_kernels(options.kdump);
    let criterion = arguments.what.criterion();
    let point = arguments.what.point(&catalogue, &criterion)?;
    let CheckedOut { head, good, tree } = CheckedOut::read(&arguments.tree, &Canceller::default())?;
    kernel::commit_as_base(&catalogue.project, &tree, &head, &good)?;
    let variant = CustomBuild::name(&arguments.variant, &arguments.built_by.suffix(&catalogue.project)?);
    let kernel = KernelName { variant, base: kernel::commit_name(&head) };
    catalogue.add_scratch(kernel.base.clone());
    let catalogue = catalogue.with_guests_of(std::slice::from_ref(&kernel))?;
    let Arguments { threshold, at_most, .. } = *arguments;
    let step = Step { kernel, point, criterion, threshold, at_most };
    let stepped = session(global, catalogue, options).await?.step(&step).await?;
    let name = &step.kernel;
    Ok(match stepped {
        Stepped::Skipped(reason) => {
            eprintln!("{name} cannot be judged: {reason}");
            SKIP
        }
        Stepped::Judged { verdict, tally, run } => {
            let (criterion, events, trials) = (&step.criterion, tally.events, tally.trials);
            eprintln!("{name}: {verdict}: {criterion} in {events} of {trials} trials, in {run}");
            code(verdict)
        }
    })
}

/// The exit code, as `git bisect run` understands it: a step that was interrupted ends it, and is not recorded.
const fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Good => 0,
        Verdict::Bad => BAD,
        Verdict::NotClear => SKIP,
        Verdict::Interrupted => ABORT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_told_what_is_clear() {
        assert_eq!([Verdict::Good, Verdict::Bad, Verdict::NotClear].map(code), [0, 1, 125]);
    }

    /// `git bisect run` ends with 128 and above, and records everything else.
    #[test]
    fn a_step_that_was_interrupted_is_not_recorded() {
        assert!(code(Verdict::Interrupted) >= 128);
    }
}
