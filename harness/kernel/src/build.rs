//! One build: from a variant's ingredients and a held workbench to a finished folder.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::config::Config;
use super::diagnose::{disk_full, first_error};
use super::make::Make;
use super::module::{MODULE, ModuleSources};
use super::record::{BUILD_RECORD, BuildRecord, Durations, FILES, Sizes, SourceRecord};
use super::series::{self, Overlay};
use super::source::Source;
use super::state::Configuration;
use super::store::Recipe;
use super::workbench::Workbench;
use super::{BuildEvent, Canceller, KernelError, ToolRecord, elf, files, kconfig};
use harness_model::Arch;

/// The steps that 6.12.117 takes with `guest.config` from nothing: counted in its log.
const STEPS_CLEAN: u32 = 1500;
/// The steps that it takes after `kernel/panic.c` was changed: counted in its log.
const STEPS_FURTHER: u32 = 40;

/// Everything a kernel is made of.
pub(super) struct Order<'a> {
    /// The name of the variant.
    pub variant: &'a str,
    /// The name of the base.
    pub base: &'a str,
    /// The architecture of the guests that boot it.
    pub arch: Arch,
    /// The base's source.
    pub source: &'a Source,
    /// What the project and the user say that it is made of.
    pub recipe: &'a Recipe,
    /// The fault-injection module.
    pub module: &'a ModuleSources,
    /// The tools.
    pub tools: &'a ToolRecord,
    /// The content address.
    pub key: &'a str,
}

/// Builds the order on the workbench. Returns the folder with all of [`FILES`] and the record, to be moved to the
/// store.
pub(super) fn build(
    order: &Order,
    workbench: &mut Workbench,
    unpacked: Duration,
    canceller: &Canceller,
    report: &mut dyn FnMut(BuildEvent),
) -> Result<PathBuf, KernelError> {
    let mut durations = Durations { unpack_ms: milliseconds(unpacked), ..Durations::default() };

    let began = Instant::now();
    report(BuildEvent::Patching { patches: order.recipe.patches.len() });
    let change = order.source.change.as_ref();
    let commit = change.map(|change| change.overlay(workbench.folder(), canceller)).transpose()?;
    let pristine = |path: &Path| match commit.as_ref().and_then(|commit| commit.find(path)) {
        Some(content) => content,
        None => workbench.pristine(path),
    };
    let (overlay, patches) = series::apply(&order.recipe.patches, workbench.folder(), canceller, &pristine)?;
    let overlays: Vec<&Overlay> = commit.iter().chain([&overlay]).collect();
    workbench.lay(&overlays)?;
    drop((commit, overlay));
    durations.patch_ms = milliseconds(began.elapsed());

    let allconfig = order.recipe.wanted.allconfig(&workbench.tree(), order.arch)?;
    let asked = order.asked(&allconfig, workbench);
    if workbench.state().configuration.as_ref().is_none_or(|configuration| configuration.asked != asked) {
        // Until a build with this configuration has ended well, nobody may rely on what `.config` is.
        workbench.note(|state| state.configuration = None)?;
    }
    let log_path = workbench.folder().join("logs").join(format!("{}.log", order.variant));
    let mut make = Make::new(workbench, order.arch, &order.recipe.arguments, canceller, log_path)?;

    let began = Instant::now();
    report(BuildEvent::Configuring);
    order.configure(&mut make, workbench, &allconfig)?;
    durations.configure_ms = milliseconds(began.elapsed());

    let began = Instant::now();
    let clean = !workbench.tree().join("vmlinux").exists();
    let known = if clean { workbench.state().steps_clean } else { workbench.state().steps_further };
    let expected = known.unwrap_or(if clean { STEPS_CLEAN } else { STEPS_FURTHER });
    let mut done = 0;
    report(BuildEvent::Compiling { done, expected });
    let targets = [order.arch.spec().kernel.target, order.recipe.wanted.modules_target()].map(OsString::from);
    let built = make.run(&targets, &mut || {
        done += 1;
        report(BuildEvent::Compiling { done, expected });
    })?;
    order.check(built, "building", &make)?;
    durations.compile_ms = milliseconds(began.elapsed());

    let began = Instant::now();
    report(BuildEvent::Module);
    let module = workbench.folder().join("module");
    order.module.copy_to(&module)?;
    if order.recipe.wanted.is_whole() {
        give_symbols(&workbench.tree())?;
    }
    let mut argument = OsString::from("M=");
    argument.push(&module);
    let built = make.run(&[argument, "modules".into()], &mut || {})?;
    order.check(built, "building the fault-injection module for", &make)?;
    durations.module_ms = milliseconds(began.elapsed());

    let log_path = make.log_path().to_owned();
    drop(make);
    let output = order.collect(workbench, &module, &log_path)?;
    let record = order.record(workbench, &output, patches, durations)?;
    let text = serde_json::to_vec_pretty(&record).unwrap_or_default();
    let path = output.join(BUILD_RECORD);
    fs::write(&path, text).map_err(KernelError::io("writing", &path))?;
    let configuration = Configuration::of(asked, &workbench.tree())
        .map_err(KernelError::io("reading .config in", &workbench.tree()))?;
    workbench.note(|state| {
        state.configuration = Some(configuration);
        state.finished = Some(std::time::SystemTime::now());
        let steps = if clean { &mut state.steps_clean } else { &mut state.steps_further };
        // Of a build that had hardly anything to do, the next one cannot be guessed.
        if done > 0 {
            *steps = Some(done);
        }
    })?;
    Ok(output)
}

