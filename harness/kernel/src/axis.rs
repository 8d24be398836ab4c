//! `guest-kernel/axes.yaml`: what can be set about a kernel, or its guest, without building it.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::entries;
use super::knob::{Knob, Parameter, Sysctl};
use super::{KernelError, Variant};
use harness_model::pstore::Backend;
use harness_project::Project;
use harness_yaml::{Listed, LookupError, Ordered, Source as YamlFile, UnknownName};

/// Something that can be set, by a name that is short enough for the name of a variant: `stock+post_notifiers=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// What goes between `+` and `=`.
    pub name: String,
    /// Where its value goes.
    pub setting: Setting,
}

/// Where an axis' value goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// To a parameter of a module.
    Parameter(ModuleParameter),
    /// To a sysctl.
    Sysctl(String),
    /// Behind this word and a `=` on the kernel's command line.
    CommandLine(String),
    /// To the guest's shape.
    Guest(GuestAxis),
}

/// A parameter of a module, or of a part of the kernel that goes by a module's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleParameter {
    /// E.g. `kernel`.
    pub module: String,
    /// E.g. `crash_kexec_post_notifiers`.
    pub name: String,
}

/// What can be set about a guest's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestAxis {
    /// Its CPUs.
    Cpus,
    /// The back end of its pstore.
    Pstore,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(ModuleParameter { module, name }) => write!(f, "the parameter {module}.{name}"),
            Self::Sysctl(name) => write!(f, "the sysctl {name}"),
            Self::CommandLine(word) => write!(f, "{word}= on the kernel's command line"),
            Self::Guest(GuestAxis::Cpus) => f.write_str("the guest's CPUs"),
            Self::Guest(GuestAxis::Pstore) => f.write_str("what the guest's pstore writes to: erst, ramoops, efi"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AxesFile {
    axes: Ordered<IgnoredAny>,
}

/// What kind of thing an axis is.
const KIND: &str = "axis";

/// The axes of a project, in the order of its `axes.yaml`; none if it has no such file.
pub fn list_axes(project: &Project) -> Listed<Axis> {
    let path = project.axes();
    if path.symlink_metadata().is_err() { Listed::default() } else { read_axes(&path) }
}

/// The axes in the file at `path`.
pub fn read_axes(path: &Path) -> Listed<Axis> {
    let file = match YamlFile::read(path) {
        Ok(file) => file,
        Err(error) => return Listed::unreadable(KIND, error),
    };
    let axes = entries::entries(&file, (KIND, "an axis'"), "axes", |AxesFile { axes }| axes);
    axes.and_then(|(name, setting)| Ok(Axis { name, setting }))
}

/// A variant as it is asked for: `NAME~K+AXIS=VALUE`.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Its own name.
    pub name: &'a str,
    /// How many of its last patches are left out, as git's `~` goes back.
    pub without: Option<&'a str>,
    /// What is set about it.
    pub settings: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    /// Takes a name apart.
    pub fn of(name: &'a str) -> Self {
        let mut parts = name.split('+');
        let own = parts.next().unwrap_or_default();
        let (name, without) = match own.split_once('~') {
            Some((name, without)) => (name, Some(without)),
            None => (own, None),
        };
        Self { name, without, settings: parts.collect() }
    }
}

impl Variant {
    /// The variant of that name, which may say how many of its last patches are left out, and what is set about it:
    /// `notifier-lists~2+post_notifiers=1`.
    pub fn find(project: &Project, name: &str) -> Result<Self, KernelError> {
        let Asked { name, without, settings } = Asked::of(name);
        let mut variant = Self::named(project, name)?;
        if let Some(last) = without {
            variant = variant.without(last)?;
        }
        if settings.is_empty() {
            return Ok(variant);
        }
        let axes = list_axes(project);
        settings.into_iter().try_fold(variant, |variant, setting| match variant.built_by(project, setting)? {
            Some(variant) => Ok(variant),
            None => variant.with(&axes, setting),
        })
    }

    /// The variant without the last patches of its series.
    pub(super) fn without(mut self, last: &str) -> Result<Self, KernelError> {
        let most = self.most_patches();
        let Some(last) = last.parse::<usize>().ok().filter(|last| *last <= most) else {
            return Err(KernelError::Axis {
                variant: self.name,
                setting: format!("~{}", last.escape_debug()),
                cause: format!("it has {most} patches"),
                hint: "`NAME~1` is the variant without its last patch".to_owned(),
            });
        };
        for series in &mut self.series {
            series.patches.truncate(series.patches.len().saturating_sub(last));
        }
        self.name = format!("{}~{last}", self.name);
        Ok(self)
    }

    /// The variant with `setting`, as in `post_notifiers=1`, besides what it has.
    pub(super) fn with(mut self, axes: &Listed<Axis>, setting: &str) -> Result<Self, KernelError> {
        let wrong = |cause: String, hint: &str| KernelError::Axis {
            variant: self.name.clone(),
            setting: setting.escape_debug().to_string(),
            cause,
            hint: hint.to_owned(),
        };
        let Some((name, value)) = setting.split_once('=') else {
            return Err(wrong("it has no value".to_owned(), "write it as in `stock+post_notifiers=1`"));
        };
        let Some(Axis { setting: place, .. }) = axes.good.iter().find(|axis| axis.name == name) else {
            let unknown = UnknownName::new(KIND, name, axes.good.iter().map(|axis| axis.name.as_str()));
            return Err(LookupError::of(unknown, &axes.broken).into());
        };
        // It becomes part of names, of a command line and of a file's content.
        if value.is_empty() || !value.chars().all(|c| c.is_ascii_alphanumeric() || "._,:-".contains(c)) {
            return Err(wrong(
                "its value is no plain word".to_owned(),
                "letters, digits and `.`, `_`, `,`, `:`, `-` are",
            ));
        }
        let full = format!("{}+{setting}", self.name);
        match place {
            Setting::Parameter(ModuleParameter { module, name }) => {
                let (module, name) = (module.clone(), name.clone());
                self.knobs.push(Knob::Parameter(Parameter { module, name, value: value.to_owned() }));
            }
            Setting::Sysctl(name) => {
                self.knobs.push(Knob::Sysctl(Sysctl { name: name.clone(), value: value.to_owned() }));
            }
            Setting::CommandLine(word) => self.command_line.push(format!("{word}={value}")),
            Setting::Guest(GuestAxis::Cpus) => match value.parse() {
                Ok(cpus @ 1..=8) => self.guest.cpus = Some(cpus),
                _ => return Err(wrong("a guest has 1 to 8 CPUs".to_owned(), "write a number")),
            },
            Setting::Guest(GuestAxis::Pstore) => {
                let Some(backend) = Backend::named(value) else {
                    return Err(UnknownName::new("back end", value, Backend::NAMES).into());
                };
                self.guest.pstore = Some(backend);
            }
        }
        self.name = full;
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
