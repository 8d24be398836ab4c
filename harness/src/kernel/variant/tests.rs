use std::fs;

use insta::assert_snapshot;
use tempfile::TempDir;

use super::*;

fn project(yaml: &str) -> (TempDir, Project) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("guest-kernel/variants/probe");
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(root.path().join("guest-kernel/configs")).unwrap();
    fs::write(folder.join("variant.yaml"), yaml).unwrap();
    fs::write(folder.join("0001.patch"), "").unwrap();
    fs::write(root.path().join("guest-kernel/configs/more.config"), "").unwrap();
    let project = Project::at(root.path());
    (root, project)
}

const HEAD: &str = "name: probe\ntitle: t\nclaim: c\nsource: s\n";

fn read(rest: &str) -> Variant {
    let (_root, project) = project(&format!("{HEAD}{rest}"));
    Variant::find(&project, "probe").unwrap()
}

fn error(rest: &str) -> String {
    let (root, project) = project(&format!("{HEAD}{rest}"));
    let error = Variant::find(&project, "probe").unwrap_err();
    assert_eq!(error.fault(), super::super::Fault::Input);
    error.to_string().replace(&root.path().display().to_string(), "ROOT")
}

#[test]
fn what_is_not_said_changes_nothing() {
    let variant = read("");
    assert!(variant.bases.is_none() && variant.patches.is_empty() && variant.config.is_empty());
    assert!(variant.command_line.is_empty() && variant.knobs.is_empty());
}

#[test]
fn everything_that_can_be_said() {
    let variant = read(
        "bases: { from: \"6.1\", to: \"6.12\" }\npatches: [0001.patch]\nconfig: [more.config]\n\
         command-line: [nosmt, panic_print=0x1]\nknobs:\n  - sysctl: { name: kernel.panic_print, value: 1 }\n  \
         - parameter: { module: kernel, name: crash_kexec_post_notifiers, value: true }\n",
    );
    let range = variant.bases.unwrap();
    let within = |version: &str| range.contains(&version.parse().unwrap());
    assert!(within("6.1.99") && within("6.6") && within("6.12.117"));
    assert!(!within("6.0") && !within("6.13.0-rc1") && !within("5.10") && !within("7.2"));
    assert!(variant.patches[0].ends_with("variants/probe/0001.patch"));
    assert!(variant.config[0].ends_with("guest-kernel/configs/more.config"));
    assert_eq!(variant.command_line, ["nosmt", "panic_print=0x1"]);
    let sysctl = Sysctl { name: "kernel.panic_print".into(), value: "1".into() };
    let parameter = Parameter { module: "kernel".into(), name: "crash_kexec_post_notifiers".into(), value: "1".into() };
    assert_eq!(variant.knobs, [Knob::Sysctl(sysctl), Knob::Parameter(parameter)]);
}

#[test]
fn an_unknown_name_gets_the_nearest() {
    let (_root, project) = project(HEAD);
    assert_snapshot!(Variant::find(&project, "porbe").unwrap_err(), @"");
}

#[test]
fn wrong_keys_are_shown_with_their_line() {
    assert_snapshot!(error("patchs: [0001.patch]\n"), @"");
    assert_snapshot!(error("title: twice\n"), @"");
    assert_snapshot!(error("knobs:\n  - sysctrl: { name: a, value: 1 }\n"), @"");
}

#[test]
fn the_name_is_the_folders() {
    let (root, project) = project(&HEAD.replace("probe", "other"));
    let error = Variant::find(&project, "probe").unwrap_err().to_string();
    assert_snapshot!(error.replace(&root.path().display().to_string(), "ROOT"), @"");
}

#[test]
fn files_that_are_not_there_or_lie_elsewhere_are_refused() {
    assert_snapshot!(error("patches: [0002.patch]\n"), @"");
    assert_snapshot!(error("patches: [../../configs/more.config]\n"), @"");
    assert_snapshot!(error("config: [/etc/passwd]\n"), @"");
}

#[test]
fn a_range_without_kernels_is_refused() {
    assert_snapshot!(error("bases: { from: \"6.12\", to: \"6.1\" }\n"), @"");
    assert_snapshot!(error("bases: { from: six, to: \"6.1\" }\n"), @"");
}

#[test]
fn words_and_names_that_the_kernel_could_not_take_are_refused() {
    assert_snapshot!(error("command-line: [\"a b\"]\n"), @"");
    assert_snapshot!(error("knobs: [ { sysctl: { name: kernel/../../x, value: 1 } } ]\n"), @"");
    assert_snapshot!(error("knobs: [ { parameter: { module: .., name: x, value: 1 } } ]\n"), @"");
    assert_snapshot!(error("knobs: [ { parameter: { module: m, name: x, value: 1.5 } } ]\n"), @"");
}

#[test]
fn the_projects_own_variants_are_whole() {
    let project = Project::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let variants = list_variants(&project).unwrap();
    let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names, ["kmsg-dump-before-notifiers", "kmsg-dump-before-stop", "stock"]);
}
