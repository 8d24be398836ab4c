//! A rig of a table: what becomes of each kernel and each trial is said beforehand, and what was asked for is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::guest::Watch;
use crate::results::{KernelInfo, QemuInfo};
use crate::run::{RunTrial, TrialFuture};
use crate::scenario::{Guest, Instance, Knob};
use crate::session::{Catalogue, NoKernel, Preparation, Rig};
use crate::trial::Assignment;

/// What becomes of a trial.
pub enum Act {
    /// This outcome.
    Is(TrialOutcome),
    /// This outcome, and this is what its CPUs were seen doing.
    Seen(TrialOutcome, crate::model::timeline::Timeline),
    /// Its kernel dies by a panic of these words; or a program ends, and the kernel lives.
    Dies(Option<&'static str>),
    /// The task that runs it panics.
    Panics,
    /// It never ends.
    Hangs,
}

/// What becomes of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// It can be run.
    Good,
    /// Its patches do not apply, or it does not compile.
    Broken,
    /// Its variant is not for this base.
    NotForBase,
    /// The host could not build it.
    HostFails,
    /// It is built, and does not boot.
    DoesNotBoot,
    /// It is built, and nobody knows whether it boots.
    BootsForEver,
    /// It is built, and the host fails to prepare guests of it.
    GuestsFail,
    /// It is built, and lacks something.
    Lacks,
}

/// What becomes of an attempt at a trial: the first has the number 0.
type Trials = dyn Fn(&Assignment, u32) -> Act + Send + Sync;

/// The world that a [`Table`] shows.
pub struct World {
    /// What becomes of a kernel, by its variant.
    pub build: Box<dyn Fn(&str) -> Build + Send + Sync>,
    /// What becomes of an attempt at a trial.
    pub trial: Box<Trials>,
    /// What is set at run time by a variant.
    pub knobs: Vec<Knob>,
    /// A part of every kernel's key.
    pub key: String,
    /// What a variant's kernel is: variants with the same one have the same kernel.
    pub image: Box<dyn Fn(&str) -> String + Send + Sync>,
    /// What waits for what.
    pub meeting: Meeting,
    /// What was asked for.
    pub seen: Mutex<Seen>,
}

/// Where something is done to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is built.
    Build,
    /// Guests of it boot.
    Boot,
}

/// Two things neither of which ends before both have begun.
#[derive(Default)]
pub struct Meeting {
    of: Vec<(Place, &'static str)>,
    begun: watch::Sender<[bool; 2]>,
}

impl Meeting {
    /// Of these two.
    pub fn of(one: (Place, &'static str), other: (Place, &'static str)) -> Self {
        Self { of: vec![one, other], begun: watch::Sender::default() }
    }

    async fn at(&self, place: Place, variant: &str) {
        if let Some(one) = self.of.iter().position(|it| *it == (place, variant)) {
            self.begun.send_modify(|begun| begun[one] = true);
            self.begun.subscribe().wait_for(|begun| *begun == [true; 2]).await.unwrap();
        }
    }
}

/// What a [`Table`] was asked for.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Variants that were built.
    pub built: Vec<String>,
    /// Variants of which guests were prepared, with the templates.
    pub prepared: Vec<(String, Range<u32>)>,
    /// Trials that were begun, by their index, and how often.
    pub begun: BTreeMap<u64, u32>,
    /// The order in which they were begun.
    pub order: Vec<u64>,
    /// Processors that are kept busy now, and the most that were.
    pub busy: u32,
    pub most_busy: u32,
    /// Whether what guests start from was looked after.
    pub looked_after: u32,
    /// Templates that were made.
    pub booted: u32,
    /// Guests that were killed while they booted.
    pub killed: u32,
    /// Seeds of the trials.
    pub seeds: BTreeSet<u64>,
}

/// A guest that boots, and is killed when this is dropped.
struct Killed(Arc<World>);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.seen.lock().unwrap().killed += 1;
    }
}

/// The rig.
#[derive(Clone)]
pub struct Table(pub Arc<World>);

struct Guests {
    world: Arc<World>,
}

impl Rig for Table {
    type Kernel = KernelName;

    fn describe(&self) -> QemuInfo {
        info(Vec::new()).qemu
    }

    fn check_guest(&self, guest: &Guest) -> Result<(), Failure> {
        if guest.pstore.efi().is_none() { Ok(()) } else { Err(Failure::host("there is no EFI firmware")) }
    }

