//! From names and filters to cells.

use std::fmt;
use std::str::FromStr;

use crate::kernel::Asked;
use crate::model::{CellKey, KernelName, Params, assignments};
use crate::scenario::{PointFilter, Scenario};
use crate::yaml::{Broken, InputError, LookupError, UnknownName, visible};

/// At ten trials a second this is more than a day.
const MAX_TRIALS: usize = 1_000_000;

/// What is to be run, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Kernels, in the order to run and show them.
    pub kernels: Vec<KernelName>,
    /// Scenarios, in the order to run and show them.
    pub scenarios: Vec<SelectedScenario>,
    /// Only points with these values. Values of one parameter are alternatives; a scenario which lacks a parameter that
    /// is named here is left out.
    pub params: Vec<ParamFilter>,
    /// Trials in each cell.
    pub trials: u32,
}

/// A scenario of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedScenario {
    /// Its name.
    pub name: String,
    /// Which of its points.
    pub only: PointFilter,
}

/// `name=value`, as on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamFilter {
    /// The parameter.
    pub name: String,
    /// Its value as it is written in the scenario.
    pub value: String,
}

/// The names there are.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The names of the project's variants.
    pub variants: &'a [String],
    /// The names of variants and bases that are this machine's alone: taken as well, but never offered, since their
    /// names mean nothing to others.
    pub scratch: &'a [String],
    /// The names of bases.
    pub bases: &'a [String],
    /// The scenarios themselves.
    pub scenarios: &'a [Scenario],
    /// What of all these cannot be used, because its file is broken.
    pub broken: &'a [Broken],
}

/// A selection that cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A variant, base, scenario, parameter or value that is not there.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// A file that is needed is broken.
    #[error(transparent)]
    Broken(#[from] InputError),
    /// The filters exist but have no point in common.
    #[error("no point of the selected scenarios has {filters}\n\nhint: the points are: {points}")]
    NothingLeft {
        /// The filters.
        filters: String,
        /// The points there are.
        points: String,
    },
    /// Something of which at least one is needed was not selected.
    #[error("selecting trials: {0}\n\nhint: name at least one")]
    Empty(&'static str),
    /// More trials than any run could finish.
    #[error(
        "selecting trials: {trials} trials in each of {cells} cells are more than {MAX_TRIALS}\n\nhint: select fewer"
    )]
    TooMany {
        /// Trials in each cell.
        trials: u32,
        /// Cells.
        cells: usize,
    },
    /// Not of the form `name=value`.
    #[error("`{}` is not a parameter with its value\n\nhint: write it as `name=value`, e.g. `hold=300ms`", visible(.0))]
    Filter(String),
}

impl FromStr for ParamFilter {
    type Err = SelectError;

    fn from_str(text: &str) -> Result<Self, SelectError> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(SelectError::Filter(text.to_owned())),
        }
    }
}

impl fmt::Display for ParamFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", visible(&self.name), visible(&self.value))
    }
}

impl From<LookupError> for SelectError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Unknown(unknown) => Self::Unknown(unknown),
            LookupError::Broken(broken) => Self::Broken(broken),
        }
    }
}

impl<'a> Known<'a> {
    /// The scenario of that name.
    pub fn scenario(&self, name: &str) -> Result<&'a Scenario, LookupError> {
        Scenario::find(self.scenarios, name).map_err(|unknown| LookupError::of(unknown, self.broken))
    }

    /// That there are such a variant and such a base. What is set about the variant is not looked at.
    pub fn kernel(&self, KernelName { variant, base }: &KernelName) -> Result<(), LookupError> {
        self.one_of("base", base, self.bases)?;
        self.one_of("variant", Asked::of(variant).name, self.variants)
    }

    /// Whether there is such a base, broken or not.
    pub fn has_base(&self, name: &str) -> bool {
        !matches!(self.one_of("base", name, self.bases), Err(LookupError::Unknown(_)))
    }

    fn one_of(&self, kind: &'static str, name: &str, offered: &[String]) -> Result<(), LookupError> {
        if offered.iter().chain(self.scratch).any(|known| known == name) {
            return Ok(());
        }
        Err(LookupError::of(UnknownName::new(kind, name, offered.iter().map(String::as_str)), self.broken))
    }
}

