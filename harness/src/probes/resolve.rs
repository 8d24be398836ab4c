//! From steps to addresses.

use std::io;
use std::path::{Path, PathBuf};

use harness_protocol::page;
use harness_trace::{MAX_PROBES, Place, Probe};
use thiserror::Error;

use super::elf::{Extent, Image, Missing};
use super::file::{ProbeSet, Seen, Step};
use crate::evidence::{Meaning, Probes};
use crate::guest::{CrashlabAddresses, Hooks, ListHead};
use crate::kernel::{Kernel, Version};
use crate::model::Arch;
use crate::model::order::OwnStep;
use crate::model::timeline::{AbsentStep, StepEdge};

/// crashlab's function that writes every stamp, and how many stamps are seen.
const STAMP: &str = "cl_stamp";
const STAMPS: u32 = 1024;

/// A probe set at the addresses that one kernel was linked for: what is known before it has booted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkedProbes {
    /// The probes so far.
    pub probes: Probes,
    /// Link address of the function by which a booting kernel's slide is learnt.
    pub anchor: u64,
    /// What a booted guest is to be asked for.
    pub lists: Vec<ListHead>,
    /// The steps of [`Self::lists`].
    of_lists: Vec<Step>,
}

/// Why a kernel's probes are unavailable.
#[derive(Debug, Error)]
pub enum ProbesError {
    /// A file of the kernel's: it cannot be read, or is no ELF file.
    #[error("read the symbols of {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A function that the tracer cannot do without.
    #[error("{} has no function {name}, which the tracer needs", path.display())]
    NoFunction {
        /// Which file.
        path: PathBuf,
        /// The function.
        name: &'static str,
    },
    /// More than the tracer has room for.
    #[error(
        "the probe set {set} makes {found} probes of this kernel, more than {MAX_PROBES}: take some steps out of it"
    )]
    TooMany {
        /// The set.
        set: String,
        /// How many.
        found: usize,
    },
}

/// What probes of one kernel are resolved by; read once, for before it has booted and for after.
#[derive(Debug)]
pub struct KernelFiles {
    path: PathBuf,
    vmlinux: Image,
    /// crashlab's [`STAMP`], from the beginning of its section `.text`.
    stamp: Vec<Extent>,
    /// A release has a version in front of it, or this kernel could not have been built as one.
    version: Option<Version>,
}

impl KernelFiles {
    /// Reads those of a kernel, whose `vmlinux` is at `path`.
    pub fn read(kernel: &Kernel, path: PathBuf) -> Result<Self, ProbesError> {
        let module = kernel.crashlab();
        let stamp = open(&module)?.function(STAMP);
        let stamp = stamp.map_err(|_| ProbesError::NoFunction { path: module, name: STAMP })?;
        Ok(Self { vmlinux: open(&path)?, path, stamp, version: kernel.record.release.parse().ok() })
    }
}

impl LinkedProbes {
    /// Those of `set` at the addresses of a kernel; what only a booted guest can tell comes by [`Self::with_hooks`].
    pub fn of(set: &ProbeSet, arch: Arch, files: &KernelFiles) -> Result<Self, ProbesError> {
        let name = arch.spec().anchor;
        let KernelFiles { path, vmlinux, version, .. } = files;
        let linked = Self::resolve(set, vmlinux, version.as_ref()).map_err(unreadable(path))?;
        let anchor = vmlinux.function(name);
        let anchor = anchor.map_err(|_| ProbesError::NoFunction { path: path.clone(), name })?;
        let found = linked.probes.probes.len();
        if found > MAX_PROBES {
            return Err(ProbesError::TooMany { set: set.name.clone(), found });
        }
        Ok(Self { anchor: anchor.first().map_or(0, |(start, _)| *start), ..linked })
    }

    /// Resolves a set by the symbols and the code of a kernel.
    pub(super) fn resolve(set: &ProbeSet, image: &Image, version: Option<&Version>) -> io::Result<Self> {
        let mut linked = Self::default();
        for step in &set.steps {
            if version.is_none_or(|version| step.is_for(version)) {
                linked.step(step, image)?;
            }
        }
        Ok(linked)
    }

    /// With what a booted guest of this kernel, `slide` bytes above its link addresses, has told: its notifiers and dumpers
    /// by their functions, and crashlab.
    pub fn with_hooks(
        &self,
        hooks: &Hooks,
        slide: u64,
        crashlab: CrashlabAddresses,
        files: &KernelFiles,
    ) -> Result<Probes, ProbesError> {
        self.add_hooks(hooks, slide, crashlab, &files.vmlinux, &files.stamp).map_err(unreadable(&files.path))
    }

    pub(super) fn add_hooks(
        &self,
        hooks: &Hooks,
        slide: u64,
        crashlab: CrashlabAddresses,
        image: &Image,
        stamp: &[Extent],
    ) -> io::Result<Probes> {
        let mut all = Self { probes: self.probes.clone(), ..Self::default() };
        for (step, entries) in self.of_lists.iter().zip(&hooks.lists) {
            for address in entries {
                let linked = address.wrapping_sub(slide);
                match image.beginning_at(linked) {
                    Some((name, extent)) => all.function(step, image, name, extent, name)?,
                    // A module's, whose symbols are not known.
                    None => {
                        all.add(Place::At(*address), false, step, &format!("{address:#x}"), StepEdge::Begin);
                    }
                }
            }
        }
        let at = |(from, to): Extent| (from.wrapping_add(crashlab.code), to.wrapping_add(crashlab.code));
        let watched = (crashlab.mapped, crashlab.mapped.wrapping_add(page::SIZE as u64), false);
        for extent in stamp {
            let place = Place::Access { code: at(*extent), watched, reads: false };
            all.probes.probes.push(Probe { place, as_linked: false, limit: STAMPS });
            all.probes.meanings.push(Meaning::Stamp);
        }
        Ok(all.probes)
    }

