//! What trials of one kernel and guest shape start from: a template, made once and kept in the cache, or a cold boot.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::sync::RwLock;

use super::BOOT_DEADLINE;
use super::alive::{self, Fault};
use super::dump::Dumps;
use super::tracer::StageTracer;
use super::workdir::Workplace;
use crate::evidence::symbols::Symbols;
use crate::guest::{
    CRASH_COMMAND_LINE, GuestError, ListHead, Machine, Ram, Start, Template, TemplateError, Time, Tracing,
};
use crate::image;
use crate::kernel::Kernel;
use crate::probes::{Image, Probes, ProbesError};
use crate::tracer::Tracer;

/// Part of every template's key: to be raised when a template made by an older harness must not be used any more.
const RECIPE: &str = "5";

/// A machine, and what it starts from.
#[derive(Debug)]
pub struct Stage {
    /// The machine.
    pub machine: Machine,
    boot: Boot,
    /// Where the template is kept, and the template; none if every trial is booted. Replaced when it has gone bad.
    template: Option<(PathBuf, RwLock<Arc<Restorable>>)>,
    /// What guests are traced with.
    pub(super) tracer: Option<StageTracer>,
    /// The kernel's `System.map`.
    symbols: PathBuf,
    /// Its crashlab.
    crashlab: PathBuf,
    /// What it takes to read dumps of its memory, if its guests have a crash kernel.
    pub(super) dumps: Option<Dumps>,
    /// Where trials have their private folders.
    pub(super) workplace: Arc<Workplace>,
    /// Names the kernel in errors.
    kernel: String,
}

/// What a boot needs.
#[derive(Debug, Clone)]
struct Boot {
    kernel: PathBuf,
    initramfs: PathBuf,
    append: Vec<String>,
}

/// A template, and what is looked for in guests restored from it.
#[derive(Debug)]
pub(crate) struct Restorable {
    pub template: Template,
    pub probes: Option<Arc<Probes>>,
}

/// What one guest starts from; holds a template for as long as it is needed.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Boot(Start<'a>),
    Template(Arc<Restorable>),
}

