//! What a distribution says of firmware that it has.
//!
//! Source: QEMU, `docs/interop/firmware.json`. Of what is described there, guests are started with flash that is split into
//! code and variables, as raw images, without system management mode and without keys.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Pair;

/// Features of firmware that guests are not started with: the first wants another machine, the other starts only kernels that
/// somebody signed.
const UNFIT: [&str; 2] = ["requires-smm", "enrolled-keys"];

/// One descriptor, as far as it is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Descriptor {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    features: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    /// How flash is divided; `split` where nothing is said.
    mode: Option<String>,
    executable: Option<Image>,
    nvram_template: Option<Image>,
}

#[derive(Debug, Deserialize)]
struct Image {
    filename: PathBuf,
    format: String,
}

#[derive(Debug, Deserialize)]
struct Target {
    architecture: String,
    machines: Vec<String>,
}

impl Descriptor {
    /// Reads a descriptor. One that is empty is there to hide another of its name, and says nothing.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::nothing());
        }
        serde_json::from_slice(&text).map_err(|e| format!("{} is no descriptor of firmware: {e}", path.display()))
    }

    fn nothing() -> Self {
        let mapping = Mapping { device: String::new(), mode: None, executable: None, nvram_template: None };
        Self { interface_types: Vec::new(), mapping, targets: Vec::new(), features: Vec::new() }
    }

    /// The code and the variables, if guests can be started with them.
    pub(super) fn pair(self) -> Option<Pair> {
        let Self { interface_types, mapping, targets, features } = self;
        let Mapping { device, mode, executable, nvram_template } = mapping;
        let machine = |name: &String| name == "q35" || name.starts_with("pc-q35-");
        let fits = |target: &Target| target.architecture == "x86_64" && target.machines.iter().any(machine);
        let raw = |image: Option<Image>| image.filter(|image| image.format == "raw").map(|image| image.filename);
        let is_fit = interface_types.iter().any(|kind| kind == "uefi")
            && targets.iter().any(fits)
            && !features.iter().any(|feature| UNFIT.contains(&feature.as_str()))
            && device == "flash"
            && mode.is_none_or(|mode| mode == "split");
        let (code, vars) = (raw(executable)?, raw(nvram_template)?);
        is_fit.then_some(Pair { code, vars })
    }
}
