use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::evidence::{console, place_console};
use crate::model::ChannelOutcome::{Lost, Saved};
use crate::model::timeline::{Event, StepEdge, Timeline};
use crate::results::sample::{counted, key, trial};
use harness_testdata::timelines::{CONSOLE, absent, any_timeline, event, stock, timeline};

mod orders;
mod pictures;
