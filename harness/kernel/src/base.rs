//! `guest-kernel/bases.yaml`: the unpatched kernels.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{KernelError, Package, entries, files};
use harness_model::Arch;
use harness_project::Project;
use harness_yaml::{Listed, LookupError, Ordered, Source as YamlFile, UnknownName};

/// An unpatched kernel source, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The name that variants, cells and the command line use, e.g. `6.12`.
    pub name: String,
    /// The architecture of the guests that boot it.
    pub arch: Arch,
    /// Where its source comes from.
    pub origin: Origin,
}

/// Where a base's source comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A distribution's source package: of those that are installed, or of a suite of the distribution's archive.
    Package(Package),
    /// Any kernel tarball. A relative path counts from the folder of `bases.yaml`.
    Tarball(PathBuf),
    /// A commit of the user's own tree, which is only read.
    Git(GitOrigin),
    /// A kernel that is built already, which is only read.
    Prebuilt(Prebuilt),
}

/// A commit of a git tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitOrigin {
    /// The tree or bare repository. A relative path counts from the folder of `bases.yaml`.
    pub tree: PathBuf,
    /// Anything that git takes for a commit: a hash, a tag, a branch.
    pub commit: String,
    /// Another commit of the tree, whose build tree is reused: only what differs is compiled.
    #[serde(default)]
    pub near: Option<String>,
}

/// A kernel that is built already.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prebuilt {
    /// Its bzImage. A relative path counts from the folder of `bases.yaml`.
    pub image: PathBuf,
    /// The folder that it was built in, or a distribution's headers. A relative path counts as well.
    pub build: PathBuf,
    /// What it was when it was named, if its name stands for that alone.
    #[serde(default)]
    pub digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BasesFile {
    bases: Ordered<IgnoredAny>,
}

/// What kind of thing a base is.
const KIND: &str = "base";

/// The bases of a project, in the order of its `bases.yaml`.
pub fn list_bases(project: &Project) -> Listed<Base> {
    read_bases(&project.bases())
}

/// The names of the bases that are this machine's alone.
pub fn list_commits(project: &Project) -> Result<Vec<String>, KernelError> {
    let folder = project.commits();
    let fail = KernelError::io("reading the commits in", &folder);
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(&fail)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(&fail)?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".yaml")).map(ToOwned::to_owned));
    }
    names.sort();
    Ok(names)
}

/// What a commit is called as a base.
pub fn commit_name(hash: &str) -> String {
    hash.get(..12).unwrap_or(hash).to_owned()
}

/// Makes a base of a commit, for this machine alone, called by the first twelve digits of `hash`.
/// `near` is a commit whose build tree is reused.
pub fn commit_as_base(project: &Project, tree: &Path, hash: &str, near: &str) -> Result<(), KernelError> {
    let tree = std::path::absolute(tree).map_err(KernelError::io("keeping a commit of", tree))?;
    keep(project, &commit_name(hash), &serde_json::json!({"git": {"tree": tree, "commit": hash, "near": near}}))
}

/// Makes a base of what is not committed, for this machine alone: of a commit that stands for it, and the difference to
/// the last one of its tree.
pub(super) fn keep_difference(
    project: &Project,
    name: &str,
    (repository, hash, near): (&Path, &str, &str),
    difference: &[u8],
) -> Result<(), KernelError> {
    let path = difference_of(project, name);
    files::replace(&path, difference).map_err(KernelError::io("keeping what is not committed in", &path))?;
    keep(project, name, &serde_json::json!({"git": {"tree": repository, "commit": hash, "near": near}}))
}

/// Where the difference of a base that is not committed is kept.
pub(super) fn difference_of(project: &Project, name: &str) -> PathBuf {
    project.commits().join(format!("{name}.diff"))
}

/// Keeps a base, for this machine alone.
pub(super) fn keep(project: &Project, name: &str, origin: &serde_json::Value) -> Result<(), KernelError> {
    let folder = project.commits();
    let path = folder.join(format!("{name}.yaml"));
    let fail = KernelError::io("keeping a base in", &path);
    // JSON is YAML, and needs no thought about what is special where. In a file of its own the file's name counts.
    let text = serde_json::json!({"bases": {name.replace('+', "."): origin}}).to_string();
    std::fs::create_dir_all(&folder).and_then(|()| files::replace(&path, text.as_bytes())).map_err(&fail)
}

/// The bases in the file at `path`.
pub fn read_bases(path: &Path) -> Listed<Base> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = match YamlFile::read(path) {
        Ok(file) => file,
        Err(error) => return Listed::unreadable(KIND, error),
    };
    let bases = entries::entries(&file, (KIND, "a base's"), "bases", |BasesFile { bases }| bases);
    bases.and_then(|(name, origin): (String, Origin)| {
        Ok(Base { name, arch: Arch::default(), origin: origin.below(folder) })
    })
}

