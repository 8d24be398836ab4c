//! Assertions on the order of steps, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::timeline::StepEdge;
use crate::scenario::scalar::{Scalar, Where};
use crate::scenario::schema;
use crate::yaml::At;

/// Something that must be so in a trial's timeline.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "OrderAssertion")]
pub(in crate::scenario) enum OrderFile {
    /// One moment comes first, then the other.
    Before(Before),
    /// Every CPU but the one on which the moment comes is stopped before it.
    StoppedBefore(StoppedBefore),
    /// Some CPU is stopped, and nothing is seen on any CPU after it was.
    NothingAfterStopped(NothingAfterStopped),
    /// The moment comes this many times.
    Count(Count),
    /// From one moment to the next other one on the same CPU it takes no longer. Passed over in virtual time.
    Within(Within),
}

/// One moment comes first, then the other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct Before {
    /// The one that comes first.
    pub first: MomentFile,
    /// The other.
    pub then: MomentFile,
    /// At which points of the sweep this is asserted. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

/// Every CPU but the one on which the moment comes is stopped before it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct StoppedBefore {
    /// The moment.
    pub moment: MomentFile,
    /// At which points of the sweep this is asserted. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

/// Some CPU is stopped, and nothing is seen on any CPU after it was.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct NothingAfterStopped {
    /// At which points of the sweep this is asserted. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

/// The moment comes this many times.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct Count {
    /// The moment.
    pub moment: MomentFile,
    /// How often; 0: never.
    pub times: u32,
    /// At which points of the sweep this is asserted. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

/// From one moment to the next other one on the same CPU it takes no longer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct Within {
    /// Where it begins.
    pub from: MomentFile,
    /// Where it ends.
    pub to: MomentFile,
    /// The longest time.
    #[schemars(with = "schema::SweptDuration")]
    pub at_most: At<Scalar>,
    /// At which points of the sweep this is asserted. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

/// A step of the scenario's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "OwnStep")]
pub(in crate::scenario) enum StepFile {
    /// A function of the kernel's is entered.
    Enters(Enters),
}

/// A function of the kernel's is entered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct Enters {
    /// What the step is called: small letters, digits and `_`.
    #[schemars(with = "schema::OwnStepName")]
    pub step: At<String>,
    /// The function, by the names that it had over time: the first that the kernel has is looked for.
    #[schemars(with = "Vec<schema::Symbol>", length(min = 1))]
    pub functions: Vec<At<String>>,
    /// Whether its end is seen as well. Default: no.
    #[serde(default)]
    pub returns: bool,
}

/// The first event of a timeline that is of this kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Moment")]
pub(in crate::scenario) struct MomentFile {
    /// The step.
    #[schemars(with = "schema::StepName")]
    pub step: At<String>,
    /// Which one, where a step has several: the function of a notifier, of a dumper or of a back end; the name of an
    /// actor. Default: of any.
    #[schemars(with = "Option<schema::OfStep>")]
    pub of: Option<At<String>>,
    /// Its beginning or its end. Default: begin.
    pub edge: Option<At<StepEdge>>,
    /// A step that the same CPU must have begun before.
    #[schemars(with = "Option<schema::StepName>")]
    pub after: Option<At<String>>,
}

impl OrderFile {
    /// At which points of the sweep it is asserted.
    pub(in crate::scenario) const fn only(&self) -> &Where {
        match self {
            Self::Before(Before { only, .. })
            | Self::StoppedBefore(StoppedBefore { only, .. })
            | Self::NothingAfterStopped(NothingAfterStopped { only })
            | Self::Count(Count { only, .. })
            | Self::Within(Within { only, .. }) => only,
        }
    }

    /// The moments that it is about, in the order of the format.
    pub(in crate::scenario) fn moments(&self) -> Vec<&MomentFile> {
        match self {
            Self::Before(Before { first, then, .. }) => vec![first, then],
            Self::StoppedBefore(StoppedBefore { moment, .. }) | Self::Count(Count { moment, .. }) => vec![moment],
            Self::NothingAfterStopped(_) => vec![],
            Self::Within(Within { from, to, .. }) => vec![from, to],
        }
    }
}
