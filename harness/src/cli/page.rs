//! Pages of runs, on the command line.

use std::path::PathBuf;

use super::{Failure, Output, print};
use crate::known::KnownList;
use crate::results::{Run, write_whole};
use crate::session::{Recorded, page_of};

/// Whether a run is written as a page as well.
#[derive(Debug, Clone, clap::Args)]
pub struct PageArguments {
    /// Write the run as a page as well, one HTML file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl PageArguments {
    /// In the run's folder.
    pub fn among_the_results(run: &Run) -> Self {
        Self { html: Some(run.folder().join("report.html")) }
    }

    /// Writes it, if it was asked for, and says where it is among the other results.
    pub fn write(&self, run: &Run, known: Option<KnownList>, format: Output) -> Result<(), Failure> {
        let Some(file) = &self.html else { return Ok(()) };
        write_whole(file, page_of(&Recorded::read(run.clone(), known)?)?.as_bytes())?;
        match format {
            Output::Text => print(&format!("{}  for a browser\n", file.display())),
            Output::Json => Ok(()),
        }
    }
}
