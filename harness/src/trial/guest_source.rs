//! What trials of one kernel and guest shape start from: several templates, made once and kept in the cache, or a cold
//! boot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use thiserror::Error;
use tokio::sync::{OnceCell, RwLock};

use super::BOOT_PATIENCE;
use super::alive::{self, NotAliveReason};
use super::dump::Dumps;
use super::symbols::KernelSymbols;
use super::tracer::GuestTracer;
use super::workdir::ScratchDirs;
use crate::evidence::Probes;
use crate::evidence::symbols::Symbols;
use crate::guest::{
    Artifacts, Booted, Guest, GuestError, Machine, RESET_AFTER_PANIC, Ram, Start, Template, TemplateError, Tracing,
    crash_command_line,
};
use crate::image;
use crate::kernel::Kernel;
use crate::model::order::OwnStep;
use crate::probes::ProbesError;
use crate::scenario::{CrashBoot, EarlierBoots, stream};
use crate::tracer::Tracer;
use crate::waits::{WaitSet, Waits};

/// Part of every template's key: to be raised when a template made by an older harness must not be used any more.
const RECIPE: &str = "10";

/// The word on a kernel's command line that has it run where it is linked to.
const STAYS: &str = "nokaslr";

/// The kernel's variable that says which CPU panics: -1 for none.
pub(super) const PANIC_CPU: &str = "panic_cpu";

/// A machine, and what it starts from.
#[derive(Debug)]
pub struct GuestSource {
    /// The machine.
    pub machine: Machine,
    boot: Boot,
    /// The templates, by their numbers; none if every trial is booted.
    templates: RwLock<BTreeMap<u32, Arc<Slot>>>,
    /// Where templates are kept.
    kept: PathBuf,
    /// What the names of their folders begin with; the template's number follows.
    key: String,
    /// What guests are traced with.
    pub(super) tracer: Option<GuestTracer>,
    /// The kernel's functions.
    pub(super) symbols: KernelSymbols,
    /// What it waits for by itself.
    pub(super) waits: Waits,
    /// What it takes to read dumps of its memory, if its guests have a crash kernel.
    pub(super) dumps: Option<Dumps>,
    /// Where trials have their private folders.
    pub(super) scratch_dirs: Arc<ScratchDirs>,
    /// The version of its kernel, major and minor.
    pub(super) linux: (u32, u32),
    /// What the next boot is of, if not of the same kernel.
    reader: Option<Reader>,
    /// The boots before the one that trials are of, if there are any, and what the last of them has left.
    earlier: Option<EarlierBoots>,
    left: OnceCell<Left>,
    /// Whether the kernel may run elsewhere than where it is linked to.
    may_move: bool,
    /// The kernel's name, for error messages.
    kernel: String,
}

/// Another kernel, which reads what pstore kept.
#[derive(Debug)]
struct Reader {
    boot: Boot,
    /// What it is called in a verdict.
    name: String,
}

/// What a boot needs.
#[derive(Debug, Clone)]
struct Boot {
    kernel: PathBuf,
    initramfs: PathBuf,
    append: Vec<String>,
    /// The EFI variables that it begins with, if its machine has EFI firmware.
    vars: Option<PathBuf>,
}

impl Boot {
    fn files(&self) -> Booted<'_> {
        let Self { kernel, initramfs, append, vars } = self;
        Booted { kernel, initramfs, append, vars: vars.as_deref(), erst: None, zones: None, rtc: None }
    }
}

/// Where a template is kept, and the template, which is replaced when it has gone bad.
#[derive(Debug)]
struct Slot {
    dir: PathBuf,
    template: RwLock<Arc<Restorable>>,
}

/// A template, and what is looked for in guests restored from it.
#[derive(Debug)]
pub(crate) struct Restorable {
    /// Which of the guests' templates it is.
    pub number: u32,
    pub template: Template,
    pub probes: Option<Arc<Probes>>,
}

