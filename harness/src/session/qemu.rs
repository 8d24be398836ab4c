//! The rig that sessions use: kernels from the store, guests of this machine's QEMU.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::accelerator::{Chosen, choose};
use super::cancellation::Cancellation;
use super::catalogue::Catalogue;
use super::event::{Event, Events};
use super::guests::Preparation;
use super::options::TrialOptions;
use super::rig::{NoKernel, Rig};
use crate::failure::Failure;
use crate::firmware::{Pair, Places};
use crate::guest::{Accelerator, Machine, Time};
use crate::kernel::{BuildEvent, Fault, Kernel, KernelError, KernelFacts, Lack, Store, Symbols, Without};
use crate::model::KernelName;
use crate::model::consoles::FurtherConsoles;
use crate::model::pstore::Backend;
use crate::parts;
use crate::plan::missing_requirement;
use crate::preflight::Report;
use crate::project::Project;
use crate::results::{FileDigest, KernelInfo, QemuInfo};
use crate::run::RunTrial;
use crate::scenario::{Guest, Instance, Knob, Needs, online};
use crate::tracer::Tracer;
use crate::trial::{GuestSource, GuestSourceOptions, ScratchDirs};
use crate::waits::WaitSet;

/// This machine, ready to build kernels and to run guests.
pub struct QemuRig {
    project: Project,
    options: TrialOptions,
    /// What guests run on, but for their shape.
    machine: Machine,
    qemu_version: String,
    tracer: Option<Tracer>,
    /// Where EFI firmware is looked for.
    places: Places,
    /// What kernels wait for by themselves.
    waits: WaitSet,
    /// Where trials have their private folders.
    scratch_dirs: Arc<ScratchDirs>,
    /// What was read of kernels, by their keys.
    facts: Mutex<BTreeMap<String, KernelFacts>>,
    events: Events,
    cancellation: Cancellation,
}

/// A kernel of the store's.
#[derive(Debug, Clone)]
pub struct BuiltKernel {
    /// The kernel itself.
    pub kernel: Kernel,
    /// The crash kernel that is loaded into it, where that is another one.
    pub crash_kernel: Option<Kernel>,
    /// The kernel that reads what its pstore kept, where that is another one.
    pub reader: Option<Kernel>,
}

impl QemuRig {
    /// This machine as `report` found it. Where guests cannot be traced the reason is logged, and they are not.
    pub async fn new(
        project: &Project,
        report: &Report,
        options: &TrialOptions,
        events: &Events,
        cancellation: &Cancellation,
    ) -> Result<Self, Failure> {
        let Chosen { accelerator, note } = choose(report, options.accelerator, options.time)?;
        if let Some(note) = note {
            events.note(note);
        }
        let (machine, qemu_version) = machine(report, accelerator, options.time)?;
        let tracer = if options.trace && accelerator == Accelerator::Tcg {
            let finding = Tracer::find(project, project.cache(), &machine);
            let found = cancellation.unless("the tracer was being built", finding).await?;
            found.inspect_err(|why| tracing::warn!("there will be no timelines: {why}")).ok()
        } else {
            None
        };
        let rig = Self {
            waits: WaitSet::load(&project.waits())?,
            project: project.clone(),
            options: options.clone(),
            machine,
            qemu_version,
            tracer,
            places: Places::of_this_machine(),
            scratch_dirs: Arc::default(),
            facts: Mutex::default(),
            events: events.clone(),
            cancellation: cancellation.clone(),
        };
        if options.schedule.is_some() {
            rig.can_hold()?;
        }
        Ok(rig)
    }

    /// That vCPUs of its guests can be held one by one, so that they follow a schedule.
    pub fn can_hold(&self) -> Result<(), Failure> {
        can_hold(&self.options, self.machine.accelerator, self.traces())
    }

    /// This machine with other options for its trials. Guests are traced only if they were before.
    #[must_use]
    pub fn with(&self, options: TrialOptions) -> Self {
        Self {
            project: self.project.clone(),
            machine: self.machine.clone(),
            qemu_version: self.qemu_version.clone(),
            tracer: self.tracer.clone().filter(|_| options.trace),
            places: self.places.clone(),
            waits: self.waits.clone(),
            scratch_dirs: Arc::clone(&self.scratch_dirs),
            facts: Mutex::default(),
            events: self.events.clone(),
            cancellation: self.cancellation.clone(),
            options,
        }
    }

    /// Whether guests are traced.
    pub fn traces(&self) -> bool {
        self.tracer.is_some()
    }

    /// The firmware of guests that have EFI's, and the variables that they begin with.
    fn firmware(&self, guest: &Guest) -> Result<Option<(Pair, Vec<u8>)>, Failure> {
        let Some(efi) = guest.pstore.efi() else { return Ok(None) };
        let pair = self.places.find(efi.store)?;
        let vars = pair.filled(efi)?;
        Ok(Some((pair, vars)))
    }

