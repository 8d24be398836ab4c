//! What each kernel of a bisection is tried with.

use super::What;
use crate::cli::Failure;
use crate::cli::context::Context;
use crate::model::bisection::Criterion;
use crate::model::{CellKey, Channel, KernelName, Params};
use crate::plan::{self, SelectedScenario, Selection};
use crate::scenario::PointFilter;

/// One point of one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The scenario.
    pub scenario: String,
    /// Its parameters.
    pub params: Params,
}

impl Point {
    /// The one point that was asked for, where what is looked for can be seen.
    pub fn of(context: &Context, what: &What, criterion: &Criterion) -> Result<Self, Failure> {
        let Some(scenario) = &what.scenario else { return Err(Failure::input("no scenario\n\nhint: --scenario NAME")) };
        let selection = Selection {
            kernels: vec![KernelName::parse("stock", &context.default_base())],
            scenarios: vec![SelectedScenario { name: scenario.clone(), only: PointFilter::default() }],
            params: what.param.clone(),
            trials: 1,
        };
        let plan = plan::plan(&selection, &context.known(), 0, None)?;
        let [cell] = plan.cells() else {
            let points: Vec<String> = plan.cells().iter().map(|cell| written(&cell.params)).collect();
            return Err(Failure::input(format!(
                "scenario `{scenario}` has {} points, and a bisection is of one\n\nhint: choose one of {} with --param",
                points.len(),
                points.join("; ")
            )));
        };
        let point = Self { scenario: scenario.clone(), params: cell.params.clone() };
        point.check(context, cell, criterion)?;
        Ok(point)
    }

    /// That trials tell about the criterion.
    fn check(&self, context: &Context, cell: &CellKey, criterion: &Criterion) -> Result<(), Failure> {
        let instance = crate::cli::stages::instance(context, cell)?;
        let assertions: Vec<String> = instance.order.iter().map(ToString::to_string).collect();
        let wrong = |cause: &str, hint: &str| {
            Err(Failure::input(format!("scenario `{}` {cause}\n\nhint: {hint}", self.scenario)))
        };
        match criterion {
            Criterion::Channel(Channel::Order) if assertions.is_empty() => {
                wrong("asserts nothing about the order here", "choose another channel, or another scenario")
            }
            Criterion::Order(words) if !assertions.contains(words) => {
                let hint = if assertions.is_empty() { "it asserts none".to_owned() } else { assertions.join("; ") };
                wrong(&format!("does not assert `{words}` here"), &hint)
            }
            Criterion::Channel(Channel::Kdump) if instance.guest.crashkernel_mib.is_none() => {
                wrong("has no crash kernel here", "--kdump loads one")
            }
            _ => Ok(()),
        }
    }

    /// It, on these kernels.
    pub fn selection(&self, kernels: Vec<KernelName>, trials: u32) -> Selection {
        let scenarios = vec![SelectedScenario { name: self.scenario.clone(), only: PointFilter::default() }];
        Selection { kernels, scenarios, params: Vec::new(), trials }
    }

    /// The cell of a kernel.
    pub fn cell(&self, KernelName { variant, base }: KernelName) -> CellKey {
        CellKey { variant, base, scenario: self.scenario.clone(), params: self.params.clone() }
    }
}

/// `hold=300ms post_notifiers=0`
fn written(params: &Params) -> String {
    let params: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    params.join(" ")
}
