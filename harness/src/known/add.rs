//! New entries, for what failed in a run.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Findings, KnownList};
use crate::model::{CellKey, Channel};
use crate::results::{Judged, Judgement, KernelInfo, RunInfo, Summary};
use crate::yaml::{Problems, Source};

/// What new entries say, besides what was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New<'a> {
    /// Where more is said of them.
    pub link: &'a str,
    /// The last day on which they are known, if there is one.
    pub until: Option<&'a str>,
    /// What else there is to say.
    pub note: Option<&'a str>,
}

/// An entry for each channel of a cell that failed and is not known yet, as YAML.
pub fn entries_of(info: &RunInfo, summary: &Summary, judged: &[Judged], known: &Findings, new: &New) -> Vec<String> {
    let mut told: BTreeSet<(&CellKey, Channel)> = BTreeSet::new();
    let failed = judged.iter().filter(|judged| matches!(judged.judgement, Judgement::Failed(_)));
    let failed = failed.map(|judged| (&judged.cell, judged.expectation.channel));
    let unknown = failed.filter(|(cell, channel)| known.of(cell, *channel).is_none());
    unknown.filter(|failure| told.insert(*failure)).map(|failure| entry(info, summary, failure, new)).collect()
}

fn entry(info: &RunInfo, summary: &Summary, (cell, channel): (&CellKey, Channel), new: &New) -> String {
    let CellKey { variant, base, scenario, params } = cell;
    let counts =
        summary.cells.iter().find(|counted| counted.key == *cell).map(|counted| counted.channel(channel).good());
    let of_cell = |kernel: &&KernelInfo| kernel.variant == *variant && kernel.base == *base;
    let kernel =
        info.kernels.iter().find(of_cell).map_or_else(String::new, |kernel| format!("Linux {}, ", kernel.release));
    let measured = format!("{kernel}run {}", info.run_id);
    let note = new.note.map_or_else(|| measured.clone(), |note| format!("{note} ({measured})"));
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "{}{key}: {value}", if key == "scenario" { "- " } else { "  " });
    };
    line("scenario", quoted(scenario));
    line("variant", quoted(variant));
    line("base", quoted(base));
    if !params.is_empty() {
        let params: Vec<String> = params
            .iter()
            .map(|(name, value)| format!("{name}: {}", serde_json::to_string(value).unwrap_or_default()))
            .collect();
        line("params", format!("{{ {} }}", params.join(", ")));
    }
    line("channel", channel.to_string());
    if let Some(seen) = counts.filter(|seen| seen.of() > 0) {
        line("share", format!("{}/{}", seen.hits(), seen.of()));
    }
    line("link", quoted(new.link));
    line("since", info.started.get(..10).unwrap_or(&info.started).to_owned());
    if let Some(until) = new.until {
        line("until", until.to_owned());
    }
    line("note", quoted(&note));
    text
}

/// JSON's strings are YAML's, and need no thought about what is special where.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text of a list with these entries at its end; of a new list, if there is none. It is read, so that what is written is a
/// list again.
pub fn appended(list: Option<&KnownList>, entries: &[String], path: &std::path::Path) -> Result<String, Problems> {
    let mut text = list.map_or_else(|| "known:\n".to_owned(), |list| list.text().to_owned());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let is_item = |line: &&str| line.trim_start().starts_with("- ");
    let indent = text.lines().find(is_item).map_or(2, |line| line.len() - line.trim_start().len());
    for entry in entries {
        for line in entry.lines() {
            text.extend([&" ".repeat(indent), line, "\n"]);
        }
    }
    KnownList::parse(Source::new(path, text.clone()))?;
    Ok(text)
}
