//! Guests that do not behave, in virtual time, and what they are made of. What befalls the harness itself is in
//! `faults/`.

use crate::common::{Project, text};

/// A scenario of one actor or more, for the test's own project.
fn scenario(name: &str, rest: &str) -> String {
    let expect = "expect:\n  - { channel: console, outcome: saved }\n";
    format!("name: {name}\ntitle: a test\nwhy: a test\nsource: this test\n{rest}{expect}")
}

fn trial(project: &Project, scenario: &str) -> serde_json::Value {
    project.json(&["trial", scenario, "--time", "virtual", "--seed", "1", "--format", "json"], 0)
}

#[test]
fn a_cache_behind_a_link_and_a_relative_qemu_will_do() {
    let project = Project::new();
    let cache = harness::project::cache_dir();
    std::os::unix::fs::symlink(cache.parent().unwrap(), project.path().join("linked-cache")).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let qemu = std::env::split_paths(&path).map(|folder| folder.join("qemu-system-x86_64")).find(|path| path.is_file());
    std::os::unix::fs::symlink(qemu.unwrap(), project.path().join("qemu")).unwrap();
    let mut harness =
        project.harness(&["trial", "panic-alone", "--time", "virtual", "--seed", "1", "--qemu", "./qemu"]);
    let output = harness.env("XDG_CACHE_HOME", project.path().join("linked-cache")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let timeline = project.results().join("latest/artifacts/00000/timeline.json");
    assert!(timeline.is_file(), "the tracer was called: {}", text(&output.stderr));
}

#[test]
fn a_guest_that_does_not_end_is_hung_and_its_evidence_counts() {
    let project = Project::new();
    // With a timeout of 0, panic() ends in an endless loop, after the dump.
    let knob = "knobs:\n  - sysctl: { name: kernel.panic, value: 0 }\n";
    let actors = "actors:\n  - panic: { name: panic, cpu: 0, at: 0ms }\n";
    project.write("scenarios/panic-for-ever.yaml", &scenario("panic-for-ever", &format!("{knob}{actors}")));
    let record = trial(&project, "panic-for-ever");
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &true.into()), "{record:#}");
    assert_eq!(record["channels"]["pstore"]["outcome"], "saved", "{record:#}");
    // Long before its deadline, which in virtual time is minutes of the host's away.
    let by = record["hung_by"].as_str().unwrap();
    assert!(by.starts_with("quiet "), "{record:#}");

    // Each vCPU was looked at and is named by the kernel's symbols: the others were stopped, CPU 0 waits in panic()'s
    // loop, or takes an interrupt there, but hardly at every look.
    let cpus = record["hung_at"].as_array().unwrap();
    let looks = |cpu: &serde_json::Value| -> Vec<String> { serde_json::from_value(cpu["at"].clone()).unwrap() };
    assert_eq!(cpus.iter().map(|cpu| cpu["cpu"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3], "{record:#}");
    for cpu in &cpus[1..] {
        let stopped = |at: &String| {
            at.starts_with("stop_this_cpu+")
                && at.contains(" < asm_sysvec_reboot+")
                && at.contains(" < do_idle+")
                && at.ends_with(", halted, interrupts off")
        };
        assert!(looks(cpu).iter().all(stopped), "{record:#}");
    }
    let panicking = looks(&cpus[0]);
    let waits = |at: &String| ["delay_tsc+", "__const_udelay+", "panic+"].iter().any(|name| at.starts_with(name));
    assert!(panicking.iter().any(waits) && panicking.iter().all(|at| !at.contains("halted")), "{record:#}");
    let called =
        |at: &String| at.contains("panic+") && at.contains("actor_thread+") && at.contains(" [crashlab] < kthread+");
    assert!(panicking.iter().any(called), "{record:#}");

    // What it did before is seen all the same.
    let timeline = project.results().join("latest/artifacts/00000/timeline.json");
    let timeline: serde_json::Value = serde_json::from_slice(&std::fs::read(timeline).unwrap()).unwrap();
    let last = timeline["events"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["step"], &last["edge"]), (&"console_flush_on_panic".into(), &"end".into()), "{timeline:#}");

    let registers = project.results().join("latest/artifacts/00000/registers.txt");
    assert_eq!(std::fs::read_to_string(registers).unwrap().matches("RIP=").count(), 12, "4 vCPUs, 3 times");
}

