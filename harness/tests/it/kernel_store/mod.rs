//! The kernel stage on a kernel of three files: cache, increments, locks, kills and errors, in seconds. The real one is
//! in `on_guests/kernel_build.rs`.

mod commits;
mod fake;
mod import;
mod prebuilt;
mod trees;
mod without;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use harness::kernel::{BuildEvent, CustomBuild, Fault, KernelError, Store, list_bases, list_variants};
use harness::model::KernelName;
use insta::assert_snapshot;
use rustix::process::{Signal, getpid, kill_process};

use fake::{Fake, OTHER_CODE, PATCH, PATCHED_CODE, STOCK_CODE, copy_folder};

const ALL: [&str; 3] = ["kernel/cpu.o", "kernel/panic.o", "lib/string.o"];

#[test]
fn a_kernel_is_built_once_and_found_again() {
    let fake = Fake::new();
    let (kernel, events) = fake.build("stock");
    let kernel = kernel.unwrap();
    assert!(matches!(events[0], BuildEvent::Reading { .. }));
    assert!(events.contains(&BuildEvent::Compiling { done: 4, expected: 1500 }), "{events:?}");
    assert_eq!(&events[events.len() - 2..], [BuildEvent::Module, BuildEvent::Done]);
    assert_eq!(fake.compiled(), ALL);
    for file in [kernel.bzimage(), kernel.system_map().unwrap(), kernel.config(), kernel.crashlab(), kernel.build_log()]
    {
        assert!(file.is_file(), "{}", file.display());
    }
    assert_eq!(Fake::code(&kernel), STOCK_CODE);
    assert!(fs::read(kernel.crashlab()).unwrap().starts_with(b"int crashlab;\n"));

    let (again, events) = fake.build("stock");
    assert_eq!(events, [BuildEvent::Cached]);
    assert_eq!(again.unwrap().record, kernel.record);
    assert_eq!(fake.compiled(), [""; 0]);
}

#[test]
fn the_record_says_where_a_kernel_came_from() {
    let fake = Fake::new();
    fake.variant(
        "tuned",
        "command-line: [nosmt]\nknobs: [ { sysctl: { name: kernel.panic, value: 1 } } ]\n",
        &[("1.patch", PATCH)],
    );
    let kernel = fake.kernel("tuned");
    assert_eq!((kernel.command_line.as_slice(), kernel.knobs.len()), (["nosmt".to_owned()].as_slice(), 1));
    let record = &kernel.record;
    assert_eq!((record.variant.as_str(), record.base.as_str(), record.release.as_str()), ("tuned", "6.12", "6.12.7"));
    assert_eq!((record.source.kind.as_str(), record.source.version.full.as_str()), ("tarball", "6.12.7"));
    assert_eq!(record.patches.len(), 1);
    assert_eq!((record.patches[0].name.as_str(), record.patches[0].offsets.len()), ("1.patch", 0));
    assert!(record.tools.compiler.starts_with("gcc ") && record.tools.linker.starts_with("GNU ld "));
    assert!(record.build_id.len() == 40 && record.sizes.vmlinux > record.sizes.module / 2);
    // Command line and knobs do not make another kernel: `patched` has the same content.
    assert_eq!(fake.build("patched").1, [BuildEvent::Cached]);
}

#[test]
fn only_what_a_variant_changes_is_compiled_again() {
    let fake = Fake::new();
    fake.kernel("stock");
    fake.compiled();
    let patched = fake.kernel("patched");
    assert_eq!((Fake::code(&patched).as_str(), fake.compiled()), (PATCHED_CODE, vec!["kernel/panic.o".to_owned()]));
    // The patch is taken back and the other one applied.
    let (other, events) = fake.build("other");
    assert_eq!(Fake::code(&other.unwrap()), OTHER_CODE);
    assert_eq!(fake.compiled(), ["kernel/panic.o", "lib/string.o"]);
    // The estimate is what the last such build took: one object and the link.
    assert!(events.contains(&BuildEvent::Compiling { done: 0, expected: 2 }), "{events:?}");
    assert!(fake.bench().join("tree/lib/new.c").exists());
    // A new module for the same kernel compiles nothing of the kernel.
    fake.write("guest-kernel/crashlab/crashlab.c", "int other;\n");
    let module = fake.kernel("other");
    assert_eq!((Fake::code(&module).as_str(), fake.compiled()), (OTHER_CODE, vec![]));
    assert!(fs::read(module.crashlab()).unwrap().starts_with(b"int other;\n"));
    // And back to the source, with nothing left behind.
    let stock = fake.kernel("stock");
    assert_eq!((Fake::code(&stock).as_str(), fake.compiled()), (STOCK_CODE, vec!["lib/string.o".to_owned()]));
    assert!(!fake.bench().join("tree/lib/new.c").exists());
}

