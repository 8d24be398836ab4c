//! The schema says what the reader says, as far as a schema can.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::read;
use crate::scenario;

/// The complete example of `docs/scenarios-format.md`.
pub(crate) static EXAMPLE: LazyLock<String> = LazyLock::new(|| {
    let docs = include_str!("../../../../docs/scenarios-format.md");
    let (_, example) = docs.split_once("```yaml\nname: everything").unwrap();
    let (example, _) = example.split_once("\n```\n").unwrap();
    format!("name: everything{example}\n")
});

fn example() -> Value {
    crate::yaml::parse(&EXAMPLE, "everything.yaml".as_ref()).unwrap_or_else(|e| panic!("{e}"))
}

/// The file with the value at `pointer`, whose parent is there, set to another.
fn mutated(good: &Value, pointer: &str, value: &Value) -> Value {
    let mut bad = good.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match bad.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")) {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value.clone(),
        parent => parent[key] = value.clone(),
    }
    bad
}

#[test]
fn the_example_of_the_documentation_is_a_scenario() {
    let scenario = read("everything", &EXAMPLE).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(scenario.points().len(), 32);
    let errors: Vec<String> = jsonschema::validator_for(&scenario::schema())
        .unwrap()
        .iter_errors(&example())
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn every_shipped_scenario_validates_against_the_schema() {
    let validator = jsonschema::validator_for(&scenario::schema()).unwrap();
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files = crate::yaml::files(&dir).unwrap();
    assert!(!files.is_empty());
    for path in files {
        let file: Value = crate::yaml::load(&path).unwrap();
        let errors: Vec<String> = validator.iter_errors(&file).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let validator = jsonschema::validator_for(&scenario::schema()).unwrap();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/panic-during-oops-dump.yaml");
    let good: Value = crate::yaml::load(&path).unwrap();
    assert!(validator.is_valid(&good));
    let mutations = [
        ("/nmae", json!("x")),
        ("/name", json!("Panic Alone")),
        ("/title", json!(null)),
        ("/deadline", json!(30)),
        ("/deadline", json!("30 s")),
        ("/guest", json!({ "cpus": 9 })),
        ("/guest", json!({ "cpus": 0 })),
        ("/guest", json!({ "memory": "256M" })),
        ("/guest", json!({ "cpu": 4 })),
        ("/params", json!({ "Hold": ["0ms"] })),
        ("/params", json!({ "hold": [] })),
        ("/params", json!({ "hold": [0.5] })),
        ("/knobs/0", json!({ "sysctl": { "name": "../etc/passwd", "value": 0 } })),
        ("/knobs/0", json!({ "sysctl": { "name": "a" } })),
        ("/knobs/0", json!({ "file": { "name": "a", "value": 0 } })),
        ("/actors", json!([])),
        ("/actors/0/spin/for", json!("soon")),
        ("/actors/0/spin/for", json!(300)),
        ("/actors/1/oops/cpu", json!(8)),
        ("/actors/1/oops/name", json!("sixteen-letters-")),
        ("/actors/1/oops/after", json!({ "actor": "dump" })),
        ("/actors/1", json!({ "smi": { "name": "o", "cpu": 0, "at": "0ms" } })),
        ("/actors/2/panic/after/edge", json!("entering")),
        ("/meet/0/enters-during/of", json!(null)),
        ("/order/0", json!({ "stopped-after": { "moment": { "step": "kmsg_dump" } } })),
        ("/order/0/stopped-before", json!({})),
        ("/order/0/stopped-before/moment", json!("kmsg_dump")),
        ("/order/0/stopped-before/moment/step", json!("kmsg-dumb")),
        ("/order/0/stopped-before/moment/of", json!("a b")),
        ("/order/0/stopped-before/moment/edge", json!("left")),
        ("/order/0/stopped-before/moment/on", json!("dump")),
        ("/order/1/count/times", json!("once")),
        ("/order/1/count/times", json!(-1)),
        ("/order/1/count/where", json!({ "post_notifiers": 0 })),
        ("/expect/0/channel", json!("serial")),
        ("/expect/0/outcome", json!("hung")),
        ("/expect/0/at-least", json!(1.5)),
        ("/expect/0/where", json!({ "hold": "0ms" })),
    ];
    for (pointer, value) in mutations {
        let bad = mutated(&good, pointer, &value);
        assert!(!validator.is_valid(&bad), "{pointer} = {value} should not be valid");
        assert!(read("panic-during-oops-dump", &bad.to_string()).is_err(), "{pointer} = {value} should not be read");
    }
    for key in ["name", "title", "why", "source", "actors", "expect"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&bad), "without {key} it should not be valid");
        assert!(read("panic-during-oops-dump", &bad.to_string()).is_err(), "without {key}");
    }
}

