//! From addresses to names, by a kernel's `System.map`, and crashlab's own functions.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The functions of a kernel, by address. A clone shares the kernel's functions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbols {
    /// By their link addresses.
    by_address: Arc<[(u64, String)]>,
    /// Behind the kernel's code as it was linked (`_etext`); 0 if that is not known.
    end: u64,
    /// How far above its link addresses the kernel runs, in bytes.
    slide: u64,
    /// A module's functions by their first and behind last address, if they are known.
    module: Vec<(u64, u64, String)>,
    /// Whether RBP is a register like any other, and does not lead to a caller.
    no_frame_pointers: bool,
}

/// The function that an address lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its first address.
    pub start: u64,
    /// Its name.
    pub name: &'a str,
    /// It is the module's, and not the kernel's own.
    pub module: bool,
}

impl Function<'_> {
    /// An address in it, or the one behind it, as the kernel's own backtraces have it: `cl_actor_thread+0x1cf [crashlab]`.
    pub fn describe(&self, address: u64) -> String {
        let module = if self.module { " [crashlab]" } else { "" };
        format!("{}+{:#x}{module}", self.name, address.wrapping_sub(self.start))
    }
}

impl Symbols {
    /// Reads `System.map`: lines of address, type and name. Lines of another form and what is not code are passed over.
    pub fn parse(text: &str) -> Self {
        let (mut by_address, mut end) = (Vec::new(), 0);
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
            let Ok(address) = u64::from_str_radix(address, 16) else { continue };
            if name == "_etext" {
                end = address;
            } else if matches!(kind, "t" | "T" | "w" | "W") {
                by_address.push((address, name.to_owned()));
            }
        }
        // Stable: of several names of one address the first is taken below, as the map has it.
        by_address.sort_by_key(|(address, _)| *address);
        Self { by_address: by_address.into(), end, ..Self::default() }
    }

    /// The symbols of a kernel without frame pointers, of whose stacks nothing is told.
    #[must_use]
    pub const fn without_frame_pointers(mut self) -> Self {
        self.no_frame_pointers = true;
        self
    }

    /// Whether who called whom can be told.
    pub const fn has_frame_pointers(&self) -> bool {
        !self.no_frame_pointers
    }

    /// The symbols of a kernel that runs `slide` bytes above its link addresses.
    #[must_use]
    pub const fn moved_by(mut self, slide: u64) -> Self {
        self.slide = slide;
        self
    }

    /// With crashlab's functions, by the addresses that they have in their section, which lies at `code`.
    #[must_use]
    pub fn with_crashlab<'a>(mut self, code: u64, functions: impl Iterator<Item = (&'a str, (u64, u64))>) -> Self {
        let at =
            |(name, (from, to)): (&str, (u64, u64))| (code.wrapping_add(from), code.wrapping_add(to), name.to_owned());
        self.module = functions.map(at).collect();
        self
    }

    /// The function that an address lies in; none if it is not code of the kernel's or of crashlab's.
    pub fn function(&self, address: u64) -> Option<Function<'_>> {
        if let Some((start, _, name)) = self.module.iter().find(|(from, to, _)| (*from..*to).contains(&address)) {
            return Some(Function { start: *start, name, module: true });
        }
        let linked = address.wrapping_sub(self.slide);
        let behind = self.by_address.partition_point(|(start, _)| *start <= linked);
        let (start, _) = self.by_address.get(behind.checked_sub(1)?).filter(|_| linked < self.end)?;
        let first = self.by_address.partition_point(|(other, _)| other < start);
        let (_, name) = self.by_address.get(first)?;
        Some(Function { start: start.wrapping_add(self.slide), name, module: false })
    }

    /// `native_halt+0x7`, `cl_actor_thread+0x1cf [crashlab]`; an address that is code of neither says so.
    pub fn describe(&self, address: u64) -> String {
        match self.function(address) {
            Some(function) => function.describe(address),
            None if !is_kernel(address) => format!("user space ({address:#x})"),
            None => format!("a module or data ({address:#x})"),
        }
    }
}

/// Whether an address is the kernel's: of those the upper half is set, with page tables of four levels and of five.
pub const fn is_kernel(address: u64) -> bool {
    address >> 63 == 1
}

/// The addresses of the variables that are `wanted`, by a `System.map`; of several of one name the first.
pub fn addresses(map: &str, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for line in map.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
        if wanted(name)
            && let Ok(address) = u64::from_str_radix(address, 16)
        {
            found.entry(name.to_owned()).or_insert(address);
        }
    }
    found
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
    fn crashlabs_functions_are_known_where_its_code_lies() {
        let code = 0xffff_ffff_a000_0000;
        let symbols =
            Symbols::parse(MAP).with_crashlab(code, [("stamp", (0, 0x20)), ("enter", (0x40, 0x50))].into_iter());
        assert_eq!(symbols.describe(code + 0x1f), "stamp+0x1f [crashlab]");
        assert_eq!(symbols.function(code + 0x40), Some(Function { start: code + 0x40, name: "enter", module: true }));
        assert_eq!(symbols.describe(code + 0x20), "a module or data (0xffffffffa0000020)");
        assert_eq!(symbols.describe(0xffff_ffff_8100_0107), "halt+0x7");
        // A guest may say that its code lies anywhere.
        Symbols::default().with_crashlab(u64::MAX, [("stamp", (0, 0x20))].into_iter()).describe(u64::MAX);
    }

    #[test]
    fn functions_of_a_kernel_that_was_moved_are_found_where_it_runs() {
        let slide = 0x2100_0000;
        let code = 0xffff_ffff_a000_0000;
        let symbols = Symbols::parse(MAP).with_crashlab(code, [("stamp", (0, 0x20))].into_iter()).moved_by(slide);
        let halt = Function { start: 0xffff_ffff_8100_0100 + slide, name: "halt", module: false };
        assert_eq!(symbols.function(0xffff_ffff_8100_0107 + slide), Some(halt));
        assert_eq!(symbols.describe(0xffff_ffff_8100_0107 + slide), "halt+0x7");
        assert_eq!(symbols.function(0xffff_ffff_8100_0107), None);
        assert_eq!(symbols.describe(code), "stamp+0x0 [crashlab]");
        // A guest may say that it was moved anywhere.
        symbols.moved_by(u64::MAX).describe(0);
    }

    #[test]
    fn variables_are_found_by_their_names() {
        let found = addresses(MAP, |name| ["data", "nothing", "_etext"].contains(&name));
        let known = [("_etext", 0xffff_ffff_8100_0200), ("data", 0xffff_ffff_8100_0180)];
        assert_eq!(found, known.map(|(name, address)| (name.to_owned(), address)).into());
    }

    #[test]
    fn addresses_elsewhere_are_not_guessed() {
        let symbols = Symbols::parse(MAP);
        assert_eq!(symbols.describe(0xffff_ffff_8100_0200), "a module or data (0xffffffff81000200)");
        assert_eq!(symbols.describe(0x40_1000), "user space (0x401000)");
        // Page tables of five levels.
        assert_eq!(symbols.describe(0xff_ffff_ffff_f000), "user space (0xfffffffffff000)");
        assert_eq!(symbols.describe(0xffa0_0000_0000_1000), "a module or data (0xffa0000000001000)");
        assert_eq!(symbols.function(0x40_1000), None);
        assert_eq!(Symbols::parse("").describe(0xffff_ffff_8100_0000), "a module or data (0xffffffff81000000)");
    }
}
