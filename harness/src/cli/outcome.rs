//! What is said of a run that has ended.

use std::process::ExitCode;

use super::{BAD_INPUT, FOUND, Failure, Global, HOST, Output, print_json};
use crate::report::{judged_text, known_text, variant_table};
use crate::results::{Judged, Judgement};
use crate::session::RunOutcome;

/// Prints the table on standard output, or the summary as JSON; and where the reports are.
pub fn print(outcome: &RunOutcome, global: &Global) -> Result<(), Failure> {
    let folder = outcome.run.folder().display();
    match global.format {
        Output::Json => print_json(&outcome.summary)?,
        Output::Text => {
            super::print(&variant_table(&outcome.summary, global.table()))?;
            super::print(&judged_text(&outcome.judged, outcome.known.as_ref()))?;
            if let Some(known) = &outcome.known {
                super::print(&known_text(&outcome.judged, known))?;
            }
            super::print(&format!(
                "\n{folder}/summary.json  figures\n{folder}/junit.xml     for dashboards\n{folder}/trials.jsonl  every trial\n"
            ))?;
        }
    }
    let RunOutcome { planned, finished, .. } = *outcome;
    if finished < planned {
        eprintln!("not complete: {} of {planned} trials were not run", planned - finished);
    }
    Ok(())
}

/// Says how to resume a run that is not complete.
pub fn print_how_to_resume(outcome: &RunOutcome) {
    if outcome.finished < outcome.planned {
        eprintln!("to run the rest: harness run --resume {}", outcome.run.id());
    }
}

/// 1 if an expectation failed and that is not known; 2 if a kernel could not be built; 3 if trials could not be run; else 0.
pub fn exit_code(outcome: &RunOutcome) -> ExitCode {
    let excused = |judged: &Judged| {
        let known = outcome.known.as_ref();
        known.is_some_and(|known| known.excuses(&judged.cell, judged.expectation.channel))
    };
    let failed =
        outcome.judged.iter().any(|judged| matches!(judged.judgement, Judgement::Failed(_)) && !excused(judged));
    if failed { ExitCode::from(FOUND) } else { infra_code(outcome) }
}

/// 3 if trials could not be run, 2 if a kernel could not be built, else 0: for what is measured without judgement.
pub fn infra_code(outcome: &RunOutcome) -> ExitCode {
    let unusable = outcome.summary.cells.iter().any(|cell| cell.trials > 0 && cell.trials == cell.infra_errors);
    let cut_short = outcome.finished < outcome.planned;
    match (unusable || cut_short, outcome.failed) {
        (true, _) => ExitCode::from(HOST),
        (false, true) => ExitCode::from(BAD_INPUT),
        (false, false) => ExitCode::SUCCESS,
    }
}
