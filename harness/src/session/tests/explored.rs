//! Searches for orders on a table of outcomes: what a trial is to follow says what becomes of it.

use super::*;
use crate::model::schedule::{Held, HoldOutcome, Schedule};
use crate::model::timeline::{Event as Moment, StepEdge, Timeline};
use crate::results::{ExploredInfo, Run};
use crate::session::bisect::Point;

/// A trial of the scenario `busy`, whose panic is on CPU 1: another CPU dumps before that one panics, as it comes. The log is lost
/// if the panic comes first, which is so on the variants whose name says so.
fn follows(schedule: Option<&Schedule>, loses: bool) -> (TrialOutcome, Timeline) {
    let event = |cpu: u32, step: &str| {
        let (step, of) = (step.to_owned(), String::new());
        Moment { ns: 1, cpu, step, of, edge: StepEdge::Begin, detail: false }
    };
    let [dump, panic] = [event(2, "kmsg_dump"), event(1, "panic")];
    let forced = schedule.and_then(|schedule| schedule.holds.first());
    let first = forced.is_some_and(|hold| hold.at.step == "kmsg_dump");
    let held = forced.map(|hold| Held {
        hold: hold.to_string(),
        outcome: if hold.until.is_some() { HoldOutcome::Released } else { HoldOutcome::Over },
        cpu: Some(2),
        from_ns: Some(0),
        lasted_ns: Some(1),
        before: [0, 1],
    });
    let events = if first { vec![panic, dump] } else { vec![dump, panic] };
    let outcome = if first && loses { lost() } else { saved() };
    (outcome, Timeline { cpus: 4, events, holds: held.into_iter().collect(), ..Timeline::default() })
}

fn world_of_orders() -> World {
    World {
        trial: Box::new(|assignment, _| {
            let (outcome, timeline) = follows(assignment.schedule.as_deref(), assignment.cell.variant == "stock");
            Act::Seen(outcome, timeline)
        }),
        ..world()
    }
}

fn asked(bed: &Bed, variants: &[&str]) -> Explore {
    let criterion = crate::model::bisection::Criterion::Channel(crate::model::Channel::Pstore);
    let point = Point::of(&bed.catalogue(), "busy", &[], &criterion).unwrap();
    let kernels = variants.iter().map(|name| KernelName::parse(name, "6.12")).collect();
    let how = ExploredInfo { channel: crate::model::Channel::Pstore, free: Vec::new(), deepens: false };
    Explore { point, kernels, how }
}

fn found(explored: &Explored) -> Vec<(String, usize, u32)> {
    let of = |(name, findings): &(String, crate::explore::Findings)| {
        (name.clone(), findings.causes.len(), findings.coverage.left)
    };
    explored.findings.iter().map(of).collect()
}

const LONG: std::time::Duration = std::time::Duration::from_secs(3600);

#[tokio::test]
async fn a_search_is_recorded_and_says_which_kernel_loses_the_log() {
    let bed = Bed::new();
    let world = Arc::new(world_of_orders());
    let session = bed.session(&world, options());
    let explored = session.explore(asked(&bed, &["stock", "a"]), LONG).await.unwrap();
    assert!(explored.complete);
    assert_eq!(found(&explored), [("stock@6.12".to_owned(), 1, 0), ("a@6.12".to_owned(), 0, 0)]);
    let text = explored.text();
    assert!(
        text.contains("stock@6.12 loses it and a@6.12 does not, when\n  panic on the CPU of panic before kmsg_dump"),
        "{text}"
    );
    let folder = explored.run.folder();
    for file in ["explore.json", "explore-0.svg", "explore-1.svg", "schedule-0-1.yaml", "summary.json"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    // Six as they come, one held, one forced; of stock that one four times more.
    assert_eq!(explored.trials, 6 + 1 + 5 + 6 + 1 + 1);
    let summary = explored.run.summary().unwrap();
    let of_order: Vec<String> = summary.cells.iter().map(|cell| cell.key.to_string()).collect();
    assert!(of_order.contains(&"stock@6.12 busy order=1-before-2".to_owned()), "{of_order:?}");
}

#[tokio::test]
async fn a_search_whose_time_is_over_is_resumed_and_finds_the_same() {
    let bed = Bed::new();
    let world = Arc::new(world_of_orders());
    let session = bed.session(&world, options());
    let whole = session.explore(asked(&bed, &["stock"]), LONG).await.unwrap();
    let cut = session.explore(asked(&bed, &["stock"]), std::time::Duration::ZERO).await.unwrap();
    assert!(!cut.complete && cut.trials == 0);
    let open = || opened(|| ResumableSearch::open(Run::find(&bed.results(), cut.run.id())?));
    let resumed = session.resume_search(open().unwrap(), LONG).await.unwrap();
    assert!(resumed.complete);
    assert_eq!(resumed.findings, whole.findings);
    let again = session.resume_search(open().unwrap(), LONG).await.unwrap();
    assert_eq!((again.trials, again.findings), (whole.trials, whole.findings));
}

#[tokio::test]
async fn only_a_search_is_resumed_as_one() {
    let bed = Bed::new();
    let world = Arc::new(world());
    let session = bed.session(&world, options());
    let selection = selection(&["stock"], &["crash"], 1);
    let run = session.run(Request { selection: &selection, suite: None, shard: None, until: None }).await.unwrap().run;
    let failure = opened(|| ResumableSearch::open(Run::find(&bed.results(), run.id())?)).err().unwrap();
    assert!(failure.first_line().contains("is no search"));
    let search = session.explore(asked(&bed, &["stock"]), std::time::Duration::ZERO).await.unwrap().run;
    let failure = opened(|| Resumable::open(Run::find(&bed.results(), search.id())?)).err().unwrap();
    assert!(failure.first_line().contains("is a search"), "{}", failure.first_line());
}
