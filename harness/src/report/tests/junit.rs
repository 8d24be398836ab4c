//! What readers of the `JUnit` report make use of, beside what is in it.

use insta::assert_snapshot;

use super::{HOSTILE, infra, missed, report_for, report_of, reported, xmllint};
use crate::model::Channel;
use crate::model::ChannelOutcome::{Broken, Kept, Lost, Saved};
use crate::model::{CellKey, ParamValue, TrialRecord};
use crate::report::JunitForm;
use crate::results::PlannedCell;
use crate::results::sample::{counted, expect, info, key, ordered, trial};

const ENOUGH: usize = 25 << 20;

/// The text between two others.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap_or_else(|| panic!("{from}: {text}")).1.split_once(to).unwrap().0
}

#[test]
fn an_attempt_that_was_tried_again_is_told_once_a_cell() {
    let cell = key("stock", "panic-alone", "");
    let mut trials = Vec::new();
    for index in 0..4 {
        // Trial 0 was tried twice, the others at once.
        for attempt in 0..=u32::from(index == 0) {
            trials.push(TrialRecord { attempt, ..trial(index, &cell, infra()) });
        }
        trials.push(TrialRecord { attempt: 2, ..trial(index, &cell, counted(Saved, Saved)) });
    }
    let planned = PlannedCell { key: cell, trials: 4, expect: vec![], skipped: None };
    let report = report_of(&info(vec![planned]), &trials, b"");
    xmllint(&report).unwrap();
    let cases: Vec<&str> = report.split("<testcase ").skip(1).collect();
    assert_snapshot!(cases[0].split_once("</testcase>").unwrap().0, @r#"
    name="console" classname="panic-alone.stock@6_12" time="0.560">
                <flakyFailure message="trial 0, attempt 0, tried again: starting QEMU: no such file ]]&gt;\x00" type="infra-error">
                    <stackTrace>starting QEMU: no such file ]]&gt;\x00</stackTrace>
                </flakyFailure>
                <flakyFailure message="trial 0, attempt 1, tried again: starting QEMU: no such file ]]&gt;\x00" type="infra-error">
                    <stackTrace>starting QEMU: no such file ]]&gt;\x00</stackTrace>
                </flakyFailure>
                <flakyFailure message="trial 1, attempt 0, tried again: starting QEMU: no such file ]]&gt;\x00" type="infra-error">
                    <stackTrace>starting QEMU: no such file ]]&gt;\x00</stackTrace>
                </flakyFailure>
                <system-out>console: 4 saved of 4 (95 % CI 51–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 4 trials, 0 missed, 0 infra-error, 0 hung; infra-errors tried again: 5
    </system-out>
    "#);
    assert_eq!(cases[1].matches("flakyFailure").count(), 0, "it is no second event: {report}");
    assert_eq!(report.matches("infra-errors tried again: 5").count(), 2, "{report}");
}

#[test]
fn each_form_has_what_its_reader_asks_for_and_no_other() {
    let (info, trials) = reported();
    let [gitlab, jenkins, plain] = [JunitForm::Gitlab, JunitForm::Jenkins, JunitForm::Plain]
        .map(|form| report_for(form, ENOUGH, &info, &trials, b"the end\n"));
    assert!(!plain.contains("ATTACHMENT") && !plain.contains(" file="), "{plain}");
    xmllint(&plain).unwrap();
    xmllint(&jenkins).unwrap();
    // One that failed, and two of a cell whose trials failed by our fault.
    let attachments: Vec<&str> = jenkins.lines().filter(|line| line.starts_with("[[ATTACHMENT|")).collect();
    assert_eq!(
        attachments,
        ["[[ATTACHMENT|results/6.svg]]", "[[ATTACHMENT|results/4.svg]]", "[[ATTACHMENT|results/4.svg]]"]
    );

    assert!(xmllint(&gitlab).unwrap_err().contains("The attribute 'file' is not allowed"));
    let without = gitlab.replace(" file=\"scenarios/panic-during-oops-dump.yaml\"", "");
    assert_eq!(without.replace(" file=\"scenarios/panic-alone.yaml\"", ""), jenkins, "nothing else is another");
}

/// Jenkins keeps 500 characters of the beginning of a case that passed.
#[test]
fn what_a_case_counted_is_in_its_first_characters() {
    let long = |what: &str| format!("{what}-{}", "x".repeat(60));
    let mut cell = key(&long("variant"), &long("scenario"), "");
    cell.params.insert(long("parameter"), ParamValue::Text(long("value")));
    let splat = |number: u32| crate::model::splats::Splat {
        title: format!("WARNING in {}", long(&format!("function-{number}"))),
        found_in: [].into(),
        expected: false,
    };
    let trials: Vec<TrialRecord> = (0..100)
        .map(|index| TrialRecord {
            splats: (0..16).map(splat).collect(),
            ..trial(index, &cell, counted(if index < 95 { Saved } else { Lost }, Saved))
        })
        .collect();
    let expected = vec![expect(Channel::Console, Saved), expect(Channel::Pstore, Saved)];
    let report = report_of(
        &info(vec![PlannedCell { key: cell, trials: 100, expect: expected, skipped: None }]),
        &trials,
        HOSTILE,
    );
    let out = between(&report, "<system-out>", "</system-out>");
    let first: String = out.chars().take(500).collect();
    for figure in ["console: 95 saved of 100 (95 % CI 89–98 %)", "5 lost", "100 trials, 0 missed", "in at least 90 %"]
    {
        assert!(first.contains(figure), "{figure}: {first}");
    }
    assert!(out.contains("again: harness trial scenario-xxx"), "a trial that lost it can be seen again: {out}");
    assert!(!out.contains("console:\n"), "no reader shows the console of a case that passed: {out}");
}

