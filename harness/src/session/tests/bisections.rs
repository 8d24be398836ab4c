use std::collections::BTreeSet;

use super::*;
use crate::bisect::Tally;
use crate::bisect::{Conclusion, Why};
use crate::model::Channel;
use crate::model::bisection::{Criterion, Node, SearchSpace};
use crate::session::bisect::{Bisect, Point, Range, ResumableBisection, Searched};

/// Changes of a chain of this many.
const CHANGES: usize = 9;

/// A bisection of a chain, or of another history, and how it ends.
struct Row {
    name: &'static str,
    /// By node: what it was made from; a chain if empty.
    parents: Vec<Vec<usize>>,
    /// The share of trials in which the log is lost, by node.
    rate: fn(usize) -> f64,
    build: fn(&str) -> Build,
    /// The first node with a node's kernel.
    kernel: fn(usize) -> usize,
    /// What a trial does, by node, ordinal and attempt; `None` as the rate says.
    act: fn(usize, u32, u32) -> Option<Act>,
    at_most: u32,
    fixed: bool,
    /// The user wants an end at the trial with this number.
    stop_at: Option<u32>,
    ends: &'static str,
    and: fn(&Searched, &Seen),
}

fn row(name: &'static str) -> Row {
    Row {
        name,
        parents: Vec::new(),
        rate: |node| if node >= 5 { 1.0 } else { 0.0 },
        build: |_| Build::Good,
        kernel: |node| node,
        act: |_, _, _| None,
        at_most: 400,
        fixed: false,
        stop_at: None,
        ends: "found 5",
        and: |_, _| (),
    }
}

/// The node of a variant.
fn node(variant: &str) -> usize {
    variant[1..].parse().unwrap()
}

/// A good end, two branches of two commits, the merge of both, and the bad end.
fn merge() -> Vec<Vec<usize>> {
    vec![vec![], vec![0], vec![1], vec![0], vec![3], vec![2, 4], vec![5]]
}

fn built(seen: &Seen) -> BTreeSet<usize> {
    seen.built.iter().map(|variant| node(variant)).collect()
}

