//! The verdict on a trial: whether it counts, and what each channel kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::channel::{
    NextBoot, add, judge_console, judge_netconsole, judge_next_boot, judge_pstore, judge_pstore_console,
};
use super::ends;
use super::hindered::{self, Circumstances, Hindrances};
use super::kdump::{ExpectedDump, dumped, judge_kdump, with_last_words};
use super::meet::{self, ActorInterval};
use super::order::judge_order;
use super::retention::{ReferenceLog, text_of_dump, text_of_pstore};
use super::splats::{first_panic, judge_splats, reports, texts};
use super::tail::Tail;
use crate::evidence::stamps::{Action, Actor, Stamps};
use crate::evidence::vmcore::Capture;
use crate::evidence::{Ending, Evidence, place_console};
use crate::model::ends::Ends;
use crate::model::order::OrderAssertion;
use crate::model::schedule::Held;
use crate::model::splats::Splat;
use crate::model::timeline::{Event, Timeline};
use crate::model::{Channel, ChannelOutcome, ChannelVerdict, Dumped, Logged, Precondition, TrialOutcome};

/// A guest whose vCPUs spent more than this share of their time waiting for a processor was not hung: the host was too
/// busy to say.
pub const SLOW_HOST: f64 = 0.8;

/// What is expected of a trial.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// What each channel should have kept, and the trial's nonce.
    pub tail: &'a Tail,
    /// What must be true for the trial to count.
    pub preconditions: &'a [Precondition],
    /// What the guest ends by.
    pub ends: &'a Ends,
    /// How long each actor's critical section was asked to last, in microseconds, by name; `u64::MAX` for ever, or where
    /// that is not known beforehand.
    pub budgets_us: &'a BTreeMap<String, u64>,
    /// What must be so in its timeline.
    pub order: &'a [OrderAssertion],
    /// How long after its firing the guest should have ended.
    pub deadline: Duration,
    /// The build id of its kernel, by which a dump of its memory is known; empty if it is not.
    pub build_id: &'a str,
    /// The titles of reports that are allowed, where no others are expected.
    pub splats: Option<&'a [String]>,
    /// What the scenario does that may keep records from being written.
    pub hindrances: &'a Hindrances,
    /// The kernel's version, major and minor.
    pub linux: (u32, u32),
}

/// What is judged of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialVerdict {
    /// Whether it counts, or why not.
    pub counts: Result<(), NotCounted>,
    /// Whether its guest did not end by itself.
    pub hung: bool,
    /// What each channel kept, if the kernel has died; of a trial that does not count without the order and the splats.
    pub channels: BTreeMap<Channel, ChannelVerdict>,
    /// What the trial logged, or why that is not known.
    pub logged: Result<Logged, String>,
    /// Which channel has which line of what was logged, where one lacks some of a trial that counts.
    pub difference: Option<String>,
    /// The dump of the kernel's memory in short, of a trial that counts.
    pub dump: Option<Dumped>,
    /// The reports of the kernel's that it has logged.
    pub splats: Vec<Splat>,
    /// The words of the kernel's first panic, if it has logged one.
    pub panic: Option<String>,
}

/// Why a trial does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCounted {
    /// The faults did not meet as the scenario says, for this reason.
    Missed(String),
    /// Our side failed, for this reason.
    InfraError(String),
}

impl TrialVerdict {
    /// What is recorded of the trial.
    pub fn outcome(&self) -> TrialOutcome {
        match self.counts.clone() {
            Ok(()) => TrialOutcome::Counted { hung: self.hung, channels: self.channels.clone() },
            Err(NotCounted::Missed(reason)) => TrialOutcome::Missed { reason },
            Err(NotCounted::InfraError(cause)) => TrialOutcome::InfraError { cause },
        }
    }

    /// The verdict that takes into account what the next boot made of what pstore kept.
    #[must_use]
    pub fn after_next_boot(mut self, next_boot: &NextBoot<'_>, tail: &Tail) -> Self {
        if let Some(verdict) = self.channels.get_mut(&Channel::Pstore) {
            judge_next_boot(verdict, next_boot, tail);
        }
        self
    }
}

