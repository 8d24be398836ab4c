//! A line of a history: what one cell counted in one night.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::model::{CellKey, Channel, Params};
use crate::results::{Judged, Judgement, KernelInfo, RunInfo, Summary};
use crate::stats::Proportion;

/// The form of the lines that this harness writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// What one cell counted in one night, and what the night was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// [`SCHEMA_VERSION`] when it was written.
    pub schema_version: u32,
    /// The run.
    pub run: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// The harness, by its commit or its version.
    pub harness: String,
    /// The version of QEMU, and what executed the guests.
    pub qemu: String,
    /// Trials that were planned are missing in the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_short: bool,
    /// The variant.
    pub variant: String,
    /// The base.
    pub base: String,
    /// The scenario.
    pub scenario: String,
    /// The point of its sweep.
    pub params: Params,
    /// The kernel's release; none if it was not built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The commit that its source is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Trials that were run, each once.
    pub trials: u32,
    /// Those that missed.
    pub missed: u32,
    /// Those that failed by our fault or the host's.
    pub infra_errors: u32,
    /// Why it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What each channel counted.
    pub channels: BTreeMap<Channel, Counted>,
}

/// What a channel counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Counted {
    /// How often it had the good outcome, of the trials that counted.
    pub good: Proportion,
    /// Whether what was expected was refuted; none if nothing was expected, or nothing counted.
    pub failed: Option<bool>,
}

/// [`Counted`] as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    good: u32,
    of: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<bool>,
}

impl TryFrom<Written> for Counted {
    type Error = String;

    fn try_from(Written { good, of, failed }: Written) -> Result<Self, String> {
        let good = Proportion::new(good, of).ok_or_else(|| format!("of {of} trials {good} were good"))?;
        Ok(Self { good, failed })
    }
}

impl From<Counted> for Written {
    fn from(Counted { good, failed }: Counted) -> Self {
        Self { good: good.hits(), of: good.of(), failed }
    }
}

/// The lines of a run, in its plan's order; of a run that was cut short too.
pub fn lines_of(info: &RunInfo, summary: &Summary, judged: &[Judged]) -> Result<Vec<Line>, Error> {
    if let Some(shard) = info.shard {
        let (index, of) = (shard.index(), shard.of());
        return Err(Error::Shard { run: info.run_id.clone(), index, of });
    }
    if info.bisected.is_some() {
        return Err(Error::Bisection { run: info.run_id.clone() });
    }
    let mut failed: BTreeMap<(&CellKey, Channel), bool> = BTreeMap::new();
    for judged in judged.iter().filter(|judged| !matches!(judged.judgement, Judgement::Unknown(_))) {
        let refuted = matches!(judged.judgement, Judgement::Failed(_));
        *failed.entry((&judged.cell, judged.expectation.channel)).or_default() |= refuted;
    }
    let planned: u64 = info.cells.iter().map(|cell| u64::from(cell.trials)).sum();
    let run: u64 = summary.cells.iter().map(|cell| u64::from(cell.trials)).sum();
    // How many trials a sequential run was to have is not known.
    let cut_short = info.until.is_none() && run < planned;
    let harness = info.harness.git.as_ref().unwrap_or(&info.harness.version);
    let line = |cell: &crate::results::CellSummary| {
        let of_cell = |kernel: &&KernelInfo| kernel.variant == cell.key.variant && kernel.base == cell.key.base;
        let kernel = info.kernels.iter().find(of_cell);
        let channels = cell.channels.iter().map(|(&channel, counts)| {
            let failed = failed.get(&(&cell.key, channel)).copied();
            (channel, Counted { good: counts.good(), failed })
        });
        let CellKey { variant, base, scenario, params } = cell.key.clone();
        Line {
            schema_version: SCHEMA_VERSION,
            run: info.run_id.clone(),
            started: info.started.clone(),
            harness: harness.clone(),
            qemu: format!("{} {}", info.qemu.version, info.qemu.accelerator),
            cut_short,
            variant,
            base,
            scenario,
            params,
            release: kernel.map(|kernel| kernel.release.clone()),
            commit: kernel.and_then(|kernel| kernel.commit.clone()),
            trials: cell.trials,
            missed: cell.missed,
            infra_errors: cell.infra_errors,
            skipped: cell.skipped.clone(),
            channels: channels.collect(),
        }
    };
    Ok(summary.cells.iter().map(line).collect())
}