fn rows() -> Vec<Row> {
    vec![
        Row {
            and: |searched, seen| {
                assert!(built(seen).len() < CHANGES, "{:?}", seen.built);
                assert_eq!(built(seen).len(), seen.built.len(), "each kernel is built once");
                assert_eq!(searched.info.kernels.len(), seen.built.len());
                assert!(searched.run.folder().join("bisect.log").is_file());
            },
            ..row("what happens always is found by few kernels")
        },
        Row { rate: |node| if node >= 1 { 1.0 } else { 0.0 }, ends: "found 1", ..row("the first change") },
        Row { rate: |node| if node >= CHANGES { 1.0 } else { 0.0 }, ends: "found 9", ..row("the last one") },
        Row { rate: |node| if node >= 5 { 0.5 } else { 0.0 }, ..row("what happens in half of all trials is found") },
        Row { rate: |node| if node >= 5 { 0.9 } else { 0.2 }, ..row("what only becomes more frequent is found") },
        Row {
            rate: |node| if node >= 5 { 0.0 } else { 1.0 },
            fixed: true,
            ..row("where it ceased is found, if that is asked for")
        },
        Row {
            rate: |node| if node >= 5 { 0.0 } else { 1.0 },
            ends: "no difference, reversed",
            and: |_, seen| assert_eq!(built(seen), [0, CHANGES].into()),
            ..row("what happens less at the bad end is said, before anything is built between")
        },
        Row {
            rate: |_| 0.0,
            ends: "no difference",
            and: |_, seen| assert_eq!(built(seen), [0, CHANGES].into()),
            ..row("ends that never show it do not differ")
        },
        Row { rate: |_| 1.0, ends: "no difference", ..row("nor do ends that always do") },
        Row {
            build: |name| if node(name) == 6 { Build::Broken } else { Build::Good },
            and: |searched, _| assert!(searched.info.cells[6].skipped.is_none_or_known()),
            ..row("a commit that does not build is passed over")
        },
        Row {
            build: |name| {
                if (4..8).contains(&node(name)) && node(name) != 5 { Build::DoesNotBoot } else { Build::Good }
            },
            ends: "one of 4 5",
            ..row("next to commits that do not boot it is one of several")
        },
        Row {
            build: |name| if node(name) == 5 { Build::Broken } else { Build::Good },
            ends: "one of 5 6",
            ..row("a culprit that cannot be tried is one of two")
        },
        Row {
            build: |name| if node(name) == 5 { Build::Lacks } else { Build::Good },
            ends: "one of 5 6",
            ..row("what lacks something is passed over like what does not build")
        },
        Row {
            build: |name| if node(name) == 0 { Build::Broken } else { Build::Good },
            ends: "the good end is skipped",
            ..row("without a good end there is nothing to find")
        },
        Row {
            build: |name| if node(name) == CHANGES { Build::DoesNotBoot } else { Build::Good },
            ends: "the bad end is skipped",
            ..row("nor without a bad one")
        },
        Row {
            build: |name| if node(name) > 0 && node(name) < CHANGES { Build::Broken } else { Build::Good },
            ends: "one of 1 2 3 4 5 6 7 8 9",
            ..row("with nothing between the ends it is any")
        },
        Row {
            build: |name| if node(name) == CHANGES { Build::HostFails } else { Build::Good },
            ends: "the disk is full",
            ..row("a host that cannot build ends it, resumably")
        },
        Row {
            build: |name| if node(name) == CHANGES { Build::GuestsFail } else { Build::Good },
            ends: "no room for a template",
            ..row("so does one that cannot prepare guests")
        },
        Row {
            act: |_, ordinal, attempt| (ordinal % 3 == 0 && attempt == 0).then(|| Act::Is(infra())),
            and: |_, seen| assert!(seen.looked_after > 0),
            ..row("infra-errors are tried again, and tell nothing")
        },
        Row {
            act: |node, ordinal, _| (node == 6 && ordinal % 2 == 0).then(|| Act::Is(missed())),
            ..row("trials that missed tell nothing")
        },
        Row {
            act: |node, _, _| (node == 6).then(|| Act::Is(missed())),
            and: |searched, seen| {
                if built(seen).contains(&6) {
                    let reason = searched.info.cells[6].skipped.clone().unwrap();
                    assert!(reason.starts_with("none of 2"), "{reason}");
                    assert!(reason.ends_with("missed: the holder left too early"), "{reason}");
                }
            },
            ..row("a commit all of whose trials miss is passed over")
        },
        Row {
            act: |_, _, _| Some(Act::Is(infra())),
            ends: "no trial of n0@6.12 could be run: QEMU was killed",
            ..row("where nothing can be run it ends")
        },
        Row {
            act: |node, ordinal, _| (node == 5 && ordinal == 0).then_some(Act::Panics),
            rate: |node| if node >= 5 { 0.5 } else { 0.0 },
            ends: "a trial's task died: task",
            ..row("a defect ends it, resumably")
        },
        Row {
            at_most: 8,
            rate: |node| if node >= 5 { 0.3 } else { 0.1 },
            ends: "indeterminate TrialsSpent",
            and: |_, seen| assert!(seen.begun.len() <= 8 + 2, "{}", seen.begun.len()),
            ..row("it takes no more trials than it may")
        },
        Row { stop_at: Some(3), ends: "interrupted", ..row("the user may end it") },
        Row {
            kernel: |node| if node < 5 { 0 } else { 5 },
            rate: |node| if node >= 5 { 0.5 } else { 0.0 },
            and: |searched, seen| {
                let prepared: BTreeSet<&str> = seen.prepared.iter().map(|(variant, _)| variant.as_str()).collect();
                assert_eq!(prepared, ["n0", "n9"].into(), "no kernel is tried twice");
                let nodes = &searched.bisected.nodes;
                let known = nodes.iter().filter(|node| node.same_as.is_some()).count();
                assert!(known >= 2 && known == seen.built.len() - 2, "{known} of {:?}", seen.built);
                assert_eq!((nodes[4].same_as, nodes[5].same_as), (Some(0), Some(9)));
                assert_eq!(searched.info.bisected.as_ref(), Some(&searched.bisected));
            },
            ..row("commits that change no byte of the kernel are not tried")
        },
        Row {
            kernel: |_| 0,
            ends: "no difference",
            and: |_, seen| assert_eq!((seen.built.len(), seen.begun.len()), (2, 2)),
            ..row("ends that are one kernel do not differ")
        },
        Row {
            kernel: |node| if node == 4 { 3 } else { node },
            build: |name| if [3, 4].contains(&node(name)) { Build::DoesNotBoot } else { Build::Good },
            rate: |node| if node >= 4 { 0.5 } else { 0.0 },
            ends: "one of 3 5",
            and: |_, seen| {
                let booted = seen.prepared.iter().filter(|(variant, _)| [3, 4].contains(&node(variant))).count();
                assert!(booted <= 2, "tried twice, the one or the other: {:?}", seen.prepared);
            },
            ..row("a kernel that does not boot does not boot as that of another commit")
        },
        Row {
            parents: merge(),
            rate: |node| if [4, 5, 6].contains(&node) { 1.0 } else { 0.0 },
            ends: "found 4",
            ..row("a change on one branch of a merge is found")
        },
        Row {
            parents: merge(),
            rate: |node| if [2, 5, 6].contains(&node) { 1.0 } else { 0.0 },
            ends: "found 2",
            ..row("or on the other")
        },
        Row {
            parents: merge(),
            rate: |node| if node >= 5 { 1.0 } else { 0.0 },
            ends: "found 5",
            ..row("or the merge itself")
        },
    ]
}