#[test]
fn every_form_of_the_language_has_its_refusals() {
    let validator = jsonschema::validator_for(&scenario::schema()).unwrap();
    let good = example();
    let mutations = [
        ("/guest/command-line", json!("quiet")),
        ("/guest/command-line/0", json!("two words")),
        ("/guest/command-line/0", json!("")),
        ("/guest/kdump", json!("some")),
        ("/guest/kdump", json!({ "reserve": "some" })),
        ("/guest/kdump", json!({ "cpus": 0 })),
        ("/guest/kdump", json!({ "memory": "48MiB" })),
        ("/guest/online", json!(0)),
        ("/guest/online", json!("two")),
        ("/waits/0/function", json!("a b")),
        ("/waits/0/at-most", json!("soon")),
        ("/waits/0/for", json!("1s")),
        ("/waits", json!([{ "function": "f" }])),
        ("/params/hold", json!("any")),
        ("/actors/1/oops/cpu", json!("$")),
        ("/actors/3", json!({ "cpu-down": { "name": "last", "cpu": 0, "at": "0ms" } })),
        ("/actors/3", json!({ "cpu-up": { "name": "last", "cpu": 0, "target": 0, "at": "0ms" } })),
        ("/actors/3", json!({ "cpu-up": { "name": "last", "cpu": 0, "target": 1 } })),
        ("/quiet", json!(3)),
        ("/quiet", json!("soon")),
        ("/quiet", json!("$hold")),
        ("/source", json!(null)),
        ("/ends-by", json!("old-age")),
        ("/ends-by", json!(3)),
        ("/ends-by", json!([])),
        ("/ends-by", json!([{ "end": "old-age" }])),
        ("/ends-by", json!([{ "where": {} }])),
        ("/ends-by", json!({ "end": "panic" })),
        ("/steps/0/enters/step", json!("my-hook")),
        ("/steps/0/enters/functions", json!([])),
        ("/steps/0/enters/functions/0", json!("a b")),
        ("/steps/0/enters/of", json!("a")),
        ("/steps/0", json!({ "leaves": { "step": "a", "functions": ["b"] } })),
        ("/needs", json!([])),
        ("/needs/kernel", json!("6.12")),
        ("/needs/since", json!("six")),
        ("/needs/until", json!("6")),
        ("/needs/functions/0", json!("a-b")),
        ("/needs/symbols/0", json!("9a")),
        ("/needs/config/0", json!("PSTORE")),
        ("/params/hold", json!("0ms")),
        ("/params/hold", json!({ "from": "0ms", "to": "1s" })),
        ("/params/hold", json!({ "from": "0ms", "to": "1s", "step": "1s", "by": "1s" })),
        ("/params/hold/from", json!("none")),
        ("/params/hold/step", json!(0.5)),
        ("/params/kind", json!(["bug", "bug"])),
        ("/actors/0/hold/lock", json!("tasklist")),
        ("/actors/0/hold/lock", json!(null)),
        ("/actors/0/hold/in", json!("smm")),
        ("/actors/0/hold/in", json!({ "function": "a b" })),
        ("/actors/0/hold/in", json!({ "symbol": "vpanic" })),
        ("/actors/0/hold/for", json!("always")),
        ("/actors/0/hold/at", json!("forever")),
        ("/actors/0/hold/at", json!("normal(5ms)")),
        ("/actors/0/hold/at", json!("uniform(5ms)")),
        ("/actors/0/hold/at", json!("uniform(1ms, 2ms)")),
        ("/actors/0/hold/at", json!("exponential(1)")),
        ("/actors/0/hold/every", json!("1ms")),
        ("/actors/0/hold/after", json!({ "actor": "panic" })),
        ("/actors/1/oops/cpu", json!("another")),
        ("/actors/1/oops/cpu", json!(-1)),
        ("/actors/1/oops/kind", json!("segfault")),
        ("/actors/1/oops/count", json!(0)),
        ("/actors/1/oops/count", json!("many")),
        ("/actors/1/oops/for", json!("1s")),
        ("/actors/2/print/count", json!(5)),
        ("/actors/2", json!({ "print": { "name": "flood", "cpu": "all-others", "at": "0ms" } })),
        ("/actors/3/warn/for", json!("1s")),
        ("/actors/3", json!({ "nmi": { "name": "last", "cpu": 0, "at": "0ms", "in": "thread" } })),
        ("/actors/3", json!({ "nmi": { "name": "last", "cpu": 0 } })),
        ("/actors/3", json!({ "block": { "name": "last", "cpu": 0, "at": "0ms" } })),
        ("/actors/3", json!({ "harvest": { "name": "last", "cpu": 0, "at": "0ms" } })),
        ("/actors/3", json!({ "reboot": { "name": "last", "cpu": 0, "at": "0ms", "for": "1s" } })),
        ("/actors/3", json!({ "reboot": { "name": "last", "cpu": 0, "at": "0ms", "how": "gently" } })),
        ("/actors/3", json!({ "exhaust": { "name": "last", "cpu": 0, "at": "0ms", "for": "1s" } })),
        ("/actors/3", json!({ "exit": { "name": "last", "cpu": 0, "at": "0ms", "in": "thread" } })),
        ("/actors/3", json!({ "mce": { "name": "last", "cpu": 0 } })),
        ("/actors/3", json!({ "synchronize-rcu": { "name": "last", "cpu": 0, "at": "0ms" } })),
        ("/actors/3", json!({ "call": { "name": "last", "cpu": 0, "at": "0ms" } })),
        ("/actors/3", json!({ "call": { "name": "last", "cpu": 0, "at": "0ms", "to": 8 } })),
        ("/actors/3", json!({ "fail": { "name": "last", "in": "backend-write" } })),
        ("/actors/3", json!({ "fail": { "name": "last", "in": "backend-write", "error": -5, "kind": "lies" } })),
        ("/actors/3", json!({ "fail": { "name": "last", "error": -5 } })),
        ("/actors/5/fail/part", json!(0)),
        ("/actors/5/fail/times", json!("often")),
        ("/actors/5/fail/cpu", json!("any")),
        ("/background", json!({ "efivars": "read" })),
        ("/background", json!({ "efivars": "read", "cpus": [] })),
        ("/background", json!({ "efivars": "erase", "cpus": [1] })),
        ("/actors/4/panic/after/delay", json!(5)),
        ("/actors/4/panic/after/edge", json!("$hold")),
        ("/meet/0", json!({ "entered": { "actor": "dump" } })),
        ("/meet/2/left", json!({})),
        ("/meet/3/never-left/of", json!("dump")),
        ("/meet/4/apart/at-most", json!("uniform(1ms,2ms)")),
        ("/meet/4/apart", json!({ "actor": "last", "from": "panic" })),
        ("/expect/1/where/hold", json!("0ms")),
        ("/expect/1/where/hold", json!({ "from": "0ms", "step": "1ms" })),
        ("/expect/1/where/hold", json!({ "to": "some" })),
    ];
    for (pointer, value) in mutations {
        let bad = mutated(&good, pointer, &value);
        assert!(!validator.is_valid(&bad), "{pointer} = {value} should not be valid");
        assert!(read("everything", &bad.to_string()).is_err(), "{pointer} = {value} should not be read");
    }
}

