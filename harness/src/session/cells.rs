//! A plan with what its trials are made from, looked up once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::guests::Preparation;
use super::kernels::Kernels;
use super::rig::Rig;
use crate::failure::Failure;
use crate::model::schedule::Schedule;
use crate::model::{CellKey, Expectation, KernelName};
use crate::plan::{Plan, PlannedTrial};
use crate::run::{RunTrial, Work};
use crate::scenario::{Guest, Instance, Knob};
use crate::trial::{Assignment, TrialSettings};

/// The cells of a plan, by their position.
#[derive(Debug, Clone)]
pub struct Cells(Vec<Cell>);

/// What a cell of the plan is made from.
#[derive(Debug, Clone)]
struct Cell {
    key: Arc<CellKey>,
    /// The scenario at the cell's point, or why there is no guest for it.
    instance: Result<Arc<Instance>, String>,
}

/// The cells of a plan whose guests are ready, by their position.
#[derive(Clone, Default)]
pub struct ReadyCells(BTreeMap<usize, ReadyCell>);

/// What trials of a cell are run with.
#[derive(Clone)]
struct ReadyCell {
    /// The instance, with the variant's own settings.
    instance: Instance,
    settings: TrialSettings,
    guests: Arc<dyn RunTrial>,
}

impl Cells {
    /// Those of the plan, if the rig can run their guests.
    pub fn of<R: Rig>(rig: &R, catalogue: &Catalogue, plan: &Plan) -> Result<Self, Failure> {
        let cell = |key: &Arc<CellKey>| Ok(Cell { key: Arc::clone(key), instance: catalogue.instance(key)? });
        let cells: Vec<Cell> = plan.cells().iter().map(cell).collect::<Result<_, Failure>>()?;
        let guests: BTreeSet<&Guest> =
            cells.iter().filter_map(|cell| cell.instance.as_ref().ok()).map(|instance| &instance.guest).collect();
        guests.into_iter().try_for_each(|guest| rig.check_guest(guest))?;
        Ok(Self(cells))
    }

    /// Changes the instance of each cell.
    pub fn change(&mut self, change: impl Fn(&mut Instance)) {
        for instance in self.0.iter_mut().filter_map(|cell| cell.instance.as_mut().ok()) {
            change(Arc::make_mut(instance));
        }
    }

    /// What is expected of the cell at `position`; nothing where it is not possible.
    pub fn expectations(&self, position: usize) -> Vec<Expectation> {
        let instance = self.0.get(position).and_then(|cell| cell.instance.as_ref().ok());
        instance.map(|instance| instance.expectations.clone()).unwrap_or_default()
    }

    /// The instance of the cell at `position`, or why there is none.
    pub fn instance(&self, position: usize) -> Result<&Instance, Failure> {
        match self.0.get(position).map(|cell| &cell.instance) {
            Some(Ok(instance)) => Ok(instance),
            Some(Err(why)) => Err(Failure::input(why)),
            None => Err(Failure::input("the plan is empty")),
        }
    }

    /// RAM of the largest guest among the cells that `plan` runs, in MiB.
    pub fn largest_mib(&self, plan: &Plan) -> u64 {
        let run = self.0.iter().enumerate().filter(|(position, _)| plan.skipped(*position).is_none());
        let memory = run.filter_map(|(_, cell)| cell.instance.as_ref().ok()).map(|it| u64::from(it.guest.memory_mib));
        memory.max().unwrap_or(0)
    }

    /// Marks those cells of the plan as skipped that are for the kernel of this name, and for which there is none, or which it or
    /// their guest is not fit for.
    pub fn skip<R: Rig>(
        &self,
        rig: &R,
        (kernels, name): (&Kernels<R::Kernel>, &KernelName),
        plan: &mut Plan,
    ) -> Result<(), Failure> {
        plan.skip(|position, cell| if cell.kernel() == *name { self.unfit(rig, kernels, position) } else { Ok(None) })
    }

