//! One trial: what each channel kept, where the CPUs stood, what was seen, and how it is repeated.

use minijinja::Value;
use serde::Serialize;

use super::super::repeat::Repeat;
use super::super::trial::{looks, since_firing};
use super::render::{PageError, render};
use super::{Artifacts, Room};
use crate::evidence::{console, place_console};
use crate::model::{ActorStamps, Channel, ChannelVerdict, DumpedCpu, HungCpu, TrialOutcome, TrialRecord};
use crate::results::RunInfo;
use crate::text::seconds;
use crate::timeline::{View, timeline_picture};

/// More than is kept of a console; less than all of it would put its lines in wrong places of a timeline.
const CONSOLE_BYTES: u32 = 4 << 20;

/// One trial.
#[derive(Debug, Serialize)]
pub(super) struct TrialView {
    pub index: u64,
    pub cell: String,
    pub seed: u64,
    pub started: String,
    pub wall: String,
    pub template: Option<String>,
    /// `missed: …`, `infra-error: …`; nothing of one that counted.
    pub not_counted: Option<String>,
    /// The words of the kernel's first panic.
    pub panic: Option<String>,
    pub channels: Vec<ChannelView>,
    /// How it was recognised that it hung.
    pub hung: Option<String>,
    /// Where CPUs stood, of a guest that hung or was dumped.
    pub stood: Vec<Stood>,
    pub actors: Vec<ActorView>,
    pub splats: Vec<SplatView>,
    /// Why it is not known what was logged.
    pub log_unknown: Option<String>,
    /// The command that runs it again, and what that needs of the machine of the run.
    pub repeat: String,
    pub needs: Vec<String>,
    pub console: Option<ConsoleView>,
    pub timeline: Option<Value>,
    /// Something of it has no room in the page.
    pub cut: bool,
}

/// What a channel kept.
#[derive(Debug, Serialize)]
pub(super) struct ChannelView {
    pub name: &'static str,
    pub outcome: &'static str,
    pub good: bool,
    /// `32 of 32 witness lines`
    pub seen: String,
    /// `98 % of 61 log lines`
    pub kept: Option<String>,
    pub first_lost: Option<String>,
    /// Several lines, of an order.
    pub detail: String,
}

/// Where a CPU stood.
#[derive(Debug, Serialize)]
pub(super) struct Stood {
    pub cpu: u32,
    /// Each time that it was looked at; what was the same stands once.
    pub at: Vec<String>,
}

/// When an actor was in its critical section.
#[derive(Debug, Serialize)]
pub(super) struct ActorView {
    pub name: String,
    pub cpu: u32,
    pub entered: String,
    pub left: String,
}

/// A report of the kernel's.
#[derive(Debug, Serialize)]
pub(super) struct SplatView {
    pub title: String,
    pub expected: bool,
}

/// The end of a console.
#[derive(Debug, Serialize)]
pub(super) struct ConsoleView {
    pub text: String,
    /// There is more before it.
    pub cut: bool,
}

/// Where the parts of a trial's page come from, and how much of them is shown.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub info: &'a RunInfo,
    pub artifacts: &'a dyn Artifacts,
    /// How much of a console's end is shown: lines, of so many bytes at most.
    pub console: (usize, usize),
}

/// How much of a console's end a page of one trial shows: lines, of so many bytes at most.
const CONSOLE: (usize, usize) = (400, 64 << 10);
/// Bytes for a console and a picture.
const ROOM: usize = 4 << 20;

/// A trial as a page, as HTML.
pub fn trial_page(info: &RunInfo, record: &TrialRecord, artifacts: &dyn Artifacts) -> Result<String, PageError> {
    #[derive(Serialize)]
    struct Page<'a> {
        run_id: &'a str,
        trial: TrialView,
    }
    let trial = TrialView::of(record, Sources { info, artifacts, console: CONSOLE }, &mut Room(ROOM));
    render("trial.html", &Page { run_id: &info.run_id, trial })
}

