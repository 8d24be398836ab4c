//! The run as a `JUnit` report.
//!
//! One suite for each variant and scenario, one case for each cell and channel. The form is held to what the Jenkins
//! xUnit plugin's `junit-10.xsd` and older readers accept: no properties or timestamps of cases, no `skipped` at the
//! root; but for what one reader alone asks for, see [`JunitForm`].
//!
//! ```text
//! Reported ─> Cell, State ─> case ─┬─> least: no text that may be shortened ─> Room: how much of each there is room for
//!                                  └─> the report <────────────────────────────┘
//! ```

mod case;
mod room;

use quick_junit::{Report, TestSuite};

use super::cases::{Cell, Reported, suites};
use super::console::one_line;
use crate::model::CellKey;
use crate::results::{KernelInfo, RunInfo};
use case::{Writer, text};
use room::Room;

/// How much of a console's end a case shows.
pub const TAIL_BYTES: u32 = 4096;

/// Whom the report is for: readers differ in what they ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum JunitForm {
    /// Merge requests and pipelines of GitLab: attachments relative to the project, the scenario's file
    Gitlab,
    /// Jenkins: attachments by absolute paths
    Jenkins,
    /// Any other: no attachments
    #[default]
    Plain,
}

/// As what a failure that is known is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum KnownAs {
    /// Skipped, with the link
    #[default]
    Skipped,
    /// A failure like any other, with the link
    Failure,
    /// Passed
    Passed,
}

/// What a report is made of.
pub struct Junit<'a> {
    /// What is reported.
    pub reported: Reported<'a>,
    /// For whom.
    pub form: JunitForm,
    /// What becomes of failures that are known.
    pub known_as: KnownAs,
    /// How many bytes it may have.
    pub limit: usize,
    /// The end of a trial's console, by the trial's index, at most [`TAIL_BYTES`]; none if it was not kept.
    pub console_tail: &'a dyn Fn(u64) -> Option<Vec<u8>>,
    /// What is shown beside a case, by the index of the trial that it tells of: paths as the reader wants them, each one line
    /// without `[`, `]` and `|`.
    pub attachments: &'a dyn Fn(u64) -> Vec<String>,
}

/// The report could not be written as XML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the JUnit report: {0}")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// The report's text. It is longer than its limit only if nothing is left that could be shortened.
pub fn junit(input: &Junit) -> Result<String, JunitError> {
    let cells = input.reported.cells();
    let suites = suites(&cells);
    let mut nothing = Room::none();
    let least = written(input, &suites, &mut nothing)?.len();
    let mut room = nothing.shared_out(input.limit.saturating_sub(least), suites.len());
    written(input, &suites, &mut room)
}

/// The report, with as much of each text as there is room for.
fn written(input: &Junit, suites: &[Vec<&Cell>], room: &mut Room) -> Result<String, JunitError> {
    let mut report = Report::new(one_line(&input.reported.info.run_id));
    for cells in suites {
        report.add_test_suite(suite(input, cells, room));
    }
    Ok(without_root_skipped(&report.to_string()?))
}

fn suite(input: &Junit, cells: &[&Cell], room: &mut Room) -> TestSuite {
    let mut suite = TestSuite::new(text(&cells[0].suite_name()));
    let notes = || cells.iter().filter_map(|cell| cell.notes);
    suite.set_time(notes().map(|notes| notes.wall).sum());
    if let Some(started) = notes().filter_map(|notes| notes.started.as_ref()).min() {
        suite.extra.insert("timestamp".into(), one_line(started).into());
    }
    for (name, value) in properties(input.reported.info, cells[0].key()) {
        suite.add_property((name, one_line(&value).as_str()));
    }
    for cell in cells {
        suite.add_test_cases(Writer { input, cell, room }.cases());
    }
    if let Some(notice) = room.notice() {
        suite.set_system_err(notice);
    }
    suite
}

/// What it takes to run the suite again.
fn properties(info: &RunInfo, cell: &CellKey) -> Vec<(&'static str, String)> {
    let mut properties = vec![
        ("seed", info.seed.to_string()),
        ("run", info.run_id.clone()),
        ("command", info.command.join(" ")),
        ("harness", info.harness.git.clone().unwrap_or_else(|| info.harness.version.clone())),
        ("qemu", info.qemu.version.clone()),
        ("accelerator", info.qemu.accelerator.clone()),
    ];
    let of_cell = |kernel: &&KernelInfo| kernel.variant == cell.variant && kernel.base == cell.base;
    if let Some(kernel) = info.kernels.iter().find(of_cell) {
        properties.extend([("kernel", kernel.release.clone()), ("build_id", kernel.build_id.clone())]);
    }
    properties
}

/// The root's `skipped` is an extension that strict readers refuse; the suites' own stay.
fn without_root_skipped(xml: &str) -> String {
    let Some((start, rest)) = xml.split_once("<testsuites") else { return xml.to_owned() };
    let Some((root, rest)) = rest.split_once('>') else { return xml.to_owned() };
    let attributes = match root.split_once(" skipped=\"") {
        Some((before, after)) => before.to_owned() + after.split_once('"').map_or("", |(_, after)| after),
        None => root.to_owned(),
    };
    format!("{start}<testsuites{attributes}>{rest}")
}
