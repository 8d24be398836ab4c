//! Everything that can keep a variant from becoming a kernel, in the words of the person who asked for it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::diagnose::Diagnosis;
use super::process::package_of;
use super::thread::Refusal;
use super::{Version, files};
use harness_model::KernelName;
use harness_yaml::{InputError, LookupError, UnknownName};

/// What the source of one kernel takes while it is built, unpacked and with its objects: 1.7 GiB and 0.2 GiB were
/// measured for 6.12.117; the rest is for newer kernels.
pub(super) const WORKBENCH_BYTES: u64 = 5 << 29;

/// Why there is no kernel. The text ends in a `hint:` that says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A YAML file is wrong.
    #[error(transparent)]
    Input(#[from] InputError),
    /// There is no base or variant of that name.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The variant is for other kernels.
    #[error(
        "variant `{variant}` is not for base `{base}`: that is Linux {version}, the variant is for {range}\n\n\
         hint: choose another base, or give it a series for that one in its variant.yaml"
    )]
    NotForBase {
        /// The variant.
        variant: String,
        /// What it is for.
        range: String,
        /// The base.
        base: String,
        /// What that is.
        version: Version,
    },
    /// What is set about a variant cannot be.
    #[error("variant `{variant}` cannot have `{setting}`: {cause}\n\nhint: {hint}")]
    Axis {
        /// The variant without it.
        variant: String,
        /// The setting.
        setting: String,
        /// What is wrong.
        cause: String,
        /// What would not be.
        hint: String,
    },
    /// A distribution's source package is not installed.
    #[error(
        "the kernel source package `{package}` is not installed: there is no /usr/src/{package}.tar.*\n\n\
         hint: apt install {package}"
    )]
    PackageMissing {
        /// The package.
        package: String,
    },
    /// A distribution's source package is unavailable.
    #[error(
        "fetching the kernel source package {package}: {said}\n\nhint: a suite drops its older packages. Name \
         another one in guest-kernel/bases.yaml, or the kernel's `tarball`"
    )]
    PackageNotFetched {
        /// The package and its suite.
        package: String,
        /// What apt said.
        said: String,
    },
    /// Patches that are no series, or cannot become a variant.
    #[error("making a variant of {}: {cause}\n\nhint: {hint}", from.display())]
    Series {
        /// Where they are, or were to be.
        from: PathBuf,
        /// What is wrong.
        cause: String,
        /// What would be right.
        hint: &'static str,
    },
    /// What fetches threads from the archive of the mailing lists is not installed.
    #[error(
        "fetching the thread of <{id}>: there is no program `b4`\n\n\
         hint: apt install b4; or save https://lore.kernel.org/all/{id}/t.mbox.gz and name that file with --from"
    )]
    NoB4 {
        /// The mail's `Message-ID`.
        id: String,
    },
    /// The archive of the mailing lists has no such thread, or is out of reach.
    #[error(
        "fetching the thread of <{id}>: b4 failed: {said}\n\n\
         hint: `b4 mbox {id}` tells more; a thread that was saved otherwise is read with --from"
    )]
    NotFetched {
        /// The mail's `Message-ID`.
        id: String,
        /// The last line that b4 said.
        said: String,
    },
    /// A pack has the kernels of one suite.
    #[error("the pack has no kernel {kernel}\n\nhint: it has those of its suite; harness pack makes one of another")]
    NotPacked {
        /// The kernel that was asked for.
        kernel: KernelName,
    },
    /// A base's tarball is not there.
    #[error("base `{base}` has no source: {} does not exist\n\nhint: correct its `tarball` in guest-kernel/bases.yaml", path.display())]
    TarballMissing {
        /// The base.
        base: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// A source could be read, but not unpacked.
    #[error("unpacking {source_name}: {said}\n\nhint: {hint}")]
    SourceCorrupt {
        /// The tarball or the commit.
        source_name: String,
        /// What tar said.
        said: String,
        /// How to get a whole one.
        hint: String,
    },
    /// What was unpacked is no kernel.
    #[error(
        "{source_name} is not a kernel source: below its top folder there is no Makefile with a VERSION\n\n\
         hint: correct the base in guest-kernel/bases.yaml"
    )]
    NotAKernel {
        /// The tarball or the commit.
        source_name: String,
    },
    /// Git does not know the tree or the commit.
    #[error("reading commit `{commit}` of {}: {said}\n\nhint: correct `tree` and `commit` in guest-kernel/bases.yaml; a shallow clone may lack the commit", tree.display())]
    Git {
        /// The tree.
        tree: PathBuf,
        /// The commit.
        commit: String,
        /// What git said.
        said: String,
    },
    /// A git tree cannot be tried as it lies there.
    #[error("trying the tree {}: {cause}\n\nhint: {hint}", tree.display())]
    Tree {
        /// The tree.
        tree: PathBuf,
        /// Why not.
        cause: String,
        /// What would help.
        hint: String,
    },
    /// What is named as a kernel is none.
    #[error("kernel `{named}`: {cause}\n\nhint: {hint}")]
    Named {
        /// What was named.
        named: String,
        /// Why it is none.
        cause: String,
        /// What would be one.
        hint: &'static str,
    },
    /// A kernel that is built already cannot be tried.
    #[error("kernel {}: {cause}\n\nhint: {hint}", image.display())]
    Prebuilt {
        /// Its image.
        image: PathBuf,
        /// Why not.
        cause: String,
        /// What would help.
        hint: String,
    },
    /// A variant changes what is built, and the kernel is built already.
    #[error(
        "variant `{variant}` is not for base `{base}`: it {what}, and that kernel is built already\n\n\
         hint: name a variant without, such as stock, or one that only sets something, as in stock+post_notifiers=1"
    )]
    NothingToBuild {
        /// The variant.
        variant: String,
        /// What it changes.
        what: &'static str,
        /// The base.
        base: String,
    },
    /// Two commits have nothing between them that could be bisected.
    #[error("from {good} to {bad} in {}: {cause}\n\nhint: the good one has to be an ancestor of the bad one", tree.display())]
    Range {
        /// The tree.
        tree: PathBuf,
        /// The good commit.
        good: String,
        /// The bad commit.
        bad: String,
        /// What is wrong.
        cause: String,
    },
    /// A patch cannot be applied.
    #[error("patch {}: {fault}", patch.display())]
    Patch {
        /// The patch.
        patch: PathBuf,
        /// Why not.
        fault: PatchFault,
    },
    /// A line of a config fragment is neither an option nor a comment.
    #[error(
        "reading {}: line {line} is not an option: {text}\n\n\
         hint: write `CONFIG_NAME=y`, `CONFIG_NAME=n` or `# CONFIG_NAME is not set`", path.display()
    )]
    Fragment {
        /// The fragment.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The line itself.
        text: String,
    },
    /// A configuration that is not there, or is no text.
    #[error(
        "reading the configuration {}: {source}\n\n\
         hint: it is a `.config`, as in a kernel's tree or /boot/config-VERSION, or a fragment of one", path.display()
    )]
    NoKconfig {
        /// Where it should be.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// A configuration is for another machine.
    #[error(
        "{} is for {architecture}, and guests are x86-64 machines\n\n\
         hint: give a configuration that was made with ARCH=x86_64", path.display()
    )]
    Architecture {
        /// The configuration.
        path: PathBuf,
        /// What it is for.
        architecture: &'static str,
    },
    /// What cannot be an argument of the kernel's make.
    #[error("make argument `{argument}`: {cause}\n\nhint: {hint}")]
    MakeArgument {
        /// The argument.
        argument: String,
        /// What is wrong with it.
        cause: String,
        /// What would not be.
        hint: &'static str,
    },
    /// Options that were asked for are not in the final config.
    #[error(
        "configuring {kernel}: {}\n\nhint: ask for what is missing in a config fragment, or ask for less",
        Listed(options)
    )]
    Unmet {
        /// `variant@base`.
        kernel: String,
        /// Every one of them.
        options: Vec<Unmet>,
    },
    /// The kernel, or the module for it, does not build.
    #[error("{doing} {kernel}: {diagnosis}\n\nhint: {}the whole log is {}", diagnosis.hint(), log.display())]
    Build {
        /// What was being built.
        doing: &'static str,
        /// `variant@base`.
        kernel: String,
        /// The first error and its source lines.
        diagnosis: Diagnosis,
        /// The whole log.
        log: PathBuf,
    },
    /// There is no room for it.
    #[error(
        "{doing} {}: the disk is full: {} are free there, a kernel's workbench takes up to {}\n\n\
         hint: make room, or set XDG_CACHE_HOME to a folder on a larger disk", path.display(), Bytes(*free), Bytes(*needed)
    )]
    DiskFull {
        /// What was being done.
        doing: String,
        /// Where.
        path: PathBuf,
        /// What it takes at most, in bytes.
        needed: u64,
        /// What is free there, in bytes.
        free: u64,
    },
    /// A program that the build needs is not installed.
    #[error("{doing}: there is no program `{program}`\n\nhint: {hint}")]
    ToolMissing {
        /// What was being done.
        doing: String,
        /// The program.
        program: String,
        /// What to do about it.
        hint: String,
    },
    /// A program failed in a way that has no better name.
    #[error(
        "{doing}: {program} failed ({status}): {said}\n\nhint: this is not about the kernel; run it by hand to see more"
    )]
    Tool {
        /// What was being done.
        doing: String,
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// The last it said.
        said: String,
    },
    /// The fault-injection module's sources are not there.
    #[error("there is no Makefile in {}\n\nhint: the fault-injection module is part of the project; restore the folder", folder.display())]
    NoModuleSources {
        /// Where they should be.
        folder: PathBuf,
    },
    /// [`Canceller::cancel`](super::Canceller::cancel) was called.
    #[error("the build was cancelled\n\nhint: what was compiled is kept; the next build goes on from there")]
    Cancelled,
    /// A file of the project or the cache cannot be read or written.
    #[error("{doing} {}: {source}\n\nhint: check the permissions, or set XDG_CACHE_HOME to a folder that can be written", path.display())]
    Io {
        /// What was being done.
        doing: String,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Who has to do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The user: a name, a file, a patch, a source that does not compile.
    Input,
    /// The host: a missing program or package, a full disk, a file that cannot be written.
    Host,
    /// Nobody: it was cancelled.
    Cancelled,
}