#[test]
fn a_wait_that_the_kernel_bounds_is_no_hang() {
    let project = Project::new();
    // CPU 1 spins in an NMI, and takes no other. Before the stop all CPUs are to print where they are (`panic_print`), for
    // which nmi_trigger_cpumask_backtrace() waits ten seconds for nothing; a guest may be quiet for three.
    let rest = "knobs:\n  - parameter: { module: kernel, name: panic_print, value: 64 }\nactors:\n  \
                - spin: { name: spin, cpu: 1, in: nmi, for: forever, at: 0ms }\n  \
                - panic: { name: panic, cpu: 0, after: { actor: spin, delay: 5ms } }\n";
    project.write("scenarios/in-vain.yaml", &scenario("in-vain", rest));
    let record = trial(&project, "in-vain");
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &false.into()), "{record:#}");
    assert_eq!(record["channels"]["pstore"]["outcome"], "saved", "{record:#}");
}

#[test]
fn the_seconds_before_a_reset_are_no_hang_even_beyond_the_deadline() {
    let project = Project::new();
    let rest =
        "guest: { command-line: [panic=10] }\ndeadline: 4s\nactors:\n  - panic: { name: panic, cpu: 0, at: 0ms }\n";
    project.write("scenarios/later.yaml", &scenario("later", rest));
    let record = trial(&project, "later");
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &false.into()), "{record:#}");
    let timeline = project.results().join("latest/artifacts/00000/timeline.json");
    let timeline: serde_json::Value = serde_json::from_slice(&std::fs::read(timeline).unwrap()).unwrap();
    // emergency_restart() has the log dumped once more.
    let mut events = timeline["events"].as_array().unwrap().iter();
    assert!(events.any(|event| event["step"] == "emergency_restart"), "{timeline:#}");
}

#[test]
fn the_seconds_before_a_reset_that_are_built_in_are_no_hang() {
    let project = Project::new();
    let arguments = [
        "trial",
        "panic-alone",
        "--variant",
        "panic-timeout-10",
        "--time",
        "virtual",
        "--seed",
        "1",
        "--format",
        "json",
    ];
    let record = project.json(&arguments, 0);
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &false.into()), "{record:#}");
    let console = project.results().join("latest/artifacts/00000/console.log");
    let console = std::fs::read_to_string(console).unwrap();
    assert!(console.contains("Rebooting in 10 seconds.."), "nobody told it anything else: {console}");
}

#[test]
fn a_notifier_that_hangs_is_no_wait_of_panics_but_a_scenario_may_say_that_it_comes_back() {
    let project = Project::new();
    let rest = "guest: { command-line: [panic=10] }\ndeadline: 60s\nactors:\n  \
                - spin: { name: spin, cpu: 0, in: notifier, for: forever }\n  \
                - panic: { name: panic, cpu: 0, at: 0ms }\n";
    project.write("scenarios/hangs.yaml", &scenario("hangs", rest));
    let record = trial(&project, "hangs");
    assert_eq!(record["hung"], true, "{record:#}");
    assert!(record["hung_by"].as_str().unwrap().starts_with("quiet "), "{record:#}");
    let turns = |record: &serde_json::Value| {
        assert_eq!(record["stamps"][0]["actor"], "spin", "{record:#}");
        let page = std::fs::read(project.results().join("latest/artifacts/00000/stamps.bin")).unwrap();
        // The turns that the first actor has done so far, see docs/crashlab.md.
        u64::from_le_bytes(page[120..128].try_into().unwrap())
    };
    let without = turns(&record);
    // It does not come back, but is given the time. The chain is called by a function into which the compiler has put it.
    let waits = "waits: [{ function: atomic_notifier_call_chain, at-most: 8s }]\n";
    project.write("scenarios/waits.yaml", &scenario("waits", &format!("{waits}{}", rest.replace("60s", "10s"))));
    let record = trial(&project, "waits");
    assert_eq!(record["hung"], true, "{record:#}");
    // The wait is over after twice its eight seconds, beyond the deadline, which is put off: it is the silence after it that
    // tells, and not the deadline.
    assert!(record["hung_by"].as_str().unwrap().starts_with("quiet "), "{record:#}");
    assert!(
        turns(&record) > 4 * without,
        "three seconds without that, more than sixteen with it: {without} {record:#}"
    );
}

