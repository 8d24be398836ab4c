//! EFI firmware for guests: what of it this machine has, and what a guest's variables are when it boots for the first time.
//!
//! ```text
//! QEMU's descriptors ─┐
//! known pairs ────────┴─> Pair: code and variables of one build ─> filled: with what is to be there beforehand
//! ```
//!
//! Code and variables are two images of flash that belong together: firmware looks for its variables where its own build has
//! them, and keeps nothing, without a word, where others lie.

mod descriptor;
mod past;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use self::descriptor::Descriptor;
use crate::evidence::efi_store::{self, EfiStoreError, NoRoom};
use crate::guest::Firmware;
use crate::model::pstore::{Efi, EfiStore};

/// The Debian package that has it.
pub const PACKAGE: &str = "ovmf";

/// Pairs that no descriptor names: Debian's and Ubuntu's, of 4 MiB and of 2 MiB, which newer releases do not have; Fedora's of
/// 2 MiB.
const KNOWN: [(&str, &str); 3] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
];

/// No image of variables is larger.
const MOST_BYTES: u64 = 16 << 20;

/// A store from this size on is large.
const LARGE_BYTES: usize = 128 << 10;

/// Where firmware is looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Folders with descriptors; what one has hides files of the same name in those behind it.
    pub descriptors: Vec<PathBuf>,
    /// Code and variables that no descriptor names.
    pub known: Vec<Pair>,
}

/// Code and variables of one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The code, an image of flash.
    pub code: PathBuf,
    /// The variables of a machine that was never booted, likewise.
    pub vars: PathBuf,
}

/// Why there is no firmware.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// No pair has such a store.
    #[error(
        "there is no EFI firmware with a {} store of variables{}",
        store.name(),
        rejected.iter().map(|why| format!("\n  {why}")).collect::<Vec<_>>().concat()
    )]
    None {
        /// The store that is asked for.
        store: EfiStore,
        /// Why others are not taken, a line each.
        rejected: Vec<String>,
    },
    /// An image cannot be read.
    #[error("read the EFI firmware's {}: {source}", path.display())]
    Read {
        /// The image.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The variables are no store.
    #[error("read the EFI variables in {}: {source}", path.display())]
    Store {
        /// The image.
        path: PathBuf,
        /// Why.
        source: EfiStoreError,
    },
    /// What is to be there beforehand does not fit.
    #[error("fill the {} store of EFI variables with what is there before the guest boots: {source}", store.name())]
    Full {
        /// The store.
        store: EfiStore,
        /// Why.
        source: NoRoom,
    },
}

impl FirmwareError {
    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::None { store: EfiStore::Large, .. } => "`harness doctor --install` installs the package ovmf",
            Self::None { store: EfiStore::Small, .. } => {
                "Debian 12 has it in the package ovmf, newer releases have not: take `store: large`"
            }
            Self::Read { .. } | Self::Store { .. } => "install the firmware anew",
            Self::Full { .. } => "put less into it: lower `used` or `dumps`",
        }
    }

    /// Whether the scenario asks for too much, rather than the machine having too little.
    pub const fn is_input(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

impl Places {
    /// Those of this machine (QEMU: `docs/interop/firmware.json`).
    pub fn of_this_machine() -> Self {
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        let config = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from).or(home);
        let roots = config.into_iter().chain(["/etc", "/usr/share"].map(PathBuf::from));
        let known = KNOWN.map(|(code, vars)| Pair { code: code.into(), vars: vars.into() });
        Self { descriptors: roots.map(|root| root.join("qemu/firmware")).collect(), known: known.into() }
    }

    /// The firmware whose store is of this size: the first that fits, of descriptors in the order of their names, then of pairs
    /// that are known.
    pub fn find(&self, store: EfiStore) -> Result<Pair, FirmwareError> {
        let mut rejected = Vec::new();
        for pair in self.described(&mut rejected).into_iter().chain(self.known.iter().cloned()) {
            match pair.store() {
                Ok(of) if of == store => return Ok(pair),
                Ok(_) => {}
                Err(_) if !pair.code.exists() => {}
                Err(why) if rejected.contains(&why) => {}
                Err(why) => rejected.push(why),
            }
        }
        Err(FirmwareError::None { store, rejected })
    }

    /// The pairs that descriptors name, of those that guests can be started with.
    fn described(&self, rejected: &mut Vec<String>) -> Vec<Pair> {
        let mut by_name = BTreeMap::new();
        for folder in &self.descriptors {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.extension().is_some_and(|extension| extension == "json")
                    && let Some(name) = path.file_name()
                {
                    by_name.entry(name.to_owned()).or_insert(path);
                }
            }
        }
        let mut pairs = Vec::new();
        for path in by_name.into_values() {
            match Descriptor::read(&path) {
                Ok(descriptor) => pairs.extend(descriptor.pair()),
                Err(why) => rejected.push(why),
            }
        }
        pairs
    }
}

impl Pair {
    /// The size of its store; an error if the two do not belong together.
    fn store(&self) -> Result<EfiStore, String> {
        let Self { code, vars } = self;
        let bytes =
            |path: &Path| fs::metadata(path).map(|meta| meta.len()).map_err(|e| format!("{}: {e}", path.display()));
        let (of_code, of_vars) = (bytes(code)?, bytes(vars)?);
        // Both are cut from one image of a flash chip, and lie side by side below 4 GiB.
        if !of_code.saturating_add(of_vars).is_power_of_two() || of_vars > MOST_BYTES {
            return Err(format!(
                "{} and {} are of different builds: {of_code} and {of_vars} bytes make no flash chip",
                code.display(),
                vars.display()
            ));
        }
        let image = fs::read(vars).map_err(|e| format!("{}: {e}", vars.display()))?;
        let image = efi_store::decode(&image).map_err(|why| format!("{}: {why}", vars.display()))?;
        Ok(if image.store.bytes < LARGE_BYTES { EfiStore::Small } else { EfiStore::Large })
    }

    /// The code, as machines are made with it.
    pub fn firmware(self) -> Result<Firmware, FirmwareError> {
        let Self { code, .. } = self;
        match fs::read(&code) {
            Ok(image) => Ok(Firmware { digest: format!("{:x}", Sha256::digest(image)), code }),
            Err(source) => Err(FirmwareError::Read { path: code, source }),
        }
    }

    /// The variables of a machine that has this past.
    pub fn filled(&self, efi: &Efi) -> Result<Vec<u8>, FirmwareError> {
        let path = || self.vars.clone();
        let mut image = fs::read(&self.vars).map_err(|source| FirmwareError::Read { path: path(), source })?;
        past::fill(&mut image, efi)
            .map_err(|source| FirmwareError::Store { path: path(), source })?
            .map_err(|source| FirmwareError::Full { store: efi.store, source })?;
        Ok(image)
    }
}

#[cfg(test)]
mod tests;
