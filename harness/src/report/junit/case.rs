//! The cases of one cell.

use std::fmt::Write as _;
use std::time::Duration;

use quick_junit::{FlakyOrRerun, NonSuccessKind, TestCase, TestCaseStatus, TestRerun};

use super::room::Room;
use super::{Junit, JunitForm, KnownAs};
use crate::model::{CellKey, Channel, TrialOutcome, TrialRecord};
use crate::report::cases::{Cell, State, detail_in_lines, end};
use crate::report::console::{one_line, printable};
use crate::report::repeat::Repeat;

/// Writes the cases of a cell.
pub(super) struct Writer<'w, 'a> {
    pub(super) input: &'w Junit<'a>,
    pub(super) cell: &'w Cell<'a>,
    pub(super) room: &'w mut Room,
}

impl Writer<'_, '_> {
    /// A case for each channel. What the channels have in common stands in one of them alone, since readers add up.
    pub(super) fn cases(mut self) -> Vec<TestCase> {
        let mut cases: Vec<TestCase> = self.cell.channels().map(|channel| self.case(channel)).collect();
        for (place, case) in cases.iter_mut().enumerate() {
            let wall = self.cell.notes.filter(|_| place == 0).map_or(Duration::ZERO, |notes| notes.wall);
            case.set_time(wall);
        }
        let ran = |case: &&mut TestCase| !matches!(case.status, TestCaseStatus::Skipped { .. });
        if let (Some(case), Some(notes)) = (cases.iter_mut().find(ran), self.cell.notes) {
            case.status.set_rerun_kind(FlakyOrRerun::Flaky).add_reruns(notes.retried.iter().map(tried_again));
        }
        cases
    }

    fn case(&mut self, channel: Channel) -> TestCase {
        let CellKey { variant, base, scenario, .. } = self.cell.key();
        let state = self.cell.state(channel);
        let mut case = TestCase::new(text(&self.cell.case_name(channel)), self.status(channel, &state));
        // Jenkins takes what is before the last dot for a package: no other dot may be in it.
        let [package, class] = [scenario.clone(), format!("{variant}@{base}")].map(|part| part.replace('.', "_"));
        case.set_classname(text(&one_line(&format!("{package}.{class}"))));
        if self.input.form == JunitForm::Gitlab {
            case.extra.insert("file".into(), text(&one_line(&format!("scenarios/{scenario}.yaml"))).into());
        }
        case.set_system_out(self.system_out(channel, &state));
        case
    }

    fn status(&mut self, channel: Channel, state: &State) -> TestCaseStatus {
        let (mut status, message) = match state {
            State::Met | State::Measured => return TestCaseStatus::success(),
            State::Failed(message) => (failure(NonSuccessKind::Failure, "expectation"), message.clone()),
            State::Broke(message) => (failure(NonSuccessKind::Error, "infra-error"), message.clone()),
            State::Skipped(message) => (TestCaseStatus::skipped(), message.clone()),
            State::Known { why, link, since } => {
                let status = match self.input.known_as {
                    KnownAs::Passed => return TestCaseStatus::success(),
                    KnownAs::Skipped => TestCaseStatus::skipped(),
                    KnownAs::Failure => failure(NonSuccessKind::Failure, "known"),
                };
                (status, format!("known since {since}: {link}: {why}"))
            }
        };
        let message = text(&one_line(&message));
        // GitLab shows the text and not the attribute, Jenkins' lists the attribute.
        let mut description = format!("{message}\n");
        if let Some(trial) = self.cell.telling_trial(channel) {
            // Writing to a string does not fail.
            let _ = write!(description, "\n{}\n", text(&printable(self.repeat(trial).as_bytes())));
            if let Some(detail) = detail_in_lines(trial, channel) {
                let _ = write!(description, "\n{}", self.room.beginning_of(&text(&printable(detail.as_bytes()))));
            }
        }
        status.set_message(message).set_description(description);
        status
    }

    fn repeat(&self, trial: &TrialRecord) -> String {
        Repeat::of(self.input.reported.info, trial).to_string()
    }

    /// The figures, and the trial that tells most about them; of a case that did not pass also what it has left.
    fn system_out(&mut self, channel: Channel, state: &State) -> String {
        let mut out = text(&printable(self.cell.figures(channel).as_bytes()));
        if let State::Known { link, since, .. } = state {
            // Writing to a string does not fail.
            let _ = writeln!(out, "known since {since}: {}", text(&one_line(link)));
        }
        let Some(trial) = self.cell.telling_trial(channel).filter(|_| self.cell.counted.skipped.is_none()) else {
            return out;
        };
        let TrialRecord { index, seed, nonce, .. } = trial;
        let none_counted = self.cell.counted.channel(channel).n() == 0;
        let which = if none_counted { String::new() } else { format!(" that was not {}", self.cell.wanted(channel)) };
        let ended = end(trial, channel);
        // Writing to a string does not fail.
        let _ = writeln!(out, "first trial{which}: {index}");
        let line = format!("  seed {seed}, nonce {}: {}", one_line(nonce), one_line(ended.trim_end()));
        let _ = writeln!(out, "{}", text(&line));
        let passed = match state {
            State::Met | State::Measured => true,
            State::Known { .. } => self.input.known_as == KnownAs::Passed,
            State::Failed(_) | State::Broke(_) | State::Skipped(_) => false,
        };
        if passed {
            let _ = writeln!(out, "  again: {}", text(&printable(self.repeat(trial).as_bytes())));
            return out;
        }
        if matches!(state, State::Failed(_) | State::Broke(_)) {
            for path in (self.input.attachments)(*index) {
                let _ = writeln!(out, "{ATTACHMENT}{path}]]");
            }
        }
        if let Some(tail) = (self.input.console_tail)(*index) {
            let tail = self.room.end_of(&text(&printable(&tail)));
            let _ = writeln!(out, "  the end of its console:\n{tail}");
        }
        out
    }
}

fn failure(kind: NonSuccessKind, what: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what);
    status
}

/// An attempt that our own failure ended. Jenkins shows the message and the stack trace.
fn tried_again(attempt: &TrialRecord) -> TestRerun {
    let mut rerun = TestRerun::new(NonSuccessKind::Failure);
    if let TrialOutcome::InfraError { cause } = &attempt.outcome {
        let TrialRecord { index, attempt, .. } = attempt;
        rerun
            .set_type("infra-error")
            .set_message(text(&one_line(&format!("trial {index}, attempt {attempt}, tried again: {cause}"))))
            .set_stack_trace(text(&printable(cause.as_bytes())));
    }
    rerun
}

/// What makes a line of output the path of a file to be shown, for GitLab and Jenkins.
const ATTACHMENT: &str = "[[ATTACHMENT|";

/// Text that readers take for text: a guest may not name files of theirs.
pub(super) fn text(text: &str) -> String {
    text.replace(ATTACHMENT, "[[ATTACHMENT\\x7c")
}
