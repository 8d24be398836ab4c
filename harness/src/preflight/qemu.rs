//! QEMU: is it there, is it new enough, has it the devices, does its sandbox hold.

use super::finding::{Finding, QemuInfo, QemuVersion, Status};
use super::host::Options;
use super::run::run;
use crate::model::{Arch, MachineSpec};

/// The machine of guests.
const MACHINE: &MachineSpec = &Arch::X86_64.spec().machine;

/// The Debian package that has QEMU.
pub(super) const PACKAGE: &str = MACHINE.package;

/// The oldest QEMU that the harness is tested with. acpi-erst came with 7.0.
const MINIMUM: QemuVersion = QemuVersion { major: 7, minor: 2, micro: 0 };

/// The devices that guests are made of, those with a crash kernel and the probe guest included.
const DEVICES: [&str; 6] =
    ["acpi-erst", "e1000", "virtio-serial-pci", "virtserialport", "isa-debugcon", "isa-debug-exit"];

/// QEMU gives up what a guest that took it over could use.
pub(super) const SANDBOX: [&str; 2] =
    ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"];

/// What is known of the host's QEMU.
#[derive(Debug)]
pub(super) struct Checked {
    /// The QEMU to use, if any.
    pub info: Option<QemuInfo>,
    /// Whether it can be started with [`SANDBOX`].
    pub sandbox: bool,
    /// What was found about the program, its devices and its sandbox.
    pub findings: Vec<Finding>,
}

/// Looks for QEMU and asks it what it is and has.
pub(super) async fn check(options: &Options) -> Checked {
    let info = match find(options).await {
        Ok(info) => info,
        Err(finding) => return Checked { info: None, sandbox: false, findings: vec![*finding] },
    };
    let detail = format!("{}, {}", info.version, info.path.display());
    let found = Finding::new("qemu", "QEMU", Status::Ok, detail);
    let (sandbox, devices, have_sandbox) = features(options, &info).await;
    let findings = vec![found, sandbox, files(&options.host.landlock), devices];
    Checked { info: Some(info), sandbox: have_sandbox, findings }
}

/// Whether QEMU can be kept from files that are not its own.
fn files(landlock: &Result<i64, String>) -> Finding {
    let (status, detail) = match landlock {
        Ok(version) => (Status::Ok, format!("its own and the trial's alone (Landlock {version})")),
        Err(why) => (
            Status::Warn,
            format!("not held in: this kernel has no Landlock ({why}), so a guest that takes QEMU over has your files"),
        ),
    };
    Finding::new("qemu-files", "QEMU's files", status, detail)
}

async fn find(options: &Options) -> Result<QemuInfo, Box<Finding>> {
    let fail = |detail: String| {
        let finding = Finding::new("qemu", "QEMU", Status::Fail, detail);
        // A QEMU that the user names is the user's to mend.
        Box::new(if options.qemu.is_some() { finding } else { finding.in_packages(&[PACKAGE]) })
    };
    let name = options.qemu.clone().unwrap_or_else(|| MACHINE.program.into());
    let Some(path) = options.host.find(&name) else {
        return Err(fail(format!("{} is not to be found, or is no program", name.display())));
    };
    let shown = path.display();
    let mut command = options.host.command(&path);
    command.arg("--version");
    let answer = run(command, options.host.patience.tool).await.map_err(|why| fail(format!("{shown} {why}")))?;
    if !answer.status.success() {
        return Err(fail(format!("{shown} does not run: {}", answer.complaint())));
    }
    let Some(version) = QemuVersion::parse(&answer.stdout) else {
        return Err(fail(format!("{shown} is no QEMU: it says it is `{}`", answer.first_line())));
    };
    if version < MINIMUM {
        let detail = format!("{shown} is version {version}, which is older than {MINIMUM}: give a newer one by --qemu");
        return Err(fail(detail));
    }
    Ok(QemuInfo { path, version })
}

/// The findings on sandbox and devices, and whether the sandbox works. QEMU lists its devices only after it has
/// understood the sandbox, so that one start answers both when all is well.
async fn features(options: &Options, info: &QemuInfo) -> (Finding, Finding, bool) {
    let ask = async |sandbox: &[&str]| {
        let mut command = options.host.command(&info.path);
        command.args(sandbox).args(["-device", "help"]);
        match run(command, options.host.patience.tool).await {
            Ok(answer) if answer.status.success() => Ok(answer.stdout),
            Ok(answer) => Err(answer.complaint()),
            Err(why) => Err(format!("QEMU {why}")),
        }
    };
    let title = "QEMU's sandbox";
    match ask(&SANDBOX).await {
        Ok(list) => {
            let sandbox = Finding::new("qemu-sandbox", title, Status::Ok, "seccomp, nothing may be spawned".to_owned());
            (sandbox, devices(&list), true)
        }
        Err(why) => {
            let detail = format!("QEMU does not start with `{}`: {why}", SANDBOX.join(" "));
            let sandbox = Finding::new("qemu-sandbox", title, Status::Fail, detail).in_packages(&[PACKAGE]);
            let devices = match ask(&[]).await {
                Ok(list) => devices(&list),
                Err(why) => devices_finding(Status::Fail, format!("QEMU does not list its devices: {why}")),
            };
            (sandbox, devices, false)
        }
    }
}

/// Judges what `-device help` lists: `name "acpi-erst", bus PCI, desc …`.
fn devices(list: &str) -> Finding {
    let has = |device: &str| {
        let entry = format!("name \"{device}\"");
        list.lines().any(|line| line.starts_with(&entry))
    };
    let missing: Vec<&str> = DEVICES.into_iter().filter(|device| !has(device)).collect();
    if missing.is_empty() {
        return devices_finding(Status::Ok, DEVICES.join(", "));
    }
    devices_finding(Status::Fail, format!("this QEMU has no {}", missing.join(", no ")))
}

fn devices_finding(status: Status, detail: String) -> Finding {
    let finding = Finding::new("qemu-devices", "QEMU's devices", status, detail);
    if status == Status::Fail { finding.in_packages(&[PACKAGE]) } else { finding }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_distributions_write_them() {
        let parse = |said| QemuVersion::parse(said).map(|version| version.to_string());
        assert_eq!(
            parse("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\n").as_deref(),
            Some("7.2.22")
        );
        assert_eq!(parse("QEMU emulator version 10.0.2\nCopyright").as_deref(), Some("10.0.2"));
        assert_eq!(parse("QEMU emulator version 9.2.50 (v9.2.0-123-gabcdef)").as_deref(), Some("9.2.50"));
        assert_eq!(parse("QEMU emulator version 8.1").as_deref(), Some("8.1.0"));
        for odd in ["", "QEMU emulator version ", "QEMU emulator version x.y", "qemu-img version 7.2.1"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
        assert_eq!(parse("QEMU emulator version 99999999999.1.1"), None);
    }

    #[test]
    fn ten_is_newer_than_seven() {
        let ten = QemuVersion { major: 10, minor: 0, micro: 0 };
        assert!(ten > MINIMUM);
        assert!(QemuVersion { major: 7, minor: 1, micro: 99 } < MINIMUM);
    }

    #[test]
    fn a_device_is_named_in_full() {
        let list = crate::preflight::fake::DEVICES.replace("acpi-erst", "acpi-erst-2");
        let finding = devices(&list);
        assert_eq!(finding.status, Status::Fail);
        assert_eq!(finding.detail, "this QEMU has no acpi-erst");
        assert_eq!(devices(&list.replace("erst-2", "erst")).status, Status::Ok);
    }
}
