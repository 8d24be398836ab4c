//! Assertions on the order: what they mean, and what their author is told where they cannot be so.

use std::time::Duration;

use insta::assert_snapshot;

use super::{held, params, read, said_of, shipped};
use crate::model::order::{Moment, OrderAssertion};
use crate::model::timeline::StepEdge;
use crate::model::{Channel, ChannelOutcome, ParamValue};
use crate::scenario::Scenario;

/// A scenario that is right; each test of a wrong one replaces one piece of it.
const GOOD: &str = "\
name: bad
title: a title
why: to be refused
source: a test
guest: { cpus: 4 }
params:
  hold: [0ms, 300ms]
actors:
  - spin: { name: spin, cpu: 1, in: irqs-off, at: 0ms, for: $hold }
  - panic: { name: die, cpu: 0, at: 0ms }
order:
  - before: { first: { step: actor, of: spin, edge: end }, then: { step: panic } }
  - before: { first: { step: notifier, of: hung_task_panic }, then: { step: dumper, of: pstore_dump } }
  - stopped-before: { moment: { step: kmsg_dump, after: panic }, where: { hold: [300ms] } }
  - nothing-after-stopped: {}
  - count: { moment: { step: smp_send_stop }, times: 1 }
  - within: { from: { step: smp_send_stop }, to: { step: smp_send_stop, edge: end }, at-most: $hold }
expect:
  - { channel: order, outcome: kept }
";

/// What is said of it with `old` replaced by `new`.
fn with(old: &str, new: &str) -> String {
    said_of(GOOD, old, new)
}

fn moment(step: &str, of: &str, edge: StepEdge, after: Option<&str>) -> Moment {
    Moment { step: step.to_owned(), of: of.to_owned(), edge, after: after.map(str::to_owned) }
}

fn plain(step: &str) -> Moment {
    moment(step, "", StepEdge::Begin, None)
}

