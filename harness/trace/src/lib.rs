//! The memory that the harness and the tracer share: the harness writes which addresses are probed, the tracer, inside
//! of QEMU, what passed them and when. And by [`Rule`]s the harness has it hold a vCPU at one moment until another one.
//!
//! It is a file without a name (`memfd_create(2)`), which QEMU inherits as a descriptor. Little endian, version 2:
//!
//! | offset | size | written by | field |
//! |---|---|---|---|
//! | 0 | 8 | harness | magic `HTRACER2` |
//! | 8 | 4 | harness | probes, at most [`MAX_PROBES`]; raised last when some are added |
//! | 12 | 4 | tracer | state, see [`State`] |
//! | 16 | 8 | tracer | events that asked for a place; those beyond [`MAX_EVENTS`] got none |
//! | 24 | 8 | harness | anchor: link address of a function whose first execution tells the slide; 0: known |
//! | 32 | 8 | both | slide: how far the kernel runs from its link addresses (KASLR) |
//! | 40 | 8 | harness | doorbell: guest-physical address of the word that wakes the tracer; 0: awake |
//! | 48 | 4 | harness | rules, at most [`MAX_RULES`]; raised last |
//! | 52 | 4 | harness | 1: whoever is held is released, and nobody is held any more |
//! | 56 | 4 | tracer | raised at each moment that ends a hold; who is held waits on it (futex(2)) |
//! | 60 | 4 | tracer | 1: the faults were fired, from which on moments count |
//! | 64 | 4 | tracer | 1 + the vCPU that panicked first; 0: none has |
//! | 68 | 4 | harness | 1: there are rules, or some may come; told before QEMU starts |
//! | 72 | 8 | harness | how far into the watched memory a write lies that says that the faults are fired |
//! | [`HITS_AT`] | 8 × 1024 | tracer | how often each probe was passed, whether or not that became an event |
//! | [`RULES_AT`] | 96 × 16 | both | rules |
//! | [`EVENTS_AT`] | 32 × 8192 | tracer | events |
//! | [`PROBES_AT`] | 48 × 1024 | harness | probes |
//! | [`MARKS_AT`] | 8 × 1024 | harness | of each probe, what it is to rules: [`at_mark`], [`until_mark`], [`FIRES`], [`PANICS`] |
//!
//! Probe:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | kind: 1 [`Place::At`], 2 [`Place::Instruction`], 3 [`Place::Access`] |
//! | 4 | 4 | bit 31: the addresses of code are as linked, and the slide is added; below: events that it may make |
//! | 8 | 8 | address of code; of `Access` the first one |
//! | 16 | 8 | of `Instruction` its length; of `Access` the address behind the code |
//! | 24 | 8 | of `Access` the first address that is watched |
//! | 32 | 8 | of `Access` the address behind what is watched |
//! | 40 | 8 | of `Access` bit 0: the watched addresses are as linked; bit 1: reads are meant, not writes |
//!
//! Event:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | nanoseconds of the host's monotonic clock |
//! | 8 | 8 | of `Access` how far into the watched memory, else 0 |
//! | 16 | 4 | probe |
//! | 20 | 4 | vCPU |
//! | 24 | 8 | mark: 1 + place, written last; another value: the event was being written when QEMU died |
//!
//! Rule, of which the tracer writes what [`Hold`] has:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | where it holds: how far into the watched memory the access has to lie; all ones: anywhere |
//! | 8 | 4 | the vCPUs that are meant, a bit each |
//! | 12 | 4 | bit 31: only the vCPU that panicked first; below: which time it comes, from 1 |
//! | 16 | 16 | until when, likewise; a time of 0: until it has lasted |
//! | 32 | 8 | the longest that it holds, in nanoseconds |
//! | 40 | 4 | how often its vCPU has come there |
//! | 44 | 4 | how often the moment has come that ends it |
//! | 48 | 4 | state, see [`HoldState`] |
//! | 52 | 4 | the vCPU |
//! | 56 | 16 | nanoseconds of the host's monotonic clock: from, to |
//! | 72 | 16 | how many events had asked for a place: then, and in the end |
//!
//! Places are handed out by one atomic counter, before the probed instruction is executed: they are the order of
//! events.

