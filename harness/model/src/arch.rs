//! The architecture of a guest: what is only a value of it, in one place. It is never inferred from the host's.

use serde::{Deserialize, Serialize};

/// An architecture that guests may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Arch {
    /// A q35 machine with ACPI, ERST and PCI.
    #[default]
    #[serde(rename = "x86_64")]
    X86_64,
    /// QEMU's `virt`, told of by a device tree.
    #[serde(rename = "arm64")]
    Arm64,
}

/// What is only a value of an architecture.
#[derive(Debug)]
pub struct ArchSpec {
    /// As names and files have it.
    pub name: &'static str,
    /// How its kernels are built.
    pub kernel: KernelSpec,
    /// The target of Rust's for the agent.
    pub agent_target: &'static str,
    /// The file in `guest-kernel/probes/` that says which steps of a dying kernel are seen.
    pub probes: &'static str,
    /// The function by whose first execution a booting kernel's slide is learnt: the first C code that runs where the kernel
    /// was linked for.
    pub anchor: &'static str,
    /// Its machine.
    pub machine: MachineSpec,
}

/// How kernels of an architecture are built.
#[derive(Debug)]
pub struct KernelSpec {
    /// `ARCH` of the kernel's make.
    pub make_arch: &'static str,
    /// Its folder below `arch/`.
    pub folder: &'static str,
    /// The target of make's that makes what QEMU boots.
    pub target: &'static str,
    /// Where in the tree that is then.
    pub image: &'static str,
    /// What the names of compiler and binutils begin with on a host of another architecture.
    pub cross_compile: &'static str,
}

/// A machine of QEMU's.
#[derive(Debug)]
pub struct MachineSpec {
    /// QEMU's program.
    pub program: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
    /// `-machine`, whose RAM is the object `ram`.
    pub machine: &'static str,
    /// What is said of the machine besides, where it has flash with firmware.
    pub with_flash: &'static str,
    /// `-cpu` under TCG.
    pub cpu: &'static str,
    /// In virtual time, an instruction lasts 2 to the power of this, in nanoseconds.
    pub icount_shift: u32,
    /// Where its RAM is.
    pub ram: RamSpec,
    /// Whether it has a record store that the kernel's pstore may write to.
    pub erst: bool,
    /// What is read of it, by QEMU's monitor, as the guest's time.
    pub clock: ClockSpec,
    /// What every kernel is told.
    pub command_line: &'static str,
    /// What every crash kernel is told, besides where its memory is.
    pub crash_command_line: &'static str,
}

/// Where a machine's RAM is.
#[derive(Debug)]
pub struct RamSpec {
    /// The guest-physical address of its beginning.
    pub base: u64,
    /// Where the rest of it goes on, if there is so much that it does not lie in one piece.
    pub split: Option<SplitRam>,
}

/// RAM in two pieces.
#[derive(Debug)]
pub struct SplitRam {
    /// From this many bytes on it is.
    pub from: u64,
    /// Bytes of the first piece.
    pub low: u64,
    /// The guest-physical address of the second one.
    pub high: u64,
}

/// A piece of a guest's RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RamPiece {
    /// Its guest-physical address.
    pub address: u64,
    /// How far into the file that has all of the RAM it lies.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A counter of the machine's that counts QEMU's virtual clock, and is not changed by being read.
#[derive(Debug, PartialEq, Eq)]
pub struct ClockSpec {
    /// The line for QEMU's monitor that reads it.
    pub read: &'static str,
    /// What the answer has before the number.
    pub before: &'static str,
    /// Ticks a second.
    pub hz: u64,
    /// The bits that it has.
    pub mask: u32,
}

impl RamSpec {
    /// The pieces of a RAM of this many bytes, by their addresses.
    pub fn pieces(&self, bytes: u64) -> impl Iterator<Item = RamPiece> + use<> {
        let Self { base, split } = self;
        let low = split.as_ref().filter(|split| bytes >= split.from).map_or(bytes, |split| split.low.min(bytes));
        let high = split.as_ref().map_or(0, |split| split.high);
        let all = [
            RamPiece { address: *base, offset: 0, bytes: low },
            RamPiece { address: high, offset: low, bytes: bytes - low },
        ];
        all.into_iter().filter(|piece| piece.bytes > 0)
    }

    /// How far into its file a guest-physical address lies, if all of these bytes from there on are in one piece of it.
    pub fn offset(&self, ram: u64, address: u64, bytes: u64) -> Option<u64> {
        self.pieces(ram).find_map(|piece| {
            let far = address.checked_sub(piece.address)?;
            (far.checked_add(bytes)? <= piece.bytes).then(|| piece.offset + far)
        })
    }
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// What is only a value of it.
    pub const fn spec(self) -> &'static ArchSpec {
        match self {
            Self::X86_64 => &X86_64,
            Self::Arm64 => &ARM64,
        }
    }
}

