//! Holding vCPUs: one that comes to where a rule holds it sleeps there, and to the guest it is as if a hypervisor had taken
//! its processor away. All others go on.
//!
//! ```text
//! a probe with marks is passed ──> does it end a hold? ──> the bell rings, who is held looks again
//!                             └──> does a rule hold here? ──> sleeps until the moment, the bound, or the harness's word
//! ```
//!
//! QEMU has sections that a vCPU executes alone (`start_exclusive()`, `cpus-common.c`): it waits until all others have left the
//! guest's code, and none enters it meanwhile. Who is held does not leave, so nobody would go on until it does. That is
//! recognised by what the other vCPUs' threads do, and ends the hold.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use harness_trace::{FIRES, HoldState, PANICS, Rule, at_mark, until_mark};
use rustix::thread::futex::{self, Flags};
use rustix::time::Timespec;

use crate::memory::{Memory, now_ns};

/// How often somebody who is held looks whether the harness has released it, and whether others can go on.
const LOOK_NS: u64 = 20_000_000;

/// At so many looks in a row a vCPU has to have stood still that had something to do.
const STANDS_STILL: u32 = 10;

/// vCPUs that are told apart; guests have 8 at most.
const VCPUS: usize = 32;

/// What is known of a vCPU.
struct Vcpu {
    /// Its thread; 0: not known yet.
    thread: AtomicI32,
    /// It waits for something to do.
    idle: AtomicBool,
    held: AtomicBool,
}

static VCPU: [Vcpu; VCPUS] =
    [const { Vcpu { thread: AtomicI32::new(0), idle: AtomicBool::new(false), held: AtomicBool::new(false) } }; VCPUS];

fn vcpu(number: u32) -> Option<&'static Vcpu> {
    VCPU.get(usize::try_from(number).ok()?)
}

/// A vCPU, whose thread this is, begins to wait for something to do. Each does before its first instruction.
pub fn idle(number: u32) {
    let Some(vcpu) = vcpu(number) else { return };
    if vcpu.thread.load(Ordering::Relaxed) == 0 {
        vcpu.thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::Relaxed);
    }
    vcpu.idle.store(true, Ordering::Relaxed);
}

/// A vCPU has got something to do.
pub fn resumed(number: u32) {
    if let Some(vcpu) = vcpu(number) {
        vcpu.idle.store(false, Ordering::Relaxed);
    }
}

/// A vCPU passes a probe, `far` into the memory that it watches: others may be released by that, and it may be held here.
pub fn passed(memory: Memory, number: u32, probe: u32, far: u64) {
    let marks = memory.marks(probe);
    if marks == 0 {
        return;
    }
    if marks & FIRES != 0 && far == memory.fires_at() {
        memory.set_fired();
    }
    if !memory.is_fired() {
        return;
    }
    if marks & PANICS != 0 {
        memory.panics(number);
    }
    let rules = || (0..memory.rules_used()).filter_map(|rule| Some((rule, memory.rule(rule)?)));
    let mut ends = false;
    for (rule, Rule { until, .. }) in rules().filter(|(rule, _)| marks & until_mark(*rule) != 0) {
        if until.is_some_and(|until| until.is(number, far, memory.panicked())) {
            memory.count_end(rule);
            ends = true;
        }
    }
    if ends {
        memory.bell().fetch_add(1, Ordering::SeqCst);
        // That nobody waits is no failure.
        let _ = futex::wake(memory.bell(), Flags::empty(), u32::MAX >> 1);
    }
    for (number_of_rule, rule) in rules().filter(|(rule, _)| marks & at_mark(*rule) != 0) {
        let here = rule.at.is(number, far, memory.panicked());
        if here && memory.came(number_of_rule) == rule.at.nth {
            hold(memory, number, number_of_rule, &rule);
        }
    }
}

