use std::path::Path;

use insta::assert_snapshot;

use super::*;
use crate::model::ChannelOutcome::Saved;
use crate::model::{CellKey, Channel};
use crate::results::sample::{cell, expect, info, key};
use crate::results::{Judged, PlannedCell, RunInfo, Summary, judge};
use crate::yaml::Source;

fn list(text: &str) -> KnownList {
    KnownList::parse(Source::new("known.yaml", text)).unwrap_or_else(|problems| panic!("{problems}"))
}

const ENTRY: &str = "scenario: oops, variant: stock, channel: pstore, link: https://example.org/1, since: 2026-09-01";

fn entries(more: &[&str]) -> KnownList {
    let items = more.iter().map(|more| format!("  - {{ {ENTRY}, {more} }}\n")).collect::<Vec<_>>().concat();
    list(&format!("known:\n{items}"))
}

/// A run of cells whose pstore has these counts; everything is expected of it.
fn run(counts: &[(&str, (u32, u32))]) -> (RunInfo, Summary, Vec<Judged>) {
    let cells: Vec<_> =
        counts.iter().map(|(point, counts)| cell(key("stock", "oops", point), (counts.1, counts.1), *counts)).collect();
    let plan = |key: &CellKey| PlannedCell {
        key: key.clone(),
        trials: 20,
        expect: vec![expect(Channel::Pstore, Saved)],
        skipped: None,
    };
    let info = info(cells.iter().map(|cell| plan(&cell.key)).collect());
    let summary = Summary { run_id: "x".to_owned(), cells };
    let judged = judge(&summary, &info.cells);
    (info, summary, judged)
}

fn known(list: &KnownList, counts: (u32, u32)) -> (Option<Known>, Vec<(usize, Left)>) {
    let (info, summary, judged) = run(&[("hold=9ms", counts)]);
    let findings = list.judge(&info, &summary, &judged);
    (findings.of(&key("stock", "oops", "hold=9ms"), Channel::Pstore).cloned(), findings.left)
}

#[test]
fn an_entry_has_everything_that_is_known() {
    let list = list(
        "known:\n  - scenario: logbuf-*\n    variant: \"*\"\n    base: \"6.12\"\n    params: { hold: 2s, n: 1 }\n    channel: pstore\n    \
         share: 3/20\n    link: https://lore.example/1\n    since: 2026-09-01\n    until: 2027-01-01\n    note: the lock\n",
    );
    let entry = &list.entries[0];
    assert_eq!((entry.until.unwrap().to_string(), entry.share.unwrap().of()), ("2027-01-01".to_owned(), 20));
    let fits = |scenario: &str, point: &str, channel| entry.fits(&key("any", scenario, point), channel);
    assert!(fits("logbuf-lock-held", "hold=2s n=1 more=3", Channel::Pstore));
    assert!(
        !fits("logbuf-lock-held", "hold=2s n=2", Channel::Pstore) && !fits("logbuf", "hold=2s n=1", Channel::Pstore)
    );
    assert!(!fits("logbuf-lock-held", "hold=2s n=1", Channel::Console));
}