/// Gives a module what it is linked with where no module of the tree is built: the symbols that `vmlinux` exports, which make
/// has written beside it.
fn give_symbols(tree: &Path) -> Result<(), KernelError> {
    let symbols = tree.join("vmlinux.symvers");
    files::copy(&symbols, &tree.join("Module.symvers"))
        .map_err(KernelError::io("reading the symbols of vmlinux in", &symbols))
}

impl Order<'_> {
    fn kernel(&self) -> String {
        format!("{}@{}", self.variant, self.base)
    }

    /// A digest of the configuration that is asked for, by which a later build sees that its own is the same.
    fn asked(&self, allconfig: &str, workbench: &Workbench) -> String {
        let kconfigs = workbench
            .state()
            .touched
            .keys()
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Kconfig")));
        let mut asked = format!(
            "{}{allconfig}{}{}",
            self.recipe.wanted.target(),
            self.tools.compiler,
            self.recipe.arguments.join("\n")
        );
        for path in kconfigs {
            asked.push_str(&files::sha256(&fs::read(workbench.tree().join(path)).unwrap_or_default()));
        }
        files::sha256(asked.as_bytes())
    }

    /// Makes the configuration, unless it is there from the build before, and checks that everything asked for is in it.
    fn configure(&self, make: &mut Make, workbench: &Workbench, allconfig: &str) -> Result<(), KernelError> {
        let tree = workbench.tree();
        let path = tree.join(".config");
        if workbench.state().configuration.is_none() {
            let wanted = workbench.folder().join("allconfig");
            fs::write(&wanted, allconfig).map_err(KernelError::io("writing", &wanted))?;
            let mut argument = OsString::from("KCONFIG_ALLCONFIG=");
            argument.push(&wanted);
            let configured = make.run(&[argument, self.recipe.wanted.target().into()], &mut || {})?;
            self.check(configured, "configuring", make)?;
        }
        let text = fs::read_to_string(&path).map_err(KernelError::io("reading", &path))?;
        let config = Config::parse(&text);
        let mut unmet = self.recipe.wanted.asked.unmet(&config);
        if unmet.is_empty() {
            return Ok(());
        }
        kconfig::explain(&tree, self.arch, &config, &mut unmet);
        Err(KernelError::Unmet { kernel: self.kernel(), options: unmet })
    }

    /// Turns a failed make into what its log says.
    fn check(&self, succeeded: bool, doing: &'static str, make: &Make) -> Result<(), KernelError> {
        if succeeded {
            return Ok(());
        }
        let log = make.log_path();
        let text = fs::read(log).map_err(KernelError::io("reading", log))?;
        let text = String::from_utf8_lossy(&text);
        if disk_full(&text) {
            return Err(KernelError::disk_full(format!("{doing} {} in", self.kernel()), log));
        }
        Err(KernelError::Build { doing, kernel: self.kernel(), diagnosis: first_error(&text), log: log.to_owned() })
    }

    /// Copies what is kept of a build out of the tree.
    fn collect(&self, workbench: &Workbench, module: &Path, log: &Path) -> Result<PathBuf, KernelError> {
        let tree = workbench.tree();
        let output = workbench.folder().join("output");
        let from = [
            tree.join(self.arch.spec().kernel.image),
            tree.join("vmlinux"),
            tree.join("System.map"),
            tree.join(".config"),
            module.join(MODULE),
            log.to_owned(),
        ];
        for (from, name) in from.iter().zip(FILES) {
            files::copy(from, &output.join(name))
                .map_err(KernelError::io(format!("keeping {name} of {}, from", self.kernel()), from))?;
        }
        Ok(output)
    }

    fn record(
        &self,
        workbench: &Workbench,
        output: &Path,
        patches: Vec<super::PatchRecord>,
        durations: Durations,
    ) -> Result<BuildRecord, KernelError> {
        let size = |name: &str| {
            let path = output.join(name);
            path.metadata().map(|meta| meta.len()).map_err(KernelError::io("reading", &path))
        };
        let [image, vmlinux, _, _, module, log] = FILES;
        let elf = fs::read(output.join(vmlinux)).map_err(KernelError::io("reading", &output.join(vmlinux)))?;
        let build_id = elf::build_id(&elf).ok_or_else(|| KernelError::Build {
            doing: "building",
            kernel: self.kernel(),
            diagnosis: first_error("vmlinux has no GNU build id, so its crashes could not be told from another's"),
            log: output.join(log),
        })?;
        let release = workbench.tree().join("include/config/kernel.release");
        let release = fs::read_to_string(&release).map_err(KernelError::io("reading", &release))?.trim().to_owned();
        Ok(BuildRecord {
            key: self.key.to_owned(),
            variant: self.variant.to_owned(),
            base: self.base.to_owned(),
            source: SourceRecord {
                kind: self.source.kind.to_owned(),
                name: self.source.name.clone(),
                commit: self.source.commit.clone(),
                digest: self.source.digest.clone(),
                // The patch level too, which a package's name does not tell.
                version: match self.source.change {
                    Some(_) => self.source.version.clone(),
                    None => workbench.version().clone(),
                },
            },
            patches,
            config: self.recipe.wanted.digest(),
            tools: self.tools.clone(),
            arguments: self.recipe.arguments.clone(),
            release,
            build_id,
            durations,
            sizes: Sizes { image: size(image)?, vmlinux: size(vmlinux)?, module: size(module)? },
            prebuilt: None,
        })
    }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
