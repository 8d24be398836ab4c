//! A base's source: which one it is, and its files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::base::{Base, GitOrigin, Origin, Prebuilt};
use super::change::Change;
use super::error::WORKBENCH_BYTES;
use super::git::{git_in, hash_of, lines_of};
use super::process::{Answer, Group, ask, drain, ended, feed, program};
use super::{BuildEvent, Canceller, KernelError, Version, files};

/// What helps against a damaged tarball.
const FETCH_AGAIN: &str = "the tarball is damaged; fetch it again";

/// A source that is there and known by its content.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// `package`, `tarball` or `git`.
    pub kind: &'static str,
    /// The package, the tarball's path, or `tree@commit`.
    pub name: String,
    /// Of a commit its hash, whatever it was called by.
    pub commit: Option<String>,
    /// What decides whether two sources are the same: of a tarball its SHA-256, of a commit its hash.
    pub digest: String,
    /// The digest of what is unpacked: the source's own, or that of the commit that it is near to.
    pub unpacked: String,
    /// What makes the source of what is unpacked.
    pub change: Option<Change>,
    /// The version. Of a package it is what its name says, without the patch level.
    pub version: Version,
    archive: Archive,
}

#[derive(Debug, Clone)]
enum Archive {
    Tarball { path: PathBuf, bytes: u64 },
    Commit { tree: PathBuf, hash: String },
}

