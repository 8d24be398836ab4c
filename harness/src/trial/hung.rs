//! Where the vCPUs of a guest stand that may be hung, and who called whom there.

use std::collections::BTreeMap;

use super::progress::HungBy;
use crate::evidence::registers::{self, VcpuState};
use crate::evidence::stack::{self, Caller};
use crate::evidence::symbols::Symbols;
use crate::guest::{Guest, GuestError};
use crate::model::HungCpu;
use crate::waits::{Wait, Waits};

/// No more pages are read of a vCPU's stacks at one look: three stacks in two pages each, and code beside calls.
const PAGES: usize = 12;

/// A hung guest.
#[derive(Debug, Clone)]
pub struct Hung {
    /// How it was recognised.
    pub by: String,
    /// Where each vCPU stood, by the symbols of its kernel.
    pub at: Vec<HungCpu>,
    /// The vCPUs' registers as the monitor showed them, once for each time that they were looked at.
    pub registers: Vec<String>,
}

impl Hung {
    /// How it was recognised and where its vCPUs stood, to be put behind what else is said of it.
    pub(super) fn in_short(&self) -> String {
        let at = |HungCpu { cpu, at }: &HungCpu| format!(", CPU {cpu} at {}", at.first().map_or("?", String::as_str));
        format!(" (it hung: {}{})", self.by, self.at.iter().map(at).collect::<String>())
    }
}

/// All vCPUs at one moment.
#[derive(Debug, Clone)]
pub(super) struct Stand {
    registers: String,
    cpus: Vec<(VcpuState, Vec<Caller>)>,
}

impl Stand {
    /// Looks. The guest runs on meanwhile, so a vCPU that is on the move may have no callers, or wrong ones.
    pub async fn look(guest: &Guest, symbols: &Symbols) -> Result<Self, GuestError> {
        let registers = guest.registers().await?;
        let mut cpus = Vec::new();
        for standing in registers::parse(&registers) {
            let in_kernel = standing.in_kernel();
            cpus.push((standing, if in_kernel { callers(guest, &standing, symbols).await? } else { Vec::new() }));
        }
        Ok(Self { registers, cpus })
    }

    /// Whether some vCPU has left its kernel, and is not in the next one yet.
    pub fn between_kernels(&self) -> bool {
        self.cpus.iter().any(|(standing, _)| standing.between_kernels())
    }

    /// The waits that vCPUs are in, each with the function by which it is known.
    pub fn waits<'a>(&'a self, symbols: &'a Symbols, known: &'a Waits) -> Vec<(&'a Wait, &'a str)> {
        let of_cpu = |(standing, callers): &'a (VcpuState, Vec<Caller>)| {
            let own = symbols.function(standing.rip).map(|function| function.name);
            let stack: Vec<&str> =
                own.into_iter().chain(callers.iter().filter_map(|caller| caller.name(symbols))).collect();
            known.of_stack(&stack)
        };
        self.cpus.iter().flat_map(of_cpu).collect()
    }
}

async fn callers(guest: &Guest, standing: &VcpuState, symbols: &Symbols) -> Result<Vec<Caller>, GuestError> {
    let mut memory = stack::Memory::default();
    let mut chain = stack::walk(standing, symbols, &memory);
    for _ in 0..PAGES {
        let Some(page) = chain.wants else { break };
        memory.add(page, guest.memory_seen_by(standing.cpu, page, stack::PAGE).await?);
        chain = stack::walk(standing, symbols, &memory);
    }
    Ok(chain.callers)
}

impl Hung {
    pub(super) fn new(by: &HungBy, stands: Vec<Stand>, symbols: &Symbols) -> Self {
        let mut cpus: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (standing, callers) in stands.iter().flat_map(|stand| &stand.cpus) {
            cpus.entry(standing.cpu).or_default().push(standing.describe(callers, symbols));
        }
        let at = cpus.into_iter().map(|(cpu, at)| HungCpu { cpu, at }).collect();
        Self { by: by.to_string(), at, registers: stands.into_iter().map(|stand| stand.registers).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MAP: &str = "ffffffff81000100 T delay_tsc\nffffffff81000200 T native_stop_other_cpus\n\
        ffffffff81000300 T panic\nffffffff81001000 T _etext\n";

    fn stand(cpus: &[(u32, u64, &[u64])]) -> Stand {
        let standing = |cpu, rip| VcpuState { cpu, rip, rsp: 0, rbp: 0, halted: false, interrupts: true };
        let callers = |back: &[u64]| back.iter().copied().map(Caller::Call).collect();
        let cpus = cpus.iter().map(|(cpu, rip, back)| (standing(*cpu, *rip), callers(back))).collect();
        Stand { registers: "RIP=".to_owned(), cpus }
    }

    /// The project's own.
    fn known() -> Waits {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = crate::project::Project::find(here).expect("the checkout").waits();
        crate::waits::WaitSet::load(&file).expect("it is in order").of(&"6.12".parse().expect("a version"))
    }

    #[test]
    fn one_vcpu_in_a_wait_with_an_end_is_enough() {
        let (symbols, known) = (Symbols::parse(MAP), known());
        let names = |stand: Stand| -> Vec<String> {
            stand.waits(&symbols, &known).into_iter().map(|(_, function)| function.to_owned()).collect()
        };
        let (delay, stop, panic) = (0xffff_ffff_8100_0110, 0xffff_ffff_8100_0220, 0xffff_ffff_8100_0330);
        assert_eq!(names(stand(&[(0, stop, &[panic])])), ["native_stop_other_cpus"]);
        assert_eq!(names(stand(&[(0, delay, &[]), (1, delay, &[stop, panic])])), ["native_stop_other_cpus"]);
        assert_eq!(names(stand(&[(1, delay, &[panic])])), ["panic"]);
        assert!(names(stand(&[(0, delay, &[])])).is_empty());
        // Where the crash kernel's checksums are taken, and where it is unpacked.
        let mut leaving = stand(&[(0, 0x0eff_b330, &[])]);
        assert!(!leaving.between_kernels(), "user space");
        leaving.cpus[0].0.interrupts = false;
        assert!(leaving.between_kernels());
    }

    #[test]
    fn each_vcpu_is_named_with_its_callers_once_for_each_look() {
        let (delay, panic) = (0xffff_ffff_8100_0110, 0xffff_ffff_8100_0330);
        let looks = vec![stand(&[(1, delay, &[panic]), (0, panic, &[])]), stand(&[(0, delay, &[])])];
        let hung = Hung::new(&HungBy::Quiet(Duration::from_secs(3)), looks, &Symbols::parse(MAP));
        let texts: Vec<_> = hung.at.iter().map(|HungCpu { cpu, at }| format!("{cpu}: {}", at.join("; "))).collect();
        assert_eq!(texts, ["0: panic+0x30; delay_tsc+0x10", "1: delay_tsc+0x10 < panic+0x30"]);
        assert_eq!(hung.registers.len(), 2);
    }
}
