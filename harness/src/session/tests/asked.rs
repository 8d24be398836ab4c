//! What command lines select.

use super::*;

/// The kernels and scenarios that are selected in a project with the suite `two`, which has the variants a and b.
fn selected(asked: Asked<'_>) -> String {
    let bed = Bed::new();
    let write = |path: &str, text: &str| {
        let path = bed.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "scenarios/suites/two.yaml",
        "name: two\ntitle: t\nvariants: [a, b]\nbase: \"6.12\"\ntrials: 3\nscenarios: [crash, busy]\n",
    );
    write("cache/commits/1a2b.yaml", "bases: { 1a2b: { git: { tree: /x, commit: 1a2b } } }\n");
    write("cache/commits/1a2b+dirty-3c.yaml", "bases: { 1a2b.dirty-3c: { git: { tree: /x, commit: 3c } } }\n");
    let selection = asked.selection(&bed.catalogue()).unwrap_or_else(|error| panic!("{error}"));
    let kernels: Vec<String> = selection.kernels.iter().map(ToString::to_string).collect();
    let scenarios: Vec<&str> = selection.scenarios.iter().map(|selected| selected.name.as_str()).collect();
    format!("{}; {}; {}", kernels.join(" "), scenarios.join(" "), selection.trials)
}

const NOTHING: Asked<'_> = Asked {
    suite: None,
    scenarios: &[],
    variants: &[],
    bases: &[],
    named: &[],
    patched: None,
    build: "",
    params: &[],
    trials: None,
};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn a_suite_gives_what_is_not_asked_for() {
    let two = Asked { suite: Some("two"), ..NOTHING };
    assert_eq!(selected(two), "a@6.12 b@6.12; crash busy; 3");
    let (variants, scenarios) = (words(&["c", "a@6.12"]), words(&["busy"]));
    let asked = Asked { variants: &variants, scenarios: &scenarios, trials: Some(7), ..two };
    assert_eq!(selected(asked), "c@6.12 a@6.12; busy; 7");
    assert_eq!(selected(Asked { scenarios: &scenarios, ..NOTHING }), "stock@6.12; busy; 10");
}

#[test]
fn a_tree_is_tried_as_stock_unless_variants_are_named() {
    let named = words(&["1a2b", "1a2b+dirty-3c"]);
    let tree = Asked { suite: Some("two"), named: &named, ..NOTHING };
    assert_eq!(selected(tree), "stock@1a2b stock@1a2b+dirty-3c; crash busy; 3");
    let (variants, bases) = (words(&["a", "b@6.12"]), words(&["6.12"]));
    let asked = Asked { variants: &variants, bases: &bases, patched: Some("c"), ..tree };
    assert_eq!(selected(asked), "a@6.12 a@1a2b a@1a2b+dirty-3c b@6.12 c@6.12 c@1a2b c@1a2b+dirty-3c; crash busy; 3");
}

#[test]
fn a_way_to_build_is_part_of_each_name_that_has_none() {
    let variants = words(&["a", "b+build=theirs-1", "stock+cpus=2"]);
    let asked = Asked { suite: Some("two"), variants: &variants, build: "+build=mine-2", ..NOTHING };
    assert_eq!(
        selected(asked),
        "a+build=mine-2@6.12 b+build=theirs-1@6.12 stock+cpus=2+build=mine-2@6.12; crash busy; 3"
    );
}
