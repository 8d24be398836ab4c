//! Events against a mock: those the schema does not know, those nobody fetches.

use crate::mock::{Mock, SOON, next};
use harness_qmp::{MAX_EVENT_BYTES, MAX_EVENTS, Timestamp};
use serde_json::{Value, json};
use tokio::time::timeout;

/// qapi's transport ends its stream on the first of these.
#[tokio::test(start_paused = true)]
async fn what_nobody_knows_survives() {
    let (mut mock, client, mut events) = Mock::connected().await;
    mock.event("GUEST_LEVITATED", json!({"height": 3})).await;
    mock.event("SHUTDOWN", json!({"guest": true, "reason": "levitation"})).await;
    mock.send(r#"{"event": "STOP"}"#).await;
    mock.prove_usable(&client).await;

    let unknown = next(&mut events).await.unwrap();
    assert_eq!((unknown.name.as_str(), &unknown.data), ("GUEST_LEVITATED", &json!({"height": 3})));
    assert_eq!(unknown.timestamp, Some(Timestamp { seconds: 1_795_322_463, microseconds: 5 }));

    let shutdown = next(&mut events).await.unwrap();
    assert_eq!(shutdown.data["reason"], "levitation");
    assert_eq!(next(&mut events).await.unwrap().name, "STOP");
    assert_eq!(events.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_loses_no_event() {
    let (mut mock, _client, mut events) = Mock::connected().await;
    for number in 0..5 {
        assert!(timeout(SOON, events.next()).await.is_err());
        mock.event("E", json!(number)).await;
        assert_eq!(timeout(SOON, events.next()).await.unwrap().unwrap().data, number);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_bounded_counted_and_hides_no_reply() {
    let (mut mock, client, mut events) = Mock::connected().await;
    let flood = 10 * MAX_EVENTS;
    let (reply, ()) = tokio::join!(client.execute_raw("ping", Value::Null, SOON), async {
        for number in 0..flood {
            mock.event("FLOOD", json!(number)).await;
        }
        mock.answer(json!("pong")).await;
    });
    assert_eq!(reply.unwrap(), "pong");
    assert_eq!(events.dropped(), u64::try_from(flood - MAX_EVENTS).unwrap());
    for number in flood - MAX_EVENTS..flood {
        assert_eq!(next(&mut events).await.unwrap().data, number);
    }
    assert!(timeout(SOON, events.next()).await.is_err(), "there must be no more");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_big_events_is_bounded_too() {
    let (mut mock, client, mut events) = Mock::connected().await;
    let big = json!("x".repeat(MAX_EVENT_BYTES / 4));
    for _ in 0..20 {
        mock.event("BIG", big.clone()).await;
    }
    mock.event("LAST", json!({})).await;
    mock.prove_usable(&client).await;
    // Each has some bytes around its text, so only three fit.
    assert_eq!(events.dropped(), 17);
    for name in ["BIG", "BIG", "BIG", "LAST"] {
        assert_eq!(next(&mut events).await.unwrap().name, name);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_receiver_commands_work_on() {
    let (mut mock, client, events) = Mock::connected().await;
    drop(events);
    for _ in 0..3 * MAX_EVENTS {
        mock.event("E", json!({})).await;
    }
    mock.prove_usable(&client).await;
}
