//! A project with a kernel of three files, whose Makefile takes the steps of the real one and leaves what it leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::kernel::{BuildEvent, Kernel, KernelError, Store};
use harness::model::KernelName;
use harness::project::Project;
use tempfile::TempDir;

/// Each object is its source; `compiled` beside the tree lists what was compiled. `trap` beside the tree makes the
/// compiler do something in the middle of an object: the file's text is run by the shell.
const MAKEFILE: &str = r#"VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 7
EXTRAVERSION =

OBJECTS := kernel/panic.o kernel/cpu.o lib/string.o

ifdef M
.PHONY: modules
modules:
	@echo '  LD [M]  crashlab.ko'
	@cat $(wildcard $(M)/*.c) vmlinux Module.symvers > $(M)/crashlab.ko
else
.PHONY: allnoconfig alldefconfig modules modules_prepare
allnoconfig alldefconfig:
	@! grep -q CONFIG_BREAKS_KCONFIG $(KCONFIG_ALLCONFIG) || { echo 'init/Kconfig:1: syntax error'; exit 1; }
	@grep -v CONFIG_NOBODY_HAS $(KCONFIG_ALLCONFIG) > .config.new; cmp -s .config.new .config || cp .config.new .config
	@mkdir -p include/config && echo 6.12.7 > include/config/kernel.release

modules:
	@echo own > Module.symvers

modules_prepare:

bzImage: arch/x86/boot/bzImage
arch/x86/boot/bzImage: vmlinux
	@mkdir -p $(@D) && cp vmlinux $@
	@echo 'Kernel: $@ is ready'

vmlinux: $(OBJECTS)
	@cat elf $(OBJECTS) > $@
	@echo 0 T panic > System.map
	@echo '$(KCFLAGS)' > vmlinux.symvers
	@echo '  LD      $@'

%.o: %.c .config
	@if grep -n '#error' $< >&2; then echo "$<:1:2: error: #error no such luck" >&2; echo '    1 | #error no such luck' >&2; exit 1; fi
	@if grep -q '#full' $<; then cat $< > /dev/full; fi
	@echo half > $@
	@if [ -e ../trap ]; then . ../trap; fi
	@cp $< $@
	@echo $@ >> ../compiled
	@echo '  CC      $@'
endif
"#;

/// What is kept apart from the real cache and project.
pub struct Fake {
    root: TempDir,
}

impl Fake {
    /// A project with the variants `stock`, `patched` (changes `kernel/panic.c`) and `other` (changes `lib/string.c`
    /// and adds a file).
    pub fn new() -> Self {
        let fake = Self { root: tempfile::tempdir().unwrap() };
        fake.write("src/top/Makefile", MAKEFILE);
        fake.write("src/top/kernel/panic.c", "void panic(void);\n");
        fake.write("src/top/kernel/cpu.c", "void cpu(void);\n");
        fake.write("src/top/lib/string.c", "void string(void);\n");
        fs::write(fake.path("src/top/elf"), elf()).unwrap();
        fake.write("guest-kernel/configs/guest.config", "CONFIG_SMP=y\n");
        fake.write("guest-kernel/configs/required.config", "# The log is the evidence.\nCONFIG_PRINTK=y\n");
        fake.write("guest-kernel/configs/whole.config", "CONFIG_EXTRA_FIRMWARE=\"\"\n");
        fake.write("guest-kernel/crashlab/Makefile", "obj-m := crashlab.o\n");
        fake.write("guest-kernel/crashlab/crashlab.c", "int crashlab;\n");
        fake.variant("stock", "", &[]);
        fake.variant("patched", "", &[("1.patch", PATCH)]);
        fake.variant("other", "", &[("1.patch", OTHER_PATCH)]);
        fake.tarball();
        fake
    }

    /// Makes the base's tarball of what `src/top` is now.
    pub fn tarball(&self) {
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(self.path("linux.tar")).arg("-C").arg(self.path("src")).arg("top");
        assert!(tar.status().unwrap().success());
        self.write("guest-kernel/bases.yaml", "bases:\n  \"6.12\": { tarball: ../linux.tar }\n");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Git in the source's folder.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path("src/top")).args(["-c", "user.name=N", "-c", "user.email=n@example.org"]);
        let output = git.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn variant(&self, name: &str, more: &str, patches: &[(&str, &str)]) {
        let list: Vec<&str> = patches.iter().map(|(name, _)| *name).collect();
        let series =
            if list.is_empty() { String::new() } else { format!("series: [ {{ patches: [{}] }} ]\n", list.join(", ")) };
        let yaml = format!("name: {name}\ntitle: t\nclaim: c\nsource: s\n{series}{more}");
        self.write(&format!("guest-kernel/variants/{name}/variant.yaml"), &yaml);
        for (file, text) in patches {
            self.write(&format!("guest-kernel/variants/{name}/{file}"), text);
        }
    }

    pub fn project(&self) -> Project {
        Project::with_cache(self.root.path(), self.cache())
    }

    pub fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    pub fn store(&self) -> Store {
        Store::open(&self.cache()).unwrap()
    }

    /// Builds a variant and returns what was reported on the way, without the moments in which a program that another
    /// test starts has this one's lock, between its fork and its exec.
    pub fn build(&self, variant: &str) -> (Result<Kernel, KernelError>, Vec<BuildEvent>) {
        let mut events = Vec::new();
        let name = KernelName::parse(variant, "6.12");
        let kernel = self.store().build(&self.project(), &name, &mut |event| events.push(event));
        events.retain(|event| *event != BuildEvent::Waiting);
        (kernel, events)
    }

    pub fn kernel(&self, variant: &str) -> Kernel {
        self.build(variant).0.unwrap()
    }

    /// The error of building a variant, with placeholders for what differs from run to run.
    pub fn error(&self, variant: &str) -> String {
        let error = self.build(variant).0.unwrap_err().to_string();
        error
            .replace(&self.bench().display().to_string(), "BENCH")
            .replace(&self.root.path().display().to_string(), "ROOT")
    }

    /// The one workbench.
    pub fn bench(&self) -> PathBuf {
        let Ok(entries) = fs::read_dir(self.cache().join("workbench")) else {
            return self.cache().join("workbench/none");
        };
        entries.map(|entry| entry.unwrap().path()).next().unwrap()
    }

    /// What was compiled since this was last asked.
    pub fn compiled(&self) -> Vec<String> {
        let path = self.bench().join("compiled");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(&path);
        let mut compiled: Vec<String> = text.lines().map(str::to_owned).collect();
        compiled.sort();
        compiled
    }

    /// What a kernel consists of, as its `vmlinux` says.
    pub fn code(kernel: &Kernel) -> String {
        let vmlinux = fs::read(kernel.vmlinux().unwrap()).unwrap();
        String::from_utf8(vmlinux[elf().len()..].to_vec()).unwrap()
    }
}

/// The least that an ELF file with a build id consists of: a head, a program header, a note.
fn elf() -> Vec<u8> {
    let mut elf = vec![0; 120];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    for (at, value) in [(32, 64), (54, 56), (56, 1), (64, 4), (72, 120), (96, 36)] {
        elf[at] = value;
    }
    let words: [u32; 3] = [4, 20, 3];
    elf.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    elf.extend(b"GNU\0");
    elf.extend([0xb1; 20]);
    elf
}

/// Every file of a folder with its content.
pub fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

/// Copies a folder with everything in it, times included.
pub fn copy_folder(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

pub const STOCK_CODE: &str = "void panic(void);\nvoid cpu(void);\nvoid string(void);\n";
pub const PATCHED_CODE: &str = "int panic(void);\nvoid cpu(void);\nvoid string(void);\n";
pub const OTHER_CODE: &str = "void panic(void);\nvoid cpu(void);\nint string(void);\n";

pub const PATCH: &str =
    "--- a/kernel/panic.c\n+++ b/kernel/panic.c\n@@ -1 +1 @@\n-void panic(void);\n+int panic(void);\n";
const OTHER_PATCH: &str = "--- a/lib/string.c\n+++ b/lib/string.c\n@@ -1 +1 @@\n-void string(void);\n+int string(void);\n\
                           --- /dev/null\n+++ b/lib/new.c\n@@ -0,0 +1 @@\n+int new;\n";
