//! Commands against a mock: replies, refusals, deadlines, cancellation.
//!
//! The clock is tokio's paused one: it goes on only when everything waits, so no result depends on the machine's speed.

use std::sync::Arc;
use std::time::Duration;

use crate::mock::{self, GREETING, Mock, SOON, text};
use harness_qmp::{Error, Qmp};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test(start_paused = true)]
async fn raw_and_human_commands() {
    let (mut mock, client, _events) = Mock::connected().await;

    let (reply, command) = tokio::join!(client.execute_raw("x-new", json!({"a": 1}), SOON), mock.answer(json!([2])));
    assert_eq!(reply.unwrap(), json!([2]));
    assert_eq!((&command["execute"], &command["arguments"]), (&json!("x-new"), &json!({"a": 1})));

    // QEMU takes no `null` for arguments, and none at all if there are none to give.
    let (_, command) = tokio::join!(client.execute_raw("x-new", Value::Null, SOON), mock.answer(json!({})));
    assert_eq!(command.get("arguments"), None);

    let (printed, command) = tokio::join!(client.hmp("info status", SOON), mock.answer(json!("VM status: paused\r\n")));
    assert_eq!(printed.unwrap(), "VM status: paused\r\n");
    let asked = (&json!("human-monitor-command"), &json!({"command-line": "info status"}));
    assert_eq!((&command["execute"], &command["arguments"]), asked);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_in_qemus_words() {
    let (mut mock, client, _events) = Mock::connected().await;
    let refuse = async {
        let command = mock.command().await;
        let error = json!({"class": "BrandNew", "desc": "The command nope has not been found"});
        mock.send(&json!({"id": command["id"], "error": error}).to_string()).await;
    };
    let (result, ()) = tokio::join!(client.execute_raw("nope", Value::Null, SOON), refuse);
    assert_eq!(text(result), "nope: QEMU refused: The command nope has not been found (BrandNew)");
    mock.prove_usable(&client).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_unknown_form_is_an_error_of_that_command_only() {
    let (mut mock, client, _events) = Mock::connected().await;
    let alien = json!({"running": true, "status": "levitating"});
    let (printed, _) = tokio::join!(client.hmp("info status", SOON), mock.answer(alien.clone()));
    let error = text(printed);
    assert_eq!(error, "decoding the reply to human-monitor-command: invalid type: map, expected a string");
    let (raw, _) = tokio::join!(client.execute_raw("query-status", Value::Null, SOON), mock.answer(alien.clone()));
    assert_eq!(raw.unwrap(), alien);
}

/// qapi's transport has no ids and takes turns.
#[tokio::test(start_paused = true)]
async fn concurrent_commands_are_told_apart_by_id() {
    let (mut mock, client, _events) = Mock::connected().await;
    let serve = async {
        let (first, second) = (mock.command().await, mock.command().await);
        assert_ne!(first["id"], second["id"]);
        mock.reply(&second, second["execute"].clone()).await;
        mock.reply(&first, first["execute"].clone()).await;
    };
    let (a, b, ()) =
        tokio::join!(client.execute_raw("a", Value::Null, SOON), client.execute_raw("b", Value::Null, SOON), serve);
    assert_eq!((a.unwrap(), b.unwrap()), (json!("a"), json!("b")));
}

#[tokio::test(start_paused = true)]
async fn many_tasks_share_a_client() {
    let (mut mock, client, _events) = Mock::connected().await;
    let client = Arc::new(client);
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let client = Arc::clone(&client);
        tasks.spawn(async move {
            for round in 0..25 {
                let arguments = json!({"task": task, "round": round});
                let reply = client.execute_raw("echo", arguments.clone(), SOON).await.unwrap();
                assert_eq!(reply, arguments);
            }
        });
    }
    for _ in 0..8 * 25 {
        let command = mock.command().await;
        mock.reply(&command, command["arguments"].clone()).await;
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
}

/// qapi's transport panics with "duplicate command id" here.
#[tokio::test(start_paused = true)]
async fn a_cancelled_command_leaves_the_connection_usable() {
    let (mut mock, client, _events) = Mock::connected().await;
    let cancelled = timeout(SHORT, client.execute_raw("query-status", Value::Null, SOON)).await;
    assert!(cancelled.is_err());
    let late = mock.command().await;

    mock.prove_usable(&client).await;
    mock.reply(&late, json!("late")).await;
    mock.prove_usable(&client).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_is_dropped() {
    let (mut mock, client, _events) = Mock::connected().await;
    let started = Instant::now();
    let result = client.execute_raw("stop", Value::Null, SHORT).await;
    assert_eq!(started.elapsed(), SHORT);
    assert_eq!(text(result), "stop: QEMU did not answer within 200ms");

    let late = mock.command().await;
    let mixed_up = async {
        mock.reply(&late, json!("late")).await;
        mock.send(r#"{"return": "of another kind", "id": "x"}"#).await;
        mock.answer(json!("in time")).await;
    };
    let (reply, ()) = tokio::join!(client.execute_raw("cont", Value::Null, SOON), mixed_up);
    assert_eq!(reply.unwrap(), "in time");
}

#[tokio::test(start_paused = true)]
async fn a_command_given_up_before_it_was_begun_is_never_sent() {
    let (mut mock, client, _events) = Mock::connected().await;
    // Does not go into the pipe at once, so those behind it must wait in the queue, or for room in it.
    let big = json!({"text": "x".repeat(3 * mock::PIPE)});
    let stuck = client.execute_raw("big", big, SHORT);
    let behind = async {
        let commands: Vec<_> = (0..40).map(|_| client.execute_raw("system_reset", Value::Null, SHORT)).collect();
        for result in futures(commands).await {
            assert_eq!(text(result), "system_reset: QEMU did not answer within 200ms");
        }
    };
    let (result, ()) = tokio::join!(stuck, behind);
    assert_eq!(text(result), "big: QEMU did not answer within 200ms");

    // The one that was begun is written to its end, or the next would be spoilt.
    let (reply, ()) = tokio::join!(client.execute_raw("next", Value::Null, SOON), async {
        assert_eq!(mock.command().await["execute"], "big");
        let next = mock.command().await;
        assert_eq!(next["execute"], "next");
        mock.reply(&next, json!({})).await;
    });
    reply.unwrap();
}

/// Polls all to their ends.
async fn futures<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut futures {
            if output.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(context)
            {
                *output = Some(done);
            }
        }
        let all = futures.iter().all(|(_, output)| output.is_some());
        if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test(start_paused = true)]
async fn the_greeting_is_kept() {
    let (_mock, client, _events) = Mock::connected().await;
    let qemu = &client.greeting().version.qemu;
    assert_eq!((qemu.major, qemu.minor, qemu.micro), (7, 2, 22));
    assert_eq!(client.greeting().version.package, "Debian 1:7.2+dfsg-7+deb12u18+b3");
    // qapi's own `supports_oob` never sees it.
    assert!(client.greeting().out_of_band());
}

/// Connects to a mock that says `greeting`, then does `then`.
async fn connect_to(greeting: &str, then: impl AsyncFnOnce(&mut Mock)) -> String {
    let (here, there) = tokio::io::duplex(mock::PIPE);
    let mut mock = Mock::new(here);
    let (result, ()) = tokio::join!(Qmp::connect(there, SHORT), async {
        mock.send_bytes(greeting.as_bytes()).await;
        then(&mut mock).await;
    });
    text(result)
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_says_where() {
    let silent = async |_: &mut Mock| ();
    assert_eq!(connect_to("", silent).await, "greeting: QEMU did not answer within 200ms");
    assert_eq!(connect_to("{\"QMP\"", silent).await, "greeting: QEMU did not answer within 200ms");
    assert_eq!(
        connect_to("QEMU 7.2.22 monitor - type 'help'\n", silent).await,
        "waiting for QEMU's greeting: QEMU sent what is no JSON object: expected value at line 1 column 1: \
         `QEMU 7.2.22 monitor - type \\'help\\'\\n`"
    );
    assert_eq!(
        connect_to("{\"event\": \"STOP\"}\n", silent).await,
        "waiting for QEMU's greeting: something else came first"
    );
    let greeting = format!("{GREETING}\n");
    assert_eq!(connect_to(&greeting, silent).await, "qmp_capabilities: QEMU did not answer within 200ms");
    let twice = format!("{greeting}{greeting}");
    assert_eq!(connect_to(&twice, silent).await, "running qmp_capabilities: QEMU sent a second greeting");
    let refusing = async |mock: &mut Mock| {
        let command = mock.command().await;
        let error = json!({"class": "GenericError", "desc": "no"});
        mock.send(&json!({"id": command["id"], "error": error}).to_string()).await;
    };
    assert_eq!(connect_to(&greeting, refusing).await, "qmp_capabilities: QEMU refused: no (GenericError)");
}

#[tokio::test(start_paused = true)]
async fn a_slow_greeting_uses_up_the_deadline_of_the_whole_handshake() {
    let (here, there) = tokio::io::duplex(mock::PIPE);
    let mut mock = Mock::new(here);
    let started = Instant::now();
    let (result, ()) = tokio::join!(Qmp::connect(there, SHORT), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        mock.send(GREETING).await;
    });
    assert_eq!(text(result), "qmp_capabilities: QEMU did not answer within 50ms");
    assert_eq!(started.elapsed(), SHORT);
    assert_eq!(mock.command().await["execute"], "qmp_capabilities");
    assert!(mock.hung_up().await, "a handshake that failed must close the stream");
}

#[tokio::test(start_paused = true)]
async fn nobody_there() {
    let (here, there) = tokio::io::duplex(mock::PIPE);
    drop(here);
    let error = Qmp::connect(there, SOON).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }));
    assert_eq!(error.to_string(), "waiting for QEMU's greeting: the QMP connection is closed");
    assert_eq!(error.hint(), Some("if QEMU was not told to quit, its reason is on its stderr"));
}

#[tokio::test(start_paused = true)]
async fn a_message_in_single_bytes() {
    let (here, there) = tokio::io::duplex(1);
    let mut mock = Mock::new(here);
    let (client, ()) = tokio::join!(Qmp::connect(there, SOON), mock.handshake());
    let (client, _events) = client.unwrap();
    mock.prove_usable(&client).await;
}
