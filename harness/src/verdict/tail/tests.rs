use ChannelOutcome::{Corrupt, Lost, Saved, Truncated};
use proptest::prelude::*;

use super::*;
use crate::verdict::testlog::{NONCE, OF, OTHER, foreign, own_panic, panic, printk, witness, witnesses};
use crate::verdict::witness;

fn tail() -> Tail {
    Tail::of_panic(NONCE, OF)
}

/// Cuts `text` in two at its byte `at`.
fn torn(text: &str, at: usize) -> (String, String) {
    let (head, end) = text.split_at(at);
    (head.to_owned(), end.to_owned())
}

fn check(name: &str, text: &str, tail: &Tail, want: (ChannelOutcome, u32, &str)) {
    let verdict = judge_text(text, tail);
    assert_eq!((verdict.outcome, verdict.witnesses, verdict.detail.as_str()), want, "{name}:\n{text}");
    assert_eq!(verdict.of, tail.of);
}

#[test]
fn saved() {
    let all = witnesses(1..=OF) + &own_panic();
    let (head, _) = torn(&witness(4), 45);
    for (name, text) in [
        ("as written", all.clone()),
        ("among other lines", format!("SeaBIOS\n{}{all}{}", foreign(), printk("CPU: 0 PID: 1"))),
        ("the panic line is the last and has no end", all.trim_end().to_owned()),
        (
            "other output without a line end before a witness",
            all.replace(&witness(3), &format!("[    1.0] BU{}", witness(3))),
        ),
        (
            "other output directly behind a crc",
            all.replace(&witness(3), &format!("{}[    1.0] BUG\n", witness(3).trim_end())),
        ),
        ("two pieces in one line", all.replace('\n', "")),
        ("printed twice", format!("{all}{all}")),
        ("the first print broken off, the replay whole", format!("{}{head}\n{all}", witnesses(1..=3))),
        ("a torn first copy of a line that is there whole", all.replace(&witness(4), &format!("{head}{}", witness(4)))),
        ("a wrong copy of a line that is there whole", {
            all.replace(&witness(4), &format!("{}{}", witness(4).replace("04/", "05/"), witness(4)))
        }),
        (
            "a torn first copy of the panic line",
            all.replace(&own_panic(), &format!("{}{}", torn(&own_panic(), 45).0, own_panic())),
        ),
        ("another panic before", format!("{}{all}", panic("Fatal exception"))),
    ] {
        check(name, &text, &tail(), (Saved, OF, ""));
    }
}

#[test]
fn truncated() {
    let all = witnesses(1..=OF);
    let tear = |text: &str, at| torn(text, at).0;
    for (name, text, witnesses, detail) in [
        ("no panic line", all.clone(), OF, "missing: panic line"),
        ("one witness", witness(5), 1, "missing: witnesses 1-4, 6-12 of 12, panic line"),
        ("the oldest are gone", witnesses(4..=OF) + &own_panic(), 9, "missing: witnesses 1-3 of 12"),
        ("one in between", witnesses((1..=OF).filter(|n| *n != 7)) + &own_panic(), 11, "missing: witness 7 of 12"),
        ("the panic line alone", own_panic(), 0, "missing: witnesses 1-12 of 12"),
        ("the panic line alone, behind another trial's", foreign() + &own_panic(), 0, {
            "missing: witnesses 1-12 of 12; witness lines of other trials: 12"
        }),
        ("another panic's line", format!("{all}{}", panic("Fatal exception")), OF, {
            "missing: panic line; another panic is there: Fatal exception"
        }),
        ("another trial's panic line", format!("{all}{}", panic(&format!("crashlab {OTHER}"))), OF, {
            "missing: panic line; another panic is there: crashlab fedcba9876543210"
        }),
        (
            "only the end of the panic",
            format!("{all}{}", printk(&format!("---[ end Kernel panic - not syncing: crashlab {NONCE} ]---"))),
            OF,
            { "missing: panic line" },
        ),
        ("ends within a witness's nonce", format!("{}{}", witnesses(1..=3), tear(&witness(4), 40)), 3, {
            "missing: witnesses 4-12 of 12, panic line; the text ends within line 4"
        }),
        ("ends within a crc", format!("{}{}", witnesses(1..=3), tear(&witness(4), 60)), 3, {
            "missing: witnesses 4-12 of 12, panic line; the text ends within line 4"
        }),
        ("ends within its first piece", tear(&witness(1), 40), 0, {
            "missing: witnesses 1-12 of 12, panic line; the text ends within line 1"
        }),
        ("ends within the panic's fixed words", format!("{all}{}", tear(&own_panic(), 40)), OF, {
            "missing: panic line; the text ends within line 13"
        }),
        ("ends within the panic's text", format!("{all}{}", tear(&own_panic(), 63)), OF, {
            "missing: panic line; the text ends within line 13"
        }),
    ] {
        check(name, &text, &tail(), (Truncated, witnesses, detail));
    }
}