impl Source<'_> {
    pub(crate) fn start(&self) -> Start<'_> {
        match self {
            Self::Boot(start) => *start,
            Self::Template(restorable) => Start::Restore(&restorable.template),
        }
    }

    /// What is looked for in it, as far as that is known before it has started.
    pub(super) fn probes(&self) -> Option<Arc<Probes>> {
        match self {
            Self::Boot(_) => None,
            Self::Template(restorable) => restorable.probes.clone(),
        }
    }
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
    /// Where trials have their private folders.
    pub workplace: &'a Arc<Workplace>,
    /// What guests are traced with, if they are to be, and can be.
    pub tracer: Option<&'a Tracer>,
    /// Words for the kernel's command line, behind those of the kernel's variant.
    pub command_line: &'a [String],
    /// The crash kernel, `bzImage`, where one is loaded; the kernel itself if none is named.
    pub crash_kernel: Option<&'a Path>,
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
    /// Guests restored from the template do not leave what a booted one does, or do not come to life.
    #[error(
        "kernel {kernel}: a guest restored from its template, even a new one, does not do as a booted one: {fault}"
    )]
    NotAlive {
        /// The kernel's variant and base.
        kernel: String,
        /// What was seen.
        fault: Fault,
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
    /// Packs the initramfs and makes the template, or takes both from the cache. A template is checked by a crash of a
    /// guest restored from it; one that fails is made anew.
    pub async fn prepare(machine: Machine, kernel: &Kernel, options: StageOptions<'_>) -> Result<Self, StageError> {
        let agent = read(options.agent)?;
        let crashlab = read(&kernel.crashlab())?;
        let dumps = machine.crashkernel_mib.map(|_| {
            let map = kernel.system_map();
            let text = std::fs::read_to_string(&map).map_err(io("read", &map))?;
            Ok(Dumps::new(&text, &kernel.record.build_id))
        });
        let dumps = dumps.transpose()?;
        let packing = || io("pack an initramfs with", options.agent);
        let crash = match machine.crashkernel_mib {
            Some(_) => {
                let image = options.crash_kernel.map_or_else(|| kernel.bzimage(), Path::to_owned);
                Some((read(&image)?, image::capture_initramfs(&agent).map_err(packing())?))
            }
            None => None,
        };
        let crash = crash.as_ref().map(|(kernel, initramfs)| image::Crash {
            kernel,
            initramfs,
            command_line: CRASH_COMMAND_LINE,
        });
        let bytes = image::initramfs(&agent, &crashlab, crash).map_err(packing())?;
        let digest = format!("{:x}", Sha256::digest(&bytes));
        let initramfs = options.cache.join("images").join(format!("{digest}.cpio"));
        if !initramfs.is_file() {
            put(&initramfs, &bytes)?;
        }
        let append = [&kernel.command_line, options.command_line].concat();
        let boot = Boot { kernel: kernel.bzimage(), initramfs, append };
        let name = format!("{}@{}", kernel.variant, kernel.base);
        let sleeps = machine.time == Time::Real;
        let tracer = options.tracer.map(|tracer| StageTracer::new(tracer, kernel, sleeps)).transpose();
        let tracer = tracer.map_err(|source| StageError::Probes { kernel: name.clone(), source })?;
        let mut stage = Self {
            machine,
            boot,
            template: None,
            tracer,
            symbols: kernel.system_map(),
            crashlab: kernel.crashlab(),
            dumps,
            workplace: Arc::clone(options.workplace),
            kernel: name,
        };
        if options.cold {
            return Ok(stage);
        }
        let asked = stage.tracer.as_ref().map(StageTracer::asked);
        let key = template_key(&stage, kernel, &digest, options.qemu_version, asked);
        let dir = options.cache.join("templates").join(key);
        let template = match Template::open(&dir) {
            Some(template) => stage.restorable(template)?,
            None => stage.make(&dir).await?,
        };
        stage.template = Some((dir.clone(), RwLock::new(template)));
        if let Err(fault) = alive::check(&stage).await {
            tracing::warn!("kernel {}: its template is made anew: {fault}", stage.kernel);
            let template = stage.make_anew(&dir).await?;
            stage.template = Some((dir, RwLock::new(template)));
            let kernel = stage.kernel.clone();
            alive::check(&stage).await.map_err(|fault| StageError::NotAlive { kernel, fault })?;
        }
        Ok(stage)
    }

    async fn make(&self, dir: &Path) -> Result<Arc<Restorable>, StageError> {
        let Boot { kernel, initramfs, append } = &self.boot;
        let tracing = self.tracer.as_ref().map(StageTracer::for_boot);
        let made =
            Template::create(&self.machine, kernel, initramfs, append, dir, BOOT_DEADLINE, tracing.as_ref()).await;
        let template = made.map_err(|source| StageError::Template { kernel: self.kernel.clone(), source })?;
        self.restorable(template)
    }

    /// With what the template's guest told of itself, so that it need not be found out for every trial.
    fn restorable(&self, template: Template) -> Result<Arc<Restorable>, StageError> {
        let probes = match (&self.tracer, &template.hooks) {
            (Some(tracer), Some(hooks)) => Some(tracer.with_hooks(hooks)),
            _ => None,
        };
        let probes = probes.transpose().map_err(|source| StageError::Probes { kernel: self.kernel.clone(), source })?;
        Ok(Arc::new(Restorable { template, probes: probes.map(Arc::new) }))
    }

    async fn make_anew(&self, dir: &Path) -> Result<Arc<Restorable>, StageError> {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", dir)(error)),
            _ => self.make(dir).await,
        }
    }

    /// Makes the template anew if its files are not all there any more: somebody cleaned up while a run was under way.
    /// Several trials may ask for it at once; it is done once.
    pub async fn mend(&self) -> Result<(), StageError> {
        let Some((dir, template)) = &self.template else { return Ok(()) };
        let mut template = template.write().await;
        if Template::open(dir).is_none() {
            *template = self.make_anew(dir).await?;
        }
        Ok(())
    }

    /// The kernel's functions, and crashlab's, whose code lies at `code` if that is known.
    pub(super) fn symbols(&self, code: Option<u64>) -> std::io::Result<Symbols> {
        let symbols = Symbols::parse(&std::fs::read_to_string(&self.symbols)?);
        let Some(code) = code else { return Ok(symbols) };
        Ok(symbols.with_crashlab(code, Image::open(&self.crashlab)?.functions()))
    }

    /// How a guest that starts from `source` is traced, if it is.
    pub(super) fn tracing<'a>(&'a self, source: &'a Source<'_>) -> Option<Tracing<'a>> {
        let tracer = self.tracer.as_ref()?;
        match source {
            Source::Boot(_) => Some(tracer.for_boot()),
            Source::Template(restorable) => {
                Some(tracer.for_restored(restorable.probes.as_deref()?, restorable.template.hooks.as_ref()?))
            }
        }
    }

    /// What a guest starts from.
    pub(super) async fn source(&self) -> Source<'_> {
        match &self.template {
            Some((_, template)) => Source::Template(Arc::clone(&*template.read().await)),
            None => self.cold(),
        }
    }

    /// The same, from a thread that may block.
    pub(crate) fn source_blocking(&self) -> Source<'_> {
        match &self.template {
            Some((_, template)) => Source::Template(Arc::clone(&*template.blocking_read())),
            None => self.cold(),
        }
    }

    /// A boot that finds this record store, and in its RAM whatever `ram` holds.
    pub(super) fn next_boot<'a>(&'a self, erst: &'a Path, ram: Ram<'a>) -> Start<'a> {
        let Boot { kernel, initramfs, append } = &self.boot;
        Start::Boot { kernel, initramfs, append, ram, erst: Some(erst) }
    }

    /// What a guest is booted from, whether trials are restored or not.
    pub(super) fn cold(&self) -> Source<'_> {
        let Boot { kernel, initramfs, append } = &self.boot;
        Source::Boot(Start::Boot { kernel, initramfs, append, ram: Ram::Private, erst: None })
    }
}

/// Everything that makes one saved machine differ from another.
///
/// A traced one knows what its guest told of itself, to the questions that were `asked`.
fn template_key(stage: &Stage, kernel: &Kernel, image: &str, qemu_version: &str, asked: Option<&[ListHead]>) -> String {
    let mut hash = Sha256::new();
    let (machine, line) = (format!("{:?}", stage.machine), format!("{:?}", stage.boot.append));
    let asked = format!("{asked:?}");
    for part in [RECIPE, &kernel.key, image, qemu_version, &machine, &line, &asked] {
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