#[test]
fn every_ingredient_makes_another_kernel() {
    let fake = Fake::new();
    let mut keys = vec![fake.kernel("stock").key, fake.kernel("patched").key];
    fake.write("guest-kernel/variants/patched/1.patch", &PATCH.replace("+int", "+long"));
    keys.push(fake.kernel("patched").key);
    fake.write("guest-kernel/configs/guest.config", "CONFIG_SMP=y\nCONFIG_KPROBES=y\n");
    keys.push(fake.kernel("patched").key);
    fake.write("guest-kernel/crashlab/crashlab.c", "int other;\n");
    keys.push(fake.kernel("patched").key);
    fake.write("src/top/kernel/cpu.c", "int cpu;\n");
    fake.tarball();
    keys.push(fake.kernel("patched").key);
    let different: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len());
}

#[test]
fn a_kernel_that_was_damaged_in_the_store_is_built_again() {
    let fake = Fake::new();
    let kernel = fake.kernel("stock");
    fs::remove_file(kernel.vmlinux().unwrap()).unwrap();
    let again = fake.kernel("stock");
    assert_eq!((again.key.as_str(), Fake::code(&again).as_str()), (kernel.key.as_str(), STOCK_CODE));
    fs::write(kernel.dir.join("build.json"), "{").unwrap();
    assert_eq!(Fake::code(&fake.kernel("stock")), STOCK_CODE);
}

