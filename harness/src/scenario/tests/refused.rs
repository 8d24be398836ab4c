//! Every way in which a scenario can be wrong, and what its author is told.

use insta::assert_snapshot;

use super::{read, said_of};

mod actors;
mod language;
mod values;

/// A scenario that is right; each test replaces one piece of it.
pub(super) const GOOD: &str = "\
name: bad
title: a title
why: to be refused
source: a test
guest: { cpus: 4, memory: 256MiB }
deadline: 30s
params:
  hold: [0ms, 300ms]
  post: [0, 1]
knobs:
  - parameter: { module: kernel, name: crash_kexec_post_notifiers, value: $post }
  - sysctl: { name: kernel.panic_on_oops, value: 0 }
actors:
  - spin: { name: dump, cpu: 1, in: backend-write, for: $hold }
  - oops: { name: oops, cpu: 1, at: 0ms }
  - panic: { name: panic, cpu: 0, after: { actor: dump, edge: entered, delay: 50ms } }
meet:
  - enters-during: { actor: panic, of: dump }
expect:
  - { channel: console, outcome: saved }
  - { channel: pstore, outcome: saved, at-least: 0.9, where: { hold: [0ms] } }
";

/// What is said of it with `old` replaced by `new`.
fn with(old: &str, new: &str) -> String {
    said_of(GOOD, old, new)
}

#[test]
fn the_good_one_is_accepted() {
    assert!(read("bad", GOOD).is_ok());
}

#[test]
fn crash_kernels_that_cannot_be() {
    let cause = |guest: &str| {
        let said = with("guest: { cpus: 4, memory: 256MiB }", &format!("guest: {{ cpus: 4, {guest} }}"));
        let hint = said.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_default().to_owned();
        (said.lines().next().unwrap().rsplit_once("bad.yaml: ").unwrap().1.to_owned(), hint)
    };
    let is = |guest, expected: &str, hint: &str| assert_eq!(cause(guest), (expected.to_owned(), hint.to_owned()));
    let write = "write `loaded`, `none`, or a size such as 32MiB";
    is("kdump: 0MiB", "that is no part of the guest's memory", write);
    is("kdump: 256MiB", "that is no part of the guest's memory", write);
    is("kdump: { reserve: 256MiB }", "that is no part of the guest's memory", write);
    is("kdump: { cpus: 5 }", "a crash kernel brings up 1 to 4 CPUs of this guest", "");
    is(
        "kdump: { command-line: [\"two words\"] }",
        "`two words` is no word of the kernel's command line",
        "give each word as an item of the list",
    );
    is("kdump: loaded, reload-crash-kernel-on: 4", "the guest has no CPU 4", "");
    is("reload-crash-kernel-on: 1", "the guest has no crash kernel", "load one, `guest: { kdump: loaded }`");
    let expected = with("channel: console, outcome: saved", "channel: kdump, outcome: saved");
    assert!(expected.contains("the guest has no crash kernel"), "{expected}");
    assert!(with("cpus: 4", "cpus: 4, kdump: always").contains("bad.yaml:5:"), "it is no size");
}

