use std::time::SystemTime;

use tempfile::TempDir;

use super::*;
use crate::bisect::{Bisection, History, Options};
use crate::model::Channel;
use crate::model::bisection::{Bisected, Criterion, Node};
use crate::results::sample::{info, key};
use crate::results::{PlannedCell, Run, RunInfo};
use crate::session::bisect::TimeSpent;

/// What a bisection of a git tree found; the tree is not there any more.
fn searched() -> (TempDir, Searched) {
    let results = tempfile::tempdir().unwrap();
    let run = Run::create(results.path(), SystemTime::now()).unwrap();
    let node = |position: usize| Node {
        id: format!("{position:040x}"),
        subject: format!("change {position}"),
        parents: position.checked_sub(1).into_iter().collect(),
        weight: 1.0,
        earlier: Tally::default(),
        same_as: None,
    };
    let bisected = Bisected {
        between: SearchSpace::Commits { tree: "/nowhere/linux".into() },
        criterion: Criterion::Channel(Channel::Pstore),
        fixed: false,
        confidence: 0.95,
        at_most: 100,
        nodes: (0..3).map(node).collect(),
    };
    let mut bisection = Bisection::new(History::chain(2), vec![1.0; 3], Options::default());
    for (node, trials, events) in [(0, 40, 0), (1, 40, 0), (2, 40, 39)] {
        bisection.record(node, Tally { trials, events });
    }
    let cell = |node: usize| PlannedCell {
        key: key(&format!("stock{node}"), "panic-alone", "hold=300ms"),
        trials: 0,
        skipped: None,
        expect: Vec::new(),
    };
    let info = info((0..3).map(cell).collect());
    let info = RunInfo { run_id: run.id().to_owned(), ..info };
    run.write_info(&info).unwrap();
    let rate = |trials, events| {
        let interval = Interval { lo: 0.0, hi: 1.0 };
        Rate { tally: Tally { trials, events }, mean: 0.5, interval }
    };
    let conclusion = Some(Conclusion::Found { commit: 2, confidence: 0.97, old: rate(80, 0), new: rate(40, 39) });
    (results, Searched { run, info, bisected, bisection, conclusion, spent: TimeSpent::default() })
}

/// How trials are run again.
fn how() -> Vec<String> {
    ["--qemu", "/opt/my qemu", "--time", "real"].map(str::to_owned).into()
}

#[test]
fn a_tree_that_has_gone_does_not_take_the_result_with_it() {
    let (_results, searched) = searched();
    let text = searched.text(&how());
    assert!(text.contains("found, 97 %: 000000000000 change 2"), "{text}");
    assert!(text.contains("\nagain: harness run "), "{text}");
    assert_eq!(searched.json(&how())["conclusion"]["kind"], "found");
}

#[test]
fn kernels_that_are_the_same_are_told() {
    let (_results, mut searched) = searched();
    searched.bisected.nodes[1].same_as = Some(0);
    let line = "\n000000000000 changed no byte of this kernel (same as 000000000000)\n";
    assert!(searched.text(&how()).contains(line), "{}", searched.text(&how()));
    assert_eq!(searched.json(&how())["nodes"][1]["same_as"], "0".repeat(40));
    searched.bisected.nodes[1].same_as = None;
    searched.bisected.nodes[2].same_as = Some(0);
    let line = "\nall after 000000000000 up to 000000000000 together changed no byte of this kernel\n";
    assert!(searched.text(&how()).contains(line), "{}", searched.text(&how()));
}

#[test]
fn the_command_tries_it_again_in_the_same_way() {
    let (_results, searched) = searched();
    let again = searched.again(1, 2, &how());
    assert!(
        again.starts_with("harness run --variant stock1@6.12 --variant stock2@6.12 --scenario panic-alone"),
        "{again}"
    );
    assert!(again.ends_with("--param hold=300ms --trials 50 --qemu '/opt/my qemu' --time real"), "{again}");
}
