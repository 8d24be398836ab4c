//! Anybody's patch series as a variant.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::base::Base;
use super::files::is_plain_name;
use super::mail::{self, Mail};
use super::patch::PatchText;
use super::series::{self, Patch};
use super::source::Source;
use super::thread::{Chosen, LeftOut};
use super::variant::{self, Variant};
use super::workbench::{Glance, Workbench};
use super::{BuildEvent, KernelError, PatchRecord, Store, Version, commits, files, lore, mailbox};
use harness_project::{Project, temp_dir};

/// Where a series comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeriesFrom {
    /// A mailbox, a mail, a patch, a folder of them, or a list of quilt's; `-` is the standard input.
    Path(PathBuf),
    /// The thread of a mail in the archive of the mailing lists.
    Lore {
        /// The mail's `Message-ID`.
        id: String,
    },
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
    /// A mail of the series that is meant, by its `Message-ID`, where several are there.
    pub mail: Option<String>,
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
    /// What was there beside them, and why it is none of them.
    pub left_out: Vec<LeftOut>,
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
        let Import { name, from, mail, base, title, claim } = import;
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
        let Chosen { patches, cover, left_out } = self.series_from(from, mail.as_deref())?;
        let shown = from.to_string();
        let first = patches.first().map(|mail| mail.subject.text.clone());
        let title = title.clone().or(cover).or(first).unwrap_or_default();
        let (fresh, paths) = write(&variant::folder(project), &patches)?;
        let (version, patches) = self.try_series(project, base, &paths, report)?;
        if let Some(known) = known {
            if known.patches(&version).is_some() {
                let cause = format!("there is such a variant already, and it is for Linux {version} too");
                return Err(taken(&cause, "choose another name or base, or remove that one"));
            }
            extend(&fresh, &folder, &version, &patches)?;
            return Ok(Imported { folder, patches, left_out });
        }
        let yaml = yaml(name, &title, claim.as_deref(), &shown, &version, &patches);
        let path = fresh.path().join("variant.yaml");
        fs::write(&path, yaml).map_err(KernelError::io("writing", &path))?;
        finish(&fresh, &folder).map_err(KernelError::io("writing", &folder))?;
        Ok(Imported { folder, patches, left_out })
    }

    fn series_from(&self, from: &SeriesFrom, mail: Option<&str>) -> Result<Chosen, KernelError> {
        let scratch = || tempfile::tempdir_in(temp_dir()).map_err(KernelError::io("making a folder in", &temp_dir()));
        match from {
            SeriesFrom::Path(path) => mailbox::read(path, mail),
            SeriesFrom::Lore { id } => lore::read(id, scratch()?.path(), &self.canceller()),
            SeriesFrom::Commits { tree, range } => commits::read(tree, range, scratch()?.path(), &self.canceller()),
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
        let scratch = tempfile::tempdir_in(temp_dir()).map_err(KernelError::io("making a folder in", &temp_dir()))?;
        let commit = source.change.as_ref().map(|change| change.overlay(scratch.path(), &canceller)).transpose()?;
        let apply = |unpacked: &dyn Fn(&Path) -> io::Result<Option<PathBuf>>| {
            let pristine = |path: &Path| match commit.as_ref().and_then(|commit| commit.find(path)) {
                Some(content) => content,
                None => unpacked(path),
            };
            series::apply(&patches, scratch.path(), &canceller, &pristine).map(|(_, records)| records)
        };
        // A few files are read, which is no reason to wait for somebody's build.
        if let Some(glance) = Glance::at(self.cache(), &source) {
            let records = apply(&|path| glance.pristine(path));
            if glance.holds() {
                return Ok((source.version, records?));
            }
        }
        let workbench = Workbench::open(self.cache(), &source, None, &canceller, report)?;
        let records = apply(&|path| workbench.pristine(path))?;
        Ok((source.version, records))
    }
}

