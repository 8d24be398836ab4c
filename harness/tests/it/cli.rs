//! What the program says to bad input, and its exit codes: nothing here needs a kernel or a guest.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use crate::common::{Project, root, text};
use crate::simulated;
use harness::model::timeline::{Event, StepEdge, Timeline};
use harness::model::{CellKey, TrialOutcome, TrialRecord};
use harness::plan::Shard;
use harness::results::{CONSOLE, KernelInfo, Run, RunInfo, TIMELINE};

/// What it said, with the project's folder redacted, and its exit code.
fn said(project: &Project, arguments: &[&str]) -> String {
    let output = project.run(arguments);
    let code = output.status.code().unwrap();
    let redacted = text(&output.stderr).replace(&project.path().display().to_string(), "[PROJECT]");
    format!("exit code {code}\n{}", redacted.trim_end())
}

#[test]
fn unknown_names_get_the_nearest_one() {
    let project = Project::new();
    insta::assert_snapshot!(said(&project, &["run", "--scenario", "panic-alnoe"]));
    insta::assert_snapshot!(said(&project, &["run", "--suite", "quik"]));
    insta::assert_snapshot!(said(&project, &["run", "--suite", "quick", "--variant", "stok"]));
    insta::assert_snapshot!(said(&project, &["run", "--suite", "quick", "--base", "6.21"]));
    insta::assert_snapshot!(said(&project, &["run", "--scenario", "panic-during-oops-dump", "--param", "hold=1s"]));
    insta::assert_snapshot!(said(&project, &["build", "kmsg-dump-before-stopp"]));
}

