//! From nothing to a running guest, booted from its first instruction or restored from a template; and from a guest
//! that has booted to a template.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::agent::AgentMessage;
use super::artifacts::StoredBefore;
use super::error::{DIRECTIVES_BYTES, GuestError};
use super::machine::{Files, Firmware, Flash, Machine, RAMOOPS_ADDRESS, Ram};
use super::past;
use super::running::Guest;
use super::stream::Watch;
use super::template::{DESCRIPTION, ERST, RAM, STATE, Template, VARS};
use super::trace::{TracerMemory, Tracing};
use crate::blocking::off_thread;
use crate::evidence::{efi_store, erst};
use crate::locked::{lock, remove_if_abandoned};
use crate::model::pstore::Backend;

/// What is booted.
#[derive(Debug, Clone, Copy)]
pub struct Booted<'a> {
    /// The kernel, `bzImage`.
    pub kernel: &'a Path,
    /// The initramfs.
    pub initramfs: &'a Path,
    /// Words for the kernel's command line.
    pub append: &'a [String],
    /// The EFI variables to begin with, an image of flash, which is copied; of a machine with EFI firmware.
    pub vars: Option<&'a Path>,
    /// The record store to begin with, which is copied; if there is none, one with what the machine's has before it boots.
    pub erst: Option<&'a Path>,
    /// The memory of ramoops to begin with, where the guest's RAM is its own; if there is none, one with what the machine's
    /// has before it boots.
    pub zones: Option<&'a Path>,
    /// What the guest's clock says, as in `2026-11-30T12:00:00`; the host's time if that is not said.
    pub rtc: Option<&'a str>,
}

/// What to start with.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// From the first instruction.
    Boot {
        /// What is booted.
        of: Booted<'a>,
        /// Where its RAM is: written through to a file if the machine will be saved, copied from one if something is to
        /// lie in it beforehand.
        ram: Ram<'a>,
    },
    /// From a saved machine.
    Restore(&'a Template),
}

/// What one guest is given, besides what it starts from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// What its agent is told. Without directives the agent waits for them: such a guest is there to be saved.
    pub directives: Option<&'a str>,
    /// What the agent draws the peculiarities of this boot from, if it is to draw any.
    pub boot: Option<u64>,
    /// In virtual time: how long a vCPU's turn may last, in the guest's time; if none is given, as long as QEMU likes.
    pub turn: Option<Duration>,
}

impl Guest {
    /// Starts a guest whose own files are in `workdir`, an empty private folder, and lets it run.
    ///
    /// A restored guest is asked for everything at once and runs as soon as its state is loaded, perhaps after this
    /// returns: a state that cannot be loaded ends QEMU, which whoever waits for the guest then learns.
    pub async fn start(
        machine: &Machine,
        start: Start<'_>,
        given: Given<'_>,
        workdir: &Path,
        watch: Option<Watch>,
        tracing: Option<&Tracing<'_>>,
    ) -> Result<Self, GuestError> {
        let erst = machine.arch.spec().machine.erst.then(|| workdir.join(ERST));
        let told = workdir.join("directives");
        let directives = padded(given.directives.unwrap_or(""))?;
        let vars = workdir.join(VARS);
        let making = OwnStores::of(machine, start, workdir);
        let text = told.clone();
        let (stores, own_ram) = off_thread(move || {
            std::fs::write(&text, directives).map_err(GuestError::io(&format!("write {}", text.display())))?;
            making.make()
        })
        .await?;
        let tracer = tracing.map(|tracing| tracing.plugin);
        let read_only = machine.pstore.efi().is_some_and(|efi| efi.read_only);
        let flash = machine.firmware.as_ref().map(|Firmware { code, .. }| Flash { code, vars: &vars, read_only });
        let own =
            OwnFiles { erst: erst.as_deref(), flash, directives: &told, tracer, boot: given.boot, turn: given.turn };
        let restored = matches!(start, Start::Restore(_));
        let memory = tracing.map(|tracing| TracerMemory::new(tracing, restored)).transpose()?;
        match start {
            Start::Boot { of: Booted { kernel, initramfs, append, rtc, .. }, ram } => {
                let ram = own_ram.as_deref().map_or(ram, Ram::CopyOnWrite);
                let files = Files { rtc, ..own.with(kernel, initramfs, ram) };
                let mut guest = Self::launch(machine, &files, append, None, workdir, watch, memory).await?;
                guest.set_stores(stores);
                guest.run().await?;
                Ok(guest)
            }
            Start::Restore(template) => {
                let ram = template.ram();
                let state = template.state();
                let opened =
                    std::fs::File::open(&state).map_err(GuestError::io(&format!("open {}", state.display())))?;
                let files = own.with(&template.kernel, &template.initramfs, Ram::CopyOnWrite(&ram));
                let files = Files { state: Some(&state), ..files };
                let fd = opened.as_raw_fd();
                let mut guest =
                    Self::launch(machine, &files, &template.append, Some(opened.into()), workdir, watch, memory)
                        .await?;
                guest.set_stores(stores);
                guest.restore(template, &template.address(machine, fd)).await?;
                Ok(guest)
            }
        }
    }
}

