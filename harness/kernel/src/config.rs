//! Config fragments: what is asked for, and whether the kernel's config system granted it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{KernelError, Unmet, Version};

/// What a config is asked to be: the project's `guest.config` and a variant's fragments, later ones winning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fragments(Vec<Asked>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    option: String,
    value: String,
    path: PathBuf,
    line: usize,
}

/// The fragments that every guest's kernel of this version has, in order: `guest.config`, then those for some versions
/// alone, `guest.since-6.5.config` and `guest.until-6.4.config`, by name.
pub(super) fn for_version(configs: &Path, version: &Version) -> Result<Vec<PathBuf>, KernelError> {
    let fail = KernelError::io("reading the config fragments in", configs);
    let mut fragments = vec![configs.join("guest.config")];
    let mut further = Vec::new();
    for entry in fs::read_dir(configs).map_err(&fail)? {
        let path = entry.map_err(&fail)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(range) = name.strip_prefix("guest.").and_then(|name| name.strip_suffix(".config")) else { continue };
        let at = |prefix: &str| range.strip_prefix(prefix).and_then(|version| version.parse::<Version>().ok());
        let is_for = match (at("since-"), at("until-")) {
            (Some(first), _) => first.line() <= version.line(),
            (_, Some(last)) => version.line() <= last.line(),
            (None, None) => {
                let error =
                    io::Error::other("its name is not guest.since-VERSION.config or guest.until-VERSION.config");
                return Err(KernelError::io("reading config fragment", &path)(error));
            }
        };
        if is_for {
            further.push(path);
        }
    }
    further.sort();
    fragments.extend(further);
    Ok(fragments)
}

impl Fragments {
    /// Reads fragments in order. An option that is named twice has its last value.
    pub fn read(paths: &[PathBuf]) -> Result<Self, KernelError> {
        let mut merged = Self::default();
        for path in paths {
            let text = fs::read_to_string(path).map_err(KernelError::io("reading config fragment", path))?;
            merged.merge(path, &text)?;
        }
        Ok(merged)
    }

    fn merge(&mut self, path: &Path, text: &str) -> Result<(), KernelError> {
        for (number, text) in text.lines().enumerate() {
            let line = number + 1;
            match option_of(text) {
                Line::Option(option, value) => {
                    // The old place goes too: of a choice's options, Kconfig takes the one that comes last.
                    self.0.retain(|asked| asked.option != option);
                    let (option, value) = (option.to_owned(), value.to_owned());
                    self.0.push(Asked { option, value, path: path.to_owned(), line });
                }
                Line::Nothing => {}
                Line::Wrong => {
                    let text = text.trim().chars().take(120).collect();
                    return Err(KernelError::Fragment { path: path.to_owned(), line, text });
                }
            }
        }
        Ok(())
    }

    /// Every option with its value, in order.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|asked| (asked.option.as_str(), asked.value.as_str()))
    }

    /// The fragments as one, in Kconfig's own form. Two sets of fragments that ask for the same give the same text.
    pub fn text(&self) -> String {
        self.0.iter().fold(String::new(), |text, asked| text + &line_of(&asked.option, &asked.value))
    }

    /// What is not in the final config as it was asked for.
    pub fn unmet(&self, config: &Config) -> Vec<Unmet> {
        let wrong = self.0.iter().filter(|asked| config.value(&asked.option) != asked.value);
        wrong
            .map(|asked| Unmet {
                option: asked.option.clone(),
                asked: asked.value.clone(),
                got: config.value(&asked.option).to_owned(),
                path: asked.path.clone(),
                line: asked.line,
                why: String::new(),
            })
            .collect()
    }
}

/// What `make allnoconfig` is given: the tree's own tinyconfig, and the fragments over it. Everything that neither of
/// them names is off.
pub(super) fn allconfig(tree: &Path, fragments: &Fragments) -> Result<String, KernelError> {
    let mut merged = Fragments::default();
    for name in ["kernel/configs/tiny-base.config", "kernel/configs/tiny.config", "arch/x86/configs/tiny.config"] {
        let path = tree.join(name);
        // Which of them there are depends on the version.
        if let Ok(text) = fs::read_to_string(&path) {
            merged.merge(&path, &text)?;
        }
    }
    for asked in &fragments.0 {
        merged.0.retain(|tiny| tiny.option != asked.option);
        merged.0.push(asked.clone());
    }
    Ok(merged.text())
}

/// A finished `.config`.
#[derive(Debug, Default)]
pub(super) struct Config(std::collections::HashMap<String, String>);

impl Config {
    /// Takes the options of a `.config`.
    pub fn parse(text: &str) -> Self {
        let options = text.lines().filter_map(|line| match option_of(line) {
            Line::Option(option, value) => Some((option.to_owned(), value.to_owned())),
            _ => None,
        });
        Self(options.collect())
    }

    /// An option's value. What is not mentioned is off.
    pub fn value(&self, option: &str) -> &str {
        self.0.get(option).map_or("n", String::as_str)
    }
}

enum Line<'a> {
    Option(&'a str, &'a str),
    Nothing,
    Wrong,
}

fn option_of(line: &str) -> Line<'_> {
    let line = line.trim();
    let name = |text: &str| {
        text.strip_prefix("CONFIG_")
            .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    };
    if let Some(comment) = line.strip_prefix('#') {
        return match comment.trim().strip_suffix(" is not set") {
            Some(option) if name(option) => Line::Option(option, "n"),
            _ => Line::Nothing,
        };
    }
    match line.split_once('=') {
        _ if line.is_empty() => Line::Nothing,
        Some((option, value)) if name(option) && is_value(value) => Line::Option(option, value),
        _ => Line::Wrong,
    }
}

fn is_value(value: &str) -> bool {
    let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let number = value.strip_prefix('-').unwrap_or(value);
    matches!(value, "y" | "m" | "n")
        || text.is_some()
        || (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        || value.strip_prefix("0x").is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The line of an option.
pub(super) fn line_of(option: &str, value: &str) -> String {
    if value == "n" { format!("# {option} is not set\n") } else { format!("{option}={value}\n") }
}

#[cfg(test)]
mod tests;
