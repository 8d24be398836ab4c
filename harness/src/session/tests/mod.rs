//! Sessions on a table of outcomes instead of kernels and guests: each way in which a run, a resumed one or a bisection can
//! go is a row.

mod asked;
mod bisections;
mod boots;
mod broken;
mod explored;
mod resumed;
mod rig;
mod runs;
mod steps;

use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::sync::watch;

use self::rig::{Act, Build, Meeting, Place, Seen, Table, World};
use super::*;
use crate::guest::Time;
use crate::model::ChannelOutcome::{Lost, Saved};
use crate::model::{KernelName, Phase, TrialOutcome, TrialRecord};
use crate::plan::SelectedScenario;
use crate::project::Project;
use crate::results::sample::{counted, info, trial};
use crate::scenario::PointFilter;

/// One CPU panics; that pstore has the log is expected.
const CRASH: &str = "name: crash\ntitle: a test\nwhy: a test\nsource: this test\nguest: { cpus: 4 }\nactors:\n  \
    - panic: { name: panic, cpu: 1, at: 0ms }\nexpect:\n  - { channel: pstore, outcome: saved }\n";

/// Two CPUs are busy; something is set at run time.
const BUSY: &str = "name: busy\ntitle: a test\nwhy: a test\nsource: this test\nguest: { cpus: 4 }\n\
    knobs:\n  - sysctl: { name: kernel.panic_on_warn, value: 1 }\nactors:\n  \
    - panic: { name: panic, cpu: 1, at: 5ms }\n  - spin: { name: spin, cpu: 2, for: 1ms, at: 0ms }\nexpect: []\n";

/// A project, where its runs go, and whoever wants them to end.
struct Bed {
    folder: TempDir,
    stop: watch::Sender<Stop>,
    said: Arc<Mutex<Vec<String>>>,
}

/// Keeps the sentences that a session says.
struct Said(Arc<Mutex<Vec<String>>>);

impl Reporter for Said {
    fn event(&mut self, event: &Event<'_>) {
        let line = match event {
            Event::Note(text) => (*text).to_owned(),
            Event::Failed(failure) => failure.first_line(),
            Event::Stopping(stop) => format!("{stop:?}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Bed {
    fn new() -> Self {
        // Where syncing after each trial costs nothing, if there is such a place.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("guest-kernel/bases.yaml", "bases:\n  \"6.12\": { package: linux-source-6.12 }\n");
        for name in ["stock", "a", "b", "c"] {
            let text = format!("name: {name}\ntitle: a test\nclaim: none\nsource: this test\n");
            write(&format!("guest-kernel/variants/{name}/variant.yaml"), &text);
        }
        write("scenarios/crash.yaml", CRASH);
        write("scenarios/busy.yaml", BUSY);
        std::fs::create_dir(folder.path().join("scenarios/suites")).unwrap();
        let (stop, _) = watch::channel(Stop::No);
        Self { folder, stop, said: Arc::default() }
    }

    fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    fn catalogue(&self) -> Catalogue {
        let root = self.folder.path();
        Catalogue::load(Project::with_cache(root, root.join("cache"))).unwrap_or_else(|error| panic!("{error}"))
    }

    fn session(&self, world: &Arc<World>, options: TrialOptions) -> Session<Table> {
        Session {
            catalogue: self.catalogue(),
            results: self.results(),
            options,
            rig: Table(Arc::clone(world)),
            events: Events::to(Said(Arc::clone(&self.said))),
            cancellation: Cancellation::by(self.stop.subscribe()),
            harness: info(Vec::new()).harness,
            reports: ReportOptions::default(),
        }
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().unwrap())
    }
}

fn options() -> TrialOptions {
    TrialOptions {
        seed: 7,
        jobs: Some(2),
        accelerator: AskedAccelerator::Auto,
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
        schedule: None,
    }
}

/// A world in which every kernel is good and every trial saves the log.
fn world() -> World {
    World {
        build: Box::new(|_| Build::Good),
        trial: Box::new(|_, _| Act::Is(saved())),
        knobs: Vec::new(),
        key: String::new(),
        image: Box::new(str::to_owned),
        meeting: Meeting::default(),
        seen: Mutex::default(),
    }
}

fn selection(variants: &[&str], scenarios: &[&str], trials: u32) -> Selection {
    let scenario = |name: &&str| SelectedScenario { name: (*name).to_owned(), only: PointFilter::default() };
    Selection {
        kernels: variants.iter().map(|name| KernelName::parse(name, "6.12")).collect(),
        scenarios: scenarios.iter().map(scenario).collect(),
        params: Vec::new(),
        trials,
    }
}

fn saved() -> TrialOutcome {
    counted(Saved, Saved)
}

fn lost() -> TrialOutcome {
    counted(Saved, Lost)
}

fn missed() -> TrialOutcome {
    TrialOutcome::Missed { reason: "the holder left too early".to_owned() }
}

fn infra() -> TrialOutcome {
    TrialOutcome::InfraError { cause: "QEMU was killed".to_owned() }
}

/// `10 of 10; stock@6.12 crash: 8 of 10 saved, 1 missed, 1 infra`
fn in_short(outcome: &RunOutcome) -> String {
    let cell = |cell: &crate::results::CellSummary| {
        let (variant, scenario) = (&cell.key.variant, &cell.key.scenario);
        if let Some(reason) = &cell.skipped {
            return format!("{variant} {scenario}: skipped, {reason}");
        }
        let counts = cell.channel(crate::model::Channel::Pstore);
        let other = |what, count| if count > 0 { format!(", {count} {what}") } else { String::new() };
        format!(
            "{variant} {scenario}: {} of {} saved{}{}",
            counts.of(Saved),
            counts.n(),
            other("missed", cell.missed),
            other("infra", cell.infra_errors)
        )
    };
    let cells: Vec<String> = outcome.summary.cells.iter().map(cell).collect();
    let failed = if outcome.failed { " failed" } else { "" };
    format!("{} of {}{failed}; {}", outcome.finished, outcome.planned, cells.join("; "))
}

fn seen(world: &World) -> Seen {
    world.seen.lock().unwrap().clone()
}

/// Opens what is to be resumed. A process that another test starts may hold the log's lock for a moment, between its fork
/// and its exec.
fn opened<T>(open: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 0..1000 {
        match open() {
            Err(failure) if failure.first_line().contains("another harness is writing") => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            ended => return ended,
        }
    }
    open()
}

/// The lines of the run's log.
fn records(results: &Path) -> usize {
    let run = crate::results::latest(results).unwrap();
    run.trials().unwrap().count()
}
