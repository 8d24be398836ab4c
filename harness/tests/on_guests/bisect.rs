//! `harness bisect` on real kernels and guests. In virtual time, and sure to a millionth: nothing here is left to luck.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{Project, text};
use crate::history::{Tree, git, tree};
use serde_json::Value;

/// A dump of another CPU takes at least 10 ms more from the panic on, and at most 100 ms.
const SCENARIO: &str = r#"
name: dump-of-unknown-length
title: a CPU panics while another dumps an oops, for a time that nobody knows
why: What a bisection has to find in spite of chance.
source: a test
tags: [oops, stop]
knobs:
  - sysctl: { name: kernel.panic_on_oops, value: 0 }
actors:
  - spin: { name: dump, cpu: 1, in: backend-write, for: "uniform(60ms,150ms)" }
  - oops: { name: oops, cpu: 1, at: 0ms }
  - panic: { name: panic, cpu: 0, after: { actor: dump, edge: entered, delay: 50ms } }
meet:
  - enters-during: { actor: panic, of: dump }
expect:
  - { channel: pstore, outcome: saved }
"#;
const SURE: [&str; 6] = ["--confidence", "0.999999", "--time", "virtual", "--seed", "2012"];

fn project() -> Project {
    let project = Project::new();
    project.write("scenarios/dump-of-unknown-length.yaml", SCENARIO.trim_start());
    project
}

fn over(tree: &Tree) -> Vec<&str> {
    let path = tree.path.to_str().unwrap();
    let mut arguments = vec!["bisect", "--tree", path, "--good", "good", "--bad", "main"];
    arguments.extend(["--scenario", "dump-of-unknown-length", "--channel", "pstore"]);
    arguments.extend(SURE);
    arguments
}

/// What of a tree a bisection might change.
fn state(tree: &Tree) -> (String, String, Vec<u8>) {
    let refs = git(&tree.path, &["for-each-ref"]) + &git(&tree.path, &["worktree", "list"]);
    (git(&tree.path, &["status", "--porcelain"]), refs, fs::read(tree.path.join(".git/index")).unwrap())
}

/// One test, for the kernels that its parts have in common.
#[test]
fn a_commit_is_found_in_a_history_of_a_real_kernel() {
    let (project, tree) = (project(), tree());
    assert!(tree.commits >= 32, "{}", tree.commits);
    let before = state(&tree);
    let found = project.json(&[over(&tree), vec!["--format", "json"]].concat(), 0);
    assert_eq!(found["conclusion"]["kind"], "found", "{found}");
    assert_eq!(found["conclusion"]["commit"]["id"], tree.culprit.as_str(), "{found}");
    assert_eq!(state(&tree), before);
    let share = |side: &str| {
        let side = &found["conclusion"][side];
        side["events"].as_f64().unwrap() / side["trials"].as_f64().unwrap()
    };
    assert!(share("before") == 0.0 && (0.05..0.95).contains(&share("since")), "{found}");
    let tried = found["nodes"].as_array().unwrap().iter().filter(|node| node["trials"].as_u64() > Some(0)).count();
    assert!(tried <= 16, "{tried} kernels of {}", tree.commits);

    it_goes_on_after_it_was_killed(&project, &tree);
    its_log_is_taken_by_git_and_by_us(&project, &tree, &found);
    steps_are_judged(&project, &tree);
    // What git keeps of when it looked at files may change with a checkout; what is there may not.
    assert_eq!(state(&tree).1, before.1);
}

