//! Being asked to end: by Ctrl-C, or by SIGTERM, with which CI servers and batch systems cancel.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::failure::Failure;
use crate::run::Stop;

/// Whether the user wants an end, in whatever phase a session is. The first signal ends builds and preparations, and lets
/// trials that are running finish; the second one kills their guests.
#[derive(Debug, Clone)]
pub struct Cancellation {
    stop: watch::Receiver<Stop>,
    _listening: Option<Arc<Listening>>,
}

/// A task that listens to signals; it ends with the last [`Cancellation`].
#[derive(Debug)]
struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Cancellation {
    /// Listens to SIGINT and SIGTERM from now on. Neither ends this process by itself any more.
    pub fn listen() -> Result<Self, Failure> {
        let mut signals = Signals::listen().map_err(|e| Failure::host(format!("listen to signals: {e}")))?;
        let (sender, stop) = watch::channel(Stop::No);
        let listening = tokio::spawn(async move {
            for level in [Stop::AfterRunning, Stop::Now] {
                signals.next().await;
                sender.send_replace(level);
            }
            // The sender lives as long as there is somebody to tell.
            std::future::pending::<()>().await;
        });
        Ok(Self { stop, _listening: Some(Arc::new(Listening(listening.abort_handle()))) })
    }

    /// Takes the user's wish from this channel instead of signals.
    #[cfg(test)]
    pub fn by(stop: watch::Receiver<Stop>) -> Self {
        Self { stop, _listening: None }
    }

    /// How urgently an end is wanted.
    pub fn level(&self) -> Stop {
        *self.stop.borrow()
    }

    /// For those that watch it change.
    pub fn watch(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }

    /// Waits until an end is wanted.
    pub async fn wanted(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|level| *level != Stop::No).await.is_err() {
            // Nobody is left who could want it.
            std::future::pending::<()>().await;
        }
    }

    /// The result of `work`, unless an end is wanted before; `doing` is for the error.
    pub async fn unless<T>(&self, doing: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            done = work => Ok(done),
            () = self.wanted() => Err(Failure::host(format!("interrupted while {doing}"))),
        }
    }
}

/// The two signals, none of which is missed from when this is made.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn either_signal_ends_what_is_being_done() {
        for signal in [Signal::INT, Signal::TERM] {
            let cancellation = Cancellation::listen().unwrap();
            let work = async {
                kill_process(getpid(), signal).unwrap();
                std::future::pending::<()>().await;
            };
            let ended = timeout(Duration::from_secs(20), cancellation.unless("waiting", work)).await;
            assert_eq!(ended.unwrap().unwrap_err().first_line(), "interrupted while waiting");
            assert_eq!(cancellation.level(), Stop::AfterRunning);
            kill_process(getpid(), signal).unwrap();
            let mut stop = cancellation.watch();
            timeout(Duration::from_secs(20), stop.wait_for(|level| *level == Stop::Now)).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn work_is_done_where_nobody_wants_an_end() {
        let (_sender, stop) = watch::channel(Stop::No);
        assert!(matches!(Cancellation::by(stop).unless("waiting", async { 3 }).await, Ok(3)));
    }
}
