//! Reports of the kernel's in what trials log: counted, compared, expected.

use crate::common::{Project, text};
use serde_json::Value;

/// A notifier of the kernel's own that warns, and goes on.
const WARNS: &str = "\
From: A <test@localhost>
Subject: [PATCH] hung_task: warn in the panic notifier

---
 kernel/hung_task.c | 1 +
 1 file changed, 1 insertion(+)

--- a/kernel/hung_task.c
+++ b/kernel/hung_task.c
@@ -81,6 +81,7 @@ static int
 hung_task_panic(struct notifier_block *this, unsigned long event, void *ptr)
 {
 \tdid_panic = 1;
+\tWARN_ON(did_panic);
 
 \treturn NOTIFY_DONE;
 }
-- 
2.39.5
";

const TITLE: &str = "WARNING in hung_task_panic";

/// A panic, of which nothing else is to be reported.
fn scenario(expect: &str) -> String {
    format!(
        "name: nothing-else\ntitle: a panic\nwhy: a patch may warn on the way down\nsource: a test\n\
         actors:\n  - panic: {{ name: panic, cpu: 0, at: 0ms }}\nexpect:\n  - {expect}\n"
    )
}

fn splats(cell: &Value) -> Vec<(String, u64, u64)> {
    let counts = cell["splats"].as_object().cloned().unwrap_or_default();
    let expected = |it: &Value| it["expected"].as_u64().unwrap_or(0);
    counts.iter().map(|(title, it)| (title.clone(), it["trials"].as_u64().unwrap(), expected(it))).collect()
}

#[test]
fn a_patch_that_warns_on_the_way_down_is_told_though_everything_is_saved() {
    let project = Project::new();
    project.write("warns.patch", WARNS);
    project.write("scenarios/nothing-else.yaml", &scenario("{ splats: none }"));
    let run =
        ["run", "--time", "virtual", "--seed", "7", "--trials", "5", "--format", "json", "--scenario", "nothing-else"];
    let run = [&run[..], &["--patch", "warns.patch", "--variant", "stock"]].concat();
    let summary = project.json(&run, 1);
    let cells = summary["cells"].as_array().unwrap();
    let [stock, patched] = &cells[..] else { panic!("{summary}") };
    assert_eq!(stock["channels"]["splats"]["none"], 5, "{stock}");
    assert_eq!(patched["channels"]["splats"]["some"], 5, "{patched}");
    for cell in cells {
        assert_eq!(
            (&cell["channels"]["console"]["saved"], &cell["channels"]["pstore"]["saved"]),
            (&5.into(), &5.into())
        );
        // The panic that the scenario makes is no report that nobody has asked for.
        let panics: Vec<_> = splats(cell).into_iter().filter(|(title, ..)| title.starts_with("kernel panic")).collect();
        assert!(panics.iter().all(|(_, trials, expected)| trials == expected), "{cell}");
    }
    assert_eq!(splats(patched).iter().find(|(title, ..)| title == TITLE), Some(&(TITLE.to_owned(), 5, 0)), "{patched}");
    assert_eq!(patched["splats"][TITLE]["in"]["pstore"], 5, "{patched}");

    let variant = patched["variant"].as_str().unwrap();
    let compared = project.run(&["compare", "stock", variant]);
    assert_eq!(compared.status.code(), Some(1), "{}", text(&compared.stderr));
    let told = format!("5 of 5 trials of candidate log \"{TITLE}\", that base does not");
    assert!(text(&compared.stdout).contains(&told), "{}", text(&compared.stdout));
    let junit = std::fs::read_to_string(project.results().join("latest/junit.xml")).unwrap();
    assert!(junit.contains("splats none in 0 of 5") && junit.contains(TITLE), "{junit}");

    // What is allowed is none of them.
    project.write("scenarios/nothing-else.yaml", &scenario(&format!("{{ splats: none, allowed: [\"{TITLE}\"] }}")));
    project.json(&run, 0);
}

#[test]
fn what_the_faults_ask_for_is_expected() {
    let project = Project::new();
    let oopses = "\
name: oopses
title: an oops of each kind, a warning and a panic
why: what a scenario asks for is no surprise
source: a test
params: { kind: [bug, page-fault, gpf] }
knobs:
  - sysctl: { name: kernel.panic_on_oops, value: 0 }
actors:
  - warn: { name: warn, cpu: 1, at: 0ms }
  - oops: { name: oops, cpu: 2, kind: $kind, after: { actor: warn, edge: left, delay: 5ms } }
  - panic: { name: panic, cpu: 0, after: { actor: oops, delay: 200ms } }
expect:
  - { splats: none }
";
    project.write("scenarios/oopses.yaml", oopses);
    let run = ["run", "--time", "virtual", "--seed", "7", "--trials", "2", "--format", "json", "--scenario", "oopses"];
    let summary = project.json(&run, 0);
    for cell in summary["cells"].as_array().unwrap() {
        let splats = splats(cell);
        let kinds = [
            ("bug", "kernel BUG in cl_"),
            ("page-fault", "BUG: unable to handle kernel"),
            ("gpf", "general protection fault in cl_"),
        ];
        let (_, oops) = kinds.iter().find(|(kind, _)| *kind == cell["params"]["kind"]).unwrap();
        for begins in ["WARNING in cl_", oops] {
            assert!(splats.iter().any(|(title, ..)| title.starts_with(begins)), "{begins}: {cell}");
        }
        assert!(splats.iter().all(|(_, trials, expected)| (*trials, *expected) == (2, 2)), "{cell}");
    }
}
