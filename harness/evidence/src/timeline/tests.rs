use harness_trace::{Place, Probe};
use proptest::prelude::*;

use super::*;

fn step(name: &str, of: &str, edge: StepEdge, limit: u32) -> (Probe, Meaning) {
    let meaning = Meaning::Step { step: name.to_owned(), of: of.to_owned(), edge, detail: name == "printk" };
    (Probe { place: Place::At(0), as_linked: true, limit }, meaning)
}

/// Probe 0: crashlab's stamps; 1 and 2: `dumper`, entered and left; 3: `printk`, of which two are kept.
fn probes() -> Probes {
    let stamp = (Probe { place: Place::At(0), as_linked: false, limit: 9 }, Meaning::Stamp);
    let mut probes = Probes::default();
    (probes.probes, probes.meanings) = [
        stamp,
        step("dumper", "pstore_dump", StepEdge::Begin, 9),
        step("dumper", "pstore_dump", StepEdge::End, 9),
        step("printk", "", StepEdge::Begin, 2),
    ]
    .into_iter()
    .unzip();
    probes
}

/// Events by nanoseconds, how far into the page, probe, CPU.
fn memory(state: State, events: &[(u64, usize, u32, u32)]) -> Vec<u8> {
    let mut memory = vec![0; EVENTS_AT];
    memory[..8].copy_from_slice(&MAGIC);
    memory[STATE..STATE + 4].copy_from_slice(&(state as u32).to_le_bytes());
    memory[CLAIMED..CLAIMED + 8].copy_from_slice(&(events.len() as u64).to_le_bytes());
    for (place, (ns, far, probe, cpu)) in (1_u64..).zip(events) {
        memory.extend(ns.to_le_bytes());
        memory.extend((*far as u64).to_le_bytes());
        memory.extend(probe.to_le_bytes());
        memory.extend(cpu.to_le_bytes());
        memory.extend(place.to_le_bytes());
    }
    memory
}

const FIRED: (u64, usize, u32, u32) = (1000, FIRED_AT, 0, 3);

fn actors() -> Vec<String> {
    vec!["hold".to_owned(), "panic".to_owned()]
}

fn decoded(events: &[(u64, usize, u32, u32)]) -> Timeline {
    decode(&memory(State::Ready, events), &probes(), &actors(), 4, &[], None).unwrap()
}

/// `ns CPU step of edge`
fn shown(timeline: &Timeline) -> Vec<String> {
    let shown = |event: &Event| {
        let Event { ns, cpu, step, of, edge, .. } = event;
        format!("{ns} {cpu} {step} {of} {}", edge.name())
    };
    timeline.events.iter().map(shown).collect()
}

/// The schedule's holds are told with what became of them, whatever stands in the memory.
#[test]
fn holds_are_told_with_when_and_what_ended_them() {
    use harness_model::schedule::Trigger;
    use harness_trace::{RULE_CPU, RULE_PLACES, RULE_STATE, RULE_TIMES};
    let on =
        |step: &str| Trigger { step: step.to_owned(), of: String::new(), edge: StepEdge::Begin, nth: 1, cpu: None };
    let hold = |until: Option<&str>| Hold {
        at: on("dumper"),
        until: until.map(on),
        at_most: std::time::Duration::from_millis(1),
    };
    let schedule = Schedule { holds: vec![hold(Some("printk")), hold(None), hold(Some("printk"))] };
    let mut bytes = memory(State::Ready, &[FIRED, (1100, 0, 3, 1), (1900, 0, 1, 2)]);
    let mut rule = |number: usize, state: HoldState, times: [u64; 2], places: [u64; 2]| {
        let at = RULES_AT + number * RULE;
        bytes[at + RULE_STATE..at + RULE_STATE + 4].copy_from_slice(&(state as u32).to_le_bytes());
        bytes[at + RULE_CPU..at + RULE_CPU + 4].copy_from_slice(&2_u32.to_le_bytes());
        for (at, long) in (at + RULE_TIMES..).step_by(8).zip(times).chain((at + RULE_PLACES..).step_by(8).zip(places)) {
            bytes[at..at + 8].copy_from_slice(&long.to_le_bytes());
        }
    };
    rule(0, HoldState::ByMoment, [1050, 1150], [1, 2]);
    rule(1, HoldState::Bound, [1200, 1700], [2, 3]);
    let told = |bytes: &[u8]| -> Vec<String> {
        let timeline = decode(bytes, &probes(), &actors(), 4, &[], Some(&schedule)).unwrap();
        let told = |held: &Held| {
            let Held { outcome, cpu, from_ns, lasted_ns, before, .. } = held;
            format!("{outcome:?} {cpu:?} {from_ns:?} {lasted_ns:?} {before:?}")
        };
        timeline.holds.iter().map(told).collect()
    };
    assert_eq!(
        told(&bytes),
        [
            "Released Some(2) Some(50) Some(100) [0, 1]",
            "Over Some(2) Some(200) Some(500) [1, 2]",
            "NotReached None None None [0, 0]"
        ]
    );
    let at = RULES_AT + RULE_STATE;
    let mut as_state = |number: u32| {
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        told(&bytes)[0].clone()
    };
    assert_eq!(as_state(1), "Ended Some(2) Some(50) None [0, 2]");
    assert!(as_state(4).starts_with("Infeasible") && as_state(77).starts_with("NotReached"));
}

