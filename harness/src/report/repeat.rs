//! How somebody else sees a trial again.

use std::fmt;

use crate::kernel::{Asked, is_scratch};
use crate::model::{CellKey, TrialRecord};
use crate::results::{KernelInfo, RunInfo, SCHEDULE};
use crate::text::shell_word;

/// The command that runs a trial again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// For a shell.
    pub command: String,
    /// What it takes that only the machine of the run has, each in words.
    pub needs: Vec<String>,
}

impl Repeat {
    /// The trial of a run, with its seed and its template, run in the same way.
    pub fn of(info: &RunInfo, trial: &TrialRecord) -> Self {
        let CellKey { variant, base, scenario, params } = &trial.cell;
        let mut words =
            ["harness", "trial", scenario, "--variant", variant, "--base", base].map(str::to_owned).to_vec();
        for (name, value) in params {
            words.extend(["--param".to_owned(), format!("{name}={value}")]);
        }
        words.extend(info.qemu.words());
        if let Some((number, _)) = trial.template.as_deref().and_then(|template| template.split_once(':')) {
            words.extend(["--template", number].map(str::to_owned));
        }
        words.extend(["--seed".to_owned(), trial.seed.to_string()]);
        if info.schedule.is_some() {
            words.extend(["--schedule", SCHEDULE].map(str::to_owned));
        }
        let command = words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
        Self { command, needs: needs(info, &trial.cell) }
    }
}

impl fmt::Display for Repeat {
    /// The command, and a line for each of what it needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command)?;
        self.needs.iter().try_for_each(|need| write!(f, "\n(needs {need})"))
    }
}

/// The words of a command that runs the same trials again: as the run was asked for, with its seed; of a merged run its suite or
/// its scenarios and variants.
pub fn run_again(info: &RunInfo) -> Vec<String> {
    let mut words = vec!["harness".to_owned()];
    let asked = info.command.get(1..).unwrap_or_default();
    if info.merged_from.is_empty() && asked.first().is_some_and(|word| word == "run") {
        words.extend_from_slice(asked);
    } else {
        words.push("run".to_owned());
        let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
        match &info.suite {
            Some(suite) => add("--suite", suite.clone()),
            None => info.scenarios.iter().for_each(|scenario| add("--scenario", scenario.name.clone())),
        }
        for KernelInfo { variant, base, .. } in &info.kernels {
            add("--variant", format!("{variant}@{base}"));
        }
        add("--trials", info.trials_per_cell.to_string());
        words.extend(info.qemu.words());
    }
    if !words.iter().any(|word| word == "--seed" || word.starts_with("--seed=")) {
        words.extend(["--seed".to_owned(), info.seed.to_string()]);
    }
    words
}

fn needs(info: &RunInfo, CellKey { variant, base, .. }: &CellKey) -> Vec<String> {
    let mut needs = Vec::new();
    if info.schedule.is_some() {
        needs.push(format!("{SCHEDULE} of the run"));
    }
    let asked = Asked::of(variant);
    let of_cell = |kernel: &&KernelInfo| kernel.variant == *variant && kernel.base == *base;
    let patches = info.kernels.iter().find(of_cell).map(|kernel| kernel.patches.as_slice()).unwrap_or_default();
    if is_scratch(asked.name, patches.iter().map(|patch| patch.sha256.as_str())) {
        let list: Vec<String> = patches.iter().map(|patch| format!("{} sha256:{}", patch.name, patch.sha256)).collect();
        needs.push(format!("{}, which `harness run --patch` made there of {}", asked.name, list.join(", ")));
    }
    if base.contains("+dirty-") {
        needs.push(format!("what was not committed there: {base}.diff of the run"));
    }
    if let Some(build) = asked.settings.iter().find_map(|setting| setting.strip_prefix("build=")) {
        needs.push(format!("the configuration of that machine: {build}.config of the run"));
    }
    needs
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::model::ChannelOutcome::{Lost, Saved};
    use crate::results::FileDigest;
    use crate::results::sample::{counted, info, key, trial};

    #[test]
    fn the_command_has_all_that_decides_what_is_seen() {
        let mut info = info(vec![]);
        let cell = key("stock+post_notifiers=1", "panic-during-oops-dump", "hold=1500ms order=a;b");
        let mut record = trial(3, &cell, counted(Saved, Lost));
        record.template = Some("2:d2125f5c".to_owned());
        assert_snapshot!(Repeat::of(&info, &record), @"harness trial panic-during-oops-dump --variant stock+post_notifiers=1 --base 6.12 --param hold=1500ms --param 'order=a;b' --accel tcg --time real --template 2 --seed 18446744073709551612");
        record.template = None;
        info.qemu.cold = true;
        info.qemu.kdump = true;
        assert_snapshot!(Repeat::of(&info, &record).command.split_once("b' ").unwrap().1, @"--accel tcg --time real --cold --kdump --seed 18446744073709551612");
    }

    #[test]
    fn a_run_is_asked_for_again_as_it_was() {
        let asked = |command: &[&str]| {
            let command = command.iter().map(|&word| word.to_owned()).collect();
            run_again(&RunInfo { command, seed: 7, ..info(vec![]) }).join(" ")
        };
        assert_eq!(asked(&["./harness", "run", "--suite", "quick"]), "harness run --suite quick --seed 7");
        assert_eq!(asked(&["harness", "run", "--seed=7", "--tree", "."]), "harness run --seed=7 --tree .");
        let merged = "harness run --suite quick --variant stock@6.12 --trials 20 --accel tcg --time real --seed 7";
        assert_eq!(asked(&["harness", "merge", "a", "b"]), merged);
    }

    #[test]
    fn what_only_that_machine_has_is_named() {
        let mut info = info(vec![]);
        // The name of a scratch variant ends with a digest of its patches' digests.
        let patch = FileDigest { name: "0001.patch".to_owned(), sha256: "c".repeat(64) };
        info.kernels[0].patches = vec![patch];
        let mut of = |variant: &str, base: &str| {
            let mut cell = key(variant, "panic-alone", "");
            cell.base = base.to_owned();
            (info.kernels[0].variant, info.kernels[0].base) = (variant.to_owned(), base.to_owned());
            Repeat::of(&info, &trial(0, &cell, counted(Saved, Lost))).needs
        };
        assert_eq!(of("stock", "6.12"), Vec::<String>::new());
        assert_eq!(of("fix-0a1b2c3d", "6.12"), Vec::<String>::new(), "a name alone does not make it one");
        assert_snapshot!(of("fix-52b6419d+build=mine-1", "1a2b+dirty-3c4d").join("\n"), @"
        fix-52b6419d, which `harness run --patch` made there of 0001.patch sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
        what was not committed there: 1a2b+dirty-3c4d.diff of the run
        the configuration of that machine: mine-1.config of the run
        ");
    }
}
