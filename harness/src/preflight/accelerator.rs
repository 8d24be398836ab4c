//! Accelerators, proven by a guest: `/dev/kvm` may be there, open, and yet not run one.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::ChildStdout;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::finding::{Finding, Status};
use super::host::Options;
use super::qemu::{Checked, SANDBOX};
use super::rom;
use super::run::{Group, read, shown};
use crate::guest::Accelerator;

/// How many times as long as TCG a KVM may take for the probe guest.
const SLOWER: u32 = 4;

/// Runs the probe guest under each accelerator. Returns the one to be used unless another is asked for, and a finding for
/// each.
pub(super) async fn check(options: &Options, qemu: &Checked) -> (Option<Accelerator>, Vec<Finding>) {
    let (kvm, tcg) = match written(&rom::image()) {
        Ok(file) => {
            let rom = name_of(&file);
            let (tell, told) = oneshot::channel();
            let tcg = async {
                let result = probe(options, qemu, &rom, Accelerator::Tcg, std::future::pending()).await;
                if let Ok(took) = &result {
                    // Nobody listens any more if KVM was faster, as it should be.
                    let _ = tell.send(*took);
                }
                result
            };
            let slower = async {
                let Ok(took) = told.await else { return std::future::pending().await };
                let limit = (took * SLOWER).max(options.host.patience.kvm_least);
                sleep(limit.saturating_sub(took)).await;
                limit
            };
            tokio::join!(probe(options, qemu, &rom, Accelerator::Kvm, slower), tcg)
        }
        Err(e) => {
            let why = format!("the probe guest cannot be written to a temporary file: {e}");
            (Err(why.clone()), Err(why))
        }
    };
    let used = if tcg.is_ok() { Some(Accelerator::Tcg) } else { kvm.is_ok().then_some(Accelerator::Kvm) };
    // What fails is no more than a pity as long as the other one works.
    let bad = if used.is_some() { Status::Warn } else { Status::Fail };
    let findings = [(Accelerator::Kvm, kvm), (Accelerator::Tcg, tcg)].map(|(accelerator, result)| {
        let (status, detail) = match result {
            Ok(took) => (Status::Ok, format!("ran a guest with {} vCPUs in {} ms", rom::CPUS, took.as_millis())),
            Err(why) => (bad, why),
        };
        let denied = accelerator == Accelerator::Kvm && detail.contains("Permission denied");
        let finding = Finding::new(Finding::id_of(accelerator), format!("accelerator {accelerator}"), status, detail);
        if denied { finding.fixed_by("sudo usermod -aG kvm \"$USER\" && newgrp kvm") } else { finding }
    });
    (used, findings.into())
}

/// The probe guest's file, which has no name that could be left behind.
fn written(image: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(image)?;
    Ok(file)
}

/// The name by which a process of the same user's can open a file of this one's.
fn name_of(file: &File) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}

/// Runs the probe guest. Returns how long it took, or how it failed. When `slower` comes, with a time since the start, it is too
/// slow beside the other accelerator.
async fn probe(
    options: &Options,
    qemu: &Checked,
    rom: &Path,
    accelerator: Accelerator,
    slower: impl Future<Output = Duration>,
) -> Result<Duration, String> {
    let Some(info) = &qemu.info else { return Err("not tried: there is no QEMU that can be used".to_owned()) };
    let started = Instant::now();
    let mut command = options.host.command(&info.path);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35", "-m", "16"]);
    command.args(["-accel", accelerator.name(), "-smp", &rom::CPUS.to_string()]).arg("-bios").arg(rom);
    command.args(["-chardev", "stdio,id=marks,signal=off", "-device", "isa-debugcon,iobase=0xe9,chardev=marks"]);
    command.args(["-device", "isa-debug-exit,iobase=0xf4"]);
    if qemu.sandbox {
        command.args(SANDBOX);
    }
    let mut group = Group::start(&mut command).map_err(|e| format!("QEMU does not start: {e}"))?;
    let stderr = tokio::spawn(read(group.child.stderr.take()));
    let stdout = group.child.stdout.take();

    let patience = &options.host.patience;
    let work = match accelerator {
        Accelerator::Kvm => patience.kvm,
        Accelerator::Tcg => patience.tcg,
    };
    let mut marks = Marks::default();
    let ending = tokio::select! {
        ending = watch(&mut group, stdout, &mut marks, patience.start, work) => ending,
        limit = slower => Ending::Slower(limit),
    };
    // Of a QEMU that hangs, the end closes its error channel too.
    drop(group);
    let said = timeout(patience.start, stderr).await.ok().and_then(Result::ok).and_then(Result::ok).unwrap_or_default();
    judge(&marks, &ending, &said).map(|()| started.elapsed())
}