    /// As [`Rig::prepare`]: what the trials of each pair start from.
    pub async fn guest_sources(
        &self,
        preparation: &mut Preparation,
        pairs: &[(&BuiltKernel, &Instance)],
        templates: Range<u32>,
    ) -> Result<Vec<Arc<GuestSource>>, Failure> {
        let project = self.project.clone();
        let building = tokio::task::spawn_blocking(move || parts::build(&project, project.cache(), &parts::AGENT));
        let agent = self.cancellation.unless("the guests' agent was being built", building).await?;
        let agent = agent.map_err(Failure::host)?.map_err(Failure::host)?;
        // Guests are told apart by their kernel and their shape.
        let mut guest_sources: BTreeMap<(KernelName, Guest), Arc<GuestSource>> = BTreeMap::new();
        let mut of_pairs = Vec::with_capacity(pairs.len());
        for (BuiltKernel { kernel, crash_kernel, reader }, instance) in pairs {
            let key = (kernel.name(), instance.guest.clone());
            if let Some(guests) = guest_sources.get(&key) {
                of_pairs.push(Arc::clone(guests));
                continue;
            }
            let Guest { cpus, memory_mib, pstore, crashkernel_mib, .. } = instance.guest;
            let Guest { command_line, consoles, crash_boot, program, .. } = &instance.guest;
            let (pair, vars) = self.firmware(&instance.guest)?.unzip();
            let firmware = pair.map(Pair::firmware).transpose()?;
            let consoles = consoles.clone();
            let machine =
                Machine { cpus, memory_mib, pstore, firmware, consoles, crashkernel_mib, ..self.machine.clone() };
            let options = GuestSourceOptions {
                cache: self.project.cache(),
                agent: &agent,
                qemu_version: &self.qemu_version,
                scratch_dirs: &self.scratch_dirs,
                tracer: self.tracer.as_ref(),
                waits: &self.waits,
                command_line,
                crash_kernel: crash_kernel.as_ref(),
                crash_boot,
                program: program.as_ref().map(|program| program.path.as_path()),
                vars: vars.as_deref(),
                reader: reader.as_ref(),
            };
            let guests = Arc::new(GuestSource::prepare(machine, kernel, options)?);
            if !self.options.cold {
                preparation.add(&key.0, templates.clone(), |number| {
                    let guests = Arc::clone(&guests);
                    async move { Ok(guests.add_template(number).await?) }
                });
            }
            guest_sources.insert(key, Arc::clone(&guests));
            of_pairs.push(guests);
        }
        Ok(of_pairs)
    }

    /// Builds one kernel, or takes it from the cache. The inner error is why it cannot be built.
    pub async fn kernel(
        &self,
        catalogue: &Catalogue,
        name: &KernelName,
    ) -> Result<Result<Kernel, KernelError>, Failure> {
        kernel(catalogue, name, &self.events, &self.cancellation).await
    }
}

impl Rig for QemuRig {
    type Kernel = BuiltKernel;

    fn describe(&self) -> QemuInfo {
        let TrialOptions { time, cold, phase, read_back, kdump, full_vmcore, .. } = self.options;
        let TrialOptions { crash_kernel, read_back_kernel, .. } = &self.options;
        QemuInfo {
            path: self.machine.qemu.display().to_string(),
            version: self.qemu_version.clone(),
            accelerator: self.machine.accelerator.to_string(),
            time: time.to_string(),
            cold,
            phase,
            templates: 1,
            traced: self.traces(),
            read_back,
            read_back_kernel: read_back_kernel.clone(),
            kdump,
            crash_kernel: crash_kernel.clone(),
            full_vmcore,
        }
    }

    fn check_guest(&self, guest: &Guest) -> Result<(), Failure> {
        self.firmware(guest).map(drop)
    }

    async fn build(&self, catalogue: &Catalogue, name: &KernelName) -> Result<Result<BuiltKernel, NoKernel>, Failure> {
        // Named with a base of its own it is the same for all.
        let other = |other: &String| KernelName::parse(other, &name.base);
        let [crash_kernel, reader] =
            [&self.options.crash_kernel, &self.options.read_back_kernel].map(|name| name.as_ref().map(other));
        for other in [&crash_kernel, &reader].into_iter().flatten() {
            catalogue.known().kernel(other)?;
        }
        let kernel = match self.kernel(catalogue, name).await? {
            Ok(kernel) => kernel,
            Err(error) if error.fault() == Fault::Input => return Ok(Err(error.into())),
            Err(error) => return Err(error.into()),
        };
        for note in notes(&kernel) {
            self.events.note(&note);
        }
        let crash_kernel = match &crash_kernel {
            Some(name) => Some(self.kernel(catalogue, name).await??),
            None => None,
        };
        let reader = match &reader {
            Some(name) => Some(self.kernel(catalogue, name).await??),
            None => None,
        };
        Ok(Ok(BuiltKernel { kernel, crash_kernel, reader }))
    }

