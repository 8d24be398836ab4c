//! What is said at the end of a bisection.

use serde_json::{Value, json};

use super::search::Searched;
use crate::bisect::{Conclusion, History, Rate, Tally, Why};
use crate::compare::{Point, Side};
use crate::failure::Failure;
use crate::kernel::{Canceller, Commits};
use crate::model::KernelName;
use crate::model::bisection::{Bisected, SearchSpace};
use crate::reporter::{bars, percent, short};
use crate::stats::Interval;
use crate::text::shell_word;
use crate::timeline::{Tallied, VariantOrder, orders_text, tallied};

impl Searched {
    /// In words. `how` are the words of a command line by which further trials are run in the same way.
    pub fn text(&self, how: &[String]) -> String {
        let posterior = self.bisection.posterior().commits.as_slice();
        let bars = bars(&self.bisected, posterior, self.bisection.tallies());
        let said = self.conclusion.as_ref().map_or_else(|| "interrupted\n".to_owned(), |it| self.said(it, how));
        format!("{bars}\n{said}")
    }

    fn said(&self, conclusion: &Conclusion, how: &[String]) -> String {
        match conclusion {
            Conclusion::Found { commit, confidence, old, new } => self.found(*commit, *confidence, (old, new), how),
            Conclusion::Candidates { commits, confidence, old, new } => {
                let list: Vec<String> = commits.iter().map(|&commit| format!("  {}", self.named(commit))).collect();
                let list = list.join("\n");
                format!(
                    "one of these, {}; what lies between them cannot be tried:\n{list}\n{}\n{}",
                    percent(*confidence),
                    self.rates(old, new),
                    self.skipped()
                )
            }
            Conclusion::Indeterminate { why, trials_more, leading, old, new } => {
                let why = match why {
                    Why::TrialsSpent => "the trials that were allowed are spent",
                    Why::NothingInforms => "nothing that can still be tried would tell more",
                    Why::NotOneChange => {
                        "the trials are spent, and no single change explains them: there are more than two rates"
                    }
                };
                let more = match trials_more {
                    Some(more) => format!("about {more} more would decide: --at-most"),
                    None => "more of them would not decide".to_owned(),
                };
                let line = |(commit, share): &(usize, f64)| format!("  {:>5} {}", percent(*share), self.named(*commit));
                let list = leading.iter().map(line).collect::<Vec<_>>().join("\n");
                format!("not found: {why}; {more}\n{list}\n{}\n{}", self.rates(old, new), self.skipped())
            }
            Conclusion::NoDifference { good, bad, reversed } => {
                let hint = if *reversed {
                    "it happens less at the bad end: --fixed looks for where it ceased to happen"
                } else {
                    "nothing between the ends was built"
                };
                let (good, bad) = (shares(good), shares(bad));
                format!("the ends do not differ: {hint}\n  good {good}\n  bad  {bad}\n{}", self.skipped())
            }
            Conclusion::EndSkipped { good } => {
                let end = if *good { "good" } else { "bad" };
                format!("the {end} end cannot be tried\n{}", self.skipped())
            }
        }
    }

    /// The commit, its message, the rates, the order of steps before and since, and how to see it again.
    ///
    /// That the message or the order cannot be read any more costs nobody the result of hours.
    fn found(&self, commit: usize, confidence: f64, (old, new): (&Rate, &Rate), how: &[String]) -> String {
        let before = self.before(commit);
        let or_nothing = |what: &str, text: Result<String, Failure>| {
            text.unwrap_or_else(|failure| {
                eprintln!("warning: {what}: {}", failure.first_line());
                String::new()
            })
        };
        format!(
            "found, {}: {}\n\n{}{}\n{}{}again: {}\n",
            percent(confidence),
            self.named(commit),
            or_nothing("the commit's message is not shown", self.message(commit)),
            self.rates(old, new),
            or_nothing("the order of steps is not shown", self.orders(before, commit)),
            self.skipped(),
            self.again(before, commit, how)
        )
    }