/// What one guest starts from; holds a template for as long as it is needed.
#[derive(Debug)]
pub(crate) enum Origin<'a> {
    Boot(Start<'a>),
    Template(Arc<Restorable>),
}

impl Origin<'_> {
    pub(crate) fn start(&self) -> Start<'_> {
        match self {
            Self::Boot(start) => *start,
            Self::Template(restorable) => Start::Restore(&restorable.template),
        }
    }

    /// The template that it starts from, as records name it: its number, and a digest of the saved machine.
    pub(super) fn template(&self) -> Option<String> {
        match self {
            Self::Boot(_) => None,
            Self::Template(restorable) => Some(format!("{}:{}", restorable.number, restorable.template.digest)),
        }
    }

    /// What is looked for in it, as far as that is known before it has started.
    fn probes(&self) -> Option<Arc<Probes>> {
        match self {
            Self::Boot(_) => None,
            Self::Template(restorable) => restorable.probes.clone(),
        }
    }
}

/// What guests are made of.
#[derive(Debug, Clone, Copy)]
pub struct GuestSourceOptions<'a> {
    /// The build cache.
    pub cache: &'a Path,
    /// The guest's agent.
    pub agent: &'a Path,
    /// QEMU's version: another QEMU cannot load a saved machine.
    pub qemu_version: &'a str,
    /// Where trials have their private folders.
    pub scratch_dirs: &'a Arc<ScratchDirs>,
    /// What guests are traced with, if they are to be, and can be.
    pub tracer: Option<&'a Tracer>,
    /// What kernels wait for by themselves.
    pub waits: &'a WaitSet,
    /// Words for the kernel's command line, behind those of the kernel's variant.
    pub command_line: &'a [String],
    /// The crash kernel, where one is loaded; the kernel itself if none is named.
    pub crash_kernel: Option<&'a Kernel>,
    /// How it is booted.
    pub crash_boot: &'a CrashBoot,
    /// A program of the user's that lies in them.
    pub program: Option<&'a Path>,
    /// The EFI variables that they begin with, an image of flash, if their machine has EFI firmware.
    pub vars: Option<&'a [u8]>,
    /// The kernel that reads what pstore kept; the kernel itself if none is named.
    pub reader: Option<&'a Kernel>,
    /// The boots before the one that trials are of.
    pub earlier: Option<EarlierBoots>,
}

/// Why a kernel cannot be tried.
#[derive(Debug, Error)]
pub enum GuestSourceError {
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
    #[error("kernel {kernel}: {source}")]
    Template {
        /// The kernel's variant and base.
        kernel: String,
        /// Why.
        source: TemplateError,
    },
    /// What is to be looked for in it is not known.
    #[error("kernel {kernel}: {source}")]
    Probes {
        /// The kernel's variant and base.
        kernel: String,
        /// Why.
        source: ProbesError,
    },
    /// It could not be booted and made to panic beforehand.
    #[error("kernel {kernel}: boot it, and have it panic, before the boot that trials are of: {source}")]
    Earlier {
        /// The kernel's variant and base.
        kernel: String,
        /// Why.
        source: GuestError,
    },
    /// Guests restored from the template do not leave what a booted one does, or do not run.
    #[error(
        "kernel {kernel}: a guest restored from its template, even a new one, does not do as a booted one: {fault}"
    )]
    NotAlive {
        /// The kernel's variant and base.
        kernel: String,
        /// What was seen.
        fault: NotAliveReason,
    },
}

