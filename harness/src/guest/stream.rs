//! What a guest and its QEMU write until they end. It is always read, because a pipe or socket that nobody reads stalls
//! its writer, and what is kept of it is bounded, because a guest may never stop.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bytes kept from the beginning of a stream.
const HEAD: usize = 512 << 10;
/// Bytes kept from the end of a stream.
const TAIL: usize = 512 << 10;

/// Bytes read at a time.
const CHUNK: usize = 16 << 10;

/// How long the console's pipe is left alone. A guest that does nothing but print takes some 200 ms to fill it: each
/// character costs it more than 3 us.
const INTERVAL: Duration = Duration::from_millis(25);

/// What is kept of a stream, within a bound.
pub(super) trait Keep: Default + Send + 'static {
    /// What it is when the stream has ended.
    type Kept;

    /// Takes the next bytes.
    fn push(&mut self, bytes: &[u8]);

    /// Everything that was kept.
    fn finish(self) -> Self::Kept;
}

/// The beginning and the end of a stream, and how much was between them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Captured {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: u64,
}

impl Captured {
    /// The number of bytes appended so far, dropped ones included.
    pub fn len(&self) -> u64 {
        self.dropped + self.head.len() as u64 + self.tail.len() as u64
    }

    fn cut(&mut self) {
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }
}

impl Keep for Captured {
    type Kept = Vec<u8>;

    /// What no longer fits is dropped from the middle.
    fn push(&mut self, bytes: &[u8]) {
        let room = HEAD - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        // Cut only now and then, so that a flood is not moved byte by byte.
        if self.tail.len() > 2 * TAIL {
            self.cut();
        }
    }

    /// With a line of our own where something is missing.
    fn finish(mut self) -> Vec<u8> {
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
pub(super) async fn drain(mut stream: impl AsyncRead + Unpin) -> Captured {
    let mut captured = Captured::default();
    let mut chunk = vec![0; CHUNK];
    // An error is the end as well: the peer was killed with bytes of ours unread.
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        captured.push(chunk.get(..n).unwrap_or_default());
    }
    captured
}

/// A function that is given a stream's bytes as they come.
pub type Watch = Box<dyn FnMut(&[u8]) + Send>;

/// How much has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Printed {
    /// The number of bytes.
    pub bytes: u64,
    /// When the last of them were read.
    pub last: Option<Instant>,
}

/// Our end of a serial line, such as `ttyS0`: a pipe that QEMU writes into byte by byte; or of the card's, frame by frame.
///
/// It is a pipe and not a socket: each of these bytes takes some 770 of a socket's buffer, which is therefore full after
/// 270 of them and stalls the guest; a pipe holds 64 KiB. It is read every few milliseconds rather than whenever
/// something comes, which would be once for every byte: waking for each costs as much as a fifth of the guest.
#[derive(Debug)]
pub(super) struct PipeStream<K> {
    /// The task that reads the pipe; taken when its result is.
    reading: Option<JoinHandle<K>>,
    /// Notified when QEMU has ended, so that what is left in the pipe is read at once.
    over: Arc<Notify>,
    printed: Arc<Mutex<Printed>>,
}

impl<K: Keep> PipeStream<K> {
    /// Makes the pipe and begins to read it. Returns our end, and QEMU's.
    pub fn open(watch: Option<Watch>) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let (over, printed) = (Arc::<Notify>::default(), Arc::default());
        let reading = tokio::spawn(read(ours, watch, Arc::clone(&over), Arc::clone(&printed)));
        Ok((Self { reading: Some(reading), over, printed }, theirs))
    }

    /// How much has come so far.
    pub fn printed(&self) -> Printed {
        *self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that came, once QEMU has ended. Nothing if it was taken before.
    pub async fn finish(&mut self) -> K::Kept {
        self.over.notify_one();
        match self.reading.take() {
            Some(reading) => reading.await.unwrap_or_default().finish(),
            None => K::default().finish(),
        }
    }
}

/// Reads until QEMU has closed its end.
async fn read<K: Keep>(pipe: OwnedFd, mut watch: Option<Watch>, over: Arc<Notify>, printed: Arc<Mutex<Printed>>) -> K {
    let mut captured = K::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        match rustix::io::read(&pipe, &mut chunk) {
            Ok(0) => return captured,
            Ok(n) => {
                let bytes = chunk.get(..n).unwrap_or_default();
                if let Some(watch) = &mut watch {
                    watch(bytes);
                }
                captured.push(bytes);
                let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
                printed.bytes += n as u64;
                printed.last = Some(Instant::now());
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                // Past the limit or notified: either way it is time to read again.
                let _ = timeout(INTERVAL, over.notified()).await;
            }
            Err(error) => {
                tracing::warn!("cannot read a guest's output to its end: {error}");
                return captured;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn a_short_stream_is_kept_whole() {
        assert_eq!(drain(&b"qemu: no"[..]).await.finish(), b"qemu: no");
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
        let bytes = captured.finish();
        assert!(bytes.starts_with(b"first") && bytes.ends_with(b"last"));
        let missing = 5 + 100 * 100_000 + 4 - HEAD - TAIL;
        assert!(String::from_utf8_lossy(&bytes).contains(&format!("[harness: {missing} bytes not kept]")));
    }

    #[tokio::test]
    async fn a_console_is_read_to_its_end_and_shown_as_it_comes() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let watch: Watch = Box::new(move |bytes| sender.send(bytes.to_vec()).unwrap_or_default());
        let (mut ours, theirs) = PipeStream::<Captured>::open(Some(watch)).expect("a pipe");
        assert_eq!(ours.printed(), Printed::default());
        let mut theirs = std::fs::File::from(theirs);
        theirs.write_all(b"Linux").expect("there is room");
        while receiver.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        theirs.write_all(b" version").expect("there is room");
        drop(theirs);
        assert_eq!(ours.finish().await, b"Linux version");
        assert!(ours.printed().bytes == 13 && ours.printed().last.is_some());
        assert!(ours.finish().await.is_empty(), "it is taken once");
    }
}
