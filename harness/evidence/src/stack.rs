//! Who called whom on a vCPU's stack, in a kernel with frame pointers (`CONFIG_FRAME_POINTER`).
//!
//! A function begins with `push %rbp; mov %rsp,%rbp`, so that RBP leads from frame to frame: the caller's RBP lies
//! there, and above it the address to return to. On an interrupt or exception `ENCODE_FRAME_POINTER` makes RBP the
//! address of the registers that were saved, with bit 0 set (Linux: `arch/x86/include/asm/frame.h`).
//!
//! A function that calls nobody may have no frame. Then the address to return to lies where RSP points; it is believed
//! if the instruction before it is a call of that function.
//!
//! The memory is read by who has it: what it takes comes out as [`Chain::wants`], page by page. The guest runs on
//! meanwhile, so what has been read may not fit together, and its kernel may have written anything: nothing is taken on
//! trust, and a chain ends where it makes no sense.

use std::collections::BTreeMap;

use super::bytes::array;
use super::registers::VcpuState;
use super::symbols::{Symbols, is_kernel};

/// A page of memory, in bytes.
pub const PAGE: u64 = 4096;

/// Nobody is looked for further out.
pub const MAX_CALLERS: usize = 32;

/// Offsets in `struct pt_regs` (`arch/x86/include/asm/ptrace.h`).
const REGS_BP: u64 = 32;
const REGS_IP: u64 = 128;
const REGS_CS: u64 = 136;
const REGS_SP: u64 = 152;

/// What has been read of a vCPU's memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// By address; one that cannot be read is empty.
    pages: BTreeMap<u64, Vec<u8>>,
}

/// One step outwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A call; the address that it returns to, which lies behind it.
    Call(u64),
    /// An interrupt, an exception or an NMI; the address of the instruction that it came before.
    Interrupted(u64),
}

/// Who called whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// From the innermost one outwards; the function that the vCPU stands in is not among them.
    pub callers: Vec<Caller>,
    /// The address of a page that it takes to go on, if it is known that there is more.
    pub wants: Option<u64>,
}

impl Memory {
    /// Adds the page at an address; an empty one cannot be read.
    pub fn add(&mut self, page: u64, bytes: Vec<u8>) {
        self.pages.insert(page, bytes);
    }

    /// Bytes at an address: none if they cannot be read or lie in two pages; as an error, the page that is wanted.
    fn bytes<const N: usize>(&self, at: u64) -> Result<Option<[u8; N]>, u64> {
        let page = at - at % PAGE;
        let bytes = self.pages.get(&page).ok_or(page)?;
        Ok(usize::try_from(at - page).ok().and_then(|at| array(bytes, at)))
    }

    fn word(&self, at: u64) -> Result<Option<u64>, u64> {
        Ok(self.bytes(at)?.map(u64::from_le_bytes))
    }

    /// Whether the instruction before `back` calls the function at `start`.
    fn calls(&self, back: u64, start: u64) -> Result<bool, u64> {
        let away = |by: [u8; 4]| back.wrapping_add_signed(i64::from(i32::from_le_bytes(by)));
        // call rel32
        if let Some([0xe8, by @ ..]) = self.bytes::<5>(back.wrapping_sub(5))? {
            return Ok(away(by) == start);
        }
        // call *disp32(%rip)
        if let Some([0xff, 0x15, by @ ..]) = self.bytes::<6>(back.wrapping_sub(6))? {
            return Ok(self.word(away(by))? == Some(start));
        }
        // call *%reg, of which nothing more is known
        Ok(matches!(self.bytes::<2>(back.wrapping_sub(2))?, Some([0xff, 0xd0..=0xd7])))
    }
}

