//! The probe guest: a firmware image which does what a kernel needs of an accelerator, and says how far it got.
//!
//! Every vCPU runs the same code, the others being started by the first:
//!
//! ```text
//! 16-bit mode 'R' ─> 32-bit mode 'P' ─> start the others ─> paging, 64-bit mode 'L' ─> timer interrupt 'T'
//!                                                        ─> 64 parts of work, '.' each ─> the last one out ends QEMU
//! ```
//!
//! The letters go to isa-debugcon at port 0xe9; the end is isa-debug-exit at port 0xf4. The work is there because an
//! accelerator may run everything correctly and still be of no use: one was seen on which KVM emulates each
//! instruction, some thousand times slower than TCG.

/// vCPUs of the probe guest. The ROM counts on it.
pub(super) const CPUS: u32 = 4;

/// Parts of work that each vCPU does.
pub(super) const PARTS: u32 = 64;

/// Instructions in one part of work.
pub(super) const PART_INSTRUCTIONS: u64 = 2 * 32_768;

/// QEMU's exit code when the guest reached its end: isa-debug-exit makes `(value << 1) | 1` of the ROM's 0x20.
pub(super) const EXIT_CODE: i32 = 0x41;

/// How many bytes a guest that reaches its end has written.
pub(super) const MARKS: u32 = CPUS * (4 + PARTS);

/// The image's size: QEMU wants a multiple of 64 KiB. Its first byte is at 0xf0000 and again at 0xffff0000.
const SIZE: usize = 0x1_0000;

/// The image, for `-bios`.
pub(super) fn image() -> Vec<u8> {
    let mut image: Vec<u8> = [REAL, PROTECTED, LONG, TABLES].concat();
    image.resize(RESET_VECTOR, 0);
    image.extend_from_slice(RESET);
    image.resize(SIZE, 0);
    image
}

const RESET_VECTOR: usize = 0xfff0;

/// Here the first vCPU begins, with `cs` based at 0xffff0000.
const RESET: &[u8] = &[
    0xe9, 0x0d, 0x00, // jmp REAL, at 0 of the same segment
];

// Jumps and tables have fixed addresses; a section that changes its length must not go unnoticed.
const _: () = assert!(REAL.len() == 0x43);
const _: () = assert!(REAL.len() + PROTECTED.len() == 0xd4);
const _: () = assert!(REAL.len() + PROTECTED.len() + LONG.len() == 0x118);

/// 16-bit code at 0xf0000: `cs` is based there or, on the first vCPU, at 0xffff0000.
#[rustfmt::skip]
const REAL: &[u8] = &[
    0xfa,                                                 // cli
    0xb0, b'R',                                           // mov al, 'R'
    0xe6, 0xe9,                                           // out 0xe9, al
    // Page tables in RAM, the first 2 MiB mapped to themselves. Each vCPU writes the same.
    0x31, 0xc0,                                           // xor ax, ax
    0x8e, 0xd8,                                           // mov ds, ax
    0x66, 0xc7, 0x06, 0x00, 0x10, 0x03, 0x20, 0x00, 0x00, // mov dword [0x1000], 0x2003   PML4 -> PDPT
    0x66, 0xc7, 0x06, 0x00, 0x20, 0x03, 0x30, 0x00, 0x00, // mov dword [0x2000], 0x3003   PDPT -> PD
    0x66, 0xc7, 0x06, 0x00, 0x30, 0x83, 0x00, 0x00, 0x00, // mov dword [0x3000], 0x83     PD: a 2 MiB page
    0x2e, 0x66, 0x0f, 0x01, 0x16, 0x38, 0x01,             // lgdt cs:[0x138]
    0x2e, 0x66, 0x0f, 0x01, 0x1e, 0x3e, 0x01,             // lidt cs:[0x13e]
    0x66, 0xb8, 0x01, 0x00, 0x00, 0x00,                   // mov eax, 1                   CR0.PE, caches on
    0x0f, 0x22, 0xc0,                                     // mov cr0, eax
    0x66, 0xea, 0x43, 0x00, 0x0f, 0x00, 0x08, 0x00,       // jmp 8:0xf0043                PROTECTED
];

