use proptest::prelude::*;

use super::*;
use crate::model::ActorStamps;
use crate::model::timeline::{Event, StepEdge, Timeline};

fn stamps(actor: &str, entered_us: Option<u64>, left_us: Option<u64>) -> ActorInterval {
    ActorInterval::stamped(&ActorStamps { actor: actor.to_owned(), cpu: 1, entered_us, left_us })
}

fn budgets(hold_us: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("hold".to_owned(), hold_us), ("panic".to_owned(), 0)])
}

fn during() -> Precondition {
    Precondition::EntersDuring { actor: "panic".to_owned(), of: "hold".to_owned() }
}

fn seen(cpu: u32, of: &str, edge: StepEdge, ns: i64) -> Event {
    Event { ns, cpu, step: Event::ACTOR.to_owned(), of: of.to_owned(), edge, detail: false }
}

#[test]
fn of_what_happened_in_one_microsecond_the_timeline_knows_the_order() {
    let events = vec![
        seen(0, "panic", StepEdge::Begin, 1_100),
        seen(1, "hold", StepEdge::Begin, 1_900),
        seen(1, "hold", StepEdge::End, 2_000),
    ];
    let timeline = Timeline { cpus: 4, events, ..Timeline::default() };
    let stamped = ["hold", "panic", "late"].map(|name| ActorStamps {
        actor: name.to_owned(),
        cpu: 9,
        entered_us: Some(1),
        left_us: None,
    });
    let intervals = intervals(&timeline, &stamped.map(|stamps| ActorInterval::stamped(&stamps)));
    let moment = |order, us| Some(TrialTime { order, us });
    assert_eq!((intervals[0].entered, intervals[0].left), (moment(1, 1), moment(2, 2)));
    assert_eq!((intervals[1].cpu, intervals[1].entered, intervals[1].left), (0, moment(0, 1), None));
    assert_eq!((intervals[2].cpu, intervals[2].entered), (9, None));
    let missed = "panic entered at 1 us, 0 us before hold did at 1 us".to_owned();
    assert_eq!(check(&[during()], &intervals, &budgets(9), 0), Err(missed));
}

#[test]
fn stamps_and_timeline_agree_or_one_of_them_is_broken() {
    let (both, entered, none) =
        (stamps("hold", Some(1), Some(2)), stamps("hold", Some(1), None), stamps("hold", None, None));
    let agree = |stamped: &ActorInterval, seen: &ActorInterval, stopped| {
        agree(std::slice::from_ref(stamped), std::slice::from_ref(seen), stopped)
    };
    for same in [&both, &entered, &none] {
        assert_eq!(agree(same, same, true), Ok(()));
    }
    assert_eq!(agree(&both, &entered, true), Err("hold left at 2 us, and was not seen to".to_owned()));
    assert_eq!(agree(&entered, &none, false), Err("hold entered at 1 us, and was not seen to".to_owned()));
    // A guest that ran on after its page was read was seen to do more.
    assert_eq!(agree(&none, &both, false), Ok(()));
    let unstamped = "hold was seen at 1 us when it entered, and has no stamp of that";
    assert_eq!(agree(&none, &both, true), Err(unstamped.to_owned()));
    let elsewhere = ActorInterval { cpu: 3, ..both.clone() };
    assert_eq!(agree(&both, &elsewhere, true), Err("hold was armed on CPU 1 and seen to enter on CPU 3".to_owned()));
}

#[test]
fn entered() {
    let check = |actor: &str, stamps: &[ActorInterval]| {
        check(&[Precondition::Entered { actor: actor.to_owned() }], stamps, &BTreeMap::new(), 0)
    };
    assert_eq!(check("oops", &[stamps("oops", Some(0), None)]), Ok(()));
    assert_eq!(
        check("oops", &[stamps("oops", None, None)]),
        Err("oops never entered its critical section (armed on CPU 1)".to_owned())
    );
    assert_eq!(
        check("oops", &[stamps("a", Some(1), None), stamps("b", Some(1), None)]),
        Err("oops was not armed (armed: a, b)".to_owned())
    );
    assert_eq!(check("oops", &[]), Err("oops was not armed (armed: none)".to_owned()));
}

#[test]
fn enters_during() {
    const LATE: &str = "panic entered at 400 us, 100 us after hold had left at 300 us (inside from 100 us on)";
    for (panic_at, hold, budget, want) in [
        (Some(200), (Some(100), Some(300)), 200, Ok(())),
        (Some(100), (Some(100), Some(300)), 200, Ok(())),
        (Some(299), (Some(100), Some(300)), 200, Ok(())),
        (Some(9_999_999), (Some(100), None), 200, Ok(())),
        (Some(400), (Some(100), Some(300)), 200, Err(LATE)),
        (Some(300), (Some(100), Some(300)), 200, {
            Err("panic entered at 300 us, 0 us after hold had left at 300 us (inside from 100 us on)")
        }),
        (Some(99), (Some(100), None), 200, Err("panic entered at 99 us, 1 us before hold did at 100 us")),
        // Left before it entered: no such section.
        (Some(200), (Some(150), Some(120)), 200, {
            Err("panic entered at 200 us, 80 us after hold had left at 120 us (inside from 150 us on)")
        }),
        // No time was asked for: entered before is enough.
        (Some(400), (Some(100), Some(300)), 0, Ok(())),
        (Some(99), (Some(100), Some(300)), 0, Err("panic entered at 99 us, 1 us before hold did at 100 us")),
        (None, (Some(100), Some(300)), 0, Err("panic never entered its critical section (armed on CPU 1)")),
        (Some(200), (None, None), 0, Err("hold never entered its critical section (armed on CPU 1)")),
        (Some(200), (None, Some(300)), 200, Err("hold never entered its critical section (armed on CPU 1)")),
    ] {
        let stamps = [stamps("hold", hold.0, hold.1), stamps("panic", panic_at, None)];
        assert_eq!(check(&[during()], &stamps, &budgets(budget), 0), want.map_err(str::to_owned));
    }
}

