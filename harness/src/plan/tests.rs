use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::LazyLock;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::kernel::{Variant, list_bases, list_variants};
use crate::model::KernelName;
use crate::project::Project;
use crate::scenario::{PointFilter, Scenario};
use crate::yaml::{Problems, Source};

struct World {
    variants: Vec<String>,
    bases: Vec<String>,
    scenarios: Vec<Scenario>,
}

fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn world() -> World {
    World {
        variants: ["kmsg-dump-before-notifiers", "kmsg-dump-before-stop", "stock"].map(str::to_owned).to_vec(),
        bases: vec!["6.12".to_owned()],
        scenarios: Scenario::list(&project("scenarios")).all().unwrap_or_else(|e| panic!("{e}")),
    }
}

/// For the property test, which would read the files hundreds of times.
static WORLD: LazyLock<World> = LazyLock::new(world);

impl World {
    fn known(&self) -> Known<'_> {
        Known { variants: &self.variants, scratch: &[], bases: &self.bases, scenarios: &self.scenarios, broken: &[] }
    }

    fn sweep(&self) -> Selection {
        let suite = Suite::load(&project("scenarios/suites/hold-sweep.yaml")).unwrap_or_else(|e| panic!("{e}"));
        suite.selection(&self.known()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn plan(&self, selection: &Selection) -> Result<Vec<PlannedTrial>, SelectError> {
        Ok(plan(selection, &self.known(), 7, None)?.iter().collect())
    }

    fn refused(&self, change: impl FnOnce(&mut Selection)) -> String {
        let mut selection = self.sweep();
        change(&mut selection);
        self.plan(&selection).unwrap_err().to_string()
    }
}

fn kernel(text: &str) -> KernelName {
    KernelName::parse(text, "6.12")
}

fn filters(texts: &[&str]) -> Vec<ParamFilter> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_suite_is_every_variant_at_every_point_so_many_times() {
    let world = world();
    let trials = world.plan(&world.sweep()).unwrap();
    assert_eq!(trials.len(), 3 * (1 + 1 + 10) * 10);
    let listed: Vec<String> = trials.iter().take(8).map(|trial| format!("{} {}", trial.index, trial.cell)).collect();
    assert_snapshot!(listed.join("\n"), @"
    0 stock@6.12 panic-alone
    1 kmsg-dump-before-stop@6.12 panic-alone
    2 kmsg-dump-before-notifiers@6.12 panic-alone
    3 stock@6.12 oops-then-panic
    4 kmsg-dump-before-stop@6.12 oops-then-panic
    5 kmsg-dump-before-notifiers@6.12 oops-then-panic
    6 stock@6.12 panic-during-oops-dump hold=0ms post_notifiers=0
    7 kmsg-dump-before-stop@6.12 panic-during-oops-dump hold=0ms post_notifiers=0
    ");
    let last = trials.last().unwrap();
    assert_snapshot!(format!("{} {}", last.index, last.cell), @"359 kmsg-dump-before-notifiers@6.12 panic-during-oops-dump hold=1500ms post_notifiers=1");
}

#[test]
fn one_of_every_cell_before_the_second_of_any() {
    let world = world();
    let trials = world.plan(&Selection { trials: 5, ..world.sweep() }).unwrap();
    let mut done: BTreeMap<&CellKey, usize> = BTreeMap::new();
    for (index, trial) in trials.iter().enumerate() {
        assert_eq!(trial.index, index as u64);
        *done.entry(&trial.cell).or_default() += 1;
        let (least, most) = (done.values().min().unwrap(), done.values().max().unwrap());
        assert!(most - least <= 1 && (done.len() == 36 || *most == 1), "at {index}");
    }
}

#[test]
fn seeds_and_nonces_are_all_different_and_as_they_should_be() {
    let world = world();
    let trials = world.plan(&Selection { trials: 50, ..world.sweep() }).unwrap();
    let seeds: BTreeSet<u64> = trials.iter().map(|trial| trial.seed).collect();
    let nonces: BTreeSet<&str> = trials.iter().map(|trial| trial.nonce.as_str()).collect();
    assert_eq!((seeds.len(), nonces.len()), (trials.len(), trials.len()));
    assert!(seeds.iter().all(|seed| *seed < 1 << 53), "a double must hold every seed");
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    assert!(nonces.iter().all(|nonce| nonce.len() == 16 && nonce.chars().all(hex)));
    assert!(trials.iter().all(|trial| trial.nonce == nonce(trial.seed)), "the seed alone must repeat a trial");
    // Seeds in stored results must mean the same for ever.
    assert_snapshot!(format!("{} {}", trials[0].seed, trials[0].nonce), @"1725938907385860 aee0ef3c21edb159");
}

#[test]
fn what_is_skipped_is_not_run_and_changes_nothing_else() {
    let world = world();
    let sweep = Selection { trials: 4, ..world.sweep() };
    let whole = plan(&sweep, &world.known(), 7, None).unwrap();
    let is_skipped = |cell: &CellKey| cell.variant == "stock" && cell.scenario != "panic-alone";
    for shard in [None, Shard::new(1, 3), Shard::new(2, 3), Shard::new(3, 3)] {
        let mut some = plan(&sweep, &world.known(), 7, shard).unwrap();
        some.skip(|_, cell| Ok::<_, ()>(is_skipped(cell).then(|| format!("{} cannot", cell.scenario)))).unwrap();
        assert_eq!(some.cells(), whole.cells(), "they are planned all the same");
        assert_eq!((some.skipped(0), some.skipped(3)), (None, Some("oops-then-panic cannot")));
        assert_eq!(some.cells_to_run().len(), 36 - 11);
        let trials: Vec<PlannedTrial> = some.iter().collect();
        assert_eq!(some.len(), trials.len() as u64);
        assert!(trials.iter().all(|trial| !is_skipped(&trial.cell)));
        assert!(trials.iter().all(|trial| whole.trial(trial.index).as_ref() == Some(trial)), "index and seed stay");
        assert!(some.indices().map(|(_, index)| index).eq(trials.iter().map(|trial| trial.index)));
    }
    let mut none = whole.clone();
    none.skip(|_, _| Ok::<_, ()>(Some("no".to_owned()))).unwrap();
    assert!(none.is_empty() && none.iter().next().is_none() && none.cells_to_run().is_empty());
    assert_eq!(none.skip(|_, _| Err("unreadable")), Err("unreadable"));
}

#[test]
fn another_run_has_other_seeds() {
    let world = world();
    let plan = |seed| plan(&world.sweep(), &world.known(), seed, None).unwrap().iter().collect::<Vec<_>>();
    assert_eq!(plan(1), plan(1));
    assert!(plan(1).iter().zip(plan(2)).all(|(a, b)| a.seed != b.seed && a.cell == b.cell));
}

#[test]
fn filters_leave_only_the_points_that_have_the_values() {
    let world = world();
    let cells = |params: &[&str]| {
        let selection =
            Selection { kernels: vec![kernel("stock")], params: filters(params), trials: 1, ..world.sweep() };
        let trials = world.plan(&selection).unwrap();
        trials.iter().map(|trial| trial.cell.to_string().replace("stock@6.12 ", "")).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(cells(&["hold=300ms"]), @"
    panic-during-oops-dump hold=300ms post_notifiers=0
    panic-during-oops-dump hold=300ms post_notifiers=1
    ");
    assert_snapshot!(cells(&["hold=300ms", "hold=700ms", "post_notifiers=1"]), @"
    panic-during-oops-dump hold=300ms post_notifiers=1
    panic-during-oops-dump hold=700ms post_notifiers=1
    ");
}

#[test]
fn a_suite_may_restrict_the_points() {
    let world = world();
    let text = r#"
name: few
title: t
variants: [stock]
base: "6.12"
trials: 1
scenarios:
  - panic-alone
  - { name: panic-during-oops-dump, where: { hold: [1500ms], post_notifiers: [1, 0] } }
"#;
    let suite = Suite::parse(Source::new("few.yaml", text)).unwrap();
    assert_eq!((suite.name(), suite.title(), suite.digest().len()), ("few", "t", 64));
    let trials = world.plan(&suite.selection(&world.known()).unwrap()).unwrap();
    let cells: Vec<String> = trials.iter().map(|trial| trial.cell.to_string()).collect();
    assert_snapshot!(cells.join("\n"), @"
    stock@6.12 panic-alone
    stock@6.12 panic-during-oops-dump hold=1500ms post_notifiers=0
    stock@6.12 panic-during-oops-dump hold=1500ms post_notifiers=1
    ");
}

#[test]
fn what_is_named_twice_is_run_once() {
    let world = world();
    let mut selection = world.sweep();
    let once = world.plan(&selection).unwrap();
    selection.kernels.push(kernel("stock"));
    selection.scenarios.push(SelectedScenario { name: "panic-alone".to_owned(), only: PointFilter::default() });
    assert_eq!(world.plan(&selection).unwrap(), once);
}

#[test]
fn names_that_are_not_there() {
    let world = world();
    assert_snapshot!(world.refused(|s| s.kernels[0] = kernel("stokc+post_notifiers=1")), @"
    no variant `stokc`

    hint: did you mean `stock`? (known: kmsg-dump-before-notifiers, kmsg-dump-before-stop, stock)
    ");
    assert_snapshot!(world.refused(|s| s.kernels[1] = kernel("stock@6.21")), @"
    no base `6.21`

    hint: did you mean `6.12`? (known: 6.12)
    ");
    assert_snapshot!(world.refused(|s| s.scenarios[0].name = "panic-alnoe".to_owned()), @"
    no scenario `panic-alnoe`

    hint: did you mean `panic-alone`? (`harness list scenarios` shows all)
    ");
    assert_snapshot!(world.refused(|s| s.params = filters(&["hodl=300ms"])), @"
    no parameter `hodl`

    hint: did you mean `hold`? (known: hold, post_notifiers)
    ");
}

#[test]
fn filters_that_match_nothing() {
    let world = world();
    assert_snapshot!(world.refused(|s| s.params = filters(&["hold=400ms"])), @"
    no value `400ms` of `hold`

    hint: did you mean `100ms`? (known: 0ms, 100ms, 300ms, 700ms, 1500ms)
    ");
    assert_snapshot!(world.refused(|s| {
        s.scenarios.truncate(1);
        s.params = filters(&["hold=300ms"]);
    }), @"
    no parameter `hold`

    hint: there is no parameter at all
    ");
    let suite = "name: x\ntitle: t\nvariants: [stock]\nbase: '6.12'\ntrials: 1\nscenarios:\n  \
                 - { name: panic-during-oops-dump, where: { hold: [0ms, 300ms], post_notifiers: [0] } }\n";
    let suite = Suite::parse(Source::new("x.yaml", suite)).unwrap();
    let mut selection = suite.selection(&world.known()).unwrap();
    selection.params = filters(&["hold=300ms", "post_notifiers=1"]);
    assert_snapshot!(world.plan(&selection).unwrap_err(), @"
    no point of the selected scenarios has hold=300ms post_notifiers=1

    hint: the points are: hold=0ms post_notifiers=0; hold=300ms post_notifiers=0
    ");
}

#[test]
fn nothing_or_too_much() {
    let world = world();
    assert_snapshot!(world.refused(|s| s.kernels.clear()), @"
    selecting trials: no variant is selected

    hint: name at least one
    ");
    assert_snapshot!(world.refused(|s| s.scenarios.clear()), @"
    selecting trials: no scenario is selected

    hint: name at least one
    ");
    assert_snapshot!(world.refused(|s| s.trials = 0), @"
    selecting trials: no trial is selected

    hint: name at least one
    ");
    assert_snapshot!(world.refused(|s| s.trials = u32::MAX), @"
    selecting trials: 4294967295 trials in each of 36 cells are more than 1000000

    hint: select fewer
    ");
}

#[test]
fn filters_that_are_no_filters() {
    let refused = |text: &str| text.parse::<ParamFilter>().unwrap_err().to_string();
    assert_snapshot!(refused("hold"), @"
    `hold` is not a parameter with its value

    hint: write it as `name=value`, e.g. `hold=300ms`
    ");
    assert!(refused("=3").starts_with("`=3`") && refused("hold=").starts_with("`hold=`"));
    assert_eq!("a=b=c".parse::<ParamFilter>().unwrap().value, "b=c");
}

#[test]
fn suites_that_are_refused() {
    let world = world();
    let good = std::fs::read_to_string(project("scenarios/suites/hold-sweep.yaml")).unwrap();
    let with = |old: &str, new: &str| {
        assert_eq!(good.matches(old).count(), 1, "`{old}` must be in the suite once");
        let suite = Suite::parse(Source::new("hold-sweep.yaml", good.replace(old, new)));
        let error = suite.map_err(Problems::into_first).and_then(|suite| suite.selection(&world.known())).unwrap_err();
        error.to_string()
    };
    assert_snapshot!(with("trials: 10", "trails: 3"), @"
    reading hold-sweep.yaml: unknown key `trails`
      --> hold-sweep.yaml:5:1
      |
    5 | trails: 3
      | ^^^^^^

    hint: did you mean `trials`? (known: name, title, variants, base, trials, scenarios)
    ");
    assert_snapshot!(with("trials: 10", "trials: 0"), @"
    reading hold-sweep.yaml: there are 1 to 1000000 trials in a cell
      --> hold-sweep.yaml:5:9
      |
    5 | trials: 0
      |         ^
    ");
    assert_snapshot!(with("trials: 10", "trials: 10\ntrials: 4"), @"
    reading hold-sweep.yaml: the key `trials` is given twice
      --> hold-sweep.yaml:6:1
      |
    6 | trials: 4
      | ^^^^^^

    hint: keep one of the two
    ");
    assert_snapshot!(with("[stock, ", "[stokc, "), @"
    reading hold-sweep.yaml: no variant `stokc`
      --> hold-sweep.yaml:3:12
      |
    3 | variants: [stokc, kmsg-dump-before-stop, kmsg-dump-before-notifiers]
      |            ^^^^^

    hint: did you mean `stock`? (known: kmsg-dump-before-notifiers, kmsg-dump-before-stop, stock)
    ");
    assert_snapshot!(with("[stock, ", "[stock, stock, "), @"
    reading hold-sweep.yaml: the variant `stock` is named twice
      --> hold-sweep.yaml:3:19
      |
    3 | variants: [stock, stock, kmsg-dump-before-stop, kmsg-dump-before-notifiers]
      |                   ^^^^^
    ");
    assert_snapshot!(with("[panic-alone, ", "[panic-alnoe, "), @"
    reading hold-sweep.yaml: no scenario `panic-alnoe`
      --> hold-sweep.yaml:6:13
      |
    6 | scenarios: [panic-alnoe, oops-then-panic, panic-during-oops-dump]
      |             ^^^^^^^^^^^

    hint: did you mean `panic-alone`? (`harness list scenarios` shows all)
    ");
    assert_snapshot!(with("\"6.12\"", "6.1"), @"
    reading hold-sweep.yaml: no base `6.1`
      --> hold-sweep.yaml:4:7
      |
    4 | base: 6.1
      |       ^^^

    hint: did you mean `6.12`? (known: 6.12)
    ");
    assert_snapshot!(with("[panic-alone, ", "[{ name: panic-alone, wher: {} }, "), @"
    reading hold-sweep.yaml: unknown key `wher` in `scenarios[0]`
      --> hold-sweep.yaml:6:34
      |
    6 | scenarios: [{ name: panic-alone, wher: {} }, oops-then-panic, panic-during-oops-dump]
      |                                  ^^^^

    hint: did you mean `where`? (known: name, where)
    ");
    assert_snapshot!(with("[panic-alone, ", "[{ name: panic-alone, where: { hold: [0ms] } }, "), @"
    reading hold-sweep.yaml: no parameter `hold`
      --> hold-sweep.yaml:6:43
      |
    6 | scenarios: [{ name: panic-alone, where: { hold: [0ms] } }, oops-then-panic, panic-during-oops-dump]
      |                                           ^^^^

    hint: there is no parameter at all
    ");
    assert_snapshot!(with("[panic-alone, ", "[3, "), @"
    reading hold-sweep.yaml: `scenarios[0]` must be a scenario's name or `{ name: …, where: … }`, not integer `3`
      --> hold-sweep.yaml:6:13
      |
    6 | scenarios: [3, oops-then-panic, panic-during-oops-dump]
      |             ^
    ");
    assert_snapshot!(with("[panic-alone, oops-then-panic, panic-during-oops-dump]", "[]"), @"
    reading hold-sweep.yaml: the suite has no scenarios
      --> hold-sweep.yaml:1:7
      |
    1 | name: hold-sweep
      |       ^^^^^^^^^^
    ");
    assert_snapshot!(with("name: hold-sweep", "name: quack"), @"
    reading hold-sweep.yaml: the name `quack` is not that of the file
      --> hold-sweep.yaml:1:7
      |
    1 | name: quack
      |       ^^^^^

    hint: rename one of the two: `name: hold-sweep`
    ");
}

#[test]
fn every_shipped_suite_validates_against_the_schema_and_can_be_planned() {
    let here = Project::at(project(""));
    let variants = list_variants(&here).all().unwrap().into_iter().map(|variant| variant.name).collect();
    let bases = list_bases(&here).all().unwrap().into_iter().map(|base| base.name).collect();
    let world = World { variants, bases, ..world() };
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let dir = project("scenarios/suites");
    let suites = Suite::list(&dir).all().unwrap();
    assert!(!suites.is_empty());
    for (suite, path) in suites.iter().zip(crate::yaml::files(&dir).unwrap()) {
        let file: serde_json::Value = crate::yaml::load(&path).unwrap();
        let errors: Vec<String> = validator.iter_errors(&file).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        let selection = suite.selection(&world.known()).unwrap();
        assert!(!world.plan(&selection).unwrap().is_empty());
        for kernel in &selection.kernels {
            // With what is set about it.
            Variant::find(&here, &kernel.variant).unwrap();
        }
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let good: serde_json::Value = crate::yaml::load(&project("scenarios/suites/hold-sweep.yaml")).unwrap();
    assert!(validator.is_valid(&good));
    let long = json!([{ "name": "panic-alone", "where": { "hold": ["0ms"] } }]);
    let with = |key: &str, value: &serde_json::Value| {
        let mut file = good.clone();
        file[key] = value.clone();
        validator.is_valid(&file)
    };
    assert!(with("scenarios", &long));
    for (key, value) in [
        ("trails", json!(2)),
        ("trials", json!(0)),
        ("trials", json!("2")),
        ("base", json!(6.12)),
        ("variants", json!([])),
        ("variants", json!(["Stock"])),
        ("scenarios", json!([])),
        ("scenarios", json!([3])),
        ("scenarios", json!([{ "name": "panic-alone" }])),
        ("scenarios", json!([{ "name": "panic-alone", "where": {}, "trials": 3 }])),
        ("scenarios", json!([{ "name": "panic-alone", "where": { "hold": "0ms" } }])),
    ] {
        assert!(!with(key, &value), "{key}: {value} should not be valid");
    }
}

proptest! {
    /// A trial's seed depends on the run, the cell and the ordinal alone: not on what else was selected.
    #[test]
    fn a_selection_does_not_change_the_seeds_of_what_it_leaves(
        variants in prop::sample::subsequence(vec![0, 1, 2], 1..=3),
        scenarios in prop::sample::subsequence(vec![0, 1, 2], 1..=3),
        trials in 1u32..6,
        hold in prop::option::of(prop::sample::select(vec!["0ms", "300ms", "1500ms"])),
        run_seed: u64,
    ) {
        let world = &*WORLD;
        let all = Selection { trials: 5, ..world.sweep() };
        let mut some = all.clone();
        some.kernels = variants.iter().map(|&index| all.kernels[index].clone()).collect();
        some.scenarios = scenarios.iter().map(|&index| all.scenarios[index].clone()).collect();
        some.trials = trials;
        if let Some(hold) = hold.filter(|_| scenarios.contains(&2)) {
            some.params = filters(&[&format!("hold={hold}")]);
        }
        let seeds = |selection: &Selection| {
            let mut seeds: BTreeMap<CellKey, Vec<(u64, String)>> = BTreeMap::new();
            for trial in plan(selection, &world.known(), run_seed, None).unwrap().iter() {
                seeds.entry(CellKey::clone(&trial.cell)).or_default().push((trial.seed, trial.nonce));
            }
            seeds
        };
        let all = seeds(&all);
        for (cell, some) in seeds(&some) {
            prop_assert_eq!(some.len(), trials as usize);
            prop_assert_eq!(&some[..], &all[&cell][..some.len()]);
        }
    }
}

#[test]
fn a_scratch_variant_is_taken_but_not_offered() {
    let world = world();
    let scratch = ["fix-0123abcd".to_owned()];
    let known = Known { scratch: &scratch, ..world.known() };
    let kernel = |variant: &str| KernelName { variant: variant.into(), base: "6.12".into() };
    assert_eq!(known.kernel(&kernel("fix-0123abcd+post_notifiers=1")), Ok(()));
    let unknown = known.kernel(&kernel("fix-0123abce")).unwrap_err().to_string();
    assert!(unknown.contains("stock") && !unknown.contains("fix-0123abcd"), "{unknown}");
}
