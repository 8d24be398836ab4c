use std::collections::BTreeMap;

use super::super::cases::{Reported, TrialNotes};
use super::render::{TEMPLATES, render};
use super::*;
use crate::known::{KnownList, Recognised};
use crate::model::ChannelOutcome::{Broken, Kept, Lost, Saved};
use crate::model::{CellKey, Channel, HungCpu, TrialOutcome, TrialRecord};
use crate::results::sample::{NO_LOGBUF, counted, expect, info, kept, key, ordered, trial};
use crate::results::{Finished, PlannedCell, RunInfo, Summary, SummaryBuilder, judge};
use crate::yaml::Source;

const OOPS: &str = "panic-during-oops-dump";

/// What a guest may say to be taken for something else.
const HOSTILE: &str =
    "<script>alert(1)</script>]]>&lt;<!--\u{1b}[2J\0{{ 1009*1009 }}{% raw %}\u{202e}\"'><img src=x onerror=y>";

/// Artifacts by their trials.
#[derive(Default)]
struct Left {
    consoles: BTreeMap<u64, Vec<u8>>,
    timelines: BTreeMap<u64, Timeline>,
}

impl Artifacts for Left {
    fn console_tail(&self, trial: u64, limit: u32) -> Option<Vec<u8>> {
        let console = self.consoles.get(&trial)?;
        Some(console[console.len().saturating_sub(limit as usize)..].to_vec())
    }

    fn timeline(&self, trial: u64) -> Option<Timeline> {
        self.timelines.get(&trial).cloned()
    }
}

/// A run that is made up.
struct Made {
    info: RunInfo,
    records: Vec<TrialRecord>,
    left: Left,
}

impl Made {
    fn page(&self) -> String {
        self.page_knowing(None)
    }

    /// The page where these failures are known.
    fn page_knowing(&self, list: Option<KnownList>) -> String {
        let mut builder = SummaryBuilder::of_plan(&self.info.cells);
        let mut samples = Samples::default();
        for record in &self.records {
            builder.add(record);
            samples.add(record);
        }
        let summary: Summary = builder.finish(&self.info.run_id);
        let records = self.records.iter().cloned().map(Ok::<_, ()>);
        let notes = TrialNotes::of(records, &Finished::default()).unwrap();
        let judged = judge(&summary, &self.info.cells);
        let known = list.map(|list| Recognised { findings: list.judge(&self.info, &summary, &judged), list });
        let known = known.as_ref();
        let reported = Reported { info: &self.info, summary: &summary, notes: &notes, judged: &judged, known };
        let finished = self.records.len() as u64;
        run_page(&RunPage { reported, samples: &samples, artifacts: &self.left, finished }).unwrap()
    }
}

fn planned(key: &CellKey, trials: u32) -> PlannedCell {
    let expect = vec![expect(Channel::Console, Saved), expect(Channel::Pstore, Saved), expect(Channel::Order, Kept)];
    PlannedCell { key: key.clone(), trials, skipped: None, expect }
}

/// Two variants at five holds, ten trials each: the second one loses the log and breaks the order as soon as CPU 1 holds the
/// back end; and a cell that is only measured, one that was skipped, one of which nothing counted.
fn two_variants() -> Made {
    let (mut cells, mut records, mut left) = (Vec::new(), Vec::new(), Left::default());
    for variant in ["stock", "kmsg-dump-before-stop"] {
        for hold in ["0ms", "100ms", "300ms", "700ms", "1500ms"] {
            let cell = key(variant, OOPS, &format!("hold={hold}"));
            cells.push(planned(&cell, 10));
            let bad = variant != "stock" && hold != "0ms";
            for number in 0..10 {
                let outcome = match (bad, number % 5) {
                    (true, 0..3) => ordered(kept(counted(Saved, Lost), 41, 66), Broken),
                    (true, _) => ordered(kept(counted(Saved, Saved), 66, 66), Broken),
                    (false, _) => ordered(kept(counted(Saved, Saved), 66, 66), Kept),
                };
                let index = records.len() as u64;
                left.timelines.insert(index, harness_testdata::timelines::stock());
                left.consoles.insert(index, harness_testdata::timelines::CONSOLE.to_vec());
                records.push(trial(index, &cell, outcome));
            }
        }
    }
    let measured = key("stock", "nmi-button", "");
    cells.push(PlannedCell { expect: Vec::new(), ..planned(&measured, 1) });
    records.push(trial(records.len() as u64, &measured, counted(Saved, Lost)));
    let late = key("stock", "late", "");
    cells.push(planned(&late, 1));
    let missed = TrialOutcome::Missed { reason: "killer entered 12 ms after victim had left".into() };
    records.push(trial(records.len() as u64, &late, missed));
    let logbuf = key("stock", "logbuf-lock-held", "hold=2s");
    cells.push(PlannedCell { trials: 0, skipped: Some(NO_LOGBUF.into()), ..planned(&logbuf, 0) });
    Made { info: info(cells), records, left }
}

