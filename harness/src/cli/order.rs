//! `harness order`

use std::process::ExitCode;

use serde_json::json;

use super::project::{project, results};
use super::{Failure, Global, Output, print, print_json};
use crate::compare::{Point, Side};
use crate::model::CellKey;
use crate::plan::{ParamFilter, selects};
use crate::results::LATEST;
use crate::timeline::{Tallied, VariantOrder, orders_svg, orders_text, tallied};
use crate::yaml::UnknownName;

/// Show in which order variants go through the steps of dying.
///
/// For each scenario and each of its points: the sequence of steps that most of a variant's counted trials followed, by
/// their timelines, how many did, and how the others deviated. Several variants stand side by side.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  harness order stock kmsg-dump-before-stop --scenario panic-alone --as svg > order.svg"
)]
pub struct Arguments {
    /// Which variants: `VARIANT`, `VARIANT@BASE`, or `RUN:VARIANT`
    #[arg(required = true, value_name = "VARIANT")]
    variants: Vec<String>,
    /// The run they are of: its id, `latest`, or a path with a `/`
    #[arg(long, value_name = "RUN", default_value = LATEST)]
    run: String,
    /// Only this scenario
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Only points with this value of a parameter (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<ParamFilter>,
    /// Write another form than --format knows; a picture shows one point
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Option<Form>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// A picture
    Svg,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let results = results(global, &project(global)?);
    let wanted = |cell: &CellKey| {
        let scenario = arguments.scenario.as_ref().is_none_or(|name| *name == cell.scenario);
        scenario && selects(&arguments.param, &cell.params)
    };
    // By point, in the order of the first variant's.
    let mut points: Vec<(Point, Vec<VariantOrder>)> = Vec::new();
    let mut scenarios: Vec<String> = Vec::new();
    for (number, text) in arguments.variants.iter().enumerate() {
        let column = Side::parse(text)?.or_run(&arguments.run).load(&results)?;
        scenarios.extend(column.cells.iter().map(|cell| cell.key.scenario.clone()));
        for (point, tallied) in tallied(&column, wanted)? {
            let Tallied { counted, order } = tallied;
            let variant = VariantOrder { variant: text.clone(), counted, order };
            match points.iter_mut().find(|(known, _)| *known == point) {
                Some((_, variants)) => variants.push(variant),
                None if number == 0 => points.push((point, vec![variant])),
                None => {}
            }
        }
    }
    if let Some(name) = &arguments.scenario
        && !scenarios.contains(name)
    {
        scenarios.sort_unstable();
        scenarios.dedup();
        return Err(UnknownName::new("scenario", name, scenarios.iter().map(String::as_str)).of(&arguments.run).into());
    }
    points.retain(|(_, variants)| variants.iter().any(|variant| variant.order.is_some()));
    if points.is_empty() {
        return Err(Failure::input(format!(
            "no trial that was asked for has a timeline in run {}\n\n\
             hint: it was not traced, or this host cannot trace: `harness doctor` tells",
            arguments.run
        )));
    }
    match (arguments.form, global.format) {
        (Some(Form::Svg), _) => {
            let [(point, variants)] = points.as_slice() else {
                return Err(Failure::input(format!(
                    "a picture shows one point, and these are {}: {}\n\nhint: choose one with --scenario and --param",
                    points.len(),
                    points.iter().map(|(point, _)| point.to_string()).collect::<Vec<_>>().join("; ")
                )));
            };
            print(&orders_svg(&point.to_string(), variants))?;
        }
        (None, Output::Text) => {
            let texts: Vec<String> =
                points.iter().map(|(point, variants)| orders_text(&point.to_string(), variants)).collect();
            print(&texts.join("\n"))?;
        }
        (None, Output::Json) => {
            let variant = |variant: &VariantOrder| json!({"variant": variant.variant, "counted": variant.counted, "order": variant.order});
            let point = |(point, variants): &(Point, Vec<VariantOrder>)| {
                let variants: Vec<_> = variants.iter().map(variant).collect();
                json!({"scenario": point.scenario, "params": point.params, "variants": variants})
            };
            print_json(&json!({"points": points.iter().map(point).collect::<Vec<_>>()}))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
