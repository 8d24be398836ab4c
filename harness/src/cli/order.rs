//! `harness order`

use std::process::ExitCode;

use serde_json::json;

use super::project::{project, results};
use super::{Failure, Global, Output, print, print_json};
use crate::compare::{self, Point, Side};
use crate::model::CellKey;
use crate::plan::{ParamFilter, selects};
use crate::results::LATEST;
use crate::timeline::{VariantOrder, nothing_to_order, orders_picture, orders_text, side_by_side};

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
    let columns = arguments.variants.iter().map(|text| {
        let column = Side::parse(text)?.or_run(&arguments.run).load(&results)?;
        Ok((text.clone(), column))
    });
    let columns = columns.collect::<Result<Vec<_>, compare::Error>>()?;
    let wanted = |cell: &CellKey| {
        let scenario = arguments.scenario.as_ref().is_none_or(|name| *name == cell.scenario);
        scenario && selects(&arguments.param, &cell.params)
    };
    let points = side_by_side(&columns, wanted)?;
    if points.is_empty() {
        return Err(nothing_to_order(&columns, arguments.scenario.as_deref(), &arguments.run));
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
            print(&orders_picture(&point.to_string(), variants).document())?;
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
