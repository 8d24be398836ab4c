//! Reading a dead kernel's memory by way of its crash kernel.
//!
//! ```text
//! head ─> Core ─> VMCOREINFO ─> prb ─> the log
//!           └──> crash_notes of each CPU ─> registers ─> stack ─> where it stood
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::guest_source::GuestSource;
use crate::evidence::printk_ring::{Layout, RawRing, Span};
use crate::evidence::registers::VcpuState;
use crate::evidence::stack;
use crate::evidence::symbols::{Symbols, addresses};
use crate::evidence::vmcore::{Capture, Core, Dump, DumpedCpu, HEAD, PAGE, Pages, Registers};
use crate::guest::{CaptureError, End, Greeting, Guest, GuestError};

/// No more pages are read of a CPU's stacks: three stacks in two pages each, and code beside calls.
const STACK_PAGES: usize = 12;
/// A walk ends after five tables.
const TABLES: usize = 6;
const PAGE_BYTES: usize = 4096;
/// Most CPUs of a guest.
const CPUS: u32 = 8;
/// A CPU's notes: one of registers and its end (`crash_notes`), 356 bytes in all.
const NOTES: usize = 512;
/// What a full dump is read in.
const CHUNK: usize = 1 << 20;
/// How long all of it may take: 40 ms as a rule, of a full one a second for 200 MB.
const DEADLINE: Duration = Duration::from_secs(300);

/// Where the kernel keeps what is read of its memory, by its own symbols; none where it has no such symbol.
#[derive(Debug, Clone, Copy)]
struct Variables {
    crash_notes: Option<u64>,
    per_cpu_offset: Option<u64>,
    panic_cpu: Option<u64>,
    kexec_crash_image: Option<u64>,
}

/// What it takes to read dumps of a kernel.
#[derive(Debug)]
pub(super) struct Dumps {
    variables: Variables,
    /// The kernel's; empty if it is not known.
    pub build_id: String,
}

impl Dumps {
    /// For a kernel whose `System.map` this is, if there is one.
    pub fn new(map: Option<&str>, build_id: &str) -> Self {
        Self { variables: Variables::of(map.unwrap_or_default()), build_id: build_id.to_owned() }
    }

    /// What has become of the dump of a guest that has ended so, whose kernel ran `slide` bytes above its link addresses.
    /// `full`: where all of it is written, if it is to be.
    pub async fn capture(
        &self,
        guests: &GuestSource,
        guest: &mut Guest,
        slide: u64,
        end: &End,
        full: Option<&Path>,
    ) -> Result<Capture, GuestError> {
        match end {
            End::Captured(Greeting::Vmcore { free_kib }) => self.read(guests, guest, slide, *free_kib, full).await,
            End::Captured(Greeting::None(why)) => Ok(Capture::NoVmcore(why.clone())),
            _ if guest.has_captured() > 0 => Ok(Capture::Hung(match end {
                End::Ended(reason) => format!("it ended ({reason}) before its agent had said anything"),
                _ => "it did nothing any more before its agent had said anything".to_owned(),
            })),
            _ => is_loaded(guest, self.variables.moved_by(slide)).await.map(|loaded| match loaded {
                Some(false) => Capture::NotLoaded,
                _ => Capture::NotEntered,
            }),
        }
    }

    async fn read(
        &self,
        guests: &GuestSource,
        guest: &mut Guest,
        slide: u64,
        free_kib: u64,
        full: Option<&Path>,
    ) -> Result<Capture, GuestError> {
        let what = "read the kernel's symbols, for the dump of its memory".to_owned();
        let symbols = guests.symbols(guest, slide).await.map_err(|source| GuestError::Io { what, source })?;
        let most = u64::from(guests.machine.memory_mib) << 21;
        let mut reader = Reader { guest, most, dump: Dump { free_kib, ..Dump::default() }, pages: Pages::default() };
        match timeout(DEADLINE, reader.all(self.variables.moved_by(slide), &symbols, full)).await {
            Ok(Ok(())) => Ok(Capture::Read(Box::new(reader.dump))),
            Ok(Err(DumpError::Bad(why))) => Ok(Capture::Bad(why)),
            Ok(Err(DumpError::Stuck(CaptureError::Guest(error)))) => Err(error),
            Ok(Err(DumpError::Stuck(stuck))) => Ok(Capture::Hung(stuck.to_string())),
            Err(_) => Ok(Capture::Hung(format!("its /proc/vmcore was not read within {DEADLINE:?}"))),
        }
    }
}

impl Variables {
    /// By a kernel's `System.map`.
    fn of(map: &str) -> Self {
        let names = ["crash_notes", "__per_cpu_offset", "panic_cpu", "kexec_crash_image"];
        let found = addresses(map, |name| names.contains(&name));
        let [crash_notes, per_cpu_offset, panic_cpu, kexec_crash_image] = names.map(|name| found.get(name).copied());
        Self { crash_notes, per_cpu_offset, panic_cpu, kexec_crash_image }
    }

