//! What the harness needs of a kernel's configuration, why, and what of it a file lacks.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::config::{Config, Fragments, Versions, line_of, required as fragments};
use super::given::{Kconfig, version_of};
use super::{KernelError, Version};
use harness_project::Project;

/// An option that the harness needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Required {
    /// `CONFIG_KPROBES`.
    pub option: String,
    /// What it has to be.
    pub value: String,
    /// Why.
    pub reason: String,
    /// The oldest kernel that needs it, if it is not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The newest kernel that needs it, if it is not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

impl Required {
    /// As it stands in a fragment.
    pub fn line(&self) -> String {
        line_of(&self.option, &self.value)
    }

    /// The kernels that need it, in words; nothing if it is all.
    pub fn kernels(&self) -> String {
        let since = self.since.as_ref().map(|since| format!("Linux {since} and newer"));
        let until = self.until.as_ref().map(|until| format!("Linux {until} and older"));
        since.or(until).unwrap_or_default()
    }
}

/// An option that a configuration has not as it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lacking {
    /// What is needed.
    #[serde(flatten)]
    pub required: Required,
    /// What it is instead.
    pub got: String,
}

/// What is not possible on a kernel that lacks an option which the harness can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Without {
    /// Lines of the log are recognised by less.
    LinePrefix,
    /// Who called whom in a hang or a dump is not known.
    FramePointers,
    /// Symbols that are not exported are missing: then crashlab does not build.
    Exports,
    /// Channel `pstore` keeps nothing.
    Pstore,
    /// There is no pstore by ramoops, or not all of it.
    Ramoops,
    /// There is no pstore by EFI variables, or user space cannot reach them.
    EfiVariables,
    /// There is no crash kernel.
    CrashKernel,
}

impl Without {
    /// What is done about it, in words.
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::LinePrefix => "lines of the log do not tell their time or their writer",
            Self::FramePointers => {
                "who called whom is not told of hangs and dumps, and hangs are recognised by the deadline alone"
            }
            Self::Exports => "crashlab may not build",
            Self::Pstore => "channel pstore keeps nothing",
            Self::Ramoops => "scenarios with ramoops that need it are skipped",
            Self::EfiVariables => "scenarios with EFI variables that need it are skipped",
            Self::CrashKernel => "scenarios with a crash kernel are skipped",
        }
    }
}

/// The options that the harness can do without, of a kernel that is built already.
const DISPENSABLE: [(&str, Without); 25] = [
    ("CONFIG_PRINTK_TIME", Without::LinePrefix),
    ("CONFIG_PRINTK_CALLER", Without::LinePrefix),
    ("CONFIG_UNWINDER_FRAME_POINTER", Without::FramePointers),
    ("CONFIG_TRIM_UNUSED_KSYMS", Without::Exports),
    ("CONFIG_ACPI_APEI", Without::Pstore),
    ("CONFIG_MISC_FILESYSTEMS", Without::Pstore),
    ("CONFIG_PSTORE", Without::Pstore),
    ("CONFIG_PSTORE_RAM", Without::Ramoops),
    ("CONFIG_PSTORE_CONSOLE", Without::Ramoops),
    ("CONFIG_PSTORE_PMSG", Without::Ramoops),
    ("CONFIG_EFI", Without::EfiVariables),
    ("CONFIG_EFI_STUB", Without::EfiVariables),
    ("CONFIG_EFI_VARS_PSTORE", Without::EfiVariables),
    ("CONFIG_EFIVAR_FS", Without::EfiVariables),
    ("CONFIG_KEXEC", Without::CrashKernel),
    ("CONFIG_KEXEC_FILE", Without::CrashKernel),
    ("CONFIG_KEXEC_SIG_FORCE", Without::CrashKernel),
    ("CONFIG_CRASH_DUMP", Without::CrashKernel),
    ("CONFIG_PROC_VMCORE", Without::CrashKernel),
    ("CONFIG_RELOCATABLE", Without::CrashKernel),
    ("CONFIG_VIRTIO_MENU", Without::CrashKernel),
    ("CONFIG_VIRTIO_PCI", Without::CrashKernel),
    ("CONFIG_VIRTIO_CONSOLE", Without::CrashKernel),
    ("CONFIG_CRYPTO", Without::CrashKernel),
    ("CONFIG_CRYPTO_SHA256", Without::CrashKernel),
];

/// What is not possible without an option; none of those without which nothing is.
pub(super) fn without(option: &str) -> Option<Without> {
    DISPENSABLE.iter().find(|(name, _)| *name == option).map(|(_, without)| *without)
}

/// All that the harness needs, in the order of the project's files.
pub fn required(project: &Project) -> Result<Vec<Required>, KernelError> {
    let mut all = Vec::new();
    for (path, versions) in fragments(&project.guest_kernel().join("configs"))? {
        let text = fs::read_to_string(&path).map_err(KernelError::io("reading config fragment", &path))?;
        all.extend(of_text(&path, &text, &versions)?);
    }
    Ok(all)
}