    fn describe_kernel(&self, BuiltKernel { kernel, crash_kernel, reader }: &BuiltKernel) -> KernelInfo {
        let record = &kernel.record;
        KernelInfo {
            variant: kernel.variant.clone(),
            base: kernel.base.clone(),
            key: kernel.key.clone(),
            commit: record.source.commit.clone(),
            source_digest: record.source.digest.clone(),
            patches: record
                .patches
                .iter()
                .map(|patch| FileDigest { name: patch.name.clone(), sha256: patch.sha256.clone() })
                .collect(),
            config_digest: record.config.clone(),
            command_line: kernel.command_line.clone(),
            knobs: kernel.knobs.iter().map(ToString::to_string).collect(),
            guest: kernel.guest,
            crash_kernel_key: crash_kernel.as_ref().map(|crash_kernel| crash_kernel.key.clone()),
            read_back_key: reader.as_ref().map(|reader| reader.key.clone()),
            make_arguments: record.arguments.clone(),
            compiler: record.tools.compiler.clone(),
            release: record.release.clone(),
            build_id: record.build_id.clone(),
            image: record.prebuilt.as_ref().map(|prebuilt| prebuilt.image.clone()),
            binary_digest: None,
        }
    }

    fn binary_digest(&self, BuiltKernel { kernel, crash_kernel, reader }: &BuiltKernel) -> Result<String, Failure> {
        let digests =
            [Some(kernel), crash_kernel.as_ref(), reader.as_ref()].into_iter().flatten().map(Kernel::binary_digest);
        Ok(digests.collect::<Result<Vec<String>, _>>()?.join(" "))
    }

    fn knobs(&self, BuiltKernel { kernel, .. }: &BuiltKernel) -> Vec<Knob> {
        use crate::kernel::Knob as Of;
        let knob = |knob: &Of| match knob.clone() {
            Of::Parameter(parameter) => Knob::parameter(&parameter.module, &parameter.name, parameter.value),
            Of::Sysctl(sysctl) => Knob::sysctl(&sysctl.name, sysctl.value),
        };
        kernel.knobs.iter().map(knob).collect()
    }

    fn command_line(&self, BuiltKernel { kernel, .. }: &BuiltKernel) -> Vec<String> {
        kernel.command_line.clone()
    }

    fn missing_requirement(
        &self,
        BuiltKernel { kernel, .. }: &BuiltKernel,
        instance: &Instance,
    ) -> Result<Option<String>, Failure> {
        let [smp, cpus] = kernel
            .options(["CONFIG_SMP", "CONFIG_NR_CPUS"])
            .map_err(|error| Failure::host(format!("read {kernel}'s config: {error}", kernel = kernel.name())))?;
        let room = if smp == "n" { 1 } else { cpus.parse().unwrap_or(u32::MAX) };
        let words = [kernel.command_line.as_slice(), &instance.guest.command_line].concat();
        if instance.guest.crashkernel_mib.is_some()
            && let Some(lacks) = lacks(kernel, Without::CrashKernel)
        {
            return Ok(Some(format!("the kernel lacks what a crash kernel needs: {lacks}")));
        }
        if let Some(reason) = instance.is_cut_off(online(instance.guest.cpus.min(room), &words)) {
            return Ok(Some(reason));
        }
        if self.options.time == Time::Virtual
            && let Some(reason) = instance.only_in_real_time()
        {
            return Ok(Some(reason));
        }
        // Most need nothing, and then nothing has to be read.
        if instance.needs == Needs::default() {
            return Ok(None);
        }
        let mut known = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = match known.entry(kernel.key.clone()) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => place.insert(KernelFacts::read(kernel)?),
        };
        Ok(missing_requirement(&instance.needs, facts))
    }

    async fn prepare(
        &self,
        preparation: &mut Preparation,
        pairs: &[(&BuiltKernel, &Instance)],
        templates: Range<u32>,
    ) -> Result<Vec<Arc<dyn RunTrial>>, Failure> {
        let guest_sources = self.guest_sources(preparation, pairs, templates).await?;
        Ok(guest_sources.into_iter().map(|guests| guests as Arc<dyn RunTrial>).collect())
    }
}

