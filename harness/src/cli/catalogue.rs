//! `harness catalogue`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::project::{self, results};
use super::{FOUND, Failure, Global};
use crate::report::{self, ListedSuite, MEASURED_VARIANT, Measured};
use crate::results::Run;
use crate::session::Catalogue;

/// The catalogue, and the figures in it, in the project.
const CATALOGUE: &str = "docs/scenarios.md";
const MEASURED: &str = "docs/measured.json";

/// Write docs/scenarios.md: what each scenario does and why, and what was measured of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  harness catalogue\n  harness catalogue --run latest")]
pub struct Arguments {
    /// Take what this run counted of stock into docs/measured.json: its id, `latest`, or a path with a `/`
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Write nothing; end with 1 if docs/scenarios.md is not what the files give
    #[arg(long, conflicts_with = "run")]
    check: bool,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let catalogue = project::catalogue(global)?;
    for kind in ["scenario", "suite"] {
        catalogue.require_all(kind)?;
    }
    let [target, figures] = [CATALOGUE, MEASURED].map(|file| catalogue.project.root().join(file));
    let mut measured = read(&figures)?;
    if let Some(name) = &arguments.run {
        let run = Run::find(&results(global, &catalogue.project), name)?;
        let base = catalogue.default_base();
        if measured.take(&run.info()?, &run.summary()?, &base) == 0 {
            return Err(Failure::input(format!("run {} has no cell of {MEASURED_VARIANT}@{base}", run.id())));
        }
        let is_there =
            |name: &str, point: &_| catalogue.scenario(name).is_ok_and(|scenario| scenario.at(point).is_some());
        measured.retain(is_there);
        write(&figures, &measured.text().map_err(Failure::host)?)?;
    }
    let text = report::catalogue(&catalogue.scenarios, &suites(&catalogue)?, &measured);
    if !arguments.check {
        write(&target, &text)?;
        return Ok(ExitCode::SUCCESS);
    }
    if fs::read_to_string(&target).is_ok_and(|written| written == text) {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{CATALOGUE} is not what scenarios/ and {MEASURED} give\n\nhint: write it with `harness catalogue`");
    Ok(ExitCode::from(FOUND))
}

/// The figures that are kept; none if there is no file yet.
fn read(path: &Path) -> Result<Measured, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Measured::parse(&text).map_err(|e| Failure::input(format!("read {}: {e}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Measured::default()),
        Err(error) => Err(Failure::host(format!("read {}: {error}", path.display()))),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|e| Failure::host(format!("write {}: {e}", path.display())))
}

fn suites(catalogue: &Catalogue) -> Result<Vec<ListedSuite>, Failure> {
    let listed = |suite: &crate::plan::Suite| {
        let scenarios = suite.scenarios(&catalogue.known(), &[])?.into_iter().map(|scenario| scenario.name);
        Ok(ListedSuite {
            name: suite.name().to_owned(),
            title: suite.title().to_owned(),
            scenarios: scenarios.collect(),
        })
    };
    catalogue.suites.iter().map(listed).collect()
}
