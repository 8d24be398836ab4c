//! Any memory of the tracer's, and any console put between what it tells.
#![no_main]

use std::sync::Arc;

use harness::evidence::{Facts, Meaning, Probes, RawEvidence, Tracing, activity, place_console};
use harness::model::timeline::StepEdge;
use harness_fuzz::{examine, page};
use harness_trace::{EVENTS_AT, MAGIC, Place, Probe, STATE, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (events, console) = input;
    let mut probes = Probes::default();
    for meaning in [
        Meaning::Stamp,
        Meaning::Step { step: "printk".to_owned(), of: String::new(), edge: StepEdge::Begin, detail: true },
        Meaning::Step { step: "panic".to_owned(), of: String::new(), edge: StepEdge::Begin, detail: false },
    ] {
        probes.probes.push(Probe { place: Place::At(0), as_linked: true, limit: 2 });
        probes.meanings.push(meaning);
    }
    let mut memory = vec![0; EVENTS_AT];
    memory[..8].copy_from_slice(&MAGIC);
    memory[STATE] = State::Ready as u8;
    memory.extend(events);
    activity::decode(&memory, &probes);
    let raw = RawEvidence {
        console: &console,
        stamps: &page("panic"),
        trace: &memory,
        capture_times: &[("ready", 7)],
        ..RawEvidence::default()
    };
    let tracing = Some(Tracing { probes: Arc::new(probes), cpus: 4, real_time: true });
    let (evidence, _) = examine(&raw, Facts { tracing, ..Facts::default() });
    assert!(evidence.stamps.is_ok());
    if let Some(Ok(timeline)) = evidence.timeline {
        let placed = place_console(&timeline, &evidence.console);
        assert!(placed.iter().all(|line| line.before <= timeline.events.len()));
    }
});
