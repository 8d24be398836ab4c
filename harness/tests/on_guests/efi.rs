//! EFI variables as pstore's back end, on real guests, in virtual time: what is decoded of the firmware's store is what the next
//! boot of the kernel reads, record by record, and what was there before is not the trial's.

use crate::common::{Project, text};
use harness::evidence::efi_store::{LINUX_CRASH, decode};
use harness::evidence::pstore::{backend_and_id, from_efi_flash};
use serde_json::Value;

/// A small store with a past, so that not all of the dump of the panic fits, which is the second of the trial.
const SCENARIO: &str = "name: efi-with-a-past\ntitle: t\nwhy: w\nsource: s\nguest: { pstore: { efi: { store: small, dumps: 1, used: 8KiB } } }\n\
    knobs: [sysctl: { name: kernel.panic_on_oops, value: 1 }]\nactors: [oops: { name: oops, cpu: 1, at: 0ms }]\nexpect: []\n";

#[test]
fn the_next_boot_reads_what_is_decoded() {
    let project = Project::new();
    project.write("scenarios/efi-with-a-past.yaml", SCENARIO);
    let arguments = ["run", "--scenario", "efi-with-a-past", "--trials", "2", "--time", "virtual", "--seed", "5"];
    let output = project.run(&[&arguments[..], &["--read-back", "--format", "json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let records = project.records();
    assert_eq!(records.len(), 2);
    for record in &records {
        // Were a record read otherwise than it was decoded, the trial would not count.
        assert_eq!(record["outcome"], "counted", "{record:#}");
        let folder = project.results().join(format!("latest/artifacts/{:05}", record["index"].as_u64().unwrap()));
        let image = std::fs::read(folder.join("vars.bin")).unwrap();
        let store = decode(&image).unwrap().store;
        assert_eq!(store.problems, Vec::<String>::new());
        // The kernel leaves its reserve.
        assert!(store.bytes - store.used < 5120 + 1024, "{} of {}", store.used, store.bytes);
        let dumps: Vec<String> = from_efi_flash(&image, 0).dumps.iter().map(ToString::to_string).collect();
        assert_eq!(dumps.len(), 3, "{dumps:?}");
        assert_eq!(dumps[0], "Panic#1 (15 parts)");
        assert!(dumps[1].starts_with("Oops#1 (") && dumps[2].starts_with("Panic#2 ("), "{dumps:?}");
        let kept = std::fs::read_to_string(folder.join("pstore.txt")).unwrap();
        assert!(!kept.contains("of the earlier boot 0") && kept.contains("kernel BUG at"), "{kept}");
        // The next boot has all of them.
        let shown = std::fs::read_to_string(folder.join("next-boot.txt")).unwrap();
        let files = shown.lines().filter(|line| line.strip_suffix(':').and_then(backend_and_id).is_some()).count();
        assert_eq!(files, store.shown().filter(|variable| variable.vendor == LINUX_CRASH).count());
        assert!(shown.contains("of the earlier boot 0, part 15"), "{shown}");
        the_firmware_is_seen(&folder.join("timeline.json"));
    }
}

/// Each record is a call of the firmware within a write of the back end, and both of its edges are seen.
fn the_firmware_is_seen(timeline: &std::path::Path) {
    let timeline: Value = serde_json::from_slice(&std::fs::read(timeline).unwrap()).unwrap();
    let events = timeline["events"].as_array().unwrap();
    let edges = |step: &str| {
        let of_step = events.iter().filter(|event| event["step"] == step);
        let (ends, begins): (Vec<&Value>, Vec<&Value>) = of_step.partition(|event| event["edge"] == "end");
        (begins.len(), ends.len())
    };
    let (begins, ends) = edges("backend_write");
    assert!(begins > 15 && begins == ends, "{begins} {ends}");
    // It is asked for room, and then told to write, unless there is none.
    let (begins, ends) = (begins, edges("firmware"));
    assert!(ends.0 == ends.1 && (begins..=2 * begins).contains(&ends.0), "{begins} {ends:?}");
}
