//! Any bytes, read as the head of a crash dump, as a CPU's notes, and as the page tables that lead to an address.
#![no_main]

use harness::evidence::vmcore::{Core, PAGE, Pages, Registers};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, u64, u64, Vec<u8>)| {
    let (head, address, length, tables) = input;
    Registers::of_notes(&head);
    let Ok(core) = Core::parse(&head) else { return };
    for at in [core.mapped(address, length), core.offset(address, length)].into_iter().flatten() {
        assert!(at.checked_add(length).is_some_and(|end| end <= core.bytes()));
    }
    let mut pages = Pages::default();
    let mut rest = tables.chunks(4096);
    // Four tables at most.
    for _ in 0..5 {
        match core.translate(address, &pages) {
            Ok(_) => return,
            Err(page) => {
                assert!(page % PAGE == 0);
                pages.add(page, rest.next().unwrap_or_default().to_vec());
            }
        }
    }
    panic!("a walk goes through more than four tables");
});