    fn step(&mut self, step: &Step, image: &Image) -> io::Result<()> {
        match &step.seen {
            Seen::First(names) => match names.iter().find(|name| image.function(name).is_ok()) {
                Some(name) => self.functions(step, image, name, "")?,
                None => self.lacks(step, image, names),
            },
            Seen::Each(names) => {
                if names.iter().all(|name| image.function(name).is_err()) {
                    self.lacks(step, image, names);
                    return Ok(());
                }
                for name in names {
                    match image.function(name) {
                        Ok(_) => self.functions(step, image, name, name)?,
                        Err(missing) => self.absent(step, name, says(missing, "function")),
                    }
                }
            }
            Seen::Notifiers(symbols) => {
                for (_, to) in self.variables(step, image, symbols) {
                    // `struct atomic_notifier_head` ends with the pointer to the first block, whatever its lock takes.
                    self.lists.push(ListHead::Notifiers(to.saturating_sub(8)));
                    self.of_lists.push(step.clone());
                }
            }
            Seen::Dumpers(symbol) => {
                for (from, _) in self.variables(step, image, std::slice::from_ref(symbol)) {
                    self.lists.push(ListHead::Dumpers(from));
                    self.of_lists.push(step.clone());
                }
            }
            Seen::Access { functions, symbols, reads } => {
                let variables = self.variables(step, image, symbols);
                let found: Vec<_> = functions.iter().filter_map(|name| image.function(name).ok()).flatten().collect();
                if found.is_empty() && !variables.is_empty() {
                    self.lacks(step, image, functions);
                }
                for extent in found {
                    for &(from, to) in &variables {
                        let place = Place::Access { code: extent, watched: (from, to, true), reads: *reads };
                        self.add(place, true, step, "", StepEdge::Begin);
                    }
                }
            }
        }
        Ok(())
    }

    /// Where those of the variables lie that the kernel has: names that it had over time, or has with patches.
    fn variables(&mut self, step: &Step, image: &Image, symbols: &[String]) -> Vec<Extent> {
        let mut found: Vec<Extent> = symbols.iter().filter_map(|symbol| image.variable(symbol).ok()).collect();
        // An old name may live on as an alias of a new one.
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            let missing =
                symbols.iter().find_map(|name| image.variable(name).err().filter(|why| *why == Missing::Ambiguous));
            let why = says(missing.unwrap_or(Missing::Unknown), "variable");
            self.absent(step, "", format!("{why} {}", symbols.join(" or ")));
        }
        found
    }

    fn functions(&mut self, step: &Step, image: &Image, name: &str, of: &str) -> io::Result<()> {
        let extents = image.function(name).unwrap_or_default();
        extents.into_iter().try_for_each(|extent| self.function(step, image, name, extent, of))
    }

    fn function(&mut self, step: &Step, image: &Image, name: &str, extent: Extent, of: &str) -> io::Result<()> {
        self.add(Place::At(extent.0), true, step, of, StepEdge::Begin);
        if step.returns {
            for (at, bytes) in image.ways_out(name, extent)? {
                self.add(Place::Instruction { at, bytes }, true, step, of, StepEdge::End);
            }
        }
        Ok(())
    }

    fn add(&mut self, place: Place, as_linked: bool, step: &Step, of: &str, edge: StepEdge) {
        self.probes.probes.push(Probe { place, as_linked, limit: step.limit });
        self.probes.meanings.push(Meaning::Step {
            step: step.name.clone(),
            of: of.to_owned(),
            edge,
            detail: step.detail,
        });
    }

    fn lacks(&mut self, step: &Step, image: &Image, names: &[String]) {
        let missing = names.iter().find_map(|name| image.function(name).err().filter(|why| *why == Missing::Ambiguous));
        let why = says(missing.unwrap_or(Missing::Unknown), "function");
        self.absent(step, "", format!("{why} {}", names.join(" or ")));
    }

    fn absent(&mut self, step: &Step, of: &str, why: String) {
        self.probes.absent.push(AbsentStep { step: step.name.clone(), of: of.to_owned(), why });
    }
}

/// The probes of a guest, with steps of a scenario's own in addition.
pub fn with_steps(probes: &Probes, steps: &[OwnStep], files: &KernelFiles) -> Result<Probes, ProbesError> {
    add_steps(probes, steps, &files.vmlinux).map_err(unreadable(&files.path))
}

pub(super) fn add_steps(probes: &Probes, steps: &[OwnStep], image: &Image) -> io::Result<Probes> {
    let mut all = LinkedProbes { probes: probes.clone(), ..LinkedProbes::default() };
    steps.iter().try_for_each(|step| all.step(&step.into(), image))?;
    Ok(all.probes)
}

fn says(missing: Missing, what: &str) -> String {
    match missing {
        Missing::Unknown => format!("inlined, renamed or not configured: no {what}"),
        Missing::Ambiguous => format!("more than one {what}"),
    }
}

fn open(path: &Path) -> Result<Image, ProbesError> {
    Image::open(path).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ProbesError {
    let path = path.to_owned();
    move |source| ProbesError::Read { path, source }
}
