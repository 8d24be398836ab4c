//! The machine that a guest runs on, as QEMU's command line.

use std::ffi::OsString;
use std::fmt;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_protocol::{directive, page};
use serde::{Deserialize, Serialize};

use crate::model::consoles::{FurtherConsole, FurtherConsoles, RECEIVER, SENDER};
use crate::model::pstore::{Backend, Efi, Ramoops};
use crate::model::{Arch, MachineSpec};

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The host's processor.
    Kvm,
    /// QEMU's translator: slower, available everywhere.
    Tcg,
}

impl Accelerator {
    /// The name that QEMU's `-accel` knows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How time passes in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Time {
    /// As on the host's clock; the vCPUs run at the same time. On a busy host a guest's loops take longer than it
    /// thinks.
    #[default]
    Real,
    /// By the instructions executed, the vCPUs taking turns (`-icount`; TCG only): the host's load does not reach the
    /// guest.
    Virtual,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Real => "real",
            Self::Virtual => "virtual",
        })
    }
}

/// Size of the page that crashlab stamps, in bytes.
pub const PAGE_BYTES: u64 = page::SIZE as u64;

/// Where the zones of ramoops lie in the guest's memory: above the kernel, which is unpacked at 16 MiB and not half as
/// large, and below what QEMU and the firmware put at the end of the smallest guest's memory, the initramfs and the ACPI
/// tables. A physical address.
pub const RAMOOPS_ADDRESS: u64 = 48 << 20;

/// One machine: everything but the files of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Machine {
    /// The QEMU executable.
    pub qemu: PathBuf,
    /// The architecture of its CPUs.
    pub arch: Arch,
    /// What executes.
    pub accelerator: Accelerator,
    /// How time passes.
    pub time: Time,
    /// Number of vCPUs.
    pub cpus: u32,
    /// RAM in MiB.
    pub memory_mib: u32,
    /// What the kernel's pstore is told to write to; the ERST of an architecture that has one is there in any case.
    pub pstore: Backend,
    /// The firmware of a machine whose pstore writes EFI variables; others have QEMU's own.
    pub firmware: Option<Firmware>,
    /// The consoles that its kernel has beside `ttyS0`.
    pub consoles: FurtherConsoles,
    /// How much memory its kernel reserves for a crash kernel, in MiB, if it has one; then it has a port for what that
    /// finds, too.
    pub crashkernel_mib: Option<u32>,
    /// Whether what its pstore writes to holds something when it boots.
    pub has_past: bool,
    /// Whether this QEMU loads a saved machine from a file by its name, as 8.2 and newer ones do; QEMU 11 in no other
    /// way.
    pub loads_by_name: bool,
}

/// The code of EFI firmware, an image of flash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Firmware {
    /// Where it is.
    pub code: PathBuf,
    /// SHA-256 of it, in hexadecimal.
    pub digest: String,
}

/// Flash with firmware in it, whose sizes the firmware knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flash<'a> {
    /// The code, which is only read.
    pub code: &'a Path,
    /// The variables.
    pub vars: &'a Path,
    /// Whether the guest cannot write them.
    pub read_only: bool,
}

/// Where the guest's RAM is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ram<'a> {
    /// Nowhere but in QEMU.
    Private,
    /// In this file, written through: the machine will be saved.
    Shared(&'a Path),
    /// Copied on write from this file: the machine is restored from a saved one.
    CopyOnWrite(&'a Path),
}

/// The files of one guest.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The kernel, `bzImage`.
    pub kernel: &'a Path,
    /// The initramfs.
    pub initramfs: &'a Path,
    /// Backing file of the ERST, as long as the machine's is, if it has one.
    pub erst: Option<&'a Path>,
    /// The flash of a machine with EFI firmware.
    pub flash: Option<Flash<'a>>,
    /// The directives for the agent.
    pub directives: &'a Path,
    /// What the guest's clock says when it boots, as QEMU takes it; the host's time if that is not said.
    pub rtc: Option<&'a str>,
    /// The saved state of a machine that is restored, where QEMU opens it by its name.
    pub state: Option<&'a Path>,
    /// The guest's RAM.
    pub ram: Ram<'a>,
    /// The tracer, if there is one.
    pub tracer: Option<&'a Path>,
    /// What the agent draws the peculiarities of this boot from.
    pub boot: Option<u64>,
    /// How long a vCPU's turn may last in virtual time.
    pub turn: Option<Duration>,
}