/// Holds the vCPU, whose thread this is.
fn hold(memory: Memory, number: u32, number_of_rule: usize, rule: &Rule) {
    let is_over = || rule.until.is_some_and(|until| memory.ends(number_of_rule) >= until.nth);
    let began = now_ns();
    memory.hold_begins(number_of_rule, number, began);
    if is_over() {
        memory.hold_ends(number_of_rule, HoldState::NotNeeded);
        return;
    }
    let held = vcpu(number).map(|vcpu| &vcpu.held);
    held.inspect(|held| held.store(true, Ordering::Relaxed));
    let mut others = Others::default();
    let why = loop {
        // Before what it tells of is looked at: whatever comes later changes it.
        let bell = memory.bell().load(Ordering::SeqCst);
        let left = rule.at_most_ns.saturating_sub(now_ns().saturating_sub(began));
        if is_over() {
            break HoldState::ByMoment;
        } else if memory.released() {
            break HoldState::ByHarness;
        } else if left == 0 {
            break HoldState::Bound;
        } else if others.stand_still(|other| look(number, other)) {
            break HoldState::Exclusive;
        }
        let sleep = left.min(LOOK_NS);
        let sleep = Timespec { tv_sec: 0, tv_nsec: sleep.cast_signed() };
        // Whether it rang, or the time was over, or a signal came: all of it is looked at again.
        let _ = futex::wait(memory.bell(), Flags::empty(), bell, Some(&sleep));
    };
    held.inspect(|held| held.store(false, Ordering::Relaxed));
    memory.hold_ends(number_of_rule, why);
}

/// What was seen of the other vCPUs at one look after the other.
#[derive(Default)]
struct Others {
    /// When they were looked at last, by the monotonic clock.
    at: u64,
    /// How long each had run then, and at how many looks in a row it has stood still.
    seen: [(u64, u32); VCPUS],
}

impl Others {
    /// Whether one of them has stood still for too long. `look` tells of one that has something to do, and whose thread
    /// sleeps, how long it has run, in nanoseconds. Between two looks that count some time passes, however often it is asked.
    fn stand_still(&mut self, look: impl Fn(usize) -> Option<u64>) -> bool {
        let now = now_ns();
        if now.saturating_sub(self.at) < LOOK_NS / 2 {
            return false;
        }
        self.at = now;
        let mut any = false;
        for (other, (ran, looks)) in self.seen.iter_mut().enumerate() {
            match look(other) {
                Some(now) if now == *ran => *looks += 1,
                Some(now) => (*ran, *looks) = (now, 0),
                None => *looks = 0,
            }
            any |= *looks >= STANDS_STILL;
        }
        any
    }
}