    async fn build(&self, _: &Catalogue, name: &KernelName) -> Result<Result<KernelName, NoKernel>, Failure> {
        self.0.seen.lock().unwrap().built.push(name.variant.clone());
        self.0.meeting.at(Place::Build, &name.variant).await;
        let no = |not_for_base| {
            let reason = format!("{name} cannot be built");
            Ok(Err(NoKernel { failure: Failure::input(&reason), reason, not_for_base }))
        };
        match (self.0.build)(&name.variant) {
            Build::Broken => no(false),
            Build::NotForBase => no(true),
            Build::HostFails => Err(Failure::host("the disk is full")),
            Build::Good | Build::DoesNotBoot | Build::BootsForEver | Build::GuestsFail | Build::Lacks => {
                Ok(Ok(name.clone()))
            }
        }
    }

    fn describe_kernel(&self, name: &KernelName) -> KernelInfo {
        let known = info(Vec::new()).kernels.remove(0);
        let key = format!("{name} {}", self.0.key);
        KernelInfo { variant: name.variant.clone(), base: name.base.clone(), key, ..known }
    }

    fn binary_digest(&self, name: &KernelName) -> Result<String, Failure> {
        Ok((self.0.image)(&name.variant))
    }

    fn knobs(&self, _: &KernelName) -> Vec<Knob> {
        self.0.knobs.clone()
    }

    fn command_line(&self, _: &KernelName) -> Vec<String> {
        Vec::new()
    }

    fn missing_requirement(&self, name: &KernelName, _: &Instance) -> Result<Option<String>, Failure> {
        let lacks = (self.0.build)(&name.variant) == Build::Lacks;
        Ok(lacks.then(|| "the kernel has no CONFIG_X".to_owned()))
    }

    async fn prepare(
        &self,
        preparation: &mut Preparation,
        pairs: &[(&KernelName, &Instance)],
        templates: Range<u32>,
    ) -> Result<Vec<Arc<dyn RunTrial>>, Failure> {
        let mut guests: Vec<Arc<dyn RunTrial>> = Vec::new();
        for (name, _) in pairs {
            self.0.seen.lock().unwrap().prepared.push((name.variant.clone(), templates.clone()));
            preparation.add(name, templates.clone(), |_| {
                let (world, name) = (Arc::clone(&self.0), (*name).clone());
                async move {
                    world.meeting.at(Place::Boot, &name.variant).await;
                    match (world.build)(&name.variant) {
                        Build::DoesNotBoot => Err(Failure::input(format!("kernel {name} does not boot"))),
                        Build::GuestsFail => Err(Failure::host("no room for a template")),
                        Build::BootsForEver => {
                            let _killed = Killed(Arc::clone(&world));
                            std::future::pending().await
                        }
                        _ => {
                            world.seen.lock().unwrap().booted += 1;
                            Ok(())
                        }
                    }
                }
            });
            guests.push(Arc::new(Guests { world: Arc::clone(&self.0) }));
        }
        Ok(guests)
    }
}

impl RunTrial for Guests {
    fn run<'a>(
        &'a self,
        assignment: &'a Assignment,
        artifacts: &'a Path,
        _: Option<Watch>,
    ) -> TrialFuture<'a, TrialRecord> {
        Box::pin(async move {
            assert!(artifacts.is_dir());
            let attempt = {
                let mut seen = self.world.seen.lock().unwrap();
                seen.busy += assignment.processors;
                seen.most_busy = seen.most_busy.max(seen.busy);
                seen.order.push(assignment.index);
                seen.seeds.insert(assignment.seed);
                let begun = seen.begun.entry(assignment.index).or_default();
                *begun += 1;
                *begun - 1
            };
            // Others may be begun meanwhile.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            let (mut survived, mut panic, mut holds) = (false, None, Vec::new());
            let outcome = match (self.world.trial)(assignment, attempt) {
                Act::Is(outcome) => outcome,
                Act::Seen(outcome, timeline) => {
                    holds.clone_from(&timeline.holds);
                    let json = serde_json::to_vec(&timeline).unwrap();
                    std::fs::write(artifacts.join(crate::results::TIMELINE), json).unwrap();
                    outcome
                }
                Act::Dies(words) => {
                    (survived, panic) = (words.is_none(), words.map(str::to_owned));
                    let channels = std::collections::BTreeMap::new();
                    TrialOutcome::Counted { hung: false, channels }
                }
                Act::Panics => panic!("a defect"),
                Act::Hangs => std::future::pending().await,
            };
            self.world.seen.lock().unwrap().busy -= assignment.processors;
            TrialRecord {
                seed: assignment.seed,
                survived,
                panic,
                holds,
                ..trial(assignment.index, &assignment.cell, outcome)
            }
        })
    }

    fn rebuild_if_broken(&self) -> TrialFuture<'_, Result<(), String>> {
        Box::pin(async {
            self.world.seen.lock().unwrap().looked_after += 1;
            Ok(())
        })
    }
}