trait OrKnown {
    fn is_none_or_known(&self) -> bool;
}

impl OrKnown for Option<String> {
    /// Whether it was passed over for what it lacks, or not tried.
    fn is_none_or_known(&self) -> bool {
        self.as_ref().is_none_or(|reason| reason.contains("cannot be built"))
    }
}

fn asked(row: &Row) -> Bisect {
    let parents = match row.parents.as_slice() {
        [] => (0..=CHANGES).map(|node: usize| node.checked_sub(1).into_iter().collect()).collect(),
        parents => parents.to_vec(),
    };
    let nodes = parents.into_iter().enumerate().map(|(node, parents)| Node {
        id: format!("{node}"),
        subject: format!("change {node}"),
        parents,
        weight: 1.0,
        earlier: Tally::default(),
        same_as: None,
    });
    let nodes: Vec<Node> = nodes.collect();
    let kernels = (0..nodes.len()).map(|node| KernelName::parse(&format!("n{node}"), "6.12")).collect();
    Bisect {
        range: Range { between: SearchSpace::Patches, kernels, nodes },
        point: Point { scenario: "crash".to_owned(), params: crate::model::Params::new() },
        criterion: Criterion::Channel(Channel::Pstore),
        fixed: row.fixed,
        confidence: 0.95,
        at_most: row.at_most,
        replay: None,
        log_file: None,
    }
}

fn of_row(row: &Row, bed: &Bed) -> Arc<World> {
    let (rate, act, stop_at, stop) = (row.rate, row.act, row.stop_at, bed.stop.clone());
    let begun = std::sync::atomic::AtomicU32::new(0);
    let trial = move |it: &crate::trial::Assignment, attempt| {
        let begun = begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if stop_at == Some(begun) {
            stop.send_replace(Stop::AfterRunning);
        }
        let node = node(&it.cell.variant);
        act(node, it.ordinal, attempt).unwrap_or_else(|| {
            let happens = fastrand::Rng::with_seed(it.seed).f64() < rate(node);
            Act::Is(if happens { lost() } else { saved() })
        })
    };
    let kernel = row.kernel;
    let image = Box::new(move |variant: &str| kernel(node(variant)).to_string());
    Arc::new(World { build: Box::new(row.build), trial: Box::new(trial), image, ..world() })
}

