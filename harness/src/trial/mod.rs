//! Drives one scenario on one guest: starts it, waits for its end, hands what is left to the decoders and the verdict.
//!
//! ```text
//! Assignment ──> Guest (booted, or restored from a Template) ──> Remains ──> evidence ──> verdict ──> TrialRecord
//!                                                                   └──> artifacts/<trial>/
//! ```
//!
//! Whatever goes wrong on our side of the guest becomes `infra-error`, here and nowhere else.

mod alive;
mod artifacts;
mod judge;
mod next_boot;
mod records;
mod stage;
mod tracer;
mod workdir;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::evidence::symbols::Symbols;
use crate::evidence::{registers, stamps};
use crate::guest::{End, Guest, GuestError, Machine, Remains, Start, Time, Tracing, Waited, Watch, Word};
use crate::model::order::OrderAssertion;
use crate::model::{CellKey, HungCpu, Meeting, TrialOutcome, TrialRecord};
use crate::plan::PlannedTrial;
use crate::probes::Probes;
use crate::results::rfc3339;
use crate::scenario::{Action, Instance};
use crate::verdict::Tail;

pub use alive::Fault as TemplateFault;
pub use judge::{Judged, judge};
use stage::Source;
pub use stage::{Stage, StageError, StageOptions};
pub use workdir::Workplace;

/// Witness lines a trial writes: some 2 kB of log, of which a channel that lost a part shows how much.
pub const WITNESSES: u32 = 32;

/// How long a guest may take from its first instruction to its agent, on a slow and busy host.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(120);

/// How long arming may take.
const ARM_DEADLINE: Duration = Duration::from_secs(60);

/// How often a guest that has not ended is asked whether it has fired.
const PEEK: Duration = Duration::from_secs(1);

/// How often a hung guest is looked at, and how long it runs on in between: whether it goes round in circles or stands
/// still.
const LOOKS: usize = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A guest past its deadline whose vCPUs spent more than this share of their time waiting for a processor was not hung:
/// the host was too busy to say.
const SLOW_HOST: f64 = 0.8;

/// Everything one trial is told.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Position in the plan.
    pub index: u64,
    /// Where it counts.
    pub cell: CellKey,
    /// Seed of everything random in it.
    pub seed: u64,
    /// The word that marks its lines.
    pub nonce: String,
    /// What the agent is told.
    pub directives: String,
    /// From firing to the guest's end.
    pub deadline: Duration,
    /// What must be true for the trial to count.
    pub meetings: Vec<Meeting>,
    /// How many of its CPUs are busy at once: those that an actor is armed on.
    pub busy_cpus: u32,
    /// How long each actor's critical section was asked to last, in microseconds, by name; `u64::MAX` for ever, or where
    /// that is not known beforehand.
    pub budgets_us: BTreeMap<String, u64>,
    /// What must be so in the trial's timeline.
    pub order: Vec<OrderAssertion>,
    /// What each channel should have kept.
    pub tail: Tail,
    /// Whether the next boot is to read what pstore kept.
    pub read_back: bool,
}

impl Assignment {
    /// What a planned trial is told, at the point of its scenario that `instance` is.
    pub fn new(trial: &PlannedTrial, instance: &Instance) -> Self {
        let drawn = instance.draw(trial.seed);
        let (nonce, of) = (&trial.nonce, WITNESSES);
        let tail = match &instance.panic_line {
            Some(text) => Tail::beginning_with(nonce, of, text),
            None if drawn.actors.iter().any(|actor| actor.action == Action::Panic) => Tail::of_panic(nonce, of),
            None => Tail::of_oops(nonce, of),
        };
        let cpus: BTreeSet<u32> = drawn.actors.iter().map(|actor| actor.cpu).collect();
        Self {
            index: trial.index,
            cell: CellKey::clone(&trial.cell),
            seed: trial.seed,
            nonce: trial.nonce.clone(),
            directives: drawn.to_guest(&trial.nonce, WITNESSES),
            deadline: instance.deadline,
            meetings: instance.meetings.clone(),
            busy_cpus: u32::try_from(cpus.len()).unwrap_or(u32::MAX),
            budgets_us: drawn.actors.iter().map(|actor| (actor.name.clone(), actor.action.budget_us())).collect(),
            order: instance.order.clone(),
            tail,
            read_back: false,
        }
    }
}

/// Runs one trial on `stage`. Its artifacts go to the folder `artifacts`, which exists; its record is complete whatever
/// happened.
pub async fn run(stage: &Stage, assignment: &Assignment, artifacts: &Path, watch: Option<Watch>) -> TrialRecord {
    let began = (SystemTime::now(), Instant::now());
    let mut record = TrialRecord {
        index: assignment.index,
        cell: assignment.cell.clone(),
        attempt: 0,
        seed: assignment.seed,
        nonce: assignment.nonce.clone(),
        started: rfc3339(began.0),
        wall_ms: 0,
        outcome: TrialOutcome::InfraError { cause: String::new() },
        host_wait_percent: None,
        stamps: Vec::new(),
        hung_at: Vec::new(),
        log: None,
        log_unknown: None,
    };
    match crash(stage, &stage.source().await, assignment, watch).await {
        Ok(crash) => {
            record.host_wait_percent = crash.host_wait().map(percent);
            if !crash.registers.is_empty() {
                record.hung_at = crash.hung_at(&stage.symbols());
            }
            let mut judged = judge(assignment, &crash);
            let found = if assignment.read_back && judged.kept_by_pstore() {
                let found = next_boot::read(stage, &crash.remains).await;
                judged.read_back(&found, &assignment.tail);
                found.ok()
            } else {
                None
            };
            (record.outcome, record.stamps) = (judged.outcome, judged.stamps);
            match &judged.truth {
                Ok(truth) => record.log = Some(truth.logged()),
                Err(why) => record.log_unknown = Some(why.clone()),
            }
            let (timeline, log) = (judged.timeline.as_ref(), judged.log.as_ref());
            if let Err(error) = artifacts::keep(artifacts, &crash, timeline, log, found.as_deref()) {
                let cause = format!("keep the trial's artifacts in {}: {error}", artifacts.display());
                record.outcome = TrialOutcome::InfraError { cause };
            }
        }
        Err(error) => record.outcome = TrialOutcome::InfraError { cause: error.to_string() },
    }
    record.wall_ms = u64::try_from(began.1.elapsed().as_millis()).unwrap_or(u64::MAX);
    record
}

