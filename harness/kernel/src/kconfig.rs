//! What the kernel's Kconfig files say about an option that is not as asked: which dependency is missing, what selects
//! it, or that there is no such option. Read only when there is something to explain.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Unmet;
use super::config::Config;
use harness_model::Arch;
use harness_yaml::nearest;

/// Adds the reasons, as far as the Kconfig files of `tree` give any.
pub(super) fn explain(tree: &Path, arch: Arch, config: &Config, unmet: &mut [Unmet]) {
    let options = Options::read(tree, arch);
    for unmet in unmet {
        unmet.why = options.why(unmet, config);
    }
}

/// All options, by name without `CONFIG_`.
#[derive(Debug, Default)]
struct Options(BTreeMap<String, Definition>);

#[derive(Debug, Default)]
struct Definition {
    /// The first place it is defined at: `fs/pstore/Kconfig:77`.
    place: String,
    /// Whether a user may set it.
    prompt: bool,
    /// `depends on`, and every `if` around it in the file.
    depends: Vec<String>,
    /// What selects it.
    selected_by: Vec<String>,
}

/// Whether the lines belong to a help text, which ends where a line is indented less than its first one.
enum Help {
    None,
    Begins,
    Goes { indent: usize },
}

impl Help {
    fn goes_on(&mut self, line: &str) -> bool {
        let columns = |line: &str| {
            let blanks = line.chars().take_while(|c| c.is_whitespace());
            blanks.fold(0, |column, c| if c == '\t' { column / 8 * 8 + 8 } else { column + 1 })
        };
        let here = columns(line);
        match self {
            Self::None => return false,
            _ if line.trim().is_empty() => {}
            Self::Begins if here > 0 => *self = Self::Goes { indent: here },
            Self::Goes { indent } if here >= *indent => {}
            Self::Begins | Self::Goes { .. } => *self = Self::None,
        }
        !matches!(self, Self::None)
    }
}

impl Options {
    fn read(tree: &Path, arch: Arch) -> Self {
        let mut options = Self::default();
        let mut folders = vec![tree.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            for entry in entries {
                let (path, name) = (entry.path(), entry.file_name());
                let name = name.to_string_lossy();
                let foreign = folder == tree.join("arch") && name != arch.spec().kernel.folder;
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && !foreign => folders.push(path),
                    Ok(kind) if kind.is_file() && name.starts_with("Kconfig") => options.add(tree, &path),
                    _ => {}
                }
            }
        }
        options
    }

    fn add(&mut self, tree: &Path, path: &PathBuf) {
        let Ok(text) = fs::read_to_string(path) else { return };
        let file = path.strip_prefix(tree).unwrap_or(path).display().to_string();
        self.parse(&file, &text.replace("\\\n", " "));
    }

    fn parse(&mut self, file: &str, text: &str) {
        // Conditions of the `if`s that are open, and the option that is being defined.
        let mut around: Vec<String> = Vec::new();
        let mut current: Option<String> = None;
        let mut help = Help::None;
        for (number, line) in text.lines().enumerate() {
            if help.goes_on(line) {
                continue;
            }
            let (word, rest) = line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), ""));
            let rest = rest.split(" #").next().unwrap_or_default().trim();
            match word {
                "config" | "menuconfig" => {
                    let definition = self.0.entry(rest.to_owned()).or_default();
                    if definition.place.is_empty() {
                        definition.place = format!("{file}:{}", number + 1);
                        definition.depends.clone_from(&around);
                    }
                    current = Some(rest.to_owned());
                }
                "if" => {
                    around.push(rest.to_owned());
                    current = None;
                }
                "endif" => {
                    around.pop();
                    current = None;
                }
                "help" | "---help---" => help = Help::Begins,
                "choice" | "endchoice" | "menu" | "endmenu" | "comment" | "source" => current = None,
                "depends" => self.current(current.as_ref(), |option| {
                    option.depends.push(rest.trim_start_matches("on").trim().to_owned());
                }),
                "bool" | "tristate" | "int" | "hex" | "string" | "prompt" if rest.starts_with(['"', '\'']) => {
                    self.current(current.as_ref(), |option| option.prompt = true);
                }
                "select" => {
                    let selected = rest.split_whitespace().next().unwrap_or_default().to_owned();
                    if let Some(current) = &current {
                        self.0.entry(selected).or_default().selected_by.push(current.clone());
                    }
                }
                _ => {}
            }
        }
    }

    fn current(&mut self, name: Option<&String>, change: impl FnOnce(&mut Definition)) {
        if let Some(definition) = name.and_then(|name| self.0.get_mut(name)) {
            change(definition);
        }
    }

    fn why(&self, unmet: &Unmet, config: &Config) -> String {
        let name = unmet.option.trim_start_matches("CONFIG_");
        let Some(Definition { place, prompt, depends, selected_by }) =
            self.0.get(name).filter(|definition| !definition.place.is_empty())
        else {
            return match nearest(name, self.0.keys().map(String::as_str)) {
                Some(near) => format!("this kernel has no such option; did you mean CONFIG_{near}?"),
                None => "this kernel has no such option".to_owned(),
            };
        };
        let on = |name: &str| config.value(&format!("CONFIG_{name}")) != "n";
        if unmet.asked == "n" {
            let selects: Vec<&str> = selected_by.iter().map(String::as_str).filter(|name| on(name)).collect();
            return if selects.is_empty() {
                format!("{place}: it is on by default and cannot be switched off here")
            } else {
                format!("{place}: it is selected by {}", selects.join(", "))
            };
        }
        let missing: Vec<&str> =
            depends.iter().flat_map(|all| conjuncts(all)).filter(|part| !holds(part, &on)).collect();
        if !missing.is_empty() {
            format!("{place}: it depends on {}", missing.join(" and "))
        } else if *prompt {
            format!("{place}: its dependencies are met; its type or a choice does not allow that value")
        } else {
            format!("{place}: it cannot be asked for, only other options select it")
        }
    }
}

