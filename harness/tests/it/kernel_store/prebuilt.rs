//! A kernel that is built already: an image and a build folder, which are only read.

use std::fs;
use std::path::{Path, PathBuf};

use harness::kernel::{
    BuildEvent, Fault, Kernel, KernelError, KernelFacts, Symbols, Without, kept_inputs, prebuilt_as_base,
};
use harness::model::KernelName;
use harness_testdata::bzimage::bzimage;
use insta::assert_snapshot;

use super::fake::{Fake, everything};

const RELEASE: &str = "6.12.57+deb13-amd64";
const VERSION: &str = "6.12.57+deb13-amd64 (debian-kernel@lists.debian.org) #1 SMP Debian 6.12.57-1 (2026-11-05)";
const CONFIG: &str =
    "# Linux/x86 6.12.57 Kernel Configuration\nCONFIG_X86=y\nCONFIG_PRINTK=y\nCONFIG_PANIC_TIMEOUT=0\n";
const MAP: &str = "ffffffff81000000 T _text\nffffffff81000100 T panic\n";
const STUB: &str = "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n";

/// A fake that has a kernel as a distribution leaves it: the image in `boot`, and `build`, which has no `vmlinux`.
fn distribution() -> Fake {
    let fake = Fake::new();
    fake.write("build/include/config/kernel.release", &format!("{RELEASE}\n"));
    fake.write("build/Module.symvers", "0x0\tpanic\tvmlinux\tEXPORT_SYMBOL\n");
    fake.write("build/.config", CONFIG);
    fake.write(
        "build/Makefile",
        "modules:\n\t@cat $(M)/*.c Module.symvers > $(M)/crashlab.ko\n\t@echo '  LD [M]  crashlab.ko'\n",
    );
    fake.write(&format!("boot/System.map-{RELEASE}"), MAP);
    fs::write(fake.path(&image()), bzimage(VERSION)).unwrap();
    fake
}

fn image() -> String {
    format!("boot/vmlinuz-{RELEASE}")
}

fn base(fake: &Fake) -> Result<String, KernelError> {
    prebuilt_as_base(&fake.project(), &fake.path(&image()), &fake.path("build"))
}

fn build(fake: &Fake, variant: &str, base: &str) -> (Result<Kernel, KernelError>, Vec<BuildEvent>) {
    let mut events = Vec::new();
    let name = KernelName { variant: variant.to_owned(), base: base.to_owned() };
    let kernel = fake.store().build(&fake.project(), &name, &mut |event| events.push(event));
    events.retain(|event| *event != BuildEvent::Waiting);
    (kernel, events)
}

/// The error of naming the kernel.
fn refused(fake: &Fake) -> String {
    let error = base(fake).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    error.to_string().replace(&fake.path("").display().to_string(), "ROOT/")
}

#[test]
fn crashlab_alone_is_built_and_nothing_is_written_to_the_folder() {
    let fake = distribution();
    let before = everything(&fake.path("build"));
    let base = base(&fake).unwrap();
    let (name, digest) = base.rsplit_once('-').unwrap();
    assert_eq!((name, digest.len()), (RELEASE, 8));
    let (kernel, events) = build(&fake, "stock", &base);
    let kernel = kernel.unwrap();
    assert_eq!(events, [BuildEvent::Module, BuildEvent::Done]);
    assert_eq!(fs::read(kernel.bzimage()).unwrap(), bzimage(VERSION));
    assert_eq!(fs::read_to_string(kernel.config()).unwrap(), CONFIG);
    assert!(fs::read(kernel.crashlab()).unwrap().starts_with(b"int crashlab;\n"));
    assert_eq!(everything(&fake.path("build")), before);

    let record = &kernel.record;
    assert_eq!((record.release.as_str(), record.source.version.full.as_str()), (RELEASE, "6.12.57"));
    assert_eq!((record.source.kind.as_str(), record.build_id.as_str()), ("prebuilt", ""));
    assert_eq!(fs::read_to_string(kernel.system_map().unwrap()).unwrap(), MAP);
    assert_eq!(kernel.vmlinux(), None);
    let prebuilt = record.prebuilt.as_ref().unwrap();
    assert!(matches!(&prebuilt.symbols, Symbols::Map(why) if why.starts_with("there is no ")), "{prebuilt:?}");
    assert_eq!((prebuilt.lacks.len(), prebuilt.modules.len()), (0, 0));
    assert!(KernelFacts::read(&kernel).unwrap().has_function("panic"));
    // Nothing of it is this run's alone.
    assert!(kept_inputs(&fake.project(), [&kernel.name()]).unwrap().is_empty());
}

