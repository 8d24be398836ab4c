//! A kernel that is built already: a distribution's with its headers, or the image and the build folder of somebody's own.
//! Both are only read. What it lacks, and that image and folder belong together, is found out before anything is built.
//!
//! ```text
//! image ───────> BzImage: release ─┐
//! build folder > release, .config ─┴─> Found ─> crashlab, built in the cache; symbols; modules ─> a folder as of any build
//! ```

mod collect;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::base::{Prebuilt, keep};
use super::bzimage::{BzImage, NoBzImage};
use super::given::{Kconfig, version_of};
use super::module::ModuleSources;
use super::module_files::ModuleFiles;
use super::record::{CONFIG, Lack, SYSTEM_MAP, VMLINUX};
use super::required::{Lacking, lacking_in, without};
use super::{KernelError, Version, files};
use harness_project::Project;

pub(super) use self::collect::Purpose;

/// Raised whenever the way crashlab is built against such a kernel changes what comes out of it.
const RECIPE: u32 = 1;
/// The longest release in a name.
const MOST_CHARACTERS: usize = 64;

/// What an image is, for who named something else.
const IMAGE: &str =
    "it is arch/x86/boot/bzImage in a build folder, and /boot/vmlinuz-RELEASE of a distribution's kernel";

/// A module for each option that the harness needs and that may be one.
const MODULES: [(&str, &str); 6] = [
    ("CONFIG_FW_CFG_SYSFS", "qemu_fw_cfg"),
    ("CONFIG_PSTORE_RAM", "ramoops"),
    ("CONFIG_EFI_VARS_PSTORE", "efi_pstore"),
    ("CONFIG_EFIVAR_FS", "efivarfs"),
    ("CONFIG_VIRTIO_PCI", "virtio_pci"),
    ("CONFIG_VIRTIO_CONSOLE", "virtio_console"),
];

/// Makes a base, for this machine alone, of a kernel that is built already. It is called by the kernel's release and by its
/// content, which is what the name stands for from then on.
pub fn prebuilt_as_base(project: &Project, image: &Path, build: &Path) -> Result<String, KernelError> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(KernelError::io("finding", path));
    let named = Prebuilt { image: absolute(image)?, build: absolute(build)?, digest: None };
    let Found { release, digest, .. } = named.look(project)?;
    let name = name(&release, &digest);
    keep(project, &name, &json!({"prebuilt": {"image": named.image, "build": named.build, "digest": digest}}))?;
    Ok(name)
}

/// `6.12.57+deb13-amd64-1a2b3c4d`.
fn name(release: &str, digest: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-+".contains(c) { c } else { '-' };
    let release: String = release.chars().map(plain).take(MOST_CHARACTERS).collect();
    let parts = release.split('+').map(|part| part.trim_start_matches(['.', '-', '_'])).filter(|part| !part.is_empty());
    let release: Vec<&str> = parts.collect();
    format!("{}-{}", release.join("+"), digest.get(..8).unwrap_or(digest))
}

/// The content address of a kernel of this digest with this module.
pub(super) fn key(digest: &str, module: &ModuleSources) -> String {
    files::sha256(format!("prebuilt {RECIPE}\nkernel {digest}\nmodule {}\n", module.digest()).as_bytes())
}

/// What a kernel that is built already is, by its files as they are.
#[derive(Debug)]
pub(super) struct Found<'a> {
    of: &'a Prebuilt,
    image: BzImage,
    /// SHA-256 of the image.
    image_digest: String,
    /// What `uname -r` says in it.
    release: String,
    version: Version,
    /// Its `.config`.
    config: String,
    /// One digest for image, configuration, exported symbols and release.
    pub digest: String,
    vmlinux: Option<PathBuf>,
    /// Its `System.map`, or why there is none.
    map: Result<PathBuf, String>,
    lacks: Vec<Lack>,
    /// Options whose modules guests load, each with its module.
    modules: Vec<(&'static str, &'static str)>,
}

