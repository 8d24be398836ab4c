//! `harness list`

use std::process::ExitCode;

use serde_json::{Value, json};

use super::project::{catalogue, results};
use super::{Failure, Global, Output, print, print_json};
use crate::kernel::Origin;
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

/// An entry of a list: its name, and its title or why it cannot be used.
type Entry = (String, Result<String, String>);

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
            let entry = |(name, title): Entry| match title {
                Ok(title) => json!({"name": name, "title": title}),
                Err(error) => json!({"name": name, "error": error}),
            };
            let object: serde_json::Map<String, Value> = lists
                .into_iter()
                .map(|(what, list)| (what.to_owned(), Value::Array(list.into_iter().map(entry).collect())))
                .collect();
            print_json(&object)?;
        }
        Output::Text => {
            let width = lists.iter().flat_map(|(_, list)| list).map(|(name, _)| name.len()).max().unwrap_or(0);
            for (what, list) in lists {
                let mut lines = format!("{what}:\n");
                for (name, title) in list {
                    let title = title.unwrap_or_else(|error| format!("broken: {error}"));
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
        Origin::Prebuilt(prebuilt) => format!("kernel {}, built already", prebuilt.image.display()),
    }
}

/// What there is of a kind, and behind it what is broken.
fn entries(global: &Global, catalogue: &Catalogue, what: &str) -> Result<Vec<Entry>, Failure> {
    let (kind, good): (&str, Vec<(String, String)>) = match what {
        "variants" => ("variant", catalogue.variants.iter().map(|v| (v.name.clone(), v.title.clone())).collect()),
        "axes" => ("axis", catalogue.axes.iter().map(|axis| (axis.name.clone(), axis.setting.to_string())).collect()),
        "bases" => ("base", catalogue.bases.iter().map(|base| (base.name.clone(), origin(&base.origin))).collect()),
        "scenarios" => ("scenario", catalogue.scenarios.iter().map(|s| (s.name.clone(), s.title.clone())).collect()),
        "suites" => ("suite", catalogue.suites.iter().map(|s| (s.name().to_owned(), s.title().to_owned())).collect()),
        _ => {
            let runs = list_runs(&results(global, &catalogue.project))?;
            ("run", runs.iter().map(|run| (run.id().to_owned(), run.folder().display().to_string())).collect())
        }
    };
    let good = good.into_iter().map(|(name, title)| (name, Ok(title)));
    let broken = catalogue.broken(kind).map(|broken| (broken.shown(), Err(broken.to_string())));
    Ok(good.chain(broken).collect())
}
