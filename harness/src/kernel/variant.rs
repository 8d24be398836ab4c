//! `guest-kernel/variants/<name>/variant.yaml`: what is changed about a base.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::axis::{Asked, list_axes};
use super::files::is_plain_name;
use super::knob::Knob;
use super::{KernelError, Version};
use crate::model::GuestChange;
use crate::project::Project;
use crate::yaml::{At, Mark, Source as YamlFile, UnknownName};

/// A base with an ordered patch series, further config fragments, a command line and run-time settings.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The name of its folder.
    pub name: String,
    /// One line on what it is.
    pub title: String,
    /// What it is said to do better or worse; what a run can prove or refute.
    pub claim: String,
    /// Where the idea comes from.
    pub source: String,
    /// The patch series, each for some kernel versions; without any, every kernel is left as it is.
    pub series: Vec<Series>,
    /// Config fragments that follow `guest.config`, in order.
    pub config: Vec<PathBuf>,
    /// Words for the kernel's command line.
    pub command_line: Vec<String>,
    /// What is set in the booted guest before the faults are armed.
    pub knobs: Vec<Knob>,
    /// What it changes about the guests of scenarios.
    pub guest: GuestChange,
}

/// A patch series for some kernel versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The versions; all, if not given.
    pub bases: Option<Range>,
    /// The patches, in order.
    pub patches: Vec<PathBuf>,
}

impl Series {
    fn is_for(&self, version: &Version) -> bool {
        self.bases.as_ref().is_none_or(|range| range.contains(version))
    }
}

/// From one kernel version to another, both included. Compared by major and minor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub from: Version,
    /// The last.
    pub to: Version,
}

