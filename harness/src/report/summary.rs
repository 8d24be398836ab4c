//! A run's counts as tables.

use super::grid::{Grid, Tone};
use super::{Format, templates};
use crate::model::schedule::HoldOutcome;
use crate::model::{CellKey, Channel, Params, assignments};
use crate::results::{CellSummary, Counts, Summary};
use crate::stats::percent;

/// One table a channel: a row for each point of each scenario, a column for each variant.
pub fn variant_table(summary: &Summary, format: Format) -> String {
    let names = Names::of(summary);
    let mut points: Vec<(&str, &Params)> = Vec::new();
    for cell in &summary.cells {
        let point = (cell.key.scenario.as_str(), &cell.key.params);
        if !points.contains(&point) {
            points.push(point);
        }
    }
    points.sort_by_key(|(scenario, _)| names.scenarios.iter().position(|known| known == scenario));

    let mut text = String::new();
    for channel in summary.channels() {
        let header = ["scenario", "parameters"].into_iter().chain(names.variants.iter().map(String::as_str));
        let mut grid = Grid::new(header, 0);
        for (scenario, params) in &points {
            let cell = |variant: &String| {
                let found = summary.cells.iter().find(|cell| {
                    cell.key.scenario == *scenario
                        && cell.key.params == **params
                        && names.variant(&cell.key) == *variant
                });
                found.map_or_else(|| ("-".to_owned(), Tone::Plain), |cell| in_a_word(cell, channel))
            };
            let figures = names.variants.iter().map(cell);
            grid.row(*scenario, [(assignments(params), Tone::Plain)].into_iter().chain(figures).collect());
        }
        text += &heading(channel.name(), format);
        text += &grid.render(format);
        text.push('\n');
    }
    text + &format!("Figures: trials in which {}, of those that counted.\n", good(summary))
        + &not_counted(summary)
        + &schedule(summary)
        + &splats(summary, format)
        + &skipped(summary, format)
        + &templates::that_differ(summary, format)
}

/// Every figure: a row for each cell, variants below each other; what was not counted is always there.
pub fn summary_table(summary: &Summary, format: Format) -> String {
    let names = Names::of(summary);
    let channels = summary.channels();
    let names_of_channels = channels.iter().map(|channel| channel.name());
    let header = ["cell", "variant"].into_iter().chain(names_of_channels).chain(["hung", "missed", "infra"]);
    let mut grid = Grid::new(header, 3);
    let mut cells: Vec<&CellSummary> = summary.cells.iter().collect();
    // Stable: points and variants keep the plan's order.
    let place = |cell: &CellSummary| {
        let first =
            |other: &CellSummary| other.key.scenario == cell.key.scenario && other.key.params == cell.key.params;
        let scenario = names.scenarios.iter().position(|known| *known == cell.key.scenario);
        (scenario, summary.cells.iter().position(first))
    };
    cells.sort_by_key(|cell| place(cell));
    for cell in cells {
        let mut row = vec![(names.variant(&cell.key), Tone::Plain)];
        row.extend(channels.iter().map(|channel| with_interval(cell, *channel)));
        row.extend(
            [(cell.hung, Tone::Between), (cell.missed, Tone::Between), (cell.infra_errors, Tone::Bad)]
                .map(|(count, tone)| (count.to_string(), if count == 0 { Tone::Plain } else { tone })),
        );
        grid.row(format!("{} {}", cell.key.scenario, assignments(&cell.key.params)).trim_end(), row);
    }
    let legend =
        format!("Figures: trials in which {}, of those that counted; share; its 95 % interval.\n", good(summary));
    grid.render(format)
        + "\n"
        + &legend
        + &not_counted(summary)
        + &schedule(summary)
        + &splats(summary, format)
        + &skipped(summary, format)
        + &templates::that_differ(summary, format)
}

/// The names that stand in a table's margins.
struct Names<'a> {
    variants: Vec<String>,
    scenarios: Vec<&'a str>,
    several_bases: bool,
}

impl<'a> Names<'a> {
    fn of(summary: &'a Summary) -> Self {
        let mut names = Self { variants: Vec::new(), scenarios: Vec::new(), several_bases: false };
        names.several_bases = summary.cells.iter().any(|cell| cell.key.base != summary.cells[0].key.base);
        for cell in &summary.cells {
            let variant = names.variant(&cell.key);
            if !names.variants.contains(&variant) {
                names.variants.push(variant);
            }
            if !names.scenarios.contains(&cell.key.scenario.as_str()) {
                names.scenarios.push(&cell.key.scenario);
            }
        }
        names
    }

    /// The variant, with its base only where there are several.
    fn variant(&self, key: &CellKey) -> String {
        if self.several_bases { format!("{}@{}", key.variant, key.base) } else { key.variant.clone() }
    }
}

/// `saved 20/20`: the outcome of all trials, or `mixed`, and how many had the good one.
fn in_a_word(cell: &CellSummary, channel: Channel) -> (String, Tone) {
    let counts = cell.channel(channel);
    let n = counts.n();
    if n == 0 {
        return no_figure(cell, channel);
    }
    let word = channel.outcomes().iter().find(|outcome| counts.of(**outcome) == n);
    let word = word.map_or("mixed", |outcome| outcome.name());
    (format!("{word} {}/{n}", counts.good().hits()), tone(counts))
}

