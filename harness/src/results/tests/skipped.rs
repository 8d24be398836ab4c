use std::fs;

use super::*;
use crate::results::sample::{NO_LOGBUF, skipped};
use crate::results::{first_difference, judge};

/// A plan of three cells, of which the second one is skipped.
fn plan() -> Vec<PlannedCell> {
    let cell = |n: u32| PlannedCell {
        key: key("stock", "panic-alone", &format!("n={n}")),
        trials: u32::from(n != 2),
        expect: vec![expect(Channel::Pstore, Saved)],
        skipped: (n == 2).then(|| NO_LOGBUF.to_owned()),
    };
    [1, 2, 3].map(cell).into()
}

#[test]
fn a_skipped_cell_is_counted_nowhere_and_left_out_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::create(folder.path(), began()).unwrap();
    let plan = plan();
    run.write_info(&info(plan.clone())).unwrap();
    let log = run.log().unwrap();
    for index in [2, 0] {
        let cell = &plan[usize::try_from(index).unwrap()].key;
        log.append_blocking(&trial(index, cell, counted(Saved, Saved))).unwrap();
    }
    let (summary, finished) = run.tally().unwrap();
    assert_eq!(finished.len(), 2);
    let keys: Vec<_> = summary.cells.iter().map(|cell| &cell.key).collect();
    assert_eq!(keys, plan.iter().map(|cell| &cell.key).collect::<Vec<_>>(), "in the plan's order");
    assert_eq!(summary.cells[1], skipped(plan[1].key.clone()));
    assert!(summary.cells[0].skipped.is_none());

    let judged = judge(&summary, &plan);
    let Judgement::Unknown(why) = &judged[1].judgement else { panic!("{judged:?}") };
    assert_eq!(*why, format!("skipped: {NO_LOGBUF}"));

    run.write_summary(&summary).unwrap();
    assert_eq!(run.summary().unwrap(), summary, "what was written agrees");
    let text = fs::read_to_string(run.folder().join("summary.json")).unwrap();
    assert_eq!(text.matches("skipped").count(), 1, "{text}");
    fs::remove_file(run.trials_path()).unwrap();
    assert_eq!(run.summary().unwrap(), summary, "a baseline keeps it");
}

#[test]
fn runs_that_skip_different_cells_do_not_belong_together() {
    let here = info(plan());
    let mut there = here.clone();
    assert_eq!(first_difference(&here, &there), None);
    there.cells[1].skipped = None;
    let difference = first_difference(&here, &there).unwrap();
    assert_eq!(difference.what, "whether stock@6.12 panic-alone n=2 is skipped");
    assert_eq!((difference.here.as_str(), difference.there.as_str()), (NO_LOGBUF, "no"));
}
