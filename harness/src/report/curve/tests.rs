use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::results::sample::{cell, key, skipped};

const HOLD: &str = "panic-during-oops-dump";

/// The holds of a sweep, not in the order of their length, with two settings and two variants: the plain stop saves
/// what is over within a second.
fn summary() -> Summary {
    let mut cells = Vec::new();
    for hold in ["2s", "100ms", "500us", "900ms", "1100ms"] {
        for post in 0..2 {
            for variant in ["stock", "early"] {
                let saved = match (hold, post, variant) {
                    ("500us", ..) | ("100ms", 0, "stock") => 20,
                    ("900ms", 0, "stock") => 17,
                    ("1100ms", 0, "stock") => 2,
                    _ => 0,
                };
                cells.push(cell(
                    key(variant, HOLD, &format!("hold={hold} post_notifiers={post}")),
                    (20, 20),
                    (saved, 20),
                ));
            }
        }
    }
    cells[3] = cell(cells[3].key.clone(), (0, 0), (0, 0));
    cells.push(skipped(key("old", HOLD, "hold=100ms post_notifiers=0")));
    cells.push(cell(key("stock", "panic-alone", ""), (20, 20), (20, 20)));
    Summary { run_id: "20261122-050607-00ab".into(), cells }
}

fn of<'a>(x: &'a str, variants: &'a [String]) -> CurveOf<'a> {
    CurveOf { scenario: HOLD, x, channel: Channel::Pstore, variants }
}

fn stock() -> Vec<String> {
    vec!["stock".to_owned()]
}

