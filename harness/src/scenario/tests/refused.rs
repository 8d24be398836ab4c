//! Every way in which a scenario can be wrong, and what its author is told.

use insta::assert_snapshot;

use super::read;

/// A scenario that is right; each test replaces one piece of it.
pub(super) const GOOD: &str = "\
name: bad
title: a title
why: to be refused
guest: { cpus: 4, memory: 256MiB }
deadline: 30s
params:
  hold: [0ms, 300ms]
  post: [0, 1]
knobs:
  - parameter: { module: kernel, name: crash_kexec_post_notifiers, value: $post }
  - sysctl: { name: kernel.panic_on_oops, value: 0 }
actors:
  - hold-backend-write: { name: dump, cpu: 1, for: $hold }
  - oops: { name: oops, cpu: 1, at: 0ms }
  - panic: { name: panic, cpu: 0, after: { actor: dump, edge: entered, delay: 50ms } }
meet:
  - enters-during: { actor: panic, of: dump }
expect:
  - { channel: console, outcome: saved }
  - { channel: pstore, outcome: saved, at-least: 0.9, where: { hold: [0ms] } }
";

/// What is said of the good scenario with `old` replaced by `new`.
fn with(old: &str, new: &str) -> String {
    assert_eq!(GOOD.matches(old).count(), 1, "`{old}` must be in the good scenario once");
    match read("bad", &GOOD.replace(old, new)) {
        Ok(_) => "accepted".to_owned(),
        Err(e) => e.to_string(),
    }
}

#[test]
fn the_good_one_is_accepted() {
    assert!(read("bad", GOOD).is_ok());
}