#[test]
fn corrupt() {
    let all = witnesses(1..=OF) + &own_panic();
    let with = |number, line: &str| all.replace(&witness(number), line);
    let (w4, p) = (witness(4), own_panic());
    let between = |text: &str, at| {
        let (head, end) = torn(text, at);
        format!("{head}{}{end}", printk("BUG: on another CPU"))
    };
    let wrong = w4.replace(" 04/", " 05/");
    let sums = (witness::crc(&format!("{NONCE} 04/12")), witness::crc(&format!("{NONCE} 05/12")));
    let mismatch = format!("missing: witness 4 of 12; damaged: line 4 (crc of 6/12 is {}, not ", sums.0);
    assert!(judge_text(&with(4, &wrong.replace("05/", "06/")), &tail()).detail.starts_with(&mismatch));
    for (name, text, witnesses, detail) in [
        ("torn in its nonce", with(4, &between(&w4, 40)), 11, {
            "missing: witness 4 of 12; damaged: line 4 (nonce broken), line 5 (only the end of 4/12 is there)"
        }),
        ("torn in the first digits of its nonce", with(4, &between(&w4, 32)), 11, {
            "missing: witness 4 of 12; damaged: line 5 (only the end of 4/12 is there)"
        }),
        ("torn in its word", with(4, &between(&w4, 26)), 11, {
            "missing: witness 4 of 12; damaged: line 5 (only the end of 4/12 is there)"
        }),
        (
            "torn in its number",
            with(4, &between(&w4, 49)),
            11,
            "missing: witness 4 of 12; damaged: line 4 (number broken)",
        ),
        (
            "torn in its crc",
            with(4, &between(&w4, 58)),
            11,
            "missing: witness 4 of 12; damaged: line 4 (crc of 4/12 broken)",
        ),
        ("put into it without a line end", with(4, &w4.replace("456789", "456[    1.0]789")), 11, {
            "missing: witness 4 of 12; damaged: line 4 (nonce broken)"
        }),
        (
            "a byte lost",
            with(4, &w4.replace(" 04/", " 0/")),
            11,
            "missing: witness 4 of 12; damaged: line 4 (number broken)",
        ),
        ("of another count", with(4, &printk(&witness::line(NONCE, 4, 32))), 11, {
            "missing: witness 4 of 12; damaged: line 4 (it counts 32 witnesses, not 12)"
        }),
        ("many", all.replace("/12 ", "/12_"), 0, {
            "missing: witnesses 1-12 of 12; damaged: line 1 (crc of 1/12 broken), line 2 (crc of 2/12 broken), \
             line 3 (crc of 3/12 broken) and 9 more"
        }),
        ("nothing but a torn line", format!("{}\n", torn(&w4, 45).0), 0, {
            "missing: witnesses 1-12 of 12, panic line; damaged: line 1 (nonce broken)"
        }),
        ("the panic's fixed words torn", all.replace(&p, &between(&p, 42)), OF, {
            "missing: panic line; damaged: line 13 (panic line broken), line 14 (only the end of the panic line is there)"
        }),
        ("the panic's first words torn off", all.replace(&p, &p.replace("Kernel p", "")), OF, {
            "missing: panic line; damaged: line 13 (only the end of the panic line is there)"
        }),
        ("the panic's text torn", all.replace(&p, &between(&p, 65)), OF, {
            "missing: panic line; damaged: line 13 (panic line broken)"
        }),
        (
            "two witnesses changed places",
            with(4, &(witness(5) + &w4)).replacen(&format!("{w4}{}", witness(5)), &w4, 1),
            OF,
            { "out of order: witness 5 is not behind witness 4" },
        ),
        ("the panic line before the last witness", witnesses(1..OF) + &p + &witness(OF), OF, {
            "out of order: the panic line is not behind witness 12"
        }),
        ("out of order and not complete", witnesses([3, 2]), 2, {
            "missing: witnesses 1, 4-12 of 12, panic line; out of order: witness 3 is not behind witness 2"
        }),
    ] {
        check(name, &text, &tail(), (Corrupt, witnesses, detail));
    }
    assert_ne!(sums.0, sums.1);
}

#[test]
fn lost() {
    const ALL: &str = "missing: witnesses 1-12 of 12, panic line";
    for (name, text, detail) in [
        ("nothing at all", String::new(), ALL.to_owned()),
        ("something else", printk("Linux version 6.12"), ALL.to_owned()),
        ("another trial", foreign() + &panic(&format!("crashlab {OTHER}")), {
            format!("{ALL}; another panic is there: crashlab {OTHER}; witness lines of other trials: 12")
        }),
        ("another trial's torn line", torn(&foreign(), 45).0 + "\n", ALL.to_owned()),
        ("the nonce elsewhere", printk(&format!("agent: nonce {NONCE}, crashlab {NONCE}")), ALL.to_owned()),
        ("ends before anything of the tail", "[    1.2345".to_owned(), ALL.to_owned()),
    ] {
        check(name, &text, &tail(), (Lost, 0, &detail));
    }
}

