//! PID 1 of the guest: loads crashlab, says that it is ready, writes the witness lines, fires.
//!
//! What to do comes in one text by `fw_cfg`, one [`Directive`] a line; what happens goes out on the second serial port,
//! one [`AgentMessage`] a line. Neither needs a shell, a network or a file system of the guest's own.
//!
//! If its initramfs has a crash kernel, that is loaded before it says that it is ready. Booted by that kernel, which is
//! told so on its command line, it hands over what the dead kernel left: see [`capture`].

mod capture;
mod crash_kernel;
mod efivars;
mod host;
mod modules;
mod workload;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use harness_protocol::message::address_of;
use harness_protocol::{AgentMessage, Command, CrashlabAddresses, Directive, Note, directive, image, witness};
use host::Host;
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, reboot};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Most directives end before this.
const USUAL_BYTES: usize = 512;
const CRASHLAB: &str = "/sys/module/crashlab/parameters/command";
const PAGE: &str = "/sys/module/crashlab/parameters/page";
const MAPPED: &str = "/sys/module/crashlab/parameters/mapped";
/// Where the note is that tells readers of memory where things are: its physical address and its size.
const VMCOREINFO: &str = "/sys/kernel/vmcoreinfo";
const CODE: &str = "/sys/module/crashlab/sections/.text";

/// How often a guest without directives looks for them before it says that it has settled: five seconds of its own
/// time, in which the kernel does what it had put off while booting (frees its init sections, purges unmapped areas,
/// balances its CPUs), so that not every guest restored from this one does it again beside the faults.
const SETTLING_POLLS: u32 = 2500;

/// Before this witness line a tracer is called.
const CALL_BEFORE: u32 = 20;

/// Where the kernel has an item of `fw_cfg` (Linux: `Documentation/ABI/testing/sysfs-firmware-qemu_fw_cfg`).
fn item(name: &str) -> String {
    format!("/sys/firmware/qemu_fw_cfg/by_name/{name}/raw")
}

/// The files that a trial needs, open before the guest is saved: what is done once is not done in every trial.
struct Files {
    directives: File,
    crashlab: File,
    log: File,
}

impl Files {
    fn open() -> Result<Self, String> {
        let write = |path: &str| OpenOptions::new().write(true).open(path).map_err(|e| format!("open {path}: {e}"));
        let directives = item(directive::ITEM);
        let directives = File::open(&directives).map_err(|e| format!("open {directives}: {e}"))?;
        Ok(Self { directives, crashlab: write(CRASHLAB)?, log: write("/dev/kmsg")? })
    }

    /// A write to crashlab, whose answer is the error number of the write.
    fn command(&self, command: Command<'_>) -> Result<(), String> {
        let line = command.to_string();
        (&self.crashlab).write_all(line.as_bytes()).map_err(|e| format!("{line}: {e}"))
    }
}

fn main() {
    if std::env::args().any(|word| word == image::CAPTURE_WORD) {
        let Err(error) = mount_all().and_then(|()| modules::load()).and_then(|()| capture::serve());
        eprintln!("agent: {error}");
        wait_for_the_end();
    }
    let Err(error) = prepare().and_then(|mut host| {
        serve(&mut host).inspect_err(|error| {
            let _ = host.say(&AgentMessage::Error(error.clone()));
        })
    }) else {
        return;
    };
    // If the port could not be opened, the console is all that is left.
    eprintln!("agent: {error}");
    wait_for_the_end();
}

fn mount_all() -> Result<(), String> {
    for (what, on) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        mount(what, on, what, MountFlags::empty(), None).map_err(|e| format!("mount {what} on {on}: {e}"))?;
    }
    Ok(())
}

fn prepare() -> Result<Host, String> {
    mount_all()?;
    Host::open("/dev/ttyS1")
}

