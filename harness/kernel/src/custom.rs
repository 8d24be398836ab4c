//! How a kernel is built where that is not the project's own way: by a configuration of the user's, or with arguments for
//! make. It is kept in the cache, for this machine alone, and called after its content, so that it can be part of a
//! variant's name: `stock+build=config-6.12-1a2b3c4d`.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{self, is_plain_name};
use super::given::Kconfig;
use super::{Asked, KernelError, Variant};
use harness_project::Project;
use harness_yaml::UnknownName;

/// What stands between `+` and `=` in the name of a variant that is built in a way of its own.
const SETTING: &str = "build";
/// The file with the configuration, if there is one.
const CONFIG: &str = "config";
/// The file with the arguments for make, one a line. Without it nothing is kept.
const ARGUMENTS: &str = "make-arguments";
/// The longest beginning of its name, before its digest.
const MOST_CHARACTERS: usize = 40;

/// What decides how make goes about a kernel, and is decided by the harness.
const OURS: [&str; 8] = ["ARCH", "SUBARCH", "SRCARCH", "KBUILD_", "KCONFIG_", "LOCALVERSION", "M", "O"];

/// How a kernel is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomBuild {
    /// The name of its folder.
    pub(super) name: String,
    /// The configuration, if it has one of its own.
    pub(super) kconfig: Option<Kconfig>,
    /// Arguments for make, each `NAME=VALUE`.
    pub(super) arguments: Vec<String>,
}

impl CustomBuild {
    /// Keeps how kernels are built, and returns what that adds to the names of variants: `+build=NAME`. Nothing, if nothing
    /// about the build is to be another.
    pub fn keep(project: &Project, kconfig: Option<&Path>, arguments: &[String]) -> Result<String, KernelError> {
        if kconfig.is_none() && arguments.is_empty() {
            return Ok(String::new());
        }
        arguments.iter().try_for_each(|argument| check(argument))?;
        let text = kconfig.map(read).transpose()?;
        if let (Some(path), Some(text)) = (kconfig, &text) {
            // What is wrong with it is reported now, and not when the first kernel is built.
            Kconfig::parse(path, text)?;
        }
        let lines = arguments.iter().fold(String::new(), |lines, argument| lines + argument + "\n");
        let name = name(kconfig, text.as_deref(), &lines);
        let folder = project.builds().join(&name);
        let fail = KernelError::io("keeping how kernels are built in", &folder);
        fs::create_dir_all(&folder).map_err(&fail)?;
        if let Some(text) = text {
            files::replace(&folder.join(CONFIG), text.as_bytes()).map_err(&fail)?;
        }
        files::replace(&folder.join(ARGUMENTS), lines.as_bytes()).map_err(&fail)?;
        Ok(format!("+{SETTING}={name}"))
    }

    /// The name of a variant that is built in the way that [`Self::keep`] said, unless it names one itself.
    pub fn name(variant: &str, build: &str) -> String {
        let own = Asked::of(variant).settings.iter().any(|setting| build_of(setting).is_some());
        if own { variant.to_owned() } else { format!("{variant}{build}") }
    }

    /// The name of the way in which a variant is built, and the configuration that it may have.
    pub(super) fn config_of<'a>(project: &Project, variant: &'a str) -> Option<(&'a str, PathBuf)> {
        Self::kept(project, variant).map(|(name, folder)| (name, folder.join(CONFIG)))
    }

    /// The name of the way in which a variant is built, if it is not the project's own, and the folder in which that is kept.
    pub fn kept<'a>(project: &Project, variant: &'a str) -> Option<(&'a str, PathBuf)> {
        let name = Asked::of(variant).settings.into_iter().find_map(build_of).filter(|name| is_plain_name(name))?;
        Some((name, project.builds().join(name)))
    }

    /// What was kept by that name.
    fn find(project: &Project, name: &str) -> Result<Self, KernelError> {
        let folder = project.builds().join(name);
        let lines = is_plain_name(name).then(|| fs::read_to_string(folder.join(ARGUMENTS)).ok()).flatten();
        let Some(lines) = lines else {
            let kept = fs::read_dir(project.builds()).into_iter().flatten().flatten();
            let kept: Vec<String> = kept.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            return Err(UnknownName::new(SETTING, name, kept.iter().map(String::as_str)).into());
        };
        let config = folder.join(CONFIG);
        let kconfig = if config.is_file() { Some(Kconfig::parse(&config, &read(&config)?)?) } else { None };
        Ok(Self { name: name.to_owned(), kconfig, arguments: lines.lines().map(str::to_owned).collect() })
    }
}

impl Variant {
    /// The variant as it is built in the way that `setting` names, as in `build=config-6.12-1a2b3c4d`; `None` if that is about
    /// something else.
    pub(super) fn built_by(&self, project: &Project, setting: &str) -> Result<Option<Self>, KernelError> {
        let Some(name) = build_of(setting) else { return Ok(None) };
        if self.custom.is_some() {
            return Err(KernelError::Axis {
                variant: self.name.clone(),
                setting: setting.escape_debug().to_string(),
                cause: "it is built in another way already".to_owned(),
                hint: "name one of them".to_owned(),
            });
        }
        let custom = Some(CustomBuild::find(project, name)?);
        Ok(Some(Self { name: format!("{}+{setting}", self.name), custom, ..self.clone() }))
    }
}

/// The name of a way to build, if a setting is about that.
fn build_of(setting: &str) -> Option<&str> {
    setting.strip_prefix(SETTING)?.strip_prefix('=')
}

