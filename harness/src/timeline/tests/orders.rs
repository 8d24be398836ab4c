use super::*;
use crate::compare::Point;

/// The timeline of a kernel that makes `kmsg_dump()` before the stop.
fn before_stop() -> Timeline {
    reordered("kmsg_dump", "910 0 smp_send_stop")
}

/// The timeline of one that makes it before the notifiers.
fn before_notifiers() -> Timeline {
    reordered("kmsg_dump", "1010 0 panic_notifiers")
}

/// Today's, with a step and what lies in it moved before an event.
fn reordered(step: &str, before: &str) -> Timeline {
    let mut events = stock().events;
    let at = |edge| events.iter().position(|event| event.step == step && event.edge == edge).unwrap();
    let moved: Vec<Event> = events.drain(at(StepEdge::Begin)..=at(StepEdge::End)).collect();
    let at = events.iter().position(|other| *other == event(before)).unwrap();
    events.splice(at..at, moved);
    Timeline { events, ..stock() }
}

/// Today's, with the CPUs stopped in another order.
fn shuffled() -> Timeline {
    let mut timeline = stock();
    for event in timeline.events.iter_mut().filter(|event| event.cpu > 0) {
        event.cpu = 1 + event.cpu % 3;
    }
    timeline
}

fn order(timelines: &[Timeline]) -> Order {
    let mut tally = Tally::default();
    timelines.iter().zip(0..).for_each(|(timeline, trial)| tally.add(trial, timeline));
    tally.order(3).unwrap()
}

fn variant(name: &str, timelines: &[Timeline]) -> VariantOrder {
    let counted = u32::try_from(timelines.len()).unwrap();
    VariantOrder { variant: name.into(), counted, order: Some(order(timelines)) }
}

fn three() -> [VariantOrder; 3] {
    [
        variant("stock", &[stock(), shuffled(), stock(), before_notifiers()]),
        variant("kmsg-dump-before-stop", &[before_stop()]),
        variant("kmsg-dump-before-notifiers", &[before_notifiers()]),
    ]
}

fn point() -> Point {
    let key = key("stock", "panic-during-oops-dump", "hold=300ms post_notifiers=0");
    Point { scenario: key.scenario, params: key.params }
}

fn stopped(timeline: &Timeline) -> (Option<usize>, String) {
    let steps = order(std::slice::from_ref(timeline)).steps;
    let at = steps.iter().position(|step| step.step == "stopped");
    (at, at.map_or_else(String::new, |at| steps[at].of.clone()))
}

#[test]
fn which_cpu_stops_first_makes_no_difference() {
    let order = order(&[shuffled(), stock()]);
    assert_eq!((order.trials, order.followed, order.deviations.len()), (2, 2, 0));
    assert_eq!(stopped(&stock()).1, "all 3 by IPI");
    let of_two = Timeline { online: Some([0, 1].into()), ..stock() };
    let events = of_two.events.iter().filter(|event| event.cpu < 2).cloned().collect();
    assert_eq!(stopped(&Timeline { events, ..of_two }).1, "the other by IPI");
}

#[test]
fn how_and_whether_they_were_stopped_is_told() {
    let mut timeline = stock();
    timeline.events.insert(1, event("100 1 actor victim"));
    assert_eq!(stopped(&timeline).1, "all 3 by IPI");
    timeline.events.retain(|event| !(event.cpu == 1 && event.step == "stop_ipi"));
    let at = timeline.events.iter().position(|event| event.cpu == 1 && event.step == "stopped").unwrap();
    timeline.events.insert(at, event("934 1 stop_nmi"));
    assert_eq!(stopped(&timeline).1, "all 3: 2 by IPI, victim by NMI");
    timeline.events.retain(|event| event.cpu != 2);
    assert_eq!(stopped(&timeline).1, "2 of 3: 1 by IPI, victim by NMI");
    let at = timeline.events.iter().position(|event| event.step == "stop_nmi").unwrap();
    timeline.events[at] = event("934 1 panic_self_stop");
    assert_eq!(stopped(&timeline).1, "2 of 3: 1 by IPI, victim by itself");
    timeline.events.remove(at);
    assert_eq!(stopped(&timeline).1, "2 of 3: 1 by IPI, victim by what was not seen");
    timeline.events.retain(|event| event.cpu == 0);
    assert_eq!(stopped(&timeline), (None, String::new()));
}

#[test]
fn the_stop_stands_where_the_last_one_has_stopped() {
    let mut late = stock();
    let at = late.events.iter().position(|event| event.cpu == 2 && event.step == "stopped").unwrap();
    let last = late.events.remove(at);
    late.events.push(last);
    let order = order(&[stock(), stock(), late]);
    assert_eq!(order.followed, 2);
    let [deviation] = order.deviations.as_slice() else { panic!("{:?}", order.deviations) };
    assert_eq!((deviation.trials, deviation.example), (1, 2));
    let changed: Vec<(Kind, &str)> = deviation
        .changes
        .iter()
        .filter(|change| change.kind != Kind::Same)
        .map(|change| (change.kind, change.step.step.as_str()))
        .collect();
    assert_eq!(changed, [(Kind::Removed, "stopped"), (Kind::Added, "stopped")]);
}

