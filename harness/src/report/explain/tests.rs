//! Scenarios in plain English.

use std::path::PathBuf;

use insta::assert_snapshot;

use super::Explanation;
use crate::model::Params;
use crate::model::ends::EndsBy;
use crate::scenario::Scenario;
use crate::scenario::tests::schema::EXAMPLE;
use crate::scenario::tests::{CONTEXTS, held, read, shipped};

/// The first point in sentences, and what is expected at all.
fn explained(scenario: &Scenario, seed: Option<u64>) -> String {
    Explanation::of(scenario, &scenario.points(), seed).unwrap().to_string()
}

/// A scenario with these lines, its actors among them.
fn scenario(lines: &str) -> Scenario {
    let text = format!("name: x\ntitle: a title\nwhy: a reason\nsource: a source\n{lines}");
    read("x", &text).unwrap_or_else(|e| panic!("{e}"))
}

/// What happens on the CPUs and what ends it, of a scenario with these actors.
fn happens(lines: &str) -> String {
    let text = explained(&scenario(lines), None);
    let (_, text) = text.split_once("\nWhat happens\n").unwrap();
    text.split_once("\nA trial counts only if\n").unwrap().0.to_owned()
}

#[test]
fn a_sweep() {
    let all = shipped();
    assert_snapshot!("a_sweep", explained(Scenario::find(&all, "panic-during-oops-dump").unwrap(), None));
}

#[test]
fn one_point_of_it() {
    let all = shipped();
    let scenario = Scenario::find(&all, "panic-during-oops-dump").unwrap();
    assert_snapshot!("one_point", Explanation::of(scenario, &[held("1500ms", 0)], None).unwrap());
    assert!(Explanation::of(scenario, &[held("1400ms", 0)], None).is_none());
    assert!(Explanation::of(scenario, &[], None).is_none());
}

#[test]
fn everything_there_is() {
    assert_snapshot!("everything", explained(&read("everything", &EXAMPLE).unwrap(), None));
}

#[test]
fn what_a_seed_draws() {
    let scenario = read("everything", &EXAMPLE).unwrap();
    let point = &scenario.points()[..1];
    assert_snapshot!("drawn", Explanation::of(&scenario, point, Some(7)).unwrap());
    let plain =
        read("x", "{name: x, title: t, why: w, source: s, expect: [], actors: [panic: {name: p, cpu: 0, at: 0ms}]}");
    let plain = explained(&plain.unwrap(), Some(7));
    assert!(plain.contains("\nDrawn by the seed 7\n  - There is nothing to be drawn.\n"), "{plain}");
}