/// The text of a configuration.
fn read(path: &Path) -> Result<String, KernelError> {
    fs::read_to_string(path).map_err(|source| KernelError::NoKconfig { path: path.to_owned(), source })
}

/// What it is called: by the configuration's name and the arguments as far as they can be part of one, and by all of
/// its content.
fn name(kconfig: Option<&Path>, text: Option<&str>, lines: &str) -> String {
    let file = kconfig.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let words: String = [file.as_str(), lines.trim_end()].join(" ").trim().chars().map(plain).collect();
    let words: String = words.trim_matches(['.', '-', '_']).chars().take(MOST_CHARACTERS).collect();
    let digest = files::sha256(
        format!("{}\n{lines}", text.map(|text| files::sha256(text.as_bytes())).unwrap_or_default()).as_bytes(),
    );
    let digest = digest.get(..8).unwrap_or(&digest);
    if words.is_empty() { format!("config-{digest}") } else { format!("{words}-{digest}") }
}

/// That an argument sets a variable of make's, and none that is the harness's.
fn check(argument: &str) -> Result<(), KernelError> {
    let wrong = |cause: String, hint: &'static str| {
        Err(KernelError::MakeArgument { argument: argument.escape_debug().to_string(), cause, hint })
    };
    let name = argument.split_once('=').map_or("", |(name, _)| name);
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name || argument.contains(['\n', '\r', '\0']) {
        return wrong("it sets nothing".to_owned(), "write it as NAME=VALUE, as in LLVM=1, CC=gcc-13 or KCFLAGS=-O3");
    }
    let ours = |own: &str| if own.ends_with('_') { name.starts_with(own) } else { name == own };
    if OURS.into_iter().any(ours) {
        let hint = "guests are x86-64 machines, and a build lies in the harness's cache";
        return wrong(format!("{name} is the harness's own"), hint);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        let variant = folder.path().join("guest-kernel/variants/stock");
        fs::create_dir_all(&variant).unwrap();
        fs::write(variant.join("variant.yaml"), "name: stock\ntitle: t\nclaim: c\nsource: s\n").unwrap();
        let project = Project::with_cache(folder.path(), folder.path().join("cache"));
        (folder, project)
    }

    fn given(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_variant_is_built_by_what_was_kept() {
        let (folder, project) = project();
        let config = given(&folder, "config-6.12+deb13", "CONFIG_KASAN=y\n");
        let arguments = ["LLVM=1".to_owned(), "KCFLAGS=-O2 -g".to_owned()];
        let suffix = CustomBuild::keep(&project, Some(&config), &arguments).unwrap();
        assert!(suffix.starts_with("+build=config-6.12-deb13-LLVM-1-KCFLAGS--O2--g-"), "{suffix}");
        fs::remove_file(config).unwrap();
        let variant = Variant::find(&project, &format!("stock{suffix}")).unwrap();
        assert_eq!(variant.name, format!("stock{suffix}"));
        let custom = variant.custom.unwrap();
        assert_eq!(custom.arguments, arguments);
        assert_eq!(custom.kconfig.unwrap().options.text(), "CONFIG_KASAN=y\n");
    }

    #[test]
    fn another_content_has_another_name() {
        let (folder, project) = project();
        let keep = |text: &str, arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            CustomBuild::keep(&project, Some(&given(&folder, ".config", text)), &arguments).unwrap()
        };
        let names = [
            keep("CONFIG_A=y\n", &[]),
            keep("CONFIG_A=n\n", &[]),
            keep("CONFIG_A=y\n", &["LLVM=1"]),
            keep("CONFIG_A=y\n", &["LLVM=1", "CC=x"]),
        ];
        let different: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        assert_eq!(keep("CONFIG_A=y\n", &[]), names[0]);
        assert_eq!(CustomBuild::keep(&project, None, &[]).unwrap(), "");
    }

    #[test]
    fn what_cannot_be_is_told() {
        let (folder, project) = project();
        let error = |kconfig: Option<&Path>, argument: &str| {
            let arguments: Vec<String> = Some(argument.to_owned()).into_iter().filter(|it| !it.is_empty()).collect();
            let error = CustomBuild::keep(&project, kconfig, &arguments).unwrap_err().to_string();
            error.replace(&folder.path().display().to_string(), "ROOT")
        };
        insta::assert_snapshot!(error(None, "bzImage"), @"
        make argument `bzImage`: it sets nothing

        hint: write it as NAME=VALUE, as in LLVM=1, CC=gcc-13 or KCFLAGS=-O3
        ");
        insta::assert_snapshot!(error(None, "ARCH=arm64"), @"
        make argument `ARCH=arm64`: ARCH is the harness's own

        hint: guests are x86-64 machines, and a build lies in the harness's cache
        ");
        insta::assert_snapshot!(error(Some(&folder.path().join("none")), ""), @"
        reading the configuration ROOT/none: No such file or directory (os error 2)

        hint: it is a `.config`, as in a kernel's tree or /boot/config-VERSION, or a fragment of one
        ");
        let unknown = |name: &str| Variant::find(&project, name).unwrap_err().to_string();
        assert!(unknown("stock+build=none").starts_with("no build `none`"), "{}", unknown("stock+build=none"));
        let suffix = CustomBuild::keep(&project, None, &["LLVM=1".to_owned()]).unwrap();
        assert!(unknown(&format!("stock{suffix}{suffix}")).contains("it is built in another way already"));
    }
}
