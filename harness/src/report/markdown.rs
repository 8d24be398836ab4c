//! Markdown for the summary of a CI job, a pull request or a chat.

use super::cases::{Cell, Reported, State};
use super::console::one_line;
use super::repeat::Repeat;
use super::{Format, variant_table};
use crate::model::Channel;
use crate::results::RunInfo;

/// What GitHub takes of a job's summary with room to spare, and others of a comment.
pub const MARKDOWN_BYTES: usize = 60_000;

/// What a run found: how many cases came to what, those that did not pass, and every figure. In full; see [`within`].
pub fn run_markdown(reported: &Reported) -> String {
    let cells = reported.cells();
    let cases: Vec<(&Cell, Channel, State)> = cells
        .iter()
        .flat_map(|cell| cell.channels().map(move |channel| (cell, channel, cell.state(channel))))
        .collect();
    let mut text = format!("### {}\n\n{}\n\n", verdict(&cases), facts(reported.info));
    let wrong = |wanted: fn(&State) -> Option<&str>| {
        cases.iter().filter_map(move |(cell, channel, state)| Some((*cell, *channel, wanted(state)?)))
    };
    for (title, rows) in [("failed", wrong(failed)), ("infra-error", wrong(broke))] {
        let rows: Vec<String> = rows.map(|(cell, channel, why)| row(cell, channel, why)).collect();
        if !rows.is_empty() {
            text.extend(["| ", title, " | channel | |\n| --- | --- | --- |\n", &rows.concat(), "\n"]);
        }
    }
    let rows: Vec<String> = cases
        .iter()
        .filter_map(|(cell, channel, state)| match state {
            State::Known { why, link, since } => Some(format!(
                "| {} | {channel} | {} | <{link}> since {since} |\n",
                plain(&cell.key().to_string()),
                plain(&one_line(why))
            )),
            _ => None,
        })
        .collect();
    if !rows.is_empty() {
        text.extend(["| known | channel | | |\n| --- | --- | --- | --- |\n", &rows.concat(), "\n"]);
    }
    let again: Vec<String> = reported
        .telling_trials()
        .into_iter()
        .take(AGAIN)
        .map(|trial| format!("{}\n", Repeat::of(reported.info, trial)))
        .collect();
    if !again.is_empty() {
        text.extend(["To see them again:\n\n```\n", &again.concat(), "```\n\n"]);
    }
    text + &variant_table(reported.summary, Format::Markdown)
}

/// Why it failed, if it did.
fn failed(state: &State) -> Option<&str> {
    if let State::Failed(why) = state { Some(why) } else { None }
}

/// Why nothing of it counted, if that was our own fault.
fn broke(state: &State) -> Option<&str> {
    if let State::Broke(why) = state { Some(why) } else { None }
}

/// Trials that are told how to be seen again.
const AGAIN: usize = 10;

/// `2 failed, 1 infra-error, 4 skipped, 29 as expected, 12 measured`, without those that are 0.
fn verdict(cases: &[(&Cell, Channel, State)]) -> String {
    let count = |is: fn(&State) -> bool| cases.iter().filter(|(_, _, state)| is(state)).count();
    let counts = [
        (count(|state| matches!(state, State::Failed(_))), "failed"),
        (count(|state| matches!(state, State::Known { .. })), "known to fail"),
        (count(|state| matches!(state, State::Broke(_))), "infra-error"),
        (count(|state| matches!(state, State::Skipped(_))), "skipped"),
        (count(|state| matches!(state, State::Met)), "as expected"),
        (count(|state| matches!(state, State::Measured)), "measured"),
    ];
    let told: Vec<String> =
        counts.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    if told.is_empty() { "no cells".to_owned() } else { told.join(", ") }
}

fn facts(info: &RunInfo) -> String {
    let mut releases: Vec<&str> = info.kernels.iter().map(|kernel| kernel.release.as_str()).collect();
    releases.dedup();
    format!(
        "Run `{}`: Linux {}; QEMU {}, {}; seed {}",
        info.run_id,
        if releases.is_empty() { "not built".to_owned() } else { releases.join(", ") },
        info.qemu.version,
        info.qemu.accelerator,
        info.seed
    )
}

/// A row of a table of cases; why is a guest's text, in parts.
fn row(cell: &Cell, channel: Channel, why: &str) -> String {
    format!("| {} | {channel} | {} |\n", plain(&cell.key().to_string()), plain(&one_line(why)))
}

/// Text in which nothing acts, in a table.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '[' | ']' | '!' | '~' | '#' => plain.extend(['\\', c]),
            c => plain.push(c),
        }
    }
    plain
}

/// The text if it has no more than so many bytes, else its beginning up to the end of a line, and how many rows of tables are
/// left out.
pub fn within(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    // The longest that is said below.
    let room = bytes.saturating_sub("\n```\n\n… 18446744073709551615 more rows\n".len());
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        if end + line.len() > room {
            break;
        }
        end += line.len();
    }
    let (kept, rest) = text.split_at(end);
    let rows = rest.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).count();
    let fences = kept.lines().filter(|line| line.starts_with("```")).count();
    let closed = if fences % 2 == 1 { "```\n" } else { "" };
    format!("{kept}{closed}\n… {rows} more rows\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_that_is_too_long_ends_with_a_row_and_says_what_is_missing() {
        let rows = (0..100).map(|number| format!("| cell {number} | pstore |\n")).collect::<Vec<_>>().concat();
        let text = format!("### title\n\n| a | b |\n| --- | --- |\n{rows}\nthe end\n");
        assert_eq!(within(&text, text.len()), text);
        let cut = within(&text, 200);
        assert!(cut.len() <= 200 && cut.ends_with("|\n\n… 94 more rows\n"), "{cut}");
        let fenced = format!("```\n{}```\n", "a command\n".repeat(100));
        let cut = within(&fenced, 100);
        assert!(cut.ends_with("a command\n```\n\n… 0 more rows\n"), "{cut}");
    }

    #[test]
    fn a_guests_text_is_text() {
        assert_eq!(plain("<b> | `x` [a](b) & *c*"), "&lt;b> \\| \\`x\\` \\[a\\](b) &amp; \\*c\\*");
    }

    proptest! {
        #[test]
        fn it_is_never_longer_than_asked_for(text in "([a-z|` \n…-]{0,30}\n){0,60}", bytes in 80usize..600) {
            let cut = within(&text, bytes);
            prop_assert!(cut.len() <= bytes, "{} of {bytes}", cut.len());
        }
    }
}