impl KernelError {
    /// The first line of the text, which names the cause.
    pub fn first_line(&self) -> String {
        self.to_string().lines().next().unwrap_or_default().to_owned()
    }

    /// Who has to do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Input(_)
            | Self::Unknown(_)
            | Self::NotForBase { .. }
            | Self::Axis { .. }
            | Self::Series { .. }
            | Self::NotPacked { .. }
            | Self::TarballMissing { .. }
            | Self::NotAKernel { .. }
            | Self::Git { .. }
            | Self::Tree { .. }
            | Self::Named { .. }
            | Self::Prebuilt { .. }
            | Self::NothingToBuild { .. }
            | Self::Range { .. }
            | Self::Patch { .. }
            | Self::Fragment { .. }
            | Self::NoKconfig { .. }
            | Self::Architecture { .. }
            | Self::MakeArgument { .. }
            | Self::Unmet { .. }
            | Self::Build { .. } => Fault::Input,
            Self::PackageMissing { .. }
            | Self::PackageNotFetched { .. }
            | Self::SourceCorrupt { .. }
            | Self::DiskFull { .. }
            | Self::NoB4 { .. }
            | Self::NotFetched { .. }
            | Self::ToolMissing { .. }
            | Self::Tool { .. }
            | Self::NoModuleSources { .. }
            | Self::Io { .. } => Fault::Host,
            Self::Cancelled => Fault::Cancelled,
        }
    }

    /// These patches are no series.
    pub(super) fn series(from: &Path, cause: &str) -> Self {
        let hint =
            "a series is a mail, a mailbox, a Maildir, a folder of patches, a list of quilt's, or a range of commits";
        Self::Series { from: from.to_owned(), cause: cause.to_owned(), hint }
    }

    /// A program is not there.
    pub(super) fn tool_missing(doing: &str, program: String) -> Self {
        let hint = match package_of(&program) {
            Some(package) => format!("apt install {package}"),
            None => "install it, or name one that is on PATH".to_owned(),
        };
        Self::ToolMissing { doing: doing.to_owned(), program, hint }
    }

    /// This tree cannot be tried.
    pub(super) fn tree(tree: &Path, cause: String, hint: &str) -> Self {
        Self::Tree { tree: tree.to_owned(), cause, hint: hint.to_owned() }
    }

    /// These mails are no series.
    pub(super) fn refused(from: &Path, Refusal { cause, hint }: Refusal) -> Self {
        Self::Series { from: from.to_owned(), cause, hint }
    }

    /// Turns what the operating system says while `doing` something to `path` into an error. A full disk is told apart.
    pub(super) fn io<T: Into<String>>(doing: T, path: &Path) -> impl Fn(io::Error) -> Self + use<T> {
        let (doing, path) = (doing.into(), path.to_owned());
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::disk_full(doing.clone(), &path),
            _ => Self::Io { doing: doing.clone(), path: path.clone(), source },
        }
    }

    /// A better number than the general one for what is needed.
    pub(super) fn needing(mut self, bytes: u64) -> Self {
        if let Self::DiskFull { needed, .. } = &mut self {
            *needed = bytes;
        }
        self
    }

    /// There is no room at `path`.
    pub(super) fn disk_full(doing: impl Into<String>, path: &Path) -> Self {
        let free = files::free_bytes(path).unwrap_or(0);
        Self::DiskFull { doing: doing.into(), path: path.to_owned(), needed: WORKBENCH_BYTES, free }
    }
}