#[test]
fn what_is_wrong_with_a_list_is_shown_with_the_line() {
    let wrong = |from: &str, to: &str| {
        let text = format!("known:\n  - {{ {ENTRY} }}\n").replace(from, to);
        KnownList::parse(Source::new("known.yaml", text)).unwrap_err().to_string()
    };
    assert_snapshot!(wrong("2026-09-01", "last week"), @"
    reading known.yaml: not a day
      --> known.yaml:2:92
      |
    2 | nnel: pstore, link: https://example.org/1, since: last week }
      |                                                   ^^^^^^^^^

    hint: days are written as 2026-11-28
    ");
    assert_snapshot!(wrong("https://example.org/1", "bug 1"), @"
    reading known.yaml: the link is no URL
      --> known.yaml:2:62
      |
    2 |   - { scenario: oops, variant: stock, channel: pstore, link: bug 1, since: 2026-09-01 }
      |                                                              ^^^^^

    hint: write it whole: https://…
    ");
    assert_snapshot!(wrong("since: 2026-09-01", "since: 2026-09-01, until: 2026-08-01"), @"
    reading known.yaml: it ends before it begins
      --> known.yaml:2:111
      |
    2 |  https://example.org/1, since: 2026-09-01, until: 2026-08-01 }
      |                                                   ^^^^^^^^^^
    ");
    assert_snapshot!(wrong("since", "share: often, since"), @"
    reading known.yaml: not a share that was measured
      --> known.yaml:2:92
      |
    2 | nnel: pstore, link: https://example.org/1, share: often, since: 2026-09-01 }
      |                                                   ^^^^^

    hint: a share is written as it was counted: 3/20
    ");
    assert_snapshot!(wrong("channel: pstore", "channel: tape"), @"
    reading known.yaml: `known[0].channel` cannot be `tape`
      --> known.yaml:2:48
      |
    2 |   - { scenario: oops, variant: stock, channel: tape, link: https://example.org/1, since: 2026-09-01
      |                                                ^^^^

    hint: known: console, earlycon, netconsole, pstore, pstore-console, kdump, order, splats
    ");
    assert_snapshot!(wrong("variant: stock, ", ""), @"
    reading known.yaml: the key `variant` is missing in `known[0]`
      --> known.yaml:2:69
      |
    2 |   - { scenario: oops, channel: pstore, link: https://example.org/1, since: 2026-09-01 }
      |                                                                     ^^^^^
    ");
    assert_snapshot!(wrong("variant", "varient"), @"
    reading known.yaml: unknown key `varient` in `known[0]`
      --> known.yaml:2:23
      |
    2 |   - { scenario: oops, varient: stock, channel: pstore, link: https://example.org/1, since: 2026-09-0
      |                       ^^^^^^^

    hint: did you mean `variant`? (known: scenario, variant, base, params, channel, link, since, until, share, note)
    ");
}

#[test]
fn a_failure_is_known_as_long_as_it_is_no_worse() {
    let all = entries(&["share: 15/20"]);
    assert_eq!(known(&all, (14, 20)).0, Some(Known::As(0)));
    assert_eq!(known(&all, (5, 20)).0, Some(Known::As(0)), "a bad night is no proof");
    assert_eq!(known(&all, (0, 20)).0, Some(Known::Worse(0)));
    assert_eq!(known(&entries(&["note: x"]), (0, 20)).0, Some(Known::As(0)), "nothing is recorded to be worse than");
    assert_eq!(known(&entries(&["base: \"7.*\""]), (0, 20)), (None, vec![(0, Left::FitsNothing)]));
    assert_eq!(known(&entries(&["params: { hold: 1ms }", "params: { hold: 9ms }"]), (0, 20)).0, Some(Known::As(1)));
}

#[test]
fn what_is_left_of_the_list_is_told() {
    assert_eq!(known(&entries(&["share: 3/20"]), (20, 20)), (None, vec![(0, Left::Passes)]));
    assert_eq!(known(&entries(&["note: x"]), (20, 20)).1, [(0, Left::Passes)]);
    assert_eq!(known(&entries(&["share: 15/20"]), (17, 20)).1, [], "that may be chance");
    assert_eq!(known(&entries(&["until: 2026-10-01"]), (0, 20)), (Some(Known::Expired(0)), vec![(0, Left::Expired)]));
    assert_eq!(known(&entries(&["until: 2026-11-22"]), (0, 20)).1, [], "the last day is one of them");
    let console = list(&format!("known:\n  - {{ {} }}\n", ENTRY.replace("pstore", "console")));
    assert_eq!(known(&console, (0, 20)), (None, vec![(0, Left::NothingExpected)]));
}

#[test]
fn new_entries_are_added_to_what_somebody_wrote() {
    let (info, summary, judged) = run(&[("hold=1ms", (0, 20)), ("hold=9ms", (3, 20)), ("hold=20ms", (20, 20))]);
    let old = list(
        "# Ours.\nknown:\n    # of the lock\n    - { scenario: oops, variant: stock, params: { hold: 1ms }, channel: pstore, link: https://example.org/1, since: 2026-09-01 }",
    );
    let findings = old.judge(&info, &summary, &judged);
    let new = New { link: "https://example.org/2", until: Some("2027-01-01"), note: Some("why: \"who\" knows") };
    let entries = entries_of(&info, &summary, &judged, &findings, &new);
    let text = appended(Some(&old), &entries, Path::new("known.yaml")).unwrap();
    assert_snapshot!(text, @r#"
    # Ours.
    known:
        # of the lock
        - { scenario: oops, variant: stock, params: { hold: 1ms }, channel: pstore, link: https://example.org/1, since: 2026-09-01 }
        - scenario: "oops"
          variant: "stock"
          base: "6.12"
          params: { hold: "9ms" }
          channel: pstore
          share: 3/20
          link: "https://example.org/2"
          since: 2026-11-22
          until: 2027-01-01
          note: "why: \"who\" knows (Linux 6.12.117, run 20261122-050607-00ab)"
    "#);
    let both = list(&text);
    assert_eq!(
        both.judge(&info, &summary, &judged).of(&key("stock", "oops", "hold=9ms"), Channel::Pstore),
        Some(&Known::As(1))
    );
    let again = entries_of(&info, &summary, &judged, &both.judge(&info, &summary, &judged), &new);
    assert_eq!(again, Vec::<String>::new(), "what is known is not added again");
    let fresh = appended(None, &entries, Path::new("known.yaml")).unwrap();
    assert!(fresh.starts_with("known:\n  - scenario: \"oops\"\n    variant: "), "{fresh}");
    let flow = list("known: []\n");
    assert!(appended(Some(&flow), &entries, Path::new("known.yaml")).is_err(), "nothing is written that is no list");
}

#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let valid = |text: &str| {
        let value: serde_json::Value = Source::new("known.yaml", text).parse().unwrap();
        validator.is_valid(&value)
    };
    let with = |from: &str, to: &str| {
        format!("known:\n  - {{ {ENTRY}, params: {{ hold: 2s, n: 1 }}, share: 3/20 }}\n").replace(from, to)
    };
    assert!(valid(&with("", "")) && valid("known: []\n"));
    for (from, to) in [
        ("known:", "knowns:"),
        ("channel: pstore", "channel: tape"),
        ("share: 3/20", "share: often"),
        ("share: 3/20", "share: 0.15"),
        ("2026-09-01", "1.9.2026"),
        ("https://", "ftp://"),
        ("variant: stock, ", ""),
        ("n: 1", "n: 1.5"),
        ("scenario:", "scenarios:"),
    ] {
        assert!(!valid(&with(from, to)), "{from} -> {to}");
        assert!(KnownList::parse(Source::new("known.yaml", with(from, to))).is_err(), "{from} -> {to}");
    }
}
