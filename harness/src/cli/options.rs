//! The options of trials on the command line.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::failure::Failure;
use crate::guest::Time;
use crate::kernel::{self, Canceller, CustomBuild, TreeBases, ignored_variables};
use crate::model::Phase;
use crate::project::Project;
use crate::session::{AskedAccelerator, TrialOptions};

/// How kernels are built, on the command line.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildArguments {
    /// Configure the kernels by this file: a whole `.config`, in place of the laboratory's own, or a fragment that goes over it.
    /// What the harness needs goes on top: `harness kconfig` tells
    #[arg(long, value_name = "FILE")]
    kconfig: Option<PathBuf>,
    /// An argument for the kernel's make, as in LLVM=1, CC=gcc-13, CC="ccache gcc", KCFLAGS=-O3 (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    make_arg: Vec<String>,
}

impl BuildArguments {
    /// Keeps them, and returns what they add to the names of variants.
    pub fn suffix(&self, project: &Project) -> Result<String, Failure> {
        if let Some(note) = ignored_variables(|name| std::env::var(name).ok()) {
            eprintln!("{note}");
        }
        Ok(CustomBuild::keep(project, self.kconfig.as_deref(), &self.make_arg)?)
    }
}

/// Kernels by what they are, on the command line.
#[derive(Debug, Clone, clap::Args)]
pub struct TreeArguments {
    /// The git tree with your work, as it lies there, beside the commit that it began with: both are built, run and compared.
    /// Unless variants are named, it is stock alone; unless a suite or scenarios are, it is the suite quick
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// With --tree: what the work began with is the last commit in common with this one [default: the branch's upstream]
    #[arg(long, value_name = "REV", requires = "tree")]
    against: Option<String>,
    /// A kernel to make the variants of, by what it is (repeatable): a folder, that is a git tree as it lies there; a tarball;
    /// PACKAGE/SUITE; or a commit, a tag, or both ends of a range A..B of the git tree in this folder
    #[arg(long, value_name = "KERNEL")]
    kernel: Vec<String>,
    #[command(flatten)]
    prebuilt: PrebuiltArguments,
}

/// Kernels that are built already, on the command line.
#[derive(Debug, Clone, clap::Args)]
pub struct PrebuiltArguments {
    /// A kernel that is built already, as its bzImage: /boot/vmlinuz-RELEASE (repeatable, each with its --kernel-build). Only
    /// crashlab is built, against the build folder, which is not written to
    #[arg(long, value_name = "FILE", requires = "kernel_build")]
    kernel_image: Vec<PathBuf>,
    /// The build folder of that kernel, or a distribution's headers: /lib/modules/RELEASE/build
    #[arg(long, value_name = "DIR", requires = "kernel_image")]
    kernel_build: Vec<PathBuf>,
}

impl PrebuiltArguments {
    /// Makes bases of them; returns their names.
    pub fn bases(&self, project: &Project) -> Result<Vec<String>, Failure> {
        let Self { kernel_image: images, kernel_build: builds } = self;
        if images.len() != builds.len() {
            return Err(Failure::input(format!(
                "there are {} kernels that are built already, and {} build folders\n\n\
                 hint: --kernel-build belongs to each --kernel-image, in the same order",
                images.len(),
                builds.len()
            )));
        }
        let bases = images.iter().zip(builds).map(|(image, build)| kernel::prebuilt_as_base(project, image, build));
        Ok(bases.collect::<Result<_, _>>()?)
    }
}

impl TreeArguments {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.tree.is_some() || !self.kernel.is_empty() || !self.prebuilt.kernel_image.is_empty()
    }

    /// Makes bases of them: those of the tree, and the names of all.
    pub fn bases(&self, project: &Project) -> Result<(Option<TreeBases>, Vec<String>), Failure> {
        let canceller = Canceller::default();
        let tree = self.tree.as_ref().map(|tree| TreeBases::of(project, tree, self.against.as_deref(), &canceller));
        let tree = tree.transpose()?;
        let mut names: Vec<String> =
            tree.iter().flat_map(|tree| [tree.against.clone(), tree.candidate.clone()]).collect();
        for kernel in &self.kernel {
            names.extend(kernel::bases_named(project, kernel, &canceller)?);
        }
        names.extend(self.prebuilt.bases(project)?);
        Ok((tree, names))
    }
}

