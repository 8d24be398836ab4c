//! What is said to a mailing list of a variant: plain text of 72 columns, to be pasted.

use super::compare::{difference_text, share};
use super::console::one_line;
use super::repeat::run_again;
use crate::compare::{ComparedCell, Comparison, Point, Verdict};
use crate::model::KernelName;
use crate::results::{KernelInfo, RunInfo};
use crate::text::{clipped, plural, shell_word};
use crate::timeline::{Difference, differences_text};

/// What a mail is made of: a variant of a run, compared with another.
pub struct Mail<'a> {
    /// The run.
    pub info: &'a RunInfo,
    /// What it is compared with.
    pub base: KernelName,
    /// The variant.
    pub candidate: KernelName,
    /// What the variant is said to do better or worse, if that is known.
    pub claim: Option<String>,
    /// What came of it.
    pub comparison: &'a Comparison,
    /// The orders of the points that both have timelines of.
    pub orders: &'a [Difference],
    /// Shares that differ by no more are the same.
    pub margin: f64,
}

const COLUMNS: usize = 72;

/// The mail, its subject first.
pub fn mail(mail: &Mail) -> String {
    let Mail { base, candidate, comparison, .. } = mail;
    let [worse, better, same, undecided] = [Verdict::Regressed, Verdict::Improved, Verdict::Same, Verdict::Undecided]
        .map(|verdict| comparison.cells.iter().filter(|cell| cell.verdict == verdict).collect::<Vec<&ComparedCell>>());
    let all = comparison.cells.len();
    let mut text = format!(
        "Subject: {}: {} worse, {} better than {} of {all}\n\n",
        candidate.variant,
        worse.len(),
        better.len(),
        base.variant
    );
    if let Some(claim) = &mail.claim {
        text += &paragraph(&format!("{} is said to do this: {}", candidate.variant, claim.trim()));
    }
    text += &paragraph(&tried(mail));
    for (title, cells) in [("Worse", &worse), ("Better", &better)] {
        if !cells.is_empty() {
            text.extend([title, " with ", &candidate.variant, ":\n\n", &table(cells), "\n"]);
        }
    }
    for splat in comparison.splats.iter().filter(|splat| splat.verdict == Verdict::Regressed) {
        let (title, point) = (one_line(&splat.title), &splat.point);
        let counts = format!(
            "{} of {} trials, before {} of {}",
            splat.candidate.trials, splat.candidate.of, splat.base.trials, splat.base.of
        );
        text += &paragraph(&format!("It logs \"{title}\" in {point}: {counts}."));
    }
    let points = (mail.margin * 100.0).round();
    let rest = format!(
        "Of the other {}: {} the same (they differ by less than {points} points), {} undecided (more trials would tell).",
        plural(all - worse.len() - better.len(), "figure"),
        same.len(),
        undecided.len()
    );
    text += &paragraph(&rest);
    text += &orders(mail.orders);
    text + &again(mail)
}

/// Text in lines, and an empty line.
fn paragraph(text: &str) -> String {
    wrapped(text) + "\n"
}

/// What was tried, and how to read the figures.
fn tried(mail: &Mail) -> String {
    let Mail { info, base, candidate, .. } = mail;
    let of = |name: &KernelName| {
        let is = |kernel: &&KernelInfo| kernel.variant == name.variant && kernel.base == name.base;
        info.kernels
            .iter()
            .find(is)
            .map_or_else(|| format!("base {}", name.base), |kernel| format!("Linux {}", kernel.release))
    };
    format!(
        "{} ({}) was tried against {} ({}): guests were crashed in QEMU {} ({}), up to {} trials a cell. The figures are trials in \
         which the channel kept the whole end of the log (order: in which the kernel died in the order that is asserted), of those \
         that counted, with 95 % intervals; differences are in points. Worse and better are so at a false discovery rate of 5 %.",
        candidate.variant,
        of(candidate),
        base.variant,
        of(base),
        info.qemu.version,
        info.qemu.accelerator.to_uppercase(),
        info.trials_per_cell
    )
}

/// A row for each channel, below a line for its point.
fn table(cells: &[&ComparedCell]) -> String {
    let row = |name: &str, one: &str, other: &str, difference: &str| {
        let row = format!("    {name:<14} {:<16} {:<16} {difference}", clipped(one, 16), clipped(other, 16));
        clipped(row.trim_end(), COLUMNS) + "\n"
    };
    let mut text = row("", "without", "with it", "difference");
    let mut last: Option<&Point> = None;
    for cell in cells {
        if last != Some(&cell.point) {
            text.extend(["  ", &clipped(&cell.point.to_string(), COLUMNS - 2), "\n"]);
            last = Some(&cell.point);
        }
        let ascii = |text: String| text.replace('–', "-");
        text +=
            &row(cell.channel.name(), &ascii(share(cell.base)), &ascii(share(cell.candidate)), &difference_text(cell));
    }
    text
}

/// Where the order of steps is another one.
fn orders(orders: &[Difference]) -> String {
    if orders.is_empty() {
        return String::new();
    }
    let other: Vec<Difference> = orders.iter().filter(|order| !order.same).cloned().collect();
    let line = |line: &str| {
        // Steps stand in columns, and words do not.
        if line.starts_with(' ') { clipped(line, COLUMNS) + "\n" } else { wrapped(line) }
    };
    let lines: String = differences_text(&other).trim().lines().map(line).collect();
    let same = orders.len() - other.len();
    let all = plural(orders.len(), "point");
    let blank = if lines.is_empty() { "" } else { "\n" };
    format!("{lines}{blank}{}\n", wrapped(&format!("The order of steps is the same in {same} of {all}.")))
}

/// How to see it again.
fn again(mail: &Mail) -> String {
    let Mail { info, base, candidate, .. } = mail;
    let run: Vec<String> = run_again(info).iter().map(|word| shell_word(word).into_owned()).collect();
    let compare = ["harness".to_owned(), "compare".to_owned(), base.to_string(), candidate.to_string()];
    let harness = info.harness.git.as_ref().unwrap_or(&info.harness.version);
    let facts = format!("Run {} of harness {harness}, begun {}, seed {}.", info.run_id, info.started, info.seed);
    format!("To repeat:\n\n{}{}\n{}", continued(&run), continued(&compare), wrapped(&facts))
}

/// A command, over as many lines as it takes.
fn continued(words: &[String]) -> String {
    let mut lines = vec![String::from(" ")];
    for word in words {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last + 1 + word.chars().count() > COLUMNS - 2 && last > 4 {
            lines.push(String::from("     "));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join(" \\\n") + "\n"
}

/// Words in lines of 72 columns, and an empty line.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}
