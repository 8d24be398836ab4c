//! The functions of a kernel or a module: where they begin, where they can be left.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, ReadCache, SymbolKind};

/// Where a function lies, or a variable: its first address and the one behind its last.
pub type Extent = (u64, u64);

/// An ELF file's symbols and code.
#[derive(Debug)]
pub struct Image {
    /// By address.
    functions: Symbols,
    variables: Symbols,
    /// Where sections of code lie: their address, their place in the file, their size. Their bytes are read when they
    /// are asked for: a kernel has 8 MiB of them.
    code: Vec<(u64, u64, u64)>,
    file: File,
}

/// Tens of thousands of symbols in few allocations, which are given back to the host: a process that has grown is
/// slower to fork.
#[derive(Debug, Default)]
struct Symbols {
    names: String,
    /// First address, address behind the last, and where the name stands.
    all: Vec<(u64, u64, Range<usize>)>,
}

impl Symbols {
    fn add(&mut self, name: &str, (from, to): Extent) {
        let start = self.names.len();
        self.names.push_str(name);
        self.all.push((from, to, start..self.names.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (&str, Extent)> {
        self.all.iter().map(|(from, to, name)| (self.names.get(name.clone()).unwrap_or_default(), (*from, *to)))
    }

    /// The first of those that begin at an address.
    fn at(&self, address: u64) -> Option<(&str, Extent)> {
        let first = self.all.partition_point(|(from, ..)| *from < address);
        self.iter().nth(first).filter(|(_, (from, _))| *from == address)
    }
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
    pub fn open(path: &Path) -> io::Result<Self> {
        let bytes = ReadCache::new(BufReader::new(File::open(path)?));
        let file = object::File::parse(&bytes).map_err(io::Error::other)?;
        let module = file.kind() == object::ObjectKind::Relocatable;
        let text = file.section_by_name(".text").map(|section| section.index());
        let (mut functions, mut variables) = (Symbols::default(), Symbols::default());
        for symbol in file.symbols() {
            if module && symbol.section_index() != text {
                continue;
            }
            let (Ok(name), start) = (symbol.name(), symbol.address()) else { continue };
            let extent = (start, start.saturating_add(symbol.size()));
            match symbol.kind() {
                SymbolKind::Text if symbol.size() > 0 => functions.add(name, extent),
                SymbolKind::Data => variables.add(name, extent),
                _ => {}
            }
        }
        // Stable: of several names of one address the first is taken, as the file has it.
        functions.all.sort_by_key(|(from, ..)| *from);
        let mut image = Self { functions, variables, code: Vec::new(), file: File::open(path)? };
        for section in file.sections().filter(|section| section.kind() == object::SectionKind::Text) {
            image.code.extend(section.file_range().map(|(offset, size)| (section.address(), offset, size)));
        }
        Ok(image)
    }

    /// Where a function lies; in several places if the compiler made clones of it.
    pub fn function(&self, name: &str) -> Result<Vec<Extent>, Missing> {
        let found: Vec<_> = self.functions.iter().filter(|(of, _)| of.starts_with(name) && plain(of) == name).collect();
        match found.iter().filter(|(of, _)| *of == name).count() {
            _ if found.is_empty() => Err(Missing::Unknown),
            0 | 1 => Ok(found.into_iter().map(|(_, extent)| extent).collect()),
            // Two functions of one name, in two files.
            _ => Err(Missing::Ambiguous),
        }
    }

    /// Where a variable lies.
    pub fn variable(&self, name: &str) -> Result<Extent, Missing> {
        let mut found = self.variables.iter().filter(|(of, _)| *of == name);
        match (found.next(), found.next()) {
            (None, _) => Err(Missing::Unknown),
            (Some((_, extent)), None) => Ok(extent),
            (Some(_), Some(_)) => Err(Missing::Ambiguous),
        }
    }

    /// All functions, by address.
    pub fn functions(&self) -> impl Iterator<Item = (&str, Extent)> {
        self.functions.iter()
    }

    /// The function that begins at an address.
    pub fn beginning_at(&self, address: u64) -> Option<(&str, Extent)> {
        self.functions.at(address)
    }

    /// Address and length of what may be an instruction by which a function is left: a return, or a jump to the
    /// beginning of another function. There are more of these than such instructions, since bytes within others look
    /// the same.
    pub fn ways_out(&self, name: &str, function: Extent) -> io::Result<BTreeSet<(u64, u64)>> {
        let cold = format!("{}.cold", plain(name));
        let mut own: Vec<Extent> =
            self.functions.iter().filter(|(of, _)| *of == cold).map(|(_, extent)| extent).collect();
        own.push(function);
        let is_own = |address| own.iter().any(|(from, to)| (*from..*to).contains(&address));
        let mut ways = BTreeSet::new();
        for extent in &own {
            let code = self.bytes(*extent)?;
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
                    !is_own(to) && self.functions.at(to).is_some()
                });
                if away {
                    ways.insert((at, length));
                }
            }
        }
        Ok(ways)
    }

    fn bytes(&self, (from, to): Extent) -> io::Result<Vec<u8>> {
        let size = to.saturating_sub(from);
        let place = self.code.iter().find_map(|(start, offset, length)| {
            let far = from.checked_sub(*start)?;
            (far.checked_add(size)? <= *length).then(|| offset.saturating_add(far))
        });
        let Some(place) = place else { return Ok(Vec::new()) };
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, place)?;
        Ok(bytes)
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
