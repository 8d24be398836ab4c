//! How fast trials are, beside the least that they could cost: measured in one run, because hosts are noisy and only
//! ratios taken together mean anything.
//!
//! ```text
//! a kernel ─> GuestSource ─┬─> run::execute     trials as always ──┐
//!                    ├─> floor            the least code ────┼─> Figures
//!                    └─> GuestSource, cold      one at a time ─────┘
//! ```

mod bisect;
mod capacity;
mod floor;
mod simulated;

pub use bisect::Bisections;
pub use floor::Phases;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tokio::sync::watch;

use crate::guest::Time;
use crate::model::{CellKey, Params, Phase, TrialOutcome};
use crate::plan::Plan;
use crate::procfs;
use crate::results::{self, Run};
use crate::run::{self, Progress, RunError, Sink, Stop, Work};
use crate::scenario::Instance;
use crate::trial::{Assignment, GuestSource, TrialSettings};

/// What all trials have in common: as `harness run` has them, in real time.
const SETTINGS: TrialSettings =
    TrialSettings { time: Time::Real, phase: Phase::Drawn, read_back: false, full_vmcore: false, schedule: None };

/// Blocks of trials and of the floor take turns, so that both meet the same drift of the host.
const BLOCKS: u32 = 12;

/// What was measured. Times are wall time, rates are per second of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Trials, as `harness run --trace off` does them: restored, crashed, decoded, judged, on disk.
    pub trials_per_s: f64,
    /// Trials that are traced too, as `harness run` does them.
    pub traced_per_s: Option<f64>,
    /// The second by the first: what is left of the speed; none where guests cannot be traced.
    pub tracing_ratio: Option<f64>,
    /// The same guests, restored, crashed and reaped by the least code possible, and nothing decoded.
    pub floor_per_s: f64,
    /// Trials by the floor's.
    pub ratio_floor: f64,
    /// Trials that are booted, one at a time.
    pub cold_per_s: f64,
    /// Trials by cold ones.
    pub ratio_cold: f64,
    /// Processor time of the harness by that of its QEMUs, during the trials.
    pub harness_cpu_share: f64,
    /// Processor time of the harness's main thread, traced trials and others alike, in milliseconds a trial. This thread
    /// alone assigns, counts and reports trials, so one process can do no more of them a second than a thousand by this.
    pub main_thread_ms_per_trial: f64,
    /// The harness's resident memory at its peak, after 100,000 simulated trials had gone through plan, log, counts and
    /// reports, in MiB.
    pub rss_mib: f64,
    /// Memory that a guest has to itself at its end, QEMU's own included, in MiB: what it has written. The rest, most
    /// of its RAM above all, is the template's in the page cache.
    pub guest_private_mib: f64,
    /// Trials that one process could run if guests cost nothing: planned, recorded on disk and counted, 64 at a time.
    pub capacity_trials_per_s: f64,
    /// How many guests ran at a time.
    pub jobs: u32,
    /// What executed them: `tcg` or `kvm`.
    pub accelerator: &'static str,
    /// Where a guest's time goes, one at a time, medians.
    pub phases: Phases,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trials_per_s, floor_per_s, ratio_floor, cold_per_s, ratio_cold, jobs, accelerator, phases, .. } =
            self;
        writeln!(f, "trials      {trials_per_s:7.2} /s, {jobs} guests at a time, {accelerator}")?;
        if let (Some(traced_per_s), Some(ratio)) = (self.traced_per_s, self.tracing_ratio) {
            writeln!(f, "traced      {traced_per_s:7.2} /s: {ratio:.3} of trials that are not")?;
        }
        writeln!(f, "floor       {floor_per_s:7.2} /s: trials are {ratio_floor:.2} of it")?;
        writeln!(f, "cold        {cold_per_s:7.2} /s, one at a time: trials are {ratio_cold:.1} times it")?;
        writeln!(f, "processor   {:7.1} % of QEMU's for the harness", self.harness_cpu_share * 100.0)?;
        writeln!(f, "main thread {:7.2} ms a trial", self.main_thread_ms_per_trial)?;
        writeln!(f, "capacity    {:7.0} /s, if guests cost nothing", self.capacity_trials_per_s)?;
        writeln!(f, "memory      {:7.1} MiB at most in the harness, 100,000 trials", self.rss_mib)?;
        writeln!(f, "            {:7.1} MiB of its own in a guest", self.guest_private_mib)?;
        let Phases { start_ms, load_ms, run_ms, reap_ms, translated_blocks, .. } = phases;
        writeln!(
            f,
            "one guest   start {start_ms:.1} ms, load {load_ms:.1} ms, run {run_ms:.1} ms ({translated_blocks:.0} blocks \
             translated), reap {reap_ms:.1} ms"
        )
    }
}