/// A run can be resumed, whatever has become of the folder.
#[test]
fn a_name_stands_for_what_the_kernel_was() {
    let fake = distribution();
    let first = base(&fake).unwrap();
    let kernel = build(&fake, "stock", &first).0.unwrap();
    fake.write("build/.config", &format!("{CONFIG}CONFIG_KASAN=y\n"));
    let second = base(&fake).unwrap();
    assert_ne!(second, first);
    assert_eq!(build(&fake, "stock", &first).0.unwrap().record, kernel.record);
    assert_ne!(build(&fake, "stock", &second).0.unwrap().key, kernel.key);
    fs::remove_dir_all(fake.path("build")).unwrap();
    assert_eq!(build(&fake, "stock", &first).1, [BuildEvent::Cached]);

    // If it is not in the cache either, the name stands for nothing that is there.
    fs::remove_dir_all(&kernel.dir).unwrap();
    distribution_again(&fake, "CONFIG_KCSAN=y\n");
    let error = build(&fake, "stock", &first).0.unwrap_err().to_string();
    assert!(error.contains("it is not what it was any more when it got its name"), "{error}");
    // Another crashlab is another kernel.
    distribution_again(&fake, "");
    let kernel = build(&fake, "stock", &first).0.unwrap();
    fake.write("guest-kernel/crashlab/crashlab.c", "int crashlab2;\n");
    assert_ne!(build(&fake, "stock", &first).0.unwrap().key, kernel.key);
}

fn distribution_again(fake: &Fake, more: &str) {
    let other = distribution();
    let copied = std::process::Command::new("cp").arg("-rT").arg(other.path("build")).arg(fake.path("build")).status();
    assert!(copied.unwrap().success());
    fake.write("build/.config", &format!("{CONFIG}{more}"));
}

#[test]
fn an_entry_of_bases_may_be_one() {
    let fake = distribution();
    fake.write(
        "guest-kernel/bases.yaml",
        &format!("bases:\n  mine: {{ prebuilt: {{ image: ../{}, build: ../build }} }}\n", image()),
    );
    let kernel = build(&fake, "stock", "mine").0.unwrap();
    assert_eq!((kernel.base.as_str(), kernel.record.release.as_str()), ("mine", RELEASE));
    // By its name alone it is what the files are.
    fake.write("build/.config", &format!("{CONFIG}CONFIG_KASAN=y\n"));
    assert_ne!(build(&fake, "stock", "mine").0.unwrap().key, kernel.key);
    // A settings' variant needs no build.
    fake.write("guest-kernel/axes.yaml", "axes:\n  panic: { sysctl: kernel.panic }\n");
    assert_eq!(build(&fake, "stock+panic=1", "mine").1, [BuildEvent::Cached]);
}

