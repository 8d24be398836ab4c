//! Packs: all that a suite needs but QEMU, in one file.
//!
//! ```text
//! project (guest-kernel/, scenarios/) ─┐
//! parts (agent, tracer) ───────────────┼─> pack ──(another machine)──> cache/packs/<digest>/ ─> Project, sealed
//! kernels/<key>/, and what of the ─────┤
//!   cache they are called by ──────────┘
//! ```
//!
//! A pack is a newc cpio archive, compressed by gzip, whose first file is `pack.json`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use cpio::newc;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::embedded::{appear, write_new};
use crate::failure::Failure;
use crate::kernel::{Asked, CustomBuild, Kernel, SEAL, seal};
use crate::parts;
use crate::project::{PREBUILT, Project};

/// The file that says what the rest is.
const HEAD: &str = "pack.json";
/// Raised whenever a pack is something else than it was.
const FORMAT: u32 = 2;
/// No honest head is longer.
const HEAD_BYTES: u64 = 64 << 10;

/// What the rest of a pack is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: u32,
    /// The harness's version: what it, its agent and crashlab say to each other may be another in the next one.
    harness: String,
    /// The suite that it was made for.
    suite: String,
    /// Its kernels.
    kernels: Vec<String>,
}

/// What is known of the head of a pack of any format.
#[derive(Deserialize)]
struct Version {
    format: u32,
    harness: String,
}

/// Writes a pack of the suite's kernels to `file`, which appears when it is complete. Blocks while it builds what else is
/// needed.
pub fn write(project: &Project, suite: &str, kernels: &[Kernel], file: &Path) -> Result<u64, Failure> {
    let failed = |error: io::Error| Failure::host(format!("write the pack {}: {error}", file.display()));
    let built = tempfile::tempdir().map_err(failed)?;
    parts::build_all(project, project.cache(), built.path()).map_err(Failure::host)?;
    let head = Head {
        format: FORMAT,
        harness: env!("CARGO_PKG_VERSION").to_owned(),
        suite: suite.to_owned(),
        kernels: kernels.iter().map(|kernel| kernel.name().to_string()).collect(),
    };
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // It is handed on, unlike most that is staged.
    let readable = std::fs::Permissions::from_mode(0o644);
    let staged = tempfile::Builder::new().permissions(readable).tempfile_in(parent).map_err(failed)?;
    let archive = GzEncoder::new(io::BufWriter::new(staged), Compression::fast());
    let archive = content(archive, project, &head, kernels, built.path()).map_err(failed)?;
    let staged = archive.finish().and_then(|file| file.into_inner().map_err(Into::into)).map_err(failed)?;
    let bytes = staged.as_file().metadata().map_err(failed)?.len();
    staged.persist(file).map_err(|error| failed(error.error))?;
    Ok(bytes)
}

fn content<W: Write>(
    mut archive: W,
    project: &Project,
    head: &Head,
    kernels: &[Kernel],
    built: &Path,
) -> io::Result<W> {
    archive = entry(archive, Path::new(HEAD), &serde_json::to_vec_pretty(head)?)?;
    archive = entry(archive, Path::new("project").join(HEAD).as_path(), &serde_json::to_vec_pretty(head)?)?;
    archive = entry(archive, Path::new("cache").join(SEAL).as_path(), seal(kernels).as_bytes())?;
    let mut folders = vec![
        (project.guest_kernel(), PathBuf::from("project/guest-kernel")),
        (project.scenarios(), PathBuf::from("project/scenarios")),
        (built.to_owned(), Path::new("project").join(PREBUILT)),
    ];
    let mut of_this_machine = BTreeSet::new();
    for kernel in kernels {
        folders.push((kernel.dir.clone(), Path::new("cache/kernels").join(&kernel.key)));
        let plain = Asked::of(&kernel.variant).name;
        of_this_machine.insert((project.scratch_variants().join(plain), Path::new("cache/variants").join(plain)));
        if let Some((build, folder)) = CustomBuild::kept(project, &kernel.variant) {
            of_this_machine.insert((folder, Path::new("cache/builds").join(build)));
        }
        // What is not committed is kept with each run.
        for commit in ["yaml", "diff"].map(|kind| format!("{}.{kind}", kernel.base)) {
            of_this_machine.insert((project.commits().join(&commit), Path::new("cache/commits").join(&commit)));
        }
    }
    folders.extend(of_this_machine);
    let mut there = BTreeSet::new();
    for (from, to) in folders {
        for (path, below) in files(&from)? {
            // Two variants of the same content have one kernel.
            let name = if below.as_os_str().is_empty() { to.clone() } else { to.join(below) };
            if there.insert(name.clone()) {
                archive = entry(archive, &name, &std::fs::read(path)?)?;
            }
        }
    }
    newc::trailer(archive)
}

