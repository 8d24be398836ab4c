//! `harness curve`

use std::process::ExitCode;

use super::project::{project, results};
use super::{Failure, Global, Output, print, print_json};
use crate::model::Channel;
use crate::plan::{ParamFilter, selects};
use crate::report::{Curve, CurveError, CurveOf};
use crate::results::Run;

/// Show how often a scenario had the good outcome along a parameter of its sweep.
///
/// A line for each variant and each combination of the other parameters, with 95 % intervals.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  harness curve latest --scenario panic-during-oops-dump --x hold --variant stock --as svg > hold.svg"
)]
pub struct Arguments {
    /// The run: its id, `latest`, or a path with a `/`
    run: String,
    /// The scenario
    #[arg(long, value_name = "NAME")]
    scenario: String,
    /// The parameter; its values must be numbers, or times
    #[arg(long, value_name = "PARAM")]
    x: String,
    /// The channel
    #[arg(long, value_name = "CHANNEL", default_value = "pstore", value_parser = channel)]
    channel: Channel,
    /// Only this variant, NAME or NAME@BASE (repeatable) [default: all of the run's]
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// Only points with this value of a parameter (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<ParamFilter>,
    /// Write another form than --format knows
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Option<Form>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// Comma-separated values: x,series,n,good,share,lo,hi
    Csv,
    /// A picture
    Svg,
}

/// Reads a channel's name.
pub fn channel(text: &str) -> Result<Channel, String> {
    let names = || Channel::ALL.map(Channel::name).join(", ");
    Channel::ALL
        .into_iter()
        .find(|channel| channel.name() == text)
        .ok_or_else(|| format!("the channels are {}", names()))
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let Arguments { run, scenario, x, channel, variant, param, form } = arguments;
    let run = Run::find(&results(global, &project(global)?), run)?;
    let of = CurveOf { scenario, x, channel: *channel, variants: variant };
    let curve = Curve::of(&run.summary()?, &of, |key| selects(param, &key.params))?;
    match (form, global.format) {
        (Some(Form::Csv), _) => print(&curve.csv())?,
        (Some(Form::Svg), _) => print(&curve.picture()?.document())?,
        (None, Output::Text) => print(&curve.text())?,
        (None, Output::Json) => print_json(&curve)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl From<CurveError> for Failure {
    fn from(error: CurveError) -> Self {
        Self::input(error)
    }
}