impl GuestSourceError {
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

impl GuestSource {
    /// Packs the initramfs, or takes it from the cache. Its guests are booted until it is given a template.
    pub fn prepare(
        machine: Machine,
        kernel: &Kernel,
        options: GuestSourceOptions<'_>,
    ) -> Result<Self, GuestSourceError> {
        let dumps = machine.crashkernel_mib.map(|_| {
            let text = |map: PathBuf| std::fs::read_to_string(&map).map_err(io("read", &map));
            let map = kernel.system_map().map(text).transpose()?;
            Ok(Dumps::new(map.as_deref(), &kernel.record.build_id))
        });
        let dumps = dumps.transpose()?;
        let crash = match machine.crashkernel_mib {
            Some(_) => {
                let crash_kernel = options.crash_kernel.unwrap_or(kernel);
                let packing = io("pack an initramfs with", options.agent);
                let initramfs =
                    image::capture_initramfs(&read(options.agent)?, &modules(crash_kernel)?).map_err(packing)?;
                Some((read(&crash_kernel.bzimage())?, initramfs))
            }
            None => None,
        };
        let CrashBoot { cpus, command_line } = options.crash_boot;
        let line = crash_command_line(machine.arch, *cpus, command_line);
        let crash = crash.as_ref().map(|(kernel, initramfs)| image::Crash { kernel, initramfs, command_line: &line });
        let program = options.program.map(read).transpose()?;
        let words = [&kernel.command_line, options.command_line].concat();
        let [moves] = kernel.options(["CONFIG_RANDOMIZE_BASE"]).map_err(io("read", &kernel.config()))?;
        let may_move = moves == "y" && !words.iter().any(|word| word == STAYS);
        let boot = Boot::of(kernel, &options, crash, program.as_deref(), words)?;
        let reader = options.reader.map(|reader| {
            let words = reader.command_line.clone();
            let boot = Boot::of(reader, &options, None, None, words)?;
            Ok(Reader { boot, name: format!("the next boot, of {}@{},", reader.variant, reader.base) })
        });
        let name = format!("{}@{}", kernel.variant, kernel.base);
        let tracer = options.tracer.zip(kernel.vmlinux());
        let tracer = tracer.map(|(tracer, vmlinux)| GuestTracer::new(tracer, kernel, vmlinux, &machine)).transpose();
        let tracer = tracer.map_err(|source| GuestSourceError::Probes { kernel: name.clone(), source })?;
        let waits = options.waits.of(&kernel.record.source.version);
        let mut variables: BTreeSet<String> = waits.variables().map(|variable| variable.name.clone()).collect();
        variables.insert(PANIC_CPU.to_owned());
        let key = template_key(&machine, &boot, tracer.as_ref(), kernel, options.qemu_version, options.earlier);
        Ok(Self {
            machine,
            boot,
            templates: RwLock::default(),
            kept: options.cache.join("templates"),
            key,
            tracer,
            symbols: KernelSymbols::of(kernel, variables),
            waits,
            dumps,
            scratch_dirs: Arc::clone(options.scratch_dirs),
            linux: (kernel.record.source.version.major, kernel.record.source.version.minor),
            reader: reader.transpose()?,
            earlier: options.earlier,
            left: OnceCell::new(),
            may_move,
            kernel: name,
        })
    }

    /// Makes a template, or takes it from the cache. It is checked by a crash of a guest restored from it; one that fails
    /// is made anew. Templates of other numbers are other boots of the same guest.
    pub async fn add_template(&self, number: u32) -> Result<(), GuestSourceError> {
        self.boot_before().await?;
        let dir = self.kept.join(format!("{}-{number}", self.key));
        let mut template = match Template::open(&dir) {
            Some(template) => self.restorable(number, template)?,
            None => self.make(number, &dir).await?,
        };
        if let Err(fault) = alive::check(self, &template).await {
            tracing::warn!("kernel {}: template {number} is made anew: {fault}", self.kernel);
            template = self.make_anew(number, &dir).await?;
            let kernel = || self.kernel.clone();
            alive::check(self, &template)
                .await
                .map_err(|fault| GuestSourceError::NotAlive { kernel: kernel(), fault })?;
        }
        let slot = Slot { dir, template: RwLock::new(template) };
        self.templates.write().await.insert(number, Arc::new(slot));
        Ok(())
    }