/// Why a patch cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchFault {
    /// It is no patch.
    #[error(
        "it changes no file\n\nhint: a patch is a unified diff with `--- a/FILE`, `+++ b/FILE` and `@@` lines, as \
         `git format-patch` and `diff -up` write it"
    )]
    Empty,
    /// It is damaged.
    #[error(
        "line {line}: {why}\n\nhint: the patch is damaged; take it again from its source (mail clients wrap lines)"
    )]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// It changes binary files.
    #[error("line {line}: it changes a binary file\n\nhint: only text can be patched")]
    Binary {
        /// The line, from 1.
        line: usize,
    },
    /// It would leave the tree.
    #[error("`{}` does not lie in the kernel's tree\n\nhint: paths in a patch have one leading folder, as in a/kernel/panic.c", file.escape_debug())]
    Outside {
        /// The path as the patch has it.
        file: String,
    },
    /// It changes a file that is not there.
    #[error(
        "it changes {file}, which is not there\n\nhint: the patch is for another kernel; limit the `bases` of its series in the variant.yaml"
    )]
    NoSuchFile {
        /// The file.
        file: String,
    },
    /// A hunk does not fit.
    #[error("hunk {number} of {of} of {file} does not apply\n\n{hunk}\n\nhint: {reason}")]
    Rejected {
        /// The file.
        file: String,
        /// The hunk, from 1.
        number: usize,
        /// How many hunks the patch has for this file.
        of: usize,
        /// The hunk itself, from its `@@` line; of a long one the beginning.
        hunk: String,
        /// What can be said about it.
        reason: RejectReason,
    },
    /// The patch program stumbled over something else.
    #[error("{said}\n\nhint: try it by hand: patch -p1 -F0 --dry-run")]
    Other {
        /// What it said.
        said: String,
    },
}

