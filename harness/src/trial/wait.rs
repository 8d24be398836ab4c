//! Waiting for a guest's end, or until it is clear that there will be none.

use std::time::{Duration, Instant};

use super::hung::{Hung, Stand};
use super::inject::{Injections, POLL};
use super::progress::{ActorSigns, HungBy, NotBefore, Observation, Patience, Progress, Signs, Suspicion};
use super::stage::Stage;
use super::{ARM_DEADLINE, Assignment};
use crate::evidence::activity;
use crate::evidence::registers::{self, VcpuState};
use crate::evidence::stamps::{self, Action, Actor, Stamps};
use crate::evidence::symbols::Symbols;
use crate::guest::{Clock, End, Guest, GuestError, Sample, Time, monotonic_ns};
use crate::probes::Probes;

/// When a guest that has not ended is looked at first: most have ended by then, and cost nothing.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// How often it is looked at where the vCPUs of a guest stand that may be hung, and how long it runs on in between:
/// whether it goes round in circles or stands still.
const LOOKS: usize = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What these looks take of a guest's patience, with some room for a busy host.
const LOOKING: Duration = Duration::from_millis(600);

/// In virtual time a second of the guest's takes up to 2.3 of the host's where it counts turns of `udelay()`.
const OF_PROCESSOR: u32 = 3;

/// Waits for the end of a guest that has been told its directives.
pub(super) struct Waiting<'a> {
    stage: &'a Stage,
    assignment: &'a Assignment,
    probes: Option<&'a Probes>,
    clock: Clock,
    progress: Progress,
    injections: Injections,
    /// The guest's time at the last look.
    last_time: Option<Duration>,
}

/// What a closer look at a suspected guest found.
enum Closer {
    Hung(Hung),
    Ended(End),
    Not(NotBefore),
}

/// In virtual time, the deadline of a guest with a crash kernel is multiplied by this where it is measured by the guest's
/// own clock.
const CAPTURE_IN_VIRTUAL_TIME: u32 = 10;

impl<'a> Waiting<'a> {
    pub fn new(stage: &'a Stage, assignment: &'a Assignment, probes: Option<&'a Probes>) -> Self {
        let Assignment { quiet, longest_wait: pending, .. } = *assignment;
        let quiet = quiet.saturating_sub(LOOKING).max(quiet / 2);
        let of_processor = (stage.machine.time == Time::Virtual).then_some(OF_PROCESSOR);
        let patience = Patience { quiet, pending, of_processor };
        let (clock, progress) = (Clock::default(), Progress::new(patience));
        Self {
            stage,
            assignment,
            probes,
            clock,
            progress,
            injections: Injections::new(&assignment.injections),
            last_time: None,
        }
    }

    /// Waits for the guest's end, for the deadline from firing on, and before that for the firing. A guest that does
    /// nothing any more is not waited for.
    ///
    /// Whether the faults were fired is looked up in crashlab's page, and only in a trial that lasts until the first look: a
    /// message from the agent would put some thousand instructions before the faults.
    pub async fn end(mut self, guest: &mut Guest) -> Result<(End, Option<Hung>), GuestError> {
        let began = Instant::now();
        let deadline = self.deadline();
        // By the host's clock, and by the guest's.
        let mut fired: Option<(Instant, Duration)> = None;
        let mut look_at = began + FIRST_LOOK;
        let mut not_before = NotBefore::WentOn;
        loop {
            let limit = fired.map_or(began + ARM_DEADLINE, |(at, _)| at + deadline);
            let now = Instant::now();
            let poll = if self.injections.outstanding() { now + POLL } else { look_at };
            if let Some(end) = guest.end(poll.min(look_at).min(limit).saturating_duration_since(now)).await? {
                return Ok((end, None));
            }
            if self.injections.outstanding() {
                if let Ok(page) = stamps::decode(&guest.page().await?) {
                    self.injections.drive(guest, &page).await?;
                }
                if Instant::now() < look_at.min(limit) {
                    continue;
                }
            }
            let sample = guest.sample(&mut self.clock).await?;
            let page = stamps::decode(&sample.page).ok();
            if fired.is_none() && page.as_ref().is_some_and(|page| page.fired_tsc.is_some()) {
                fired = Some((sample.at, sample.guest_time));
            } else if let Some(end) = self.past(limit, fired, &sample) {
                if fired.is_none() {
                    return Err(guest.silent("fire", ARM_DEADLINE).await);
                }
                let by = HungBy::Deadline(self.assignment.deadline, not_before);
                return Ok((end, Some(self.past_deadline(guest, by).await?)));
            }
            let observation = self.observation(&sample, page.as_ref());
            let by = match self.progress.see(observation) {
                _ if fired.is_none() => None,
                Suspicion::None => {
                    not_before = NotBefore::WentOn;
                    None
                }
                Suspicion::Starved => {
                    not_before = NotBefore::Starved;
                    None
                }
                Suspicion::Dead => Some(HungBy::Dead),
                Suspicion::Quiet(time) => Some(HungBy::Quiet(time)),
                Suspicion::Busy(time) => Some(HungBy::Busy(time)),
            };
            if let Some(by) = by {
                match self.look_closer(guest, by).await? {
                    Closer::Hung(hung) => return Ok((End::Hung, Some(hung))),
                    Closer::Ended(end) => return Ok((end, None)),
                    Closer::Not(why) => not_before = why,
                }
            }
            look_at = Instant::now() + self.progress.next();
        }
    }