fn serve(host: &mut Host) -> Result<(), String> {
    modules::load()?;
    crash_kernel::load()?;
    let module = File::open(image::CRASHLAB).map_err(|e| format!("open {}: {e}", image::CRASHLAB))?;
    rustix::system::finit_module(&module, c"", 0).map_err(|e| format!("load crashlab: {e}"))?;
    let files = Files::open()?;
    host.say(&ready()?)?;

    let boot = item(directive::BOOT_ITEM);
    let boot = read_number(&boot, |text| u64::from_str_radix(text, 16).ok())?;
    let text = await_directives(&files.directives, host, boot)?;
    let mut nonce = String::new();
    let mut witnesses = 0;
    let mut traced = false;
    let (mut reload_on, mut exit_on, mut report_after) = (None, None, None);
    let mut program = None;
    for line in text.lines() {
        match line.parse().map_err(|e| format!("directive `{line}`: {e}"))? {
            Directive::Nonce(word) => {
                files.command(Command::Nonce(&word))?;
                nonce = word;
            }
            Directive::Witnesses(n) => witnesses = n,
            Directive::Set { path, value } => write(&path, &value)?,
            Directive::Arm(actor) => files.command(Command::Arm(&actor))?,
            Directive::AwaitHost => host.hear()?,
            Directive::AwaitTracer => traced = true,
            Directive::ReloadCrashKernel(cpu) => reload_on = Some(cpu),
            Directive::ExitOn(cpu) => exit_on = Some(cpu),
            Directive::ReportAfter(time) => report_after = Some(time),
            Directive::Workload(workload) => program = Some(workload),
            Directive::Efivars(load) => efivars::start(&load)?,
            Directive::RunOn(cpu) => run_on(cpu)?,
            Directive::Fire { after } => {
                write_witness_lines(&files, &nonce, witnesses, traced)?;
                if traced {
                    files.command(Command::AwaitTracer)?;
                }
                std::thread::sleep(after);
                let fired = std::time::Instant::now();
                files.command(Command::Fire)?;
                if let Some(cpu) = reload_on {
                    crash_kernel::load_on(cpu)?;
                }
                if let Some(cpu) = exit_on {
                    run_on(cpu)?;
                    files.command(Command::AwaitExit)?;
                    std::process::exit(0);
                }
                if let Some(program) = &program {
                    workload::run(host, program)?;
                }
                if let Some(time) = report_after {
                    std::thread::sleep(time.saturating_sub(fired.elapsed()));
                    host.say(&AgentMessage::Alive)?;
                }
                wait_for_the_end();
            }
            Directive::ReadPstore => {
                send_pstore(host)?;
                reboot(RebootCommand::PowerOff).map_err(|e| format!("power off: {e}"))?;
            }
        }
    }
    Err("the directives end without `fire`".to_owned())
}

/// What the host is told of the kernel and of crashlab.
fn ready() -> Result<AgentMessage, String> {
    let decimal = |text: &str| text.parse().ok();
    // A kernel that cannot be dumped has none.
    let vmcoreinfo = match read(VMCOREINFO) {
        Ok(text) => Some(Note::parse(&text).ok_or_else(|| format!("read {VMCOREINFO}: `{text}` is no note"))?),
        Err(_) => None,
    };
    Ok(AgentMessage::Ready {
        release: read("/proc/sys/kernel/osrelease")?,
        notes: fs::read("/sys/kernel/notes").map_err(|e| format!("read /sys/kernel/notes: {e}"))?,
        crashlab: CrashlabAddresses {
            page: read_number(PAGE, decimal)?,
            mapped: read_number(MAPPED, decimal)?,
            code: read_number(CODE, address_of)?,
        },
        vmcoreinfo,
    })
}

/// A file's text, without blanks around it.
fn read(path: &str) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("read {path}: {e}"))?;
    Ok(text.trim().to_owned())
}

fn read_number(path: &str, parse: impl FnOnce(&str) -> Option<u64>) -> Result<u64, String> {
    let text = read(path)?;
    parse(&text).ok_or_else(|| format!("read {path}: `{text}` is not a number"))
}

