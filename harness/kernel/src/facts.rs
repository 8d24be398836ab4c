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
    /// Whether a symbol of the name is code.
    symbols: HashMap<String, bool>,
    config: Config,
}

impl KernelFacts {
    /// Reads those of a kernel: its `System.map` and its final `.config`.
    pub fn read(kernel: &Kernel) -> Result<Self, KernelError> {
        let read = |path: PathBuf| fs::read(&path).map_err(KernelError::io("reading", &path));
        let (map, config) = (read(kernel.system_map())?, read(kernel.config())?);
        let [map, config] = [map, config].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Self::new(kernel.record.source.version.clone(), &map, &config))
    }

    /// The facts in the text of a `System.map` (address, type, name) and of a `.config`. Lines of another form are
    /// passed over.
    pub fn new(version: Version, system_map: &str, config: &str) -> Self {
        let mut symbols: HashMap<String, bool> = HashMap::new();
        for line in system_map.lines() {
            let mut words = line.split_ascii_whitespace().skip(1);
            if let (Some(kind), Some(name)) = (words.next(), words.next()) {
                // nm(1): code of its own file or of all, and weak.
                *symbols.entry(name.to_owned()).or_default() |= matches!(kind, "t" | "T" | "w" | "W");
            }
        }
        Self { version, symbols, config: Config::parse(config) }
    }

    /// The version that its Makefile says.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Whether it has a function of exactly this name; a clone that the compiler made (`name.isra.0`) is none.
    pub fn has_function(&self, name: &str) -> bool {
        self.symbols.get(name).is_some_and(|code| *code)
    }

    /// Whether it has a symbol of this name, of whatever kind.
    pub fn has_symbol(&self, name: &str) -> bool {
        self.symbols.contains_key(name)
    }

    /// Whether an option is set: `y`, `m`, or a value.
    pub fn is_set(&self, option: &str) -> bool {
        self.config.value(option) != "n"
    }
}
