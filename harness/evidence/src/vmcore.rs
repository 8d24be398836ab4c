//! `/proc/vmcore`: the memory of a kernel that has died, as an ELF core file that the crash kernel makes of it.
//!
//! ELF header and program headers, then notes (the registers of each CPU that saved them, `VMCOREINFO`), then the
//! memory. Each segment of memory has a physical address, and a virtual one by which the kernel itself had it mapped;
//! what it had mapped elsewhere (stacks, modules) is found by its page tables. Source: `fs/proc/vmcore.c`,
//! `kernel/crash_core.c` (`crash_prepare_elf64_headers()`), `arch/x86/include/asm/pgtable_64.h`.

use std::collections::BTreeMap;

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::notes::{Cut, notes};
use crate::printk_ring::RawRing;
use crate::vmcoreinfo::{NoteError, VmcoreInfo};

/// The headers and the notes of an honest core lie within its first bytes.
pub const HEAD: usize = 64 << 10;

/// A page of memory, in bytes.
pub const PAGE: u64 = 4096;

const PROGRAM_HEADER: usize = 56;
const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// A note with a CPU's registers: its owner and its type (`elf_prstatus`, `include/linux/elfcore.h`).
const REGISTERS: (&[u8], u32) = (b"CORE", 1);
/// Where the process is in it, and where the registers, in the order of `struct user_regs_struct`.
const PID: usize = 32;
const FRAME: usize = 112;
const RBP: usize = FRAME + 4 * 8;
const RIP: usize = FRAME + 16 * 8;
const FLAGS: usize = FRAME + 18 * 8;
const RSP: usize = FRAME + 19 * 8;

/// The interrupt flag.
const IF: u64 = 1 << 9;

/// Where the kernel's image is mapped (`__START_KERNEL_map`).
const KERNEL_MAP: u64 = 0xffff_ffff_8000_0000;

/// Entries of page tables: there is something; it is a page and no further table; the bits with an address.
const PRESENT: u64 = 1;
const LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What is said to be a core is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    /// No ELF core of this architecture.
    #[error("it is no ELF core file of x86-64")]
    NoCore,
    /// Something that should lie in its head does not.
    #[error("{0} of the core file are not all in its first bytes")]
    Cut(&'static str),
    /// The notes.
    #[error("its notes: {0}")]
    Note(#[from] NoteError),
}

/// A core file's head, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Core {
    /// Its segments of memory.
    segments: Vec<Segment>,
    /// The registers that it has, in the order of CPUs; a CPU that saved none has none.
    pub registers: Vec<Registers>,
    /// What the kernel tells of itself.
    pub info: VmcoreInfo,
}

/// Memory in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    offset: u64,
    virt: u64,
    phys: u64,
    bytes: u64,
}

/// What a CPU saved of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// The task that it was executing.
    pub pid: u32,
    /// Its instruction pointer.
    pub rip: u64,
    /// Its stack pointer.
    pub rsp: u64,
    /// Its frame pointer.
    pub rbp: u64,
    /// Its flags.
    pub flags: u64,
}

/// How far the kernel's death has come towards a dump of its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capture {
    /// No crash kernel was loaded.
    NotLoaded,
    /// One was, and was not entered.
    NotEntered,
    /// It was entered, and did not come up, or died; what was seen of that.
    Hung(String),
    /// It came up without `/proc/vmcore`, for this reason.
    NoVmcore(String),
    /// It has one in which something is not to be found.
    Bad(String),
    /// It has one.
    Read(Box<Dump>),
}

/// What was read of `/proc/vmcore`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dump {
    /// Memory that was left to the crash kernel, in KiB.
    pub free_kib: u64,
    /// The head of the file.
    pub core: Core,
    /// The memory of the kernel's log.
    pub log: Option<RawRing>,
    /// Every CPU that the kernel can have.
    pub cpus: Vec<DumpedCpu>,
    /// Nobody knows where this kernel keeps what its CPUs saved: there are no symbols of it.
    pub without_symbols: bool,
    /// The one that panicked, by the kernel's own variable.
    pub panic_cpu: Option<u32>,
    /// All that was read, by its place in the file.
    pub pieces: BTreeMap<u64, Vec<u8>>,
}

/// A CPU in a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedCpu {
    /// Which.
    pub cpu: u32,
    /// What it saved of itself.
    pub registers: Registers,
    /// Where it stood, and who called whom there.
    pub at: String,
}

/// Pages that have been read, by their physical address; one that is not in the core is empty.
#[derive(Debug, Clone, Default)]
pub struct Pages(BTreeMap<u64, Vec<u8>>);

impl Pages {
    /// Adds one.
    pub fn add(&mut self, at: u64, bytes: Vec<u8>) {
        self.0.insert(at, bytes);
    }

    /// An entry of the table at `table`; as an error, the page that is wanted.
    fn entry(&self, table: u64, index: u64) -> Result<u64, u64> {
        let page = self.0.get(&table).ok_or(table)?;
        Ok(usize::try_from(index * 8).ok().and_then(|at| u64_at(page, at)).unwrap_or(0))
    }
}