/// A benchmark could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A guest of the floor's.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run's folder.
    #[error(transparent)]
    Results(#[from] results::Error),
    /// A trial did not have its usual outcome: what was timed is not what should have been.
    #[error("trial {index} was no good: {outcome}")]
    Trial {
        /// Which.
        index: u64,
        /// What became of it.
        outcome: String,
    },
    /// The floor's threads.
    #[error("a thread of the floor's died")]
    Thread,
}

/// What is measured with.
#[derive(Debug)]
pub struct Bench {
    /// Restored.
    pub guests: Arc<GuestSource>,
    /// Restored and traced, where that can be.
    pub traced: Option<Arc<GuestSource>>,
    /// Booted.
    pub cold: Arc<GuestSource>,
    /// `panic-alone`, as a rule: the scenario.
    pub instance: Instance,
    /// Guests at a time.
    pub jobs: u32,
    /// Trials, and guests of the floor's.
    pub trials: u32,
    /// Cold trials.
    pub cold_trials: u32,
}

impl Bench {
    /// Measures everything. Nothing else should run on the host meanwhile. `said` gets a line now and then.
    pub async fn take(&self, said: impl Fn(&str)) -> Result<Figures, BenchError> {
        let folder = tempfile::tempdir().map_err(io("create a folder"))?;
        let block = self.trials.div_ceil(BLOCKS).max(1);
        // The first guests read QEMU and the template into the page cache.
        said("warming up");
        for guests in [Some(&self.guests), self.traced.as_ref()].into_iter().flatten() {
            self.trials(guests, 4, self.jobs, folder.path()).await?;
        }
        let (mut trials, mut traced, mut floors) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let (mut cpu, mut main_thread) = (Cpu::default(), Duration::ZERO);
        for number in 1..=BLOCKS {
            said(&format!("block {number} of {BLOCKS}: {block} trials, {block} guests of the floor's"));
            let (before, thread_before) = (Cpu::now(), cpu_of_this_thread());
            trials += self.trials(&self.guests, block, self.jobs, folder.path()).await?;
            cpu.add(before.until_now());
            if let Some(guests) = &self.traced {
                traced += self.trials(guests, block, self.jobs, folder.path()).await?;
            }
            main_thread += cpu_of_this_thread().saturating_sub(thread_before);
            floors += floor::run(&self.guests, &self.assignment(&self.plan(1), 0), block, self.jobs).await?;
        }
        said(&format!("{} cold trials", self.cold_trials));
        let cold = self.trials(&self.cold, self.cold_trials, 1, folder.path()).await?;
        let phases = floor::phases(&self.guests, &self.assignment(&self.plan(1), 0)).await?;
        said("trials whose guests cost nothing");
        let capacity_trials_per_s =
            capacity::per_second(|trials| self.plan(trials), &self.instance, SETTINGS, folder.path()).await?;
        said("100,000 simulated trials");
        let rss_mib = simulated::peak_mib().await?;

        let rate = |count: u32, took: Duration| f64::from(count) / took.as_secs_f64();
        let trials_per_s = rate(block * BLOCKS, trials);
        let counted = block * BLOCKS * if self.traced.is_some() { 2 } else { 1 };
        let traced_per_s = self.traced.is_some().then(|| rate(block * BLOCKS, traced));
        let floor_per_s = rate(block * BLOCKS, floors);
        let cold_per_s = rate(self.cold_trials, cold);
        Ok(Figures {
            trials_per_s,
            traced_per_s,
            tracing_ratio: traced_per_s.map(|traced| traced / trials_per_s),
            floor_per_s,
            ratio_floor: trials_per_s / floor_per_s,
            cold_per_s,
            ratio_cold: trials_per_s / cold_per_s,
            harness_cpu_share: cpu.own.as_secs_f64() / cpu.children.as_secs_f64(),
            main_thread_ms_per_trial: main_thread.as_secs_f64() * 1e3 / f64::from(counted),
            rss_mib,
            guest_private_mib: phases.private_mib,
            capacity_trials_per_s,
            jobs: self.jobs,
            accelerator: self.guests.machine.accelerator.name(),
            phases,
        })
    }

