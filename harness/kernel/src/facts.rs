//! What a kernel has: its symbols, its options and its version.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use super::config::Config;
use super::{Kernel, KernelError, Version};

/// What is to be known of a kernel to tell whether something is possible on it.
#[derive(Debug)]
pub struct KernelFacts {
    version: Version,
    /// Whether a symbol of the name is code; none if its symbols are not known.
    symbols: Option<HashMap<String, bool>>,
    config: Config,
    /// Options that are modules, and whose modules guests load.
    loaded: Vec<String>,
}

impl KernelFacts {
    /// Reads those of a kernel: its `System.map` and its final `.config`.
    pub fn read(kernel: &Kernel) -> Result<Self, KernelError> {
        let read = |path: PathBuf| fs::read(&path).map_err(KernelError::io("reading", &path));
        let text = |path: PathBuf| read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let (map, config) = (kernel.system_map().map(text).transpose()?, text(kernel.config())?);
        let loaded = kernel.record.prebuilt.as_ref().map(|prebuilt| prebuilt.loaded.clone()).unwrap_or_default();
        Ok(Self { loaded, ..Self::new(kernel.record.source.version.clone(), map.as_deref(), &config) })
    }

    /// The facts in the text of a `System.map` (address, type, name), if there is one, and of a `.config`. Lines of another
    /// form are passed over.
    pub fn new(version: Version, system_map: Option<&str>, config: &str) -> Self {
        let symbols = |map: &str| {
            let mut symbols: HashMap<String, bool> = HashMap::new();
            for line in map.lines() {
                let mut words = line.split_ascii_whitespace().skip(1);
                if let (Some(kind), Some(name)) = (words.next(), words.next()) {
                    // nm(1): code of its own file or of all, and weak.
                    *symbols.entry(name.to_owned()).or_default() |= matches!(kind, "t" | "T" | "w" | "W");
                }
            }
            symbols
        };
        Self { version, symbols: system_map.map(symbols), config: Config::parse(config), loaded: Vec::new() }
    }

    /// The version that its Makefile says.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Whether it is known what symbols it has. If it is not, it has none here.
    pub const fn knows_symbols(&self) -> bool {
        self.symbols.is_some()
    }

    /// Whether it has a function of exactly this name; a clone that the compiler made (`name.isra.0`) is none.
    pub fn has_function(&self, name: &str) -> bool {
        self.symbols.as_ref().and_then(|symbols| symbols.get(name)).is_some_and(|code| *code)
    }

    /// Whether it has a symbol of this name, of whatever kind.
    pub fn has_symbol(&self, name: &str) -> bool {
        self.symbols.as_ref().is_some_and(|symbols| symbols.contains_key(name))
    }

    /// Whether an option is a module.
    pub fn is_module(&self, option: &str) -> bool {
        self.config.value(option) == "m"
    }

    /// Whether an option is set: `y`, a value, or `m` of a module that guests load.
    pub fn is_set(&self, option: &str) -> bool {
        match self.config.value(option) {
            "n" => false,
            "m" => self.loaded.iter().any(|loaded| loaded == option),
            _ => true,
        }
    }
}