/// `20/20 100% [84–100]`
fn with_interval(cell: &CellSummary, channel: Channel) -> (String, Tone) {
    let counts = cell.channel(channel);
    let good = counts.good();
    let Some(share) = good.share() else { return no_figure(cell, channel) };
    let interval = counts.ci95();
    let (hits, of, lo, hi) = (good.hits(), good.of(), percent(interval.lo), percent(interval.hi));
    (format!("{hits}/{of} {}% [{lo}–{hi}]", percent(share)), tone(counts))
}

/// What stands where the guests of a cell have no such channel.
pub(super) const NOT_THERE: &str = "not there";

/// What stands where nothing was counted.
const NONE_COUNTED: &str = "none counted";

/// What stands where there is no figure.
pub(super) fn none_counted(cell: &CellSummary, channel: Channel) -> &'static str {
    match &cell.skipped {
        Some(_) => "skipped",
        // The guests of this cell have no such channel.
        None if cell.counted() > 0 && channel.is_of_some_guests() => NOT_THERE,
        None => NONE_COUNTED,
    }
}

fn no_figure(cell: &CellSummary, channel: Channel) -> (String, Tone) {
    let word = none_counted(cell, channel);
    (word.to_owned(), if word == NONE_COUNTED { Tone::Between } else { Tone::Plain })
}

fn tone(counts: &Counts) -> Tone {
    match counts.good().hits() {
        0 => Tone::Bad,
        good if good == counts.n() => Tone::Good,
        _ => Tone::Between,
    }
}

/// What the trials have in common that the figures count.
fn good(summary: &Summary) -> String {
    let channels = summary.channels();
    format!("everything was saved{}", super::of_others(|channel| channels.contains(&channel)))
}

/// The reports of the kernel's that nobody has asked for, a line each, with the cell.
pub(super) fn unexpected(summary: &Summary) -> impl Iterator<Item = String> {
    let line = |cell: &CellSummary, (title, trials): (&str, u32)| {
        format!("{}: {trials} of {} trials log \"{title}\"", cell.key, cell.counted())
    };
    let of_cell = move |cell| CellSummary::unexpected_splats(cell).map(move |splat| line(cell, splat));
    summary.cells.iter().flat_map(of_cell)
}

/// Those, each with its cell; nothing if there are none.
fn splats(summary: &Summary, format: Format) -> String {
    let item = format.item();
    let lines = unexpected(summary).map(|line| format!("{item}{line}\n")).collect::<Vec<_>>().concat();
    if lines.is_empty() || item.is_empty() { lines } else { format!("\n{lines}") }
}

fn not_counted(summary: &Summary) -> String {
    let sum = |count: fn(&CellSummary) -> u32| summary.cells.iter().map(|cell| u64::from(count(cell))).sum::<u64>();
    format!(
        "{} trials; not counted: {} missed, {} infra-error; hung: {}.\n",
        sum(|cell| cell.trials),
        sum(|cell| cell.missed),
        sum(|cell| cell.infra_errors),
        sum(|cell| cell.hung),
    )
}

/// Why cells were skipped, each reason once; nothing if none was.
fn skipped(summary: &Summary, format: Format) -> String {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for reason in summary.cells.iter().filter_map(|cell| cell.skipped.as_deref()) {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, cells)) => *cells += 1,
            None => reasons.push((reason, 1)),
        }
    }
    let item = format.item();
    let line = |(reason, cells): (&str, usize)| {
        let plural = if cells == 1 { "" } else { "s" };
        format!("{item}skipped, {cells} cell{plural}: {reason}\n")
    };
    let lines: String = reasons.into_iter().map(line).collect();
    if lines.is_empty() || item.is_empty() { lines } else { format!("\n{lines}") }
}

/// In how many trials the schedule was kept that they were made to follow; nothing if there was none.
fn schedule(summary: &Summary) -> String {
    let cells = || summary.cells.iter().map(|cell| &cell.schedule);
    let (kept, trials) = cells().fold((0_u64, 0_u64), |(kept, trials), counts| {
        (kept + u64::from(counts.kept), trials + u64::from(counts.trials()))
    });
    if trials == 0 {
        return String::new();
    }
    let of =
        |outcome: HoldOutcome| cells().filter_map(|it| it.not_kept.get(&outcome)).map(|n| u64::from(*n)).sum::<u64>();
    let others = HoldOutcome::ALL.map(|outcome| (of(outcome), outcome.words()));
    let others = others.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("; in {n}: {words}"));
    format!("The schedule was kept in {kept} of {trials} trials{}.\n", others.collect::<String>())
}

/// The title of a table.
pub(super) fn heading(text: &str, format: Format) -> String {
    match format {
        Format::Text { .. } => format!("{text}\n"),
        Format::Markdown => format!("**{text}**\n\n"),
    }
}
