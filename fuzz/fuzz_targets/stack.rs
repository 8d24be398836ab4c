//! Any memory of a guest's, read as the stack of a vCPU with any registers.
#![no_main]

use harness::evidence::registers::VcpuState;
use harness::evidence::stack::{MAX_CALLERS, Memory, PAGE, walk};
use harness::evidence::symbols::Symbols;
use libfuzzer_sys::fuzz_target;

const CODE: u64 = 0xffff_ffff_8100_0000;
const MAP: &str = "ffffffff81000000 T _text\nffffffff81000100 T panic\nffffffff81002000 T _etext\n";

fuzz_target!(|input: (u64, u64, u64, Vec<u8>)| {
    let (rip, rsp, rbp, bytes) = input;
    let symbols = Symbols::parse(MAP).with_crashlab(rip, [("stamp", (0, 16))].into_iter());
    // Near to each other, or hardly anything leads anywhere.
    let near = |address: u64| if address & 1 << 62 == 0 { address } else { CODE + address % (4 * PAGE) };
    let standing =
        VcpuState { cpu: 0, rip: near(rip), rsp: near(rsp), rbp: near(rbp), halted: false, interrupts: false };
    let mut memory = Memory::default();
    let mut rest = bytes.chunks(4096);
    loop {
        let chain = walk(&standing, &symbols, &memory);
        assert!(chain.callers.len() <= MAX_CALLERS);
        standing.describe(&chain.callers, &symbols);
        let Some(page) = chain.wants else { break };
        assert!(page % PAGE == 0);
        memory.add(page, rest.next().unwrap_or_default().to_vec());
    }
});