    /// The message of a commit of a git tree.
    fn message(&self, commit: usize) -> Result<String, Failure> {
        let (SearchSpace::Commits { tree }, Some(node)) = (&self.bisected.between, self.bisected.nodes.get(commit))
        else {
            return Ok(String::new());
        };
        let show = Commits::show(tree, &node.id, &Canceller::default())?;
        let lines: Vec<String> = show.lines().map(|line| format!("    {line}").trim_end().to_owned()).collect();
        Ok(format!("{}\n\n", lines.join("\n")))
    }

    /// The nearest node without the change that was tried.
    fn before(&self, commit: usize) -> usize {
        let tried = |node: &usize| self.bisection.tallies().get(*node).is_some_and(|tally| tally.trials > 0);
        (0..commit).rev().filter(|node| self.bisection.history().has(commit, *node)).find(tried).unwrap_or(0)
    }

    fn kernel(&self, node: usize) -> Option<KernelName> {
        self.info.cells.get(node).map(|cell| cell.key.kernel())
    }

    fn named(&self, node: usize) -> String {
        let known = self.bisected.nodes.get(node);
        known.map_or_else(String::new, |node| format!("{} {}", short(&node.id), node.subject))
    }

    fn rates(&self, old: &Rate, new: &Rate) -> String {
        let line =
            |when: &str, Rate { tally, interval, .. }: &Rate| format!("  {when} {}\n", shares(&(*tally, *interval)));
        let looked_for = format!("{}{}", self.bisected.criterion, if self.bisected.fixed { ", ceasing" } else { "" });
        format!("{looked_for}\n{}{}", line("before", old), line("since ", new))
    }

    /// The order of steps before and since, where guests were traced.
    fn orders(&self, before: usize, since: usize) -> Result<String, Failure> {
        let Some(point) = self
            .info
            .cells
            .first()
            .map(|cell| Point { scenario: cell.key.scenario.clone(), params: cell.key.params.clone() })
        else {
            return Ok(String::new());
        };
        let results = self.run.folder().parent().unwrap_or(self.run.folder());
        let mut variants = Vec::new();
        for node in [before, since] {
            let Some(kernel) = self.kernel(node) else { continue };
            // A commit of which everything is known by its neighbours has no trials of its own.
            let Ok(column) =
                Side::parse(&kernel.to_string())?.or_run(&self.run.folder().display().to_string()).load(results)
            else {
                continue;
            };
            for (_, Tallied { counted, order }) in tallied(&column, |_| true)? {
                let variant = short(&self.bisected.nodes[node].id).to_owned();
                variants.push(VariantOrder { variant, counted, order });
            }
        }
        if variants.iter().all(|variant| variant.order.is_none()) {
            return Ok(String::new());
        }
        Ok(format!("{}\n", orders_text(&point.to_string(), &variants)))
    }

    /// The command that tries both again, in the same way.
    fn again(&self, before: usize, since: usize, how: &[String]) -> String {
        let mut words: Vec<String> = ["harness", "run"].map(ToOwned::to_owned).into();
        let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
        for kernel in [before, since].into_iter().filter_map(|node| self.kernel(node)) {
            add("--variant", kernel.to_string());
        }
        if let Some(cell) = self.info.cells.first() {
            add("--scenario", cell.key.scenario.clone());
            for (name, value) in &cell.key.params {
                add("--param", format!("{name}={value}"));
            }
        }
        add("--trials", "50".to_owned());
        words.extend_from_slice(how);
        words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }

    /// What was passed over, and which kernels were known by others.
    fn skipped(&self) -> String {
        let cells = self.info.cells.iter().enumerate();
        let line = |(node, cell): (usize, &crate::results::PlannedCell)| {
            let reason = cell.skipped.as_ref()?;
            Some(format!("passed over: {}: {reason}\n", self.named(node)))
        };
        let nodes = self.bisected.nodes.iter().enumerate();
        let same = nodes.filter_map(|(node, known)| Some((node, known.same_as?)));
        let same = same.map(|pair| format!("{}\n", same_kernel(&self.bisected, self.bisection.history(), pair)));
        cells.filter_map(line).chain(same).collect()
    }

