//! From a schedule to what the tracer is told.

use harness_protocol::page::{ENTERED_AT, FIRED_AT, LEFT_AT, SLOT, SLOTS_AT};
use harness_trace::{FIRES, PANICS, Rule, Trigger as Place, at_mark, until_mark};

use crate::evidence::{Meaning, Probes};
use crate::guest::Rules;
use crate::model::schedule::{Hold, Role, Schedule, Trigger};
use crate::model::timeline::{Event, StepEdge};

/// The rules of a guest that is traced by these probes. `cast`: the actors in the order in which they are armed, each with its
/// CPU, if it has one of its own.
///
/// A step that the kernel has not is passed by no probe, so that a hold there is never reached, and one that waits for it
/// lasts until its bound.
pub fn rules(schedule: &Schedule, probes: &Probes, cast: &[(String, Option<u32>)]) -> Rules {
    let mut marks = vec![0; probes.probes.len()];
    let mut mark = |bits: u64, is: &dyn Fn(&Meaning) -> bool| {
        for (marks, _) in marks.iter_mut().zip(&probes.meanings).filter(|(_, meaning)| is(meaning)) {
            *marks |= bits;
        }
    };
    mark(FIRES, &|meaning| *meaning == Meaning::Stamp);
    mark(PANICS, &|meaning| matches!(meaning, Meaning::Step { step, edge: StepEdge::Begin, .. } if step == "panic"));
    for (number, Hold { at, until, .. }) in schedule.holds.iter().enumerate() {
        mark(at_mark(number), &|meaning| is_of(at, meaning));
        if let Some(until) = until {
            mark(until_mark(number), &|meaning| is_of(until, meaning));
        }
    }
    let rule = |Hold { at, until, at_most }: &Hold| Rule {
        at: place(at, cast),
        until: until.as_ref().map(|until| place(until, cast)),
        at_most_ns: u64::try_from(at_most.as_nanos()).unwrap_or(u64::MAX),
    };
    Rules { rules: schedule.holds.iter().map(rule).collect(), marks, fires_at: FIRED_AT as u64 }
}

/// Whether a probe of this meaning is passed when that happens.
fn is_of(trigger: &Trigger, meaning: &Meaning) -> bool {
    match meaning {
        Meaning::Step { step, of, edge, .. } => {
            (step, edge) == (&trigger.step, &trigger.edge) && (trigger.of.is_empty() || *of == trigger.of)
        }
        Meaning::Stamp => trigger.step == Event::ACTOR,
    }
}

fn place(trigger: &Trigger, cast: &[(String, Option<u32>)]) -> Place {
    let slot = cast.iter().position(|(name, _)| trigger.step == Event::ACTOR && *name == trigger.of);
    let stamp = if trigger.edge == StepEdge::End { LEFT_AT } else { ENTERED_AT };
    let bit = |cpu: u32| 1_u32.checked_shl(cpu).unwrap_or(0);
    let cpus = match &trigger.cpu {
        None | Some(Role::Panic) => u32::MAX,
        Some(Role::Number(cpu)) => bit(*cpu),
        Some(Role::Actor(name)) => {
            let own = cast.iter().find(|(known, _)| known == name).and_then(|(_, cpu)| *cpu);
            own.map_or(u32::MAX, bit)
        }
        Some(Role::Others) => !cast.iter().filter_map(|(_, cpu)| *cpu).fold(0, |all, cpu| all | bit(cpu)),
    };
    Place {
        far: slot.map(|slot| (SLOTS_AT + slot * SLOT + stamp) as u64),
        cpus,
        panicking: trigger.cpu == Some(Role::Panic),
        nth: trigger.nth,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use harness_trace::{Place as At, Probe};

    use super::*;

    fn trigger(step: &str, of: &str, edge: StepEdge, cpu: Option<Role>) -> Trigger {
        Trigger { step: step.to_owned(), of: of.to_owned(), edge, nth: 2, cpu }
    }

    #[test]
    fn every_probe_is_marked_for_what_it_is_to_each_hold() {
        let step = |step: &str, of: &str, edge| Meaning::Step {
            step: step.to_owned(),
            of: of.to_owned(),
            edge,
            detail: false,
        };
        let (begin, end) = (StepEdge::Begin, StepEdge::End);
        let meanings = vec![
            Meaning::Stamp,
            step("panic", "", begin),
            step("dumper", "pstore_dump", begin),
            step("dumper", "mtdoops", begin),
            step("dumper", "pstore_dump", end),
            step("dumper", "pstore_dump", end),
        ];
        let probe = Probe { place: At::At(0), as_linked: true, limit: 1 };
        let probes = Probes { probes: vec![probe; meanings.len()], meanings, absent: Vec::new() };
        let hold = |at, until| Hold { at, until, at_most: Duration::from_micros(5) };
        let schedule = Schedule {
            holds: vec![
                hold(
                    trigger("dumper", "", begin, Some(Role::Panic)),
                    Some(trigger("dumper", "pstore_dump", end, Some(Role::Actor("oops".into())))),
                ),
                hold(trigger("actor", "panic", end, Some(Role::Others)), None),
                hold(trigger("nowhere", "", begin, Some(Role::Number(3))), None),
            ],
        };
        let cast = [("oops".to_owned(), Some(1)), ("panic".to_owned(), Some(0)), ("any".to_owned(), None)];
        let Rules { rules, marks, fires_at } = rules(&schedule, &probes, &cast);
        let until = until_mark(0);
        assert_eq!(marks, [FIRES | at_mark(1), PANICS, at_mark(0), at_mark(0), until, until]);
        assert_eq!(fires_at, FIRED_AT as u64);
        let whole = Place { far: None, cpus: u32::MAX, panicking: true, nth: 2 };
        assert_eq!(rules[0].at, whole);
        assert_eq!(rules[0].until, Some(Place { cpus: 0b10, panicking: false, ..whole }));
        assert_eq!(rules[0].at_most_ns, 5000);
        let far = Some((SLOTS_AT + SLOT + LEFT_AT) as u64);
        assert_eq!(rules[1].at, Place { far, cpus: !0b11, panicking: false, nth: 2 });
        assert_eq!(rules[2].at.cpus, 0b1000);
    }
}
