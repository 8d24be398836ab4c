//! What three orders of `panic()` leave, on real kernels that really crash.
//!
//! In virtual time: the guest's delay loops then last what they last however busy the host is, so no outcome here
//! depends on how fast the machine is, nor on luck. What is expected follows from `kernel/panic.c`,
//! `arch/x86/kernel/smp.c` and `fs/pstore/platform.c` of the base.

use crate::common::{Project, cell};
use serde_json::json;

const TRIALS: u64 = 2;

/// What becomes of the panic's record when CPU 0 panics 50 ms after CPU 1 entered the back end's write, which it leaves
/// after `hold`.
fn expected(variant: &str, hold: &str, post_notifiers: i64) -> &'static str {
    match (variant, hold, post_notifiers) {
        // Nothing is held any more when the panic comes.
        (_, "0ms", _) => "saved",
        // The dump comes before the stop, so it finds pstore's lock held, whoever would be stopped how. Or the crash
        // stop sends NMIs at once: CPU 1 stops inside the write, and never gives the lock back.
        ("kmsg-dump-before-stop", ..) | (_, _, 1) => "lost",
        // The plain stop grants CPU 1, whose interrupts are off, a second before the NMI.
        (_, "100ms" | "300ms" | "700ms", _) => "saved",
        _ => "lost",
    }
}

#[test]
fn what_three_orders_of_panic_leave() {
    let project = Project::new();
    let trials = TRIALS.to_string();
    let arguments =
        ["run", "--suite", "hold-sweep", "--trials", &trials, "--time", "virtual", "--seed", "1", "--format", "json"];
    // 1: the scenarios expect what today's order leaves, and one of the variants does not.
    let summary = project.json(&arguments, 1);

    for variant in ["stock", "kmsg-dump-before-stop", "kmsg-dump-before-notifiers"] {
        let mut expectations = vec![("panic-alone", json!({}), "saved"), ("oops-then-panic", json!({}), "saved")];
        for hold in ["0ms", "100ms", "300ms", "700ms", "1500ms"] {
            for post in [0, 1] {
                let params = json!({"hold": hold, "post_notifiers": post});
                expectations.push(("panic-during-oops-dump", params, expected(variant, hold, post)));
            }
        }
        for (scenario, params, outcome) in expectations {
            let cell = cell(&summary, variant, scenario, &params);
            let at = format!("{variant} {scenario} {params}: {cell}");
            assert_eq!(cell["trials"], TRIALS, "{at}");
            assert_eq!(
                (&cell["missed"], &cell["infra_errors"], &cell["hung"]),
                (&json!(0), &json!(0), &json!(0)),
                "{at}"
            );
            assert_eq!(cell["channels"]["pstore"][outcome], TRIALS, "{at}");
            assert_eq!(cell["channels"]["console"]["saved"], TRIALS, "{at}");
            // Every scenario asserts that nobody runs any more when the log is dumped; one variant gives that up, and
            // is caught at it even where nothing is lost.
            let order = if variant == "kmsg-dump-before-stop" { "broken" } else { "kept" };
            assert_eq!(cell["channels"]["order"][order], TRIALS, "{at}");
        }
    }

    // What the run left on disk is what it printed.
    let run = project.results().join("latest");
    let on_disk: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("summary.json")).unwrap()).unwrap();
    assert_eq!(on_disk, summary);
    for file in
        ["run.json", "trials.jsonl", "junit.xml", "artifacts/00000/console.log", "artifacts/00000/timeline.json"]
    {
        assert!(run.join(file).is_file(), "{file}");
    }
    let order = project.json(&["compare", "stock", "kmsg-dump-before-notifiers", "--format", "json"], 0);
    assert!(order["cells"].as_array().unwrap().iter().all(|cell| cell["difference"] == 0.0), "{order:#}");
}

#[test]
fn a_cold_guest_comes_to_the_same_outcomes() {
    let project = Project::new();
    let cells = |cold: bool| {
        let mut arguments = vec![
            "run",
            "--scenario",
            "panic-during-oops-dump",
            "--param",
            "hold=300ms",
            "--trials",
            "1",
            "--time",
            "virtual",
            "--seed",
            "2",
            "--format",
            "json",
        ];
        if cold {
            arguments.push("--cold");
        }
        // What is said of templates is of restored guests alone.
        let mut cells = project.json(&arguments, 0)["cells"].clone();
        for cell in cells.as_array_mut().unwrap() {
            let cell = cell.as_object_mut().unwrap();
            cell.remove("ended_by_template");
            for channel in cell["channels"].as_object_mut().unwrap().values_mut() {
                channel.as_object_mut().unwrap().remove("between_templates");
            }
        }
        cells
    };
    assert_eq!(cells(true), cells(false));
}

/// A notifier that calls another CPU comes back where that one still runs, or is off the list of those that are online: the
/// crash stop leaves it on the list. In return whoever runs on while the notifiers are called may take pstore's lock.
#[test]
fn what_the_notifiers_before_the_stop_win_and_lose() {
    let project = Project::new();
    let scenarios = ["notifier-calls-a-cpu", "kdump-notifier-calls-a-cpu", "others-run-during-notifiers"];
    let mut arguments = vec!["run", "--trials", "2", "--time", "virtual", "--seed", "1", "--format", "json"];
    for scenario in scenarios {
        arguments.extend(["--scenario", scenario]);
    }
    arguments.extend(["--variant", "stock", "--variant", "notifiers-before-stop"]);
    // 1: what is expected is what stock leaves.
    let summary = project.json(&arguments, 1);
    let (calls, kdump, others) = (scenarios[0], scenarios[1], scenarios[2]);
    let post = |post: i64| json!({"post_notifiers": post});
    let hold = |hold: &str, post: i64| json!({"hold": hold, "post_notifiers": post});
    for (scenario, params, channel, stock, before) in [
        (calls, post(0), "pstore", "saved", "saved"),
        (calls, post(1), "pstore", "lost", "saved"),
        (kdump, json!({}), "pstore", "lost", "saved"),
        (kdump, json!({}), "kdump", "not-entered", "saved"),
        (kdump, json!({}), "order", "kept", "broken"),
        (others, hold("700ms", 0), "pstore", "saved", "saved"),
        (others, hold("3000ms", 0), "pstore", "saved", "lost"),
        (others, hold("700ms", 1), "pstore", "saved", "lost"),
        (others, hold("3000ms", 1), "pstore", "saved", "lost"),
        (others, hold("700ms", 0), "order", "kept", "broken"),
    ] {
        for (variant, outcome) in [("stock", stock), ("notifiers-before-stop", before)] {
            let cell = cell(&summary, variant, scenario, &params);
            assert_eq!(cell["channels"][channel][outcome], TRIALS, "{variant} {scenario} {params} {channel}: {cell:#}");
        }
    }
}
