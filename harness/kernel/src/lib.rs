//! Stage `kernel`: from the name of a variant to a kernel that can be booted.
//!
//! ```text
//! bases.yaml ───> Base ───> Source ───────┐
//! variant.yaml ─> Variant ─> patches ─────┼─> key ─> kernels/<key>/ there? ──────────────────────> Kernel
//! configs/ ─────> Fragments ──────────────┤              │ no
//! crashlab/ ────> ModuleSources ──────────┘              v
//!                              Workbench (locked) ─> overlay ─> configure ─> compile ─> publish ─> Kernel
//! ```
//!
//! A kernel that is built already is read where it is, and only crashlab is built against it:
//!
//! ```text
//! image, build folder ─> Prebuilt ─> Found ─> crashlab, symbols, modules ─> publish ─> Kernel
//! ```
//!
//! What somebody sent becomes a variant first:
//!
//! ```text
//! mailbox, folder, quilt's series, --lore ─> Mail, each ─> thread: which are the series? ─┐
//! commits ───────────────────────────────> Mail, each, in their order ───────────────────┴─> variant.yaml, patches
//! ```
//!
//! There is one workbench for each source: the unpacked tree, built in place, so that only what a variant changes is
//! compiled again. [`KernelFacts`] tells what a kernel has. Everything is kept below the cache folder; a source is read and never written.

mod archive;
mod axis;
mod base;
mod build;
mod bzimage;
mod cancel;
mod change;
mod commits;
mod config;
mod custom;
mod diagnose;
mod elf;
mod entries;
mod error;
mod event;
mod facts;
mod files;
mod git;
mod given;
mod history;
mod import;
mod kconfig;
mod kept;
mod key;
mod knob;
mod lore;
mod mail;
mod mailbox;
mod make;
mod module;
mod module_files;
mod named;
mod options;
mod package;
mod patch;
mod prebuilt;
mod process;
mod record;
mod remembered;
mod required;
mod series;
mod sets;
mod source;
mod state;
mod store;
mod subject;
mod thread;
mod toolchain;
mod tree;
mod variant;
mod version;
mod workbench;

pub use self::archive::download_packages;
pub use self::axis::{Asked, Axis, GuestAxis, ModuleParameter, Setting, list_axes, read_axes};
pub use self::base::{Base, Origin, Prebuilt, commit_as_base, commit_name, list_bases, list_commits, read_bases};
pub use self::cancel::Canceller;
pub use self::custom::CustomBuild;
pub use self::error::{Fault, KernelError, PatchFault, Unmet};
pub use self::event::BuildEvent;
pub use self::facts::KernelFacts;
pub use self::history::{CheckedOut, Commit, Commits};
pub use self::import::{Import, Imported, ScratchVariant, SeriesFrom, is_scratch, scratch_variant};
pub use self::kept::kept_inputs;
pub use self::knob::Knob;
pub use self::named::bases_named;
pub use self::options::{OptionChange, options_as_variant};
pub use self::package::Package;
pub use self::prebuilt::prebuilt_as_base;
pub use self::record::{
    BuildRecord, Durations, Lack, PatchRecord, PrebuiltRecord, Sizes, SourceRecord, Symbols, ToolRecord,
};
pub use self::required::{Lacking, Required, Without, lacking, required};
pub use self::series::PatchHead;
pub use self::store::{Kernel, SEAL, Store, seal, vmlinux_of};
pub use self::thread::LeftOut;
pub use self::toolchain::ignored_variables;
pub use self::tree::{TreeBases, has_changes};
pub use self::variant::{Range, Series, Variant, list_scratch_variants, list_variants, variant_files};
pub use self::version::Version;
