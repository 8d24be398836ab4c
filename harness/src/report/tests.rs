use std::fs;
use std::process::Command;
use std::time::SystemTime;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::console::{one_line, printable};
use super::*;
use crate::compare::{Evidence, Options, compare};
use crate::model::ChannelOutcome::{Corrupt, Lost, Saved, Truncated, Unreadable};
use crate::model::{Channel, TrialOutcome, TrialRecord};
use crate::results::sample::{cell, counted, expect, info, kept, key, trial};
use crate::results::{CellSummary, PlannedCell, Run, RunInfo, Summary, judge};

mod junit;
mod order;
mod others;
mod skipped;
mod templates;

const TEXT: Format = Format::Text { colour: false };
const OOPS: &str = "panic-during-oops-dump";
const VARIANTS: [&str; 3] = ["stock", "kmsg-dump-before-stop", "kmsg-dump-before-notifiers"];

/// The suite `quick` in three variants; made up, but of real size.
fn quick() -> Summary {
    let mut cells = Vec::new();
    for (index, variant) in VARIANTS.into_iter().enumerate() {
        cells.push(cell(key(variant, "panic-alone", ""), (20, 20), (20, 20)));
        for hold in ["0ms", "1500ms"] {
            for post in 0..2 {
                let point = format!("hold={hold} post_notifiers={post}");
                let saved = if hold == "0ms" || (index == 0 && post == 0) { 20 } else { 7 * u32::from(post == 1) };
                cells.push(cell(key(variant, OOPS, &point), (20, 20), (saved, 20)));
            }
        }
    }
    cells[1].missed = 3;
    cells[1].trials = 23;
    cells[2].infra_errors = 1;
    cells[3].hung = 2;
    cells.push(CellSummary { trials: 4, missed: 4, ..CellSummary::empty(key("stock", "late", "")) });
    Summary { run_id: "20261122-050607-00ab".into(), cells }
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn variants_side_by_side() {
    let text = variant_table(&quick(), TEXT);
    assert!(widest(&text) <= 120, "{text}");
    assert_snapshot!(text, @r"
    console
                                    stock         kmsg-dump-before-stop  kmsg-dump-before-notifiers
    ────────────────────────────────────────────────────────────────────────────────────────────────
    panic-alone                     saved 20/20   saved 20/20            saved 20/20
    panic-during-oops-dump
      hold=0ms post_notifiers=0     saved 20/20   saved 20/20            saved 20/20
      hold=0ms post_notifiers=1     saved 20/20   saved 20/20            saved 20/20
      hold=1500ms post_notifiers=0  saved 20/20   saved 20/20            saved 20/20
      hold=1500ms post_notifiers=1  saved 20/20   saved 20/20            saved 20/20
    late                            none counted  -                      -

    pstore
                                    stock         kmsg-dump-before-stop  kmsg-dump-before-notifiers
    ────────────────────────────────────────────────────────────────────────────────────────────────
    panic-alone                     saved 20/20   saved 20/20            saved 20/20
    panic-during-oops-dump
      hold=0ms post_notifiers=0     saved 20/20   saved 20/20            saved 20/20
      hold=0ms post_notifiers=1     saved 20/20   saved 20/20            saved 20/20
      hold=1500ms post_notifiers=0  saved 20/20   lost 0/20              lost 0/20
      hold=1500ms post_notifiers=1  mixed 7/20    mixed 7/20             mixed 7/20
    late                            none counted  -                      -

    Figures: trials in which everything was saved, of those that counted.
    307 trials; not counted: 7 missed, 1 infra-error; hung: 2.
    ");
    assert_snapshot!(variant_table(&quick(), Format::Markdown), @r"
    **console**

    | scenario | parameters | stock | kmsg-dump-before-stop | kmsg-dump-before-notifiers |
    | --- | --- | --- | --- | --- |
    | panic-alone |  | saved 20/20 | saved 20/20 | saved 20/20 |
    | panic-during-oops-dump | hold=0ms post_notifiers=0 | saved 20/20 | saved 20/20 | saved 20/20 |
    | panic-during-oops-dump | hold=0ms post_notifiers=1 | saved 20/20 | saved 20/20 | saved 20/20 |
    | panic-during-oops-dump | hold=1500ms post_notifiers=0 | saved 20/20 | saved 20/20 | saved 20/20 |
    | panic-during-oops-dump | hold=1500ms post_notifiers=1 | saved 20/20 | saved 20/20 | saved 20/20 |
    | late |  | none counted | - | - |

    **pstore**

    | scenario | parameters | stock | kmsg-dump-before-stop | kmsg-dump-before-notifiers |
    | --- | --- | --- | --- | --- |
    | panic-alone |  | saved 20/20 | saved 20/20 | saved 20/20 |
    | panic-during-oops-dump | hold=0ms post_notifiers=0 | saved 20/20 | saved 20/20 | saved 20/20 |
    | panic-during-oops-dump | hold=0ms post_notifiers=1 | saved 20/20 | saved 20/20 | saved 20/20 |
    | panic-during-oops-dump | hold=1500ms post_notifiers=0 | saved 20/20 | lost 0/20 | lost 0/20 |
    | panic-during-oops-dump | hold=1500ms post_notifiers=1 | mixed 7/20 | mixed 7/20 | mixed 7/20 |
    | late |  | none counted | - | - |

    Figures: trials in which everything was saved, of those that counted.
    307 trials; not counted: 7 missed, 1 infra-error; hung: 2.
    ");
}

#[test]
fn every_figure_of_every_cell() {
    let text = summary_table(&quick(), TEXT);
    assert!(widest(&text) <= 120, "{text}");
    assert_snapshot!(text, @r"
                                                         console              pstore               hung  missed  infra
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    panic-alone
      stock                                              20/20 100% [84–100]  20/20 100% [84–100]     0       0      0
      kmsg-dump-before-stop                              20/20 100% [84–100]  20/20 100% [84–100]     0       0      0
      kmsg-dump-before-notifiers                         20/20 100% [84–100]  20/20 100% [84–100]     0       0      0
    panic-during-oops-dump hold=0ms post_notifiers=0
      stock                                              20/20 100% [84–100]  20/20 100% [84–100]     0       3      0
      kmsg-dump-before-stop                              20/20 100% [84–100]  20/20 100% [84–100]     0       0      0
      kmsg-dump-before-notifiers                         20/20 100% [84–100]  20/20 100% [84–100]     0       0      0
    panic-during-oops-dump hold=0ms post_notifiers=1
      stock                                              20/20 100% [84–100]  20/20 100% [84–100]     0       0      1
      kmsg-dump-before-stop                              20/20 100% [84–100]  20/20 100% [84–100]     0       0      0
      kmsg-dump-before-notifiers                         20/20 100% [84–100]  20/20 100% [84–100]     0       0      0
    panic-during-oops-dump hold=1500ms post_notifiers=0
      stock                                              20/20 100% [84–100]  20/20 100% [84–100]     2       0      0
      kmsg-dump-before-stop                              20/20 100% [84–100]  0/20 0% [0–16]          0       0      0
      kmsg-dump-before-notifiers                         20/20 100% [84–100]  0/20 0% [0–16]          0       0      0
    panic-during-oops-dump hold=1500ms post_notifiers=1
      stock                                              20/20 100% [84–100]  7/20 35% [18–57]        0       0      0
      kmsg-dump-before-stop                              20/20 100% [84–100]  7/20 35% [18–57]        0       0      0
      kmsg-dump-before-notifiers                         20/20 100% [84–100]  7/20 35% [18–57]        0       0      0
    late
      stock                                              none counted         none counted            0       4      0

    Figures: trials in which everything was saved, of those that counted; share; its 95 % interval.
    307 trials; not counted: 7 missed, 1 infra-error; hung: 2.
    ");
}

#[test]
fn every_figure_in_markdown() {
    let mut one = quick();
    one.cells.truncate(2);
    one.cells[0].key.base = "6.1|b".into();
    assert_snapshot!(summary_table(&one, Format::Markdown), @r"
    | cell | variant | console | pstore | hung | missed | infra |
    | --- | --- | --- | --- | ---: | ---: | ---: |
    | panic-alone | stock@6.1\|b | 20/20 100% [84–100] | 20/20 100% [84–100] | 0 | 0 | 0 |
    | panic-during-oops-dump hold=0ms post_notifiers=0 | stock@6.12 | 20/20 100% [84–100] | 20/20 100% [84–100] | 0 | 3 | 0 |

    Figures: trials in which everything was saved, of those that counted; share; its 95 % interval.
    43 trials; not counted: 3 missed, 0 infra-error; hung: 0.
    ");
}

#[test]
fn a_table_fits_however_many_variants_there_are() {
    let mut many = quick();
    for number in 0..6 {
        let mut key = key(&format!("another-variant-number-{number}"), OOPS, "hold=0ms post_notifiers=0");
        key.base = format!("6.{number}");
        many.cells.push(cell(key, (20, 20), (20, 20)));
    }
    for text in [variant_table(&many, TEXT), summary_table(&many, TEXT)] {
        assert!(widest(&text) <= 120, "{text}");
    }
}

#[test]
fn an_outcome_is_named_only_when_all_came_to_it() {
    let point = key("stock", "panic-alone", "");
    let word = |outcomes: &[crate::model::ChannelOutcome]| {
        let trials: Vec<_> =
            (0..).zip(outcomes).map(|(i, &outcome)| trial(i, &point, counted(Saved, outcome))).collect();
        let text = variant_table(&Summary::from_trials("x", &trials), TEXT);
        text.lines().rev().find(|line| line.starts_with("panic-alone")).unwrap()["panic-alone".len()..]
            .trim()
            .to_owned()
    };
    assert_eq!(word(&[Truncated, Truncated]), "truncated 0/2");
    assert_eq!(word(&[Corrupt]), "corrupt 0/1");
    assert_eq!(word(&[Unreadable]), "unreadable 0/1");
    assert_eq!(word(&[Lost, Corrupt]), "mixed 0/2");
    assert_eq!(word(&[Saved, Lost]), "mixed 1/2");
}

#[test]
fn colour_only_when_asked_for_and_it_changes_nothing_else() {
    let plain = variant_table(&quick(), TEXT);
    assert!(!plain.contains('\u{1b}'));
    let coloured = variant_table(&quick(), Format::Text { colour: true });
    assert!(coloured.contains('\u{1b}'));
    let stripped: String = coloured.split('\u{1b}').enumerate().fold(String::new(), |text, (index, part)| {
        text + if index == 0 { part } else { part.split_once('m').unwrap().1 }
    });
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&stripped), words(&plain));
}

#[test]
fn nothing_makes_an_empty_table_not_a_panic() {
    let empty = Summary { run_id: "x".into(), cells: vec![] };
    for format in [TEXT, Format::Markdown] {
        assert!(variant_table(&empty, format).contains("0 trials; not counted: 0 missed"));
        assert!(summary_table(&empty, format).contains("0 trials; not counted: 0 missed"));
    }
}

#[test]
fn a_comparison_with_all_verdicts() {
    let point = |hold: &str| key("x", OOPS, &format!("hold={hold} post_notifiers=0"));
    let base = [
        cell(key("x", "panic-alone", ""), (200, 200), (20, 20)),
        cell(point("300ms"), (20, 20), (20, 20)),
        cell(point("1500ms"), (20, 20), (0, 20)),
        cell(key("x", "old", ""), (1, 1), (1, 1)),
    ];
    let candidate = [
        cell(key("x", "panic-alone", ""), (200, 200), (20, 20)),
        cell(point("300ms"), (20, 20), (0, 20)),
        cell(point("1500ms"), (0, 0), (20, 20)),
        cell(key("x", "new", "n=1"), (1, 1), (1, 1)),
    ];
    let comparison = compare(&base, &candidate, Options::default()).unwrap();
    let text = compare_table(&comparison, "stock@6.12 of A", "patched@6.12 of B", TEXT);
    assert!(widest(&text) <= 120, "{text}");
    assert_snapshot!(text, @r"
    base: stock@6.12 of A
    candidate: patched@6.12 of B

                                    channel  base              candidate         difference, pp    p       verdict
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    panic-alone                     console  200/200 [98–100]  200/200 [98–100]  +0 [-2, +2]       1.000   same
    panic-alone                     pstore   20/20 [84–100]    20/20 [84–100]    +0 [-16, +16]     1.000   undecided (36)
    panic-during-oops-dump
      hold=300ms post_notifiers=0   console  20/20 [84–100]    20/20 [84–100]    +0 [-16, +16]     1.000   undecided (36)
      hold=300ms post_notifiers=0   pstore   20/20 [84–100]    0/20 [0–16]       -100 [-100, -82]  <0.001  regressed
      hold=1500ms post_notifiers=0  console  20/20 [84–100]    none counted      -                 -       undecided
      hold=1500ms post_notifiers=0  pstore   0/20 [0–16]       20/20 [84–100]    +100 [+82, +100]  <0.001  improved

    only in base: old
    only in candidate: new n=1

    Saved, of those that counted, with 95 % intervals; p: Boschloo's exact test, adjusted for all rows.
    undecided (n): n trials a side would decide it, if the shares stay what they are.
    1 regressed, 1 improved, 1 same, 3 undecided (more trials needed).
    ");
    let markdown = compare_table(&comparison, "stock@6.12 of A", "patched@6.12 of B", Format::Markdown);
    assert_snapshot!(markdown.lines().nth(5).unwrap(), @"| panic-alone |  | console | 200/200 [98–100] | 200/200 [98–100] | +0 [-2, +2] | 1.000 | same |");

    let options = Options { evidence: Evidence::Sequential, ..Options::default() };
    let sequential = compare_table(&compare(&base, &candidate, options).unwrap(), "stock", "patched", TEXT);
    assert!(widest(&sequential) <= 120, "{sequential}");
    assert_snapshot!(sequential.lines().skip(5).collect::<Vec<_>>().join("\n"), @r"
    panic-alone                     console  200/200 [98–100]  200/200 [98–100]  +0 [-3, +3]       1.000   same
    panic-alone                     pstore   20/20 [81–100]    20/20 [81–100]    +0 [-23, +23]     1.000   undecided (52)
    panic-during-oops-dump
      hold=300ms post_notifiers=0   console  20/20 [81–100]    20/20 [81–100]    +0 [-23, +23]     1.000   undecided (52)
      hold=300ms post_notifiers=0   pstore   20/20 [81–100]    0/20 [0–19]       -100 [-100, -75]  <0.001  regressed
      hold=1500ms post_notifiers=0  console  20/20 [81–100]    none counted      -                 -       undecided
      hold=1500ms post_notifiers=0  pstore   0/20 [0–19]       20/20 [81–100]    +100 [+75, +100]  <0.001  improved

    only in base: old
    only in candidate: new n=1

    Saved, of those that counted, with 95 % confidence sequences; p adjusted for all rows. Both hold at any look.
    undecided (n): n trials a side would decide it, if the shares stay what they are.
    1 regressed, 1 improved, 1 same, 3 undecided (more trials needed).
    ");
}

/// A console that tries everything: escapes, an unfinished title, NUL, the end of CDATA, broken UTF-8, what XML
/// forbids.
const HOSTILE: &[u8] =
    b"<6>[    1.0] fine & <b>\r\n\x1b[31mred\x1b]0;title \0\x07 ]]> \xff\xfe \xef\xbf\xbf \xc2\x85 \x7f\nend";

fn missed() -> TrialOutcome {
    TrialOutcome::Missed { reason: "the hold had ended\n12 ms before \u{1b}[1m".into() }
}

fn infra() -> TrialOutcome {
    TrialOutcome::InfraError { cause: "starting QEMU: no such file ]]>\0".into() }
}

/// A run with every kind of cell, its plan, and its report.
fn reported() -> (RunInfo, Vec<TrialRecord>) {
    let cells = [
        key("stock", OOPS, "hold=0ms post_notifiers=0"),
        key("stock", OOPS, "hold=1500ms post_notifiers=0"),
        key("stock", "panic-alone", ""),
        key("early", OOPS, "hold=0ms post_notifiers=0"),
        key("early", OOPS, "hold=1500ms post_notifiers=0"),
        key("early", "panic-alone", ""),
    ];
    let mut trials = Vec::new();
    for round in 0..20 {
        let outcomes = [
            counted(Saved, Saved),
            counted(Saved, if round == 0 { Saved } else { Lost }),
            counted(if round == 3 { Truncated } else { Saved }, Saved),
            missed(),
            infra(),
        ];
        for (cell, outcome) in cells.iter().zip(outcomes) {
            trials.push(trial(u64::try_from(trials.len()).unwrap(), cell, outcome));
        }
    }
    let planned = cells.into_iter().enumerate().map(|(index, key)| {
        // The third cell is only measured.
        let expect = if index == 2 { vec![] } else { vec![expect(Channel::Pstore, Saved)] };
        PlannedCell { key, trials: 20, expect, skipped: None }
    });
    (info(planned.collect()), trials)
}

/// What a run with these records counted, and what is told of them. Of a trial that is there twice the last one counts.
fn read(info: &RunInfo, trials: &[TrialRecord]) -> (Summary, TrialNotes) {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::create(folder.path(), SystemTime::UNIX_EPOCH).unwrap();
    run.write_info(info).unwrap();
    let lines: Vec<String> = trials.iter().map(|trial| serde_json::to_string(trial).unwrap() + "\n").collect();
    fs::write(run.folder().join("trials.jsonl"), lines.concat()).unwrap();
    let (summary, finished) = run.tally().unwrap();
    (Summary { run_id: info.run_id.clone(), ..summary }, TrialNotes::of(run.trials().unwrap(), &finished).unwrap())
}

fn report_of(info: &RunInfo, trials: &[TrialRecord], console: &[u8]) -> String {
    report_for(JunitForm::Plain, 25 << 20, info, trials, console)
}

fn report_for(form: JunitForm, limit: usize, info: &RunInfo, trials: &[TrialRecord], console: &[u8]) -> String {
    let (summary, notes) = read(info, trials);
    let judged = judge(&summary, &info.cells);
    let picture = |trial| vec![format!("results/{trial}.svg")];
    let report = Junit {
        reported: Reported { info, summary: &summary, notes: &notes, judged: &judged, known: None },
        form,
        known_as: KnownAs::default(),
        limit,
        console_tail: &|_| Some(console.to_vec()),
        attachments: &|trial| if form == JunitForm::Plain { Vec::new() } else { picture(trial) },
    };
    junit(&report).unwrap()
}

/// What `xmllint` says of it; nothing if it is valid.
fn xmllint(xml: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("junit.xml");
    fs::write(&file, xml).unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/junit.xsd");
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema", schema])
        .arg(&file)
        .output()
        .expect("xmllint is needed: apt-get install libxml2-utils");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn junit_of_a_run_with_every_kind_of_cell() {
    let (info, trials) = reported();
    assert_snapshot!(report_of(&info, &trials, HOSTILE), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="20261122-050607-00ab" tests="12" failures="1" errors="2">
        <testsuite name="stock@6.12 panic-during-oops-dump" tests="4" skipped="0" errors="0" failures="1" time="5.600" timestamp="2026-11-22T05:06:07.000Z">
            <properties>
                <property name="seed" value="18446744073709551615"/>
                <property name="run" value="20261122-050607-00ab"/>
                <property name="command" value="harness run quick"/>
                <property name="harness" value="43afcc9"/>
                <property name="qemu" value="7.2.22"/>
                <property name="accelerator" value="tcg"/>
                <property name="kernel" value="6.12.117"/>
                <property name="build_id" value="0123456789abcdef"/>
            </properties>
            <testcase name="hold=0ms post_notifiers=0 console" classname="panic-during-oops-dump.stock@6_12" time="2.800">
                <system-out>console: 20 saved of 20 (95 % CI 84–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 20 trials, 0 missed, 0 infra-error, 0 hung
    </system-out>
            </testcase>
            <testcase name="hold=0ms post_notifiers=0 pstore" classname="panic-during-oops-dump.stock@6_12" time="0.000">
                <system-out>pstore: 20 saved of 20 (95 % CI 84–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 20 trials, 0 missed, 0 infra-error, 0 hung
    expected: pstore saved in at least 90 %
    </system-out>
            </testcase>
            <testcase name="hold=1500ms post_notifiers=0 console" classname="panic-during-oops-dump.stock@6_12" time="2.800">
                <system-out>console: 20 saved of 20 (95 % CI 84–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 20 trials, 0 missed, 0 infra-error, 0 hung
    </system-out>
            </testcase>
            <testcase name="hold=1500ms post_notifiers=0 pstore" classname="panic-during-oops-dump.stock@6_12" time="0.000">
                <failure message="pstore saved in 1 of 20 (95 % CI 1–24 %), expected at least 90 %" type="expectation">pstore saved in 1 of 20 (95 % CI 1–24 %), expected at least 90 %

    harness trial panic-during-oops-dump --variant stock --base 6.12 --param hold=1500ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551609
    </failure>
                <system-out>pstore: 1 saved of 20 (95 % CI 1–24 %), 0 truncated, 0 corrupt, 19 lost
    cell: 20 trials, 0 missed, 0 infra-error, 0 hung
    expected: pstore saved in at least 90 %
    first trial that was not saved: 6
      seed 18446744073709551609, nonce 0000000000000006: lost (0 of 32 witness lines) the panic&apos;s own line is missing
      the end of its console:
    &lt;6&gt;[    1.0] fine &amp; &lt;b&gt;
    \x1b[31mred\x1b]0;title \x00\x07 ]]&gt; �� \u{ffff} \x85 \x7f
    end
    </system-out>
            </testcase>
        </testsuite>
        <testsuite name="stock@6.12 panic-alone" tests="2" skipped="0" errors="0" failures="0" time="2.800" timestamp="2026-11-22T05:06:07.000Z">
            <properties>
                <property name="seed" value="18446744073709551615"/>
                <property name="run" value="20261122-050607-00ab"/>
                <property name="command" value="harness run quick"/>
                <property name="harness" value="43afcc9"/>
                <property name="qemu" value="7.2.22"/>
                <property name="accelerator" value="tcg"/>
                <property name="kernel" value="6.12.117"/>
                <property name="build_id" value="0123456789abcdef"/>
            </properties>
            <testcase name="console" classname="panic-alone.stock@6_12" time="2.800">
                <system-out>console: 19 saved of 20 (95 % CI 76–99 %), 1 truncated, 0 corrupt, 0 lost
    cell: 20 trials, 0 missed, 0 infra-error, 0 hung
    first trial that was not saved: 17
      seed 18446744073709551598, nonce 0000000000000011: truncated (32 of 32 witness lines) the panic&apos;s own line is missing
      again: harness trial panic-alone --variant stock --base 6.12 --accel tcg --time real --seed 18446744073709551598
    </system-out>
            </testcase>
            <testcase name="pstore" classname="panic-alone.stock@6_12" time="0.000">
                <system-out>pstore: 20 saved of 20 (95 % CI 84–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 20 trials, 0 missed, 0 infra-error, 0 hung
    </system-out>
            </testcase>
        </testsuite>
        <testsuite name="early@6.12 panic-during-oops-dump" tests="4" skipped="2" errors="2" failures="0" time="5.600" timestamp="2026-11-22T05:06:07.000Z">
            <properties>
                <property name="seed" value="18446744073709551615"/>
                <property name="run" value="20261122-050607-00ab"/>
                <property name="command" value="harness run quick"/>
                <property name="harness" value="43afcc9"/>
                <property name="qemu" value="7.2.22"/>
                <property name="accelerator" value="tcg"/>
            </properties>
            <testcase name="hold=0ms post_notifiers=0 console" classname="panic-during-oops-dump.early@6_12" time="2.800">
                <skipped message="none of 20 trials counted: 20 missed, 0 infra-error; trial 3: missed: the hold had ended 12 ms before \x1b[1m">none of 20 trials counted: 20 missed, 0 infra-error; trial 3: missed: the hold had ended 12 ms before \x1b[1m

    harness trial panic-during-oops-dump --variant early --base 6.12 --param hold=0ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551612
    </skipped>
                <system-out>console: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 20 trials, 20 missed, 0 infra-error, 0 hung
    first trial: 3
      seed 18446744073709551612, nonce 0000000000000003: missed: the hold had ended 12 ms before \x1b[1m
      the end of its console:
    &lt;6&gt;[    1.0] fine &amp; &lt;b&gt;
    \x1b[31mred\x1b]0;title \x00\x07 ]]&gt; �� \u{ffff} \x85 \x7f
    end
    </system-out>
            </testcase>
            <testcase name="hold=0ms post_notifiers=0 pstore" classname="panic-during-oops-dump.early@6_12" time="0.000">
                <skipped message="none of 20 trials counted: 20 missed, 0 infra-error; trial 3: missed: the hold had ended 12 ms before \x1b[1m">none of 20 trials counted: 20 missed, 0 infra-error; trial 3: missed: the hold had ended 12 ms before \x1b[1m

    harness trial panic-during-oops-dump --variant early --base 6.12 --param hold=0ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551612
    </skipped>
                <system-out>pstore: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 20 trials, 20 missed, 0 infra-error, 0 hung
    expected: pstore saved in at least 90 %
    first trial: 3
      seed 18446744073709551612, nonce 0000000000000003: missed: the hold had ended 12 ms before \x1b[1m
      the end of its console:
    &lt;6&gt;[    1.0] fine &amp; &lt;b&gt;
    \x1b[31mred\x1b]0;title \x00\x07 ]]&gt; �� \u{ffff} \x85 \x7f
    end
    </system-out>
            </testcase>
            <testcase name="hold=1500ms post_notifiers=0 console" classname="panic-during-oops-dump.early@6_12" time="2.800">
                <error message="none of 20 trials counted: 0 missed, 20 infra-error; trial 4: infra-error: starting QEMU: no such file ]]&gt;\x00" type="infra-error">none of 20 trials counted: 0 missed, 20 infra-error; trial 4: infra-error: starting QEMU: no such file ]]&gt;\x00

    harness trial panic-during-oops-dump --variant early --base 6.12 --param hold=1500ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551611
    </error>
                <system-out>console: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 20 trials, 0 missed, 20 infra-error, 0 hung
    first trial: 4
      seed 18446744073709551611, nonce 0000000000000004: infra-error: starting QEMU: no such file ]]&gt;\x00
      the end of its console:
    &lt;6&gt;[    1.0] fine &amp; &lt;b&gt;
    \x1b[31mred\x1b]0;title \x00\x07 ]]&gt; �� \u{ffff} \x85 \x7f
    end
    </system-out>
            </testcase>
            <testcase name="hold=1500ms post_notifiers=0 pstore" classname="panic-during-oops-dump.early@6_12" time="0.000">
                <error message="none of 20 trials counted: 0 missed, 20 infra-error; trial 4: infra-error: starting QEMU: no such file ]]&gt;\x00" type="infra-error">none of 20 trials counted: 0 missed, 20 infra-error; trial 4: infra-error: starting QEMU: no such file ]]&gt;\x00

    harness trial panic-during-oops-dump --variant early --base 6.12 --param hold=1500ms --param post_notifiers=0 --accel tcg --time real --seed 18446744073709551611
    </error>
                <system-out>pstore: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 20 trials, 0 missed, 20 infra-error, 0 hung
    expected: pstore saved in at least 90 %
    first trial: 4
      seed 18446744073709551611, nonce 0000000000000004: infra-error: starting QEMU: no such file ]]&gt;\x00
      the end of its console:
    &lt;6&gt;[    1.0] fine &amp; &lt;b&gt;
    \x1b[31mred\x1b]0;title \x00\x07 ]]&gt; �� \u{ffff} \x85 \x7f
    end
    </system-out>
            </testcase>
        </testsuite>
        <testsuite name="early@6.12 panic-alone" tests="2" skipped="2" errors="0" failures="0" time="0.000">
            <properties>
                <property name="seed" value="18446744073709551615"/>
                <property name="run" value="20261122-050607-00ab"/>
                <property name="command" value="harness run quick"/>
                <property name="harness" value="43afcc9"/>
                <property name="qemu" value="7.2.22"/>
                <property name="accelerator" value="tcg"/>
            </properties>
            <testcase name="console" classname="panic-alone.early@6_12" time="0.000">
                <skipped message="no trial was run">no trial was run
    </skipped>
                <system-out>console: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 0 trials, 0 missed, 0 infra-error, 0 hung
    </system-out>
            </testcase>
            <testcase name="pstore" classname="panic-alone.early@6_12" time="0.000">
                <skipped message="no trial was run">no trial was run
    </skipped>
                <system-out>pstore: 0 saved of 0 (95 % CI 0–100 %), 0 truncated, 0 corrupt, 0 lost
    cell: 0 trials, 0 missed, 0 infra-error, 0 hung
    expected: pstore saved in at least 90 %
    </system-out>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn junit_tells_how_much_of_the_log_was_kept() {
    let (info, trials) = reported();
    assert!(!report_of(&info, &trials, b"").contains("log: a trial kept"));
    let with: Vec<TrialRecord> =
        trials.into_iter().map(|trial| TrialRecord { outcome: kept(trial.outcome, 60, 61), ..trial }).collect();
    let xml = report_of(&info, &with, b"");
    assert!(xml.contains("log: a trial kept 98.36 % of what it had logged, on average"), "{xml}");
}