/// The numbers of the inherited descriptors.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    /// QMP.
    pub qmp: RawFd,
    /// `ttyS0`, the kernel's console: the writing end of a pipe.
    pub console: RawFd,
    /// `ttyS1`, the agent's words.
    pub agent: RawFd,
    /// `ttyS2`, where a boot console goes on to print: the writing end of a pipe; if the machine has it.
    pub earlycon: Option<RawFd>,
    /// Where the frames go that its network card sends: the writing end of a pipe; if the machine has a card.
    pub frames: Option<RawFd>,
    /// The port by which a crash kernel's agent hands over what it finds, if the machine has one.
    pub port: Option<RawFd>,
    /// The tracer's memory, if there is a tracer.
    pub trace: Option<RawFd>,
    /// Whether a saved machine will be loaded.
    pub restored: bool,
}

/// What has a kernel print on the third serial line as well, `ttyS2`, for good. It takes the boot console for that, because
/// the driver of the 8250 has one console, on whichever line: of `console=ttyS0 console=ttyS1` it takes the first
/// (Linux: `univ8250_console`, `Documentation/admin-guide/serial-console.rst`). `ttyS1` is the agent's.
const EARLYCON: &str = "earlycon=uart8250,io,0x3e8,115200n8 keep_bootcon";

/// What a kernel is told, before what its variant adds, that was not built to reset the machine some time after a panic
/// by itself: to do so at once. QEMU reports the reset, which ends the trial.
pub const RESET_AFTER_PANIC: &str = "panic=-1";

