use std::fs;

use proptest::prelude::*;

use super::*;
use crate::model::{Channel, ParamValue};
use crate::results::sample::key;
use crate::stats::Proportion;

/// A night's line of a cell: console all saved, pstore `good` of `of`.
pub(crate) fn line(night: usize, cell: &crate::model::CellKey, (good, of): (u32, u32)) -> Line {
    let counted = |good| Counted { good: Proportion::new(good, of).unwrap(), failed: Some(false) };
    Line {
        schema_version: SCHEMA_VERSION,
        run: format!("202611{:02}-010000-00ab", night + 1),
        started: format!("2026-11-{:02}T01:00:00.000Z", night + 1),
        harness: "43afcc9".to_owned(),
        qemu: "7.2.22 tcg".to_owned(),
        cut_short: false,
        variant: cell.variant.clone(),
        base: cell.base.clone(),
        scenario: cell.scenario.clone(),
        params: cell.params.clone(),
        release: Some(format!("6.12.{}", 40 + night / 3)),
        commit: None,
        trials: of,
        missed: 0,
        infra_errors: 0,
        skipped: None,
        channels: [(Channel::Console, counted(of)), (Channel::Pstore, counted(good))].into(),
    }
}

pub(crate) fn history(lines: impl IntoIterator<Item = Line>) -> History {
    let mut builder = Builder::new(false);
    lines.into_iter().for_each(|line| builder.add(line).unwrap());
    builder.finish()
}

/// One cell, whose pstore had these counts night by night.
fn nights(counts: &[(u32, u32)]) -> History {
    let cell = key("stock", "panic-alone", "");
    history(counts.iter().enumerate().map(|(night, &counts)| line(night, &cell, counts)))
}

fn state(counts: &[(u32, u32)]) -> State {
    let judged = judge(&nights(counts), Options::default());
    assert_eq!(
        judged.rows[0].state,
        if counts.last().unwrap().1 == 0 { State::NoData } else { State::Steady },
        "the console"
    );
    judged.rows[1].state
}

/// The states in the words of `KernelCI`'s dashboard (pass, fail, fixed, regression, unstable) on series without infra-errors;
/// here nights have ten trials each.
#[test]
fn states_of_short_series() {
    let [all, none] = [(10, 10), (0, 10)];
    let case = |nights: &[(u32, u32)]| state(&[&[all; 5][..], nights].concat());
    assert_eq!(case(&[all, all, all]), State::Steady, "pass");
    assert_eq!(case(&[all, all, none]), State::New, "regression");
    assert_eq!(case(&[all, none, none]), State::Known, "regression, told the night before");
    assert_eq!(case(&[none, none, all]), State::Fixed, "fixed");
    assert_eq!(case(&[none, all, all]), State::Steady, "fixed, told the night before");
    assert_eq!(case(&[none, all, none]), State::Unsteady, "unstable");
    assert_eq!(state(&[none; 8]), State::Steady, "it never was any better, and nothing is expected of it");
    assert_eq!(case(&[(9, 10), (8, 10), (9, 10)]), State::Steady, "a trial or two are no change yet");
    assert_eq!(case(&[(5, 10), (4, 10), (5, 10)]), State::Known, "the first of these nights told");
    assert_eq!(case(&[(5, 10), (5, 10), none, none, none]), State::Known);
}

#[test]
fn what_got_worse_twice_is_worse() {
    let steps = |nights: usize| [&[(20, 20); 6][..], &[(10, 20); 6], &[(0, 20); 3][..nights]].concat();
    let shown = (1..=3).find(|&nights| state(&steps(nights)) == State::Worse);
    assert!(shown.is_some(), "{:?}", (1..=3).map(|nights| state(&steps(nights))).collect::<Vec<_>>());
}

/// Infra-errors are no evidence: neither good nor bad, nor that anything is unsteady.
#[test]
fn a_night_without_counts_is_no_data_and_changes_nothing() {
    let all = (10, 10);
    assert_eq!(state(&[all, all, all, (0, 0)]), State::NoData);
    assert_eq!(state(&[all, (0, 0), all, (0, 0), (0, 0), all]), State::Steady);
    let judged = judge(&nights(&[all, all, (0, 0), (0, 0), (0, 10)]), Options::default());
    let change = judged.rows[1].change.unwrap();
    assert_eq!((change.earliest, change.latest), (2, 4), "what was not run may have been either");
}

#[test]
fn what_fails_since_the_first_night_is_known() {
    let cell = key("stock", "panic-alone", "");
    let mut failing = line(0, &cell, (0, 10));
    failing.channels.get_mut(&Channel::Pstore).unwrap().failed = Some(true);
    let judged = judge(&history([failing]), Options::default());
    assert_eq!((judged.rows[1].state, judged.has_news()), (State::Known, false));
}

