//! The run in the kernel's own form of test results, KTAP version 1 (`Documentation/dev-tools/ktap.rst`): a subtest for each
//! variant and scenario, in it a test for each cell and channel.

use super::cases::{Cell, Reported, State, detail_in_lines, end, suites};
use super::console::{one_line, printable};
use super::repeat::Repeat;
use crate::model::Channel;
use crate::results::{KernelInfo, RunInfo};

/// What means something to the kernel's reader, `tools/testing/kunit/kunit_parser.py`, wherever in a line it stands, or behind a
/// `#`: the end of a kernel's output, a subtest. A guest may say all of that.
const MEANS_SOMETHING: [&str; 4] =
    ["Subtest:", "List of all partitions:", "Kernel panic - not syncing: VFS:", "reboot: System halted"];

/// The run as KTAP.
pub fn ktap(reported: &Reported) -> String {
    let cells = reported.cells();
    let suites = suites(&cells);
    let mut lines = vec!["KTAP version 1".to_owned()];
    lines.extend(facts(reported.info).iter().map(|fact| diagnostic(fact)));
    lines.push(format!("1..{}", suites.len()));
    for (number, cells) in (1..).zip(&suites) {
        let name = description(&cells[0].suite_name());
        let mut inner = vec!["KTAP version 1".to_owned(), format!("# Subtest: {name}")];
        let cases: Vec<(&Cell, Channel)> =
            cells.iter().flat_map(|cell| cell.channels().map(move |channel| (*cell, channel))).collect();
        inner.push(format!("1..{}", cases.len()));
        let mut results = Vec::new();
        for (number, (cell, channel)) in (1..).zip(cases) {
            let state = cell.state(channel);
            inner.extend(told(reported.info, cell, channel, &state).iter().map(|line| diagnostic(line)));
            let result = Result::of(&state);
            inner.push(result.line(number, &description(&cell.case_name(channel))));
            results.push(result);
        }
        lines.extend(inner.into_iter().map(|line| format!("  {line}")));
        lines.push(Result::of_all(&results).line(number, &name));
    }
    lines.join("\n") + "\n"
}

/// How a test ended: whether it is `ok`, and the directive that follows its name.
struct Result {
    ok: bool,
    directive: Option<(&'static str, String)>,
}

impl Result {
    fn of(state: &State) -> Self {
        match state {
            State::Met | State::Measured => Self { ok: true, directive: None },
            State::Failed(_) => Self { ok: false, directive: None },
            State::Broke(why) => Self { ok: false, directive: Some(("ERROR", why.clone())) },
            State::Skipped(why) => Self { ok: true, directive: Some(("SKIP", why.clone())) },
            // The kernel's reader knows no XFAIL and goes by the first word, as kselftest.h writes it.
            State::Known { link, since, .. } => {
                Self { ok: true, directive: Some(("XFAIL", format!("{link} since {since}"))) }
            }
        }
    }

    /// That of the test that these are in.
    fn of_all(results: &[Self]) -> Self {
        let is_skipped = |result: &Self| result.directive.as_ref().is_some_and(|(word, _)| *word == "SKIP");
        let skipped = results.iter().all(is_skipped).then(|| ("SKIP", "nothing of it was run".to_owned()));
        Self { ok: results.iter().all(|result| result.ok), directive: skipped }
    }

    fn line(&self, number: usize, name: &str) -> String {
        let word = if self.ok { "ok" } else { "not ok" };
        match &self.directive {
            None => format!("{word} {number} {name}"),
            Some((directive, why)) => format!("{word} {number} {name} # {directive} {}", description(why)),
        }
    }
}

/// What is told before a test's result: what was counted, and of one that did not pass the trial that tells most.
fn told(info: &RunInfo, cell: &Cell, channel: Channel, state: &State) -> Vec<String> {
    let mut told: Vec<String> = cell.figures(channel).lines().map(str::to_owned).collect();
    let telling = match state {
        State::Failed(_) | State::Known { .. } | State::Broke(_) => cell.telling_trial(channel),
        State::Met | State::Measured | State::Skipped(_) => None,
    };
    if let Some(trial) = telling {
        told.push(format!("trial {}: {}", trial.index, end(trial, channel).trim_end()));
        told.extend(Repeat::of(info, trial).to_string().lines().map(|line| format!("  {line}")));
        told.extend(detail_in_lines(trial, channel).unwrap_or_default().lines().map(|line| format!("  {line}")));
    }
    told
}

/// What the run was.
fn facts(info: &RunInfo) -> Vec<String> {
    let harness = info.harness.git.as_ref().unwrap_or(&info.harness.version);
    let mut facts = vec![
        format!("run {} of harness {harness}, seed {}", info.run_id, info.seed),
        format!("QEMU {}, {}", info.qemu.version, info.qemu.accelerator),
    ];
    let kernel = |KernelInfo { variant, base, release, build_id, .. }: &KernelInfo| {
        format!("{variant}@{base}: Linux {release}, build id {build_id}")
    };
    facts.extend(info.kernels.iter().map(kernel));
    facts
}

/// A line that is only to be read by people.
fn diagnostic(line: &str) -> String {
    format!("# {}", harmless(&printable(line.as_bytes()).replace('\n', " "))).trim_end().to_owned()
}

/// Text in a result's line, in which `#` begins a directive.
fn description(text: &str) -> String {
    harmless(&one_line(text)).replace('#', "\\x23").trim().to_owned()
}

fn harmless(text: &str) -> String {
    let escape = |text: String, words: &&str| text.replace(words, &words.replace(':', "\\x3a"));
    MEANS_SOMETHING.iter().fold(text.to_owned(), escape)
}
