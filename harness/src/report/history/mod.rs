//! A history of nights: for people, for pages, for other programs.

mod csv;
mod json;
#[cfg(test)]
mod tests;
mod text;

use crate::history::{Built, Group, History, Judged, Night, Row, Since, State};
use crate::model::CellKey;
use crate::stats::Proportion;
use crate::text::shell_word;

pub use csv::history_csv;
pub use json::history_json;
pub use text::history_text;

/// Nights that a row draws.
const DRAWN: usize = 30;

/// The shares of the last nights as a line: a bar for each, the lowest for none and the highest for all; a dot where nothing
/// counted.
fn sparkline(shares: &[Option<f64>]) -> String {
    const BETWEEN: [char; 6] = ['▂', '▃', '▄', '▅', '▆', '▇'];
    let bar = |share: f64| match share {
        0.0 => '▁',
        1.0 => '█',
        share => BETWEEN[(1u8..6).filter(|&step| share * 6.0 >= f64::from(step)).count()],
    };
    let drawn = shares.len().saturating_sub(DRAWN);
    shares.iter().skip(drawn).map(|share| share.map_or('·', bar)).collect()
}

/// `2026-11-21`
fn date(night: &Night) -> &str {
    night.started.get(..10).unwrap_or(&night.started)
}

/// `20/20`
fn counts(seen: Proportion) -> String {
    format!("{}/{}", seen.hits(), seen.of())
}

/// What a kernel is called, by the most that is known of it.
fn called(built: &Built) -> String {
    match (&built.release, &built.commit) {
        (Some(release), Some(commit)) => format!("{release} ({})", short(commit)),
        (Some(release), None) => release.clone(),
        (None, Some(commit)) => short(commit).to_owned(),
        (None, None) => "?".to_owned(),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// `6.12.58 → 6.12.59, 95 %: 2026-11-20 to 2026-11-22 (nights 26 to 28)`; nights count from 1.
fn when(history: &History, since: &Since) -> String {
    let Since { earliest, latest, from, to, also, .. } = since;
    let kernels = match (called(from), called(to)) {
        (from, to) if from == to => format!("{from}, unchanged"),
        (from, to) => format!("{from} → {to}"),
    };
    let date = |night: &usize| history.nights.get(*night).map_or("?", date);
    let nights = if earliest == latest {
        format!("{} (night {})", date(earliest), earliest + 1)
    } else {
        format!("{} to {} (nights {} to {})", date(earliest), date(latest), earliest + 1, latest + 1)
    };
    let also = also.iter().map(|also| format!("; {also}")).collect::<Vec<_>>().concat();
    format!("{kernels}, 95 %: {nights}{also}")
}

/// How the commit is found that a group's cells changed with; nothing if it is the same kernel on both sides.
fn bisect(judged: &Judged, group: &Group) -> Option<String> {
    let Since { from, to, .. } = &group.since;
    let ends = match (&from.commit, &to.commit, &from.release, &to.release) {
        (Some(from), Some(to), _, _) => [from.clone(), to.clone()],
        (_, _, Some(from), Some(to)) => [revision(from)?, revision(to)?],
        _ => return None,
    };
    let [good, bad] = ends;
    if good == bad {
        return None;
    }
    // The row that tells most: its shares lie furthest apart.
    let apart = |row: &&Row| {
        let share = |seen: Option<Proportion>| seen.and_then(Proportion::share).unwrap_or_default();
        (share(row.before) - share(Some(row.since))).abs()
    };
    let rows = group.rows.iter().filter_map(|&row| judged.rows.get(row));
    let row = rows.max_by(|one, other| apart(one).total_cmp(&apart(other)))?;
    let CellKey { variant, scenario, params, .. } = &row.key;
    let mut words =
        ["harness", "bisect", "--tree", "LINUX", "--good", &good, "--bad", &bad].map(str::to_owned).to_vec();
    words.extend(["--variant", variant, "--scenario", scenario].map(str::to_owned));
    words.extend(params.iter().flat_map(|(name, value)| ["--param".to_owned(), format!("{name}={value}")]));
    words.extend(["--channel".to_owned(), row.channel.to_string()]);
    if !group.worse {
        words.push("--fixed".to_owned());
    }
    Some(words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "))
}

/// What git calls a release by: the commit in `6.13.0-rc1-00012-g1234abcd`, else its tag, `v6.12.58` of `6.12.58-amd64` and
/// `v7.2-rc1` of `7.2.0-rc1`.
fn revision(release: &str) -> Option<String> {
    let mut parts = release.split(['-', '+']);
    let numbers: Vec<u32> = parts.next()?.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    let rest: Vec<&str> = parts.collect();
    let is_commit = |part: &&str| part.len() >= 7 && part.chars().all(|c| c.is_ascii_hexdigit());
    if let Some(commit) = rest.iter().filter_map(|part| part.strip_prefix('g')).find(is_commit) {
        return Some(commit.to_owned());
    }
    let tag = match numbers.as_slice() {
        [major, minor] | [major, minor, 0] => format!("v{major}.{minor}"),
        [major, minor, patch] => format!("v{major}.{minor}.{patch}"),
        _ => return None,
    };
    let candidate = rest.first().filter(|part| part.starts_with("rc"));
    Some(candidate.map_or(tag.clone(), |candidate| format!("{tag}-{candidate}")))
}

/// `2 new, 5 known, 1 unsteady, 471 steady`, without those that are 0.
fn tally(judged: &Judged) -> String {
    let count = |state: State| (judged.count(state), state.name());
    let told: Vec<String> = State::ALL
        .into_iter()
        .map(count)
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| format!("{number} {name}"))
        .collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
}
