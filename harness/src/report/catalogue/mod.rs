//! The catalogue of the scenarios, `docs/scenarios.md`: what each does and why, and what was measured of it.
//!
//! ```text
//! scenarios, suites ───────────────────┐
//! docs/measured.json ─> Measured ──────┴─> catalogue ─> docs/scenarios.md
//! a run's counts ───────> take ─┘
//! ```

mod measured;
mod points;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

pub use measured::{MEASURED_VARIANT, Measured, MeasuredError};

use crate::model::Params;
use crate::scenario::{Instance, Needs, Parameter, Scenario};

/// A suite, as far as the catalogue is concerned.
#[derive(Debug, Clone)]
pub struct ListedSuite {
    /// Its name.
    pub name: String,
    /// What it is for, in one line.
    pub title: String,
    /// The names of its scenarios, in its order.
    pub scenarios: Vec<String>,
}

/// The catalogue, in Markdown: every scenario once, below the first suite that has it.
pub fn catalogue(scenarios: &[Scenario], suites: &[ListedSuite], measured: &Measured) -> String {
    let mut text = HEAD.to_owned();
    let mut chapters: Vec<(String, Vec<&str>)> = Vec::new();
    let mut described: Vec<&str> = Vec::new();
    text += "| suite | what it is for | scenarios |\n|---|---|---|\n";
    for ListedSuite { name, title, scenarios: listed } in suites {
        let links: Vec<String> = listed.iter().map(|scenario| link(scenario)).collect();
        let own: Vec<&str> = listed.iter().map(String::as_str).filter(|name| !described.contains(name)).collect();
        described.extend(&own);
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{name}` | {} | {} |", in_table(title), links.join(", "));
        chapters.push((format!("Suite {name}"), own));
    }
    let others = scenarios.iter().map(|scenario| scenario.name.as_str()).filter(|name| !described.contains(name));
    chapters.push(("In no suite".to_owned(), others.collect()));
    for (title, names) in chapters.iter().filter(|(_, names)| !names.is_empty()) {
        let _ = write!(text, "\n## {title}\n");
        for scenario in names.iter().filter_map(|name| scenarios.iter().find(|scenario| scenario.name == **name)) {
            text += &chapter(scenario, suites, measured);
        }
    }
    text
}

/// Columns of a line of prose.
const WIDTH: usize = 120;

const HEAD: &str = "\
<!-- Written by `harness catalogue` from scenarios/ and docs/measured.json: change those, and run it again. -->

# Scenarios

What is done to the kernel here, why, what is expected of it, and what became of its log. Each is a file in
`scenarios/`, in the form of [scenarios-format.md](scenarios-format.md); `harness trial NAME` shows one.

The tables are of the variant `stock`: of the trials that counted, those in which everything was saved (in the column
`order`: in which the order was kept), with the 95 % interval in percent ([statistics.md](statistics.md)). Guests that
hung are among those that counted, trials whose faults did not meet (`missed`) are not.

";

/// All that there is to say of one scenario.
fn chapter(scenario: &Scenario, suites: &[ListedSuite], measured: &Measured) -> String {
    let Scenario { name, title, why, source, tags, parameters, .. } = scenario;
    let mut text = format!("\n### {name}\n\n**{title}**\n\n{}\n\n", why.trim_end());
    let mut item = |what: &str, said: &str| {
        if !said.is_empty() {
            text += &item_of(0, &format!("{what}: {said}"));
        }
    };
    item("source", source);
    item("tags", &tags.iter().map(|tag| format!("`{tag}`")).collect::<Vec<_>>().join(", "));
    let of: Vec<String> =
        suites.iter().filter(|suite| suite.scenarios.contains(name)).map(|suite| format!("`{}`", suite.name)).collect();
    item("suites", &of.join(", "));
    let swept = |parameter: &Parameter| format!("`{}` {}", parameter.name, points::listed(&parameter.values));
    item("parameters", &parameters.iter().map(swept).collect::<Vec<_>>().join("; "));
    item("ends by", &grouped(scenario, ends).join("; "));
    item("needs", &grouped(scenario, |instance| needs(&instance.needs)).join("; "));
    for (what, lines) in [
        ("order", grouped(scenario, |instance| instance.order.iter().map(ToString::to_string).collect())),
        ("expected", grouped(scenario, |instance| instance.expectations.iter().map(ToString::to_string).collect())),
    ] {
        if !lines.is_empty() {
            let _ = writeln!(text, "- {what}:");
            text.extend(lines.iter().map(|line| item_of(2, line)));
        }
    }
    text + "\n" + &table::measured(scenario, measured)
}

/// An item of a list, so far to the right, in lines of at most 120 columns.
fn item_of(indent: usize, text: &str) -> String {
    let mut lines = vec![format!("{:indent$}-", "")];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{:1$}{word}", "", indent + 2)),
        }
    }
    lines.join("\n") + "\n"
}

/// What there is at the scenario's points, each once, with the points if they are not all.
fn grouped(scenario: &Scenario, at: impl Fn(&Instance) -> Vec<String>) -> Vec<String> {
    let points = scenario.points();
    let mut groups: Vec<(String, Vec<&Params>)> = Vec::new();
    for point in &points {
        for said in scenario.at(point).map(&at).unwrap_or_default() {
            match groups.iter_mut().find(|(known, _)| *known == said) {
                Some((_, points)) => points.push(point),
                None => groups.push((said, vec![point])),
            }
        }
    }
    let line = |(said, at): (String, Vec<_>)| match points::in_words(&scenario.parameters, &at) {
        words if words.is_empty() => said,
        words => format!("{said}, where {words}"),
    };
    groups.into_iter().map(line).collect()
}

/// What the guest ends by, where the author says that.
fn ends(instance: &Instance) -> Vec<String> {
    let by: Vec<String> = instance.ends.by.iter().map(|end| format!("`{end}`")).collect();
    if instance.ends.said { vec![by.join(" or ")] } else { Vec::new() }
}

/// What a kernel must have.
fn needs(needs: &Needs) -> Vec<String> {
    let Needs { since, until, functions, symbols, config, spinning } = needs;
    let mut said = Vec::new();
    said.extend(since.iter().map(|since| format!("Linux {since} or newer")));
    said.extend(until.iter().map(|until| format!("Linux {until} or older")));
    said.extend(functions.iter().map(|name| format!("`{name}()`")));
    said.extend(symbols.iter().chain(config).map(|name| format!("`{name}`")));
    if !spinning.is_empty() {
        said.push("no `CONFIG_PREEMPT_RT`".to_owned());
    }
    said
}

fn link(scenario: &str) -> String {
    format!("[{scenario}](#{scenario})")
}

/// Text that cannot end its cell of a table.
fn in_table(text: &str) -> String {
    text.replace('|', "\\|")
}