    /// The variables of a kernel that runs `slide` bytes above its link addresses.
    fn moved_by(self, slide: u64) -> Self {
        let moved = |address: Option<u64>| address.map(|address| address.wrapping_add(slide));
        let Self { crash_notes, per_cpu_offset, panic_cpu, kexec_crash_image } = self;
        Self {
            crash_notes: moved(crash_notes),
            per_cpu_offset: moved(per_cpu_offset),
            panic_cpu: moved(panic_cpu),
            kexec_crash_image: moved(kexec_crash_image),
        }
    }
}

/// Whether a crash kernel was loaded, by the kernel's own pointer to it; none where that cannot be seen.
async fn is_loaded(guest: &Guest, variables: Variables) -> Result<Option<bool>, GuestError> {
    let Some(pointer) = variables.kexec_crash_image else { return Ok(None) };
    let memory = guest.kernel_memory(pointer, 8).await?;
    Ok((!memory.is_empty()).then(|| memory.iter().any(|byte| *byte != 0)))
}

/// Why a dump could not be read.
enum DumpError {
    /// Something is not in it.
    Bad(String),
    /// The crash kernel, or our side.
    Stuck(CaptureError),
}

impl From<CaptureError> for DumpError {
    fn from(error: CaptureError) -> Self {
        Self::Stuck(error)
    }
}

struct Reader<'a> {
    guest: &'a mut Guest,
    /// No honest dump has more bytes: all of the machine's memory, of which some is in two segments.
    most: u64,
    dump: Dump,
    /// What was read to find where other things are.
    pages: Pages,
}