#[test]
fn a_panic_without_a_nonce_belongs_to_the_witnesses_before_it() {
    let tail = Tail::of_oops(NONCE, OF);
    let (all, fatal) = (witnesses(1..=OF), panic("Fatal exception in interrupt"));
    check("own", &format!("{all}{fatal}"), &tail, (Saved, OF, ""));
    check("own, behind another trial", &format!("{}{fatal}{all}{fatal}", foreign()), &tail, (Saved, OF, ""));
    check("alone", &fatal, &tail, (Truncated, 0, "missing: witnesses 1-12 of 12"));
    check("another trial's", &format!("{}{fatal}", foreign()), &tail, {
        (
            Lost,
            0,
            "missing: witnesses 1-12 of 12, panic line; another panic is there: Fatal exception in interrupt; witness lines of other trials: 12",
        )
    });
    check("another trial's, torn", &format!("{}{}\n", foreign(), torn(&fatal, 45).0), &tail, {
        (Lost, 0, "missing: witnesses 1-12 of 12, panic line; witness lines of other trials: 12")
    });
}

#[test]
fn any_panic_will_do_without_a_marker() {
    let tail = Tail { panic_marker: String::new(), ..tail() };
    check("any", &(witnesses(1..=OF) + &panic("whatever")), &tail, (Saved, OF, ""));
    check("no witness asked for", &panic("whatever"), &Tail { of: 0, ..tail.clone() }, (Saved, 0, ""));
    check("none", "", &Tail { of: 0, ..tail }, (Lost, 0, "missing: panic line"));
}

/// Work must grow with the text, not with its square: these would not end in a day.
#[test]
fn a_hostile_line_without_an_end_is_judged_in_time() {
    let whole = witness::line(NONCE, 1, OF);
    for piece in [
        "witness ",
        "witness 0123",
        "witness 0123456789abcdef ",
        "witness 0123[ 01/12 ",
        "Kernel panic - ",
        "Kernel panic - not syncing: x",
        &whole,
        &format!("{NONCE} 02/12 {}", witness::crc(&format!("{NONCE} 02/12"))),
        &format!("Kernel panic - not syncing: crashlab {NONCE}"),
    ] {
        let text = piece.repeat((2 << 20) / piece.len());
        assert_ne!(judge_text(&text, &tail()).outcome, Saved);
    }
}

proptest! {
    #[test]
    fn any_text(text in "((witness )?(0123456789abcdef|0123)?( ?[01][0-9]/12 ?)?(Kernel panic - (not syncing: )?)?.{0,9}\n?){0,20}") {
        let verdict = judge_text(&text, &tail());
        prop_assert_eq!(verdict.detail.is_empty(), verdict.outcome == Saved);
    }

    /// However the text is cut off, what is left is sound.
    #[test]
    fn a_cut_text_is_never_corrupt(cut in 0usize..2000) {
        let text = witnesses(1..=OF) + &own_panic();
        let cut = cut.min(text.len());
        let verdict = judge_text(&text[..cut], &tail());
        prop_assert!(verdict.outcome != Corrupt, "{}", verdict.detail);
        prop_assert_eq!(verdict.outcome == Saved, cut + 1 >= text.len());
        prop_assert!(verdict.witnesses as usize * witness(1).len() <= cut + 1);
    }

    /// However a line is torn by another's output, its trial is not saved, and the damage is seen.
    #[test]
    fn a_torn_witness_is_always_corrupt(number in 1..=OF, at in 24usize..62) {
        let text = witnesses(1..=OF) + &own_panic();
        let line = witness(number);
        let (head, end) = torn(&line, at);
        let verdict = judge_text(&text.replace(&line, &format!("{head}{}{end}", printk("BUG"))), &tail());
        prop_assert_eq!((verdict.outcome, verdict.witnesses), (Corrupt, OF - 1), "{}", verdict.detail);
    }

    #[test]
    fn a_torn_panic_line_is_always_corrupt(at in 24usize..75) {
        let line = own_panic();
        let (head, end) = torn(&line, at);
        let verdict = judge_text(&format!("{}{head}{}{end}", witnesses(1..=OF), printk("BUG")), &tail());
        prop_assert_eq!(verdict.outcome, Corrupt, "{}", verdict.detail);
    }

    #[test]
    fn witnesses_left_out_are_named(keep in prop::collection::btree_set(1..=OF, 0..OF as usize)) {
        let verdict = judge_text(&(witnesses(keep.iter().copied()) + &own_panic()), &tail());
        prop_assert_eq!((verdict.outcome, verdict.witnesses as usize), (Truncated, keep.len()));
    }
}

#[test]
fn a_panic_line_that_never_came_is_not_asked_for() {
    let tail = tail().without_panic();
    check("all there is", &witnesses(1..=OF), &tail, (Saved, OF, ""));
    check("with one all the same", &(witnesses(1..=OF) + &own_panic()), &tail, (Saved, OF, ""));
    check("not all", &witnesses(1..=3), &tail, (Truncated, 3, "missing: witnesses 4-12 of 12"));
    check("none", "", &tail, (Lost, 0, "missing: witnesses 1-12 of 12"));
}
