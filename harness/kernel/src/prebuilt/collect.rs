//! From a kernel that is built already to a folder as a build leaves it: crashlab, symbols, modules, a record.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Found;
use crate::build::milliseconds;
use crate::config::Config;
use crate::diagnose::{disk_full, first_error};
use crate::make::still;
use crate::module::{MODULE, ModuleSources};
use crate::process::{program, run_quiet, write_out};
use crate::record::{
    BUILD_LOG, BUILD_RECORD, CONFIG, Durations, IMAGE, PrebuiltRecord, SYSTEM_MAP, Sizes, SourceRecord, Symbols,
    VMLINUX,
};
use crate::{BuildRecord, Canceller, KernelError, ToolRecord, elf, files};

/// What a kernel is built for: a variant and a base, and its content address.
#[derive(Debug, Clone, Copy)]
pub struct Purpose<'a> {
    pub variant: &'a str,
    pub base: &'a str,
    pub key: &'a str,
}

impl Found<'_> {
    /// Builds crashlab against it in `folder`, which nobody else uses. Returns the folder with all that is kept of a build and
    /// the record, to be moved to the store.
    pub fn build(
        &self,
        purpose: Purpose<'_>,
        module: &ModuleSources,
        folder: &Path,
        canceller: &Canceller,
    ) -> Result<PathBuf, KernelError> {
        let output = folder.join("output");
        files::remove_all(&output).map_err(KernelError::io("removing", &output))?;
        let began = Instant::now();
        let log = folder.join(BUILD_LOG);
        let crashlab = self.crashlab(purpose, module, (folder, &log), canceller)?;
        let took = began.elapsed();
        let copy = |from: &Path, name: &str| {
            let doing = format!("keeping {name} of {}@{}, from", purpose.variant, purpose.base);
            files::copy(from, &output.join(name)).map_err(KernelError::io(doing, from))
        };
        let write = |name: &str, bytes: &[u8]| {
            let path = output.join(name);
            fs::write(&path, bytes).map_err(KernelError::io("writing", &path))
        };
        copy(&self.of.image, IMAGE)?;
        copy(&crashlab, MODULE)?;
        copy(&log, BUILD_LOG)?;
        write(CONFIG, self.config.as_bytes())?;
        let build_id = self.build_id()?;
        let symbols = match (&self.vmlinux, &self.map) {
            (Some(vmlinux), map) => {
                copy(vmlinux, VMLINUX)?;
                if let Ok(map) = map {
                    copy(map, SYSTEM_MAP)?;
                } else {
                    let (mut nm, to) = (program("nm"), output.join(SYSTEM_MAP));
                    write_out(nm.arg("-n").arg(vmlinux), &to, canceller, "listing a kernel's symbols")?;
                }
                Symbols::All
            }
            (None, Ok(map)) => {
                copy(map, SYSTEM_MAP)?;
                Symbols::Map(self.of.nowhere(VMLINUX, &self.release))
            }
            (None, Err(why)) => Symbols::None(why.clone()),
        };
        let names: Vec<&str> = self.modules.iter().map(|(_, name)| *name).collect();
        let modules = match self.module_files() {
            Some(files) if !names.is_empty() => files.collect(&names, &output, canceller)?,
            _ => Vec::new(),
        };
        let record = self.record(purpose, (symbols, modules), (build_id, took), &output)?;
        write(BUILD_RECORD, &serde_json::to_vec_pretty(&record).unwrap_or_default())?;
        Ok(output)
    }

    /// Builds a copy of crashlab's sources in `folder`; returns the module.
    fn crashlab(
        &self,
        Purpose { variant, base, .. }: Purpose<'_>,
        module: &ModuleSources,
        (folder, log): (&Path, &Path),
        canceller: &Canceller,
    ) -> Result<PathBuf, KernelError> {
        let sources = folder.join("module");
        module.copy_to(&sources)?;
        let mut argument = OsString::from("M=");
        argument.push(&sources);
        let mut make = program("make");
        make.envs(still(harness_model::Arch::default()))
            .arg("-C")
            .arg(&self.of.build)
            .args([argument, "modules".into()]);
        if Config::parse(&self.config).value("CONFIG_CC_IS_CLANG") == "y" {
            make.arg("LLVM=1");
        }
        let (status, said) = run_quiet(&mut make, canceller, "building the fault-injection module")?;
        fs::write(log, &said).map_err(KernelError::io("writing", log))?;
        let built = sources.join(MODULE);
        if status.success() && built.is_file() {
            return Ok(built);
        }
        let (doing, kernel) = ("building the fault-injection module for", format!("{variant}@{base}"));
        if disk_full(&said) {
            return Err(KernelError::disk_full(format!("{doing} {kernel} in"), folder));
        }
        Err(KernelError::Build { doing, kernel, diagnosis: first_error(&said), log: log.to_owned() })
    }

    /// The build id of its `vmlinux`, if there is one; empty if not. A `vmlinux` of another build is refused.
    fn build_id(&self) -> Result<String, KernelError> {
        let Some(path) = &self.vmlinux else { return Ok(String::new()) };
        let vmlinux = fs::read(path).map_err(KernelError::io("reading", path))?;
        if let (Some(build), Some(banner)) = (self.image.build(), banner(&vmlinux, &self.release))
            && !banner.ends_with(build.trim_end())
        {
            let other = banner.find(" #").and_then(|at| banner.get(at + 1..)).unwrap_or(&banner);
            return Err(self.of.wrong(
                format!("it is of the build `{build}`, and {} is of the build `{other}`", path.display()),
                "make the image anew (make bzImage), or name the one that was made with that vmlinux",
            ));
        }
        Ok(elf::build_id(&vmlinux).unwrap_or_default())
    }

    fn record(
        &self,
        Purpose { variant, base, key }: Purpose<'_>,
        (symbols, modules): (Symbols, Vec<String>),
        (build_id, took): (String, Duration),
        output: &Path,
    ) -> Result<BuildRecord, KernelError> {
        let size = |name: &str| {
            let path = output.join(name);
            path.metadata().map(|meta| meta.len()).map_err(KernelError::io("reading", &path))
        };
        let vmlinux = self.vmlinux.as_ref().map(|_| size(VMLINUX)).transpose()?;
        let config = Config::parse(&self.config);
        Ok(BuildRecord {
            key: key.to_owned(),
            variant: variant.to_owned(),
            base: base.to_owned(),
            source: SourceRecord {
                kind: "prebuilt".to_owned(),
                name: self.of.image.display().to_string(),
                commit: None,
                digest: self.digest.clone(),
                version: self.version.clone(),
            },
            patches: Vec::new(),
            config: files::sha256(self.config.as_bytes()),
            // What it was compiled by, and not crashlab.
            tools: ToolRecord {
                compiler: config.value("CONFIG_CC_VERSION_TEXT").trim_matches('"').to_owned(),
                linker: config.value("CONFIG_LD_VERSION").to_owned(),
            },
            arguments: Vec::new(),
            release: self.release.clone(),
            build_id,
            durations: Durations { module_ms: milliseconds(took), ..Durations::default() },
            sizes: Sizes { image: size(IMAGE)?, vmlinux: vmlinux.unwrap_or_default(), module: size(MODULE)? },
            prebuilt: Some(PrebuiltRecord {
                image: self.image_digest.clone(),
                symbols,
                lacks: self.lacks.clone(),
                loaded: self.modules.iter().map(|(option, _)| (*option).to_owned()).collect(),
                modules,
            }),
        })
    }
}

/// What a kernel of this release says of itself when it boots, from its `vmlinux`: `Linux version 6.12.57 (…) #1 SMP …`.
fn banner(vmlinux: &[u8], release: &str) -> Option<String> {
    let begin = format!("Linux version {release} (");
    let at = vmlinux.windows(begin.len()).position(|bytes| bytes == begin.as_bytes())?;
    let line = vmlinux.get(at..)?.split(|byte| matches!(byte, 0 | b'\n')).next()?;
    Some(String::from_utf8_lossy(line).trim_end().to_owned())
}
