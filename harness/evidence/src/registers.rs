//! Where each vCPU stands, by what QEMU's monitor prints for `info registers -a`.

use super::symbols::is_kernel;

/// One vCPU at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VcpuState {
    /// The vCPU.
    pub cpu: u32,
    /// Its instruction pointer.
    pub rip: u64,
    /// Its stack pointer.
    pub rsp: u64,
    /// Its frame pointer, in a kernel that has them.
    pub rbp: u64,
    /// Whether it waits for an interrupt (`hlt`).
    pub halted: bool,
    /// Whether it takes interrupts (`RFLAGS.IF`).
    pub interrupts: bool,
}

/// The interrupt flag of RFLAGS.
const IF: u64 = 1 << 9;

/// Reads the monitor's text; a vCPU whose registers are not all there is left out.
pub fn parse(text: &str) -> Vec<VcpuState> {
    text.split("CPU#").skip(1).filter_map(one).collect()
}

fn one(text: &str) -> Option<VcpuState> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let cpu = text.get(..digits)?.parse().ok()?;
    let field = |name: &str| text.split_ascii_whitespace().find_map(|word| word.strip_prefix(name));
    let hex = |name: &str| u64::from_str_radix(field(name)?, 16).ok();
    Some(VcpuState {
        cpu,
        rip: hex("RIP=")?,
        rsp: hex("RSP=")?,
        rbp: hex("RBP=")?,
        halted: field("HLT=") == Some("1"),
        interrupts: hex("RFL=")? & IF != 0,
    })
}

impl VcpuState {
    /// It executes the kernel's code, or a module's.
    pub const fn in_kernel(&self) -> bool {
        is_kernel(self.rip)
    }

    /// It executes neither a kernel's code nor user space's, which always takes interrupts: code at its physical address,
    /// such as what checks and unpacks a crash kernel.
    pub const fn between_kernels(&self) -> bool {
        !self.in_kernel() && !self.interrupts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Caller;
    use crate::symbols::Symbols;

    /// From QEMU 7.2.22, shortened.
    const TEXT: &str = "\nCPU#0\r\nRAX=0000000000000000 RBX=0000000000000001\r\n\
        RSI=0000000000000000 RDI=00000007305ed5ab RBP=ffffc900001f3e28 RSP=ffffc900001f3e20\r\n\
        RIP=ffffffff81000123 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n\
        ES =0000 0000000000000000\r\n\nCPU#12\r\nRAX=0\r\nRBP=1 RSP=2\r\n\
        RIP=ffffffff81000a00 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n";

    #[test]
    fn every_vcpu_is_read() {
        let expected = [
            VcpuState {
                cpu: 0,
                rip: 0xffff_ffff_8100_0123,
                rsp: 0xffff_c900_001f_3e20,
                rbp: 0xffff_c900_001f_3e28,
                halted: false,
                interrupts: true,
            },
            VcpuState { cpu: 12, rip: 0xffff_ffff_8100_0a00, rsp: 2, rbp: 1, halted: true, interrupts: false },
        ];
        assert_eq!(parse(TEXT), expected);
        assert!(expected[0].in_kernel());
        assert!(!VcpuState { rip: 0x40_1000, ..expected[0] }.in_kernel());

        let symbols = Symbols::parse(
            "ffffffff81000100 T panic\nffffffff81000200 t actor\nffffffff81000a00 t stop_this_cpu\n\
             ffffffff82000000 T _etext\n",
        );
        let callers = [Caller::Call(0xffff_ffff_8100_0210), Caller::Interrupted(0xffff_ffff_8100_0a00)];
        assert_eq!(expected[0].describe(&callers, &symbols), "panic+0x23 < actor+0x10 < stop_this_cpu+0x0");
        assert_eq!(expected[1].describe(&[], &symbols), "stop_this_cpu+0x0, halted, interrupts off");
    }

    #[test]
    fn what_is_not_whole_is_left_out() {
        assert!(parse("").is_empty());
        assert!(parse("CPU#").is_empty());
        assert!(parse("CPU#0\nRIP=xyz RFL=0 RSP=0 RBP=0").is_empty());
        assert!(parse("CPU#0\nRIP=10 RSP=0 RBP=0").is_empty());
        assert!(parse("CPU#0\nRIP=10 RFL=0 RBP=0").is_empty());
        assert!(parse("CPU#99999999999\nRIP=10 RFL=0 RSP=0 RBP=0").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            parse(&text);
        }
    }
}