/// The command line of a crash kernel that brings up `cpus` CPUs, with `words` of its own behind the rest.
pub fn crash_command_line(arch: Arch, cpus: u32, words: &[String]) -> String {
    let cpus = format!("nr_cpus={cpus}");
    let words = words.iter().map(String::as_str);
    [arch.spec().machine.crash_command_line, &cpus].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// What QEMU finds in its environment besides ours: glibc's allocator is to ask for huge pages, and for much at a time.
/// Half of the 6000 page faults of a guest that lives for a tenth of a second were its heap's. Other libraries, and
/// hosts without transparent huge pages, pay no heed.
pub(crate) const ENVIRONMENT: [(&str, &str); 1] =
    [("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=16777216:glibc.malloc.arena_max=1")];

impl Machine {
    /// How far into the file of its RAM a guest-physical address lies, if all of these bytes from there on are RAM in one
    /// piece.
    pub fn ram_offset(&self, address: u64, bytes: u64) -> Option<u64> {
        self.arch.spec().machine.ram.offset(u64::from(self.memory_mib) << 20, address, bytes)
    }

    /// The arguments for QEMU. `append` goes behind what every kernel is told.
    pub fn arguments(&self, files: &Files<'_>, descriptors: Descriptors, append: &[String]) -> Vec<OsString> {
        let mut args = Arguments::default();
        args.words("-nodefaults -no-user-config -display none -name harness");
        // Nothing of the guest's may reach the host: no network device, no files but those below, no new processes.
        args.words("-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny -nic none");
        // pvpanic's default action would power the guest off before kmsg_dump; a reset stops the machine, so that the
        // end is an event and the machine can still be looked at.
        args.words("-action panic=none,reboot=shutdown,shutdown=pause -S");

        let MachineSpec { machine, with_flash, cpu, icount_shift, command_line, .. } = &self.arch.spec().machine;
        args.word("-machine");
        match files.flash {
            Some(flash) => args.word(format!("{machine}{with_flash}")).flash(flash),
            None => args.word(*machine),
        };
        args.word("-accel");
        match (self.accelerator, self.time) {
            (Accelerator::Kvm, _) => args.words("kvm -cpu host"),
            (Accelerator::Tcg, Time::Real) => args.words("tcg,thread=multi -cpu").word(*cpu),
            (Accelerator::Tcg, Time::Virtual) => {
                let icount = format!("shift={icount_shift},sleep=off");
                args.words("tcg,thread=single -cpu").word(*cpu).word("-icount").word(icount)
            }
        };
        args.word("-smp").word(self.cpus.to_string());
        args.word("-m").word(format!("{}M", self.memory_mib));
        match files.ram {
            Ram::Private => args.word("-object").word(format!("memory-backend-ram,id=ram,size={}M", self.memory_mib)),
            Ram::Shared(path) => args.file_backed("ram", u64::from(self.memory_mib) << 20, true, path),
            Ram::CopyOnWrite(path) => args.file_backed("ram", u64::from(self.memory_mib) << 20, false, path),
        };

        if let Some(time) = files.rtc {
            args.word("-rtc").word(format!("base={time}"));
        }
        args.word("-kernel").word(files.kernel);
        args.word("-initrd").word(files.initramfs);
        let mut line = (*command_line).to_owned();
        for console in &self.consoles {
            line.push(' ');
            match console {
                FurtherConsole::Earlycon => line.push_str(EARLYCON),
                FurtherConsole::Netconsole => line.push_str(&netconsole()),
            }
        }
        for word in append {
            line.push(' ');
            line.push_str(word);
        }
        match &self.pstore {
            Backend::Erst(_) => {}
            Backend::Ramoops(zones) => {
                line.push(' ');
                line.push_str(&ramoops(zones));
            }
            Backend::Efi(efi) => {
                line.push(' ');
                line.push_str(&efi_variables(efi));
            }
        }
        if let Some(mib) = self.crashkernel_mib {
            line.push_str(" crashkernel=");
            line.push_str(&mib.to_string());
            line.push('M');
        }
        args.word("-append").word(line);
        args.word("-fw_cfg").path(&format!("name={},file=", directive::ITEM), files.directives);
        // There in any case: a saved guest finds its items by their numbers, which depend on the others.
        args.word("-fw_cfg").word(format!("name={},string={:016x}", directive::BOOT_ITEM, files.boot.unwrap_or(0)));
        if let (Time::Virtual, Some(turn)) = (self.time, files.turn) {
            args.turns(turn);
        }

        if let Some(erst) = files.erst {
            args.file_backed("erst", self.pstore.erst().bytes(), true, erst).words("-device acpi-erst,memdev=erst");
        }

        args.word("-add-fd").word(format!("fd={},set=1", descriptors.console));
        args.words("-chardev file,id=console,path=/dev/fdset/1,append=on -serial chardev:console");
        args.socket("agent", descriptors.agent).words("-serial chardev:agent");
        if let Some(line) = descriptors.earlycon {
            args.word("-add-fd").word(format!("fd={line},set=2"));
            args.words("-chardev file,id=earlycon,path=/dev/fdset/2,append=on -serial chardev:earlycon");
        }
        if let Some(pipe) = descriptors.frames {
            args.network_card(pipe);
        }
        if let Some(port) = descriptors.port {
            args.words("-device virtio-serial-pci,max_ports=2");
            args.socket("port", port).words("-device virtserialport,chardev=port,name=vmcore");
        }
        args.socket("qmp", descriptors.qmp).words("-mon chardev=qmp,mode=control");
        if let (Some(tracer), Some(memory)) = (files.tracer, descriptors.trace) {
            args.tracer(tracer, memory, files.ram);
        }
        if descriptors.restored {
            args.words("-incoming defer");
        }
        args.0
    }
}

/// The word that has the kernel send its log from its first network card to who would receive it, whose address it need not
/// ask for.
fn netconsole() -> String {
    let (from, to) = (SENDER, RECEIVER);
    format!("netconsole={}@{}/eth0,{}@{}/{}", from.port, from.address, to.port, to.address, to.mac_text())
}

/// The words that have the kernel leave the zones' memory alone, and its ramoops write there.
fn ramoops(zones: &Ramoops) -> String {
    let Ramoops { record, console, pmsg, ecc, .. } = zones;
    let (at, bytes) = (RAMOOPS_ADDRESS, zones.bytes());
    format!(
        "memmap={bytes}${at:#x} ramoops.mem_address={at:#x} ramoops.mem_size={bytes} ramoops.record_size={record} \
         ramoops.console_size={console} ramoops.pmsg_size={pmsg} ramoops.ftrace_size=0 ramoops.ecc={ecc} \
         pstore.backend=ramoops"
    )
}

/// The words that have the kernel's pstore write EFI variables.
///
/// - `erst_disable`: otherwise the ERST, which registers first, would be the one back end. `pstore.backend=` would do as well,
///   but kernels call this one by two names: `efi` before 6.2, `efi_pstore` since.
/// - `efi=runtime`, `efi_pstore.pstore_disable=0`: some configurations have neither by default, `PREEMPT_RT`'s the first.
fn efi_variables(efi: &Efi) -> String {
    let mut words = "erst_disable efi=runtime efi_pstore.pstore_disable=0".to_owned();
    if efi.record != Efi::RECORD {
        words.push_str(" efi_pstore.record_size=");
        words.push_str(&efi.record.to_string());
    }
    words
}

/// A command line in the making.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn word(&mut self, word: impl Into<OsString>) -> &mut Self {
        self.0.push(word.into());
        self
    }

    fn words(&mut self, words: &str) -> &mut Self {
        self.0.extend(words.split(' ').map(OsString::from));
        self
    }

    /// QEMU's option lists separate by commas; a comma in a value is written twice.
    fn path(&mut self, before: &str, path: &Path) -> &mut Self {
        let mut word = OsString::from(before);
        word.push(doubled_commas(path));
        self.word(word)
    }

    fn file_backed(&mut self, id: &str, bytes: u64, shared: bool, path: &Path) -> &mut Self {
        let share = if shared { "on" } else { "off" };
        self.word("-object").path(&format!("memory-backend-file,id={id},size={bytes},share={share},mem-path="), path)
    }

    /// Two chips side by side, of which the second has the variables.
    fn flash(&mut self, Flash { code, vars, read_only }: Flash<'_>) -> &mut Self {
        for (unit, read_only, image) in [(0, true, code), (1, read_only, vars)] {
            let read_only = if read_only { "on" } else { "off" };
            let before = format!("if=pflash,format=raw,unit={unit},readonly={read_only},file=");
            self.word("-drive").path(&before, image);
        }
        self
    }

    fn tracer(&mut self, plugin: &Path, memory: RawFd, ram: Ram<'_>) {
        let mut word = OsString::from("file=");
        word.push(doubled_commas(plugin));
        word.push(format!(",memory={memory}"));
        if let Ram::CopyOnWrite(ram) = ram {
            word.push(",ram=");
            word.push(doubled_commas(ram));
        }
        self.word("-plugin").word(word);
    }

    /// Adds a timer that expires once every `turn` of the guest's time. QEMU executes a vCPU no further than to the next
    /// timer of any device and then turns to the next vCPU, so the timer ends turns. It belongs to a network filter between
    /// two hub ports that nothing else uses; it is not part of a saved machine, and the guest cannot see it.
    fn turns(&mut self, turn: Duration) {
        self.words("-netdev hubport,id=here,hubid=0 -netdev hubport,id=there,hubid=1,netdev=here");
        self.word("-object").word(format!("filter-buffer,id=turns,netdev=here,interval={}", turn.as_micros().max(1)));
    }

    /// Adds a network card that is connected to nothing. What it sends is written to `pipe`, which QEMU opens by its number,
    /// frame by frame, by the vCPU that sends: no frame waits anywhere when the guest ends. Other cards, such as virtio's,
    /// send later.
    fn network_card(&mut self, pipe: RawFd) {
        self.words("-netdev hubport,id=net,hubid=2");
        self.word("-device").word(format!("e1000,netdev=net,romfile=,mac={}", SENDER.mac_text()));
        self.word("-object").word(format!("filter-dump,id=frames,netdev=net,file=/proc/self/fd/{pipe}"));
    }

    fn socket(&mut self, id: &str, fd: RawFd) -> &mut Self {
        self.word("-chardev").word(format!("socket,id={id},fd={fd}"))
    }
}

