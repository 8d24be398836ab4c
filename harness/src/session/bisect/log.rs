//! The log of a bisection: `git bisect replay` takes it, and so does `--replay`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::bisect::Bisection;
use crate::bisect::Tally;
use crate::failure::Failure;
use crate::model::bisection::Bisected;
use crate::results::RunInfo;

/// Its name in the run's folder.
pub const FILE: &str = "bisect.log";

/// What a line of trials begins with. For git it is a comment.
const TRIALS: &str = "# harness: trials ";
/// What a line of two nodes with the same kernel begins with.
const SAME: &str = "# harness: same ";
/// What a line of a node that was passed over begins with.
const SKIPPED: &str = "# harness: skipped ";

/// The log as it stands: of each node its trials, and what follows for git where that is as sure as it was asked to be.
pub fn text(info: &RunInfo, bisected: &Bisected, bisection: &Bisection) -> String {
    let mut text = String::from("git bisect start\n");
    let cell = info.cells.first().map(|cell| &cell.key);
    let point = cell.map_or_else(String::new, ToString::to_string);
    // Writing to a string does not fail.
    let _ = writeln!(text, "# harness: {}, run {}: the first cell is {point}", bisected.criterion, info.run_id);
    let (posterior, last) = (bisection.posterior(), bisected.nodes.len().saturating_sub(1));
    let brought = |node: usize| -> f64 {
        let nodes = posterior.commits.iter().enumerate();
        nodes.filter(|(change, _)| bisection.history().has(node, *change)).map(|(_, probability)| probability).sum()
    };
    // What is found is told with what it was made from, whether that was tried or follows from others.
    let found = posterior.commits.iter().position(|probability| *probability >= bisected.confidence);
    let before: &[usize] = found.and_then(|node| bisected.nodes.get(node)).map_or(&[], |node| &node.parents);
    let mut bad = Vec::new();
    for (node, known) in bisected.nodes.iter().enumerate() {
        let trials_of = |node: usize| bisection.tallies().get(node).copied().unwrap_or_default();
        let tally = trials_of(node);
        let is_known = tally.trials > 0 || known.same_as.is_some_and(|other| trials_of(other).trials > 0);
        let skipped = info.cells.get(node).and_then(|cell| cell.skipped.as_ref());
        let (id, subject) = (&known.id, &known.subject);
        if tally.trials > 0 {
            let _ = writeln!(text, "{TRIALS}{id} {} of {}", tally.events, tally.trials);
        }
        if let Some(other) = known.same_as.and_then(|other| bisected.nodes.get(other)) {
            let _ = writeln!(text, "{SAME}{id} as {}", other.id);
        }
        let verdict = if node == 0 || before.contains(&node) {
            "good"
        } else if node == last || found == Some(node) {
            "bad"
        } else if !is_known {
            ""
        } else {
            match brought(node) {
                since if since >= bisected.confidence => "bad",
                since if since <= 1.0 - bisected.confidence => "good",
                _ => "",
            }
        };
        if let Some(reason) = skipped {
            let reason = reason.lines().next().unwrap_or_default();
            let _ = writeln!(text, "{SKIPPED}{id} {reason}");
            if verdict.is_empty() {
                let _ = writeln!(text, "git bisect skip {id}");
                continue;
            }
        }
        let line = format!("# {verdict}: [{id}] {subject}\ngit bisect {verdict} {id}\n");
        match verdict {
            "good" => text.push_str(&line),
            "bad" => bad.push(line),
            _ => {}
        }
    }
    // The last one counts for git, which takes the oldest one to be named then.
    text.extend(bad.into_iter().rev());
    text
}

/// Takes the trials of a log over; which nodes it passed over, and why.
pub fn replay(path: &Path, bisected: &mut Bisected) -> Result<BTreeMap<usize, String>, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::input(format!("read the log {}: {e}", path.display())))?;
    read(&text, bisected).map_err(|(line, cause)| {
        let hint = "what --log writes is taken, of the same range; lines may be removed, but not changed";
        Failure::input(format!("{}:{line}: {cause}\n\nhint: {hint}", path.display()))
    })
}

