//! Being asked to end: by Ctrl-C, or by SIGTERM, with which CI servers and batch systems cancel.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;

/// Hears every time, from when it was made on.
pub struct Interrupts {
    ctrl_c: Signal,
    sigterm: Signal,
}

impl Interrupts {
    /// Begins to listen. From now on, neither signal ends this process by itself.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { ctrl_c: signal(SignalKind::interrupt())?, sigterm: signal(SignalKind::terminate())? })
    }

    /// Waits for the next time.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => (),
            _ = self.sigterm.recv() => (),
        }
    }
}

/// Waits until this process is asked to end.
pub async fn interrupted() {
    match Interrupts::listen() {
        Ok(mut interrupts) => interrupts.next().await,
        // The signals do what they do by default then.
        Err(_) => std::future::pending().await,
    }
}

/// What comes of `work`, unless this process is asked to end before; `doing` is for the error.
pub async fn unless_interrupted<T>(doing: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        done = work => Ok(done),
        () = interrupted() => Err(Failure::host(format!("interrupted while {doing}"))),
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
        // For as long as this lives no signal ends the process that the tests run in.
        let mut heard = Interrupts::listen().unwrap();
        for signal in [Signal::INT, Signal::TERM] {
            let work = async {
                kill_process(getpid(), signal).unwrap();
                std::future::pending::<()>().await;
            };
            let ended = timeout(Duration::from_secs(20), unless_interrupted("waiting", work)).await;
            assert_eq!(ended.unwrap().unwrap_err().first_line(), "interrupted while waiting");
            heard.next().await;
        }
        assert!(matches!(unless_interrupted("waiting", async { 3 }).await, Ok(3)));
    }
}
