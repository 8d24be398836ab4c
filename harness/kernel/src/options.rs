//! From one kernel configuration to another, option by option.

use std::fs;
use std::path::Path;

use super::config::{Fragments, line_of};
use super::given::describes_the_build;
use super::{KernelError, files};
use harness_project::Project;

/// An option that two configurations differ in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionChange {
    /// `CONFIG_PREEMPT`.
    pub option: String,
    /// What the good one has; `None` if it does not name it.
    pub good: Option<String>,
    /// What the bad one has; `None` if it does not name it.
    pub bad: Option<String>,
}

impl OptionChange {
    /// Reads two configurations, whole ones or fragments, and tells what they differ in.
    ///
    /// First comes what the bad one names, in its order: Kconfig writes what an option depends on before it. Then what only
    /// the good one names, the other way round.
    pub fn between(good: &Path, bad: &Path) -> Result<Vec<Self>, KernelError> {
        let read = |path: &Path| Fragments::read(&[path.to_owned()]);
        let (good, bad) = (read(good)?.without(describes_the_build), read(bad)?.without(describes_the_build));
        let (good, bad): (Vec<(&str, &str)>, Vec<_>) = (good.options().collect(), bad.options().collect());
        let value = |of: &[(&str, &str)], option: &str| {
            of.iter().find(|(name, _)| *name == option).map(|(_, value)| (*value).to_owned())
        };
        let named = bad.iter().chain(good.iter().rev().filter(|(option, _)| value(&bad, option).is_none()));
        let changes = named.map(|(option, _)| Self {
            option: (*option).to_owned(),
            good: value(&good, option),
            bad: value(&bad, option),
        });
        // In a whole configuration an option that is off and one that is not named are the same.
        let off = |value: &Option<String>| value.as_deref().unwrap_or("n").to_owned();
        Ok(changes.filter(|change| off(&change.good) != off(&change.bad)).collect())
    }

    /// The fragment with the first `taken` changes made, and the others not yet.
    pub fn fragment(changes: &[Self], taken: usize) -> String {
        let value = |(position, change): (usize, &Self)| {
            let value = if position < taken { &change.bad } else { &change.good };
            Some(line_of(&change.option, value.as_deref()?))
        };
        changes.iter().enumerate().filter_map(value).collect()
    }
}

impl std::fmt::Display for OptionChange {
    /// `CONFIG_PREEMPT: n, then y`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not named".to_owned());
        write!(f, "{}: {}, then {}", self.option, shown(&self.good), shown(&self.bad))
    }
}

/// Makes a variant of stock with further options, for this machine alone; its name is that of its content.
pub fn options_as_variant(project: &Project, fragment: &str) -> Result<String, KernelError> {
    const FRAGMENT: &str = "options.config";
    let sum = files::sha256(fragment.as_bytes());
    let name = format!("options-{}", sum.get(..8).unwrap_or(&sum));
    let folder = project.scratch_variants().join(&name);
    let yaml = format!(
        "name: {name}\ntitle: stock with other options\nclaim: a scratch variant\nsource: a bisection of options\n\
         config: [{FRAGMENT}]\n"
    );
    let fail = KernelError::io("keeping options in", &folder);
    fs::create_dir_all(&folder).map_err(&fail)?;
    // The file by which a variant is known comes last.
    files::replace(&folder.join(FRAGMENT), fragment.as_bytes()).map_err(&fail)?;
    files::replace(&folder.join("variant.yaml"), yaml.as_bytes()).map_err(&fail)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(good: &str, bad: &str) -> Result<Vec<OptionChange>, KernelError> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        OptionChange::between(&write("good", good), &write("bad", bad))
    }

    #[test]
    fn what_two_configurations_differ_in_comes_in_an_order_that_can_be_built() {
        let changes = between(
            "# CONFIG_A is not set\nCONFIG_SAME=y\nCONFIG_GONE=y\nCONFIG_GONE_DETAIL=y\nCONFIG_GCC_VERSION=120200\n",
            "# a comment\nCONFIG_SAME=y\nCONFIG_A=y\nCONFIG_A_DETAIL=3\n# CONFIG_OFF is not set\n",
        )
        .unwrap();
        let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "CONFIG_A: n, then y",
                "CONFIG_A_DETAIL: not named, then 3",
                "CONFIG_GONE_DETAIL: y, then not named",
                "CONFIG_GONE: y, then not named"
            ]
        );
        let fragment = |taken| OptionChange::fragment(&changes, taken);
        assert_eq!(fragment(0), "# CONFIG_A is not set\nCONFIG_GONE_DETAIL=y\nCONFIG_GONE=y\n");
        assert_eq!(fragment(1), "CONFIG_A=y\nCONFIG_GONE_DETAIL=y\nCONFIG_GONE=y\n");
        assert_eq!(fragment(4), "CONFIG_A=y\nCONFIG_A_DETAIL=3\n");
    }

    #[test]
    fn a_line_that_is_no_option_is_told() {
        let error = between("CONFIG_A=y\nCONFIG-B=y\n", "").unwrap_err();
        assert!(matches!(error, KernelError::Fragment { line: 2, .. }), "{error}");
    }
}