/// Reads the directives, or waits for them: a guest that is to be saved has none, and is given its own when it is
/// restored.
///
/// The item is padded with line feeds to a fixed size; every byte of it that is read is an instruction's exit to QEMU.
/// So only the first byte is polled: a line feed means that the item is empty, or that it was swapped under a read that
/// had begun before the guest was saved.
///
/// Guests that are saved should differ as boots do. So the order in which pages are free, and how long the guest settles,
/// are drawn from `boot`.
fn await_directives(item: &File, host: &mut Host, boot: u64) -> Result<String, String> {
    let read = |bytes: &mut [u8]| item.read_at(bytes, 0).map_err(|e| format!("read the directives: {e}"));
    let mut polls: u32 = 0;
    let settled = SETTLING_POLLS + u32::from(boot.to_le_bytes()[0]) / 2;
    let mut first = [b'\n'];
    while read(&mut first)? == 1 && first == [b'\n'] {
        polls = polls.saturating_add(1);
        if polls == 1 {
            shuffle_memory(boot);
        }
        if polls == settled {
            host.say(&AgentMessage::Settled)?;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut bytes = vec![0; USUAL_BYTES];
    let mut n = read(&mut bytes)?;
    if !bytes.get(..n).is_some_and(|read| read.ends_with(b"\n\n")) {
        bytes.resize(directive::ITEM_BYTES, 0);
        n = read(&mut bytes)?;
    }
    bytes.truncate(n);
    let text = String::from_utf8(bytes).map_err(|e| format!("read the directives: {e}"))?;
    Ok(text.trim_end().to_owned())
}

/// Moves to a CPU, and stays there. Where it is not online it is one of those that are.
fn run_on(cpu: u32) -> Result<(), String> {
    // It may have been sent to one of them before. Of all the kernel takes those that are online.
    let mut all = CpuSet::new();
    (0..64).for_each(|cpu| all.set(cpu));
    sched_setaffinity(None, &all).map_err(|e| format!("move to any CPU: {e}"))?;
    let online = sched_getaffinity(None).map_err(|e| format!("find out which CPUs there are: {e}"))?;
    let online: Vec<usize> = (0..64).filter(|cpu| online.is_set(*cpu)).collect();
    let cpu = online.get(cpu as usize % online.len().max(1)).copied().unwrap_or_default();
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).map_err(|e| format!("move to CPU {cpu}: {e}"))
}

/// Takes memory in pieces of sizes that are drawn from `seed`, and gives it back in another order.
fn shuffle_memory(seed: u64) {
    let sizes = seed.to_le_bytes().map(|byte| usize::from(byte) * 1024);
    let mut pieces: Vec<Vec<u8>> = sizes.into_iter().map(|bytes| vec![1; bytes]).collect();
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    std::hint::black_box(pieces);
}

fn write(path: &str, value: &str) -> Result<(), String> {
    let mut file = OpenOptions::new().write(true).open(path).map_err(|e| format!("open {path}: {e}"))?;
    file.write_all(value.as_bytes()).map_err(|e| format!("write `{value}` to {path}: {e}"))
}

/// One line of the kernel log a `write()`: `/dev/kmsg` takes each as a record.
///
/// A tracer is called in between: when all of the code for a line is translated, and early enough for it to be awake
/// when the last line is written.
fn write_witness_lines(files: &Files, nonce: &str, of: u32, traced: bool) -> Result<(), String> {
    for n in 1..=of {
        if traced && n == of.min(CALL_BEFORE) {
            files.command(Command::CallTracer)?;
        }
        let line = format!("<6>{}\n", witness::line(nonce, n, of));
        (&files.log).write_all(line.as_bytes()).map_err(|e| format!("write witness {n} to /dev/kmsg: {e}"))?;
    }
    Ok(())
}

fn send_pstore(host: &mut Host) -> Result<(), String> {
    let folder = Path::new("/sys/fs/pstore");
    mount("pstore", folder, "pstore", MountFlags::empty(), None).map_err(|e| format!("mount pstore: {e}"))?;
    for entry in fs::read_dir(folder).map_err(|e| format!("list {}: {e}", folder.display()))? {
        let path = entry.map_err(|e| format!("list {}: {e}", folder.display()))?.path();
        let bytes = fs::read(&path).map_err(|e| format!("read {}: {e}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        host.say(&AgentMessage::File { name, bytes })?;
    }
    host.say(&AgentMessage::End)
}

/// PID 1 must not return; whatever was fired decides how this ends.
fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}