/// Where every scalar of a file stands.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| leaves(value, &format!("{at}/{key}"), found)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| leaves(value, &format!("{at}/{index}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

#[test]
fn what_the_schema_refuses_the_reader_refuses() {
    let validator = jsonschema::validator_for(&scenario::schema()).unwrap();
    // A small sweep, as every point of it is read each time.
    let good = mutated(&example(), "/params/hold", &json!(["0ms", "1500ms"]));
    let mut places = Vec::new();
    leaves(&good, "", &mut places);
    assert!(places.len() > 80, "{}", places.len());
    let mut refused = 0;
    for place in &places {
        // A number or a truth value where a text is meant is taken as the text that it is written as.
        let numbers =
            if good.pointer(place).unwrap().is_number() { vec![json!(-1), json!(0.5), json!(true)] } else { vec![] };
        let others =
            [json!(null), json!([]), json!({}), json!(""), json!(" "), json!("a b"), json!("$"), json!("\u{7}")];
        for value in numbers.into_iter().chain(others) {
            let bad = mutated(&good, place, &value);
            if !validator.is_valid(&bad) {
                refused += 1;
                assert!(read("everything", &bad.to_string()).is_err(), "{place} = {value} is read, but not valid");
            }
        }
    }
    assert!(refused > 400, "{refused}");
}
