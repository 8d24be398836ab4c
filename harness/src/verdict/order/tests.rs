use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::model::timeline::AbsentStep;
use crate::model::timeline::STEPS;
use crate::verdict::testlog::timeline;

/// Stock 6.12 with four CPUs; CPU 1 has oopsed and dumped before CPU 0 panics.
const STOCK: &str = "kmsg_dump@1 kmsg_dump:end@1 actor/panic@0 panic@0 panic_cpu@0 crash_kexec@0 crash_kexec:end@0 \
    smp_send_stop@0 stop_ipi@1 stopped@1 stop_ipi@3 stopped@3 stop_ipi@2 stopped@2 smp_send_stop:end@0 \
    panic_notifiers@0 notifier/a@0 notifier/a:end@0 notifier/b@0 notifier/b:end@0 sys_info@0 sys_info:end@0 \
    kmsg_dump@0 dumper/pstore_dump@0 dumper/pstore_dump:end@0 kmsg_dump:end@0 console_unblank@0 emergency_restart@0";

/// `notifier/a:end after panic`
fn moment(text: &str) -> Moment {
    let (what, after) = text.split_once(" after ").map_or((text, None), |(what, after)| (what, Some(after)));
    let Event { step, of, edge, .. } = timeline(&format!("{what}@0")).events.remove(0);
    Moment { step, of, edge, after: after.map(str::to_owned) }
}

fn before(first: &str, then: &str) -> OrderAssertion {
    OrderAssertion::Before { first: moment(first), then: moment(then) }
}

fn stopped_before(at: &str) -> OrderAssertion {
    OrderAssertion::StoppedBefore { moment: moment(at) }
}

fn count(of: &str, times: u32) -> OrderAssertion {
    OrderAssertion::Count { moment: moment(of), times }
}

fn within(from: &str, to: &str, millis: u64) -> OrderAssertion {
    OrderAssertion::Within { from: moment(from), to: moment(to), at_most: Duration::from_millis(millis) }
}

const NOTHING: OrderAssertion = OrderAssertion::NothingAfterStopped;

/// `kept`, `undecided`, or why it is broken.
fn said(assertion: &OrderAssertion, timeline: &Timeline) -> String {
    match judge_order(std::slice::from_ref(assertion), timeline, &[], true) {
        None => "undecided".to_owned(),
        Some(ChannelVerdict { outcome: ChannelOutcome::Kept, witnesses: 1, of: 1, detail, .. })
            if detail.is_empty() =>
        {
            "kept".to_owned()
        }
        Some(ChannelVerdict { outcome: ChannelOutcome::Broken, witnesses: 0, of: 1, detail, .. }) => {
            let first = detail.lines().next().unwrap();
            first.strip_prefix(&format!("{assertion}: ")).unwrap().to_owned()
        }
        Some(other) => panic!("{other:?}"),
    }
}

/// What is said of an assertion on a timeline that was changed.
fn with(assertion: &OrderAssertion, change: impl Fn(&mut Timeline)) -> String {
    let mut timeline = timeline(STOCK);
    change(&mut timeline);
    said(assertion, &timeline)
}

fn beyond(step: &str) -> impl Fn(&mut Timeline) {
    move |timeline| timeline.beyond_limit.extend([(step.to_owned(), 7)])
}

fn absent(step: &str) -> impl Fn(&mut Timeline) {
    move |timeline| timeline.absent.push(AbsentStep { step: step.to_owned(), of: String::new(), why: String::new() })
}

fn dropped(timeline: &mut Timeline) {
    timeline.dropped = 1;
}

/// Without the events of this text.
fn without(what: &str) -> Timeline {
    timeline(&STOCK.replace(what, ""))
}

/// Each with its lines of the console takes more than the detail has room for.
#[test]
fn of_many_broken_assertions_none_is_forgotten() {
    let assertions = Vec::from([1, 2, 3, 4, 5].map(|times| count("panic", times + 1)));
    let text = "x".repeat(LINE_CHARS);
    let lines: Vec<PlacedLine> = (0..20).map(|before| PlacedLine { before, text: text.clone() }).collect();
    let verdict = judge_order(&assertions, &timeline(STOCK), &lines, true).unwrap();
    assert!(verdict.detail.ends_with('…') && !verdict.detail.contains("panic 6 times"), "{}", verdict.detail);
    let named = ["panic 2 times", "panic 3 times", "panic 4 times", "panic 5 times", "panic 6 times"];
    assert_eq!(verdict.broken, named);
}