    fn plan(&self, trials: u32) -> Plan {
        let cell = CellKey {
            variant: "bench".to_owned(),
            base: String::new(),
            scenario: self.instance.scenario.clone(),
            params: Params::new(),
        };
        Plan::again([cell], trials, 1, None)
    }

    /// The assignment at this place of a plan that has it.
    fn assignment(&self, plan: &Plan, index: u64) -> Assignment {
        let trial = plan.trial_of(0, u32::try_from(index).unwrap_or(0));
        Assignment::new(&trial.expect("the plan has one cell"), &self.instance, SETTINGS)
    }

    /// Runs trials as `harness run` does. Returns how long that took.
    async fn trials(
        &self,
        guests: &Arc<GuestSource>,
        trials: u32,
        jobs: u32,
        folder: &Path,
    ) -> Result<Duration, BenchError> {
        let run = Run::create(folder, SystemTime::now())?;
        let log = run.log()?;
        let plan = self.plan(trials);
        let work = (0..plan.len()).map(|index| Work {
            guests: Arc::<GuestSource>::clone(guests),
            assignment: self.assignment(&plan, index),
            attempt: 0,
        });
        let (_stopper, stop) = watch::channel(Stop::No);
        let mut wrong = None;
        let began = Instant::now();
        run::execute(work, jobs, Sink { run: &run, log: &log }, stop, |progress| {
            let Progress::Ended(record) = progress else { return };
            if !matches!(record.outcome, TrialOutcome::Counted { hung: false, .. }) {
                wrong = Some(BenchError::Trial { index: record.index, outcome: format!("{:?}", record.outcome) });
            }
        })
        .await?;
        let took = began.elapsed();
        wrong.map_or(Ok(took), Err)
    }
}

/// Processor time: the harness's own, and that of QEMUs that have ended.
#[derive(Debug, Clone, Copy, Default)]
struct Cpu {
    own: Duration,
    children: Duration,
}

impl Cpu {
    fn now() -> Self {
        Self { own: floor::cpu_of_self(), children: floor::cpu_of_children() }
    }

    fn until_now(self) -> Self {
        let now = Self::now();
        Self { own: now.own.saturating_sub(self.own), children: now.children.saturating_sub(self.children) }
    }

    fn add(&mut self, other: Self) {
        self.own += other.own;
        self.children += other.children;
    }
}

/// Processor time of the thread that asks.
fn cpu_of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A field of a file below `/proc`, in MiB; 0 where the host does not tell.
fn mib(path: &str, field: &str) -> f64 {
    let kib = procfs::bytes(path, field).unwrap_or_default() >> 10;
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> BenchError {
    let what = what.to_owned();
    move |source| BenchError::Io { what, source }
}
