//! What guests end by, as their authors say or otherwise; and steps of a scenario's own. In virtual time.

use serde_json::Value;

use crate::common::Project;

/// A trial of a scenario with these lines, its actors among them.
fn trial(project: &Project, lines: &str, more: &[&str]) -> Value {
    let head = "name: end\ntitle: a test\nwhy: a test\nsource: this test\nexpect: []\n";
    project.write("scenarios/end.yaml", &format!("{head}{lines}"));
    project.json(&[&["trial", "end", "--time", "virtual", "--seed", "1", "--format", "json"], more].concat(), 0)
}

#[test]
fn a_guest_that_ends_in_another_way_than_its_author_says_is_missed() {
    let project = Project::new();
    let (panic, warn) = ("panic: { name: a, cpu: 1, at: 0ms }", "warn: { name: a, cpu: 1, at: 0ms }");
    for (ends, actor, instead) in [
        ("survives", panic, "it panicked, \"crashlab "),
        ("soft-lockup", panic, "it panicked, \"crashlab "),
        ("panic", "reboot: { name: a, cpu: 1, at: 0ms }", "the machine was reset, and there was no panic"),
        ("oops", "oops: { name: a, cpu: 1, in: hardirq, at: 0ms }", "it was oops-in-interrupt, \"Fatal exception in "),
        (
            "reboot",
            "reboot: { name: a, cpu: 1, how: power-off, at: 0ms }",
            "the power was switched off, and there was no ",
        ),
        ("warning", warn, "there was neither a panic nor a reset, and no sign of life"),
    ] {
        let record = trial(&project, &format!("ends-by: {ends}\nactors:\n  - {actor}\n"), &[]);
        assert_eq!(record["outcome"], "missed", "{record:#}");
        let reason = format!("ends-by {ends} did not come true: {instead}");
        assert!(record["reason"].as_str().unwrap().starts_with(&reason), "{record:#}");
    }
}

#[test]
fn a_guest_that_is_to_survive_says_that_it_has() {
    let project = Project::new();
    let lines = "ends-by: survives\ndeadline: 5s\nactors:\n  - oops: { name: a, cpu: 1, at: 0ms }\n  \
                 - spin: { name: b, cpu: 2, in: irqs-off, for: 100ms, at: 0ms }\n";
    let record = trial(&project, lines, &[]);
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &false.into()), "{record:#}");
    // Its log is that of a guest that has not panicked.
    assert_eq!(record["channels"]["console"]["outcome"], "saved", "{record:#}");

    // All CPUs but one for ever: nobody can say anything.
    let spin = "spin: { name: b, cpu: all-others, in: irqs-off, for: forever, at: 1ms }";
    let stuck = format!(
        "ends-by: survives\ndeadline: 5s\nactors:\n  - spin: {{ name: a, cpu: 0, in: irqs-off, for: forever, at: 1ms }}\n  - {spin}\n"
    );
    let record = trial(&project, &stuck, &[]);
    assert_eq!(record["outcome"], "missed", "{record:#}");
    assert!(record["reason"].as_str().unwrap().ends_with("and no sign of life"), "{record:#}");
}

#[test]
fn steps_of_its_own_are_seen_whether_a_guest_is_restored_or_booted() {
    let project = Project::new();
    let lines = "steps:\n  - enters: { step: reset, functions: [no_such_function, native_machine_emergency_restart] }\n\
                 order:\n  - before: { first: { step: kmsg_dump, edge: end }, then: { step: reset } }\n\
                 actors:\n  - panic: { name: a, cpu: 1, at: 0ms }\n";
    for more in [&[][..], &["--cold"]] {
        let record = trial(&project, lines, more);
        assert_eq!(record["channels"]["order"]["outcome"], "kept", "{record:#}");
        let timeline = project.results().join("latest/artifacts/00000/timeline.json");
        let timeline: Value = serde_json::from_slice(&std::fs::read(timeline).unwrap()).unwrap();
        let steps: Vec<&Value> = timeline["events"].as_array().unwrap().iter().map(|event| &event["step"]).collect();
        assert_eq!(steps.iter().filter(|step| **step == "reset").count(), 1, "{timeline:#}");
    }
    let broken =
        lines.replace("step: kmsg_dump, edge: end }, then: { step: reset", "step: reset }, then: { step: panic");
    let record = trial(&project, &broken, &[]);
    assert_eq!(record["channels"]["order"]["outcome"], "broken", "{record:#}");
}