/// Judges a trial by what its guest left.
pub fn judge(evidence: &Evidence, expected: &Expected<'_>) -> TrialVerdict {
    let reference = evidence.log.as_ref().map_err(Clone::clone);
    let reference = reference.and_then(|log| ReferenceLog::of(log, expected.tail).map_err(|error| error.to_string()));
    let counts = counts(evidence, expected);
    let texts = texts(evidence);
    let LogVerdicts { mut channels, difference } = judge_log(evidence, expected, reference.as_ref().ok());
    if let Some(pstore) = channels.get_mut(&Channel::Pstore).filter(|it| it.outcome != ChannelOutcome::Saved) {
        let log = texts.first().map(|(_, text)| text.as_ref()).unwrap_or_default();
        for reason in hindrances(evidence, expected, log) {
            add(&mut pstore.detail, &reason);
        }
    }
    channels.extend(counts.is_ok().then(|| order(evidence, expected)).flatten().map(|it| (Channel::Order, it)));
    if evidence.facts.ending == Ending::Survived && !expected.ends.survives() {
        // Nobody has died, and nobody has said what is to be left then.
        channels.clear();
    }
    let splats = reports(evidence, &texts, expected.tail, expected.splats);
    if expected.splats.is_some() && counts.is_ok() {
        channels.insert(Channel::Splats, judge_splats(&splats));
    }
    let dump = match &evidence.facts.capture {
        Some(Capture::Read(dump)) => Some(dumped(dump, dumped_log(evidence))),
        _ => None,
    };
    TrialVerdict {
        hung: evidence.facts.ending.is_hung(),
        channels,
        logged: reference.map(|reference| reference.logged()),
        difference: difference.filter(|_| counts.is_ok()),
        dump: dump.filter(|_| counts.is_ok()),
        splats,
        panic: first_panic(&texts),
        counts,
    }
}

/// Whether the trial counts: the guest was given its time, its faults were fired, and they met as they should have.
fn counts(evidence: &Evidence, expected: &Expected<'_>) -> Result<(), NotCounted> {
    let infra = |cause: String| NotCounted::InfraError(cause);
    let Expected { tail, preconditions, ends, budgets_us, deadline, .. } = *expected;
    let facts = &evidence.facts;
    if let Some(share) = facts.host_wait.filter(|share| facts.ending == Ending::Deadline && *share > SLOW_HOST) {
        return Err(infra(format!(
            "the guest had not ended {deadline:?} after firing, but its vCPUs had waited {:.0} % of that time for a \
             processor of the host; run fewer guests at a time (--jobs)",
            share * 100.0
        )));
    }
    let page = evidence.stamps.as_ref().map_err(|error| infra(format!("read crashlab's stamps: {error}")))?;
    if page.nonce != tail.nonce {
        return Err(infra(format!("crashlab's page belongs to trial {:?}, not {:?}", page.nonce, tail.nonce)));
    }
    if page.fired_tsc.is_none() {
        return Err(infra("the guest ended before its faults were fired".to_owned()));
    }
    let mut intervals = stamped(page);
    let mut held_us = 0;
    if let Some(timeline) = &evidence.timeline {
        let timeline = timeline.as_ref().map_err(|error| infra(format!("read the timeline: {error}")))?;
        let seen = meet::intervals(timeline, &intervals);
        // A guest that had not ended ran on between the reading of its page and its death.
        meet::agree(&intervals, &seen, !facts.ending.ran_on())
            .map_err(|why| infra(format!("crashlab's stamps and the tracer disagree: {why}")))?;
        intervals = seen;
        held_us = held(&timeline.holds)?;
    }
    meet::check(preconditions, &intervals, budgets_us, held_us).map_err(NotCounted::Missed)?;
    ends::came_true(evidence, ends, tail).map_err(NotCounted::Missed)?;
    // QEMU and the firmware's build keep the file's own structure, not the guest: if that is broken, the fault is on our side.
    match &evidence.pstore.storage_fault {
        Some(fault) => Err(infra(format!("read what pstore wrote to: {fault}"))),
        None => Ok(()),
    }
}

/// That the trial's schedule was kept, if it has one; for how long it held CPUs in all, in microseconds.
fn held(holds: &[Held]) -> Result<u64, NotCounted> {
    if let Some(Held { hold, outcome, .. }) = Held::not_kept(holds) {
        return Err(NotCounted::Missed(format!("the schedule was not kept: {hold}: {}", outcome.words())));
    }
    Ok(holds.iter().filter_map(|held| held.lasted_ns).fold(0, u64::saturating_add) / 1000)
}

/// Why the panic's log was not kept by pstore, as far as that is known.
fn hindrances(evidence: &Evidence, expected: &Expected<'_>, log: &str) -> Vec<String> {
    let timeline = evidence.timeline.as_ref().and_then(|timeline| timeline.as_ref().ok());
    let page = evidence.stamps.as_ref().ok();
    let stamped = page.map(stamped).unwrap_or_default();
    let calls = page.iter().flat_map(|page| &page.actors).map(|actor| (actor.name.clone(), actor.hits)).collect();
    hindered::reasons(&Circumstances {
        log,
        log_is_whole: evidence.log.is_ok(),
        timeline,
        actors: &timeline.map_or_else(|| stamped.clone(), |timeline| meet::intervals(timeline, &stamped)),
        calls: &calls,
        hindrances: expected.hindrances,
        linux: expected.linux,
    })
}