fn says(precondition: Precondition, intervals: &[ActorInterval]) -> Result<(), String> {
    check(&[precondition], intervals, &BTreeMap::new(), 0)
}

#[test]
fn left_or_never_left() {
    let (left, never, out) =
        (stamps("hold", Some(1), Some(5)), stamps("hold", Some(1), None), stamps("hold", None, None));
    let actor = || "hold".to_owned();
    let has_left =
        |interval: &ActorInterval| says(Precondition::Left { actor: actor() }, std::slice::from_ref(interval));
    assert_eq!(has_left(&left), Ok(()));
    assert_eq!(has_left(&never), Err("hold never left its critical section (inside from 1 us on)".to_owned()));
    let not_entered = Err("hold never entered its critical section (armed on CPU 1)".to_owned());
    assert_eq!(has_left(&out), not_entered);
    let never_left =
        |interval: &ActorInterval| says(Precondition::NeverLeft { actor: actor() }, std::slice::from_ref(interval));
    assert_eq!(never_left(&never), Ok(()));
    assert_eq!(never_left(&left), Err("hold left at 5 us (inside from 1 us on)".to_owned()));
    assert_eq!(never_left(&out), not_entered);
}

#[test]
fn apart() {
    let apart = |one, other| {
        let (actor, from) = ("panic".to_owned(), "hold".to_owned());
        let precondition = Precondition::Apart { actor, from, at_most: Duration::from_micros(50) };
        says(precondition, &[stamps("panic", one, None), stamps("hold", other, None)])
    };
    assert_eq!(apart(Some(100), Some(150)), Ok(()));
    assert_eq!(apart(Some(150), Some(100)), Ok(()));
    let far = "panic entered at 100 us and hold at 151 us, 51 us apart".to_owned();
    assert_eq!(apart(Some(100), Some(151)), Err(far));
    assert!(apart(Some(100), None).unwrap_err().starts_with("hold never entered"));
    assert!(apart(None, Some(100)).unwrap_err().starts_with("panic never entered"));
}

#[test]
fn nobody_leaves_at_the_wrong_time() {
    let spent = |left_us, spent_us| ActorInterval { spent_us, ..stamps("hold", Some(1_000), left_us) };
    let check = |interval: ActorInterval, budget| check(&[], &[interval], &budgets(budget), 0);
    let early = Err("hold left early, at 1500 us, when it had spent 299 us of 300 us".to_owned());
    assert_eq!(check(spent(Some(1_500), Some(299)), 300), early);
    assert_eq!(check(spent(Some(1_500), Some(300)), 300), Ok(()));
    // Cut off inside.
    assert_eq!(check(spent(None, Some(299)), 300), Ok(()));
    // It counts no turns, or was not asked for any.
    assert_eq!(check(spent(Some(1_500), None), 300), Ok(()));
    assert_eq!(check(spent(Some(1_500), Some(0)), 0), Ok(()));
    assert_eq!(check(spent(Some(1_500), Some(7)), u64::MAX), Ok(()));
    // Twenty times its time and 100 ms is still no wonder.
    assert_eq!(check(spent(Some(107_000), Some(300)), 300), Ok(()));
    let late = Err("hold left late, at 107001 us, 106001 us after it had entered for 300 us".to_owned());
    assert_eq!(check(spent(Some(107_001), Some(300)), 300), late);
    let held = |held_us| super::check(&[], &[spent(Some(107_001), Some(300))], &budgets(300), held_us);
    assert_eq!(held(1), Ok(()), "whom the harness held is not late");
}

#[test]
fn an_actor_without_a_budget_was_not_asked_to_stay() {
    let stamps = [stamps("hold", Some(1), Some(2)), stamps("panic", Some(5), None)];
    assert_eq!(check(&[during()], &stamps, &BTreeMap::new(), 0), Ok(()));
}

#[test]
fn all_conditions_must_hold_and_the_first_that_does_not_is_told() {
    let stamps = [stamps("hold", Some(1), None), stamps("panic", Some(5), None), stamps("late", None, None)];
    let late = Precondition::Entered { actor: "late".to_owned() };
    assert_eq!(check(&[], &stamps, &budgets(9), 0), Ok(()));
    assert_eq!(check(&[during()], &stamps, &budgets(9), 0), Ok(()));
    let missed = check(&[during(), late], &stamps, &budgets(9), 0).unwrap_err();
    assert!(missed.starts_with("late never entered"), "{missed}");
}

proptest! {
    #[test]
    fn it_holds_exactly_if_the_actor_is_inside(at: u64, from: u64, to: Option<u64>, asked: bool) {
        let budget = if asked { u64::MAX } else { 0 };
        let stamps = [stamps("hold", Some(from), to), stamps("panic", Some(at), None)];
        let inside = from <= at && (budget == 0 || to.is_none_or(|to| at < to));
        prop_assert_eq!(check(&[during()], &stamps, &budgets(budget), 0).is_ok(), inside);
    }
}