#[test]
fn time_begins_with_the_firing_and_stamps_become_actors() {
    let second = SLOTS_AT + SLOT;
    let timeline = decoded(&[
        (990, 0, 3, 0),
        FIRED,
        (1010, SLOTS_AT + ENTERED_AT, 0, 1),
        (1020, second + ENTERED_AT, 0, 2),
        (1030, 0, 1, 2),
        (1040, 0, 2, 2),
        (1050, SLOTS_AT + LEFT_AT, 0, 1),
    ]);
    assert_eq!(
        shown(&timeline),
        [
            "-10 0 printk  begin",
            "10 1 actor hold begin",
            "20 2 actor panic begin",
            "30 2 dumper pstore_dump begin",
            "40 2 dumper pstore_dump end",
            "50 1 actor hold end"
        ]
    );
    assert_eq!((timeline.cpus, timeline.dropped), (4, 0));
    assert!(timeline.events[0].detail && !timeline.events[1].detail);
}

#[test]
fn a_crash_kernels_steps_are_not_the_dead_ones_and_what_was_heard_of_it_comes_last() {
    let mut probes = probes();
    let (probe, meaning) = step(Event::MACHINE_KEXEC, "", StepEdge::Begin, 9);
    probes.probes.push(probe);
    probes.meanings.push(meaning);
    let heard = [("first_line", 3000), ("ready", 4000)];
    let of = |events: &[(u64, usize, u32, u32)]| {
        let mut memory = memory(State::Ready, events);
        // More than there was room for: the crash kernel's.
        memory[CLAIMED..CLAIMED + 8].copy_from_slice(&(MAX_EVENTS as u64 + 5).to_le_bytes());
        decode(&memory, &probes, &actors(), 4, &heard, None).unwrap()
    };
    let timeline = of(&[FIRED, (1100, 0, 3, 1), (1200, 0, 4, 2), (1300, 0, 3, 0), (1400, 0, 1, 0)]);
    let expected = [
        "100 1 printk  begin",
        "200 2 machine_kexec  begin",
        "2000 2 capture first_line begin",
        "3000 2 capture ready begin",
    ];
    assert_eq!((shown(&timeline), timeline.dropped), (expected.map(str::to_owned).to_vec(), 0));
    // A kernel that was never left has no crash kernel.
    let without = of(&[FIRED, (1100, 0, 3, 1)]);
    assert_eq!(shown(&without), ["100 1 printk  begin"]);
    assert!(without.dropped > 0);
}

#[test]
fn what_is_no_stamp_of_an_actors_is_no_event() {
    let third = SLOTS_AT + 2 * SLOT + ENTERED_AT;
    let timeline = decoded(&[FIRED, (1, third, 0, 0), (2, SLOTS_AT + 1, 0, 0), (3, 8, 0, 0), (4, 0, 99, 0)]);
    assert_eq!(shown(&timeline), [""; 0]);
}

#[test]
fn without_a_tracer_or_the_firing_there_is_no_timeline() {
    let decode = |memory: &[u8]| decode(memory, &probes(), &actors(), 4, &[], None).unwrap_err().to_string();
    assert_eq!(decode(&[]), "0 bytes are no memory of the tracer's");
    assert_eq!(decode(&vec![0; EVENTS_AT]), format!("{EVENTS_AT} bytes are no memory of the tracer's"));
    assert_eq!(decode(&memory(State::Absent, &[])), "the tracer did not look (QEMU has not loaded it)");
    assert_eq!(decode(&memory(State::Loaded, &[FIRED])), "the tracer did not look (it was loaded, and not woken)");
    assert_eq!(decode(&memory(State::Ready, &[(1, 0, 1, 0)])), "the tracer did not see the faults fired");
}

#[test]
fn what_was_not_kept_is_counted() {
    let mut bytes = memory(State::Ready, &[FIRED, (1, 0, 1, 0)]);
    // 5 messages, of which 2 may be events; a dumper within its limit.
    bytes[HITS_AT + 3 * 8] = 5;
    bytes[HITS_AT + 8] = 9;
    let timeline = decode(&bytes, &probes(), &actors(), 4, &[], None).unwrap();
    assert_eq!(timeline.beyond_limit, BTreeMap::from([("printk".to_owned(), 3)]));
    // No room for all that asked for a place.
    let asked = MAX_EVENTS as u64 + 7;
    bytes[CLAIMED..CLAIMED + 8].copy_from_slice(&asked.to_le_bytes());
    bytes.resize(EVENTS_AT + MAX_EVENTS * EVENT, 0);
    let timeline = decode(&bytes, &probes(), &actors(), 4, &[], None).unwrap();
    assert_eq!(timeline.dropped, asked - 2);
}

#[test]
fn an_event_that_was_being_written_is_none() {
    let mut bytes = memory(State::Ready, &[FIRED, (1, 0, 1, 0), (2, 0, 2, 0)]);
    bytes[EVENTS_AT + EVENT + 24] = 0;
    let timeline = decode(&bytes, &probes(), &actors(), 4, &[], None).unwrap();
    assert_eq!((shown(&timeline).len(), timeline.dropped), (1, 1));
}

proptest! {
    #[test]
    fn any_memory_is_survived(state in 0u32..4, claimed: u64, tail in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = memory(State::Ready, &[FIRED]);
        bytes[STATE..STATE + 4].copy_from_slice(&state.to_le_bytes());
        bytes[CLAIMED..CLAIMED + 8].copy_from_slice(&claimed.to_le_bytes());
        bytes.extend(tail);
        let _ = decode(&bytes, &probes(), &actors(), 4, &[], None);
    }
}
