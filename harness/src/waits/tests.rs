use super::*;
use crate::project::Project;

fn known(version: &str) -> Waits {
    let project = Project::find(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the checkout");
    WaitSet::load(&project.waits()).expect("it is in order").of(&version.parse().expect("a version"))
}

/// The waits of a stack, written as in `delay_tsc < panic`.
fn of(waits: &Waits, stack: &str) -> Vec<String> {
    let stack: Vec<&str> = stack.split(" < ").collect();
    waits.of_stack(&stack).into_iter().map(|(_, function)| function.to_owned()).collect()
}

fn read(text: &str) -> Result<WaitSet, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("waits.yaml");
    std::fs::write(&path, text).expect("it can be written");
    WaitSet::load(&path).map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

#[test]
fn waits_are_known_by_the_functions_on_a_stack() {
    let waits = known("6.12");
    let stop = "delay_tsc < __const_udelay < native_stop_other_cpus < panic < cl_actor_thread";
    assert_eq!(of(&waits, stop), ["native_stop_other_cpus"]);
    assert_eq!(of(&waits, "delay_tsc < nmi_shootdown_cpus.part.0 < panic"), ["nmi_shootdown_cpus"]);
    assert!(of(&waits, "not_native_stop_other_cpus < panic_other").is_empty());
    assert!(of(&waits, "smp_call_function_many_cond < on_each_cpu_cond_mask").is_empty());
}

#[test]
fn panic_waits_itself_and_not_what_it_calls() {
    for (version, stack, function) in [
        ("5.10", "delay_tsc < __const_udelay < panic < cl_actor_thread", "panic"),
        ("7.2", "delay_tsc < __const_udelay < vpanic < panic < cl_actor_thread", "vpanic"),
        ("6.12", "panic < cl_actor_thread", "panic"),
    ] {
        assert_eq!(of(&known(version), stack), [function], "{version}");
    }
    // A notifier that waits for ever, by delays or without.
    for stack in
        ["delay_tsc < __const_udelay < notifier < notifier_call_chain < panic", "queued_spin_lock_slowpath < panic"]
    {
        assert!(of(&known("6.12"), stack).is_empty(), "{stack}");
    }
}

#[test]
fn how_long_panic_waits_is_what_its_variable_says() {
    let waits = known("6.12");
    let [(panic, _)] = waits.of_stack(&["panic"])[..] else { panic!("one wait") };
    let Lasts::SecondsIn(variable) = &panic.lasts else { panic!("a variable") };
    assert_eq!((variable.name.as_str(), variable.bytes), ("panic_timeout", 4));
    let at_most = |bytes: [u8; 4]| panic.at_most(variable.value(&bytes));
    assert_eq!(at_most(10i32.to_le_bytes()), Some(Duration::from_secs(10)));
    // For ever, not at all, longer than anybody looks.
    for endless in [0i32, -1, i32::MIN, 3601, i32::MAX] {
        assert_eq!(at_most(endless.to_le_bytes()), None, "{endless}");
    }
    assert_eq!(panic.at_most(variable.value(&[10, 0])), None, "too few bytes");
    assert_eq!(panic.at_most(None), None, "a kernel without it");
}

#[test]
fn what_counts_turns_is_given_longer() {
    let waits = known("6.12");
    let over_after = |function: &str| {
        let [(wait, _)] = waits.of_stack(&[function])[..] else { panic!("one wait") };
        let at_most = wait.at_most(None).expect("a fixed time");
        (at_most, wait.over_after(at_most).as_millis())
    };
    assert_eq!(over_after("native_stop_other_cpus"), (Duration::from_millis(1010), 20_200));
    assert_eq!(over_after("crash_smp_send_stop"), (Duration::from_secs(1), 2000));
}

#[test]
fn waits_are_for_the_kernels_that_have_them() {
    let flush = "__pr_flush < panic_flush";
    assert!(of(&known("5.10"), flush).is_empty());
    assert_eq!(of(&known("6.1"), flush), ["__pr_flush"]);
    let set = "delays: []\nwaits:\n  - { functions: [f], for: 1s, until: \"6.1\", source: s }\nwatchdogs: []\n";
    let set = read(set).expect("it is in order");
    let has = |version: &str| !set.of(&version.parse().expect("a version")).functions.is_empty();
    assert_eq!(["5.10", "6.1", "6.2"].map(has), [true, true, false]);
}

#[test]
fn a_scenario_adds_to_them() {
    let waits = known("6.12").with("my_notifier".to_owned(), Duration::from_secs(20));
    let [(wait, function)] = waits.of_stack(&["delay_tsc", "my_notifier", "notifier_call_chain", "panic"])[..] else {
        panic!("one wait")
    };
    assert_eq!((wait.at_most(None), function), (Some(Duration::from_secs(20)), "my_notifier"));
}

#[test]
fn a_watchdog_is_given_its_time_if_the_kernel_is_to_panic() {
    let waits = known("6.12");
    let soft = waits.watchdogs.iter().find(|it| it.switch.name == "softlockup_panic").expect("it is known");
    assert_eq!(soft.at_most(1, 10), Some(Duration::from_secs(30)));
    // Kernels that have a count in place of a switch.
    assert_eq!(soft.at_most(2, 10), Some(Duration::from_secs(60)));
    for (switch, after) in [(0, 10), (-1, 10), (1, 0), (1, -1), (1, i64::MAX), (i64::MAX, 2), (1, 1201)] {
        assert_eq!(soft.at_most(switch, after), None, "{switch} {after}");
    }
    let hung = waits.watchdogs.iter().find(|it| it.after.bytes == 8).expect("it is known");
    // The switch is a number of tasks there, and does not multiply the time.
    assert_eq!([1, 3].map(|tasks| hung.at_most(tasks, 120)), [Some(Duration::from_secs(240)); 2]);
    assert_eq!(hung.after.value(&120u64.to_le_bytes()), Some(120));
    assert!(waits.variables().any(|variable| variable.name == "panic_timeout"));
}

#[test]
fn mistakes_in_the_file_are_told() {
    let wait = |keys: &str| read(&format!("delays: []\nwaits:\n  - {{ functions: [f], {keys} }}\nwatchdogs: []\n"));
    for (keys, cause) in [
        ("for: soon, source: s", "that is no duration"),
        ("source: s", "how long they wait is not said in one way"),
        ("for: 1s, seconds-in: { int: v }, source: s", "how long they wait is not said in one way"),
        ("for: 1s, source: \" \"", "where that is known from is not said"),
        ("for: 1s, since: six, source: s", "`six` is not a kernel version such as 6.12"),
    ] {
        let error = wait(keys).expect_err(keys);
        assert!(error.ends_with(cause), "{keys}: {error}");
    }
}