impl Registers {
    /// Reads the first note of a CPU's own, as it lies in the kernel's memory (`crash_notes`); none where that CPU has
    /// saved nothing.
    pub fn of_notes(bytes: &[u8]) -> Option<Self> {
        notes(bytes).map_while(Result::ok).find_map(|note| {
            ((note.name, note.kind) == REGISTERS).then(|| Self::of_description(note.description)).flatten()
        })
    }

    /// Whether it took interrupts when it was stopped.
    pub const fn interrupts(&self) -> bool {
        self.flags & IF != 0
    }

    fn of_description(bytes: &[u8]) -> Option<Self> {
        let word = |at| u64_at(bytes, at);
        Some(Self { pid: u32_at(bytes, PID)?, rip: word(RIP)?, rsp: word(RSP)?, rbp: word(RBP)?, flags: word(FLAGS)? })
    }
}

impl Core {
    /// Reads the first bytes of a core file, [`HEAD`] of them or all that there are. Takes any bytes.
    pub fn parse(head: &[u8]) -> Result<Self, CoreError> {
        let ident = head.get(..6) == Some(b"\x7fELF\x02\x01");
        let (kind, machine) = (u16_at(head, 16), u16_at(head, 18));
        let (table, size, count) = (u64_at(head, 32), u16_at(head, 54), u16_at(head, 56));
        let (Some(table), Some(count)) = (table, count) else { return Err(CoreError::NoCore) };
        if !ident
            || kind != Some(ET_CORE)
            || machine != Some(EM_X86_64)
            || size.map(usize::from) != Some(PROGRAM_HEADER)
        {
            return Err(CoreError::NoCore);
        }
        let (mut segments, mut noted) = (Vec::new(), &[][..]);
        for index in 0..usize::from(count) {
            let header = usize::try_from(table).ok().and_then(|table| {
                let from = table.checked_add(index * PROGRAM_HEADER)?;
                head.get(from..from.checked_add(PROGRAM_HEADER)?)
            });
            let header = header.ok_or(CoreError::Cut("the program headers"))?;
            let word = |at| u64_at(header, at).unwrap_or_default();
            let (offset, virt, phys, bytes) = (word(8), word(16), word(24), word(32));
            match u32_at(header, 0) {
                Some(PT_LOAD) => segments.push(Segment { offset, virt, phys, bytes }),
                Some(PT_NOTE) => {
                    let range = offset..offset.saturating_add(bytes);
                    let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                    noted = head.get(at(range.start)..at(range.end)).ok_or(CoreError::Cut("the notes"))?;
                }
                _ => {}
            }
        }
        let info = VmcoreInfo::of_notes(noted)?;
        let mut registers = Vec::new();
        for note in notes(noted) {
            let note = note.map_err(|Cut| CoreError::Cut("the notes"))?;
            if (note.name, note.kind) == REGISTERS {
                registers.push(Registers::of_description(note.description).ok_or(CoreError::Cut("a CPU's registers"))?);
            }
        }
        Ok(Self { segments, registers, info })
    }

    /// How long the file is at least: to the end of its last segment.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.offset.saturating_add(segment.bytes)).max().unwrap_or(0)
    }

    /// Where in the file memory lies that has a physical address; none if it is not in one segment.
    pub fn offset(&self, address: u64, bytes: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| segment.offset_of(address.checked_sub(segment.phys)?, bytes))
    }

    /// Where in the file memory lies that the kernel's own mappings of its image and of all memory have at a virtual
    /// address.
    pub fn mapped(&self, address: u64, bytes: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| segment.offset_of(address.checked_sub(segment.virt)?, bytes))
    }

    /// The physical address of what lies at a virtual one, by the kernel's page tables, of five levels if
    /// `VMCOREINFO` says so, else of four; none where nothing is mapped, as an error the page that is wanted for the
    /// answer.
    pub fn translate(&self, address: u64, pages: &Pages) -> Result<Option<u64>, u64> {
        let Some(root) = self.info.symbol("swapper_pg_dir") else { return Ok(None) };
        let base = self.info.number("phys_base").unwrap_or(0);
        let mut table = root.wrapping_sub(KERNEL_MAP).wrapping_add(base) & ADDRESS;
        let fifth = self.info.number("pgtable_l5_enabled").is_some_and(|enabled| enabled != 0);
        for shift in fifth.then_some(48).into_iter().chain([39, 30, 21, 12]) {
            let entry = pages.entry(table, (address >> shift) & 0x1ff)?;
            if entry & PRESENT == 0 {
                return Ok(None);
            }
            let within = (1 << shift) - 1;
            if shift == 12 || (shift < 39 && entry & LARGE != 0) {
                return Ok(Some((entry & ADDRESS & !within) | (address & within)));
            }
            table = entry & ADDRESS;
        }
        Ok(None)
    }
}

impl Segment {
    fn offset_of(&self, far: u64, bytes: u64) -> Option<u64> {
        self.offset.checked_add(self.bytes)?;
        (far.checked_add(bytes)? <= self.bytes).then(|| self.offset.saturating_add(far))
    }
}