impl Base {
    /// The base of that name.
    pub(super) fn find(project: &Project, name: &str) -> Result<Self, LookupError> {
        let Listed { mut good, mut broken } = list_bases(project);
        let commit = project.commits().join(format!("{name}.yaml"));
        if name.split('+').all(files::is_plain_name) && commit.is_file() {
            let commit = read_bases(&commit);
            good.extend(commit.good.into_iter().map(|base| Self { name: name.to_owned(), ..base }));
            broken.extend(commit.broken);
        }
        let unknown = UnknownName::new(KIND, name, good.iter().map(|base| base.name.as_str()));
        good.into_iter().find(|base| base.name == name).ok_or_else(|| LookupError::of(unknown, &broken))
    }
}

impl Origin {
    fn below(self, folder: &Path) -> Self {
        match self {
            Self::Package(package) => Self::Package(package),
            Self::Tarball(path) => Self::Tarball(folder.join(path)),
            Self::Git(git) => Self::Git(GitOrigin { tree: folder.join(git.tree), ..git }),
            Self::Prebuilt(Prebuilt { image, build, digest }) => {
                Self::Prebuilt(Prebuilt { image: folder.join(image), build: folder.join(build), digest })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn project(bases: &str) -> (tempfile::TempDir, Project) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("guest-kernel")).unwrap();
        std::fs::write(root.path().join("guest-kernel/bases.yaml"), bases).unwrap();
        let project = Project::at(root.path());
        (root, project)
    }

    fn error(bases: &str) -> String {
        let (root, project) = project(bases);
        list_bases(&project).all().unwrap_err().to_string().replace(&root.path().display().to_string(), "ROOT")
    }

    #[test]
    fn every_kind_of_base_is_read_in_order() {
        let (root, project) = project(
            "bases:\n  \"6.12\": { package: linux-source-6.12 }\n  local: { tarball: ../linux.tar.xz }\n  \
             mine: { git: { tree: /src/linux, commit: v6.12 } }\n  \
             theirs: { prebuilt: { image: /boot/vmlinuz-6.1, build: ../build } }\n",
        );
        let bases = list_bases(&project).all().unwrap();
        let names: Vec<&str> = bases.iter().map(|base| base.name.as_str()).collect();
        assert_eq!(names, ["6.12", "local", "mine", "theirs"]);
        assert_eq!(bases[0].origin, Origin::Package("linux-source-6.12".parse().unwrap()));
        assert_eq!(bases[1].origin, Origin::Tarball(root.path().join("guest-kernel/../linux.tar.xz")));
        let git = GitOrigin { tree: "/src/linux".into(), commit: "v6.12".into(), near: None };
        assert_eq!(bases[2].origin, Origin::Git(git));
        let build = root.path().join("guest-kernel/../build");
        let prebuilt = Prebuilt { image: "/boot/vmlinuz-6.1".into(), build, digest: None };
        assert_eq!(bases[3].origin, Origin::Prebuilt(prebuilt));
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let (_root, project) = project("bases:\n  \"6.12\": { package: a }\n  \"6.1\": { package: b }\n");
        assert_snapshot!(Base::find(&project, "6.21").unwrap_err(), @"
        no base `6.21`

        hint: did you mean `6.12`? (known: 6.12, 6.1)
        ");
    }

    #[test]
    fn wrong_keys_and_names_are_shown_with_their_line() {
        assert_snapshot!(error("bases:\n  a: { pakage: linux }\n"), @"
        reading ROOT/guest-kernel/bases.yaml: this cannot be `pakage`
          --> ROOT/guest-kernel/bases.yaml:2:8
          |
        2 |   a: { pakage: linux }
          |        ^^^^^^

        hint: did you mean `package`? (known: package, tarball, git, prebuilt)
        ");
        assert_snapshot!(error("bases:\n  a: { git: { tree: /x, comit: y } }\n"), @"
        reading ROOT/guest-kernel/bases.yaml: unknown key `comit` in `bases`
          --> ROOT/guest-kernel/bases.yaml:2:25
          |
        2 |   a: { git: { tree: /x, comit: y } }
          |                         ^^^^^

        hint: did you mean `commit`? (known: tree, commit, near)
        ");
        assert_snapshot!(error("bases:\n  a: { package: x }\n  a: { package: y }\n"), @"
        reading ROOT/guest-kernel/bases.yaml: the key `a` is given twice
          --> ROOT/guest-kernel/bases.yaml:3:3
          |
        3 |   a: { package: y }
          |   ^

        hint: keep one of the two
        ");
        assert_snapshot!(error("bases:\n  ../a: { package: x }\n"), @"
        reading ROOT/guest-kernel/bases.yaml: a base's name is letters, digits, `.`, `_`, `-`
          --> ROOT/guest-kernel/bases.yaml:2:3
          |
        2 |   ../a: { package: x }
          |   ^^^^
        ");
    }
}
