use insta::assert_snapshot;

use super::{OOPS, TEXT, report_of, widest, xmllint};
use crate::compare::{Options, compare};
use crate::model::Channel;
use crate::model::ChannelOutcome::{Kept, Saved};
use crate::report::{Format, compare_table, summary_table, variant_table};
use crate::results::sample::{NO_LOGBUF, cell, counted, expect, info, key, skipped, trial};
use crate::results::{CellSummary, PlannedCell, Summary};

/// Two variants, of which the second one is of another kernel: there one scenario cannot be run, and one at one point.
fn cells() -> Vec<CellSummary> {
    let old = "needs Linux 5.10 or older, this is 6.12.117".to_owned();
    vec![
        cell(key("stock", "panic-alone", ""), (20, 20), (20, 20)),
        cell(key("new", "panic-alone", ""), (20, 20), (20, 20)),
        cell(key("stock", OOPS, "hold=0ms"), (20, 20), (20, 20)),
        skipped(key("new", OOPS, "hold=0ms")),
        cell(key("stock", OOPS, "hold=9ms"), (20, 20), (0, 20)),
        cell(key("new", OOPS, "hold=9ms"), (20, 20), (0, 20)),
        CellSummary { skipped: Some(old), ..CellSummary::empty(key("stock", "old", "")) },
        skipped(key("new", "old", "")),
    ]
}

