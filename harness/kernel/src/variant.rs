//! `guest-kernel/variants/<name>/variant.yaml`: what is changed about a base.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::is_plain_name;
use super::knob::Knob;
use super::{CustomBuild, KernelError, Version};
use harness_model::GuestChange;
use harness_project::Project;
use harness_yaml::{At, Collected, InputError, Listed, LookupError, Mark, Problems, Source as YamlFile, UnknownName};

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
    /// How it is built, if not in the project's own way.
    pub custom: Option<CustomBuild>,
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

/// What kind of thing a variant is.
const KIND: &str = "variant";

/// The file in a variant's folder.
const FILE: &str = "variant.yaml";

/// The variants of a project, by name.
pub fn list_variants(project: &Project) -> Listed<Variant> {
    let files = match variant_files(project) {
        Ok(files) => files,
        Err(error) => return Listed::unreadable(KIND, error),
    };
    let mut listed = Listed::default();
    for path in files {
        listed.add(KIND, &name_of(&path), Variant::read(project, &path));
    }
    listed
}

/// The files of a project's variants, by name. That they can be read is not said.
pub fn variant_files(project: &Project) -> Result<Vec<PathBuf>, InputError> {
    let folder = folder(project);
    let names = names(&folder).map_err(|error| InputError::of_file(&folder, error.to_string()))?;
    Ok(names.into_iter().map(|name| folder.join(name).join(FILE)).collect())
}

/// The names of the variants that are this machine's alone, by name.
pub fn list_scratch_variants(project: &Project) -> Result<Vec<String>, KernelError> {
    let folder = project.scratch_variants();
    names(&folder).map_err(KernelError::io("reading the variants in", &folder))
}

impl Variant {
    /// Further arguments for make.
    pub(super) fn make_arguments(&self) -> &[String] {
        self.custom.as_ref().map_or(&[], |custom| custom.arguments.as_slice())
    }

    /// What it changes of what is built, in words, if it does.
    pub(super) fn changes_the_build(&self) -> Option<&'static str> {
        if self.most_patches() > 0 {
            Some("has patches")
        } else if !self.config.is_empty() {
            Some("has options of its own")
        } else if self.custom.is_some() {
            Some("has a configuration or arguments for make of its own")
        } else {
            None
        }
    }

    /// The variant whose folder has this name, with nothing set about it.
    pub(super) fn named(project: &Project, name: &str) -> Result<Self, KernelError> {
        let folders = [folder(project), project.scratch_variants()];
        let of_name = || folders.iter().map(|folder| folder.join(name)).find(|folder| has_variant(folder));
        let Some(folder) = is_plain_name(name).then(of_name).flatten() else {
            let Listed { good, broken } = list_variants(project);
            let unknown = UnknownName::new(KIND, name, good.iter().map(|variant| variant.name.as_str()));
            return Err(LookupError::of(unknown, &broken).into());
        };
        Self::read(project, &folder.join(FILE)).map_err(|problems| problems.into_first().into())
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

    /// The variant in the file at `path`, which is named after the file's folder.
    pub fn read(project: &Project, path: &Path) -> Result<Self, Problems> {
        let (folder, name) = (path.parent().unwrap_or(Path::new("")), name_of(path));
        if !is_plain_name(&name) {
            return Err(InputError::of_file(path, "a variant's folder is letters, digits, `.`, `_`, `-`").into());
        }
        let file = YamlFile::read(path)?;
        let read: VariantFile = file.parse()?;
        let wrong = |mark: Mark, cause: String| file.error(mark, cause, None);
        let mut problems = Collected::default();

        if *read.name != name {
            problems.add(wrong(read.name.mark, format!("the variant is called `{name}` after its folder")));
        }
        let below = |name: At<String>, folder: &Path, kind: &str| {
            let path = folder.join(&*name);
            if !stays_below(&name) {
                return Err(wrong(name.mark, format!("a {kind} is a file below {}", folder.display())));
            }
            if !path.is_file() {
                return Err(wrong(name.mark, format!("there is no {kind} {}", path.display())));
            }
            Ok(path)
        };
        let mut series = Vec::new();
        for SeriesFile { bases, patches } in read.series {
            let bases = bases.and_then(|range| problems.keep(range.parse(&file)));
            let patches = patches.into_iter().filter_map(|name| problems.keep(below(name, folder, "patch"))).collect();
            series.push(Series { bases, patches });
        }
        let scratch = folder.parent().is_some_and(|variants| variants == project.scratch_variants());
        let configs = if scratch { folder.to_owned() } else { project.guest_kernel().join("configs") };
        let fragment = |name| problems.keep(below(name, &configs, "config fragment"));
        let config = read.config.into_iter().filter_map(fragment).collect();
        for word in &read.command_line {
            if word.is_empty() || word.chars().any(|c| c.is_whitespace() || c.is_control()) {
                problems.add(wrong(word.mark, "each entry is one word of the kernel's command line".to_owned()));
            }
        }
        for knob in &read.knobs {
            problems.keep(knob.check().map_err(|cause| wrong(knob.mark, cause)));
        }
        problems.end()?;
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
            custom: None,
        })
    }
}

impl RangeFile {
    fn parse(self, file: &YamlFile) -> Result<Range, InputError> {
        let version = |text: &At<String>| text.parse::<Version>().map_err(|cause| file.error(text.mark, cause, None));
        let range = Range { from: version(&self.from)?, to: version(&self.to)? };
        if range.from.line() > range.to.line() {
            let hint = Some("`from` is the older one".to_owned());
            return Err(file.error(self.from.mark, "no kernel lies in this range", hint));
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

/// The names of the folders that have a `variant.yaml`, sorted; none if there is no such folder. Whether anything can be
/// read is not looked at.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if has_variant(&path)
            && let Some(name) = path.file_name()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The name of a file's folder.
fn name_of(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether there is a `variant.yaml` in that folder, of whatever kind.
fn has_variant(folder: &Path) -> bool {
    folder.join(FILE).symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests;
