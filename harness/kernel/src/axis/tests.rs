use std::fs;
use std::path::Path;

use harness_model::pstore::{Efi, Ramoops};
use insta::assert_snapshot;
use tempfile::TempDir;

use super::*;

const AXES: &str = "\
axes:
  post: { parameter: { module: kernel, name: crash_kexec_post_notifiers } }
  oops: { sysctl: kernel.panic_on_oops }
  grace: { command-line: stop_grace_ms }
  cpus: { guest: cpus }
  pstore: { guest: pstore }
";

fn project() -> (TempDir, Project) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("guest-kernel/variants/probe");
    fs::create_dir_all(&folder).unwrap();
    let yaml = "name: probe\ntitle: t\nclaim: c\nsource: s\ncommand-line: [first]\n";
    fs::write(folder.join("variant.yaml"), yaml).unwrap();
    fs::write(root.path().join("guest-kernel/axes.yaml"), AXES).unwrap();
    let project = Project::at(root.path());
    (root, project)
}

fn find(name: &str) -> Result<Variant, KernelError> {
    let (_root, project) = project();
    Variant::find(&project, name)
}

#[test]
fn what_is_set_comes_behind_what_the_variant_has() {
    let variant = find("probe+grace=100+post=Y+oops=1").unwrap();
    assert_eq!(variant.name, "probe+grace=100+post=Y+oops=1");
    assert_eq!(variant.command_line, ["first", "stop_grace_ms=100"]);
    let name = "crash_kexec_post_notifiers".to_owned();
    assert_eq!(
        variant.knobs,
        [
            Knob::Parameter(Parameter { module: "kernel".to_owned(), name, value: "Y".to_owned() }),
            Knob::Sysctl(Sysctl { name: "kernel.panic_on_oops".to_owned(), value: "1".to_owned() }),
        ]
    );
    assert_eq!(variant.guest, harness_model::GuestChange::default());
}

#[test]
fn a_guest_may_have_another_shape() {
    let guest = find("probe+cpus=2+pstore=ramoops").unwrap().guest;
    assert_eq!(guest.cpus, Some(2));
    assert_eq!(guest.pstore, Some(Backend::Ramoops(Ramoops::default())));
    assert_eq!(find("probe+pstore=erst").unwrap().guest.pstore, Some(Backend::default()));
    assert_eq!(find("probe+pstore=efi").unwrap().guest.pstore, Some(Backend::Efi(Efi::default())));
}

#[test]
fn what_cannot_be_set_is_told_with_what_can() {
    let error = |name: &str| find(name).unwrap_err().to_string();
    assert_snapshot!(error("prob+post=1"), @"
    no variant `prob`

    hint: did you mean `probe`? (known: probe)
    ");
    assert_snapshot!(error("probe+pots=1"), @"
    no axis `pots`

    hint: did you mean `post`? (known: post, oops, grace, cpus, pstore)
    ");
    assert_snapshot!(error("probe+post"), @"
    variant `probe` cannot have `post`: it has no value

    hint: write it as in `stock+post_notifiers=1`
    ");
    assert_snapshot!(error("probe+grace=1 init=/bin/sh"), @"
    variant `probe` cannot have `grace=1 init=/bin/sh`: its value is no plain word

    hint: letters, digits and `.`, `_`, `,`, `:`, `-` are
    ");
    assert_snapshot!(error("probe+post=1+cpus=9"), @"
    variant `probe+post=1` cannot have `cpus=9`: a guest has 1 to 8 CPUs

    hint: write a number
    ");
    assert_snapshot!(error("probe+pstore=nvram"), @"
    no back end `nvram`

    hint: known: erst, ramoops, efi
    ");
}

#[test]
fn the_projects_own_axes_are_whole() {
    let project = Project::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let axes = list_axes(&project).all().unwrap();
    assert!(axes.iter().any(|axis| axis.name == "post_notifiers"));
    let (_root, without) = project_without();
    assert_eq!(list_axes(&without).all().unwrap(), []);
}

fn project_without() -> (TempDir, Project) {
    let (root, project) = project();
    fs::remove_file(root.path().join("guest-kernel/axes.yaml")).unwrap();
    (root, project)
}
