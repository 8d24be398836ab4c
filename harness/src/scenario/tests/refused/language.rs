//! Actions in contexts and at times that cannot be.

use insta::assert_snapshot;

use super::super::read;

/// What is said of a scenario with these lines, the actors among them; in short.
fn said(lines: &str) -> String {
    let text = format!("name: bad\ntitle: t\nwhy: w\nsource: s\n{lines}\nexpect: []\n");
    match read("bad", &text) {
        Ok(_) => "accepted".to_owned(),
        Err(e) => {
            let mark = e.mark().unwrap_or_default();
            format!("{}:{}: {} ({})", mark.line, mark.column, e.cause(), e.hint().unwrap_or_default())
        }
    }
}

/// What is said of an actor beside one that panics.
fn actor(actor: &str) -> String {
    said(&format!("actors:\n  - {actor}\n  - panic: {{ name: end, cpu: 0, at: 0ms }}"))
}

#[test]
fn contexts() {
    assert_snapshot!(actor("block: { name: b, cpu: 1, in: irqs-off, for: 1s, at: 0ms }"), @"6:35: `b` sleeps, which only a thread can (leave `in` out)");
    assert_snapshot!(actor("harvest: { name: h, cpu: 1, in: softirq, for: 1s, at: 0ms }"), @"6:37: `h` sleeps, which only a thread can (leave `in` out)");
    assert_snapshot!(actor("hold: { name: h, cpu: 1, lock: console, in: hardirq, for: 1s, at: 0ms }"), @"6:49: `h` may have to sleep until it has the lock, which only a thread can (hold it in `thread`, `preempt-off` or `irqs-off`; it is taken before these begin)");
    assert_snapshot!(actor("hold: { name: h, cpu: 1, lock: console, in: irqs-off, for: 1s, at: 0ms }"), @"accepted");
    assert_snapshot!(actor("hold: { name: h, cpu: 1, lock: ramoops-zone, for: 1s, at: 0ms }"), @"6:19: `h` cannot know which zone is meant (hold it `in: { function: persistent_ram_write }`, whose argument is the zone)");
    assert_snapshot!(actor("hold: { name: h, cpu: 1, lock: tasklist, for: 1s, at: 0ms }"), @"6:36: `tasklist` cannot be a lock (known: pstore-buf, erst, ramoops-zone, console, console-sem, uart-port, die, module, logbuf, efivars, efivars-sem, efi-runtime, efi-runtime-sem)");
    assert_snapshot!(actor("oops: { name: o, cpu: 1, in: hardirq, count: 2, at: 0ms }"), @"6:34: `o` oopses once in its context (only threads can oops again)");
    assert_snapshot!(actor("oops: { name: o, cpu: 1, kind: segfault, at: 0ms }"), @"6:36: `segfault` cannot be a kind of oops (known: bug, page-fault, gpf, stack, divide, null-call, stack-protector)");
    assert_snapshot!(actor("spin: { name: s, cpu: 1, in: smm, for: 1s, at: 0ms }"), @"6:34: `smm` cannot be a context (known: thread, preempt-off, irqs-off, softirq, hardirq, nmi, stop-machine, idle, notifier, notifier-last, notifier-hypervisor, notifier-info, notifier-pre-reboot, notifier-post-reboot, dumper, backend-write, console-write, function)");
    assert_snapshot!(actor("spin: { name: s, cpu: 1, in: { function: \"a b\" }, for: 1s }"), @"6:46: `a b` cannot be a symbol of the kernel's (a symbol is at most 63 letters, digits, `_` and `.`, the first none of the digits)");
    assert_snapshot!(actor("spin: { name: s, cpu: 1, in: { symbol: vpanic }, for: 1s }"), @"6:36: `actors[0].spin.in` cannot be `symbol` (known: thread, preempt-off, irqs-off, softirq, hardirq, nmi, stop-machine, idle, notifier, notifier-last, notifier-hypervisor, notifier-info, notifier-pre-reboot, notifier-post-reboot, dumper, backend-write, console-write, function)");
    assert_snapshot!(actor("nmi: { name: n, cpu: 1, in: thread, at: 0ms }"), @"6:29: unknown key `in` in `actors[0].nmi` (known: name, cpu, optional, at, after)");
}