/// Size of the memory.
pub const BYTES: usize = MARKS_AT + MAX_PROBES * 8;
/// Probes there is room for.
pub const MAX_PROBES: usize = 1024;
/// Events there is room for.
pub const MAX_EVENTS: usize = 8192;
/// Rules there is room for.
pub const MAX_RULES: usize = 16;

/// Where the magic stands.
pub const MAGIC: [u8; 8] = *b"HTRACER2";
/// Where the number of probes stands.
pub const PROBES_USED: usize = 8;
/// Where the tracer's state stands.
pub const STATE: usize = 12;
/// Where the number of events stands.
pub const CLAIMED: usize = 16;
/// Where the anchor stands.
pub const ANCHOR: usize = 24;
/// Where the slide stands.
pub const SLIDE: usize = 32;
/// Where the doorbell's address stands.
pub const DOORBELL: usize = 40;
/// What a guest writes to the doorbell to wake the tracer.
pub const CALLED: u32 = 1;
/// What the tracer writes to it once it is awake.
pub const AWAKE: u32 = 2;
/// Where the number of rules stands.
pub const RULES_USED: usize = 48;
/// Where the harness says that nobody is to be held any more.
pub const RELEASED: usize = 52;
/// Where the word stands that who is held waits on.
pub const BELL: usize = 56;
/// Where the tracer says that the faults were fired.
pub const FIRED: usize = 60;
/// Where it says who panicked first.
pub const PANICKED: usize = 64;
/// Where the harness says that there are rules, or may be.
pub const RULES_COME: usize = 68;
/// Where it says which write fires the faults.
pub const FIRES_AT: usize = 72;
/// Where hits are counted; before it stands the header.
pub const HITS_AT: usize = 128;
/// Where rules stand.
pub const RULES_AT: usize = HITS_AT + MAX_PROBES * 8;
/// Size of a rule.
pub const RULE: usize = 96;
/// Where in a rule it is counted how often its vCPU has come to where it holds.
pub const RULE_CAME: usize = 40;
/// Where in a rule it is counted how often the moment has come that ends it.
pub const RULE_ENDS: usize = 44;
/// Where in a rule its state stands.
pub const RULE_STATE: usize = 48;
/// Where in a rule the vCPU stands that it holds.
pub const RULE_CPU: usize = 52;
/// Where in a rule its times stand.
pub const RULE_TIMES: usize = 56;
/// Where in a rule the numbers of events stand.
pub const RULE_PLACES: usize = 72;
/// Where events stand.
pub const EVENTS_AT: usize = RULES_AT + MAX_RULES * RULE;
/// Size of an event.
pub const EVENT: usize = 32;
/// Where in an event its mark stands, a number that says that all of it has been written.
pub const EVENT_MARK: usize = 24;
/// Where probes stand; at the end, because nobody reads them when the guest is dead.
pub const PROBES_AT: usize = EVENTS_AT + MAX_EVENTS * EVENT;
/// Size of a probe.
pub const PROBE: usize = 48;
/// Where it stands what probes are to rules.
pub const MARKS_AT: usize = PROBES_AT + MAX_PROBES * PROBE;

/// No vCPU is held for longer, whatever a rule says: 3 s.
pub const LONGEST_HOLD_NS: u64 = 3_000_000_000;

/// The mark of a probe that says, where the access lies at [`FIRES_AT`], that the faults are fired.
pub const FIRES: u64 = 1 << 32;
/// The mark of a probe at which a vCPU panics.
pub const PANICS: u64 = 1 << 33;

