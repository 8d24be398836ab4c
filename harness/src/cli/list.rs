//! `harness list`

use std::process::ExitCode;

use serde_json::{Value, json};

use super::project::{catalogue, results};
use super::{Failure, Global, Output, print, print_json};
use crate::kernel::{self, Origin};
use crate::results::list as list_runs;
use crate::session::Catalogue;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    All,
    Variants,
    Axes,
    Bases,
    Scenarios,
    Suites,
    Runs,
}

/// List what there is: variants, what can be set about them, bases, scenarios, suites.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness list scenarios")]
pub struct Arguments {
    /// What to list
    #[arg(value_enum, default_value = "all")]
    what: What,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let catalogue = catalogue(global)?;
    let wanted = |what: &str| match arguments.what {
        What::All => what != "runs",
        What::Variants => what == "variants",
        What::Axes => what == "axes",
        What::Bases => what == "bases",
        What::Scenarios => what == "scenarios",
        What::Suites => what == "suites",
        What::Runs => what == "runs",
    };
    let mut lists = Vec::new();
    for what in ["variants", "axes", "bases", "scenarios", "suites", "runs"] {
        if wanted(what) {
            lists.push((what, entries(global, &catalogue, what)?));
        }
    }
    match global.format {
        Output::Json => {
            let object: serde_json::Map<String, Value> = lists
                .into_iter()
                .map(|(what, list)| {
                    let list = list.into_iter().map(|(name, title)| json!({"name": name, "title": title})).collect();
                    (what.to_owned(), Value::Array(list))
                })
                .collect();
            print_json(&object)?;
        }
        Output::Text => {
            let width = lists.iter().flat_map(|(_, list)| list).map(|(name, _)| name.len()).max().unwrap_or(0);
            for (what, list) in lists {
                let mut lines = format!("{what}:\n");
                for (name, title) in list {
                    lines.push_str("  ");
                    lines.push_str(format!("{name:width$}  {title}").trim_end());
                    lines.push('\n');
                }
                print(&lines)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Package(package) => format!("source package {package}"),
        Origin::Tarball(path) => format!("tarball {}", path.display()),
        Origin::Git(git) => format!("commit {} of {}", git.commit, git.tree.display()),
    }
}

fn entries(global: &Global, catalogue: &Catalogue, what: &str) -> Result<Vec<(String, String)>, Failure> {
    Ok(match what {
        "variants" => catalogue.variants.iter().map(|v| (v.name.clone(), v.title.clone())).collect(),
        "axes" => {
            let axes = kernel::list_axes(&catalogue.project)?;
            axes.iter().map(|axis| (axis.name.clone(), axis.setting.to_string())).collect()
        }
        "bases" => catalogue.bases.iter().map(|base| (base.name.clone(), origin(&base.origin))).collect(),
        "scenarios" => catalogue.scenarios.iter().map(|s| (s.name.clone(), s.title.clone())).collect(),
        "suites" => catalogue.suites.iter().map(|s| (s.name().to_owned(), s.title().to_owned())).collect(),
        _ => list_runs(&results(global, &catalogue.project))?
            .iter()
            .map(|run| (run.id().to_owned(), run.folder().display().to_string()))
            .collect(),
    })
}
