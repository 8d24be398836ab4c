//! The door of this stage: variants in, kernels out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::base::{Base, Origin, Prebuilt};
use super::build::{Order, build};
use super::config::{Config, Wanted};
use super::key::Ingredients;
use super::knob::Knob;
use super::module::{MODULE, ModuleSources};
use super::record::{BUILD_LOG, BUILD_RECORD, CONFIG, FILES, IMAGE, SYSTEM_MAP, VMLINUX};
use super::remembered::Missing;
use super::series::{Patch, PatchHead};
use super::source::Source;
use super::variant::Variant;
use super::workbench::{Workbench, lock};
use super::{
    BuildEvent, BuildRecord, Canceller, KernelError, PrebuiltRecord, ToolRecord, Version, Without, files, module_files,
    prebuilt, toolchain,
};
use harness_model::{GuestChange, KernelName};
use harness_project::Project;

/// The kernels that were built, by content, and the means to build more.
#[derive(Debug, Clone)]
pub struct Store {
    cache: PathBuf,
    canceller: Canceller,
    /// Where it has all that it will ever have, as a pack's, and nothing is built: the digest of each base's source.
    sealed: Option<BTreeMap<String, String>>,
}

/// The file of a cache that says that nothing is to be built in it.
pub const SEAL: &str = "sealed";

/// What stands in the seal of a cache with these kernels: which source their bases are. A kernel may have been built first for
/// another base of the same source, and its record names only that.
pub fn seal<'a>(kernels: impl IntoIterator<Item = &'a Kernel>) -> String {
    let sources = kernels.into_iter().map(|kernel| (&*kernel.base, &*kernel.record.source.digest));
    serde_json::json!(sources.collect::<BTreeMap<&str, &str>>()).to_string()
}

/// A kernel that can be booted, and how its variant wants it to be.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The folder it lies in.
    pub dir: PathBuf,
    /// Its content address, SHA-256 in hex.
    pub key: String,
    /// The variant it was asked for as.
    pub variant: String,
    /// The base it was asked for on.
    pub base: String,
    /// Words for its command line.
    pub command_line: Vec<String>,
    /// What is to be set once it has booted.
    pub knobs: Vec<Knob>,
    /// What its variant changes about the guests of scenarios.
    pub guest: GuestChange,
    /// Where it came from and how it was made.
    pub record: BuildRecord,
}

/// The ELF file with all symbols of the kernel of this key, in a cache folder, if there is one.
pub fn vmlinux_of(cache: &Path, key: &str) -> PathBuf {
    cache.join("kernels").join(key).join(VMLINUX)
}

impl Kernel {
    /// What it was asked for as.
    pub fn name(&self) -> KernelName {
        KernelName { variant: self.variant.clone(), base: self.base.clone() }
    }

    /// The image that QEMU boots and `kexec_file_load` takes.
    pub fn bzimage(&self) -> PathBuf {
        self.dir.join(IMAGE)
    }

    /// The ELF file with all symbols, if there is one.
    pub fn vmlinux(&self) -> Option<PathBuf> {
        self.record.has(VMLINUX).then(|| self.dir.join(VMLINUX))
    }

    /// Address, type and name of each symbol, if they are known.
    pub fn system_map(&self) -> Option<PathBuf> {
        self.record.has(SYSTEM_MAP).then(|| self.dir.join(SYSTEM_MAP))
    }

    /// The modules that guests load before they do anything else, in this order.
    pub fn modules(&self) -> Vec<PathBuf> {
        let names = self.record.prebuilt.iter().flat_map(|prebuilt| &prebuilt.modules);
        names.map(|name| self.dir.join(module_files::FOLDER).join(name)).collect()
    }

    /// Whether who called whom can be read from its stacks.
    pub fn has_frame_pointers(&self) -> bool {
        let lacks =
            |prebuilt: &PrebuiltRecord| prebuilt.lacks.iter().any(|lack| lack.without == Without::FramePointers);
        !self.record.prebuilt.as_ref().is_some_and(lacks)
    }

    /// The final `.config`.
    pub fn config(&self) -> PathBuf {
        self.dir.join(CONFIG)
    }

    /// What each of these options has in the final `.config`; `n` where it is not set.
    pub fn options<const N: usize>(&self, names: [&str; N]) -> io::Result<[String; N]> {
        let config = Config::parse(&fs::read_to_string(self.config())?);
        Ok(names.map(|name| config.value(name).to_owned()))
    }

    /// The fault-injection module, built against this kernel.
    pub fn crashlab(&self) -> PathBuf {
        self.dir.join(MODULE)
    }

