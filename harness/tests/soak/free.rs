//! The soak's other half: a session whose guests cost nothing. It prints the index of each trial that it is told is finished.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use harness::failure::Failure;
use harness::guest::{Time, Watch};
use harness::model::{
    Channel, ChannelOutcome, ChannelVerdict, GuestChange, KernelName, Phase, TrialOutcome, TrialRecord, artifacts,
    rfc3339,
};
use harness::plan::{SelectedScenario, Selection};
use harness::project::Project;
use harness::results::{KernelInfo, QemuInfo, Run};
use harness::run::{RunTrial, TrialFuture};
use harness::scenario::{Guest, Instance, Knob, PointFilter};
use harness::session::{
    AskedAccelerator, Cancellation, Catalogue, Event, Events, NoKernel, Preparation, ReportOptions, Reporter, Request,
    Resumable, Rig, Session, TrialOptions, harness_info,
};
use harness::trial::Assignment;

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    results: PathBuf,
    #[arg(long)]
    trials: u32,
    #[arg(long)]
    resume: Option<String>,
}

/// The cells: two scenarios on two variants.
const CELLS: u32 = 4;

/// One trial in this many fails at first; another one in as many misses.
const SELDOM: u64 = 23;

pub fn main(arguments: &Arguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(3)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::at(&std::env::current_dir().map_err(Failure::host)?);
    let harness = harness_info(&project);
    let session = Session {
        catalogue: Catalogue::load(project)?,
        results: arguments.results.clone(),
        options: OPTIONS,
        rig: Free::default(),
        events: Events::to(Finished),
        cancellation: Cancellation::listen()?,
        harness,
        reports: ReportOptions::default(),
    };
    let outcome = if let Some(id) = &arguments.resume {
        session.resume(Resumable::open(Run::find(&arguments.results, id)?)?).await?
    } else {
        let selection = selection(arguments.trials / CELLS);
        session.run(Request { selection: &selection, suite: None, shard: None, until: None }).await?
    };
    let complete = outcome.finished == outcome.planned;
    if complete { Ok(()) } else { Err(Failure::host("not complete, and nobody knows why")) }
}

fn selection(trials: u32) -> Selection {
    let scenario = |name: &str| SelectedScenario { name: name.to_owned(), only: PointFilter::default() };
    Selection {
        kernels: ["stock", "kmsg-dump-before-stop"].map(|name| KernelName::parse(name, "6.12")).to_vec(),
        scenarios: ["panic-alone", "oops-then-panic"].map(scenario).to_vec(),
        params: Vec::new(),
        trials,
    }
}

const OPTIONS: TrialOptions = TrialOptions {
    seed: 7,
    jobs: Some(16),
    accelerator: AskedAccelerator::Tcg,
    time: Time::Real,
    cold: false,
    templates: None,
    phase: Phase::Drawn,
    read_back: false,
    read_back_kernel: None,
    kdump: false,
    crash_kernel: None,
    full_vmcore: false,
    trace: false,
};

/// Tells which trials are finished, each at once and by one `write`: what was told before this process was killed can be
/// read.
struct Finished;

impl Reporter for Finished {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::TrialEnded(TrialRecord { index, outcome, .. }) = event
            && !matches!(outcome, TrialOutcome::InfraError { .. })
        {
            let mut out = std::io::stdout().lock();
            out.write_all(format!("{index}\n").as_bytes()).unwrap();
        }
    }
}

/// Kernels and guests that cost nothing.
#[derive(Default)]
struct Free(Arc<Guests>);

/// The trials that have failed once, by their indices.
#[derive(Default)]
struct Guests(Mutex<BTreeSet<u64>>);

impl Rig for Free {
    type Kernel = KernelName;

