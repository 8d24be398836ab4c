use proptest::prelude::*;

use super::*;

const CODE: u64 = 0xffff_ffff_8100_0000;
const STACK: u64 = 0xffff_c900_0001_0000;
const IRQ_STACK: u64 = 0xffff_c900_000d_4000;
const MAP: &str = "ffffffff81000000 T _text\nffffffff81000100 T delay_tsc\nffffffff81000200 T __const_udelay\n\
    ffffffff81000300 T panic\nffffffff81000400 T actor_thread\nffffffff81000500 T sysvec_reboot\n\
    ffffffff81000600 T stop_this_cpu\nffffffff81001000 T _etext\n";

/// Pages that can be written.
#[derive(Default)]
struct Guest(BTreeMap<u64, Vec<u8>>);

impl Guest {
    fn write(&mut self, at: u64, bytes: &[u8]) {
        let page = self.0.entry(at - at % PAGE).or_insert_with(|| vec![0; 4096]);
        let at = usize::try_from(at % PAGE).unwrap();
        page[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn words(&mut self, at: u64, words: &[u64]) {
        for (at, word) in (at..).step_by(8).zip(words) {
            self.write(at, &word.to_le_bytes());
        }
    }

    /// Walks as one does who reads a guest's memory; the pages that were asked for.
    fn walk(&self, standing: &VcpuState) -> (Vec<String>, Vec<u64>) {
        let symbols = Symbols::parse(MAP);
        let (mut memory, mut asked) = (Memory::default(), Vec::new());
        loop {
            let chain = walk(standing, &symbols, &memory);
            let Some(page) = chain.wants else {
                return (chain.callers.iter().map(|caller| caller.describe(&symbols)).collect(), asked);
            };
            assert!(!asked.contains(&page), "{page:#x} is asked for twice");
            asked.push(page);
            memory.add(page, self.0.get(&page).cloned().unwrap_or_default());
        }
    }
}

fn standing(rip: u64, rsp: u64, rbp: u64) -> VcpuState {
    VcpuState { cpu: 0, rip, rsp, rbp, halted: false, interrupts: true }
}

/// `panic()` called by `actor_thread()`: its frame at `STACK + 0x100`, the stack pointer somewhere below.
fn in_panic() -> Guest {
    let mut guest = Guest::default();
    guest.words(STACK + 0x100, &[STACK + 0x200, CODE + 0x410]);
    guest.words(STACK + 0x200, &[0, CODE + 0x10]);
    guest.write(CODE, &[0x90; 0x800]);
    guest
}

#[test]
fn frames_are_followed_outwards() {
    let (chain, asked) = in_panic().walk(&standing(CODE + 0x345, STACK + 0x80, STACK + 0x100));
    assert_eq!(chain, ["actor_thread+0x10", "_text+0x10"]);
    assert_eq!(asked, [STACK]);
}

#[test]
fn a_function_without_a_frame_has_its_caller_where_the_stack_pointer_is() {
    let mut guest = in_panic();
    // panic() calls delay_tsc(), directly.
    guest.words(STACK + 0x78, &[CODE + 0x350]);
    let at = standing(CODE + 0x12d, STACK + 0x78, STACK + 0x100);
    guest.write(CODE + 0x34b, &[0xe8, 0xb0, 0xfd, 0xff, 0xff]);
    assert_eq!(guest.walk(&at).0, ["panic+0x50", "actor_thread+0x10", "_text+0x10"]);
    // Or it calls something else: then that is no return address.
    guest.write(CODE + 0x34b, &[0xe8, 0xb1, 0xfd, 0xff, 0xff]);
    assert_eq!(guest.walk(&at).0, ["actor_thread+0x10", "_text+0x10"]);
    // By a pointer that lies at CODE + 0x360, as __const_udelay() does.
    guest.write(CODE + 0x34a, &[0xff, 0x15, 0x10, 0, 0, 0]);
    guest.words(CODE + 0x360, &[CODE + 0x100]);
    assert_eq!(guest.walk(&at).0, ["panic+0x50", "actor_thread+0x10", "_text+0x10"]);
    guest.words(CODE + 0x360, &[CODE + 0x200]);
    assert_eq!(guest.walk(&at).0, ["actor_thread+0x10", "_text+0x10"]);
    // By a register.
    guest.write(CODE + 0x34a, &[0x90, 0x90, 0x90, 0x90, 0xff, 0xd0]);
    assert_eq!(guest.walk(&at).0, ["panic+0x50", "actor_thread+0x10", "_text+0x10"]);
}

#[test]
fn a_function_that_is_making_its_frame_has_its_caller_above_it() {
    let mut guest = in_panic();
    guest.write(CODE + 0x34b, &[0xe8, 0xb0, 0xfd, 0xff, 0xff]);
    // RBP has been pushed, and is still the caller's.
    guest.words(STACK + 0x70, &[STACK + 0x100, CODE + 0x350]);
    let chain = guest.walk(&standing(CODE + 0x101, STACK + 0x70, STACK + 0x100)).0;
    assert_eq!(chain, ["panic+0x50", "actor_thread+0x10", "_text+0x10"]);
    // It is its own: the same address is the frame's, and is told once.
    let chain = guest.walk(&standing(CODE + 0x104, STACK + 0x70, STACK + 0x70)).0;
    assert_eq!(chain, ["panic+0x50", "actor_thread+0x10", "_text+0x10"]);
}

#[test]
fn an_interrupt_leads_to_what_it_interrupted() {
    let mut guest = in_panic();
    let regs = STACK + 0x20;
    guest.words(IRQ_STACK + 0xfd8, &[regs + 1, CODE + 0x520]);
    guest.words(regs + REGS_BP, &[STACK + 0x100]);
    guest.words(regs + REGS_IP, &[CODE + 0x300, 0x10, 0x283, STACK + 0xe0]);
    let at = standing(CODE + 0x667, IRQ_STACK + 0xfc8, IRQ_STACK + 0xfd8);
    // The interrupted instruction is panic()'s first: of a call it would be the end of the function before.
    assert_eq!(guest.walk(&at).0, ["sysvec_reboot+0x20", "panic+0x0", "actor_thread+0x10", "_text+0x10"]);
    // User space was interrupted: nobody called from there.
    guest.words(regs + REGS_CS, &[0x33]);
    assert_eq!(guest.walk(&at).0, ["sysvec_reboot+0x20"]);
}

#[test]
fn a_call_that_is_the_last_of_its_function_is_named_after_that() {
    let symbols = Symbols::parse(MAP);
    assert_eq!(Caller::Call(CODE + 0x400).describe(&symbols), "panic+0x100");
    assert_eq!(Caller::Call(CODE + 0x400).name(&symbols), Some("panic"));
    assert_eq!(Caller::Interrupted(CODE + 0x400).name(&symbols), Some("actor_thread"));
}

#[test]
fn stacks_lie_elsewhere_with_page_tables_of_five_levels() {
    let stack = 0xffa0_0000_0001_0000;
    let mut guest = in_panic();
    guest.words(stack + 0x100, &[stack + 0x200, CODE + 0x410]);
    guest.words(stack + 0x200, &[0, CODE + 0x10]);
    let chain = guest.walk(&standing(CODE + 0x345, stack + 0x80, stack + 0x100)).0;
    assert_eq!(chain, ["actor_thread+0x10", "_text+0x10"]);
}

#[test]
fn a_stack_that_makes_no_sense_ends_the_chain() {
    // A frame that leads to itself.
    let mut guest = in_panic();
    guest.words(STACK + 0x100, &[STACK + 0x100]);
    assert_eq!(guest.walk(&standing(CODE + 0x345, STACK + 0x80, STACK + 0x100)).0.len(), MAX_CALLERS);
    // No stack at all; one whose page cannot be read; a frame pointer that is none; one in user space.
    for rbp in [0, 0x7fff_0000, STACK + 0x102, IRQ_STACK, u64::MAX - 7, u64::MAX] {
        assert_eq!(in_panic().walk(&standing(CODE + 0x345, STACK + 0x80, rbp)).0, [""; 0], "{rbp:#x}");
    }
    // A frame in two pages: the address to return to is in the next one.
    let mut guest = in_panic();
    guest.words(STACK + 0xff8, &[STACK + 0x100]);
    guest.words(STACK + 0x1000, &[CODE + 0x310]);
    let (chain, asked) = guest.walk(&standing(CODE + 0x345, STACK + 0x80, STACK + 0xff8));
    assert_eq!(chain, ["panic+0x10", "actor_thread+0x10", "_text+0x10"]);
    assert_eq!(asked, [STACK, STACK + 0x1000]);
}

proptest! {
    #[test]
    fn any_memory_is_survived(
        rip in address(), rsp in address(), rbp in address(),
        words in prop::collection::vec((0_u64..1024, address()), 0..200),
    ) {
        let mut guest = in_panic();
        for (at, word) in words {
            let page = [STACK, IRQ_STACK, CODE][usize::try_from(at % 3).unwrap()];
            guest.words(page + at % 512 * 8, &[word]);
        }
        let (chain, asked) = guest.walk(&standing(rip, rsp, rbp));
        prop_assert!(chain.len() <= MAX_CALLERS && asked.len() <= 4 * MAX_CALLERS + 8);
    }
}

/// Any, and often one that leads somewhere.
fn address() -> impl Strategy<Value = u64> {
    let near = |page: u64| (0_u64..4096).prop_map(move |at| page + at);
    prop_oneof![near(STACK), near(IRQ_STACK), near(CODE), any::<u64>()]
}