#[test]
fn times() {
    assert_snapshot!(actor("spin: { name: s, cpu: 1, in: softirq, for: 1s }"), @"6:19: `s` has neither `at` nor `after` (give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`)");
    assert_snapshot!(actor("nmi: { name: n, cpu: 1 }"), @"6:18: `n` has neither `at` nor `after` (give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`)");
    assert_snapshot!(actor("spin: { name: s, cpu: 1, in: idle, for: 1s, at: 0ms, after: { actor: end } }"), @"6:53: `s` has both `at` and `after` (give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`)");
    assert_snapshot!(actor("spin: { name: s, cpu: 1, for: always, at: 0ms }"), @"6:35: `always` does not begin with a whole number (a duration is a whole number and one of the units us, ms, s: `300ms`)");
    assert_snapshot!(actor("spin: { name: s, cpu: 1, for: 1s, at: \"uniform(9ms,1ms)\" }"), @"6:43: `uniform(9ms,1ms)` has nothing between its ends (a duration is drawn from `uniform(0ms,10ms)`, both ends included, or `exponential(5ms)`, by its mean; between braces a text with a comma in it is quoted)");
    assert_snapshot!(actor("spin: { name: s, cpu: 1, for: 1s, at: \"normal(9ms)\" }"), @"6:43: `normal(9ms)` is no distribution (a duration is drawn from `uniform(0ms,10ms)`, both ends included, or `exponential(5ms)`, by its mean; between braces a text with a comma in it is quoted)");
    assert_snapshot!(actor("spin: { name: s, cpu: 1, for: exponential(4s), at: 0ms }"), @"6:19: `s` lasts beyond the deadline (shorten it, or give the scenario a later `deadline`)");
    assert_snapshot!(actor("spin: { name: s, cpu: 1, for: 1s, at: uniform(1ms,9ms) }"), @r#"6:55: unknown key `9ms)` in `actors[0].spin` (between braces a value ends at a comma; quote one that has a comma in it: `at: "uniform(0ms,10ms)"`)"#);
    assert_snapshot!(actor("oops: { name: o, cpu: 1, every: 1ms, at: 0ms }"), @"6:37: `o` oopses once, so nothing comes in between (give a `count`, or leave `every` out)");
    assert_snapshot!(actor("oops: { name: o, cpu: 1, count: 65, at: 0ms }"), @"6:37: `65` cannot be a count (it is a whole number from 1 to 64)");
    assert_snapshot!(actor("oops: { name: o, cpu: 1, count: 40, every: 1s, at: 0ms }"), @"6:19: `o` lasts beyond the deadline (shorten it, or give the scenario a later `deadline`)");
    assert_snapshot!(actor("print: { name: p, cpu: 1, at: 0ms }"), @"6:20: `p` has neither `count` nor `for` (say how much is enough)");
    assert_snapshot!(actor("print: { name: p, cpu: 1, count: 1, for: 1s, at: 0ms }"), @"6:38: `p` has both `count` and `for` (give one of the two)");
    assert_snapshot!(actor("print: { name: p, cpu: 1, count: many, at: 0ms }"), @"6:38: `many` cannot be a count (it is a whole number from 1 to 100000000)");
}

#[test]
fn waiting_for_what_never_comes() {
    let after = |of: &str| actor(&format!("{of}\n  - warn: {{ name: w, cpu: 1, after: {{ actor: x, edge: left }} }}"));
    assert_snapshot!(after("spin: { name: x, cpu: 1, for: forever, at: 0ms }"), @"7:55: `x` never leaves: its CPU does not come back (wait for `edge: entered`)");
    assert_snapshot!(after("reboot: { name: x, cpu: 1, at: 0ms }"), @"7:55: `x` never leaves: its CPU does not come back (wait for `edge: entered`)");
    assert_snapshot!(after("warn: { name: x, cpu: 1, at: 0ms }"), @"accepted");
    assert_snapshot!(actor("warn: { name: w, cpu: 1, in: notifier }"), @"6:19: nothing panics on CPU 1, so `w` never acts (put a `panic` on this CPU)");
    assert_snapshot!(actor("warn: { name: w, cpu: 0, in: notifier }"), @"accepted");
    assert_snapshot!(actor("warn: { name: w, cpu: 1, in: dumper, at: 0ms }"), @"6:19: nothing dumps the log on CPU 1, so `w` never acts (put an `oops` or a `panic` on this CPU)");
    assert_snapshot!(actor("warn: { name: w, cpu: 1, in: idle }"), @"accepted");
}

#[test]
fn cpus() {
    assert_snapshot!(actor("warn: { name: w, cpu: another, at: 0ms }"), @"6:22: `actors[0].warn.cpu` cannot be `another` (did you mean `any-other`? (known: any-other, all-others, all))");
    assert_snapshot!(actor("warn: { name: w, cpu: -1, at: 0ms }"), @"6:27: there is no CPU -1 ()");
    assert_snapshot!(actor("warn: { name: w, cpu: 4, at: 0ms }"), @"6:27: the guest has no CPU 4 (CPUs count from 0; the guest has 4)");
    assert_snapshot!(actor("warn: { name: w, cpu: all-others, at: 0ms }\n  - warn: { name: w-2, cpu: 1, at: 0ms }"), @"7:19: there are two actors `w-2` (each actor has a name of its own; one on `all-others` or `all` gets its CPU added)");
    assert_snapshot!(actor("warn: { name: fourteen-chars, cpu: all-others, at: 0ms }"), @"6:19: `fourteen-chars-1` is too long for an actor's name (at most 15 characters; one on `all-others` or `all` gets its CPU added)");
    let one =
        "guest: { cpus: 1 }\nactors:\n  - panic: { name: p, cpu: 0, at: 0ms }\n  - warn: { name: w, at: 0ms, cpu: ";
    assert_snapshot!(said(&format!("{one}all-others }}")), @"8:36: no CPU is left for `w` (the guest has 1, and 0 of them are not named by number)");
    assert_snapshot!(said(&format!("{one}any-other }}")), @"8:36: no CPU is left for `w` (the guest has 1, and 0 of them are not named by number)");
    let flood = "warn: { name: w, cpu: all-others, at: 0ms }\n  ";
    assert_snapshot!(actor(&format!("{flood}- spin: {{ name: s, cpu: 0, for: 1s, after: {{ actor: w }} }}")), @"7:55: `w` is on several CPUs (name one of w-1, w-2, w-3)");
}

#[test]
fn preconditions() {
    let meet = |meet: &str| {
        let actors = "  - panic: { name: p, cpu: 0, at: 0ms }\n  - spin: { name: s, cpu: 1, for: 1s, at: 0ms }\n";
        said(&format!("actors:\n{actors}  - warn: {{ name: w, cpu: all-others, at: 0ms }}\nmeet:\n  - {meet}"))
    };
    assert_snapshot!(meet("left: { actor: p }"), @"10:20: `p` never leaves: its CPU does not come back (leave this out, or narrow the `where`)");
    assert_snapshot!(meet("left: { actor: q }"), @"10:20: no actor `q` (did you mean `p`? (known: p, s, w-2, w-3))");
    assert_snapshot!(meet("never-left: { actor: w }"), @"10:26: `w` is on several CPUs (name one of w-2, w-3)");
    assert_snapshot!(meet("apart: { actor: p, from: p, at-most: 1ms }"), @"10:30: an actor is never apart from itself ()");
    assert_snapshot!(meet("apart: { actor: p, from: s, at-most: uniform }"), @"10:42: `uniform` does not begin with a whole number (a duration is a whole number and one of the units us, ms, s: `300ms`)");
    assert_snapshot!(meet("enters-during: { actor: w-2, of: w }"), @"10:38: an actor cannot enter during itself ()");
    assert_snapshot!(meet("enters-during: { actor: w, of: s }"), @"10:29: `w` is on several CPUs (name one of w-2, w-3)");
}

#[test]
fn what_the_agent_cannot_be_told() {
    let function = "f".repeat(60);
    let many = |name: &str, time: &str| {
        let actor = |n| {
            format!("  - spin: {{ name: {name}-{n}, cpu: 1, in: {{ function: {function} }}, for: 1us, at: {time} }}\n")
        };
        said(&format!(
            "actors:\n  - panic: {{ name: end, cpu: 0, at: 0ms }}\n{}",
            (10..36).map(actor).collect::<String>()
        ))
    };
    assert_snapshot!(many("s", "1us"), @"accepted");
    assert_snapshot!(many("a-long-name", "20s"), @"6:20: the guest's agent can be told 3584 bytes, and this may take 3647 (let there be fewer actors or knobs, or shorter names)");
    // What counts is what may be drawn.
    assert_eq!(many("a-long-name", "1us"), "accepted");
    assert_snapshot!(many("a-long-name", "exponential(2s)"), @"6:20: the guest's agent can be told 3584 bytes, and this may take 3647 (let there be fewer actors or knobs, or shorter names)");
}

#[test]
fn the_rest() {
    let with = |line: &str| said(&format!("{line}\nactors: [panic: {{ name: p, cpu: 0, at: 0ms }}]"));
    assert_snapshot!(with("quiet: 31s"), @"5:8: a guest cannot be quiet for 31s before its deadline (it is longer than nothing, and no longer than the `deadline`)");
    assert_snapshot!(with("quiet: 0s"), @"5:8: a guest cannot be quiet for 0s before its deadline (it is longer than nothing, and no longer than the `deadline`)");
    assert_snapshot!(with("panic-line: \"\\t\""), @"5:13: this cannot be the line of a panic (it is what stands behind `Kernel panic - not syncing: `: at most 200 printable ASCII characters)");
    assert_snapshot!(with("guest: { command-line: [\"a b\"] }"), @"5:25: `a b` is no word of the kernel's command line (give each word as an item of the list)");
    assert_snapshot!(with("needs: { since: six }"), @r#"5:17: `six` is no release of Linux (write it as "6.12" or "6.12.117")"#);
    assert_snapshot!(with("needs: { until: \"6\" }"), @r#"5:17: `6` is no release of Linux (write it as "6.12" or "6.12.117")"#);
    assert_snapshot!(with("needs: { functions: [\"a-b\"] }"), @"5:22: `a-b` cannot be a symbol of the kernel's (a symbol is at most 63 letters, digits, `_` and `.`, the first none of the digits)");
    assert_snapshot!(with("needs: { symbols: [9a] }"), @"5:20: `9a` cannot be a symbol of the kernel's (a symbol is at most 63 letters, digits, `_` and `.`, the first none of the digits)");
    assert_snapshot!(with("needs: { config: [PSTORE] }"), @"5:19: `PSTORE` cannot be an option of the kernel's (write it as CONFIG_PSTORE_RAM)");
    let blank = |key: &str| {
        let text =
            "name: bad\ntitle: t\nwhy: w\nsource: s\nactors: [panic: { name: p, cpu: 0, at: 0ms }]\nexpect: []\n";
        let text = text.replace(&format!("{key}: {}", &key[..1]), &format!("{key}: ' '"));
        read("bad", &text).map_or_else(|e| e.cause().to_owned(), |_| "accepted".to_owned())
    };
    assert_eq!(blank("why"), "`why` says nothing");
    assert_eq!(blank("source"), "`source` says nothing");
}
