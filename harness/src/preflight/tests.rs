//! Whole reports: of hosts that are made up, and of this one.

use std::fs;
use std::time::Duration;

use insta::{assert_json_snapshot, assert_snapshot};

use super::fake::{DEVICES, FakeHost, guest_runs};
use super::*;

/// The findings that depend on the machine that the test runs on.
const MEASURED: [&str; 6] = ["disk-cache", "disk-results", "memory", "limit-files", "limit-processes", "processors"];

async fn report(host: &FakeHost) -> Report {
    let mut report = check(&host.options).await;
    let before = report.findings.len();
    report.findings.retain(|finding| !MEASURED.contains(&finding.id.as_str()));
    assert_eq!(before - report.findings.len(), MEASURED.len());
    report
}

/// The report of what is not as it should be.
async fn wrong(host: &FakeHost) -> String {
    let mut report = report(host).await;
    report.findings.retain(|finding| finding.status != Status::Ok);
    host.redacted(&report)
}

#[tokio::test]
async fn all_is_well() {
    let host = FakeHost::new();
    let report = report(&host).await;
    assert_eq!(report.status(), Status::Ok);
    assert_eq!(report.accelerator, Some(Accelerator::Tcg));
    assert_snapshot!(host.redacted(&report), @"
    ok    QEMU               7.2.22, [HOST]/bin/qemu-system-x86_64
    ok    QEMU's sandbox     seccomp, nothing may be spawned
    ok    QEMU's files       its own and the trial's alone (Landlock 6)
    ok    QEMU's devices     acpi-erst, e1000, virtio-serial-pci, virtserialport, isa-debugcon, isa-debug-exit
    ok    accelerator kvm    ran a guest with 4 vCPUs in [TIME]
    ok    accelerator tcg    ran a guest with 4 vCPUs in [TIME]
    ok    gcc                gcc 1.0
    ok    as                 as 1.0
    ok    ld                 ld 1.0
    ok    objcopy            objcopy 1.0
    ok    make               make 1.0
    ok    flex               flex 1.0
    ok    bison              bison 1.0
    ok    bc                 bc 1.0
    ok    awk                awk 1.0
    ok    gzip               gzip 1.0
    ok    tar                tar 1.0
    ok    xz                 xz 1.0
    ok    patch              patch 1.0
    ok    libelf             compiled, linked and ran (for objtool)
    ok    static libc        compiled, linked and ran (for the guest's agent)
    ok    cargo              cargo 1.95.0 (f2d3ce0bd 2026-03-21)
    ok    linux-source-6.12  [HOST]/src/linux-source-6.12.tar.xz

    guests run under tcg, or with --accel kvm under kvm, faster and without timelines
    0 of 23 checks failed, 0 warned
    ");
}

#[tokio::test]
async fn a_kvm_that_hangs_is_not_used() {
    let mut host = FakeHost::new();
    host.options.host.patience.kvm = Duration::from_millis(200);
    let pids = host.path().join("pids");
    // As seen with a KVM that emulates each instruction: all vCPUs come up, and the work does not get done.
    let hangs = format!(
        "case \"$*\" in *'-accel kvm'*) /bin/sleep 1000 & echo $$ $! >{}; printf 'RPLTRPLTRPLTRPLT...'; wait ;; esac; {}",
        pids.display(),
        guest_runs()
    );
    host.qemu("7.2.22", DEVICES, &hangs);
    assert_snapshot!(wrong(&host).await, @"
    warn  accelerator kvm  the guest did nothing more for 200ms: 4 of 4 vCPUs got to work in 64-bit mode and did 3 of 256 parts of it, less than 1 million instructions

    guests run under tcg
    0 of 1 checks failed, 1 warned
    ");
    for pid in fs::read_to_string(pids).unwrap().split_whitespace() {
        gone(pid).await;
    }
}

#[tokio::test]
async fn a_kvm_that_is_slower_than_tcg_is_not_waited_for() {
    let mut host = FakeHost::new();
    host.options.host.patience.kvm_least = Duration::ZERO;
    let hangs = format!("case \"$*\" in *'-accel kvm'*) printf R; exec /bin/sleep 1000 ;; esac; {}", guest_runs());
    host.qemu("7.2.22", DEVICES, &hangs);
    let told = wrong(&host).await;
    assert!(told.contains("far more than TCG's took: the furthest that a vCPU came is its first"), "{told}");
    assert!(told.contains("guests run under tcg"), "{told}");
}

/// Only who asks is told of it, and who installs what is missing gets it.
#[tokio::test]
async fn firmware_is_looked_for_where_somebody_wants_it() {
    let mut host = FakeHost::new();
    host.options.looks_for_firmware = true;
    assert_snapshot!(wrong(&host).await, @"
    warn  EFI firmware  guests cannot write EFI variables (`pstore: efi`): there is no EFI firmware with a large store of variables
                        hint: apt-get install -y --no-install-recommends ovmf

    guests run under tcg, or with --accel kvm under kvm, faster and without timelines
    0 of 1 checks failed, 1 warned

    hint: `harness doctor --install` installs what is missing
    ");
    let report = check(&host.options).await;
    assert_eq!((report.status(), report.missing_packages()), (Status::Warn, vec!["ovmf"]));
    host.options.looks_for_firmware = false;
    assert!(check(&host.options).await.findings.iter().all(|finding| finding.id != "efi-firmware"));

    host.options.looks_for_firmware = true;
    let (code, vars) = (host.path().join("code"), host.path().join("vars"));
    let image = harness_testdata::efi::EfiFlash::new(255 << 10, true).bytes();
    fs::File::create(&code).unwrap().set_len((1 << 20) - image.len() as u64).unwrap();
    fs::write(&vars, image).unwrap();
    host.options.host.firmware.known = vec![crate::firmware::Pair { code, vars }];
    let report = check(&host.options).await;
    let finding = report.findings.iter().find(|finding| finding.id == "efi-firmware").unwrap();
    assert_eq!(finding.status, Status::Ok);
    assert_eq!(host.redacted(&finding.detail), "no small store, large store: [HOST]/code");
}

/// Returns when the process has ended.
async fn gone(pid: &str) {
    let ended = async {
        loop {
            match fs::read_to_string(format!("/proc/{pid}/stat")) {
                Ok(stat) if !stat.contains(") Z ") => tokio::task::yield_now().await,
                _ => return,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the process should have been killed");
}

#[tokio::test]
async fn a_kvm_that_is_not_there_is_not_used() {
    let host = FakeHost::new();
    let fails = "case \"$*\" in *'-accel kvm'*) echo \"$0: warning: odd\" >&2; echo 'Could not access KVM kernel module: No \
                 such file or directory' >&2; echo \"$0: failed to initialize kvm: No such file or directory\" >&2; exit \
                 1 ;; esac";
    host.qemu("7.2.22", DEVICES, &format!("{fails}; {}", guest_runs()));
    assert_snapshot!(wrong(&host).await, @"
    warn  accelerator kvm  Could not access KVM kernel module: No such file or directory

    guests run under tcg
    0 of 1 checks failed, 1 warned
    ");
    host.qemu(
        "7.2.22",
        DEVICES,
        &format!("{}; {}", fails.replace("No such file or directory", "Permission denied"), guest_runs()),
    );
    assert_snapshot!(wrong(&host).await, @r#"
    warn  accelerator kvm  Could not access KVM kernel module: Permission denied
                           hint: sudo usermod -aG kvm "$USER" && newgrp kvm

    guests run under tcg
    0 of 1 checks failed, 1 warned
    "#);
}

#[tokio::test]
async fn no_accelerator_is_a_failure() {
    let host = FakeHost::new();
    host.qemu("7.2.22", DEVICES, "printf RPRP; exit 0");
    assert_snapshot!(wrong(&host).await, @"
    fail  accelerator kvm  the guest's CPU failed and was reset: the furthest that a vCPU came is 32-bit mode (2 of 4)
    fail  accelerator tcg  the guest's CPU failed and was reset: the furthest that a vCPU came is 32-bit mode (2 of 4)

    guests cannot run
    2 of 2 checks failed, 0 warned
    ");
}

#[tokio::test]
async fn no_qemu() {
    let host = FakeHost::new();
    host.remove("qemu-system-x86_64");
    assert_snapshot!(wrong(&host).await, @"
    fail  QEMU             qemu-system-x86_64 is not to be found, or is no program
                           hint: apt-get install -y --no-install-recommends qemu-system-x86
    fail  accelerator kvm  not tried: there is no QEMU that can be used
    fail  accelerator tcg  not tried: there is no QEMU that can be used

    guests cannot run
    3 of 3 checks failed, 0 warned

    hint: `harness doctor --install` installs what is missing
    ");
}

#[tokio::test]
async fn an_old_qemu() {
    let host = FakeHost::new();
    host.qemu("6.2.0", DEVICES, &guest_runs());
    let report = report(&host).await;
    assert_eq!(report.qemu, None);
    assert_eq!(report.accelerator, None);
    assert_snapshot!(wrong(&host).await, @"
    fail  QEMU             [HOST]/bin/qemu-system-x86_64 is version 6.2.0, which is older than 7.2.0: give a newer one by --qemu
                           hint: apt-get install -y --no-install-recommends qemu-system-x86
    fail  accelerator kvm  not tried: there is no QEMU that can be used
    fail  accelerator tcg  not tried: there is no QEMU that can be used

    guests cannot run
    3 of 3 checks failed, 0 warned

    hint: `harness doctor --install` installs what is missing
    ");
}

#[tokio::test]
async fn a_qemu_of_the_users_own() {
    let mut host = FakeHost::new();
    host.program("mine", "echo this is something else");
    host.options.qemu = Some("mine".into());
    assert_snapshot!(wrong(&host).await, @"
    fail  QEMU             [HOST]/bin/mine is no QEMU: it says it is `this is something else`
    fail  accelerator kvm  not tried: there is no QEMU that can be used
    fail  accelerator tcg  not tried: there is no QEMU that can be used

    guests cannot run
    3 of 3 checks failed, 0 warned
    ");
    host.options.qemu = Some(host.path().join("nowhere"));
    assert_snapshot!(wrong(&host).await, @"
    fail  QEMU             [HOST]/nowhere is not to be found, or is no program
    fail  accelerator kvm  not tried: there is no QEMU that can be used
    fail  accelerator tcg  not tried: there is no QEMU that can be used

    guests cannot run
    3 of 3 checks failed, 0 warned
    ");
}

#[tokio::test]
async fn a_qemu_with_a_device_missing() {
    let host = FakeHost::new();
    host.qemu(
        "7.2.22",
        &DEVICES.replace("acpi-erst", "acpi-other").replace("virtserialport", "serial-x"),
        &guest_runs(),
    );
    assert_snapshot!(wrong(&host).await, @"
    fail  QEMU's devices  this QEMU has no acpi-erst, no virtserialport
                          hint: apt-get install -y --no-install-recommends qemu-system-x86

    guests run under tcg, or with --accel kvm under kvm, faster and without timelines
    1 of 1 checks failed, 0 warned

    hint: `harness doctor --install` installs what is missing
    ");
}

#[tokio::test]
async fn a_kernel_without_landlock_is_no_obstacle() {
    let mut host = FakeHost::new();
    host.options.host.landlock = Err("Operation not supported (os error 95)".to_owned());
    assert_snapshot!(wrong(&host).await, @"
    warn  QEMU's files  not held in: this kernel has no Landlock (Operation not supported (os error 95)), so a guest that takes QEMU over has your files

    guests run under tcg, or with --accel kvm under kvm, faster and without timelines
    0 of 1 checks failed, 1 warned
    ");
}

#[tokio::test]
async fn a_qemu_without_a_sandbox() {
    let host = FakeHost::new();
    host.qemu("7.2.22", DEVICES, &guest_runs());
    let script = host.written("qemu-system-x86_64.sh");
    let refuses = "case \"$*\" in *-sandbox*) echo \"$0: -sandbox: invalid option\" >&2; exit 1 ;; esac\n";
    host.program("qemu-system-x86_64", &format!("{refuses}{script}"));
    // The devices are known and the guests run all the same.
    assert_snapshot!(wrong(&host).await, @"
    fail  QEMU's sandbox  QEMU does not start with `-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny`: [HOST]/bin/qemu-system-x86_64: -sandbox: invalid option
                          hint: apt-get install -y --no-install-recommends qemu-system-x86

    guests run under tcg, or with --accel kvm under kvm, faster and without timelines
    1 of 1 checks failed, 0 warned

    hint: `harness doctor --install` installs what is missing
    ");
}

#[tokio::test]
async fn a_bare_machine() {
    let host = FakeHost::new();
    for tool in ["qemu-system-x86_64", "gcc", "make", "flex", "bison", "bc", "cargo"] {
        host.remove(tool);
    }
    fs::remove_file(host.path().join("src/linux-source-6.12.tar.xz")).unwrap();
    let report = report(&host).await;
    assert_eq!(report.status(), Status::Fail);
    assert_snapshot!(host.redacted(&report), @"
    fail  QEMU               qemu-system-x86_64 is not to be found, or is no program
                             hint: apt-get install -y --no-install-recommends qemu-system-x86
    fail  accelerator kvm    not tried: there is no QEMU that can be used
    fail  accelerator tcg    not tried: there is no QEMU that can be used
    fail  gcc                gcc is not to be found
                             hint: apt-get install -y --no-install-recommends gcc libc6-dev
    ok    as                 as 1.0
    ok    ld                 ld 1.0
    ok    objcopy            objcopy 1.0
    fail  make               make is not to be found
                             hint: apt-get install -y --no-install-recommends make
    fail  flex               flex is not to be found
                             hint: apt-get install -y --no-install-recommends flex
    fail  bison              bison is not to be found
                             hint: apt-get install -y --no-install-recommends bison
    fail  bc                 bc is not to be found
                             hint: apt-get install -y --no-install-recommends bc
    ok    awk                awk 1.0
    ok    gzip               gzip 1.0
    ok    tar                tar 1.0
    ok    xz                 xz 1.0
    ok    patch              patch 1.0
    fail  libelf             not tried: there is no gcc for it
                             hint: apt-get install -y --no-install-recommends libelf-dev
    fail  static libc        not tried: there is no gcc for it
                             hint: apt-get install -y --no-install-recommends libc6-dev
    fail  cargo              cargo is not to be found
                             hint: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y
    fail  linux-source-6.12  there is no linux-source-6.12.tar.xz in [HOST]/src
                             hint: apt-get install -y --no-install-recommends linux-source-6.12

    guests cannot run
    12 of 20 checks failed, 0 warned

    hint: `harness doctor --install` installs what is missing
    ");
    assert_snapshot!(report.missing_packages().join(" "), @"qemu-system-x86 gcc libc6-dev make flex bison bc libelf-dev linux-source-6.12");
}

#[tokio::test]
async fn tools_that_are_there_and_do_not_work() {
    let host = FakeHost::new();
    host.program("bc", "echo 'bc: error while loading shared libraries: libreadline.so.8' >&2; exit 127");
    host.program("cargo", "echo 'cargo 1.63.0 (fd9c4297c 2022-07-01)'");
    host.program(
        "gcc",
        "case $1 in --version) echo gcc 1.0 ;; *)
           case \"$*\" in
             *-lelf*) echo 'test.c:1:10: fatal error: libelf.h: No such file or directory' >&2; exit 1 ;;
             *) /bin/ln -s /bin/false test ;;
           esac ;;
         esac",
    );
    fs::write(host.path().join("src/linux-source-6.12.tar.xz"), b"<html>not found</html>").unwrap();
    assert_snapshot!(wrong(&host).await, @"
    fail  bc                 [HOST]/bin/bc does not run: bc: error while loading shared libraries: libreadline.so.8
                             hint: apt-get install -y --no-install-recommends bc
    fail  libelf             a test program does not compile and link: test.c:1:10: fatal error: libelf.h: No such file or directory
                             hint: apt-get install -y --no-install-recommends libelf-dev
    fail  static libc        a compiled test program fails: exit status: 1
    fail  cargo              `cargo 1.63.0 (fd9c4297c 2022-07-01)` is older than Rust 1.89
                             hint: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y
    fail  linux-source-6.12  [HOST]/src/linux-source-6.12.tar.xz is no compressed archive
                             hint: apt-get install -y --reinstall linux-source-6.12

    guests run under tcg, or with --accel kvm under kvm, faster and without timelines
    5 of 5 checks failed, 0 warned

    hint: `harness doctor --install` installs what is missing
    ");
}

#[tokio::test]
async fn a_cache_that_no_program_can_be_compiled_in() {
    let mut host = FakeHost::new();
    // Not even root can write there.
    host.options.cache = "/proc/self/harness".into();
    let report = report(&host).await;
    let libelf = report.findings.iter().find(|finding| finding.id == "libelf").unwrap();
    assert_eq!((libelf.status, libelf.packages.len(), &libelf.mend), (Status::Fail, 0, &None));
    assert!(libelf.detail.starts_with("a test program cannot be written to /proc/self: "), "{}", libelf.detail);
}

#[tokio::test]
async fn a_tool_that_never_answers() {
    let mut host = FakeHost::new();
    host.program("flex", "exec /bin/sleep 1000");
    // Only this tool is asked: the others need their time on a busy machine.
    host.options.host.patience.tool = Duration::from_millis(200);
    let findings = toolchain::check(&host.options).await;
    let flex = findings.iter().find(|finding| finding.id == "tool-flex").unwrap();
    assert_eq!(flex.status, Status::Fail);
    assert_snapshot!(host.redacted(&flex.detail), @"[HOST]/bin/flex gave no answer within 200ms");
}

#[tokio::test]
async fn without_apt_there_is_no_command_to_mend_with() {
    let host = FakeHost::new();
    host.remove("bc");
    host.remove("apt-get");
    assert_snapshot!(wrong(&host).await, @"
    fail  bc  bc is not to be found

    guests run under tcg, or with --accel kvm under kvm, faster and without timelines
    1 of 1 checks failed, 0 warned
    ");
    let report = check(&host.options).await;
    assert_eq!(plan(&host.options.host, &report), None);
}

#[tokio::test]
async fn not_as_root_it_takes_sudo() {
    let mut host = FakeHost::new();
    host.remove("bc");
    host.options.host.root = false;
    assert_snapshot!(wrong(&host).await, @"
    fail  bc  bc is not to be found
              hint: sudo apt-get install -y --no-install-recommends bc

    guests run under tcg, or with --accel kvm under kvm, faster and without timelines
    1 of 1 checks failed, 0 warned

    hint: `harness doctor --install` installs what is missing
    ");
}

#[tokio::test]
async fn the_json_form() {
    let host = FakeHost::new();
    host.remove("bc");
    let mut report = report(&host).await;
    report.findings.retain(|finding| ["accelerator-tcg", "qemu", "tool-bc"].contains(&finding.id.as_str()));
    let json = host.redacted(&serde_json::to_string(&report).unwrap());
    assert_json_snapshot!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), @r#"
    {
      "accelerator": "tcg",
      "findings": [
        {
          "detail": "7.2.22, [HOST]/bin/qemu-system-x86_64",
          "id": "qemu",
          "mend": null,
          "status": "ok",
          "title": "QEMU"
        },
        {
          "detail": "ran a guest with 4 vCPUs in [TIME]",
          "id": "accelerator-tcg",
          "mend": null,
          "status": "ok",
          "title": "accelerator tcg"
        },
        {
          "detail": "bc is not to be found",
          "id": "tool-bc",
          "mend": "apt-get install -y --no-install-recommends bc",
          "packages": [
            "bc"
          ],
          "status": "fail",
          "title": "bc"
        }
      ],
      "qemu": {
        "path": "[HOST]/bin/qemu-system-x86_64",
        "version": "7.2.22"
      }
    }
    "#);
}

/// Here, real guests are booted. KVM may work on this machine or not; guests can be traced in either case.
#[tokio::test]
async fn this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path().join("cache"), folder.path().join("results"), 2);
    let report = check(&options).await;
    println!("{report}");
    let status = |id: &str| report.findings.iter().find(|finding| finding.id == id).map(|finding| finding.status);
    assert_eq!(status("qemu"), Some(Status::Ok));
    assert_eq!(status("qemu-devices"), Some(Status::Ok));
    assert_eq!(status("qemu-sandbox"), Some(Status::Ok));
    assert_eq!(status("accelerator-tcg"), Some(Status::Ok));
    let kvm = status("accelerator-kvm").unwrap();
    assert_eq!(report.accelerator, Some(Accelerator::Tcg));
    assert_ne!(kvm, Status::Fail, "while TCG works, a KVM that does not is no failure");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a check leaves nothing behind");
}
