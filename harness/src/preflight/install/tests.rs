//! Installing, with an apt that only writes down what it is asked.

use insta::assert_snapshot;

use super::super::fake::FakeHost;
use super::super::{Finding, Status, check};
use super::*;

/// Writes down how it is called, and does not know packages until it was told to update.
const KNOWS_AFTER_UPDATE: &str = r#"dir=${0%/*}; echo "$DEBIAN_FRONTEND $*" >>"$dir/calls"
case $1 in
update) : >"$dir/updated" ;;
*) [ -e "$dir/updated" ] || { echo 'E: Unable to locate package bc' >&2; exit 100; } ;;
esac"#;

fn report(packages: &[&str]) -> Report {
    let fine = Finding::new("fine", "fine", Status::Ok, String::new()).in_packages(&["not-this"]);
    let failed = Finding::new("bad", "bad", Status::Fail, String::new()).in_packages(packages);
    Report { findings: vec![fine, failed.clone(), failed], accelerator: None, qemu: None }
}

fn host(apt: &str) -> FakeHost {
    let host = FakeHost::new();
    host.program("apt-get", apt);
    host.program("env", "exec /usr/bin/env \"$@\"");
    host
}

fn never(_: &InstallPlan) -> io::Result<bool> {
    panic!("nobody is to be asked")
}

#[tokio::test]
async fn what_apt_knows_is_installed_at_once() {
    let host = host(r#"echo "$DEBIAN_FRONTEND $*" >>"${0%/*}/calls""#);
    let done = install(&host.options.host, &report(&["bc", "flex"]), Consent::Given, never).await.unwrap();
    assert_eq!(done.packages(), ["bc", "flex"]);
    assert_snapshot!(host.written("calls"), @"
    noninteractive install --simulate --no-install-recommends bc flex
    noninteractive install -y --no-install-recommends bc flex
    ");
}

#[tokio::test]
async fn lists_are_updated_when_apt_does_not_know_the_packages() {
    let host = host(KNOWS_AFTER_UPDATE);
    install(&host.options.host, &report(&["bc"]), Consent::Given, never).await.unwrap();
    assert_snapshot!(host.written("calls"), @"
    noninteractive install --simulate --no-install-recommends bc
    noninteractive update
    noninteractive install --simulate --no-install-recommends bc
    noninteractive install -y --no-install-recommends bc
    ");
}

#[tokio::test]
async fn lists_are_updated_when_what_they_name_is_gone() {
    let host = host(
        r#"dir=${0%/*}; echo "$*" >>"$dir/calls"
case "$*" in
update) : >"$dir/updated" ;;
*-y*) [ -e "$dir/updated" ] || exit 100 ;;
esac"#,
    );
    install(&host.options.host, &report(&["bc"]), Consent::Given, never).await.unwrap();
    assert_snapshot!(host.written("calls"), @"
    install --simulate --no-install-recommends bc
    install -y --no-install-recommends bc
    update
    install --simulate --no-install-recommends bc
    install -y --no-install-recommends bc
    ");
}

#[tokio::test]
async fn a_package_that_is_nowhere() {
    let host = host(
        "[ $1 = update ] || { echo 'Reading lists' >&2; echo 'E: Unable to locate package linux-source-6.12' >&2; exit 100; }",
    );
    let error = install(&host.options.host, &report(&["linux-source-6.12"]), Consent::Given, never).await.unwrap_err();
    assert_snapshot!(error, @"`apt-get install -y --no-install-recommends linux-source-6.12` failed: Unable to locate package linux-source-6.12");
}

#[tokio::test]
async fn an_apt_that_fails() {
    let host = host("[ $2 = --simulate ] || exit 100");
    let error = install(&host.options.host, &report(&["bc"]), Consent::Given, never).await.unwrap_err();
    assert_snapshot!(error, @"`apt-get update` failed: exit status: 100");
}

#[tokio::test]
async fn nothing_is_run_without_consent() {
    let host = host(r#": >"${0%/*}/calls""#);
    let install = async |consent, answer: io::Result<bool>| {
        install(&host.options.host, &report(&["bc"]), consent, |_| answer).await.unwrap_err()
    };
    assert_snapshot!(install(Consent::Withheld, Ok(true)).await, @"
    not installed without consent

    hint: run `apt-get install -y --no-install-recommends bc`, or give --yes
    ");
    assert_snapshot!(install(Consent::Ask, Ok(false)).await, @"
    not installed, as answered

    hint: run `apt-get install -y --no-install-recommends bc`
    ");
    assert_snapshot!(install(Consent::Ask, Err(io::ErrorKind::Interrupted.into())).await, @"asking for consent: operation interrupted");
    assert!(!host.path().join("bin/calls").exists());
}

#[tokio::test]
async fn a_yes_is_consent() {
    let host = host(r#"echo "$*" >>"${0%/*}/calls""#);
    let mut asked = String::new();
    let ask = |plan: &InstallPlan| {
        asked = plan.to_string();
        Ok(true)
    };
    install(&host.options.host, &report(&["bc"]), Consent::Ask, ask).await.unwrap();
    assert_snapshot!(asked, @"apt-get install -y --no-install-recommends bc");
    assert!(host.written("calls").contains("install -y"));
}

#[tokio::test]
async fn sudo_is_used_when_not_root_and_missed_when_it_is_not_there() {
    let mut host = host(r#"echo "$DEBIAN_FRONTEND $*" >>"${0%/*}/calls""#);
    host.options.host.root = false;
    let error = install(&host.options.host, &report(&["bc"]), Consent::Given, never).await.unwrap_err();
    assert_snapshot!(error, @"
    installing packages needs root, and there is no sudo

    hint: run `apt-get install -y --no-install-recommends bc` as root
    ");
    host.program("sudo", r#"echo "sudo $*" >>"${0%/*}/calls"; exec "$@""#);
    let done = install(&host.options.host, &report(&["bc"]), Consent::Given, never).await.unwrap();
    assert_snapshot!(done, @"sudo apt-get install -y --no-install-recommends bc");
    assert_snapshot!(host.written("calls"), @"
    noninteractive install --simulate --no-install-recommends bc
    sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bc
    noninteractive install -y --no-install-recommends bc
    ");
}

#[tokio::test]
async fn there_may_be_nothing_that_apt_can_do() {
    let host = host("exit 1");
    let error = install(&host.options.host, &report(&[]), Consent::Given, never).await.unwrap_err();
    assert_snapshot!(error, @"nothing that failed can be fixed with apt");
    host.remove("apt-get");
    let error = install(&host.options.host, &report(&["bc"]), Consent::Given, never).await.unwrap_err();
    assert!(matches!(error, InstallError::NothingToInstall));
}

/// From a finding to the package and back to a host on which all is well.
#[tokio::test]
async fn after_installing_the_check_passes() {
    let host = host("case $2 in -y) : >\"${0%/*}/bc-works\" ;; esac");
    host.program("bc", "[ -e \"${0%/*}/bc-works\" ] && echo bc 1.0");
    let before = check(&host.options).await;
    assert_eq!(before.missing_packages(), ["bc"]);
    install(&host.options.host, &before, Consent::Given, never).await.unwrap();
    let after = check(&host.options).await;
    assert!(after.missing_packages().is_empty());
}
