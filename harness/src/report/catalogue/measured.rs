//! `docs/measured.json`: what was measured of today's kernel, small enough for git.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Channel, Params};
use crate::results::{CellSummary, RunInfo, Summary};
use crate::stats::Proportion;

/// The variant whose figures are kept: today's kernel.
pub const MEASURED_VARIANT: &str = "stock";

/// What was measured, each point once, with the run that it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The runs that some cell is from, by name.
    pub(super) runs: Vec<MeasuredRun>,
    /// By scenario and point.
    pub(super) cells: Vec<MeasuredCell>,
}

/// Where figures come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct MeasuredRun {
    /// The run's name.
    pub run: String,
    /// When it began, `2026-11-22`.
    pub date: String,
    /// The kernel's release.
    pub kernel: String,
    /// QEMU's version.
    pub qemu: String,
    /// `tcg` or `kvm`.
    pub accelerator: String,
    /// `real` or `virtual`.
    pub time: String,
}

/// What came of one point of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MeasuredCell {
    /// The scenario.
    pub scenario: String,
    /// The point.
    pub params: Params,
    /// The run.
    pub run: String,
    /// Trials in which the guest hung, among those that counted.
    pub hung: u32,
    /// Trials whose faults did not meet.
    pub missed: u32,
    /// Why it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// How many trials had the channel's good outcome, and how many counted.
    #[serde(with = "shares")]
    pub channels: BTreeMap<Channel, Proportion>,
}

/// The file is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MeasuredError(#[from] serde_json::Error);

impl Measured {
    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Self, MeasuredError> {
        Ok(serde_json::from_str(text)?)
    }

    /// Takes over what a run counted of [`MEASURED_VARIANT`] on a base, in place of what is known of these points; how
    /// many they are.
    pub fn take(&mut self, info: &RunInfo, summary: &Summary, base: &str) -> usize {
        let is_meant = |variant: &str, of: &str| variant == MEASURED_VARIANT && of == base;
        let Some(kernel) = info.kernels.iter().find(|kernel| is_meant(&kernel.variant, &kernel.base)) else { return 0 };
        let cells = summary.cells.iter().filter(|cell| is_meant(&cell.key.variant, &cell.key.base));
        let taken: Vec<MeasuredCell> = cells.map(|cell| MeasuredCell::of(cell, &info.run_id)).collect();
        self.cells.retain(|cell| !taken.iter().any(|new| new.is_at(cell)));
        let count = taken.len();
        self.cells.extend(taken);
        self.cells.sort_by(|a, b| (&a.scenario, &a.params).cmp(&(&b.scenario, &b.params)));
        self.runs.retain(|run| run.run != info.run_id);
        self.runs.push(MeasuredRun {
            run: info.run_id.clone(),
            date: info.started.split('T').next().unwrap_or_default().to_owned(),
            kernel: kernel.release.clone(),
            qemu: info.qemu.version.clone(),
            accelerator: info.qemu.accelerator.clone(),
            time: info.qemu.time.clone(),
        });
        self.tidy();
        count
    }

    /// Leaves out what is not `wanted`, a scenario and a point.
    pub fn retain(&mut self, wanted: impl Fn(&str, &Params) -> bool) {
        self.cells.retain(|cell| wanted(&cell.scenario, &cell.params));
        self.tidy();
    }

    /// The file's text: JSON, a line for each run and cell, so that git shows what has changed.
    pub fn text(&self) -> Result<String, MeasuredError> {
        let runs = self.runs.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        let cells = self.cells.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("{{\"runs\": [\n{}\n],\n\"cells\": [\n{}\n]}}\n", runs.join(",\n"), cells.join(",\n")))
    }

    /// Leaves out runs that no cell is from.
    fn tidy(&mut self) {
        let Self { runs, cells } = self;
        runs.retain(|run| cells.iter().any(|cell| cell.run == run.run));
        runs.sort();
    }
}

impl MeasuredCell {
    fn of(cell: &CellSummary, run: &str) -> Self {
        Self {
            scenario: cell.key.scenario.clone(),
            params: cell.key.params.clone(),
            run: run.to_owned(),
            hung: cell.hung,
            missed: cell.missed,
            skipped: cell.skipped.clone(),
            channels: cell.channels.iter().map(|(channel, counts)| (*channel, counts.good())).collect(),
        }
    }

    fn is_at(&self, other: &Self) -> bool {
        (&self.scenario, &self.params) == (&other.scenario, &other.params)
    }
}

impl fmt::Display for MeasuredRun {
    /// `Measured on 2026-11-22: Linux 6.12.117, QEMU 7.2.22 (tcg, virtual time).`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, kernel, qemu, accelerator, time, .. } = self;
        write!(f, "Measured on {date}: Linux {kernel}, QEMU {qemu} ({accelerator}, {time} time).")
    }
}

/// `{"console": [20, 20]}`: a count, and its total.
mod shares {
    use super::{BTreeMap, Channel, Deserialize as _, Deserializer, Proportion, Serialize as _, Serializer};

    pub fn serialize<S: Serializer>(shares: &BTreeMap<Channel, Proportion>, to: S) -> Result<S::Ok, S::Error> {
        let pairs = shares.iter().map(|(channel, share)| (channel, [share.hits(), share.of()]));
        pairs.collect::<BTreeMap<_, _>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Channel, Proportion>, D::Error> {
        let pairs = BTreeMap::<Channel, [u32; 2]>::deserialize(from)?;
        let share = |(channel, [hits, of]): (Channel, [u32; 2])| {
            let share = Proportion::new(hits, of);
            let share = share.ok_or_else(|| serde::de::Error::custom(format!("{channel}: {hits} of {of}")))?;
            Ok((channel, share))
        };
        pairs.into_iter().map(share).collect()
    }
}
