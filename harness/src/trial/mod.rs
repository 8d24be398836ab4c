//! Drives one scenario on one guest: starts it, waits for its end, hands what is left to the decoders and the verdict.
//!
//! ```text
//! Assignment ──> Guest (booted, or restored from a Template) ──> Crash ─┬─(another thread)─> Evidence ──> TrialVerdict
//!                                                                       └──────────────────────┴─> artifacts/<trial>/
//! ```
//!
//! Whatever goes wrong on our side of the guest becomes `infra-error`, here and nowhere else.

mod alive;
mod artifacts;
mod caught;
mod dump;
mod examine;
mod guest_source;
mod hung;
mod inject;
mod interleaving;
mod next_boot;
mod progress;
mod symbols;
mod tracer;
mod wait;
mod workdir;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use harness_protocol::Directive;

use crate::blocking::off_thread;
use crate::evidence::vmcore::Capture;
use crate::evidence::{Ending, Facts, Probes, Tracing as Traced};
use crate::guest::{
    Accelerator, AgentMessage, End, Given, Guest, GuestError, Rules, Start, Time, Tracing, Waited, Watch, WorkloadLog,
};
use crate::model::cpus::Cpus;
use crate::model::ends::{Ends, EndsBy};
use crate::model::order::{OrderAssertion, OwnStep};
use crate::model::schedule::Schedule;
use crate::model::{CellKey, Phase, Precondition, TrialOutcome, TrialRecord, WorkloadRecord, rfc3339};
use crate::plan::PlannedTrial;
use crate::scenario::{Action, Actor, Cpu, Instance, Span, Start as ActorStart, Stay, background_hinders};
use crate::schedule;
use crate::verdict::{Hindrances, Tail};

pub use alive::NotAliveReason;
use caught::caught;
use examine::{Crash, Examined, examine};
use guest_source::Origin;
pub use guest_source::{GuestSource, GuestSourceError, GuestSourceOptions};
use hung::Hung;
pub use inject::{Injected, Injection};
pub use interleaving::Interleaving;
use wait::Waiting;
pub use workdir::ScratchDirs;

/// Witness lines a trial writes: some 2 kB of log, of which a channel that lost a part shows how much.
pub const WITNESSES: u32 = 32;

/// How long a guest that boots may print nothing, on a slow and busy host.
const BOOT_PATIENCE: Duration = Duration::from_secs(120);

/// How long a guest may take that is to say at its deadline that it is alive: its clock and the host's are not one.
const TO_REPORT: Duration = Duration::from_secs(10);

/// How long a guest that is to fire its faults may print nothing.
const ARM_PATIENCE: Duration = Duration::from_secs(60);

/// What all trials of a run have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialSettings {
    /// How time passes in the guest.
    pub time: Time,
    /// Whether each trial draws its interleaving.
    pub phase: Phase,
    /// Whether the next boot is to read what pstore kept.
    pub read_back: bool,
    /// Whether all of the dead kernel's memory is kept, where a crash kernel can read it.
    pub full_vmcore: bool,
    /// What each trial is made to follow, if it is.
    pub schedule: Option<Arc<Schedule>>,
}

/// Whether a trial runs a program of the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramRuns {
    /// It has none.
    Never,
    /// While actors do what ends the guest.
    BesideActors,
    /// By itself: the trial ends with it, if the kernel has not died before.
    Alone,
}

