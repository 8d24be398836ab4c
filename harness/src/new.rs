//! Scenarios and variants of the user's own, which begin as copies.

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::project::Project;

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A scenario, of which a trial is a run.
    Scenario,
    /// A variant of the kernel.
    Variant,
}

impl Kind {
    /// What it is a copy of if nothing is said.
    pub const fn model(self) -> &'static str {
        match self {
            Self::Scenario => "panic-alone",
            Self::Variant => "stock",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::Variant => "variant",
        }
    }

    /// Its file, or its folder.
    fn place(self, project: &Project, name: &str) -> PathBuf {
        match self {
            Self::Scenario => project.scenarios().join(format!("{name}.yaml")),
            Self::Variant => project.guest_kernel().join("variants").join(name),
        }
    }

    /// The file in which it says its name.
    fn file(self, place: &Path) -> PathBuf {
        match self {
            Self::Scenario => place.to_owned(),
            Self::Variant => place.join("variant.yaml"),
        }
    }
}

/// The project that the user works in: the one that was found, or of what lies in the cache a copy in the folder `here`.
pub fn own(project: Project, here: &Path) -> Result<Project, Failure> {
    if project.is_the_users() {
        return Ok(project);
    }
    let own = Project::at(here).with_parts(project.parts());
    let folders = [(project.guest_kernel(), own.guest_kernel()), (project.scenarios(), own.scenarios())];
    for (_, to) in &folders {
        if to.symlink_metadata().is_ok() {
            return Err(Failure::input(format!(
                "put a copy of the project in {}: there is {} already\n\nhint: do it in another folder",
                here.display(),
                to.display()
            )));
        }
    }
    for (from, to) in &folders {
        copy(from, to)
            .map_err(|error| Failure::host(format!("copy {} to {}: {error}", from.display(), to.display())))?;
    }
    Ok(own)
}

/// Makes something called `name`, a copy of `from`, and returns the file to be edited.
pub fn make(project: &Project, kind: Kind, name: &str, from: &str) -> Result<PathBuf, Failure> {
    let what = kind.name();
    let plain = |name: &str| {
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        name.chars().all(letters) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    if !plain(name) {
        return Err(Failure::input(format!(
            "a {what} cannot be called `{name}`: its name is letters, digits, `.`, `_`, `-`"
        )));
    }
    let (model, place) = (kind.place(project, from), kind.place(project, name));
    if !plain(from) || !kind.file(&model).is_file() {
        return Err(Failure::input(format!("there is no {what} `{from}` to copy\n\nhint: harness list {what}s")));
    }
    if place.symlink_metadata().is_ok() {
        return Err(Failure::input(format!("there is a {what} `{name}` already: {}", place.display())));
    }
    let file = kind.file(&place);
    let made = copy(&model, &place).and_then(|()| {
        let text = std::fs::read_to_string(&file)?;
        std::fs::write(&file, renamed(&text, name))
    });
    made.map_err(|error| Failure::host(format!("write {}: {error}", file.display())))?;
    Ok(file)
}

/// The text with another name; comments and all else stay.
fn renamed(text: &str, name: &str) -> String {
    let mut found = false;
    let line = |line: &str| {
        let is_it = !found && line.starts_with("name:");
        found |= is_it;
        if is_it { format!("name: {name}\n") } else { line.to_owned() }
    };
    text.split_inclusive('\n').map(line).collect()
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        // Not as a file that must not be changed.
        return std::fs::write(to, std::fs::read(from)?);
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A project with one of each.
    fn project() -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::at(folder.path());
        std::fs::create_dir_all(project.guest_kernel().join("variants/stock")).unwrap();
        std::fs::create_dir_all(project.scenarios()).unwrap();
        std::fs::write(project.bases(), "bases: {}\n").unwrap();
        let text = "# A comment.\nname: old\nwhy: |\n  name: stays\n";
        std::fs::write(project.guest_kernel().join("variants/stock/variant.yaml"), text).unwrap();
        std::fs::write(project.guest_kernel().join("variants/stock/a.patch"), "patch").unwrap();
        std::fs::write(project.scenarios().join("panic-alone.yaml"), text).unwrap();
        (folder, project)
    }

    #[test]
    fn a_copy_has_its_own_name() {
        let (_folder, project) = project();
        for kind in [Kind::Scenario, Kind::Variant] {
            let file = make(&project, kind, "mine", kind.model()).unwrap();
            assert_eq!(std::fs::read_to_string(file).unwrap(), "# A comment.\nname: mine\nwhy: |\n  name: stays\n");
        }
        assert!(project.guest_kernel().join("variants/mine/a.patch").is_file());
        let said = |name, from| make(&project, Kind::Scenario, name, from).unwrap_err().to_string();
        assert!(said("mine", "panic-alone").starts_with("there is a scenario `mine` already: "));
        assert!(said("../x", "panic-alone").contains("cannot be called `../x`"));
        assert!(said("x", "nothing").contains("there is no scenario `nothing` to copy"));
    }

    #[test]
    fn what_lies_in_the_cache_is_copied_to_where_the_user_works() {
        let (_folder, project) = project();
        assert_eq!(own(project.clone(), Path::new("/nowhere")).unwrap(), project);
        let here = tempfile::tempdir().unwrap();
        let inside = project.with_results(here.path().join("results"));
        let own_one = own(inside.clone(), here.path()).unwrap();
        assert_eq!((own_one.root(), own_one.parts()), (here.path(), inside.root()));
        assert!(own_one.scenarios().join("panic-alone.yaml").is_file());
        let again = own(inside, here.path()).unwrap_err().to_string();
        assert!(again.contains("there is") && again.contains("guest-kernel already"), "{again}");
    }
}
