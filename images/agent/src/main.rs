//! PID 1 of the guest: loads crashlab, says that it is ready, writes the witness lines, fires.
//!
//! What to do comes in one text by `fw_cfg`, one directive a line; what happens goes out on the second serial port, one
//! line an event. Neither needs a shell, a network or a file system of the guest's own.
//!
//! | directive | meaning |
//! |---|---|
//! | `nonce HEX` | the word that marks this trial's lines |
//! | `witnesses N` | how many witness lines to write before firing |
//! | `set PATH VALUE` | write a value to a file below `/proc/sys` or `/sys` |
//! | `arm …` | handed to crashlab as it is |
//! | `await-host` | wait for a line from the host |
//! | `await-tracer` | before firing, wait until a tracer outside of the guest is awake |
//! | `reload-crash-kernel CPU` | once fired, load the crash kernel anew, on that CPU |
//! | `run-on CPU` | move to that CPU |
//! | `fire [after_us=N]` | write the witness lines, sleep for N microseconds, fire, and wait for the end |
//! | `read-pstore` | send every file of `/sys/fs/pstore`, then power off |
//!
//! If its initramfs has a crash kernel, that is loaded before it says that it is ready. Booted by that kernel, which is
//! told so on its command line, it hands over what the dead kernel left: see [`capture`].

mod capture;
mod crash_kernel;
mod crc;
mod directive;
mod host;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use directive::Directive;
use host::Host;
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, reboot};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Size of the item with the directives, as the host pads it.
const DIRECTIVES_BYTES: usize = 4096;
/// Most directives end before this.
const USUAL_BYTES: usize = 512;
const DIRECTIVES: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/harness/trial/raw";
/// What the peculiarities of this boot are drawn from: 16 hex digits; 0 for none.
const BOOT: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/harness/boot/raw";
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

/// The files that a trial needs, open before the guest is saved: what is done once is not done in every trial.
struct Files {
    directives: File,
    crashlab: File,
    log: File,
}

impl Files {
    fn open() -> Result<Self, String> {
        let write = |path: &str| OpenOptions::new().write(true).open(path).map_err(|e| format!("open {path}: {e}"));
        let directives = File::open(DIRECTIVES).map_err(|e| format!("open {DIRECTIVES}: {e}"))?;
        Ok(Self { directives, crashlab: write(CRASHLAB)?, log: write("/dev/kmsg")? })
    }

    /// A write to crashlab, whose answer is the error number of the write.
    fn command(&self, line: &str) -> Result<(), String> {
        (&self.crashlab).write_all(line.as_bytes()).map_err(|e| format!("{line}: {e}"))
    }
}

fn main() {
    if std::env::args().any(|word| word == capture::WORD) {
        let Err(error) = mount_all().and_then(|()| capture::serve());
        eprintln!("agent: {error}");
        wait_for_the_end();
    }
    let Err(error) = prepare().and_then(|mut host| {
        serve(&mut host).inspect_err(|error| {
            let _ = host.say(&format!("error {error}"));
        })
    }) else {
        return;
    };
    // If even the port was not to be had, the console is the last way to say why.
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
    crash_kernel::load()?;
    let module = File::open("/crashlab.ko").map_err(|e| format!("open /crashlab.ko: {e}"))?;
    rustix::system::finit_module(&module, c"", 0).map_err(|e| format!("load crashlab: {e}"))?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| format!("read the release: {e}"))?;
    let notes = fs::read("/sys/kernel/notes").map_err(|e| format!("read /sys/kernel/notes: {e}"))?;
    let read = |path: &str| fs::read_to_string(path).map_err(|e| format!("read {path}: {e}"));
    let (page, mapped, code) = (read(PAGE)?, read(MAPPED)?, read(CODE)?);
    let files = Files::open()?;
    let (page, mapped, code) = (page.trim(), mapped.trim(), code.trim());
    // A kernel that cannot be dumped has none.
    let vmcoreinfo = fs::read_to_string(VMCOREINFO).unwrap_or_else(|_| "-".to_owned());
    let (release, notes, vmcoreinfo) = (release.trim(), hex(&notes), vmcoreinfo.trim());
    host.say(&format!("ready {release} {notes} {page} {mapped} {code} {vmcoreinfo}"))?;

    let boot = read(BOOT)?;
    let boot = u64::from_str_radix(boot.trim(), 16).map_err(|e| format!("read {BOOT}: {e}"))?;
    let text = await_directives(&files.directives, host, boot)?;
    let mut nonce = String::new();
    let mut witnesses = 0;
    let mut traced = false;
    let mut reload_on = None;
    for line in text.lines() {
        match Directive::parse(line).map_err(|e| format!("directive `{line}`: {e}"))? {
            Directive::Nonce(word) => {
                files.command(line)?;
                word.clone_into(&mut nonce);
            }
            Directive::Witnesses(n) => witnesses = n,
            Directive::Set { path, value } => write(path, value)?,
            Directive::Arm => files.command(line)?,
            Directive::AwaitHost => host.hear()?,
            Directive::AwaitTracer => traced = true,
            Directive::ReloadCrashKernel(cpu) => reload_on = Some(cpu),
            Directive::RunOn(cpu) => run_on(cpu)?,
            Directive::Fire { after } => {
                bear_witness(&files, &nonce, witnesses, traced)?;
                if traced {
                    files.command("await-tracer")?;
                }
                std::thread::sleep(after);
                files.command("fire")?;
                if let Some(cpu) = reload_on {
                    crash_kernel::load_on(cpu)?;
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
    let read = |bytes: &mut [u8]| item.read_at(bytes, 0).map_err(|e| format!("read {DIRECTIVES}: {e}"));
    let mut polls: u32 = 0;
    let settled = SETTLING_POLLS + u32::from(boot.to_le_bytes()[0]) / 2;
    let mut first = [b'\n'];
    while read(&mut first)? == 1 && first == [b'\n'] {
        polls = polls.saturating_add(1);
        if polls == 1 {
            shuffle_memory(boot);
        }
        if polls == settled {
            host.say("settled")?;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut bytes = vec![0; USUAL_BYTES];
    let mut n = read(&mut bytes)?;
    if !bytes.get(..n).is_some_and(|read| read.ends_with(b"\n\n")) {
        bytes.resize(DIRECTIVES_BYTES, 0);
        n = read(&mut bytes)?;
    }
    bytes.truncate(n);
    let text = String::from_utf8(bytes).map_err(|e| format!("read {DIRECTIVES}: {e}"))?;
    Ok(text.trim_end().to_owned())
}

/// Moves to a CPU, and stays there.
fn run_on(cpu: usize) -> Result<(), String> {
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
fn bear_witness(files: &Files, nonce: &str, of: u32, traced: bool) -> Result<(), String> {
    let width = of.to_string().len();
    for n in 1..=of {
        if traced && n == of.min(CALL_BEFORE) {
            files.command("call-tracer")?;
        }
        let marked = format!("{nonce} {n:0width$}/{of}");
        let line = format!("<6>witness {marked} {:08x}\n", crc::crc32(marked.as_bytes()));
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
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        host.say(&format!("file {name} {}", hex(&bytes)))?;
    }
    host.say("end")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// PID 1 must not return; whatever was fired decides how this ends.
fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}
