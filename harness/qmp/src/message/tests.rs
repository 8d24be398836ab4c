use proptest::prelude::*;
use serde_json::json;

use super::*;

fn event(line: &str) -> Event {
    match parse(line.as_bytes()) {
        Ok(Message::Event(event)) => event,
        other => panic!("no event: {other:?}"),
    }
}

fn fault(line: &str) -> String {
    parse(line.as_bytes()).unwrap_err()
}

#[test]
fn greeting_of_7_2() {
    let line = br#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2"}, "capabilities": ["oob", "new"]}}"#;
    let Ok(Message::Greeting(greeting)) = parse(line) else { panic!("no greeting") };
    let qemu = &greeting.version.qemu;
    assert_eq!((qemu.major, qemu.minor, qemu.micro), (7, 2, 22));
    assert_eq!(greeting.version.package, "Debian 1:7.2");
    assert_eq!(greeting.capabilities, ["oob", "new"]);
    assert!(greeting.out_of_band());
}

#[test]
fn greeting_without_capabilities() {
    let line = br#"{"QMP": {"version": {"qemu": {"micro": 0, "minor": 5, "major": 1}, "package": ""}}}"#;
    let Ok(Message::Greeting(greeting)) = parse(line) else { panic!("no greeting") };
    assert!(!greeting.out_of_band());
}

#[test]
fn event_with_all_and_with_nothing() {
    let full = event(
        r#"{"timestamp": {"seconds": 1795322463, "microseconds": 743691}, "event": "SHUTDOWN", "data": {"guest": false, "reason": "host-qmp-quit"}}"#,
    );
    assert_eq!(full.timestamp, Some(Timestamp { seconds: 1_795_322_463, microseconds: 743_691 }));
    assert_eq!(full.data, json!({"guest": false, "reason": "host-qmp-quit"}));

    let bare = event(r#"{"event": "STOP"}"#);
    assert_eq!(bare, Event { name: "STOP".to_owned(), data: json!({}), timestamp: None });
}

#[test]
fn a_clock_that_failed_is_no_timestamp() {
    for (seconds, microseconds) in [("-1", "-1"), ("1", "1000000"), ("\"1\"", "1"), ("1", "4294967296")] {
        let line =
            format!(r#"{{"event": "STOP", "timestamp": {{"seconds": {seconds}, "microseconds": {microseconds}}}}}"#);
        assert_eq!(event(&line).timestamp, None, "{line}");
    }
}

#[test]
fn replies() {
    let reply = |line: &str| match parse(line.as_bytes()) {
        Ok(Message::Reply { id, answer }) => (id, answer),
        other => panic!("no reply: {other:?}"),
    };
    assert_eq!(reply(r#"{"return": null, "id": 7}"#), (Some(7), Ok(Value::Null)));
    assert_eq!(reply(r#"{"return": {}, "id": "seven"}"#), (None, Ok(json!({}))));
    let refusal = Refusal { class: "Alien".to_owned(), desc: "no".to_owned() };
    assert_eq!(reply(r#"{"id": 3, "error": {"class": "Alien", "desc": "no", "more": 1}}"#), (Some(3), Err(refusal)));
}

#[test]
fn faults_name_the_cause() {
    let cases = [
        (
            "QEMU 7.2.22 monitor",
            "QEMU sent what is no JSON object: expected value at line 1 column 1: `QEMU 7.2.22 monitor`",
        ),
        (
            "{\"event\": \"S\u{1b}[2J",
            "QEMU sent what is no JSON object: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 13: `{\\\"event\\\": \\\"S\\u{1b}[2J`",
        ),
        ("[1]", "QEMU sent what is no JSON object: invalid type: sequence, expected a map at line 1 column 0: `[1]`"),
        ("{\"event\": 5}", "QEMU sent an event whose name is no text: `{\\\"event\\\": 5}`"),
        ("{\"id\": 5}", "QEMU sent neither a greeting, an event nor a reply: `{\\\"id\\\": 5}`"),
        ("{\"return\": 5}", "QEMU sent a reply without an id: `{\\\"return\\\": 5}`"),
        (
            r#"{"error": {"class": "GenericError", "desc": "JSON nesting depth limit exceeded"}}"#,
            "QEMU could not read a command: JSON nesting depth limit exceeded",
        ),
        ("{\"QMP\": []}", "QEMU's greeting has no version: invalid type: null, expected struct VersionInfo"),
    ];
    for (line, expected) in cases {
        assert_eq!(fault(line), expected);
    }
    let long = fault(&"x".repeat(500));
    assert!(long.ends_with(&format!("`{}…`", "x".repeat(EXCERPT))), "{long}");
}

#[test]
fn deep_nesting_is_a_fault_and_no_overflow() {
    let line = format!("{{\"event\": {}", "[".repeat(1_000_000));
    assert!(fault(&line).contains("recursion limit exceeded"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Err(what) = parse(&line) {
            // Printable, and short whatever came.
            prop_assert!(!what.chars().any(char::is_control), "{what:?}");
            prop_assert!(what.chars().count() < 100 + 10 * EXCERPT, "{what:?}");
        }
    }

    #[test]
    fn any_values_under_the_known_keys_are_read_or_refused(
        key in prop_oneof![Just("QMP"), Just("event"), Just("return"), Just("error"), Just("id"), Just("timestamp")],
        second in prop_oneof![Just("id"), Just("data"), Just("event"), Just("error"), Just("timestamp")],
        values in proptest::array::uniform2(prop_oneof![
            Just(json!(null)), Just(json!(-1)), Just(json!(u64::MAX)), Just(json!(1e300)), Just(json!("text")),
            Just(json!([])), Just(json!({"class": 1})), Just(json!({"seconds": [], "version": {"qemu": 1}})),
        ]),
    ) {
        let [first, other] = values;
        let line = format!("{{\"{key}\": {first}, \"{second}\": {other}}}");
        // Not a panic, and never both read and nameless.
        if let Ok(Message::Event(event)) = parse(line.as_bytes()) {
            prop_assert_eq!(event.name, "text");
        }
    }
}