#[test]
fn one_moment_before_another() {
    let stock = timeline(STOCK);
    assert_eq!(said(&before("panic_cpu", "smp_send_stop"), &stock), "kept");
    assert_eq!(said(&before("smp_send_stop", "panic_cpu"), &stock), "panic_cpu came first");
    assert_eq!(said(&before("smp_send_stop:end", "panic_notifiers"), &stock), "kept");
    assert_eq!(said(&before("panic_notifiers", "smp_send_stop:end"), &stock), "smp_send_stop end came first");
    assert_eq!(said(&before("notifier/a", "notifier/b"), &stock), "kept");
    assert_eq!(said(&before("notifier/b", "notifier/a:end"), &stock), "notifier a end came first");
    assert_eq!(said(&before("machine_kexec", "kmsg_dump"), &stock), "machine_kexec had not come when kmsg_dump did");
    assert_eq!(said(&before("panic", "machine_kexec"), &stock), "machine_kexec never came");
    assert_eq!(said(&before("panic", "notifier/c"), &stock), "notifier c never came");
}

#[test]
fn only_cpus_that_are_online_have_to_be_stopped() {
    let never_up = STOCK.replace("stop_ipi@3 stopped@3 stop_ipi@2 stopped@2", "");
    let asked = stopped_before("kmsg_dump after panic");
    let of = |events: &str, online: Option<&[u32]>| {
        let online = online.map(|online| online.iter().copied().collect());
        said(&asked, &Timeline { online, ..timeline(events) })
    };
    assert_eq!(of(&never_up, None), "not stopped by then: CPU 2, 3");
    assert_eq!(of(&never_up, Some(&[0, 1])), "kept");
    assert_eq!(of(&never_up, Some(&[0, 1, 3])), "not stopped by then: CPU 3");
    // They go down before that, or come up.
    let gone = never_up.replace("actor/panic@0", "cpu_down@2 cpu_down@3 actor/panic@0");
    assert_eq!(of(&gone, None), "kept");
    let back = gone.replace("actor/panic@0", "cpu_up@3 actor/panic@0");
    assert_eq!(of(&back, None), "not stopped by then: CPU 3");
    assert_eq!(of(&back, Some(&[0, 1])), "not stopped by then: CPU 3");
    // After the moment it is too late.
    let late = never_up.replace("console_unblank@0", "cpu_down@2 cpu_down@3");
    assert_eq!(of(&late, None), "not stopped by then: CPU 2, 3");
}

#[test]
fn a_moment_may_need_another_step_of_its_cpu() {
    let stock = timeline(STOCK);
    // The oops was dumped on another CPU, before the panic.
    assert_eq!(said(&before("panic_notifiers", "kmsg_dump"), &stock), "kmsg_dump came first");
    assert_eq!(said(&before("panic_notifiers", "kmsg_dump after panic"), &stock), "kept");
    assert_eq!(said(&before("panic", "kmsg_dump after kmsg_dump"), &stock), "kmsg_dump after kmsg_dump never came");
    let same_cpu = timeline(&STOCK.replace("kmsg_dump@1 kmsg_dump:end@1", "kmsg_dump@0 kmsg_dump:end@0"));
    assert_eq!(said(&before("panic_notifiers", "kmsg_dump after kmsg_dump"), &same_cpu), "kept");
}

#[test]
fn all_others_stopped_before_a_moment() {
    let stock = timeline(STOCK);
    assert_eq!(said(&stopped_before("kmsg_dump after panic"), &stock), "kept");
    assert_eq!(said(&stopped_before("kmsg_dump"), &stock), "not stopped by then: CPU 0, 2, 3");
    assert_eq!(said(&stopped_before("smp_send_stop"), &stock), "not stopped by then: CPU 1, 2, 3");
    assert_eq!(said(&stopped_before("kmsg_dump after panic"), &without("stopped@3")), "not stopped by then: CPU 3");
    let late = timeline(&STOCK.replace("stopped@3", "").replace("kmsg_dump:end@0", "kmsg_dump:end@0 stopped@3"));
    assert_eq!(said(&stopped_before("kmsg_dump after panic"), &late), "not stopped by then: CPU 3");
    assert_eq!(said(&stopped_before("machine_kexec"), &stock), "machine_kexec never came");
    assert_eq!(
        with(&stopped_before("panic_notifiers"), |timeline| timeline.cpus = u32::MAX),
        "not stopped by then: CPU 4, 5, 6, 7, 8, 9, 10, 11"
    );
}

