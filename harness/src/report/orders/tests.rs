use insta::assert_snapshot;

use super::*;
use crate::compare::{Options, rank};
use crate::model::{Channel, ChannelOutcome};
use crate::results::sample::{cell, key, skipped};
use crate::results::{CellSummary, Counts, Summary};

const TEXT: Format = Format::Text { colour: false };
const OOPS: &str = "panic-during-oops-dump";
const VARIANTS: [&str; 4] = ["stock", "stock+post_notifiers=1", "kmsg-dump-before-stop", "pstore-no-lock"];

/// Four variants in four cases; made up, but of real size.
fn orders() -> Summary {
    let mut cells = Vec::new();
    for (variant, oops, hung) in [(VARIANTS[0], 10, 0), (VARIANTS[1], 0, 9), (VARIANTS[2], 0, 0), (VARIANTS[3], 6, 0)] {
        cells.push(cell(key(variant, "panic-alone", ""), (10, 10), (10, 10)));
        cells.push(cell(key(variant, OOPS, "hold=0ms"), (10, 10), (10, 10)));
        cells.push(cell(key(variant, OOPS, "hold=300ms"), (10, 10), (oops, 10)));
        cells.push(CellSummary { hung, ..cell(key(variant, "notifier-hangs", ""), (10, 10), (10 - hung, 10)) });
    }
    // One loses where another wins, one is not run, one never met, one has a crash kernel.
    cells[11] = cell(key(VARIANTS[2], "notifier-hangs", ""), (10, 10), (10, 10));
    cells[3] = cell(key(VARIANTS[0], "notifier-hangs", ""), (10, 10), (1, 10));
    cells[15] = skipped(key(VARIANTS[3], "notifier-hangs", ""));
    cells[12] = CellSummary { trials: 4, missed: 4, ..CellSummary::empty(key(VARIANTS[3], "panic-alone", "")) };
    cells[0].channels.insert(Channel::Kdump, Counts::new([(ChannelOutcome::Saved, 10)]).unwrap());
    Summary { run_id: "20261122-050607-00ab".to_owned(), cells }
}

