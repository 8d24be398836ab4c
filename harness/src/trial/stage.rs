//! What trials of one kernel and guest shape start from, made once and kept in the cache.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::BOOT_DEADLINE;
use crate::evidence::symbols::Symbols;
use crate::guest::{GuestError, Machine, Start, Template, TemplateError};
use crate::image;
use crate::kernel::Kernel;

/// Part of every template's key: to be raised when a template made by an older harness must not be used any more.
const RECIPE: &str = "2";

/// A machine, and what it starts from.
#[derive(Debug)]
pub struct Stage {
    /// The machine.
    pub machine: Machine,
    from: From,
    /// The kernel's `System.map`.
    symbols: PathBuf,
}

#[derive(Debug)]
enum From {
    Template(Template),
    Cold { kernel: PathBuf, initramfs: PathBuf, append: Vec<String> },
}

/// What a stage is made of.
#[derive(Debug, Clone, Copy)]
pub struct StageOptions<'a> {
    /// The build cache.
    pub cache: &'a Path,
    /// The guest's agent.
    pub agent: &'a Path,
    /// QEMU's version: another QEMU cannot load a saved machine.
    pub qemu_version: &'a str,
    /// Boot every trial from its first instruction.
    pub cold: bool,
}

/// Why a kernel cannot be tried.
#[derive(Debug, Error)]
pub enum StageError {
    /// A file of the cache's.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The kernel does not get as far as its agent, or cannot be saved there.
    #[error("kernel {variant}@{base}: {source}")]
    Template {
        /// The kernel's variant.
        variant: String,
        /// Its base.
        base: String,
        /// Why.
        source: TemplateError,
    },
}

impl StageError {
    /// Whether the kernel is to blame: it did not get as far as its agent.
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Self::Template {
                source: TemplateError::Boot(
                    GuestError::Agent(_) | GuestError::Silent { .. } | GuestError::EndedEarly { .. }
                ),
                ..
            }
        )
    }
}

impl Stage {
    /// Packs the initramfs and makes the template, or takes both from the cache.
    pub async fn prepare(machine: Machine, kernel: &Kernel, options: StageOptions<'_>) -> Result<Self, StageError> {
        let agent = read(options.agent)?;
        let crashlab = read(&kernel.crashlab())?;
        let bytes = image::initramfs(&agent, &crashlab).map_err(io("pack an initramfs with", options.agent))?;
        let digest = format!("{:x}", Sha256::digest(&bytes));
        let initramfs = options.cache.join("images").join(format!("{digest}.cpio"));
        if !initramfs.is_file() {
            put(&initramfs, &bytes)?;
        }
        let append = kernel.command_line.clone();
        let symbols = kernel.system_map();
        if options.cold {
            let from = From::Cold { kernel: kernel.bzimage(), initramfs, append };
            return Ok(Self { machine, from, symbols });
        }
        let key = template_key(&machine, kernel, &digest, options.qemu_version);
        let dir = options.cache.join("templates").join(key);
        let template = match Template::open(&dir) {
            Some(template) => template,
            None => Template::create(&machine, &kernel.bzimage(), &initramfs, &append, &dir, BOOT_DEADLINE)
                .await
                .map_err(|source| StageError::Template {
                    variant: kernel.variant.clone(),
                    base: kernel.base.clone(),
                    source,
                })?,
        };
        Ok(Self { machine, from: From::Template(template), symbols })
    }

    /// The kernel's functions; none if its `System.map` cannot be read, which makes addresses plain numbers.
    pub fn symbols(&self) -> Symbols {
        let text = std::fs::read_to_string(&self.symbols).unwrap_or_default();
        Symbols::parse(&text)
    }

    /// What a guest starts from.
    pub fn start(&self) -> Start<'_> {
        match &self.from {
            From::Template(template) => Start::Restore(template),
            From::Cold { kernel, initramfs, append } => {
                Start::Boot { kernel, initramfs, append, saved_ram: None, erst: None }
            }
        }
    }
}

/// Everything that makes one saved machine differ from another.
fn template_key(machine: &Machine, kernel: &Kernel, image: &str, qemu_version: &str) -> String {
    let mut hash = Sha256::new();
    for part in
        [RECIPE, &kernel.key, image, qemu_version, &format!("{machine:?}"), &format!("{:?}", kernel.command_line)]
    {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    format!("{:x}", hash.finalize())
}

fn read(path: &Path) -> Result<Vec<u8>, StageError> {
    std::fs::read(path).map_err(io("read", path))
}

/// Writes a file of the cache so that nobody ever sees half of it.
fn put(path: &Path, bytes: &[u8]) -> Result<(), StageError> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).map_err(io("create", parent))?;
    let mut file = tempfile::NamedTempFile::new_in(parent).map_err(io("create a file in", parent))?;
    std::io::Write::write_all(&mut file, bytes).map_err(io("write", path))?;
    file.persist(path).map_err(|error| io("write", path)(error.error))?;
    Ok(())
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StageError {
    let path = path.to_owned();
    move |source| StageError::Io { what, path, source }
}
