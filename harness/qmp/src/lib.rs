//! QMP, QEMU's machine protocol, over any stream.
//!
//! The way of the data:
//!
//! ```text
//! Qmp::execute_raw ─> line ─> stream::write_lines ─> QEMU
//!      ^                                              │
//!      └── router <─ message::parse <─ stream::read_lines
//!             └─> Events::next
//! ```
//!
//! [`Qmp`] sends commands, [`Events`] hands out what QEMU tells unasked. Between them and the stream is one task. What
//! it promises, because the transport that comes with qapi 0.15 does not:
//!
//! - Commands, replies and events are JSON. So an event or a value that is newer than this crate is data, not the end of
//!   the connection.
//! - Every command has a deadline. It may also be cancelled by dropping its future; its late reply is then dropped, and
//!   the connection stays usable.
//! - A connection that ends wakes every waiter at once, with the cause, after all that QEMU said before.
//! - What QEMU sends is bounded: [`MAX_LINE`] a message, [`MAX_EVENTS`] and [`MAX_EVENT_BYTES`] for events nobody
//!   fetched.
//!
//! The stream must carry one JSON object a line, as QEMU writes them unless the monitor is set to `pretty=on`.
//! A tokio runtime with its time driver is needed; the current-thread one will do.
//!
//! Source: QEMU's `docs/interop/qmp-spec.rst`.

mod connection;
mod error;
mod events;
mod message;
mod router;
mod stream;

pub use connection::Qmp;
pub use error::Error;
pub use events::Events;
pub use message::{Event, Greeting, Timestamp, VersionInfo, VersionTriple};
pub use router::{MAX_EVENT_BYTES, MAX_EVENTS};
pub use stream::MAX_LINE;
