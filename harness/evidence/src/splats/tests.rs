use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::console;

/// A log of the corpus: its name, the titles that stand before it, and itself.
struct Case {
    name: String,
    titles: BTreeSet<String>,
    text: String,
}

/// `tests/fixtures/splats`, as its `README.md` describes it.
fn corpus() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/splats");
    let mut cases: Vec<Case> = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            let file = fs::read(entry.path()).unwrap();
            let end = file.windows(2).position(|bytes| bytes == b"\n\n").unwrap();
            let head = String::from_utf8(file[..end].to_vec()).unwrap();
            let titles = head.lines().filter_map(|line| line.strip_prefix("title: ")).map(str::to_owned).collect();
            cases.push(Case { name, titles, text: console::decode(&file[end + 2..]).text });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn titles(text: &str) -> BTreeSet<String> {
    find(text).into_iter().map(|splat| splat.title).collect()
}

#[test]
fn the_corpus_has_the_titles_that_stand_before_each_log() {
    let cases = corpus();
    assert!(cases.len() >= 150, "{} logs", cases.len());
    let mut wrong = Vec::new();
    for Case { name, titles: want, text } in &cases {
        let found = titles(text);
        if found != *want {
            wrong.push(format!("{name}: found {found:?}, wanted {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn healthy_logs_are_in_the_corpus() {
    let healthy = corpus().into_iter().filter(|case| case.titles.is_empty()).count();
    assert!(healthy >= 15, "{healthy} healthy logs");
}

#[test]
fn a_log_reads_the_same_whoever_has_kept_it() {
    for Case { name, text, .. } in corpus() {
        let with_levels: String = text.lines().flat_map(|line| ["<4>", line, "\n"]).collect();
        assert_eq!(titles(&with_levels), titles(&text), "{name}");
    }
}

#[test]
fn the_module_of_the_function_is_told() {
    let text = "[    1.000000][    T9] ------------[ cut here ]------------\n\
                [    1.000001][    T9] WARNING: CPU: 0 PID: 9 at lib/x.c:1 cl_act+0x1/0x2 [crashlab]\n";
    let want = Splat { title: "WARNING in cl_act".to_owned(), module: Some("crashlab".to_owned()), panic: None };
    assert_eq!(find(text), [want]);
}

#[test]
fn a_panic_that_a_report_leads_to_is_told_only_without_the_report() {
    let panic = "[    2.000000][    T9] Kernel panic - not syncing: Fatal exception\n";
    assert_eq!(titles(panic), BTreeSet::from(["kernel panic: Fatal exception".to_owned()]));
    let oops = "[    1.000000][    T9] BUG: kernel NULL pointer dereference, address: 0000000000000000\n\
                [    1.000001][    T9] RIP: 0010:foo+0x1/0x2\n\
                [    1.000002][    T9] ---[ end trace 0000000000000000 ]---\n";
    let title = "BUG: unable to handle kernel NULL pointer dereference in foo".to_owned();
    assert_eq!(titles(&format!("{oops}{panic}")), BTreeSet::from([title]));
}

#[test]
fn a_flood_of_reports_is_bounded() {
    let warning = |n: usize| {
        format!(
            "[    1.000000][{:>6}] ------------[ cut here ]------------\n\
             [    1.000001][{:>6}] WARNING: CPU: 0 PID: 9 at lib/x.c:1 foo{n}+0x1/0x2\n",
            format!("T{n}"),
            format!("T{n}")
        )
    };
    let found = find(&(0..10_000).map(warning).collect::<String>());
    assert_eq!(found.len(), MAX_SPLATS);
    assert_eq!(found[0].title, "WARNING in foo0");
    let long = format!("BUG: {}\n", "word ".repeat(10_000));
    assert!(find(&long).iter().all(|splat| splat.title.chars().count() <= MAX_TITLE));
}

/// Pieces of reports, of which texts are made that make no sense.
const PIECES: &[&str] = &[
    "------------[ cut here ]------------",
    "WARNING: CPU: 0 PID: 9 at ",
    "foo+0x1/0x2 [bar]",
    "BUG: KASAN: ",
    " in ",
    "BUG: KCSAN: data-race in a / b",
    "Kernel panic - not syncing: ",
    "NMI backtrace for cpu 1",
    "RIP: 0010:",
    "[    1.000000][    T9] ",
    "[    1.000000]",
    "<4>",
    "Call Trace:",
    " ? ",
    "at: ",
    "is trying to acquire lock:",
    "Oops: ",
    "[#1]",
    "INFO: task ",
    " blocked for more than ",
    "UBSAN: ",
    "\n",
    "[<",
    ">]",
    "---[ end trace",
    "caller is ",
    "BUG ",
    " (Not tainted): ",
    "\u{fffd}",
    "é",
    "0x",
    " kernel: ",
    "[",
    "]",
];

proptest! {
    #[test]
    fn any_text_is_read_within_bounds(text in any::<String>()) {
        let found = find(&text);
        prop_assert!(found.len() <= MAX_SPLATS);
        prop_assert!(found.iter().all(|splat| splat.title.chars().count() <= MAX_TITLE));
    }

    #[test]
    fn pieces_of_reports_in_any_order_are_read_within_bounds(order in prop::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = order.into_iter().map(|piece| PIECES[piece]).collect();
        let found = find(&text);
        prop_assert!(found.len() <= MAX_SPLATS);
        prop_assert!(found.iter().all(|splat| !splat.title.is_empty() && splat.title.chars().count() <= MAX_TITLE));
    }

    /// Two that write at once have each their report, however their lines lie.
    #[test]
    fn writers_between_each_other_are_told_apart(first_writes in prop::collection::vec(any::<bool>(), 0..40)) {
        let report = |who: &str, name: &str| -> Vec<String> {
            ["------------[ cut here ]------------".to_owned(), format!("WARNING: CPU: 0 PID: 9 at lib/x.c:1 {name}+0x1/0x2"),
             "Call Trace:".to_owned(), " <TASK>".to_owned(), " kthread+0x1/0x2".to_owned(), "---[ end trace 0000000000000000 ]---".to_owned()]
                .map(|text| format!("[    1.000000][{who:>6}] {text}\n")).to_vec()
        };
        let (mut first, mut second) = (report("T61", "left").into_iter(), report("C1", "right").into_iter());
        let mut text = String::new();
        for first_writes in first_writes {
            text.extend(if first_writes { first.next() } else { second.next() });
        }
        text.extend(first.chain(second));
        prop_assert_eq!(titles(&text), BTreeSet::from(["WARNING in left".to_owned(), "WARNING in right".to_owned()]));
    }
}
