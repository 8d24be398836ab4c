//! Whether the faults met as the scenario says. If they did not, the trial is `missed` and never counted: a guest in
//! which the second fault came late would make any order of `panic()` look good.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::timeline::{Event, StepEdge, Timeline};
use crate::model::{ActorStamps, Meeting};

/// Who stays so many times as long as it was asked to, and [`LATE_US`] longer, was kept from leaving.
const LATE_FACTOR: u64 = 20;
const LATE_US: u64 = 100_000;

/// How an actor went through its critical section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The actor.
    pub actor: String,
    /// The CPU it was armed on, or seen on.
    pub cpu: u32,
    /// When it entered, if it did.
    pub entered: Option<Moment>,
    /// When it left, if it did.
    pub left: Option<Moment>,
    /// How many turns of a microsecond it has spent inside, if it counts them.
    pub spent_us: Option<u64>,
}

/// A moment of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What came before has less. Of stamps it is the time, of a timeline the place in it.
    pub order: u64,
    /// Microseconds since the faults were fired, for people.
    pub us: u64,
}

impl Passage {
    /// As crashlab has stamped it.
    pub fn stamped(stamps: &ActorStamps) -> Self {
        let moment = |us: u64| Moment { order: us, us };
        Self {
            actor: stamps.actor.clone(),
            cpu: stamps.cpu,
            entered: stamps.entered_us.map(moment),
            left: stamps.left_us.map(moment),
            spent_us: None,
        }
    }
}

/// As the tracer has seen it; of the actors that were `stamped`, in their order.
pub fn passages(timeline: &Timeline, stamped: &[Passage]) -> Vec<Passage> {
    let of = |stamped: &Passage| {
        let mut passage = Passage { entered: None, left: None, ..stamped.clone() };
        let events = (0..).zip(&timeline.events);
        for (order, event) in events.filter(|(_, event)| event.step == Event::ACTOR && event.of == stamped.actor) {
            let us = u64::try_from(event.ns / 1000).unwrap_or(0);
            match event.edge {
                StepEdge::Begin => {
                    passage.cpu = event.cpu;
                    passage.entered.get_or_insert(Moment { order, us });
                }
                StepEdge::End => {
                    passage.left.get_or_insert(Moment { order, us });
                }
            }
        }
        passage
    };
    stamped.iter().map(of).collect()
}

/// Whether stamps and timeline tell of the same entering and leaving, on the same CPUs. Where the guest was not
/// `stopped` before both were read, more may have been seen than stamped.
pub fn agree(stamped: &[Passage], seen: &[Passage], stopped: bool) -> Result<(), String> {
    stamped.iter().zip(seen).try_for_each(|(stamped, seen)| {
        let edge = |stamp: Option<Moment>, event: Option<Moment>, edge: &str| match (stamp, event) {
            (Some(at), None) => Err(format!("{} {edge} at {} us, and was not seen to", seen.actor, at.us)),
            (None, Some(at)) if stopped => {
                Err(format!("{} was seen at {} us when it {edge}, and has no stamp of that", seen.actor, at.us))
            }
            _ => Ok(()),
        };
        edge(stamped.entered, seen.entered, "entered")?;
        edge(stamped.left, seen.left, "left")?;
        if seen.entered.is_some() && stamped.cpu != seen.cpu {
            let (actor, armed, on) = (&seen.actor, stamped.cpu, seen.cpu);
            return Err(format!("{actor} was armed on CPU {armed} and seen to enter on CPU {on}"));
        }
        Ok(())
    })
}