fn ranking(summary: &Summary) -> Ranking {
    rank(summary, &[], Options::default()).unwrap()
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn ranks_for_people_at_a_terminal() {
    let text = ranking_text(&ranking(&orders()), TEXT);
    assert!(widest(&text) <= 120, "{text}");
    assert_snapshot!(text, @r"
    Run 20261122-050607-00ab: 4 variants in 4 cases.

    Standings
                                rank 1  better  worse  same  undecided  dominated by
    ─────────────────────────────────────────────────────────────────────────────────
    6.12
      stock (reference)       11 of 12       -      -     -          -             0
      stock+post_notifiers=1   9 of 12       0      2     0         10             3
      kmsg-dump-before-stop   11 of 12       1      1     0         10             1
      pstore-no-lock            6 of 6       0      0     0          6             0

    Better or worse than the reference
                                         better  worse
    ────────────────────────────────────────────────────
    stock+post_notifiers=1
      panic-during-oops-dump hold=300ms  -       pstore
      notifier-hangs                     -       ended
    kmsg-dump-before-stop
      panic-during-oops-dump hold=300ms  -       pstore
      notifier-hangs                     pstore  -

    Dominated
                            undecided in  by                     where
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    stock+post_notifiers=1
      better in 2 of 12     10            stock                  panic-during-oops-dump hold=300ms (pstore); notifier-hangs
                                                                 (ended)
      better in 2 of 12     10            kmsg-dump-before-stop  notifier-hangs (pstore, ended)
      better in 1 of 6      5             pstore-no-lock         panic-during-oops-dump hold=300ms (pstore)
    kmsg-dump-before-stop
      better in 1 of 6      5             pstore-no-lock         panic-during-oops-dump hold=300ms (pstore)

    Ranks
                                       rank  share                better than  variants
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    panic-alone
      console                          1     10/10 100% [72–100]  -            stock, stock+post_notifiers=1,
                                                                               kmsg-dump-before-stop
      console                          -     -                    -            pstore-no-lock
      pstore                           1     10/10 100% [72–100]  -            stock, stock+post_notifiers=1,
                                                                               kmsg-dump-before-stop
      pstore                           -     -                    -            pstore-no-lock
      kdump                            1     10/10 100% [72–100]  -            stock
      kdump                            -     -                    -            stock+post_notifiers=1,
                                                                               kmsg-dump-before-stop, pstore-no-lock
      ended                            1     10/10 100% [72–100]  -            stock, stock+post_notifiers=1,
                                                                               kmsg-dump-before-stop
      ended                            -     -                    -            pstore-no-lock
    panic-during-oops-dump hold=0ms
      console                          1     10/10 100% [72–100]  -            all 4
      pstore                           1     10/10 100% [72–100]  -            all 4
      ended                            1     10/10 100% [72–100]  -            all 4
    panic-during-oops-dump hold=300ms
      console                          1     10/10 100% [72–100]  -            all 4
      pstore                           1     10/10 100% [72–100]  0/10         stock
      pstore                           1     6/10 60% [31–83]     0/10         pstore-no-lock
      pstore                           3     0/10 0% [0–28]       -            stock+post_notifiers=1,
                                                                               kmsg-dump-before-stop
      ended                            1     10/10 100% [72–100]  -            all 4
    notifier-hangs
      console                          1     10/10 100% [72–100]  -            stock, stock+post_notifiers=1,
                                                                               kmsg-dump-before-stop
      pstore                           1     10/10 100% [72–100]  1/10         kmsg-dump-before-stop
      pstore                           2     1/10 10% [2–40]      -            stock, stock+post_notifiers=1
      ended                            1     10/10 100% [72–100]  1/10         stock, kmsg-dump-before-stop
      ended                            3     1/10 10% [2–40]      -            stock+post_notifiers=1
      not run                                                                  pstore-no-lock: the kernel has no symbol
                                                                               logbuf_lock

    Figures: trials in which everything was saved (ended: the guest did not hang), of those that counted; share; 95 %
    intervals.
    Rank: 1, and one more for each variant that is shown to be better: Boschloo's exact test, adjusted by Benjamini and
    Hochberg for all 54 pairs of this report, at 5 %. Of the differences shown, up to 5 % are expected to be false.
    Who is not shown to differ ties, and that is not to be equal: of all pairs 8 differ, 0 are the same within
    ±10 points, and 46 are undecided. A variant that dominates is nowhere shown to be worse; where pairs are
    undecided, it may be.
    ");
}

#[test]
fn ranks_for_a_page() {
    assert_snapshot!(ranking_text(&ranking(&orders()), Format::Markdown), @r"
    Run 20261122-050607-00ab: 4 variants in 4 cases.

    **Standings**

    | base | variant | rank 1 | better | worse | same | undecided | dominated by |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
    | 6.12 | stock (reference) | 11 of 12 | - | - | - | - | 0 |
    | 6.12 | stock+post_notifiers=1 | 9 of 12 | 0 | 2 | 0 | 10 | 3 |
    | 6.12 | kmsg-dump-before-stop | 11 of 12 | 1 | 1 | 0 | 10 | 1 |
    | 6.12 | pstore-no-lock | 6 of 6 | 0 | 0 | 0 | 6 | 0 |

    **Better or worse than the reference**

    | variant | case | better | worse |
    | --- | --- | --- | --- |
    | stock+post_notifiers=1 | panic-during-oops-dump hold=300ms | - | pstore |
    | stock+post_notifiers=1 | notifier-hangs | - | ended |
    | kmsg-dump-before-stop | panic-during-oops-dump hold=300ms | - | pstore |
    | kmsg-dump-before-stop | notifier-hangs | pstore | - |

    **Dominated**

    | dominated | how often | undecided in | by | where |
    | --- | --- | --- | --- | --- |
    | stock+post_notifiers=1 | better in 2 of 12 | 10 | stock | panic-during-oops-dump hold=300ms (pstore); notifier-hangs (ended) |
    | stock+post_notifiers=1 | better in 2 of 12 | 10 | kmsg-dump-before-stop | notifier-hangs (pstore, ended) |
    | stock+post_notifiers=1 | better in 1 of 6 | 5 | pstore-no-lock | panic-during-oops-dump hold=300ms (pstore) |
    | kmsg-dump-before-stop | better in 1 of 6 | 5 | pstore-no-lock | panic-during-oops-dump hold=300ms (pstore) |

    **Ranks**

    | case | channel | rank | share | better than | variants |
    | --- | --- | --- | --- | --- | --- |
    | panic-alone | console | 1 | 10/10 100% [72–100] | - | stock, stock+post_notifiers=1, kmsg-dump-before-stop |
    | panic-alone | console | - | - | - | pstore-no-lock |
    | panic-alone | pstore | 1 | 10/10 100% [72–100] | - | stock, stock+post_notifiers=1, kmsg-dump-before-stop |
    | panic-alone | pstore | - | - | - | pstore-no-lock |
    | panic-alone | kdump | 1 | 10/10 100% [72–100] | - | stock |
    | panic-alone | kdump | - | - | - | stock+post_notifiers=1, kmsg-dump-before-stop, pstore-no-lock |
    | panic-alone | ended | 1 | 10/10 100% [72–100] | - | stock, stock+post_notifiers=1, kmsg-dump-before-stop |
    | panic-alone | ended | - | - | - | pstore-no-lock |
    | panic-during-oops-dump hold=0ms | console | 1 | 10/10 100% [72–100] | - | all 4 |
    | panic-during-oops-dump hold=0ms | pstore | 1 | 10/10 100% [72–100] | - | all 4 |
    | panic-during-oops-dump hold=0ms | ended | 1 | 10/10 100% [72–100] | - | all 4 |
    | panic-during-oops-dump hold=300ms | console | 1 | 10/10 100% [72–100] | - | all 4 |
    | panic-during-oops-dump hold=300ms | pstore | 1 | 10/10 100% [72–100] | 0/10 | stock |
    | panic-during-oops-dump hold=300ms | pstore | 1 | 6/10 60% [31–83] | 0/10 | pstore-no-lock |
    | panic-during-oops-dump hold=300ms | pstore | 3 | 0/10 0% [0–28] | - | stock+post_notifiers=1, kmsg-dump-before-stop |
    | panic-during-oops-dump hold=300ms | ended | 1 | 10/10 100% [72–100] | - | all 4 |
    | notifier-hangs | console | 1 | 10/10 100% [72–100] | - | stock, stock+post_notifiers=1, kmsg-dump-before-stop |
    | notifier-hangs | pstore | 1 | 10/10 100% [72–100] | 1/10 | kmsg-dump-before-stop |
    | notifier-hangs | pstore | 2 | 1/10 10% [2–40] | - | stock, stock+post_notifiers=1 |
    | notifier-hangs | ended | 1 | 10/10 100% [72–100] | 1/10 | stock, kmsg-dump-before-stop |
    | notifier-hangs | ended | 3 | 1/10 10% [2–40] | - | stock+post_notifiers=1 |
    | notifier-hangs | not run |  |  |  | pstore-no-lock: the kernel has no symbol logbuf_lock |

    Figures: trials in which everything was saved (ended: the guest did not hang), of those that counted; share; 95 %
    intervals.
    Rank: 1, and one more for each variant that is shown to be better: Boschloo's exact test, adjusted by Benjamini and
    Hochberg for all 54 pairs of this report, at 5 %. Of the differences shown, up to 5 % are expected to be false.
    Who is not shown to differ ties, and that is not to be equal: of all pairs 8 differ, 0 are the same within
    ±10 points, and 46 are undecided. A variant that dominates is nowhere shown to be worse; where pairs are
    undecided, it may be.
    ");
}

#[test]
fn ranks_for_spreadsheets() {
    let csv = ranking_csv(&ranking(&orders()));
    // A row for each variant: by three channels in four cases, and by kdump in one.
    assert_eq!(csv.lines().count(), 1 + 4 * (3 * 4 + 1));
    let some = csv.lines().filter(|line| line.starts_with("scenario") || line.contains("hold=300ms,pstore"));
    assert_snapshot!(some.collect::<Vec<_>>().join("\n"), @r"
    scenario,params,channel,variant,base,good,of,share,lo,hi,rank,better_than,worse_than,not_run
    panic-during-oops-dump,hold=300ms,pstore,stock,6.12,10,10,1.0000,0.7225,1.0000,1,stock+post_notifiers=1 kmsg-dump-before-stop,,
    panic-during-oops-dump,hold=300ms,pstore,stock+post_notifiers=1,6.12,0,10,0.0000,0.0000,0.2775,3,,stock pstore-no-lock,
    panic-during-oops-dump,hold=300ms,pstore,kmsg-dump-before-stop,6.12,0,10,0.0000,0.0000,0.2775,3,,stock pstore-no-lock,
    panic-during-oops-dump,hold=300ms,pstore,pstore-no-lock,6.12,6,10,0.6000,0.3127,0.8318,1,stock+post_notifiers=1 kmsg-dump-before-stop,,
    ");
    let not_run = csv.lines().filter(|line| line.ends_with(",,,,,,,,") || line.contains("logbuf"));
    assert_snapshot!(not_run.take(3).collect::<Vec<_>>().join("\n"), @r"
    panic-alone,,console,pstore-no-lock,6.12,,,,,,,,,
    panic-alone,,pstore,pstore-no-lock,6.12,,,,,,,,,
    panic-alone,,kdump,stock+post_notifiers=1,6.12,,,,,,,,,
    ");
}

#[test]
fn the_json_has_its_documented_form() {
    let mut small = orders();
    small.cells.retain(|cell| cell.key.scenario == "notifier-hangs" && cell.key.variant != VARIANTS[1]);
    small.cells.iter_mut().for_each(|cell| cell.channels.retain(|channel, _| *channel == Channel::Pstore));
    let mut json = serde_json::to_value(ranking(&small)).unwrap();
    let channels = json["bases"][0]["cases"][0]["channels"].as_array_mut().unwrap();
    channels.retain(|channel| channel["channel"] == "pstore");
    for ranked in channels[0]["ranked"].as_array_mut().unwrap() {
        ranked["ci95"] = "…".into();
    }
    assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
    {
      "alpha": 0.05,
      "bases": [
        {
          "base": "6.12",
          "cases": [
            {
              "channels": [
                {
                  "channel": "pstore",
                  "none_counted": [],
                  "ranked": [
                    {
                      "better_than": [
                        "stock"
                      ],
                      "ci95": "…",
                      "good": 10,
                      "of": 10,
                      "rank": 1,
                      "share": 1.0,
                      "variant": "kmsg-dump-before-stop",
                      "worse_than": []
                    },
                    {
                      "better_than": [],
                      "ci95": "…",
                      "good": 1,
                      "of": 10,
                      "rank": 2,
                      "share": 0.1,
                      "variant": "stock",
                      "worse_than": [
                        "kmsg-dump-before-stop"
                      ]
                    }
                  ]
                }
              ],
              "params": {},
              "scenario": "notifier-hangs",
              "skipped": [
                {
                  "reason": "the kernel has no symbol logbuf_lock",
                  "variant": "pstore-no-lock"
                }
              ]
            }
          ],
          "dominated": [
            {
              "better_in": [
                {
                  "channel": "pstore",
                  "params": {},
                  "scenario": "notifier-hangs"
                }
              ],
              "by": "kmsg-dump-before-stop",
              "compared": 2,
              "undecided": 1,
              "variant": "stock"
            }
          ],
          "reference": "stock",
          "variants": [
            {
              "better": [],
              "first": 1,
              "ranked": 2,
              "same": 0,
              "undecided": 0,
              "variant": "stock",
              "worse": []
            },
            {
              "better": [
                {
                  "channel": "pstore",
                  "params": {},
                  "scenario": "notifier-hangs"
                }
              ],
              "first": 2,
              "ranked": 2,
              "same": 0,
              "undecided": 1,
              "variant": "kmsg-dump-before-stop",
              "worse": []
            },
            {
              "better": [],
              "first": 0,
              "ranked": 0,
              "same": 0,
              "undecided": 0,
              "variant": "pstore-no-lock",
              "worse": []
            }
          ]
        }
      ],
      "evidence": "fixed",
      "margin": 0.1,
      "pairs": {
        "different": 1,
        "same": 0,
        "undecided": 1
      },
      "run_id": "20261122-050607-00ab"
    }
    "#);
}

#[test]
fn nothing_to_tell_is_told_and_bases_are_named() {
    let mut two: Vec<CellSummary> =
        ["a", "b"].map(|variant| cell(key(variant, OOPS, "hold=0ms"), (2, 2), (2, 2))).into();
    let other = two.iter().map(|cell| {
        let mut cell = cell.clone();
        cell.key.base = "7.2".to_owned();
        cell
    });
    let other: Vec<CellSummary> = other.collect();
    two.extend(other);
    let text = ranking_text(&ranking(&Summary { run_id: "20261122-050607-00ab".to_owned(), cells: two }), TEXT);
    assert_snapshot!(text.split_once("Figures").unwrap().0, @r"
    Run 20261122-050607-00ab: 2 variants on 6.12 in 1 case, 2 variants on 7.2 in 1 case.

    Standings
                     rank 1  better  worse  same  undecided  dominated by
    ──────────────────────────────────────────────────────────────────────
    6.12
      a (reference)  3 of 3       -      -     -          -             0
      b              3 of 3       0      0     0          3             0
    7.2
      a (reference)  3 of 3       -      -     -          -             0
      b              3 of 3       0      0     0          3             0

    Better or worse than the reference
    No variant is shown to differ from the reference.

    Dominated
    No variant is shown to be dominated.

    Ranks on 6.12
                                     rank  share              better than  variants
    ────────────────────────────────────────────────────────────────────────────────
    panic-during-oops-dump hold=0ms
      console                        1     2/2 100% [34–100]  -            all 2
      pstore                         1     2/2 100% [34–100]  -            all 2
      ended                          1     2/2 100% [34–100]  -            all 2

    Ranks on 7.2
                                     rank  share              better than  variants
    ────────────────────────────────────────────────────────────────────────────────
    panic-during-oops-dump hold=0ms
      console                        1     2/2 100% [34–100]  -            all 2
      pstore                         1     2/2 100% [34–100]  -            all 2
      ended                          1     2/2 100% [34–100]  -            all 2
    ");
}

#[test]
fn a_sequential_ranking_says_so() {
    let options = Options { evidence: Evidence::Sequential, ..Options::default() };
    let text = ranking_text(&rank(&orders(), &[], options).unwrap(), TEXT);
    assert!(
        text.contains(
            "confidence sequences.\nRank: 1, and one more for each variant that is shown to be better: e-values"
        ),
        "{text}"
    );
}
