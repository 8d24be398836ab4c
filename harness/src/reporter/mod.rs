//! What a session's events look like on standard error: bars at a terminal, a line now and then elsewhere.

mod bisection;
mod pace;
mod steps;
mod trials;

use bisection::BisectionView;
pub use bisection::{bars, percent, short};
use steps::Steps;
use trials::TrialsView;

use crate::failure::Failure;
use crate::kernel::BuildEvent;
use crate::model::{TrialOutcome, TrialRecord};
use crate::run::Stop;
use crate::session::{Event, Reporter};

/// Draws on standard error.
#[derive(Default)]
pub struct StandardError {
    steps: Option<Steps>,
    trials: Option<TrialsView>,
    bisection: BisectionView,
}

impl Reporter for StandardError {
    fn event(&mut self, event: &Event<'_>) {
        if !matches!(event, Event::BisectionStep { .. } | Event::TrialEnded(_)) {
            self.bisection.hide();
        }
        match *event {
            Event::Building { what, step } => building(self.steps(what), step),
            Event::BuildEnded { what, outcome } => {
                self.steps(what);
                self.end_steps(outcome);
            }
            Event::Preparing { ended, of } => {
                self.steps("guests").at(ended, of, "booting and settling, once for each kernel and template");
            }
            Event::Prepared { ready } => self.end_steps(&format!("{ready} ready")),
            Event::TrialsBegin { run, cells, earlier, jobs, seed } => {
                self.line(&format!(
                    "trials: room for {jobs} busy guest CPU(s) at a time (--jobs), seed {seed}, in {run}"
                ));
                self.trials = Some(TrialsView::begin(cells, earlier.clone()));
            }
            Event::Planned { kernel, trials } => {
                if let Some(view) = &mut self.trials {
                    view.plan(kernel, trials);
                }
            }
            Event::Round { open, of, trials } => {
                self.line(&format!("round: {open} of {of} cells are open, {trials} trials"));
            }
            Event::TrialEnded(record) => self.trial(record),
            Event::Stopping(Stop::AfterRunning) => {
                self.line("finishing the trials that are running; Ctrl-C again to stop at once");
            }
            Event::Stopping(Stop::Now) => self.line("stopping"),
            Event::Stopping(Stop::No) | Event::BisectionEnds => (),
            Event::TrialsEnd => {
                if let Some(view) = self.trials.take() {
                    view.end();
                }
            }
            Event::BisectionBegins { run, seed, bisected } => self.line(&format!(
                "bisect: {} between {} and {}, looking for {}{}, seed {seed}, in {run}",
                bisected.nodes.len() - 1,
                bisected.nodes.first().map_or("", |node| node.id.as_str()),
                bisected.nodes.last().map_or("", |node| node.id.as_str()),
                bisected.criterion,
                if bisected.fixed { " ceasing" } else { "" },
            )),
            Event::BisectionStep { bisected, bisection, left, spent } => {
                self.bisection.step(bisected, bisection, left, spent);
            }
            Event::Note(text) => self.line(text),
            Event::Failed(failure) => self.line(&error(failure)),
        }
    }
}

impl StandardError {
    /// The progress of this task; one of another task is over.
    fn steps(&mut self, what: &str) -> &mut Steps {
        match self.steps.take().filter(|steps| steps.what() == what) {
            Some(steps) => self.steps.insert(steps),
            None => self.steps.insert(Steps::begin(what)),
        }
    }

    fn end_steps(&mut self, outcome: &str) {
        if let Some(steps) = self.steps.take() {
            steps.end(outcome);
        }
    }

    /// A trial of a run, or one of a bisection, of which only an infra-error is shown by itself.
    fn trial(&mut self, record: &TrialRecord) {
        if let TrialOutcome::InfraError { cause } = &record.outcome {
            self.bisection.hide();
            let again = if record.attempt > 0 { format!(", attempt {}", record.attempt + 1) } else { String::new() };
            self.line(&format!("trial {} of {}{again}: infra-error: {cause}", record.index, record.cell));
        }
        if let Some(view) = &mut self.trials {
            view.add(record);
        }
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        match &self.trials {
            Some(view) => view.line(text),
            None => eprintln!("{text}"),
        }
    }
}

/// A failure as it is shown.
pub fn error(failure: &Failure) -> String {
    format!("error: {failure}")
}

/// Shows what a build does.
fn building(steps: &mut Steps, step: BuildEvent) {
    match step {
        BuildEvent::Fetching => steps.at(0, 0, "fetching the source package"),
        BuildEvent::Reading { bytes, of } => steps.at(bytes >> 20, of >> 20, "MiB read of a new source"),
        BuildEvent::Waiting => steps.at(0, 0, "waiting for another build to end"),
        BuildEvent::Repairing => steps.at(0, 0, "repairing what a killed build left"),
        BuildEvent::Unpacking { bytes, of } => steps.at(bytes >> 20, of.unwrap_or(0) >> 20, "MiB unpacked"),
        BuildEvent::Patching { patches } => steps.at(0, 0, &format!("applying {patches} patches")),
        BuildEvent::Configuring => steps.at(0, 0, "configuring"),
        BuildEvent::Compiling { done, expected } => steps.at(done.into(), expected.into(), "compiled"),
        BuildEvent::Module => steps.at(0, 0, "building crashlab"),
        BuildEvent::Cached | BuildEvent::Done => (),
    }
}