/// A path as a value in one of QEMU's option lists, which separate by commas.
pub(crate) fn doubled_commas(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let doubled = path.as_os_str().as_bytes().split_inclusive(|byte| *byte == b',').flat_map(|part| {
        let again = part.ends_with(b",").then_some(b',');
        part.iter().copied().chain(again)
    });
    OsString::from_vec(doubled.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(machine: &Machine, ram: Ram<'_>, restored: bool) -> String {
        let at = Path::new("/kernels/4,2/bzImage");
        let files = Files {
            kernel: at,
            initramfs: Path::new("/images/1"),
            erst: Some(Path::new("/trial/erst")),
            flash: machine.firmware.as_ref().map(|firmware| Flash {
                code: &firmware.code,
                vars: Path::new("/trial/vars"),
                read_only: machine.pstore.efi().is_some_and(|efi| efi.read_only),
            }),
            directives: Path::new("/trial/a,b"),
            rtc: None,
            state: None,
            ram,
            tracer: restored.then_some(Path::new("/tracers/4,2")),
            boot: None,
            turn: restored.then_some(Duration::from_micros(250)),
        };
        let descriptors = Descriptors {
            qmp: 10,
            console: 11,
            agent: 12,
            earlycon: machine.consoles.contains(&FurtherConsole::Earlycon).then_some(15),
            frames: machine.consoles.contains(&FurtherConsole::Netconsole).then_some(16),
            port: machine.crashkernel_mib.map(|_| 14),
            trace: restored.then_some(13),
            restored,
        };
        let args = machine.arguments(&files, descriptors, &["quiet".to_owned()]);
        let lines: Vec<_> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        lines.join(" ").replace(" -", "\n-")
    }

    fn machine(time: Time) -> Machine {
        Machine {
            qemu: "qemu".into(),
            arch: Arch::X86_64,
            accelerator: Accelerator::Tcg,
            time,
            cpus: 4,
            memory_mib: 256,
            pstore: Backend::default(),
            firmware: None,
            consoles: FurtherConsoles::new(),
            crashkernel_mib: None,
            loads_by_name: false,
            has_past: false,
        }
    }

    #[test]
    fn the_command_line_of_a_cold_guest() {
        insta::assert_snapshot!(shown(&machine(Time::Real), Ram::Private, false));
    }

    #[test]
    fn the_words_of_a_guest_with_ramoops() {
        let pstore = Backend::Ramoops(Ramoops { ecc: 16, ..Ramoops::default() });
        let shown = shown(&Machine { pstore, ..machine(Time::Real) }, Ram::Private, false);
        let line = shown.lines().find(|line| line.starts_with("-append ")).expect("there is one");
        let words = " memmap=327680$0x3000000 ramoops.mem_address=0x3000000 ramoops.mem_size=327680 \
                     ramoops.record_size=65536 ramoops.console_size=65536 ramoops.pmsg_size=0 ramoops.ftrace_size=0 \
                     ramoops.ecc=16 pstore.backend=ramoops";
        assert!(line.ends_with(words), "{line}");
        assert!(shown.contains("-device acpi-erst"), "templates are saved with it");
    }

    #[test]
    fn the_words_and_the_flash_of_a_guest_with_efi_variables() {
        let firmware = Firmware { code: "/ovmf/4,M".into(), digest: String::new() };
        let with = |efi: Efi| {
            let machine = machine(Time::Real);
            shown(
                &Machine { pstore: Backend::Efi(efi), firmware: Some(firmware.clone()), ..machine },
                Ram::Private,
                false,
            )
        };
        let line = |shown: &str| shown.lines().find(|line| line.starts_with("-append ")).map(str::to_owned).unwrap();
        let plain = with(Efi::default());
        let words = " quiet erst_disable efi=runtime efi_pstore.pstore_disable=0";
        assert!(line(&plain).ends_with(words), "{plain}");
        let flash = ",vmport=off,smm=off\n-drive if=pflash,format=raw,unit=0,readonly=on,file=/ovmf/4,,M\n\
                     -drive if=pflash,format=raw,unit=1,readonly=off,file=/trial/vars\n";
        assert!(plain.contains(flash), "{plain}");
        let other = with(Efi { record: 2 << 10, read_only: true, ..Efi::default() });
        assert!(line(&other).ends_with(" efi_pstore.record_size=2048"), "{other}");
        assert!(other.contains("unit=1,readonly=on,file=/trial/vars\n"), "{other}");
    }

    #[test]
    fn the_words_and_devices_of_a_guest_with_further_consoles() {
        let both = [FurtherConsole::Earlycon, FurtherConsole::Netconsole].into();
        let shown = shown(&Machine { consoles: both, ..machine(Time::Real) }, Ram::Private, false);
        let line = shown.lines().find(|line| line.starts_with("-append ")).expect("there is one");
        let words = " earlycon=uart8250,io,0x3e8,115200n8 keep_bootcon \
                     netconsole=6665@192.0.2.1/eth0,6666@192.0.2.2/52:54:00:00:00:02 quiet";
        assert!(line.ends_with(words), "{line}");
        let devices = "-serial chardev:agent\n-add-fd fd=15,set=2\n\
                       -chardev file,id=earlycon,path=/dev/fdset/2,append=on\n-serial chardev:earlycon\n\
                       -netdev hubport,id=net,hubid=2\n-device e1000,netdev=net,romfile=,mac=52:54:00:00:00:01\n\
                       -object filter-dump,id=frames,netdev=net,file=/proc/self/fd/16\n";
        assert!(shown.contains(devices), "{shown}");
    }

    #[test]
    fn a_crash_kernel_is_told_what_all_are_and_its_own() {
        let plain = crash_command_line(Arch::X86_64, 1, &[]);
        assert!(plain.starts_with("capture ") && plain.ends_with(" panic=-1 nr_cpus=1"), "{plain}");
        let own = crash_command_line(Arch::X86_64, 2, &["irqpoll".to_owned(), "panic=5".to_owned()]);
        assert!(own.ends_with(" panic=-1 nr_cpus=2 irqpoll panic=5"), "{own}");
    }

    #[test]
    fn a_guest_with_a_crash_kernel_has_memory_and_a_port_for_it() {
        let shown = shown(&Machine { crashkernel_mib: Some(32), ..machine(Time::Real) }, Ram::Private, false);
        let line = shown.lines().find(|line| line.starts_with("-append ")).expect("there is one");
        assert!(line.ends_with(" quiet crashkernel=32M"), "{line}");
        let port = "-device virtio-serial-pci,max_ports=2\n-chardev socket,id=port,fd=14\n\
                    -device virtserialport,chardev=port,name=vmcore\n";
        assert!(shown.contains(port), "{shown}");
    }

    #[test]
    fn the_command_line_of_a_restored_guest_in_virtual_time() {
        insta::assert_snapshot!(shown(&machine(Time::Virtual), Ram::CopyOnWrite(Path::new("/t/ram")), true));
    }
}
