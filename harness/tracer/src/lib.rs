//! A plugin for QEMU's TCG that records when chosen instructions of the guest's kernel are executed, on which vCPU, and
//! in which order. The kernel is not touched, and its guest time goes on as ever; what is recorded lies in memory that
//! is shared with the harness ([`harness_trace`]) and outlives QEMU.
//!
//! ```text
//! a block is translated ──> Table: does a probe lie in it? ──> no (nearly always)
//!                                        └─> a callback on that one instruction ──> Memory::record
//!                                                    └─> hold::passed: a rule may hold the vCPU there
//! ```
//!
//! While it is awake, QEMU translates code more slowly, whether or not there is a probe in it. So in a restored guest
//! it sleeps until the guest rings its doorbell, just before the faults are fired.
//!
//! `-plugin file=libharness_tracer.so,memory=FD[,ram=FILE]`; the guest's RAM is wanted only for a doorbell. With
//! `trial=on` it says [`LOADED`] and declines.

mod doorbell;
mod hold;
mod memory;
mod qemu;
mod table;

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use harness_trace::{LOADED, Place, State};

use crate::memory::Memory;
use crate::qemu::{Block, Id, Info};
use crate::table::Table;

/// Code of the kernel proper lies from here on, whatever its slide (`__START_KERNEL_map`).
const KERNEL_TEXT: u64 = 0xffff_ffff_8000_0000;

/// The slide is a multiple of this (`CONFIG_PHYSICAL_ALIGN`, at least 2 MiB on x86-64).
const SLIDE_ALIGNED: u64 = 0x20_0000;

static MEMORY: OnceLock<Memory> = OnceLock::new();
/// The table in use. Replaced ones are never freed: another vCPU may be reading them, and there are few.
static TABLE: AtomicPtr<Table> = AtomicPtr::new(std::ptr::null_mut());
/// How many probes the table was made of; `u32::MAX`: there is none yet.
static TABLE_OF: AtomicU32 = AtomicU32::new(u32::MAX);
static RENEWING: Mutex<()> = Mutex::new(());

/// QEMU calls this first. Anything but 0 ends QEMU, which shows what stands on its standard error.
///
/// # Safety
/// QEMU gives `count` arguments in `values`, and a valid `info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: Id,
    info: *const Info,
    count: c_int,
    values: *const *const c_char,
) -> c_int {
    // SAFETY: by this function's contract.
    let (target, whole_machine) = unsafe { (CStr::from_ptr((*info).target_name), (*info).system_emulation) };
    if target != c"x86_64" || !whole_machine {
        eprintln!("tracer: it is for whole x86_64 machines only");
        return 1;
    }
    let arguments = (0..usize::try_from(count).unwrap_or(0)).map(|n| {
        // SAFETY: by this function's contract.
        unsafe { CStr::from_ptr(*values.add(n)) }.to_bytes()
    });
    let (mut fd, mut ram) = (None, None);
    for argument in arguments {
        if let Some(number) = argument.strip_prefix(b"memory=") {
            fd = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        } else if let Some(path) = argument.strip_prefix(b"ram=") {
            ram = Some(Path::new(OsStr::from_bytes(path)));
        } else if argument.starts_with(b"trial=") {
            // Whether this build is loaded is all that was asked.
            eprintln!("{LOADED}");
            return 1;
        }
    }
    let Some(memory) = fd.and_then(Memory::map) else {
        eprintln!("tracer: no memory of the harness's is at the descriptor given by `memory=`");
        return 1;
    };
    let _ = MEMORY.set(memory);
    memory.set_state(State::Loaded);
    if memory.doorbell() != 0 || memory.rules_come() {
        qemu::on_idle(id);
    }
    if memory.rules_come() {
        qemu::on_resume(id);
    }
    match (memory.doorbell(), ram) {
        (0, _) => wake(id),
        (at, Some(ram)) => doorbell::watch(id, ram, at),
        (_, None) => {
            eprintln!("tracer: a doorbell, but no `ram=`");
            return 1;
        }
    }
    0
}

/// A vCPU has nothing to do.
fn idle(vcpu: u32) {
    doorbell::idle();
    hold::idle(vcpu);
}

/// From now on blocks are looked at when they are translated. Those that were before are not: what matters in a dying
/// kernel is executed for the first time then.
fn wake(id: Id) {
    if let Some(memory) = MEMORY.get().filter(|memory| memory.anchor() == 0) {
        memory.set_state(State::Ready);
    }
    qemu::on_translation(id);
}

