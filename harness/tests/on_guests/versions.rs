//! The same crashes on each kernel that is shipped as a base.

use std::collections::BTreeSet;

use crate::common::Project;

const BASES: [&str; 4] = ["5.10", "6.1", "6.12", "7.2"];

/// One scenario for each channel that has to find its way through another version's structures: records, zones, the
/// log's ring, a crash dump; and the orders of plain stop and crash stop.
const SCENARIOS: [&str; 5] =
    ["panic-alone", "panic-alone-ramoops", "oops-then-panic", "panic-during-oops-dump", "kdump-panic"];

#[test]
#[ignore = "three more kernels are built and fetched: cargo xtask versions"]
fn every_base_is_crashed_traced_and_decoded() {
    let project = Project::new();
    // In virtual time kernels before 6.12 do not get beyond starting their second CPU.
    let mut run = vec!["run", "--seed", "7", "--trials", "2", "--format", "json"];
    for base in BASES {
        run.extend(["--base", base]);
    }
    for scenario in SCENARIOS {
        run.extend(["--scenario", scenario]);
    }
    // What the scenarios expect was written for 6.12, and holds on all of them.
    let summary = project.json(&run, 0);
    let cells = summary["cells"].as_array().unwrap();
    let bases: BTreeSet<&str> = cells.iter().map(|cell| cell["base"].as_str().unwrap()).collect();
    assert_eq!(bases, BASES.into());
    for cell in cells {
        assert_eq!((&cell["missed"], &cell["infra_errors"]), (&0.into(), &0.into()), "{cell:#}");
    }
    for record in project.records() {
        assert!(record["channels"]["order"].is_object(), "it has a timeline: {record:#}");
        assert!(record["log"]["panic"] == true, "the truth was read from its memory: {record:#}");
    }
}
