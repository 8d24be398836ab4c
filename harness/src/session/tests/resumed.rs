use super::*;

/// Runs half of a run of four trials; what becomes of the rest when it is resumed.
struct Row {
    name: &'static str,
    /// What trials of the first half do, by index and attempt.
    first: fn(u64, u32) -> Act,
    /// The index at which the user wants an end.
    stop_at: u64,
    until: Option<Until>,
    /// Changes the world or the project in between.
    change: fn(&mut World, &Bed),
    comes_to: &'static str,
    /// Indices of the trials that are begun in the second half.
    begun: &'static [u64],
}

fn row(name: &'static str) -> Row {
    Row {
        name,
        first: |_, _| Act::Is(saved()),
        stop_at: 1,
        until: None,
        change: |_, _| (),
        comes_to: "4 of 4; stock crash: 4 of 4 saved",
        begun: &[2, 3],
    }
}

fn rows() -> Vec<Row> {
    vec![
        row("what is recorded is not run again"),
        Row { stop_at: u64::MAX, begun: &[], ..row("a run that is complete is only reported on") },
        Row {
            stop_at: 3,
            first: |index, _| Act::Is(if index == 0 { infra() } else { saved() }),
            begun: &[0],
            ..row("what was given up is tried again")
        },
        Row {
            stop_at: 3,
            first: |index, _| Act::Is(if index == 0 { missed() } else { saved() }),
            begun: &[],
            comes_to: "4 of 4; stock crash: 3 of 3 saved, 1 missed",
            ..row("what missed is not")
        },
        Row {
            change: |world, _| world.key = "another".to_owned(),
            begun: &[],
            comes_to: "resume run RUN: the key of kernel stock@6.12 was stock@6.12  and is now stock@6.12 another",
            ..row("another kernel is refused")
        },
        Row {
            change: |_, bed| {
                let path = bed.folder.path().join("scenarios/crash.yaml");
                std::fs::write(path, CRASH.replace("a test", "another")).unwrap();
            },
            begun: &[],
            comes_to: "resume run RUN: the digest of scenario crash was",
            ..row("another scenario is refused")
        },
        Row {
            change: |world, _| world.build = Box::new(|_| Build::Broken),
            begun: &[],
            comes_to: "stock@6.12 cannot be built",
            ..row("a kernel that is gone is refused")
        },
        Row {
            change: |world, _| world.build = Box::new(|_| Build::Lacks),
            begun: &[],
            comes_to: "resume run RUN: whether stock@6.12 crash is skipped was no and is now the kernel has no CONFIG_X",
            ..row("a cell that is skipped now is refused")
        },
        Row {
            change: |world, _| world.trial = Box::new(|_, _| Act::Is(lost())),
            comes_to: "4 of 4; stock crash: 2 of 4 saved",
            ..row("both halves are counted together")
        },
        Row {
            until: Some(Until { error_rate: 0.05, margin: 0.1, at_most: 4 }),
            ..row("a sequential run is resumed with its limit")
        },
        Row {
            until: Some(Until { error_rate: 0.05, margin: 0.1, at_most: 4 }),
            stop_at: 3,
            first: |index, _| Act::Is(if index == 2 { infra() } else { saved() }),
            begun: &[2],
            ..row("a sequential run, too, tries again what was given up")
        },
    ]
}

#[tokio::test]
async fn each_run_is_resumed_as_its_row_says() {
    for row in rows() {
        let bed = Bed::new();
        let (stop, stop_at, first) = (bed.stop.clone(), row.stop_at, row.first);
        let trial = move |it: &crate::trial::Assignment, attempt| {
            if it.index == stop_at {
                stop.send_replace(Stop::AfterRunning);
            }
            first(it.index, attempt)
        };
        let options = TrialOptions { jobs: Some(1), ..options() };
        let begun = Arc::new(World { trial: Box::new(trial), ..world() });
        let selection = selection(&["stock"], &["crash"], 4);
        let request = Request { selection: &selection, suite: None, shard: None, until: row.until };
        let outcome = bed.session(&begun, options.clone()).run(request).await;
        let id = outcome.unwrap_or_else(|e| panic!("{}: {e}", row.name)).run.id().to_owned();
        bed.stop.send_replace(Stop::No);

        let mut resumed = world();
        (row.change)(&mut resumed, &bed);
        let resumed = Arc::new(resumed);
        let resumable = opened(|| Resumable::open(Run::find(&bed.results(), "latest")?)).unwrap();
        assert_eq!(resumable.kernels(), [KernelName::parse("stock", "6.12")]);
        let again = TrialOptions { time: Time::Real, trace: false, ..TrialOptions::again(resumable.info(), Some(1)) };
        let came_to = match bed.session(&resumed, again).resume(resumable).await {
            Ok(outcome) => in_short(&outcome),
            Err(failure) => failure.first_line().replace(&id, "RUN"),
        };
        assert!(came_to.starts_with(row.comes_to), "{}\n  is   {came_to}\n  not  {}", row.name, row.comes_to);
        assert_eq!(seen(&resumed).order, row.begun, "{}", row.name);
    }
}

#[tokio::test]
async fn only_what_can_be_resumed_is_opened() {
    let bed = Bed::new();
    let world = Arc::new(world());
    let selection = selection(&["stock"], &["crash"], 1);
    let request = Request { selection: &selection, suite: None, shard: None, until: None };
    let run = bed.session(&world, options()).run(request).await.unwrap_or_else(|e| panic!("{e}")).run;
    let merged = crate::results::RunInfo { merged_from: vec!["one".into(), "two".into()], ..run.info().unwrap() };
    let none = crate::results::RunInfo { cells: Vec::new(), ..run.info().unwrap() };
    for (info, why) in [(merged, "was merged from one, two"), (none, "has no cells")] {
        run.write_info(&info).unwrap();
        let Err(refused) = opened(|| Resumable::open(run.clone())) else { panic!("{why}") };
        assert!(refused.first_line().contains(why), "{refused}");
    }
}

/// Two that resume the same run at the same time would write to the same log.
#[tokio::test]
async fn a_run_is_resumed_by_one_at_a_time() {
    let bed = Bed::new();
    let world = Arc::new(world());
    let selection = selection(&["stock"], &["crash"], 1);
    let request = Request { selection: &selection, suite: None, shard: None, until: None };
    let run = bed.session(&world, options()).run(request).await.unwrap_or_else(|e| panic!("{e}")).run;
    let first = opened(|| Resumable::open(run.clone())).unwrap();
    assert!(Resumable::open(run.clone()).is_err());
    drop(first);
    assert!(opened(|| Resumable::open(run.clone())).is_ok());
}
