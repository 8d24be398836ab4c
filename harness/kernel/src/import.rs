//! Anybody's patch series as a variant.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::base::Base;
use super::files::is_plain_name;
use super::git::{git_in, lines_of};
use super::mail::{self, Mail};
use super::series::{self, Patch};
use super::source::Source;
use super::variant::{self, Variant};
use super::workbench::Workbench;
use super::{BuildEvent, KernelError, PatchRecord, Store, Version, files};
use harness_project::{Project, temp_dir};

/// Where a series comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeriesFrom {
    /// A mailbox, a single patch, or a folder of patches.
    Path(PathBuf),
    /// The commits of a range, of a git tree, which is only read.
    Commits {
        /// The tree.
        tree: PathBuf,
        /// E.g. `v6.12..fix`.
        range: String,
    },
}

/// What is to become a variant.
#[derive(Debug, Clone)]
pub struct Import {
    /// Its name.
    pub name: String,
    /// Where its patches come from.
    pub from: SeriesFrom,
    /// The base that they are for.
    pub base: String,
    /// One line on what it is; the cover letter's or the first patch's subject, if not given.
    pub title: Option<String>,
    /// What it is said to do.
    pub claim: Option<String>,
}

/// A series that has become a variant.
#[derive(Debug)]
pub struct Imported {
    /// Its folder.
    pub folder: PathBuf,
    /// Its patches, in order, each with how it applied.
    pub patches: Vec<PatchRecord>,
}

impl Store {
    /// Makes a variant of a series: takes it apart, orders it, sees that it applies to the base, and writes the variant's folder. A
    /// series that does not apply leaves nothing behind. A variant that is there and not for that kernel gets it as one more
    /// series, in a folder of its own.
    pub fn import(
        &self,
        project: &Project,
        import: &Import,
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<Imported, KernelError> {
        let Import { name, from, base, title, claim } = import;
        let folder = variant::folder(project).join(name);
        let taken = |cause: &str, hint| KernelError::Series { from: folder.clone(), cause: cause.to_owned(), hint };
        if !is_plain_name(name) {
            let cause = format!("`{}` cannot be its name", name.escape_debug());
            return Err(taken(&cause, "a variant's name is letters, digits, `.`, `_`, `-`"));
        }
        let known = folder.exists().then(|| Variant::find(project, name)).transpose()?;
        if known.is_some() && (title.is_some() || claim.is_some()) {
            return Err(taken(
                "there is such a variant, with its title and claim",
                "leave them out, or choose another name",
            ));
        }
        let mails = self.mails(from)?;
        let shown = from.to_string();
        let ordered = mail::order(mails).map_err(|cause| KernelError::series(Path::new(&shown), &cause))?;
        let title = title.clone().or(ordered.cover).unwrap_or_else(|| ordered.patches[0].subject.clone());
        let fresh = write(&variant::folder(project), &ordered.patches)?;
        let paths: Vec<PathBuf> =
            (1..).zip(&ordered.patches).map(|(n, mail)| fresh.path().join(mail::file_name(n, &mail.subject))).collect();
        let (version, patches) = self.try_series(project, base, &paths, report)?;
        if let Some(known) = known {
            if known.patches(&version).is_some() {
                let cause = format!("there is such a variant already, and it is for Linux {version} too");
                return Err(taken(&cause, "choose another name or base, or remove that one"));
            }
            extend(&fresh, &folder, &version, &patches)?;
            return Ok(Imported { folder, patches });
        }
        let yaml = yaml(name, &title, claim.as_deref(), &shown, &version, &patches);
        let path = fresh.path().join("variant.yaml");
        fs::write(&path, yaml).map_err(KernelError::io("writing", &path))?;
        finish(&fresh, &folder).map_err(KernelError::io("writing", &folder))?;
        Ok(Imported { folder, patches })
    }

    fn mails(&self, from: &SeriesFrom) -> Result<Vec<Mail>, KernelError> {
        let scratch = tempfile::tempdir_in(temp_dir()).map_err(KernelError::io("making a folder in", &temp_dir()))?;
        match from {
            SeriesFrom::Path(path) => mail::read(path, scratch.path(), &self.canceller()),
            SeriesFrom::Commits { tree, range } => {
                let folder = scratch.path().join("commits");
                let mut git = git_in(tree);
                git.args(["format-patch", "--quiet", "--no-signature", "--no-renames", "--output-directory"])
                    .arg(&folder);
                git.args(["--end-of-options", range]);
                lines_of(&mut git, &self.canceller(), tree, range)?;
                fs::create_dir_all(&folder).map_err(KernelError::io("reading", &folder))?;
                mail::read(&folder, scratch.path(), &self.canceller())
            }
        }
    }

    /// Sees that patches apply to a base, one after the other; which version that is, and how they applied.
    fn try_series(
        &self,
        project: &Project,
        base: &str,
        paths: &[PathBuf],
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<(Version, Vec<PatchRecord>), KernelError> {
        let base = Base::find(project, base)?;
        let patches = paths.iter().map(|path| Patch::read(path)).collect::<Result<Vec<_>, _>>()?;
        let canceller = self.canceller();
        let source = Source::identify(&base, self.cache(), &canceller, report)?;
        let workbench = Workbench::open(self.cache(), &source, &canceller, report)?;
        let (_, records) = series::apply(&patches, workbench.folder(), &canceller, &|path| workbench.pristine(path))?;
        Ok((source.version, records))
    }
}

impl std::fmt::Display for SeriesFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Commits { tree, range } => write!(f, "{range} of {}", tree.display()),
        }
    }
}

