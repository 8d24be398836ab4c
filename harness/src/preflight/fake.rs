//! A host made of small scripts, for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Host, Options, Patience};
use crate::firmware::Places;

/// What QEMU lists.
pub(super) const DEVICES: &str = r#"name "acpi-erst", bus PCI, desc "ACPI Error Record Serialization Table (ERST) device"
name "e1000", bus PCI, alias "e1000-82540em", desc "Intel Gigabit Ethernet"
name "isa-debug-exit", bus ISA
name "isa-debugcon", bus ISA
name "virtio-serial-pci", bus PCI, alias "virtio-serial"
name "virtserialport", bus virtio-serial-bus
name "isa-parallel", bus ISA"#;

/// What a probe guest does that reaches its end.
pub(super) fn guest_runs() -> String {
    format!("for cpu in 1 2 3 4; do printf 'RPLT{}'; done; exit 65", ".".repeat(64))
}

/// A folder of fake programs, and everything else that is looked at.
pub(super) struct FakeHost {
    folder: TempDir,
    pub options: Options,
}

impl FakeHost {
    /// A machine on which all is well, and on which KVM works.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("fake-host-").unwrap();
        let bin = folder.path().join("bin");
        let sources = folder.path().join("src");
        for dir in [&bin, &sources] {
            fs::create_dir(dir).unwrap();
        }
        fs::write(sources.join("linux-source-6.12.tar.xz"), b"\xfd7zXZ\0\0\0").unwrap();
        let mut options = Options::new(folder.path().join("cache"), folder.path().join("results"), 2);
        options.qemu = None;
        options.source_packages = vec!["linux-source-6.12".to_owned()];
        // Nothing here takes long; what never comes, a test waits for with less patience.
        let long = Duration::from_secs(60);
        let patience = Patience { tool: long, start: long, kvm: long, kvm_least: long, tcg: long };
        options.host =
            Host { path: bin.into(), sources, firmware: Places::default(), root: true, landlock: Ok(6), patience };
        let host = Self { folder, options };
        host.qemu("7.2.22", DEVICES, &guest_runs());
        for tool in ["as", "ld", "objcopy", "make", "flex", "bison", "bc", "awk", "gzip", "tar", "xz", "patch"] {
            host.program(tool, &format!("echo {tool} 1.0"));
        }
        host.program("gcc", "case $1 in --version) echo gcc 1.0 ;; *) /bin/ln -s /bin/true test ;; esac");
        host.program("cargo", "echo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'");
        host.program("apt-get", "exit 0");
        host
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn bin(&self, name: &str) -> PathBuf {
        self.path().join("bin").join(name)
    }

    /// Makes `name` a program that does what `script` says; its folder is `${0%/*}`.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.bin(name);
        fs::write(path.with_extension("sh"), script).unwrap();
        if !path.exists() {
            let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/preflight/testdata/fake-tool");
            symlink(tool, path).unwrap();
        }
    }

    /// Makes a QEMU of this version, with these devices, whose guests do what `guest` says.
    pub fn qemu(&self, version: &str, devices: &str, guest: &str) {
        let script = format!(
            "case \"$*\" in\n*--version) echo 'QEMU emulator version {version} (Debian)' ;;\n\
             *'-device help') echo '{devices}' ;;\n*) {guest} ;;\nesac"
        );
        self.program("qemu-system-x86_64", &script);
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.bin(name)).unwrap();
    }

    /// What the fake programs have written to `name` in their folder.
    pub fn written(&self, name: &str) -> String {
        fs::read_to_string(self.bin(name)).unwrap_or_default()
    }

    /// Replaces what differs from run to run.
    pub fn redacted(&self, text: &impl ToString) -> String {
        let text = text.to_string().replace(&self.path().display().to_string(), "[HOST]");
        regex::Regex::new(r"\b\d+ ms\b").unwrap().replace_all(&text, "[TIME]").into_owned()
    }
}