/// That tags are closed in order, but those that need not be.
fn well_formed(page: &str) -> Result<(), String> {
    const VOID: [&str; 3] = ["meta", "input", "!DOCTYPE"];
    let mut open = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').ok_or("a tag is not closed")?;
        rest = after;
        let name = tag.trim_end_matches('/').split([' ', '\n']).next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            let last = open.pop();
            if last != Some(name) {
                return Err(format!("</{name}> where {last:?} is open"));
            }
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
            if ["script", "style"].contains(&name) {
                rest = &rest[rest.find("</").ok_or("it does not end")?..];
            }
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("{open:?} are open")) }
}

/// The part of a page from the heading of a section on.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, from) = page.split_once(&format!("<section aria-labelledby=\"{id}\">")).unwrap();
    from.split_once("</section>\n\n").or_else(|| from.split_once("</main>")).unwrap().0
}

/// Its text, a line for each line in which there is some.
fn text(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<') {
        text += piece.split_once('>').map_or(piece, |(_, text)| text);
        text.push(' ');
    }
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_is_told_from_what_failed_to_what_went_into_it() {
    let page = two_variants().page();
    well_formed(&page).unwrap();
    let (head, _) = page.split_once("<main>").unwrap();
    insta::assert_snapshot!("head", text(head.split_once("<header>").unwrap().1));
    let failed = section(&page, "failed");
    assert_eq!(failed.matches("<details class=\"card\" open>").count(), 4, "all that failed is unfolded");
    insta::assert_snapshot!("failed", text(failed.split("<details class=\"card\" open>").nth(2).unwrap()));
    for id in ["map", "comparison", "not-counted", "skipped", "cells", "facts"] {
        insta::assert_snapshot!(id, text(section(&page, id)));
    }
    let curves = section(&page, "curves");
    assert_eq!(curves.matches("<svg class=\"picture curve\"").count(), 2, "of pstore and of the order");
    assert!(curves.contains("along hold: no change in console"), "{curves}");
}

#[test]
fn every_cell_has_a_row_that_is_linked_to() {
    let made = two_variants();
    let page = made.page();
    for cell in &made.info.cells {
        let id = anchor(&cell.key);
        assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
        assert!(page.contains(&format!("href=\"#{id}\"")), "{id}");
    }
    let ids = |attribute: &str| -> Vec<&str> {
        page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    };
    let all = ids(" id=\"");
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "no id twice");
    for link in ids(" href=\"#") {
        assert!(all.contains(&link), "{link} leads nowhere");
    }
}

/// What a guest said, and what anybody may have written into a run's files, is text.
#[test]
fn nothing_that_comes_from_a_guest_is_markup() {
    let mut made = two_variants();
    let failed = made
        .records
        .iter_mut()
        .find(|record| record.cell.variant != "stock" && record.index % 10 == 0 && record.index >= 60);
    let record = failed.unwrap();
    let TrialOutcome::Counted { hung, channels } = &mut record.outcome else { panic!("it counts") };
    *hung = true;
    let verdict = channels.get_mut(&Channel::Pstore).unwrap();
    verdict.detail = HOSTILE.into();
    verdict.log.as_mut().unwrap().first_lost = Some(HOSTILE.into());
    record.hung_by = Some(HOSTILE.into());
    record.hung_at = vec![HungCpu { cpu: 0, at: vec![HOSTILE.into()] }];
    record.panic = Some(HOSTILE.into());
    record.log_unknown = Some(HOSTILE.into());
    record.template = Some(HOSTILE.into());
    record.stamps[0].actor = HOSTILE.into();
    record.splats = vec![crate::model::splats::Splat { title: HOSTILE.into(), found_in: [].into(), expected: false }];
    let (index, nonce) = (record.index, HOSTILE.to_owned());
    record.nonce = nonce;
    made.left.consoles.insert(index, HOSTILE.as_bytes().to_vec());
    let timeline = made.left.timelines.get_mut(&index).unwrap();
    timeline.events[3].step = HOSTILE.into();
    timeline.absent =
        vec![crate::model::timeline::AbsentStep { step: HOSTILE.into(), of: HOSTILE.into(), why: HOSTILE.into() }];
    made.info.command = vec![HOSTILE.into()];
    made.info.kernels[0].release = HOSTILE.into();
    for cell in &mut made.info.cells {
        if cell.skipped.is_some() {
            cell.skipped = Some(HOSTILE.into());
            cell.key.scenario = HOSTILE.into();
        }
    }
    let page = made.page();
    well_formed(&page).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)"), "it is shown");
    assert_eq!(page.matches("<script").count(), 1, "the page's own");
    for markup in ["<img", "<!--", "\u{1b}", "\0", "\u{202e}", "1018081", "onerror=y>"] {
        assert!(!page.contains(markup), "{markup:?}");
    }
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
    // What it says reaches the page in every place that was written to.
    assert!(page.matches("{{ 1009*1009 }}").count() >= 14, "{}", page.matches("{{ 1009*1009 }}").count());
}

