//! A search on a table in the place of guests: two CPUs that do what is written here.

use std::collections::BTreeMap;

use super::*;
use crate::model::schedule::{Held, Hold, HoldOutcome, Role, Schedule, Trigger};
use crate::model::timeline::{Event, StepEdge, Timeline};
use crate::model::{Channel, ChannelOutcome, ChannelVerdict, TrialOutcome};

/// What the CPUs do, each in this order. `dump` comes when CPU 1 was seen to `oops`, and loses the log while the lock is held.
const DO: [[&str; 4]; 2] = [["panic", "wait", "dump", "reset"], ["oops", "lock", "unlock", "halt"]];

/// A guest that is to follow a schedule. As it comes, CPU 1 does all that it does before CPU 0 begins.
fn guest(schedule: Option<&Schedule>) -> Seen {
    let holds = schedule.map(|schedule| schedule.holds.clone()).unwrap_or_default();
    let mut held: Vec<Held> = holds.iter().map(|hold| not_reached(hold)).collect();
    let (mut at, mut events, mut lost) = ([0, 0], Vec::<Event>::new(), false);
    let is = |trigger: &Trigger, cpu: usize, step: &str| trigger.step == step && on(trigger) == Some(cpu);
    loop {
        let seen = |step: &str| events.iter().any(|event: &Event| event.step == step);
        let next = [1, 0].into_iter().find(|cpu| {
            let Some(step) = DO[*cpu].get(at[*cpu]) else { return false };
            let is_held = holds.iter().zip(&mut held).any(|(hold, held)| {
                if !is(&hold.at, *cpu, step) || matches!(held.outcome, HoldOutcome::Over | HoldOutcome::Bound) {
                    return false;
                }
                let over = hold.until.as_ref().is_some_and(|until| seen(&until.step));
                if held.cpu.is_none() {
                    held.cpu = u32::try_from(*cpu).ok();
                    held.before = [events.len(), usize::MAX];
                    held.outcome = if over { HoldOutcome::NotNeeded } else { HoldOutcome::Ended };
                } else if over && held.outcome == HoldOutcome::Ended {
                    (held.outcome, held.before[1], held.lasted_ns) =
                        (HoldOutcome::Released, events.len(), Some(events.len() as u64));
                }
                !over
            });
            let waits = *step == "wait" && !seen("oops");
            !is_held && !waits
        });
        match next {
            Some(cpu) => {
                let step = DO[cpu][at[cpu]];
                at[cpu] += 1;
                lost |= step == "dump" && seen("lock") && !seen("unlock");
                let cpu = u32::try_from(cpu).unwrap();
                let (of, edge) = (String::new(), StepEdge::Begin);
                events.push(Event { ns: 1, cpu, step: step.to_owned(), of, edge, detail: false });
            }
            // Nobody can go on: the bound of what is held runs out.
            None => match holds.iter().zip(&mut held).find(|(_, held)| held.outcome == HoldOutcome::Ended) {
                Some((hold, held)) => {
                    held.outcome = if hold.until.is_some() { HoldOutcome::Bound } else { HoldOutcome::Over };
                    held.before[1] = events.len();
                    held.lasted_ns = Some(3_000_000_000);
                }
                None => break,
            },
        }
    }
    let outcome = if lost { ChannelOutcome::Lost } else { ChannelOutcome::Saved };
    let verdict = ChannelVerdict::new(outcome, 0, 0, String::new());
    let outcome = match Held::not_kept(&held) {
        Some(_) => TrialOutcome::Missed { reason: String::new() },
        None => TrialOutcome::Counted { hung: false, channels: BTreeMap::from([(Channel::Pstore, verdict)]) },
    };
    let timeline = Timeline { cpus: 2, events, holds: held.clone(), ..Timeline::default() };
    Seen { outcome, timeline: Some(timeline), holds: held }
}

fn not_reached(hold: &Hold) -> Held {
    let outcome = HoldOutcome::NotReached;
    Held { hold: hold.to_string(), outcome, cpu: None, from_ns: None, lasted_ns: None, before: [0; 2] }
}

fn on(trigger: &Trigger) -> Option<usize> {
    match trigger.cpu.as_ref()? {
        Role::Actor(name) => cast().iter().position(|(known, _)| known == name).map(|_| usize::from(name == "oops")),
        _ => None,
    }
}

fn cast() -> Vec<(String, Option<u32>)> {
    vec![("panic".to_owned(), Some(0)), ("oops".to_owned(), Some(1))]
}

/// Searches until there is nothing more to ask, or so many trials were taken; what was asked for.
fn search(explorer: &mut Explorer, at_most: usize) -> Vec<Asked> {
    let mut all = Vec::new();
    loop {
        let asked = explorer.ask();
        if asked.is_empty() {
            return all;
        }
        for asked in asked {
            if all.len() == at_most {
                return all;
            }
            explorer.record(&asked, guest(asked.schedule.as_ref()));
            all.push(asked);
        }
    }
}

