use harness_testdata as encode;

use super::*;
use crate::evidence::{Facts, RawEvidence};
use crate::model::timeline::{Event, StepEdge, Timeline};

const NONCE: &str = "0123456789abcdef";

/// What a guest left whose console shows this, of which nothing else is known but how it ended.
fn left(ending: Ending, console: &str) -> Evidence {
    let raw = RawEvidence { console: console.as_bytes(), ..RawEvidence::default() };
    Evidence::decode(&raw, Facts { ending, ..Facts::default() })
}

fn panicked(text: &str) -> Evidence {
    let console = format!(
        "[    1.000000] Kernel panic - not syncing: {text}\r\n[    1.000001] Kernel panic - not \
                           syncing: Fatal exception\r\n"
    );
    left(Ending::ByItself, &console)
}

fn judged(evidence: &Evidence, by: &[EndsBy], tail: &Tail) -> Result<(), String> {
    came_true(evidence, &Ends { by: by.to_vec(), said: true }, tail)
}

fn any() -> Tail {
    Tail::beginning_with(NONCE, 0, "")
}

#[test]
fn each_way_to_panic_is_told_by_the_first_panics_text() {
    for end in EndsBy::ALL {
        for text in end.panic_texts() {
            let evidence = panicked(text);
            assert_eq!(judged(&evidence, &[end], &any()), Ok(()), "{text}");
            assert_eq!(judged(&evidence, &[EndsBy::Reboot, end], &any()), Ok(()), "one of several");
            let other = if end == EndsBy::Nmi { EndsBy::HungTask } else { EndsBy::Nmi };
            let why = format!("ends-by {other} did not come true: it was {end}, \"{text}\"");
            assert_eq!(judged(&evidence, &[other], &any()), Err(why));
        }
    }
}

#[test]
fn a_panic_is_any_or_the_one_that_is_looked_for() {
    let evidence = panicked("crashlab 0123456789abcdef");
    for tail in [any(), Tail::of_panic(NONCE, 0)] {
        assert_eq!(judged(&evidence, &[EndsBy::Panic], &tail), Ok(()));
    }
    let why = "ends-by panic did not come true: it panicked, \"crashlab 0123456789abcdef\"".to_owned();
    assert_eq!(judged(&evidence, &[EndsBy::Panic], &Tail::of_panic("fedcba9876543210", 0)), Err(why));
}

#[test]
fn what_ends_without_a_panic_is_told_by_how_it_ended() {
    let ends = [
        (Ending::ByItself, Some(EndsBy::Reboot), "the machine was reset, and there was no panic"),
        (Ending::PoweredOff, Some(EndsBy::PowerOff), "the power was switched off, and there was no panic"),
        (Ending::Survived, Some(EndsBy::Survives), "the guest was alive when its time was over"),
        (Ending::Hung, None, "there was neither a panic nor a reset, and no sign of life"),
        (Ending::Deadline, None, "there was neither a panic nor a reset, and no sign of life"),
    ];
    for (ending, is, told) in ends {
        let evidence = left(ending, "[    1.000000] nothing\r\n");
        for end in EndsBy::ALL {
            let expected =
                if Some(end) == is { Ok(()) } else { Err(format!("ends-by {end} did not come true: {told}")) };
            assert_eq!(judged(&evidence, &[end], &any()), expected, "{ending:?}");
        }
        let expected = Ends { by: vec![EndsBy::Panic], said: false };
        assert_eq!(came_true(&evidence, &expected, &any()), Ok(()), "nobody has said so");
    }
}

#[test]
fn who_begins_to_panic_and_does_not_get_to_say_so_panics_as_was_said() {
    let event = |step: &str, ns| Event {
        ns,
        cpu: 0,
        step: step.to_owned(),
        of: String::new(),
        edge: StepEdge::Begin,
        detail: false,
    };
    let seen = |event: Event| {
        let mut evidence = left(Ending::Hung, "");
        evidence.timeline = Some(Ok(Timeline { cpus: 4, events: vec![event], ..Timeline::default() }));
        judged(&evidence, &[EndsBy::SoftLockup], &any())
    };
    for step in STEPS {
        assert_eq!(seen(event(step, 1)), Ok(()));
        assert!(seen(event(step, -1)).is_err(), "before firing");
    }
    assert!(seen(event("oops_begin", 1)).is_err());

    let mut evidence = left(Ending::Hung, "");
    let page = encode::page(1_000_000, 1, NONCE, &[("panic", 2, 0, 1000, 0, 0, 1, 0)]);
    evidence.stamps = crate::evidence::stamps::decode(&page);
    assert_eq!(judged(&evidence, &[EndsBy::Panic], &any()), Ok(()));
    assert!(judged(&evidence, &[EndsBy::Reboot], &any()).is_err());

    // An oops may boot the crash kernel before there is a panic.
    assert_eq!(judged(&left(Ending::Captured, ""), &[EndsBy::Oops], &any()), Ok(()));
    let survives = judged(&left(Ending::Captured, ""), &[EndsBy::Survives], &any());
    assert_eq!(survives, Err("ends-by survives did not come true: it panicked".to_owned()));
}