    /// A digest of what a guest executes of it, SHA-256 in hex: its image and the fault-injection module. Nothing of a build gets into
    /// them that does not follow from what they are made of, so that kernels of two sources are equal if these mean the same.
    pub fn binary_digest(&self) -> Result<String, KernelError> {
        let mut digests = String::new();
        for path in [self.bzimage(), self.crashlab()] {
            let digest = File::open(&path).and_then(|mut file| files::sha256_of(&mut file, &mut |_| ()));
            digests.push_str(&digest.map_err(KernelError::io("reading", &path))?);
        }
        Ok(files::sha256(digests.as_bytes()))
    }

    /// What the build said.
    pub fn build_log(&self) -> PathBuf {
        self.dir.join(BUILD_LOG)
    }
}

impl Store {
    /// The store in a cache folder, which is created if need be.
    pub fn open(cache: &Path) -> Result<Self, KernelError> {
        let fail = KernelError::io("opening the build cache", cache);
        fs::create_dir_all(cache.join("kernels")).map_err(&fail)?;
        let sealed = match fs::read(cache.join(SEAL)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            sources => Some(serde_json::from_slice(&sources.map_err(&fail)?).map_err(|error| fail(error.into()))?),
        };
        Ok(Self { cache: std::path::absolute(cache).map_err(&fail)?, canceller: Canceller::default(), sealed })
    }

    /// The folder that everything is kept in.
    pub(super) fn cache(&self) -> &Path {
        &self.cache
    }