/// A guest's end and what it left.
#[derive(Debug, Clone)]
pub struct Crash {
    /// How it ended.
    pub end: End,
    /// What it left.
    pub remains: Remains,
    /// The vCPUs' registers, if it hung, as the monitor showed them, once for each time that they were looked at.
    pub registers: Vec<String>,
    /// What the tracer looked for, if the guest was traced.
    pub traced: Option<Traced>,
}

/// How a guest was traced.
#[derive(Debug, Clone)]
pub struct Traced {
    /// What was looked for.
    pub probes: Arc<Probes>,
    /// How many CPUs the guest had.
    pub cpus: u32,
    /// Whether its time was the host's.
    pub real_time: bool,
}

impl Crash {
    /// The share of their time that QEMU's threads waited for a processor of the host.
    fn host_wait(&self) -> Option<f64> {
        self.remains.waited.map(Waited::share)
    }

    /// Whether it was past its deadline for want of processors rather than by its own doing.
    fn host_was_slow(&self) -> bool {
        self.end == End::Deadline && self.host_wait().is_some_and(|share| share > SLOW_HOST)
    }

    /// Where each vCPU stood, by the symbols of its kernel.
    fn hung_at(&self, symbols: &Symbols) -> Vec<HungCpu> {
        let mut cpus: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for standing in self.registers.iter().flat_map(|text| registers::parse(text)) {
            cpus.entry(standing.cpu).or_default().push(standing.describe(symbols));
        }
        cpus.into_iter().map(|(cpu, at)| HungCpu { cpu, at }).collect()
    }
}

async fn crash(
    stage: &Stage,
    source: &Source<'_>,
    assignment: &Assignment,
    watch: Option<Watch>,
) -> Result<Crash, GuestError> {
    let machine = &stage.machine;
    let workdir = stage
        .workplace
        .folder()
        .map_err(|source| GuestError::Io { what: "create a folder for the trial".to_owned(), source })?;
    let tracing = stage.tracing(source);
    let start = source.start();
    let booted = matches!(start, Start::Boot { .. });
    let directives = match &tracing {
        Some(Tracing { doorbell: Some(_), .. }) => format!("await-tracer\n{}", assignment.directives),
        // Until it has told where it has crashlab and its notifiers, and these are looked for.
        Some(_) if booted => format!("await-host\n{}", assignment.directives),
        _ => assignment.directives.clone(),
    };
    let mut guest = Guest::start(machine, start, Some(&directives), workdir.path(), watch, tracing.as_ref()).await?;
    let mut probes = source.probes();
    if booted {
        match guest.word("ready", BOOT_DEADLINE).await? {
            Word::Ready { .. } => (),
            other => return Err(GuestError::Agent(format!("it said {other:?} where `ready` was due"))),
        }
        guest.find_log().await;
        if let Some(tracer) = &stage.tracer {
            probes = Some(tracer.complete(&mut guest).await?);
        }
    }
    let traced = probes.map(|probes| Traced { probes, cpus: machine.cpus, real_time: machine.time == Time::Real });
    let end = await_end(&mut guest, deadline(machine, assignment)).await?;
    let mut registers = Vec::new();
    if end == End::Deadline {
        for look in 0..LOOKS {
            if look > 0 && guest.end(BETWEEN_LOOKS).await?.is_some() {
                // It ended after all, but too late.
                break;
            }
            registers.push(guest.registers().await?);
        }
    }
    Ok(Crash { end, remains: guest.remains().await?, registers, traced })
}

/// Waits for the guest's end, for `deadline` from firing on, and before that for the firing.
///
/// That the faults were fired is looked up in crashlab's page, every [`PEEK`] of a trial that lasts so long; a word of
/// the agent's would be some thousand instructions on the way to the faults.
async fn await_end(guest: &mut Guest, deadline: Duration) -> Result<End, GuestError> {
    let began = Instant::now();
    let mut fired: Option<Instant> = None;
    loop {
        let limit = fired.map_or(began + ARM_DEADLINE, |at| at + deadline);
        if let Some(end) = guest.end(PEEK.min(limit.saturating_duration_since(Instant::now()))).await? {
            return Ok(end);
        }
        if fired.is_none() && stamps::decode(&guest.page().await?).is_ok_and(|page| page.fired_tsc.is_some()) {
            fired = Some(Instant::now());
        } else if Instant::now() >= limit {
            return if fired.is_some() { Ok(End::Deadline) } else { Err(guest.silent("fire", ARM_DEADLINE).await) };
        }
    }
}

/// The scenario's deadline is in seconds of the guest. In virtual time one of them may last several of the host's, the
/// more the busier the host; a guest that is not hung comes to its end all the same.
fn deadline(machine: &Machine, assignment: &Assignment) -> Duration {
    match machine.time {
        Time::Real => assignment.deadline,
        Time::Virtual => assignment.deadline * 10,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is between 0 and 1")]
fn percent(share: f64) -> u8 {
    (share.clamp(0.0, 1.0) * 100.0).round() as u8
}