impl Prebuilt {
    /// Finds out what it is. An image and a build folder that do not belong together are refused, and a kernel on which nothing
    /// is possible.
    pub(super) fn look(&self, project: &Project) -> Result<Found<'_>, KernelError> {
        let Self { image: path, build, .. } = self;
        let bytes = fs::read(path).map_err(|error| self.wrong(format!("reading it: {error}"), IMAGE))?;
        let image = BzImage::parse(&bytes).map_err(|why| {
            let hint = match why {
                NoBzImage::Architecture(_) => "name a kernel that was built with ARCH=x86_64",
                _ => IMAGE,
            };
            self.wrong(why.to_string(), hint)
        })?;
        let release = image.release().to_owned();
        let of_build = self.release_of_build()?;
        if release != of_build {
            return Err(self.wrong(
                format!("it is {release}, and {} is the build folder of {of_build}", build.display()),
                "name the build folder of this image (of a distribution's kernel: /lib/modules/RELEASE/build), or make \
                 the image anew: make bzImage modules",
            ));
        }
        let symbols = build.join("Module.symvers");
        let symbols = fs::read(&symbols).map_err(|error| {
            self.wrong(
                format!("reading {}, by which crashlab is linked: {error}", symbols.display()),
                "make the modules in that folder: make modules",
            )
        })?;
        let (config_path, config) = self.config(&release)?;
        Kconfig::parse(&config_path, &config)?;
        let version = match version_of(&config) {
            Some(version) => version,
            None => release.parse().map_err(|cause: String| self.wrong(cause, IMAGE))?,
        };
        let image_digest = files::sha256(&bytes);
        let parts = [config.as_bytes(), &symbols, release.as_bytes()].map(files::sha256).concat();
        let mut found = Found {
            digest: files::sha256(format!("{image_digest}{parts}").as_bytes()),
            image_digest,
            vmlinux: first_file(&self.places(VMLINUX, &release)),
            map: self.map(&release),
            of: self,
            image,
            release,
            version,
            config,
            lacks: Vec::new(),
            modules: Vec::new(),
        };
        if self.digest.as_ref().is_some_and(|digest| *digest != found.digest) {
            let cause = "it is not what it was any more when it got its name".to_owned();
            return Err(self.wrong(cause, "name it anew, by --kernel-image and --kernel-build"));
        }
        found.check(project)?;
        Ok(found)
    }

    fn wrong(&self, cause: String, hint: &str) -> KernelError {
        KernelError::Prebuilt { image: self.image.clone(), cause, hint: hint.to_owned() }
    }

    /// The release that the build folder is of.
    fn release_of_build(&self) -> Result<String, KernelError> {
        let read = |name: &str| fs::read_to_string(self.build.join(name)).ok();
        let of_header = |text: String| {
            let line = text.lines().find_map(|line| line.strip_prefix("#define UTS_RELEASE "))?;
            Some(line.trim().trim_matches('"').to_owned())
        };
        let of_config = || read("include/config/kernel.release").map(|text| text.trim().to_owned());
        // By the header modules are told apart. The other one may have the version alone, as in Debian's.
        let release = read("include/generated/utsrelease.h").and_then(of_header).or_else(of_config);
        release.filter(|release| !release.is_empty()).ok_or_else(|| {
            self.wrong(
                format!(
                    "{} is no build folder of a kernel: it has no include/generated/utsrelease.h",
                    self.build.display()
                ),
                "it is the folder that the kernel was built in (O=), or a distribution's headers, as \
                 /lib/modules/RELEASE/build leads to them",
            )
        })
    }

    /// Where a file of a kernel of this release may be, likely places first: in the build folder, beside the image, and where
    /// distributions put it or their debug packages do.
    fn places(&self, name: &str, release: &str) -> Vec<PathBuf> {
        let of_release = format!("{name}-{release}");
        let beside = self.image.parent().map(|folder| folder.join(&of_release));
        let packaged = ["/boot", "/usr/lib/debug/boot"].map(|folder| Path::new(folder).join(&of_release));
        let of_modules =
            ["/lib/modules", "/usr/lib/debug/lib/modules"].map(|folder| Path::new(folder).join(release).join(name));
        [self.in_build(name)].into_iter().chain(beside).chain(packaged).chain(of_modules).collect()
    }

    fn in_build(&self, name: &str) -> PathBuf {
        self.build.join(if name == CONFIG { ".config" } else { name })
    }

    /// That a file is in none of these places.
    fn nowhere(&self, name: &str, release: &str) -> String {
        let in_build = self.in_build(name);
        format!("there is no {}, and no {name}-{release} beside the image or in /boot", in_build.display())
    }

    fn config(&self, release: &str) -> Result<(PathBuf, String), KernelError> {
        let Some(path) = first_file(&self.places(CONFIG, release)) else {
            return Err(self.wrong(self.nowhere(CONFIG, release), "copy its configuration to one of these places"));
        };
        let text = fs::read_to_string(&path);
        let text = text.map_err(|source| KernelError::NoKconfig { path: path.clone(), source })?;
        Ok((path, text))
    }

    /// The `System.map`; the error is why there is none.
    fn map(&self, release: &str) -> Result<PathBuf, String> {
        let mut stub = None;
        for path in self.places(SYSTEM_MAP, release) {
            let Ok(text) = fs::read(&path) else { continue };
            if !is_stub(&String::from_utf8_lossy(&text)) {
                return Ok(path);
            }
            stub.get_or_insert(path);
        }
        Err(match stub {
            Some(path) => {
                format!("{} is a stub (Debian has the real one in linux-image-{release}-dbg)", path.display())
            }
            None => self.nowhere(SYSTEM_MAP, release),
        })
    }
}

