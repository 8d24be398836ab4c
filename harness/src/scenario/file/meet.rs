//! Conditions for a trial to count, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::scalar::{Scalar, Where};
use crate::scenario::schema;
use crate::yaml::At;

/// A condition for a trial to count.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Precondition")]
pub(in crate::scenario) enum MeetFile {
    /// One actor enters while another is inside of its critical section.
    EntersDuring(EntersDuring),
    /// An actor leaves its critical section.
    Left(Alone),
    /// An actor never leaves its critical section.
    NeverLeft(Alone),
    /// Two actors enter at most a given time apart.
    Apart(Apart),
}

/// One actor enters while another is inside of its critical section.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct EntersDuring {
    /// The one that enters.
    #[schemars(with = "schema::ActorName")]
    pub actor: At<String>,
    /// The one that is inside; of an actor on `all-others`, each.
    #[schemars(with = "schema::ActorName")]
    pub of: At<String>,
    /// At which points of the sweep this is asked. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

/// Something about one actor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct Alone {
    /// The actor.
    #[schemars(with = "schema::ActorName")]
    pub actor: At<String>,
    /// At which points of the sweep this is asked. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

/// Two actors enter at most a given time apart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct Apart {
    /// One of them.
    #[schemars(with = "schema::ActorName")]
    pub actor: At<String>,
    /// The other one.
    #[schemars(with = "schema::ActorName")]
    pub from: At<String>,
    /// The longest time between.
    #[schemars(with = "schema::SweptDuration")]
    pub at_most: At<Scalar>,
    /// At which points of the sweep this is asked. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

impl MeetFile {
    /// At which points of the sweep it is asked.
    pub(in crate::scenario) const fn only(&self) -> &Where {
        match self {
            Self::EntersDuring(EntersDuring { only, .. })
            | Self::Left(Alone { only, .. })
            | Self::NeverLeft(Alone { only, .. })
            | Self::Apart(Apart { only, .. }) => only,
        }
    }
}