#[test]
fn junit_tells_what_the_next_boot_could_not_read() {
    let cell = key("stock", "panic-alone", "");
    let report = report_of(&info(vec![]), &[trial(0, &cell, counted(Saved, Unreadable))], b"");
    assert!(
        report.contains("pstore: 0 saved of 1 (95 % CI 0–79 %), 0 truncated, 0 corrupt, 1 unreadable, 0 lost"),
        "{report}"
    );
    assert!(!report.contains("0 unreadable"), "nobody asked of the console: {report}");
}

#[test]
fn junit_is_valid_whatever_the_console_says() {
    let (info, trials) = reported();
    let every_byte: Vec<u8> = (0..=255).chain(0..=255).rev().collect();
    for console in [HOSTILE, &every_byte, "\u{ffff}\u{fffe}\u{fdd0}\u{10ffff}\u{85}".as_bytes(), b""] {
        xmllint(&report_of(&info, &trials, console)).unwrap();
    }
    xmllint(&report_of(&self::info(vec![]), &[], b"")).unwrap();
}

#[test]
fn the_schema_refuses_what_strict_readers_refuse() {
    let (info, trials) = reported();
    let good = report_of(&info, &trials, b"");
    for (from, to) in [
        ("<testsuites ", "<testsuites skipped=\"0\" "),
        ("<testcase ", "<testcase timestamp=\"2026-11-22T05:06:07Z\" "),
        ("<system-out>", "<properties><property name=\"a\" value=\"b\"/></properties><system-out>"),
        ("failures=\"1\"", ""),
        ("</testsuites>", ""),
        ("saved of", "\u{1}"),
        ("saved of", "\u{ffff}"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert!(xmllint(&bad).is_err(), "{from} -> {to}");
    }
    // GitLab shows the text, and Jenkins adds up the times.
    for (from, to) in [
        ("(<failure [^>]*)>[^<]*</failure>", "$1/>"),
        ("(<skipped [^>]*)>[^<]*</skipped>", "$1/>"),
        (r#"(<testcase [^>]*) time="[0-9.]*""#, "$1"),
    ] {
        let bad = regex::Regex::new(from).unwrap().replace(&good, to).into_owned();
        assert_ne!(bad, good, "{from}");
        assert!(xmllint(&bad).is_err(), "{from}");
    }
}

#[test]
fn the_order_of_the_trials_does_not_matter() {
    let (info, mut trials) = reported();
    let report = report_of(&info, &trials, HOSTILE);
    trials.reverse();
    assert_eq!(report_of(&info, &trials, HOSTILE), report);
}

#[test]
fn a_cell_that_was_not_planned_is_not_left_out() {
    let (mut info, trials) = reported();
    info.cells.clear();
    let report = report_of(&info, &trials, b"");
    assert_eq!(report.matches("<testcase ").count(), 10);
}

#[test]
fn a_message_is_one_line_and_ends() {
    assert_eq!(one_line("a\nb\u{1b}[0m"), "a b\\x1b[0m");
    assert_eq!(one_line(&"ä".repeat(501)), "ä".repeat(500) + "…");
    assert_eq!(one_line(&"ä".repeat(500)), "ä".repeat(500));
}

proptest! {
    /// Nothing that acts on a terminal or that XML forbids is left, whatever came.
    #[test]
    fn printable_text_is_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = printable(&bytes);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        let forbidden = ['\u{fffe}', '\u{ffff}'];
        prop_assert!(!text.contains(forbidden));
        let kept = quick_junit::XmlString::new(&text);
        prop_assert_eq!(kept.as_str(), text.as_str());
    }
}