    /// Boots the kernel as often as it is to have booted before, and has it panic, each time with what the last one has left; once
    /// for all of its guests.
    pub async fn boot_before(&self) -> Result<(), GuestSourceError> {
        let Some(earlier) = self.earlier else { return Ok(()) };
        let booting = self.left.get_or_try_init(|| async {
            let mut left: Option<Left> = None;
            for boot in 0..earlier.number {
                let rtc = earlier.clock(boot);
                let of = match &left {
                    Some(left) => left.found_by(self.boot.files(), &rtc),
                    None => Booted { rtc: Some(&rtc), ..self.boot.files() },
                };
                let start = Start::Boot { of, ram: Ram::Private };
                let artifacts = alive::die(self, Origin::Boot(start)).await?;
                let folder = self.scratch_dirs.folder().map_err(scratch)?;
                left = Some(Left::kept(folder, &artifacts, earlier.clock(boot + 1))?);
            }
            Ok(left.unwrap_or_default())
        });
        let booted = booting.await.map(drop);
        booted.map_err(|source| GuestSourceError::Earlier { kernel: self.kernel.clone(), source })
    }

    /// The boot that trials are of.
    fn first_boot(&self) -> Booted<'_> {
        match self.left.get() {
            Some(left) => left.found_by(self.boot.files(), &left.rtc),
            None => self.boot.files(),
        }
    }

    async fn make(&self, number: u32, dir: &Path) -> Result<Arc<Restorable>, GuestSourceError> {
        let tracing = self.tracer.as_ref().map(GuestTracer::for_boot);
        let boot = stream(u64::from(number), "", "boot");
        let files = self.first_boot();
        let made = Template::create(&self.machine, files, dir, boot, BOOT_PATIENCE, tracing.as_ref()).await;
        let template = made.map_err(|source| GuestSourceError::Template { kernel: self.kernel.clone(), source })?;
        self.restorable(number, template)
    }

    /// Includes what the template's guest reported about itself, so no trial has to ask again.
    fn restorable(&self, number: u32, template: Template) -> Result<Arc<Restorable>, GuestSourceError> {
        let probes = match (&self.tracer, &template.hooks, template.slide) {
            (Some(tracer), Some(hooks), Some(slide)) => Some(tracer.with_hooks(hooks, slide, template.crashlab)),
            _ => None,
        };
        let probes =
            probes.transpose().map_err(|source| GuestSourceError::Probes { kernel: self.kernel.clone(), source })?;
        Ok(Arc::new(Restorable { number, template, probes: probes.map(Arc::new) }))
    }

