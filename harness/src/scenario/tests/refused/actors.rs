//! Actors, and a guest, with which no trial could be run.

use insta::assert_snapshot;

use super::super::said_of;
use super::{GOOD, with};

#[test]
fn unknown_actors() {
    assert_snapshot!(with("actor: dump, edge", "actor: dmup, edge"), @"
    reading scenarios/bad.yaml: no actor `dmup`
       --> scenarios/bad.yaml:16:51
       |
    16 |   - panic: { name: panic, cpu: 0, after: { actor: dmup, edge: entered, delay: 50ms } }
       |                                                   ^^^^

    hint: did you mean `dump`? (known: dump, oops, panic)
    ");
    assert_snapshot!(with("of: dump", "of: spin"), @"
    reading scenarios/bad.yaml: no actor `spin`
       --> scenarios/bad.yaml:18:40
       |
    18 |   - enters-during: { actor: panic, of: spin }
       |                                        ^^^^

    hint: known: dump, oops, panic
    ");
    assert_snapshot!(with("of: dump", "of: panic"), @"
    reading scenarios/bad.yaml: an actor cannot enter during itself
       --> scenarios/bad.yaml:18:40
       |
    18 |   - enters-during: { actor: panic, of: panic }
       |                                        ^^^^^
    ");
}

#[test]
fn the_guest() {
    assert_snapshot!(with("cpus: 4", "cpus: 9"), @"
    reading scenarios/bad.yaml: a guest has 1 to 8 CPUs
      --> scenarios/bad.yaml:5:16
      |
    5 | guest: { cpus: 9, memory: 256MiB }
      |                ^
    ");
    assert_snapshot!(with("cpu: 0, after", "cpu: 4, after"), @"
    reading scenarios/bad.yaml: the guest has no CPU 4
       --> scenarios/bad.yaml:16:32
       |
    16 |   - panic: { name: panic, cpu: 4, after: { actor: dump, edge: entered, delay: 50ms } }
       |                                ^

    hint: CPUs count from 0; the guest has 4
    ");
}

/// The cause and the hint.
fn in_short(said: &str) -> (String, String) {
    let hint = said.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_default().to_owned();
    (said.lines().next().unwrap().rsplit_once("bad.yaml: ").unwrap().1.to_owned(), hint)
}

#[test]
fn cpus_that_are_not_online() {
    for (from, to, cause, hint) in [
        ("cpus: 4", "cpus: 4, online: 5", "of the guest's 4 CPUs 1 to 4 can be online", ""),
        (
            "cpus: 4",
            "cpus: 4, online: 2, command-line: [maxcpus=3]",
            "the command line says how many CPUs are online as well",
            "leave one of the two out",
        ),
        (
            "cpus: 4",
            "cpus: 4, command-line: [maxcpus=1]",
            "CPU 1 is not online",
            "of the guest's 4 CPUs 1 are online when its actors are armed",
        ),
        (
            "cpu: 0, after",
            "cpu: $hold, after",
            "`0ms` cannot be a CPU",
            "it is the number of a CPU, `any-other`, `all-others` or `all`",
        ),
        ("cpu: 0, after", "cpu: $no, after", "no parameter `no`", "known: hold, post"),
        ("cpus: 4", "cpus: 4, kdump: loaded, online: 2, reload-crash-kernel-on: 2", "CPU 2 is not online", ""),
    ] {
        assert_eq!(in_short(&with(from, to)), (cause.to_owned(), hint.to_owned()), "{to}");
    }
}

#[test]
fn consoles_that_cannot_be() {
    let set = "is set by the harness, which has to see what consoles show";
    let hint = "say which ones it has beside `ttyS0`: `guest: { consoles: [earlycon, netconsole] }`";
    for (from, to, cause, hint) in [
        ("cpus: 4", "cpus: 4, consoles: [netconsole, netconsole]", "`netconsole` is there twice".to_owned(), ""),
        ("cpus: 4", "cpus: 4, command-line: [\"console=ttyS1,115200\"]", format!("`console` {set}"), hint),
        ("cpus: 4", "cpus: 4, command-line: [keep_bootcon]", format!("`keep_bootcon` {set}"), hint),
        (
            "channel: pstore",
            "channel: earlycon",
            "the guest's kernel has no earlycon".to_owned(),
            "give it one: `guest: { consoles: [earlycon] }`",
        ),
    ] {
        assert_eq!(in_short(&with(from, to)), (cause, hint.to_owned()), "{to}");
    }
    assert_snapshot!(with("cpus: 4", "cpus: 4, consoles: [ttyS1]"), @"
    reading scenarios/bad.yaml: `guest.consoles[0]` cannot be `ttyS1`
      --> scenarios/bad.yaml:5:30
      |
    5 | guest: { cpus: 4, consoles: [ttyS1], memory: 256MiB }
      |                              ^^^^^

    hint: known: earlycon, netconsole
    ");
}

#[test]
fn cpus_that_cannot_be_switched() {
    let (others, not_the_first) =
        ("put it on another CPU", "it is one of the guest's 4, but not CPU 0, which x86 keeps");
    for (online, actor, cause, hint) in [
        (
            4,
            "cpu-down: { name: x, cpu: 2, target: 0, at: 0ms }",
            "CPU 0 cannot be taken down or brought up",
            not_the_first,
        ),
        (
            4,
            "cpu-down: { name: x, cpu: 2, target: 4, at: 0ms }",
            "CPU 4 cannot be taken down or brought up",
            not_the_first,
        ),
        (
            4,
            "cpu-down: { name: x, cpu: 2, target: 2, at: 0ms }",
            "`x` may be on CPU 2 itself at hold=0ms post=0",
            others,
        ),
        (
            4,
            "cpu-down: { name: x, cpu: any-other, target: 3, at: 0ms }",
            "`x` may be on CPU 3 itself at hold=0ms post=0",
            others,
        ),
        (
            4,
            "cpu-up: { name: x, cpu: 2, target: 3, at: 0ms }",
            "CPU 3 is online already at hold=0ms post=0",
            "write how many are: `guest: { online: 2 }`",
        ),
        (
            3,
            "cpu-down: { name: x, cpu: 2, target: 3, at: 0ms }",
            "CPU 3 is not online at hold=0ms post=0",
            "let a `cpu-up` bring it up before",
        ),
        (
            4,
            "cpu-down: { name: x, cpu: 2, target: 3, at: 0ms }\n  \
             - warn: { name: y, cpu: 3, after: { actor: x, edge: left } }",
            "`y` is on CPU 3, which `x` has taken down at hold=0ms post=0",
            "let it act before",
        ),
    ] {
        let good = GOOD.replace("cpus: 4", &format!("cpus: 4, online: {online}"));
        let said = said_of(&good, "  - panic: { name", &format!("  - {actor}\n  - panic: {{ name"));
        assert_eq!(in_short(&said), (cause.to_owned(), hint.to_owned()), "{actor}");
    }
}

#[test]
fn what_cannot_fail_or_not_so() {
    let choose = "say what the function returns, as in `error: ENOSPC`, or `kind: lies` or `kind: torn`";
    let error = "it is a number from -4095 to -1, or a name such as ENOSPC or EFI_DEVICE_ERROR";
    let named = "let it fail `in: backend-write`, or in a function by its name, `in: { function: NAME }`";
    for (fail, cause, hint) in [
        ("in: backend-write", "`x` has to have one of `error` and `kind`", choose),
        ("in: backend-write, error: -5, kind: lies", "`x` has to have one of `error` and `kind`", choose),
        ("in: backend-write, error: 5", "`5` is no error", error),
        ("in: backend-write, error: 0", "`0` is no error", error),
        ("in: backend-write, error: -4096", "`-4096` is no error", error),
        ("in: backend-write, error: enospc", "`enospc` is no error", error),
        (
            "in: backend-write, error: EFI_NOT_READY",
            "`x` is no firmware there",
            "name an error of the kernel's, such as ENOSPC",
        ),
        ("in: backend-write, kind: error", "`error` cannot be a way to fail", ""),
        ("in: thread, kind: lies, at: 0ms", "`x` is no function there", named),
        ("in: dumper, kind: lies", "`x` is no function there", named),
        (
            "in: { function: f }, kind: torn",
            "`x` may be given no record there",
            "`part` and `kind: torn` are for `in: backend-write`",
        ),
        (
            "in: { function: f }, error: -5, part: 1",
            "`x` may be given no record there",
            "`part` and `kind: torn` are for `in: backend-write`",
        ),
        ("in: backend-write, error: -5, times: 0", "`0` cannot be a count", "it is a whole number from 1 to 1000000"),
        ("in: backend-write, error: -5, part: 0", "`0` cannot be a count", "it is a whole number from 1 to 1000000"),
        (
            "cpu: 2, in: backend-write, error: -5",
            "nothing dumps the log on CPU 2, so `x` never acts",
            "put an `oops` or a `panic` on this CPU",
        ),
    ] {
        let said = with("  - panic: { name", &format!("  - fail: {{ name: x, {fail} }}\n  - panic: {{ name"));
        assert_eq!(in_short(&said), (cause.to_owned(), hint.to_owned()), "{fail}");
    }
}

#[test]
fn locks_that_are_slept_for() {
    for lock in ["console", "efivars", "efi-runtime"] {
        let hold = format!(
            "  - hold: {{ name: x, cpu: 2, lock: {lock}, in: hardirq, for: 1ms, at: 0ms }}\n  - panic: {{ name"
        );
        assert_eq!(
            in_short(&with("  - panic: { name", &hold)).0,
            "`x` may have to sleep until it has the lock, which only a thread can",
            "{lock}"
        );
    }
}

#[test]
fn its_pstore() {
    let zones = |zones: &str| with("memory: 256MiB", &format!("pstore: {{ ramoops: {{ {zones} }} }}"));
    assert_snapshot!(zones("record: 48KiB"), @"
    reading scenarios/bad.yaml: a zone is a power of two from 4KiB to 64KiB
      --> scenarios/bad.yaml:5:48
      |
    5 | guest: { cpus: 4, pstore: { ramoops: { record: 48KiB } } }
      |                                                ^^^^^
    ");
    assert_snapshot!(zones("console: 128KiB"), @"
    reading scenarios/bad.yaml: a zone is a power of two from 4KiB to 64KiB
      --> scenarios/bad.yaml:5:49
      |
    5 | guest: { cpus: 4, pstore: { ramoops: { console: 128KiB } } }
      |                                                 ^^^^^^
    ");
    assert_snapshot!(zones("record: 0KiB"), @"
    reading scenarios/bad.yaml: a dump needs a zone
      --> scenarios/bad.yaml:5:48
      |
    5 | guest: { cpus: 4, pstore: { ramoops: { record: 0KiB } } }
      |                                                ^^^^

    hint: without a zone for dumps there is no channel `pstore`
    ");
    assert_snapshot!(zones("records: 9"), @"
    reading scenarios/bad.yaml: there are 1 to 8 zones for dumps
      --> scenarios/bad.yaml:5:49
      |
    5 | guest: { cpus: 4, pstore: { ramoops: { records: 9 } } }
      |                                                 ^
    ");
    assert_snapshot!(zones("ecc: 1"), @"
    reading scenarios/bad.yaml: a block has 0 or 2 to 64 parity bytes
      --> scenarios/bad.yaml:5:45
      |
    5 | guest: { cpus: 4, pstore: { ramoops: { ecc: 1 } } }
      |                                             ^

    hint: `ramoops.ecc=1` means 16 to the kernel: write 16
    ");
    assert_snapshot!(with("channel: pstore", "channel: pstore-console"), @"
    reading scenarios/bad.yaml: the guest's pstore keeps no console
       --> scenarios/bad.yaml:21:41
       |
    21 |   - { channel: pstore-console, outcome: saved, at-least: 0.9, where: { hold: [0ms] } }
       |                                         ^^^^^

    hint: give it a zone: `guest: { pstore: { ramoops: { console: 64KiB } } }`
    ");
    assert_snapshot!(with("memory: 256MiB", "pstore: nvram"), @"
    reading scenarios/bad.yaml: no back end `nvram`
      --> scenarios/bad.yaml:5:27
      |
    5 | guest: { cpus: 4, pstore: nvram }
      |                           ^^^^^

    hint: known: erst, ramoops, efi
    ");
    assert_snapshot!(with("memory: 256MiB", "pstore: { ramoops: {}, efi: {} }"), @"
    reading scenarios/bad.yaml: a guest's pstore has one back end
      --> scenarios/bad.yaml:5:27
      |
    5 | guest: { cpus: 4, pstore: { ramoops: {}, efi: {} } }
      |                           ^
    ");
    assert_snapshot!(with("memory: 256MiB", "pstore: { nvram: {} }"), @"
    reading scenarios/bad.yaml: unknown key `nvram` in `guest.pstore`
      --> scenarios/bad.yaml:5:29
      |
    5 | guest: { cpus: 4, pstore: { nvram: {} } }
      |                             ^^^^^

    hint: known: erst, ramoops, efi
    ");
}

#[test]
fn its_record_store() {
    let erst = |store: &str| with("memory: 256MiB", &format!("pstore: {{ erst: {{ {store} }} }}"));
    assert_snapshot!(erst("records: 0"), @"
    reading scenarios/bad.yaml: a record store has room for 1 to 1000 records
      --> scenarios/bad.yaml:5:46
      |
    5 | guest: { cpus: 4, pstore: { erst: { records: 0 } } }
      |                                              ^
    ");
    assert_snapshot!(erst("records: 1001"), @"
    reading scenarios/bad.yaml: a record store has room for 1 to 1000 records
      --> scenarios/bad.yaml:5:46
      |
    5 | guest: { cpus: 4, pstore: { erst: { records: 1001 } } }
      |                                              ^^^^
    ");
    assert_snapshot!(erst("records: 4, used: 3, damaged: 2"), @"
    reading scenarios/bad.yaml: 5 records of earlier boots are too many for a store of 4
      --> scenarios/bad.yaml:5:67
      |
    5 | guest: { cpus: 4, pstore: { erst: { records: 4, used: 3, damaged: 2 } } }
      |                                                                   ^
    ");
    assert_snapshot!(erst("used: 4294967295, foreign: 4294967295"), @"
    reading scenarios/bad.yaml: 4294967295 records of earlier boots are too many for a store of 63
      --> scenarios/bad.yaml:5:64
      |
    5 | guest: { cpus: 4, pstore: { erst: { used: 4294967295, foreign: 4294967295 } } }
      |                                                                ^^^^^^^^^^
    ");
    assert_snapshot!(erst("records: 4, size: 3"), @"
    reading scenarios/bad.yaml: unknown key `size` in `guest.pstore.erst`
      --> scenarios/bad.yaml:5:49
      |
    5 | guest: { cpus: 4, pstore: { erst: { records: 4, size: 3 } } }
      |                                                 ^^^^

    hint: known: records, used, damaged, foreign
    ");
}

#[test]
fn its_earlier_boots() {
    let boots = |of_guest: &str| in_short(&with("memory: 256MiB", of_guest));
    let said = |cause: &str, hint: &str| (cause.to_owned(), hint.to_owned());
    assert_eq!(boots("boots: 5"), said("a trial's boot is the first to the fourth", ""));
    assert_eq!(boots("boots: 0").0, "a trial's boot is the first to the fourth");
    let one = said("the clock is set between two boots, and there is one", "say which boot the trial's is: `boots: 2`");
    assert_eq!(boots("clock: +1h"), one);
    assert_eq!(boots("boots: 1, clock: -1h"), one);
    let form = "a clock is set forward or back by a whole number and one of the units s, min, h, d: `+1h`, `-30d`";
    for (clock, cause) in [
        ("1h", "`1h` does not begin with `+` or `-`"),
        ("-1", "`1` has no unit"),
        ("+1y", "`1y` has the unknown unit `y`"),
        ("-3651d", "`-3651d` is more than ten years"),
    ] {
        assert_eq!(boots(&format!("boots: 2, clock: {clock}")), said(cause, form));
    }
    assert_eq!(boots("pstore: { ramoops: { used: 5 } }").0, "5 dumps of earlier boots are too many for 4 zones");
    assert_eq!(boots("pstore: { ramoops: { used: 1, ecc: 16 } }").0, "zones with parity cannot be filled beforehand");
}

#[test]
fn its_efi_variables() {
    let efi = |of_guest: &str| with("memory: 256MiB", of_guest);
    assert_snapshot!(efi("memory: 64MiB, pstore: efi"), @"
    reading scenarios/bad.yaml: a guest with EFI firmware has at least 96MiB of memory
      --> scenarios/bad.yaml:5:27
      |
    5 | guest: { cpus: 4, memory: 64MiB, pstore: efi }
      |                           ^^^^^
    ");
    assert_snapshot!(efi("pstore: { efi: { used: 257KiB } }"), @"
    reading scenarios/bad.yaml: no store has more than 256KiB
      --> scenarios/bad.yaml:5:42
      |
    5 | guest: { cpus: 4, pstore: { efi: { used: 257KiB } } }
      |                                          ^^^^^^
    ");
    assert_snapshot!(efi("pstore: { efi: { used: 99999999999999MiB } }"), @"
    reading scenarios/bad.yaml: no store has more than 256KiB
      --> scenarios/bad.yaml:5:42
      |
    5 | guest: { cpus: 4, pstore: { efi: { used: 99999999999999MiB } } }
      |                                          ^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(efi("pstore: { efi: { dumps: 17 } }"), @"
    reading scenarios/bad.yaml: no store has room for more than 16 dumps
      --> scenarios/bad.yaml:5:43
      |
    5 | guest: { cpus: 4, pstore: { efi: { dumps: 17 } } }
      |                                           ^^
    ");
    assert_snapshot!(efi("pstore: { efi: { record: 8KiB } }"), @"
    reading scenarios/bad.yaml: a variable takes 1KiB to 4KiB of a dump
      --> scenarios/bad.yaml:5:44
      |
    5 | guest: { cpus: 4, pstore: { efi: { record: 8KiB } } }
      |                                            ^^^^
    ");
    assert_snapshot!(efi("pstore: { efi: { store: huge } }"), @"
    reading scenarios/bad.yaml: `guest.pstore.efi.store` cannot be `huge`
      --> scenarios/bad.yaml:5:43
      |
    5 | guest: { cpus: 4, pstore: { efi: { store: huge } } }
      |                                           ^^^^

    hint: known: small, large
    ");
}

#[test]
fn at_or_after() {
    assert_snapshot!(with(", at: 0ms", ""), @"
    reading scenarios/bad.yaml: `oops` has neither `at` nor `after`
       --> scenarios/bad.yaml:15:19
       |
    15 |   - oops: { name: oops, cpu: 1 }
       |                   ^^^^

    hint: give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`
    ");
    assert_snapshot!(with(", at: 0ms", ", at: 0ms, after: { actor: panic }"), @"
    reading scenarios/bad.yaml: `oops` has both `at` and `after`
       --> scenarios/bad.yaml:15:37
       |
    15 |   - oops: { name: oops, cpu: 1, at: 0ms, after: { actor: panic } }
       |                                     ^^^

    hint: give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`
    ");
}

#[test]
fn actors_that_never_act() {
    assert_snapshot!(with(", at: 0ms", ", after: { actor: oops }"), @"
    reading scenarios/bad.yaml: `oops` waits for itself
       --> scenarios/bad.yaml:15:19
       |
    15 |   - oops: { name: oops, cpu: 1, after: { actor: oops } }
       |                   ^^^^

    hint: who waits for whom: dump -> oops -> oops
    ");
    assert_snapshot!(with(", at: 0ms", ", after: { actor: panic }"), @"
    reading scenarios/bad.yaml: `dump` waits for itself
       --> scenarios/bad.yaml:14:19
       |
    14 |   - spin: { name: dump, cpu: 1, in: backend-write, for: $hold }
       |                   ^^^^

    hint: who waits for whom: dump -> oops -> panic -> dump
    ");
    assert_snapshot!(with("{ name: dump, cpu: 1", "{ name: dump, cpu: 2"), @"
    reading scenarios/bad.yaml: nothing dumps the log on CPU 2, so `dump` never acts
       --> scenarios/bad.yaml:14:19
       |
    14 |   - spin: { name: dump, cpu: 2, in: backend-write, for: $hold }
       |                   ^^^^

    hint: put an `oops` or a `panic` on this CPU
    ");
    assert_snapshot!(with("{ actor: dump, edge: entered", "{ actor: oops, edge: left"), @"
    reading scenarios/bad.yaml: `oops` never leaves: its CPU does not come back at hold=0ms post=0
       --> scenarios/bad.yaml:16:63
       |
    16 |   - panic: { name: panic, cpu: 0, after: { actor: oops, edge: left, delay: 50ms } }
       |                                                               ^^^^

    hint: wait for `edge: entered`
    ");
}

#[test]
fn longer_than_the_deadline() {
    assert_snapshot!(with("deadline: 30s", "deadline: 300ms"), @"
    reading scenarios/bad.yaml: `dump` lasts beyond the deadline at hold=300ms post=0
       --> scenarios/bad.yaml:14:19
       |
    14 |   - spin: { name: dump, cpu: 1, in: backend-write, for: $hold }
       |                   ^^^^

    hint: shorten it, or give the scenario a later `deadline`
    ");
    assert_snapshot!(with("deadline: 30s", "deadline: 0s"), @"
    reading scenarios/bad.yaml: `dump` lasts beyond the deadline at hold=0ms post=0
       --> scenarios/bad.yaml:14:19
       |
    14 |   - spin: { name: dump, cpu: 1, in: backend-write, for: $hold }
       |                   ^^^^

    hint: shorten it, or give the scenario a later `deadline`
    ");
}