/// What the configuration at `path` lacks of that; what the harness puts over it where kernels are built by it. One that does
/// not say which kernel it is for is taken for one of the newest.
pub fn lacking(project: &Project, path: &Path) -> Result<Vec<Lacking>, KernelError> {
    let text = fs::read_to_string(path).map_err(|source| KernelError::NoKconfig { path: path.to_owned(), source })?;
    Kconfig::parse(path, &text)?;
    lacking_in(project, &text, version_of(&text).as_ref())
}

/// What the text of a configuration lacks of that, for a kernel of this version.
pub(super) fn lacking_in(
    project: &Project,
    text: &str,
    version: Option<&Version>,
) -> Result<Vec<Lacking>, KernelError> {
    let config = Config::parse(text);
    Ok(required(project)?.into_iter().filter_map(|required| of(required, &config, version)).collect())
}

fn of(required: Required, config: &Config, version: Option<&Version>) -> Option<Lacking> {
    let [since, until] = [&required.since, &required.until].map(|it| it.as_ref().and_then(|it| it.parse().ok()));
    let needed = match version {
        Some(version) => version.is_within(since.as_ref(), until.as_ref()),
        None => until.is_none(),
    };
    let got = config.value(&required.option).to_owned();
    (needed && got != required.value).then_some(Lacking { required, got })
}

/// The options of a fragment. The reason of each is the comment above its group.
fn of_text(path: &Path, text: &str, versions: &Versions) -> Result<Vec<Required>, KernelError> {
    let [since, until] = [&versions.since, &versions.until].map(|it| it.as_ref().map(|version| version.full.clone()));
    let (mut all, mut reason, mut in_comment) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        let comment = line.strip_prefix("# ").filter(|comment| !comment.ends_with(" is not set"));
        if let Some(comment) = comment {
            let begun = std::mem::replace(&mut in_comment, true);
            reason = if begun { format!("{reason} {comment}") } else { comment.to_owned() };
            continue;
        }
        in_comment = false;
        for (option, value) in Fragments::parse(path, line)?.options() {
            let (option, value, reason) = (option.to_owned(), value.to_owned(), reason.clone());
            all.push(Required { option, value, reason, since: since.clone(), until: until.clone() });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        let configs = folder.path().join("guest-kernel/configs");
        fs::create_dir_all(&configs).unwrap();
        let text = "# What is needed.\n\n# The log\n# is the evidence.\nCONFIG_PRINTK=y\nCONFIG_TTY=y\n\n\
                    # crashlab is not signed.\nCONFIG_MODULE_SIG_FORCE=n\n";
        fs::write(configs.join("required.config"), text).unwrap();
        fs::write(configs.join("required.until-6.5.config"), "# Checksums.\nCONFIG_CRYPTO=y\n").unwrap();
        let project = Project::at(folder.path());
        (folder, project)
    }

    #[test]
    fn each_option_has_the_reason_of_its_group() {
        let (_folder, project) = project();
        let all = required(&project).unwrap();
        let shown: Vec<String> = all.iter().map(|it| format!("{}{}; {}", it.line(), it.reason, it.kernels())).collect();
        assert_eq!(
            shown,
            [
                "CONFIG_PRINTK=y\nThe log is the evidence.; ",
                "CONFIG_TTY=y\nThe log is the evidence.; ",
                "# CONFIG_MODULE_SIG_FORCE is not set\ncrashlab is not signed.; ",
                "CONFIG_CRYPTO=y\nChecksums.; Linux 6.5 and older",
            ]
        );
    }

    /// An option that is called otherwise in the project's files would be taken for one without which nothing is possible.
    #[test]
    fn what_can_be_done_without_is_what_is_needed() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let all = required(&Project::find(here).unwrap()).unwrap();
        for (option, _) in DISPENSABLE {
            assert!(all.iter().any(|required| required.option == option), "{option}");
        }
        assert_eq!(without("CONFIG_FW_CFG_SYSFS"), None);
        assert_eq!(without("CONFIG_KEXEC_FILE"), Some(Without::CrashKernel));
    }

    #[test]
    fn a_file_is_told_what_its_kernel_would_lack() {
        let (folder, project) = project();
        let lacks = |text: &str| -> Vec<String> {
            let path = folder.path().join("given.config");
            fs::write(&path, text).unwrap();
            let lacking = lacking(&project, &path).unwrap();
            lacking.iter().map(|it| format!("{}: {}", it.required.option, it.got)).collect()
        };
        assert_eq!(lacks("CONFIG_PRINTK=y\nCONFIG_TTY=m\n"), ["CONFIG_TTY: m"]);
        let older =
            "# Linux/x86 6.1.192 Kernel Configuration\nCONFIG_PRINTK=y\nCONFIG_TTY=y\nCONFIG_MODULE_SIG_FORCE=y\n";
        assert_eq!(lacks(older), ["CONFIG_MODULE_SIG_FORCE: y", "CONFIG_CRYPTO: n"]);
    }
}
