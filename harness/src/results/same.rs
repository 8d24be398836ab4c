//! Whether two runs belong together.

use super::{FileDigest, KernelInfo, RunInfo};

/// What two runs differ in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In what, e.g. `the seed`.
    pub what: String,
    /// What one has.
    pub here: String,
    /// What the other has.
    pub there: String,
}

/// The first thing in which runs of one plan must not differ, and these do. Hosts, numbers of jobs, paths and names
/// may.
pub fn first_difference(here: &RunInfo, there: &RunInfo) -> Option<Difference> {
    first(&facts(here), &facts(there))
}

/// The first thing in which a kernel of a run differs from what it was.
pub fn kernel_difference(here: &KernelInfo, there: &KernelInfo) -> Option<Difference> {
    first(&facts_of_kernel(here), &facts_of_kernel(there))
}

fn first(here: &[Fact], there: &[Fact]) -> Option<Difference> {
    let value = |facts: &[Fact], what: &str| {
        let found = facts.iter().find(|fact| fact.what == what);
        found.map_or_else(|| "absent".to_owned(), |fact| fact.value.clone())
    };
    here.iter().chain(there).find_map(|Fact { what, .. }| {
        let (here, there) = (value(here, what), value(there, what));
        (here != there).then(|| Difference { what: what.clone(), here, there })
    })
}

struct Fact {
    what: String,
    value: String,
}

/// What runs of one plan have in common, in the order in which a difference is told.
fn facts(info: &RunInfo) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |what: String, value: String| facts.push(Fact { what, value });
    add("schema_version".to_owned(), info.schema_version.to_string());
    add("the seed".to_owned(), info.seed.to_string());
    for (position, cell) in info.cells.iter().enumerate() {
        add(format!("cell {position}"), cell.key.to_string());
    }
    for cell in &info.cells {
        add(format!("whether {} is skipped", cell.key), cell.skipped.clone().unwrap_or_else(|| "no".to_owned()));
        add(format!("the number of trials of {}", cell.key), cell.trials.to_string());
        let expected: Vec<String> =
            cell.expect.iter().map(|it| format!("{} {} at least {}", it.channel, it.outcome, it.at_least)).collect();
        add(format!("what is expected of {}", cell.key), list(&expected));
    }
    for FileDigest { name, sha256 } in &info.scenarios {
        add(format!("the digest of scenario {name}"), sha256.clone());
    }
    for fact in info.kernels.iter().flat_map(facts_of_kernel) {
        add(fact.what, fact.value);
    }
    let qemu = &info.qemu;
    add("QEMU's version".to_owned(), qemu.version.clone());
    add("the accelerator".to_owned(), qemu.accelerator.clone());
    add("time in the guest".to_owned(), qemu.time.clone());
    add("--cold".to_owned(), qemu.cold.to_string());
    add("--phase".to_owned(), qemu.phase.to_string());
    add("--templates".to_owned(), qemu.templates.to_string());
    add("--read-back".to_owned(), qemu.read_back.to_string());
    add("--read-back-kernel".to_owned(), qemu.read_back_kernel.clone().unwrap_or_else(|| "none".to_owned()));
    add("--kdump".to_owned(), qemu.kdump.to_string());
    add("--crash-kernel".to_owned(), qemu.crash_kernel.clone().unwrap_or_else(|| "none".to_owned()));
    add("--full-vmcore".to_owned(), qemu.full_vmcore.to_string());
    add("whether guests are traced".to_owned(), qemu.traced.to_string());
    let explored = info.explored.as_ref().map(|how| serde_json::to_string(how).unwrap_or_default());
    add("how it searches".to_owned(), explored.unwrap_or_else(|| "not at all".to_owned()));
    let schedule = info.schedule.as_ref().map(|schedule| serde_json::to_string(schedule).unwrap_or_default());
    add("the schedule".to_owned(), schedule.unwrap_or_else(|| "none".to_owned()));
    add("the harness's version".to_owned(), info.harness.version.clone());
    add("the harness's commit".to_owned(), info.harness.git.clone().unwrap_or_else(|| "unknown".to_owned()));
    facts
}

fn facts_of_kernel(kernel: &KernelInfo) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |what: String, value: String| facts.push(Fact { what, value });
    let name = format!("{}@{}", kernel.variant, kernel.base);
    add(format!("the source digest of kernel {name}"), kernel.source_digest.clone());
    let patches: Vec<String> = kernel.patches.iter().map(|it| format!("{} {}", it.name, it.sha256)).collect();
    add(format!("the series of kernel {name}"), list(&patches));
    add(format!("the config digest of kernel {name}"), kernel.config_digest.clone());
    add(format!("the command line of kernel {name}"), list(&kernel.command_line));
    add(format!("the settings of kernel {name}"), list(&kernel.knobs));
    add(format!("what kernel {name} asks of guests"), serde_json::to_string(&kernel.guest).unwrap_or_default());
    let crash_kernel = kernel.crash_kernel_key.clone().unwrap_or_else(|| "the same kernel".to_owned());
    add(format!("the key of the crash kernel of kernel {name}"), crash_kernel);
    let reader = kernel.read_back_key.clone().unwrap_or_else(|| "the same kernel".to_owned());
    add(format!("the key of the kernel that reads back kernel {name}"), reader);
    add(format!("the arguments of make of kernel {name}"), list(&kernel.make_arguments));
    add(format!("the compiler of kernel {name}"), kernel.compiler.clone());
    add(format!("the key of kernel {name}"), kernel.key.clone());
    add(format!("the build id of kernel {name}"), kernel.build_id.clone());
    facts
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GuestChange;
    use crate::results::sample::info;

    /// A variant's settings are no part of its kernel's key.
    #[test]
    fn what_a_variant_sets_without_a_build_is_compared() {
        let run = info(vec![]);
        let differs = |change: fn(&mut KernelInfo)| {
            let mut now = run.clone();
            change(&mut now.kernels[0]);
            first_difference(&run, &now).map(|it| format!("{}: {}, {}", it.what, it.here, it.there)).unwrap_or_default()
        };
        assert_eq!(differs(|_| ()), "");
        let changes: [fn(&mut KernelInfo); 4] = [
            |it| it.command_line.push("quiet".to_owned()),
            |it| it.knobs.push("sysctl kernel.panic=5".to_owned()),
            |it| it.guest = GuestChange { cpus: Some(2), pstore: None },
            |it| it.crash_kernel_key = Some("0f".to_owned()),
        ];
        let expected = [
            "the command line of kernel stock@6.12: nothing, quiet",
            "the settings of kernel stock@6.12: nothing, sysctl kernel.panic=5",
            r#"what kernel stock@6.12 asks of guests: {}, {"cpus":2}"#,
            "the key of the crash kernel of kernel stock@6.12: the same kernel, 0f",
        ];
        assert_eq!(changes.map(differs), expected);
    }
}