fn it_goes_on_after_it_was_killed(project: &Project, tree: &Tree) {
    let mut child = project.harness(&over(tree)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = project.results().join("latest").read_link().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let current = || project.results().join("latest").read_link().unwrap();
    while current() == begun || project.records().len() < 6 {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "it has not begun, or is over");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = project.records();
    let resumed = project.json(&["bisect", "--resume", "latest", "--format", "json"], 0);
    assert_eq!(resumed["conclusion"]["commit"]["id"], tree.culprit.as_str(), "{resumed}");
    assert_eq!(project.records()[..kept.len()], kept);
}

fn its_log_is_taken_by_git_and_by_us(project: &Project, tree: &Tree, found: &Value) {
    let run = project.results().join(found["run_id"].as_str().unwrap());
    let log = run.join("bisect.log");
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("tree");
    git(
        copy.path(),
        &["clone", "--quiet", "--shared", "--no-checkout", tree.path.to_str().unwrap(), copied.to_str().unwrap()],
    );
    let replayed = git(&copied, &["bisect", "start", "--no-checkout"])
        + &git(&copied, &["bisect", "replay", log.to_str().unwrap()]);
    assert!(replayed.contains(&format!("{} is the first bad commit", tree.culprit)), "{replayed}");

    // All that is needed is in it: no further trial.
    let arguments = [over(tree), vec!["--replay", log.to_str().unwrap(), "--format", "json"]].concat();
    let again = project.json(&arguments, 0);
    assert_eq!(again["conclusion"]["commit"]["id"], tree.culprit.as_str(), "{again}");
    assert_eq!(again["time"]["trials"], 0, "{again}");
}

fn steps_are_judged(project: &Project, tree: &Tree) {
    // As it is during a `git bisect`: the good commit's build tree is reused.
    git(&tree.path, &["update-ref", "refs/bisect/good-1", "good"]);
    for (commit, code) in [(&*tree.culprit, 1), (&*format!("{}~1", tree.culprit), 0), (&*tree.broken, 125)] {
        git(&tree.path, &["checkout", "--quiet", "--detach", commit]);
        let path = tree.path.to_str().unwrap();
        let step = [
            "bisect",
            "step",
            "--tree",
            path,
            "--scenario",
            "dump-of-unknown-length",
            "--time",
            "virtual",
            "--seed",
            "1",
        ];
        let output = project.run(&step);
        git(&tree.path, &["checkout", "--quiet", "main"]);
        assert_eq!(output.status.code(), Some(code), "{commit}: {}", text(&output.stderr));
    }
    git(&tree.path, &["update-ref", "-d", "refs/bisect/good-1"]);
}

#[test]
fn a_patch_is_found_in_a_series() {
    let project = project();
    let arguments = ["bisect", "--series", "kmsg-dump-before-stop", "--scenario", "panic-during-oops-dump"];
    let point = ["--param", "hold=300ms", "--param", "post_notifiers=0", "--channel", "pstore"];
    let output = project.run(&[&arguments[..], &point, &SURE].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    assert!(
        said.contains("found, >99 %: 0001-panic-kmsg_dump-above-the-stop.patch panic: kmsg_dump() above the stop"),
        "{said}"
    );
    assert!(
        said.contains("* kmsg_dump {") && said.contains("again: harness run --variant kmsg-dump-before-stop~1@6.12"),
        "{said}"
    );
    // Its trials are those of a run, which every other subcommand reads.
    let compared = project.run(&["compare", "kmsg-dump-before-stop~1", "kmsg-dump-before-stop"]);
    assert!(text(&compared.stdout).contains("panic-during-oops-dump"), "{}", text(&compared.stderr));
}

#[test]
fn ends_that_do_not_differ_are_told_before_anything_is_built_between_them() {
    let project = project();
    let arguments = ["bisect", "--series", "kmsg-dump-before-stop", "--scenario", "panic-alone", "--format", "json"];
    let said = project.json(&[&arguments[..], &SURE[2..]].concat(), 1);
    assert_eq!(said["conclusion"]["kind"], "no-difference", "{said}");
    assert_eq!(said["conclusion"]["good"]["events"], 0);
}

/// An option that makes build something beside the kernel.
#[test]
fn a_kernel_that_is_the_same_byte_for_byte_is_not_tried_again() {
    let project = project();
    project.write("good.config", "# Nothing.\n");
    project.write("bad.config", "CONFIG_HEADERS_INSTALL=y\n");
    let arguments = ["bisect", "--config", "good.config", "bad.config", "--scenario", "panic-alone"];
    let output = project.run(&[&arguments[..], &["--channel", "pstore"], &SURE].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    assert!(said.contains("the ends do not differ: ") && said.contains("  bad  no trial\n"), "{said}");
    let same = "CONFIG_HEADERS_INSTALL changed no byte of this kernel (same as good.config)\n";
    assert!(said.contains(same) && text(&output.stderr).contains(same), "{said}{}", text(&output.stderr));
}
