//! Parameters of the sweep, knobs and expectations with names and values that cannot be.

use insta::assert_snapshot;

use super::with;

#[test]
fn unknown_parameters_and_values() {
    assert_snapshot!(with("for: $hold", "for: $hodl"), @"
    reading scenarios/bad.yaml: no parameter `hodl`
       --> scenarios/bad.yaml:14:57
       |
    14 |   - spin: { name: dump, cpu: 1, in: backend-write, for: $hodl }
       |                                                         ^^^^^

    hint: did you mean `hold`? (known: hold, post)
    ");
    assert_snapshot!(with("where: { hold: [0ms] }", "where: { hodl: [0ms] }"), @"
    reading scenarios/bad.yaml: no parameter `hodl`
       --> scenarios/bad.yaml:21:64
       |
    21 |   - { channel: pstore, outcome: saved, at-least: 0.9, where: { hodl: [0ms] } }
       |                                                                ^^^^

    hint: did you mean `hold`? (known: hold, post)
    ");
    assert_snapshot!(with("where: { hold: [0ms] }", "where: { hold: [30ms] }"), @"
    reading scenarios/bad.yaml: no value `30ms` of `hold`
       --> scenarios/bad.yaml:21:71
       |
    21 |   - { channel: pstore, outcome: saved, at-least: 0.9, where: { hold: [30ms] } }
       |                                                                       ^^^^

    hint: did you mean `0ms`? (known: 0ms, 300ms)
    ");
    assert_snapshot!(with("where: { hold: [0ms] }", "where: { hold: [] }"), @"
    reading scenarios/bad.yaml: no value of `hold` is listed
       --> scenarios/bad.yaml:21:64
       |
    21 |   - { channel: pstore, outcome: saved, at-least: 0.9, where: { hold: [] } }
       |                                                                ^^^^
    ");
    assert_snapshot!(with("value: $post", "value: 1"), @"
    reading scenarios/bad.yaml: the parameter `post` is not used
      --> scenarios/bad.yaml:9:3
      |
    9 |   post: [0, 1]
      |   ^^^^

    hint: write `$post` where its value is meant, or leave it out
    ");
}

#[test]
fn values_of_parameters() {
    assert_snapshot!(with("post: [0, 1]", "post: []"), @"
    reading scenarios/bad.yaml: the parameter `post` has no values
      --> scenarios/bad.yaml:9:3
      |
    9 |   post: []
      |   ^^^^
    ");
    assert_snapshot!(with("post: [0, 1]", "post: [0, 0]"), @"
    reading scenarios/bad.yaml: `0` is already a value of `post`
      --> scenarios/bad.yaml:9:13
      |
    9 |   post: [0, 0]
      |             ^

    hint: each value makes cells of its own
    ");
    assert_snapshot!(with("hold: [0ms, 300ms]", "hold: [300ms, 300000us]"), @"
    reading scenarios/bad.yaml: `300000us` is already a value of `hold`
      --> scenarios/bad.yaml:8:17
      |
    8 |   hold: [300ms, 300000us]
      |                 ^^^^^^^^

    hint: each value makes cells of its own
    ");
    assert_snapshot!(with("post: [0, 1]", "post: [0.5]"), @"
    reading scenarios/bad.yaml: this must be a whole number or a word, not floating point `0.5`
      --> scenarios/bad.yaml:9:10
      |
    9 |   post: [0.5]
      |          ^^^
    ");
    assert_snapshot!(with("post: [0, 1]", "post: [true]"), @"
    reading scenarios/bad.yaml: this must be a whole number or a word, not boolean `true`
      --> scenarios/bad.yaml:9:10
      |
    9 |   post: [true]
      |          ^^^^
    ");
    assert_snapshot!(with("post: [0, 1]", r#"post: ["0\nfire"]"#), @r#"
    reading scenarios/bad.yaml: `0\nfire` cannot be a value
      --> scenarios/bad.yaml:9:10
      |
    9 |   post: ["0\nfire"]
      |          ^^^^^^^^^

    hint: a value is 1 to 64 printable ASCII characters without blanks, and does not begin with `$`
    "#);
    let many = (0..600).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    assert!(with("post: [0, 1]", &format!("post: [{many}]")).contains("more than 1024 points"));
}

#[test]
fn knobs() {
    assert_snapshot!(with("kernel.panic_on_oops", "kernel/../../etc/passwd"), @"
    reading scenarios/bad.yaml: `kernel/../../etc/passwd` cannot be the name of a knob
       --> scenarios/bad.yaml:12:21
       |
    12 |   - sysctl: { name: kernel/../../etc/passwd, value: 0 }
       |                     ^^^^^^^^^^^^^^^^^^^^^^^

    hint: it is made of letters, digits, `_` and `-`, with dots between them
    ");
    assert_snapshot!(with("kernel.panic_on_oops", "kernel..panic"), @"
    reading scenarios/bad.yaml: `kernel..panic` cannot be the name of a knob
       --> scenarios/bad.yaml:12:21
       |
    12 |   - sysctl: { name: kernel..panic, value: 0 }
       |                     ^^^^^^^^^^^^^

    hint: it is made of letters, digits, `_` and `-`, with dots between them
    ");
    assert_snapshot!(with("module: kernel", "module: .."), @"
    reading scenarios/bad.yaml: `..` cannot be the name of a knob
       --> scenarios/bad.yaml:11:26
       |
    11 |   - parameter: { module: .., name: crash_kexec_post_notifiers, value: $post }
       |                          ^^

    hint: it is made of letters, digits, `_` and `-`, with dots between them
    ");
    assert_snapshot!(with("kernel.panic_on_oops, value: 0", "kernel.panic_on_oops, value: 'two words'"), @"accepted");
    assert_snapshot!(with("kernel.panic_on_oops, value: 0", "kernel.panic_on_oops, value: '0 '"), @"
    reading scenarios/bad.yaml: `0 ` cannot be a value
       --> scenarios/bad.yaml:12:50
       |
    12 |   - sysctl: { name: kernel.panic_on_oops, value: '0 ' }
       |                                                  ^^^^

    hint: a value is 1 to 64 printable ASCII characters, none of the outer ones a blank
    ");
    assert_snapshot!(with("actors:\n", "  - sysctl: { name: kernel.panic_on_oops, value: 1 }\nactors:\n"), @"
    reading scenarios/bad.yaml: `kernel.panic_on_oops` is set twice
       --> scenarios/bad.yaml:13:21
       |
    13 |   - sysctl: { name: kernel.panic_on_oops, value: 1 }
       |                     ^^^^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn expectations() {
    assert_snapshot!(with("channel: console", "channel: consle"), @"
    reading scenarios/bad.yaml: `expect[0].channel` cannot be `consle`
       --> scenarios/bad.yaml:20:16
       |
    20 |   - { channel: consle, outcome: saved }
       |                ^^^^^^

    hint: did you mean `console`? (known: console, earlycon, netconsole, pstore, pstore-console, kdump, order, splats)
    ");
    assert_snapshot!(with("channel: pstore, outcome: saved", "channel: pstore, outcome: missed"), @"
    reading scenarios/bad.yaml: `expect[1].outcome` cannot be `missed`
       --> scenarios/bad.yaml:21:33
       |
    21 |   - { channel: pstore, outcome: missed, at-least: 0.9, where: { hold: [0ms] } }
       |                                 ^^^^^^

    hint: known: saved, truncated, corrupt, unreadable, lost, vmcore-bad, no-vmcore, capture-hung, not-entered, not-loaded, kept, broken, none, some
    ");
    assert_snapshot!(with("at-least: 0.9", "at-least: 90"), @"
    reading scenarios/bad.yaml: a share is above 0 and at most 1
       --> scenarios/bad.yaml:21:50
       |
    21 |   - { channel: pstore, outcome: saved, at-least: 90, where: { hold: [0ms] } }
       |                                                  ^^
    ");
    assert_snapshot!(with("at-least: 0.9", "at-least: 0"), @"
    reading scenarios/bad.yaml: a share is above 0 and at most 1
       --> scenarios/bad.yaml:21:50
       |
    21 |   - { channel: pstore, outcome: saved, at-least: 0, where: { hold: [0ms] } }
       |                                                  ^
    ");
    assert_snapshot!(with("at-least: 0.9", "at-least: .nan"), @"
    reading scenarios/bad.yaml: a share is above 0 and at most 1
       --> scenarios/bad.yaml:21:50
       |
    21 |   - { channel: pstore, outcome: saved, at-least: .nan, where: { hold: [0ms] } }
       |                                                  ^^^^
    ");
}

#[test]
fn expectations_of_splats() {
    let cause = |written: &str| {
        let said = with("channel: console, outcome: saved", written);
        said.lines().next().unwrap().rsplit_once("bad.yaml: ").unwrap().1.to_owned()
    };
    assert_eq!(cause("splats: few"), "`expect[0].splats` cannot be `few`");
    assert_eq!(cause("splats: none, outcome: saved"), "this says not what is expected of what");
    assert_eq!(cause("channel: console"), "this says not what is expected of what");
    assert_eq!(cause("at-least: 0.5"), "this says not what is expected of what");
    assert_eq!(cause("channel: splats, outcome: none"), "splats are expected by a key of their own");
    let allowed = "titles are `allowed` only where there are to be no other splats";
    assert_eq!(cause("channel: console, outcome: saved, allowed: [WARNING in foo]"), allowed);
    assert_eq!(cause("splats: none, allowed: [\"*\"]"), "`*` cannot be the title of a report");
    assert_eq!(cause("splats: none, allowed: [\" WARNING\"]"), "` WARNING` cannot be the title of a report");
}

#[test]
fn programs() {
    let cause = |written: &str| {
        let said = with("expect:\n", &format!("workload: {{ {written} }}\nexpect:\n"));
        said.lines().next().unwrap().rsplit_once("bad.yaml: ").unwrap().1.to_owned()
    };
    assert_eq!(cause("for: 1s"), "the key `program` is missing in `workload`");
    let nowhere = "`./no-such-program` cannot be run in a guest: No such file or directory (os error 2)";
    assert_eq!(cause("program: ./no-such-program, for: 1s"), nowhere);
    // Beside the scenario, which is read from a folder of that name.
    let here = "`.` cannot be run in a guest: ";
    assert!(cause("program: ., for: 1s").starts_with(here), "{}", cause("program: ., for: 1s"));
}