impl TrialView {
    /// What is shown of a trial, as far as there is room.
    pub(super) fn of(record: &TrialRecord, sources: Sources, room: &mut Room) -> Self {
        let (channels, hung, not_counted) = match &record.outcome {
            TrialOutcome::Counted { hung, channels } => {
                let hung = hung.then(|| record.hung_by.as_deref().unwrap_or("it did not end"));
                (channels.iter().map(|(channel, verdict)| channel_view(*channel, verdict)).collect(), hung, None)
            }
            TrialOutcome::Missed { reason } => (Vec::new(), None, Some(format!("missed: {reason}"))),
            TrialOutcome::InfraError { cause } => (Vec::new(), None, Some(format!("infra-error: {cause}"))),
        };
        let (console, timeline, cut) = seen(record, sources, room);
        let Repeat { command, needs } = Repeat::of(sources.info, record);
        Self {
            index: record.index,
            cell: record.cell.to_string(),
            seed: record.seed,
            started: record.started.clone(),
            wall: seconds(std::time::Duration::from_millis(record.wall_ms)),
            template: record.template.clone(),
            not_counted,
            panic: record.panic.clone(),
            channels,
            hung: hung.map(str::to_owned),
            stood: stood(record),
            actors: record.stamps.iter().map(actor_view).collect(),
            splats: record
                .splats
                .iter()
                .map(|splat| SplatView { title: splat.title.clone(), expected: splat.expected })
                .collect(),
            log_unknown: record.log_unknown.clone(),
            repeat: command,
            needs,
            console,
            timeline,
            cut,
        }
    }
}

fn channel_view(channel: Channel, verdict: &ChannelVerdict) -> ChannelView {
    ChannelView {
        name: channel.name(),
        outcome: verdict.outcome.name(),
        good: verdict.outcome == channel.good(),
        seen: format!("{} of {} {}", verdict.witnesses, verdict.of, channel.witnesses()),
        kept: verdict.log.as_ref().map(ToString::to_string),
        first_lost: verdict.log.as_ref().and_then(|kept| kept.first_lost.clone()),
        detail: verdict.detail.clone(),
    }
}

fn stood(record: &TrialRecord) -> Vec<Stood> {
    let hung = record.hung_at.iter().map(|HungCpu { cpu, at }| Stood { cpu: *cpu, at: looks(at) });
    let dumped = record
        .dump
        .iter()
        .flat_map(|dump| &dump.cpus)
        .map(|DumpedCpu { cpu, pid, at }| Stood { cpu: *cpu, at: vec![format!("in the dump: task {pid}, {at}")] });
    hung.chain(dumped).collect()
}

fn actor_view(stamps: &ActorStamps) -> ActorView {
    ActorView {
        name: stamps.actor.clone(),
        cpu: stamps.cpu,
        entered: since_firing(stamps.entered_us),
        left: since_firing(stamps.left_us),
    }
}

/// Its console and its timeline, as far as there is room, and whether something had none.
fn seen(record: &TrialRecord, sources: Sources, room: &mut Room) -> (Option<ConsoleView>, Option<Value>, bool) {
    let Sources { info, artifacts, console } = sources;
    let mut cut = false;
    let mut fits = |length: usize| {
        let fits = room.take(length);
        cut |= !fits;
        fits
    };
    let said = artifacts.console_tail(record.index, CONSOLE_BYTES);
    let console = said.as_deref().map(|said| end_of(said, console)).filter(|console| fits(console.text.len()));
    let timeline = artifacts.timeline(record.index).map(|timeline| {
        let lines = place_console(&timeline, &console::decode(said.as_deref().unwrap_or_default()));
        let view = View { run_id: &info.run_id, trial: record, timeline: &timeline, lines: &lines, detail: false };
        timeline_picture(&view).part(&format!("trial{}-", record.index))
    });
    let timeline = timeline.filter(|picture| fits(picture.len())).map(Value::from_safe_string);
    (console, timeline, cut)
}

/// The last lines of what a console said, of so many bytes at most.
fn end_of(said: &[u8], (lines, bytes): (usize, usize)) -> ConsoleView {
    let said = said.trim_ascii_end();
    let end = said.get(said.len().saturating_sub(bytes)..).unwrap_or_default();
    let line_ends = end.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let start = line_ends.map(|(at, _)| at + 1).nth(lines.saturating_sub(1)).unwrap_or(0);
    let shown = end.get(start..).unwrap_or_default();
    ConsoleView { text: String::from_utf8_lossy(shown).into_owned(), cut: shown.len() < said.len() }
}
