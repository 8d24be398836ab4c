//! What the subcommands have in common that force a schedule.

use std::path::PathBuf;
use std::sync::Arc;

use super::Failure;
use crate::model::CellKey;
use crate::plan::{self, Selection};
use crate::schedule::ScheduleFile;
use crate::session::{Catalogue, TrialOptions};

/// A schedule on the command line.
#[derive(Debug, Clone, clap::Args)]
pub struct ScheduleArguments {
    /// Force a schedule on each trial: a file that says which CPU is held where, until when. A trial in which that did not
    /// come true is missed
    #[arg(long, value_name = "FILE")]
    schedule: Option<PathBuf>,
}

impl ScheduleArguments {
    /// Has all trials of the selection follow it, if there is one.
    pub fn force(
        &self,
        catalogue: &Catalogue,
        selection: &Selection,
        options: &mut TrialOptions,
    ) -> Result<(), Failure> {
        if self.schedule.is_none() {
            return Ok(());
        }
        let plan = plan::plan(selection, &catalogue.known(), 0, None)?;
        self.force_on(catalogue, plan.cells().iter().map(AsRef::as_ref), options)
    }

    /// Has all trials of these cells follow it, if there is one.
    pub fn force_on<'a>(
        &self,
        catalogue: &Catalogue,
        cells: impl IntoIterator<Item = &'a CellKey>,
        options: &mut TrialOptions,
    ) -> Result<(), Failure> {
        let Some(path) = &self.schedule else { return Ok(()) };
        let file = ScheduleFile::load(path)?;
        let points = cells.into_iter().map(|cell| catalogue.instance(cell)).collect::<Result<Vec<_>, Failure>>()?;
        // A cell for which there is no guest is skipped.
        let points: Vec<_> = points.into_iter().flatten().collect();
        let points: Vec<_> = points.iter().map(AsRef::as_ref).collect();
        options.schedule = Some(Arc::new(file.for_points(&points)?));
        Ok(())
    }
}