/// How the probe guest ended.
#[derive(Debug)]
enum Ending {
    Exit(ExitStatus),
    Late(Duration),
    Slower(Duration),
    Unreadable(io::Error),
}

/// Takes the guest's marks until QEMU ends, or none comes for `start` at first and for `work` from then on.
async fn watch(
    group: &mut Group,
    stdout: Option<ChildStdout>,
    marks: &mut Marks,
    start: Duration,
    work: Duration,
) -> Ending {
    let mut limit = start;
    if let Some(mut stdout) = stdout {
        loop {
            match timeout(limit, take(&mut stdout, marks)).await {
                Ok(Ok(true)) => limit = work,
                Ok(Ok(false)) => break,
                Ok(Err(e)) => return Ending::Unreadable(e),
                Err(_) => return Ending::Late(limit),
            }
        }
    }
    match timeout(work, group.wait()).await {
        Ok(Ok(status)) => Ending::Exit(status),
        Ok(Err(e)) => Ending::Unreadable(e),
        Err(_) => Ending::Late(work),
    }
}

/// Takes what the guest has written since. False at the end of the channel.
async fn take(stdout: &mut ChildStdout, marks: &mut Marks) -> io::Result<bool> {
    let mut buffer = [0; 256];
    let read = stdout.read(&mut buffer).await?;
    marks.count(buffer.get(..read).unwrap_or_default());
    Ok(read > 0)
}

/// How often the guest has written each of its marks, all vCPUs together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Marks {
    real: u32,
    protected: u32,
    long: u32,
    timer: u32,
    parts: u32,
}

impl Marks {
    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let mark = match byte {
                b'R' => &mut self.real,
                b'P' => &mut self.protected,
                b'L' => &mut self.long,
                b'T' => &mut self.timer,
                b'.' => &mut self.parts,
                _ => continue,
            };
            *mark = mark.saturating_add(1);
        }
    }

    fn total(self) -> u32 {
        [self.real, self.protected, self.long, self.timer, self.parts].into_iter().fold(0, u32::saturating_add)
    }

    /// How far the guest got, in words.
    fn reached(self) -> String {
        let cpus = rom::CPUS;
        if self.timer > 0 {
            // Of the part that each vCPU is at, all but the last instruction may be done.
            let parts = u64::from(self.parts).saturating_add(u64::from(cpus));
            return format!(
                "{} of {cpus} vCPUs got to work in 64-bit mode and did {} of {} parts of it, less than {} million \
                 instructions",
                self.timer,
                self.parts,
                cpus.saturating_mul(rom::PARTS),
                parts.saturating_mul(rom::PART_INSTRUCTIONS).div_ceil(1_000_000)
            );
        }
        let stages =
            [(self.long, "64-bit mode"), (self.protected, "32-bit mode"), (self.real, "its first instruction")];
        let reached = stages.into_iter().find(|(count, _)| *count > 0);
        reached.map_or_else(
            || "it ran no instruction".to_owned(),
            |(count, stage)| format!("the furthest that a vCPU came is {stage} ({count} of {cpus})"),
        )
    }
}

/// What the probe says of the accelerator.
fn judge(marks: &Marks, ending: &Ending, said: &str) -> Result<(), String> {
    let complaint = complaint(said);
    let why = match ending {
        Ending::Exit(status) if status.code() == Some(rom::EXIT_CODE) => {
            if marks.total() == rom::MARKS {
                return Ok(());
            }
            "the guest ended, but not as it should".to_owned()
        }
        // With no sign of the guest, it is QEMU that has something to say.
        Ending::Exit(_) if marks.total() == 0 && complaint.is_some() => return Err(complaint.unwrap_or_default()),
        Ending::Exit(status) if status.success() => "the guest's CPU failed and was reset".to_owned(),
        Ending::Exit(status) => format!("QEMU ended with {status}"),
        Ending::Late(limit) => format!("the guest did nothing more for {limit:?}"),
        Ending::Slower(limit) => {
            format!("the guest did not end within {} ms, far more than TCG's took", limit.as_millis())
        }
        Ending::Unreadable(e) => format!("the guest cannot be watched: {e}"),
    };
    let complaint = complaint.map(|line| format!("; QEMU says: {line}")).unwrap_or_default();
    Err(format!("{why}: {}{complaint}", marks.reached()))
}

/// The first thing QEMU complains of that is not just a warning.
fn complaint(said: &str) -> Option<String> {
    let line = said.lines().map(str::trim).find(|line| !line.is_empty() && !line.contains("warning: "))?;
    Some(shown(line.split_once(": ").filter(|(program, _)| program.contains("qemu")).map_or(line, |(_, rest)| rest)))
}

#[cfg(test)]
mod tests;
