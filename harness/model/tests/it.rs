//! Which trials are of the kind that a bisection looks for.

use harness_model::ChannelOutcome::{Broken, Kept, Lost, Saved};
use harness_model::bisection::Criterion;
use harness_model::splats::Splat;
use harness_model::{Channel, TrialOutcome, TrialRecord};
use harness_testdata::records::{counted, key, ordered, trial};

fn record(outcome: TrialOutcome) -> TrialRecord {
    trial(0, &key("stock", "panic-alone", ""), outcome)
}

#[test]
fn a_kernel_dies_or_lives_and_by_which_words() {
    let (any, words) = (Criterion::Panic(None), |text: &str| Criterion::Panic(Some(text.to_owned())));
    let dead = TrialRecord { panic: Some("demo gives up: error -5".to_owned()), ..record(counted(Saved, Saved)) };
    assert_eq!((any.happened(&dead), words("gives up").happened(&dead)), (Some(true), Some(true)));
    assert_eq!(words("WARNING in demo").happened(&dead), Some(false));
    let splat = Splat { title: "WARNING in demo".to_owned(), found_in: [].into(), expected: false };
    let warned = TrialRecord { splats: vec![splat], ..dead.clone() };
    assert_eq!(words("WARNING in demo").happened(&warned), Some(true));
    let alive = TrialRecord { survived: true, panic: None, ..warned.clone() };
    assert_eq!((any.happened(&alive), words("WARNING in demo").happened(&alive)), (Some(false), Some(false)));
    // It reset without a word; it hung, before or after a panic.
    let reset = record(counted(Lost, Lost));
    assert_eq!((any.happened(&reset), words("gives up").happened(&reset)), (Some(true), Some(false)));
    let TrialOutcome::Counted { channels, .. } = counted(Lost, Lost) else { unreachable!("it counts") };
    let hung = record(TrialOutcome::Counted { hung: true, channels });
    assert_eq!(any.happened(&hung), Some(false));
    assert_eq!(any.happened(&TrialRecord { panic: dead.panic.clone(), ..hung }), Some(true));
    assert_eq!(any.happened(&record(TrialOutcome::Missed { reason: String::new() })), None);
}

#[test]
fn only_trials_that_tell_are_counted() {
    let pstore = Criterion::Channel(Channel::Pstore);
    assert_eq!(pstore.happened(&record(counted(Saved, Lost))), Some(true));
    assert_eq!(pstore.happened(&record(counted(Lost, Saved))), Some(false));
    assert_eq!(pstore.happened(&record(TrialOutcome::Missed { reason: String::new() })), None);
    assert_eq!(pstore.happened(&record(TrialOutcome::InfraError { cause: String::new() })), None);
    assert_eq!(Criterion::Channel(Channel::Kdump).happened(&record(counted(Saved, Saved))), None);
    assert_eq!(Criterion::Hang.happened(&record(counted(Saved, Saved))), Some(false));
}

#[test]
fn of_several_assertions_the_one_that_was_named_counts() {
    let stopped = Criterion::Order("all other CPUs stopped before kmsg_dump".to_owned());
    let other = Criterion::Order("panic_cpu before smp_send_stop".to_owned());
    let broken = record(ordered(counted(Saved, Saved), Broken));
    assert_eq!((stopped.happened(&broken), other.happened(&broken)), (Some(true), Some(false)));
    assert_eq!(stopped.happened(&record(ordered(counted(Saved, Saved), Kept))), Some(false));
    assert_eq!(stopped.happened(&record(counted(Saved, Saved))), None);
}

#[test]
fn an_assertion_is_not_taken_for_another_that_begins_like_it() {
    let shorter = Criterion::Order("all other CPUs stopped before kmsg".to_owned());
    assert_eq!(shorter.happened(&record(ordered(counted(Saved, Saved), Broken))), Some(false));
}

#[test]
fn a_record_that_does_not_say_what_is_broken_does_not_tell() {
    let mut broken = ordered(counted(Saved, Saved), Broken);
    let TrialOutcome::Counted { channels, .. } = &mut broken else { unreachable!() };
    channels.get_mut(&Channel::Order).unwrap().broken.clear();
    let stopped = Criterion::Order("all other CPUs stopped before kmsg_dump".to_owned());
    assert_eq!(stopped.happened(&record(broken)), None);
}
