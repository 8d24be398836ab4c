//! What went into a run.

use serde::Serialize;

use crate::results::{HostInfo, KernelInfo, RunInfo};
use crate::text::{plural, shell_word};

/// What went into a run.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    /// Names and values.
    pub of_run: Vec<(&'static str, String)>,
    pub kernels: Vec<KernelFacts>,
    pub scenarios: Vec<(String, String)>,
}

/// Which kernel it was.
#[derive(Debug, Serialize)]
pub(super) struct KernelFacts {
    pub name: String,
    pub release: String,
    pub build_id: String,
    /// What else there is to say: names and values.
    pub facts: Vec<(&'static str, String)>,
}

impl Facts {
    pub(super) fn of(info: &RunInfo) -> Self {
        Self {
            of_run: of_run(info),
            kernels: info.kernels.iter().map(kernel).collect(),
            scenarios: info.scenarios.iter().map(|file| (file.name.clone(), short(&file.sha256))).collect(),
        }
    }
}

fn of_run(info: &RunInfo) -> Vec<(&'static str, String)> {
    let command = info.command.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
    let qemu = &info.qemu;
    let mut how = vec![format!("time {}", qemu.time), format!("phase {}", qemu.phase)];
    how.push(if qemu.cold { "every trial booted".to_owned() } else { plural(qemu.templates as usize, "template") });
    let switches = [
        ("traced", qemu.traced),
        ("read back", qemu.read_back),
        ("with a crash kernel", qemu.kdump),
        ("full vmcores", qemu.full_vmcore),
    ];
    how.extend(switches.into_iter().filter(|(_, on)| *on).map(|(what, _)| what.to_owned()));
    how.extend(qemu.crash_kernel.as_ref().map(|variant| format!("crash kernel {variant}")));
    let mut facts = vec![
        ("run", info.run_id.clone()),
        ("started", info.started.clone()),
        ("command", command),
        ("suite", info.suite.clone().unwrap_or_default()),
        ("seed", info.seed.to_string()),
        ("trials in each cell", info.trials_per_cell.to_string()),
        ("QEMU", format!("{}, {}", qemu.version, qemu.accelerator.to_uppercase())),
        ("trials", how.join(", ")),
        (
            "harness",
            [Some(info.harness.version.clone()), info.harness.git.clone()]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", "),
        ),
    ];
    if let Some(until) = info.until {
        facts.push((
            "until decided",
            format!("error rate {}, margin {}, at most {}", until.error_rate, until.margin, until.at_most),
        ));
    }
    if let Some(shard) = info.shard {
        facts.push(("shard", format!("{} of {}", shard.index(), shard.of())));
    }
    if !info.merged_from.is_empty() {
        facts.push(("merged from", info.merged_from.join(", ")));
    }
    let hosts = if info.hosts.is_empty() { std::slice::from_ref(&info.host) } else { &info.hosts };
    facts.extend(hosts.iter().map(|host| ("host", host_in_words(host))));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn host_in_words(host: &HostInfo) -> String {
    let HostInfo { os, kernel, cpu, cores, memory_bytes } = host;
    format!("{os}, Linux {kernel}, {cpu}, {}, {} MiB", plural(*cores as usize, "processor"), memory_bytes >> 20)
}

fn kernel(kernel: &KernelInfo) -> KernelFacts {
    let patches = kernel.patches.iter().map(|patch| format!("{} ({})", patch.name, short(&patch.sha256)));
    let facts = [
        ("commit", kernel.commit.clone().unwrap_or_default()),
        ("patches", patches.collect::<Vec<_>>().join(", ")),
        ("command line", kernel.command_line.join(" ")),
        ("settings", kernel.knobs.join(", ")),
        ("make", kernel.make_arguments.join(" ")),
        ("compiler", kernel.compiler.clone()),
        ("configuration", short(&kernel.config_digest)),
        ("key", short(&kernel.key)),
    ];
    KernelFacts {
        name: format!("{}@{}", kernel.variant, kernel.base),
        release: kernel.release.clone(),
        build_id: kernel.build_id.clone(),
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
    }
}

/// As many digits of a digest as tell it from others.
fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}