#[test]
fn a_deadlock_is_recognised_and_shown_by_who_called_whom() {
    let project = Project::new();
    // CPU 1 holds the spin lock inside of the console's semaphore for ever; panic() prints.
    let actors = "actors:\n  - hold: { name: hold, cpu: 1, lock: console-sem, in: irqs-off, for: forever, at: 0ms }\n  \
                  - panic: { name: panic, cpu: 0, after: { actor: hold, delay: 5ms } }\n";
    project.write("scenarios/deadlock.yaml", &scenario("deadlock", actors));
    let record = trial(&project, "deadlock");
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &true.into()), "{record:#}");
    assert!(record["hung_by"].as_str().unwrap().starts_with("quiet "), "{record:#}");
    let at = |cpu: usize| record["hung_at"][cpu]["at"][2].as_str().unwrap();
    let names = |cpu: usize| at(cpu).split(" < ").map(|at| at.split('+').next().unwrap()).collect::<Vec<_>>();
    let waits = ["queued_spin_lock_slowpath", "_raw_spin_lock_irqsave", "down_trylock", "console_trylock"];
    assert!(names(0)[0].ends_with(waits[0]), "{record:#}");
    assert_eq!(names(0)[1..4], waits[1..], "{record:#}");
    assert!(names(0).contains(&"panic") && names(1).contains(&"cl_act"), "{record:#}");
    assert!([at(0), at(1)].iter().all(|at| at.ends_with(", interrupts off")), "{record:#}");
}

#[test]
fn a_guest_that_nothing_can_wake_is_hung_at_once() {
    let project = Project::new();
    // The thread that panics dies of an oops in the dumper. Its CPU goes on without it: it idles, and its timer is off.
    let actors = "actors:\n  - oops: { name: bug, cpu: 0, in: dumper }\n  - panic: { name: panic, cpu: 0, at: 0ms }\n";
    project.write("scenarios/asleep.yaml", &scenario("asleep", actors));
    // Where turns are drawn, a timer that ends them keeps the clock going, and the guest is found by its silence.
    let arguments = ["trial", "asleep", "--time", "virtual", "--phase", "fixed", "--seed", "1", "--format", "json"];
    let record = project.json(&arguments, 0);
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &true.into()), "{record:#}");
    assert!(record["hung_by"].as_str().unwrap().starts_with("all halted: "), "{record:#}");
}

#[test]
fn an_nmi_from_outside_comes_when_it_is_due() {
    let project = Project::new();
    let rest = "panic-line: \"NMI: Not continuing\"\nknobs:\n  - sysctl: { name: kernel.unknown_nmi_panic, value: 1 }\n\
                actors:\n  - spin: { name: spin, cpu: 0, in: irqs-off, for: 10s, at: 0ms }\n  \
                - nmi: { name: nmi, cpu: 0, after: { actor: spin, delay: 20ms } }\n";
    project.write("scenarios/nmi.yaml", &scenario("nmi", rest));
    for time in ["virtual", "real"] {
        let record = project.json(&["trial", "nmi", "--time", time, "--seed", "1", "--format", "json"], 0);
        assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &false.into()), "{record:#}");
        assert_eq!(record["channels"]["console"]["outcome"], "saved", "{record:#}");
        let entered = |actor: usize| record["stamps"][actor]["entered_us"].as_u64().unwrap();
        // Not before it was due; how much later depends on the host.
        assert!(entered(1) >= entered(0) + 20_000, "{record:#}");
    }
}

/// The kernel's `udelay()` takes no more than a quarter of a second.
#[test]
fn messages_with_interrupts_off_may_be_far_apart() {
    let project = Project::new();
    let actors = "actors:\n  - print: { name: print, cpu: 1, in: irqs-off, count: 3, every: 400ms, at: 0ms }\n  \
                  - panic: { name: panic, cpu: 0, after: { actor: print, edge: left } }\n";
    project.write("scenarios/slowly.yaml", &scenario("slowly", actors));
    let record = trial(&project, "slowly");
    let stamp = |name: &str| record["stamps"][0][name].as_u64().unwrap();
    assert!(stamp("left_us") - stamp("entered_us") >= 1_100_000, "{record:#}");
}