#[test]
fn cells_that_changed_together_are_one_group() {
    let cells = ["0ms", "300ms", "700ms", "1500ms"].map(|hold| key("stock", "oops", &format!("hold={hold}")));
    let good = |cell: usize, night: usize| match (cell, night) {
        (0 | 3, 12..) | (1, ..12) => 0,
        _ => 10,
    };
    let lines = (0..14).flat_map(|night| cells.iter().enumerate().map(move |(place, cell)| (night, place, cell)));
    let history = history(lines.map(|(night, place, cell)| line(night, cell, (good(place, night), 10))));
    let judged = judge(&history, Options::default());
    let [worse] = &judged.groups[..] else { panic!("{:?}", judged.groups) };
    let names =
        |group: &Group| group.rows.iter().map(|&row| judged.rows[row].key.params["hold"].clone()).collect::<Vec<_>>();
    let hold = |value: &str| ParamValue::Text(value.to_owned());
    assert_eq!((worse.worse, names(worse)), (true, vec![hold("0ms"), hold("1500ms")]));
    // The cell that got better was fixed the night before, and is told no more.
    assert_eq!(judged.rows[3].state, State::Steady);
    let since = &worse.since;
    assert_eq!((since.earliest, since.latest, since.good), (12, 12, Some(11)));
    assert_eq!((since.from.release.as_deref(), since.to.release.as_deref()), (Some("6.12.43"), Some("6.12.44")));
}

#[test]
fn lines_may_come_in_any_order_and_twice() {
    let cell = key("stock", "panic-alone", "");
    let mut lines: Vec<Line> = (0..6).map(|night| line(night, &cell, (10, 10))).collect();
    let in_order = history(lines.clone());
    lines.reverse();
    assert_eq!(history(lines.clone()), in_order);
    let mut builder = Builder::new(false);
    lines.iter().chain(&lines).for_each(|line| builder.add(line.clone()).unwrap());
    assert_eq!((builder.twice(), builder.finish()), (6, in_order));
}

#[test]
fn a_variant_is_followed_across_bases_if_that_is_asked_for() {
    let of = |night: usize, base: &str| {
        let cell = crate::model::CellKey { base: base.to_owned(), ..key("stock", "panic-alone", "") };
        line(night, &cell, (10, 10))
    };
    let mut builder = Builder::new(true);
    for night in 0..3 {
        builder.add(of(night, &format!("commit-{night}"))).unwrap();
    }
    let refused = builder.add(of(2, "6.12")).unwrap_err();
    assert_eq!(refused.to_string(), "run 20261103-010000-00ab has stock on the bases commit-2 and 6.12");
    let history = builder.finish();
    assert_eq!((history.cells.len(), history.cells[0].key.base.as_str()), (1, "commit-2"));
    assert_eq!(history.cells[0].channels[&Channel::Pstore].len(), 3);
}

#[test]
fn a_file_is_read_as_it_was_written_and_loses_nothing_to_a_broken_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nights.jsonl");
    let cell = key("stock", "panic-alone", "hold=300ms n=1");
    let lines: Vec<Line> = (0..4).map(|night| line(night, &cell, (9, 10))).collect();
    append(&path, &lines[..2]).unwrap();
    // Somebody was killed while they wrote, and somebody else edited the file.
    let torn = fs::read_to_string(&path).unwrap() + "{\"schema_version\":1,\"run\":\"2026";
    fs::write(&path, torn).unwrap();
    append(&path, &lines[2..]).unwrap();
    let mut text = fs::read_to_string(&path).unwrap();
    text.insert_str(0, "not a line\n\n");
    text += &text.lines().nth(2).unwrap().replace("\"good\":9", "\"good\":11");
    text += "\n";
    text += &"x".repeat(2 << 20);
    text += "\n";
    fs::write(&path, &text).unwrap();
    let mut found = Vec::new();
    let broken = read(&path, |line| found.push(line)).unwrap();
    assert_eq!(found, lines);
    let broken: Vec<String> =
        broken.iter().map(|line| line.rsplit_once("nights.jsonl:").unwrap().1.to_owned()).collect();
    assert_eq!(broken.len(), 4, "{broken:?}");
    for (said, wanted) in broken.iter().zip([
        "1: no night's line: expected",
        "5: no night's line: EOF",
        "8: no night's line: of 10 trials 11",
        "9: no night's line: it is longer",
    ]) {
        assert!(said.starts_with(wanted), "{said}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "reading changes nothing");
}

#[test]
fn a_file_of_another_form_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nights.jsonl");
    append(&path, &[line(0, &key("stock", "panic-alone", ""), (9, 10))]).unwrap();
    let text = fs::read_to_string(&path).unwrap() + "{\"schema_version\": 2, \"something\": \"else\"}\n";
    fs::write(&path, text).unwrap();
    let error = read(&path, |_| ()).unwrap_err();
    assert!(
        error.to_string().ends_with("nights.jsonl:2: the line has the form 2, and this harness reads 1"),
        "{error}"
    );
    assert!(error.is_input() && error.hint().is_some());
}

proptest! {
    /// Whatever is in a file, it is read or refused.
    #[test]
    fn a_file_of_anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000), ends in prop::collection::vec(0usize..2000, 0..8)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nights.jsonl");
        let mut bytes = bytes;
        for end in ends.into_iter().filter(|end| *end < bytes.len()).collect::<Vec<_>>() {
            bytes[end] = b'\n';
        }
        fs::write(&path, &bytes).unwrap();
        let mut lines = 0;
        if let Ok(broken) = read(&path, |_| lines += 1) {
            let full = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
            prop_assert_eq!(broken.len() + lines, full);
        }
    }
}
