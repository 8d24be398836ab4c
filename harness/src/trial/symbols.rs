//! The functions of a stage's kernel, read when they are first needed: most trials never ask for them.

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use crate::blocking::off_thread;
use crate::evidence::symbols::Symbols;
use crate::kernel::Kernel;
use crate::probes::{Extent, Image};

/// A kernel's functions and its crashlab's.
#[derive(Debug)]
pub(super) struct KernelSymbols {
    system_map: PathBuf,
    crashlab: PathBuf,
    read: OnceCell<Read>,
}

/// What its files say.
#[derive(Debug)]
struct Read {
    kernel: Symbols,
    /// crashlab's functions by name, with the addresses that they have in their section.
    crashlab: Vec<(String, Extent)>,
}

impl KernelSymbols {
    pub fn of(kernel: &Kernel) -> Self {
        Self { system_map: kernel.system_map(), crashlab: kernel.crashlab(), read: OnceCell::new() }
    }

    /// The kernel's functions, and crashlab's, whose code lies at `code` if that is known. The files are read the first
    /// time only, by another thread.
    pub async fn with_crashlab(&self, code: Option<u64>) -> io::Result<Symbols> {
        let Read { kernel, crashlab } = self
            .read
            .get_or_try_init(|| {
                let (system_map, crashlab) = (self.system_map.clone(), self.crashlab.clone());
                off_thread(move || Read::from(&system_map, &crashlab))
            })
            .await?;
        let functions = crashlab.iter().map(|(name, extent)| (name.as_str(), *extent));
        Ok(match code {
            Some(code) => kernel.clone().with_crashlab(code, functions),
            None => kernel.clone(),
        })
    }
}

impl Read {
    fn from(system_map: &Path, crashlab: &Path) -> io::Result<Self> {
        let kernel = Symbols::parse(&std::fs::read_to_string(system_map)?);
        let image = Image::open(crashlab)?;
        let crashlab = image.functions().map(|(name, extent)| (name.to_owned(), extent)).collect();
        Ok(Self { kernel, crashlab })
    }
}