/// Everything one trial is told.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Position in the plan.
    pub index: u64,
    /// Which of its cell's trials it is, from 0.
    pub ordinal: u32,
    /// Where it counts.
    pub cell: CellKey,
    /// Seed of everything random in it.
    pub seed: u64,
    /// How its faults lie against everything else in its guest.
    pub interleaving: Interleaving,
    /// The word that marks its lines.
    pub nonce: String,
    /// What the agent is told.
    pub directives: String,
    /// From firing to the guest's end.
    pub deadline: Duration,
    /// How long a guest may do nothing, in its own time, before it counts as hung.
    pub quiet: Duration,
    /// Functions that wait, and for how long at most, besides those that are known of every kernel.
    pub waits: Vec<(String, Duration)>,
    /// Whether a program of the user's is run.
    pub program: ProgramRuns,
    /// How long an actor may have to wait from firing or from another's edge, or may sleep.
    pub longest_wait: Duration,
    /// What is injected from outside.
    pub injections: Vec<Injection>,
    /// What must be true for the trial to count.
    pub preconditions: Vec<Precondition>,
    /// What the guest ends by.
    pub ends: Ends,
    /// How many of the host's processors it keeps busy: one for each CPU that an actor is armed on; in virtual time the
    /// CPUs take turns, so it is one.
    pub processors: u32,
    /// How long each actor's critical section was asked to last, in microseconds, by name; `u64::MAX` for ever, or where
    /// that is not known beforehand.
    pub budgets_us: BTreeMap<String, u64>,
    /// Steps of the scenario's own.
    pub steps: Vec<OwnStep>,
    /// What must be so in the trial's timeline.
    pub order: Vec<OrderAssertion>,
    /// The titles of reports that are allowed, where no others are expected.
    pub splats: Option<Vec<String>>,
    /// What it does that may keep records from being written.
    pub hindrances: Hindrances,
    /// What each channel should have kept.
    pub tail: Tail,
    /// Whether the next boot is to read what pstore kept.
    pub read_back: bool,
    /// Whether all of the dead kernel's memory is kept, where a crash kernel can read it.
    pub full_vmcore: bool,
    /// The actors in the order in which they are armed, each with its CPU, if it has one of its own.
    pub cast: Vec<(String, Option<u32>)>,
    /// What it is made to follow, if it is.
    pub schedule: Option<Arc<Schedule>>,
}

impl Assignment {
    /// What a planned trial is told, at the point of its scenario that `instance` is.
    pub fn new(trial: &PlannedTrial, instance: &Instance, settings: TrialSettings) -> Self {
        let TrialSettings { time, phase, read_back, full_vmcore, schedule } = settings;
        let held = schedule.as_ref().map(|schedule| schedule.longest()).unwrap_or_default();
        let drawn = instance.draw(trial.seed);
        let interleaving = match phase {
            Phase::Drawn => Interleaving::draw(trial.seed, instance.guest.online, time),
            Phase::Fixed => Interleaving::default(),
        };
        let survives = instance.ends.survives();
        let program = instance.workload.as_ref().map(|workload| workload.lasting).unwrap_or_default();
        let quiet = instance.quiet + longest(drawn.actors.iter().map(pauses)) + program + held;
        let mut cpus: BTreeSet<u32> = drawn.actors.iter().map(|actor| actor.cpu).collect();
        cpus.extend(instance.background.iter().flat_map(|load| &load.cpus));
        if let Some(workload) = &instance.workload {
            let all = 0..instance.guest.cpus;
            cpus.extend(all.filter(|cpu| workload.cpus.is_empty() || workload.cpus.contains(cpu)));
        }
        Self {
            index: trial.index,
            ordinal: trial.ordinal,
            cell: CellKey::clone(&trial.cell),
            seed: trial.seed,
            interleaving,
            nonce: trial.nonce.clone(),
            directives: drawn.to_guest(&trial.nonce, WITNESSES, interleaving.firing),
            deadline: instance.deadline + held + if survives { TO_REPORT } else { Duration::ZERO },
            // Who is to survive has nothing to do, and is not to be taken for dead because of that.
            quiet: if survives { quiet.max(instance.deadline + TO_REPORT) } else { quiet },
            waits: instance.waits.clone(),
            program: match &instance.workload {
                None => ProgramRuns::Never,
                Some(_) if drawn.actors.is_empty() => ProgramRuns::Alone,
                Some(_) => ProgramRuns::BesideActors,
            },
            longest_wait: longest(drawn.actors.iter().map(waits)),
            injections: drawn.actors.iter().filter_map(Injection::of).collect(),
            preconditions: instance.preconditions.clone(),
            ends: instance.ends.clone(),
            processors: match time {
                Time::Real => u32::try_from(cpus.len()).unwrap_or(u32::MAX).clamp(1, instance.guest.cpus),
                Time::Virtual => 1,
            },
            budgets_us: drawn.actors.iter().map(|actor| (actor.name.clone(), actor.action.budget_us())).collect(),
            steps: instance.steps.clone(),
            order: instance.order.clone(),
            hindrances: hindrances(instance, &drawn.actors),
            tail: tail(instance, &trial.nonce),
            splats: instance.allowed_splats.clone(),
            read_back,
            full_vmcore,
            cast: drawn.actors.iter().zip(&instance.actors).map(cast).collect(),
            schedule,
        }
    }
}

