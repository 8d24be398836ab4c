use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::evidence::printk_ring::RawRing;
use crate::evidence::vmcore::Dump;
use crate::evidence::{Facts, RawEvidence, RawFrames, RawPstore, Tracing, pstore};
use crate::model::ends::EndsBy;
use crate::model::pstore::Ramoops;
use crate::verdict::witness;
use harness_testdata::printk_ring::{Kernel, RingBuilder};
use harness_testdata::{self as encode, Erst};

const NONCE: &str = "0123456789abcdef";

/// What a guest left, and what is known of it.
#[derive(Clone)]
struct Left {
    page: Vec<u8>,
    erst: Vec<u8>,
    console: Vec<u8>,
    log: Result<RawRing, &'static str>,
    facts: Facts,
    tail: Tail,
    ends: Ends,
}

/// A guest of which `waited` percent of its time went by without a processor, whose page says that it was fired at
/// `fired`.
fn left(ending: Ending, waited: u8, fired: u64) -> Left {
    Left {
        page: encode::page(1_000_000, fired, NONCE, &[("panic", 2, 0, fired + 1000, 0, 0, 1, 0)]),
        erst: Erst::new(8, 8192).bytes(),
        console: Vec::new(),
        log: Err("the log was not looked for"),
        facts: Facts { ending, host_wait: Some(f64::from(waited) / 100.0), ..Facts::default() },
        tail: Tail::of_panic(NONCE, 0),
        ends: Ends::default(),
    }
}

fn judged(left: &Left) -> TrialVerdict {
    let raw = RawEvidence {
        console: &left.console,
        stamps: &left.page,
        pstore: RawPstore::Erst(&left.erst),
        log: left.log.as_ref().map_err(|why| *why),
        ..RawEvidence::default()
    };
    let expected = Expected {
        tail: &left.tail,
        preconditions: &[Precondition::Entered { actor: "panic".to_owned() }],
        ends: &left.ends,
        budgets_us: &BTreeMap::new(),
        order: &[],
        deadline: Duration::from_secs(30),
        build_id: "",
        splats: None,
        hindrances: &Hindrances::default(),
        linux: (6, 12),
    };
    judge(&Evidence::decode(&raw, left.facts.clone()), &expected)
}

fn cause(left: &Left) -> String {
    match judged(left).outcome() {
        TrialOutcome::InfraError { cause } => cause,
        other => panic!("{other:?}"),
    }
}

fn is_counted(left: &Left, as_hung: bool) -> bool {
    matches!(judged(left).outcome(), TrialOutcome::Counted { hung, .. } if hung == as_hung)
}

#[test]
fn a_guest_past_its_deadline_is_hung_unless_the_host_had_no_processor_for_it() {
    assert!(is_counted(&left(Ending::Deadline, 0, 1), true));
    assert!(is_counted(&left(Ending::Deadline, 80, 1), true));
    assert_eq!(
        cause(&left(Ending::Deadline, 81, 1)),
        "the guest had not ended 30s after firing, but its vCPUs had waited 81 % of that time for a processor of the \
         host; run fewer guests at a time (--jobs)"
    );
    // Where the host does not tell, nobody else is blamed.
    let mut silent = left(Ending::Deadline, 0, 1);
    silent.facts.host_wait = None;
    assert!(is_counted(&silent, true));
}

#[test]
fn a_log_that_is_not_known_takes_nothing_from_the_trial() {
    let mut unknown = left(Ending::ByItself, 0, 1);
    unknown.log = Err("no note");
    let verdict = judged(&unknown);
    assert_eq!(verdict.logged, Err("no note".to_owned()));
    let TrialOutcome::Counted { channels, .. } = verdict.outcome() else { panic!("{:?}", verdict.outcome()) };
    assert!(channels.values().all(|verdict| verdict.log.is_none()));
}

#[test]
fn a_log_that_is_known_is_what_channels_are_held_to() {
    let mut known = left(Ending::ByItself, 0, 1);
    let mut ring = RingBuilder::new(Kernel::V6_12, 6, 12);
    ring.push(1000, 1, &witness::line(NONCE, 1, 1)).push(2000, 0, "behind");
    known.log = Ok(ring.raw());
    known.console = b"[    0.000002][    T0] behind\r\n".to_vec();
    known.tail = Tail::of_panic(NONCE, 1);
    let TrialOutcome::Counted { channels, .. } = judged(&known).outcome() else { panic!("not counted") };
    let lines = |channel| channels[&channel].log.as_ref().map(|kept| (kept.lines, kept.of));
    assert_eq!((lines(Channel::Console), lines(Channel::Pstore)), (Some((1, 2)), Some((0, 2))));
    // Nonsense is no log.
    let Ok(raw) = &mut known.log else { panic!("it was put there") };
    raw.text.clear();
    assert_eq!(judged(&known).logged, Err("the kernel's log is cut off: the text".to_owned()));
}

#[test]
fn a_guest_that_was_recognised_before_its_deadline_is_hung_whatever_the_host_did_before() {
    assert!(is_counted(&left(Ending::Hung, 99, 1), true));
}

#[test]
fn a_guest_that_ended_is_not_hung_however_slow_the_host_was() {
    assert!(is_counted(&left(Ending::ByItself, 99, 1), false));
}

#[test]
fn a_guest_that_ended_before_it_was_fired_is_nobodys_crash() {
    assert_eq!(cause(&left(Ending::ByItself, 0, 0)), "the guest ended before its faults were fired");
}