#[test]
fn a_variant_that_changes_the_build_is_refused() {
    let fake = distribution();
    fake.write("guest-kernel/configs/more.config", "CONFIG_KASAN=y\n");
    fake.variant("optioned", "config: [more.config]\n", &[]);
    let base = base(&fake).unwrap();
    let refused = |variant: &str| {
        let error = build(&fake, variant, &base).0.unwrap_err();
        assert_eq!(error.fault(), Fault::Input);
        error.to_string().replace(&base, "BASE")
    };
    assert_snapshot!(refused("patched"), @"
    variant `patched` is not for base `BASE`: it has patches, and that kernel is built already

    hint: name a variant without, such as stock, or one that only sets something, as in stock+post_notifiers=1
    ");
    assert!(refused("optioned").contains("it has options of its own"));
    let built = harness::kernel::CustomBuild::keep(&fake.project(), None, &["LLVM=1".to_owned()]).unwrap();
    assert!(refused(&format!("stock{built}")).contains("it has a configuration or arguments for make of its own"));
    // What needs a source has none.
    let error = fake.store().series(&fake.project(), &KernelName { variant: "stock".into(), base }, &mut |_| {});
    assert!(error.unwrap_err().to_string().contains("it is built already, and has no source here"));
}

#[test]
fn image_and_build_folder_belong_together() {
    let fake = distribution();
    fake.write("build/include/config/kernel.release", "6.12.48+deb13-amd64\n");
    assert_snapshot!(refused(&fake), @"
    kernel ROOT/boot/vmlinuz-6.12.57+deb13-amd64: it is 6.12.57+deb13-amd64, and ROOT/build is the build folder of 6.12.48+deb13-amd64

    hint: name the build folder of this image (of a distribution's kernel: /lib/modules/RELEASE/build), or make the image anew: make bzImage modules
    ");
    // Debian's headers have the version there, and the release elsewhere.
    fake.write("build/include/config/kernel.release", "6.12.57\n");
    fake.write("build/include/generated/utsrelease.h", &format!("#define UTS_RELEASE \"{RELEASE}\"\n"));
    base(&fake).unwrap();
    fs::remove_dir_all(fake.path("build/include")).unwrap();
    assert!(refused(&fake).contains("is no build folder of a kernel: it has no include/generated/utsrelease.h"));
    fake.write("build/include/config/kernel.release", RELEASE);
    fs::remove_file(fake.path("build/Module.symvers")).unwrap();
    assert_snapshot!(refused(&fake), @"
    kernel ROOT/boot/vmlinuz-6.12.57+deb13-amd64: reading ROOT/build/Module.symvers, by which crashlab is linked: No such file or directory (os error 2)

    hint: make the modules in that folder: make modules
    ");
}

#[test]
fn a_vmlinux_is_of_the_same_build() {
    let fake = distribution();
    let vmlinux =
        |build: &str| format!("\u{7f}ELF\0Linux version {RELEASE} (debian-kernel@lists.debian.org) (gcc) {build}\n\0");
    fake.write("build/vmlinux", &vmlinux("#1 SMP Debian 6.12.57-1 (2026-11-05)"));
    let kernel = build(&fake, "stock", &base(&fake).unwrap()).0.unwrap();
    assert_eq!(kernel.record.prebuilt.as_ref().unwrap().symbols, Symbols::All);
    assert!(kernel.vmlinux().unwrap().is_file() && kernel.system_map().unwrap().is_file());

    let fake = distribution();
    fake.write("build/vmlinux", &vmlinux("#2 SMP Debian 6.12.57-1 (2026-11-06)"));
    let error = build(&fake, "stock", &base(&fake).unwrap()).0.unwrap_err().to_string();
    assert_snapshot!(error.replace(&fake.path("").display().to_string(), "ROOT/"), @"
    kernel ROOT/boot/vmlinuz-6.12.57+deb13-amd64: it is of the build `#1 SMP Debian 6.12.57-1 (2026-11-05)`, and ROOT/build/vmlinux is of the build `#2 SMP Debian 6.12.57-1 (2026-11-06)`

    hint: make the image anew (make bzImage), or name the one that was made with that vmlinux
    ");
}

#[test]
fn a_stub_is_no_map() {
    let fake = distribution();
    fake.write(&format!("boot/System.map-{RELEASE}"), STUB);
    let kernel = build(&fake, "stock", &base(&fake).unwrap()).0.unwrap();
    assert_eq!((kernel.vmlinux(), kernel.system_map()), (None, None));
    let Symbols::None(why) = &kernel.record.prebuilt.as_ref().unwrap().symbols else { panic!("{:?}", kernel.record) };
    assert_eq!(
        why.replace(&fake.path("").display().to_string(), "ROOT/"),
        "ROOT/boot/System.map-6.12.57+deb13-amd64 is a stub (Debian has the real one in linux-image-6.12.57+deb13-amd64-dbg)"
    );
    assert!(!KernelFacts::read(&kernel).unwrap().knows_symbols());
}

#[test]
fn what_is_no_image_is_refused() {
    let fake = distribution();
    let refused = |content: &[u8]| {
        fs::write(fake.path(&image()), content).unwrap();
        refused(&fake)
    };
    assert_snapshot!(refused(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0"), @"
    kernel ROOT/boot/vmlinuz-6.12.57+deb13-amd64: it is a vmlinux, the ELF file; guests boot a bzImage

    hint: it is arch/x86/boot/bzImage in a build folder, and /boot/vmlinuz-RELEASE of a distribution's kernel
    ");
    assert_snapshot!(refused(&[&[0; 0x38], b"ARM\x64".as_slice(), &[0; 0x200]].concat()), @"
    kernel ROOT/boot/vmlinuz-6.12.57+deb13-amd64: it is for arm64, and guests are x86-64 machines

    hint: name a kernel that was built with ARCH=x86_64
    ");
    assert!(refused(b"").contains("it is no bzImage"));
    fs::remove_file(fake.path(&image())).unwrap();
    let error = base(&fake).unwrap_err().to_string();
    assert!(error.contains("reading it: No such file or directory"), "{error}");
}

#[test]
fn what_a_configuration_lacks_is_refused_or_done_without() {
    let fake = distribution();
    fake.write(
        "guest-kernel/configs/required.config",
        "# The log is the evidence.\nCONFIG_PRINTK=y\n\n# crashlab is not signed.\nCONFIG_MODULE_SIG_FORCE=n\n\n\
         # Parameters come from fw_cfg.\nCONFIG_FW_CFG_SYSFS=y\n\n# Channel kdump.\nCONFIG_KEXEC_FILE=y\n",
    );
    fake.write("build/.config", &format!("{CONFIG}CONFIG_MODULE_SIG_FORCE=y\nCONFIG_FW_CFG_SYSFS=m\n"));
    assert_snapshot!(refused(&fake), @"
    kernel ROOT/boot/vmlinuz-6.12.57+deb13-amd64: nothing is possible on it, it lacks
      # CONFIG_MODULE_SIG_FORCE is not set (it is y): crashlab is not signed.
      CONFIG_FW_CFG_SYSFS=y (it is m, and no qemu_fw_cfg.ko was found): Parameters come from fw_cfg.

    hint: build it with these options, all of which `harness kconfig --required` prints
    ");

    // The module is beside the image, below lib/modules, and so is what it needs.
    fake.write("build/.config", &format!("{CONFIG}CONFIG_FW_CFG_SYSFS=m\n"));
    let modules = format!("lib/modules/{RELEASE}");
    fake.write(&format!("{modules}/modules.order"), "kernel/drivers/firmware/qemu_fw_cfg.ko\nkernel/lib/a-b.ko\n");
    fake.write(&format!("{modules}/kernel/drivers/firmware/qemu_fw_cfg.ko"), "\0depends=a_b\0");
    fake.write(&format!("{modules}/kernel/lib/a-b.ko"), "\0depends=\0");
    let kernel = build(&fake, "stock", &base(&fake).unwrap()).0.unwrap();
    let names: Vec<PathBuf> =
        kernel.modules().iter().map(|path| path.strip_prefix(&kernel.dir).unwrap().into()).collect();
    assert_eq!(names, [Path::new("modules/a_b.ko"), Path::new("modules/qemu_fw_cfg.ko")]);
    assert!(kernel.modules().iter().all(|path| path.is_file()));
    let prebuilt = kernel.record.prebuilt.as_ref().unwrap();
    assert_eq!(prebuilt.loaded, ["CONFIG_FW_CFG_SYSFS"]);
    let lacks: Vec<_> =
        prebuilt.lacks.iter().map(|lack| (lack.option.as_str(), lack.got.as_str(), lack.without)).collect();
    assert_eq!(lacks, [("CONFIG_KEXEC_FILE", "n", Without::CrashKernel)]);
    let facts = KernelFacts::read(&kernel).unwrap();
    assert!(facts.is_set("CONFIG_FW_CFG_SYSFS") && !facts.is_set("CONFIG_KEXEC_FILE"));
}

#[test]
fn a_crashlab_that_does_not_build_is_told_by_its_first_error() {
    let fake = distribution();
    fake.write("build/Makefile", "modules:\n\t@echo 'gcc-14: not found'; exit 2\n");
    let error = build(&fake, "stock", &base(&fake).unwrap()).0.unwrap_err().to_string();
    assert!(error.contains("building the fault-injection module for stock@6.12.57+deb13-amd64-"), "{error}");
    assert!(error.contains(": gcc-14: not found"), "{error}");
    let log = error.rsplit_once("the whole log is ").unwrap().1;
    assert!(fs::read_to_string(log.trim()).unwrap().contains("gcc-14: not found"), "{log}");
}