    /// Whether the guest is past its deadline: by the host's clock, or in virtual time by its own.
    fn past(&self, limit: Instant, fired: Option<(Instant, Duration)>, sample: &Sample) -> Option<End> {
        let own = fired.is_some_and(|(_, at)| sample.guest_time.saturating_sub(at) >= self.own_deadline());
        match self.stage.machine.time {
            Time::Virtual if own => Some(End::Hung),
            _ => (sample.at >= limit).then_some(End::Deadline),
        }
    }

    /// Where the vCPUs of a suspected guest stand, several times; it is hung if it does nothing meanwhile either, and
    /// none of them waits for something that comes by itself.
    async fn look_closer(&mut self, guest: &mut Guest, by: HungBy) -> Result<Closer, GuestError> {
        let symbols = self.symbols(guest).await?;
        let mut stands = Vec::new();
        for look in 0..LOOKS {
            if look > 0
                && let Some(end) = guest.end(BETWEEN_LOOKS).await?
            {
                return Ok(Closer::Ended(end));
            }
            let stand = Stand::look(guest, &symbols).await?;
            if let Some(function) = stand.bounded(&symbols) {
                return Ok(Closer::Not(NotBefore::In(function)));
            }
            stands.push(stand);
        }
        let sample = guest.sample(&mut self.clock).await?;
        let page = stamps::decode(&sample.page).ok();
        let observation = self.observation(&sample, page.as_ref());
        let by = match (by, self.progress.see(observation)) {
            (HungBy::Quiet(_) | HungBy::Busy(_), Suspicion::Quiet(time)) => HungBy::Quiet(time),
            (HungBy::Quiet(_) | HungBy::Busy(_), Suspicion::Busy(time)) => HungBy::Busy(time),
            (by, Suspicion::Dead) => by,
            (_, Suspicion::Starved) => return Ok(Closer::Not(NotBefore::Starved)),
            _ => return Ok(Closer::Not(NotBefore::WentOn)),
        };
        Ok(Closer::Hung(Hung::new(by, stands, &symbols)))
    }

    async fn past_deadline(&self, guest: &mut Guest, by: HungBy) -> Result<Hung, GuestError> {
        let symbols = self.symbols(guest).await?;
        let mut stands = Vec::new();
        for look in 0..LOOKS {
            if look > 0 && guest.end(BETWEEN_LOOKS).await?.is_some() {
                // It ended after all, but too late.
                break;
            }
            stands.push(Stand::look(guest, &symbols).await?);
        }
        Ok(Hung::new(by, stands, &symbols))
    }

    async fn symbols(&self, guest: &Guest) -> Result<Symbols, GuestError> {
        let what = "read the kernel's symbols, by which a hung guest is recognised".to_owned();
        self.stage.symbols(guest.crashlab_code()).await.map_err(|source| GuestError::Io { what, source })
    }

    fn observation(&mut self, sample: &Sample, page: Option<&Stamps>) -> Observation {
        let seen = self.probes.map(|probes| activity::decode(&sample.trace, probes)).unwrap_or_default();
        // So that what was before the first look has a place in time.
        let at = FIRST_LOOK + sample.guest_time;
        // In virtual time it is not known how much of the guest's has passed since.
        let told = (self.stage.machine.time == Time::Real).then(|| {
            let since_printed = sample.printed_at.map(|at| sample.at.saturating_duration_since(at));
            let since_step = seen.last_ns.map(|ns| Duration::from_nanos(monotonic_ns().saturating_sub(ns)));
            since_printed.into_iter().chain(since_step).min()
        });
        let actors = page.map(|page| page.actors.as_slice()).unwrap_or_default();
        let standing = registers::parse(&sample.registers);
        Observation {
            at,
            last: told.flatten().map(|ago| at.saturating_sub(ago)),
            signs: Signs {
                printed: sample.printed,
                steps: seen.passed,
                actors: actors.iter().map(ActorSigns::of).collect(),
            },
            pending: actors.iter().any(waits),
            dead: self.is_dead(&standing, sample.guest_time),
            waited: sample.waited,
        }
    }

    /// Whether nothing can wake a vCPU any more. In virtual time the guest's clock jumps to the next timer when all are
    /// halted; if it stands still, there is none.
    fn is_dead(&mut self, standing: &[VcpuState], time: Duration) -> bool {
        let stands_still = self.stage.machine.time == Time::Virtual && self.last_time.replace(time) == Some(time);
        let dead = |cpu: &VcpuState| cpu.halted && (!cpu.interrupts || stands_still);
        !self.injections.outstanding() && !standing.is_empty() && standing.iter().all(dead)
    }

    /// The deadline by the guest's own clock, in virtual time. An instruction lasts 32 ns there, so a crash kernel takes
    /// long to come up: guests were seen to spend 30 s in the checksum that purgatory takes before it, which is a billion
    /// instructions.
    fn own_deadline(&self) -> Duration {
        let deadline = self.assignment.deadline;
        if self.stage.dumps.is_some() { deadline * CAPTURE_IN_VIRTUAL_TIME } else { deadline }
    }

    /// The scenario's deadline is in seconds of the guest. In virtual time one of them may last several of the host's, more
    /// on a busy host; if vCPUs do nothing but `pause`, it lasts so long that the guest's own clock is no limit.
    fn deadline(&self) -> Duration {
        match self.stage.machine.time {
            Time::Real => self.assignment.deadline,
            Time::Virtual => self.assignment.deadline * 10,
        }
    }
}

/// Whether an actor is still to come, or sleeps.
fn waits(actor: &Actor) -> bool {
    actor.entered_tsc.is_none() || (actor.action == Action::Block && actor.left_tsc.is_none())
}
