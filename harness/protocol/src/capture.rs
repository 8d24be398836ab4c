//! How the agent on a crash kernel hands over `/proc/vmcore`, through a virtio port.
//!
//! The agent begins with a [`Greeting`], a line. After that the host asks for pieces of the file, and is answered each
//! time: a length (32 bits, little endian), and that many bytes; fewer than asked for where the file ends or cannot be
//! read.

use std::fmt;

/// The most bytes of one answer; a capture kernel has little memory.
pub const MAX_PIECE: u32 = 1 << 20;

/// What the agent on a crash kernel says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// `vmcore N`: it has `/proc/vmcore`.
    Vmcore {
        /// The memory that is left to it, in KiB.
        free_kib: u64,
    },
    /// `none …`: it has none, for this reason.
    None(String),
}

impl Greeting {
    /// Reads the line. What is no greeting is one without a vmcore: guests are not trusted.
    pub fn parse(line: &str) -> Self {
        let line = line.trim_end();
        let greeting = match line.split_once(' ') {
            Some(("vmcore", free)) => free.parse().ok().map(|free_kib| Self::Vmcore { free_kib }),
            Some(("none", why)) => Some(Self::None(why.to_owned())),
            _ => None,
        };
        greeting.unwrap_or_else(|| Self::None(format!("the capture kernel's agent said {line:?}")))
    }
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vmcore { free_kib } => write!(f, "vmcore {free_kib}"),
            Self::None(why) => write!(f, "none {why}"),
        }
    }
}

/// A piece of `/proc/vmcore` that the host asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Where in the file it begins.
    pub at: u64,
    /// Its length in bytes, at most [`MAX_PIECE`].
    pub bytes: u32,
}

impl Request {
    /// The size of a request on the wire.
    pub const LEN: usize = 12;

    /// As it is sent: both numbers, little endian.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (at, length) = bytes.split_at_mut(size_of::<u64>());
        at.copy_from_slice(&self.at.to_le_bytes());
        length.copy_from_slice(&self.bytes.to_le_bytes());
        bytes
    }

    /// What was sent.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self {
            at: bytes.first_chunk().copied().map_or(0, u64::from_le_bytes),
            bytes: bytes.last_chunk().copied().map_or(0, u32::from_le_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_written_and_read() {
        for (line, greeting) in [
            ("vmcore 13340", Greeting::Vmcore { free_kib: 13340 }),
            ("none open /proc/vmcore: no", Greeting::None("open /proc/vmcore: no".to_owned())),
        ] {
            assert_eq!(greeting.to_string(), line);
            assert_eq!(Greeting::parse(&format!("{line}\n")), greeting);
        }
        for line in ["", "vmcore", "vmcore -1", "vmcore many", "hello"] {
            let said = format!("the capture kernel's agent said {line:?}");
            assert_eq!(Greeting::parse(line), Greeting::None(said), "{line:?}");
        }
    }

    #[test]
    fn a_request_is_two_little_endian_numbers() {
        let request = Request { at: 0x1_0000_0002, bytes: 4 };
        assert_eq!(request.to_bytes(), [2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(Request::from_bytes(request.to_bytes()), request);
    }
}
