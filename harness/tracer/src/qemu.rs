//! What is used of QEMU's plugin interface (`include/qemu/qemu-plugin.h`). It is the same from version 1 (QEMU 4.2) on,
//! but that in version 7 (QEMU 11) two callbacks are told other things.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// The version of the interface that this plugin says it was made for; QEMU refuses others than it knows.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = if cfg!(feature = "api-7") {
    7
} else if cfg!(feature = "api-2") {
    2
} else {
    1
};

/// Which plugin.
pub type Id = u64;

/// What QEMU says of itself.
#[repr(C)]
#[derive(Debug)]
pub struct Info {
    /// The emulated architecture.
    pub target_name: *const c_char,
    version: [c_int; 2],
    /// Whether it emulates a whole machine.
    pub system_emulation: bool,
}

/// A block of the guest's code that is being translated.
#[repr(C)]
#[derive(Debug)]
pub struct Block([u8; 0]);

/// An instruction of a [`Block`].
#[repr(C)]
#[derive(Debug)]
pub struct Instruction([u8; 0]);

/// Called before an instruction is executed.
pub type OnExecution = extern "C" fn(vcpu: c_uint, data: *mut c_void);

/// Called when an instruction accesses memory, at a virtual address.
pub type OnAccess = extern "C" fn(vcpu: c_uint, info: u32, address: u64, data: *mut c_void);

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback looks at no registers.
pub const NO_REGISTERS: c_int = 0;

/// `QEMU_PLUGIN_MEM_RW`: reads and writes. To be told apart in the callback: where only reads are asked for, QEMU 7.2
/// calls for none (seen).
pub const ACCESSES: c_int = 3;

unsafe extern "C" {
    /// Whether an access writes, by the `info` of the callback.
    pub fn qemu_plugin_mem_is_store(info: u32) -> bool;
    /// How many instructions it has.
    pub fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    /// Virtual address of the first.
    pub fn qemu_plugin_tb_vaddr(block: *const Block) -> u64;
    /// One of them; valid during the translation.
    pub fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    /// Its virtual address.
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    /// Its length in bytes.
    pub fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    /// Has `callback` called before each execution of the instruction.
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: OnExecution,
        flags: c_int,
        data: *mut c_void,
    );
    /// Has `callback` called at each access of the instruction's to memory.
    pub fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: OnAccess,
        flags: c_int,
        accesses: c_int,
        data: *mut c_void,
    );
}

/// Has [`crate::translated`] called whenever a block is translated.
pub fn on_translation(id: Id) {
    #[cfg(not(feature = "api-7"))]
    {
        unsafe extern "C" {
            fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: extern "C" fn(Id, *mut Block));
        }
        extern "C" fn translated(_: Id, block: *mut Block) {
            crate::translated(block);
        }
        // SAFETY: `id` is this plugin's, and the callback has the type that QEMU asks for.
        unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    }
    #[cfg(feature = "api-7")]
    {
        type Callback = extern "C" fn(*mut Block, *mut c_void);
        unsafe extern "C" {
            fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: Callback, data: *mut c_void);
        }
        extern "C" fn translated(block: *mut Block, _: *mut c_void) {
            crate::translated(block);
        }
        // SAFETY: `id` is this plugin's, and the callback has the type that QEMU asks for.
        unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated, std::ptr::null_mut()) };
    }
}

/// Has [`crate::idle`] called whenever a vCPU begins to wait for something to do.
pub fn on_idle(id: Id) {
    #[cfg(not(feature = "api-7"))]
    {
        unsafe extern "C" {
            fn qemu_plugin_register_vcpu_idle_cb(id: Id, callback: extern "C" fn(Id, c_uint));
        }
        extern "C" fn idle(_: Id, vcpu: c_uint) {
            crate::idle(vcpu);
        }
        // SAFETY: `id` is this plugin's, and the callback has the type that QEMU asks for.
        unsafe { qemu_plugin_register_vcpu_idle_cb(id, idle) };
    }
    #[cfg(feature = "api-7")]
    {
        type Callback = extern "C" fn(c_uint, *mut c_void);
        unsafe extern "C" {
            fn qemu_plugin_register_vcpu_idle_cb(id: Id, callback: Callback, data: *mut c_void);
        }
        extern "C" fn idle(vcpu: c_uint, _: *mut c_void) {
            crate::idle(vcpu);
        }
        // SAFETY: `id` is this plugin's, and the callback has the type that QEMU asks for.
        unsafe { qemu_plugin_register_vcpu_idle_cb(id, idle, std::ptr::null_mut()) };
    }
}

/// Has [`crate::hold::resumed`] called whenever a vCPU has got something to do.
pub fn on_resume(id: Id) {
    #[cfg(not(feature = "api-7"))]
    {
        unsafe extern "C" {
            fn qemu_plugin_register_vcpu_resume_cb(id: Id, callback: extern "C" fn(Id, c_uint));
        }
        extern "C" fn resumed(_: Id, vcpu: c_uint) {
            crate::hold::resumed(vcpu);
        }
        // SAFETY: `id` is this plugin's, and the callback has the type that QEMU asks for.
        unsafe { qemu_plugin_register_vcpu_resume_cb(id, resumed) };
    }
    #[cfg(feature = "api-7")]
    {
        type Callback = extern "C" fn(c_uint, *mut c_void);
        unsafe extern "C" {
            fn qemu_plugin_register_vcpu_resume_cb(id: Id, callback: Callback, data: *mut c_void);
        }
        extern "C" fn resumed(vcpu: c_uint, _: *mut c_void) {
            crate::hold::resumed(vcpu);
        }
        // SAFETY: `id` is this plugin's, and the callback has the type that QEMU asks for.
        unsafe { qemu_plugin_register_vcpu_resume_cb(id, resumed, std::ptr::null_mut()) };
    }
}
