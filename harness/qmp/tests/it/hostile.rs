//! Whatever comes from the other end: no panic, no hang, and an end as soon as it hangs up.

use std::time::Duration;

use crate::mock::{GREETING, SOON};
use harness_qmp::{Error, MAX_EVENTS, Qmp};
use proptest::prelude::*;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// One piece of what a server says: well-formed, nearly so, or noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(GREETING.to_owned()),
        (0..9u64).prop_map(|id| format!("{{\"return\": {{}}, \"id\": {id}}}")),
        (0..9u64).prop_map(|id| format!("{{\"id\": {id}, \"error\": {{\"class\": \"X\", \"desc\": \"no\"}}}}")),
        "[A-Z_]{0,9}".prop_map(|name| format!("{{\"event\": \"{name}\", \"timestamp\": {{\"seconds\": -1}}}}")),
        Just("{\"return\": {}}".to_owned()),
        Just(String::new()),
    ];
    let bytes = line.clone().prop_map(String::into_bytes);
    let broken = (bytes.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, index, byte)| {
        if !bytes.is_empty() {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        bytes
    });
    let noise = proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![6 => bytes, 1 => broken, 1 => noise].prop_map(|mut bytes| {
        bytes.push(b'\n');
        bytes
    })
}

/// Runs a client against a server that says `pieces`, waiting `pause` between them, and hangs up.
async fn run(pieces: Vec<Vec<u8>>, pause: Duration, pipe: usize) -> Result<(), TestCaseError> {
    let (mut here, there) = tokio::io::duplex(pipe);
    // The server does not care whether the client still listens.
    let server = tokio::spawn(async move {
        for piece in pieces {
            if here.write_all(&piece).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    });
    if let Ok((client, mut events)) = Qmp::connect(there, SOON).await {
        for name in ["first", "second"] {
            // A normal answer or an error, but never later than asked for.
            let asked = timeout(SOON, client.execute_raw(name, Value::Null, SOON / 2)).await;
            prop_assert!(asked.is_ok(), "a command outlived its deadline");
        }
        server.await.unwrap();
        let mut count = 0;
        let end = loop {
            match timeout(SOON, events.next()).await {
                Ok(Ok(_)) => count += 1,
                Ok(Err(error)) => break error,
                Err(_) => return Err(TestCaseError::fail("the end was not told")),
            }
        };
        prop_assert!(count <= MAX_EVENTS);
        prop_assert!(matches!(end, Error::Closed { .. } | Error::Protocol { .. }), "{end:?}");
        let late = client.execute_raw("late", Value::Null, SOON).await.unwrap_err();
        prop_assert_eq!(cause(&late), cause(&end));
    }
    Ok(())
}

/// An error's text without what was being done.
fn cause(error: &Error) -> String {
    error.to_string().split_once(": ").unwrap().1.to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_server_is_survived(
        greeted in proptest::bool::weighted(0.8),
        pieces in proptest::collection::vec(piece(), 0..20),
        pause_ms in prop_oneof![Just(0u64), 1..9_000u64],
        pipe in 1..200usize,
    ) {
        let mut all = Vec::new();
        if greeted {
            all.push(format!("{GREETING}\r\n{{\"return\": {{}}, \"id\": 1}}\r\n").into_bytes());
        }
        all.extend(pieces);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(all, Duration::from_millis(pause_ms), pipe))?;
    }
}