#[test]
fn wrong_keys() {
    assert_snapshot!(with("cpus: 4", "cpu: 4"), @"
    reading scenarios/bad.yaml: unknown key `cpu` in `guest`
      --> scenarios/bad.yaml:4:10
      |
    4 | guest: { cpu: 4, memory: 256MiB }
      |          ^^^

    hint: did you mean `cpus`? (known: cpus, memory)
    ");
    assert_snapshot!(with("title: a title", "titel: a title"), @"
    reading scenarios/bad.yaml: unknown key `titel`
      --> scenarios/bad.yaml:2:1
      |
    2 | titel: a title
      | ^^^^^

    hint: did you mean `title`? (known: name, title, why, source, tags, guest, deadline, params, knobs, actors, meet, order, expect)
    ");
    assert_snapshot!(with("delay: 50ms", "dealy: 50ms"), @"
    reading scenarios/bad.yaml: unknown key `dealy` in `actors[2].panic.after`
       --> scenarios/bad.yaml:15:72
       |
    15 |   - panic: { name: panic, cpu: 0, after: { actor: dump, edge: entered, dealy: 50ms } }
       |                                                                        ^^^^^

    hint: did you mean `delay`? (known: actor, edge, delay)
    ");
    assert_snapshot!(with("- oops:", "- opps:"), @"
    reading scenarios/bad.yaml: `actors[1]` cannot be `opps`
       --> scenarios/bad.yaml:14:5
       |
    14 |   - opps: { name: oops, cpu: 1, at: 0ms }
       |     ^^^^

    hint: did you mean `oops`? (known: hold-backend-write, spin-irqs-off, oops, panic)
    ");
    assert_snapshot!(with("- enters-during:", "- enters_during:"), @"
    reading scenarios/bad.yaml: `meet[0]` cannot be `enters_during`
       --> scenarios/bad.yaml:17:5
       |
    17 |   - enters_during: { actor: panic, of: dump }
       |     ^^^^^^^^^^^^^

    hint: did you mean `enters-during`? (known: enters-during)
    ");
    assert_snapshot!(with("- sysctl:", "- file:"), @"
    reading scenarios/bad.yaml: `knobs[1]` cannot be `file`
       --> scenarios/bad.yaml:11:5
       |
    11 |   - file: { name: kernel.panic_on_oops, value: 0 }
       |     ^^^^

    hint: known: parameter, sysctl
    ");
}

#[test]
fn missing_keys() {
    assert_snapshot!(with("why: to be refused\n", ""), @"reading scenarios/bad.yaml: the key `why` is missing");
    assert_snapshot!(with("{ name: oops, cpu: 1, at: 0ms }", "{ name: oops, at: 0ms }"), @"
    reading scenarios/bad.yaml: the key `cpu` is missing in `actors[1].oops`
       --> scenarios/bad.yaml:14:25
       |
    14 |   - oops: { name: oops, at: 0ms }
       |                         ^^
    ");
    assert_snapshot!(with("expect:\n", "expects:\n"), @"
    reading scenarios/bad.yaml: unknown key `expects`
       --> scenarios/bad.yaml:18:1
       |
    18 | expects:
       | ^^^^^^^

    hint: did you mean `expect`? (known: name, title, why, source, tags, guest, deadline, params, knobs, actors, meet, order, expect)
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
      --> scenarios/bad.yaml:9:3
      |
    9 |   hold: [1s]
      |   ^^^^

    hint: keep one of the two
    ");
    assert_snapshot!(with("cpu: 1, at: 0ms", "cpu: 1, cpu: 2, at: 0ms"), @"
    reading scenarios/bad.yaml: the key `cpu` is given twice
       --> scenarios/bad.yaml:14:33
       |
    14 |   - oops: { name: oops, cpu: 1, cpu: 2, at: 0ms }
       |                                 ^^^

    hint: keep one of the two
    ");
}

#[test]
fn bad_units() {
    assert_snapshot!(with("deadline: 30s", "deadline: 30"), @"
    reading scenarios/bad.yaml: `30` has no unit
      --> scenarios/bad.yaml:5:11
      |
    5 | deadline: 30
      |           ^^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
    assert_snapshot!(with("delay: 50ms", "delay: 50 ms"), @"
    reading scenarios/bad.yaml: `50 ms` has the unknown unit ` ms`
       --> scenarios/bad.yaml:15:79
       |
    15 |   - panic: { name: panic, cpu: 0, after: { actor: dump, edge: entered, delay: 50 ms } }
       |                                                                               ^^^^^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
    assert_snapshot!(with("for: $hold", "for: 1.5s"), @"
    reading scenarios/bad.yaml: `1.5s` has the unknown unit `.5s`
       --> scenarios/bad.yaml:13:52
       |
    13 |   - hold-backend-write: { name: dump, cpu: 1, for: 1.5s }
       |                                                    ^^^^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
    assert_snapshot!(with("at: 0ms", "at: 0"), @"
    reading scenarios/bad.yaml: `0` has no unit
       --> scenarios/bad.yaml:14:37
       |
    14 |   - oops: { name: oops, cpu: 1, at: 0 }
       |                                     ^

    hint: a duration is a whole number and one of the units us, ms, s: `300ms`
    ");
    assert_snapshot!(with("256MiB", "256M"), @"
    reading scenarios/bad.yaml: `256M` has the unknown unit `M`
      --> scenarios/bad.yaml:4:27
      |
    4 | guest: { cpus: 4, memory: 256M }
      |                           ^^^^

    hint: a size is a whole number and one of the units MiB, GiB: `256MiB`
    ");
    assert_snapshot!(with("256MiB", "16MiB"), @"
    reading scenarios/bad.yaml: a guest has 64MiB to 8GiB of memory
      --> scenarios/bad.yaml:4:27
      |
    4 | guest: { cpus: 4, memory: 16MiB }
      |                           ^^^^^
    ");
}

#[test]
fn a_bad_unit_in_a_parameter_is_shown_at_the_parameter() {
    assert_snapshot!(with("hold: [0ms, 300ms]", "hold: [0ms, 300]"), @"
    reading scenarios/bad.yaml: `300` has no unit
      --> scenarios/bad.yaml:7:15
      |
    7 |   hold: [0ms, 300]
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
       --> scenarios/bad.yaml:14:19
       |
    14 |   - oops: { name: Oops, cpu: 1, at: 0ms }
       |                   ^^^^

    hint: it is at most 15 small letters, digits and `-`, and does not begin with `-`
    ");
    assert_snapshot!(with("{ name: oops,", "{ name: sixteen-letters-,"), @"
    reading scenarios/bad.yaml: `sixteen-letters-` cannot be a name of an actor
       --> scenarios/bad.yaml:14:19
       |
    14 |   - oops: { name: sixteen-letters-, cpu: 1, at: 0ms }
       |                   ^^^^^^^^^^^^^^^^

    hint: it is at most 15 small letters, digits and `-`, and does not begin with `-`
    ");
    assert_snapshot!(with("{ name: oops,", "{ name: dump,"), @"
    reading scenarios/bad.yaml: there are two actors `dump`
       --> scenarios/bad.yaml:14:19
       |
    14 |   - oops: { name: dump, cpu: 1, at: 0ms }
       |                   ^^^^

    hint: each actor has a name of its own
    ");
    assert_snapshot!(with("  post: [0, 1]", "  Post: [0, 1]"), @"
    reading scenarios/bad.yaml: `Post` cannot be a parameter's name
      --> scenarios/bad.yaml:8:3
      |
    8 |   Post: [0, 1]
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

#[test]
fn unknown_parameters_and_values() {
    assert_snapshot!(with("for: $hold", "for: $hodl"), @"
    reading scenarios/bad.yaml: no parameter `hodl`
       --> scenarios/bad.yaml:13:52
       |
    13 |   - hold-backend-write: { name: dump, cpu: 1, for: $hodl }
       |                                                    ^^^^^

    hint: did you mean `hold`? (known: hold, post)
    ");
    assert_snapshot!(with("where: { hold: [0ms] }", "where: { hodl: [0ms] }"), @"
    reading scenarios/bad.yaml: no parameter `hodl`
       --> scenarios/bad.yaml:20:64
       |
    20 |   - { channel: pstore, outcome: saved, at-least: 0.9, where: { hodl: [0ms] } }
       |                                                                ^^^^

    hint: did you mean `hold`? (known: hold, post)
    ");
    assert_snapshot!(with("where: { hold: [0ms] }", "where: { hold: [30ms] }"), @"
    reading scenarios/bad.yaml: no value `30ms` of `hold`
       --> scenarios/bad.yaml:20:71
       |
    20 |   - { channel: pstore, outcome: saved, at-least: 0.9, where: { hold: [30ms] } }
       |                                                                       ^^^^

    hint: did you mean `0ms`? (known: 0ms, 300ms)
    ");
    assert_snapshot!(with("where: { hold: [0ms] }", "where: { hold: [] }"), @"
    reading scenarios/bad.yaml: no value of `hold` is listed
       --> scenarios/bad.yaml:20:64
       |
    20 |   - { channel: pstore, outcome: saved, at-least: 0.9, where: { hold: [] } }
       |                                                                ^^^^
    ");
    assert_snapshot!(with("value: $post", "value: 1"), @"
    reading scenarios/bad.yaml: the parameter `post` is not used
      --> scenarios/bad.yaml:8:3
      |
    8 |   post: [0, 1]
      |   ^^^^

    hint: write `$post` where its value is meant, or leave it out
    ");
}

#[test]
fn values_of_parameters() {
    assert_snapshot!(with("post: [0, 1]", "post: []"), @"
    reading scenarios/bad.yaml: the parameter `post` has no values
      --> scenarios/bad.yaml:8:3
      |
    8 |   post: []
      |   ^^^^
    ");
    assert_snapshot!(with("post: [0, 1]", "post: [0, 0]"), @"
    reading scenarios/bad.yaml: `0` is already a value of `post`
      --> scenarios/bad.yaml:8:13
      |
    8 |   post: [0, 0]
      |             ^

    hint: each value makes cells of its own
    ");
    assert_snapshot!(with("hold: [0ms, 300ms]", "hold: [300ms, 300000us]"), @"
    reading scenarios/bad.yaml: `300000us` is already a value of `hold`
      --> scenarios/bad.yaml:7:17
      |
    7 |   hold: [300ms, 300000us]
      |                 ^^^^^^^^

    hint: each value makes cells of its own
    ");
    assert_snapshot!(with("post: [0, 1]", "post: [0.5]"), @"
    reading scenarios/bad.yaml: this must be a whole number or a word, not floating point `0.5`
      --> scenarios/bad.yaml:8:10
      |
    8 |   post: [0.5]
      |          ^^^
    ");
    assert_snapshot!(with("post: [0, 1]", "post: [true]"), @"
    reading scenarios/bad.yaml: this must be a whole number or a word, not boolean `true`
      --> scenarios/bad.yaml:8:10
      |
    8 |   post: [true]
      |          ^^^^
    ");
    assert_snapshot!(with("post: [0, 1]", r#"post: ["0\nfire"]"#), @r#"
    reading scenarios/bad.yaml: `0\nfire` cannot be a value
      --> scenarios/bad.yaml:8:10
      |
    8 |   post: ["0\nfire"]
      |          ^^^^^^^^^

    hint: a value is 1 to 64 printable ASCII characters without blanks, and does not begin with `$`
    "#);
    let many = (0..600).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    assert!(with("post: [0, 1]", &format!("post: [{many}]")).contains("more than 1024 points"));
}

#[test]
fn unknown_actors() {
    assert_snapshot!(with("actor: dump, edge", "actor: dmup, edge"), @"
    reading scenarios/bad.yaml: no actor `dmup`
       --> scenarios/bad.yaml:15:51
       |
    15 |   - panic: { name: panic, cpu: 0, after: { actor: dmup, edge: entered, delay: 50ms } }
       |                                                   ^^^^

    hint: did you mean `dump`? (known: dump, oops, panic)
    ");
    assert_snapshot!(with("of: dump", "of: spin"), @"
    reading scenarios/bad.yaml: no actor `spin`
       --> scenarios/bad.yaml:17:40
       |
    17 |   - enters-during: { actor: panic, of: spin }
       |                                        ^^^^

    hint: known: dump, oops, panic
    ");
    assert_snapshot!(with("of: dump", "of: panic"), @"
    reading scenarios/bad.yaml: an actor cannot enter during itself
       --> scenarios/bad.yaml:17:40
       |
    17 |   - enters-during: { actor: panic, of: panic }
       |                                        ^^^^^
    ");
}

#[test]
fn the_guest() {
    assert_snapshot!(with("cpus: 4", "cpus: 9"), @"
    reading scenarios/bad.yaml: a guest has 1 to 8 CPUs
      --> scenarios/bad.yaml:4:16
      |
    4 | guest: { cpus: 9, memory: 256MiB }
      |                ^
    ");
    assert_snapshot!(with("cpu: 0, after", "cpu: 4, after"), @"
    reading scenarios/bad.yaml: the guest has no CPU 4
       --> scenarios/bad.yaml:15:32
       |
    15 |   - panic: { name: panic, cpu: 4, after: { actor: dump, edge: entered, delay: 50ms } }
       |                                ^

    hint: CPUs count from 0; the guest has 4
    ");
}

#[test]
fn at_or_after() {
    assert_snapshot!(with(", at: 0ms", ""), @"
    reading scenarios/bad.yaml: `oops` has neither `at` nor `after`
       --> scenarios/bad.yaml:14:19
       |
    14 |   - oops: { name: oops, cpu: 1 }
       |                   ^^^^

    hint: give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`
    ");
    assert_snapshot!(with(", at: 0ms", ", at: 0ms, after: { actor: panic }"), @"
    reading scenarios/bad.yaml: `oops` has both `at` and `after`
       --> scenarios/bad.yaml:14:37
       |
    14 |   - oops: { name: oops, cpu: 1, at: 0ms, after: { actor: panic } }
       |                                     ^^^

    hint: give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`
    ");
    assert_snapshot!(with("cpu: 1, for: $hold", "cpu: 1, for: $hold, at: 0ms"), @"
    reading scenarios/bad.yaml: unknown key `at` in `actors[0].hold-backend-write`
       --> scenarios/bad.yaml:13:59
       |
    13 |   - hold-backend-write: { name: dump, cpu: 1, for: $hold, at: 0ms }
       |                                                           ^^

    hint: known: name, cpu, for
    ");
}

#[test]
fn actors_that_never_act() {
    assert_snapshot!(with(", at: 0ms", ", after: { actor: oops }"), @"
    reading scenarios/bad.yaml: `oops` waits for itself
       --> scenarios/bad.yaml:14:19
       |
    14 |   - oops: { name: oops, cpu: 1, after: { actor: oops } }
       |                   ^^^^

    hint: who waits for whom: dump -> oops -> oops
    ");
    assert_snapshot!(with(", at: 0ms", ", after: { actor: panic }"), @"
    reading scenarios/bad.yaml: `dump` waits for itself
       --> scenarios/bad.yaml:13:33
       |
    13 |   - hold-backend-write: { name: dump, cpu: 1, for: $hold }
       |                                 ^^^^

    hint: who waits for whom: dump -> oops -> panic -> dump
    ");
    assert_snapshot!(with("{ name: dump, cpu: 1", "{ name: dump, cpu: 2"), @"
    reading scenarios/bad.yaml: nothing writes to the back end on CPU 2, so `dump` never acts
       --> scenarios/bad.yaml:13:33
       |
    13 |   - hold-backend-write: { name: dump, cpu: 2, for: $hold }
       |                                 ^^^^

    hint: put an `oops` or a `panic` on this CPU
    ");
    assert_snapshot!(with("{ actor: dump, edge: entered", "{ actor: oops, edge: left"), @"
    reading scenarios/bad.yaml: `oops` never leaves: its CPU does not come back
       --> scenarios/bad.yaml:15:63
       |
    15 |   - panic: { name: panic, cpu: 0, after: { actor: oops, edge: left, delay: 50ms } }
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
       --> scenarios/bad.yaml:13:33
       |
    13 |   - hold-backend-write: { name: dump, cpu: 1, for: $hold }
       |                                 ^^^^

    hint: add a `panic`, or an `oops` with `sysctl: { name: kernel.panic_on_oops, value: 1 }`
    ");
    // Fatal at one point of the sweep, but not at the other.
    let swept = text.replace(panic, "").replace("kernel.panic_on_oops, value: 0", "kernel.panic_on_oops, value: $post");
    assert_snapshot!(error(&swept), @"
    reading scenarios/bad.yaml: no actor ends the guest at hold=0ms post=0
       --> scenarios/bad.yaml:13:33
       |
    13 |   - hold-backend-write: { name: dump, cpu: 1, for: $hold }
       |                                 ^^^^

    hint: add a `panic`, or an `oops` with `sysctl: { name: kernel.panic_on_oops, value: 1 }`
    ");
    let fatal = text.replace(panic, "").replace("kernel.panic_on_oops, value: 0", "kernel.panic_on_oops, value: 1");
    assert_snapshot!(error(&fatal), @"accepted");
    assert_snapshot!(error("name: bad\ntitle: t\nwhy: w\nactors: []\nexpect: []\n"), @"
    reading scenarios/bad.yaml: no actor ends the guest
      --> scenarios/bad.yaml:1:7
      |
    1 | name: bad
      |       ^^^

    hint: add a `panic`, or an `oops` with `sysctl: { name: kernel.panic_on_oops, value: 1 }`
    ");
}

#[test]
fn longer_than_the_deadline() {
    assert_snapshot!(with("deadline: 30s", "deadline: 300ms"), @"
    reading scenarios/bad.yaml: `dump` lasts beyond the deadline at hold=300ms post=0
       --> scenarios/bad.yaml:13:33
       |
    13 |   - hold-backend-write: { name: dump, cpu: 1, for: $hold }
       |                                 ^^^^

    hint: shorten it, or give the scenario a later `deadline`
    ");
    assert_snapshot!(with("deadline: 30s", "deadline: 0s"), @"
    reading scenarios/bad.yaml: `dump` lasts beyond the deadline at hold=0ms post=0
       --> scenarios/bad.yaml:13:33
       |
    13 |   - hold-backend-write: { name: dump, cpu: 1, for: $hold }
       |                                 ^^^^

    hint: shorten it, or give the scenario a later `deadline`
    ");
}

#[test]
fn knobs() {
    assert_snapshot!(with("kernel.panic_on_oops", "kernel/../../etc/passwd"), @"
    reading scenarios/bad.yaml: `kernel/../../etc/passwd` cannot be the name of a knob
       --> scenarios/bad.yaml:11:21
       |
    11 |   - sysctl: { name: kernel/../../etc/passwd, value: 0 }
       |                     ^^^^^^^^^^^^^^^^^^^^^^^

    hint: it is made of letters, digits, `_` and `-`, with dots between them
    ");
    assert_snapshot!(with("kernel.panic_on_oops", "kernel..panic"), @"
    reading scenarios/bad.yaml: `kernel..panic` cannot be the name of a knob
       --> scenarios/bad.yaml:11:21
       |
    11 |   - sysctl: { name: kernel..panic, value: 0 }
       |                     ^^^^^^^^^^^^^

    hint: it is made of letters, digits, `_` and `-`, with dots between them
    ");
    assert_snapshot!(with("module: kernel", "module: .."), @"
    reading scenarios/bad.yaml: `..` cannot be the name of a knob
       --> scenarios/bad.yaml:10:26
       |
    10 |   - parameter: { module: .., name: crash_kexec_post_notifiers, value: $post }
       |                          ^^

    hint: it is made of letters, digits, `_` and `-`, with dots between them
    ");
    assert_snapshot!(with("kernel.panic_on_oops, value: 0", "kernel.panic_on_oops, value: 'two words'"), @"accepted");
    assert_snapshot!(with("kernel.panic_on_oops, value: 0", "kernel.panic_on_oops, value: '0 '"), @"
    reading scenarios/bad.yaml: `0 ` cannot be a value
       --> scenarios/bad.yaml:11:50
       |
    11 |   - sysctl: { name: kernel.panic_on_oops, value: '0 ' }
       |                                                  ^^^^

    hint: a value is 1 to 64 printable ASCII characters, none of the outer ones a blank
    ");
    assert_snapshot!(with("actors:\n", "  - sysctl: { name: kernel.panic_on_oops, value: 1 }\nactors:\n"), @"
    reading scenarios/bad.yaml: `kernel.panic_on_oops` is set twice
       --> scenarios/bad.yaml:12:21
       |
    12 |   - sysctl: { name: kernel.panic_on_oops, value: 1 }
       |                     ^^^^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn expectations() {
    assert_snapshot!(with("channel: console", "channel: consle"), @"
    reading scenarios/bad.yaml: `expect[0].channel` cannot be `consle`
       --> scenarios/bad.yaml:19:16
       |
    19 |   - { channel: consle, outcome: saved }
       |                ^^^^^^

    hint: did you mean `console`? (known: console, pstore, order)
    ");
    assert_snapshot!(with("channel: pstore, outcome: saved", "channel: pstore, outcome: missed"), @"
    reading scenarios/bad.yaml: `expect[1].outcome` cannot be `missed`
       --> scenarios/bad.yaml:20:33
       |
    20 |   - { channel: pstore, outcome: missed, at-least: 0.9, where: { hold: [0ms] } }
       |                                 ^^^^^^

    hint: known: saved, truncated, corrupt, lost, kept, broken
    ");
    assert_snapshot!(with("at-least: 0.9", "at-least: 90"), @"
    reading scenarios/bad.yaml: a share is above 0 and at most 1
       --> scenarios/bad.yaml:20:50
       |
    20 |   - { channel: pstore, outcome: saved, at-least: 90, where: { hold: [0ms] } }
       |                                                  ^^
    ");
    assert_snapshot!(with("at-least: 0.9", "at-least: 0"), @"
    reading scenarios/bad.yaml: a share is above 0 and at most 1
       --> scenarios/bad.yaml:20:50
       |
    20 |   - { channel: pstore, outcome: saved, at-least: 0, where: { hold: [0ms] } }
       |                                                  ^
    ");
    assert_snapshot!(with("at-least: 0.9", "at-least: .nan"), @"
    reading scenarios/bad.yaml: a share is above 0 and at most 1
       --> scenarios/bad.yaml:20:50
       |
    20 |   - { channel: pstore, outcome: saved, at-least: .nan, where: { hold: [0ms] } }
       |                                                  ^^^^
    ");
}