#[test]
fn what_is_not_whole_is_not_tallied() {
    let mut lost = stock();
    lost.dropped = 1;
    let mut limited = stock();
    limited.beyond_limit.insert("notifier".into(), 3);
    let mut chatty = stock();
    chatty.beyond_limit.insert("printk".into(), 300);
    let order = order(&[lost, limited, chatty]);
    assert_eq!((order.trials, order.followed, order.incomplete, order.example), (1, 1, 2, 2));
    assert_eq!(Tally::default().order(3), None);
}

#[test]
fn of_equally_frequent_ones_the_first_seen_is_canonical() {
    assert_eq!(order(&[before_stop(), stock()]).steps, order(&[before_stop()]).steps);
    assert_eq!(order(&[stock(), before_stop()]).steps, order(&[stock()]).steps);
}

#[test]
fn the_example_is_the_trial_of_the_least_number() {
    // Trials end in any order.
    let mut tally = Tally::default();
    for trial in [5, 2, 7] {
        tally.add(trial, &stock());
    }
    assert_eq!(tally.order(3).unwrap().example, 2);
}

#[test]
fn what_comes_before_firing_is_no_step() {
    let mut timeline = stock();
    timeline.events.insert(0, event("-800 2 panic_notifiers"));
    assert_eq!(order(&[timeline]).steps, order(&[stock()]).steps);
}

#[test]
fn side_by_side() {
    insta::assert_snapshot!("three_orders", orders_text("panic-alone", &three()));
    let mut repeated = stock();
    let again = [event("1025 0 notifier hung_task_panic"), event("1026 0 notifier hung_task_panic }")];
    let behind = repeated.events.iter().position(|event| event.ns == 1_030_000).unwrap();
    repeated.events.splice(behind..behind, again);
    let untold = VariantOrder { variant: "other".into(), counted: 4, order: None };
    let partly = VariantOrder { counted: 4, ..variant("partly", &[stock()]) };
    insta::assert_snapshot!(
        "one_order_and_none",
        orders_text("panic-alone", &[variant("stock", &[repeated]), untold, partly])
    );
}

#[test]
fn as_a_picture() {
    insta::assert_snapshot!("three_orders_svg", orders_picture("panic-alone", &three()).document());
}

#[test]
fn sides_of_a_comparison() {
    let difference = |candidate| Difference::of(point(), &order(&[stock()]), &order(&[candidate]));
    let differences = [difference(before_stop()), difference(stock())];
    insta::assert_snapshot!("differences", differences_text(&differences));
    assert_eq!(differences_text(&[]), "");
    let json = serde_json::to_value(&differences).unwrap();
    assert_eq!((&json[0]["same"], &json[1]["same"], &json[1]["changes"]), (&false.into(), &true.into(), &().into()));
    assert_eq!(json[0]["base"], serde_json::json!({"trials": 1, "followed": 1}));
    let added = json[0]["changes"].as_array().unwrap().iter().find(|change| change["kind"] == "added").unwrap();
    assert_eq!(*added, serde_json::json!({"kind": "added", "on": "panic CPU", "step": "kmsg_dump", "edge": "begin"}));
}

proptest! {
    #[test]
    fn any_timelines_can_be_shown(timelines in prop::collection::vec(any_timeline(), 1..4)) {
        let whole = |mut timeline: Timeline| { timeline.dropped = 0; timeline.beyond_limit.clear(); timeline };
        let variants: Vec<VariantOrder> =
            timelines.into_iter().map(|timeline| variant("\u{1b}[2J<&", &[whole(timeline), stock()])).collect();
        let text = orders_text("panic-alone", &variants);
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{}", text);
        prop_assert!(pictures::well_formed(&orders_picture("panic-alone", &variants).document()));
    }

    /// A difference takes out what only the first has, puts in what only the second has, and leaves the rest in order.
    #[test]
    fn a_difference_makes_the_one_the_other(from in any_timeline(), to in any_timeline()) {
        let whole = |mut timeline: Timeline| { timeline.dropped = 0; timeline.beyond_limit.clear(); order(&[timeline]) };
        let (from, to) = (whole(from), whole(to));
        let changes = Difference::of(point(), &from, &to).changes;
        let left = |without| changes.iter().filter(|change| change.kind != without).map(|change| change.step.clone()).collect::<Vec<_>>();
        if from.steps != to.steps {
            prop_assert_eq!(left(Kind::Added), from.steps);
            prop_assert_eq!(left(Kind::Removed), to.steps);
        }
    }
}