/// Checks every condition, in order, then that nobody left at the wrong time. `budgets_us`: how long each actor was asked
/// to stay, by name; one without an entry was not asked for any, and `u64::MAX` is for ever, or not known. The error
/// says what did not hold, with the times.
pub fn check(meetings: &[Meeting], passages: &[Passage], budgets_us: &BTreeMap<String, u64>) -> Result<(), String> {
    meetings.iter().try_for_each(|meeting| match meeting {
        Meeting::Entered { actor } => entered(passages, actor).map(drop),
        Meeting::EntersDuring { actor, of } => during(passages, budgets_us, actor, of),
        Meeting::Left { actor } => match entered(passages, actor)? {
            (Passage { left: Some(_), .. }, _) => Ok(()),
            (_, from) => Err(format!("{actor} never left its critical section (inside from {} us on)", from.us)),
        },
        Meeting::NeverLeft { actor } => match entered(passages, actor)? {
            (Passage { left: None, .. }, _) => Ok(()),
            (Passage { left: Some(to), .. }, from) => {
                Err(format!("{actor} left at {} us (inside from {} us on)", to.us, from.us))
            }
        },
        Meeting::Apart { actor, from, at_most } => apart(passages, actor, from, *at_most),
    })?;
    passages.iter().try_for_each(|passage| in_time(passage, budgets_us.get(&passage.actor).copied().unwrap_or(0)))
}

fn apart(passages: &[Passage], actor: &str, from: &str, at_most: Duration) -> Result<(), String> {
    let (_, one) = entered(passages, actor)?;
    let (_, other) = entered(passages, from)?;
    let apart = one.us.abs_diff(other.us);
    if u128::from(apart) <= at_most.as_micros() {
        return Ok(());
    }
    Err(format!("{actor} entered at {} us and {from} at {} us, {apart} us apart", one.us, other.us))
}

/// That an actor did not leave before it had spent its time, nor when that was long over: then it was not the guest that
/// decided how long the section lasted. A turn of a microsecond may last several times as long on an emulated CPU.
fn in_time(passage: &Passage, budget_us: u64) -> Result<(), String> {
    let Passage { actor, entered: Some(from), left: Some(to), spent_us, .. } = passage else { return Ok(()) };
    if budget_us == 0 || budget_us == u64::MAX {
        return Ok(());
    }
    if let Some(spent) = spent_us.filter(|spent| *spent < budget_us) {
        return Err(format!("{actor} left early, at {} us, when it had spent {spent} us of {budget_us} us", to.us));
    }
    let inside = to.us.saturating_sub(from.us);
    let longest = budget_us.saturating_mul(LATE_FACTOR).saturating_add(LATE_US);
    if inside > longest {
        return Err(format!("{actor} left late, at {} us, {inside} us after it had entered for {budget_us} us", to.us));
    }
    Ok(())
}

fn during(passages: &[Passage], budgets_us: &BTreeMap<String, u64>, actor: &str, of: &str) -> Result<(), String> {
    let (_, at) = entered(passages, actor)?;
    let (section, from) = entered(passages, of)?;
    if at.order < from.order {
        let early = from.us.saturating_sub(at.us);
        return Err(format!("{actor} entered at {} us, {early} us before {of} did at {} us", at.us, from.us));
    }
    if budgets_us.get(of).is_none_or(|budget| *budget == 0) {
        return Ok(());
    }
    match section.left {
        Some(to) if at.order >= to.order => Err(format!(
            "{actor} entered at {} us, {} us after {of} had left at {} us (inside from {} us on)",
            at.us,
            at.us.saturating_sub(to.us),
            to.us,
            from.us
        )),
        _ => Ok(()),
    }
}

