//! Work for threads that may block, so that those that guests share need not: they have consoles to read and NMIs to
//! inject.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// Does `work` on a thread that may block. A panic in it goes on here.
///
/// A guest has such work done one piece after the other, so there are not many more of these threads than guests.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is being shut down, and nobody waits any more.
            Err(_) => pending().await,
        },
    }
}

/// Does `work` on a thread that lives as long as the harness does, where one piece is done after the other. A panic in it
/// goes on here.
///
/// It is for starting processes that are to die with the harness: the kernel kills them when the *thread* that started
/// them ends (`PR_SET_PDEATHSIG` in `prctl(2)`), and a thread of [`off_thread`]'s ends when it has had no work for a while.
pub async fn on_lasting_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    type Work = Box<dyn FnOnce() + Send>;
    static LASTING: LazyLock<Sender<Work>> = LazyLock::new(|| {
        let (sender, works) = channel::<Work>();
        thread::spawn(move || works.into_iter().for_each(|work| work()));
        sender
    });
    let (sender, done) = oneshot::channel();
    // Nobody waits for it where the caller was given up.
    let work = move || drop(sender.send(catch_unwind(AssertUnwindSafe(work))));
    let _ = LASTING.send(Box::new(work));
    match done.await {
        Ok(Ok(done)) => done,
        Ok(Err(panic)) => resume_unwind(panic),
        // The process is ending.
        Err(_) => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_on_another_thread_and_its_panics_are_ours() {
        let here = std::thread::current().id();
        assert_ne!(off_thread(|| std::thread::current().id()).await, here);
        let panicking = tokio::spawn(off_thread(|| {
            let nothing: [u8; 0] = [];
            assert!(!nothing.is_empty(), "index 0 of 0");
        }));
        let panic = panicking.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"index 0 of 0"));
    }

    #[tokio::test]
    async fn the_lasting_thread_is_one_and_outlives_a_panic() {
        let here = std::thread::current().id();
        let first = on_lasting_thread(|| std::thread::current().id()).await;
        let panicking = tokio::spawn(on_lasting_thread(|| std::panic::panic_any("no QEMU")));
        let panic = panicking.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"no QEMU"));
        assert!(here != first && on_lasting_thread(|| std::thread::current().id()).await == first);
    }
}