#[test]
fn nothing_after_stopped() {
    assert_eq!(said(&NOTHING, &timeline(STOCK)), "kept");
    assert_eq!(said(&NOTHING, &timeline(&format!("{STOCK} nmi@2"))), "CPU 2 went on");
    assert_eq!(said(&NOTHING, &timeline(&format!("{STOCK} stopped@2"))), "CPU 2 went on");
    assert_eq!(said(&NOTHING, &timeline(&STOCK.replace("stopped@", "stop_nmi@"))), "no CPU was stopped");
    for change in [&dropped as &dyn Fn(&mut Timeline), &beyond("printk"), &absent("stopped")] {
        assert_eq!(with(&NOTHING, change), "undecided");
    }
    // Watchdogs are put off too often for that to be kept; so it tells nothing.
    assert_eq!(with(&NOTHING, beyond("touch_nmi_watchdog")), "kept");
    assert_eq!(said(&NOTHING, &timeline(&format!("{STOCK} touch_softlockup_watchdog@2"))), "kept");
    // What was seen was seen.
    let mut going_on = timeline(&format!("{STOCK} nmi@2"));
    dropped(&mut going_on);
    beyond("printk")(&mut going_on);
    assert_eq!(said(&NOTHING, &going_on), "CPU 2 went on");
    assert_eq!(with(&NOTHING, absent("machine_kexec")), "kept");
}

#[test]
fn a_moment_comes_so_often() {
    let stock = timeline(STOCK);
    assert_eq!(said(&count("smp_send_stop", 1), &stock), "kept");
    assert_eq!(said(&count("machine_kexec", 0), &stock), "kept");
    assert_eq!(said(&count("kmsg_dump", 1), &stock), "it came 2 times");
    assert_eq!(said(&count("kmsg_dump after panic", 1), &stock), "kept");
    assert_eq!(said(&count("machine_kexec", 1), &stock), "it came 0 times");
    assert_eq!(with(&count("kmsg_dump", 2), dropped), "undecided");
    assert_eq!(with(&count("kmsg_dump", 2), beyond("kmsg_dump")), "undecided");
    // More would only make it worse.
    assert_eq!(with(&count("kmsg_dump", 1), dropped), "it came 2 times");
    assert_eq!(with(&count("kmsg_dump", 1), beyond("kmsg_dump")), "it came 2 times");
}

#[test]
fn no_longer_than_a_time() {
    let stock = timeline(STOCK);
    assert_eq!(said(&within("smp_send_stop", "smp_send_stop:end", 7), &stock), "kept");
    assert_eq!(said(&within("smp_send_stop", "smp_send_stop:end", 6), &stock), "it took 7ms");
    // The next one on the same CPU: not the dump of CPU 1, nor the one before.
    assert_eq!(said(&within("panic", "kmsg_dump:end", 22), &stock), "kept");
    assert_eq!(said(&within("panic", "kmsg_dump:end", 21), &stock), "it took 22ms");
    assert_eq!(said(&within("panic", "stopped", 50), &stock), "stopped never came after it on CPU 0");
    assert_eq!(said(&within("machine_kexec", "stopped", 50), &stock), "machine_kexec never came");
    assert_eq!(with(&within("panic", "stopped", 50), dropped), "undecided");
    assert_eq!(with(&within("panic", "stopped", 50), beyond("stopped")), "undecided");
}

#[test]
fn what_the_timeline_does_not_tell_is_not_decided() {
    let in_order = before("panic_cpu", "smp_send_stop");
    // What was dropped came later.
    assert_eq!(with(&in_order, dropped), "kept");
    assert_eq!(with(&before("machine_kexec", "kmsg_dump"), dropped), "machine_kexec had not come when kmsg_dump did");
    assert_eq!(with(&before("panic", "machine_kexec"), dropped), "undecided");
    assert_eq!(with(&stopped_before("machine_kexec"), dropped), "undecided");
    assert_eq!(with(&within("machine_kexec", "panic", 1), dropped), "undecided");
    for change in [beyond("panic_cpu"), beyond("smp_send_stop")] {
        assert_eq!(with(&in_order, change), "undecided");
    }
    assert_eq!(with(&in_order, absent("panic_cpu")), "undecided");
    assert_eq!(with(&in_order, absent("nmi")), "kept");
    for step in ["stopped", "kmsg_dump", "panic"] {
        assert_eq!(with(&stopped_before("kmsg_dump after panic"), absent(step)), "undecided");
        assert_eq!(with(&stopped_before("kmsg_dump after panic"), beyond(step)), "undecided");
    }
}

