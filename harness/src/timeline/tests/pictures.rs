use super::*;
use crate::model::TrialRecord;

fn record() -> TrialRecord {
    trial(3, &key("stock", "panic-alone", ""), counted(Saved, Lost))
}

fn with<T>(timeline: &Timeline, detail: bool, show: impl Fn(&View) -> T) -> T {
    let (trial, lines) = (record(), place_console(timeline, &console::decode(CONSOLE)));
    show(&View { run_id: "20261122-050607-00ab", trial: &trial, timeline, lines: &lines, detail })
}

/// CPU 1 is in a dump and cannot be interrupted: the stop waits a second, and what CPU 1 began never ends.
fn held() -> Timeline {
    let mut timeline = timeline(
        "
        100 1 oops_begin
        150 1 kmsg_dump
        160 1 dumper pstore_dump
        50380 0 panic
        50400 0 smp_send_stop
        50410 2 stop_ipi
        50412 2 stopped
        50413 3 stop_ipi
        50414 3 stopped
        1050400 1 stop_nmi
        1050410 1 stopped
        1050500 0 smp_send_stop }
        1050600 0 kmsg_dump
        1050700 0 dumper pstore_dump
        1050800 0 dumper pstore_dump }
        1050900 0 kmsg_dump }
        1051000 2 sys_info }
        ",
    );
    timeline.beyond_limit.insert("printk".into(), 12);
    (timeline.dropped, timeline.absent) = (3, absent());
    timeline
}

#[test]
fn text() {
    insta::assert_snapshot!("stock", with(&stock(), false, timeline_text));
    insta::assert_snapshot!("stock_in_detail", with(&stock(), true, timeline_text));
    insta::assert_snapshot!("held", with(&held(), false, timeline_text));
}

#[test]
fn many_cpus_have_room() {
    let mut timeline = stock();
    for cpu in 4..40 {
        timeline.events.push(event(&format!("20000 {cpu} stopped")));
    }
    let text = with(&timeline, false, timeline_text);
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    assert!(text.contains(" 39: stopped\n"), "{text}");
}

#[test]
fn svg() {
    insta::assert_snapshot!("held_svg", with(&held(), false, timeline_picture).document());
}

#[test]
fn trace() {
    let trace = with(&held(), false, timeline_trace);
    balanced(&trace).unwrap();
    insta::assert_json_snapshot!("held_trace", trace);
}

/// That on each thread a beginning is closed by an end, and times do not run backwards if they do not in the timeline.
fn balanced(trace: &serde_json::Value) -> Result<(), String> {
    let mut open: BTreeMap<u64, i64> = BTreeMap::new();
    for event in trace["traceEvents"].as_array().unwrap() {
        let depth = open.entry(event["tid"].as_u64().unwrap_or(0)).or_default();
        match event["ph"].as_str().unwrap() {
            "B" => *depth += 1,
            "E" => *depth -= 1,
            _ => {}
        }
        if *depth < 0 || event["ts"].as_f64().is_some_and(|ts| ts < 0.0) {
            return Err(event.to_string());
        }
    }
    if open.values().all(|depth| *depth == 0) { Ok(()) } else { Err(format!("{open:?}")) }
}

/// That its tags open and close in order.
pub(super) fn well_formed(svg: &str) -> bool {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let Some((tag, _)) = tag.split_once('>') else { return false };
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap_or_default());
        }
    }
    open.is_empty() && !svg.chars().any(|c| c.is_control() && c != '\n')
}

proptest! {
    #[test]
    fn any_timeline_can_be_shown(timeline in any_timeline(), detail: bool) {
        let text = with(&timeline, detail, timeline_text);
        prop_assert!(text.lines().skip(1).all(|line| line.chars().count() <= 120), "{}", text);
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        let picture = with(&timeline, detail, timeline_picture);
        prop_assert!(well_formed(&picture.document()) && well_formed(&picture.part("p")));
        let trace = with(&timeline, detail, timeline_trace);
        prop_assert_eq!(balanced(&trace), Ok(()), "{}", trace);
    }
}