    async fn make_anew(&self, number: u32, dir: &Path) -> Result<Arc<Restorable>, GuestSourceError> {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", dir)(error)),
            _ => self.make(number, dir).await,
        }
    }

    /// Replaces templates whose files are not all there any more: somebody cleaned up while a run was under way, or another
    /// harness made one anew, which is then used here too. Several trials may ask for it at once; it is done once.
    pub async fn mend(&self) -> Result<(), GuestSourceError> {
        let slots = self.templates.read().await.clone();
        for (number, slot) in slots {
            let mut template = slot.template.write().await;
            if !template.template.is_complete() {
                *template = match Template::open(&slot.dir) {
                    Some(theirs) => self.restorable(number, theirs)?,
                    None => self.make_anew(number, &slot.dir).await?,
                };
            }
        }
        Ok(())
    }

    /// How far above its link addresses a guest's kernel runs, in bytes. Everything that is looked up by the addresses of
    /// `System.map` is that much further.
    pub(super) fn slide(&self, guest: &Guest) -> Result<u64, GuestError> {
        match guest.slide() {
            Some(slide) => Ok(slide),
            None if !self.may_move => Ok(0),
            None => Err(GuestError::Agent(format!(
                "its kernel may run anywhere (CONFIG_RANDOMIZE_BASE) and does not tell where: build it with \
                 CONFIG_VMCORE_INFO, or put `{STAYS}` on its command line"
            ))),
        }
    }

    /// The functions of a guest's kernel that runs `slide` bytes above its link addresses, and of its crashlab.
    pub(super) async fn symbols(&self, guest: &Guest, slide: u64) -> std::io::Result<Symbols> {
        Ok(self.symbols.with_crashlab(guest.crashlab_code()).await?.moved_by(slide))
    }

    /// How a guest that starts from `source` is traced, if it is; `probes`: what is looked for in one that is restored.
    pub(super) fn tracing<'a>(&'a self, source: &Origin<'_>, probes: Option<&'a Probes>) -> Option<Tracing<'a>> {
        let tracer = self.tracer.as_ref()?;
        match source {
            Origin::Boot(_) => Some(tracer.for_boot()),
            Origin::Template(restorable) => tracer.for_restored(probes?, &restorable.template),
        }
    }

    /// What is looked for in a guest that starts from `source`, the steps of a scenario's own included, as far as that is
    /// known before it has started.
    pub(super) fn probes(&self, source: &Origin<'_>, steps: &[OwnStep]) -> Result<Option<Arc<Probes>>, GuestError> {
        match (&self.tracer, source.probes()) {
            (Some(tracer), Some(probes)) => tracer.with_steps(probes, steps).map(Some),
            (_, probes) => Ok(probes),
        }
    }

    /// What the guest of a cell's trial number `ordinal` starts from: trials take the templates in turn.
    pub(super) async fn source(&self, ordinal: u32) -> Origin<'_> {
        match nth(&*self.templates.read().await, ordinal) {
            Some(slot) => Origin::Template(Arc::clone(&*slot.template.read().await)),
            None => self.cold(),
        }
    }

    /// The first template, or a boot, from a thread that may block.
    pub(crate) fn source_blocking(&self) -> Origin<'_> {
        match nth(&self.templates.blocking_read(), 0) {
            Some(slot) => Origin::Template(Arc::clone(&*slot.template.blocking_read())),
            None => self.cold(),
        }
    }

    /// Who reads what pstore kept, in words, if that is another kernel.
    pub(super) fn reader(&self) -> Option<&str> {
        self.reader.as_ref().map(|reader| reader.name.as_str())
    }

    /// A boot of the kernel that reads, which finds this record store, these EFI variables, if it has any, and in its RAM whatever
    /// `ram` holds.
    pub(super) fn next_boot<'a>(&'a self, erst: &'a Path, vars: Option<&'a Path>, ram: Ram<'a>) -> Start<'a> {
        let boot = self.reader.as_ref().map_or(&self.boot, |reader| &reader.boot);
        Start::Boot { of: Booted { vars, erst: Some(erst), ..boot.files() }, ram }
    }

    /// What a guest is booted from, whether trials are restored or not.
    pub(super) fn cold(&self) -> Origin<'_> {
        Origin::Boot(Start::Boot { of: self.first_boot(), ram: Ram::Private })
    }
}

impl Boot {
    /// What a boot of a kernel needs, with these words of variant and scenario. Images are packed, or taken from the cache.
    fn of(
        kernel: &Kernel,
        options: &GuestSourceOptions<'_>,
        crash: Option<image::Crash<'_>>,
        program: Option<&[u8]>,
        words: Vec<String>,
    ) -> Result<Self, GuestSourceError> {
        let (agent, crashlab) = (read(options.agent)?, read(&kernel.crashlab())?);
        let content = image::Content { agent: &agent, modules: &modules(kernel)?, crashlab: &crashlab };
        let packing = io("pack an initramfs with", options.agent);
        let bytes = image::initramfs(content, crash, program).map_err(packing)?;
        let images = options.cache.join("images");
        let initramfs = kept(&images, "cpio", &bytes)?;
        let vars = options.vars.map(|image| kept(&images, "vars", image)).transpose()?;
        let [built_in] = kernel.options(["CONFIG_PANIC_TIMEOUT"]).map_err(io("read", &kernel.config()))?;
        let reset = (built_in == "0" || built_in == "n").then(|| RESET_AFTER_PANIC.to_owned());
        let append = reset.into_iter().chain(words).collect();
        Ok(Self { kernel: kernel.bzimage(), initramfs, append, vars })
    }
}

