//! The forms of a run for other programs and people than a terminal's: KTAP, Markdown, a mail.

use insta::assert_snapshot;

use super::{OOPS, read, reported};
use crate::compare::{Options, compare};
use crate::model::ChannelOutcome::{Broken, Kept, Lost, Saved};
use crate::model::timeline::StepEdge;
use crate::model::{Channel, KernelName, TrialOutcome, TrialRecord};
use crate::report::{MARKDOWN_BYTES, Mail, Reported, ktap, mail, run_markdown, within};
use crate::results::sample::{cell, cell_with_order, counted, expect, info, key, ordered, trial};
use crate::results::{PlannedCell, RunInfo, judge};
use crate::timeline::{Change, Difference, Followed, Kind, OrderStep};

fn with<T>(info: &RunInfo, trials: &[TrialRecord], make: impl Fn(&Reported) -> T) -> T {
    let (summary, notes) = read(info, trials);
    let judged = judge(&summary, &info.cells);
    make(&Reported { info, summary: &summary, notes: &notes, judged: &judged, known: None })
}

#[test]
fn ktap_of_a_run_with_every_kind_of_cell() {
    let (info, trials) = reported();
    assert_snapshot!(with(&info, &trials, ktap), @r"
    KTAP version 1
    # run 20261122-050607-00ab of harness 43afcc9, seed 18446744073709551615
    # QEMU 7.2.22, tcg
    # stock@6.12: Linux 6.12.117, build id 0123456789abcdef
    1..4
      KTAP version 1
      # Subtest: stock@6.12 panic-during-oops-dump
      1..4
      # console: 20 saved of 20 (95 % CI 84–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 20 trials, 0 missed, 0 infra-error, 0 hung
      ok 1 hold=0ms post_notifiers=0 console
      # pstore: 20 saved of 20 (95 % CI 84–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 20 trials, 0 missed, 0 infra-error, 0 hung
      # expected: pstore saved in at least 90 %
      ok 2 hold=0ms post_notifiers=0 pstore
      # console: 20 saved of 20 (95 % CI 84–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 20 trials, 0 missed, 0 infra-error, 0 hung
      ok 3 hold=1500ms post_notifiers=0 console
      # pstore: 1 saved of 20 (95 % CI 1–24 %), 0 truncated, 0 corrupt, 19 lost
      # cell: 20 trials, 0 missed, 0 infra-error, 0 hung
      # expected: pstore saved in at least 90 %
      # trial 6: lost (0 of 32 witness lines) the panic's own line is missing
      #   harness trial panic-during-oops-dump --variant stock --base 6.12 --param hold=1500ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551609
      not ok 4 hold=1500ms post_notifiers=0 pstore
    not ok 1 stock@6.12 panic-during-oops-dump
      KTAP version 1
      # Subtest: stock@6.12 panic-alone
      1..2
      # console: 19 saved of 20 (95 % CI 76–99 %), 1 truncated, 0 corrupt, 0 lost
      # cell: 20 trials, 0 missed, 0 infra-error, 0 hung
      ok 1 console
      # pstore: 20 saved of 20 (95 % CI 84–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 20 trials, 0 missed, 0 infra-error, 0 hung
      ok 2 pstore
    ok 2 stock@6.12 panic-alone
      KTAP version 1
      # Subtest: early@6.12 panic-during-oops-dump
      1..4
      # console: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 20 trials, 20 missed, 0 infra-error, 0 hung
      ok 1 hold=0ms post_notifiers=0 console # SKIP none of 20 trials counted: 20 missed, 0 infra-error; trial 3: missed: the hold had ended 12 ms before \x1b[1m
      # pstore: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 20 trials, 20 missed, 0 infra-error, 0 hung
      # expected: pstore saved in at least 90 %
      ok 2 hold=0ms post_notifiers=0 pstore # SKIP none of 20 trials counted: 20 missed, 0 infra-error; trial 3: missed: the hold had ended 12 ms before \x1b[1m
      # console: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 20 trials, 0 missed, 20 infra-error, 0 hung
      # trial 4: infra-error: starting QEMU: no such file ]]>\x00
      #   harness trial panic-during-oops-dump --variant early --base 6.12 --param hold=1500ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551611
      not ok 3 hold=1500ms post_notifiers=0 console # ERROR none of 20 trials counted: 0 missed, 20 infra-error; trial 4: infra-error: starting QEMU: no such file ]]>\x00
      # pstore: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 20 trials, 0 missed, 20 infra-error, 0 hung
      # expected: pstore saved in at least 90 %
      # trial 4: infra-error: starting QEMU: no such file ]]>\x00
      #   harness trial panic-during-oops-dump --variant early --base 6.12 --param hold=1500ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551611
      not ok 4 hold=1500ms post_notifiers=0 pstore # ERROR none of 20 trials counted: 0 missed, 20 infra-error; trial 4: infra-error: starting QEMU: no such file ]]>\x00
    not ok 3 early@6.12 panic-during-oops-dump
      KTAP version 1
      # Subtest: early@6.12 panic-alone
      1..2
      # console: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 0 trials, 0 missed, 0 infra-error, 0 hung
      ok 1 console # SKIP no trial was run
      # pstore: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
      # cell: 0 trials, 0 missed, 0 infra-error, 0 hung
      # expected: pstore saved in at least 90 %
      ok 2 pstore # SKIP no trial was run
    ok 4 early@6.12 panic-alone # SKIP nothing of it was run
    ");
    assert_snapshot!(with(&self::info(vec![]), &[], ktap), @"
    KTAP version 1
    # run 20261122-050607-00ab of harness 43afcc9, seed 18446744073709551615
    # QEMU 7.2.22, tcg
    # stock@6.12: Linux 6.12.117, build id 0123456789abcdef
    1..0
    ");
}

/// Whatever a guest says stays a diagnostic line, or a part of a test's own line.
#[test]
fn a_guest_ends_no_ktap_and_begins_no_test() {
    let cell = key("stock", "panic-alone", "");
    let says = "reboot: System halted\nok 1 console\nKTAP version 1\n# Subtest: other\n1..9 # SKIP it";
    let TrialOutcome::Counted { mut channels, .. } = ordered(counted(Saved, Saved), Broken) else { unreachable!() };
    channels.get_mut(&Channel::Order).unwrap().detail = says.to_owned();
    let broken = TrialOutcome::Counted { hung: false, channels };
    let missed = TrialOutcome::Missed { reason: says.to_owned() };
    let other = key("stock", "late", "");
    let plan = |key: &crate::model::CellKey, expected| PlannedCell {
        key: key.clone(),
        trials: 1,
        expect: expected,
        skipped: None,
    };
    let info = info(vec![plan(&cell, vec![expect(Channel::Order, Kept)]), plan(&other, vec![])]);
    let trials: Vec<TrialRecord> =
        (0..9).map(|index| trial(index, &cell, broken.clone())).chain([trial(9, &other, missed)]).collect();
    let text = with(&info, &trials, ktap);
    let results =
        text.lines().filter(|line| line.trim_start().starts_with("ok ") || line.trim_start().starts_with("not ok "));
    assert_eq!(results.count(), 7, "two subtests, three cases and two: {text}");
    assert_eq!(text.lines().filter(|line| line.trim_start() == "KTAP version 1").count(), 3, "{text}");
    for words in ["reboot: System halted", "Subtest: other"] {
        assert!(!text.contains(words), "{text}");
    }
    assert_eq!(text.matches("Subtest: ").count(), 2, "{text}");
}

#[test]
fn markdown_begins_with_what_matters() {
    let (info, trials) = reported();
    let text = with(&info, &trials, run_markdown);
    assert_snapshot!(text.split_once("**console**").unwrap().0, @r"
    ### 1 failed, 2 infra-error, 4 skipped, 1 as expected, 4 measured

    Run `20261122-050607-00ab`: Linux 6.12.117; QEMU 7.2.22, tcg; seed 18446744073709551615

    | failed | channel | |
    | --- | --- | --- |
    | stock@6.12 panic-during-oops-dump hold=1500ms post_notifiers=0 | pstore | pstore saved in 1 of 20 (95 % CI 1–24 %), expected at least 90 % |

    | infra-error | channel | |
    | --- | --- | --- |
    | early@6.12 panic-during-oops-dump hold=1500ms post_notifiers=0 | console | none of 20 trials counted: 0 missed, 20 infra-error; trial 4: infra-error: starting QEMU: no such file \]\]>\\x00 |
    | early@6.12 panic-during-oops-dump hold=1500ms post_notifiers=0 | pstore | none of 20 trials counted: 0 missed, 20 infra-error; trial 4: infra-error: starting QEMU: no such file \]\]>\\x00 |

    To see them again:

    ```
    harness trial panic-during-oops-dump --variant stock --base 6.12 --param hold=1500ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551609
    harness trial panic-during-oops-dump --variant early --base 6.12 --param hold=1500ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551611
    ```
    ");
}