    /// What ends this store's builds from another thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// The kernel of that name, built unless there is one of the same content. Blocks until it is there; `report` is
    /// called as it comes along. One that was built before needs neither a compiler nor its source.
    pub fn build(
        &self,
        project: &Project,
        name: &KernelName,
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<Kernel, KernelError> {
        let variant = Variant::find(project, &name.variant)?;
        let base = Base::find(project, &name.base)?;
        let module = ModuleSources::read(&project.guest_kernel().join("crashlab"))?;
        let kernel = |record: BuildRecord| Kernel {
            dir: self.folder(&record.key),
            key: record.key.clone(),
            variant: variant.name.clone(),
            base: base.name.clone(),
            command_line: variant.command_line.clone(),
            knobs: variant.knobs.clone(),
            guest: variant.guest,
            record,
        };
        if let Origin::Prebuilt(built) = &base.origin {
            return self.prebuilt(project, (&variant, &base, &module), built, report).map(kernel);
        }
        let (tools, source) = match self.origins(name, (&variant, &base), report) {
            Ok(origins) => origins,
            Err(missing) => {
                let known = missing.known_by(&base);
                let before = self.built_before(project, (&variant, &base, &module), &known)?;
                return before.map(kernel).ok_or(missing.error).inspect(|_| report(BuildEvent::Cached));
            }
        };
        let recipe = Recipe::of(project, &variant, &base, &source.version)?;
        let key = recipe.key(&source.digest, &tools, &module);
        if let Some(record) = self.find(&key) {
            report(BuildEvent::Cached);
            return Ok(kernel(record));
        }

        toolchain::check()?;
        let mut began = Instant::now();
        let mut unpacking = false;
        let mut workbench =
            Workbench::open(&self.cache, &source, variant.custom.as_ref(), &self.canceller, &mut |event| {
                if matches!(event, BuildEvent::Unpacking { .. }) && !std::mem::replace(&mut unpacking, true) {
                    began = Instant::now();
                }
                report(event);
            })?;
        let unpacked = if unpacking { began.elapsed() } else { Duration::ZERO };
        // Whoever had the workbench may have built the same.
        if let Some(record) = self.find(&key) {
            report(BuildEvent::Cached);
            return Ok(kernel(record));
        }
        let order = Order {
            variant: &variant.name,
            base: &base.name,
            arch: base.arch,
            source: &source,
            recipe: &recipe,
            module: &module,
            tools: &tools,
            key: &key,
        };
        let output = build(&order, &mut workbench, unpacked, &self.canceller, report)?;
        let record = self.publish(&output, &key)?;
        report(BuildEvent::Done);
        Ok(kernel(record))
    }

    /// The kernel that is built already, with crashlab built against it.
    fn prebuilt(
        &self,
        project: &Project,
        (variant, base, module): (&Variant, &Base, &ModuleSources),
        built: &Prebuilt,
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<BuildRecord, KernelError> {
        if let Some(what) = variant.changes_the_build() {
            let (variant, base) = (variant.name.clone(), base.name.clone());
            return Err(KernelError::NothingToBuild { variant, what, base });
        }
        // What it was when it was named is here, whatever has become of its files.
        let packed = self.sealed.as_ref().and_then(|sources| sources.get(&base.name));
        let mut digests = [built.digest.as_ref(), packed].into_iter().flatten();
        let known = digests.find_map(|digest| self.find(&prebuilt::key(digest, module)));
        if let Some(record) = known {
            report(BuildEvent::Cached);
            return Ok(record);
        }
        if self.sealed.is_some() {
            let kernel = KernelName { variant: variant.name.clone(), base: base.name.clone() };
            return Err(KernelError::NotPacked { kernel });
        }
        let found = built.look(project)?;
        let key = prebuilt::key(&found.digest, module);
        let folder = self.cache.join("workbench").join(format!("prebuilt-{}", key.get(..12).unwrap_or(&key)));
        fs::create_dir_all(&folder).map_err(KernelError::io("creating", &folder))?;
        let _lock = lock(&folder.join("lock"), &self.canceller, report)?;
        if let Some(record) = self.find(&key) {
            report(BuildEvent::Cached);
            return Ok(record);
        }
        report(BuildEvent::Module);
        let purpose = prebuilt::Purpose { variant: &variant.name, base: &base.name, key: &key };
        let output = found.build(purpose, module, &folder, &self.canceller)?;
        let record = self.publish(&output, &key)?;
        report(BuildEvent::Done);
        Ok(record)
    }

    /// The patches of a kernel of that name, in order.
    pub fn series(
        &self,
        project: &Project,
        name: &KernelName,
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<Vec<PatchHead>, KernelError> {
        let variant = Variant::find(project, &name.variant)?;
        let base = Base::find(project, &name.base)?;
        let source = Source::identify(&base, &self.cache, &self.canceller, report)?;
        patches(&variant, &base, &source.version)?.iter().map(|path| Ok(Patch::read(path)?.head())).collect()
    }

    /// The tools and the source that a kernel would be made with.
    fn origins(
        &self,
        name: &KernelName,
        (variant, base): (&Variant, &Base),
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<(ToolRecord, Source), Missing> {
        if let Some(sources) = &self.sealed {
            let source = sources.get(&base.name).cloned();
            return Err(Missing { error: KernelError::NotPacked { kernel: name.clone() }, source });
        }
        let tools = toolchain::identify(variant.make_arguments(), &self.canceller);
        match (tools, Source::identify(base, &self.cache, &self.canceller, report)) {
            (Ok(tools), Ok(source)) => Ok((tools, source)),
            (Err(error), source) => Err(Missing { error, source: source.ok().map(|source| source.digest) }),
            (Ok(_), Err(error)) => Err(Missing { error, source: None }),
        }
    }

    fn folder(&self, key: &str) -> PathBuf {
        self.cache.join("kernels").join(key)
    }

    /// The record of a kernel that is there as a whole.
    pub(super) fn find(&self, key: &str) -> Option<BuildRecord> {
        let folder = self.folder(key);
        let record: BuildRecord = serde_json::from_slice(&fs::read(folder.join(BUILD_RECORD)).ok()?).ok()?;
        let whole = FILES.iter().all(|name| !record.has(name) || folder.join(name).is_file());
        (record.key == key && whole).then_some(record)
    }

    /// Moves a finished folder to its address. One that is there has been damaged since, or it would have been found.
    fn publish(&self, output: &Path, key: &str) -> Result<BuildRecord, KernelError> {
        let folder = self.folder(key);
        let fail = KernelError::io("keeping the kernel in", &folder);
        files::remove_all(&folder).map_err(&fail)?;
        fs::rename(output, &folder).map_err(&fail)?;
        self.find(key).ok_or_else(|| fail(std::io::Error::other("it is not whole after it was moved there")))
    }
}

/// What a kernel is made of that the project and the user say.
pub(super) struct Recipe {
    /// The series.
    pub patches: Vec<Patch>,
    /// What it is configured by.
    pub wanted: Wanted,
    /// Further arguments for make.
    pub arguments: Vec<String>,
}

impl Recipe {
    /// For a kernel of this version.
    pub(super) fn of(
        project: &Project,
        variant: &Variant,
        base: &Base,
        version: &Version,
    ) -> Result<Self, KernelError> {
        let given = variant.custom.as_ref().and_then(|custom| custom.kconfig.as_ref());
        let wanted = Wanted::of(&project.guest_kernel().join("configs"), version, given, &variant.config)?;
        let patches = patches(variant, base, version)?;
        let patches = patches.iter().map(|path| Patch::read(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { patches, wanted, arguments: variant.make_arguments().to_vec() })
    }

    /// The key of a kernel that is made of it, from the source of this digest, by these tools, with this module.
    pub(super) fn key(&self, source: &str, tools: &ToolRecord, module: &ModuleSources) -> String {
        let patches = self.patches.iter().map(|patch| files::sha256(&patch.content)).collect();
        let (config, arguments, module) = (&self.wanted.digest(), self.arguments.as_slice(), &module.digest());
        Ingredients { source, patches, config, tools, arguments, module }.key()
    }
}

/// The variant's patches for this kernel.
fn patches<'a>(variant: &'a Variant, base: &Base, version: &Version) -> Result<&'a [PathBuf], KernelError> {
    variant.patches(version).ok_or_else(|| KernelError::NotForBase {
        variant: variant.name.clone(),
        range: variant.versions(),
        base: base.name.clone(),
        version: version.clone(),
    })
}
