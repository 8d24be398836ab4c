use super::*;
use crate::model::Channel;
use crate::model::bisection::Criterion;
use crate::session::bisect::{Point, Step, Stepped, Verdict};

/// A step of somebody else's bisection: the share of trials in which the log is lost, what becomes of the kernel, and the
/// verdict.
type Row = (&'static str, f64, Build, u32, Result<Verdict, &'static str>);

const ROWS: [Row; 8] = [
    ("what never happens is good", 0.0, Build::Good, 200, Ok(Verdict::Good)),
    ("what always happens is bad", 1.0, Build::Good, 200, Ok(Verdict::Bad)),
    ("what happens in half of all trials is bad", 0.5, Build::Good, 200, Ok(Verdict::Bad)),
    ("what is at the threshold stays unclear", 0.2, Build::Good, 50, Ok(Verdict::NotClear)),
    ("too few trials tell nothing", 0.0, Build::Good, 3, Ok(Verdict::NotClear)),
    ("what does not build is skipped", 0.0, Build::Broken, 200, Err("n@6.12 cannot be built")),
    ("what does not boot is skipped", 0.0, Build::DoesNotBoot, 200, Err("kernel n@6.12 does not boot")),
    ("what lacks something is skipped", 0.0, Build::Lacks, 200, Err("the kernel has no CONFIG_X")),
];

fn step(at_most: u32) -> Step {
    Step {
        kernel: KernelName::parse("n", "6.12"),
        point: Point { scenario: "crash".to_owned(), params: crate::model::Params::new() },
        criterion: Criterion::Channel(Channel::Pstore),
        threshold: 0.2,
        at_most,
    }
}

#[tokio::test]
async fn each_step_is_judged_as_its_row_says() {
    for (name, rate, build, at_most, verdict) in ROWS {
        let bed = Bed::new();
        let trial = move |it: &crate::trial::Assignment, _| {
            let happens = fastrand::Rng::with_seed(it.seed).f64() < rate;
            Act::Is(if happens { lost() } else { saved() })
        };
        let world = Arc::new(World { build: Box::new(move |_| build), trial: Box::new(trial), ..world() });
        let stepped = bed.session(&world, options()).step(&step(at_most)).await.unwrap_or_else(|e| panic!("{e}"));
        match (stepped, verdict) {
            (Stepped::Judged { verdict, .. }, Ok(expected)) => assert_eq!(verdict, expected, "{name}"),
            (Stepped::Skipped(reason), Err(expected)) => assert_eq!(reason, expected, "{name}"),
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_step_that_the_user_ends_is_interrupted() {
    let bed = Bed::new();
    let stop = bed.stop.clone();
    let trial = move |_: &crate::trial::Assignment, _| {
        stop.send_replace(Stop::AfterRunning);
        Act::Is(saved())
    };
    let world = Arc::new(World { trial: Box::new(trial), ..world() });
    let stepped = bed.session(&world, options()).step(&step(200)).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(matches!(stepped, Stepped::Judged { verdict: Verdict::Interrupted, .. }), "{stepped:?}");
}

#[tokio::test]
async fn a_host_that_fails_judges_nobody() {
    for build in [Build::HostFails, Build::GuestsFail] {
        let bed = Bed::new();
        let world = Arc::new(World { build: Box::new(move |_| build), ..world() });
        let failed = bed.session(&world, options()).step(&step(200)).await;
        assert!(failed.is_err_and(|failure| !failure.is_input()));
    }
}

/// A trial by itself has the seed that it was asked for, and a run of its own.
#[tokio::test]
async fn one_trial_is_run_by_itself() {
    let bed = Bed::new();
    let world = Arc::new(world());
    let selection = selection(&["stock"], &["crash"], 1);
    let tried = bed.session(&world, options()).trial(&selection, 3, Box::new(|_| ())).await;
    let tried = tried.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(tried.record.seed, 7);
    assert_eq!(seen(&world).prepared, [("stock".to_owned(), 3..4)]);
    assert_eq!(records(&bed.results()), 1);
    for (build, why) in
        [(Build::Broken, "cannot be built"), (Build::Lacks, "cannot be run: the kernel has no CONFIG_X")]
    {
        let world = Arc::new(World { build: Box::new(move |_| build), ..super::world() });
        let failed = bed.session(&world, options()).trial(&selection, 0, Box::new(|_| ())).await;
        assert!(failed.is_err_and(|failure| failure.first_line().contains(why) && failure.is_input()));
    }
}