#[test]
fn markdown_of_many_cells_is_cut_at_a_row() {
    let cells = (0..2000).map(|number| key("stock", OOPS, &format!("hold={number}ms")));
    let planned = cells.clone().map(|key| PlannedCell {
        key,
        trials: 1,
        expect: vec![expect(Channel::Pstore, Saved)],
        skipped: None,
    });
    let trials: Vec<TrialRecord> =
        (0..).zip(cells).map(|(index, key)| trial(index, &key, counted(Saved, Lost))).collect();
    let text = within(&with(&info(planned.collect()), &trials, run_markdown), MARKDOWN_BYTES);
    assert!(text.len() <= MARKDOWN_BYTES && text.len() > MARKDOWN_BYTES - 300, "{}", text.len());
    assert!(text.starts_with("### 2000 failed, 2000 measured\n"), "{text}");
    let shown = text.lines().filter(|line| line.contains("| pstore |")).count();
    // Of the tables' rows below, those of their heads are rows too.
    assert!(
        text.ends_with(&format!("|\n\n… {} more rows\n", 2000 - shown + 2 * 2001)),
        "{}",
        &text[text.len() - 100..]
    );
}

fn step(step: &str) -> OrderStep {
    OrderStep { on: "panic CPU".to_owned(), step: step.to_owned(), of: String::new(), edge: StepEdge::Begin }
}

