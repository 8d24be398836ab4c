//! Work for threads that may block, so that the one thread that all guests share need not: it has their consoles to read
//! and their NMIs to inject.

use std::future::pending;
use std::panic::resume_unwind;

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
}
