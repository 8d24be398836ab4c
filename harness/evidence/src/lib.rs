//! What a dead guest left behind, made readable: pure decoders, bytes in, structures out.
//!
//! ```text
//! RawEvidence, Facts ─> Evidence::decode ─> Evidence: every channel decoded, or why it cannot be
//! ```
//!
//! It has a decoder for each kind of bytes; some of them are also of use while a guest still runs:
//!
//! ```text
//! serial file ────────────────────────────> console ─> Console
//! network card's frames ─> netconsole ────> console ─> Netconsole
//! ERST file ─> erst ─> cper ─> inflate ─> pstore ────> Pstore
//! flash with EFI variables ─> efi_store ─> inflate ─> pstore ─> Pstore
//! memory of ramoops ─> ramoops ─> inflate ─> pstore ─> Pstore, and the console's output
//! shared page ────────────────────────────> stamps ──> Stamps ─> model::ActorStamps
//! monitor's registers, System.map ────────> registers ─> where each vCPU of a hung guest stands
//! its memory ─────────────────────────────> stack ───> who called whom there
//! tracer's memory, probes ────────────────> timeline ─> model::timeline::Timeline
//! the text of any log ────────────────────> splats ──> the kernel's own reports of something wrong, by their titles
//! VMCOREINFO ─> vmcoreinfo, kernel memory ─> printk_ring ─> the log as it stood
//! /proc/vmcore ───────────────────────────> vmcore ──> where a dead kernel's memory and registers are in it
//!                          └──────────────> activity ─> whether a guest still does something
//! ```
//!
//! All of these bytes come from a guest whose kernel has just crashed, so nothing in them is believed: every length is
//! checked against what is there, every output is bounded, and no input panics. A decoder keeps whatever it can read
//! and says beside it what it could not. Nothing here knows what *should* have been kept; that is the verdict's part.

pub mod activity;
mod bytes;
pub mod console;
pub mod cper;
mod decode;
pub mod efi_store;
pub mod erst;
pub mod inflate;
pub mod netconsole;
mod notes;
pub mod pcap;
mod placed;
pub mod printk;
pub mod printk_ring;
mod probes;
pub mod pstore;
pub mod ramoops;
pub mod ranges;
pub mod registers;
pub mod splats;
pub mod stack;
pub mod stamps;
pub mod symbols;
pub mod timeline;
pub mod vmcore;
pub mod vmcoreinfo;

pub use decode::{ConsoleZone, Ending, Evidence, Facts, RawEvidence, RawFrames, RawPstore, Tracing};
pub use placed::place_console;
pub use probes::{Meaning, Probes};