/// 32-bit code at 0xf0043, without paging.
#[rustfmt::skip]
const PROTECTED: &[u8] = &[
    0xb8, 0x10, 0x00, 0x00, 0x00,                               // mov eax, 0x10
    0x8e, 0xd8,                                                 // mov ds, eax
    0x8e, 0xd0,                                                 // mov ss, eax
    0xb0, b'P',                                                 // mov al, 'P'
    0xe6, 0xe9,                                                 // out 0xe9, al
    // This vCPU's local APIC: one timer interrupt, which waits until interrupts are enabled.
    0xbb, 0x00, 0x00, 0xe0, 0xfe,                               // mov ebx, 0xfee00000
    0xc7, 0x83, 0xf0, 0x00, 0x00, 0x00, 0xff, 0x01, 0x00, 0x00, // mov dword [ebx+0xf0], 0x1ff    on
    0xc7, 0x83, 0x50, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, // mov dword [ebx+0x350], 0x10000 8259 off
    0xc7, 0x83, 0xe0, 0x03, 0x00, 0x00, 0x0b, 0x00, 0x00, 0x00, // mov dword [ebx+0x3e0], 0xb     divide by 1
    0xc7, 0x83, 0x20, 0x03, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, // mov dword [ebx+0x320], 0x20    vector 0x20
    0xc7, 0x83, 0x80, 0x03, 0x00, 0x00, 0xa0, 0x86, 0x01, 0x00, // mov dword [ebx+0x380], 100000  count
    // Only the first vCPU (IA32_APIC_BASE.BSP) starts the others.
    0xb9, 0x1b, 0x00, 0x00, 0x00,                               // mov ecx, 0x1b
    0x0f, 0x32,                                                 // rdmsr
    0xf6, 0xc4, 0x01,                                           // test ah, 1
    0x74, 0x14,                                                 // jz over the next two
    0xc7, 0x83, 0x00, 0x03, 0x00, 0x00, 0x00, 0x45, 0x0c, 0x00, // mov dword [ebx+0x300], 0xc4500 INIT to others
    0xc7, 0x83, 0x00, 0x03, 0x00, 0x00, 0xf0, 0x46, 0x0c, 0x00, // mov dword [ebx+0x300], 0xc46f0 SIPI: f000:0000
    0xb8, 0x00, 0x10, 0x00, 0x00,                               // mov eax, 0x1000
    0x0f, 0x22, 0xd8,                                           // mov cr3, eax
    0xb8, 0x20, 0x00, 0x00, 0x00,                               // mov eax, 0x20                  CR4.PAE
    0x0f, 0x22, 0xe0,                                           // mov cr4, eax
    0xb9, 0x80, 0x00, 0x00, 0xc0,                               // mov ecx, 0xc0000080            IA32_EFER
    0xb8, 0x00, 0x01, 0x00, 0x00,                               // mov eax, 0x100                 EFER.LME
    0x31, 0xd2,                                                 // xor edx, edx
    0x0f, 0x30,                                                 // wrmsr
    0xb8, 0x01, 0x00, 0x00, 0x80,                               // mov eax, 0x80000001            CR0.PG, CR0.PE
    0x0f, 0x22, 0xc0,                                           // mov cr0, eax
    0xea, 0xd4, 0x00, 0x0f, 0x00, 0x18, 0x00,                   // jmp 0x18:0xf00d4               LONG
];

/// 64-bit code at 0xf00d4, with paging.
#[rustfmt::skip]
const LONG: &[u8] = &[
    0xb0, b'L',                                           // mov al, 'L'
    0xe6, 0xe9,                                           // out 0xe9, al
    // One stack for all: nothing that an interrupt pushes is ever read.
    0xbc, 0x00, 0x80, 0x00, 0x00,                         // mov esp, 0x8000
    0xfb,                                                 // sti
    0xf4,                                                 // hlt                     until the timer
    0xeb, 0xfd,                                           // jmp to hlt
    // 0xf00e1: the timer's interrupt
    0xb0, b'T',                                           // mov al, 'T'
    0xe6, 0xe9,                                           // out 0xe9, al
    0xbb, 0x40, 0x00, 0x00, 0x00,                         // mov ebx, 64             parts
    0xb9, 0x00, 0x80, 0x00, 0x00,                         // mov ecx, 32768          <- each part
    0xff, 0xc9,                                           // dec ecx                 <- two instructions of work
    0x75, 0xfc,                                           // jnz to dec ecx
    0xb0, b'.',                                           // mov al, '.'
    0xe6, 0xe9,                                           // out 0xe9, al
    0xff, 0xcb,                                           // dec ebx
    0x75, 0xef,                                           // jnz to mov ecx
    0xb8, 0x01, 0x00, 0x00, 0x00,                         // mov eax, 1
    0xf0, 0x0f, 0xc1, 0x04, 0x25, 0x00, 0x05, 0x00, 0x00, // lock xadd [0x500], eax  how many are done
    0x83, 0xf8, 0x03,                                     // cmp eax, 3              all the others?
    0x75, 0x04,                                           // jne over the end
    0xb0, 0x20,                                           // mov al, 0x20
    0xe6, 0xf4,                                           // out 0xf4, al            QEMU ends here
    0xf4,                                                 // hlt
    0xeb, 0xfd,                                           // jmp to hlt
    0x0f, 0x1f, 0x00,                                     // nop                     pads to 8 bytes
];

/// Descriptor tables at 0xf0118. All segments are marked as accessed: in a ROM the CPU cannot do it.
#[rustfmt::skip]
const TABLES: &[u8] = &[
    // GDT at 0xf0118
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 0x00 null
    0xff, 0xff, 0x00, 0x00, 0x00, 0x9b, 0xcf, 0x00, // 0x08 32-bit code, flat
    0xff, 0xff, 0x00, 0x00, 0x00, 0x93, 0xcf, 0x00, // 0x10 data, flat
    0xff, 0xff, 0x00, 0x00, 0x00, 0x9b, 0xaf, 0x00, // 0x18 64-bit code
    // 0xf0138: limit and address of the GDT
    0x1f, 0x00, 0x18, 0x01, 0x0f, 0x00,
    // 0xf013e: limit and address of an IDT whose only real entry is the one for vector 0x20, at 0xf0148
    0x0f, 0x02, 0x48, 0xff, 0x0e, 0x00,
    0x00, 0x00, 0x00, 0x00,
    // 0xf0148: interrupt gate to 0x18:0xf00e1
    0xe1, 0x00, 0x18, 0x00, 0x00, 0x8e, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];
