//! What has to hold after each harness, and at the end of a run.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Figures;
use super::bed::Bed;
use super::life::Ended;
use super::log::Log;

/// The exit code of a harness whose host failed it.
const HOST: i32 = 3;

/// After a harness has ended: how, and that its QEMUs and all but one of the temporary folders have gone with it.
pub fn life(bed: &Bed, ended: &Ended, place: &str, figures: &mut Figures) {
    /// A process that is killed needs a moment to be gone.
    const MOMENT: Duration = Duration::from_secs(20);
    let wrong = &mut figures.wrong;
    // Of a QEMU that is killed before there are trials the host fails the harness; a trial is tried again.
    let no_trials = ended.qemu_killed && !ended.said.contains("trials: ");
    let failed_by_its_host = ended.status.code() == Some(HOST) && (ended.full || no_trials);
    let as_it_should = ended.killed || ended.complete() || failed_by_its_host;
    if !as_it_should {
        wrong.push(format!("{place}: ended with {}:\n{}", ended.status, ended.said));
    }
    if ended.said.contains("panicked at") {
        wrong.push(format!("{place}: panicked:\n{}", ended.said));
    }
    let until = Instant::now() + MOMENT;
    let orphans = loop {
        let processes = bed.processes();
        if processes.is_empty() || Instant::now() > until {
            break processes;
        }
        sleep(Duration::from_millis(5));
    };
    if !orphans.is_empty() {
        wrong.push(format!("{place}: ORPHANS {MOMENT:?} after the harness ended: {orphans:?}"));
        for pid in orphans {
            crate::common::processes::send(pid, crate::common::processes::Signal::KILL);
        }
    }
    let left = names(bed.temporary()).into_iter().filter(|name| name.starts_with("harness-trials-")).count();
    if left > usize::from(ended.killed) {
        wrong.push(format!("{place}: {left} folders of trials are left"));
    }
}

/// At the end of a run: that every trial is finished once, with nothing but infra-errors before, and that the reports tell
/// what the log has.
pub fn run(run: &Path, log: &Log, place: &str, figures: &mut Figures) {
    let wrong = &mut figures.wrong;
    for (index, times) in log.finished().into_iter().filter(|(_, times)| *times != 1) {
        wrong.push(format!("{place}: trial {index} is finished {times} times"));
    }
    let mut counted: BTreeMap<[String; 3], Counted> = BTreeMap::new();
    let mut last: BTreeMap<u64, Value> = BTreeMap::new();
    for record in log.records() {
        let index = record["index"].as_u64().unwrap_or(u64::MAX);
        let cell = counted.entry(cell_of(&record)).or_default();
        let again = last.insert(index, record.clone());
        if let Some(before) = &again {
            cell.retried += 1;
            if before["outcome"] != "infra-error" || before["attempt"].as_u64() >= record["attempt"].as_u64() {
                wrong.push(format!("{place}: trial {index} is recorded again: {before} {record}"));
            }
        }
        cell.trials += u32::from(again.is_none());
        match record["outcome"].as_str() {
            Some("missed") => cell.missed += 1,
            Some("infra-error") => figures.infra_errors += 1,
            _ => (),
        }
        // Whatever was done to the harness and QEMU, the kernel has not hung, nor has it lost anything.
        if record["hung"] == true {
            wrong.push(format!("{place}: the kernel is blamed: {record}"));
        }
        for (channel, verdict) in record["channels"].as_object().into_iter().flatten() {
            *cell.channels.entry(channel.clone()).or_default() += u32::from(is_good(&verdict["outcome"]));
        }
    }
    let junit = std::fs::read_to_string(run.join("junit.xml")).unwrap_or_default();
    let summary = std::fs::read(run.join("summary.json")).unwrap_or_default();
    let summary: Value = serde_json::from_slice(&summary).unwrap_or_default();
    let cells = summary["cells"].as_array().cloned().unwrap_or_default();
    if cells.len() != counted.len() {
        wrong.push(format!("{place}: {} cells in summary.json, {} in the log", cells.len(), counted.len()));
    }
    for cell in &cells {
        let key = cell_of(cell);
        let own = counted.get(&key).cloned().unwrap_or_default();
        let theirs = Counted {
            trials: number(&cell["trials"]),
            missed: number(&cell["missed"]),
            retried: number(&cell["retried"]),
            channels: own
                .channels
                .keys()
                .map(|channel| (channel.clone(), good_of(&cell["channels"][channel])))
                .collect(),
        };
        if theirs != own {
            wrong.push(format!("{place}: {key:?}: the log has {own:?}, summary.json {theirs:?}"));
        }
        let [variant, base, scenario] = &key;
        let suite = format!("<testsuite name=\"{variant}@{base} {scenario}\"");
        let suite = junit.split_once(&suite).and_then(|(_, rest)| rest.split_once("</testsuite>"));
        let suite = suite.map_or("", |(suite, _)| suite);
        let mut told = vec![format!("cell: {} trials, {} missed, 0 infra-error, 0 hung", own.trials, own.missed)];
        for (channel, good) in &own.channels {
            let word = if channel == "order" { "kept" } else { "saved" };
            told.push(format!("{channel}: {good} {word} of {} (", own.trials - own.missed));
        }
        for line in told.iter().filter(|line| !suite.contains(*line)) {
            wrong.push(format!("{place}: {key:?}: not in junit.xml: {line}"));
        }
    }
}

/// That a harness which ended by itself has left nothing of those before it.
pub fn nothing_left(bed: &Bed, run: &Path, place: &str, figures: &mut Figures) {
    let is_of_a_run =
        |name: &String| ["artifacts", "junit.xml", "run.json", "summary.json", "trials.jsonl"].contains(&name.as_str());
    let id = run.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let left = [
        ("the temporary folder", names(bed.temporary())),
        ("the run's folder", names(run).into_iter().filter(|name| !is_of_a_run(name)).collect()),
        (
            "the results",
            names(run.parent().unwrap()).into_iter().filter(|name| name != "latest" && name != id).collect(),
        ),
    ];
    for (place_of_it, names) in left.into_iter().filter(|(_, names)| !names.is_empty()) {
        figures.wrong.push(format!("{place}: LEFT in {place_of_it}: {names:?}"));
    }
}

/// That whoever makes a template later has removed those that were never completed.
pub fn no_template_left(bed: &Bed, figures: &mut Figures) {
    let left: Vec<String> = names(&bed.templates()).into_iter().filter(|name| name.starts_with('.')).collect();
    if !left.is_empty() {
        figures.wrong.push(format!("LEFT in the templates: {left:?}"));
    }
}

/// What is counted of a cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counted {
    trials: u32,
    missed: u32,
    retried: u32,
    /// By channel, how often it had its good outcome.
    channels: BTreeMap<String, u32>,
}

fn cell_of(value: &Value) -> [String; 3] {
    ["variant", "base", "scenario"].map(|name| value[name].as_str().unwrap_or_default().to_owned())
}

fn is_good(outcome: &Value) -> bool {
    outcome == "saved" || outcome == "kept"
}

fn good_of(counts: &Value) -> u32 {
    number(&counts["saved"]) + number(&counts["kept"])
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or(0)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