#[test]
fn a_page_may_load_nothing_and_run_only_its_own_script() {
    let page = two_variants().page();
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for element in ["<link", "<img", "<iframe", " src=", " style=\"", "url(", "@import", "http:", "https:"] {
        assert!(!page.contains(element), "{element}");
    }
    // Whatever is put into a template is escaped, and no template says otherwise.
    for (name, source) in TEMPLATES {
        assert!(
            std::path::Path::new(name).extension().is_some_and(|of| of == "html")
                && !source.contains("safe")
                && !source.contains("autoescape"),
            "{name}"
        );
    }
}

#[test]
fn a_template_and_its_values_have_to_belong_together() {
    let error = render("run.html", &BTreeMap::from([("run_id", "x")])).unwrap_err().to_string();
    assert!(error.starts_with("make the page: undefined value"), "{error}");
}

/// A run in which all 5,000 cells failed, with long consoles: within 5 MB, with a row for each.
#[test]
fn thousands_of_cells_have_room() {
    let (mut cells, mut records, mut left) = (Vec::new(), Vec::new(), Left::default());
    for number in 0..5000u64 {
        let variant = if number % 2 == 0 { "stock" } else { "kmsg-dump-before-stop" };
        let cell = key(variant, OOPS, &format!("hold={}ms post_notifiers=1", number / 2));
        cells.push(planned(&cell, 4));
        for _ in 0..4 {
            let index = records.len() as u64;
            left.consoles.insert(index, vec![b'x'; 5000]);
            left.timelines.insert(index, harness_testdata::timelines::stock());
            records.push(trial(index, &cell, ordered(kept(counted(Saved, Lost), 41, 66), Broken)));
        }
    }
    let made = Made { info: info(cells), records, left };
    let page = made.page();
    assert!(page.len() <= 5_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("<tr id=\"c-").count(), 5000);
    assert_eq!(section(&page, "failed").matches("<details class=\"trial\"").count(), 12);
}

#[test]
fn a_console_is_cut_where_it_says_so() {
    let mut made = two_variants();
    let record = made.records.iter().find(|record| record.index == 60).unwrap();
    assert!(!matches!(record.cell.variant.as_str(), "stock"));
    made.left.consoles.insert(60, [&b"first\n"[..], &b"line\n".repeat(30), b"last\r\n"].concat());
    let page = made.page();
    let (_, end) = section(&page, "failed").split_once("The end of its console:").unwrap();
    let console = end.split("</pre>").next().unwrap();
    assert!(console.ends_with("line\nlast") && !console.contains("first"), "{console}");
    assert_eq!(console.matches("line\n").count(), 23, "{console}");
}

#[test]
fn failures_that_are_known_stand_apart() {
    let of = |channel: &str, link: &str| {
        format!(
            "  - {{ scenario: {OOPS}, variant: kmsg-dump-before-stop, channel: {channel}, link: \"{link}\", since: 2026-09-01 }}\n"
        )
    };
    let list = |entries: &[String]| {
        KnownList::parse(Source::new("known.yaml", format!("known:\n{}", entries.concat()))).unwrap()
    };
    let made = two_variants();
    let (pstore, order) =
        (of("pstore", "https://bugs.example.org/17"), of("order", "https://wiki.example.org/crashes?page=3&x=<b>"));
    // With one of two channels known the cells are still new failures, and what is known of them is told apart.
    let page = made.page_knowing(Some(list(std::slice::from_ref(&pstore))));
    let (failed, known) = (text(section(&page, "failed")), text(section(&page, "known")));
    assert!(failed.contains("order : order kept") && !failed.contains("pstore : pstore"), "{failed}");
    assert_eq!(known.matches("2026-09-01").count(), 4, "{known}");
    assert!(page.contains("<a href=\"https:&#x2f;&#x2f;bugs.example.org&#x2f;17\""), "{page}");
    // With both of them nothing new has failed.
    let page = made.page_knowing(Some(list(&[pstore, order])));
    assert!(page.contains("4 cells failed, as is known, and no other") && !page.contains("id=\"failed\""), "{page}");
    assert!(page.contains("page=3&amp;x=&lt;b&gt;"), "{page}");
    well_formed(&page).unwrap();
}
