//! What the tracer sees of real guests. In virtual time, where the order of things does not depend on the host; but for
//! what is about the tracer's own doings.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Project, text};
use serde_json::{Value, json};

/// Linux 6.12, `kernel/panic.c`, `panic()` on a CPU that panics alone, without a crash kernel: what it does, in the
/// order of the source. The notifiers are those of the guest's config, in the order of their chain.
const STEPS_OF_6_12: [&str; 28] = [
    "actor panic begin",
    "panic  begin",
    "panic_cpu  begin",
    "crash_kexec  begin",
    "crash_kexec  end",
    "smp_send_stop  begin",
    "smp_send_stop  end",
    "panic_notifiers  begin",
    "notifier rcu_panic begin",
    "notifier rcu_panic end",
    "notifier hung_task_panic begin",
    "notifier hung_task_panic end",
    "notifier dump_kernel_offset begin",
    "notifier dump_kernel_offset end",
    "kmsg_dump  begin",
    "dumper pstore_dump begin",
    "backend_write erst_write begin",
    "backend_write erst_write end",
    "backend_write erst_write begin",
    "backend_write erst_write end",
    "dumper pstore_dump end",
    "kmsg_dump  end",
    "console_unblank  begin",
    "console_flush_on_panic  begin",
    "console_flush_on_panic  end",
    "emergency_restart  begin",
    // emergency_restart() hands the log over once more (KMSG_DUMP_EMERG), which pstore does not want by default.
    "kmsg_dump  begin",
    "kmsg_dump  end",
];

const VIRTUAL: [&str; 6] = ["--time", "virtual", "--seed", "1", "--format", "json"];

/// A trial's record, and its timeline, if there is one.
fn trial(project: &Project, arguments: &[&str]) -> (Value, Option<Value>) {
    let record = project.json(&[&["trial"][..], arguments].concat(), 0);
    let path = project.results().join("latest/artifacts/00000/timeline.json");
    (record, std::fs::read(path).ok().map(|json| serde_json::from_slice(&json).unwrap()))
}

/// The steps after firing, `step of edge`, with their CPU; without those that only tell how things went.
fn steps(timeline: &Value) -> Vec<(u64, String)> {
    let step = |event: &Value| {
        let word = |name: &str, or: &str| event[name].as_str().unwrap_or(or).to_owned();
        let words = format!("{} {} {}", word("step", ""), word("of", ""), word("edge", "begin"));
        (event["cpu"].as_u64().unwrap(), words)
    };
    let events = timeline["events"].as_array().unwrap().iter();
    events.filter(|event| event["detail"] != true && event["ns"].as_i64().unwrap() >= 0).map(step).collect()
}

fn of_cpu(steps: &[(u64, String)], cpu: u64) -> Vec<&str> {
    steps.iter().filter(|(of, _)| *of == cpu).map(|(_, step)| step.as_str()).collect()
}

#[test]
fn a_panic_goes_through_the_steps_of_6_12() {
    let project = Project::new();
    let (_, timeline) = trial(&project, &[&["panic-alone"][..], &VIRTUAL].concat());
    let steps = steps(&timeline.unwrap());
    assert_eq!(of_cpu(&steps, 0), STEPS_OF_6_12);
    let place = |wanted: &str| steps.iter().position(|(_, step)| step == wanted).unwrap();
    let stop = place("smp_send_stop  begin")..place("smp_send_stop  end");
    for cpu in 1..4 {
        assert_eq!(of_cpu(&steps, cpu), ["stop_ipi  begin", "stopped stop_this_cpu begin"], "CPU {cpu}");
        assert!(steps.iter().enumerate().all(|(index, (of, _))| *of != cpu || stop.contains(&index)), "{steps:#?}");
    }

    // As users see it.
    let order = text(&project.run(&["order", "stock", "--scenario", "panic-alone"]).stdout);
    assert!(order.contains("1 of 1 trials") && order.contains("stopped all 3 by IPI"), "{order}");
    let shown = text(&project.run(&["timeline", "latest", "0"]).stdout);
    assert!(shown.contains("Kernel panic - not syncing: crashlab") && shown.contains("dumper pstore_dump"), "{shown}");
    let perfetto = text(&project.run(&["timeline", "latest", "0", "--as", "perfetto"]).stdout);
    assert!(serde_json::from_str::<Value>(&perfetto).unwrap()["traceEvents"].as_array().unwrap().len() > 30);
}

#[test]
fn a_guest_that_is_booted_goes_through_the_same_steps() {
    let project = Project::new();
    let (_, timeline) = trial(&project, &[&["panic-alone", "--cold"][..], &VIRTUAL].concat());
    assert_eq!(of_cpu(&steps(&timeline.unwrap()), 0), STEPS_OF_6_12);
}

#[test]
fn stamps_and_timeline_tell_the_same() {
    let project = Project::new();
    let case = ["panic-during-oops-dump", "--param", "hold=300ms", "--param", "post_notifiers=0"];
    let (record, timeline) = trial(&project, &[&case[..], &VIRTUAL].concat());
    let mut stamped: Vec<(u64, String)> = Vec::new();
    for stamps in record["stamps"].as_array().unwrap() {
        for (edge, at) in [("begin", &stamps["entered_us"]), ("end", &stamps["left_us"])] {
            stamped.extend(at.as_u64().map(|us| (us, format!("actor {} {edge}", stamps["actor"].as_str().unwrap()))));
        }
    }
    stamped.sort();
    let seen = steps(&timeline.unwrap());
    let seen: Vec<&String> = seen.iter().map(|(_, step)| step).filter(|step| step.starts_with("actor ")).collect();
    assert_eq!(seen, stamped.iter().map(|(_, actor)| actor).collect::<Vec<_>>());
    assert_eq!(seen.len(), 4, "the oops, the hold's beginning and end, the panic: {seen:?}");
    assert_eq!(record["channels"]["order"], json!({"outcome": "kept", "witnesses": 2, "of": 2}));
}

