//! From addresses to names, by a kernel's `System.map`.

/// The functions of a kernel, by address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbols {
    by_address: Vec<(u64, String)>,
    /// Behind the kernel's code (`_etext`); 0 if that is not known.
    end: u64,
}

impl Symbols {
    /// Reads `System.map`: lines of address, type and name. Lines of another form and what is not code are passed over.
    pub fn parse(text: &str) -> Self {
        let mut symbols = Self::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
            let Ok(address) = u64::from_str_radix(address, 16) else { continue };
            if name == "_etext" {
                symbols.end = address;
            } else if matches!(kind, "t" | "T" | "w" | "W") {
                symbols.by_address.push((address, name.to_owned()));
            }
        }
        // Stable: of several names of one address the first is taken below, as the map has it.
        symbols.by_address.sort_by_key(|(address, _)| *address);
        symbols
    }

    /// `native_halt+0x7`; an address that is not in the kernel's own code says so.
    pub fn describe(&self, address: u64) -> String {
        let behind = self.by_address.partition_point(|(start, _)| *start <= address);
        let found = behind.checked_sub(1).and_then(|last| self.by_address.get(last));
        match found {
            Some((start, _)) if address < self.end => {
                let first = self.by_address.partition_point(|(other, _)| other < start);
                let name = self.by_address.get(first).map_or("", |(_, name)| name.as_str());
                format!("{name}+{:#x}", address - start)
            }
            _ if address >> 47 == 0 => format!("user space ({address:#x})"),
            _ => format!("a module or data ({address:#x})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "ffffffff81000000 T _text\nffffffff81000000 T startup_64\nffffffff81000100 t halt\n\
        ffffffff81000100 t also_halt\nffffffff81000180 D data\nffffffff81000200 T _etext\nnonsense\n";

    #[test]
    fn addresses_get_the_name_of_the_function_they_are_in() {
        let symbols = Symbols::parse(MAP);
        assert_eq!(symbols.describe(0xffff_ffff_8100_0000), "_text+0x0");
        assert_eq!(symbols.describe(0xffff_ffff_8100_0107), "halt+0x7");
        assert_eq!(symbols.describe(0xffff_ffff_8100_01ff), "halt+0xff");
    }

    #[test]
    fn addresses_elsewhere_are_not_guessed() {
        let symbols = Symbols::parse(MAP);
        assert_eq!(symbols.describe(0xffff_ffff_8100_0200), "a module or data (0xffffffff81000200)");
        assert_eq!(symbols.describe(0x40_1000), "user space (0x401000)");
        assert_eq!(Symbols::parse("").describe(0xffff_ffff_8100_0000), "a module or data (0xffffffff81000000)");
    }
}