#[test]
fn wrong_keys() {
    assert_snapshot!(with("cpus: 4", "cpu: 4"), @"
    reading scenarios/bad.yaml: unknown key `cpu` in `guest`
      --> scenarios/bad.yaml:5:10
      |
    5 | guest: { cpu: 4, memory: 256MiB }
      |          ^^^

    hint: did you mean `cpus`? (known: cpus, online, memory, command-line, consoles, pstore, boots, clock, kdump, reload-crash-kernel-on)
    ");
    assert_snapshot!(with("title: a title", "titel: a title"), @"
    reading scenarios/bad.yaml: unknown key `titel`
      --> scenarios/bad.yaml:2:1
      |
    2 | titel: a title
      | ^^^^^

    hint: did you mean `title`? (known: name, title, why, source, tags, guest, deadline, quiet, waits, needs, ends-by, panic-line, params, knobs, actors, background, workload, meet, steps, order, expect)
    ");
    assert_snapshot!(with("delay: 50ms", "dealy: 50ms"), @"
    reading scenarios/bad.yaml: unknown key `dealy` in `actors[2].panic.after`
       --> scenarios/bad.yaml:16:72
       |
    16 |   - panic: { name: panic, cpu: 0, after: { actor: dump, edge: entered, dealy: 50ms } }
       |                                                                        ^^^^^

    hint: did you mean `delay`? (known: actor, edge, delay)
    ");
    assert_snapshot!(with("- oops:", "- opps:"), @"
    reading scenarios/bad.yaml: `actors[1]` cannot be `opps`
       --> scenarios/bad.yaml:15:5
       |
    15 |   - opps: { name: oops, cpu: 1, at: 0ms }
       |     ^^^^

    hint: did you mean `oops`? (known: oops, panic, warn, spin, hold, print, reboot, block, harvest, nmi, exhaust, exit, mce, synchronize-rcu, call, fail, cpu-down, cpu-up)
    ");
    assert_snapshot!(with("- enters-during:", "- enters_during:"), @"
    reading scenarios/bad.yaml: `meet[0]` cannot be `enters_during`
       --> scenarios/bad.yaml:18:5
       |
    18 |   - enters_during: { actor: panic, of: dump }
       |     ^^^^^^^^^^^^^

    hint: did you mean `enters-during`? (known: enters-during, left, never-left, apart)
    ");
    assert_snapshot!(with("- sysctl:", "- file:"), @"
    reading scenarios/bad.yaml: `knobs[1]` cannot be `file`
       --> scenarios/bad.yaml:12:5
       |
    12 |   - file: { name: kernel.panic_on_oops, value: 0 }
       |     ^^^^

    hint: known: parameter, sysctl
    ");
}

#[test]
fn missing_keys() {
    assert_snapshot!(with("why: to be refused\n", ""), @"reading scenarios/bad.yaml: the key `why` is missing");
    assert_snapshot!(with("{ name: oops, cpu: 1, at: 0ms }", "{ name: oops, at: 0ms }"), @"
    reading scenarios/bad.yaml: the key `cpu` is missing in `actors[1].oops`
       --> scenarios/bad.yaml:15:25
       |
    15 |   - oops: { name: oops, at: 0ms }
       |                         ^^
    ");
    assert_snapshot!(with("expect:\n", "expects:\n"), @"
    reading scenarios/bad.yaml: unknown key `expects`
       --> scenarios/bad.yaml:19:1
       |
    19 | expects:
       | ^^^^^^^

    hint: did you mean `expect`? (known: name, title, why, source, tags, guest, deadline, quiet, waits, needs, ends-by, panic-line, params, knobs, actors, background, workload, meet, steps, order, expect)
    ");
}

#[test]
fn duplicate_keys() {
    assert_snapshot!(with("why: to be refused\n", "why: to be refused\ntitle: another\n"), @"
    reading scenarios/bad.yaml: the key `title` is given twice
      --> scenarios/bad.yaml:4:1
      |
    4 | title: another
      | ^^^^^

    hint: keep one of the two
    ");
    assert_snapshot!(with("  post: [0, 1]\n", "  post: [0]\n  hold: [1s]\n"), @"
    reading scenarios/bad.yaml: the key `hold` is given twice
       --> scenarios/bad.yaml:10:3
       |
    10 |   hold: [1s]
       |   ^^^^

    hint: keep one of the two
    ");
    assert_snapshot!(with("cpu: 1, at: 0ms", "cpu: 1, cpu: 2, at: 0ms"), @"
    reading scenarios/bad.yaml: the key `cpu` is given twice
       --> scenarios/bad.yaml:15:33
       |
    15 |   - oops: { name: oops, cpu: 1, cpu: 2, at: 0ms }
       |                                 ^^^

    hint: keep one of the two
    ");
}

#[test]
fn bad_units() {
    assert_snapshot!(with("deadline: 30s", "deadline: 30"), @"
    reading scenarios/bad.yaml: `30` has no unit
      --> scenarios/bad.yaml:6:11
      |
    6 | deadline: 30
      |           ^^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
    assert_snapshot!(with("delay: 50ms", "delay: 50 ms"), @"
    reading scenarios/bad.yaml: `50 ms` has the unknown unit ` ms`
       --> scenarios/bad.yaml:16:79
       |
    16 |   - panic: { name: panic, cpu: 0, after: { actor: dump, edge: entered, delay: 50 ms } }
       |                                                                               ^^^^^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
    assert_snapshot!(with("for: $hold", "for: 1.5s"), @"
    reading scenarios/bad.yaml: `1.5s` has the unknown unit `.5s`
       --> scenarios/bad.yaml:14:57
       |
    14 |   - spin: { name: dump, cpu: 1, in: backend-write, for: 1.5s }
       |                                                         ^^^^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
    assert_snapshot!(with("at: 0ms", "at: 0"), @"
    reading scenarios/bad.yaml: `0` has no unit
       --> scenarios/bad.yaml:15:37
       |
    15 |   - oops: { name: oops, cpu: 1, at: 0 }
       |                                     ^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
    assert_snapshot!(with("256MiB", "256M"), @"
    reading scenarios/bad.yaml: `256M` has the unknown unit `M`
      --> scenarios/bad.yaml:5:27
      |
    5 | guest: { cpus: 4, memory: 256M }
      |                           ^^^^

    hint: a size is a whole number and one of the units MiB, GiB: `256MiB`
    ");
    assert_snapshot!(with("256MiB", "16MiB"), @"
    reading scenarios/bad.yaml: a guest has 64MiB to 8GiB of memory
      --> scenarios/bad.yaml:5:27
      |
    5 | guest: { cpus: 4, memory: 16MiB }
      |                           ^^^^^
    ");
}

#[test]
fn a_bad_unit_in_a_parameter_is_shown_at_the_parameter() {
    assert_snapshot!(with("hold: [0ms, 300ms]", "hold: [0ms, 300]"), @"
    reading scenarios/bad.yaml: `300` has no unit
      --> scenarios/bad.yaml:8:15
      |
    8 |   hold: [0ms, 300]
      |               ^^^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
}

#[test]
fn names() {
    assert_snapshot!(with("name: bad", "name: good"), @"
    reading scenarios/bad.yaml: the name `good` is not that of the file
      --> scenarios/bad.yaml:1:7
      |
    1 | name: good
      |       ^^^^

    hint: rename one of the two: `name: bad`
    ");
    assert_snapshot!(with("{ name: oops,", "{ name: Oops,"), @"
    reading scenarios/bad.yaml: `Oops` cannot be a name of an actor
       --> scenarios/bad.yaml:15:19
       |
    15 |   - oops: { name: Oops, cpu: 1, at: 0ms }
       |                   ^^^^

    hint: it is at most 15 small letters, digits and `-`, and does not begin with `-`
    ");
    assert_snapshot!(with("{ name: oops,", "{ name: sixteen-letters-,"), @"
    reading scenarios/bad.yaml: `sixteen-letters-` cannot be a name of an actor
       --> scenarios/bad.yaml:15:19
       |
    15 |   - oops: { name: sixteen-letters-, cpu: 1, at: 0ms }
       |                   ^^^^^^^^^^^^^^^^

    hint: it is at most 15 small letters, digits and `-`, and does not begin with `-`
    ");
    assert_snapshot!(with("{ name: oops,", "{ name: dump,"), @"
    reading scenarios/bad.yaml: there are two actors `dump`
       --> scenarios/bad.yaml:15:19
       |
    15 |   - oops: { name: dump, cpu: 1, at: 0ms }
       |                   ^^^^

    hint: each actor has a name of its own; one on `all-others` or `all` gets its CPU added
    ");
    assert_snapshot!(with("  post: [0, 1]", "  Post: [0, 1]"), @"
    reading scenarios/bad.yaml: `Post` cannot be a parameter's name
      --> scenarios/bad.yaml:9:3
      |
    9 |   Post: [0, 1]
      |   ^^^^

    hint: a parameter's name is at most 32 small letters, digits and `_`, the first a letter
    ");
    assert_snapshot!(with("title: a title", "title: |\n  two\n  lines"), @"
    reading scenarios/bad.yaml: the title must be one line of text
      --> scenarios/bad.yaml:3:3
      |
    3 |   two
      |   ^^^
    ");
    assert_snapshot!(with("title: a title", "title: a title\ntags: [Two Words]"), @"
    reading scenarios/bad.yaml: `Two Words` cannot be a tag
      --> scenarios/bad.yaml:3:8
      |
    3 | tags: [Two Words]
      |        ^^^^^^^^^

    hint: it is at most 64 small letters, digits and `-`, and does not begin with `-`
    ");
}
