use super::*;

/// A run, and what becomes of it.
struct Row {
    name: &'static str,
    variants: &'static [&'static str],
    scenarios: &'static [&'static str],
    trials: u32,
    options: TrialOptions,
    until: Option<Until>,
    build: fn(&str) -> Build,
    trial: fn(&crate::trial::Assignment, u32) -> Act,
    /// As [`in_short`] says it, or the failure's first line.
    comes_to: &'static str,
    /// What else is to be seen.
    and: fn(&Seen, &[String]),
}

fn row(name: &'static str) -> Row {
    Row {
        name,
        variants: &["stock"],
        scenarios: &["crash"],
        trials: 4,
        options: options(),
        until: None,
        build: |_| Build::Good,
        trial: |_, _| Act::Is(saved()),
        comes_to: "4 of 4; stock crash: 4 of 4 saved",
        and: |_, _| (),
    }
}

const UNTIL: Until = Until { error_rate: 0.05, margin: 0.1, at_most: 200 };

fn rows() -> Vec<Row> {
    vec![
        Row {
            and: |seen, said| {
                assert_eq!(seen.order, [0, 1, 2, 3]);
                assert!(said.is_empty(), "{said:?}");
            },
            ..row("every trial is run once, in the order of the plan")
        },
        Row {
            variants: &["stock", "a"],
            and: |seen, _| {
                assert_eq!(seen.order, [0, 1, 2, 3, 4, 5, 6, 7]);
                assert_eq!(seen.built, ["stock", "a"]);
            },
            comes_to: "8 of 8; stock crash: 4 of 4 saved; a crash: 4 of 4 saved",
            ..row("variants take turns")
        },
        Row { and: |seen, _| assert_eq!(seen.seeds.len(), 4), ..row("every trial has a seed of its own") },
        Row {
            and: |seen, _| assert_eq!(seen.most_busy, 2),
            trials: 20,
            comes_to: "20 of 20; stock crash: 20 of 20 saved",
            ..row("as many CPUs are busy as there is room for")
        },
        Row {
            options: TrialOptions { jobs: Some(1), ..options() },
            and: |seen, _| assert_eq!(seen.most_busy, 1),
            ..row("with room for one there is one")
        },
        Row {
            scenarios: &["busy"],
            options: TrialOptions { jobs: Some(3), ..options() },
            and: |seen, _| assert_eq!(seen.most_busy, 2),
            comes_to: "4 of 4; stock busy: 4 of 4 saved",
            ..row("a guest with two busy CPUs counts twice")
        },
        Row {
            scenarios: &["busy"],
            options: TrialOptions { jobs: Some(1), ..options() },
            and: |seen, _| assert_eq!(seen.begun.len(), 4),
            comes_to: "4 of 4; stock busy: 4 of 4 saved",
            ..row("a guest that needs more than there is runs alone")
        },
        Row {
            scenarios: &["busy"],
            options: TrialOptions { time: Time::Virtual, ..options() },
            and: |seen, _| assert_eq!(seen.most_busy, 2),
            comes_to: "4 of 4; stock busy: 4 of 4 saved",
            ..row("in virtual time a guest counts once")
        },
        Row {
            trial: |it, _| Act::Is(if it.index == 1 { missed() } else { saved() }),
            comes_to: "4 of 4; stock crash: 3 of 3 saved, 1 missed",
            ..row("a trial that missed counts in no share")
        },
        Row {
            trial: |it, _| Act::Is(if it.index < 2 { lost() } else { saved() }),
            comes_to: "4 of 4; stock crash: 2 of 4 saved",
            ..row("a lost log is counted")
        },
        Row {
            trial: |it, attempt| Act::Is(if it.index == 1 && attempt == 0 { infra() } else { saved() }),
            and: |seen, _| {
                assert_eq!(seen.begun[&1], 2);
                assert_eq!(seen.looked_after, 1);
                assert_eq!(seen.order[2..4], [1, 2], "before new ones");
            },
            ..row("an infra-error is tried again at once")
        },
        Row {
            trial: |it, attempt| Act::Is(if it.index == 1 && attempt < 2 { infra() } else { saved() }),
            and: |seen, _| assert_eq!(seen.begun[&1], 3),
            ..row("and once more")
        },
        Row {
            trial: |it, _| Act::Is(if it.index == 1 { infra() } else { saved() }),
            and: |seen, _| assert_eq!(seen.begun[&1], 3),
            comes_to: "4 of 4; stock crash: 3 of 3 saved, 1 infra",
            ..row("after three attempts it is given up")
        },
        Row {
            trials: 40,
            trial: |_, _| Act::Is(infra()),
            and: |seen, _| {
                let tries: u32 = seen.begun.values().sum();
                assert!((12..14).contains(&tries), "{tries}");
            },
            comes_to: "the last 12 attempts to run a trial have all failed, the last one so: QEMU was killed",
            ..row("where nothing can be run it is not gone on")
        },
        Row {
            trials: 40,
            options: TrialOptions { jobs: Some(10), ..options() },
            trial: |_, _| Act::Is(infra()),
            comes_to: "the last 20 attempts to run a trial have all failed, the last one so: QEMU was killed",
            ..row("many guests at a time may all fail at once")
        },
        Row {
            trials: 40,
            trial: |it, _| Act::Is(if it.index % 11 == 10 { saved() } else { infra() }),
            comes_to: "the last 12 attempts to run a trial have all failed, the last one so: QEMU was killed",
            ..row("a trial now and then does not help where each is tried three times")
        },
        Row {
            trials: 4,
            trial: |it, _| if it.index == 1 { Act::Panics } else { Act::Is(saved()) },
            comes_to: "a trial's task died: task",
            ..row("a defect ends the run, and loses no other trial")
        },
        Row {
            variants: &["stock", "a"],
            build: |name| if name == "a" { Build::Broken } else { Build::Good },
            comes_to: "4 of 4 failed; stock crash: 4 of 4 saved; a crash: skipped, a@6.12 cannot be built",
            and: |seen, said| {
                assert_eq!(seen.prepared.len(), 1);
                assert_eq!(said[0], "a@6.12 cannot be built");
                assert_eq!(said[1], "skipped: 1 of 2 cells, which their kernel or guest is not fit for");
            },
            ..row("a kernel that cannot be built stops only what needs it")
        },
        Row {
            variants: &["stock", "a"],
            build: |name| if name == "a" { Build::NotForBase } else { Build::Good },
            comes_to: "4 of 4; stock crash: 4 of 4 saved; a crash: skipped, a@6.12 cannot be built",
            ..row("a variant that is not for the base is no failure")
        },
        Row {
            variants: &["a", "b"],
            build: |_| Build::Broken,
            comes_to: "b@6.12 cannot be built",
            and: |seen, said| {
                assert_eq!(said, ["a@6.12 cannot be built"]);
                assert!(seen.prepared.is_empty());
            },
            ..row("without any kernel there is no run")
        },
        Row {
            variants: &["a", "b"],
            build: |name| if name == "a" { Build::HostFails } else { Build::Good },
            comes_to: "the disk is full",
            and: |seen, _| assert_eq!(seen.built, ["a"]),
            ..row("a host that cannot build ends it")
        },
        Row {
            variants: &["a", "b"],
            build: |name| if name == "a" { Build::Lacks } else { Build::Good },
            comes_to: "4 of 4; a crash: skipped, the kernel has no CONFIG_X; b crash: 4 of 4 saved",
            ..row("a kernel that lacks something is skipped")
        },
        Row {
            build: |_| Build::DoesNotBoot,
            comes_to: "kernel stock@6.12 does not boot",
            and: |seen, _| assert!(seen.begun.is_empty()),
            ..row("a kernel that does not boot is input")
        },
        Row {
            build: |_| Build::GuestsFail,
            comes_to: "no room for a template",
            ..row("guests that cannot be prepared are the host's")
        },
        Row {
            and: |seen, _| assert_eq!(seen.prepared, [("stock".to_owned(), 0..1)]),
            ..row("four trials take one template")
        },
        Row {
            trials: 40,
            comes_to: "40 of 40; stock crash: 40 of 40 saved",
            and: |seen, _| assert_eq!(seen.prepared[0].1, 0..8),
            ..row("forty trials take eight")
        },
        Row {
            options: TrialOptions { templates: Some(9), ..options() },
            and: |seen, said| {
                assert_eq!(seen.prepared[0].1, 0..4);
                assert_eq!(said, ["note: 4 trials of a cell cannot be spread over 9 templates: 4 are made"]);
            },
            ..row("there are no more templates than trials, which is said")
        },
        Row {
            options: TrialOptions { templates: Some(30), ..options() },
            until: Some(UNTIL),
            trials: 200,
            comes_to: "47 of 47; stock crash: 47 of 47 saved",
            and: |seen, said| {
                assert_eq!(seen.prepared[0].1, 0..30);
                assert!(said.is_empty(), "a sequential run may have as many trials: {said:?}");
            },
            ..row("a sequential run has as many templates as it was asked for")
        },
        Row {
            variants: &["stock", "a"],
            until: Some(UNTIL),
            trials: 200,
            trial: |it, _| Act::Is(if it.cell.variant == "a" { lost() } else { saved() }),
            comes_to: "116 of 116; stock crash: 58 of 58 saved; a crash: 0 of 58 saved",
            ..row("a sequential run ends when every channel is clear")
        },
        Row {
            until: Some(Until { at_most: 16, ..UNTIL }),
            trials: 16,
            trial: |it, _| Act::Is(if it.ordinal % 10 == 9 { lost() } else { saved() }),
            comes_to: "16 of 16; stock crash: 15 of 16 saved",
            ..row("what never becomes clear ends with the trials that are allowed")
        },
        Row {
            variants: &["stock", "a", "b"],
            until: Some(UNTIL),
            trials: 200,
            trial: |it, _| Act::Is(if it.cell.variant == "b" { counted(Lost, Lost) } else { saved() }),
            comes_to: "126 of 126; stock crash: 58 of 58 saved; a crash: 58 of 58 saved; b crash: 0 of 10 saved",
            ..row("only open cells get more trials")
        },
    ]
}

