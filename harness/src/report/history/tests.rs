use insta::assert_snapshot;

use super::*;
use crate::history::{Line, Options, judge};
use crate::model::Channel;
use crate::report::Format;
use crate::results::sample::key;

const TEXT: Format = Format::Text { colour: false };

/// Fourteen nights: two cells lost pstore with the thirteenth, one is unsteady, one has no data, one is steady.
fn nights() -> crate::history::History {
    let cells = [("oops", "hold=0ms"), ("oops", "hold=1500ms"), ("late", ""), ("nmi-button", ""), ("panic-alone", "")]
        .map(|(scenario, point)| key("stock", scenario, point));
    let good = |cell: usize, night: usize| match cell {
        0 | 1 if night >= 12 => (0, 10),
        2 if night % 3 == 1 => (0, 10),
        3 if night == 13 => (0, 0),
        _ => (10, 10),
    };
    let lines =
        (0..14).flat_map(|night| cells.iter().enumerate().map(move |(place, cell)| (night, place, cell.clone())));
    let line = |(night, place, cell): (usize, usize, crate::model::CellKey)| {
        let mut line = crate::history::tests::line(night, &cell, good(place, night));
        line.channels.remove(&Channel::Console);
        if night >= 12 {
            line.qemu = "8.0.0 tcg".to_owned();
        }
        line
    };
    crate::history::tests::history(lines.map(line).collect::<Vec<Line>>())
}

#[test]
fn people_see_what_changed_together_and_how_to_find_it() {
    let history = nights();
    let judged = judge(&history, Options::default());
    let text = history_text(&history, &judged, false, TEXT);
    assert!(text.lines().filter(|line| !line.starts_with("to find")).all(|line| line.chars().count() <= 120), "{text}");
    assert_snapshot!(text, @"
    14 nights, 2026-11-01 to 2026-11-14; the last is 20261114-010000-00ab: 2 known, 1 unsteady, 1 no data, 1 steady

    less since 6.12.43 → 6.12.44, 95 %: 2026-11-13 (night 13); QEMU 7.2.22 tcg → 8.0.0 tcg
                   variant     channel  state  before   since  last night  nights
    ──────────────────────────────────────────────────────────────────────────────────────
    oops
      hold=0ms     stock@6.12  pstore   known  120/120  0/20   0/10        ████████████▁▁
      hold=1500ms  stock@6.12  pstore   known  120/120  0/20   0/10        ████████████▁▁
    to find the commit: harness bisect --tree LINUX --good v6.12.43 --bad v6.12.44 --variant stock --scenario oops --param hold=1500ms --channel pstore

    less since 6.12.44, unchanged, 95 %: 2026-11-14 (night 14)
          variant     channel  state     before  since  last night  nights
    ───────────────────────────────────────────────────────────────────────────────
    late  stock@6.12  pstore   unsteady  20/20   0/10   0/10        █▁██▁██▁██▁██▁

    no data: nothing counted in the last night
                variant     channel  state    before  since    last night  nights
    ──────────────────────────────────────────────────────────────────────────────────────
    nmi-button  stock@6.12  pstore   no data  -       130/130  0/0         █████████████·
    ");
    assert_snapshot!(history_text(&history, &judged, false, Format::Markdown), @"
    14 nights, 2026-11-01 to 2026-11-14; the last is 20261114-010000-00ab: 2 known, 1 unsteady, 1 no data, 1 steady

    **less since 6.12.43 → 6.12.44, 95 %: 2026-11-13 (night 13); QEMU 7.2.22 tcg → 8.0.0 tcg**

    | scenario | parameters | variant | channel | state | before | since | last night | nights |
    | --- | --- | --- | --- | --- | --- | --- | --- | --- |
    | oops | hold=0ms | stock@6.12 | pstore | known | 120/120 | 0/20 | 0/10 | ████████████▁▁ |
    | oops | hold=1500ms | stock@6.12 | pstore | known | 120/120 | 0/20 | 0/10 | ████████████▁▁ |

    To find the commit:

    ```
    harness bisect --tree LINUX --good v6.12.43 --bad v6.12.44 --variant stock --scenario oops --param hold=1500ms --channel pstore
    ```

    **less since 6.12.44, unchanged, 95 %: 2026-11-14 (night 14)**

    | scenario | parameters | variant | channel | state | before | since | last night | nights |
    | --- | --- | --- | --- | --- | --- | --- | --- | --- |
    | late |  | stock@6.12 | pstore | unsteady | 20/20 | 0/10 | 0/10 | █▁██▁██▁██▁██▁ |

    **no data: nothing counted in the last night**

    | scenario | parameters | variant | channel | state | before | since | last night | nights |
    | --- | --- | --- | --- | --- | --- | --- | --- | --- |
    | nmi-button |  | stock@6.12 | pstore | no data | - | 130/130 | 0/0 | █████████████· |
    ");
    assert_snapshot!(history_text(&history, &judged, true, TEXT), @"14 nights, 2026-11-01 to 2026-11-14; the last is 20261114-010000-00ab: 2 known, 1 unsteady, 1 no data, 1 steady");
    assert_eq!(history_text(&crate::history::History::default(), &judged, false, TEXT), "no nights\n");
}

#[test]
fn programs_see_all_of_it() {
    let history = nights();
    let judged = judge(&history, Options::default());
    assert_snapshot!(history_csv(&history, &judged), @"
    state,variant,base,scenario,params,channel,good,of,since_good,since_of,before_good,before_of,earliest,latest,shown
    known,stock,6.12,oops,hold=0ms,pstore,0,10,0,20,120,120,20261113-010000-00ab,20261113-010000-00ab,20261113-010000-00ab
    known,stock,6.12,oops,hold=1500ms,pstore,0,10,0,20,120,120,20261113-010000-00ab,20261113-010000-00ab,20261113-010000-00ab
    unsteady,stock,6.12,late,,pstore,0,10,0,10,20,20,20261114-010000-00ab,20261114-010000-00ab,20261114-010000-00ab
    no-data,stock,6.12,nmi-button,,pstore,0,0,130,130,,,,,
    steady,stock,6.12,panic-alone,,pstore,10,10,140,140,,,,,
    ");
    let json = history_json(&history, &judged);
    assert_eq!(json["states"]["known"], 2);
    assert_eq!(json["rows"][0]["change"], serde_json::json!({"earliest": 12, "latest": 12, "shown": 12}));
    assert_eq!(json["groups"][0]["rows"], serde_json::json!([0, 1]));
    assert_eq!(json["groups"][0]["from"], serde_json::json!({"release": "6.12.43"}));
    assert_eq!(json["rows"][3]["shares"][13], serde_json::Value::Null);
}

#[test]
fn a_line_has_a_bar_for_each_night() {
    let shares: Vec<Option<f64>> = [0.0, 0.01, 0.3, 0.5, 0.7, 0.99, 1.0].into_iter().map(Some).chain([None]).collect();
    assert_eq!(sparkline(&shares), "▁▂▃▅▆▇█·");
    assert_eq!(sparkline(&[Some(1.0); 60]).chars().count(), 30);
}

#[test]
fn releases_are_known_to_git() {
    let releases = ["6.12.58-amd64", "6.12.58+deb13", "7.2.0", "6.13.0-rc1", "6.13.0-rc1-00012-g1234abcd", "next"];
    let revisions: Vec<Option<String>> = releases.map(revision).into();
    let known = ["v6.12.58", "v6.12.58", "v7.2", "v6.13-rc1", "1234abcd"].map(|known| Some(known.to_owned()));
    assert_eq!(revisions, known.into_iter().chain([None]).collect::<Vec<_>>());
}
