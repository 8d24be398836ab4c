use std::collections::BTreeMap;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::model::{CellKey, Params};
use crate::plan::{Plan, PlannedTrial};

/// A plan of N cells; what is in them does not matter here.
fn plan(cells: usize, trials: u32, shard: Option<Shard>) -> Plan {
    let cell = |number| CellKey {
        variant: format!("variant-{number}"),
        base: "6.12".to_owned(),
        scenario: "panic-alone".to_owned(),
        params: Params::new(),
    };
    Plan::again((0..cells).map(cell), trials, 7, shard)
}

fn parse(text: &str) -> Result<ShardChoice, ShardError> {
    text.parse()
}

/// The shard that `choice` means in this environment: `A=1 B=2`.
fn shard(choice: &str, environment: &str) -> String {
    let variables: BTreeMap<&str, &str> = environment.split_whitespace().filter_map(|it| it.split_once('=')).collect();
    let lookup = |name: &str| variables.get(name).map(|&value| value.to_owned());
    parse(choice).unwrap().shard(lookup).map_or_else(|error| error.to_string(), |shard| shard.to_string())
}

#[test]
fn shards_are_counted_from_one() {
    assert_eq!(parse("3/16"), Ok(ShardChoice::Given(Shard { index: 3, of: 16 })));
    assert_eq!(parse("auto"), Ok(ShardChoice::Auto { of: None }));
    assert_eq!(parse("auto/16"), Ok(ShardChoice::Auto { of: Some(16) }));
    for text in ["", "3", "/", "0/16", "17/16", "1/0", "auto/0", "auto/", "-1/4", "1/2/3", "all/4", "4294967296/1"] {
        assert_eq!(parse(text), Err(ShardError::Malformed(text.to_owned())), "{text}");
    }
    assert_snapshot!(parse("0/16").unwrap_err(), @"
    `0/16` is not a shard

    hint: write it as `3/16`, from 1, or `auto`, or `auto/16`
    ");
}

#[test]
fn a_shard_in_a_file_is_one_that_exists() {
    let shard = Shard { index: 3, of: 16 };
    let text = serde_json::to_string(&shard).unwrap();
    assert_eq!(text, r#"{"index":3,"of":16}"#);
    assert_eq!(serde_json::from_str::<Shard>(&text).unwrap(), shard);
    for wrong in [r#"{"index":0,"of":16}"#, r#"{"index":17,"of":16}"#, r#"{"index":0,"of":0}"#] {
        assert!(serde_json::from_str::<Shard>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_environment_says_which_shard_it_is() {
    let slurm = "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=8";
    assert_eq!(shard("auto", slurm), "3/8");
    assert_eq!(shard("auto/8", slurm), "3/8");
    let from_zero = "SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=4";
    assert_eq!(shard("auto", from_zero), "1/4");
    assert_eq!(shard("auto/16", "JOB_COMPLETION_INDEX=15"), "16/16");
    assert_eq!(shard("auto", "CI_NODE_INDEX=2 CI_NODE_TOTAL=5"), "2/5");
    assert_eq!(shard("auto", "CIRCLE_NODE_INDEX=0 CIRCLE_NODE_TOTAL=4"), "1/4");
    assert_eq!(shard("auto", "BUILDKITE_PARALLEL_JOB=3 BUILDKITE_PARALLEL_JOB_COUNT=4"), "4/4");
    assert_eq!(shard("auto/3", "AWS_BATCH_JOB_ARRAY_INDEX=0"), "1/3");
    assert_eq!(shard("auto/8", "PARALLEL_SEQ=8"), "8/8");
    assert_eq!(shard("1/3", "CI_NODE_INDEX=2 CI_NODE_TOTAL=5"), "1/3");
    // Its own variables say more than those of whatever it runs in.
    assert_eq!(shard("auto", "HARNESS_SHARD_INDEX=2 HARNESS_SHARD_TOTAL=3 CI_NODE_INDEX=5 CI_NODE_TOTAL=5"), "2/3");
}

#[test]
fn an_environment_that_does_not_say_it_is_refused() {
    // GitLab sets the total for every job.
    assert_snapshot!(shard("auto", "CI_NODE_TOTAL=1"), @"
    --shard auto: this is no task of an array job: none of HARNESS_SHARD_INDEX, SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, CI_NODE_INDEX, CIRCLE_NODE_INDEX, BUILDKITE_PARALLEL_JOB, AWS_BATCH_JOB_ARRAY_INDEX, PARALLEL_SEQ is set

    hint: name the shard, e.g. --shard 3/16
    ");
    assert_snapshot!(shard("auto/4", "CI_NODE_INDEX=1 CI_NODE_TOTAL=4 JOB_COMPLETION_INDEX=0"), @"
    --shard auto: JOB_COMPLETION_INDEX and CI_NODE_INDEX are both set

    hint: name the shard, e.g. --shard 3/16
    ");
    assert_snapshot!(shard("auto", "JOB_COMPLETION_INDEX=0"), @"
    --shard auto: JOB_COMPLETION_INDEX is set, but nothing says how many tasks there are

    hint: name their number, e.g. --shard auto/16
    ");
    assert_snapshot!(shard("auto/4", "CI_NODE_INDEX=1 CI_NODE_TOTAL=5"), @"
    --shard auto/4: CI_NODE_TOTAL says there are 5 tasks

    hint: --shard auto takes the number from there
    ");
    assert_snapshot!(shard("auto", "CI_NODE_INDEX=1"), @"
    --shard auto: CI_NODE_TOTAL is not set, not a number

    hint: name the shard, e.g. --shard 3/16
    ");
    assert_snapshot!(shard("auto/4", "JOB_COMPLETION_INDEX=-1"), @"
    --shard auto: JOB_COMPLETION_INDEX is `-1`, not a number

    hint: name the shard, e.g. --shard 3/16
    ");
    // `--array=1,2,9`
    let uneven = "SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=3";
    assert_snapshot!(shard("auto", uneven), @"
    --shard auto: task 9 is none of the 3 that SLURM_ARRAY_TASK_ID tells of, from 1 in steps of 1

    hint: number the tasks evenly, e.g. 1-16; or name the shard, e.g. --shard 3/16
    ");
    for outside in ["CI_NODE_INDEX=0 CI_NODE_TOTAL=4", "CI_NODE_INDEX=5 CI_NODE_TOTAL=4"] {
        assert!(shard("auto", outside).contains("is none of the 4"), "{outside}");
    }
    assert!(shard("auto/16", "JOB_COMPLETION_INDEX=4294967295").contains("is none of the 16"));
}

#[test]
fn who_forgot_to_ask_can_be_told() {
    let only = |set: &'static str| move |name: &str| (name == set).then(|| "1".to_owned());
    assert_eq!(ArrayJob::detect(only("CI_NODE_INDEX")), Some(ArrayJob::GitLab));
    assert_eq!(ArrayJob::detect(only("CI_NODE_TOTAL")), None);
}

proptest! {
    /// The shards are the plan, each trial in one of them as it is in the plan, and every cell evenly in all of them.
    #[test]
    fn shards_divide_a_plan(cells in 1usize..13, trials in 1u32..40, of in 1u32..17) {
        let whole: Vec<PlannedTrial> = plan(cells, trials, None).iter().collect();
        let mut joined = Vec::new();
        let mut shares: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for index in 1..=of {
            let plan = plan(cells, trials, Shard::new(index, of));
            let trials: Vec<PlannedTrial> = plan.iter().collect();
            prop_assert_eq!(plan.len(), trials.len() as u64);
            prop_assert_eq!(plan.is_empty(), trials.is_empty());
            prop_assert!(trials.is_sorted_by_key(|trial| trial.index));
            let indices = trials.iter().map(|trial| (trial.cell.as_ref(), trial.index));
            prop_assert!(plan.indices().eq(indices));
            for cell in plan.cells() {
                let share = trials.iter().filter(|trial| trial.cell == *cell).count();
                shares.entry(cell.to_string()).or_default().push(share);
            }
            joined.extend(trials);
        }
        joined.sort_by_key(|trial| trial.index);
        prop_assert_eq!(joined, whole);
        for share in shares.values() {
            prop_assert!(share.iter().max().unwrap() - share.iter().min().unwrap() <= 1, "{:?}", share);
        }
    }

    /// Any trial can be asked for by its place, or by its cell and number, also beyond the plan.
    #[test]
    fn a_trial_is_the_same_however_it_is_asked_for(cells in 1usize..13, trials in 1u32..40) {
        let plan = plan(cells, trials, None);
        for trial in plan.iter() {
            prop_assert_eq!(plan.trial(trial.index), Some(trial.clone()));
            let position = plan.cells().iter().position(|cell| *cell == trial.cell).unwrap();
            let ordinal = u32::try_from(trial.index).unwrap() / u32::try_from(cells).unwrap();
            prop_assert_eq!(plan.trial_of(position, ordinal), Some(trial));
        }
        prop_assert_eq!(plan.trial(plan.len()), None);
        prop_assert_eq!(plan.trial(u64::MAX), None);
        prop_assert_eq!(plan.trial_of(cells, 0), None);
        let beyond = plan.trial_of(cells - 1, trials).unwrap();
        prop_assert_eq!(beyond.index, plan.len() + cells as u64 - 1);
        let longer = self::plan(cells, trials + 1, None);
        prop_assert_eq!(longer.trial(beyond.index), Some(beyond));
    }
}

/// By the index alone, one of two shards would have all trials of every other cell.
#[test]
fn a_shard_has_every_cell() {
    let plan = plan(4, 2, Shard::new(1, 2));
    let had: Vec<u64> = plan.iter().map(|trial| trial.index).collect();
    assert_eq!(had, [0, 2, 5, 7]);
}
