//! A history for people: on a terminal or as Markdown.

use super::{bisect, counts, date, sparkline, tally, when};
use crate::history::{Group, History, Judged, Row, State};
use crate::model::assignments;
use crate::report::Format;
use crate::report::grid::{Grid, Tone};

/// What is not simply steady: what changed in the same nights together, then the rest. With `only_news` what is new or worse.
pub fn history_text(history: &History, judged: &Judged, only_news: bool, format: Format) -> String {
    let Some((first, last)) = history.nights.first().zip(history.nights.last()) else {
        return "no nights\n".to_owned();
    };
    let number = history.nights.len();
    let mut text = format!(
        "{number} night{}, {} to {}; the last is {}{}: {}\n",
        if number == 1 { "" } else { "s" },
        date(first),
        date(last),
        last.run,
        if last.cut_short { ", which was cut short" } else { "" },
        tally(judged)
    );
    let shown = |row: &Row| !only_news || row.state.is_news();
    for group in judged.groups.iter().filter(|group| group.rows.iter().any(|&row| shown(&judged.rows[row]))) {
        text += &title(history, group, format);
        text += &table(group.rows.iter().map(|&row| &judged.rows[row]), format);
        if let Some(command) = bisect(judged, group).filter(|_| group.worse) {
            let (before, after) = match format {
                Format::Text { .. } => ("to find the commit: ", "\n"),
                Format::Markdown => ("\nTo find the commit:\n\n```\n", "\n```\n"),
            };
            text.extend([before, &command, after]);
        }
    }
    for state in [State::Known, State::Unsteady, State::NoData] {
        let grouped = |place: &usize| judged.groups.iter().any(|group| group.rows.contains(place));
        let rows = judged.rows.iter().enumerate().filter(|(place, row)| row.state == state && !grouped(place));
        let rows: Vec<&Row> = rows.map(|(_, row)| row).filter(|row| shown(row)).collect();
        if !rows.is_empty() {
            text += &heading(title_of(state), format);
            text += &table(rows.into_iter(), format);
        }
    }
    text
}

const fn title_of(state: State) -> &'static str {
    match state {
        State::Known => "known: not as expected since the first night",
        State::Unsteady => "unsteady: from night to night, or again and again",
        _ => "no data: nothing counted in the last night",
    }
}

fn title(history: &History, group: &Group, format: Format) -> String {
    let direction = if group.worse { "less" } else { "more" };
    heading(&format!("{direction} since {}", when(history, &group.since)), format)
}

fn heading(text: &str, format: Format) -> String {
    match format {
        Format::Text { .. } => format!("\n{text}\n"),
        Format::Markdown => format!("\n**{text}**\n\n"),
    }
}

fn table<'a>(rows: impl Iterator<Item = &'a Row>, format: Format) -> String {
    let mut grid = Grid::new(
        ["scenario", "parameters", "variant", "channel", "state", "before", "since", "last night", "nights"],
        0,
    );
    for row in rows {
        let plain = |text: String| (text, Tone::Plain);
        let tone = match row.state {
            State::New | State::Worse => Tone::Bad,
            State::Fixed => Tone::Good,
            State::Unsteady | State::NoData => Tone::Between,
            State::Known | State::Skipped | State::Steady => Tone::Plain,
        };
        let cells = vec![
            plain(assignments(&row.key.params)),
            plain(row.key.kernel().to_string()),
            plain(row.channel.to_string()),
            (row.state.name().to_owned(), tone),
            plain(row.before.map_or_else(|| "-".to_owned(), counts)),
            plain(counts(row.since)),
            plain(counts(row.tonight)),
            plain(sparkline(&row.shares)),
        ];
        grid.row(row.key.scenario.clone(), cells);
    }
    grid.render(format)
}