/// What a boot has left for the next one.
#[derive(Debug, Default)]
struct Left {
    /// Where it lies, for as long as it is needed.
    _folder: Option<TempDir>,
    erst: Option<PathBuf>,
    vars: Option<PathBuf>,
    zones: Option<PathBuf>,
    /// What the next one's clock says.
    rtc: String,
}

impl Left {
    fn kept(folder: TempDir, artifacts: &Artifacts, rtc: String) -> Result<Self, GuestError> {
        let keep = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            let written = std::fs::write(&path, bytes);
            written.map_err(|source| GuestError::Io { what: format!("write {}", path.display()), source })?;
            Ok(path)
        };
        let erst = Some(keep("erst", &artifacts.erst)?);
        let vars = artifacts.vars.as_ref().map(|vars| keep("vars", &vars.bytes)).transpose()?;
        let zones = artifacts.ramoops.as_ref().map(|memory| keep("zones", &memory.bytes)).transpose()?;
        Ok(Self { erst, vars, zones, rtc, _folder: Some(folder) })
    }

    /// The boot `of` the same kernel, which finds it.
    fn found_by<'a>(&'a self, of: Booted<'a>, rtc: &'a str) -> Booted<'a> {
        let vars = self.vars.as_deref().or(of.vars);
        Booted { vars, erst: self.erst.as_deref(), zones: self.zones.as_deref(), rtc: Some(rtc), ..of }
    }
}

fn scratch(source: std::io::Error) -> GuestError {
    GuestError::Io { what: "create a folder for what a boot leaves".to_owned(), source }
}

/// The template whose turn it is.
fn nth(templates: &BTreeMap<u32, Arc<Slot>>, ordinal: u32) -> Option<Arc<Slot>> {
    let turn = usize::try_from(ordinal).unwrap_or(usize::MAX).checked_rem(templates.len())?;
    templates.values().nth(turn).map(Arc::clone)
}

/// Everything that makes saved machines differ.
///
/// A traced one knows what its guest told of itself, to the questions that were asked.
fn template_key(
    machine: &Machine,
    boot: &Boot,
    tracer: Option<&GuestTracer>,
    kernel: &Kernel,
    qemu_version: &str,
    earlier: Option<EarlierBoots>,
) -> String {
    let mut hash = Sha256::new();
    let (machine, line) = (format!("{machine:?}"), format!("{:?}", boot.append));
    // They are called by what is in them.
    let images = format!("{:?} {:?}", boot.initramfs.file_name(), boot.vars.as_ref().and_then(|vars| vars.file_name()));
    let asked = format!("{:?} {earlier:?}", tracer.map(GuestTracer::asked));
    for part in [RECIPE, &kernel.key, &images, qemu_version, &machine, &line, &asked] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    format!("{:x}", hash.finalize())
}

/// The modules that guests of a kernel load.
fn modules(kernel: &Kernel) -> Result<Vec<image::Module>, GuestSourceError> {
    let module = |path: PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(image::Module { name, file: read(&path)? })
    };
    kernel.modules().into_iter().map(module).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, GuestSourceError> {
    std::fs::read(path).map_err(io("read", path))
}

/// Keeps an image in a folder of the cache, under a name that follows from what is in it.
fn kept(folder: &Path, kind: &str, bytes: &[u8]) -> Result<PathBuf, GuestSourceError> {
    let path = folder.join(format!("{:x}.{kind}", Sha256::digest(bytes)));
    if !path.is_file() {
        put(&path, bytes)?;
    }
    Ok(path)
}

/// Writes a file of the cache so that nobody ever sees half of it.
fn put(path: &Path, bytes: &[u8]) -> Result<(), GuestSourceError> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).map_err(io("create", parent))?;
    let mut file = tempfile::NamedTempFile::new_in(parent).map_err(io("create a file in", parent))?;
    std::io::Write::write_all(&mut file, bytes).map_err(io("write", path))?;
    file.persist(path).map_err(|error| io("write", path)(error.error))?;
    Ok(())
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> GuestSourceError {
    let path = path.to_owned();
    move |source| GuestSourceError::Io { what, path, source }
}