#[test]
fn what_came_before_the_faults_were_fired_does_not_count() {
    let mut early = timeline(STOCK);
    for event in early.events.iter_mut().take(2) {
        event.ns = -1;
    }
    assert_eq!(said(&count("kmsg_dump", 1), &early), "kept");
    assert_eq!(said(&before("panic_notifiers", "kmsg_dump"), &early), "kept");
}

#[test]
fn one_that_is_broken_breaks_the_order_and_one_that_is_undecided_leaves_it_open() {
    let stock = timeline(STOCK);
    let (kept, open) = (count("panic", 1), count("nmi", 1));
    let broken = count("panic", 2);
    let mut timeline = stock.clone();
    absent("nmi")(&mut timeline);
    let judge = |assertions: &[&OrderAssertion], real_time| {
        let assertions: Vec<OrderAssertion> = assertions.iter().map(|assertion| (*assertion).clone()).collect();
        let verdict = judge_order(&assertions, &timeline, &[], real_time);
        verdict.map(|verdict| (verdict.outcome, verdict.witnesses, verdict.of))
    };
    assert_eq!(judge(&[], true), None);
    assert_eq!(judge(&[&kept, &kept], true), Some((ChannelOutcome::Kept, 2, 2)));
    assert_eq!(judge(&[&kept, &open], true), None);
    assert_eq!(judge(&[&kept, &open, &broken], true), Some((ChannelOutcome::Broken, 1, 2)));
    // Virtual time: how long something took is not asked.
    let slow = within("smp_send_stop", "smp_send_stop:end", 0);
    assert_eq!(judge(&[&kept, &slow], true), Some((ChannelOutcome::Broken, 1, 2)));
    assert_eq!(judge(&[&kept, &slow], false), Some((ChannelOutcome::Kept, 1, 1)));
    assert_eq!(judge(&[&slow], false), None);
}

/// A line for each event, before it.
fn console(events: usize) -> Vec<PlacedLine> {
    (0..events).map(|before| PlacedLine { before, text: format!("[    0.{before:06}] line {before}") }).collect()
}