#[test]
fn a_mail_has_what_a_maintainer_would_paste() {
    let point = |hold: &str| key("x", OOPS, &format!("hold={hold} post_notifiers=0"));
    let base = [
        cell(key("x", "panic-alone", ""), (200, 200), (20, 20)),
        cell_with_order(cell(point("300ms"), (20, 20), (20, 20)), (20, 20)),
        cell(point("1500ms"), (20, 20), (0, 20)),
    ];
    let candidate = [
        cell(key("x", "panic-alone", ""), (200, 200), (20, 20)),
        cell_with_order(cell(point("300ms"), (20, 20), (0, 20)), (0, 20)),
        cell(point("1500ms"), (0, 0), (20, 20)),
    ];
    let comparison = compare(&base, &candidate, Options::default()).unwrap();
    let followed = Followed { trials: 20, followed: 20 };
    let difference = |cell: &crate::results::CellSummary, changes: Vec<Change>| Difference {
        point: crate::compare::Point { scenario: cell.key.scenario.clone(), params: cell.key.params.clone() },
        base: followed,
        candidate: followed,
        same: changes.is_empty(),
        changes,
    };
    let moved = vec![
        Change { kind: Kind::Same, step: step("panic") },
        Change { kind: Kind::Removed, step: step("smp_send_stop") },
        Change { kind: Kind::Same, step: step("kmsg_dump") },
        Change { kind: Kind::Added, step: step("smp_send_stop") },
    ];
    let orders = [difference(&base[1], moved), difference(&base[0], vec![])];
    let name = |variant: &str| KernelName { variant: variant.to_owned(), base: "6.12".to_owned() };
    let text = mail(&Mail {
        info: &info(vec![]),
        base: name("stock"),
        candidate: name("kmsg-dump-before-stop"),
        claim: Some("pstore keeps the log although another CPU holds its lock;\nwhat others print is lost".to_owned()),
        comparison: &comparison,
        orders: &orders,
        margin: 0.1,
    });
    assert!(text.lines().all(|line| line.chars().count() <= 72), "{text}");
    assert_snapshot!(text, @"
    Subject: kmsg-dump-before-stop: 2 worse, 1 better than stock of 7

    kmsg-dump-before-stop is said to do this: pstore keeps the log although
    another CPU holds its lock; what others print is lost

    kmsg-dump-before-stop (base 6.12) was tried against stock (Linux
    6.12.117): guests were crashed in QEMU 7.2.22 (TCG), up to 20 trials a
    cell. The figures are trials in which the channel kept the whole end of
    the log (order: in which the kernel died in the order that is asserted),
    of those that counted, with 95 % intervals; differences are in points.
    Worse and better are so at a false discovery rate of 5 %.

    Worse with kmsg-dump-before-stop:

                       without          with it          difference
      panic-during-oops-dump hold=300ms post_notifiers=0
        pstore         20/20 [84-100]   0/20 [0-16]      -100 [-100, -82]
        order          20/20 [84-100]   0/20 [0-16]      -100 [-100, -82]

    Better with kmsg-dump-before-stop:

                       without          with it          difference
      panic-during-oops-dump hold=1500ms post_notifiers=0
        pstore         0/20 [0-16]      20/20 [84-100]   +100 [+82, +100]

    Of the other 4 figures: 1 the same (they differ by less than 10 points),
    3 undecided (more trials would tell).

    Order of steps, by the timelines; - only in the base's, + only in the
    candidate's:
    panic-during-oops-dump hold=300ms post_notifiers=0: not the same order
    (followed in 20 of 20 trials of the base, 20 of 20 of the candidate)
          panic
        - smp_send_stop
          kmsg_dump
        + smp_send_stop

    The order of steps is the same in 1 of 2 points.

    To repeat:

      harness run quick --seed 18446744073709551615
      harness compare stock@6.12 kmsg-dump-before-stop@6.12

    Run 20261122-050607-00ab of harness 43afcc9, begun
    2026-11-22T05:06:07.000Z, seed 18446744073709551615.
    ");
}
