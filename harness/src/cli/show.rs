//! `harness show`, `harness crash` and `harness drgn`: one trial, with all that is kept of it.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::str::FromStr;

use object::{Object as _, ReadCache};
use serde_json::json;

use super::project::{project, results};
use super::{Failure, Global, Output, print, print_json};
use crate::kernel::vmlinux_of;
use crate::model::TrialRecord;
use crate::model::artifacts::{DIFFERENCE, VMCORE};
use crate::project::Project;
use crate::report::{Repeat, ShownTrial, shown_trial, trial_page};
use crate::results::{KernelInfo, LATEST, Run, RunInfo, write_whole};

/// More than is kept of a console.
const CONSOLE_BYTES: u32 = 4 << 20;
/// No table of what channels have of a log is longer, but one of a guest that floods.
const DIFFERENCE_BYTES: u64 = 1 << 20;

/// A trial of a run: `latest:12`, `20261130-…:3`, `./results/x:0`; `12` is the latest run's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TrialName {
    run: String,
    trial: u64,
}

impl FromStr for TrialName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (run, number) = text.rsplit_once(':').unwrap_or((LATEST, text));
        let trial = number.parse().ok().filter(|_| !run.is_empty() && !number.starts_with('+'));
        let trial = trial.ok_or("a trial is named by its run and its number, as in latest:12")?;
        Ok(Self { run: run.to_owned(), trial })
    }
}