#[test]
fn the_memory_of_a_guest_that_hangs_is_read_too() {
    let project = Project::new();
    let guest = "guest: { pstore: { ramoops: { ecc: 16 } } }\n";
    let knob = "deadline: 2s\nknobs:\n  - sysctl: { name: kernel.panic, value: 0 }\n";
    let actors = "actors:\n  - panic: { name: panic, cpu: 0, at: 0ms }\n";
    project.write("scenarios/for-ever.yaml", &scenario("for-ever", &format!("{guest}{knob}{actors}")));
    let record = trial(&project, "for-ever");
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &true.into()), "{record:#}");
    for channel in ["console", "pstore", "pstore-console"] {
        assert_eq!(record["channels"][channel]["outcome"], "saved", "{record:#}");
    }
}

#[test]
fn the_next_boot_reads_what_either_back_end_kept() {
    let project = Project::new();
    let actors = "actors:\n  - panic: { name: panic, cpu: 0, at: 0ms }\n";
    let ramoops = "guest: { pstore: { ramoops: { ecc: 16 } } }\n";
    project.write("scenarios/in-erst.yaml", &scenario("in-erst", actors));
    project.write("scenarios/in-ramoops.yaml", &scenario("in-ramoops", &format!("{ramoops}{actors}")));
    for (name, file) in [("in-erst", "dmesg-erst-"), ("in-ramoops", "dmesg-ramoops-0:\nPanic#1 Part1\n")] {
        let arguments = ["trial", name, "--read-back", "--time", "virtual", "--seed", "1", "--format", "json"];
        let record = project.json(&arguments, 0);
        assert_eq!(record["channels"]["pstore"]["outcome"], "saved", "{record:#}");
        let latest = project.results().join("latest");
        let found = std::fs::read_to_string(latest.join("artifacts/00000/next-boot.txt")).unwrap();
        assert!(found.contains(file) && found.contains("Panic#1 Part1\n"), "{found}");
        let info = std::fs::read_to_string(latest.join("run.json")).unwrap();
        assert!(info.contains("\"read_back\": true"), "{info}");
    }
}

#[test]
fn all_cpus_have_one_delay_loop() {
    let project = Project::new();
    // In real time, and booted: each CPU would time its own loop while it boots, and get another result. On those
    // results depends how long a hold lasts beside the kernel's own second of grace.
    let arguments = ["trial", "panic-alone", "--cold", "--seed", "1", "--format", "json"];
    project.json(&arguments, 0);
    let console = std::fs::read(project.results().join("latest/artifacts/00000/console.log")).unwrap();
    let console = text(&console);
    let bogomips = |before: &str| -> f64 {
        let line = console.lines().find(|line| line.contains(before)).unwrap_or_else(|| panic!("{before}: {console}"));
        let figure = line.split(" BogoMIPS").next().unwrap();
        figure.rsplit([' ', '(']).next().unwrap().parse().unwrap()
    };
    let (one, all) = (bogomips("Calibrating delay loop"), bogomips("processors activated"));
    // Each CPU's figure is cut to hundredths.
    assert!((all - 4.0 * one).abs() < 0.1, "CPU 0: {one} BogoMIPS, all four: {all}");
}

#[test]
fn faults_that_do_not_meet_are_missed() {
    let project = Project::new();
    // The hold is over long before the panic.
    let rest = "actors:\n  - spin: { name: dump, cpu: 1, in: backend-write, for: 1ms }\n  - oops: { name: oops, cpu: 1, at: 0ms }\n  \
                - panic: { name: panic, cpu: 0, after: { actor: dump, edge: left, delay: 20ms } }\n\
                meet:\n  - enters-during: { actor: panic, of: dump }\n";
    project.write("scenarios/too-late.yaml", &scenario("too-late", rest));
    let record = trial(&project, "too-late");
    assert_eq!(record["outcome"], "missed", "{record:#}");
    assert!(record["reason"].as_str().unwrap().contains("panic"), "{record:#}");
}

#[test]
fn a_kernel_that_never_gets_to_the_agent_is_shown_with_its_console() {
    let project = Project::new();
    let variant = "name: no-init\ntitle: a test\nclaim: none\nsource: this test\ncommand-line: [rdinit=/nowhere]\n";
    project.write("guest-kernel/variants/no-init/variant.yaml", variant);
    let output = project.run(&["run", "--scenario", "panic-alone", "--variant", "no-init"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("kernel no-init@6.12") && said.contains("No working init found"), "{said}");
}