/// As crashlab's page tells it.
fn stamped(page: &Stamps) -> Vec<ActorInterval> {
    // What others write there is no time.
    let spent = |actor: &Actor| matches!(actor.action, Action::Spin | Action::Hold).then_some(actor.spent_us);
    let stamps = page.actor_stamps();
    let intervals = stamps.iter().map(ActorInterval::stamped);
    page.actors
        .iter()
        .zip(intervals)
        .map(|(actor, interval)| ActorInterval { spent_us: spent(actor), ..interval })
        .collect()
}

/// The verdicts on all channels of the log.
struct LogVerdicts {
    channels: BTreeMap<Channel, ChannelVerdict>,
    difference: Option<String>,
}

/// Judges every channel of the log: by its tail, and line by line where it is known what was logged.
fn judge_log(evidence: &Evidence, expected: &Expected<'_>, reference: Option<&ReferenceLog>) -> LogVerdicts {
    let tail = &tail_due(evidence, expected, reference);
    let by_line =
        |verdict, text: &str| ChannelVerdict { log: reference.map(|reference| reference.kept_by(text)), ..verdict };
    let console = evidence.console.text.as_str();
    let pstore = text_of_pstore(&evidence.pstore, tail);
    let dump = text_of_dump(dumped_log(evidence));
    let mut texts = vec![('c', console), ('p', pstore.as_str())];
    let mut channels = BTreeMap::from([
        (Channel::Console, by_line(judge_console(&evidence.console, tail), console)),
        (Channel::Pstore, by_line(judge_pstore(&evidence.pstore, tail), &pstore)),
    ]);
    if let Some(line) = &evidence.earlycon {
        channels.insert(Channel::Earlycon, by_line(judge_console(line, tail), &line.text));
        texts.push(('e', line.text.as_str()));
    }
    if let Some(netconsole) = &evidence.netconsole {
        let text = netconsole.console.text.as_str();
        channels.insert(Channel::Netconsole, by_line(judge_netconsole(netconsole, tail), text));
        texts.push(('n', text));
    }
    if let Some(zone) = &evidence.pstore_console {
        let verdict = judge_pstore_console(zone.as_ref(), tail);
        let verdict = match zone {
            Ok(zone) => by_line(verdict, &zone.console.text),
            Err(_) => verdict,
        };
        channels.insert(Channel::PstoreConsole, verdict);
    }
    if let Some(capture) = &evidence.facts.capture {
        let timeline = evidence.timeline.as_ref().and_then(|timeline| timeline.as_ref().ok());
        let due = ExpectedDump {
            build_id: expected.build_id.to_owned(),
            saved_registers: saved_registers(timeline),
            online: timeline.map(|timeline| timeline.online_at(usize::MAX)),
        };
        let log = evidence.dumped_log.as_ref().map(|log| log.as_ref().map_err(String::as_str));
        let verdict = with_last_words(judge_kdump(capture, log, &due, tail), &evidence.capture_console);
        channels.insert(Channel::Kdump, by_line(verdict, &dump));
        texts.push(('k', &dump));
    }
    LogVerdicts { difference: reference.and_then(|reference| reference.difference(&texts)), channels }
}

/// What channels should have kept. A crash kernel that an oops boots is there before a panic has a line.
fn tail_due(evidence: &Evidence, expected: &Expected<'_>, reference: Option<&ReferenceLog>) -> Tail {
    match (evidence.facts.ending, reference) {
        (Ending::Captured, Some(reference)) if !reference.logged().panic => expected.tail.clone().without_panic(),
        _ => expected.tail.clone(),
    }
}

fn dumped_log(evidence: &Evidence) -> Option<&crate::evidence::printk_ring::Log> {
    evidence.dumped_log.as_ref().and_then(|log| log.as_ref().ok())
}

/// The CPUs that were seen saving their registers.
fn saved_registers(timeline: Option<&Timeline>) -> BTreeSet<u32> {
    let events = timeline.into_iter().flat_map(|timeline| &timeline.events);
    let saves = |event: &&Event| {
        event.step == Event::MACHINE_KEXEC || (event.step == Event::STOPPED && event.of == "kdump_nmi_callback")
    };
    events.filter(saves).map(|event| event.cpu).collect()
}

/// Whether the trial's steps came in the order that its scenario asserts; none where that is not known.
fn order(evidence: &Evidence, expected: &Expected<'_>) -> Option<ChannelVerdict> {
    let (Some(Ok(timeline)), Some(tracing)) = (&evidence.timeline, &evidence.facts.tracing) else { return None };
    let verdict = judge_order(expected.order, timeline, &[], tracing.real_time)?;
    if verdict.outcome != ChannelOutcome::Broken {
        return Some(verdict);
    }
    // To put the console's lines between the events takes longer than to judge, and only who reads the detail needs
    // them.
    judge_order(expected.order, timeline, &place_console(timeline, &evidence.console), tracing.real_time)
}

#[cfg(test)]
mod tests;