impl VcpuState {
    /// In words, with who called whom: `delay_tsc+0x2d < __const_udelay+0x28 < panic+0x30e, interrupts off`.
    pub fn describe(&self, callers: &[Caller], symbols: &Symbols) -> String {
        let mut text = symbols.describe(self.rip);
        for caller in callers {
            text.push_str(" < ");
            text.push_str(&caller.describe(symbols));
        }
        if self.halted {
            text.push_str(", halted");
        }
        if !self.interrupts {
            text.push_str(", interrupts off");
        }
        text
    }
}

impl Caller {
    /// `panic+0x30e`; of a call as the kernel's own backtraces have it, by the address that it returns to.
    pub fn describe(self, symbols: &Symbols) -> String {
        match self {
            Self::Interrupted(at) => symbols.describe(at),
            // The call may be its function's last instruction: what follows it is another one's.
            Self::Call(back) => match symbols.function(back.wrapping_sub(1)) {
                Some(function) if symbols.function(back) != Some(function) => function.describe(back),
                _ => symbols.describe(back),
            },
        }
    }

    /// The name of the function.
    pub fn name(self, symbols: &Symbols) -> Option<&str> {
        let at = match self {
            Self::Interrupted(at) => at,
            Self::Call(back) => back.wrapping_sub(1),
        };
        symbols.function(at).map(|function| function.name)
    }
}

/// Who called whom, as far as `memory` tells.
pub fn walk(standing: &VcpuState, symbols: &Symbols, memory: &Memory) -> Chain {
    let mut chain = Chain::default();
    if !symbols.has_frame_pointers() {
        return chain;
    }
    chain.wants = frames(standing, symbols, memory, &mut chain.callers).err();
    chain
}

fn frames(standing: &VcpuState, symbols: &Symbols, memory: &Memory, callers: &mut Vec<Caller>) -> Result<(), u64> {
    let (mut ip, mut sp, mut bp) = (standing.rip, standing.rsp, standing.rbp);
    let mut just_there = true;
    while callers.len() < MAX_CALLERS {
        if std::mem::take(&mut just_there) {
            callers.extend(unwind_frameless(ip, sp, bp, symbols, memory)?);
        }
        if !is_kernel(bp) {
            return Ok(());
        }
        if bp % 8 == 1 {
            let regs = bp - 1;
            let field = |at: u64| memory.word(regs.wrapping_add(at));
            let (Some(cs), Some(at), Some(stack), Some(frame)) =
                (field(REGS_CS)?, field(REGS_IP)?, field(REGS_SP)?, field(REGS_BP)?)
            else {
                return Ok(());
            };
            // The lowest two bits are the privilege level: user space was interrupted.
            if cs % 4 != 0 || symbols.function(at).is_none() {
                return Ok(());
            }
            callers.push(Caller::Interrupted(at));
            (ip, sp, bp, just_there) = (at, stack, frame, true);
        } else if bp.is_multiple_of(8) {
            let (Some(frame), Some(back)) = (memory.word(bp)?, memory.word(bp.wrapping_add(8))?) else { return Ok(()) };
            if symbols.function(back.wrapping_sub(1)).is_none() {
                return Ok(());
            }
            callers.push(Caller::Call(back));
            bp = frame;
        } else {
            return Ok(());
        }
    }
    Ok(())
}

/// The caller of a function that has no frame, or has not made it yet and has only pushed RBP.
fn unwind_frameless(ip: u64, sp: u64, bp: u64, symbols: &Symbols, memory: &Memory) -> Result<Option<Caller>, u64> {
    let Some(function) = symbols.function(ip) else { return Ok(None) };
    for slot in [sp, sp.wrapping_add(8)] {
        // What lies above the frame pointer is read as a frame.
        if !is_kernel(slot) || !slot.is_multiple_of(8) || slot == bp.wrapping_add(8) {
            return Ok(None);
        }
        let Some(back) = memory.word(slot)? else { return Ok(None) };
        if symbols.function(back.wrapping_sub(1)).is_some() && memory.calls(back, function.start)? {
            return Ok(Some(Caller::Call(back)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
