//! Config fragments: what is asked for, and whether the kernel's config system granted it.
//!
//! ```text
//! tinyconfig < guest.config < a fragment of the user's ─┐
//!                    a whole config < whole.config ─────┴─< required.config < the variant's fragments
//! ```

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::given::Kconfig;
use super::{KernelError, Unmet, Version, files};
use harness_model::Arch;

/// What a kernel's config is made from.
#[derive(Debug)]
pub(super) struct Wanted {
    /// A whole config that somebody else made, in place of the kernel's own tinyconfig. What of it is granted is not
    /// checked: much of it is for another kernel or another machine.
    whole: Option<Fragments>,
    /// What is asked for over it.
    pub asked: Fragments,
}

/// Options with the values that are asked for: of several fragments, later ones winning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fragments(Vec<Asked>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    option: String,
    value: String,
    path: PathBuf,
    line: usize,
}

impl Wanted {
    /// What a kernel of this version is configured by: the laboratory's own config or the user's, what the harness needs
    /// (`configs` has both), and the variant's fragments.
    pub fn of(
        configs: &Path,
        version: &Version,
        given: Option<&Kconfig>,
        variant: &[PathBuf],
    ) -> Result<Self, KernelError> {
        let laboratory = || Fragments::read(&for_version(configs, GUEST, version)?);
        let (whole, mut asked) = match given {
            None => (None, laboratory()?),
            Some(Kconfig { whole: false, options }) => (None, laboratory()?.under(options)),
            Some(Kconfig { whole: true, options }) => {
                let elsewhere = Fragments::read(&[configs.join("whole.config")])?;
                (Some(options.clone().under(&elsewhere)), Fragments::default())
            }
        };
        for fragments in [for_version(configs, REQUIRED, version)?.as_slice(), variant] {
            asked = asked.under(&Fragments::read(fragments)?);
        }
        Ok(Self { whole, asked })
    }

    /// SHA-256 over all that it says.
    pub fn digest(&self) -> String {
        let whole = self.whole.as_ref().map(Fragments::text).unwrap_or_default();
        files::sha256((whole + &self.asked.text()).as_bytes())
    }

    /// Whether it is a whole config that somebody else made.
    pub const fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// The target of make's by which crashlab can be built. A whole config has thousands of modules, and no guest loads one.
    pub const fn modules_target(&self) -> &'static str {
        if self.is_whole() { "modules_prepare" } else { "modules" }
    }

    /// The target of make's that makes a config of [`Self::allconfig`]: of what nobody names everything is off, unless
    /// the config is a whole one. Then it is as the kernel has it by default.
    pub const fn target(&self) -> &'static str {
        if self.is_whole() { "alldefconfig" } else { "allnoconfig" }
    }

    /// What that target is given: the whole config, or the tree's own tinyconfig, and what is asked for over it.
    pub fn allconfig(&self, tree: &Path, arch: Arch) -> Result<String, KernelError> {
        let under = match &self.whole {
            Some(whole) => whole.clone(),
            None => tinyconfig(tree, arch)?,
        };
        Ok(under.under(&self.asked).text())
    }
}

/// The fragments of the laboratory's own config.
const GUEST: &str = "guest";
/// The fragments of what the harness needs.
const REQUIRED: &str = "required";

/// The fragments of this name for kernels of this version, in order: `guest.config`, then those for some versions alone,
/// `guest.since-6.5.config` and `guest.until-6.4.config`, by name.
fn for_version(configs: &Path, name: &str, version: &Version) -> Result<Vec<PathBuf>, KernelError> {
    let all = versioned(configs, name)?.into_iter();
    let is_for = |versions: &Versions| version.is_within(versions.since.as_ref(), versions.until.as_ref());
    Ok(all.filter(|(_, versions)| is_for(versions)).map(|(path, _)| path).collect())
}

/// The kernels that a fragment is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Versions {
    pub since: Option<Version>,
    pub until: Option<Version>,
}

/// The fragments of what the harness needs, with the kernels that need it.
pub(super) fn required(configs: &Path) -> Result<Vec<(PathBuf, Versions)>, KernelError> {
    versioned(configs, REQUIRED)
}

/// All fragments of this name, and which kernels they are for.
fn versioned(configs: &Path, name: &str) -> Result<Vec<(PathBuf, Versions)>, KernelError> {
    let fail = KernelError::io("reading the config fragments in", configs);
    let mut further = Vec::new();
    for entry in fs::read_dir(configs).map_err(&fail)? {
        let path = entry.map_err(&fail)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let range = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".config"));
        let Some(range) = range else { continue };
        let at = |prefix: &str| range.strip_prefix(prefix).and_then(|version| version.parse::<Version>().ok());
        let versions = Versions { since: at("since-"), until: at("until-") };
        if versions == Versions::default() {
            let wanted = format!("its name is not {name}.since-VERSION.config or {name}.until-VERSION.config");
            return Err(KernelError::io("reading config fragment", &path)(io::Error::other(wanted)));
        }
        further.push((path, versions));
    }
    further.sort_by(|(one, _), (other, _)| one.cmp(other));
    further.insert(0, (configs.join(format!("{name}.config")), Versions::default()));
    Ok(further)
}

impl Fragments {
    /// Reads fragments in order. An option that is named twice has its last value.
    pub fn read(paths: &[PathBuf]) -> Result<Self, KernelError> {
        let mut merged = Self::default();
        for path in paths {
            let text = fs::read_to_string(path).map_err(KernelError::io("reading config fragment", path))?;
            merged = merged.under(&Self::parse(path, &text)?);
        }
        Ok(merged)
    }

    /// Reads the text of the fragment at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, KernelError> {
        let mut asked = Vec::new();
        for (number, text) in text.lines().enumerate() {
            let line = number + 1;
            match option_of(text) {
                Line::Option(option, value) => {
                    let (option, value) = (option.to_owned(), value.to_owned());
                    asked.push(Asked { option, value, path: path.to_owned(), line });
                }
                Line::Nothing => {}
                Line::Wrong => {
                    let text = text.trim().chars().take(120).collect();
                    return Err(KernelError::Fragment { path: path.to_owned(), line, text });
                }
            }
        }
        Ok(Self(asked).last_ones())
    }

    /// With what others ask for over it.
    #[must_use]
    pub fn under(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self.last_ones()
    }

    /// Each option once, where it is named last: of a choice's options, Kconfig takes the one that comes last.
    fn last_ones(mut self) -> Self {
        let mut named = HashSet::new();
        let mut last: Vec<bool> = self.0.iter().rev().map(|asked| named.insert(asked.option.clone())).collect();
        self.0.retain(|_| last.pop().unwrap_or(true));
        self
    }

    /// Without the options that `but` knows.
    #[must_use]
    pub fn without(mut self, but: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|asked| !but(&asked.option));
        self
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

/// The tree's own tinyconfig.
fn tinyconfig(tree: &Path, arch: Arch) -> Result<Fragments, KernelError> {
    let mut merged = Fragments::default();
    let own = format!("arch/{}/configs/tiny.config", arch.spec().kernel.folder);
    for name in ["kernel/configs/tiny-base.config", "kernel/configs/tiny.config", &own] {
        let path = tree.join(name);
        // Which of them there are depends on the version.
        if let Ok(text) = fs::read_to_string(&path) {
            merged = merged.under(&Fragments::parse(&path, &text)?);
        }
    }
    Ok(merged)
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
