//! What a guest or QEMU says until it ends: always read, because a pipe or socket that nobody reads stalls the writer;
//! and bounded, because a guest may never stop.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Kept from the beginning of a stream.
const HEAD: usize = 512 << 10;
/// Kept from the end of a stream.
const TAIL: usize = 512 << 10;

/// The beginning and the end of a stream, and how much was between them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: u64,
}

impl Captured {
    /// Appends `bytes`, forgetting what no longer fits from the middle.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = HEAD - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        // Cut only now and then, so that a flood is not moved byte by byte.
        if self.tail.len() > 2 * TAIL {
            self.cut();
        }
    }

    /// How much has been appended.
    pub fn len(&self) -> u64 {
        self.dropped + self.head.len() as u64 + self.tail.len() as u64
    }

    fn cut(&mut self) {
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }

    /// Everything that was kept, with a line of our own where something is missing.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.cut();
        let mut bytes = self.head;
        if self.dropped > 0 {
            bytes.extend_from_slice(format!("\n[harness: {} bytes not kept]\n", self.dropped).as_bytes());
        }
        bytes.extend_from_slice(&self.tail);
        bytes
    }
}

/// Reads `stream` to its end.
pub async fn drain(mut stream: impl AsyncRead + Unpin) -> Captured {
    let mut captured = Captured::default();
    let mut chunk = vec![0; 16 << 10];
    // An error is the end as well: the peer was killed with bytes of ours unread.
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        captured.push(chunk.get(..n).unwrap_or_default());
    }
    captured
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_short_stream_is_kept_whole() {
        assert_eq!(drain(&b"qemu: no"[..]).await.into_bytes(), b"qemu: no");
    }

    #[test]
    fn of_a_flood_the_ends_are_kept_and_the_loss_is_told() {
        let mut captured = Captured::default();
        captured.push(b"first");
        for _ in 0..100 {
            captured.push(&vec![b'x'; 100_000]);
            assert!(captured.tail.len() <= 2 * TAIL + 100_000);
        }
        captured.push(b"last");
        let bytes = captured.into_bytes();
        assert!(bytes.starts_with(b"first") && bytes.ends_with(b"last"));
        let missing = 5 + 100 * 100_000 + 4 - HEAD - TAIL;
        assert!(String::from_utf8_lossy(&bytes).contains(&format!("[harness: {missing} bytes not kept]")));
    }
}
