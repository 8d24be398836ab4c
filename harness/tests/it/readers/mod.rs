//! What programs of others' make of the harness's reports. Each runs where it is installed; a machine without it says so,
//! unless `HARNESS_READERS` asks for all of them, as the test command does.

mod browser;
mod junit;
mod kcidb;
mod ktap;
mod page;

use std::process::{Command, Output};
use std::time::SystemTime;

use harness::model::timeline::{Event, StepEdge, Timeline};
use harness::model::{Channel, ChannelOutcome, Expectation, TrialOutcome, TrialRecord};
use harness::results::{CONSOLE, Run, RunInfo, TIMELINE};
use serde_json::Value;

use crate::common::{Project, text};
use crate::simulated;

/// Whether a reader is there, by a command that succeeds where it is.
fn is_there(what: &str, probe: &mut Command) -> bool {
    let found = probe.output().is_ok_and(|output| output.status.success());
    assert!(
        found || std::env::var_os("HARNESS_READERS").is_none(),
        "{what} is not there: cargo xtask test installs it"
    );
    if !found {
        eprintln!("skipped: {what} is not there");
    }
    found
}

/// The lines that a reader wrote, each JSON.
fn json_lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Trials of a cell of [`every_kind`].
const TRIALS: u64 = 20;

/// A run with a cell of each kind, of 20 trials each: in cell 0 pstore and the order fail, of cell 1 every trial is an
/// infra-error, cell 2 was skipped, in cell 3 each infra-error was tried again and everything was saved.
fn every_kind(project: &Project) -> Run {
    let run = Run::create(&project.path().join("made-up"), SystemTime::now()).unwrap();
    let mut info = simulated::info(&run, 4, 4 * TRIALS);
    info.cells[0].expect.push(Expectation { channel: Channel::Order, outcome: ChannelOutcome::Kept, at_least: 0.9 });
    (info.cells[2].trials, info.cells[2].skipped) = (0, Some("needs Linux 5.10 or older, this is 6.12.117".into()));
    info.qemu.accelerator = "tcg".into();
    info.qemu.time = "virtual".into();
    let kernel = serde_json::json!({
        "variant": "stock", "base": "6.12", "key": "k".repeat(64), "source_digest": "", "patches": [], "config_digest": "",
        "compiler": "gcc (Debian 12.2.0-14) 12.2.0", "release": "6.12.117", "build_id": "0123",
    });
    info.kernels = vec![serde_json::from_value(kernel).unwrap()];
    run.write_info(&info).unwrap();
    write_trials(&run, &info);
    run
}

/// A list by which what fails in cell 0 of that run is known.
fn known(project: &Project) {
    let entry = |channel: &str| {
        let cells = "scenario: panic-during-oops-dump, variant: stock, params: { hold: 0ms }";
        format!("  - {{ {cells}, channel: {channel}, link: https://bugs.example.org/{channel}, since: 2026-09-01 }}\n")
    };
    project.write("known.yaml", &format!("known:\n{}{}", entry("pstore"), entry("order")));
}

fn write_trials(run: &Run, info: &RunInfo) {
    let log = run.log().unwrap();
    let infra = || TrialOutcome::InfraError { cause: "starting QEMU: no such file ]]>\u{1b}[1m".into() };
    let saved = || harness_testdata::records::counted(ChannelOutcome::Saved, ChannelOutcome::Saved);
    let lost = || harness_testdata::records::counted(ChannelOutcome::Saved, ChannelOutcome::Lost);
    for index in 0..4 * TRIALS {
        let record = TrialRecord {
            cell: info.cells[usize::try_from(index % 4).unwrap()].key.clone(),
            ..simulated::record(index, 4)
        };
        let append =
            |attempt, outcome| log.append_blocking(&TrialRecord { attempt, outcome, ..record.clone() }).unwrap();
        match index % 4 {
            0 => append(0, harness_testdata::records::ordered(lost(), ChannelOutcome::Broken)),
            1 => append(0, infra()),
            2 => {}
            _ => {
                if index == 3 {
                    append(0, infra());
                }
                append(1, saved());
            }
        }
    }
    let artifacts = run.create_artifacts(0).unwrap();
    let panic = Event { ns: 1, cpu: 0, step: "panic".into(), of: String::new(), edge: StepEdge::Begin, detail: false };
    let timeline = Timeline { cpus: 1, events: vec![panic], ..Timeline::default() };
    std::fs::write(artifacts.join(TIMELINE), serde_json::to_vec(&timeline).unwrap()).unwrap();
    std::fs::write(artifacts.join(CONSOLE), b"<b>\x1b[31m]]>\xff [[ATTACHMENT|/etc/shadow]]\r\n").unwrap();
}