/// The actor's passage and when it entered.
fn entered<'a>(passages: &'a [Passage], actor: &str) -> Result<(&'a Passage, Moment), String> {
    let Some(found) = passages.iter().find(|s| s.actor == actor) else {
        let known: Vec<_> = passages.iter().map(|s| s.actor.as_str()).collect();
        return Err(format!(
            "{actor} was not armed (armed: {})",
            if known.is_empty() { "none".into() } else { known.join(", ") }
        ));
    };
    let at = found
        .entered
        .ok_or_else(|| format!("{actor} never entered its critical section (armed on CPU {})", found.cpu))?;
    Ok((found, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamps(actor: &str, entered_us: Option<u64>, left_us: Option<u64>) -> Passage {
        Passage::stamped(&ActorStamps { actor: actor.to_owned(), cpu: 1, entered_us, left_us })
    }

    fn budgets(hold_us: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("hold".to_owned(), hold_us), ("panic".to_owned(), 0)])
    }

    fn during() -> Meeting {
        Meeting::EntersDuring { actor: "panic".to_owned(), of: "hold".to_owned() }
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
        let passages = passages(&timeline, &stamped.map(|stamps| Passage::stamped(&stamps)));
        let moment = |order, us| Some(Moment { order, us });
        assert_eq!((passages[0].entered, passages[0].left), (moment(1, 1), moment(2, 2)));
        assert_eq!((passages[1].cpu, passages[1].entered, passages[1].left), (0, moment(0, 1), None));
        assert_eq!((passages[2].cpu, passages[2].entered), (9, None));
        let missed = "panic entered at 1 us, 0 us before hold did at 1 us".to_owned();
        assert_eq!(check(&[during()], &passages, &budgets(9)), Err(missed));
    }

    #[test]
    fn stamps_and_timeline_agree_or_one_of_them_is_broken() {
        let (both, entered, none) =
            (stamps("hold", Some(1), Some(2)), stamps("hold", Some(1), None), stamps("hold", None, None));
        let agree = |stamped: &Passage, seen: &Passage, stopped| {
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
        let elsewhere = Passage { cpu: 3, ..both.clone() };
        assert_eq!(
            agree(&both, &elsewhere, true),
            Err("hold was armed on CPU 1 and seen to enter on CPU 3".to_owned())
        );
    }

    #[test]
    fn entered() {
        let check = |actor: &str, stamps: &[Passage]| {
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

    fn says(meeting: Meeting, passages: &[Passage]) -> Result<(), String> {
        check(&[meeting], passages, &BTreeMap::new())
    }

    #[test]
    fn left_or_never_left() {
        let (left, never, out) =
            (stamps("hold", Some(1), Some(5)), stamps("hold", Some(1), None), stamps("hold", None, None));
        let actor = || "hold".to_owned();
        let has_left = |passage: &Passage| says(Meeting::Left { actor: actor() }, std::slice::from_ref(passage));
        assert_eq!(has_left(&left), Ok(()));
        assert_eq!(has_left(&never), Err("hold never left its critical section (inside from 1 us on)".to_owned()));
        let not_entered = Err("hold never entered its critical section (armed on CPU 1)".to_owned());
        assert_eq!(has_left(&out), not_entered);
        let never_left = |passage: &Passage| says(Meeting::NeverLeft { actor: actor() }, std::slice::from_ref(passage));
        assert_eq!(never_left(&never), Ok(()));
        assert_eq!(never_left(&left), Err("hold left at 5 us (inside from 1 us on)".to_owned()));
        assert_eq!(never_left(&out), not_entered);
    }

    #[test]
    fn apart() {
        let apart = |one, other| {
            let (actor, from) = ("panic".to_owned(), "hold".to_owned());
            let meeting = Meeting::Apart { actor, from, at_most: Duration::from_micros(50) };
            says(meeting, &[stamps("panic", one, None), stamps("hold", other, None)])
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
        let spent = |left_us, spent_us| Passage { spent_us, ..stamps("hold", Some(1_000), left_us) };
        let check = |passage: Passage, budget| check(&[], &[passage], &budgets(budget));
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
        fn it_holds_exactly_if_the_actor_is_inside(at: u64, from: u64, to: Option<u64>, asked: bool) {
            let budget = if asked { u64::MAX } else { 0 };
            let stamps = [stamps("hold", Some(from), to), stamps("panic", Some(at), None)];
            let inside = from <= at && (budget == 0 || to.is_none_or(|to| at < to));
            prop_assert_eq!(check(&[during()], &stamps, &budgets(budget)).is_ok(), inside);
        }
    }
}
