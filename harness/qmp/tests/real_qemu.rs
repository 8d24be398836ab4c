//! The client against the QEMU that is installed. Without one this test fails; it does not skip.
#![allow(clippy::unwrap_used)]

use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use harness_qmp::{Error, Event, Events, Qmp};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Much longer than any step takes, so that a busy machine is no failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// A QEMU with no machine, and its QMP on chardev `q`, which is still to be named.
fn qemu() -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-M", "none", "-nodefaults", "-display", "none", "-S", "-mon", "chardev=q,mode=control"]);
    command.kill_on_drop(true);
    command
}

fn spawn(mut command: Command) -> Child {
    command.spawn().expect("starting qemu-system-x86_64, which this test needs (Debian package qemu-system-x86)")
}

/// QMP over a pair of pipes.
async fn start_on_pipes() -> (Child, Qmp, Events) {
    let mut command = qemu();
    command.args(["-chardev", "stdio,id=q,signal=off"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut qemu = spawn(command);
    let stream = tokio::io::join(qemu.stdout.take().unwrap(), qemu.stdin.take().unwrap());
    let (client, events) = Qmp::connect(stream, DEADLINE).await.unwrap();
    (qemu, client, events)
}

/// QMP over a socket pair, whose one end QEMU has as an inherited descriptor: what the harness does.
async fn start_on_socket_pair() -> (Child, Qmp, Events) {
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = qemu();
    command.args(["-chardev", "socket,id=q,fd=0"]).stdin(Stdio::from(OwnedFd::from(there)));
    let qemu = spawn(command);
    here.set_nonblocking(true).unwrap();
    let stream = tokio::net::UnixStream::from_std(here).unwrap();
    let (client, events) = Qmp::connect(stream, DEADLINE).await.unwrap();
    (qemu, client, events)
}

async fn next(events: &mut Events) -> Result<Event, Error> {
    timeout(DEADLINE, events.next()).await.expect("waiting for QEMU's next event")
}

#[tokio::test]
async fn a_whole_life_on_pipes() {
    a_whole_life(start_on_pipes().await).await;
}

#[tokio::test]
async fn a_whole_life_on_a_socket_pair() {
    a_whole_life(start_on_socket_pair().await).await;
}

async fn a_whole_life((mut qemu, client, mut events): (Child, Qmp, Events)) {
    let greeted = &client.greeting().version.qemu;
    assert!(greeted.major >= 7, "{:?}", client.greeting());
    assert!(client.greeting().out_of_band());

    let status = client.execute_raw("query-status", Value::Null, DEADLINE).await.unwrap();
    assert_eq!((&status["running"], &status["status"]), (&false.into(), &"prelaunch".into()));
    let version = client.execute_raw("query-version", Value::Null, DEADLINE).await.unwrap();
    assert_eq!(version["qemu"]["major"], greeted.major);
    assert_eq!(version["package"], client.greeting().version.package.as_str());

    client.execute_raw("cont", Value::Null, DEADLINE).await.unwrap();
    let resume = next(&mut events).await.unwrap();
    assert_eq!(resume.name, "RESUME");
    assert!(resume.timestamp.is_some());
    client.execute_raw("stop", Value::Null, DEADLINE).await.unwrap();
    let stop = next(&mut events).await.unwrap();
    assert_eq!(stop.name, "STOP");
    assert!(stop.timestamp >= resume.timestamp);
    assert!(client.hmp("info status", DEADLINE).await.unwrap().starts_with("VM status: paused"));

    let error = client.execute_raw("nope", Value::Null, DEADLINE).await.unwrap_err();
    assert_eq!(error.to_string(), "nope: QEMU refused: The command nope has not been found (CommandNotFound)");
    assert!(error.hint().is_some());

    // The longest reply in ordinary use; its bound is documented at `MAX_LINE`.
    let schema = client.execute_raw("query-qmp-schema", Value::Null, DEADLINE).await.unwrap();
    assert!(schema.as_array().is_some_and(|entries| entries.len() > 500));

    // Given up at once, answered late: the connection must not mind.
    for _ in 0..20 {
        let _ = timeout(Duration::ZERO, client.execute_raw("query-status", Value::Null, DEADLINE)).await;
        client.execute_raw("query-name", Value::Null, DEADLINE).await.unwrap();
    }

    client.execute_raw("quit", Value::Null, DEADLINE).await.unwrap();
    let shutdown = next(&mut events).await.unwrap();
    assert_eq!((shutdown.name.as_str(), &shutdown.data["reason"]), ("SHUTDOWN", &"host-qmp-quit".into()));
    assert!(matches!(next(&mut events).await, Err(Error::Closed { .. })));
    assert!(matches!(client.execute_raw("query-status", Value::Null, DEADLINE).await, Err(Error::Closed { .. })));
    assert!(timeout(DEADLINE, qemu.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn a_killed_qemu_is_noticed() {
    let (mut qemu, client, mut events) = start_on_socket_pair().await;
    // Stopped, so that the command is under way when it is killed.
    let pid = qemu.id().expect("QEMU is running").to_string();
    assert!(std::process::Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    let (result, event, ()) =
        tokio::join!(client.execute_raw("query-status", Value::Null, DEADLINE), next(&mut events), async {
            tokio::task::yield_now().await;
            qemu.start_kill().unwrap();
        });
    assert_eq!(result.unwrap_err().to_string(), "running query-status: the QMP connection is closed");
    assert_eq!(event.unwrap_err().to_string(), "waiting for an event: the QMP connection is closed");
    qemu.wait().await.unwrap();
}