/// The mark of a probe at which the rule of this number holds.
pub const fn at_mark(rule: usize) -> u64 {
    1 << (2 * rule)
}

/// The mark of a probe that ends the hold of the rule of this number.
pub const fn until_mark(rule: usize) -> u64 {
    2 << (2 * rule)
}

const AS_LINKED: u32 = 1 << 31;

/// What the tracer says on standard error when QEMU has only been tried (`trial=on`).
pub const LOADED: &str = "tracer: loaded";

/// How far the tracer has got. It sees nothing before it is [`State::Ready`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// QEMU has not loaded it.
    Absent = 0,
    /// It is loaded, and sleeps, or does not know the slide.
    Loaded = 1,
    /// It is awake and knows the slide.
    Ready = 2,
}

impl State {
    /// By its number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Absent),
            1 => Some(Self::Loaded),
            2 => Some(Self::Ready),
            _ => None,
        }
    }
}

/// Where something is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A CPU is about to execute the instruction at this address: a function's first, usually.
    At(u64),
    /// A CPU is about to execute the instruction at this address, if there is one of this length: an address somewhere
    /// in a function may as well lie within a longer instruction.
    Instruction {
        /// Address.
        at: u64,
        /// Length in bytes.
        bytes: u64,
    },
    /// Code touches memory.
    Access {
        /// First and behind last address of the code.
        code: (u64, u64),
        /// First and behind last address of the memory, and whether it is as linked.
        watched: (u64, u64, bool),
        /// Whether reading it is meant, not writing.
        reads: bool,
    },
}

/// Something to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Where.
    pub place: Place,
    /// The addresses of code are those that the kernel was linked for: the slide is added.
    pub as_linked: bool,
    /// How many events it may make; beyond that it only counts. At most 2³¹ − 1.
    pub limit: u32,
}

impl Probe {
    /// As it stands in the memory.
    pub fn encode(&self) -> [u8; PROBE] {
        let (kind, code, end, lo, hi, flags) = match self.place {
            Place::At(at) => (1, at, 0, 0, 0, 0),
            Place::Instruction { at, bytes } => (2, at, bytes, 0, 0, 0),
            Place::Access { code, watched, reads } => {
                (3, code.0, code.1, watched.0, watched.1, u64::from(watched.2) | u64::from(reads) << 1)
            }
        };
        let limit = self.limit.min(AS_LINKED - 1) | if self.as_linked { AS_LINKED } else { 0 };
        let mut bytes = [0; PROBE];
        let (words, longs) = bytes.split_at_mut(8);
        words[..4].copy_from_slice(&u32::to_le_bytes(kind));
        words[4..].copy_from_slice(&limit.to_le_bytes());
        for (field, value) in longs.chunks_exact_mut(8).zip([code, end, lo, hi, flags]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// From how it stands in the memory; `None` if it is none.
    pub fn decode(bytes: &[u8; PROBE]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let place = match word(0) {
            1 => Place::At(long(8)),
            2 => Place::Instruction { at: long(8), bytes: long(16) },
            3 => Place::Access {
                code: (long(8), long(16)),
                watched: (long(24), long(32), long(40) & 1 != 0),
                reads: long(40) & 2 != 0,
            },
            _ => return None,
        };
        Some(Self { place, as_linked: word(4) & AS_LINKED != 0, limit: word(4) & !AS_LINKED })
    }
}

/// One of the moments at which a probe is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// Of an access, how far into the watched memory it has to lie; none: anywhere.
    pub far: Option<u64>,
    /// The vCPUs that are meant, a bit each.
    pub cpus: u32,
    /// Only the vCPU that panicked first is.
    pub panicking: bool,
    /// Which time it comes, from 1; at most 2³¹ − 1.
    pub nth: u32,
}

/// A vCPU is held at one moment until another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Where it is held.
    pub at: Trigger,
    /// Until when; none: until [`Self::at_most_ns`] has passed.
    pub until: Option<Trigger>,
    /// The longest time, in nanoseconds; never more than [`LONGEST_HOLD_NS`].
    pub at_most_ns: u64,
}

