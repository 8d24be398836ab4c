//! What each kernel of a bisection is tried with.

use crate::failure::Failure;
use crate::model::bisection::Criterion;
use crate::model::consoles::FurtherConsole;
use crate::model::{CellKey, Channel, KernelName, Params, assignments};
use crate::plan::{self, ParamFilter, SelectedScenario, Selection};
use crate::scenario::{Instance, PointFilter};
use crate::session::Catalogue;

/// One point of one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The scenario.
    pub scenario: String,
    /// Its parameters.
    pub params: Params,
}

impl Point {
    /// The one point of the scenario that has these values, if what is looked for can be seen there.
    pub fn of(
        catalogue: &Catalogue,
        scenario: &str,
        params: &[ParamFilter],
        criterion: &Criterion,
    ) -> Result<Self, Failure> {
        let selection = Selection {
            kernels: vec![KernelName::parse("stock", &catalogue.default_base())],
            scenarios: vec![SelectedScenario { name: scenario.to_owned(), only: PointFilter::default() }],
            params: params.to_vec(),
            trials: 1,
        };
        let plan = plan::plan(&selection, &catalogue.known(), 0, None)?;
        let [cell] = plan.cells() else {
            let points: Vec<String> = plan.cells().iter().map(|cell| assignments(&cell.params)).collect();
            return Err(Failure::input(format!(
                "scenario `{scenario}` has {} points, and a bisection is of one\n\nhint: choose one of {} with --param",
                points.len(),
                points.join("; ")
            )));
        };
        let instance = catalogue.instance(cell)?.map_err(Failure::input)?;
        let point = Self { scenario: scenario.to_owned(), params: cell.params.clone() };
        point.check(&instance, criterion)?;
        Ok(point)
    }

    /// That trials tell about the criterion.
    fn check(&self, instance: &Instance, criterion: &Criterion) -> Result<(), Failure> {
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
            Criterion::Channel(Channel::Splats) if instance.allowed_splats.is_none() => {
                wrong("expects nothing of splats here", "have it expect `splats: none`")
            }
            Criterion::Channel(channel)
                if FurtherConsole::of_channel(*channel).is_some_and(|it| !instance.guest.consoles.contains(&it)) =>
            {
                let hint = format!("give it one, `guest: {{ consoles: [{channel}] }}`");
                wrong(&format!("has no {channel} here"), &hint)
            }
            Criterion::Channel(Channel::Kdump) if instance.guest.crashkernel_mib.is_none() => {
                wrong("has no crash kernel here", "--kdump loads one")
            }
            _ => Ok(()),
        }
    }

    /// The cell of a kernel.
    pub fn cell(&self, KernelName { variant, base }: KernelName) -> CellKey {
        CellKey { variant, base, scenario: self.scenario.clone(), params: self.params.clone() }
    }
}