#[test]
fn a_line_for_each_variant_and_setting() {
    let curve = Curve::of(&summary(), &of("hold", &[]), |_| true).unwrap();
    assert_snapshot!(curve.text(), @r"
    panic-during-oops-dump: pstore saved against hold, ms

          stock post_notifiers=0  early post_notifiers=0  stock post_notifiers=1  early post_notifiers=1
    ─────────────────────────────────────────────────────────────────────────────────────────────────────
    0.5   20/20 [84–100]          20/20 [84–100]          20/20 [84–100]          20/20 [84–100]
    100   20/20 [84–100]          0/20 [0–16]             0/20 [0–16]             0/20 [0–16]
    900   17/20 [64–95]           0/20 [0–16]             0/20 [0–16]             0/20 [0–16]
    1100  2/20 [3–30]             0/20 [0–16]             0/20 [0–16]             0/20 [0–16]
    2000  0/20 [0–16]             0/20 [0–16]             0/20 [0–16]             none counted

    Of the trials that counted, with 95 % intervals in percent.
    ");
    let curve = Curve::of(&summary(), &of("hold", &stock()), |_| true).unwrap();
    assert_snapshot!(curve.csv(), @r"
    x,series,n,good,share,lo,hi
    0.5,stock post_notifiers=0,20,20,1.0000,0.8389,1.0000
    100,stock post_notifiers=0,20,20,1.0000,0.8389,1.0000
    900,stock post_notifiers=0,20,17,0.8500,0.6396,0.9476
    1100,stock post_notifiers=0,20,2,0.1000,0.0279,0.3010
    2000,stock post_notifiers=0,20,0,0.0000,0.0000,0.1611
    0.5,stock post_notifiers=1,20,20,1.0000,0.8389,1.0000
    100,stock post_notifiers=1,20,0,0.0000,0.0000,0.1611
    900,stock post_notifiers=1,20,0,0.0000,0.0000,0.1611
    1100,stock post_notifiers=1,20,0,0.0000,0.0000,0.1611
    2000,stock post_notifiers=1,20,0,0.0000,0.0000,0.1611
    ");
    let json = serde_json::to_value(&curve).unwrap();
    assert_snapshot!(json["series"][0]["points"][3], @r#"{"ci95":[0.02786648121376822,0.3010336452284873],"good":2,"n":20,"share":0.1,"x":1100.0}"#);
    assert_eq!((&json["unit"], &json["channel"]), (&"ms".into(), &"pstore".into()));
}

#[test]
fn numbers_are_an_axis_too_and_variants_stand_as_they_are_named() {
    let variants = ["early@6.12".to_owned(), "stock".to_owned()];
    let curve = Curve::of(&summary(), &of("post_notifiers", &variants), |key| {
        key.params["hold"] == ParamValue::Text("900ms".into())
    })
    .unwrap();
    assert_snapshot!(curve.csv(), @r"
    x,series,n,good,share,lo,hi
    0,early hold=900ms,20,0,0.0000,0.0000,0.1611
    1,early hold=900ms,20,0,0.0000,0.0000,0.1611
    0,stock hold=900ms,20,17,0.8500,0.6396,0.9476
    1,stock hold=900ms,20,0,0.0000,0.0000,0.1611
    ");
}

#[test]
fn the_picture_has_a_whisker_for_each_point() {
    let curve = Curve::of(&summary(), &of("hold", &stock()), |_| true).unwrap();
    let svg = curve.picture().unwrap().document();
    assert_snapshot!(svg.split_once("</style>\n").unwrap().1, @r##"
      <rect class="page" x=".5" y=".5" width="759" height="471" rx="8"/>
      <text class="b" x="24" y="34" font-size="15">panic-during-oops-dump: pstore saved against hold</text>
      <rect class="step" x="64" y="64" width="672" height="280"/>
      <path class="grid" d="M64 344.0H736"/>
      <text class="s e" x="56" y="348.0">0 %</text>
      <path class="grid" d="M64 274.0H736"/>
      <text class="s e" x="56" y="278.0">25 %</text>
      <path class="grid" d="M64 204.0H736"/>
      <text class="s e" x="56" y="208.0">50 %</text>
      <path class="grid" d="M64 134.0H736"/>
      <text class="s e" x="56" y="138.0">75 %</text>
      <path class="grid" d="M64 64.0H736"/>
      <text class="s e" x="56" y="68.0">100 %</text>
      <path class="lane" d="M150.3 344v5"/>
      <text class="s m" x="150.3" y="362">200</text>
      <path class="lane" d="M212.7 344v5"/>
      <text class="s m" x="212.7" y="362">400</text>
      <path class="lane" d="M275.1 344v5"/>
      <text class="s m" x="275.1" y="362">600</text>
      <path class="lane" d="M337.5 344v5"/>
      <text class="s m" x="337.5" y="362">800</text>
      <path class="lane" d="M399.9 344v5"/>
      <text class="s m" x="399.9" y="362">1000</text>
      <path class="lane" d="M462.3 344v5"/>
      <text class="s m" x="462.3" y="362">1200</text>
      <path class="lane" d="M524.8 344v5"/>
      <text class="s m" x="524.8" y="362">1400</text>
      <path class="lane" d="M587.2 344v5"/>
      <text class="s m" x="587.2" y="362">1600</text>
      <path class="lane" d="M649.6 344v5"/>
      <text class="s m" x="649.6" y="362">1800</text>
      <path class="lane" d="M712.0 344v5"/>
      <text class="s m" x="712.0" y="362">2000</text>
      <text class="s m" x="400" y="380">hold, ms</text>
      <g stroke="#0969da" fill="#0969da">
        <path class="way" stroke-dasharray="" d="M86.0 64.0L117.1 64.0L366.7 106.0L429.1 316.0L710.0 344.0"/>
        <path class="whisker" d="M86.0 64.0V109.1M83.0 64.0H89.0M83.0 109.1H89.0"/>
        <circle cx="86.0" cy="64.0" r="3.5"/>
        <path class="whisker" d="M117.1 64.0V109.1M114.1 64.0H120.1M114.1 109.1H120.1"/>
        <circle cx="117.1" cy="64.0" r="3.5"/>
        <path class="whisker" d="M366.7 78.7V164.9M363.7 78.7H369.7M363.7 164.9H369.7"/>
        <circle cx="366.7" cy="106.0" r="3.5"/>
        <path class="whisker" d="M429.1 259.7V336.2M426.1 259.7H432.1M426.1 336.2H432.1"/>
        <circle cx="429.1" cy="316.0" r="3.5"/>
        <path class="whisker" d="M710.0 298.9V344.0M707.0 298.9H713.0M707.0 344.0H713.0"/>
        <circle cx="710.0" cy="344.0" r="3.5"/>
      </g>
      <g stroke="#bc4c00" fill="#bc4c00">
        <path class="way" stroke-dasharray="8 5" d="M90.0 64.0L121.1 344.0L370.7 344.0L433.1 344.0L714.0 344.0"/>
        <path class="whisker" d="M90.0 64.0V109.1M87.0 64.0H93.0M87.0 109.1H93.0"/>
        <circle cx="90.0" cy="64.0" r="3.5"/>
        <path class="whisker" d="M121.1 298.9V344.0M118.1 298.9H124.1M118.1 344.0H124.1"/>
        <circle cx="121.1" cy="344.0" r="3.5"/>
        <path class="whisker" d="M370.7 298.9V344.0M367.7 298.9H373.7M367.7 344.0H373.7"/>
        <circle cx="370.7" cy="344.0" r="3.5"/>
        <path class="whisker" d="M433.1 298.9V344.0M430.1 298.9H436.1M430.1 344.0H436.1"/>
        <circle cx="433.1" cy="344.0" r="3.5"/>
        <path class="whisker" d="M714.0 298.9V344.0M711.0 298.9H717.0M711.0 344.0H717.0"/>
        <circle cx="714.0" cy="344.0" r="3.5"/>
      </g>
      <path class="way" stroke="#0969da" stroke-dasharray="" d="M64 404h40"/>
      <circle fill="#0969da" cx="84" cy="404" r="3.5"/>
      <text class="mono" font-size="12" x="116" y="408">stock post_notifiers=0</text>
      <path class="way" stroke="#bc4c00" stroke-dasharray="8 5" d="M64 424h40"/>
      <circle fill="#bc4c00" cx="84" cy="424" r="3.5"/>
      <text class="mono" font-size="12" x="116" y="428">stock post_notifiers=1</text>
      <text class="s" x="24" y="456">20 trials a point; whiskers: 95 % intervals (Wilson).</text>
    </svg>
    "##);
    assert_eq!(svg.matches("\"whisker\"").count(), 10);
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let summary = summary();
    let refused = |of: CurveOf| Curve::of(&summary, &of, |_| true).unwrap_err().to_string();
    assert_snapshot!(refused(CurveOf { scenario: "panic-alnoe", ..of("hold", &[]) }), @r"
    no scenario `panic-alnoe` of `20261122-050607-00ab`

    hint: did you mean `panic-alone`? (known: panic-during-oops-dump, panic-alone)
    ");
    assert_snapshot!(refused(of("hlod", &[])), @r"
    no parameter `hlod` of `panic-during-oops-dump`

    hint: did you mean `hold`? (known: hold, post_notifiers)
    ");
    assert_snapshot!(refused(of("hold", &["stok".to_owned()])), @r"
    no variant `stok` of `20261122-050607-00ab`

    hint: did you mean `stock`? (known: stock, early, old)
    ");
    // What was skipped is no point, so there is none.
    assert_snapshot!(refused(of("hold", &["old".to_owned()])), @r"
    no cell of panic-during-oops-dump that was asked for was run

    hint: choose other points with --param
    ");

    let mut words = summary.clone();
    words.cells[2].key.params.insert("hold".into(), ParamValue::Text("for-ever".into()));
    assert_snapshot!(Curve::of(&words, &of("hold", &[]), |_| true).unwrap_err(), @r"
    `hold` has the value `for-ever`, which is neither a number nor a time like the others

    hint: leave it out with --param, or choose another parameter
    ");
    words.cells[2].key.params.insert("hold".into(), ParamValue::Number(3));
    let mixed = Curve::of(&words, &of("hold", &[]), |_| true).unwrap_err();
    assert_eq!(mixed, CurveError::NoNumber { x: "hold".into(), value: "3".into() });

    let mut many = summary.clone();
    for number in 0..12 {
        many.cells.push(cell(key(&format!("variant-{number}"), HOLD, "hold=1ms post_notifiers=0"), (1, 1), (1, 1)));
    }
    let curve = Curve::of(&many, &of("hold", &[]), |_| true).unwrap();
    assert_snapshot!(curve.picture().unwrap_err(), @r"
    16 lines are too many for a picture

    hint: choose some with --variant and --param
    ");
}

#[test]
fn a_name_ends_no_field_and_no_element() {
    let mut cell = cell(key("stock", HOLD, "hold=1ms"), (1, 1), (1, 1));
    cell.key.params.insert("n".into(), ParamValue::Text("uniform(0ms,1ms)\"<b>".into()));
    let summary = Summary { run_id: "x".into(), cells: vec![cell] };
    let curve = Curve::of(&summary, &of("hold", &[]), |_| true).unwrap();
    assert_snapshot!(curve.csv().lines().nth(1).unwrap(), @r#"1,"stock n=uniform(0ms,1ms)""<b>",1,1,1.0000,0.2065,1.0000"#);
    let svg = curve.picture().unwrap().document();
    assert!(svg.contains("stock n=uniform(0ms,1ms)&quot;&lt;b&gt;") && !svg.contains("<b>"), "{svg}");
}

proptest! {
    /// Whatever the values are, everything is drawn within the picture, and what is drawn is a number.
    #[test]
    fn everything_lies_within_the_picture(values in proptest::collection::btree_set(any::<i64>(), 1..9), hits in 0u32..5) {
        let point = |value: &i64| cell(key("stock", HOLD, &format!("n={value}")), (4, 4), (hits.min(4), 4));
        let summary = Summary { run_id: "x".into(), cells: values.iter().map(point).collect() };
        let svg = Curve::of(&summary, &of("n", &[]), |_| true).unwrap().picture().unwrap().document();
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
        for (at, _) in svg.match_indices(" cx=\"") {
            let x: f64 = svg[at + 5..].split_once('"').unwrap().0.parse().unwrap();
            prop_assert!((64.0..=736.0).contains(&x), "{x}");
        }
    }
}
