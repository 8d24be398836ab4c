//! Where each vCPU stands, by what QEMU's monitor prints for `info registers -a`.

use super::symbols::Symbols;

/// One vCPU at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The vCPU.
    pub cpu: u32,
    /// Its instruction pointer.
    pub rip: u64,
    /// Whether it waits for an interrupt (`hlt`).
    pub halted: bool,
    /// Whether it takes interrupts (`RFLAGS.IF`).
    pub interrupts: bool,
}

/// The interrupt flag of RFLAGS.
const IF: u64 = 1 << 9;

/// Reads the monitor's text; a vCPU whose registers are not all there is left out.
pub fn parse(text: &str) -> Vec<Standing> {
    text.split("CPU#").skip(1).filter_map(one).collect()
}

fn one(text: &str) -> Option<Standing> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let cpu = text.get(..digits)?.parse().ok()?;
    let field = |name: &str| text.split_ascii_whitespace().find_map(|word| word.strip_prefix(name));
    let hex = |name: &str| u64::from_str_radix(field(name)?, 16).ok();
    Some(Standing { cpu, rip: hex("RIP=")?, halted: field("HLT=") == Some("1"), interrupts: hex("RFL=")? & IF != 0 })
}

impl Standing {
    /// In words: `native_stop_other_cpus+0x9c, interrupts off`.
    pub fn describe(&self, symbols: &Symbols) -> String {
        let mut text = symbols.describe(self.rip);
        if self.halted {
            text.push_str(", halted");
        }
        if !self.interrupts {
            text.push_str(", interrupts off");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From QEMU 7.2.22, shortened.
    const TEXT: &str = "\nCPU#0\r\nRAX=0000000000000000 RBX=0000000000000001\r\n\
        RIP=ffffffff81000123 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n\
        ES =0000 0000000000000000\r\n\nCPU#12\r\nRAX=0\r\n\
        RIP=ffffffff81000a00 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n";

    #[test]
    fn every_vcpu_is_read() {
        let expected = [
            Standing { cpu: 0, rip: 0xffff_ffff_8100_0123, halted: false, interrupts: true },
            Standing { cpu: 12, rip: 0xffff_ffff_8100_0a00, halted: true, interrupts: false },
        ];
        assert_eq!(parse(TEXT), expected);
        let symbols =
            Symbols::parse("ffffffff81000100 T panic\nffffffff81000a00 t stop_this_cpu\nffffffff82000000 T _etext\n");
        assert_eq!(expected[0].describe(&symbols), "panic+0x23");
        assert_eq!(expected[1].describe(&symbols), "stop_this_cpu+0x0, halted, interrupts off");
    }

    #[test]
    fn what_is_not_whole_is_left_out() {
        assert!(parse("").is_empty());
        assert!(parse("CPU#").is_empty());
        assert!(parse("CPU#0\nRIP=xyz RFL=0").is_empty());
        assert!(parse("CPU#0\nRIP=10").is_empty());
        assert!(parse("CPU#99999999999\nRIP=10 RFL=0").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            parse(&text);
        }
    }
}