/// The patches' files in a new folder beside the variants.
fn write(variants: &Path, patches: &[Mail]) -> Result<TempDir, KernelError> {
    let fail = KernelError::io("writing patches in", variants);
    let folder = tempfile::Builder::new().prefix(".new-").tempdir_in(variants).map_err(&fail)?;
    for (number, mail) in (1..).zip(patches) {
        fs::write(folder.path().join(mail::file_name(number, &mail.subject)), &mail.text).map_err(&fail)?;
    }
    Ok(folder)
}

/// Moves a new folder, which nobody else could read until now, to its place.
fn finish(fresh: &TempDir, folder: &Path) -> io::Result<()> {
    fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o755))?;
    fs::rename(fresh.path(), folder)
}

/// Puts the patches of a new folder into the variant's, and them into its `variant.yaml`, whose other lines stay as they are.
fn extend(fresh: &TempDir, folder: &Path, version: &Version, patches: &[PatchRecord]) -> Result<(), KernelError> {
    const LIST: &str = "\nseries:\n";
    let yaml = folder.join("variant.yaml");
    let fail = KernelError::io("adding a series to", &yaml);
    let text = fs::read_to_string(&yaml).map_err(&fail)?;
    let Some(list) = text.find(LIST) else {
        let hint = "write `series:` on a line of its own, with an entry `- bases: …` below it for each of them";
        let cause = "its series are not written as a list with lines of its own".to_owned();
        return Err(KernelError::Series { from: yaml, cause, hint });
    };
    let line = version.line_text();
    let mut extended = text;
    extended.insert_str(list + LIST.len(), &entry(&line, &format!("{line}/"), patches));
    let own = folder.join(&line);
    finish(fresh, &own).map_err(KernelError::io("writing", &own))?;
    files::replace(&yaml, extended.as_bytes()).map_err(|cause| {
        // What no variant.yaml names would only be in the way of the next try.
        let _ = fs::remove_dir_all(&own);
        fail(cause)
    })
}

fn yaml(
    name: &str,
    title: &str,
    claim: Option<&str>,
    from: &str,
    version: &Version,
    patches: &[PatchRecord],
) -> String {
    let claim = claim.unwrap_or("not said");
    format!(
        "name: {name}\ntitle: {}\nclaim: {}\nsource: {}\nseries:\n{}",
        quoted(title),
        quoted(claim),
        quoted(from),
        entry(&version.line_text(), "", patches)
    )
}

/// A series for the kernels of one line, as an entry of the list of them.
fn entry(line: &str, folder: &str, patches: &[PatchRecord]) -> String {
    let mut text = format!("  - bases: {{ from: \"{line}\", to: \"{line}\" }}\n    patches:\n");
    for patch in patches {
        text.extend(["      - ", &quoted(&format!("{folder}{}", patch.name)), "\n"]);
    }
    text
}

/// JSON's strings are YAML's, and need no thought about what is special where.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Makes a variant of patches for this machine alone, under a name that tells them from others: `fix-0a1b2c3d`. It is kept in the
/// cache, so that such a run can be resumed.
pub fn scratch_variant(variants: &Path, patches: &[PathBuf]) -> Result<String, KernelError> {
    let read = patches.iter().map(|path| Patch::read(path)).collect::<Result<Vec<_>, _>>()?;
    let all: Vec<u8> = read.iter().flat_map(|patch| files::sha256(&patch.content).into_bytes()).collect();
    let stem = patches.first().and_then(|path| path.file_stem()).unwrap_or_default().to_string_lossy().to_lowercase();
    let stem: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(24).collect();
    let stem = stem.trim_matches('-');
    let sum = files::sha256(&all);
    let name = format!("{}-{}", if stem.is_empty() { "patch" } else { stem }, sum.get(..8).unwrap_or(&sum));
    let folder = variants.join(&name);
    let fail = KernelError::io("keeping patches in", &folder);
    if folder.exists() {
        return Ok(name);
    }
    fs::create_dir_all(variants).map_err(&fail)?;
    let fresh = tempfile::Builder::new().prefix(".new-").tempdir_in(variants).map_err(&fail)?;
    let mut list = String::new();
    for (number, patch) in (1..).zip(&read) {
        let file = format!("{number:04}.patch");
        fs::write(fresh.path().join(&file), &patch.content).map_err(&fail)?;
        list.extend(["      - ", &file, "\n"]);
    }
    let from: Vec<String> = patches.iter().map(|path| path.display().to_string()).collect();
    let from = serde_json::Value::from(from.join(", "));
    let text =
        format!("name: {name}\ntitle: {from}\nclaim: a scratch variant\nsource: {from}\nseries:\n  - patches:\n{list}");
    fs::write(fresh.path().join("variant.yaml"), text).map_err(&fail)?;
    match finish(&fresh, &folder) {
        // Somebody else was as fast; the name tells that it is the same.
        Err(_) if folder.exists() => Ok(name),
        renamed => renamed.map_err(&fail).map(|()| name),
    }
}
