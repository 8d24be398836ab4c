//! Core files as a crash kernel shows them.

use harness_evidence::vmcore::{Core, CoreError, HEAD, Pages, Registers};
use harness_evidence::vmcoreinfo::NoteError;
use harness_testdata::vmcore::{CoreBuilder, registers};
use proptest::prelude::*;

const TEXT: u64 = 0xffff_ffff_8100_0000;
const DIRECT: u64 = 0xffff_8880_0000_0000;

fn core() -> CoreBuilder {
    CoreBuilder::new("BUILD-ID=abcd\nSYMBOL(swapper_pg_dir)=ffffffff81004000\nNUMBER(phys_base)=0\n")
        .registers(Some(registers(47, TEXT + 0x10, 0x46)))
        .registers(None)
        .registers(Some(registers(0, TEXT + 0x20, 0x246)))
        .segment(TEXT, 0x100_0000, 0x1_0000)
        .segment(DIRECT + 0x10_0000, 0x10_0000, 0x20_0000)
}

#[test]
fn a_core_tells_where_memory_is() {
    let core = Core::parse(&core().head()).unwrap();
    let (first, second) = (core.mapped(TEXT, 8).unwrap(), core.mapped(DIRECT + 0x10_0000, 8).unwrap());
    assert_eq!(second - first, 0x1_0000);
    assert_eq!(core.offset(0x100_0008, 8), Some(first + 8));
    assert_eq!(core.mapped(TEXT + 0xfff8, 8), Some(first + 0xfff8));
    assert_eq!(core.bytes(), second + 0x20_0000);
    // Across the end of a segment, between segments, beyond all numbers.
    assert_eq!((core.mapped(TEXT + 0xfff9, 8), core.offset(0x50_0000, 1)), (None, None));
    assert_eq!((core.mapped(u64::MAX, 8), core.offset(0x10_0000, u64::MAX)), (None, None));
}

#[test]
fn registers_are_those_that_cpus_have_saved() {
    let core = Core::parse(&core().head()).unwrap();
    let expected = [registers(47, TEXT + 0x10, 0x46), registers(0, TEXT + 0x20, 0x246)];
    assert_eq!(core.registers, expected);
    assert_eq!(core.registers.iter().map(Registers::interrupts).collect::<Vec<_>>(), [false, true]);
    assert_eq!(core.info.text("BUILD-ID"), Some("abcd"));
}

#[test]
fn a_cpus_own_notes_have_its_registers_or_nothing() {
    let saved = registers(47, TEXT, 0);
    let note = CoreBuilder::register_note(&saved);
    assert_eq!(Registers::of_notes(&note), Some(saved));
    assert_eq!(Registers::of_notes(&[0; 512]), None);
    assert_eq!(Registers::of_notes(&note[..note.len() - 4]), None);
    assert_eq!(Registers::of_notes(&[]), None);
}

/// A page table with these entries, by their places.
fn table(entries: &[(usize, u64)]) -> Vec<u8> {
    let mut page = vec![0; 4096];
    for (index, entry) in entries {
        page[index * 8..][..8].copy_from_slice(&entry.to_le_bytes());
    }
    page
}

/// Tables of four levels: 4 KiB at one address, 2 MiB at another.
#[test]
fn what_is_mapped_elsewhere_is_found_by_the_page_tables() {
    let core = Core::parse(&core().head()).unwrap();
    let mut pages = Pages::default();
    // 0xffffc90000003000: entries 402, 0, 0, 3; 0xffffc90000200000: 402, 0, 1.
    let (small, large) = (0xffff_c900_0000_3123, 0xffff_c900_0020_0456);
    assert_eq!(core.translate(small, &pages), Err(0x100_4000));
    pages.add(0x100_4000, table(&[(402, 0x20_0063)]));
    assert_eq!(core.translate(small, &pages), Err(0x20_0000));
    pages.add(0x20_0000, table(&[(0, 0x20_1063)]));
    pages.add(0x20_1000, table(&[(0, 0x20_2063), (1, 0x8000_0000_0040_00e3)]));
    pages.add(0x20_2000, table(&[(3, 0x8000_0000_0012_3063)]));
    assert_eq!(core.translate(small, &pages), Ok(Some(0x12_3123)));
    assert_eq!(core.translate(large, &pages), Ok(Some(0x40_0456)));
    assert_eq!(core.translate(small + 0x1000, &pages), Ok(None));
    // A table that is not in the core is empty.
    pages.add(0x20_2000, Vec::new());
    assert_eq!(core.translate(small, &pages), Ok(None));
}

/// A kernel built with `CONFIG_X86_5LEVEL` on a processor that has it.
#[test]
fn page_tables_of_five_levels_are_followed_where_the_kernel_says_that_it_has_them() {
    let with = |enabled: u8| {
        let info = "SYMBOL(swapper_pg_dir)=ffffffff81004000\nNUMBER(phys_base)=0\n";
        let info = format!("{info}NUMBER(pgtable_l5_enabled)={enabled}\n");
        Core::parse(&CoreBuilder::new(&info).segment(TEXT, 0x100_0000, 4096).head()).unwrap()
    };
    // 0xff11000000003000: entries 273, 0, 0, 0, 3 of five levels.
    let (address, mut pages) = (0xff11_0000_0000_3123, Pages::default());
    pages.add(0x100_4000, table(&[(273, 0x20_0063)]));
    pages.add(0x20_0000, table(&[(0, 0x20_1063)]));
    pages.add(0x20_1000, table(&[(0, 0x20_2063)]));
    pages.add(0x20_2000, table(&[(0, 0x20_3063)]));
    pages.add(0x20_3000, table(&[(3, 0x12_3063)]));
    assert_eq!(with(1).translate(address, &pages), Ok(Some(0x12_3123)));
    assert_eq!(with(0).translate(address, &pages), Ok(None));
}

#[test]
fn what_is_no_core_is_refused() {
    let whole = core().head();
    assert_eq!(Core::parse(&[]), Err(CoreError::NoCore));
    assert_eq!(Core::parse(&vec![0; HEAD]), Err(CoreError::NoCore));
    let mut program = whole.clone();
    program[16] = 2;
    assert_eq!(Core::parse(&program), Err(CoreError::NoCore));
    assert_eq!(Core::parse(&whole[..100]), Err(CoreError::Cut("the program headers")));
    assert_eq!(Core::parse(&whole[..300]), Err(CoreError::Cut("the notes")));
    let mut many = whole;
    many[56..58].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(Core::parse(&many), Err(CoreError::Cut("the program headers")));
    let none = CoreBuilder::new("").segment(TEXT, 0, 4096).without_info().head();
    assert_eq!(Core::parse(&none), Err(CoreError::Note(NoteError::None)));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = (Core::parse(&bytes), Registers::of_notes(&bytes));
    }

    #[test]
    fn damage_is_survived(at in 0_usize..2000, byte: u8, address: u64, bytes: u64) {
        let mut head = core().head();
        if let Some(place) = head.get_mut(at) {
            *place = byte;
        }
        if let Ok(core) = Core::parse(&head) {
            let _ = (core.bytes(), core.mapped(address, bytes), core.offset(address, bytes));
            let _ = core.translate(address, &Pages::default());
        }
    }
}
