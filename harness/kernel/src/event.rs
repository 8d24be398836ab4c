//! What a build reports while it goes on.

/// A step of a build, for progress bars and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildEvent {
    /// The kernel was there already; nothing is done.
    Cached,
    /// A source package is fetched from the distribution's archive.
    Fetching,
    /// A source that was not seen before is read to tell what it is.
    Reading {
        /// Bytes read.
        bytes: u64,
        /// Bytes in all.
        of: u64,
    },
    /// Another build has the workbench; this one waits for it to end.
    Waiting,
    /// The last build was killed in the middle: what it may have left half-written is removed.
    Repairing,
    /// The source is unpacked.
    Unpacking {
        /// Bytes of the archive that were unpacked.
        bytes: u64,
        /// Bytes of the archive; not known for a commit.
        of: Option<u64>,
    },
    /// The tree is given the variant's patches.
    Patching {
        /// How many the variant has.
        patches: usize,
    },
    /// The config is made and checked.
    Configuring,
    /// The kernel is compiled and linked.
    Compiling {
        /// Steps done.
        done: u32,
        /// Steps that the last such build took; a guess, `done` may end above or below.
        expected: u32,
    },
    /// The fault-injection module is compiled against it.
    Module,
    /// The kernel is in the store.
    Done,
}
