//! The memory shared with the harness, mapped. Layout: the crate `harness-trace`.

use std::ffi::c_void;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use harness_trace::{
    ANCHOR, BELL, BYTES, CLAIMED, DOORBELL, EVENT, EVENT_MARK, EVENTS_AT, FIRED, FIRES_AT, HITS_AT, HoldState, MAGIC,
    MARKS_AT, MAX_EVENTS, MAX_PROBES, MAX_RULES, PANICKED, PROBE, PROBES_AT, PROBES_USED, Probe, RELEASED, RULE,
    RULE_CAME, RULE_CPU, RULE_ENDS, RULE_PLACES, RULE_STATE, RULE_TIMES, RULES_AT, RULES_COME, RULES_USED, Rule, SLIDE,
    STATE, State,
};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::time::{ClockId, clock_gettime};

/// The mapping. It stays until QEMU ends.
#[derive(Debug, Clone, Copy)]
pub struct Memory(*mut c_void);

// SAFETY: everything in it that more than one thread touches is atomic.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps what QEMU inherited as descriptor `fd`. `None` if it is not the harness's memory.
    pub fn map(fd: RawFd) -> Option<Self> {
        if fd < 0 {
            return None;
        }
        // SAFETY: whether a file is open there is for the kernel to check, which mmap(2) does; nobody closes it
        // meanwhile.
        let file = unsafe { BorrowedFd::borrow_raw(fd) };
        let size = rustix::fs::fstat(file).ok()?.st_size;
        if usize::try_from(size).ok()? < BYTES {
            return None;
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, which overlaps nothing. The harness never makes the file shorter.
        let start = unsafe { mmap(std::ptr::null_mut(), BYTES, access, MapFlags::SHARED, file, 0) }.ok()?;
        let memory = Self(start);
        (memory.long(0).load(Ordering::Relaxed).to_le_bytes() == MAGIC).then_some(memory)
    }

    fn long(self, at: usize) -> &'static AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= BYTES);
        // SAFETY: within the mapping, which is page-aligned and lasts for ever, and aligned by the line above.
        unsafe { AtomicU64::from_ptr(self.0.byte_add(at).cast()) }
    }

    fn word(self, at: usize) -> &'static AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= BYTES);
        // SAFETY: within the mapping, which is page-aligned and lasts for ever, and aligned by the line above.
        unsafe { AtomicU32::from_ptr(self.0.byte_add(at).cast()) }
    }

    /// How many probes there are by now.
    pub fn probes_used(self) -> u32 {
        self.word(PROBES_USED).load(Ordering::Acquire).min(u32::try_from(MAX_PROBES).unwrap_or(u32::MAX))
    }

    /// A probe, if there is one of this number.
    pub fn probe(self, number: u32) -> Option<Probe> {
        let number = usize::try_from(number).ok().filter(|number| *number < MAX_PROBES)?;
        let mut bytes = [0; PROBE];
        for (at, field) in bytes.chunks_exact_mut(8).enumerate() {
            let value = self.long(PROBES_AT + number * PROBE + at * 8).load(Ordering::Relaxed);
            field.copy_from_slice(&value.to_le_bytes());
        }
        Probe::decode(&bytes)
    }

    /// Link address of the function by which the slide is learnt; 0 if it is known.
    pub fn anchor(self) -> u64 {
        self.long(ANCHOR).load(Ordering::Relaxed)
    }

    /// Whether the slide has still to be learnt.
    pub fn slide_unknown(self) -> bool {
        self.word(STATE).load(Ordering::Acquire) != State::Ready as u32
    }

    /// How far the kernel runs from its link addresses.
    pub fn slide(self) -> u64 {
        self.long(SLIDE).load(Ordering::Relaxed)
    }

    /// Guest-physical address of the doorbell; 0 if there is none.
    pub fn doorbell(self) -> u64 {
        self.long(DOORBELL).load(Ordering::Relaxed)
    }

    /// Tells the harness how far the kernel runs from its link addresses.
    pub fn set_slide(self, slide: u64) {
        self.long(SLIDE).store(slide, Ordering::Relaxed);
    }

    /// Tells the harness how it goes.
    pub fn set_state(self, state: State) {
        self.word(STATE).store(state as u32, Ordering::Release);
    }

    /// Records that `vcpu` passed a probe; `far`: how far into the watched memory. Never waits; beyond what the probe
    /// or the memory has room for it only counts.
    pub fn record(self, vcpu: u32, number: u32, limit: u32, far: u64) {
        let Ok(probe) = usize::try_from(number) else { return };
        if probe >= MAX_PROBES || self.long(HITS_AT + probe * 8).fetch_add(1, Ordering::Relaxed) >= u64::from(limit) {
            return;
        }
        // The order of all events; sequentially consistent, so that two CPUs that see each other's effects agree on it.
        let place = self.long(CLAIMED).fetch_add(1, Ordering::SeqCst);
        let Some(at) = usize::try_from(place).ok().filter(|place| *place < MAX_EVENTS).map(|n| EVENTS_AT + n * EVENT)
        else {
            return;
        };
        self.long(at).store(now_ns(), Ordering::Relaxed);
        self.long(at + 8).store(far, Ordering::Relaxed);
        self.long(at + 16).store(u64::from(number) | u64::from(vcpu) << 32, Ordering::Relaxed);
        self.long(at + EVENT_MARK).store(place + 1, Ordering::Release);
    }

    /// What a probe is to rules; 0: nothing.
    pub fn marks(self, number: u32) -> u64 {
        let number = usize::try_from(number).ok().filter(|number| *number < MAX_PROBES);
        number.map_or(0, |number| self.long(MARKS_AT + number * 8).load(Ordering::Relaxed))
    }

    /// Whether there are rules, or may be some.
    pub fn rules_come(self) -> bool {
        self.word(RULES_COME).load(Ordering::Relaxed) != 0
    }

    /// How many rules there are by now.
    pub fn rules_used(self) -> usize {
        usize::try_from(self.word(RULES_USED).load(Ordering::Acquire)).unwrap_or(MAX_RULES).min(MAX_RULES)
    }

    /// A rule, if there is one of this number.
    pub fn rule(self, number: usize) -> Option<Rule> {
        let at = |field: usize| RULES_AT + number * RULE + field * 8;
        (number < MAX_RULES)
            .then(|| Rule::decode([0, 1, 2, 3, 4].map(|field| self.long(at(field)).load(Ordering::Relaxed))))?
    }

    /// How far into the watched memory the write lies that fires the faults.
    pub fn fires_at(self) -> u64 {
        self.long(FIRES_AT).load(Ordering::Relaxed)
    }

    /// That the faults are fired.
    pub fn set_fired(self) {
        self.word(FIRED).store(1, Ordering::SeqCst);
    }

    /// Whether they are.
    pub fn is_fired(self) -> bool {
        self.word(FIRED).load(Ordering::SeqCst) != 0
    }

    /// That a vCPU panics, and who did first.
    pub fn panics(self, vcpu: u32) {
        // If another one was faster, it stays.
        let _ = self.word(PANICKED).compare_exchange(0, vcpu.saturating_add(1), Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Who panicked first, if anybody has.
    pub fn panicked(self) -> Option<u32> {
        self.word(PANICKED).load(Ordering::SeqCst).checked_sub(1)
    }

    /// Counts that the vCPU of a rule has come to where it is held; how often it has.
    pub fn came(self, rule: usize) -> u32 {
        self.word(RULES_AT + rule * RULE + RULE_CAME).fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// Counts that the moment has come that ends the hold of a rule.
    pub fn count_end(self, rule: usize) {
        self.word(RULES_AT + rule * RULE + RULE_ENDS).fetch_add(1, Ordering::SeqCst);
    }

    /// How often it has.
    pub fn ends(self, rule: usize) -> u32 {
        self.word(RULES_AT + rule * RULE + RULE_ENDS).load(Ordering::SeqCst)
    }

    /// The word that who is held waits on.
    pub fn bell(self) -> &'static AtomicU32 {
        self.word(BELL)
    }

    /// Whether the harness wants nobody to be held any more.
    pub fn released(self) -> bool {
        self.word(RELEASED).load(Ordering::Relaxed) != 0
    }

    /// Tells the harness that a vCPU is held.
    pub fn hold_begins(self, rule: usize, vcpu: u32, ns: u64) {
        let at = RULES_AT + rule * RULE;
        self.word(at + RULE_CPU).store(vcpu, Ordering::Relaxed);
        self.long(at + RULE_TIMES).store(ns, Ordering::Relaxed);
        self.long(at + RULE_PLACES).store(self.long(CLAIMED).load(Ordering::SeqCst), Ordering::Relaxed);
        self.word(at + RULE_STATE).store(HoldState::Holding as u32, Ordering::Release);
    }

    /// Tells the harness that it is held no longer, and why.
    pub fn hold_ends(self, rule: usize, why: HoldState) {
        let at = RULES_AT + rule * RULE;
        self.long(at + RULE_TIMES + 8).store(now_ns(), Ordering::Relaxed);
        self.long(at + RULE_PLACES + 8).store(self.long(CLAIMED).load(Ordering::SeqCst), Ordering::Relaxed);
        self.word(at + RULE_STATE).store(why as u32, Ordering::Release);
    }
}

/// The host's monotonic clock in nanoseconds.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