/// What a guest's own stores are, and hold when it begins.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnStores {
    /// Its flash with EFI variables, if it has any.
    pub vars: Option<OwnVars>,
    /// What else its pstore finds.
    pub before: StoredBefore,
}

/// A guest's own flash with EFI variables.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnVars {
    /// The size of its file.
    pub bytes: u64,
    /// Where what the guest writes begins.
    pub since: usize,
}

/// What a guest's own stores are made of.
#[derive(Debug)]
struct MakeStores {
    machine: Machine,
    workdir: PathBuf,
    erst: Option<PathBuf>,
    vars: Option<PathBuf>,
    zones: Option<PathBuf>,
    /// The file with its RAM, if there is one.
    ram: Option<PathBuf>,
    /// Whether it boots, so that what its RAM is to hold has to be put there.
    boots: bool,
}

impl OwnStores {
    fn of(machine: &Machine, start: Start<'_>, workdir: &Path) -> MakeStores {
        let owned = |path: Option<&Path>| path.map(Path::to_owned);
        let (machine, workdir) = (machine.clone(), workdir.to_owned());
        match start {
            Start::Boot { of, ram } => {
                let (ram, boots) = match ram {
                    Ram::Private => (None, true),
                    Ram::Shared(path) => (Some(path), true),
                    // Whoever has made it has put there what is to be there.
                    Ram::CopyOnWrite(path) => (Some(path), false),
                };
                let (erst, vars, zones) = (owned(of.erst), owned(of.vars), owned(of.zones));
                MakeStores { machine, workdir, erst, vars, zones, ram: owned(ram), boots }
            }
            Start::Restore(template) => MakeStores {
                erst: template.erst(),
                vars: template.vars(),
                zones: None,
                ram: Some(template.ram()),
                boots: false,
                machine,
                workdir,
            },
        }
    }
}

impl MakeStores {
    /// Writes the files. Returns a file for its RAM too, if it boots with something in RAM of its own.
    fn make(self) -> Result<(OwnStores, Option<PathBuf>), GuestError> {
        let Self { machine, workdir, erst, vars, .. } = &self;
        let own_erst = machine.arch.spec().machine.erst.then(|| workdir.join(ERST));
        let store = machine.pstore.erst();
        match (erst, &own_erst) {
            (_, None) => {}
            (Some(records), Some(own)) => copy(records, own)?,
            // QEMU makes an empty store of it.
            (None, Some(own)) if store.before() == 0 => create(own, store.bytes())?,
            (None, Some(own)) => write(own, &past::records(&store))?,
        }
        let vars = vars.as_ref().map(|from| OwnVars::copied(from, &workdir.join(VARS))).transpose()?;
        if !machine.has_past {
            return Ok((OwnStores { vars, before: StoredBefore::default() }, None));
        }
        let file = own_erst.as_deref().map(read).transpose()?.unwrap_or_default();
        let slots = erst::decode(&file).map(|store| store.slots).unwrap_or_default();
        let records = slots.iter().filter_map(|slot| slot.id).collect();
        let (zones, own_ram) = self.zones()?;
        Ok((OwnStores { vars, before: StoredBefore { records, zones } }, own_ram))
    }

