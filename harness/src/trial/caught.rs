//! Trials that panic: a defect of the harness costs one of them, and not the others that are running.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

/// What comes of `future`, or as an error what was said by a panic in it.
///
/// Whatever the future borrows may be left half changed: it is for the caller not to rely on that.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            std::task::Poll::Ready(Err(said.unwrap_or("it did not say why").to_owned()))
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_says_why() {
        let panicking = |how: u32| async move {
            tokio::task::yield_now().await;
            match how {
                0 => panic!("index {how} of 0"),
                1 => panic!("none"),
                _ => how,
            }
        };
        assert_eq!(caught(panicking(0)).await, Err("index 0 of 0".to_owned()));
        assert_eq!(caught(panicking(1)).await, Err("none".to_owned()));
        assert_eq!(caught(panicking(2)).await, Ok(2));
    }
}
