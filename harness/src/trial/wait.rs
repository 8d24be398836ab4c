//! Waiting for a guest's end, or until it is clear that there will be none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::guest_source::{GuestSource, PANIC_CPU};
use super::hung::{Hung, Stand};
use super::inject::{Injections, POLL};
use super::progress::{ActorSigns, HungBy, Limited, NotBefore, Observation, Patience, Progress, Signs, Suspicion};
use super::{ARM_PATIENCE, Assignment};
use crate::evidence::Probes;
use crate::evidence::activity;
use crate::evidence::registers::{self, VcpuState};
use crate::evidence::stamps::{self, Action, Actor, Stamps};
use crate::evidence::symbols::Symbols;
use crate::guest::{Clock, End, Guest, GuestError, Sample, Silence, Time, monotonic_ns};
use crate::waits::{Lasts, Variable, Waits};

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
    guests: &'a GuestSource,
    assignment: &'a Assignment,
    probes: Option<&'a Probes>,
    /// How far above its link addresses the kernel under test runs, in bytes.
    slide: u64,
    clock: Clock,
    progress: Progress,
    injections: Injections,
    /// What its kernel waits for by itself.
    waits: Arc<Waits>,
    /// How much later its deadline is, for waits with an end.
    granted: Duration,
    /// The guest's time at the last look.
    last_time: Option<Duration>,
}

/// What a closer look at a suspected guest found.
enum Closer {
    Hung(Hung),
    Ended(End),
    Not(NotBefore),
}

/// What several looks at the vCPUs found.
enum Looked {
    Ended(End),
    /// One of them is in this wait, and how much of it is left at most; none if that is not known.
    Waits(Limited, Option<Duration>),
}

/// What a CPU is in that has left its kernel, and is not in the next one yet.
const BETWEEN_KERNELS: &str = "purgatory";

/// A deadline is put off by no more than this in all, however many waits there are.
const MOST_GRANTED: Duration = Duration::from_secs(2 * 3600);

/// The deadline of a guest whose crash kernel is coming up, and goes on doing so, is put off to this many times the time in
/// all: on a slow host it takes long.
const MOST_FOR_CAPTURE: u32 = 10;

/// In virtual time, the deadline of a guest with a crash kernel is multiplied by this where it is measured by the guest's
/// own clock.
const CAPTURE_IN_VIRTUAL_TIME: u32 = 10;