/// That vCPUs of guests can be held one by one.
fn can_hold(options: &TrialOptions, accelerator: Accelerator, traces: bool) -> Result<(), Failure> {
    let refused =
        |why: &str, hint: &str| Err(Failure::input(format!("force a schedule on guests: {why}\n\nhint: {hint}")));
    match accelerator {
        Accelerator::Kvm => refused("under KVM nobody sees what a vCPU executes", "--accel tcg"),
        Accelerator::Tcg if options.time == Time::Virtual => {
            refused("in virtual time one thread executes all vCPUs, so that none can be held alone", "--time real")
        }
        Accelerator::Tcg if !options.trace => refused("it is the tracer that holds vCPUs", "leave --trace off out"),
        Accelerator::Tcg if !traces => {
            refused("it is the tracer that holds vCPUs, and there is none", "`harness doctor` says why there is none")
        }
        Accelerator::Tcg => Ok(()),
    }
}

/// What a kernel that was built elsewhere lacks of that; none if it lacks nothing.
fn lacks(kernel: &Kernel, without: Without) -> Option<String> {
    let lacks = kernel.record.prebuilt.iter().flat_map(|prebuilt| &prebuilt.lacks);
    let lacks =
        lacks.filter(|lack| lack.without == without).map(|Lack { option, got, .. }| format!("{option} is {got}"));
    let lacks: Vec<String> = lacks.collect();
    (!lacks.is_empty()).then(|| lacks.join(", "))
}

/// What is not possible on a kernel that was built elsewhere, and why.
fn notes(kernel: &Kernel) -> Vec<String> {
    let Some(prebuilt) = &kernel.record.prebuilt else { return Vec::new() };
    let name = kernel.name();
    let mut notes = Vec::new();
    match &prebuilt.symbols {
        Symbols::All => {}
        Symbols::Map(why) => notes.push(format!("{name}: no timelines: {why}")),
        Symbols::None(why) => notes.push(format!(
            "{name}: no timelines, no functions by name in hangs and dumps, hangs are recognised by the deadline alone, and \
             scenarios that need a function or a symbol are skipped: {why}"
        )),
    }
    let without: BTreeSet<Without> = prebuilt.lacks.iter().map(|lack| lack.without).collect();
    let note = |without| Some(format!("{name}: {}: {}", Without::consequence(without), lacks(kernel, without)?));
    notes.extend(without.into_iter().filter_map(note));
    notes
}

impl From<KernelError> for NoKernel {
    fn from(error: KernelError) -> Self {
        Self {
            reason: error.first_line(),
            not_for_base: matches!(error, KernelError::NotForBase { .. }),
            failure: error.into(),
        }
    }
}

/// Builds one kernel, or takes it from the cache. The inner error is why it cannot be built.
pub async fn kernel(
    catalogue: &Catalogue,
    name: &KernelName,
    events: &Events,
    cancellation: &Cancellation,
) -> Result<Result<Kernel, KernelError>, Failure> {
    catalogue.known().kernel(name)?;
    let store = Store::open(&catalogue.cache)?;
    let canceller = store.canceller();
    let (project, of, events) = (catalogue.project.clone(), name.clone(), events.clone());
    let mut building = tokio::task::spawn_blocking(move || build(&store, &project, &of, &events));
    let built = tokio::select! {
        built = &mut building => built,
        () = cancellation.wanted() => {
            canceller.cancel();
            building.await
        }
    };
    built.map_err(|error| Failure::host(format!("build {name}: {error}")))
}

fn build(store: &Store, project: &Project, name: &KernelName, events: &Events) -> Result<Kernel, KernelError> {
    let what = format!("kernel {name}");
    let mut cached = false;
    let built = store.build(project, name, &mut |step| {
        cached |= step == BuildEvent::Cached;
        events.send(&Event::Building { what: &what, step });
    });
    let outcome = match &built {
        Ok(kernel) => {
            let key = kernel.key.get(..12).unwrap_or(&kernel.key);
            format!("{}, {key}", if cached { "cached" } else { "built" })
        }
        Err(_) => "failed".to_owned(),
    };
    events.send(&Event::BuildEnded { what: &what, outcome: &outcome });
    built
}

/// What guests run on, but for their shape, and QEMU's version. An error if the report has a finding that forbids it.
pub fn machine(report: &Report, accelerator: Accelerator, time: Time) -> Result<(Machine, String), Failure> {
    let (Some(qemu), Some(_)) = (&report.qemu, report.accelerator) else {
        return Err(Failure::host(format!(
            "this machine cannot run guests:\n{report}\nhint: harness doctor --install"
        )));
    };
    let machine = Machine {
        qemu: qemu.path.clone(),
        accelerator,
        time,
        cpus: 0,
        memory_mib: 0,
        pstore: Backend::default(),
        firmware: None,
        consoles: FurtherConsoles::new(),
        crashkernel_mib: None,
        loads_by_name: (qemu.version.major, qemu.version.minor) >= (8, 2),
    };
    Ok((machine, qemu.version.to_string()))
}