    /// For programs.
    pub fn json(&self, how: &[String]) -> Value {
        let node = |node: usize| {
            let known = self.bisected.nodes.get(node);
            json!({
                "id": known.map(|known| known.id.clone()),
                "subject": known.map(|known| known.subject.clone()),
                "kernel": self.kernel(node).map(|kernel| kernel.to_string()),
            })
        };
        let rate = |Rate { tally, mean, interval }: &Rate| json!({"trials": tally.trials, "events": tally.events, "mean": mean, "ci95": interval});
        let conclusion = match &self.conclusion {
            None => json!({"kind": "interrupted"}),
            Some(Conclusion::Found { commit, confidence, old, new }) => json!({
                "kind": "found", "commit": node(*commit), "confidence": confidence,
                "before": rate(old), "since": rate(new), "again": self.again(self.before(*commit), *commit, how),
            }),
            Some(Conclusion::Candidates { commits, confidence, old, new }) => json!({
                "kind": "candidates", "commits": commits.iter().map(|&it| node(it)).collect::<Vec<_>>(),
                "confidence": confidence, "before": rate(old), "since": rate(new),
            }),
            Some(Conclusion::Indeterminate { why, trials_more, leading, old, new }) => json!({
                "kind": "indeterminate",
                "why": match why {
                    Why::TrialsSpent => "trials-spent",
                    Why::NothingInforms => "nothing-informs",
                    Why::NotOneChange => "not-one-change",
                },
                "trials_more": trials_more,
                "leading": leading.iter().map(|(it, share)| json!({"commit": node(*it), "probability": share})).collect::<Vec<_>>(),
                "before": rate(old), "since": rate(new),
            }),
            Some(Conclusion::NoDifference { good, bad, reversed }) => {
                let end = |(tally, interval): &(Tally, Interval)| json!({"trials": tally.trials, "events": tally.events, "ci95": interval});
                json!({"kind": "no-difference", "good": end(good), "bad": end(bad), "reversed": reversed})
            }
            Some(Conclusion::EndSkipped { good }) => {
                json!({"kind": "end-skipped", "end": if *good { "good" } else { "bad" }})
            }
        };
        let posterior = self.bisection.posterior();
        let nodes = self.bisected.nodes.iter().enumerate().map(|(position, known)| {
            let tally = self.bisection.tallies().get(position).copied().unwrap_or_default();
            json!({
                "id": known.id, "subject": known.subject, "probability": posterior.commits.get(position),
                "trials": tally.trials, "events": tally.events,
                "same_as": known.same_as.and_then(|other| self.bisected.nodes.get(other)).map(|other| &other.id),
                "skipped": self.info.cells.get(position).and_then(|cell| cell.skipped.clone()),
            })
        });
        json!({
            "run_id": self.run.id(), "conclusion": conclusion, "no_change": posterior.none,
            "nodes": nodes.collect::<Vec<_>>(), "time": self.spent.json(),
        })
    }
}

/// What it means that two nodes have the same kernel, in a sentence.
pub fn same_kernel(bisected: &Bisected, history: &History, (one, other): (usize, usize)) -> String {
    let (before, after) = (one.min(other), one.max(other));
    let id = |node: usize| bisected.nodes.get(node).map_or("", |node| short(&node.id));
    let (from, to) = (id(before), id(after));
    if history.parents(after) == [before] {
        format!("{to} changed no byte of this kernel (same as {from})")
    } else if history.has(after, before) {
        format!("all after {from} up to {to} together changed no byte of this kernel")
    } else {
        format!("{from} and {to} are the same kernel, byte for byte")
    }
}

/// `12 of 40 trials, 30 %, 18 to 45 %`
fn shares((tally, interval): &(Tally, Interval)) -> String {
    let Tally { trials, events } = tally;
    if *trials == 0 {
        return "no trial".to_owned();
    }
    let share = f64::from(*events) / f64::from(*trials);
    format!(
        "{events} of {trials} trials, {:.0} %, {:.0} to {:.0} %",
        share * 100.0,
        interval.lo * 100.0,
        interval.hi * 100.0
    )
}

#[cfg(test)]
mod tests;