    fn describe(&self) -> QemuInfo {
        QemuInfo {
            path: "none".to_owned(),
            version: "0".to_owned(),
            accelerator: "none".to_owned(),
            time: OPTIONS.time.to_string(),
            cold: OPTIONS.cold,
            phase: OPTIONS.phase,
            templates: 1,
            traced: false,
            read_back: false,
            read_back_kernel: None,
            kdump: false,
            crash_kernel: None,
            full_vmcore: false,
        }
    }

    fn check_guest(&self, _: &Guest) -> Result<(), Failure> {
        Ok(())
    }

    async fn build(&self, _: &Catalogue, name: &KernelName) -> Result<Result<KernelName, NoKernel>, Failure> {
        Ok(Ok(name.clone()))
    }

    fn describe_kernel(&self, name: &KernelName) -> KernelInfo {
        KernelInfo {
            variant: name.variant.clone(),
            base: name.base.clone(),
            key: name.to_string(),
            commit: None,
            source_digest: String::new(),
            patches: Vec::new(),
            config_digest: String::new(),
            command_line: Vec::new(),
            knobs: Vec::new(),
            guest: GuestChange::default(),
            crash_kernel_key: None,
            read_back_key: None,
            make_arguments: Vec::new(),
            compiler: String::new(),
            release: String::new(),
            build_id: String::new(),
            image: None,
            binary_digest: None,
        }
    }

    fn binary_digest(&self, name: &KernelName) -> Result<String, Failure> {
        Ok(name.to_string())
    }

    fn knobs(&self, _: &KernelName) -> Vec<Knob> {
        Vec::new()
    }

    fn command_line(&self, _: &KernelName) -> Vec<String> {
        Vec::new()
    }

    fn missing_requirement(&self, _: &KernelName, _: &Instance) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    async fn prepare(
        &self,
        _: &mut Preparation,
        pairs: &[(&KernelName, &Instance)],
        _: Range<u32>,
    ) -> Result<Vec<Arc<dyn RunTrial>>, Failure> {
        Ok(pairs.iter().map(|_| Arc::clone(&self.0) as Arc<dyn RunTrial>).collect())
    }
}

impl RunTrial for Guests {
    fn run<'a>(
        &'a self,
        assignment: &'a Assignment,
        folder: &'a Path,
        _: Option<Watch>,
    ) -> TrialFuture<'a, TrialRecord> {
        Box::pin(async move {
            let Assignment { index, cell, seed, nonce, .. } = assignment;
            // So that trials do not end in the order in which they began.
            tokio::time::sleep(Duration::from_millis(seed % 64)).await;
            let written =
                std::fs::write(folder.join(artifacts::CONSOLE), format!("the console of {nonce}\n").repeat(40));
            let outcome = match written {
                Err(error) => TrialOutcome::InfraError { cause: format!("write the console: {error}") },
                Ok(()) => self.outcome(*index, *seed),
            };
            let started = rfc3339(std::time::SystemTime::now());
            let record = TrialRecord::new(*index, cell.clone(), *seed, nonce.clone(), started, outcome);
            TrialRecord { wall_ms: seed % 64, ..record }
        })
    }

    fn rebuild_if_broken(&self) -> TrialFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

impl Guests {
    /// What follows from a trial's seed.
    fn outcome(&self, index: u64, seed: u64) -> TrialOutcome {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seed.is_multiple_of(SELDOM) && failed.insert(index) {
            return TrialOutcome::InfraError { cause: "made up".to_owned() };
        }
        if seed % SELDOM == 1 {
            return TrialOutcome::Missed { reason: "made up".to_owned() };
        }
        let verdict = |saved: bool| {
            let (outcome, witnesses) = if saved { (ChannelOutcome::Saved, 32) } else { (ChannelOutcome::Lost, 0) };
            ChannelVerdict::new(outcome, witnesses, 32, String::new())
        };
        let channels = [(Channel::Console, verdict(true)), (Channel::Pstore, verdict(!seed.is_multiple_of(3)))];
        TrialOutcome::Counted { hung: false, channels: BTreeMap::from(channels) }
    }
}
