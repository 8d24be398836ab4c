//! Variants that need no folder of the project's: settings, scratch variants; and kernels that are unavailable.

use crate::common::{Project, text};
use serde_json::Value;

/// The cells of a summary, as `variant@base scenario`, each with what it was skipped for or how often pstore had all.
fn cells(summary: &Value) -> Vec<String> {
    let cell = |cell: &Value| {
        let name = |key: &str| cell[key].as_str().unwrap().to_owned();
        let found = match cell["skipped"].as_str() {
            Some(reason) => reason.to_owned(),
            None => format!("{} of {}", cell["channels"]["pstore"]["saved"], cell["trials"]),
        };
        format!("{}@{} {}: {found}", name("variant"), name("base"), name("scenario"))
    };
    summary["cells"].as_array().unwrap().iter().map(cell).collect()
}

#[test]
fn what_is_set_about_a_variant_is_a_variant_of_its_own() {
    let project = Project::new();
    let run = [
        "run",
        "--time",
        "virtual",
        "--seed",
        "7",
        "--trials",
        "2",
        "--format",
        "json",
        "--variant",
        "stock",
        "--variant",
        "stock+post_notifiers=1",
        "--variant",
        "stock+cpus=2+pstore=ramoops",
        "--variant",
        "stock+cpus=1",
        "--scenario",
        "panic-alone",
        "--scenario",
        "panic-during-oops-dump",
        "--param",
        "hold=0ms",
        "--param",
        "post_notifiers=0",
    ];
    // A filter on a parameter leaves out the scenario that has none.
    let dump = project.json(&run, 0);
    let alone: Vec<&str> = run.iter().copied().take_while(|word| *word != "panic-during-oops-dump").collect();
    let alone = alone[..alone.len() - 1].to_vec();
    // The scenario asserts an order of the plain stop, and the second of the variants uses the other one.
    let alone = project.json(&alone, 1);
    assert_eq!(
        cells(&alone),
        [
            "stock@6.12 panic-alone: 2 of 2",
            "stock+post_notifiers=1@6.12 panic-alone: 2 of 2",
            "stock+cpus=2+pstore=ramoops@6.12 panic-alone: 2 of 2",
            "stock+cpus=1@6.12 panic-alone: 2 of 2",
        ]
    );
    // The setting was made: the crash stop took the place of the plain one.
    let order = |variant: &str| text(&project.run(&["order", variant, "--scenario", "panic-alone"]).stdout);
    assert!(order("stock").contains(" smp_send_stop") && !order("stock").contains("crash_smp_send_stop"));
    assert!(order("stock+post_notifiers=1").contains("crash_smp_send_stop"));
    let resumed = project.json(&["run", "--resume", "latest", "--format", "json"], 1);
    assert_eq!(resumed["cells"], alone["cells"]);

    // What would not be as it is called is not run, nor what is not possible with the guest.
    let skipped = cells(&dump);
    assert_eq!(skipped[0], "stock@6.12 panic-during-oops-dump: 2 of 2");
    let itself = "the scenario sets /sys/module/kernel/parameters/crash_kexec_post_notifiers itself";
    assert_eq!(skipped[1], format!("stock+post_notifiers=1@6.12 panic-during-oops-dump: {itself}"));
    assert!(skipped[3].contains("not possible with the guest that the variant asks for: "), "{skipped:#?}");

    let refused = project.run(&["run", "--scenario", "panic-alone", "--variant", "stock+post_notfiers=1"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("did you mean `post_notifiers`?"), "{}", text(&refused.stderr));
}

/// `kernel/panic.c`, with another text in place of the panic's.
fn patch(project: &Project) -> String {
    let folder = project.path().join("guest-kernel/variants/kmsg-dump-before-notifiers");
    std::fs::read_to_string(folder.join("0001-panic-kmsg_dump-above-the-notifiers.patch")).unwrap()
}

#[test]
fn a_kernel_that_is_not_to_be_had_keeps_no_other_from_being_run() {
    let project = Project::new();
    project.write("fix.patch", &patch(&project));
    let broken = patch(&project).replace("kmsg_dump_desc", "kmsg_dump_dsec");
    project.write("guest-kernel/variants/broken/broken.patch", &broken);
    let yaml = "name: broken\ntitle: t\nclaim: c\nsource: s\nseries: [ { patches: [broken.patch] } ]\n";
    project.write("guest-kernel/variants/broken/variant.yaml", yaml);
    let yaml = "name: older\ntitle: t\nclaim: c\nsource: s\nseries: [ { bases: { from: \"5.10\", to: \"6.1\" } } ]\n";
    project.write("guest-kernel/variants/older/variant.yaml", yaml);
    let run = [
        "run",
        "--time",
        "virtual",
        "--seed",
        "7",
        "--trials",
        "1",
        "--format",
        "json",
        "--scenario",
        "panic-alone",
        "--patch",
        "fix.patch",
        "--variant",
        "stock",
        "--variant",
        "older",
        "--variant",
        "broken",
    ];
    // One could not be built.
    let summary = project.json(&run, 2);
    let cells = cells(&summary);
    assert_eq!(cells[0], "stock@6.12 panic-alone: 1 of 1");
    assert!(cells[1].contains("`older` is not for base `6.12`"), "{cells:#?}");
    assert!(cells[2].starts_with("broken@6.12 panic-alone: ") && cells[2].contains("broken@6.12"), "{cells:#?}");
    assert!(cells[3].starts_with("fix-") && cells[3].ends_with("@6.12 panic-alone: 1 of 1"), "{cells:#?}");
    // One that is for other kernels is no failure.
    project.json(&run[..run.len() - 2], 0);
    let output = project.run(&["build", "broken", "stock", "older"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).contains("stock@6.12  "), "{}", text(&output.stderr));
}