/// An actor, and the CPU that it is on, if it has one of its own.
fn cast((drawn, planned): (&Actor, &Actor<Cpu, Span>)) -> (String, Option<u32>) {
    (drawn.name.clone(), (planned.cpu != Cpu::Any).then_some(drawn.cpu))
}

/// What of it may keep records from being written.
fn hindrances(instance: &Instance, actors: &[Actor]) -> Hindrances {
    let of_actor = |actor: &Actor| Some((actor.name.clone(), actor.hinders(instance.guest.pstore)?));
    Hindrances {
        actors: actors.iter().filter_map(of_actor).collect(),
        background: instance.background.as_ref().map(background_hinders),
    }
}

/// What channels should have kept of a trial: the panic's line as the scenario has it, or that of a `panic` actor, or
/// that of what else the guest ends by.
fn tail(instance: &Instance, nonce: &str) -> Tail {
    let (ends, of) = (&instance.ends, WITNESSES);
    let acted = instance.actors.iter().any(|actor| actor.action == Action::Panic);
    let tail = match &instance.panic_line {
        Some(text) => Tail::beginning_with(nonce, of, text),
        None if instance.workload.is_some() && instance.actors.is_empty() && !ends.said => Tail::of_death(nonce, of),
        None if acted && (!ends.said || ends.by.contains(&EndsBy::Panic)) => Tail::of_panic(nonce, of),
        None => Tail::beginning_with(nonce, of, ends.panic_text().unwrap_or_default()),
    };
    if ends.may_panic() { tail } else { tail.without_panic() }
}

/// How long an actor may wait before it enters its section, from firing or from another's edge, or sleep inside of it.
fn waits(actor: &Actor) -> Duration {
    let before = match actor.start {
        Some(ActorStart::At(time) | ActorStart::After { delay: time, .. }) => time,
        None => Duration::ZERO,
    };
    match actor.action {
        Action::Block { stay: Stay::For(time) } => before.max(time),
        _ => before,
    }
}

/// How long it may pause between what it does several times.
fn pauses(actor: &Actor) -> Duration {
    match actor.action {
        Action::Oops { every, .. } | Action::Print { every, .. } => every,
        _ => Duration::ZERO,
    }
}

fn longest(times: impl Iterator<Item = Duration>) -> Duration {
    times.max().unwrap_or_default()
}

/// Runs one trial on `guests`. Its artifacts go to the folder `artifacts`, which exists; its record is complete whatever
/// happened.
pub async fn run(guests: &GuestSource, assignment: &Assignment, artifacts: &Path, watch: Option<Watch>) -> TrialRecord {
    let began = (SystemTime::now(), Instant::now());
    let mut record = TrialRecord::new(
        assignment.index,
        assignment.cell.clone(),
        assignment.seed,
        assignment.nonce.clone(),
        rfc3339(began.0),
        TrialOutcome::InfraError { cause: String::new() },
    );
    let attempt = Box::pin(attempt(guests, assignment, artifacts, watch, &mut record));
    if let Err(said) = caught(attempt).await {
        record.outcome = TrialOutcome::InfraError { cause: format!("the harness panicked in this trial: {said}") };
    }
    record.wall_ms = u64::try_from(began.1.elapsed().as_millis()).unwrap_or(u64::MAX);
    record
}

