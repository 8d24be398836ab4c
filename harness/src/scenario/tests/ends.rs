//! What a guest ends by: as its author says, or as follows from its actors.

use insta::assert_snapshot;

use super::read;
use crate::model::Params;
use crate::model::ends::{Ends, EndsBy};
use crate::scenario::{Instance, Scenario};

/// A scenario with these lines, its actors among them.
fn scenario(lines: &str) -> Scenario {
    let text = format!("name: x\ntitle: a title\nwhy: a reason\nsource: a source\nexpect: []\n{lines}");
    read("x", &text).unwrap_or_else(|e| panic!("{e}"))
}

fn refused(lines: &str) -> String {
    let text = format!("name: x\ntitle: a title\nwhy: a reason\nsource: a source\nexpect: []\n{lines}");
    read("x", &text).map_or_else(|e| e.cause().to_owned(), |_| "accepted".to_owned())
}

fn instances(scenario: &Scenario) -> Vec<&Instance> {
    scenario.points().iter().filter_map(|params: &Params| scenario.at(params)).collect()
}

/// What follows from these actors where this is set.
fn derived(set: &str, actors: &[&str]) -> Vec<EndsBy> {
    let line = |(n, actor): (usize, &&str)| format!("  - {}\n", actor.replace('N', &format!("name: a{n}")));
    let actors: String = actors.iter().enumerate().map(line).collect();
    let scenario = scenario(&format!("{set}\nactors:\n{actors}"));
    let ends = instances(&scenario)[0].ends.clone();
    assert_eq!((ends.said, ends.by.is_empty()), (false, scenario.warning.is_some()), "{actors}");
    ends.by
}

fn sysctl(name: &str, value: u32) -> String {
    format!("knobs: [sysctl: {{ name: kernel.{name}, value: {value} }}]")
}

