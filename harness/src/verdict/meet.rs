//! Whether the faults met as the scenario says. If they did not, the trial is `missed` and never counted: a guest in
//! which the second fault came late would make any order of `panic()` look good.

use std::collections::BTreeMap;

use crate::model::{ActorStamps, Meeting};

/// Checks every condition, in order. `budgets_us`: how long each actor was asked to stay, by name; one without an entry
/// was not asked for any. The error says which condition did not hold, with the stamps.
pub fn check(meetings: &[Meeting], stamps: &[ActorStamps], budgets_us: &BTreeMap<String, u64>) -> Result<(), String> {
    meetings.iter().try_for_each(|meeting| match meeting {
        Meeting::Entered { actor } => entered(stamps, actor).map(drop),
        Meeting::EntersDuring { actor, of } => during(stamps, budgets_us, actor, of),
    })
}

fn during(stamps: &[ActorStamps], budgets_us: &BTreeMap<String, u64>, actor: &str, of: &str) -> Result<(), String> {
    let (_, at) = entered(stamps, actor)?;
    let (section, from) = entered(stamps, of)?;
    if at < from {
        return Err(format!("{actor} entered at {at} us, {} us before {of} did at {from} us", from - at));
    }
    if budgets_us.get(of).is_none_or(|budget| *budget == 0) {
        return Ok(());
    }
    match section.left_us {
        Some(to) if at >= to => Err(format!(
            "{actor} entered at {at} us, {} us after {of} had left at {to} us (inside from {from} us on)",
            at - to
        )),
        _ => Ok(()),
    }
}

/// The actor's stamps and when it entered, in microseconds.
fn entered<'a>(stamps: &'a [ActorStamps], actor: &str) -> Result<(&'a ActorStamps, u64), String> {
    let Some(found) = stamps.iter().find(|s| s.actor == actor) else {
        let known: Vec<_> = stamps.iter().map(|s| s.actor.as_str()).collect();
        return Err(format!(
            "{actor} was not armed (armed: {})",
            if known.is_empty() { "none".into() } else { known.join(", ") }
        ));
    };
    let at = found
        .entered_us
        .ok_or_else(|| format!("{actor} never entered its critical section (armed on CPU {})", found.cpu))?;
    Ok((found, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamps(actor: &str, entered_us: Option<u64>, left_us: Option<u64>) -> ActorStamps {
        ActorStamps { actor: actor.to_owned(), cpu: 1, entered_us, left_us }
    }

    fn budgets(hold_us: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("hold".to_owned(), hold_us), ("panic".to_owned(), 0)])
    }

    fn during() -> Meeting {
        Meeting::EntersDuring { actor: "panic".to_owned(), of: "hold".to_owned() }
    }

    #[test]
    fn entered() {
        let check = |actor: &str, stamps: &[ActorStamps]| {
            check(&[Meeting::Entered { actor: actor.to_owned() }], stamps, &BTreeMap::new())
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
            assert_eq!(check(&[during()], &stamps, &budgets(budget)), want.map_err(str::to_owned));
        }
    }

    #[test]
    fn an_actor_without_a_budget_was_not_asked_to_stay() {
        let stamps = [stamps("hold", Some(1), Some(2)), stamps("panic", Some(5), None)];
        assert_eq!(check(&[during()], &stamps, &BTreeMap::new()), Ok(()));
    }

    #[test]
    fn all_conditions_must_hold_and_the_first_that_does_not_is_told() {
        let stamps = [stamps("hold", Some(1), None), stamps("panic", Some(5), None), stamps("late", None, None)];
        let late = Meeting::Entered { actor: "late".to_owned() };
        assert_eq!(check(&[], &stamps, &budgets(9)), Ok(()));
        assert_eq!(check(&[during()], &stamps, &budgets(9)), Ok(()));
        let missed = check(&[during(), late], &stamps, &budgets(9)).unwrap_err();
        assert!(missed.starts_with("late never entered"), "{missed}");
    }

    proptest! {
        #[test]
        fn it_holds_exactly_if_the_actor_is_inside(at: u64, from: u64, to: Option<u64>, budget in 0u64..2) {
            let stamps = [stamps("hold", Some(from), to), stamps("panic", Some(at), None)];
            let inside = from <= at && (budget == 0 || to.is_none_or(|to| at < to));
            prop_assert_eq!(check(&[during()], &stamps, &budgets(budget)).is_ok(), inside);
        }
    }
}