/// Fills the record with what becomes of a guest.
async fn attempt(
    guests: &GuestSource,
    assignment: &Assignment,
    artifacts: &Path,
    watch: Option<Watch>,
    record: &mut TrialRecord,
) {
    let full = assignment.full_vmcore.then(|| artifacts.join(artifacts::VMCORE));
    let source = guests.source(assignment.ordinal).await;
    record.template = source.template();
    match crash(guests, &source, assignment, full.as_deref(), watch).await {
        Ok(crash) => conclude(guests, assignment, crash, artifacts, record).await,
        Err(error) => record.outcome = TrialOutcome::InfraError { cause: error.to_string() },
    }
}

/// Judges what a guest left, records it, and keeps it.
async fn conclude(
    guests: &GuestSource,
    assignment: &Assignment,
    crash: Crash,
    artifacts: &Path,
    record: &mut TrialRecord,
) {
    let mut examined = examine(assignment, crash).await;
    let mut found = None;
    if assignment.read_back && examined.has_records() {
        let read = next_boot::read(guests, &examined.artifacts).await;
        examined = examined.after_next_boot(&read, guests.reader(), &assignment.tail);
        found = read.ok();
    }
    let Examined { hung, evidence, verdict, .. } = &examined;
    let all = |cpus: &&Cpus| !cpus.online.iter().copied().eq(0..guests.machine.cpus);
    record.cpus = evidence.cpus().filter(all).cloned();
    record.host_wait_percent = evidence.facts.host_wait.map(percent);
    if let Some(Hung { by, at, .. }) = hung {
        (record.hung_by, record.hung_at) = (Some(by.clone()), at.clone());
    }
    (record.outcome, record.stamps) = (verdict.outcome(), evidence.actor_stamps());
    match &verdict.logged {
        Ok(logged) => record.log = Some(*logged),
        Err(why) => record.log_unknown = Some(why.clone()),
    }
    record.dump.clone_from(&verdict.dump);
    if let Some(Ok(timeline)) = &evidence.timeline {
        record.holds.clone_from(&timeline.holds);
    }
    record.splats.clone_from(&verdict.splats);
    record.survived = evidence.facts.ending == Ending::Survived;
    record.panic.clone_from(&verdict.panic);
    if assignment.program != ProgramRuns::Never {
        let WorkloadLog { output, exit } = &examined.artifacts.workload;
        let exit = exit.map(|exit| exit.to_string());
        record.workload = Some(WorkloadRecord { exit, output_bytes: u32::try_from(output.len()).unwrap_or(u32::MAX) });
    }
    let folder = artifacts.to_owned();
    if let Err(error) = off_thread(move || artifacts::keep(&folder, &examined, found.as_deref())).await {
        let cause = format!("keep the trial's artifacts in {}: {error}", artifacts.display());
        record.outcome = TrialOutcome::InfraError { cause };
    }
}

