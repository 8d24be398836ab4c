//! The kernel's console, `ttyS0`: a pipe that QEMU writes into byte by byte.
//!
//! A pipe and not a socket: of a socket's buffer each of these bytes takes some 770, so that it is full after 270 of
//! them and the guest stalls; a pipe holds 64 KiB. And it is looked at every few milliseconds rather than whenever
//! something comes, which would be once for every byte: waking for each costs as much as a fifth of the guest.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::drain::Captured;
use super::running::Watch;

/// How long the pipe is left alone. A guest that does nothing but print takes some 200 ms to fill it: each character
/// costs it more than 3 us.
const INTERVAL: Duration = Duration::from_millis(25);

/// What has come so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Printed {
    /// How many bytes.
    pub bytes: u64,
    /// When the last of them were read.
    pub last: Option<Instant>,
}

/// The same, while it grows.
#[derive(Debug, Clone, Default)]
pub(super) struct Printing(Arc<Mutex<Printed>>);

impl Printing {
    /// So far.
    pub fn get(&self) -> Printed {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, bytes: usize) {
        let mut printed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        printed.bytes += bytes as u64;
        printed.last = Some(Instant::now());
    }
}

/// Our end.
pub(super) struct Console {
    pipe: OwnedFd,
    watch: Option<Watch>,
    over: Arc<Notify>,
    printing: Printing,
}

impl Console {
    /// Our end, and QEMU's.
    pub(super) fn new(watch: Option<Watch>) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok((Self { pipe: ours, watch, over: Arc::default(), printing: Printing::default() }, theirs))
    }

    /// To be notified when QEMU has ended: what is left in the pipe is then read at once.
    pub(super) fn over(&self) -> Arc<Notify> {
        Arc::clone(&self.over)
    }

    /// To be asked how much has come.
    pub(super) fn printing(&self) -> Printing {
        self.printing.clone()
    }

    /// Reads until QEMU has closed its end.
    pub(super) async fn read(mut self) -> Captured {
        let mut captured = Captured::default();
        let mut chunk = vec![0; 16 << 10];
        loop {
            match rustix::io::read(&self.pipe, &mut chunk) {
                Ok(0) => return captured,
                Ok(n) => {
                    let bytes = chunk.get(..n).unwrap_or_default();
                    if let Some(watch) = &mut self.watch {
                        watch(bytes);
                    }
                    captured.push(bytes);
                    self.printing.add(n);
                }
                Err(Errno::AGAIN | Errno::INTR) => {
                    // Past the limit or notified: either way it is time to look again.
                    let _ = timeout(INTERVAL, self.over.notified()).await;
                }
                Err(error) => {
                    tracing::warn!("cannot read a guest's console to its end: {error}");
                    return captured;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn a_console_is_read_to_its_end_and_shown_as_it_comes() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let watch: Watch = Box::new(move |bytes| sender.send(bytes.to_vec()).unwrap_or_default());
        let (ours, theirs) = Console::new(Some(watch)).expect("a pipe");
        let printing = ours.printing();
        assert_eq!(printing.get(), Printed::default());
        let mut theirs = std::fs::File::from(theirs);
        let reading = tokio::spawn(ours.read());
        theirs.write_all(b"Linux").expect("there is room");
        while reading.is_finished() || receiver.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        theirs.write_all(b" version").expect("there is room");
        drop(theirs);
        assert_eq!(reading.await.expect("it ends").into_bytes(), b"Linux version");
        assert!(printing.get().bytes == 13 && printing.get().last.is_some());
    }
}
