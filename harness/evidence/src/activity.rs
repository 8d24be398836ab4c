//! Whether a guest still does something, by the tracer's memory while it is being written.

use harness_trace::{CLAIMED, HITS_AT, MAGIC, MAX_EVENTS, Probe};

use super::bytes::{array, u64_at};
use super::probes::{Meaning, Probes};
use super::timeline::Raw;

/// Steps that a CPU takes while it waits, for ever if need be: the endless loop at the end of `panic()`
/// (`kernel/panic.c`) puts the soft-lockup watchdog off with each turn.
const WAITING: [&str; 2] = ["touch_nmi_watchdog", "touch_softlockup_watchdog"];

/// What has been seen so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    /// How often a CPU has passed a probe, but for those of waiting; of each probe as often as it may make events. Beyond
    /// that it may be a loop: the first instruction of `panic_smp_self_stop()` is where it jumps back to, for ever.
    pub passed: u64,
    /// When the last of them was that became an event, in nanoseconds of the host's monotonic clock.
    pub last_ns: Option<u64>,
}

/// Reads it; of bytes that are not the tracer's memory nothing is known.
pub fn decode(memory: &[u8], probes: &Probes) -> Activity {
    if array(memory, 0) != Some(MAGIC) {
        return Activity::default();
    }
    let counts = |number: usize| match probes.meanings.get(number) {
        Some(Meaning::Step { step, .. }) => !WAITING.contains(&step.as_str()),
        Some(Meaning::Stamp) => true,
        None => false,
    };
    let hits = |(number, probe): (usize, &Probe)| {
        let hits = u64_at(memory, HITS_AT + number * 8).filter(|_| counts(number))?;
        Some(hits.min(u64::from(probe.limit)))
    };
    let passed = probes.probes.iter().enumerate().filter_map(hits).sum();
    let places = u64_at(memory, CLAIMED).unwrap_or(0).min(MAX_EVENTS as u64);
    let mut events = (0..places).rev().filter_map(|place| Raw::read(memory, place));
    Activity { passed, last_ns: events.find(|event| counts(event.probe)).map(|event| event.ns) }
}

#[cfg(test)]
mod tests {
    use harness_trace::{EVENTS_AT, Place};
    use proptest::prelude::*;

    use super::*;
    use harness_model::timeline::StepEdge;

    fn probes() -> Probes {
        let mut probes = Probes::default();
        for step in ["kmsg_dump", "touch_softlockup_watchdog"] {
            let (of, edge) = (String::new(), StepEdge::Begin);
            probes.probes.push(Probe { place: Place::At(0), as_linked: true, limit: 8 });
            probes.meanings.push(Meaning::Step { step: step.to_owned(), of, edge, detail: false });
        }
        probes.probes.push(Probe { place: Place::At(0), as_linked: false, limit: 8 });
        probes.meanings.push(Meaning::Stamp);
        probes
    }

    /// With hits by probe, and events by nanoseconds and probe.
    fn memory(hits: &[u64], events: &[(u64, u32)]) -> Vec<u8> {
        let mut memory = vec![0; EVENTS_AT];
        memory[..8].copy_from_slice(&MAGIC);
        memory[CLAIMED..CLAIMED + 8].copy_from_slice(&(events.len() as u64).to_le_bytes());
        for (at, hits) in (HITS_AT..).step_by(8).zip(hits) {
            memory[at..at + 8].copy_from_slice(&hits.to_le_bytes());
        }
        for (mark, (ns, probe)) in (1_u64..).zip(events) {
            for word in [*ns, 0, u64::from(*probe), mark] {
                memory.extend(word.to_le_bytes());
            }
        }
        memory
    }

    #[test]
    fn steps_and_stamps_are_counted() {
        let seen = decode(&memory(&[7, 0, 2], &[(10, 0), (20, 2)]), &probes());
        assert_eq!(seen, Activity { passed: 9, last_ns: Some(20) });
    }

    #[test]
    fn what_an_endless_loop_does_is_nothing() {
        let before = decode(&memory(&[1, 1, 0], &[(10, 0), (20, 1)]), &probes());
        let after = decode(&memory(&[1, 90, 0], &[(10, 0), (20, 1), (30, 1)]), &probes());
        assert_eq!((before, after), (after, Activity { passed: 1, last_ns: Some(10) }));
        let [before, after] = [9, 2_000_000].map(|hits| decode(&memory(&[hits, 0, 0], &[]), &probes()));
        assert_eq!((before, after), (after, Activity { passed: 8, last_ns: None }));
    }

    #[test]
    fn of_nothing_nothing_is_known() {
        assert_eq!(decode(&[], &probes()), Activity::default());
        assert_eq!(decode(&memory(&[], &[]), &probes()), Activity::default());
        // Of a probe that there is none of, and of one that was being written.
        assert_eq!(decode(&memory(&[], &[(10, 9)]), &probes()), Activity::default());
        let mut torn = memory(&[], &[(10, 0)]);
        torn.truncate(EVENTS_AT + 24);
        assert_eq!(decode(&torn, &probes()), Activity::default());
    }

    proptest! {
        #[test]
        fn any_memory_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), claimed in any::<u64>()) {
            let mut memory = memory(&[1], &[]);
            memory[CLAIMED..CLAIMED + 8].copy_from_slice(&claimed.to_le_bytes());
            memory.extend(&bytes);
            decode(&memory, &probes());
            decode(&bytes, &probes());
        }
    }
}