#[test]
fn an_instance_has_the_assertions_of_its_point() {
    let scenario = read("bad", GOOD).unwrap();
    let at = |hold: &str| {
        let point = params(&[("hold", ParamValue::Text(hold.to_owned()))]);
        scenario.at(&point).unwrap().order.clone()
    };
    let expected = [
        OrderAssertion::Before { first: moment("actor", "spin", StepEdge::End, None), then: plain("panic") },
        OrderAssertion::Before {
            first: moment("notifier", "hung_task_panic", StepEdge::Begin, None),
            then: moment("dumper", "pstore_dump", StepEdge::Begin, None),
        },
        OrderAssertion::StoppedBefore { moment: moment("kmsg_dump", "", StepEdge::Begin, Some("panic")) },
        OrderAssertion::NothingAfterStopped,
        OrderAssertion::Count { moment: plain("smp_send_stop"), times: 1 },
        OrderAssertion::Within {
            from: plain("smp_send_stop"),
            to: moment("smp_send_stop", "", StepEdge::End, None),
            at_most: Duration::from_millis(300),
        },
    ];
    assert_eq!(at("300ms"), expected);
    // Without the one that is not asserted there, and with another time.
    let elsewhere = at("0ms");
    assert_eq!((elsewhere.len(), &elsewhere[..2], &elsewhere[2..4]), (5, &expected[..2], &expected[3..5]));
    assert!(matches!(elsewhere[4], OrderAssertion::Within { at_most: Duration::ZERO, .. }));
    let shown: Vec<String> = expected.iter().map(ToString::to_string).collect();
    assert_snapshot!(shown.join("\n"), @"
    actor spin end before panic
    notifier hung_task_panic before dumper pstore_dump
    all other CPUs stopped before kmsg_dump after panic
    nothing on a CPU after it was stopped
    smp_send_stop once
    from smp_send_stop to smp_send_stop end within 300ms
    ");
}

#[test]
fn the_basic_scenarios_assert_that_the_others_are_stopped_when_the_panic_is_dumped() {
    let stopped = OrderAssertion::StoppedBefore { moment: moment("kmsg_dump", "", StepEdge::Begin, Some("panic")) };
    let all = shipped();
    for name in ["panic-alone", "oops-then-panic", "panic-during-oops-dump"] {
        let scenario = Scenario::find(&all, name).unwrap();
        for point in scenario.points() {
            let instance = scenario.at(&point).unwrap();
            assert!(instance.order.contains(&stopped), "{} {point:?}", scenario.name);
            let kept =
                |it: &crate::model::Expectation| (it.channel, it.outcome) == (Channel::Order, ChannelOutcome::Kept);
            assert!(instance.expectations.iter().any(kept), "{} {point:?}", scenario.name);
        }
    }
    // Which stop it is depends on crash_kexec_post_notifiers.
    let scenario = Scenario::find(&all, "panic-during-oops-dump").unwrap();
    for (post_notifiers, stop) in [(0, "smp_send_stop"), (1, "crash_smp_send_stop")] {
        let order = &scenario.at(&held("300ms", post_notifiers)).unwrap().order;
        assert_eq!(order[1..], [OrderAssertion::Count { moment: plain(stop), times: 1 }]);
    }
}

#[test]
fn unknown_steps() {
    assert_snapshot!(with("{ step: panic } }", "{ step: pnaic } }"), @"
    reading scenarios/bad.yaml: no step `pnaic`
       --> scenarios/bad.yaml:12:74
       |
    12 |   - before: { first: { step: actor, of: spin, edge: end }, then: { step: pnaic } }
       |                                                                          ^^^^^

    hint: did you mean `panic`? (known: actor, oops_begin, oops_end, crash_kexec_oops, panic, nmi_panic, panic_cpu, panic_self_stop, panic_redirect, smp_send_stop, crash_smp_send_stop, stop_ipi, stop_nmi, stopped, panic_notifiers, notifier, sys_info, kmsg_dump, dumper, backend_write, crash_kexec, machine_kexec, capture, console_unblank, console_flush_on_panic, emergency_restart, printk, firmware, nmi, cpu_down, cpu_up, touch_nmi_watchdog, touch_softlockup_watchdog, bust_spinlocks)
    ");
    assert_snapshot!(with("after: panic", "after: painc"), @"
    reading scenarios/bad.yaml: no step `painc`
       --> scenarios/bad.yaml:14:57
       |
    14 |   - stopped-before: { moment: { step: kmsg_dump, after: painc }, where: { hold: [300ms] } }
       |                                                         ^^^^^

    hint: did you mean `panic`? (known: actor, oops_begin, oops_end, crash_kexec_oops, panic, nmi_panic, panic_cpu, panic_self_stop, panic_redirect, smp_send_stop, crash_smp_send_stop, stop_ipi, stop_nmi, stopped, panic_notifiers, notifier, sys_info, kmsg_dump, dumper, backend_write, crash_kexec, machine_kexec, capture, console_unblank, console_flush_on_panic, emergency_restart, printk, firmware, nmi, cpu_down, cpu_up, touch_nmi_watchdog, touch_softlockup_watchdog, bust_spinlocks)
    ");
    assert_snapshot!(with("edge: end }, then", "edge: ends }, then"), @"
    reading scenarios/bad.yaml: `order[0].before.first.edge` cannot be `ends`
       --> scenarios/bad.yaml:12:53
       |
    12 |   - before: { first: { step: actor, of: spin, edge: ends }, then: { step: panic } }
       |                                                     ^^^^

    hint: did you mean `end`? (known: begin, end)
    ");
    assert_snapshot!(with("moment: { step: smp_send_stop }", "moment: { stpe: smp_send_stop }"), @"
    reading scenarios/bad.yaml: unknown key `stpe` in `order[4].count.moment`
       --> scenarios/bad.yaml:16:24
       |
    16 |   - count: { moment: { stpe: smp_send_stop }, times: 1 }
       |                        ^^^^

    hint: did you mean `step`? (known: step, of, edge, after)
    ");
}

#[test]
fn what_a_step_does_not_have() {
    assert_snapshot!(with("then: { step: panic }", "then: { step: panic, edge: end }"), @"
    reading scenarios/bad.yaml: the end of `panic` is not seen
       --> scenarios/bad.yaml:12:87
       |
    12 |   - before: { first: { step: actor, of: spin, edge: end }, then: { step: panic, edge: end } }
       |                                                                                       ^^^

    hint: leave `edge` out
    ");
    assert_snapshot!(with("moment: { step: smp_send_stop }", "moment: { step: smp_send_stop, of: x }"), @"
    reading scenarios/bad.yaml: there is one `smp_send_stop` only
       --> scenarios/bad.yaml:16:49
       |
    16 |   - count: { moment: { step: smp_send_stop, of: x }, times: 1 }
       |                                                 ^

    hint: steps that have several: actor, panic_self_stop, stop_nmi, stopped, notifier, dumper, backend_write, capture
    ");
    assert_snapshot!(with("of: spin, edge", "of: sipn, edge"), @"
    reading scenarios/bad.yaml: no actor `sipn`
       --> scenarios/bad.yaml:12:41
       |
    12 |   - before: { first: { step: actor, of: sipn, edge: end }, then: { step: panic } }
       |                                         ^^^^

    hint: did you mean `spin`? (known: spin, die)
    ");
    assert_snapshot!(with("of: pstore_dump", "of: 'pstore dump'"), @"
    reading scenarios/bad.yaml: `pstore dump` cannot be a function
       --> scenarios/bad.yaml:13:89
       |
    13 |  of: hung_task_panic }, then: { step: dumper, of: 'pstore dump' } }
       |                                                   ^^^^^^^^^^^^^

    hint: a function's name is made of letters, digits, `_` and `.`
    ");
}

#[test]
fn assertions_that_are_none() {
    assert_snapshot!(with("nothing-after-stopped: {}", "nothing-after-stop: {}"), @"
    reading scenarios/bad.yaml: `order[3]` cannot be `nothing-after-stop`
       --> scenarios/bad.yaml:15:5
       |
    15 |   - nothing-after-stop: {}
       |     ^^^^^^^^^^^^^^^^^^

    hint: did you mean `nothing-after-stopped`? (known: before, stopped-before, nothing-after-stopped, count, within)
    ");
    assert_snapshot!(with("first: { step: actor, of: spin, edge: end }", "first: { step: panic }"), @"
    reading scenarios/bad.yaml: a moment cannot come before itself
       --> scenarios/bad.yaml:12:53
       |
    12 |   - before: { first: { step: panic }, then: { step: panic } }
       |                                                     ^^^^^
    ");
    assert_snapshot!(with(", times: 1", ""), @"
    reading scenarios/bad.yaml: the key `times` is missing in `order[4].count`
       --> scenarios/bad.yaml:16:14
       |
    16 |   - count: { moment: { step: smp_send_stop } }
       |              ^^^^^^
    ");
    assert_snapshot!(with("at-most: $hold", "at-most: 50"), @"
    reading scenarios/bad.yaml: `50` has no unit
       --> scenarios/bad.yaml:17:95
       |
    17 |   - within: { from: { step: smp_send_stop }, to: { step: smp_send_stop, edge: end }, at-most: 50 }
       |                                                                                               ^^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
    assert_snapshot!(with("hold: [300ms]", "hold: [1s]"), @"
    reading scenarios/bad.yaml: no value `1s` of `hold`
       --> scenarios/bad.yaml:14:82
       |
    14 |   - stopped-before: { moment: { step: kmsg_dump, after: panic }, where: { hold: [1s] } }
       |                                                                                  ^^

    hint: known: 0ms, 300ms
    ");
    let alone = GOOD.replace("cpus: 4", "cpus: 1").replace("cpu: 1", "cpu: 0");
    assert_snapshot!(read("bad", &alone).unwrap_err(), @"
    reading scenarios/bad.yaml: in a guest of one CPU no other is stopped
      --> scenarios/bad.yaml:5:16
      |
    5 | guest: { cpus: 1 }
      |                ^
    ");
}

#[test]
fn outcomes_that_a_channel_never_comes_to() {
    assert_snapshot!(with("outcome: kept", "outcome: saved"), @"
    reading scenarios/bad.yaml: no outcome `saved` of `order`
       --> scenarios/bad.yaml:19:32
       |
    19 |   - { channel: order, outcome: saved }
       |                                ^^^^^

    hint: known: kept, broken
    ");
    assert_snapshot!(with("channel: order, outcome: kept", "channel: pstore, outcome: broken"), @"
    reading scenarios/bad.yaml: no outcome `broken` of `pstore`
       --> scenarios/bad.yaml:19:33
       |
    19 |   - { channel: pstore, outcome: broken }
       |                                 ^^^^^^

    hint: known: saved, truncated, corrupt, unreadable, lost
    ");
}

#[test]
fn an_order_of_which_nothing_is_asserted_is_not_kept() {
    let (head, tail) = GOOD.split_once("order:\n").unwrap();
    let (_, expect) = tail.split_once("expect:\n").unwrap();
    let without = format!("{head}expect:\n{expect}");
    assert_snapshot!(read("bad", &without).unwrap_err(), @"
    reading scenarios/bad.yaml: no assertion on the order is there to be kept
       --> scenarios/bad.yaml:12:32
       |
    12 |   - { channel: order, outcome: kept }
       |                                ^^^^

    hint: assert something under `order`, or narrow the `where`
    ");
    let elsewhere =
        format!("{head}order:\n  - nothing-after-stopped: {{ where: {{ hold: [300ms] }} }}\nexpect:\n{expect}");
    assert_snapshot!(read("bad", &elsewhere).unwrap_err(), @"
    reading scenarios/bad.yaml: no assertion on the order is there to be kept
       --> scenarios/bad.yaml:14:32
       |
    14 |   - { channel: order, outcome: kept }
       |                                ^^^^

    hint: assert something under `order`, or narrow the `where`
    ");
    let there = elsewhere.replace("outcome: kept", "outcome: kept, where: { hold: [300ms] }");
    assert!(read("bad", &there).is_ok());
}

#[test]
fn steps_of_its_own_are_asserted_as_the_others_are() {
    let steps = "steps:\n  - enters: { step: hook, functions: [old_hook, new_hook], returns: true }\n  \
                 - enters: { step: point, functions: [f] }\norder:\n";
    let own = |from: &str, to: &str| {
        let text =
            GOOD.replace("order:\n", steps).replace("{ step: smp_send_stop, edge: end }", "{ step: hook, edge: end }");
        match read(
            "bad",
            &text
                .replace("times: 1", "times: 1 }\n  - count: { moment: { step: point, after: hook }, times: 1")
                .replace(from, to),
        ) {
            Ok(scenario) => Ok(scenario),
            Err(error) => {
                Err(error.to_string().lines().next().unwrap_or_default().replace("reading scenarios/bad.yaml: ", ""))
            }
        }
    };
    let scenario = own("", "").unwrap();
    let instance = scenario.at(&scenario.points()[0]).unwrap();
    assert_eq!(instance.order.last().unwrap().to_string(), "from smp_send_stop to hook end within 0ns");
    let steps: Vec<_> = instance.steps.iter().map(|it| (it.name.as_str(), it.functions.len(), it.returns)).collect();
    assert_eq!(steps, [("hook", 2, true), ("point", 1, false)]);
    // What goes by one name only must be there.
    assert_eq!(instance.needs.functions, ["f"]);
    let said = |from, to| own(from, to).map_or_else(|error| error, |_| "accepted".to_owned());
    assert_eq!(said("step: point, functions", "step: panic, functions"), "there is a step `panic` already");
    assert_eq!(said("step: point, functions", "step: hook, functions"), "there is a step `hook` already");
    assert_eq!(said("step: point, functions", "step: a-b, functions"), "`a-b` cannot be the name of a step");
    assert_eq!(said("functions: [f]", "functions: []"), "it is seen by no function");
    assert_eq!(said("functions: [f]", "functions: [9]"), "`9` cannot be a symbol of the kernel's");
    assert_eq!(said(", returns: true", ""), "the end of `hook` is not seen");
    assert_eq!(said("step: point, after", "step: pint, after"), "no step `pint`");
    assert_eq!(said("step: point, after", "step: point, of: f, after"), "there is one `point` only");
}
