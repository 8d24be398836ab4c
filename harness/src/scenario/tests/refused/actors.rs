//! Actors, and a guest, with which no trial could be run.

use insta::assert_snapshot;

use super::super::read;
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
    assert_snapshot!(with("memory: 256MiB", "pstore: efi"), @"
    reading scenarios/bad.yaml: `guest.pstore` cannot be `efi`
      --> scenarios/bad.yaml:5:27
      |
    5 | guest: { cpus: 4, pstore: efi }
      |                           ^^^

    hint: known: erst, ramoops
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
fn a_guest_that_does_not_end() {
    let panic = "  - panic: { name: panic, cpu: 0, after: { actor: dump, edge: entered, delay: 50ms } }\n";
    let text = GOOD.replace("  - enters-during: { actor: panic, of: dump }\n", "").replace("meet:\n", "");
    let error = |text: &str| read("bad", text).map_or_else(|e| e.to_string(), |_| "accepted".to_owned());
    assert_snapshot!(error(&text.replace(panic, "")), @"
    reading scenarios/bad.yaml: no actor ends the guest at hold=0ms post=0
       --> scenarios/bad.yaml:14:19
       |
    14 |   - spin: { name: dump, cpu: 1, in: backend-write, for: $hold }
       |                   ^^^^

    hint: add a `panic` or a `reboot`, or a sysctl that turns something into a panic: kernel.panic_on_oops, kernel.panic_on_warn, kernel.unknown_nmi_panic, kernel.softlockup_panic, kernel.hardlockup_panic, kernel.hung_task_panic
    ");
    // Fatal at one point of the sweep, but not at the other.
    let swept = text.replace(panic, "").replace("kernel.panic_on_oops, value: 0", "kernel.panic_on_oops, value: $post");
    assert_snapshot!(error(&swept), @"
    reading scenarios/bad.yaml: no actor ends the guest at hold=0ms post=0
       --> scenarios/bad.yaml:14:19
       |
    14 |   - spin: { name: dump, cpu: 1, in: backend-write, for: $hold }
       |                   ^^^^

    hint: add a `panic` or a `reboot`, or a sysctl that turns something into a panic: kernel.panic_on_oops, kernel.panic_on_warn, kernel.unknown_nmi_panic, kernel.softlockup_panic, kernel.hardlockup_panic, kernel.hung_task_panic
    ");
    let fatal = text.replace(panic, "").replace("kernel.panic_on_oops, value: 0", "kernel.panic_on_oops, value: 1");
    assert_snapshot!(error(&fatal), @"accepted");
    assert_snapshot!(error("name: bad\ntitle: t\nwhy: w\nsource: s\nactors: []\nexpect: []\n"), @"
    reading scenarios/bad.yaml: there are no `actors`
      --> scenarios/bad.yaml:1:7
      |
    1 | name: bad
      |       ^^^

    hint: say who does what, or name a program as `workload`
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