    /// What the zones of ramoops hold, put there if need be.
    fn zones(&self) -> Result<(Vec<u8>, Option<PathBuf>), GuestError> {
        let Backend::Ramoops(sizes) = &self.machine.pstore else { return Ok((Vec::new(), None)) };
        let bytes = usize::try_from(sizes.bytes()).unwrap_or(usize::MAX);
        match (&self.ram, self.boots) {
            (Some(ram), false) => {
                let mut zones = vec![0; bytes];
                let read = File::open(ram).and_then(|ram| ram.read_exact_at(&mut zones, RAMOOPS_ADDRESS));
                read.map_err(GuestError::io(&format!("read the memory of ramoops in {}", ram.display())))?;
                Ok((zones, None))
            }
            (ram, _) => {
                let zones = match &self.zones {
                    Some(zones) => read(zones)?,
                    None => past::zones(sizes),
                };
                let path = ram.clone().unwrap_or_else(|| self.workdir.join(OWN_RAM));
                if ram.is_none() {
                    create(&path, u64::from(self.machine.memory_mib) << 20)?;
                }
                let written =
                    File::options().write(true).open(&path).and_then(|ram| ram.write_all_at(&zones, RAMOOPS_ADDRESS));
                written.map_err(GuestError::io(&format!("fill the memory of ramoops in {}", path.display())))?;
                Ok((zones, ram.is_none().then_some(path)))
            }
        }
    }
}

/// The RAM of a guest that boots with something in it.
const OWN_RAM: &str = "own-ram";

impl OwnVars {
    fn copied(from: &Path, to: &Path) -> Result<Self, GuestError> {
        let image = read(from)?;
        let during = format!("read the EFI variables in {}", from.display());
        let store = efi_store::decode(&image).map_err(|why| GuestError::io(&during)(io::Error::other(why)))?.store;
        write(to, &image)?;
        Ok(Self { bytes: image.len() as u64, since: store.end() })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, GuestError> {
    std::fs::read(path).map_err(GuestError::io(&format!("read {}", path.display())))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), GuestError> {
    std::fs::write(path, bytes).map_err(GuestError::io(&format!("write {}", path.display())))
}

/// What every guest has of its own.
struct OwnFiles<'a> {
    erst: Option<&'a Path>,
    flash: Option<Flash<'a>>,
    directives: &'a Path,
    tracer: Option<&'a Path>,
    boot: Option<u64>,
    turn: Option<Duration>,
}

impl<'a> OwnFiles<'a> {
    fn with(&self, kernel: &'a Path, initramfs: &'a Path, ram: Ram<'a>) -> Files<'a> {
        let Self { erst, flash, directives, tracer, boot, turn } = *self;
        Files { kernel, initramfs, erst, flash, directives, ram, rtc: None, state: None, tracer, boot, turn }
    }
}

/// The text of the item that the agent reads.
pub(crate) fn padded(directives: &str) -> Result<Vec<u8>, GuestError> {
    let mut bytes = directives.as_bytes().to_vec();
    if bytes.len() > DIRECTIVES_BYTES {
        return Err(GuestError::Directives(bytes.len()));
    }
    bytes.resize(DIRECTIVES_BYTES, b'\n');
    Ok(bytes)
}

fn create(path: &Path, bytes: u64) -> Result<(), GuestError> {
    std::fs::File::create_new(path)
        .and_then(|file| file.set_len(bytes))
        .map_err(GuestError::io(&format!("create {}", path.display())))
}

fn copy(from: &Path, to: &Path) -> Result<(), GuestError> {
    std::fs::copy(from, to).map(drop).map_err(GuestError::io(&format!("copy {} to {}", from.display(), to.display())))
}

/// Why there is no template.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// The guest did not get as far as its agent.
    #[error("boot the guest that trials are restored from: {0}")]
    Boot(#[source] GuestError),
    /// It could not be saved.
    #[error("save the guest that trials are restored from: {0}")]
    Save(#[source] GuestError),
    /// QEMU does not list the ERST among the PCI devices.
    #[error("save the guest that trials are restored from: its ERST has no registers in PCI memory")]
    NoErst,
    /// The template's own description is not to be read or written.
    #[error("{what} {}: {source}", path.display())]
    Description {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// What the folder of a template that is being made is called, besides letters of chance.
const STAGED: &str = ".new-";

/// A folder that nobody has locked for this time is no longer being made: it is locked right after it was.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

/// Removes what harnesses that were killed have left of templates; each is as large as a guest's RAM. What cannot be
/// removed is left.
fn remove_abandoned(parent: &Path, after: Duration) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let staged = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(STAGED));
        let age = path.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        if staged && age.is_some_and(|age| age >= after) {
            let _ = remove_if_abandoned(&path);
        }
    }
}

impl Template {
    /// Boots a guest and saves it in `dir`, which appears only when it is complete. What is peculiar to this boot is drawn
    /// from `boot`. It may be silent for as long as `patience`.
    pub async fn create(
        machine: &Machine,
        of: Booted<'_>,
        dir: &Path,
        boot: u64,
        patience: Duration,
        tracing: Option<&Tracing<'_>>,
    ) -> Result<Self, TemplateError> {
        let parent = dir.parent().unwrap_or(dir);
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| TemplateError::Description { what, path, source }
        };
        std::fs::create_dir_all(parent).map_err(failed("create", parent))?;
        remove_abandoned(parent, ABANDONED_AFTER);
        let staged = tempfile::Builder::new().prefix(STAGED).tempdir_in(parent).map_err(failed("create", parent))?;
        // Held until it is complete; the kernel gives it up with a harness that is killed.
        let _lock = lock(staged.path()).ok();
        let ram = staged.path().join(RAM);
        create(&ram, u64::from(machine.memory_mib) << 20).map_err(TemplateError::Boot)?;
        let start = Start::Boot { of, ram: Ram::Shared(&ram) };
        let given = Given { boot: Some(boot), ..Given::default() };
        let mut guest =
            Guest::start(machine, start, given, staged.path(), None, tracing).await.map_err(TemplateError::Boot)?;
        let (release, notes, crashlab) = match guest.message("ready", patience).await.map_err(TemplateError::Boot)? {
            AgentMessage::Ready { release, notes, crashlab, .. } => (release, notes, crashlab),
            other => return Err(TemplateError::Boot(GuestError::Agent(format!("it said {other:?} first")))),
        };
        match guest.message("settled", patience).await.map_err(TemplateError::Boot)? {
            AgentMessage::Settled => (),
            other => return Err(TemplateError::Boot(GuestError::Agent(format!("it said {other:?} after `ready`")))),
        }
        guest.find_kernel().await.map_err(TemplateError::Save)?;
        let hooks = match tracing {
            Some(tracing) => Some(guest.hooks(tracing.lists).await.map_err(TemplateError::Save)?),
            None => None,
        };
        let erst_pci = if machine.arch.spec().machine.erst {
            let registers = guest.erst_registers().await.map_err(TemplateError::Save)?;
            Some(registers.ok_or(TemplateError::NoErst)?)
        } else {
            None
        };
        let (slide, log) = (guest.slide(), guest.log_place().clone());
        let state = staged.path().join(STATE);
        guest.save(&state).await.map_err(TemplateError::Save)?;
        guest.collect().await.map_err(TemplateError::Save)?;