/// Show one trial: what each channel kept and lost first, what each CPU did, where it hung, and how to repeat it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness show latest:12")]
pub struct Arguments {
    /// The run, by its id, `latest`, or a path with a `/`, and the trial's number; a number alone is the latest run's
    #[arg(value_name = "RUN:N")]
    trial: TrialName,
    /// Write it as a page for a browser instead, one HTML file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Open a dump of a trial's memory in a debugger, with its kernel.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  harness crash latest:12\n  harness drgn latest:12 -- script.py")]
pub struct DebuggerArguments {
    /// The run, by its id, `latest`, or a path with a `/`, and the trial's number; a number alone is the latest run's
    #[arg(value_name = "RUN:N")]
    trial: TrialName,
    /// What else the debugger is given, behind `--`
    #[arg(last = true, value_name = "ARG")]
    arguments: Vec<String>,
}

pub fn main(global: &Global, Arguments { trial, html }: &Arguments) -> Result<ExitCode, Failure> {
    let run = Run::find(&results(global, &project(global)?), &trial.run)?;
    let (info, record) = (run.info()?, run.trial(trial.trial)?);
    if let Some(file) = html {
        write_whole(file, trial_page(&info, &record, &run)?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let (folder, timeline) = (run.artifacts(record.index), run.timeline(record.index)?);
    let (console, difference) = (run.console_tail(record.index, CONSOLE_BYTES)?, difference(&folder));
    let files = files(&folder);
    match global.format {
        Output::Text => print(&shown_trial(&ShownTrial {
            info: &info,
            record: &record,
            timeline: timeline.as_ref(),
            console: console.as_deref(),
            difference: difference.as_deref(),
            folder: &folder,
            files: &files,
        }))?,
        Output::Json => {
            let Repeat { command, needs } = Repeat::of(&info, &record);
            let files: Vec<_> = files.iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect();
            let console = console.map(|console| String::from_utf8_lossy(&console).into_owned());
            print_json(&json!({
                "run_id": run.id(), "trial": record, "timeline": timeline, "difference": difference, "console": console,
                "again": { "command": command, "needs": needs }, "folder": folder, "files": files,
            }))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Its table of what each channel has of the log; none where nothing is lacking.
fn difference(folder: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(folder.join(DIFFERENCE)).ok()?.take(DIFFERENCE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files in its folder, with their sizes, by name.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let file = |entry: std::fs::DirEntry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len()));
    let mut files: Vec<(String, u64)> = entries.filter_map(file).collect();
    files.sort();
    files
}

/// `harness crash`
pub fn crash(global: &Global, arguments: &DebuggerArguments) -> Result<ExitCode, Failure> {
    let Dumped { vmlinux, vmcore } = Dumped::of(global, &arguments.trial)?;
    become_debugger("crash", Command::new("crash").arg(vmlinux).arg(vmcore).args(&arguments.arguments))
}

/// `harness drgn`
pub fn drgn(global: &Global, arguments: &DebuggerArguments) -> Result<ExitCode, Failure> {
    let Dumped { vmlinux, vmcore } = Dumped::of(global, &arguments.trial)?;
    become_debugger(
        "drgn",
        Command::new("drgn").arg("--core").arg(vmcore).arg("--symbols").arg(vmlinux).args(&arguments.arguments),
    )
}

/// Does not return but with an error: the debugger takes this program's place, and its terminal.
fn become_debugger(name: &str, command: &mut Command) -> Result<ExitCode, Failure> {
    let error = command.exec();
    let hint = if error.kind() == std::io::ErrorKind::NotFound {
        format!("\n\nhint: install it, as by `apt-get install {}`", if name == "drgn" { "python3-drgn" } else { name })
    } else {
        String::new()
    };
    Err(Failure::host(format!("start {name}: {error}{hint}")))
}

/// A dump of a trial's memory, and the kernel that it is of.
struct Dumped {
    vmlinux: PathBuf,
    vmcore: PathBuf,
}

impl Dumped {
    fn of(global: &Global, TrialName { run, trial }: &TrialName) -> Result<Self, Failure> {
        let project = project(global)?;
        let run = Run::find(&results(global, &project), run)?;
        let (info, record) = (run.info()?, run.trial(*trial)?);
        let vmcore = run.artifacts(record.index).join(VMCORE);
        if !vmcore.is_file() {
            return Err(Failure::input(format!(
                "trial {trial} of run {} has no dump of its memory: there is no {}\n\nhint: a scenario whose guest has a crash \
                 kernel leaves one (`guest: {{ kdump: loaded }}`), all of it with --full-vmcore:\n  {} --full-vmcore",
                run.id(),
                vmcore.display(),
                Repeat::of(&info, &record)
            )));
        }
        let vmlinux = vmlinux(&project, &info, &record)?;
        Ok(Self { vmlinux, vmcore })
    }
}

/// The kernel of a trial, as a file with symbols and debug information.
fn vmlinux(project: &Project, info: &RunInfo, record: &TrialRecord) -> Result<PathBuf, Failure> {
    let name = record.cell.kernel();
    let of_trial = |kernel: &&KernelInfo| (&kernel.variant, &kernel.base) == (&name.variant, &name.base);
    let key = info.kernels.iter().find(of_trial).map(|kernel| kernel.key.as_str());
    let vmlinux = key.map(|key| vmlinux_of(project.cache(), key)).filter(|vmlinux| vmlinux.is_file());
    let vmlinux = vmlinux.ok_or_else(|| {
        Failure::input(format!(
            "the kernel {name} of this trial is not in the cache any more, or was not built here\n\nhint: `harness build {name}` \
             builds it, with the same addresses if it is of the same source, configuration and compiler"
        ))
    })?;
    if has_debug_information(&vmlinux)? {
        return Ok(vmlinux);
    }
    Err(Failure::input(format!(
        "{} has no debug information, by which a debugger knows the kernel's structures\n\nhint: run the scenario on a kernel \
         that has it, such as the variant debug-info:\n  harness trial {} --variant debug-info --base {} --full-vmcore",
        vmlinux.display(),
        record.cell.scenario,
        record.cell.base
    )))
}

/// Whether an ELF file has debug information, without reading all of it.
fn has_debug_information(vmlinux: &Path) -> Result<bool, Failure> {
    let reading = |error: &dyn std::fmt::Display| Failure::host(format!("read {}: {error}", vmlinux.display()));
    let file = ReadCache::new(File::open(vmlinux).map_err(|error| reading(&error))?);
    let elf = object::File::parse(&file).map_err(|error| reading(&error))?;
    Ok(elf.section_by_name(".debug_info").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_named_by_its_run_and_its_number() {
        let name = |run: &str, trial| Ok(TrialName { run: run.to_owned(), trial });
        assert_eq!("latest:12".parse(), name("latest", 12));
        assert_eq!("12".parse(), name("latest", 12));
        assert_eq!("./results/a:b:0".parse(), name("./results/a:b", 0));
        for wrong in ["", ":", ":1", "latest:", "latest:x", "latest:-1", "latest:+1", "latest"] {
            assert!(wrong.parse::<TrialName>().is_err(), "{wrong}");
        }
    }
}