#[test]
fn what_follows_from_the_actors() {
    use EndsBy::{
        HardLockup, HungTask, InitDeath, MachineCheck, Nmi, Oops, OopsInIdle, OopsInInterrupt, OopsLimit, OutOfMemory,
        Panic, PowerOff, RcuStall, Reboot, SoftLockup, StackProtector, WarnLimit, Warning,
    };
    let none = "";
    for (actor, end) in [
        ("panic: { N, cpu: 1, at: 0ms }", Panic),
        ("reboot: { N, cpu: 1, at: 0ms }", Reboot),
        ("reboot: { N, cpu: 1, how: orderly, at: 0ms }", Reboot),
        ("reboot: { N, cpu: 1, how: power-off, at: 0ms }", PowerOff),
        ("oops: { N, cpu: 1, in: softirq, at: 0ms }", OopsInInterrupt),
        ("oops: { N, cpu: 1, in: hardirq, at: 0ms }", OopsInInterrupt),
        ("oops: { N, cpu: 1, in: nmi, at: 0ms }", OopsInInterrupt),
        ("oops: { N, cpu: 1, kind: stack, at: 0ms }", OopsInInterrupt),
        ("oops: { N, cpu: 1, in: idle }", OopsInIdle),
        ("oops: { N, cpu: 1, kind: stack-protector, at: 0ms }", StackProtector),
        ("exhaust: { N, cpu: 1, at: 0ms }", OutOfMemory),
        ("exit: { N, cpu: 1, at: 0ms }", InitDeath),
        ("mce: { N, cpu: 1, at: 0ms }", MachineCheck),
    ] {
        assert_eq!(derived(none, &[actor]), [end], "{actor}");
    }
    let spin = "spin: { N, cpu: 1, in: preempt-off, for: forever, at: 0ms }";
    for (actor, by, end) in [
        ("oops: { N, cpu: 1, in: irqs-off, at: 0ms }", "panic_on_oops", Oops),
        ("oops: { N, cpu: 1, in: idle }", "panic_on_oops", Oops),
        ("warn: { N, cpu: 1, at: 0ms }", "panic_on_warn", Warning),
        ("nmi: { N, cpu: 1, at: 0ms }", "unknown_nmi_panic", Nmi),
        ("block: { N, cpu: 1, for: forever, at: 0ms }", "hung_task_panic", HungTask),
        (spin, "softlockup_panic", SoftLockup),
        ("hold: { N, cpu: 1, lock: die, in: irqs-off, for: forever, at: 0ms }", "hardlockup_panic", HardLockup),
    ] {
        assert_eq!(derived(&sysctl(by, 1), &[actor]), [end], "{actor}");
        assert_eq!(derived(&format!("guest: {{ command-line: [sysctl.kernel.{by}=1] }}"), &[actor]), [end], "{actor}");
        assert!(!derived(&sysctl(by, 0), &[actor]).contains(&end), "{actor}");
        assert!(!derived(&sysctl("panic_print", 1), &[actor]).contains(&end), "{actor}");
    }
    let oops = "oops: { N, cpu: 1, count: 3, at: 0ms }";
    assert_eq!(derived("guest: { command-line: [oops=panic] }", &[oops]), [Oops]);
    let (warn, sleeper) = ("warn: { N, cpu: 1, at: 0ms }", "block: { N, cpu: 1, for: forever, at: 0ms }");
    for (actors, limit, end) in [
        (vec![oops], "oops_limit", OopsLimit),
        (vec![warn; 3], "warn_limit", WarnLimit),
        (vec![sleeper; 3], "hung_task_panic", HungTask),
    ] {
        assert_eq!(derived(&sysctl(limit, 3), &actors), [end]);
        assert_eq!(derived(&sysctl(limit, 4), &actors), [], "one too few");
        assert_eq!(derived(&sysctl(limit, 0), &actors), [], "no limit");
    }
    // Those that wait for the console's lock: the others that take it, or somebody of the kernel's own.
    let holder = "hold: { N, cpu: 1, lock: console, in: thread, for: forever, at: 0ms }";
    for (holders, number, end) in [(1, 1, &[HungTask][..]), (1, 2, &[]), (3, 2, &[HungTask]), (3, 3, &[]), (3, 0, &[])]
    {
        assert_eq!(derived(&sysctl("hung_task_panic", number), &vec![holder; holders]), end, "{holders} {number}");
    }
    // Nobody notices a stall who does not wait for a grace period.
    let waiter = "synchronize-rcu: { N, cpu: 2, for: forever, at: 0ms }";
    assert_eq!(derived(&sysctl("panic_on_rcu_stall", 1), &[spin, waiter]), [RcuStall]);
    assert_eq!(derived(&sysctl("panic_on_rcu_stall", 1), &[spin]), []);
    // Each once, and all of them.
    assert_eq!(derived(&sysctl("panic_on_oops", 1), &[oops, oops, "panic: { N, cpu: 2, at: 0ms }"]), [Oops, Panic]);
    for never in ["print: { N, cpu: 1, count: 1, at: 0ms }", "harvest: { N, cpu: 1, for: 1s, at: 0ms }"] {
        assert_eq!(derived(&sysctl("panic_on_oops", 1), &[never]), []);
    }
}