/// The parts of a condition that must all hold.
fn conjuncts(condition: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in condition.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '&' if depth == 0 && condition.get(at..).is_some_and(|rest| rest.starts_with("&&")) => {
                parts.push(condition.get(start..at).unwrap_or_default().trim());
                start = at + 2;
            }
            _ => {}
        }
    }
    parts.push(condition.get(start..).unwrap_or_default().trim());
    parts.retain(|part| !part.is_empty());
    // An `||` outside of all brackets binds weaker: then there is but one part.
    if parts.iter().any(|part| outside_brackets(part, "||")) { vec![condition] } else { parts }
}

fn outside_brackets(text: &str, what: &str) -> bool {
    let mut depth = 0_i32;
    text.char_indices().any(|(at, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(what))
    })
}

/// Whether a part of a condition holds. What is not a plain combination of names (comparisons, macros) is taken to
/// hold: better no reason than a wrong one.
fn holds(part: &str, on: &dyn Fn(&str) -> bool) -> bool {
    if part.contains(['=', '$', '<', '>', '"']) {
        return true;
    }
    let mut tokens = Vec::new();
    let mut word = String::new();
    for c in part.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if matches!(c, '!' | '(' | ')' | '&' | '|') {
            tokens.push(c.to_string());
        }
    }
    let mut at = 0;
    any(&tokens, &mut at, on)
}

fn any(tokens: &[String], at: &mut usize, on: &dyn Fn(&str) -> bool) -> bool {
    let mut value = all(tokens, at, on);
    while taken(tokens, at, "|") && taken(tokens, at, "|") {
        value |= all(tokens, at, on);
    }
    value
}

fn all(tokens: &[String], at: &mut usize, on: &dyn Fn(&str) -> bool) -> bool {
    let mut value = one(tokens, at, on);
    while taken(tokens, at, "&") && taken(tokens, at, "&") {
        value &= one(tokens, at, on);
    }
    value
}

fn one(tokens: &[String], at: &mut usize, on: &dyn Fn(&str) -> bool) -> bool {
    if taken(tokens, at, "!") {
        return !one(tokens, at, on);
    }
    if taken(tokens, at, "(") {
        let value = any(tokens, at, on);
        taken(tokens, at, ")");
        return value;
    }
    let name = tokens.get(*at).map_or("", String::as_str);
    *at += 1;
    name == "y" || on(name)
}

fn taken(tokens: &[String], at: &mut usize, token: &str) -> bool {
    let there = tokens.get(*at).is_some_and(|next| next == token);
    *at += usize::from(there);
    there
}

#[cfg(test)]
mod tests;