#[test]
fn every_action() {
    assert_snapshot!(
        "every_action",
        happens(
            "\
deadline: 60s
actors:
  - oops: { name: once, cpu: 1, at: 0ms }
  - oops: { name: fault, cpu: 1, kind: page-fault, in: irqs-off, at: 1s }
  - oops: { name: often, cpu: 1, kind: stack, count: 3, every: 10ms, at: 1ms }
  - oops: { name: irq, cpu: 1, in: hardirq, at: 20s }
  - warn: { name: w, cpu: 1, at: \"uniform(1ms,2ms)\" }
  - spin: { name: s, cpu: 1, in: irqs-off, for: 700ms, after: { actor: w, edge: left } }
  - spin: { name: mark, cpu: 1, for: 0ms, after: { actor: s, edge: left, delay: 250us } }
  - hold: { name: h, cpu: 2, lock: pstore-buf, in: irqs-off, for: forever, after: { actor: once } }
  - hold: { name: hh, cpu: 2, lock: console, for: \"uniform(1ms,2ms)\", at: 0ms }
  - print: { name: f, cpu: 3, count: 1000, after: { actor: h, delay: exponential(2ms) } }
  - print: { name: g, cpu: 3, for: forever, every: 5us, after: { actor: f, edge: left } }
  - block: { name: b, cpu: 2, for: forever, after: { actor: hh, edge: left } }
  - harvest: { name: c, cpu: 2, for: 2s, after: { actor: b } }
  - nmi: { name: n, cpu: 0, after: { actor: c, edge: left, delay: 5ms } }
  - panic: { name: p, cpu: 0, in: nmi, after: { actor: n } }
  - reboot: { name: r, cpu: 0, in: notifier-last }
  - cpu-down: { name: off, cpu: 0, target: 3, at: 2s }
  - cpu-up: { name: up, cpu: 0, target: 3, after: { actor: off, edge: left } }
  - spin: { name: then, cpu: 0, for: 1us, after: { actor: up, edge: left } }
  - fail: { name: full, in: backend-write, error: ENOSPC, part: 2 }
  - fail: { name: liar, cpu: 1, in: backend-write, kind: lies, times: forever, after: { actor: w, edge: left } }
  - fail: { name: half, cpu: 1, in: backend-write, kind: torn, times: 3 }
  - fail: { name: nvram, in: { function: virt_efi_set_variable_nb }, error: EFI_DEVICE_ERROR, at: 5ms }
  - warn: { name: behind, cpu: 2, after: { actor: full, edge: left } }
expect: []
"
        )
    );
}

#[test]
fn every_death() {
    let end = |end: &EndsBy| format!("  - {{ end: {end} }}\n");
    let all: String = EndsBy::ALL.iter().map(end).collect();
    let knobs =
        ["oops_limit", "warn_limit", "panic_on_warn", "softlockup_panic", "hung_task_panic", "panic_on_rcu_stall"];
    let knob = |name| format!("  - sysctl: {{ name: kernel.{name}, value: 1 }}\n");
    let knobs: String = knobs.iter().map(knob).collect();
    assert_snapshot!(
        "every_death",
        happens(&format!(
            "\
deadline: 60s
ends-by:
{all}knobs:
{knobs}actors:
  - oops: {{ name: divide, cpu: 1, kind: divide, at: 0ms }}
  - oops: {{ name: call0, cpu: 1, kind: null-call, at: 0ms }}
  - oops: {{ name: overrun, cpu: 1, kind: stack-protector, at: 0ms }}
  - oops: {{ name: idle, cpu: 3, in: idle }}
  - warn: {{ name: w, cpu: 1, at: 1s }}
  - reboot: {{ name: orderly, cpu: 1, how: orderly, at: 1ms }}
  - reboot: {{ name: off, cpu: 1, how: power-off, after: {{ actor: orderly }} }}
  - exhaust: {{ name: hog, cpu: 2, after: {{ actor: w, edge: left }} }}
  - exit: {{ name: init, cpu: 2, after: {{ actor: hog }} }}
  - mce: {{ name: error, cpu: 2, after: {{ actor: init, delay: 5ms }} }}
  - synchronize-rcu: {{ name: rcu, cpu: 0, for: 2s, after: {{ actor: error }} }}
  - call: {{ name: caller, cpu: 0, to: 2, in: irqs-off, after: {{ actor: rcu, edge: left }} }}
  - call: {{ name: again, cpu: 0, to: 1, in: notifier, after: {{ actor: caller, edge: left }} }}
  - spin: {{ name: s, cpu: 3, for: forever, after: {{ actor: again }} }}
  - block: {{ name: b, cpu: 3, for: 1s, after: {{ actor: s }} }}
expect: []
"
        ))
    );
}

#[test]
fn every_context() {
    let actor = |(n, context)| format!("  - warn: {{ name: w{n}, cpu: 0, in: {context}, at: 0ms }}\n");
    let actors: String = CONTEXTS.iter().enumerate().map(actor).collect();
    let more = "  - warn: { name: late, cpu: 0, in: notifier, at: 5ms }\n  \
                - spin: { name: then, cpu: 0, in: idle, for: 1s, after: { actor: w0, delay: 2ms } }\n  \
                - panic: { name: p, cpu: 0, at: 0ms }\n";
    assert_snapshot!("every_context", happens(&format!("actors:\n{actors}{more}expect: []\n")));
}

#[test]
fn every_end() {
    let knobs = ["panic_on_oops", "panic_on_warn", "unknown_nmi_panic", "hung_task_panic", "hardlockup_panic"];
    let knob = |name| format!("  - sysctl: {{ name: kernel.{name}, value: 1 }}\n");
    let knobs: String = knobs.iter().map(knob).collect();
    assert_snapshot!(
        "every_end",
        happens(&format!(
            "\
guest: {{ cpus: 1 }}
panic-line: \"Hard LOCKUP\"
knobs:
{knobs}actors:
  - oops: {{ name: o, cpu: 0, at: 0ms }}
  - warn: {{ name: w, cpu: 0, at: 0ms }}
  - nmi: {{ name: n, cpu: 0, at: 0ms }}
  - block: {{ name: b, cpu: 0, for: forever, at: 0ms }}
  - spin: {{ name: s, cpu: 0, in: irqs-off, for: forever, at: 0ms }}
  - reboot: {{ name: r, cpu: 0, at: 0ms }}
  - panic: {{ name: p, cpu: 0, at: 0ms }}
expect: []
"
        ))
    );
}

#[test]
fn every_shipped_scenario_is_explained_in_lines_that_fit() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    for scenario in Scenario::list(&dir).all().unwrap() {
        for params in scenario.points() {
            let text = Explanation::of(&scenario, std::slice::from_ref(&params), Some(1)).unwrap().to_string();
            let ours = |line: &&str| !scenario.why.contains(line.trim()) && !line.contains(&scenario.title);
            let wide = text.lines().filter(ours).find(|line| line.chars().count() > 80 && line.contains(". "));
            assert_eq!(wide, None, "{}", scenario.name);
        }
    }
    let panic = scenario("actors: [panic: { name: p, cpu: 0, at: 0ms }]\nexpect: []\n");
    let json = serde_json::to_value(Explanation::of(&panic, &[Params::new()], None)).unwrap();
    assert_eq!(json["cpus"][0]["cpu"], "CPU 0");
    assert_eq!(json["cpus"][0]["acts"][0], "As soon as the actors are fired, `p` calls panic() in a kernel thread.");
}