impl std::fmt::Display for SeriesFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) if path == Path::new("-") => f.write_str("standard input"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Lore { id } => f.write_str(&lore::address(id)),
            Self::Commits { tree, range } => write!(f, "{range} of {}", tree.display()),
        }
    }
}

/// The patches' files in a new folder beside the variants.
fn write(variants: &Path, patches: &[Mail]) -> Result<(TempDir, Vec<PathBuf>), KernelError> {
    let fail = KernelError::io("writing patches in", variants);
    let folder = tempfile::Builder::new().prefix(".new-").tempdir_in(variants).map_err(&fail)?;
    let mut paths = Vec::new();
    for (number, mail) in (1..).zip(patches) {
        let path = folder.path().join(mail::file_name(number, &mail.subject.text));
        fs::write(&path, mail.patch()).map_err(&fail)?;
        paths.push(path);
    }
    Ok((folder, paths))
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

/// A variant that was made for this machine alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScratchVariant {
    /// Its name, which tells it from others: `fix-0a1b2c3d`.
    pub name: String,
    /// What was there beside its patches, and why it is none of them.
    pub left_out: Vec<LeftOut>,
}

/// Makes a variant of patches for this machine alone: of mails, mailboxes, folders, one after the other. It is kept in the
/// cache, so that such a run can be resumed.
pub fn scratch_variant(variants: &Path, patches: &[PathBuf]) -> Result<ScratchVariant, KernelError> {
    let (mut read, mut left_out) = (Vec::new(), Vec::new());
    for path in patches {
        let chosen = mailbox::read(path, None)?;
        for mail in &chosen.patches {
            let shown = if chosen.patches.len() == 1 { path.clone() } else { path.join(&mail.place) };
            PatchText::parse(&String::from_utf8_lossy(mail.patch()))
                .map_err(|fault| KernelError::Patch { patch: shown, fault })?;
        }
        read.extend(chosen.patches);
        left_out.extend(chosen.left_out);
    }
    let name = keep_scratch_variant(variants, patches, &read)?;
    Ok(ScratchVariant { name, left_out })
}

/// Whether a variant of this name, of patches with these digests, is one that [`scratch_variant`] made.
pub fn is_scratch<'a>(name: &str, digests: impl IntoIterator<Item = &'a str>) -> bool {
    name.ends_with(&scratch_ending(digests))
}

/// What the name of a scratch variant ends with, by the digests of its patches.
fn scratch_ending<'a>(digests: impl IntoIterator<Item = &'a str>) -> String {
    let sum = files::sha256(digests.into_iter().collect::<String>().as_bytes());
    format!("-{}", sum.get(..8).unwrap_or(&sum))
}

fn keep_scratch_variant(variants: &Path, from: &[PathBuf], patches: &[Mail]) -> Result<String, KernelError> {
    let digests: Vec<String> = patches.iter().map(|patch| files::sha256(patch.patch())).collect();
    let stem = from.first().map(|path| mail::stem(path).to_lowercase()).unwrap_or_default();
    let stem: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(24).collect();
    let stem = stem.trim_matches('-');
    let name = format!(
        "{}{}",
        if stem.is_empty() { "patch" } else { stem },
        scratch_ending(digests.iter().map(String::as_str))
    );
    let folder = variants.join(&name);
    let fail = KernelError::io("keeping patches in", &folder);
    if folder.exists() {
        return Ok(name);
    }
    fs::create_dir_all(variants).map_err(&fail)?;
    let fresh = tempfile::Builder::new().prefix(".new-").tempdir_in(variants).map_err(&fail)?;
    let mut list = String::new();
    for (number, patch) in (1..).zip(patches) {
        let file = format!("{number:04}.patch");
        fs::write(fresh.path().join(&file), patch.patch()).map_err(&fail)?;
        list.extend(["      - ", &file, "\n"]);
    }
    let from: Vec<String> = from.iter().map(|path| SeriesFrom::Path(path.clone()).to_string()).collect();
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