impl Source {
    /// Finds a base's source and tells what it is.
    pub fn identify(
        base: &Base,
        cache: &Path,
        canceller: &Canceller,
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<Self, KernelError> {
        match &base.origin {
            Origin::Package(package) => {
                let path = package.tarball(cache, canceller, report)?;
                let version = package.name.strip_prefix("linux-source-").and_then(|version| version.parse().ok());
                Self::of_tarball("package", package.to_string(), path, version, cache, canceller, report)
            }
            Origin::Tarball(path) if path.is_file() => {
                Self::of_tarball("tarball", path.display().to_string(), path.clone(), None, cache, canceller, report)
            }
            Origin::Tarball(path) => Err(KernelError::TarballMissing { base: base.name.clone(), path: path.clone() }),
            Origin::Git(git) => Self::of_commit(git, canceller),
            Origin::Prebuilt(Prebuilt { image, .. }) => Err(KernelError::Prebuilt {
                image: image.clone(),
                cause: "it is built already, and has no source here".to_owned(),
                hint: "name a base that is made from a source".to_owned(),
            }),
        }
    }

    fn of_tarball(
        kind: &'static str,
        name: String,
        path: PathBuf,
        version: Option<Version>,
        cache: &Path,
        canceller: &Canceller,
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<Self, KernelError> {
        let (digest, bytes) = known_digest(&path, cache, report)?;
        let version = match version {
            Some(version) => version,
            None => version_of_tarball(&path, canceller)?,
        };
        let (unpacked, change) = (digest.clone(), None);
        let archive = Archive::Tarball { path, bytes };
        Ok(Self { kind, name, commit: None, digest, unpacked, change, version, archive })
    }

    fn of_commit(git: &GitOrigin, canceller: &Canceller) -> Result<Self, KernelError> {
        let hash_of = |commit: &str| hash_of(&git.tree, commit, canceller);
        let hash = hash_of(&git.commit)?;
        let near = git.near.as_deref().map_or_else(|| Ok(hash.clone()), hash_of)?;
        let name = format!("{}@{}", git.tree.display(), git.commit);
        let commit = hash.clone();
        let mut show = git_in(&git.tree);
        show.args(["show", &format!("{hash}:Makefile")]);
        let makefile = lines_of(&mut show, canceller, &git.tree, &git.commit).ok().map(|lines| lines.join("\n"));
        let version = makefile.as_deref().and_then(Version::of_makefile);
        let version = version.ok_or_else(|| KernelError::NotAKernel { source_name: name.clone() })?;
        // The hash of a commit is not the digest of an archive that happens to begin like it.
        let digest = |hash: &str| files::sha256(format!("git commit {hash}").as_bytes());
        let (unpacked, digest) = (digest(&near), digest(&hash));
        let tree = git.tree.clone();
        let change = (hash != near).then(|| Change { tree: tree.clone(), from: near.clone(), to: hash });
        let archive = Archive::Commit { tree, hash: near };
        Ok(Self { kind: "git", name, commit: Some(commit), digest, unpacked, change, version, archive })
    }

    /// How much room the source takes, unpacked and built: of 6.12.117, whose tarball has 145 MiB, 1.7 GiB and 0.2 GiB
    /// were measured.
    pub fn workbench_bytes(&self) -> u64 {
        match &self.archive {
            Archive::Tarball { bytes, .. } => bytes.saturating_mul(16),
            Archive::Commit { .. } => WORKBENCH_BYTES,
        }
    }

    /// Unpacks it into `folder`, which exists and is empty, without its top folder.
    pub fn unpack(
        &self,
        folder: &Path,
        canceller: &Canceller,
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<(), KernelError> {
        let doing = "unpacking";
        let mut tar = program("tar");
        tar.arg("--extract").arg("--directory").arg(folder).args([
            "--file=-",
            "--strip-components=1",
            "--no-same-owner",
            "--no-same-permissions",
            // The time of a file is when it came here, or nothing could be said about what came later.
            "--touch",
        ]);
        // xz uses one thread to unpack unless it is asked for more.
        tar.env("XZ_DEFAULTS", "--threads=0");
        let (status, said) = match &self.archive {
            Archive::Tarball { path, bytes } => {
                let mut file = File::open(path).map_err(KernelError::io("opening", path))?;
                tar.args(decompression(&mut file).map_err(KernelError::io("reading", path))?);
                let mut file = File::open(path).map_err(KernelError::io("opening", path))?;
                feed(&mut tar, &mut file, canceller, doing, &mut |done| {
                    report(BuildEvent::Unpacking { bytes: done, of: Some(*bytes) });
                })?
            }
            Archive::Commit { tree, hash } => {
                let mut git = git_in(tree);
                git.args(["archive", "--format=tar", "--prefix=linux/", hash]);
                git.stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut git = Group::start(&mut git, canceller, doing)?;
                let complaints = git.child.stderr.take().map(|stderr| std::thread::spawn(move || drain(stderr)));
                let mut stream: Box<dyn Read> = match git.child.stdout.take() {
                    Some(stdout) => Box::new(stdout),
                    None => Box::new(std::io::empty()),
                };
                let fed = feed(&mut tar, &mut *stream, canceller, doing, &mut |done| {
                    report(BuildEvent::Unpacking { bytes: done, of: None });
                })?;
                drop(stream);
                let said = complaints.and_then(|thread| thread.join().ok()).unwrap_or_default();
                if !git.wait()?.success() && fed.0.success() {
                    return Err(KernelError::Git { tree: tree.clone(), commit: hash.clone(), said });
                }
                fed
            }
        };
        if status.success() {
            return Ok(());
        }
        if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
            return Err(KernelError::disk_full(format!("unpacking {} into", self.name), folder));
        }
        let said = if said.is_empty() { ended(status) } else { said };
        Err(KernelError::SourceCorrupt { source_name: self.name.clone(), said, hint: self.hint() })
    }

    fn hint(&self) -> String {
        match (self.kind, &self.archive) {
            ("package", Archive::Tarball { path, .. }) if self.name.contains('/') => {
                format!("remove {}; it is fetched again", path.display())
            }
            ("package", _) => format!("apt install --reinstall {}", self.name),
            (_, Archive::Tarball { .. }) => FETCH_AGAIN.to_owned(),
            (_, Archive::Commit { tree, .. }) => format!("git -C {} fsck", tree.display()),
        }
    }
}

/// What the Makefile in a tarball's top folder says. That file comes early in kernel.org's tarballs, and late in Debian's.
fn version_of_tarball(path: &Path, canceller: &Canceller) -> Result<Version, KernelError> {
    let mut tar = program("tar");
    tar.arg("--file").arg(path);
    tar.args(["--extract", "--to-stdout", "--occurrence=1", "--wildcards", "--no-wildcards-match-slash", "*/Makefile"]);
    tar.env("XZ_DEFAULTS", "--threads=0");
    let Answer { status, lines, complaint: said } = ask(&mut tar, canceller, "reading a tarball's Makefile")?;
    let source_name = path.display().to_string();
    match Version::of_makefile(&lines.join("\n")) {
        // A tarball that is damaged behind it is told when it is unpacked.
        Some(version) => Ok(version),
        // Tar has not found it, or has not come so far.
        None if status.success() || said.contains("Not found in archive") => {
            Err(KernelError::NotAKernel { source_name })
        }
        None => Err(KernelError::SourceCorrupt { source_name, said, hint: FETCH_AGAIN.to_owned() }),
    }
}

/// From a pipe, tar cannot tell by itself how an archive is compressed.
fn decompression(file: &mut File) -> std::io::Result<Option<&'static str>> {
    let mut magic = Vec::new();
    file.take(6).read_to_end(&mut magic)?;
    Ok(match magic.as_slice() {
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Some("--xz"),
        [0x1f, 0x8b, ..] => Some("--gzip"),
        [b'B', b'Z', b'h', ..] => Some("--bzip2"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("--zstd"),
        _ => None,
    })
}

/// A digest that was taken before, and of what.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    bytes: u64,
    inode: u64,
    modified_ns: i128,
    changed_ns: i128,
    sha256: String,
}

/// The digest and the size of a file. A file that has not changed since, as far as its size and times can tell, is not
/// read again.
fn known_digest(path: &Path, cache: &Path, report: &mut dyn FnMut(BuildEvent)) -> Result<(String, u64), KernelError> {
    let fail = KernelError::io("reading", path);
    let mut file = File::open(path).map_err(&fail)?;
    let meta = file.metadata().map_err(&fail)?;
    let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    let mut now = Seen {
        bytes: meta.len(),
        inode: meta.ino(),
        modified_ns: ns(meta.mtime(), meta.mtime_nsec()),
        changed_ns: ns(meta.ctime(), meta.ctime_nsec()),
        sha256: String::new(),
    };
    let list = cache.join("digests.json");
    let key = path.canonicalize().map_err(&fail)?.display().to_string();
    let mut seen: BTreeMap<String, Seen> =
        std::fs::read(&list).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    if let Some(before) = seen.get(&key) {
        now.sha256.clone_from(&before.sha256);
        if *before == now {
            return Ok((now.sha256, now.bytes));
        }
    }
    let of = now.bytes;
    now.sha256 = files::sha256_of(&mut file, &mut |bytes| report(BuildEvent::Reading { bytes, of })).map_err(&fail)?;
    let sha256 = now.sha256.clone();
    seen.insert(key, now);
    let text = serde_json::to_vec_pretty(&seen).unwrap_or_default();
    files::replace(&list, &text).map_err(KernelError::io("writing", &list))?;
    Ok((sha256, of))
}

#[cfg(test)]
mod tests;
