//! CPUs that are not online, and those that come and go, in virtual time.

use crate::common::Project;
use serde_json::{Value, json};

/// A trial of a scenario of the catalogue's that counts.
fn trial(project: &Project, arguments: &[&str]) -> Value {
    let how = ["--time", "virtual", "--seed", "1", "--format", "json"];
    let record = project.json(&[&["trial"], arguments, &how].concat(), 0);
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &false.into()), "{record:#}");
    record
}

/// The CPUs that were seen at a step of the last trial.
fn seen(project: &Project, step: &str) -> Vec<u64> {
    let timeline = project.results().join("latest/artifacts/00000/timeline.json");
    let timeline: Value = serde_json::from_slice(&std::fs::read(timeline).unwrap()).unwrap();
    let events = timeline["events"].as_array().unwrap().iter();
    let mut cpus: Vec<u64> =
        events.filter(|event| event["step"] == step).map(|event| event["cpu"].as_u64().unwrap()).collect();
    cpus.sort_unstable();
    cpus
}

#[test]
fn nobody_waits_for_cpus_that_were_never_brought_up() {
    let project = Project::new();
    // Restored, and booted: in either way the guest tells which there are.
    for how in [&[][..], &["--cold"]] {
        let record = trial(&project, &[&["cpus-not-online", "--param", "cpu=1"], how].concat());
        assert_eq!(record["channels"]["order"]["outcome"], "kept", "{record:#}");
        let all = json!([0, 1, 2, 3]);
        assert_eq!(record["cpus"], json!({"possible": all, "present": all, "online": [0, 1]}), "{record:#}");
        assert_eq!(seen(&project, "stopped"), [0]);
    }
    let record = trial(&project, &["panic-alone"]);
    assert_eq!(record["cpus"], Value::Null, "all are: {record:#}");
}

#[test]
fn a_dump_has_the_registers_of_those_that_are_online() {
    let project = Project::new();
    let record = trial(&project, &["kdump-cpus-not-online", "--param", "cpu=1"]);
    assert_eq!(record["channels"]["kdump"]["outcome"], "saved", "{record:#}");
    let cpus: Vec<_> = record["dump"]["cpus"].as_array().unwrap().iter().map(|cpu| cpu["cpu"].clone()).collect();
    assert_eq!((cpus, &record["dump"]["panic_cpu"]), (vec![json!(0), json!(1)], &json!(1)), "{record:#}");
}

#[test]
fn cpus_come_and_go() {
    let project = Project::new();
    let record = trial(&project, &["cpu-taken-down"]);
    assert_eq!(record["channels"]["order"]["outcome"], "kept", "{record:#}");
    assert_eq!((seen(&project, "cpu_down"), seen(&project, "stopped")), (vec![3], vec![1, 2]));
    let record = trial(&project, &["cpu-brought-up"]);
    assert_eq!(record["channels"]["order"]["outcome"], "kept", "{record:#}");
    assert_eq!((seen(&project, "cpu_up"), seen(&project, "stopped")), (vec![2], vec![1, 2]));
}

/// What the kernel's build or its variant's command line leaves no room for.
#[test]
fn an_actor_on_a_cpu_that_is_not_online_is_skipped_with_the_reason() {
    let project = Project::new();
    let variant = "name: two\ntitle: a test\nclaim: none\nsource: this test\ncommand-line: [maxcpus=2]\n";
    project.write("guest-kernel/variants/two/variant.yaml", variant);
    let scenarios = ["--scenario", "panic-alone", "--scenario", "warnings-on-all-cpus"];
    let how = ["--variant", "two", "--trials", "1", "--time", "virtual", "--seed", "1", "--format", "json"];
    let output = project.run(&[&["run"][..], &scenarios, &how].concat());
    let info: Value =
        serde_json::from_slice(&std::fs::read(project.results().join("latest/run.json")).unwrap()).unwrap();
    let skipped: Vec<&str> =
        info["cells"].as_array().unwrap().iter().filter_map(|cell| cell["skipped"].as_str()).collect();
    assert!(!skipped.is_empty(), "{}", crate::common::text(&output.stderr));
    assert!(skipped.iter().all(|why| why.ends_with("and the kernel brings up 2 of 4")), "{skipped:?}");
    let records = project.records();
    let alone = records.iter().find(|record| record["scenario"] == "panic-alone").expect("it was run");
    assert_eq!(alone["channels"]["order"]["outcome"], "kept", "{alone:#}");
}