#[test]
fn the_detail_shows_the_events_between_the_lines_of_the_console() {
    let dump_first = timeline(
        "panic@0 panic_cpu@0 kmsg_dump@0 dumper/pstore_dump@0 dumper/pstore_dump:end@0 kmsg_dump:end@0 \
         smp_send_stop@0 stopped@1 stopped@2 stopped@3 smp_send_stop:end@0",
    );
    let mut lines = console(dump_first.events.len());
    lines[2].text += &"ä".repeat(200);
    let assertions = [stopped_before("kmsg_dump after panic"), before("smp_send_stop:end", "dumper/pstore_dump:end")];
    let verdict = judge_order(&assertions, &dump_first, &lines, true).unwrap();
    assert_snapshot!(verdict.detail, @"
    all other CPUs stopped before kmsg_dump after panic: not stopped by then: CPU 1, 2, 3
      | [    0.000001] line 1
      | [    0.000002] line 2ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää…
      2.000 ms CPU 0: kmsg_dump
      | [    0.000003] line 3
      | [    0.000004] line 4
    smp_send_stop end before dumper pstore_dump end: dumper pstore_dump end came first
      | [    0.000003] line 3
      | [    0.000004] line 4
      4.000 ms CPU 0: dumper pstore_dump end
      | [    0.000005] line 5
      | [    0.000006] line 6
      | [    0.000009] line 9
      | [    0.000010] line 10
      10.000 ms CPU 0: smp_send_stop end
    ");
}

#[test]
fn the_detail_is_bounded() {
    let mut long = timeline(STOCK);
    long.events[0].of = "é".repeat(5000);
    let verdict = judge_order(&[stopped_before("kmsg_dump")], &long, &[], true).unwrap();
    assert!(verdict.detail.len() <= DETAIL_BYTES && verdict.detail.len() > DETAIL_BYTES - 10, "{}", verdict.detail);
    assert!(verdict.detail.ends_with("é…"));
}

/// Steps that assertions are about, few enough to meet each other.
fn step() -> impl Strategy<Value = String> {
    let steps: Vec<String> = STEPS.iter().skip(3).take(9).map(|step| step.name.to_owned()).collect();
    proptest::sample::select(steps)
}

fn edge() -> impl Strategy<Value = StepEdge> {
    prop_oneof![3 => Just(StepEdge::Begin), 1 => Just(StepEdge::End)]
}

fn any_moment() -> impl Strategy<Value = Moment> {
    (step(), prop_oneof![3 => Just(""), 1 => Just("x")], edge(), proptest::option::of(step()))
        .prop_map(|(step, of, edge, after)| Moment { step, of: of.to_owned(), edge, after })
}

fn any_assertion() -> impl Strategy<Value = OrderAssertion> {
    prop_oneof![
        (any_moment(), any_moment()).prop_map(|(first, then)| OrderAssertion::Before { first, then }),
        any_moment().prop_map(|moment| OrderAssertion::StoppedBefore { moment }),
        Just(NOTHING),
        (any_moment(), 0u32..3).prop_map(|(moment, times)| OrderAssertion::Count { moment, times }),
        (any_moment(), any_moment(), any::<u64>()).prop_map(|(from, to, nanos)| OrderAssertion::Within {
            from,
            to,
            at_most: Duration::from_nanos(nanos)
        }),
    ]
}

prop_compose! {
    fn any_timeline()(
        cpus in prop_oneof![0u32..9, any::<u32>()],
        events in prop::collection::vec(
            (any::<i64>(), prop_oneof![0u32..4, any::<u32>()], step(), prop_oneof![Just(""), Just("x")], edge()),
            0..60,
        ),
        beyond in prop::collection::btree_map(step(), any::<u64>(), 0..2),
        dropped in prop_oneof![Just(0), any::<u64>()],
        absent in prop::collection::vec(step(), 0..2),
    ) -> Timeline {
        let event = |(ns, cpu, step, of, edge): (i64, u32, String, &str, StepEdge)| {
            Event { ns, cpu, step, of: of.to_owned(), edge, detail: false }
        };
        Timeline {
            online: None,
            cpus,
            events: events.into_iter().map(event).collect(),
            beyond_limit: beyond,
            dropped,
            absent: absent.into_iter().map(|step| AbsentStep { step, of: String::new(), why: String::new() }).collect(),
            holds: Vec::new(),
        }
    }
}

proptest! {
    /// Whatever was seen, there is an answer, of a bounded size, and its figures fit its outcome.
    #[test]
    fn no_timeline_makes_it_panic(
        timeline in any_timeline(),
        assertions in prop::collection::vec(any_assertion(), 0..5),
        lines in prop::collection::vec((any::<usize>(), ".{0,300}"), 0..8),
        real_time: bool,
    ) {
        let lines: Vec<PlacedLine> =
            lines.into_iter().map(|(before, text)| PlacedLine { before: before % 70, text }).collect();
        if let Some(verdict) = judge_order(&assertions, &timeline, &lines, real_time) {
            let ChannelVerdict { outcome, witnesses, of, detail, broken, .. } = verdict;
            prop_assert_eq!(broken.len(), usize::try_from(of - witnesses).unwrap());
            prop_assert!(of > 0 && detail.len() <= DETAIL_BYTES);
            prop_assert_eq!(outcome == ChannelOutcome::Kept, witnesses == of);
            prop_assert_eq!(outcome == ChannelOutcome::Kept, detail.is_empty());
        }
    }

    /// Events that were dropped at the end, or by a limit, turn no answer into its opposite.
    #[test]
    fn what_was_not_kept_changes_no_answer(
        mut timeline in any_timeline(),
        assertion in any_assertion(),
        keep in 0usize..60,
        cut_step in step(),
        limit in 0usize..3,
    ) {
        timeline.beyond_limit.clear();
        timeline.dropped = 0;
        timeline.absent.clear();
        let outcome = |timeline: &Timeline| {
            judge_order(std::slice::from_ref(&assertion), timeline, &[], true).map(|verdict| verdict.outcome)
        };
        let whole = outcome(&timeline);

        let mut full = timeline.clone();
        full.events.truncate(keep);
        full.dropped = u64::try_from(timeline.events.len() - full.events.len()).unwrap();
        let mut limited = timeline.clone();
        let mut passed = 0;
        limited.events.retain(|event| {
            passed += usize::from(event.step == cut_step);
            event.step != cut_step || passed <= limit
        });
        if passed > limit {
            limited.beyond_limit.insert(cut_step, 1);
        }
        for partial in [full, limited] {
            let answer = outcome(&partial);
            prop_assert!(answer.is_none() || answer == whole, "{answer:?}, but {whole:?}: {assertion}");
        }
    }
}