/// How long the thread of another vCPU has run, if it has something to do, and sleeps all the same.
fn look(number: u32, other: usize) -> Option<u64> {
    let vcpu = VCPU.get(other).filter(|_| usize::try_from(number) != Ok(other))?;
    let thread = vcpu.thread.load(Ordering::Relaxed);
    if thread == 0 || vcpu.idle.load(Ordering::Relaxed) || vcpu.held.load(Ordering::Relaxed) {
        return None;
    }
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/task/{thread}/{file}")).ok();
    // Behind its name, which may have anything in it (proc(5)).
    let sleeps = read("stat")?.rsplit_once(')')?.1.trim_start().starts_with('S');
    let ran = read("schedstat")?.split_ascii_whitespace().next()?.parse().ok()?;
    sleeps.then_some(ran)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::FileExt as _;
    use std::time::{Duration, Instant};

    use harness_trace::{
        BYTES, CLAIMED, FIRES_AT, Hold, LONGEST_HOLD_NS, MAGIC, MARKS_AT, MAX_RULES, RELEASED, RULE, RULES_AT,
        RULES_COME, RULES_USED, Trigger,
    };
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    /// The probes of all tests: 0 fires, 1 to 4 are steps, at the last of which a vCPU panics.
    const FIRE: u32 = 0;
    const A: u32 = 1;
    const B: u32 = 2;
    const C: u32 = 3;
    const PANIC: u32 = 4;

    /// What the harness has of the memory, and the tracer.
    struct Bed {
        file: File,
        memory: Memory,
    }

    fn on(cpu: u32, nth: u32) -> Trigger {
        Trigger { far: None, cpus: 1 << cpu, panicking: false, nth }
    }

    /// Each rule with the probes at which it holds, and that end its hold.
    fn bed(rules: &[(Rule, u32, u32)]) -> Bed {
        let file = File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
        file.set_len(BYTES as u64).unwrap();
        let write = |bytes: &[u8], at: usize| file.write_all_at(bytes, at as u64).unwrap();
        write(&MAGIC, 0);
        write(&1_u32.to_le_bytes(), RULES_COME);
        write(&8_u64.to_le_bytes(), FIRES_AT);
        let mut marks = [FIRES, 0, 0, 0, PANICS];
        for (number, (rule, at, until)) in rules.iter().enumerate() {
            write(&rule.encode(), RULES_AT + number * RULE);
            marks[*at as usize] |= at_mark(number);
            marks[*until as usize] |= until_mark(number);
        }
        for (probe, marks) in marks.iter().enumerate() {
            write(&marks.to_le_bytes(), MARKS_AT + probe * 8);
        }
        write(&u32::try_from(rules.len()).unwrap().to_le_bytes(), RULES_USED);
        let memory = Memory::map(file.as_raw_fd()).unwrap();
        Bed { file, memory }
    }

    impl Bed {
        fn fired(self) -> Self {
            passed(self.memory, 7, FIRE, 8);
            self
        }

        fn hold(&self, rule: usize) -> Hold {
            let mut bytes = [0; RULE];
            self.file.read_exact_at(&mut bytes, (RULES_AT + rule * RULE) as u64).unwrap();
            Hold::decode(&bytes).unwrap()
        }

        fn state(&self, rule: usize) -> HoldState {
            self.hold(rule).state
        }

        /// Has a vCPU, a thread of its own, pass a probe.
        fn passes(&self, cpu: u32, probe: u32) -> std::thread::JoinHandle<()> {
            let memory = self.memory;
            std::thread::spawn(move || passed(memory, cpu, probe, 0))
        }

        fn until_held(&self, rule: usize) {
            while self.state(rule) == HoldState::Waiting {
                std::thread::yield_now();
            }
        }
    }

    /// Held by a rule for longer than any test lasts, were it not released.
    fn long(at: Trigger, until: Trigger) -> Rule {
        Rule { at, until: Some(until), at_most_ns: LONGEST_HOLD_NS }
    }

    #[test]
    fn a_vcpu_is_held_until_the_moment_comes_the_nth_time_on_the_vcpu_that_is_meant() {
        let bed = bed(&[(long(on(1, 2), on(0, 2)), A, B)]).fired();
        passed(bed.memory, 1, A, 0);
        passed(bed.memory, 0, A, 0);
        assert_eq!(bed.state(0), HoldState::Waiting, "neither the first time nor on another vCPU");
        let held = bed.passes(1, A);
        bed.until_held(0);
        for (cpu, probe) in [(0, B), (2, B), (0, C)] {
            passed(bed.memory, cpu, probe, 0);
            assert_eq!(bed.state(0), HoldState::Holding);
        }
        bed.file.write_all_at(&9_u64.to_le_bytes(), CLAIMED as u64).unwrap();
        passed(bed.memory, 0, B, 0);
        held.join().unwrap();
        let Hold { state, cpu, times_ns: [from, to], places } = bed.hold(0);
        assert_eq!((state, cpu, places), (HoldState::ByMoment, 1, [0, 9]));
        assert!(to >= from);
        passed(bed.memory, 1, A, 0);
        assert_eq!(bed.state(0), HoldState::ByMoment, "once is enough");
    }

    #[test]
    fn nothing_counts_before_the_faults_are_fired() {
        let bed = bed(&[(long(on(1, 1), on(0, 1)), A, B)]);
        passed(bed.memory, 7, FIRE, 16);
        passed(bed.memory, 1, A, 0);
        passed(bed.memory, 0, B, 0);
        assert_eq!(bed.state(0), HoldState::Waiting);
        let bed = bed.fired();
        let held = bed.passes(1, A);
        bed.until_held(0);
        assert_eq!(bed.state(0), HoldState::Holding, "what came before counts for nothing");
        passed(bed.memory, 0, B, 0);
        held.join().unwrap();
    }

    #[test]
    fn who_comes_when_it_is_over_is_not_held() {
        let bed = bed(&[(long(on(1, 1), on(0, 1)), A, B)]).fired();
        passed(bed.memory, 0, B, 0);
        passed(bed.memory, 1, A, 0);
        assert_eq!(bed.state(0), HoldState::NotNeeded);
    }

    #[test]
    fn the_vcpu_that_panics_is_the_first_that_did() {
        let panicking = Trigger { panicking: true, cpus: u32::MAX, ..on(0, 1) };
        let bed = bed(&[(long(panicking, on(0, 1)), A, B)]).fired();
        passed(bed.memory, 2, A, 0);
        passed(bed.memory, 2, PANIC, 0);
        passed(bed.memory, 3, PANIC, 0);
        passed(bed.memory, 3, A, 0);
        assert_eq!(bed.state(0), HoldState::Waiting);
        let held = bed.passes(2, A);
        bed.until_held(0);
        assert_eq!(bed.hold(0).cpu, 2);
        passed(bed.memory, 0, B, 0);
        held.join().unwrap();
    }

    /// The clock is the measure here, but nothing fails because the host is slow: that only makes a hold longer.
    #[test]
    fn nobody_is_held_beyond_the_bound_whoever_waits_for_whom() {
        let bound = |at, until| Rule { at, until: Some(until), at_most_ns: 50_000_000 };
        // Two that wait for each other; and a third one, so that all are held.
        let bed = bed(&[
            (bound(on(0, 1), on(1, 1)), A, B),
            (bound(on(1, 1), on(0, 1)), C, PANIC),
            (Rule { until: None, ..bound(on(2, 1), on(2, 1)) }, A, C),
        ])
        .fired();
        let began = Instant::now();
        let held = [bed.passes(0, A), bed.passes(1, C), bed.passes(2, A)];
        for held in held {
            held.join().unwrap();
        }
        assert!(began.elapsed() >= Duration::from_millis(50));
        for rule in 0..3 {
            let Hold { state, times_ns: [from, to], .. } = bed.hold(rule);
            assert_eq!(state, HoldState::Bound, "rule {rule}");
            assert!(to - from >= 50_000_000, "rule {rule}");
        }
    }

    #[test]
    fn the_harness_releases_whoever_is_held_and_nobody_is_held_any_more() {
        let bed = bed(&[(long(on(0, 1), on(3, 1)), A, B), (long(on(1, 1), on(3, 1)), A, B)]).fired();
        let held = bed.passes(0, A);
        bed.until_held(0);
        bed.file.write_all_at(&1_u32.to_le_bytes(), RELEASED as u64).unwrap();
        held.join().unwrap();
        passed(bed.memory, 1, A, 0);
        assert_eq!([0, 1].map(|rule| bed.state(rule)), [HoldState::ByHarness; 2]);
    }

    #[test]
    fn as_many_rules_as_there_is_room_for_work() {
        let rules: Vec<_> = (0..MAX_RULES).map(|_| (long(on(0, 1), on(1, 1)), A, B)).collect();
        let bed = bed(&rules).fired();
        passed(bed.memory, 1, B, 0);
        passed(bed.memory, 0, A, 0);
        assert!((0..MAX_RULES).all(|rule| bed.state(rule) == HoldState::NotNeeded));
    }

    #[test]
    fn a_vcpu_that_has_something_to_do_and_stands_still_waits_for_who_is_held() {
        let stuck = |look: fn(usize, u64) -> Option<u64>| {
            let mut others = Others::default();
            (0..2 * u64::from(STANDS_STILL)).any(|time| {
                others.at = 0;
                others.stand_still(|other| look(other, time))
            })
        };
        assert!(stuck(|other, _| (other == 1).then_some(5)));
        assert!(!stuck(|other, time| (other == 1).then_some(time)), "it runs now and then");
        assert!(!stuck(|other, time| (other == 1 && time % 4 != 0).then_some(5)), "it has nothing to do at times");
        assert!(!stuck(|_, _| None));
        let mut others = Others::default();
        let looks = (0..1000).filter(|_| others.stand_still(|_| Some(5))).count();
        assert!(looks < 1000, "looks without any time between them do not count");
    }

    #[test]
    fn an_idle_vcpu_or_a_running_one_is_not_suspected() {
        let (send, done) = std::sync::mpsc::channel::<()>();
        let ready = std::sync::Arc::new(std::sync::Barrier::new(2));
        let thread = std::thread::spawn({
            let ready = std::sync::Arc::clone(&ready);
            move || {
                idle(30);
                ready.wait();
                let _ = done.recv();
            }
        });
        ready.wait();
        assert_eq!(look(29, 30), None, "it has nothing to do");
        resumed(30);
        while look(29, 30).is_none() {
            std::thread::yield_now();
        }
        assert_eq!(look(30, 30), None, "nobody waits for itself");
        drop(send);
        thread.join().unwrap();
    }
}