/// - `-cpu`: QEMU's generic one, said to be a Nehalem, because Linux takes it from vendor, family and model that the TSC runs at
///   one rate (`early_init_intel()`; TCG does not know the flag that AMD's have for it), and then copies CPU 0's delay loop to
///   the others (`calibrate_delay_is_known()`). Otherwise every CPU times its own loop while the guest boots, has results up to
///   a quarter off on emulated CPUs, and each trial restored from that guest inherits them: a `udelay(1)` lasts 0.75 us on one
///   CPU and 1 us on another.
/// - `icount_shift`: 5 gives 31 million instructions a second of guest time; fewer make the kernel's loops of `udelay(1)`
///   overshoot, more make a guest second last longer on the host.
/// - RAM: QEMU's `pc_q35_init()`.
/// - The clock: the ACPI power-management timer (Linux says "ACPI: PM-Timer IO Port: 0x608"; QEMU: `hw/acpi/core.c`).
/// - `printk.devkmsg=on`: the witness lines are not rate limited.
/// - `no_timer_check`: a kernel that boots while the host has no processor for it does not take its timer for broken.
/// - `capture`: for a crash kernel's agent.
/// - `console=ttyS1`: the dead kernel's console is its own; what is printed before there is a console shows that the crash
///   kernel was entered (`earlycon`).
/// - `erst_disable`, `efi=noruntime`: what pstore holds is the dead kernel's.
/// - `nokaslr`: where it hangs is looked up by the addresses that it is linked to.
/// - `panic=-1`: one that dies as well ends the guest.
const X86_64: ArchSpec = ArchSpec {
    name: "x86_64",
    kernel: KernelSpec {
        make_arch: "x86_64",
        folder: "x86",
        target: "bzImage",
        image: "arch/x86/boot/bzImage",
        cross_compile: "",
    },
    agent_target: "x86_64-unknown-linux-gnu",
    probes: "panic",
    anchor: "x86_64_start_kernel",
    machine: MachineSpec {
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        machine: "q35,memory-backend=ram,hpet=off,smbus=off,sata=off,usb=off,vmport=off",
        // Firmware that is to run in system management mode takes ten times as long.
        with_flash: ",smm=off",
        cpu: "qemu64,vendor=GenuineIntel,family=6,model=26,stepping=3",
        icount_shift: 5,
        ram: RamSpec { base: 0, split: Some(SplitRam { from: 0xb000_0000, low: 2 << 30, high: 4 << 30 }) },
        erst: true,
        clock: ClockSpec { read: "i/w 0x608", before: "= 0x", hz: 3_579_545, mask: 0x00ff_ffff },
        command_line: "console=ttyS0,115200 printk.devkmsg=on no_timer_check",
        crash_command_line: "capture console=ttyS1,115200 earlycon=uart8250,io,0x2f8,115200n8 erst_disable efi=noruntime \
                             no_timer_check nokaslr panic=-1",
    },
};

/// - `-cpu`: neither pointer authentication nor tagged memory, which every kernel since 5.10 knows; `GICv3`, without which there
///   are no pseudo-NMIs.
/// - The clock: the RTC (PL031), where QEMU has it count the virtual clock (`-rtc clock=vm`).
const ARM64: ArchSpec = ArchSpec {
    name: "arm64",
    kernel: KernelSpec {
        make_arch: "arm64",
        folder: "arm64",
        target: "Image",
        image: "arch/arm64/boot/Image",
        cross_compile: "aarch64-linux-gnu-",
    },
    agent_target: "aarch64-unknown-linux-musl",
    probes: "panic-arm64",
    anchor: "start_kernel",
    machine: MachineSpec {
        program: "qemu-system-aarch64",
        package: "qemu-system-arm",
        machine: "virt,memory-backend=ram,gic-version=3,its=off",
        with_flash: ",acpi=off",
        cpu: "cortex-a72",
        icount_shift: 5,
        ram: RamSpec { base: 0x4000_0000, split: None },
        erst: false,
        clock: ClockSpec { read: "xp /1wx 0x9010000", before: ": 0x", hz: 1, mask: u32::MAX },
        command_line: "console=ttyAMA0 printk.devkmsg=on",
        crash_command_line: "capture console=ttyAMA0 earlycon=pl011,0x9000000 nokaslr panic=-1",
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn ram_of_a_q35_lies_in_two_pieces_if_there_is_much() {
        let ram = &Arch::X86_64.spec().machine.ram;
        let pieces: Vec<_> = ram.pieces(256 * MIB).collect();
        assert_eq!(pieces, [RamPiece { address: 0, offset: 0, bytes: 256 * MIB }]);
        // 3 GiB are 2 GiB and, above 4 GiB, 1 GiB.
        let pieces: Vec<_> = ram.pieces(3072 * MIB).collect();
        let high = RamPiece { address: 4096 * MIB, offset: 2048 * MIB, bytes: 1024 * MIB };
        assert_eq!(pieces, [RamPiece { address: 0, offset: 0, bytes: 2048 * MIB }, high]);
        assert_eq!(ram.offset(3072 * MIB, 4096 * MIB + 8, 8), Some(2048 * MIB + 8));
    }

    #[test]
    fn what_is_not_in_one_piece_of_ram_is_nowhere() {
        for (arch, ram, address, bytes) in [
            (Arch::X86_64, 256 * MIB, 1, 256 * MIB),
            (Arch::X86_64, 256 * MIB, 4096 * MIB, 1),
            (Arch::X86_64, 256 * MIB, u64::MAX, 1),
            (Arch::X86_64, 3072 * MIB, 2048 * MIB - 1, 2),
            (Arch::X86_64, 3072 * MIB, 4096 * MIB - 1, 2),
            (Arch::X86_64, 3072 * MIB, 4096 * MIB, 1024 * MIB + 1),
            (Arch::Arm64, 256 * MIB, 0, 1),
            (Arch::Arm64, 256 * MIB, 1280 * MIB, 1),
        ] {
            assert_eq!(arch.spec().machine.ram.offset(ram, address, bytes), None, "{arch:?} {ram} {address} {bytes}");
        }
        assert_eq!(Arch::Arm64.spec().machine.ram.offset(256 * MIB, 0x4000_0010, 4), Some(0x10));
    }

    #[test]
    fn names_are_those_of_files() {
        for arch in Arch::ALL {
            let name = serde_json::to_string(&arch).unwrap();
            assert_eq!(name, format!("\"{}\"", arch.spec().name));
        }
    }
}
