//! A kernel that is built already: what the store has built, as if it were somebody's own.

use std::fs;
use std::path::{Path, PathBuf};

use harness::project::cache_dir;
use serde_json::Value;

use crate::common::{Project, text};

/// A workbench that is as the build of this kernel has left it, if there is one.
fn workbench_of(kernel: &Path) -> Option<PathBuf> {
    let same = |tree: &Path, (ours, theirs): (&str, &str)| {
        let read = |path: PathBuf| fs::read(path).ok();
        read(kernel.join(ours)).is_some_and(|ours| Some(ours) == read(tree.join(theirs)))
    };
    let files = [("bzImage", "arch/x86/boot/bzImage"), ("config", ".config"), ("System.map", "System.map")];
    let benches = fs::read_dir(cache_dir().join("workbench")).unwrap();
    let trees = benches.map(|bench| bench.unwrap().path().join("tree"));
    trees.into_iter().find(|tree| files.into_iter().all(|files| same(tree, files)))
}

/// The build folder of a kernel of the store's. If each workbench has something else, one is made to have a variant's, of which
/// a file is compiled.
fn built(project: &Project) -> (String, PathBuf) {
    let kernel = |variant: &str| {
        let output = project.run(&["build", variant]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        PathBuf::from(text(&output.stdout).split_whitespace().nth(1).unwrap())
    };
    if let Some(tree) = workbench_of(&kernel("stock")) {
        return ("stock".to_owned(), tree);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let patch = format!("--- /dev/null\n+++ b/kernel/never-built-{now}.c\n@@ -0,0 +1 @@\n+/* Nothing. */\n");
    project.write("guest-kernel/variants/anew/anew.patch", &patch);
    let yaml = "name: anew\ntitle: a test\nclaim: none\nsource: this test\nseries: [ { patches: [anew.patch] } ]\n";
    project.write("guest-kernel/variants/anew/variant.yaml", yaml);
    let tree = workbench_of(&kernel("anew")).expect("the workbench of what was built just now");
    ("anew".to_owned(), tree)
}

/// What a trial has left, by channel.
fn outcomes(project: &Project, kernel: &[&str]) -> (Value, Vec<(String, String)>) {
    let how = ["panic-alone", "--time", "virtual", "--seed", "1", "--format", "json"];
    let record = project.json(&[&["trial"], kernel, &how].concat(), 0);
    assert_eq!(record["outcome"], "counted", "{record:#}");
    let channels = record["channels"].as_object().unwrap();
    let channels =
        channels.iter().map(|(channel, verdict)| (channel.clone(), verdict["outcome"].as_str().unwrap().to_owned()));
    let channels = channels.collect();
    (record, channels)
}

#[test]
fn a_kernel_that_is_built_already_leaves_what_the_same_one_from_the_store_does() {
    let project = Project::new();
    let (variant, tree) = built(&project);
    let (_, of_store) = outcomes(&project, &["--variant", &variant]);
    let saved = |channel: &str| (channel.to_owned(), "saved".to_owned());
    assert!(of_store.contains(&saved("console")) && of_store.contains(&saved("pstore")), "{of_store:?}");

    let listed = || {
        let find = std::process::Command::new("find").arg(&tree).args(["-printf", "%p %T@ %s\n"]).output().unwrap();
        text(&find.stdout)
    };
    let before = listed();
    let image = tree.join("arch/x86/boot/bzImage");
    let [image, build] = [&image, &tree].map(|path| path.to_str().unwrap());
    let (record, channels) = outcomes(&project, &["--kernel-image", image, "--kernel-build", build]);
    assert_eq!(channels, of_store, "{record:#}");
    assert!(listed() == before, "its build folder was written to");
    let base = record["cell"]["base"].as_str().or_else(|| record["base"].as_str()).unwrap();
    assert!(base.starts_with("6.12."), "{record:#}");

    // Of a kernel without symbols less is known, and of the log the same.
    let headers = project.path().join("headers");
    fs::create_dir(&headers).unwrap();
    for entry in fs::read_dir(&tree).unwrap() {
        let entry = entry.unwrap();
        if !["vmlinux", "System.map"].contains(&entry.file_name().to_str().unwrap()) {
            std::os::unix::fs::symlink(entry.path(), headers.join(entry.file_name())).unwrap();
        }
    }
    let stripped = ["--kernel-image", image, "--kernel-build", headers.to_str().unwrap()];
    let (record, channels) = outcomes(&project, &stripped);
    let of_log =
        |all: &[(String, String)]| -> Vec<_> { all.iter().filter(|(name, _)| name != "order").cloned().collect() };
    assert_eq!(of_log(&channels), of_log(&of_store), "{record:#}");
}