const PANICKING: u32 = 1 << 31;

impl Trigger {
    fn encode(trigger: Option<&Self>, bytes: &mut [u8]) {
        let Some(Self { far, cpus, panicking, nth }) = trigger else { return };
        let nth = (*nth).min(PANICKING - 1) | if *panicking { PANICKING } else { 0 };
        bytes[..8].copy_from_slice(&far.unwrap_or(u64::MAX).to_le_bytes());
        bytes[8..12].copy_from_slice(&cpus.to_le_bytes());
        bytes[12..16].copy_from_slice(&nth.to_le_bytes());
    }

    fn decode(far: u64, cpus_nth: u64) -> Option<Self> {
        let [cpus, nth] = halves(cpus_nth);
        let far = (far != u64::MAX).then_some(far);
        (nth & !PANICKING != 0).then_some(Self { far, cpus, panicking: nth & PANICKING != 0, nth: nth & !PANICKING })
    }

    /// Whether a probe that this vCPU passes, `far` into the watched memory, is meant; `panicked`: who did first.
    pub fn is(&self, vcpu: u32, far: u64, panicked: Option<u32>) -> bool {
        let meant = 1_u32.checked_shl(vcpu).is_some_and(|bit| self.cpus & bit != 0);
        meant && self.far.is_none_or(|at| at == far) && (!self.panicking || panicked == Some(vcpu))
    }
}

const fn halves(long: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = long.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

impl Rule {
    /// As it stands in the memory, nothing having come of it yet.
    pub fn encode(&self) -> [u8; RULE] {
        let mut bytes = [0; RULE];
        Trigger::encode(Some(&self.at), &mut bytes[..16]);
        Trigger::encode(self.until.as_ref(), &mut bytes[16..32]);
        bytes[32..40].copy_from_slice(&self.at_most_ns.min(LONGEST_HOLD_NS).to_le_bytes());
        bytes
    }

    /// From the first five longs of how it stands in the memory; `None` if it is none.
    pub fn decode([at_far, at, until_far, until, at_most_ns]: [u64; 5]) -> Option<Self> {
        let until = Trigger::decode(until_far, until);
        Some(Self { at: Trigger::decode(at_far, at)?, until, at_most_ns: at_most_ns.min(LONGEST_HOLD_NS) })
    }
}

/// How far a rule has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum HoldState {
    /// Its vCPU has not come to where it holds.
    Waiting = 0,
    /// It is held.
    Holding = 1,
    /// The moment came that was waited for.
    ByMoment = 2,
    /// The longest time was over.
    Bound = 3,
    /// Another vCPU waited for this one within QEMU, which can go on for none of them then.
    Exclusive = 4,
    /// The harness released it.
    ByHarness = 5,
    /// The moment had come already when the vCPU was to be held.
    NotNeeded = 6,
}

impl HoldState {
    /// By its number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Waiting),
            1 => Some(Self::Holding),
            2 => Some(Self::ByMoment),
            3 => Some(Self::Bound),
            4 => Some(Self::Exclusive),
            5 => Some(Self::ByHarness),
            6 => Some(Self::NotNeeded),
            _ => None,
        }
    }
}

/// What has come of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// How far it has got.
    pub state: HoldState,
    /// The vCPU, once it is held.
    pub cpu: u32,
    /// From when to when, in nanoseconds of the host's monotonic clock.
    pub times_ns: [u64; 2],
    /// How many events had asked for a place then.
    pub places: [u64; 2],
}