#[test]
fn the_smallest_order_that_loses_the_log_is_found() {
    let mut explorer = Explorer::new(cast(), Channel::Pstore, false);
    let asked = search(&mut explorer, usize::MAX);
    let findings = explorer.findings();
    let text = findings_text(&[("stock".to_owned(), findings.clone())], &[]);
    let said = [
        "as it comes: lost in 0 of 6 trials",
        "16 pairs seen in one order: 13 forced in the other, 3 cannot be (3 need the CPU that is held), 0 left",
        "dump on the CPU of panic comes before unlock on the CPU of oops",
    ];
    assert!(said.iter().all(|said| text.contains(said)), "{text}");
    assert_eq!(findings.causes.len(), 1);
    let schedule = &findings.causes[0].schedule;
    assert_eq!(
        schedule.holds[0].to_string(),
        "unlock on the CPU of oops held until dump on the CPU of panic, at most 3s"
    );
    assert_eq!(findings.coverage.seen, 16);
    assert_eq!(findings.coverage.left, 0);
    assert_eq!(findings.coverage.forced + findings.coverage.infeasible.values().sum::<u32>(), 16);
    let stages = |stage: Stage| asked.iter().filter(|asked| asked.stage == stage).count();
    assert_eq!((stages(Stage::Learn), stages(Stage::Hold)), (6, 4));
}

#[test]
fn what_cannot_be_forced_is_not_tried() {
    let mut explorer = Explorer::new(cast(), Channel::Pstore, false);
    let asked = search(&mut explorer, usize::MAX);
    for asked in asked.iter().filter(|asked| asked.stage >= Stage::Force) {
        let schedule = asked.schedule.as_ref().unwrap();
        assert!(Held::not_kept(&guest(Some(schedule)).holds).is_none(), "{}", schedule.holds[0]);
    }
    let findings = explorer.findings();
    let name = |number: usize| findings.moments[number].step.as_str();
    let cannot = findings.pairs.iter().filter(|pair| pair.why_not == Some(HoldOutcome::Bound));
    let cannot: Vec<(&str, &str)> = cannot.map(|pair| (name(pair.first), name(pair.then))).collect();
    assert_eq!(cannot, [("wait", "oops"), ("dump", "oops"), ("reset", "oops")], "CPU 0 waits for the oops");
}

/// One search, cut anywhere, asks for the same as another one does, told of the same.
#[test]
fn a_search_goes_on_where_it_was_cut() {
    let whole = search(&mut Explorer::new(cast(), Channel::Pstore, true), usize::MAX);
    for cut in [0, 3, 6, 9, 15, whole.len()] {
        let mut explorer = Explorer::new(cast(), Channel::Pstore, true);
        let before = search(&mut explorer, cut);
        // It is told once more from the beginning of what was seen, as a run that is resumed is.
        let mut again = Explorer::new(cast(), Channel::Pstore, true);
        let after = search(&mut again, usize::MAX);
        assert_eq!(after, whole);
        assert_eq!(before, whole[..cut]);
    }
}

#[test]
fn orders_that_only_one_kernel_loses_the_log_in_are_told() {
    let mut explorer = Explorer::new(cast(), Channel::Pstore, false);
    search(&mut explorer, usize::MAX);
    let loses = explorer.findings();
    let mut saves = loses.clone();
    for pair in &mut saves.pairs {
        pair.forced.lost = 0;
    }
    let found = differences(&loses, &saves);
    let words: Vec<String> = found.iter().map(|it| format!("{} before {}", it.first, it.then)).collect();
    assert!(words.contains(&"dump on the CPU of panic before unlock on the CPU of oops".to_owned()), "{words:?}");
    assert!(differences(&saves, &loses).is_empty() && differences(&loses, &loses).is_empty());
}

#[test]
fn the_picture_has_every_pair_once() {
    let mut explorer = Explorer::new(cast(), Channel::Pstore, false);
    search(&mut explorer, usize::MAX);
    let findings = explorer.findings();
    let picture = matrix_picture("stock <1>", &findings).document();
    let count = |class: &str| picture.matches(&format!("class=\"cell {class}\"")).count() - 1;
    let lost =
        findings.pairs.iter().filter(|pair| pair.forced.kept > 0 && pair.forced.lost == pair.forced.kept).count();
    assert_eq!((count("lost"), count("cannot"), count("left")), (lost, 3, 0));
    assert_eq!(count("lost") + count("cannot") + count("saved"), findings.pairs.len());
    assert!(picture.contains("stock &lt;1&gt;"));
}

#[test]
fn trials_that_tell_nothing_end_no_search_and_find_nothing() {
    for outcome in [TrialOutcome::InfraError { cause: String::new() }, TrialOutcome::Missed { reason: String::new() }] {
        let mut explorer = Explorer::new(cast(), Channel::Pstore, true);
        let mut trials = 0;
        loop {
            let asked = explorer.ask();
            if asked.is_empty() {
                break;
            }
            for asked in asked {
                trials += 1;
                explorer.record(&asked, Seen { outcome: outcome.clone(), timeline: None, holds: Vec::new() });
            }
        }
        assert_eq!((trials, explorer.findings().causes.len()), (6, 0));
    }
}