/// The files at or below a path, sorted, each with what its path has behind that; none if nothing is there.
fn files(at: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    if at.is_file() {
        return Ok(vec![(at.to_owned(), PathBuf::new())]);
    }
    let mut found = Vec::new();
    let mut left = vec![at.to_owned()];
    while let Some(folder) = left.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else if path.is_file() {
                let below = path.strip_prefix(at).unwrap_or(&path).to_owned();
                found.push((path, below));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn entry<W: Write>(archive: W, name: &Path, content: &[u8]) -> io::Result<W> {
    let name = name.to_str().ok_or_else(|| io::Error::other(format!("{} is no UTF-8", name.display())))?;
    let size = u32::try_from(content.len()).map_err(|_| io::Error::other(format!("{name} is too large")))?;
    let builder = newc::Builder::new(name).nlink(1).mode(0o644).set_mode_file_type(newc::ModeFileType::Regular);
    let mut writer = builder.write(archive, size);
    writer.write_all(content)?;
    writer.finish()
}

/// Unpacks a pack below `cache`, unless it is there already, and returns its project: its cache has all of its kernels, and
/// will have no others.
pub fn open(file: &Path, cache: &Path) -> Result<Project, Failure> {
    let failed = |error: io::Error| Failure::host(format!("open the pack {}: {error}", file.display()));
    check(file)?;
    let mut hash = Sha256::new();
    let mut opened = File::open(file).map_err(failed)?;
    io::copy(&mut opened, &mut hash).map_err(failed)?;
    let digest = format!("{:x}", hash.finalize());
    let parent = cache.join("packs");
    let at = parent.join(digest.get(..16).unwrap_or(&digest));
    let folder = appear(&parent, &at, |folder| unpack(file, folder)).map_err(failed)?;
    Ok(Project::with_cache(folder.join("project"), folder.join("cache")))
}

/// The suite that a project was packed for, if it is a pack's.
pub fn suite_of(project: &Project) -> Option<String> {
    let head = std::fs::read(project.root().join(HEAD)).ok()?;
    serde_json::from_slice(&head).ok().map(|Head { suite, .. }| suite)
}

/// That it is a pack, and of this version.
fn check(file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let no_pack = |error: io::Error| {
        Failure::input(format!(
            "{shown} is no pack of the harness's: {error}\n\nhint: harness pack SUITE -o FILE makes one"
        ))
    };
    let entry = newc::Reader::new(GzDecoder::new(File::open(file).map_err(no_pack)?)).map_err(no_pack)?;
    if entry.entry().name() != HEAD {
        return Err(no_pack(io::Error::other(format!("it does not begin with {HEAD}"))));
    }
    let mut head = Vec::new();
    entry.take(HEAD_BYTES).read_to_end(&mut head).map_err(no_pack)?;
    let Version { format, harness } = serde_json::from_slice(&head).map_err(|error| no_pack(error.into()))?;
    let ours = env!("CARGO_PKG_VERSION");
    if (format, harness.as_str()) != (FORMAT, ours) {
        return Err(Failure::input(format!(
            "{shown} was packed by harness {harness} (format {format}), and this is {ours} (format {FORMAT})\n\n\
             hint: pack it again with this one, or run it with that one"
        )));
    }
    Ok(())
}

fn unpack(file: &Path, folder: &Path) -> io::Result<()> {
    let mut archive = GzDecoder::new(io::BufReader::new(File::open(file)?));
    loop {
        let mut reader = newc::Reader::new(archive)?;
        if reader.entry().is_trailer() {
            return Ok(());
        }
        let name = PathBuf::from(reader.entry().name());
        if !name.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other(format!("it has a file {}, which is elsewhere", name.display())));
        }
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        write_new(&folder.join(name), &content)?;
        archive = reader.finish()?;
    }
}

#[cfg(test)]
mod tests;
