//! The functions of the guests' kernel, and some of its variables, read when they are first needed: most trials never ask for them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use crate::blocking::off_thread;
use crate::evidence::symbols::{Symbols, addresses};
use crate::kernel::Kernel;
use crate::probes::{Extent, Image};

/// A kernel's functions and its crashlab's.
#[derive(Debug)]
pub(super) struct KernelSymbols {
    /// None where the kernel's symbols are not known.
    system_map: Option<PathBuf>,
    frame_pointers: bool,
    crashlab: PathBuf,
    /// The variables whose addresses are wanted.
    variables: BTreeSet<String>,
    read: OnceCell<Read>,
}

/// What its files say.
#[derive(Debug)]
struct Read {
    kernel: Symbols,
    variables: BTreeMap<String, u64>,
    /// crashlab's functions by name, with the addresses that they have in their section.
    crashlab: Vec<(String, Extent)>,
}

impl KernelSymbols {
    /// The symbols of a kernel of which these variables are wanted.
    pub fn of(kernel: &Kernel, variables: BTreeSet<String>) -> Self {
        Self {
            system_map: kernel.system_map(),
            frame_pointers: kernel.has_frame_pointers(),
            crashlab: kernel.crashlab(),
            variables,
            read: OnceCell::new(),
        }
    }

    /// Whether they tell what a CPU waits for.
    pub const fn tell_waits(&self) -> bool {
        self.system_map.is_some() && self.frame_pointers
    }

    /// The kernel's functions, and crashlab's, whose code lies at `code` if that is known. The files are read the first
    /// time only, by another thread.
    pub async fn with_crashlab(&self, code: Option<u64>) -> io::Result<Symbols> {
        let Read { kernel, crashlab, .. } = self.read().await?;
        let functions = crashlab.iter().map(|(name, extent)| (name.as_str(), *extent));
        Ok(match code {
            Some(code) => kernel.clone().with_crashlab(code, functions),
            None => kernel.clone(),
        })
    }

    /// Where a variable that is wanted lies, if the kernel has it.
    pub async fn variable(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.read().await?.variables.get(name).copied())
    }

    async fn read(&self) -> io::Result<&Read> {
        let reading = || {
            let (system_map, crashlab) = (self.system_map.clone(), self.crashlab.clone());
            let (variables, frame_pointers) = (self.variables.clone(), self.frame_pointers);
            off_thread(move || Read::from(system_map.as_deref(), frame_pointers, &crashlab, &variables))
        };
        self.read.get_or_try_init(reading).await
    }
}

impl Read {
    fn from(
        system_map: Option<&Path>,
        frame_pointers: bool,
        crashlab: &Path,
        variables: &BTreeSet<String>,
    ) -> io::Result<Self> {
        let map = system_map.map(std::fs::read_to_string).transpose()?.unwrap_or_default();
        let kernel = Symbols::parse(&map);
        let kernel = if frame_pointers { kernel } else { kernel.without_frame_pointers() };
        let variables = addresses(&map, |name| variables.contains(name));
        let image = Image::open(crashlab)?;
        let crashlab = image.functions().map(|(name, extent)| (name.to_owned(), extent)).collect();
        Ok(Self { kernel, variables, crashlab })
    }
}