/// Whether a file takes the place of a `System.map` and has no symbols: every kernel has the beginning of its code.
fn is_stub(map: &str) -> bool {
    !map.lines().any(|line| matches!(line.split_ascii_whitespace().nth(2), Some("_text" | "_stext")))
}

fn first_file(places: &[PathBuf]) -> Option<PathBuf> {
    places.iter().find(|path| path.is_file()).cloned()
}

impl Found<'_> {
    /// Sorts what the kernel lacks of what the harness needs: what guests can load, what can be done without, and what cannot.
    fn check(&mut self, project: &Project) -> Result<(), KernelError> {
        let files = self.module_files();
        let module_of = |Lacking { required, got }: &Lacking| {
            MODULES.iter().find(|(option, _)| got == "m" && *option == required.option)
        };
        let mut fatal = Vec::new();
        for lacking in lacking_in(project, &self.config, Some(&self.version))? {
            let Lacking { required, got } = &lacking;
            match (module_of(&lacking), without(&required.option)) {
                (Some(module), _) if files.as_ref().is_some_and(|files| files.has(module.1)) => {
                    self.modules.push(*module);
                }
                (_, Some(without)) => {
                    self.lacks.push(Lack { option: required.option.clone(), got: got.clone(), without });
                }
                (_, None) => fatal.push(lacking),
            }
        }
        if fatal.is_empty() {
            return Ok(());
        }
        let lines = fatal.iter().map(|lacking| {
            let Lacking { required, got } = lacking;
            let missing =
                module_of(lacking).map(|(_, name)| format!(", and no {name}.ko was found")).unwrap_or_default();
            format!("\n  {} (it is {got}{missing}): {}", required.line().trim_end(), required.reason)
        });
        let cause = format!("nothing is possible on it, it lacks{}", lines.collect::<String>());
        Err(self.of.wrong(cause, "build it with these options, all of which `harness kconfig --required` prints"))
    }

    /// The modules that were built with it.
    fn module_files(&self) -> Option<ModuleFiles> {
        let root = self.of.image.parent().and_then(Path::parent);
        let below =
            |root: &Path| ["lib/modules", "usr/lib/modules"].map(|modules| root.join(modules).join(&self.release));
        let places =
            [self.of.build.clone()].into_iter().chain(root.into_iter().flat_map(below)).chain(below(Path::new("/")));
        places.into_iter().find_map(|folder| ModuleFiles::of(&folder))
    }
}