#[test]
fn tables_say_what_was_skipped_and_each_reason_once() {
    let summary = Summary { run_id: "20261122-050607-00ab".into(), cells: cells() };
    let text = variant_table(&summary, TEXT);
    assert_snapshot!(text.split_once("pstore\n").unwrap().1, @r"
                            stock        new
    ─────────────────────────────────────────────────
    panic-alone             saved 20/20  saved 20/20
    panic-during-oops-dump
      hold=0ms              saved 20/20  skipped
      hold=9ms              lost 0/20    lost 0/20
    old                     skipped      skipped

    Figures: trials in which everything was saved, of those that counted.
    100 trials; not counted: 0 missed, 0 infra-error; hung: 0.
    skipped, 2 cells: the kernel has no symbol logbuf_lock
    skipped, 1 cell: needs Linux 5.10 or older, this is 6.12.117
    ");
    let markdown = variant_table(&summary, Format::Markdown);
    assert_snapshot!(markdown.split_once("Figures").unwrap().1, @r"
    : trials in which everything was saved, of those that counted.
    100 trials; not counted: 0 missed, 0 infra-error; hung: 0.

    - skipped, 2 cells: the kernel has no symbol logbuf_lock
    - skipped, 1 cell: needs Linux 5.10 or older, this is 6.12.117
    ");
    let text = summary_table(&summary, TEXT);
    assert!(widest(&text) <= 120, "{text}");
    assert_snapshot!(text.lines().skip(5).collect::<Vec<_>>().join("\n"), @r"
    panic-during-oops-dump hold=0ms
      stock                          20/20 100% [84–100]  20/20 100% [84–100]     0       0      0
      new                            skipped              skipped                 0       0      0
    panic-during-oops-dump hold=9ms
      stock                          20/20 100% [84–100]  0/20 0% [0–16]          0       0      0
      new                            20/20 100% [84–100]  0/20 0% [0–16]          0       0      0
    old
      stock                          skipped              skipped                 0       0      0
      new                            skipped              skipped                 0       0      0

    Figures: trials in which everything was saved, of those that counted; share; its 95 % interval.
    100 trials; not counted: 0 missed, 0 infra-error; hung: 0.
    skipped, 2 cells: the kernel has no symbol logbuf_lock
    skipped, 1 cell: needs Linux 5.10 or older, this is 6.12.117
    ");
}

#[test]
fn a_comparison_leaves_out_what_was_skipped_and_says_so() {
    let of = |variant: &str| -> Vec<CellSummary> {
        cells().into_iter().filter(|cell| cell.key.variant == variant).collect()
    };
    let comparison = compare(&of("stock"), &of("new"), Options::default()).unwrap();
    assert_snapshot!(compare_table(&comparison, "stock", "new", TEXT), @r"
    base: stock
    candidate: new

                            channel  base            candidate       difference, pp  p      verdict
    ───────────────────────────────────────────────────────────────────────────────────────────────────────
    panic-alone             console  20/20 [84–100]  20/20 [84–100]  +0 [-16, +16]   1.000  undecided (36)
    panic-alone             pstore   20/20 [84–100]  20/20 [84–100]  +0 [-16, +16]   1.000  undecided (36)
    panic-during-oops-dump
      hold=9ms              console  20/20 [84–100]  20/20 [84–100]  +0 [-16, +16]   1.000  undecided (36)
      hold=9ms              pstore   0/20 [0–16]     0/20 [0–16]     +0 [-16, +16]   1.000  undecided (36)

    skipped in both: old (base: needs Linux 5.10 or older, this is 6.12.117; candidate: the kernel has no symbol logbuf_lock)
    skipped in candidate: panic-during-oops-dump hold=0ms (the kernel has no symbol logbuf_lock)

    Saved, of those that counted, with 95 % intervals; p: Boschloo's exact test, adjusted for all rows.
    undecided (n): n trials a side would decide it, if the shares stay what they are.
    0 regressed, 0 improved, 0 same, 4 undecided (more trials needed).
    ");
    let back = compare(&of("new"), &of("stock"), Options::default()).unwrap();
    let table = compare_table(&back, "new", "stock", Format::Markdown);
    assert_snapshot!(table.lines().filter(|line| line.contains("skipped")).collect::<Vec<_>>().join("\n"), @r"
    - skipped in base: panic-during-oops-dump hold=0ms (the kernel has no symbol logbuf_lock)
    - skipped in both: old (base: the kernel has no symbol logbuf_lock; candidate: needs Linux 5.10 or older, this is 6.12.117)
    ");
    let both = compare(&of("new"), &of("new"), Options::default()).unwrap();
    let table = compare_table(&both, "new", "new", TEXT);
    assert_snapshot!(table.lines().filter(|line| line.contains("skipped")).collect::<Vec<_>>().join("\n"), @r"
    skipped in both: panic-during-oops-dump hold=0ms (the kernel has no symbol logbuf_lock)
    skipped in both: old (the kernel has no symbol logbuf_lock)
    ");
}

#[test]
fn junit_skips_every_channel_of_the_cell_with_the_reason() {
    let keys = [key("stock", "panic-alone", ""), key("stock", OOPS, "hold=0ms")];
    let expected = vec![expect(Channel::Pstore, Saved), expect(Channel::Order, Kept)];
    let planned = |(key, trials, reason): (&_, u32, Option<&str>)| PlannedCell {
        key: crate::model::CellKey::clone(key),
        trials,
        expect: expected.clone(),
        skipped: reason.map(str::to_owned),
    };
    let info = info([(&keys[0], 20, None), (&keys[1], 0, Some(NO_LOGBUF))].map(planned).into());
    let trials: Vec<_> = (0..20).map(|index| trial(2 * index, &keys[0], counted(Saved, Saved))).collect();
    let report = report_of(&info, &trials, b"the end\n");
    xmllint(&report).unwrap();
    let suite = report.split("<testsuite ").find(|suite| suite.contains(OOPS)).unwrap();
    assert!(
        suite.starts_with("name=\"stock@6.12 panic-during-oops-dump\" tests=\"3\" skipped=\"3\" errors=\"0\""),
        "{suite}"
    );
    assert_snapshot!(suite.split_once("</properties>\n").unwrap().1, @r#"
            <testcase name="hold=0ms console" classname="panic-during-oops-dump.stock@6_12" time="0.000">
                <skipped message="the kernel has no symbol logbuf_lock">the kernel has no symbol logbuf_lock
    </skipped>
                <system-out>skipped: the kernel has no symbol logbuf_lock
    </system-out>
            </testcase>
            <testcase name="hold=0ms pstore" classname="panic-during-oops-dump.stock@6_12" time="0.000">
                <skipped message="the kernel has no symbol logbuf_lock">the kernel has no symbol logbuf_lock
    </skipped>
                <system-out>skipped: the kernel has no symbol logbuf_lock
    </system-out>
            </testcase>
            <testcase name="hold=0ms order" classname="panic-during-oops-dump.stock@6_12" time="0.000">
                <skipped message="the kernel has no symbol logbuf_lock">the kernel has no symbol logbuf_lock
    </skipped>
                <system-out>skipped: the kernel has no symbol logbuf_lock
    </system-out>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}