async fn crash(
    guests: &GuestSource,
    source: &Origin<'_>,
    assignment: &Assignment,
    full: Option<&Path>,
    watch: Option<Watch>,
) -> Result<Crash, GuestError> {
    let machine = &guests.machine;
    let scratch_dirs = Arc::clone(&guests.scratch_dirs);
    let workdir = off_thread(move || scratch_dirs.folder())
        .await
        .map_err(|source| GuestError::Io { what: "create a folder for the trial".to_owned(), source })?;
    let probes = guests.probes(source, &assignment.steps)?;
    let rules = probes.as_deref().and_then(|probes| rules(assignment, probes));
    // Of a guest that is booted they are known later.
    let rules = rules.or_else(|| assignment.schedule.is_some().then(Rules::default));
    let tracing = guests.tracing(source, probes.as_deref());
    let tracing = tracing.map(|tracing| Tracing { rules: rules.as_ref(), ..tracing });
    if tracing.is_none() && rules.is_some() {
        return Err(GuestError::Agent("it cannot be traced, and so no schedule can be forced on it".to_owned()));
    }
    let start = source.start();
    let booted = matches!(start, Start::Boot { .. });
    let directives = match &tracing {
        Some(Tracing { doorbell: Some(_), .. }) => format!("{}\n{}", Directive::AwaitTracer, assignment.directives),
        // Until it has told where it has crashlab and its notifiers, and these are looked for.
        Some(_) if booted => format!("{}\n{}", Directive::AwaitHost, assignment.directives),
        _ => assignment.directives.clone(),
    };
    let given = Given { directives: Some(&directives), turn: assignment.interleaving.turn, ..Given::default() };
    let mut guest = Guest::start(machine, start, given, workdir.path(), watch, tracing.as_ref()).await?;
    match drive(guests, source, probes, assignment, full, &mut guest).await {
        Ok(Driven { end, hung, tracing, capture }) => {
            let artifacts = guest.collect().await?;
            off_thread(move || drop(workdir)).await;
            let host_wait = artifacts.waited.map(Waited::share);
            let facts = Facts { ending: ending(&end), host_wait, tracing, capture };
            let build_id = guests.dumps.as_ref().map(|dumps| dumps.build_id.clone()).unwrap_or_default();
            Ok(Crash { artifacts, facts, hung, build_id, linux: guests.linux })
        }
        Err(error) => Err(guest.or_death(error, "its trial was under way").await),
    }
}

/// What becomes of a guest before it is asked for what it left.
struct Driven {
    end: End,
    hung: Option<Hung>,
    tracing: Option<Traced>,
    capture: Option<Capture>,
}

fn ending(end: &End) -> Ending {
    match end {
        // QEMU: qapi/run-state.json, ShutdownCause.
        End::Ended(reason) if reason == "guest-shutdown" => Ending::PoweredOff,
        End::Ended(_) => Ending::ByItself,
        End::Survived => Ending::Survived,
        End::Captured(_) => Ending::Captured,
        End::Hung => Ending::Hung,
        End::Deadline => Ending::Deadline,
    }
}

/// Which vCPUs are held of a guest that is traced by these probes, if any are.
fn rules(assignment: &Assignment, probes: &Probes) -> Option<Rules> {
    Some(schedule::rules(assignment.schedule.as_deref()?, probes, &assignment.cast))
}