#[test]
fn a_thread_cannot_be_fetched_without_b4() {
    let project = Project::new();
    let empty = tempfile::tempdir().unwrap();
    let mut harness = project.harness(&["variant", "add", "fix", "--lore", "<1@example.org>"]);
    let output = harness.env("PATH", empty.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(said.contains("fetching the thread of <1@example.org>: there is no program `b4`"), "{said}");
    assert!(said.contains("https://lore.kernel.org/all/1@example.org/t.mbox.gz"), "{said}");
}

#[test]
fn a_thread_that_b4_does_not_get_is_told_by_its_last_word() {
    let project = Project::new();
    let path = tempfile::tempdir().unwrap();
    let b4 = "#!/bin/sh\necho 'Traceback (most recent call last):' >&2\necho \"no such thread: $7\" >&2\nexit 1\n";
    std::fs::write(path.path().join("b4"), b4).unwrap();
    std::fs::set_permissions(path.path().join("b4"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut harness = project.harness(&["variant", "add", "fix", "--lore", "1@example.org"]);
    let folders = [path.path().to_owned(), "/usr/bin".into(), "/bin".into()];
    let output = harness.env("PATH", std::env::join_paths(folders).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(
        said.contains("fetching the thread of <1@example.org>: b4 failed: no such thread: 1@example.org\n"),
        "{said}"
    );
    assert!(said.contains("--from") && !said.contains("Traceback"), "{said}");
}

#[test]
fn a_series_that_is_not_clear_is_refused_with_its_candidates() {
    let project = Project::new();
    let mailbox = format!("{}/harness/kernel/tests/fixtures/mailboxes/two-series/in.mbox", root().display());
    let said = said(&project, &["run", "--scenario", "panic-alone", "--patch", &mailbox]);
    assert!(said.starts_with("exit code 2"), "{said}");
    assert!(said.contains("mail 3, `[PATCH 1/2] panic: a`: 2 of 2 patches, by Robin Reviewer"), "{said}");
}

#[test]
fn yaml_is_shown_with_the_line() {
    let project = Project::new();
    let path = "scenarios/panic-alone.yaml";
    let good = std::fs::read_to_string(project.path().join(path)).unwrap();
    for (from, to) in [("title:", "titel:"), ("actors:", "actors: []\nactors:"), ("at: 0ms", "at: 0")] {
        assert!(good.contains(from), "{from}");
        project.write(path, &good.replacen(from, to, 1));
        insta::assert_snapshot!(said(&project, &["explain", "panic-alone"]));
    }
}

#[test]
fn a_broken_file_is_told_where_it_is_needed() {
    let project = Project::new();
    project.write("scenarios/panic-alone.yaml", "name: panic-alone\ntitel: x\n");
    project.write("scenarios/suites/quick.yaml", "");
    project.write("guest-kernel/variants/stop-nmi-first/variant.yaml", "name: stop-nmi-first\n");
    let bases = std::fs::read_to_string(project.path().join("guest-kernel/bases.yaml")).unwrap();
    project.write("guest-kernel/bases.yaml", &format!("{bases}  mine: {{ git: {{ tree: /src }} }}\n"));
    project.write("guest-kernel/axes.yaml", "axes: 3\n");

    // A list shows it.
    let output = project.run(&["list"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let root = project.path().display().to_string();
    let broken = text(&output.stdout).replace(&root, "[PROJECT]");
    let broken: Vec<&str> = broken.lines().filter(|line| line.contains("broken")).collect();
    insta::assert_snapshot!(broken.join("\n"));
    let json = project.json(&["list", "suites", "--format", "json"], 0);
    let quick = json["suites"].as_array().unwrap().iter().find(|suite| suite["name"] == "quick").unwrap();
    assert_eq!(quick["error"], format!("reading {root}/scenarios/suites/quick.yaml: the file is empty"));
    assert!(quick.get("title").is_none(), "{quick}");

    // What needs it fails by its error; what needs all of a kind does too.
    let first = |arguments: &[&str]| said(&project, arguments).lines().take(2).collect::<Vec<_>>().join(" ");
    for (arguments, error) in [
        (&["explain", "panic-alone"][..], "scenarios/panic-alone.yaml: unknown key `titel`"),
        (&["run", "--suite", "quick"], "scenarios/suites/quick.yaml: the file is empty"),
        (&["run", "--suite", "contexts"], "scenarios/panic-alone.yaml: unknown key `titel`"),
        (
            &["run", "--scenario", "nmi-button", "--variant", "stop-nmi-first"],
            "variant.yaml: the key `title` is missing",
        ),
        (
            &["run", "--scenario", "nmi-button", "--base", "mine"],
            "guest-kernel/bases.yaml: the key `commit` is missing",
        ),
        (&["run", "--scenario", "nmi-button", "--variant", "stock+cpus=2"], "axes.yaml: `axes` must be a mapping"),
        (&["catalogue"], "scenarios/panic-alone.yaml: unknown key `titel`"),
    ] {
        let told = first(arguments);
        assert!(told.starts_with("exit code 2 error: reading ") && told.contains(error), "{arguments:?}: {told}");
    }
    // What does not need it goes on: here to a machine without QEMU.
    for arguments in [
        &["run", "--scenario", "nmi-button", "--qemu", "/nowhere/qemu"][..],
        &["run", "--suite", "contexts", "--scenario", "oops-then-panic", "--qemu", "/nowhere/qemu"],
    ] {
        let told = first(arguments);
        assert!(told.starts_with("exit code 3 "), "{arguments:?}: {told}");
    }
    assert!(project.run(&["explain", "nmi-button"]).status.success());
}

#[test]
fn files_are_checked() {
    let project = Project::new();
    let output = project.run(&["check"]);
    let all = text(&output.stdout);
    assert!(output.status.success() && all.ends_with(" files checked: no problem\n"), "{all}");

    project.write("scenarios/panic-alone.yaml", "name: panic-alone\ntitel: x\n");
    project.write(
        "here.yaml",
        "name: here\ntitle: x\nvariants: [stokc]\nbase: \"6.12\"\ntrials: 1\nscenarios: [nmi-buton]\n",
    );
    let output = project.run(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    let whole = text(&output.stdout);
    assert!(
        whole.ends_with(": 1 problem\n") && whole.starts_with("reading "),
        "a suite that needs it is no other one: {whole}"
    );
    let output = project.run(&["check", "here.yaml", "nowhere.yaml", "scenarios/nmi-button.yaml"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), String::new()));
    insta::assert_snapshot!(text(&output.stdout));
    let json = project.json(&["check", "here.yaml", "nowhere.yaml", "--format", "json"], 2);
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let project = Project::new();
    insta::assert_snapshot!(said(&project, &["compare", "stock", "kmsg-dump-before-stop", "--results", "/nowhere"]));
    insta::assert_snapshot!(said(&project, &["man", "/proc/man"]));
}

#[test]
fn a_machine_without_qemu_is_told_what_to_install() {
    let project = Project::new();
    let output = project.harness(&["doctor", "--format", "json", "--qemu", "/nowhere/qemu"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let qemu = findings.iter().find(|finding| finding["id"] == "qemu").unwrap();
    assert_eq!(qemu["status"], "fail", "{qemu}");
    assert!(report["accelerator"].is_null(), "{report}");
}

#[test]
fn without_a_project_it_says_where_it_looked() {
    let project = Project::new();
    insta::assert_snapshot!(said(&project, &["list", "--project", "/nowhere"]));
}

#[test]
fn where_there_is_no_project_the_one_inside_the_program_is_used() {
    let here = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut harness = std::process::Command::new(env!("CARGO_BIN_EXE_harness"));
        harness.args(arguments).current_dir(here.path()).env("XDG_CACHE_HOME", here.path().join("cache"));
        let output = harness.env_remove("HARNESS_PROJECT").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(run(&["explain", "panic-alone"]).contains("CPU 0"));
    assert!(!here.path().join("scenarios").exists(), "nothing is put here unasked");
    // A copy of its own, which is the project from then on.
    run(&["new", "scenario", "mine", "--from", "oops-then-panic"]);
    run(&["new", "variant", "mine"]);
    for file in ["scenarios/mine.yaml", "guest-kernel/variants/mine/variant.yaml"] {
        assert!(here.path().join(file).is_file(), "{file}");
    }
    run(&["explain", "mine"]);
    run(&["check"]);
}

#[test]
fn every_subcommand_shows_an_example() {
    let project = Project::new();
    let help = text(&project.run(&["--help"]).stdout);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut seen = 0;
    for command in commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        let help = text(&project.run(&[command, "--help"]).stdout);
        assert!(help.contains("Example"), "{command}: {help}");
        assert!(help.contains(&format!("harness {command}")), "{command}: {help}");
        seen += 1;
    }
    assert!(seen > 0, "{help}");
}

#[test]
fn schema_completions_and_manual_pages_are_made() {
    let project = Project::new();
    assert_eq!(project.json(&["schema", "scenario"], 0)["title"], "scenario");
    assert_eq!(project.json(&["schema", "suite"], 0)["title"], "suite");
    let completions = project.run(&["completions", "bash"]);
    assert!(text(&completions.stdout).contains("_harness"));
    assert!(project.run(&["man", "man"]).status.success());
    assert!(project.path().join("man/harness-run.1").is_file());
}

#[test]
fn a_scenario_is_explained_in_words() {
    let project = Project::new();
    let explain = ["explain", "panic-during-oops-dump", "--param", "hold=1500ms"];
    let told = text(&project.run(&explain).stdout);
    assert!(told.contains("`dump` spins there for 1500 ms."), "{told}");
    let told = project.json(&[&explain[..], &["--seed", "7", "--format", "json"]].concat(), 0);
    assert_eq!((&told["params"]["hold"], &told["seed"]), (&"1500ms".into(), &7.into()));
    assert_eq!(told["cpus"][0]["cpu"], "CPU 0");
    insta::assert_snapshot!(said(&project, &["explain", "panic-during-oops-dump", "--param", "hold=1s"]), @"
    exit code 2
    error: no value `1s` of `hold`

    hint: known: 0ms, 100ms, 300ms, 700ms, 1500ms
    ");
    insta::assert_snapshot!(said(&project, &["explain", "panic-during-oops-dumb"]).lines().nth(1).unwrap(), @"error: no scenario `panic-during-oops-dumb`");
}

#[test]
fn lists_are_for_people_and_programs() {
    let project = Project::new();
    insta::assert_snapshot!(text(&project.run(&["list"]).stdout));
    let names = project.json(&["list", "variants", "--format", "json"], 0);
    assert!(names["variants"].as_array().unwrap().iter().any(|variant| variant["name"] == "stock"), "{names:#}");
}

#[test]
fn shards_are_asked_for_in_words_that_are_understood() {
    let project = Project::new();
    // As it is on a machine of nobody's array job, also where this test is one.
    let run = |arguments: &[&str], set: &[(&str, &str)]| {
        let mut command = project.harness(&[&["run", "--scenario", "panic-alone"], arguments].concat());
        for name in ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "CI_NODE_INDEX"] {
            command.env_remove(name);
        }
        let output = command.envs(set.iter().copied()).output().unwrap();
        format!("exit code {}\n{}", output.status.code().unwrap(), text(&output.stderr).trim_end())
    };
    insta::assert_snapshot!(run(&["--seed", "7", "--shard", "auto"], &[]));
    assert!(run(&["--seed", "7", "--shard", "17/16"], &[]).starts_with("exit code 2\n"));
    let seedless = run(&["--shard", "1/2"], &[]);
    assert!(seedless.starts_with("exit code 2\n") && seedless.contains("--seed <N>"), "{seedless}");
    // Whoever forgot it is told, and what is run is not changed: here nothing, because QEMU is missing.
    let forgotten = run(&["--qemu", "/nowhere/qemu"], &[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "5")]);
    let note = "note: in a GitLab parallel job (CI_NODE_INDEX is set) without --shard each task runs the whole plan";
    assert!(forgotten.lines().nth(1) == Some(note), "{forgotten}");
}

/// Shard `index` of two, in a folder as another machine would send it.
fn simulated_shard(project: &Project, index: u32, seed: u64) -> String {
    let run = Run::create(&project.path().join(format!("shards/{index}")), SystemTime::now()).unwrap();
    let info = simulated::info(&run, 2, 40);
    run.write_info(&RunInfo { shard: Shard::new(index, 2), seed, ..info }).unwrap();
    let log = run.log().unwrap();
    let ours = |trial: &u64| (trial % 2 + trial / 2) % 2 == u64::from(index - 1);
    for (number, trial) in (2..42).filter(ours).enumerate() {
        let record = TrialRecord { index: trial - 2, ..simulated::record(trial, 2) };
        if number == 0 {
            // Its first attempt failed.
            let outcome = TrialOutcome::InfraError { cause: "starting QEMU: no such file".into() };
            log.append_blocking(&TrialRecord { outcome, ..record.clone() }).unwrap();
            log.append_blocking(&TrialRecord { attempt: 1, ..record }).unwrap();
        } else {
            log.append_blocking(&record).unwrap();
        }
    }
    format!("shards/{index}/{}", run.id())
}

#[test]
fn shards_are_merged_into_a_run_like_any_other() {
    let project = Project::new();
    let [one, two, other] = [(1, 7), (2, 7), (2, 8)].map(|(index, seed)| simulated_shard(&project, index, seed));
    let ids = |said: &str| {
        regex::Regex::new(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}").unwrap().replace_all(said, "[RUN]").into_owned()
    };

    insta::assert_snapshot!(ids(&said(&project, &["merge", &one])));
    insta::assert_snapshot!(ids(&said(&project, &["merge", &one, &other])));
    insta::assert_snapshot!(ids(&said(&project, &["merge", &one, "shards/1/latest"])));
    insta::assert_snapshot!(said(&project, &["merge", "shards/3"]));
    let summary = project.json(&["merge", &one, &two, "--format", "json"], 0);
    assert_eq!((&summary["cells"][0]["trials"], &summary["cells"][1]["trials"]), (&20.into(), &20.into()));
    assert!(text(&project.run(&["merge", &one, &two]).stdout).starts_with("console\n"), "the table of `run`");
    let merged = project.results().join("latest");
    for file in ["run.json", "trials.jsonl", "summary.json", "junit.xml"] {
        assert!(merged.join(file).is_file(), "{file}");
    }
    let junit = std::fs::read_to_string(merged.join("junit.xml")).unwrap();
    assert!(junit.contains("time=\"5.600\""), "40 trials of 140 ms, each once: {junit}");
    assert_eq!(std::fs::read_dir(project.results()).unwrap().count(), 4, "three runs, one link, nothing else");
}

#[test]
fn a_run_is_written_as_a_page() {
    let project = Project::new();
    let shards = [1, 2].map(|index| simulated_shard(&project, index, 7));
    let merged = project.run(&["merge", &shards[0], &shards[1], "--html", "merged.html"]);
    let told = text(&merged.stdout);
    assert!(
        merged.status.success() && told.ends_with("merged.html  for a browser\n"),
        "{told}{}",
        text(&merged.stderr)
    );
    let page = std::fs::read_to_string(project.path().join("merged.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>\n") && page.contains("merged from"), "{page}");
    // The same page, whoever writes it, and wherever.
    assert_eq!(text(&project.run(&["report", "html"]).stdout), page);
    assert!(project.run(&["report", "html", "latest", "-o", "page.html"]).stdout.is_empty());
    assert_eq!(std::fs::read_to_string(project.path().join("page.html")).unwrap(), page);
    // JSON on standard output stays JSON.
    project.json(&["merge", &shards[0], &shards[1], "--html", "merged.html", "--format", "json"], 0);

    let part = text(&project.run(&["report", "html", &format!("./{}", shards[0])]).stdout);
    assert!(part.contains("A part of its plan: shard 1 of 2."), "{part}");
    let unwritable = said(&project, &["report", "html", "-o", "nowhere/page.html"]);
    assert!(unwritable.starts_with("exit code 3\nerror: cannot write nowhere/page.html: No such file"), "{unwritable}");
    assert!(said(&project, &["report", "html", "./nowhere"]).starts_with("exit code 3\nerror: cannot read ./nowhere"));
}

#[test]
fn an_argument_that_is_no_utf_8_is_written_down_as_far_as_it_can_be_shown() {
    use std::os::unix::ffi::OsStrExt as _;
    let project = Project::new();
    let shards = [1, 2].map(|index| simulated_shard(&project, index, 7));
    let results = project.path().join(std::ffi::OsStr::from_bytes(b"\xff"));
    let mut harness = project.harness(&["merge", &shards[0], &shards[1]]);
    let output = harness.arg("--results").arg(&results).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let command = Run::find(&results, "latest").unwrap().info().unwrap().command;
    assert!(command.last().unwrap().ends_with('\u{fffd}'), "{command:?}");
}

#[test]
fn what_was_skipped_is_shown_and_is_no_failure() {
    let project = Project::new();
    let shards = [1, 2].map(|index| {
        let run = Run::create(&project.path().join(format!("shards/{index}")), SystemTime::now()).unwrap();
        let mut info = RunInfo { shard: Shard::new(index, 2), ..simulated::info(&run, 2, 4) };
        for cell in &mut info.cells {
            (cell.trials, cell.skipped) = (0, Some("needs Linux 5.10 or older, this is 6.12.117".into()));
        }
        run.write_info(&info).unwrap();
        run.log().unwrap();
        format!("shards/{index}/{}", run.id())
    });
    let output = project.run(&["merge", &shards[0], &shards[1]]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!(
        text(&output.stdout).split_once("\n\n").unwrap().1.split_once("\n\n").unwrap().1.rsplit_once("\n\n").unwrap().0
    );
    let compared = text(&project.run(&["compare", "latest", "latest"]).stdout);
    let skipped =
        "skipped in both: panic-during-oops-dump hold=0ms post_notifiers=1 (needs Linux 5.10 or older, this is";
    assert!(compared.contains(skipped), "{compared}");
}

#[test]
fn the_catalogue_is_what_the_files_give() {
    let project = Project::new();
    let root = root().display().to_string();
    let output = project.run(&["catalogue", "--check", "--project", &root]);
    assert!(output.status.success(), "{}", text(&output.stderr));

    // One that is not is told, and mended.
    std::fs::create_dir(project.path().join("docs")).unwrap();
    project.write("docs/scenarios.md", "# Scenarios\n");
    insta::assert_snapshot!(said(&project, &["catalogue", "--check"]));
    assert!(project.run(&["catalogue"]).status.success());
    assert!(project.run(&["catalogue", "--check"]).status.success());
    let run = traced_run(&project);
    assert!(said(&project, &["catalogue", "--run", "latest"]).contains("has no cell of stock@6.12"));
    let kernel: KernelInfo = serde_json::from_value(serde_json::json!({
        "variant": "stock", "base": "6.12", "key": "", "source_digest": "", "patches": [], "config_digest": "",
        "compiler": "", "release": "6.12.117", "build_id": "",
    }))
    .unwrap();
    run.write_info(&RunInfo { kernels: vec![kernel], ..run.info().unwrap() }).unwrap();
    // Of the run's two points one is none of the scenario's.
    assert!(project.run(&["catalogue", "--run", "latest"]).status.success());
    let measured = std::fs::read_to_string(project.path().join("docs/measured.json")).unwrap();
    assert_eq!((measured.matches("\"0ms\"").count(), measured.matches("hold").count()), (1, 1), "{measured}");
    project.write("docs/measured.json", "{");
    assert!(said(&project, &["catalogue"]).starts_with("exit code 2\nerror: read [PROJECT]/docs/measured.json: "));
}

#[test]
fn curves_are_drawn_and_tabled() {
    let project = Project::new();
    traced_run(&project);
    let curve = ["curve", "latest", "--scenario", "panic-during-oops-dump", "--x", "hold"];
    let shown = |more: &[&str]| text(&project.run(&[&curve[..], more].concat()).stdout);
    assert!(shown(&[]).starts_with("panic-during-oops-dump: pstore saved against hold, ms\n"));
    insta::assert_snapshot!(shown(&["--as", "csv", "--channel", "console", "--variant", "stock"]));
    assert!(shown(&["--as", "svg"]).starts_with("<svg "));
    let json = project.json(&[&curve[..], &["--format", "json"]].concat(), 0);
    assert_eq!(json["series"][1]["name"], "kmsg-dump-before-stop post_notifiers=1");
    let refused = |more: &[&str]| said(&project, &[&curve[..], more].concat());
    assert!(
        refused(&["--channel", "tape"])
            .contains("the channels are console, earlycon, netconsole, pstore, pstore-console, kdump, order")
    );
    assert!(refused(&["--param", "hold=9ms"]).starts_with("exit code 2\nerror: no cell of panic-during-oops-dump"));
}

#[test]
fn variants_are_ranked_for_people_and_programs() {
    let project = Project::new();
    traced_run(&project);
    let report = ["report", "orders"];
    let shown = |more: &[&str]| text(&project.run(&[&report[..], more].concat()).stdout);
    let table = shown(&["latest"]);
    assert!(table.contains(": 2 variants in 2 cases.\n\nStandings\n"), "{table}");
    assert!(table.contains("  stock (reference)      6 of 6 "), "{table}");
    assert_eq!(shown(&[]), table, "the latest run, if none is named");
    assert!(shown(&["--as", "markdown"]).contains("| 6.12 | stock (reference) | 6 of 6 |"));
    let csv = shown(&["--as", "csv", "--variant", "stock"]);
    assert_eq!((csv.lines().count(), csv.contains("kmsg-dump")), (7, false), "{csv}");
    let json =
        project.json(&[&report[..], &["--variant", "kmsg-dump-before-stop@6.12", "--format", "json"]].concat(), 0);
    assert_eq!(json["bases"][0]["reference"], "kmsg-dump-before-stop");
    let refused = |more: &[&str]| said(&project, &[&report[..], more].concat());
    assert_eq!(refused(&["./nowhere"]), said(&project, &["curve", "./nowhere", "--scenario", "late", "--x", "hold"]));
    assert!(refused(&["--variant", "stop"]).starts_with("exit code 2\nerror: run "));
    let help = text(&project.run(&["report", "orders", "--help"]).stdout);
    assert!(help.contains("Example:\n  harness report orders "), "{help}");
}

/// A run of two variants, two trials each at two points; the last one at each point has no timeline.
fn traced_run(project: &Project) -> Run {
    let run = Run::create(&project.results(), SystemTime::now()).unwrap();
    run.write_info(&simulated::info(&run, 2, 8)).unwrap();
    let log = run.log().unwrap();
    for index in 0..8 {
        let record = simulated::record(index % 2 + 2, 2);
        let variant = if index < 4 { "stock" } else { "kmsg-dump-before-stop" };
        let cell = CellKey { variant: variant.into(), ..record.cell };
        let stopping = ["smp_send_stop", "stopped", "smp_send_stop }"];
        let dumping = ["kmsg_dump", "dumper pstore_dump", "dumper pstore_dump }", "kmsg_dump }"];
        let mut steps = vec!["panic"];
        if index < 4 {
            steps.extend(stopping.iter().chain(&dumping));
        } else {
            steps.extend(dumping.iter().chain(&stopping));
        }
        let events = steps.into_iter().zip(1..).map(|(step, at)| {
            let (step, edge) = step.strip_suffix(" }").map_or((step, StepEdge::Begin), |step| (step, StepEdge::End));
            let (step, of) = step.split_once(' ').unwrap_or((step, ""));
            let cpu = u32::from(step == "stopped");
            Event { ns: at * 1_000_000, cpu, step: step.into(), of: of.into(), edge, detail: false }
        });
        let artifacts = run.create_artifacts(index).unwrap();
        if index % 4 < 2 {
            let timeline = Timeline { cpus: 2, events: events.collect(), ..Timeline::default() };
            std::fs::write(artifacts.join(TIMELINE), serde_json::to_vec(&timeline).unwrap()).unwrap();
        }
        std::fs::write(artifacts.join(CONSOLE), "[    3.328428] Kernel panic - not syncing: crashlab\r\n").unwrap();
        log.append_blocking(&TrialRecord { index, cell, ..record }).unwrap();
    }
    run
}

#[test]
fn timelines_and_orders_are_shown() {
    let project = Project::new();
    let run = traced_run(&project);
    let shown = |arguments: &[&str]| {
        let output = project.run(arguments);
        format!("{}{}", text(&output.stdout), text(&output.stderr))
            .replace(run.id(), "[RUN]")
            .replace(&project.path().canonicalize().unwrap().display().to_string(), "[PROJECT]")
    };

    insta::assert_snapshot!(shown(&["timeline", "latest", "0"]));
    insta::assert_snapshot!(shown(&["timeline", "latest", "2"]));
    insta::assert_snapshot!(shown(&["timeline", "latest", "8"]));
    let timeline = project.json(&["timeline", "latest", "0", "--format", "json"], 0);
    assert_eq!(
        (&timeline["timeline"]["events"][0]["step"], &timeline["console"][0]["before"]),
        (&"panic".into(), &1.into())
    );
    assert!(project.json(&["timeline", "latest", "0", "--as", "perfetto"], 0)["traceEvents"].is_array());
    assert!(shown(&["timeline", "latest", "0", "--as", "svg"]).starts_with("<svg "));

    let both = ["order", "stock", "kmsg-dump-before-stop"];
    insta::assert_snapshot!(shown(&[&both[..], &["--param", "hold=1ms"]].concat()));
    insta::assert_snapshot!(shown(&[&both[..], &["--as", "svg"]].concat()));
    insta::assert_snapshot!(shown(&[&both[..], &["--scenario", "panic-alone"]].concat()));
    insta::assert_snapshot!(shown(&[&both[..], &["--param", "hold=2ms"]].concat()));
    assert!(shown(&[&both[..], &["--as", "svg", "--param", "hold=1ms"]].concat()).starts_with("<svg "));
    let orders = project.json(&[&both[..], &["--format", "json"]].concat(), 0);
    let order = &orders["points"][1]["variants"][1];
    assert_eq!((&order["counted"], &order["order"]["trials"]), (&2.into(), &1.into()));
    assert_eq!(order["order"]["steps"][1]["step"], "kmsg_dump");

    let compare = ["compare", "stock", "kmsg-dump-before-stop"];
    let said = shown(&compare);
    insta::assert_snapshot!(said.split_once("\nOrder of steps").unwrap().1);
    let markdown = shown(&[&compare[..], &["--markdown", "-"]].concat());
    assert!(
        markdown.starts_with("- base: stock@6.12 of [RUN]\n") && markdown.contains("\n```\nOrder of steps"),
        "{markdown}"
    );
    assert_eq!(
        shown(&[&compare[..], &["--markdown", "compared.md"]].concat()),
        said,
        "a file is written beside what is shown"
    );
    let written = std::fs::read_to_string(project.path().join("compared.md")).unwrap();
    assert_eq!(written.replace(run.id(), "[RUN]"), markdown);
    let comparison = project.json(&[&compare[..], &["--format", "json"]].concat(), 0);
    assert_eq!((&comparison["orders"][0]["same"], comparison["cells"].is_array()), (&false.into(), true));
    assert_eq!(comparison["schema_version"], 2);
    let cell = &comparison["cells"][0];
    assert!(cell["p_value"].as_f64().unwrap() <= cell["p_adjusted"].as_f64().unwrap(), "{cell}");
}

/// All that it said, and its exit code.
fn told(project: &Project, arguments: &[&str]) -> String {
    let output = project.run(arguments);
    format!("exit code {}\n{}{}", output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn one_trial_is_shown_with_all_that_is_kept_of_it() {
    let project = Project::new();
    let run = traced_run(&project);
    std::fs::write(run.artifacts(0).join("difference.txt"), "console pstore\n   +       -   lost\n").unwrap();
    let shown = told(&project, &["show", "latest:0"]);
    for part in [
        &format!("exit code 0\nrun {}, trial 0, ", run.id()),
        "\nWhich channel has which line of the log:\nconsole pstore\n",
        "smp_send_stop",
        "\nThe end of its console:\n[    3.328428] Kernel panic - not syncing: crashlab\n",
        "\nAgain: harness trial ",
        "console.log (",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert_eq!(told(&project, &["show", "0"]), shown, "the latest run's");
    let json = project.json(&["show", &format!("{}:2", run.id()), "--format", "json"], 0);
    assert_eq!((&json["trial"]["index"], json["timeline"].is_null()), (&2.into(), true), "{json:#}");
    assert!(json["again"]["command"].as_str().unwrap().starts_with("harness trial "), "{json:#}");
    assert!(project.run(&["show", "latest:0", "--html", "trial.html"]).stdout.is_empty());
    let page = std::fs::read_to_string(project.path().join("trial.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>\n") && page.contains("What each channel kept"), "{page}");
    assert!(told(&project, &["show", "latest:8"]).contains("has no trial 8"));
    assert!(told(&project, &["show", "latest"]).contains("as in latest:12"));

    let crash = told(&project, &["crash", "0"]);
    assert!(crash.starts_with("exit code 2\nerror: trial 0 of run ") && crash.contains("--full-vmcore"), "{crash}");
    std::fs::write(run.artifacts(0).join("vmcore"), "").unwrap();
    let crash = told(&project, &["drgn", "latest:0"]);
    assert!(
        crash.contains("of this trial is not in the cache any more") && crash.contains("harness build "),
        "{crash}"
    );
}

#[test]
fn runs_that_are_not_wanted_any_more_are_removed() {
    let project = Project::new();
    let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
    let runs = [40, 20, 1].map(|days| {
        let run = Run::create(&project.results(), now - day * days).unwrap();
        run.write_info(&simulated::info(&run, 1, 1)).unwrap();
        std::fs::write(run.folder().join("trials.jsonl"), "").unwrap();
        run
    });
    let there = || runs.each_ref().map(|run| run.folder().is_dir());
    let would = told(&project, &["prune", "--keep", "30d", "--dry-run"]);
    assert!(would.contains(&format!("{}  ", runs[0].id())) && would.contains("would be removed"), "{would}");
    assert!(would.ends_with("kept: 2 of 3 runs\n") && there() == [true; 3], "{would}");
    // Somebody writes to the oldest.
    let log = runs[0].reopen_log().unwrap();
    let pruned = told(&project, &["prune", "--keep", "1"]);
    assert!(pruned.contains("left alone: somebody writes to it") && there() == [true, false, true], "{pruned}");
    drop(log);
    assert!(told(&project, &["prune", "--keep", "1"]).ends_with("kept: 1 of 2 runs\n"));
    assert_eq!(there(), [false, false, true]);
    assert!(told(&project, &["prune", "--keep", "12h"]).starts_with("exit code 0\n"));
    assert_eq!(std::fs::read_dir(project.results()).unwrap().count(), 0, "neither a run nor a link to one");
    assert!(told(&project, &["prune", "--keep", "1w"]).contains("as in 20, 30d, 12h"));
}

#[test]
fn a_mail_is_made_of_a_run() {
    let project = Project::new();
    traced_run(&project);
    let mail = text(&project.run(&["report", "mail"]).stdout);
    assert!(mail.starts_with("Subject: kmsg-dump-before-stop: 0 worse, 0 better than stock of "), "{mail}");
    assert!(mail.contains("kmsg-dump-before-stop is said to do this: "), "the variant's claim: {mail}");
    assert!(mail.lines().all(|line| line.chars().count() <= 72), "{mail}");
    let other = ["report", "mail", "latest", "--base", "kmsg-dump-before-stop", "--candidate", "stock"];
    assert!(text(&project.run(&other).stdout).starts_with("Subject: stock: "), "the other way round");
    assert!(
        said(&project, &["report", "mail", "latest", "--candidate", "stok"]).starts_with("exit code 2\nerror: run ")
    );
}

#[test]
fn the_run_of_a_comparison_is_that_of_the_sides_that_name_none() {
    let project = Project::new();
    let one = traced_run(&project);
    let other = Run::create(&project.results(), SystemTime::now()).unwrap();
    other.write_info(&simulated::info(&other, 2, 4)).unwrap();
    other.log().unwrap();
    let sides = |arguments: &[&str]| {
        let output = project.run(&[&["compare"], arguments].concat());
        let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
        let shown = shown.replace(one.id(), "[ONE]").replace(other.id(), "[OTHER]");
        shown.lines().take(2).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(sides(&["stock", "stock"]), "error: run [OTHER] has no trials to compare");
    let both = "base: stock@6.12 of [ONE]; candidate: kmsg-dump-before-stop@6.12 of [ONE]";
    assert_eq!(sides(&["--run", one.id(), "stock", "kmsg-dump-before-stop"]), both);
    let named = format!("{}:stock", one.id());
    assert_eq!(sides(&["--run", "latest", &named, "stock"]), "error: run [OTHER] has no trials to compare");
    assert_eq!(sides(&["--run", one.id(), &named, "kmsg-dump-before-stop"]), both);
    let help = text(&project.run(&["compare", "--help"]).stdout);
    for words in ["VARIANT@BASE", "RUN:VARIANT", "[default: latest]", "harness compare stock@6.1 stock@6.12"] {
        assert!(help.contains(words), "{words}: {help}");
    }
}

#[test]
fn what_is_needed_of_a_configuration_is_told() {
    let project = Project::new();
    let required = project.path().join("required.config");
    std::fs::write(&required, project.run(&["kconfig", "--required"]).stdout).unwrap();
    let check = |file: &str, code: i32| {
        let output = project.run(&["kconfig", "--check", file]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        text(&output.stdout) + &text(&output.stderr)
    };
    // What is needed has all that is needed.
    let all = required.display().to_string();
    assert_eq!(check(&all, 0), format!("{all} has all that the harness needs\n"));
    let text = std::fs::read_to_string(&required).unwrap();
    assert!(text.starts_with("# Guests are x86-64 machines"), "{text}");
    project.write("less.config", &text.replace("CONFIG_KPROBES=y", "CONFIG_KPROBES=m"));
    let lacking = check(&project.path().join("less.config").display().to_string(), 2);
    assert!(lacking.contains("CONFIG_KPROBES: needed y, is m\n    crashlab, which makes the faults"), "{lacking}");
    project.write("arm.config", "CONFIG_ARM64=y\n");
    let other = check(&project.path().join("arm.config").display().to_string(), 2);
    assert!(other.contains("is for arm64, and guests are x86-64 machines"), "{other}");
}

#[test]
fn a_kernel_that_cannot_be_is_refused_before_anything_is_built() {
    let project = Project::new();
    project.write("arm.config", "CONFIG_ARM64=y\n");
    let refused = |arguments: &[&str]| {
        let output = project.run(&[&["run", "--scenario", "panic-alone"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let config = project.path().join("arm.config").display().to_string();
    assert!(refused(&["--kconfig", &config]).contains("is for arm64"));
    assert!(refused(&["--make-arg", "bzImage"]).contains("write it as NAME=VALUE"));
    assert!(refused(&["--tree", "/"]).contains("not a git repository"));
    assert!(refused(&["--tree", "/nowhere"]).contains("there is no such folder"));
    assert!(refused(&["--kernel", "/nowhere"]).contains("there is no such file"));
    assert!(refused(&["--variant", "stock+build=mine"]).contains("no build `mine`"));
}

#[test]
fn a_kernel_that_is_built_already_is_refused_before_anything_is_built() {
    let project = Project::new();
    project.write("build/include/config/kernel.release", "6.12.48+deb13-amd64\n");
    let image = project.path().join("vmlinuz");
    let path = |name: &str| project.path().join(name).display().to_string();
    let (vmlinuz, build) = (path("vmlinuz"), path("build"));
    let named = ["--kernel-image", vmlinuz.as_str(), "--kernel-build", build.as_str()];
    let run = |more: &[&str]| said(&project, &[&["run", "--scenario", "panic-alone"], &named[..], more].concat());

    std::fs::write(&image, harness_testdata::bzimage::bzimage("6.12.57+deb13-amd64 (a@b) #1 SMP")).unwrap();
    insta::assert_snapshot!(run(&[]));
    insta::assert_snapshot!(run(&["--kernel-image", &vmlinuz]));
    std::fs::write(&image, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0").unwrap();
    insta::assert_snapshot!(said(&project, &[&["trial", "panic-alone"], &named[..]].concat()));
    // The image alone says too little, and a run that is resumed has its kernels.
    for arguments in [
        &["run", "--suite", "quick", "--kernel-image", &vmlinuz][..],
        &["run", "--resume", "latest", "--kernel-image", &vmlinuz, "--kernel-build", &build],
        &["trial", "panic-alone", "--base", "6.12", "--kernel-image", &vmlinuz, "--kernel-build", &build],
        &["bisect", "--kernel-image", &vmlinuz, "--kernel-build", &build],
    ] {
        assert!(said(&project, arguments).starts_with("exit code 2\nerror: "), "{arguments:?}");
    }
}
