//! Kernels that were built before, found where the compiler or the source is no longer there.
//!
//! What a kernel was made of is in its record, all but the files of the project. So its key can be made again from the
//! record's source and tools and the project's files as they are now; if it comes out the same, this is the kernel that
//! would be built.

use std::fs;

use super::base::{Base, Origin};
use super::module::ModuleSources;
use super::store::{Recipe, Store};
use super::variant::Variant;
use super::{BuildRecord, KernelError};
use harness_project::Project;

/// Why a kernel cannot be built, and what is known of its source.
pub(super) struct Missing {
    /// What is not there.
    pub error: KernelError,
    /// The source's digest.
    pub source: Option<String>,
}

/// How records of the wanted source are known.
pub(super) enum Known {
    /// By its digest.
    Digest(String),
    /// By what it is called: a package, or a tarball.
    Name(String),
    /// Not at all: what a commit's name stands for may have changed.
    Unknown,
}

impl Missing {
    /// How records of the base's source are known. Where something else is wrong than that something is not there, nothing
    /// is taken for it.
    pub(super) fn known_by(&self, base: &Base) -> Known {
        use KernelError as Error;
        match (&self.error, &self.source, &base.origin) {
            (Error::NotPacked { .. }, None, _) => Known::Unknown,
            (error, ..)
                if !matches!(
                    error,
                    Error::NotPacked { .. }
                        | Error::ToolMissing { .. }
                        | Error::PackageMissing { .. }
                        | Error::PackageNotFetched { .. }
                        | Error::TarballMissing { .. }
                ) =>
            {
                Known::Unknown
            }
            (_, Some(digest), _) => Known::Digest(digest.clone()),
            (_, None, Origin::Package(package)) => Known::Name(package.to_string()),
            (_, None, Origin::Tarball(path)) => Known::Name(path.display().to_string()),
            (_, None, Origin::Git(_) | Origin::Prebuilt(_)) => Known::Unknown,
        }
    }
}

impl Known {
    fn is_of(&self, record: &BuildRecord) -> bool {
        match self {
            Self::Digest(digest) => record.source.digest == *digest,
            Self::Name(name) => record.source.name == *name,
            Self::Unknown => false,
        }
    }
}

impl Store {
    /// The record of the kernel that was built last of this variant, base and module; none if there is no such kernel.
    pub(super) fn built_before(
        &self,
        project: &Project,
        (variant, base, module): (&Variant, &Base, &ModuleSources),
        source: &Known,
    ) -> Result<Option<BuildRecord>, KernelError> {
        let mut found = None;
        let mut not_for_base = None;
        for (built, record) in self.records()?.into_iter().filter(|(_, record)| source.is_of(record)) {
            let recipe = match Recipe::of(project, variant, base, &record.source.version) {
                Ok(recipe) => recipe,
                Err(error @ KernelError::NotForBase { .. }) => {
                    not_for_base = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_it = recipe.key(&record.source.digest, &record.tools, module) == record.key;
            if is_it && found.as_ref().is_none_or(|(last, _)| *last < built) {
                found = Some((built, record));
            }
        }
        match (found, not_for_base) {
            (Some((_, record)), _) => Ok(Some(record)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// The records of all kernels that are there, and when they were written.
    pub(super) fn records(&self) -> Result<Vec<(std::time::SystemTime, BuildRecord)>, KernelError> {
        let kernels = self.cache().join("kernels");
        let fail = KernelError::io("looking for kernels in", &kernels);
        let mut records = Vec::new();
        for entry in fs::read_dir(&kernels).map_err(&fail)? {
            let entry = entry.map_err(&fail)?;
            let written = entry.metadata().and_then(|meta| meta.modified());
            if let (Some(record), Ok(written)) = (entry.file_name().to_str().and_then(|key| self.find(key)), written) {
                records.push((written, record));
            }
        }
        Ok(records)
    }
}