impl Hold {
    /// From a rule as it stands in the memory; `None` if that is cut off, or says nonsense.
    pub fn decode(rule: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(u64::from_le_bytes(rule.get(at..at + 8)?.try_into().ok()?));
        let [state, cpu] = halves(long(RULE_STATE)?);
        Some(Self {
            state: HoldState::from_number(state)?,
            cpu,
            times_ns: [long(RULE_TIMES)?, long(RULE_TIMES + 8)?],
            places: [long(RULE_PLACES)?, long(RULE_PLACES + 8)?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_were_written() {
        let at = Trigger { far: None, cpus: 0b1010, panicking: false, nth: 1 };
        let until = Trigger { far: Some(64), cpus: u32::MAX, panicking: true, nth: 7 };
        for rule in [
            Rule { at, until: Some(until), at_most_ns: 5 },
            Rule { at: until, until: None, at_most_ns: LONGEST_HOLD_NS },
        ] {
            let bytes = rule.encode();
            let longs: Vec<u64> =
                bytes.chunks_exact(8).take(5).map(|long| u64::from_le_bytes(long.try_into().expect("eight"))).collect();
            assert_eq!(Rule::decode(longs.try_into().expect("five")), Some(rule));
            let hold = Hold { state: HoldState::Waiting, cpu: 0, times_ns: [0; 2], places: [0; 2] };
            assert_eq!(Hold::decode(&bytes), Some(hold));
        }
        assert_eq!(Rule::decode([0; 5]), None);
        let long = Rule { at, until: None, at_most_ns: u64::MAX }.encode();
        assert_eq!(long[32..40], LONGEST_HOLD_NS.to_le_bytes(), "nothing is held for longer");
    }

    #[test]
    fn a_trigger_is_for_its_vcpus_alone() {
        let any = Trigger { far: None, cpus: 0b110, panicking: false, nth: 1 };
        assert_eq!([0, 1, 2, 3, 77].map(|vcpu| any.is(vcpu, 9, None)), [false, true, true, false, false]);
        let panicking = Trigger { panicking: true, far: Some(8), ..any };
        assert!(panicking.is(1, 8, Some(1)) && !panicking.is(1, 8, Some(2)) && !panicking.is(1, 8, None));
        assert!(!panicking.is(1, 9, Some(1)));
    }

    #[test]
    fn every_rule_has_marks_of_its_own() {
        let all = (0..MAX_RULES).flat_map(|rule| [at_mark(rule), until_mark(rule)]).chain([FIRES, PANICS]);
        let (mut seen, mut count) = (0, 0);
        for mark in all {
            (seen, count) = (seen | mark, count + 1);
        }
        assert_eq!(u64::count_ones(seen), count);
    }

    #[test]
    fn probes_are_read_as_they_were_written() {
        for place in [
            Place::At(0xffff_ffff_8100_0000),
            Place::Instruction { at: 1, bytes: 5 },
            Place::Access { code: (2, 3), watched: (4, u64::MAX, true), reads: false },
            Place::Access { code: (2, 3), watched: (4, 5, false), reads: true },
        ] {
            for as_linked in [false, true] {
                let probe = Probe { place, as_linked, limit: 77 };
                assert_eq!(Probe::decode(&probe.encode()), Some(probe));
            }
        }
        assert_eq!(Probe::decode(&[0; PROBE]), None);
    }

    #[test]
    fn what_is_counted_atomically_is_aligned() {
        for at in [PROBES_USED, STATE, RULES_USED, RELEASED, BELL, FIRED, PANICKED, RULES_COME] {
            assert!(at.is_multiple_of(4) && at < HITS_AT);
        }
        for at in [RULE_CAME, RULE_ENDS, RULE_STATE, RULE_CPU] {
            assert!(at.is_multiple_of(4) && at < RULE);
        }
        for at in [FIRES_AT, RULES_AT, RULE, RULE_TIMES, RULE_PLACES, MARKS_AT] {
            assert!(at.is_multiple_of(8));
        }
        for at in [CLAIMED, ANCHOR, SLIDE, DOORBELL, HITS_AT, EVENTS_AT, EVENT, PROBES_AT, PROBE] {
            assert!(at.is_multiple_of(8));
        }
    }
}