#[test]
fn what_is_not_known_is_a_warning() {
    let warning = |lines: &str| scenario(lines).warning.map(|warning| warning.to_string()).unwrap_or_default();
    assert_snapshot!(warning("actors:\n  - warn: { name: w, cpu: 1, at: 0ms }"), @"
    reading scenarios/x.yaml: nothing is known to end the guest
      --> scenarios/x.yaml:7:19
      |
    7 |   - warn: { name: w, cpu: 1, at: 0ms }
      |                   ^

    hint: say what it ends by, `ends-by: survives` if by nothing; known are a `panic`, a `reboot` and their like, and what a sysctl turns into a panic, such as kernel.panic_on_oops
    ");
    let stall = "knobs: [sysctl: { name: kernel.panic_on_rcu_stall, value: $on }]\nparams: { on: [0, 1] }\nactors:\n  \
                 - spin: { name: s, cpu: 1, for: forever, at: 0ms }";
    assert!(warning(stall).contains("nothing is known to end the guest at on=0"), "one for all points");
    let stall = stall.replace("[0, 1]", "[1, 2]");
    assert!(warning(&stall).contains("add a `synchronize-rcu`"), "{}", warning(&stall));
    // The author's word goes.
    assert_eq!(warning(&format!("ends-by: rcu-stall\n{stall}")), "");
    assert_eq!(warning(&format!("ends-by: survives\n{stall}")), "");
}

#[test]
fn the_authors_word_goes() {
    let said = |ends: &str| {
        let lines = format!(
            "ends-by: {ends}\nparams: {{ how: [panic, reboot] }}\nactors:\n  - panic: {{ name: p, cpu: 1, at: 0ms }}\n  \
             - print: {{ name: w, cpu: 2, at: 0ms, count: 1, in: $how }}\n"
        );
        let lines = lines.replace(", in: $how", if ends.contains("$how") { "" } else { ", in: $in" });
        scenario(&if ends.contains("$how") {
            lines
        } else {
            lines.replace("how: [panic, reboot]", "in: [thread, irqs-off]")
        })
    };
    let by = |scenario: &Scenario| -> Vec<Ends> { instances(scenario).iter().map(|it| it.ends.clone()).collect() };
    let is = |by: &[EndsBy]| Ends { by: by.to_vec(), said: true };
    assert_eq!(by(&said("nmi")), [is(&[EndsBy::Nmi]), is(&[EndsBy::Nmi])]);
    assert_eq!(by(&said("$how")), [is(&[EndsBy::Panic]), is(&[EndsBy::Reboot])]);
    let some = by(&said("[{ end: nmi }, { end: survives, where: { in: [irqs-off] } }]"));
    assert_eq!(some, [is(&[EndsBy::Nmi]), is(&[EndsBy::Nmi, EndsBy::Survives])]);
    // Where nothing is said, it is what follows.
    let some = by(&said("[{ end: nmi, where: { in: [thread] } }]"));
    assert_eq!(some, [is(&[EndsBy::Nmi]), Ends { by: vec![EndsBy::Panic], said: false }]);
}

#[test]
fn where_only_the_author_knows_of_a_panic_its_notifiers_are_called() {
    let lines = "actors:\n  - spin: { name: n, cpu: 1, in: notifier, for: 1ms }\n";
    assert_eq!(refused(lines), "nothing panics on CPU 1, so `n` never acts");
    assert_eq!(refused(&format!("ends-by: soft-lockup\n{lines}")), "accepted");
    assert_eq!(refused(&format!("ends-by: survives\n{lines}")), "nothing panics on CPU 1, so `n` never acts");
}

#[test]
fn ends_and_actors_that_cannot_be() {
    let panic = "actors: [panic: { name: p, cpu: 0, at: 0ms }]";
    assert_eq!(refused(&format!("ends-by: []\n{panic}")), "nothing is listed");
    assert_eq!(refused(&format!("ends-by: old-age\n{panic}")), "`old-age` cannot be what a guest ends by");
    assert_eq!(refused("actors: []"), "there are no `actors`");
    let exits = "  - exit: { name: a, cpu: 0, at: 0ms }\n  - exit: { name: b, cpu: 1, at: 0ms }\n";
    assert_eq!(refused(&format!("actors:\n{exits}")), "the agent ends once, and no second time");
    let call = "actors: [call: { name: c, cpu: 0, to: 4, at: 0ms }]";
    assert_eq!(refused(call), "the guest has no CPU 4");
    for sleeper in [
        "exhaust: { name: a, cpu: 0, in: irqs-off, at: 0ms }",
        "synchronize-rcu: { name: a, cpu: 0, in: softirq, for: 1s, at: 0ms }",
        "reboot: { name: a, cpu: 0, in: hardirq, how: orderly, at: 0ms }",
    ] {
        assert_eq!(refused(&format!("actors: [{sleeper}]")), "`a` sleeps, which only a thread can");
    }
    assert_eq!(refused("actors: [reboot: { name: a, cpu: 0, in: hardirq, at: 0ms }]"), "accepted");
}