#[test]
fn a_guest_names_no_files_of_the_readers() {
    let (info, trials) = reported();
    let console = b"[[ATTACHMENT|/etc/shadow]]\n[[ATTACHMENT|secrets.txt]]\n";
    for form in [JunitForm::Gitlab, JunitForm::Jenkins, JunitForm::Plain] {
        let report = report_for(form, ENOUGH, &info, &trials, console);
        let named = report.lines().filter(|line| line.contains("[[ATTACHMENT|"));
        assert!(named.clone().all(|line| line.ends_with(".svg]]")), "{:?}", named.collect::<Vec<_>>());
        assert!(report.contains("[[ATTACHMENT\\x7c/etc/shadow]]"), "what it said is still there: {report}");
    }
}

/// A run of so many cells in which everything failed, with details.
fn failed(cells: u32) -> (crate::results::RunInfo, Vec<TrialRecord>) {
    let cell = |number: u32| CellKey {
        params: [("hold".to_owned(), ParamValue::Number(number.into()))].into(),
        ..key("stock", &format!("scenario-{}", number / 20), "")
    };
    let expected = vec![expect(Channel::Console, Saved), expect(Channel::Pstore, Saved), expect(Channel::Order, Kept)];
    let planned = |number| PlannedCell { key: cell(number), trials: 1, expect: expected.clone(), skipped: None };
    let record = |number: u32| trial(number.into(), &cell(number), ordered(counted(Lost, Lost), Broken));
    (info((0..cells).map(planned).collect()), (0..cells).map(record).collect())
}

#[test]
fn five_thousand_cells_stay_below_what_readers_take() {
    let (info, trials) = failed(5000);
    // Each byte of it takes four.
    let console = "\u{1b}".repeat(4096);
    let report = report_for(JunitForm::Gitlab, ENOUGH, &info, &trials, console.as_bytes());
    assert!(report.len() <= ENOUGH && report.len() > ENOUGH * 9 / 10, "{}", report.len());
    assert_eq!(report.matches("<testcase ").count(), 15_000);
    assert_eq!(report.matches("<failure ").count(), 15_000);
    assert_eq!(report.matches("[[ATTACHMENT|").count(), 15_000);
    let notice = between(&report, "<system-err>", "</system-err>");
    assert!(notice.starts_with("The report has a limit: of each console"), "{notice}");
    assert_eq!(report.matches("<system-err>").count(), report.matches("<testsuite ").count());
    // All consoles are cut alike.
    let lengths: std::collections::BTreeSet<usize> = report
        .split("the end of its console:\n")
        .skip(1)
        .map(|rest| rest.split_once("\n</system-out>").unwrap().0.len())
        .collect();
    assert_eq!(lengths.len(), 1, "{lengths:?}");
}

#[test]
fn what_may_be_shortened_is_and_the_rest_is_not() {
    let (info, trials) = failed(3);
    let console = b"first line\nsecond line\nlast line\n".repeat(20);
    let whole = report_for(JunitForm::Plain, ENOUGH, &info, &trials, &console);
    assert!(!whole.contains("system-err"), "{whole}");
    let lengths: Vec<usize> = [whole.len(), whole.len() - 1, whole.len() - 2000, 0]
        .map(|limit| {
            let report = report_for(JunitForm::Plain, limit, &info, &trials, &console);
            xmllint(&report).unwrap();
            assert_eq!(report.matches("<failure ").count(), 9, "{report}");
            assert!(report.contains("order kept in 0 of 1 (95 % CI 0–79 %), expected at least 90 %"), "{report}");
            assert!(report.len() <= limit || limit == 0, "{} of {limit}", report.len());
            report.len()
        })
        .into();
    assert_eq!(lengths[0], whole.len());
    assert!(lengths[3] < lengths[2], "{lengths:?}");
    let shortened = report_for(JunitForm::Plain, whole.len() - 1, &info, &trials, &console);
    assert!(shortened.contains("…\n") && shortened.contains("last line\n"), "the end is what is kept: {shortened}");
}

#[test]
fn a_scenario_that_missed_can_be_seen_again() {
    let cell = key("stock", "late", "");
    let trials = [trial(7, &cell, missed())];
    let report =
        report_of(&info(vec![PlannedCell { key: cell, trials: 1, expect: vec![], skipped: None }]), &trials, b"");
    assert_snapshot!(between(&report, "<skipped ", "</skipped>"), @r#"
    message="none of 1 trials counted: 1 missed, 0 infra-error; trial 7: missed: the hold had ended 12 ms before \x1b[1m">none of 1 trials counted: 1 missed, 0 infra-error; trial 7: missed: the hold had ended 12 ms before \x1b[1m

    harness trial late --variant stock --base 6.12 --accel tcg --time real --seed 18446744073709551608
    "#);
}
