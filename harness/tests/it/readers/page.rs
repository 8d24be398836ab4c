//! The page of a run, as a browser shows it.

use std::path::Path;
use std::time::SystemTime;

use harness::model::timeline::Timeline;
use harness::model::{CellKey, TrialOutcome, TrialRecord};
use harness::report::anchor;
use harness::results::{CONSOLE, PlannedCell, Run, RunInfo, Summary, TIMELINE};

use super::browser::Browser;
use crate::common::{Project, text};
use crate::simulated;

/// What a guest may print to be taken for a part of the page.
const HOSTILE: &[u8] =
    b"[    1.0] </pre><script>document.title = 'taken'</script>]]>\x1b[31m<!-- \0 &lt;b&gt; \xff\r\n\
    <img src=\"http://example.org/seen\"><style>body { display: none }</style>\r\n";

/// A run of a hundred cells in two variants, of which every second one fails; with consoles and timelines.
fn run(project: &Project) -> Run {
    const CELLS: u64 = 50;
    let run = Run::create(&project.results(), SystemTime::now()).unwrap();
    let info = simulated::info(&run, CELLS, CELLS * 4);
    let of_variant = |variant: &str, key: &CellKey| CellKey { variant: variant.into(), ..key.clone() };
    let cells = ["stock", "kmsg-dump-before-stop"].into_iter().flat_map(|variant| {
        info.cells.iter().map(move |cell| PlannedCell { key: of_variant(variant, &cell.key), ..cell.clone() })
    });
    run.write_info(&RunInfo { cells: cells.collect(), ..info.clone() }).unwrap();
    let log = run.log().unwrap();
    for index in 0..CELLS * 8 {
        let second = index >= CELLS * 4;
        // Of the first variant the log is saved, of the second one it is lost.
        let record = simulated::record(index % CELLS + CELLS * u64::from(second) + 2, CELLS);
        let variant = if second { "kmsg-dump-before-stop" } else { "stock" };
        let record = TrialRecord { index, cell: of_variant(variant, &record.cell), ..record };
        let artifacts = run.create_artifacts(index).unwrap();
        std::fs::write(artifacts.join(CONSOLE), HOSTILE).unwrap();
        let timeline: Timeline = harness_testdata::timelines::stock();
        std::fs::write(artifacts.join(TIMELINE), serde_json::to_vec(&timeline).unwrap()).unwrap();
        log.append_blocking(&record).unwrap();
    }
    assert!(matches!(simulated::record(2, CELLS).outcome, TrialOutcome::Counted { .. }));
    run
}

/// The page that the program writes of it.
fn page(project: &Project) -> (String, Summary) {
    let run = run(project);
    let output = project.run(&["report", "html", "latest", "-o", "report.html"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    (std::fs::read_to_string(project.path().join("report.html")).unwrap(), run.tally().unwrap().0)
}

#[test]
fn a_page_is_whole_without_scripts_and_says_what_the_run_counted() {
    let Some(browser) = Browser::new() else { return };
    let project = Project::new();
    let (page, summary) = page(&project);

    let missing = |page: &str| -> Vec<String> {
        let ids = browser.evaluate(page, 1280, "[...page.querySelectorAll('tr[id]')].map(row => row.id)");
        let ids: Vec<&str> = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        summary.cells.iter().map(|cell| anchor(&cell.key)).filter(|id| !ids.contains(&id.as_str())).collect()
    };
    assert_eq!((missing(&page), summary.cells.len()), (vec![], 100));
    let id = anchor(&summary.cells[3].key);
    assert_eq!(missing(&page.replace(&format!("<tr id=\"{id}\""), "<tr")), [id], "the check sees what is not there");

    // Nothing needs a script to be seen, and nothing lies beyond the edge of a narrow screen.
    for width in [1280, 390] {
        let seen = browser.evaluate(
            &page,
            width,
            "({ wide: page.documentElement.scrollWidth, hidden: [...page.querySelectorAll('section, table, svg.picture')]
                .filter(part => !part.closest('details:not([open])') && part.getClientRects().length == 0).length,
                heads: [...page.querySelectorAll('th:not([scope])')].length,
                pictures: [...page.querySelectorAll('svg:not([role=img])')].length,
                open: page.querySelectorAll('#failed ~ details[open]').length })",
        );
        assert_eq!(seen, serde_json::json!({"wide": width, "hidden": 0, "heads": 0, "pictures": 0, "open": 12}));
    }
}

#[test]
fn what_a_guest_prints_stays_text() {
    let Some(browser) = Browser::new() else { return };
    let project = Project::new();
    let (page, _) = page(&project);
    let console = browser.evaluate(&page, 1280, "page.querySelector('pre.console').textContent");
    assert!(
        console
            .as_str()
            .unwrap()
            .starts_with("[    1.0] </pre><script>document.title = 'taken'</script>]]>\\x1b[31m<!-- \\x00 &lt;b&gt;"),
        "{console}"
    );
    // Also where scripts are allowed.
    let dom = browser.dom(&page);
    let scripts = |dom: &str| dom.matches("<script>").count();
    assert!(!dom.contains("<title>taken") && dom.contains("<title>✗ 50 cells failed"), "{}", &dom[..2000]);
    assert_eq!((scripts(&dom), dom.matches("<img").count()), (1, 0));

    // What would happen if it were not: by the policy not even then.
    let hostile = text(HOSTILE);
    let unescaped = page.replacen("<main>", &format!("<main><pre>{hostile}"), 1);
    assert!(scripts(&browser.dom(&unescaped)) > 1 && !browser.dom(&unescaped).contains("<title>taken"));
    let (before, policy) = unescaped.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
    let unguarded = format!("{before}{}", policy.split_once('>').unwrap().1);
    assert!(browser.dom(&unguarded).contains("<title>taken"), "the check sees a script that runs");
}

#[test]
fn no_request_leaves_a_page() {
    let Some(browser) = Browser::new() else { return };
    let project = Project::new();
    let (page, _) = page(&project);
    browser.dom(&page);
    assert_eq!(browser.requests(), 0);
    let image = "<main><img src=\"http://example.org/seen\">";
    browser.dom(&page.replacen("<main>", image, 1));
    assert_eq!(browser.requests(), 0, "the policy keeps it");
    browser.dom(&format!("<!DOCTYPE html>{image}"));
    assert!(browser.requests() > 0, "the check sees a request");
}

/// Pictures for people to look at, in `target/tmp/`.
#[test]
fn pictures_are_taken_at_two_widths() {
    let Some(browser) = Browser::new() else { return };
    let project = Project::new();
    let (page, _) = page(&project);
    for (width, height) in [(1280, 3000), (390, 3000)] {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{width}.png"));
        browser.picture(&page, (width, height), &file);
        let png = std::fs::read(&file).unwrap();
        // PNG, 11.2.1: width and height stand at the head's beginning.
        let size = [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()));
        assert_eq!((&png[..8], size), (&b"\x89PNG\r\n\x1a\n"[..], [width, height]));
        assert!(png.len() > 50_000, "it is not empty: {} bytes", png.len());
    }
}