#[test]
fn a_page_that_is_not_this_trials_proves_nothing() {
    let mut strange = left(Ending::ByItself, 0, 1);
    strange.page = encode::page(1_000_000, 1, "fedcba9876543210", &[]);
    let expected = format!("crashlab's page belongs to trial \"fedcba9876543210\", not \"{NONCE}\"");
    assert_eq!(cause(&strange), expected);
    strange.page.clear();
    assert!(cause(&strange).starts_with("read crashlab's stamps: "));
}

#[test]
fn a_trial_that_ends_in_another_way_than_its_author_says_does_not_count() {
    let mut other = left(Ending::ByItself, 0, 1);
    assert!(is_counted(&other, false), "nothing is said");
    other.ends = Ends { by: vec![EndsBy::Survives], said: true };
    let reason = "ends-by survives did not come true: it panicked".to_owned();
    assert_eq!(judged(&other).outcome(), TrialOutcome::Missed { reason });
    other.ends.by.push(EndsBy::Panic);
    assert!(is_counted(&other, false));
}

#[test]
fn what_the_next_boot_finds_counts_too() {
    let log = format!("Panic#1 Part1\n<0>[    1.000000] Kernel panic - not syncing: crashlab {NONCE}\n");
    let mut saved = left(Ending::ByItself, 0, 1);
    saved.erst = Erst::new(8, 8192).with(Some(1), &encode::cper_record(1, encode::DMESG, log.as_bytes())).bytes();
    let outcome = |files: &[(&str, &[u8])]| {
        let found = pstore::from_files(files.iter().copied());
        let next_boot = NextBoot { found: &found, unread: &[], reader: None };
        let verdict = judged(&saved).after_next_boot(&next_boot, &saved.tail);
        match verdict.outcome() {
            TrialOutcome::Counted { channels, .. } => channels[&Channel::Pstore].outcome,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(outcome(&[("dmesg-erst-1", log.as_bytes())]), ChannelOutcome::Saved);
    assert_eq!(outcome(&[]), ChannelOutcome::Unreadable);
}

#[test]
fn a_record_store_that_is_broken_is_qemus_doing() {
    let mut broken = left(Ending::ByItself, 0, 1);
    broken.erst.clear();
    assert!(cause(&broken).starts_with("read what pstore wrote to: "));
}

#[test]
fn channels_are_judged_also_where_the_faults_did_not_meet() {
    let mut missed = left(Ending::ByItself, 0, 1);
    missed.page = encode::page(1_000_000, 1, NONCE, &[("panic", 2, 0, 0, 0, 0, 0, 0)]);
    let verdict = judged(&missed);
    let reason = "panic never entered its critical section (armed on CPU 0)".to_owned();
    assert_eq!(verdict.outcome(), TrialOutcome::Missed { reason });
    assert_eq!(verdict.channels[&Channel::Console].outcome, ChannelOutcome::Lost);
}

proptest! {
    /// Whatever a guest leaves is decoded and judged.
    #[test]
    fn any_bytes_are_judged(
        console in prop::collection::vec(any::<u8>(), 0..200),
        page in prop::collection::vec(any::<u8>(), 0..200),
        storage in prop::collection::vec(any::<u8>(), 0..400),
        trace in prop::collection::vec(any::<u8>(), 0..400),
        ramoops in any::<bool>(),
        traced in any::<bool>(),
        captured in any::<bool>(),
        further in any::<bool>(),
    ) {
        let zones = Ramoops { record: 64, records: 2, console: 64, pmsg: 64, ecc: 4 };
        let pstore = if ramoops { RawPstore::Ramoops(&zones, &storage) } else { RawPstore::Erst(&storage) };
        // With the right head, so that more of it is looked at.
        let mut page = [encode::page(1_000_000, 1, NONCE, &[])[..64].to_vec(), page].concat();
        page.resize(harness_protocol::page::SIZE, 0);
        let raw = RawEvidence {
            console: &console,
            earlycon: further.then_some(&console),
            frames: further.then_some(RawFrames { pcap: &storage, dropped: 1 }),
            stamps: &page,
            pstore,
            trace: &trace,
            ..RawEvidence::default()
        };
        let tracing = traced.then(|| Tracing { probes: std::sync::Arc::default(), cpus: 2, real_time: true, schedule: None });
        let capture = captured.then(|| Capture::Read(Box::<Dump>::default()));
        let evidence = Evidence::decode(&raw, Facts { tracing, capture, ..Facts::default() });
        let expected = Expected {
            tail: &Tail::of_panic(NONCE, 3),
            preconditions: &[],
            ends: &Ends { by: EndsBy::ALL.to_vec(), said: true },
            budgets_us: &BTreeMap::new(),
            order: &[],
            deadline: Duration::from_secs(30),
            build_id: "",
            splats: None,
            hindrances: &Hindrances::default(),
            linux: (6, 12),
        };
        let verdict = judge(&evidence, &expected);
        prop_assert_eq!(verdict.channels.contains_key(&Channel::PstoreConsole), ramoops);
        prop_assert_eq!(verdict.channels.contains_key(&Channel::Kdump), captured);
        for channel in [Channel::Earlycon, Channel::Netconsole] {
            prop_assert_eq!(verdict.channels.contains_key(&channel), further);
        }
    }
}