fn ended(searched: &Searched) -> String {
    match &searched.conclusion {
        None => "interrupted".to_owned(),
        Some(Conclusion::Found { commit, .. }) => format!("found {commit}"),
        Some(Conclusion::Candidates { commits, .. }) => {
            let commits: Vec<String> = commits.iter().map(ToString::to_string).collect();
            format!("one of {}", commits.join(" "))
        }
        Some(Conclusion::Indeterminate { why: Why::NotOneChange, .. }) => "indeterminate NotOneChange".to_owned(),
        Some(Conclusion::Indeterminate { why, .. }) => format!("indeterminate {why:?}"),
        Some(Conclusion::NoDifference { reversed, .. }) => {
            format!("no difference{}", if *reversed { ", reversed" } else { "" })
        }
        Some(Conclusion::EndSkipped { good }) => format!("the {} end is skipped", if *good { "good" } else { "bad" }),
    }
}

#[tokio::test]
async fn each_bisection_ends_as_its_row_says() {
    let mut wrong = Vec::new();
    for row in rows() {
        let bed = Bed::new();
        let world = of_row(&row, &bed);
        let ends = match bed.session(&world, options()).bisect(asked(&row)).await {
            Ok(searched) => {
                let ends = ended(&searched);
                if ends == row.ends {
                    (row.and)(&searched, &seen(&world));
                }
                ends
            }
            Err(failure) => {
                assert!(failure.to_string().contains("harness bisect --resume"), "{failure}");
                failure.first_line()
            }
        };
        if !ends.starts_with(row.ends) {
            wrong.push(format!("{}\n  is   {ends}\n  not  {}", row.name, row.ends));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Neither the good end's guests boot nor the bad end is built before both have begun.
#[tokio::test]
async fn guests_of_the_good_end_boot_while_the_bad_one_is_built() {
    let bed = Bed::new();
    let row = row("ahead");
    let world = Arc::into_inner(of_row(&row, &bed)).unwrap();
    let meeting = Meeting::of((Place::Boot, "n0"), (Place::Build, "n9"));
    let world = Arc::new(World { meeting, ..world });
    let session = bed.session(&world, options());
    let searched = tokio::time::timeout(std::time::Duration::from_secs(60), session.bisect(asked(&row))).await;
    let searched = searched.expect("they wait for each other").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(ended(&searched), "found 5");
    assert_eq!(seen(&world).built[..2], ["n0", "n9"]);
}

/// A program kills the kernel in one of 25 trials since one of the changes, with words that tell; one in a hundred dies of
/// something else on every side. Nothing is injected.
#[tokio::test]
async fn a_program_that_kills_now_and_then_is_bisected() {
    let bed = Bed::new();
    let row = Row { at_most: 2000, ..row("a program kills") };
    let trial = |it: &crate::trial::Assignment, _| {
        let drawn = fastrand::Rng::with_seed(it.seed).f64();
        let since = node(&it.cell.variant) >= 5;
        Act::Dies(match drawn {
            x if since && x < 0.04 => Some("demo gives up: error -5"),
            x if x > 0.99 => Some("Out of memory"),
            _ => None,
        })
    };
    let world = Arc::new(World { trial: Box::new(trial), ..world() });
    let criterion = Criterion::Panic(Some("demo gives up".to_owned()));
    let asked = Bisect { criterion: criterion.clone(), ..asked(&row) };
    let searched = bed.session(&world, options()).bisect(asked).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(ended(&searched), "found 5");
    let died = |record: &TrialRecord| criterion.happened(record) == Some(true);
    let records: Vec<TrialRecord> = searched.run.trials().unwrap().map(Result::unwrap).collect();
    assert!(records.iter().filter(|record| died(record)).all(|record| node(&record.cell.variant) >= 5));
    assert!(records.iter().any(|record| record.panic.as_deref() == Some("Out of memory")));
}

/// However often a bisection is interrupted, it ends as if it had not been, with no trial run twice.
#[tokio::test]
async fn a_bisection_is_resumed() {
    let bed = Bed::new();
    let row = Row { rate: |node| if node >= 5 { 0.5 } else { 0.0 }, stop_at: Some(5), ..row("resumed") };
    let first = of_row(&row, &bed);
    let searched = bed.session(&first, options()).bisect(asked(&row)).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(ended(&searched), "interrupted");
    let run = searched.run.clone();
    drop(searched);
    let before = records(&bed.results());
    bed.stop.send_replace(Stop::No);

    let second = of_row(&Row { stop_at: None, ..row }, &bed);
    let resumable = opened(|| ResumableBisection::open(&bed.catalogue(), run.clone())).unwrap();
    assert_eq!(resumable.kernels().len(), CHANGES + 1);
    let searched = bed.session(&second, options()).resume_bisection(resumable, None).await;
    let searched = searched.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(ended(&searched), "found 5");
    let again = seen(&second).begun.keys().filter(|index| seen(&first).begun.contains_key(index)).count();
    assert_eq!(again, 0, "no trial is run twice");
    assert_eq!(records(&bed.results()), before + seen(&second).begun.len());
}

/// What is known of kernels that are the same is still known when it is resumed.
#[tokio::test]
async fn no_kernel_is_tried_twice_although_it_is_resumed() {
    let bed = Bed::new();
    // Of two changes the second one changes no byte.
    let kernel = |node: usize| if node == CHANGES { node } else { node.saturating_sub(1) / 2 * 2 };
    let mut searched = None;
    // As often as it takes: a trial more each time.
    for stop_at in 1..40 {
        let stop_at = Some(stop_at);
        let row = Row { kernel, rate: |node| if node >= 5 { 0.5 } else { 0.0 }, stop_at, ..row("resumed") };
        let world = of_row(&row, &bed);
        let session = bed.session(&world, options());
        let ended = match searched.take() {
            None => session.bisect(asked(&row)).await,
            Some(Searched { run, .. }) => {
                let resumable = opened(|| ResumableBisection::open(&bed.catalogue(), run.clone())).unwrap();
                session.resume_bisection(resumable, None).await
            }
        };
        bed.stop.send_replace(Stop::No);
        let ended = ended.unwrap_or_else(|e| panic!("{e}"));
        let is_over = ended.conclusion.is_some();
        searched = Some(ended);
        if is_over {
            break;
        }
    }
    let searched = searched.unwrap();
    assert_eq!(ended(&searched), "found 5");
    let records = searched.run.trials().unwrap().map(Result::unwrap);
    let tried: BTreeSet<usize> = records.map(|record| node(&record.cell.variant)).collect();
    let kernels: BTreeSet<usize> = tried.iter().map(|&node| kernel(node)).collect();
    assert_eq!(tried.len(), kernels.len(), "{tried:?}");
    assert!(searched.bisected.nodes.iter().any(|node| node.same_as.is_some()));
}

#[tokio::test]
async fn a_bisection_of_other_kernels_is_not_resumed() {
    let bed = Bed::new();
    let row = Row { stop_at: Some(3), ..row("resumed") };
    let searched = bed.session(&of_row(&row, &bed), options()).bisect(asked(&row)).await;
    let run = searched.unwrap_or_else(|e| panic!("{e}")).run;
    bed.stop.send_replace(Stop::No);
    let other = Arc::new(World { key: "another".to_owned(), ..world() });
    let resumable = opened(|| ResumableBisection::open(&bed.catalogue(), run.clone())).unwrap();
    let Err(refused) = bed.session(&other, options()).resume_bisection(resumable, None).await else { panic!() };
    assert!(refused.first_line().contains("the key of kernel n"), "{refused}");

    std::fs::write(bed.folder.path().join("scenarios/crash.yaml"), CRASH.replace("a test", "another")).unwrap();
    let Err(refused) = opened(|| ResumableBisection::open(&bed.catalogue(), run.clone())) else { panic!() };
    assert!(refused.first_line().starts_with("scenario crash is not what it was"), "{refused}");
}
