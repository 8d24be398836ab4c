//! An explanation as text for a terminal.

use std::fmt::{self, Display, Formatter};

use super::Explanation;

/// Columns that are written to, so that it can be read in any terminal.
const WIDTH: usize = 80;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}\n", self.scenario, self.title)?;
        for line in self.why.lines() {
            writeln!(f, "{}", format!("  {line}").trim_end())?;
        }
        writeln!(f)?;
        wrapped(f, "", "  ", &format!("Source: {}", self.source))?;
        section(f, "The sweep", &self.sweep)?;
        if let Some(seed) = self.seed {
            section(f, &format!("Drawn by the seed {seed}"), or(&self.drawn, "There is nothing to be drawn."))?;
        }
        section(f, "The guest", &self.guest)?;
        writeln!(f, "\nWhat happens")?;
        for on in &self.cpus {
            match &on.acts[..] {
                // The rest of the CPUs.
                [only] if only.starts_with(char::is_lowercase) => {
                    wrapped(f, "  ", "    ", &format!("{} {only}", on.cpu))?;
                }
                acts => {
                    writeln!(f, "  {}", on.cpu)?;
                    acts.iter().try_for_each(|act| wrapped(f, "    - ", "      ", act))?;
                }
            }
        }
        section(f, "What ends it", &self.ends)?;
        section(f, "A trial counts only if", &self.meet)?;
        section(f, "The order that is asserted", &self.order)?;
        section(f, "What is expected", &self.expect)?;
        section(f, "What kernel it needs", &self.needs)
    }
}

fn or<'a>(sentences: &'a [String], otherwise: &str) -> std::borrow::Cow<'a, [String]> {
    if sentences.is_empty() { vec![otherwise.to_owned()].into() } else { sentences.into() }
}

/// A heading and a list; nothing if the list is empty.
fn section(f: &mut Formatter<'_>, heading: &str, sentences: impl AsRef<[String]>) -> fmt::Result {
    let sentences = sentences.as_ref();
    if sentences.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{heading}")?;
    sentences.iter().try_for_each(|sentence| wrapped(f, "  - ", "    ", sentence))
}

/// Words in lines of [`WIDTH`] columns, the first one behind `first`, the others behind `other`.
fn wrapped(f: &mut Formatter<'_>, first: &str, other: &str, text: &str) -> fmt::Result {
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(f, "{line}")?;
            other.clone_into(&mut line);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    writeln!(f, "{line}")
}
