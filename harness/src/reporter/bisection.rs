//! What is seen of a bisection while it goes on: at a terminal a bar for each commit, elsewhere a line now and then.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::pace::Pace;
use crate::bisect::{Bisection, Tally};
use crate::model::bisection::Bisected;
use crate::session::bisect::TimeSpent;
use crate::text::seconds;

/// Bars at a terminal; the others are summed up.
const ROWS: usize = 20;
/// Characters of the longest bar.
const WIDTH: usize = 20;

/// What is known of a bisection's nodes.
#[derive(Default)]
pub struct BisectionView {
    bar: Option<ProgressBar>,
    pace: Pace,
}

impl BisectionView {
    /// Shows what is known before the next step.
    pub fn step(
        &mut self,
        bisected: &Bisected,
        bisection: &Bisection,
        left: &dyn Fn() -> Option<Duration>,
        spent: &TimeSpent,
    ) {
        let terminal = std::io::stderr().is_terminal();
        if !terminal && !self.pace.due(true) {
            return;
        }
        let left = left().map_or_else(String::new, |left| format!(", about {} left", HumanDuration(left)));
        let tried = bisection.tallies().iter().filter(|tally| tally.trials > 0).count();
        let trials: u32 = bisection.tallies().iter().map(|tally| tally.trials).sum();
        let head =
            format!("{trials} trials of {tried} in {}, {} built or found{left}", seconds(spent.all), spent.kernels);
        if terminal {
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
                ProgressBar::new_spinner().with_style(style)
            });
            bar.set_message(format!(
                "{}{head}",
                bars(bisected, bisection.posterior().commits.as_slice(), bisection.tallies())
            ));
            return;
        }
        let likeliest = bisection.posterior().commits.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
        let likeliest = likeliest.and_then(|(node, share)| Some((bisected.nodes.get(node)?, share)));
        let likeliest = likeliest.map_or_else(String::new, |(node, share)| {
            format!("; likeliest {} {}, {}", percent(*share), short(&node.id), node.subject)
        });
        eprintln!("bisect: {head}{likeliest}");
    }

    /// Makes room for what else is shown.
    pub fn hide(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// A line for each node that was tried or is likely, in their order: its probability as a bar, and its trials.
pub fn bars(bisected: &Bisected, posterior: &[f64], tallies: &[Tally]) -> String {
    let share = |node: usize| posterior.get(node).copied().unwrap_or(0.0);
    let tally = |node: usize| tallies.get(node).copied().unwrap_or_default();
    let mut shown: Vec<usize> = (0..bisected.nodes.len()).collect();
    shown.sort_by(|&one, &other| share(other).total_cmp(&share(one)).then(tally(other).trials.cmp(&tally(one).trials)));
    shown.truncate(ROWS);
    let shown_share: f64 = shown.iter().map(|&node| share(node)).sum();
    shown.sort_unstable();
    let most = shown.iter().map(|&node| share(node)).fold(f64::MIN_POSITIVE, f64::max);
    let mut text = String::new();
    for node in shown {
        let Some(known) = bisected.nodes.get(node) else { continue };
        let Tally { trials, events } = tally(node);
        let tried = if trials == 0 { String::new() } else { format!("{events}/{trials}") };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a bar's length"
        )]
        let length = (share(node) / most * WIDTH as f64).round() as usize;
        let bar = "█".repeat(length.min(WIDTH));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:>5} {bar:WIDTH$} {tried:>8}  {} {}",
            if node == 0 { "good".to_owned() } else { percent(share(node)) },
            short(&known.id),
            known.subject.chars().take(60).collect::<String>()
        );
    }
    let others = bisected.nodes.len().saturating_sub(ROWS);
    if others > 0 {
        let known: f64 = posterior.iter().sum();
        let _ = writeln!(text, "{:>5} {:WIDTH$} {:>8}  {others} others", percent(known - shown_share), "", "");
    }
    text
}

/// A probability, so that only what is certain is 100 %.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        small if small < 0.5 => "<1 %".to_owned(),
        large if (99.5..100.0).contains(&large) => ">99 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

/// A hash as git shortens it; other names as they are.
pub fn short(id: &str) -> &str {
    let is_hash = id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { id.get(..12).unwrap_or(id) } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Channel;
    use crate::model::bisection::{Criterion, Node, SearchSpace};

    #[test]
    fn each_commit_has_a_bar_as_long_as_it_is_likely() {
        let node = |id: &str, subject: &str| Node {
            id: id.to_owned(),
            subject: subject.to_owned(),
            parents: Vec::new(),
            weight: 1.0,
            earlier: crate::bisect::Tally::default(),
            same_as: None,
        };
        let nodes = vec![
            node("0123456789abcdef0123456789abcdef01234567", "v6.12"),
            node("1123456789abcdef0123456789abcdef01234567", "mm: a change"),
            node("0002-panic-x.patch", "panic: another"),
            node("2123456789abcdef0123456789abcdef01234567", "the bad one"),
        ];
        let criterion = Criterion::Channel(Channel::Pstore);
        let bisected =
            Bisected { between: SearchSpace::Patches, criterion, fixed: false, confidence: 0.95, at_most: 9, nodes };
        let tally = |trials, events| Tally { trials, events };
        let text = bars(&bisected, &[0.0, 0.003, 0.6, 0.3], &[tally(12, 0), tally(0, 0), tally(4, 2), tally(12, 7)]);
        insta::assert_snapshot!(text, @"
        good                          0/12  0123456789ab v6.12
        <1 %                                1123456789ab mm: a change
        60 % ████████████████████      2/4  0002-panic-x.patch panic: another
        30 % ██████████               7/12  2123456789ab the bad one
        ");
    }
}