/// Sees a guest to its end, and reads what its crash kernel has of it.
async fn drive(
    guests: &GuestSource,
    source: &Origin<'_>,
    mut probes: Option<Arc<Probes>>,
    assignment: &Assignment,
    full: Option<&Path>,
    guest: &mut Guest,
) -> Result<Driven, GuestError> {
    let machine = &guests.machine;
    let booted = matches!(source.start(), Start::Boot { .. });
    if booted {
        match guest.message("ready", BOOT_PATIENCE).await? {
            AgentMessage::Ready { .. } => (),
            other => return Err(GuestError::Agent(format!("it said {other:?} where `ready` was due"))),
        }
        guest.find_kernel().await?;
    }
    let slide = guests.slide(guest)?;
    if let Some(tracer) = guests.tracer.as_ref().filter(|_| booted) {
        probes = Some(tracer.complete(guest, slide, &assignment.steps, |probes| rules(assignment, probes)).await?);
    }
    let (cpus, real_time, schedule) = (machine.cpus, machine.time == Time::Real, assignment.schedule.clone());
    let tracing = probes.map(|probes| Traced { probes, cpus, real_time, schedule });
    if assignment.program == ProgramRuns::Alone {
        guest.end_with_workload();
    }
    let waiting = Waiting::new(guests, assignment, tracing.as_ref().map(|tracing| &*tracing.probes), slide);
    let ended = waiting.end(guest).await;
    guest.release()?;
    let (end, hung) = ended?;
    if end.is_hung() && machine.accelerator == Accelerator::Kvm {
        guest.check_executed().await?;
    }
    let capture = match &guests.dumps {
        Some(dumps) => Some(dumps.capture(guests, guest, slide, &end, full).await?),
        None => None,
    };
    Ok(Driven { end, hung, tracing, capture })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is between 0 and 1")]
fn percent(share: f64) -> u8 {
    (share.clamp(0.0, 1.0) * 100.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Params;
    use crate::scenario::{Context, Edge, PrintLimit, Scenario};
    use crate::yaml::Source;

    const NONCE: &str = "0123456789abcdef";

    #[test]
    fn channels_are_held_to_what_the_guest_ends_by() {
        let of = |lines: &str| {
            let text = format!("name: x\ntitle: t\nwhy: w\nsource: s\nexpect: []\n{lines}");
            let scenario = Scenario::parse(&Source::new("x.yaml", text)).unwrap();
            let tail = tail(scenario.at(&Params::new()).unwrap(), NONCE);
            (tail.panic_marker, tail.panic_due)
        };
        let due = |text: &str| (text.to_owned(), true);
        let actors = "actors:\n  - oops: { name: o, cpu: 1, at: 0ms }\n";
        let panic = "  - panic: { name: p, cpu: 0, at: 0ms }\n";
        let on_oops = "knobs: [sysctl: { name: kernel.panic_on_oops, value: 1 }]\n";
        assert_eq!(of(&format!("{on_oops}{actors}")), due("Fatal exception"));
        assert_eq!(of(&format!("{on_oops}{actors}{panic}")), due(&format!("crashlab {NONCE}")));
        assert_eq!(of(&format!("ends-by: oops\n{actors}{panic}")), due("Fatal exception"), "the author's word goes");
        assert_eq!(of(&format!("ends-by: panic\n{actors}")), due(""), "any");
        assert_eq!(of(actors), due(""), "nobody knows");
        assert_eq!(of(&format!("panic-line: Hard\nends-by: oops\n{actors}")), due("Hard"));
        for none in ["survives", "reboot", "power-off"] {
            assert_eq!(of(&format!("ends-by: {none}\n{actors}")), (String::new(), false));
        }
        assert!(of(&format!("ends-by: [{{ end: reboot }}, {{ end: oops }}]\n{actors}")).1, "there may be a panic");
    }

    #[test]
    fn a_guest_is_given_the_time_that_its_actors_wait() {
        let time = Duration::from_secs;
        let actor = |action, start| Actor { name: String::new(), cpu: 0, action, context: Context::Thread, start };
        let after = ActorStart::After { actor: "hold".to_owned(), edge: Edge::Left, delay: time(7) };
        let block = |stay| actor(Action::Block { stay }, Some(ActorStart::At(time(2))));
        let actors = [
            (actor(Action::Panic, Some(ActorStart::At(time(7)))), 7, 0),
            (actor(Action::Panic, Some(after)), 7, 0),
            (actor(Action::Panic, None), 0, 0),
            (block(Stay::For(time(9))), 9, 0),
            (block(Stay::For(time(1))), 2, 0),
            (block(Stay::Forever), 2, 0),
            // What counts its turns shows that it goes on.
            (actor(Action::Spin { stay: Stay::For(time(9)) }, None), 0, 0),
            (actor(Action::Print { limit: PrintLimit::Count(9), every: time(4) }, None), 0, 4),
        ];
        for (actor, waiting, pausing) in actors {
            assert_eq!((waits(&actor), pauses(&actor)), (time(waiting), time(pausing)), "{actor:?}");
        }
        assert_eq!(longest([1, 3, 2].map(time).into_iter()), time(3));
        assert_eq!(longest([].into_iter()), time(0));
    }
}