    /// Why the cell at `position` cannot be run; `None` if it can.
    pub fn unfit<R: Rig>(
        &self,
        rig: &R,
        kernels: &Kernels<R::Kernel>,
        position: usize,
    ) -> Result<Option<String>, Failure> {
        let Some(Cell { key, instance }) = self.0.get(position) else { return Ok(None) };
        let Some(kernel) = kernels.of(&key.kernel()) else { return Ok(kernels.missing.get(&key.kernel()).cloned()) };
        let instance = match instance {
            Ok(instance) => instance,
            Err(why) => return Ok(Some(why.clone())),
        };
        if let Some(reason) = overruled(rig, kernel, instance) {
            return Ok(Some(reason));
        }
        rig.missing_requirement(kernel, instance)
    }

    /// Begins to prepare the guests of the cells that the plan runs on this kernel.
    pub async fn prepare<R: Rig>(
        &self,
        rig: &R,
        preparation: &mut Preparation,
        (name, kernel): (&KernelName, &R::Kernel),
        plan: &Plan,
        (settings, templates): (TrialSettings, Range<u32>),
    ) -> Result<ReadyCells, Failure> {
        let run = self.0.iter().enumerate().filter(|(position, _)| plan.skipped(*position).is_none());
        let of_kernel = run.filter(|(_, cell)| cell.key.kernel() == *name);
        let wanted: Vec<(usize, &Instance)> =
            of_kernel.filter_map(|(position, cell)| Some((position, &**cell.instance.as_ref().ok()?))).collect();
        let pairs: Vec<_> = wanted.iter().map(|(_, instance)| (kernel, *instance)).collect();
        let guests = rig.prepare(preparation, &pairs, templates).await?;
        let ready = wanted.into_iter().zip(guests).map(|((position, instance), guests)| {
            let mut instance = instance.clone();
            // None of the variant's own settings is one of the scenario's: such a cell is skipped.
            instance.knobs.splice(0..0, rig.knobs(kernel));
            (position, ReadyCell { instance, settings: settings.clone(), guests })
        });
        Ok(ReadyCells(ready.collect()))
    }
}

impl ReadyCells {
    /// These too.
    pub fn add(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    /// A trial, ready to be run; `None` if its cell is not.
    pub fn work(&self, trial: &PlannedTrial, attempt: u32) -> Option<Work> {
        self.work_as(trial, attempt, TrialSettings::clone)
    }

    /// A trial that is to follow this schedule, if there is one, ready to be run; `None` if its cell is not.
    pub fn following(&self, trial: &PlannedTrial, schedule: Option<Arc<Schedule>>) -> Option<Work> {
        self.work_as(trial, 0, |settings| TrialSettings { schedule, ..settings.clone() })
    }

    fn work_as(
        &self,
        trial: &PlannedTrial,
        attempt: u32,
        settings: impl FnOnce(&TrialSettings) -> TrialSettings,
    ) -> Option<Work> {
        let ReadyCell { instance, settings: own, guests } = self.0.get(&trial.position)?;
        let assignment = Assignment::new(trial, instance, settings(own));
        Some(Work { guests: Arc::clone(guests), assignment, attempt })
    }
}

/// What of the variant's settings the scenario sets itself: with it the variant would not be what it is called.
fn overruled<R: Rig>(rig: &R, kernel: &R::Kernel, instance: &Instance) -> Option<String> {
    let paths: Vec<String> = rig.knobs(kernel).into_iter().map(|Knob { path, .. }| path).collect();
    let option = |word: &String| word.split('=').next().unwrap_or_default().to_owned();
    let options: Vec<String> = rig.command_line(kernel).iter().map(option).collect();
    let mut set: Vec<String> =
        instance.knobs.iter().map(|knob| knob.path.clone()).filter(|it| paths.contains(it)).collect();
    set.extend(instance.guest.command_line.iter().map(option).filter(|it| options.contains(it)));
    (!set.is_empty()).then(|| format!("the scenario sets {} itself", set.join(", ")))
}