impl Range {
    /// Whether that kernel is in it.
    pub fn contains(&self, version: &Version) -> bool {
        (self.from.line()..=self.to.line()).contains(&version.line())
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { self.from.fmt(f) } else { write!(f, "{} to {}", self.from, self.to) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct VariantFile {
    name: At<String>,
    title: String,
    claim: String,
    source: String,
    #[serde(default)]
    series: Vec<SeriesFile>,
    #[serde(default)]
    config: Vec<At<String>>,
    #[serde(default)]
    command_line: Vec<At<String>>,
    #[serde(default)]
    knobs: Vec<At<Knob>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesFile {
    bases: Option<RangeFile>,
    #[serde(default)]
    patches: Vec<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeFile {
    from: At<String>,
    to: At<String>,
}

/// The variants of a project, by name.
pub fn list_variants(project: &Project) -> Result<Vec<Variant>, KernelError> {
    let folder = folder(project);
    names(&folder)?.iter().map(|name| Variant::read(project, &folder, name)).collect()
}

/// The names of the variants that are this machine's alone, by name.
pub fn list_throw_aways(project: &Project) -> Result<Vec<String>, KernelError> {
    let folder = project.throw_away();
    if folder.is_dir() { names(&folder) } else { Ok(Vec::new()) }
}

impl Variant {
    /// The variant of that name, which may say how many of its last patches are left out, and what is set about it:
    /// `notifier-lists~2+post_notifiers=1`.
    pub fn find(project: &Project, name: &str) -> Result<Self, KernelError> {
        let Asked { name: own, without, settings } = Asked::of(name);
        let names = names(&folder(project))?;
        let mut variant = if names.iter().any(|known| known == own) {
            Self::read(project, &folder(project), own)?
        } else if is_plain_name(own) && project.throw_away().join(own).is_dir() {
            Self::read(project, &project.throw_away(), own)?
        } else {
            return Err(UnknownName::new("variant", own, names.iter().map(String::as_str)).into());
        };
        if let Some(last) = without {
            variant = variant.without(last)?;
        }
        if settings.is_empty() {
            return Ok(variant);
        }
        let axes = list_axes(project)?;
        settings.into_iter().try_fold(variant, |variant, setting| variant.with(&axes, setting))
    }

    /// The patches for a kernel of this version, in order; `None` if it is not for such a kernel.
    pub fn patches(&self, version: &Version) -> Option<&[PathBuf]> {
        if self.series.is_empty() {
            return Some(&[]);
        }
        self.series.iter().find(|series| series.is_for(version)).map(|series| series.patches.as_slice())
    }

    /// How many patches the longest of its series has.
    pub fn most_patches(&self) -> usize {
        self.series.iter().map(|series| series.patches.len()).max().unwrap_or(0)
    }

    /// Which kernels it is for, in words.
    pub fn versions(&self) -> String {
        let ranges: Vec<String> =
            self.series.iter().filter_map(|series| Some(series.bases.as_ref()?.to_string())).collect();
        if ranges.is_empty() { "all kernels".to_owned() } else { ranges.join(", ") }
    }

    fn read(project: &Project, variants: &Path, name: &str) -> Result<Self, KernelError> {
        let folder = variants.join(name);
        let file = YamlFile::read(&folder.join("variant.yaml"))?;
        let read: VariantFile = file.parse()?;
        let wrong = |mark: Mark, cause: String| KernelError::from(file.error(mark, cause, None));

        if *read.name != name {
            return Err(wrong(read.name.mark, format!("the variant is called `{name}` after its folder")));
        }
        let paths = |names: Vec<At<String>>, folder: &Path, kind: &str| -> Result<Vec<PathBuf>, KernelError> {
            let path = |name: At<String>| {
                let path = folder.join(&*name);
                if !stays_below(&name) {
                    return Err(wrong(name.mark, format!("a {kind} is a file below {}", folder.display())));
                }
                if !path.is_file() {
                    return Err(wrong(name.mark, format!("there is no {kind} {}", path.display())));
                }
                Ok(path)
            };
            names.into_iter().map(path).collect()
        };
        let series = read.series.into_iter().map(|SeriesFile { bases, patches }| {
            let bases = bases.map(|range| range.parse(&file)).transpose()?;
            Ok(Series { bases, patches: paths(patches, &folder, "patch")? })
        });
        let series = series.collect::<Result<_, KernelError>>()?;
        let throw_away = variants == project.throw_away();
        let configs = if throw_away { folder.clone() } else { project.guest_kernel().join("configs") };
        let config = paths(read.config, &configs, "config fragment")?;
        for word in &read.command_line {
            if word.is_empty() || word.chars().any(|c| c.is_whitespace() || c.is_control()) {
                let cause = "each entry is one word of the kernel's command line".to_owned();
                return Err(wrong(word.mark, cause));
            }
        }
        for knob in &read.knobs {
            knob.check().map_err(|cause| wrong(knob.mark, cause))?;
        }
        Ok(Self {
            name: read.name.value,
            title: read.title,
            claim: read.claim,
            source: read.source,
            series,
            config,
            command_line: read.command_line.into_iter().map(|word| word.value).collect(),
            knobs: read.knobs.into_iter().map(|knob| knob.value).collect(),
            guest: GuestChange::default(),
        })
    }
}

impl RangeFile {
    fn parse(self, file: &YamlFile) -> Result<Range, KernelError> {
        let version = |text: &At<String>| text.parse::<Version>().map_err(|cause| file.error(text.mark, cause, None));
        let range = Range { from: version(&self.from)?, to: version(&self.to)? };
        if range.from.line() > range.to.line() {
            let hint = Some("`from` is the older one".to_owned());
            return Err(file.error(self.from.mark, "no kernel lies in this range", hint).into());
        }
        Ok(range)
    }
}

/// A path that cannot leave the folder it counts from.
fn stays_below(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_))) && !path.is_empty()
}

/// Where the project's variants are.
pub(super) fn folder(project: &Project) -> PathBuf {
    project.guest_kernel().join("variants")
}

/// The folders that have a `variant.yaml`, sorted.
fn names(folder: &Path) -> Result<Vec<String>, KernelError> {
    let fail = KernelError::io("reading the variants in", folder);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(&fail)? {
        let entry = entry.map_err(&fail)?;
        if let Ok(name) = entry.file_name().into_string()
            && is_plain_name(&name)
            && entry.path().join("variant.yaml").is_file()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests;