        let digest = format!("{:x}", Sha256::digest(std::fs::read(&state).map_err(failed("read", &state))?));
        let mut template = Self {
            dir: staged.path().to_owned(),
            digest: digest.chars().take(8).collect(),
            kernel: of.kernel.to_owned(),
            initramfs: of.initramfs.to_owned(),
            append: of.append.to_owned(),
            release,
            notes,
            crashlab,
            slide,
            log,
            hooks,
            erst_pci,
            has_vars: of.vars.is_some(),
        };
        template.name_files().map_err(failed("name the files of", staged.path()))?;
        let description = staged.path().join(DESCRIPTION);
        let text = serde_json::to_vec_pretty(&template).map_err(|e| failed("describe", &description)(e.into()))?;
        std::fs::write(&description, text).map_err(failed("write", &description))?;
        if std::fs::rename(staged.path(), dir).is_err() {
            // Another harness was faster, and its guests may run from what it made: that one is used. Something broken
            // in the way is replaced.
            if let Some(theirs) = Self::open(dir) {
                return Ok(theirs);
            }
            let _ = std::fs::remove_dir_all(dir);
            std::fs::rename(staged.path(), dir).map_err(failed("move the template to", dir))?;
        }
        dir.clone_into(&mut template.dir);
        Ok(template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_templates_are_removed() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = |name: &str| {
            let path = parent.path().join(name);
            std::fs::create_dir(&path).expect("there is room");
            path
        };
        let (complete, abandoned, worked_on) = (folder("0123"), folder(".new-a"), folder(".new-b"));
        let held = lock(&worked_on).expect("nobody else has it");
        remove_abandoned(parent.path(), Duration::from_secs(600));
        assert!(abandoned.is_dir(), "too young");
        remove_abandoned(parent.path(), Duration::ZERO);
        assert!(complete.is_dir() && worked_on.is_dir() && !abandoned.exists());
        drop(held);
        remove_abandoned(parent.path(), Duration::ZERO);
        assert!(!worked_on.exists());
    }
}