/// The part of a test that has to die: builds a variant and kills itself at an event, if told to by its environment.
#[test]
fn child() {
    let Ok(root) = std::env::var("KERNEL_STORE_CHILD") else { return };
    let die_at: usize = std::env::var("KERNEL_STORE_DIE_AT").unwrap().parse().unwrap();
    let variant = std::env::var("KERNEL_STORE_VARIANT").unwrap();
    let mut seen = 0;
    let project = harness::project::Project::at(&root);
    let store = Store::open(&Path::new(&root).join("cache")).unwrap();
    let _ = store.build(&project, &KernelName::parse(&variant, "6.12"), &mut |_| {
        seen += 1;
        if seen == die_at {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    });
}

/// Builds in a process of its own, which is killed at the given event; 0 for one that ends by itself. `false` if it
/// did.
fn build_and_die(fake: &Fake, variant: &str, die_at: usize) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kernel_store::child"])
        .env("KERNEL_STORE_CHILD", fake.path(""))
        .env("KERNEL_STORE_VARIANT", variant)
        .env("KERNEL_STORE_DIE_AT", die_at.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    !status.success()
}

#[test]
fn whenever_it_is_killed_the_next_build_is_right() {
    let fake = Fake::new();
    let (seed, cache) = (fake.path("seed"), fake.cache());
    // From nothing, and upon another variant's tree: killed at the first event, at the second, until it survives.
    for (seeded, variant) in [(false, "patched"), (true, "other")] {
        if seeded {
            let _ = fs::remove_dir_all(&cache);
            fake.kernel("patched");
            copy_folder(&cache, &seed);
        }
        for die_at in 1.. {
            let _ = fs::remove_dir_all(&cache);
            if seeded {
                copy_folder(&seed, &cache);
            }
            let died = build_and_die(&fake, variant, die_at);
            for (variant, code) in [(variant, if seeded { OTHER_CODE } else { PATCHED_CODE }), ("stock", STOCK_CODE)] {
                let kernel = fake.kernel(variant);
                assert_eq!(Fake::code(&kernel), code, "{variant} after the kill at event {die_at}");
            }
            if !died {
                assert!(die_at > 6, "the build had only {die_at} events");
                break;
            }
        }
    }
}

/// What makes a compiler leave half an object that is newer than its source: it dies with make, and so does the
/// harness.
const DIE_WITH_EVERYBODY: &str = "rm ../trap; kill -9 $(cat ../harness) $PPID $$\n";

#[test]
fn half_an_object_is_not_taken_for_a_whole_one() {
    let fake = Fake::new();
    fake.kernel("stock");
    fake.compiled();
    let bench = fake.bench();
    // The trap needs the harness's process number, which it has only when it runs: the harness is its parent's parent.
    fs::write(bench.join("trap"), DIE_WITH_EVERYBODY.replace("$(cat ../harness)", "$(ps -o ppid= -p $PPID)")).unwrap();
    assert!(build_and_die(&fake, "patched", 0));
    let half = fs::read_to_string(bench.join("tree/kernel/panic.o")).unwrap();
    assert_eq!(half, "half\n");
    let (kernel, events) = fake.build("patched");
    assert!(events.contains(&BuildEvent::Repairing), "{events:?}");
    assert_eq!(Fake::code(&kernel.unwrap()), PATCHED_CODE);
    assert_eq!(fake.compiled(), ["kernel/panic.o"]);
}

#[test]
fn a_tree_with_a_config_of_somebody_elses_is_unpacked_anew() {
    let fake = Fake::new();
    fake.kernel("stock");
    fake.compiled();
    for config in [Some("CONFIG_OTHER=y\n"), None] {
        let path = fake.bench().join("tree/.config");
        config.map_or_else(|| fs::remove_file(&path), |config| fs::write(&path, config)).unwrap();
        let (kernel, events) = fake.build(if config.is_some() { "patched" } else { "other" });
        let config = fs::read_to_string(kernel.unwrap().config()).unwrap();
        assert_eq!(config, "CONFIG_SMP=y\nCONFIG_PRINTK=y\n");
        assert!(events.iter().any(|event| matches!(event, BuildEvent::Unpacking { .. })), "{events:?}");
        assert_eq!(fake.compiled(), ALL);
    }
}

#[test]
fn a_second_build_waits_for_the_first() {
    let fake = Fake::new();
    let (arrived, first_has_it) = mpsc::channel();
    let (go_on, released) = mpsc::channel();
    let fake = &fake;
    std::thread::scope(|scope| {
        let first = scope.spawn(move || {
            fake.store().build(&fake.project(), &KernelName::parse("patched", "6.12"), &mut |event| {
                if event == BuildEvent::Configuring {
                    arrived.send(()).unwrap();
                    released.recv().unwrap();
                }
            })
        });
        first_has_it.recv().unwrap();
        let mut waited = false;
        let second = fake.store().build(&fake.project(), &KernelName::parse("stock", "6.12"), &mut |event| {
            if event == BuildEvent::Waiting {
                waited = true;
                go_on.send(()).unwrap();
            }
        });
        assert!(waited);
        assert_eq!(Fake::code(&second.unwrap()), STOCK_CODE);
        assert_eq!(Fake::code(&first.join().unwrap().unwrap()), PATCHED_CODE);
    });
}

#[test]
fn a_build_that_outlived_its_harness_is_waited_for() {
    let fake = Fake::new();
    fake.kernel("stock");
    let bench = fake.bench();
    // The harness is killed while the compiler goes on; it ends when the next build says that it waits.
    let trap = "rm ../trap; kill -9 $(ps -o ppid= -p $PPID); until [ -e ../go-on ]; do sleep 0.05; done\n";
    fs::write(bench.join("trap"), trap).unwrap();
    assert!(build_and_die(&fake, "patched", 0));
    let mut waited = false;
    let kernel = fake.store().build(&fake.project(), &KernelName::parse("patched", "6.12"), &mut |event| {
        if event == BuildEvent::Waiting {
            waited = true;
            fs::write(bench.join("go-on"), "").unwrap();
        }
    });
    assert!(waited);
    assert_eq!(Fake::code(&kernel.unwrap()), PATCHED_CODE);
}

#[test]
fn a_cancelled_build_ends_and_the_next_goes_on() {
    let fake = Fake::new();
    let store = fake.store();
    let canceller = store.canceller();
    let result = store.build(&fake.project(), &KernelName::parse("patched", "6.12"), &mut |event| {
        if matches!(event, BuildEvent::Compiling { done: 1, .. }) {
            canceller.cancel();
        }
    });
    let error = result.unwrap_err();
    assert!(matches!(error, KernelError::Cancelled) && error.fault() == Fault::Cancelled);
    let (kernel, events) = fake.build("patched");
    assert!(!events.contains(&BuildEvent::Repairing), "{events:?}");
    assert_eq!(Fake::code(&kernel.unwrap()), PATCHED_CODE);
}

#[test]
fn unknown_names_get_the_nearest() {
    let fake = Fake::new();
    assert_snapshot!(fake.error("pached"), @r"
    no variant `pached`

    hint: did you mean `patched`? (known: other, patched, stock)
    ");
    let error = fake.store().build(&fake.project(), &KernelName::parse("stock", "6.21"), &mut |_| {}).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    assert_snapshot!(error, @r"
    no base `6.21`

    hint: did you mean `6.12`? (known: 6.12)
    ");
    let names: Vec<String> =
        list_variants(&fake.project()).all().unwrap().into_iter().map(|variant| variant.name).collect();
    assert_eq!(names, ["other", "patched", "stock"]);
    assert_eq!(list_bases(&fake.project()).all().unwrap().len(), 1);
}

#[test]
fn a_variant_for_other_kernels_is_refused_whether_or_not_it_is_in_the_store() {
    let fake = Fake::new();
    let range = "series: [ { bases: { from: \"5.10\", to: \"6.6\" } } ]\n";
    fake.variant("old", range, &[]);
    assert_snapshot!(fake.error("old"), @r"
    variant `old` is not for base `6.12`: that is Linux 6.12.7, the variant is for 5.10 to 6.6

    hint: choose another base, or give it a series for that one in its variant.yaml
    ");
    fake.kernel("stock");
    assert!(fake.error("old").contains("is not for base"));
}

#[test]
fn a_patch_that_does_not_fit_leaves_the_tree_alone() {
    let fake = Fake::new();
    fake.kernel("stock");
    fake.compiled();
    fake.variant("wrong", "", &[("1.patch", PATCH), ("2.patch", &PATCH.replace("-void panic", "-long panic"))]);
    assert_snapshot!(fake.error("wrong"), @r"
    patch ROOT/guest-kernel/variants/wrong/2.patch: hunk 1 of 1 of kernel/panic.c does not apply

    @@ -1 +1 @@
    -long panic(void);
    +int panic(void);

    hint: the kernel already has this patch; drop it from the series or limit `bases`
    ");
    assert_eq!(fs::read_to_string(fake.bench().join("tree/kernel/panic.c")).unwrap(), "void panic(void);\n");
    fake.kernel("patched");
    assert_eq!(fake.compiled(), ["kernel/panic.o"]);
}

#[test]
fn a_kernel_that_does_not_compile_shows_the_first_error() {
    let fake = Fake::new();
    fake.variant("broken", "", &[("1.patch", &PATCH.replace("+int panic(void);", "+#error no such luck"))]);
    assert_snapshot!(fake.error("broken"), @r"
    building broken@6.12: kernel/panic.c:1:2: error: #error no such luck
          1 | #error no such luck

    hint: the whole log is BENCH/logs/broken.log
    ");
    // What was compiled is good, and what was not is compiled by the next one.
    assert_eq!(Fake::code(&fake.kernel("patched")), PATCHED_CODE);
}

/// The state that the build before the failed one left says nothing about the tree any more.
#[test]
fn a_build_that_failed_leaves_its_configuration_to_nobody() {
    let fake = Fake::new();
    fake.kernel("stock");
    fake.write("guest-kernel/configs/more.config", "CONFIG_MORE=y\n");
    let patch = PATCH.replace("+int panic(void);", "+#error no such luck");
    fake.variant("broken", "config: [more.config]\n", &[("1.patch", &patch)]);
    assert!(fake.error("broken").contains("no such luck"));
    let config = fs::read_to_string(fake.kernel("patched").dir.join("config")).unwrap();
    assert_eq!(config, "CONFIG_SMP=y\nCONFIG_PRINTK=y\n");
}

#[test]
fn options_that_are_not_granted_are_listed() {
    let fake = Fake::new();
    fake.write("guest-kernel/configs/more.config", "CONFIG_NOBODY_HAS_THIS=y\nCONFIG_NOBODY_HAS_THAT=8\n");
    fake.write("src/top/fs/Kconfig", "config NOBODY_HAS_THIS\n\tbool \"x\"\n\tdepends on MOON\n");
    fake.tarball();
    fake.variant("greedy", "config: [more.config]\n", &[]);
    assert_snapshot!(fake.error("greedy"), @r"
    configuring greedy@6.12: 2 options are not as asked for
      CONFIG_NOBODY_HAS_THIS: asked y, got n (ROOT/guest-kernel/configs/more.config:1)
        fs/Kconfig:1: it depends on MOON
      CONFIG_NOBODY_HAS_THAT: asked 8, got n (ROOT/guest-kernel/configs/more.config:2)
        this kernel has no such option; did you mean CONFIG_NOBODY_HAS_THIS?

    hint: ask for what is missing in a config fragment, or ask for less
    ");
    fake.write("guest-kernel/configs/more.config", "CONFIG_BREAKS_KCONFIG=y\n");
    assert_snapshot!(fake.error("greedy"), @r"
    configuring greedy@6.12: init/Kconfig:1: syntax error

    hint: the whole log is BENCH/logs/greedy.log
    ");
}

#[test]
fn a_full_disk_is_told_as_such() {
    let fake = Fake::new();
    fake.variant("full", "", &[("1.patch", &PATCH.replace("+int panic(void);", "+#full"))]);
    let (result, _) = fake.build("full");
    let error = result.unwrap_err();
    assert!(matches!(error, KernelError::DiskFull { .. }) && error.fault() == Fault::Host, "{error}");
    let free = regex::Regex::new(r"[0-9.]+ [GM]iB are free").unwrap();
    let text = error.to_string().replace(&fake.path("").display().to_string(), "ROOT/");
    let text = regex::Regex::new("workbench/[0-9a-f]{12}").unwrap().replace_all(&text, "BENCH").into_owned();
    assert_snapshot!(free.replace(&text, "FREE are free"), @r"
    building full@6.12 in ROOT/cache/BENCH/logs/full.log: the disk is full: FREE are free there, a kernel's workbench takes up to 2.5 GiB

    hint: make room, or set XDG_CACHE_HOME to a folder on a larger disk
    ");
}

#[test]
fn a_module_that_is_not_there_is_told_so() {
    let fake = Fake::new();
    fs::remove_dir_all(fake.path("guest-kernel/crashlab")).unwrap();
    assert_snapshot!(fake.error("stock"), @r"
    there is no Makefile in ROOT/guest-kernel/crashlab

    hint: the fault-injection module is part of the project; restore the folder
    ");
}

#[test]
fn a_cache_that_cannot_be_written_is_told_so() {
    let fake = Fake::new();
    fake.write("cache", "a file");
    let error = Store::open(&fake.cache()).unwrap_err();
    assert_eq!(error.fault(), Fault::Host);
    assert_snapshot!(error.to_string().replace(&fake.path("").display().to_string(), "ROOT/"), @r"
    opening the build cache ROOT/cache: Not a directory (os error 20)

    hint: check the permissions, or set XDG_CACHE_HOME to a folder that can be written
    ");
}

#[test]
fn a_kernel_of_ones_own_configuration_and_arguments_is_another_one_with_a_workbench_of_its_own() {
    let fake = Fake::new();
    let stock = fake.kernel("stock");
    let keep = |text: &str, arguments: &[&str]| {
        fake.write("given.config", text);
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        CustomBuild::keep(&fake.project(), Some(&fake.path("given.config")), &arguments).unwrap()
    };
    let config = |suffix: &str| {
        let kernel = fake.kernel(&format!("stock{suffix}"));
        assert_ne!(kernel.key, stock.key);
        (fs::read_to_string(kernel.config()).unwrap(), kernel)
    };
    let (fragment, _) = config(&keep("CONFIG_KASAN=y\nCONFIG_PRINTK=n\nCONFIG_GCC_VERSION=1\n", &[]));
    assert_eq!(fragment, "CONFIG_SMP=y\nCONFIG_KASAN=y\nCONFIG_PRINTK=y\n");
    let (whole, kernel) =
        config(&keep("CONFIG_X86=y\nCONFIG_64BIT=y\nCONFIG_EXTRA_FIRMWARE=\"x.bin\"\n", &["KCFLAGS=-O3"]));
    assert_eq!(whole, "CONFIG_X86=y\nCONFIG_64BIT=y\nCONFIG_EXTRA_FIRMWARE=\"\"\nCONFIG_PRINTK=y\n");
    assert_eq!(kernel.record.arguments, ["KCFLAGS=-O3"]);
    assert!(fs::read(kernel.crashlab()).unwrap().ends_with(b"-O3\n"), "make was told");
    assert_eq!(fs::read_dir(fake.cache().join("workbench")).unwrap().count(), 3);
}
