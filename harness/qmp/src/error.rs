//! What can go wrong, and why a connection ended.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// Why a command, an event or a connection attempt failed.
///
/// Each message is whole by itself: what was being done, to what, and why it failed. After [`Io`](Self::Io) and
/// [`Closed`](Self::Closed) the connection is over; after the others it is usable, but for a
/// [`Protocol`](Self::Protocol) error of the stream itself, which every later call repeats.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The stream failed in a way which is not its other end going away.
    #[error("{doing}: the QMP stream failed: {error}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// The connection is closed: QEMU ended, was killed or hung up, or [`Qmp`](crate::Qmp) was dropped here.
    #[error("{doing}: the QMP connection is closed")]
    Closed {
        /// What was being done.
        doing: String,
    },
    /// QEMU did not answer in time. The command may still take effect if it was sent.
    #[error("{command}: QEMU did not answer within {after:?}")]
    Deadline {
        /// The command's name, or `greeting` for the one thing that is awaited unasked.
        command: String,
        /// How long was waited.
        after: Duration,
    },
    /// QEMU refused the command.
    #[error("{command}: QEMU refused: {desc} ({class})")]
    Qemu {
        /// The command's name.
        command: String,
        /// QEMU's error class, such as `GenericError` or `CommandNotFound`; kept as text as classes may be added.
        class: String,
        /// QEMU's own words.
        desc: String,
    },
    /// QEMU, or what else is at the other end, said something that cannot be read.
    #[error("{doing}: {what}")]
    Protocol {
        /// What was being done.
        doing: String,
        /// What was wrong with it.
        what: String,
    },
}

impl Error {
    /// What to do next, for the `hint:` line below the message.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Closed { .. } => Some("if QEMU was not told to quit, its reason is on its stderr"),
            Self::Deadline { .. } => Some("QEMU may be overloaded, stopped or stuck: see its stderr, or wait longer"),
            Self::Qemu { class, .. } if class == "CommandNotFound" => {
                Some("this QEMU does not have the command: `query-version` tells how old it is")
            }
            Self::Protocol { .. } => Some("the other end must be a QMP monitor (mode=control) with pretty=off"),
            Self::Io { .. } | Self::Qemu { .. } => None,
        }
    }
}

/// Why a connection ended; the first reason stays.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Closed,
    Io(Arc<io::Error>),
    Protocol(String),
}

impl End {
    /// The error for somebody who was `doing` something when the connection ended, or who starts it afterwards.
    pub(crate) fn while_doing(self, doing: String) -> Error {
        match self {
            Self::Closed => Error::Closed { doing },
            Self::Io(error) => Error::Io { doing, error },
            Self::Protocol(what) => Error::Protocol { doing, what },
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // How a socket tells that its peer is gone depends on who was writing when. It is one and the same thing.
            ErrorKind::BrokenPipe
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
            | ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(Arc::new(error)),
        }
    }
}
