//! Templates that vanish or rot.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{assert_complete, causes, run_with};
use crate::common::processes::Background;
use crate::common::{Project, text};

const BOTH: [&str; 4] = ["--variant", "stock", "--variant", "kmsg-dump-before-notifiers"];

fn templates(cache: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache.join("harness/templates")).unwrap();
    let mut templates: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    templates.sort();
    templates
}

/// A template's file of one kind; its digest follows.
fn file(template: &Path, kind: &str) -> PathBuf {
    let mut names = std::fs::read_dir(template).unwrap().map(|entry| entry.unwrap().path());
    names.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{kind}-"))).unwrap()
}

#[test]
fn a_template_that_vanishes_or_rots_is_made_anew() {
    const TRIALS: u32 = 16;
    let project = Project::new();
    let cache = project.cache();
    let command = |trials| {
        let mut command = project.command(&run_with(trials, &BOTH));
        command.args(["--templates", "1"]).env("XDG_CACHE_HOME", &cache).env("HARNESS_LOG", "warn");
        command
    };

    // Removed while trials run.
    let mut harness = Background::start(&project, command(TRIALS));
    harness.until("some trials are recorded", |_| project.records().len() > 2);
    let made = templates(&cache);
    assert_eq!(made.len(), 2, "{made:?}");
    for template in &made {
        // At one stroke, or it would be made anew while it is being removed.
        std::fs::rename(template, project.path().join(template.file_name().unwrap())).unwrap();
    }
    let (code, said) = harness.end();
    assert_eq!(code, Some(0), "{said}");
    let records = project.records();
    assert_complete(&records, u64::from(TRIALS) * 2);
    let failed = causes(&records);
    assert!(!failed.is_empty());
    let ours = cache.join("harness/templates");
    assert!(failed.iter().all(|(_, cause)| cause.contains(ours.to_str().unwrap())), "{failed:#?}");
    assert_eq!(templates(&cache), made);

    // One loses most of the kernel, the other the end of the devices' state, while nobody looks.
    let [ram, state] = [file(&made[0], "ram"), file(&made[1], "state")];
    let kernel = vec![0; 64 << 20];
    OpenOptions::new().write(true).open(ram).unwrap().write_all_at(&kernel, 4 << 20).unwrap();
    let state = File::options().write(true).open(state).unwrap();
    state.set_len(state.metadata().unwrap().len() / 2).unwrap();
    let output = command(1).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for variant in ["stock", "kmsg-dump-before-notifiers"] {
        assert!(said.contains(&format!("kernel {variant}@6.12: template 0 is made anew")), "{said}");
    }
    let records = project.records();
    assert_complete(&records, 2);
    assert_eq!(records.len(), 2);
}

/// Addresses that one boot told are not those of another: a harness must notice that another one has made a template
/// anew.
#[test]
fn a_template_that_another_harness_has_replaced_is_taken_as_it_is_now() {
    const TRIALS: u32 = 16;
    let project = Project::new();
    let cache = project.cache();
    let command = |trials| {
        let mut command = project.command(&run_with(trials, &["--templates", "1"]));
        command.env("XDG_CACHE_HOME", &cache);
        command
    };
    let [aside, replaced] = ["aside", "replaced"].map(|name| project.path().join(name));
    assert!(command(1).status().unwrap().success());
    let [template] = &*templates(&cache) else { panic!("one kernel has one template") };
    std::fs::rename(template, &aside).unwrap();

    let mut harness = Background::start(&project, command(TRIALS));
    harness.until("some trials are recorded", |_| project.records().len() > 2);
    std::fs::rename(template, &replaced).unwrap();
    std::fs::rename(&aside, template).unwrap();
    let (code, said) = harness.end();
    assert_eq!(code, Some(0), "{said}");
    let records = project.records();
    assert_complete(&records, u64::from(TRIALS));
    for folder in [template, &replaced] {
        let ram = file(folder, "ram");
        let digest = ram.to_str().unwrap().rsplit_once('-').unwrap().1;
        let name = format!("0:{digest}");
        assert!(records.iter().any(|record| record["template"] == name && record["outcome"] == "counted"), "{name}");
    }
}
