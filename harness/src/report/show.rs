//! All that is known of one trial, in one text.

use std::fmt::Write as _;
use std::path::Path;

use super::console::printable;
use super::repeat::Repeat;
use super::trial::trial_text;
use crate::evidence::{console, place_console};
use crate::model::TrialRecord;
use crate::model::timeline::Timeline;
use crate::results::RunInfo;
use crate::text::seconds;
use crate::timeline::{View, timeline_text};

/// Lines of a console's end that are shown.
const CONSOLE_LINES: usize = 24;

/// A trial, with what is kept of it.
#[derive(Debug, Clone, Copy)]
pub struct ShownTrial<'a> {
    /// The run.
    pub info: &'a RunInfo,
    /// What is recorded of it.
    pub record: &'a TrialRecord,
    /// What each CPU was seen doing, if that was recorded and is kept.
    pub timeline: Option<&'a Timeline>,
    /// What its console said, if that is kept.
    pub console: Option<&'a [u8]>,
    /// Which channel has which line of what was logged, if one lacks some.
    pub difference: Option<&'a str>,
    /// Where its files are.
    pub folder: &'a Path,
    /// Their names and sizes in bytes.
    pub files: &'a [(String, u64)],
}

/// What each channel kept, what was seen, the end of the console, and how it is repeated.
pub fn shown_trial(shown: &ShownTrial) -> String {
    let ShownTrial { info, record, timeline, console: said, difference, folder, files } = *shown;
    let wall = seconds(std::time::Duration::from_millis(record.wall_ms));
    let template = record.template.as_deref().map(|template| format!(", template {template}")).unwrap_or_default();
    let mut text = format!("run {}, trial {}, {}, {wall}{template}\n", info.run_id, record.index, record.started);
    text.push_str(&trial_text(record));
    text.push('\n');
    // Writing to a string does not fail.
    if let Some(panic) = &record.panic {
        let _ = writeln!(text, "  Kernel panic: {}", printable(panic.as_bytes()));
    }
    for splat in &record.splats {
        let expected = if splat.expected { " (expected)" } else { "" };
        let _ = writeln!(text, "  reported: {}{expected}", printable(splat.title.as_bytes()));
    }
    if let Some(difference) = difference {
        let _ = write!(
            text,
            "\nWhich channel has which line of the log:\n{}\n",
            printable(difference.as_bytes()).trim_end()
        );
    }
    let decoded = console::decode(said.unwrap_or_default());
    if let Some(timeline) = timeline {
        let lines = place_console(timeline, &decoded);
        let view = View { run_id: &info.run_id, trial: record, timeline, lines: &lines, detail: false };
        let _ = write!(text, "\n{}\n", timeline_text(&view).trim_end());
    }
    if said.is_some() {
        let lines: Vec<&str> = decoded.text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(CONSOLE_LINES)..).unwrap_or_default();
        let _ = write!(text, "\nThe end of its console:\n{}\n", printable(end.join("\n").as_bytes()));
    }
    let _ = write!(text, "\nAgain: {}\n", Repeat::of(info, record));
    if files.is_empty() {
        let _ = writeln!(text, "Nothing that it left is kept in {}", folder.display());
    } else {
        let files: Vec<String> = files.iter().map(|(name, bytes)| format!("{name} ({bytes})")).collect();
        let _ = writeln!(text, "Files in {}, in bytes: {}", folder.display(), files.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChannelOutcome::{Lost, Saved};
    use crate::results::sample::{counted, info, key, trial};

    #[test]
    fn a_trial_is_told_with_what_is_kept_of_it() {
        let record = trial(12, &key("stock", "panic-alone", ""), counted(Saved, Lost));
        let (info, timeline) = (info(Vec::new()), harness_testdata::timelines::stock());
        let files = [("console.log".to_owned(), 1234), ("erst.bin".to_owned(), 524_288)];
        let shown = ShownTrial {
            info: &info,
            record: &record,
            timeline: Some(&timeline),
            console: Some(harness_testdata::timelines::CONSOLE),
            difference: Some("console pstore\n   +       -   [    5.1] \u{1b}[2Jlost\n"),
            folder: Path::new("/results/x/artifacts/00012"),
            files: &files,
        };
        let text = shown_trial(&shown);
        for part in [
            ", trial 12, ",
            "  pstore   lost",
            "Which channel has which line of the log:\nconsole pstore\n",
            "The end of its console:\n",
            "\nAgain: harness trial panic-alone --variant stock ",
            "Files in /results/x/artifacts/00012, in bytes: console.log (1234), erst.bin (524288)\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        let nothing = ShownTrial { timeline: None, console: None, difference: None, files: &[], ..shown };
        let text = shown_trial(&nothing);
        assert!(text.ends_with("Nothing that it left is kept in /results/x/artifacts/00012\n"), "{text}");
    }
}
