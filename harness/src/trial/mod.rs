//! Drives one scenario on one guest: starts it, waits for its end, hands what is left to the decoders and the verdict.
//!
//! ```text
//! Assignment ──> Guest (booted, or restored from a Template) ──> Remains ──> evidence ──> verdict ──> TrialRecord
//!                                                                   └──> artifacts/<trial>/
//! ```
//!
//! Whatever goes wrong on our side of the guest becomes `infra-error`, here and nowhere else.

mod artifacts;
mod judge;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::guest::{End, Guest, GuestError, Machine, Remains, Start, Time, Watch, Word};
use crate::model::{CellKey, Meeting, TrialOutcome, TrialRecord};
use crate::plan::PlannedTrial;
use crate::results::rfc3339;
use crate::scenario::{Actor, Fault, Instance};
use crate::verdict::Tail;

pub use judge::judge;

/// Witness lines a trial writes: some 2 kB of log, of which a channel that lost a part shows how much.
pub const WITNESSES: u32 = 32;

/// How long a guest may take from its first instruction to its agent, on a slow and busy host.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(120);

/// How long arming may take.
const ARM_DEADLINE: Duration = Duration::from_secs(60);

/// A guest past its deadline whose vCPUs spent more than this share of their time waiting for a processor was not hung: the
/// host was too busy to say.
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
    /// How long each actor's critical section was asked to last, in microseconds, by name.
    pub budgets_us: BTreeMap<String, u64>,
    /// What each channel should have kept.
    pub tail: Tail,
}

impl Assignment {
    /// What a planned trial is told, at the point of its scenario that `instance` is.
    pub fn new(trial: &PlannedTrial, instance: &Instance) -> Self {
        let panics = instance.actors.iter().any(|actor| matches!(actor.fault, Fault::Panic { .. }));
        let tail =
            if panics { Tail::of_panic(&trial.nonce, WITNESSES) } else { Tail::of_oops(&trial.nonce, WITNESSES) };
        let budget =
            |actor: &Actor| (actor.name.clone(), u64::try_from(actor.budget().as_micros()).unwrap_or(u64::MAX));
        Self {
            index: trial.index,
            cell: CellKey::clone(&trial.cell),
            seed: trial.seed,
            nonce: trial.nonce.clone(),
            directives: instance.to_guest(&trial.nonce, WITNESSES),
            deadline: instance.deadline,
            meetings: instance.meetings.clone(),
            budgets_us: instance.actors.iter().map(budget).collect(),
            tail,
        }
    }
}

/// Runs one trial. Its artifacts go to the folder `artifacts`, which exists; its record is complete whatever happened.
pub async fn run(
    machine: &Machine,
    start: Start<'_>,
    assignment: &Assignment,
    artifacts: &Path,
    watch: Option<Watch>,
) -> TrialRecord {
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
    };
    match crash(machine, start, assignment, watch).await {
        Ok(crash) => {
            record.host_wait_percent = crash.host_wait.map(percent);
            (record.outcome, record.stamps) = judge(assignment, &crash);
            if let Err(error) = artifacts::keep(artifacts, &crash) {
                record.outcome = TrialOutcome::InfraError { cause: format!("keep the trial's artifacts: {error}") };
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
    /// The share of their time that its vCPUs waited for a processor of the host, from firing to the end.
    pub host_wait: Option<f64>,
    /// The vCPUs' registers, if it hung.
    pub registers: Option<String>,
}

impl Crash {
    /// Whether it was past its deadline for want of processors rather than by its own doing.
    fn host_was_slow(&self) -> bool {
        self.end == End::Deadline && self.host_wait.is_some_and(|share| share > SLOW_HOST)
    }
}

async fn crash(
    machine: &Machine,
    start: Start<'_>,
    assignment: &Assignment,
    watch: Option<Watch>,
) -> Result<Crash, GuestError> {
    let workdir = tempfile::Builder::new()
        .prefix("harness-trial-")
        .tempdir()
        .map_err(|source| GuestError::Io { what: "create a folder for the trial".to_owned(), source })?;
    let mut guest = Guest::start(machine, start, Some(&assignment.directives), workdir.path(), watch).await?;
    if matches!(start, Start::Boot { .. }) {
        expect(&mut guest, "ready", BOOT_DEADLINE, |word| matches!(word, Word::Ready { .. })).await?;
    }
    guest.find_threads().await?;
    expect(&mut guest, "firing", ARM_DEADLINE, |word| *word == Word::Firing).await?;
    let fired = guest.waited();
    let end = guest.end(deadline(machine, assignment)).await?;
    let registers = if end == End::Deadline { Some(guest.registers().await?) } else { None };
    let remains = guest.remains().await?;
    let host_wait = fired.zip(remains.waited).map(|(fired, ended)| ended.since(fired).share());
    Ok(Crash { end, remains, host_wait, registers })
}

/// The scenario's deadline is in seconds of the guest. In virtual time one of them may last several of the host's, the more
/// the busier the host; a guest that is not hung comes to its end all the same.
fn deadline(machine: &Machine, assignment: &Assignment) -> Duration {
    match machine.time {
        Time::Real => assignment.deadline,
        Time::Virtual => assignment.deadline * 10,
    }
}

async fn expect(
    guest: &mut Guest,
    awaited: &'static str,
    deadline: Duration,
    wanted: impl Fn(&Word) -> bool,
) -> Result<(), GuestError> {
    let word = guest.word(awaited, deadline).await?;
    if wanted(&word) { Ok(()) } else { Err(GuestError::Agent(format!("it said {word:?} where `{awaited}` was due"))) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is between 0 and 1")]
fn percent(share: f64) -> u8 {
    (share.clamp(0.0, 1.0) * 100.0).round() as u8
}