fn read(text: &str, bisected: &mut Bisected) -> Result<BTreeMap<usize, String>, (usize, String)> {
    let mut skipped = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |cause: &str| (number, format!("{cause}: {}", line.escape_debug()));
        let find = |bisected: &Bisected, id: &str| bisected.nodes.iter().position(|node| node.id == id);
        if let Some(rest) = line.strip_prefix(TRIALS) {
            let tally = (|| {
                let mut fields = rest.rsplitn(4, ' ');
                let (trials, _of, events, id) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
                let tally = Tally { trials: trials.parse().ok()?, events: events.parse().ok()? };
                (tally.events <= tally.trials).then_some((id, tally))
            })();
            let (id, tally) = tally.ok_or_else(|| wrong("no line of trials"))?;
            let node = find(bisected, id).ok_or_else(|| wrong("nothing of this range is called so"))?;
            if let Some(node) = bisected.nodes.get_mut(node) {
                node.earlier = tally;
            }
        } else if let Some(rest) = line.strip_prefix(SAME) {
            let same = bisected.nodes.iter().enumerate().find_map(|(node, known)| {
                let other = rest.strip_prefix(&known.id)?.strip_prefix(" as ")?;
                Some((node, find(bisected, other)?))
            });
            let (node, other) = same.ok_or_else(|| wrong("nothing of this range is called so"))?;
            if let Some(node) = bisected.nodes.get_mut(node) {
                node.same_as = Some(other);
            }
        } else if let Some(rest) = line.strip_prefix(SKIPPED) {
            // Ids may have blanks, and one may begin like another.
            let nodes = bisected.nodes.iter().enumerate();
            let called = nodes.filter_map(|(node, known)| {
                let reason = rest.strip_prefix(&known.id)?;
                (reason.is_empty() || reason.starts_with(' ')).then_some((known.id.len(), node, reason.trim_start()))
            });
            let (_, node, reason) = called.max().ok_or_else(|| wrong("nothing of this range is called so"))?;
            skipped.insert(node, reason.to_owned());
        }
    }
    Ok(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bisect::{History, Options};
    use crate::model::Channel;
    use crate::model::bisection::{Criterion, Node, SearchSpace};
    use crate::results::PlannedCell;
    use crate::results::sample::{info, key};

    fn bisected() -> Bisected {
        let node = |(position, subject): (usize, &&str)| Node {
            id: format!("{position:040x}"),
            subject: (*subject).to_owned(),
            parents: position.checked_sub(1).into_iter().collect(),
            weight: 1.0,
            earlier: Tally::default(),
            same_as: None,
        };
        let nodes = ["v6.12", "mm: a", "does not build", "panic: b", "the last"].iter().enumerate().map(node);
        let mut nodes: Vec<Node> = nodes.collect();
        nodes[1].same_as = Some(0);
        let (between, criterion) =
            (SearchSpace::Commits { tree: "/src/linux".into() }, Criterion::Channel(Channel::Pstore));
        Bisected { between, criterion, fixed: false, confidence: 0.95, at_most: 100, nodes }
    }

    fn written() -> (Bisected, String) {
        let bisected = bisected();
        let mut bisection = Bisection::new(History::chain(4), vec![1.0; 5], Options::default());
        bisection.same_kernel(1, 0);
        for (node, trials, events) in [(0, 40, 0), (1, 30, 0), (3, 20, 9), (4, 20, 11)] {
            bisection.record(node, Tally { trials, events });
        }
        bisection.skip(2);
        let cell = |node| PlannedCell {
            key: key(&format!("stock{node}"), "panic-alone", ""),
            trials: 0,
            skipped: (node == 2).then(|| "building stock: mm/slub.c:1: no\nand more".to_owned()),
            expect: Vec::new(),
        };
        let info = info((0..5).map(cell).collect());
        (bisected.clone(), text(&info, &bisected, &bisection))
    }

    #[test]
    fn it_says_what_git_would_and_in_comments_what_it_is_from() {
        insta::assert_snapshot!(written().1, @"
        git bisect start
        # harness: pstore: not saved, run 20261122-050607-00ab: the first cell is stock0@6.12 panic-alone
        # harness: trials 0000000000000000000000000000000000000000 0 of 70
        # good: [0000000000000000000000000000000000000000] v6.12
        git bisect good 0000000000000000000000000000000000000000
        # harness: same 0000000000000000000000000000000000000001 as 0000000000000000000000000000000000000000
        # good: [0000000000000000000000000000000000000001] mm: a
        git bisect good 0000000000000000000000000000000000000001
        # harness: skipped 0000000000000000000000000000000000000002 building stock: mm/slub.c:1: no
        git bisect skip 0000000000000000000000000000000000000002
        # harness: trials 0000000000000000000000000000000000000003 9 of 20
        # harness: trials 0000000000000000000000000000000000000004 11 of 20
        # bad: [0000000000000000000000000000000000000004] the last
        git bisect bad 0000000000000000000000000000000000000004
        # bad: [0000000000000000000000000000000000000003] panic: b
        git bisect bad 0000000000000000000000000000000000000003
        ");
    }

    #[test]
    fn it_is_read_again() {
        let (mut bisected, text) = written();
        bisected.nodes[1].same_as = None;
        let skipped = read(&text, &mut bisected).unwrap();
        assert_eq!(skipped, BTreeMap::from([(2, "building stock: mm/slub.c:1: no".to_owned())]));
        let earlier: Vec<(u32, u32)> =
            bisected.nodes.iter().map(|node| (node.earlier.events, node.earlier.trials)).collect();
        assert_eq!(earlier, [(0, 70), (0, 0), (0, 0), (9, 20), (11, 20)]);
        assert_eq!(bisected.nodes[1].same_as, Some(0));
    }

    #[test]
    fn ids_may_have_blanks_and_begin_alike() {
        let mut bisected = bisected();
        bisected.nodes[1].id = "0001-mm".to_owned();
        bisected.nodes[2].id = "0001-mm a.patch".to_owned();
        let text =
            "# harness: skipped 0001-mm a.patch does not build\n# harness: skipped 0001-mm a kernel of it hangs\n";
        let expected = [(1, "a kernel of it hangs".to_owned()), (2, "does not build".to_owned())];
        assert_eq!(read(text, &mut bisected).unwrap(), BTreeMap::from(expected));
    }

    #[test]
    fn lines_that_cannot_be_are_told() {
        for line in [
            "# harness: trials abc 1 of 2",
            "# harness: trials x",
            "# harness: skipped abc no",
            "# harness: same abc as abd",
        ] {
            let (number, cause) = read(&format!("git bisect start\n{line}\n"), &mut bisected()).unwrap_err();
            assert!(number == 2 && cause.contains(line), "{cause}");
        }
        let line = format!("# harness: trials {:040x} 3 of 2", 1);
        assert!(read(&line, &mut bisected()).is_err());
    }
}
