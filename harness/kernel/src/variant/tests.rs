use std::fs;

use insta::assert_snapshot;
use tempfile::TempDir;

use super::*;
use crate::knob::{Parameter, Sysctl};

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

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

#[test]
fn each_kernel_gets_the_series_that_is_for_it() {
    let variant = read(
        "series:\n  - { bases: { from: \"6.12\", to: \"7.2\" }, patches: [0001.patch] }\n  \
         - { bases: { from: \"5.10\", to: \"5.10\" } }\n",
    );
    let patches = |text: &str| variant.patches(&version(text)).map(<[PathBuf]>::len);
    assert_eq!(["5.10.223", "6.1.192", "6.12.117", "7.2.13"].map(patches), [Some(0), None, Some(1), Some(1)]);
    assert_eq!(variant.versions(), "6.12 to 7.2, 5.10");
}

#[test]
fn what_is_not_said_changes_nothing() {
    let variant = read("");
    assert_eq!(variant.patches(&version("6.12.7")), Some(&[][..]));
    assert!(variant.series.is_empty() && variant.config.is_empty());
    assert!(variant.command_line.is_empty() && variant.knobs.is_empty());
}

#[test]
fn everything_that_can_be_said() {
    let variant = read(
        "series:\n  - { bases: { from: \"6.1\", to: \"6.12\" }, patches: [0001.patch] }\nconfig: [more.config]\n\
         command-line: [nosmt, panic_print=0x1]\nknobs:\n  - sysctl: { name: kernel.panic_print, value: 1 }\n  \
         - parameter: { module: kernel, name: crash_kexec_post_notifiers, value: true }\n",
    );
    let within = |text: &str| variant.patches(&version(text)).is_some();
    assert!(within("6.1.99") && within("6.6") && within("6.12.117"));
    assert!(!within("6.0") && !within("6.13.0-rc1") && !within("5.10") && !within("7.2"));
    assert!(variant.series[0].patches[0].ends_with("variants/probe/0001.patch"));
    assert_eq!(variant.versions(), "6.1 to 6.12");
    assert!(variant.config[0].ends_with("guest-kernel/configs/more.config"));
    assert_eq!(variant.command_line, ["nosmt", "panic_print=0x1"]);
    let sysctl = Sysctl { name: "kernel.panic_print".into(), value: "1".into() };
    let parameter = Parameter { module: "kernel".into(), name: "crash_kexec_post_notifiers".into(), value: "1".into() };
    assert_eq!(variant.knobs, [Knob::Sysctl(sysctl), Knob::Parameter(parameter)]);
}

#[test]
fn an_unknown_name_gets_the_nearest() {
    let (_root, project) = project(HEAD);
    assert_snapshot!(Variant::find(&project, "porbe").unwrap_err(), @"
    no variant `porbe`

    hint: did you mean `probe`? (known: probe)
    ");
}

#[test]
fn wrong_keys_are_shown_with_their_line() {
    assert_snapshot!(error("serie: []\n"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: unknown key `serie`
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:1
      |
    5 | serie: []
      | ^^^^^

    hint: did you mean `series`? (known: name, title, claim, source, series, config, command-line, knobs)
    ");
    assert_snapshot!(error("title: twice\n"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: the key `title` is given twice
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:1
      |
    5 | title: twice
      | ^^^^^

    hint: keep one of the two
    ");
    assert_snapshot!(error("knobs:\n  - sysctrl: { name: a, value: 1 }\n"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: `knobs[0]` cannot be `sysctrl`
      --> ROOT/guest-kernel/variants/probe/variant.yaml:6:5
      |
    6 |   - sysctrl: { name: a, value: 1 }
      |     ^^^^^^^

    hint: did you mean `sysctl`? (known: parameter, sysctl)
    ");
}

#[test]
fn the_name_is_the_folders() {
    let (root, project) = project(&HEAD.replace("probe", "other"));
    let error = Variant::find(&project, "probe").unwrap_err().to_string();
    assert_snapshot!(error.replace(&root.path().display().to_string(), "ROOT"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: the variant is called `probe` after its folder
      --> ROOT/guest-kernel/variants/probe/variant.yaml:1:7
      |
    1 | name: other
      |       ^^^^^
    ");
}

#[test]
fn files_that_are_not_there_or_lie_elsewhere_are_refused() {
    assert_snapshot!(error("series: [ { patches: [0002.patch] } ]\n"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: there is no patch ROOT/guest-kernel/variants/probe/0002.patch
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:23
      |
    5 | series: [ { patches: [0002.patch] } ]
      |                       ^^^^^^^^^^
    ");
    assert_snapshot!(error("series: [ { patches: [../../configs/more.config] } ]\n"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: a patch is a file below ROOT/guest-kernel/variants/probe
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:23
      |
    5 | series: [ { patches: [../../configs/more.config] } ]
      |                       ^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(error("config: [/etc/passwd]\n"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: a config fragment is a file below ROOT/guest-kernel/configs
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:10
      |
    5 | config: [/etc/passwd]
      |          ^^^^^^^^^^^
    ");
}

#[test]
fn a_range_without_kernels_is_refused() {
    assert_snapshot!(error("series: [ { bases: { from: \"6.12\", to: \"6.1\" } } ]\n"), @r#"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: no kernel lies in this range
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:28
      |
    5 | series: [ { bases: { from: "6.12", to: "6.1" } } ]
      |                            ^^^^^^

    hint: `from` is the older one
    "#);
    assert_snapshot!(error("series: [ { bases: { from: six, to: \"6.1\" } } ]\n"), @r#"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: `six` is not a kernel version such as 6.12
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:28
      |
    5 | series: [ { bases: { from: six, to: "6.1" } } ]
      |                            ^^^
    "#);
}

#[test]
fn words_and_names_that_the_kernel_could_not_take_are_refused() {
    assert_snapshot!(error("command-line: [\"a b\"]\n"), @r#"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: each entry is one word of the kernel's command line
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:16
      |
    5 | command-line: ["a b"]
      |                ^^^^^
    "#);
    assert_snapshot!(error("knobs: [ { sysctl: { name: kernel/../../x, value: 1 } } ]\n"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: `kernel/` is not a name the kernel uses
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:10
      |
    5 | knobs: [ { sysctl: { name: kernel/../../x, value: 1 } } ]
      |          ^
    ");
    assert_snapshot!(error("knobs: [ { parameter: { module: .., name: x, value: 1 } } ]\n"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: `..` is not a name the kernel uses
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:10
      |
    5 | knobs: [ { parameter: { module: .., name: x, value: 1 } } ]
      |          ^
    ");
    assert_snapshot!(error("knobs: [ { parameter: { module: m, name: x, value: 1.5 } } ]\n"), @"
    reading ROOT/guest-kernel/variants/probe/variant.yaml: `knobs[0].parameter` must be a number, a text or a truth value, not floating point `1.5`
      --> ROOT/guest-kernel/variants/probe/variant.yaml:5:45
      |
    5 | knobs: [ { parameter: { module: m, name: x, value: 1.5 } } ]
      |                                             ^^^^^
    ");
}

#[test]
fn the_projects_own_variants_are_whole() {
    let project = Project::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let variants = list_variants(&project).all().unwrap();
    let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
    for name in ["stock", "kmsg-dump-before-stop", "notifier-lists", "crash-stop-with-grace"] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
    for variant in &variants {
        let patched = |text: &str| variant.patches(&text.parse().unwrap()).is_some_and(|patches| !patches.is_empty());
        let differs = !variant.config.is_empty() || patched("6.12.117");
        assert!(variant.name == "stock" || differs, "{} is not for 6.12", variant.name);
    }
}