/// What can be said about a hunk that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// It would fit if context lines were ignored.
    Fuzz,
    /// The whole patch can be taken back: it is in the tree.
    AlreadyThere,
    /// Neither.
    Other,
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fuzz => {
                "it would apply with fuzz, that is, with other lines around it than the patch says; that is refused, \
                 since what is tested must be what was meant. Rebase the patch on this kernel"
            }
            Self::AlreadyThere => "the kernel already has this patch; drop it from the series or limit `bases`",
            Self::Other => "rebase the patch on this kernel, or limit the `bases` of its series in the variant.yaml",
        })
    }
}

/// A number of bytes for reading.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.0 >> 20;
        if mib < 1024 { write!(f, "{mib} MiB") } else { write!(f, "{}.{} GiB", mib >> 10, (mib & 1023) * 10 / 1024) }
    }
}

/// An option that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// `CONFIG_PSTORE_RAM`.
    pub option: String,
    /// `y`, `m`, `n`, a number or a quoted text.
    pub asked: String,
    /// What it is instead.
    pub got: String,
    /// Which fragment asked.
    pub path: PathBuf,
    /// On which line.
    pub line: usize,
    /// What the kernel's Kconfig files say about it; empty if they say nothing.
    pub why: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, asked, got, path, line, why } = self;
        write!(f, "{option}: asked {asked}, got {got} ({}:{line})", path.display())?;
        if why.is_empty() { Ok(()) } else { write!(f, "\n    {why}") }
    }
}

struct Listed<'a>(&'a [Unmet]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [_] => f.write_str("an option is not as asked for")?,
            all => write!(f, "{} options are not as asked for", all.len())?,
        }
        self.0.iter().try_for_each(|unmet| write!(f, "\n  {unmet}"))
    }
}

impl From<LookupError> for KernelError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Unknown(unknown) => Self::Unknown(unknown),
            LookupError::Broken(broken) => Self::Input(broken),
        }
    }
}