/// How trials are run, on the command line.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct TrialArguments {
    /// What every trial's seed is derived from; of `trial`: the trial's own seed [default: the clock]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many CPUs of guests may be busy at a time: a guest counts once, or as often as CPUs of it are busy at once
    /// [default: the number of processors, less if memory is short]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// What executes the guests
    #[arg(long = "accel", value_enum, default_value_t)]
    accelerator: AskedAccelerator,
    /// How time passes in the guest
    #[arg(long, value_enum, default_value_t = Time::Real)]
    time: Time,
    /// Boot every trial from its first instruction instead of restoring a guest that is booted already
    #[arg(long)]
    cold: bool,
    /// How many booted guests are saved for each kernel, for trials to be restored from in turn. What one boot decided by
    /// chance is in every trial that is restored from it [default: one for every five trials of a cell, 8 at most]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=64), conflicts_with = "cold")]
    templates: Option<u32>,
    /// Whether each trial draws, from its seed, how its faults lie against timer ticks and the turns of the CPUs; `fixed`
    /// is for debugging
    #[arg(long, value_parser = phases(), default_value_t)]
    phase: Phase,
    /// After each trial of which pstore has something, boot the same kernel again and see whether it can read that
    #[arg(long)]
    read_back: bool,
    /// Read back with another kernel than the one under test, and see whether it can read what that has written
    #[arg(long, value_name = "NAME")]
    read_back_kernel: Option<String>,
    /// Load a crash kernel in every guest, also where the scenario has none. What such a scenario expects is not judged:
    /// the kernel dies in another way then
    #[arg(long)]
    kdump: bool,
    /// The variant that is the crash kernel, where one is loaded [default: the kernel under test]
    #[arg(long, value_name = "NAME")]
    crash_kernel: Option<String>,
    /// Keep all of the dead kernel's memory, where a crash kernel can read it; as large as the guest's
    #[arg(long)]
    full_vmcore: bool,
    /// Whether to record what the guests' CPUs do, from outside
    #[arg(long, value_enum, default_value_t = Trace::Auto)]
    trace: Trace,
}

/// The words for a phase.
fn phases() -> impl TypedValueParser<Value = Phase> {
    let drawn = PossibleValue::new("drawn").help("Each from its seed");
    let fixed = PossibleValue::new("fixed").help(
        "No: every trial has the phase of its template, for debugging. What such trials show of one template need not hold \
         for any other",
    );
    let phase = |word: String| if word == "fixed" { Phase::Fixed } else { Phase::Drawn };
    PossibleValuesParser::new([drawn, fixed]).map(phase)
}

/// Whether guests are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Trace {
    /// If this machine can.
    Auto,
    /// No.
    Off,
}

impl TrialArguments {
    /// The options themselves. Without a seed it is one from the clock.
    pub fn options(&self) -> TrialOptions {
        TrialOptions {
            seed: self.seed.unwrap_or_else(seed_of_the_clock),
            jobs: self.jobs,
            accelerator: self.accelerator,
            time: self.time,
            cold: self.cold,
            templates: self.templates,
            phase: self.phase,
            read_back: self.read_back || self.read_back_kernel.is_some(),
            read_back_kernel: self.read_back_kernel.clone(),
            kdump: self.kdump,
            crash_kernel: self.crash_kernel.clone(),
            full_vmcore: self.full_vmcore,
            trace: self.trace == Trace::Auto,
            schedule: None,
        }
    }

    /// The number of jobs, which may be another when a run is resumed.
    pub fn jobs(&self) -> Option<u32> {
        self.jobs
    }
}

/// Below 2^53, so that every reader of JSON keeps it whole.
fn seed_of_the_clock() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() ^ (u64::from(since.subsec_nanos()) << 20)) & ((1 << 53) - 1)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::results::sample::info;
    use crate::results::{QemuInfo, RunInfo};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: TrialArguments,
    }

    /// A run's trials are run again in the same way by the words that its record gives.
    #[test]
    fn a_run_is_described_by_words_that_are_read_as_the_same() {
        let usual = info(vec![]);
        let qemu = QemuInfo {
            time: "virtual".into(),
            phase: Phase::Fixed,
            traced: false,
            read_back: true,
            kdump: true,
            crash_kernel: Some("stock".into()),
            full_vmcore: true,
            ..usual.qemu.clone()
        };
        let unusual = RunInfo { seed: 7, qemu, ..usual.clone() };
        let other =
            QemuInfo { cold: true, read_back: true, read_back_kernel: Some("stock@6.1".into()), ..usual.qemu.clone() };
        let cold = RunInfo { qemu: other, ..usual.clone() };
        for info in [usual, unusual, cold] {
            let words =
                ["x".to_owned()].into_iter().chain(info.qemu.words()).chain(["--seed".into(), info.seed.to_string()]);
            let read = Line::try_parse_from(words).unwrap().arguments.options();
            assert_eq!(TrialOptions { templates: Some(4), ..read }, TrialOptions::again(&info, None));
        }
    }

    #[test]
    fn a_seed_of_the_clock_is_kept_whole_by_readers_of_json() {
        assert!(seed_of_the_clock() < 1 << 53);
    }
}
