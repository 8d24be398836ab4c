//! The functions of a kernel or a module: where they begin, where they can be left.

use std::collections::{BTreeMap, BTreeSet};

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

/// Where a function lies, or a variable: its first address and the one behind its last.
pub type Extent = (u64, u64);

/// An ELF file's symbols and code.
#[derive(Debug)]
pub struct Image {
    /// By name, without the suffixes that the compiler gives to clones; the names of the parts that it moved away from the
    /// rest (`.cold`) as they are.
    functions: BTreeMap<String, Vec<Extent>>,
    variables: BTreeMap<String, Vec<Extent>>,
    /// Where functions begin.
    entries: BTreeMap<u64, String>,
    /// Sections of code, by their address.
    code: Vec<(u64, Vec<u8>)>,
}

/// Why there is no function of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is none.
    Unknown,
    /// There are several, of which any could be meant.
    Ambiguous,
}

impl Image {
    /// Reads a kernel (`vmlinux`), or a module, of which only the section `.text` is looked at, as if it lay at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, object::Error> {
        let file = object::File::parse(bytes)?;
        let module = file.kind() == object::ObjectKind::Relocatable;
        let text = file.section_by_name(".text").map(|section| section.index());
        let mut image =
            Self { functions: BTreeMap::new(), variables: BTreeMap::new(), entries: BTreeMap::new(), code: Vec::new() };
        for symbol in file.symbols() {
            if module && symbol.section_index() != text {
                continue;
            }
            let (Ok(name), start) = (symbol.name(), symbol.address()) else { continue };
            let extent = (start, start.saturating_add(symbol.size()));
            match symbol.kind() {
                SymbolKind::Text if symbol.size() > 0 => {
                    image.entries.entry(start).or_insert_with(|| name.to_owned());
                    image.functions.entry(plain(name).to_owned()).or_default().push(extent);
                }
                SymbolKind::Data => image.variables.entry(name.to_owned()).or_default().push(extent),
                _ => {}
            }
        }
        for section in file.sections().filter(|section| section.kind() == object::SectionKind::Text) {
            image.code.push((section.address(), section.data()?.to_vec()));
        }
        Ok(image)
    }

    /// Where a function lies; in several places if the compiler made clones of it.
    pub fn function(&self, name: &str) -> Result<&[Extent], Missing> {
        let extents = self.functions.get(name).ok_or(Missing::Unknown)?;
        let named = extents.iter().filter(|(start, _)| self.entries.get(start).is_some_and(|of| of == name)).count();
        // Two functions of one name, in two files.
        if named > 1 { Err(Missing::Ambiguous) } else { Ok(extents) }
    }

    /// Where a variable lies.
    pub fn variable(&self, name: &str) -> Result<Extent, Missing> {
        match self.variables.get(name).map(Vec::as_slice) {
            None | Some([]) => Err(Missing::Unknown),
            Some([extent]) => Ok(*extent),
            Some(_) => Err(Missing::Ambiguous),
        }
    }

    /// The function that begins at an address.
    pub fn beginning_at(&self, address: u64) -> Option<(&str, Extent)> {
        let name = self.entries.get(&address)?;
        let extent = self.functions.get(plain(name))?.iter().find(|(start, _)| *start == address)?;
        Some((name, *extent))
    }

    /// Address and length of what may be an instruction by which a function is left: a return, or a jump to the beginning of
    /// another function. There are more of these than such instructions, since bytes within others look the same.
    pub fn ways_out(&self, name: &str, function: Extent) -> BTreeSet<(u64, u64)> {
        let cold = self.functions.get(&format!("{}.cold", plain(name))).map_or(&[][..], Vec::as_slice);
        let own = |address| [&[function], cold].concat().iter().any(|(from, to)| (*from..*to).contains(&address));
        let mut ways = BTreeSet::new();
        for extent in [&[function], cold].concat() {
            let code = self.bytes(extent);
            for (at, rest) in (extent.0..).zip((0..code.len()).map(|from| &code[from..])) {
                let target = match rest {
                    // ret; rep ret
                    [0xc3, ..] => Some((1, None)),
                    [0xf3, 0xc3, ..] => Some((2, None)),
                    // jmp rel32; jmp rel8
                    [0xe9, a, b, c, d, ..] => Some((5, Some(i64::from(i32::from_le_bytes([*a, *b, *c, *d]))))),
                    [0xeb, near, ..] => Some((2, Some(i64::from(near.cast_signed())))),
                    _ => None,
                };
                let Some((length, jump)) = target else { continue };
                let away = jump.is_none_or(|by| {
                    let to = at.wrapping_add(length).wrapping_add_signed(by);
                    self.entries.contains_key(&to) && !own(to)
                });
                if away {
                    ways.insert((at, length));
                }
            }
        }
        ways
    }

    fn bytes(&self, (from, to): Extent) -> &[u8] {
        let found = self.code.iter().find_map(|(start, bytes)| {
            let begin = usize::try_from(from.checked_sub(*start)?).ok()?;
            bytes.get(begin..begin.checked_add(usize::try_from(to.checked_sub(from)?).ok()?)?)
        });
        found.unwrap_or_default()
    }
}

/// A function's name without what GCC and Clang append to the names of clones that take other arguments.
fn plain(name: &str) -> &str {
    let Some((before, number)) = name.rsplit_once('.') else { return name };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return name;
    }
    before.strip_suffix(".isra").or_else(|| before.strip_suffix(".constprop")).map_or(name, plain)
}