#[tokio::test]
async fn each_run_comes_to_what_its_row_says() {
    let mut wrong = Vec::new();
    for row in rows() {
        let bed = Bed::new();
        let world = Arc::new(World { build: Box::new(row.build), trial: Box::new(row.trial), ..world() });
        let session = bed.session(&world, row.options.clone());
        let selection = selection(row.variants, row.scenarios, row.trials);
        let request = Request { selection: &selection, suite: None, shard: None, until: row.until };
        let came_to = match session.run(request).await {
            Ok(outcome) => in_short(&outcome),
            Err(failure) => failure.first_line(),
        };
        if !came_to.starts_with(row.comes_to) || row.comes_to.is_empty() {
            wrong.push(format!("{}\n  is   {came_to}\n  not  {}", row.name, row.comes_to));
            continue;
        }
        (row.and)(&seen(&world), &bed.said());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever ends a run, what was finished is on disk, with reports.
#[tokio::test]
async fn nothing_that_was_finished_is_lost() {
    for (act, failure) in [(0, "a trial's task died"), (1, "the last 12 attempts")] {
        let bed = Bed::new();
        let trial = move |it: &crate::trial::Assignment, _| match (it.index, act) {
            (5, 0) => Act::Panics,
            (5.., 1) => Act::Is(infra()),
            _ => Act::Is(saved()),
        };
        let world = Arc::new(World { trial: Box::new(trial), ..world() });
        let selection = selection(&["stock"], &["crash"], 40);
        let request = Request { selection: &selection, suite: None, shard: None, until: None };
        let Err(error) = bed.session(&world, options()).run(request).await else { panic!("it fails") };
        assert!(error.first_line().starts_with(failure), "{error}");
        assert!(error.to_string().contains("harness run --resume"), "{error}");
        let run = crate::results::latest(&bed.results()).unwrap();
        assert!(run.summary().unwrap().cells[0].trials >= 5);
        assert!(run.folder().join("junit.xml").is_file());
    }
}

#[tokio::test]
async fn the_first_wish_lets_trials_finish_and_the_second_one_does_not() {
    for now in [false, true] {
        let bed = Bed::new();
        let stop = bed.stop.clone();
        let trial = move |it: &crate::trial::Assignment, _| {
            if it.index == 2 {
                stop.send_replace(if now { Stop::Now } else { Stop::AfterRunning });
            }
            if now && it.index == 2 { Act::Hangs } else { Act::Is(saved()) }
        };
        let world = Arc::new(World { trial: Box::new(trial), ..world() });
        let selection = selection(&["stock"], &["crash"], 40);
        let request = Request { selection: &selection, suite: None, shard: None, until: None };
        let outcome = bed.session(&world, options()).run(request).await.unwrap_or_else(|e| panic!("{e}"));
        assert!(outcome.finished < 6 && outcome.finished >= 2, "{}", in_short(&outcome));
        assert_eq!(outcome.planned, 40);
        assert_eq!(bed.said(), [if now { "Now" } else { "AfterRunning" }]);
        assert_eq!(records(&bed.results()) as u64, outcome.finished);
    }
}

/// What the variant sets and the scenario sets too cannot both be so.
#[tokio::test]
async fn a_scenario_that_overrules_its_variant_is_skipped() {
    let bed = Bed::new();
    let knobs = vec![crate::scenario::Knob::sysctl("kernel.panic_on_warn", "0".to_owned())];
    let world = Arc::new(World { knobs, ..world() });
    let selection = selection(&["stock"], &["crash", "busy"], 2);
    let request = Request { selection: &selection, suite: None, shard: None, until: None };
    let outcome = bed.session(&world, options()).run(request).await.unwrap_or_else(|e| panic!("{e}"));
    let skipped = "the scenario sets /proc/sys/kernel/panic_on_warn itself";
    assert_eq!(in_short(&outcome), format!("2 of 2; stock crash: 2 of 2 saved; stock busy: skipped, {skipped}"));
}

/// The trials of shards are those of the whole plan, with the same seeds.
#[tokio::test]
async fn shards_share_the_plan_out() {
    let selection = selection(&["stock", "a"], &["crash"], 5);
    let (mut seeds, mut all) = (Vec::new(), 0);
    for shard in [None, Some("1/3"), Some("2/3"), Some("3/3")] {
        let bed = Bed::new();
        let world = Arc::new(world());
        let choice = |text: &str| text.parse::<crate::plan::ShardChoice>().unwrap().shard(|_| None).unwrap();
        let shard: Option<Shard> = shard.map(choice);
        let request = Request { selection: &selection, suite: None, shard, until: None };
        let outcome = bed.session(&world, options()).run(request).await.unwrap_or_else(|e| panic!("{e}"));
        if shard.is_some() {
            all += outcome.finished;
        }
        seeds.push(seen(&world).seeds);
    }
    assert_eq!(all, 10);
    let whole = seeds.remove(0);
    assert_eq!(seeds.into_iter().flatten().collect::<std::collections::BTreeSet<u64>>(), whole);
}

/// A guest that this machine cannot run is told before a kernel is built for it.
#[tokio::test]
async fn guests_that_cannot_be_run_here_are_told_before_anything_is_built() {
    let bed = Bed::new();
    let efi = CRASH.replace("cpus: 4", "cpus: 4, pstore: efi").replace("name: crash", "name: efi");
    std::fs::write(bed.folder.path().join("scenarios/efi.yaml"), efi).unwrap();
    let world = Arc::new(world());
    let selection = selection(&["stock"], &["crash", "efi"], 1);
    let request = Request { selection: &selection, suite: None, shard: None, until: None };
    let failure = bed.session(&world, options()).run(request).await.err().unwrap();
    assert_eq!((failure.first_line().as_str(), failure.is_input()), ("there is no EFI firmware", false));
    assert!(seen(&world).built.is_empty());
}