/// A block of the guest's code is being translated: asks for a call wherever a probe lies in it.
fn translated(block: *mut Block) {
    // SAFETY: QEMU gives a valid block, as in all calls of this function that take it.
    let (start, count) = unsafe { (qemu::qemu_plugin_tb_vaddr(block), qemu::qemu_plugin_tb_n_insns(block)) };
    let Some(&memory) = MEMORY.get() else { return };
    // User space is nobody's business.
    if start >> 63 == 0 {
        return;
    }
    let table = table(memory, start);
    if !table.concerns(start, count as u64) {
        return;
    }
    for index in 0..count {
        // SAFETY: the index is less than the block's number of instructions.
        let instruction = unsafe { qemu::qemu_plugin_tb_get_insn(block, index) };
        // SAFETY: as above.
        let (at, bytes) =
            unsafe { (qemu::qemu_plugin_insn_vaddr(instruction), qemu::qemu_plugin_insn_size(instruction) as u64) };
        for number in table.at(at, bytes) {
            let data = std::ptr::without_provenance_mut(number as usize);
            // SAFETY: the instruction is valid, the callback takes its data for the number that it is.
            unsafe {
                qemu::qemu_plugin_register_vcpu_insn_exec_cb(instruction, executed, qemu::NO_REGISTERS, data);
            }
        }
        for number in table.watching(at) {
            let data = std::ptr::without_provenance_mut(number as usize);
            // SAFETY: as above.
            unsafe {
                qemu::qemu_plugin_register_vcpu_mem_cb(instruction, touched, qemu::NO_REGISTERS, qemu::ACCESSES, data);
            }
        }
    }
}

/// A vCPU is about to execute a probed instruction.
extern "C" fn executed(vcpu: c_uint, data: *mut c_void) {
    let (Some(&memory), Ok(number)) = (MEMORY.get(), u32::try_from(data.addr())) else { return };
    if let Some(probe) = memory.probe(number) {
        // Who is held has not executed the instruction: it passes the probe when it goes on.
        hold::passed(memory, vcpu, number, 0);
        memory.record(vcpu, number, probe.limit, 0);
    }
}

/// A vCPU reads or writes memory, in code that a probe watches.
extern "C" fn touched(vcpu: c_uint, info: u32, address: u64, data: *mut c_void) {
    let (Some(&memory), Ok(number)) = (MEMORY.get(), u32::try_from(data.addr())) else { return };
    let Some(probe) = memory.probe(number) else { return };
    let Place::Access { watched: (from, to, as_linked), reads, .. } = probe.place else { return };
    // SAFETY: it looks at nothing but the number, which is QEMU's.
    if unsafe { qemu::qemu_plugin_mem_is_store(info) } == reads {
        return;
    }
    let slide = if as_linked { memory.slide() } else { 0 };
    let far = address.wrapping_sub(from.wrapping_add(slide));
    if far < to.wrapping_sub(from) {
        memory.record(vcpu, number, probe.limit, far);
        // The access is done.
        hold::passed(memory, vcpu, number, far);
    }
}

/// The table, made anew when the harness has added probes or the slide has become known.
fn table(memory: Memory, start: u64) -> &'static Table {
    let used = memory.probes_used();
    let told = memory.anchor() == 0;
    let anchor = !told && memory.slide_unknown() && is_anchor(memory.anchor(), start);
    if anchor || TABLE_OF.load(Ordering::Acquire) != used {
        let _guard = RENEWING.lock().unwrap_or_else(PoisonError::into_inner);
        if anchor {
            memory.set_slide(start.wrapping_sub(memory.anchor()));
            memory.set_state(State::Ready);
        }
        let slide = (told || !memory.slide_unknown()).then(|| memory.slide());
        let probes = (0..used).filter_map(|number| Some((number, memory.probe(number)?)));
        TABLE.store(Box::into_raw(Box::new(Table::new(probes, slide))), Ordering::Release);
        TABLE_OF.store(used, Ordering::Release);
    }
    // SAFETY: it was stored before `TABLE_OF` was, and is never freed.
    unsafe { &*TABLE.load(Ordering::Acquire) }
}

/// Whether a block begins where the function does whose link address is `anchor`.
const fn is_anchor(anchor: u64, start: u64) -> bool {
    start >= KERNEL_TEXT && start % SLIDE_ALIGNED == anchor % SLIDE_ALIGNED
}