#[test]
fn in_real_time_the_tracer_wakes_in_time() {
    let project = Project::new();
    let (record, timeline) = trial(&project, &["panic-alone", "--seed", "1", "--format", "json"]);
    // All of panic()'s own steps, whatever the host does to the order of the stops.
    assert_eq!(of_cpu(&steps(&timeline.unwrap()), 0), STEPS_OF_6_12, "{record:#}");
}

#[test]
fn a_guest_of_one_cpu_and_one_of_eight_wake_the_tracer_too() {
    let project = Project::new();
    for cpus in [1, 8] {
        let name = format!("with-{cpus}");
        let panic = format!("panic: {{ name: panic, cpu: {}, at: 0ms }}", cpus - 1);
        let expect = "expect:\n  - { channel: console, outcome: saved }\n";
        let text = format!(
            "name: {name}\ntitle: x\nwhy: x\nsource: x\nguest: {{ cpus: {cpus} }}\nactors:\n  - {panic}\n{expect}"
        );
        project.write(&format!("scenarios/{name}.yaml"), &text);
        let (_, timeline) = trial(&project, &[&name, "--seed", "1", "--format", "json"]);
        let steps = steps(&timeline.unwrap());
        // Alone, it has nobody to stop.
        let own = of_cpu(&steps, cpus - 1);
        assert_eq!(own, STEPS_OF_6_12, "{cpus} CPUs");
        let stopped = steps.iter().filter(|(_, step)| step == "stopped stop_this_cpu begin").count();
        assert_eq!(stopped as u64, cpus - 1, "{cpus} CPUs");
    }
}

#[test]
fn an_order_that_is_broken_is_told_with_its_events() {
    let project = Project::new();
    let case = ["panic-alone", "--variant", "kmsg-dump-before-stop"];
    let (record, _) = trial(&project, &[&case[..], &VIRTUAL].concat());
    let (pstore, order) = (&record["channels"]["pstore"], &record["channels"]["order"]);
    // Caught by the order alone: nobody stood in the way of this dump.
    assert_eq!((&pstore["outcome"], &order["outcome"]), (&json!("saved"), &json!("broken")), "{record:#}");
    let detail = order["detail"].as_str().unwrap();
    for part in ["not stopped by then: CPU 1, 2, 3", "CPU 0: kmsg_dump", "| ["] {
        assert!(detail.contains(part), "{detail}");
    }
}

#[test]
fn what_is_beyond_its_limit_is_counted_and_decides_nothing() {
    let project = Project::new();
    let path = project.path().join("guest-kernel/probes/panic.yaml");
    let set = std::fs::read_to_string(&path).unwrap();
    let limited = set.replace("{ step: kmsg_dump, ", "{ step: kmsg_dump, limit: 1, ");
    assert_ne!(set, limited);
    std::fs::write(&path, limited).unwrap();
    let (record, timeline) = trial(&project, &[&["panic-alone"][..], &VIRTUAL].concat());
    // The second begins and ends.
    assert_eq!(timeline.unwrap()["beyond_limit"]["kmsg_dump"], 2);
    assert_eq!(record["channels"]["order"], Value::Null, "{record:#}");
    assert_eq!(record["channels"]["pstore"]["outcome"], "saved");
}

/// A QEMU that does `first` before it goes on as ever.
fn qemu(project: &Project, first: &str) -> String {
    project.write("qemu", &format!("#!/bin/bash\n{first}\nexec qemu-system-x86_64 \"$@\"\n"));
    let path = project.path().join("qemu");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn with_a_qemu_without_plugins_trials_go_on_and_say_so() {
    let project = Project::new();
    let refuse = "case \" $* \" in *' -plugin '*) echo 'qemu: plugins not supported' >&2; exit 1;; esac";
    let qemu = qemu(&project, refuse);
    let arguments = [&["trial", "panic-alone", "--qemu", &qemu][..], &VIRTUAL].concat();
    let output = project.run(&arguments);
    let said = text(&output.stderr);
    assert!(said.contains("there will be no timelines") && said.contains("plugins not supported"), "{said}");
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    let channels: Vec<_> = record["channels"].as_object().unwrap().keys().collect();
    assert_eq!(channels, ["console", "pstore"], "{record:#}");
    let shown = project.run(&["timeline", "latest", "0"]);
    assert!(!shown.status.success() && text(&shown.stderr).contains("harness doctor"), "{}", text(&shown.stderr));
    let doctor = text(&project.run(&["doctor", "--qemu", &qemu]).stdout);
    let finding = doctor.lines().find(|line| line.contains("there will be no timelines")).unwrap();
    assert!(finding.starts_with("warn"), "{doctor}");

    let (record, timeline) = trial(&project, &[&["panic-alone", "--trace", "off"][..], &VIRTUAL].concat());
    assert_eq!((&record["outcome"], timeline), (&json!("counted"), None));
}

#[test]
fn a_tracer_that_does_not_look_is_no_evidence() {
    let project = Project::new();
    // It loads the plugin when it is asked whether it can, and leaves it out when a guest is restored.
    let forget = "case \" $* \" in *' -incoming '*) for word; do shift; \
                  [ \"$word\" = -plugin ] && skip=1 && continue; \
                  [ -n \"$skip\" ] && skip= && continue; set -- \"$@\" \"$word\"; done;; esac";
    let qemu = qemu(&project, forget);
    let output = project.run(&[&["trial", "panic-alone", "--qemu", &qemu][..], &VIRTUAL].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the tracer did not look (QEMU has not loaded it)"), "{said}");
}
