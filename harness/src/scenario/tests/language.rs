//! Every action, context, lock and time, as the agent is told of it; and what a seed draws.

use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{CONTEXTS, NONCE, read};
use crate::model::consoles::FurtherConsole;
use crate::model::{Params, Precondition};
use crate::scenario::{Firing, Instance, Lock, Needs, Scenario, Start};

/// A scenario with these actors and more; whatever else is in it ends the guest.
fn scenario(actors: &str, more: &str) -> Scenario {
    let actors = actors.lines().flat_map(|line| ["  ", line.trim(), "\n"]).collect::<String>();
    let text = format!(
        "name: x\ntitle: t\nwhy: w\nsource: s\ndeadline: 100s\nactors:\n{actors}  - panic: {{ name: end, cpu: 0, at: \
         20s }}\nexpect: []\n{more}"
    );
    read("x", &text).unwrap_or_else(|e| panic!("{e}"))
}

fn only(scenario: &Scenario) -> &Instance {
    scenario.at(&Params::new()).unwrap()
}

/// The lines by which the agent is told of these actors.
fn armed(actors: &str) -> String {
    let scenario = scenario(actors, "");
    let text = only(&scenario).draw(0).to_guest(NONCE, 0, Firing::default());
    let lines = text.lines().filter(|line| line.starts_with("arm ") && !line.starts_with("arm end "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_action() {
    assert_snapshot!(armed("\
  - oops: { name: once, cpu: 1, at: 0ms }
  - oops: { name: often, cpu: 1, kind: page-fault, count: 3, every: 10ms, at: 1ms }
  - panic: { name: p, cpu: 0, in: nmi, at: 500us }
  - warn: { name: w, cpu: 1, at: 0ms }
  - spin: { name: s, cpu: 1, in: irqs-off, for: 700ms, at: 0ms }
  - hold: { name: h, cpu: 2, lock: pstore-buf, in: irqs-off, for: forever, at: 0ms }
  - print: { name: f, cpu: 3, count: 1000, at: 0ms }
  - print: { name: g, cpu: 3, for: forever, every: 5us, at: 0ms }
  - reboot: { name: r, cpu: 0, in: notifier }
  - block: { name: b, cpu: 2, for: forever, at: 0ms }
  - harvest: { name: c, cpu: 2, for: 2s, at: 0ms }
  - nmi: { name: n, cpu: 0, after: { actor: p, delay: 5ms } }
  - fail: { name: refused, in: backend-write, error: ENOSPC }
  - fail: { name: torn, cpu: 1, in: backend-write, kind: torn, part: 2, times: forever }
  - fail: { name: lies, in: backend-write, kind: lies, times: 3, after: { actor: w, edge: left } }
  - fail: { name: firmware, cpu: 0, in: { function: virt_efi_set_variable_nb }, error: EFI_DEVICE_ERROR }
  - fail: { name: number, cpu: 0, in: { function: f }, error: -4095 }
  - cpu-down: { name: off, cpu: 0, target: 3, at: 0ms }
  - cpu-up: { name: on, cpu: 0, target: 3, after: { actor: off, edge: left } }
"), @"
    arm once oops cpu=1 in=thread at_us=0
    arm often oops cpu=1 in=thread kind=page-fault count=3 every_us=10000 at_us=1000
    arm p panic cpu=0 in=nmi at_us=500
    arm w warn cpu=1 in=thread at_us=0
    arm s spin cpu=1 in=irqs-off for_us=700000 at_us=0
    arm h hold cpu=2 in=irqs-off lock=pstore-buf for_us=ever at_us=0
    arm f print cpu=3 in=thread count=1000 at_us=0
    arm g print cpu=3 in=thread for_us=ever every_us=5 at_us=0
    arm r reboot cpu=0 in=notifier-first
    arm b block cpu=2 in=thread for_us=ever at_us=0
    arm c harvest cpu=2 in=thread for_us=2000000 at_us=0
    arm refused fail cpu=any in=function function=erst_writer kind=error error=-28 part=any count=1
    arm torn fail cpu=1 in=function function=erst_writer kind=torn part=2
    arm firmware fail cpu=0 in=function function=virt_efi_set_variable_nb kind=error error=-9223372036854775801 count=1
    arm number fail cpu=0 in=function function=f kind=error error=-4095 count=1
    arm off cpu-down cpu=0 in=thread target=3 at_us=0
    arm n nmi cpu=0
    arm lies fail cpu=any in=function function=erst_writer kind=lies part=any count=3 after=w edge=left delay_us=0
    arm on cpu-up cpu=0 in=thread target=3 after=off edge=left delay_us=0
    ");
}

#[test]
fn an_actor_on_all_cpus_is_one_on_each_that_is_online() {
    let more = "guest: { cpus: 4, online: 3 }\n";
    let scenario = scenario(
        "- print: { name: flood, cpu: all, count: 1, at: 0ms }\n- warn: { name: w, cpu: any-other, at: 0ms }",
        more,
    );
    let instance = only(&scenario);
    let names: Vec<&str> = instance.actors.iter().map(|actor| actor.name.as_str()).collect();
    assert_eq!(names, ["flood-0", "flood-1", "flood-2", "w", "end"]);
    assert_eq!(instance.guest.command_line, ["maxcpus=3"]);
    assert_eq!(instance.draw(7).actors.iter().filter(|actor| actor.cpu > 2).count(), 0);
}

#[test]
fn a_cpu_may_be_a_parameters() {
    let more = "params:\n  cpu: [1, any-other, all-others, all]\n";
    let scenario = scenario("- warn: { name: w, cpu: $cpu, at: 0ms }", more);
    let names: Vec<Vec<&str>> = scenario
        .points()
        .iter()
        .map(|point| scenario.at(point).unwrap().actors.iter().map(|actor| actor.name.as_str()).collect())
        .collect();
    let (one, others) = (vec!["w", "end"], vec!["w-1", "w-2", "w-3", "end"]);
    assert_eq!(names, [one.clone(), one, others, vec!["w-0", "w-1", "w-2", "w-3", "end"]]);
}

#[test]
fn a_parameter_may_have_each_cpu_that_is_online() {
    for (guest, many) in [("{ cpus: 3 }", 3), ("{ cpus: 4, online: 2 }", 2), ("{ command-line: [maxcpus=1] }", 1)] {
        let more = format!("params:\n  cpu: all\nguest: {guest}\n");
        let scenario = scenario("- warn: { name: w, cpu: $cpu, at: 0ms }", &more);
        let values = || (0..many).map(crate::model::ParamValue::Number);
        assert!(scenario.parameters[0].values.iter().cloned().eq(values()), "{guest}: {:?}", scenario.parameters);
    }
}

#[test]
fn how_many_cpus_are_online_is_what_the_command_line_says() {
    for (words, online) in [
        ("", 4),
        ("quiet maxcpus=2", 2),
        ("maxcpus=2 maxcpus=3", 3),
        ("maxcpus=0", 1),
        ("nosmp", 1),
        ("nr_cpus=2", 2),
        ("possible_cpus=3 maxcpus=8", 3),
        ("maxcpus=two nr_cpus=0", 4),
    ] {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        assert_eq!(crate::scenario::online(4, &words), online, "{words:?}");
    }
    let scenario = scenario("- warn: { name: w, cpu: any-other, at: 0ms }", "");
    let cut_off = only(&scenario).is_cut_off(2).unwrap();
    assert_eq!(cut_off, "`w` may be on CPU 3, and the kernel brings up 2 of 4");
    assert_eq!(only(&scenario).is_cut_off(4), None);
}

#[test]
fn how_a_crash_kernel_is_booted_may_be_said_at_length() {
    let of = |kdump: &str| {
        let guest = format!("guest: {{ kdump: {kdump} }}\n");
        let scenario = scenario("- warn: { name: w, cpu: 1, at: 0ms }", &guest);
        let guest = only(&scenario).guest.clone();
        (guest.crashkernel_mib, guest.crash_boot.cpus, guest.crash_boot.command_line)
    };
    assert_eq!(of("loaded"), (Some(32), 1, vec![]));
    assert_eq!(of("{}"), (Some(32), 1, vec![]));
    assert_eq!(of("{ reserve: 48MiB, cpus: 2, command-line: [irqpoll] }"), (Some(48), 2, vec!["irqpoll".to_owned()]));
    assert_eq!(of("{ reserve: none }").0, None);
}

#[test]
fn a_wait_may_be_a_parameters() {
    let more = "params:\n  long: [2s, 20s]\nwaits:\n  - { function: my_notifier, at-most: $long }\n";
    let scenario = scenario("- warn: { name: w, cpu: 1, at: 0ms }", more);
    let waits = |point: usize| scenario.at(&scenario.points()[point]).unwrap().waits.clone();
    assert_eq!(waits(0), [("my_notifier".to_owned(), Duration::from_secs(2))]);
    assert_eq!(waits(1), [("my_notifier".to_owned(), Duration::from_secs(20))]);
}

#[test]
fn every_context() {
    let actor = |(n, context)| format!("  - spin: {{ name: s{n}, cpu: 0, in: {context}, for: 1us, at: 0ms }}\n");
    let actors: String = CONTEXTS.iter().enumerate().map(actor).collect();
    assert_snapshot!(armed(&actors), @"
    arm s0 spin cpu=0 in=thread for_us=1 at_us=0
    arm s1 spin cpu=0 in=preempt-off for_us=1 at_us=0
    arm s2 spin cpu=0 in=irqs-off for_us=1 at_us=0
    arm s3 spin cpu=0 in=softirq for_us=1 at_us=0
    arm s4 spin cpu=0 in=hardirq for_us=1 at_us=0
    arm s5 spin cpu=0 in=nmi for_us=1 at_us=0
    arm s6 spin cpu=0 in=stop-machine for_us=1 at_us=0
    arm s7 spin cpu=0 in=function function=tick_nohz_idle_enter for_us=1 at_us=0
    arm s8 spin cpu=0 in=notifier-first for_us=1 at_us=0
    arm s9 spin cpu=0 in=notifier-last for_us=1 at_us=0
    arm s10 spin cpu=0 in=notifier-hypervisor for_us=1 at_us=0
    arm s11 spin cpu=0 in=notifier-info for_us=1 at_us=0
    arm s12 spin cpu=0 in=notifier-pre-reboot for_us=1 at_us=0
    arm s13 spin cpu=0 in=notifier-post-reboot for_us=1 at_us=0
    arm s14 spin cpu=0 in=function function=pstore_dump for_us=1 at_us=0
    arm s15 spin cpu=0 in=function function=erst_write for_us=1 at_us=0
    arm s16 spin cpu=0 in=function function=serial8250_console_write for_us=1 at_us=0
    arm s17 spin cpu=0 in=function function=vprintk_emit for_us=1 at_us=0
    ");
}

#[test]
fn in_a_context_where_something_comes_by_an_actor_needs_no_time() {
    assert_snapshot!(armed("\
  - warn: { name: any, cpu: 0, in: notifier }
  - warn: { name: at, cpu: 0, in: notifier, at: 5ms }
  - warn: { name: after, cpu: 0, in: idle, after: { actor: any, edge: left } }
  - warn: { name: woken, cpu: 0, in: idle }
"), @"
    arm any warn cpu=0 in=notifier-first
    arm at warn cpu=0 in=notifier-first at_us=5000
    arm woken warn cpu=0 in=function function=tick_nohz_idle_enter at_us=0
    arm after warn cpu=0 in=function function=tick_nohz_idle_enter after=any edge=left delay_us=0
    ");
}

#[test]
fn every_lock() {
    let locks = [
        "pstore-buf",
        "erst",
        "console",
        "console-sem",
        "uart-port",
        "die",
        "module",
        "logbuf",
        "efivars",
        "efivars-sem",
        "efi-runtime",
        "efi-runtime-sem",
    ];
    let actor = |lock| format!("  - hold: {{ name: {lock}, cpu: 0, lock: {lock}, for: 1us, at: 0ms }}\n");
    let zone =
        "  - hold: { name: zone, cpu: 0, lock: ramoops-zone, in: { function: persistent_ram_write }, for: 1us }\n";
    let actors: String = locks.iter().map(actor).chain([zone.to_owned()]).collect();
    assert_snapshot!(armed(&actors), @"
    arm pstore-buf hold cpu=0 in=thread lock=pstore-buf for_us=1 at_us=0
    arm erst hold cpu=0 in=thread lock=erst for_us=1 at_us=0
    arm console hold cpu=0 in=thread lock=console for_us=1 at_us=0
    arm console-sem hold cpu=0 in=thread lock=console-sem for_us=1 at_us=0
    arm uart-port hold cpu=0 in=thread lock=uart-port for_us=1 at_us=0
    arm die hold cpu=0 in=thread lock=die for_us=1 at_us=0
    arm module hold cpu=0 in=thread lock=module for_us=1 at_us=0
    arm logbuf hold cpu=0 in=thread lock=logbuf for_us=1 at_us=0
    arm efivars hold cpu=0 in=thread lock=efivars for_us=1 at_us=0
    arm efivars-sem hold cpu=0 in=thread lock=efivars-sem for_us=1 at_us=0
    arm efi-runtime hold cpu=0 in=thread lock=efi-runtime for_us=1 at_us=0
    arm efi-runtime-sem hold cpu=0 in=thread lock=efi-runtime-sem for_us=1 at_us=0
    arm zone hold cpu=0 in=function function=persistent_ram_write lock=ramoops-zone for_us=1
    ");
}

#[test]
fn what_the_actors_need_is_added_to_what_the_file_says() {
    let actors = "\
  - hold: { name: a, cpu: 0, lock: pstore-buf, for: 1us, at: 0ms }
  - hold: { name: b, cpu: 0, lock: uart-port, for: 1us, at: 0ms }
  - harvest: { name: c, cpu: 0, for: 1us, at: 0ms }
  - spin: { name: d, cpu: 0, in: { function: vprintk_emit }, for: 1us }
  - spin: { name: e, cpu: 0, in: dumper, for: 1us }
";
    let needs =
        "needs: { since: \"6.1\", until: 6.12.117, functions: [vpanic], symbols: [psinfo], config: [CONFIG_X] }\n";
    let scenario = scenario(actors, needs);
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected = Needs {
        since: Some("6.1".to_owned()),
        until: Some("6.12.117".to_owned()),
        functions: list(&["vpanic", "serial8250_get_port", "vprintk_emit", "pstore_dump"]),
        symbols: list(&["psinfo"]),
        config: list(&["CONFIG_X"]),
        spinning: vec![Lock::UartPort],
    };
    assert_eq!(only(&scenario).needs, expected);
}

#[test]
fn a_back_end_fails_where_pstore_calls_it() {
    let functions = |guest: &str| {
        let scenario = scenario("  - fail: { name: f, in: backend-write, kind: lies }\n", guest);
        let instance = only(&scenario);
        (instance.needs.functions.clone(), instance.draw(0).to_guest(NONCE, 0, Firing::default()))
    };
    for (guest, function) in [
        ("", "erst_writer"),
        ("guest: { pstore: { ramoops: {} } }\n", "ramoops_pstore_write"),
        ("guest: { pstore: efi }\n", "efi_pstore_write"),
    ] {
        let (needed, told) = functions(guest);
        assert_eq!(needed, [function]);
        assert!(told.contains(&format!("arm f fail cpu=any in=function function={function} ")), "{told}");
    }
}

#[test]
fn errors_and_ways_to_fail_may_be_parameters() {
    let actors = "  - fail: { name: f, cpu: $cpu, in: backend-write, error: $error, times: $times, part: $part }\n";
    let more = "params: { error: [EBUSY, -28], times: [2, forever], part: [1], cpu: [any-other] }\n";
    let told: Vec<String> = scenario(&format!("{actors}  - oops: {{ name: o, cpu: all-others, at: 0ms }}"), more)
        .points()
        .iter()
        .map(|point| {
            let scenario = scenario(&format!("{actors}  - oops: {{ name: o, cpu: all-others, at: 0ms }}"), more);
            let text = scenario.at(point).unwrap().draw(0).to_guest(NONCE, 0, Firing::default());
            text.lines().find_map(|line| line.split_once("kind=error ")).unwrap().1.to_owned()
        })
        .collect();
    assert_eq!(told, ["error=-16 part=1 count=2", "error=-16 part=1", "error=-28 part=1 count=2", "error=-28 part=1"]);
}

#[test]
fn the_rest_of_a_scenario() {
    let full = scenario("", "quiet: 5s\npanic-line: \"watchdog: Hard LOCKUP\"\n");
    assert_eq!(only(&full).quiet, Duration::from_secs(5));
    assert_eq!(only(&full).panic_line.as_deref(), Some("watchdog: Hard LOCKUP"));
    let plain = scenario("", "");
    assert_eq!((only(&plain).quiet, &only(&plain).panic_line), (Duration::from_secs(3), &None));
}

#[test]
fn all_others_are_those_that_no_actor_is_on_by_number() {
    let actors = "\
  - print: { name: f, cpu: all-others, count: 9, at: 0ms }
  - spin: { name: s, cpu: 2, for: 1s, after: { actor: f-3 } }
  - warn: { name: w, cpu: any-other, at: 0ms }
";
    let scenario = scenario(actors, "meet:\n  - enters-during: { actor: end, of: f }\n");
    let instance = only(&scenario);
    let names: Vec<&str> = instance.actors.iter().map(|actor| actor.name.as_str()).collect();
    assert_eq!(names, ["f-1", "f-3", "s", "w", "end"]);
    let during = |of: &str| Precondition::EntersDuring { actor: "end".to_owned(), of: of.to_owned() };
    assert_eq!(instance.preconditions[5..], [during("f-1"), during("f-3")]);
    let drawn = instance.draw(0);
    assert_eq!(drawn.actors.iter().map(|actor| actor.cpu).collect::<Vec<_>>()[..3], [1, 3, 2]);
    assert!([1, 3].contains(&drawn.actors[3].cpu));
}

#[test]
fn the_meetings() {
    let actors = "\
  - spin: { name: s, cpu: 1, for: 1s, at: 0ms }
  - panic: { name: p, cpu: 1, at: 0ms }
";
    let meet = "meet:\n  - left: { actor: s }\n  - never-left: { actor: s }\n  - apart: { actor: p, from: end, at-most: 50us }\n";
    let scenario = scenario(actors, meet);
    let name = |name: &str| name.to_owned();
    let expected = [
        Precondition::Left { actor: name("s") },
        Precondition::NeverLeft { actor: name("s") },
        Precondition::Apart { actor: name("p"), from: name("end"), at_most: Duration::from_micros(50) },
    ];
    assert_eq!(only(&scenario).preconditions[3..], expected);
}

/// Two actors on CPUs that are drawn, at times that are.
const DRAWN: &str = "\
  - spin: { name: u, cpu: any-other, for: 1s, at: \"uniform(2ms,10ms)\" }
  - spin: { name: e, cpu: any-other, for: exponential(5ms), after: { actor: u, delay: 3us } }
";

#[test]
fn what_a_seed_draws_is_written_down_here() {
    let scenario = scenario(DRAWN, "");
    let told = |seed| {
        let text = only(&scenario).draw(seed).to_guest(NONCE, 0, Firing::default());
        let lines = text.lines().filter(|line| line.starts_with("arm u ") || line.starts_with("arm e "));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!([0, 1, u64::MAX].map(told).join("\n"), @"
    arm u spin cpu=2 in=thread for_us=1000000 at_us=2371
    arm e spin cpu=3 in=thread for_us=365 after=u edge=entered delay_us=3
    arm u spin cpu=3 in=thread for_us=1000000 at_us=4733
    arm e spin cpu=2 in=thread for_us=4657 after=u edge=entered delay_us=3
    arm u spin cpu=2 in=thread for_us=1000000 at_us=9957
    arm e spin cpu=1 in=thread for_us=536 after=u edge=entered delay_us=3
    ");
}

#[test]
fn one_more_actor_changes_nothing_for_the_others() {
    let (few, many) =
        (scenario(DRAWN, ""), scenario(&format!("  - warn: {{ name: w, cpu: 0, at: 0ms }}\n{DRAWN}"), ""));
    assert_eq!(only(&few).draw(7).actors[..2], only(&many).draw(7).actors[1..3]);
}

proptest! {
    #[test]
    fn one_seed_draws_the_same_and_within_bounds(seed: u64) {
        let scenario = scenario(DRAWN, "");
        let drawn = only(&scenario).draw(seed);
        prop_assert_eq!(&drawn, &only(&scenario).draw(seed));
        let [uniform, exponential, _] = &drawn.actors[..] else { unreachable!() };
        prop_assert!((1..4).contains(&uniform.cpu) && (1..4).contains(&exponential.cpu));
        prop_assert_ne!(uniform.cpu, exponential.cpu);
        let ms = Duration::from_millis;
        let Some(Start::At(at)) = uniform.start else { unreachable!() };
        prop_assert!((ms(2)..=ms(10)).contains(&at), "{:?}", at);
        prop_assert!(exponential.action.budget_us() <= 50_000);
    }
}

#[test]
fn what_is_drawn_is_distributed_as_is_said() {
    let scenario = scenario(DRAWN, "");
    let many = 4000u32;
    let (mut first, mut below, mut short) = (0, 0, 0);
    for seed in 0..many {
        let drawn = only(&scenario).draw(u64::from(seed));
        first += u32::from(drawn.actors[0].cpu == 1);
        below += u32::from(matches!(drawn.actors[0].start, Some(Start::At(at)) if at < Duration::from_millis(6)));
        short += u32::from(drawn.actors[1].action.budget_us() < 5000);
    }
    let share = |of: u32| f64::from(of) / f64::from(many);
    // A third, a half, and 1 - 1/e; four standard deviations are some 0.03.
    assert!((share(first) - 1.0 / 3.0).abs() < 0.03, "{first}");
    assert!((share(below) - 0.5).abs() < 0.03, "{below}");
    assert!((share(short) - 0.632).abs() < 0.03, "{short}");
}

#[test]
fn ranges_of_a_sweep() {
    // The values of the sweep, and how many of them lie up to `to`.
    let values_up_to = |to: &str, range: &str| {
        let text = format!(
            "name: x\ntitle: t\nwhy: w\nsource: s\nparams: {{ v: {range} }}\nknobs: [sysctl: {{ name: a, value: $v }}]\n\
             actors: [panic: {{ name: end, cpu: 0, at: 0s }}]\nexpect:\n  - {{ channel: console, outcome: saved, where: {{ \
             v: {{ to: {to} }} }} }}\n"
        );
        let scenario = match read("x", &text) {
            Ok(scenario) => scenario,
            Err(e) => return e.cause().to_owned(),
        };
        let judged = |point: &&Params| !scenario.at(point).unwrap().expectations.is_empty();
        let values: Vec<String> = scenario.parameters[0].values.iter().map(ToString::to_string).collect();
        format!("{} ({} of them)", values.join(" "), scenario.points().iter().filter(judged).count())
    };
    let values = |range: &str| values_up_to(if range.contains("ms") { "200ms" } else { "3" }, range);
    assert_snapshot!(values("{ from: 1, to: 10, step: 3 }"), @"1 4 7 10 (1 of them)");
    assert_snapshot!(values("{ from: 0ms, to: 1s, step: 200ms }"), @"0ms 200ms 400ms 600ms 800ms 1000ms (2 of them)");
    assert_snapshot!(values("{ from: 0ms, to: 2500ms, step: 1s }"), @"0s 1s 2s (1 of them)");
    assert_snapshot!(values("{ from: 0ms, to: 2ms, step: 1500us }"), @"0us 1500us (2 of them)");
    assert_snapshot!(values("{ from: 2, to: 1, step: 1 }"), @"the range ends before it begins");
    assert_snapshot!(values("{ from: 1, to: 2, step: 0 }"), @"the range is never gone through by such steps");
    assert_snapshot!(values("{ from: 1, to: 2s, step: 1 }"), @"the range has numbers and durations in it");
    assert_snapshot!(values("{ from: a, to: b, step: c }"), @"`a` cannot be counted up");
    assert_snapshot!(values("{ from: 0, to: 9999, step: 1 }"), @"the range has more than 1024 values");
    assert_snapshot!(values("{ from: 5, to: 9, step: 1 }"), @"no value of `v` lies there");
    assert_snapshot!(values_up_to("0ms", "{ from: 0, to: 9, step: 1 }"), @"no value of `v` lies there");
    assert_snapshot!(values_up_to("many", "{ from: 0, to: 9, step: 1 }"), @"`many` cannot be the end of a range");
}

#[test]
fn a_lock_that_need_not_be_got_is_not_asked_for() {
    let asked = |more: &str| {
        let hold = format!("hold: {{ name: h, cpu: 1, lock: module, in: irqs-off, for: 1s, at: 0ms{more} }}");
        let text = format!(
            "name: x\ntitle: t\nwhy: w\nsource: s\nactors:\n  - {hold}\n  - panic: {{ name: end, cpu: 0, at: 0s }}\n\
             expect: []\n"
        );
        let scenario = read("x", &text).unwrap();
        scenario.at(&Params::new()).unwrap().preconditions.len()
    };
    assert_eq!((asked(""), asked(", optional: true")), (2, 1));
}

#[test]
fn a_crash_kernel_at_some_points() {
    let scenario = |guest: &str| {
        let text = format!(
            "name: one\ntitle: t\nwhy: w\nsource: s\nparams: {{ image: [none, loaded, 48MiB] }}\nguest: {{ {guest} }}\n\
             actors: [panic: {{ name: p, cpu: 0, at: 0ms }}]\nexpect:\n  \
             - {{ channel: kdump, outcome: saved, where: {{ image: [loaded] }} }}\n"
        );
        read("one", &text).unwrap_or_else(|e| panic!("{e}"))
    };
    let sweep = scenario("kdump: $image, reload-crash-kernel-on: 3");
    let instances = |scenario: &Scenario| {
        scenario.points().iter().map(|point| scenario.at(point).unwrap().clone()).collect::<Vec<Instance>>()
    };
    let points: Vec<_> = instances(&sweep)
        .iter()
        .map(|instance| {
            let needs = instance.needs.config.contains(&"CONFIG_VIRTIO_CONSOLE".to_owned());
            (instance.guest.crashkernel_mib, instance.reload_on, needs, instance.expectations.len())
        })
        .collect();
    assert_eq!(points, [(None, None, false, 0), (Some(32), Some(3), true, 1), (Some(48), Some(3), true, 0)]);
    let told = instances(&sweep)[1].draw(1).to_guest(NONCE, 1, Firing::default());
    assert!(told.ends_with("reload-crash-kernel 3\nfire\n"), "{told}");
    let mut everywhere = sweep;
    everywhere.load_crash_kernel();
    let loaded: Vec<_> = instances(&everywhere).iter().map(|instance| instance.guest.crashkernel_mib).collect();
    assert_eq!(loaded, [Some(32), Some(32), Some(48)]);
}

#[test]
fn each_further_console_is_a_channel_and_needs_its_driver() {
    let scenario = scenario("- warn: { name: w, cpu: 1, at: 0ms }", "guest: { consoles: [netconsole, earlycon] }\n");
    let Instance { guest, needs, .. } = only(&scenario);
    assert!(guest.consoles.iter().eq(&[FurtherConsole::Earlycon, FurtherConsole::Netconsole]));
    for option in ["CONFIG_SERIAL_EARLYCON", "CONFIG_NETCONSOLE", "CONFIG_INET", "CONFIG_E1000"] {
        assert!(needs.config.contains(&option.to_owned()), "{option}");
    }
}