impl<'a> Waiting<'a> {
    pub fn new(guests: &'a GuestSource, assignment: &'a Assignment, probes: Option<&'a Probes>, slide: u64) -> Self {
        let Assignment { quiet, longest_wait: pending, .. } = *assignment;
        let quiet = quiet.saturating_sub(LOOKING).max(quiet / 2);
        let of_processor = (guests.machine.time == Time::Virtual).then_some(OF_PROCESSOR);
        let patience = Patience { quiet, pending, of_processor };
        let own = assignment.waits.iter().cloned();
        let waits = own.fold(guests.waits.clone(), |waits, (function, at_most)| waits.with(function, at_most));
        Self {
            guests,
            assignment,
            probes,
            slide,
            clock: Clock::default(),
            progress: Progress::new(patience),
            injections: Injections::new(&assignment.injections),
            waits: Arc::new(waits),
            granted: Duration::ZERO,
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
        // By the host's clock, and by the guest's.
        let mut fired: Option<(Instant, Duration)> = None;
        let mut look_at = began + FIRST_LOOK;
        let arming = Silence::new(ARM_PATIENCE, guest.heard());
        let mut arm_by = began + ARM_PATIENCE;
        let mut not_before = NotBefore::WentOn;
        loop {
            let limit = fired.map_or(arm_by, |(at, _)| at + self.deadline());
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
            let observation = self.observation(&sample, page.as_ref());
            let suspicion = self.progress.see(observation);
            if fired.is_none() && page.as_ref().is_some_and(|page| page.fired_tsc.is_some()) {
                fired = Some((sample.at, sample.guest_time));
            } else if let Some(end) = self.past(limit, fired, &sample) {
                if fired.is_none() {
                    match arming.left(sample.heard()) {
                        Some(left) => arm_by = sample.at + left,
                        None => return Err(guest.silent("fire", arming.lasts(sample.at)).await),
                    }
                    continue;
                }
                if let Some(hung) = self.past_deadline(guest, not_before.clone()).await? {
                    return Ok((end, Some(hung)));
                }
                continue;
            }
            let by = match suspicion {
                _ if fired.is_none() => None,
                Suspicion::None => {
                    if !self.progress.waited() {
                        not_before = NotBefore::WentOn;
                    }
                    None
                }
                Suspicion::Starved => {
                    not_before = NotBefore::Starved;
                    None
                }
                Suspicion::Dead => Some(HungBy::Dead),
                Suspicion::Quiet(_) | Suspicion::Busy(_) if !self.guests.symbols.tell_waits() => {
                    not_before = NotBefore::Untold;
                    None
                }
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
        match self.guests.machine.time {
            Time::Virtual if own => Some(End::Hung),
            _ => (sample.at >= limit).then_some(End::Deadline),
        }
    }

    /// Where the vCPUs of a suspected guest stand, several times; it is hung if it does nothing meanwhile either, none of
    /// them waits for something that comes by itself, and no watchdog is still to end it.
    async fn look_closer(&mut self, guest: &mut Guest, by: HungBy) -> Result<Closer, GuestError> {
        let symbols = self.symbols(guest).await?;
        let stands = match self.looks(guest, &symbols).await? {
            (stands, None) => stands,
            (_, Some(Looked::Ended(end))) => return Ok(Closer::Ended(end)),
            (_, Some(Looked::Waits(limited, _))) => return Ok(Closer::Not(NotBefore::In(limited))),
        };
        if by != HungBy::Dead
            && let Some(switch) = self.watched(guest).await?
        {
            return Ok(Closer::Not(NotBefore::Watched(switch)));
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
        Ok(Closer::Hung(Hung::new(&by, stands, &symbols)))
    }

    /// The guest past its deadline is hung, unless its kernel waits for something that comes by itself: then it is given
    /// until that is over, and the time to go on after it or to be seen to be quiet. One whose crash kernel is coming up is
    /// given time for as long as that prints.
    async fn past_deadline(&mut self, guest: &mut Guest, not_before: NotBefore) -> Result<Option<Hung>, GuestError> {
        let Assignment { quiet, deadline, .. } = *self.assignment;
        let comes_up = guest.has_captured() > 0 && self.progress.goes_on();
        if comes_up && self.granted + quiet <= deadline * (MOST_FOR_CAPTURE - 1) {
            self.granted += quiet;
            return Ok(None);
        }
        let symbols = self.symbols(guest).await?;
        let (stands, looked) = self.looks(guest, &symbols).await?;
        let why = match looked {
            Some(Looked::Waits(_, Some(left))) if self.granted + left + self.assignment.quiet <= MOST_GRANTED => {
                self.granted += left + self.assignment.quiet;
                return Ok(None);
            }
            Some(Looked::Waits(limited, _)) => NotBefore::In(limited),
            // One that ended after all did so too late.
            Some(Looked::Ended(_)) | None => not_before,
        };
        Ok(Some(Hung::new(&HungBy::Deadline(self.assignment.deadline + self.granted, why), stands, &symbols)))
    }

    /// Looks several times where the vCPUs stand; no more once the guest has ended, or is seen in a wait with an end.
    async fn looks(
        &mut self,
        guest: &mut Guest,
        symbols: &Symbols,
    ) -> Result<(Vec<Stand>, Option<Looked>), GuestError> {
        let mut stands = Vec::new();
        for look in 0..LOOKS {
            if look > 0
                && let Some(end) = guest.end(BETWEEN_LOOKS).await?
            {
                return Ok((stands, Some(Looked::Ended(end))));
            }
            let stand = Stand::look(guest, symbols).await?;
            let waits = self.waits_with_an_end(guest, &stand, symbols).await?;
            stands.push(stand);
            if waits.is_some() {
                return Ok((stands, waits));
            }
        }
        Ok((stands, None))
    }

    /// The wait with an end that some vCPU is in, if any is.
    async fn waits_with_an_end(
        &mut self,
        guest: &Guest,
        stand: &Stand,
        symbols: &Symbols,
    ) -> Result<Option<Looked>, GuestError> {
        if stand.between_kernels() {
            let limited = Limited { function: BETWEEN_KERNELS.to_owned(), at_most: None };
            return Ok(Some(Looked::Waits(limited, None)));
        }
        let known = Arc::clone(&self.waits);
        for (wait, function) in stand.waits(symbols, &known) {
            let value = match &wait.lasts {
                Lasts::SecondsIn(variable) => self.value(guest, variable).await?,
                Lasts::For(_) => None,
            };
            if let Some(at_most) = wait.at_most(value)
                && let Some(left) = self.progress.is_waiting(function, wait.over_after(at_most))
            {
                let limited = Limited { function: function.to_owned(), at_most: Some(at_most) };
                return Ok(Some(Looked::Waits(limited, Some(left))));
            }
        }
        Ok(None)
    }

    /// The watchdog that may still end a guest which nobody has taken to be watched so far. Once its kernel panics none
    /// does.
    async fn watched(&mut self, guest: &Guest) -> Result<Option<String>, GuestError> {
        let panic_cpu = Variable { name: PANIC_CPU.to_owned(), bytes: 4 };
        if self.value(guest, &panic_cpu).await? != Some(-1) {
            return Ok(None);
        }
        let known = Arc::clone(&self.waits);
        let mut last = None;
        for watchdog in &known.watchdogs {
            let values = (self.value(guest, &watchdog.switch).await?, self.value(guest, &watchdog.after).await?);
            let (Some(switch), Some(after)) = values else { continue };
            let at_most = watchdog.at_most(switch, after).map(|at_most| (at_most, &watchdog.switch.name));
            last = last.max(at_most);
        }
        Ok(last.filter(|(at_most, _)| self.progress.is_watched(*at_most)).map(|(_, switch)| switch.clone()))
    }

    /// What a variable of the kernel's has, if the kernel has it.
    async fn value(&self, guest: &Guest, variable: &Variable) -> Result<Option<i64>, GuestError> {
        let Some(at) = self.guests.symbols.variable(&variable.name).await.map_err(unreadable)? else { return Ok(None) };
        let at = at.wrapping_add(self.slide(guest));
        Ok(variable.value(&guest.kernel_memory(at, variable.bytes).await?))
    }

    async fn symbols(&self, guest: &Guest) -> Result<Symbols, GuestError> {
        self.guests.symbols(guest, self.slide(guest)).await.map_err(unreadable)
    }

    /// How far above its link addresses the kernel runs that is executed now: a crash kernel is told to run there.
    fn slide(&self, guest: &Guest) -> u64 {
        if guest.has_captured() > 0 { 0 } else { self.slide }
    }

    fn observation(&mut self, sample: &Sample, page: Option<&Stamps>) -> Observation {
        let seen = self.probes.map(|probes| activity::decode(&sample.trace, probes)).unwrap_or_default();
        // So that what was before the first look has a place in time.
        let at = FIRST_LOOK + sample.guest_time;
        // In virtual time it is not known how much of the guest's has passed since.
        let told = (self.guests.machine.time == Time::Real).then(|| {
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
        let stands_still = self.guests.machine.time == Time::Virtual && self.last_time.replace(time) == Some(time);
        let dead = |cpu: &VcpuState| cpu.halted && (!cpu.interrupts || stands_still);
        !self.injections.outstanding() && !standing.is_empty() && standing.iter().all(dead)
    }

    /// The deadline by the guest's own clock, in virtual time. An instruction lasts 32 ns there, so a crash kernel takes
    /// long to come up: guests were seen to spend 30 s in the checksum that purgatory takes before it, which is a billion
    /// instructions.
    fn own_deadline(&self) -> Duration {
        let deadline = self.assignment.deadline;
        let deadline = if self.guests.dumps.is_some() { deadline * CAPTURE_IN_VIRTUAL_TIME } else { deadline };
        deadline + self.granted
    }

    /// The scenario's deadline is in seconds of the guest. In virtual time one of them may last several of the host's, more
    /// on a busy host; if vCPUs do nothing but `pause`, it lasts so long that the guest's own clock is no limit.
    fn deadline(&self) -> Duration {
        let deadline = self.assignment.deadline + self.granted;
        match self.guests.machine.time {
            Time::Real => deadline,
            Time::Virtual => deadline * 10,
        }
    }
}

fn unreadable(source: std::io::Error) -> GuestError {
    let what = "read the kernel's symbols, by which a hung guest is recognised".to_owned();
    GuestError::Io { what, source }
}

/// Whether an actor is still to come, or sleeps.
fn waits(actor: &Actor) -> bool {
    actor.entered_tsc.is_none() || (actor.action == Action::Block && actor.left_tsc.is_none())
}