impl Reader<'_> {
    async fn all(&mut self, variables: Variables, symbols: &Symbols, full: Option<&Path>) -> Result<(), DumpError> {
        let head = self.file(0, HEAD).await?;
        self.dump.core = Core::parse(&head).map_err(|error| DumpError::Bad(error.to_string()))?;
        let bytes = self.dump.core.bytes();
        if bytes > self.most {
            return Err(DumpError::Bad(format!(
                "it says that it has {bytes} bytes, more than twice the machine's memory"
            )));
        }
        self.dump.log = Some(self.log().await?);
        self.for_other_tools().await?;
        if let Some(address) = variables.panic_cpu {
            let cpu = self.mapped("panic_cpu", address, 4).await?;
            self.dump.panic_cpu =
                cpu.first_chunk().copied().map(i32::from_le_bytes).and_then(|cpu| cpu.try_into().ok());
        }
        if let (Some(notes), Some(offsets)) = (variables.crash_notes, variables.per_cpu_offset) {
            let notes = self.word("crash_notes", notes).await?;
            for cpu in 0..CPUS {
                let offset = self.word("__per_cpu_offset", offsets.wrapping_add(u64::from(cpu) * 8)).await?;
                // That of a CPU which is not there is none.
                let Some(at) = self.dump.core.mapped(notes.wrapping_add(offset), NOTES as u64) else { continue };
                if let Some(registers) = Registers::of_notes(&self.file(at, NOTES).await?) {
                    let at = self.stand(cpu, registers, symbols).await?;
                    self.dump.cpus.push(DumpedCpu { cpu, registers, at });
                }
            }
        }
        self.dump.without_symbols = variables.crash_notes.is_none();
        match full {
            Some(path) => self.copy(path).await,
            None => Ok(()),
        }
    }

    async fn log(&mut self) -> Result<RawRing, DumpError> {
        let layout = Layout::of(&self.dump.core.info).map_err(|error| DumpError::Bad(error.to_string()))?;
        let address = self.word("prb", layout.prb).await?;
        let ring = self.mapped("struct printk_ringbuffer", address, layout.ring_bytes).await?;
        let arrays = layout.arrays(&ring).map_err(|error| DumpError::Bad(error.to_string()))?;
        let mut array = async |what, Span { address, bytes }| self.mapped(what, address, bytes).await;
        let descs = array("the log's descriptors", arrays.descs).await?;
        let infos = array("the log's infos", arrays.infos).await?;
        let text = array("the log's text", arrays.text).await?;
        Ok(RawRing { layout, arrays, ring, descs, infos, text })
    }

    /// What makedumpfile looks at before the log: who the kernel says it is, what memory it has, and the page tables by
    /// which all of these are mapped.
    async fn for_other_tools(&mut self) -> Result<(), DumpError> {
        let (names, sections) = {
            let info = &self.dump.core.info;
            (info.symbol("init_uts_ns"), info.symbol("mem_section"))
        };
        for address in names.into_iter().flat_map(|names| [names, names.wrapping_add(PAGE)]) {
            self.keep_page(address).await?;
        }
        // A pointer to pointers to arrays of `struct mem_section` (CONFIG_SPARSEMEM_EXTREME).
        let mut next = sections;
        for _ in 0..3 {
            let Some(address) = next else { break };
            self.keep_page(address).await?;
            next = match self.dump.core.mapped(address, 8) {
                Some(_) => Some(self.word("mem_section", address).await?),
                None => None,
            };
        }
        Ok(())
    }

    async fn keep_page(&mut self, address: u64) -> Result<(), DumpError> {
        let page = address - address % PAGE;
        self.walk(page).await?;
        self.page(page).await.map(drop)
    }

    /// Where a CPU stood, by the registers that it saved and its stack.
    async fn stand(&mut self, cpu: u32, registers: Registers, symbols: &Symbols) -> Result<String, DumpError> {
        let Registers { rip, rsp, rbp, .. } = registers;
        // Nobody's interrupts are on when registers are saved by way of an NMI: the flags are those of before.
        let standing = VcpuState { cpu, rip, rsp, rbp, halted: false, interrupts: registers.interrupts() };
        if !standing.in_kernel() {
            return Ok(standing.describe(&[], symbols));
        }
        let mut memory = stack::Memory::default();
        let mut chain = stack::walk(&standing, symbols, &memory);
        for _ in 0..STACK_PAGES {
            let Some(page) = chain.wants else { break };
            memory.add(page, self.page(page).await?);
            chain = stack::walk(&standing, symbols, &memory);
        }
        Ok(standing.describe(&chain.callers, symbols))
    }

    /// A page by its virtual address; empty where there is none.
    async fn page(&mut self, address: u64) -> Result<Vec<u8>, DumpError> {
        let at = match self.dump.core.mapped(address, PAGE) {
            Some(at) => Some(at),
            None => self.walk(address).await?.and_then(|at| self.dump.core.offset(at, PAGE)),
        };
        Ok(match at {
            Some(at) => self.file(at, PAGE_BYTES).await?,
            None => Vec::new(),
        })
    }

    /// The physical address that the kernel's page tables give for a virtual one.
    async fn walk(&mut self, address: u64) -> Result<Option<u64>, DumpError> {
        for _ in 0..TABLES {
            match self.dump.core.translate(address, &self.pages) {
                Ok(found) => return Ok(found),
                Err(table) => {
                    let page = match self.dump.core.offset(table, PAGE) {
                        Some(at) => self.file(at, PAGE_BYTES).await?,
                        None => Vec::new(),
                    };
                    self.pages.add(table, page);
                }
            }
        }
        Ok(None)
    }

    async fn word(&mut self, what: &str, address: u64) -> Result<u64, DumpError> {
        let bytes = self.mapped(what, address, 8).await?;
        Ok(bytes.first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default())
    }

    /// Memory that the kernel's own mappings have.
    async fn mapped(&mut self, what: &str, address: u64, bytes: usize) -> Result<Vec<u8>, DumpError> {
        let Some(at) = self.dump.core.mapped(address, bytes as u64) else {
            return Err(DumpError::Bad(format!("{what} should be at {address:#x}, which is not in it")));
        };
        let found = self.file(at, bytes).await?;
        if found.len() == bytes {
            return Ok(found);
        }
        Err(DumpError::Bad(format!("of {what} at {address:#x} only {} of {bytes} bytes can be read", found.len())))
    }

    async fn file(&mut self, at: u64, bytes: usize) -> Result<Vec<u8>, CaptureError> {
        if let Some(known) = self.dump.pieces.get(&at).filter(|known| known.len() >= bytes) {
            return Ok(known.get(..bytes).unwrap_or_default().to_vec());
        }
        let found = self.guest.vmcore(at, bytes).await?;
        self.dump.pieces.insert(at, found.clone());
        Ok(found)
    }

    /// Copies all of the file; what is zero takes no room.
    async fn copy(&mut self, to: &Path) -> Result<(), DumpError> {
        let failed = |error| {
            let what = format!("write {}", to.display());
            DumpError::Stuck(GuestError::Io { what, source: error }.into())
        };
        let file = File::create(to).map_err(failed)?;
        let (bytes, mut at) = (self.dump.core.bytes(), 0);
        file.set_len(bytes).map_err(failed)?;
        while at < bytes {
            let wanted = usize::try_from(bytes - at).unwrap_or(CHUNK).min(CHUNK);
            let piece = self.guest.vmcore(at, wanted).await?;
            if piece.len() < wanted {
                let end = at + piece.len() as u64;
                return Err(DumpError::Bad(format!("only {end} of its {bytes} bytes can be read")));
            }
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(&piece, at).map_err(failed)?;
            }
            at += piece.len() as u64;
        }
        Ok(())
    }
}