/// The cells of `selection`, each once: by scenario, then point, then variant.
pub(super) fn cells(selection: &Selection, known: &Known) -> Result<Vec<CellKey>, SelectError> {
    for kernel in &selection.kernels {
        known.kernel(kernel)?;
    }
    for (what, missing) in [
        ("no variant is selected", selection.kernels.is_empty()),
        ("no scenario is selected", selection.scenarios.is_empty()),
        ("no trial is selected", selection.trials == 0),
    ] {
        if missing {
            return Err(SelectError::Empty(what));
        }
    }
    let scenarios: Vec<(&Scenario, &PointFilter)> = selection
        .scenarios
        .iter()
        .map(|selected| Ok((known.scenario(&selected.name)?, &selected.only)))
        .collect::<Result<_, LookupError>>()?;
    for filter in &selection.params {
        filter.check(&scenarios)?;
    }
    let mut cells: Vec<CellKey> = Vec::new();
    let mut others: Vec<Params> = Vec::new();
    for (scenario, only) in scenarios {
        for params in scenario.points().into_iter().filter(|params| only.matches(params)) {
            if !selects(&selection.params, &params) {
                others.push(params);
                continue;
            }
            for KernelName { variant, base } in &selection.kernels {
                let cell = CellKey {
                    variant: variant.clone(),
                    base: base.clone(),
                    scenario: scenario.name.clone(),
                    params: params.clone(),
                };
                if !cells.contains(&cell) {
                    cells.push(cell);
                }
            }
        }
    }
    if cells.is_empty() {
        let points: Vec<String> = others.iter().filter(|params| !params.is_empty()).map(assignments).collect();
        return Err(SelectError::NothingLeft { filters: list(&selection.params), points: points.join("; ") });
    }
    let trials = usize::try_from(selection.trials).unwrap_or(usize::MAX);
    if cells.len().saturating_mul(trials) > MAX_TRIALS {
        return Err(SelectError::TooMany { trials: selection.trials, cells: cells.len() });
    }
    Ok(cells)
}

/// The points of `scenario` that have, for every parameter named in the filters, one of the values named for it; at least
/// one.
pub fn points(scenario: &Scenario, filters: &[ParamFilter]) -> Result<Vec<Params>, SelectError> {
    filters.iter().try_for_each(|filter| filter.check(&[(scenario, &PointFilter::default())]))?;
    let (points, others): (Vec<Params>, Vec<Params>) =
        scenario.points().into_iter().partition(|params| selects(filters, params));
    if points.is_empty() {
        let points: Vec<String> = others.iter().map(assignments).collect();
        return Err(SelectError::NothingLeft { filters: list(filters), points: points.join("; ") });
    }
    Ok(points)
}

/// Whether a point has, for every parameter named in the filters, one of the values named for it.
pub fn selects(filters: &[ParamFilter], params: &Params) -> bool {
    let has = |filter: &ParamFilter| params.get(&filter.name).is_some_and(|value| value.to_string() == filter.value);
    filters.iter().all(|filter| filters.iter().any(|other| other.name == filter.name && has(other)))
}

impl ParamFilter {
    /// That some of the scenarios have this parameter, with this value.
    fn check(&self, scenarios: &[(&Scenario, &PointFilter)]) -> Result<(), UnknownName> {
        let parameters = || scenarios.iter().flat_map(|(scenario, _)| &scenario.parameters);
        let values: Vec<String> = unique(
            parameters()
                .filter(|parameter| parameter.name == self.name)
                .flat_map(|parameter| parameter.values.iter().map(ToString::to_string)),
        );
        if values.is_empty() {
            let known = unique(parameters().map(|parameter| parameter.name.clone()));
            return Err(UnknownName::new("parameter", &self.name, known.iter().map(String::as_str)));
        }
        if values.contains(&self.value) {
            return Ok(());
        }
        Err(UnknownName::new("value", &self.value, values.iter().map(String::as_str)).of(&self.name))
    }
}

/// Each once, in the order of their first appearance.
fn unique(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique = Vec::new();
    for one in all {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    unique
}

fn list(filters: &[ParamFilter]) -> String {
    let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
    filters.join(" ")
}
