//! Back ends of pstore's that fail, in virtual time; what is told of it.

use serde_json::Value;

use crate::common::Project;

/// The record of a trial in which CPU 0 panics and this one fails.
fn trial(project: &Project, name: &str, guest: &str, fail: &str) -> Value {
    let scenario = format!(
        "name: {name}\ntitle: a test\nwhy: a test\nsource: this test\n{guest}actors:\n  - fail: {{ name: store, {fail} }}\n  - \
         panic: {{ name: panic, cpu: 0, at: 1ms }}\nexpect: []\n"
    );
    project.write(&format!("scenarios/{name}.yaml"), &scenario);
    project.json(&["trial", name, "--time", "virtual", "--seed", "1", "--format", "json"], 0)
}

#[test]
fn what_a_back_end_does_to_records_is_seen_and_told() {
    let project = Project::new();
    let ramoops = "guest: { pstore: { ramoops: {} } }\n";
    let refused = |function: &str| format!("CPU 0 had {function}() return -28 (ENOSPC)");
    for (name, guest, fail, outcome, told) in [
        ("refuses", "", "in: backend-write, error: ENOSPC, times: forever", "lost", refused("erst_writer")),
        ("refuses-ramoops", ramoops, "in: backend-write, error: ENOSPC", "lost", refused("ramoops_pstore_write")),
        (
            "lies",
            "",
            "in: backend-write, kind: lies, times: forever",
            "lost",
            "the back end reported no error; CPU 0 had erst_writer() return success and write nothing".to_owned(),
        ),
        (
            "tears",
            "",
            "in: backend-write, kind: torn",
            "corrupt",
            "had erst_writer() write half of a record".to_owned(),
        ),
        ("misses-one", "", "in: backend-write, error: EIO, part: 2", "saved", String::new()),
    ] {
        let record = trial(&project, name, guest, fail);
        let pstore = &record["channels"]["pstore"];
        assert_eq!((&record["outcome"], &pstore["outcome"]), (&"counted".into(), &outcome.into()), "{record:#}");
        let detail = pstore["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(&told), "{record:#}");
        let says_so = detail.contains("the kernel said: writing error of ");
        assert_eq!(says_so, name.starts_with("refuses"), "{record:#}");
        let stamps = record["stamps"].as_array().unwrap().iter().find(|stamps| stamps["actor"] == "store").unwrap();
        let ends = !fail.ends_with("forever");
        assert_eq!((stamps["cpu"].as_u64(), stamps["left_us"].is_u64()), (Some(0), ends), "{record:#}");
    }
}

/// The record of a trial in which CPU 0 panics, and the folder with what it left.
fn panic_of(project: &Project, name: &str, guest: &str) -> (Value, std::path::PathBuf) {
    let scenario = format!(
        "name: {name}\ntitle: a test\nwhy: a test\nsource: this test\nguest: {guest}\nactors:\n  - panic: {{ name: panic, cpu: 0, \
         at: 1ms }}\nexpect: []\n"
    );
    project.write(&format!("scenarios/{name}.yaml"), &scenario);
    let arguments = ["trial", name, "--read-back", "--time", "virtual", "--seed", "1", "--format", "json"];
    let record = project.json(&arguments, 0);
    assert_eq!(record["outcome"], "counted", "{record:#}");
    (record, project.results().join("latest/artifacts/00000"))
}

#[test]
fn what_was_in_a_store_before_is_not_the_trials() {
    let project = Project::new();
    let past = "{ pstore: { erst: { records: 8, used: 2, damaged: 1, foreign: 1 } } }";
    for (name, guest) in [("erst-with-a-past", past), ("ramoops-with-a-past", "{ pstore: { ramoops: { used: 2 } } }")] {
        let (record, left) = panic_of(&project, name, guest);
        assert_eq!(record["channels"]["pstore"]["outcome"], "saved", "{record:#}");
        let ours = std::fs::read_to_string(left.join("pstore.txt")).unwrap();
        assert!(!ours.contains("of the earlier boot") && ours.contains("Kernel panic"), "{ours}");
        // The kernel overwrites the first zone of ramoops, whatever it holds.
        let theirs = std::fs::read_to_string(left.join("next-boot.txt")).unwrap();
        assert!(theirs.contains("of the earlier boot 1") && theirs.contains("Kernel panic"), "{theirs}");
        assert_eq!(theirs.contains("of the earlier boot 0"), name.starts_with("erst"), "{theirs}");
    }
    let (record, _) = panic_of(&project, "erst-full", "{ pstore: { erst: { records: 3, used: 2, foreign: 1 } } }");
    let pstore = &record["channels"]["pstore"];
    assert_eq!(pstore["outcome"], "lost", "{record:#}");
    let detail = pstore["detail"].as_str().unwrap();
    assert!(detail.contains("its store is full: 3 records, 3 of them of earlier boots"), "{detail}");
    assert!(detail.contains("writing error of erst, -28"), "{detail}");
}

#[test]
fn a_second_boot_finds_what_the_first_has_left_with_its_clock_set_back() {
    let project = Project::new();
    for (name, pstore) in [("erst", "erst"), ("ramoops", "ramoops"), ("efi", "efi")] {
        let guest = format!("{{ pstore: {pstore}, boots: 2, clock: -30d }}");
        let (record, left) = panic_of(&project, &format!("second-boot-{name}"), &guest);
        assert_eq!(record["channels"]["pstore"]["outcome"], "saved", "{record:#}");
        let panics = |file: &str| {
            let text = std::fs::read_to_string(left.join(file)).unwrap();
            text.matches("Kernel panic - not syncing: crashlab").count()
        };
        // ramoops begins with the first zone again; there it is the zone for the console that has the panic a second time.
        assert_eq!((panics("pstore.txt"), panics("next-boot.txt")), (1, 2), "{name}");
    }
}

#[test]
fn a_trial_in_which_nothing_failed_is_missed() {
    let project = Project::new();
    let record = trial(&project, "no-such-part", "", "in: backend-write, error: EIO, part: 99");
    assert_eq!(record["outcome"], "missed", "{record:#}");
    assert!(record["reason"].as_str().unwrap().starts_with("store never entered "), "{record:#}");
}

#[test]
fn another_kernel_reads_what_one_has_written() {
    let project = Project::new();
    // The same source and configuration, but for its words: it does not look at the record store.
    let variant = "name: without-erst\ntitle: a test\nclaim: none\nsource: this test\ncommand-line: [erst_disable]\n";
    project.write("guest-kernel/variants/without-erst/variant.yaml", variant);
    let read_by = |kernel: &str| {
        let arguments = ["trial", "panic-alone", "--read-back-kernel", kernel, "--time", "virtual", "--seed", "1"];
        project.json(&[&arguments[..], &["--format", "json"]].concat(), 0)
    };
    let record = read_by("stock");
    assert_eq!(record["channels"]["pstore"]["outcome"], "saved", "{record:#}");
    let record = read_by("without-erst");
    let pstore = &record["channels"]["pstore"];
    assert_eq!(pstore["outcome"], "unreadable", "{record:#}");
    let detail = pstore["detail"].as_str().unwrap();
    assert!(detail.contains("lost 0/32 as the next boot, of without-erst@6.12, reads it"), "{record:#}");
    let info = std::fs::read_to_string(project.results().join("latest/run.json")).unwrap();
    assert!(info.contains("\"read_back_kernel\": \"without-erst\"") && info.contains("\"read_back_key\""), "{info}");
    // Told before anything is built or booted.
    let output = project.run(&["trial", "panic-alone", "--read-back-kernel", "stok"]);
    let said = crate::common::text(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("did you mean `stock`?"), "{said}");
}
