use ChannelOutcome::{Corrupt, Lost, Saved, Truncated, Unreadable};

use super::*;
use crate::evidence::console;
use crate::evidence::pstore;
use crate::evidence::ramoops::{Contents, Corrections};
use crate::verdict::testlog::{NONCE, OF, foreign, own_panic, panic, witnesses};
use harness_testdata::{self as encode, Erst, cper_record, deflate, dmesg_record};

/// The storage after these records, and what is judged of it.
fn judge(records: &[Vec<u8>]) -> (ChannelOutcome, u32, String) {
    let erst = (1..).zip(records).fold(Erst::new(16, 8192), |erst, (id, record)| erst.with(Some(id), record));
    let verdict = judge_pstore(&pstore::from_erst_file(&erst.bytes(), &[]), &Tail::of_panic(NONCE, OF));
    (verdict.outcome, verdict.witnesses, verdict.detail)
}

fn record(header: &str, text: &str) -> Vec<u8> {
    dmesg_record(id(header), header, text)
}

/// Any id will do so long as it is of the same boot.
fn id(header: &str) -> u64 {
    header.len() as u64
}

/// A record of which the last bytes never came.
fn cut_off(header: &str, text: &str) -> Vec<u8> {
    let stream = deflate(format!("{header}\n{text}").as_bytes());
    cper_record(id(header), encode::DMESG_Z, &stream[..stream.len() / 2])
}

fn said(outcome: ChannelOutcome, witnesses: u32, detail: &str) -> (ChannelOutcome, u32, String) {
    (outcome, witnesses, detail.to_owned())
}

#[test]
fn netconsole() {
    let judge = |text: String, damaged, dropped| {
        let netconsole = Netconsole { console: console::decode(text.as_bytes()), damaged, dropped };
        let verdict = judge_netconsole(&netconsole, &Tail::of_panic(NONCE, OF));
        (verdict.outcome, verdict.witnesses, verdict.detail)
    };
    assert_eq!(judge(witnesses(1..=OF) + &own_panic(), 1, 1), said(Saved, OF, ""));
    assert_eq!(judge(witnesses(1..=OF), 0, 0), said(Truncated, OF, "missing: panic line"));
    // The line may have been in it.
    assert_eq!(judge(witnesses(1..=OF), 2, 0), said(Corrupt, OF, "missing: panic line; 2 damaged frames"));
    let lost = "missing: witnesses 1-12 of 12, panic line";
    assert_eq!(judge(String::new(), 0, 0), said(Lost, 0, lost));
    assert_eq!(judge(String::new(), 0, 7), said(Lost, 0, &format!("{lost}; the first 7 frames were not kept")));
}

#[test]
fn the_consoles_zone() {
    let judge = |zone: Result<&ConsoleZone, &ZoneError>| {
        let verdict = judge_pstore_console(zone, &Tail::of_panic(NONCE, OF));
        (verdict.outcome, verdict.witnesses, verdict.detail)
    };
    let zone = |text: String, bad_blocks| {
        let contents = Contents { bytes: text.into_bytes(), corrections: Corrections { bytes: 3, bad_blocks } };
        ConsoleZone::from(contents)
    };
    assert_eq!(judge(Ok(&zone(witnesses(1..=OF) + &own_panic(), 1))), said(Saved, OF, ""));
    assert_eq!(judge(Ok(&zone(witnesses(1..=OF), 0))), said(Truncated, OF, "missing: panic line"));
    assert_eq!(
        judge(Ok(&zone(witnesses(1..=OF), 1))),
        said(Corrupt, OF, "missing: panic line; 1 block is beyond its parity")
    );
    let nothing = said(Lost, 0, "missing: witnesses 1-12 of 12, panic line");
    assert_eq!(judge(Ok(&ConsoleZone::default())), nothing);
    let scribbled = ZoneError::Signature { found: 0 };
    assert_eq!(
        judge(Err(&scribbled)),
        said(Corrupt, 0, &format!("{}; zone signature 0x00000000, not 0x43474244", nothing.2))
    );
}

#[test]
fn what_the_next_boot_does_not_read_is_unreadable() {
    let tail = Tail::of_panic(NONCE, OF);
    let (old, new) = (witnesses(1..=7), witnesses(8..=OF) + &own_panic());
    let after = |stored: ChannelOutcome, witnesses, files: &[(&str, &str)]| {
        let mut verdict = ChannelVerdict::new(stored, witnesses, OF, "as it was".to_owned());
        let found = pstore::from_files(files.iter().map(|(name, text)| (*name, text.as_bytes())));
        let unread: Vec<String> = files.iter().skip(1).map(|(name, _)| format!("{name} is not there")).collect();
        judge_next_boot(&mut verdict, &NextBoot { found: &found, unread: &unread, reader: None }, &tail);
        (verdict.outcome, verdict.witnesses, verdict.detail)
    };
    let whole = format!("Panic#1 Part1\n{old}{new}");
    let newest = format!("Panic#1 Part1\n{new}");
    assert_eq!(after(Saved, OF, &[("dmesg-erst-1", &whole)]), said(Saved, OF, "as it was"));
    assert_eq!(after(Truncated, 5, &[("dmesg-erst-1", &newest)]), said(Truncated, 5, "as it was"));
    assert_eq!(
        after(Saved, OF, &[("dmesg-erst-1", &newest)]),
        said(
            Unreadable,
            5,
            "saved as it is stored, truncated 5/12 as the next boot reads it: Panic#1 (1 part): missing: witnesses 1-7 of 12"
        )
    );
    assert_eq!(
        after(Truncated, 5, &[("dmesg-erst-1.enc.z", "?")]),
        said(
            Unreadable,
            0,
            "truncated as it is stored, corrupt 0/12 as the next boot reads it: no panic dump; no other either; \
             1 undecodable record; dmesg-erst-1.enc.z: the kernel could not inflate it"
        )
    );
    let (_, _, detail) = after(Saved, OF, &[("dmesg-erst-1", &newest), ("console-erst-1", "")]);
    assert!(detail.ends_with("of 12; console-erst-1 is not there"), "what was not read is told: {detail}");
    // What is not sound as it is stored is not made worse.
    assert_eq!(after(Corrupt, 5, &[]), said(Corrupt, 5, "as it was"));
    assert_eq!(after(Lost, 0, &[]), said(Lost, 0, "as it was"));
}

#[test]
fn parts_are_judged_together() {
    let (old, new) = (witnesses(1..=7), witnesses(8..=OF) + &own_panic());
    assert_eq!(judge(&[record("Panic#1 Part1", &new), record("Panic#1 Part2", &old)]), said(Saved, OF, ""));
    assert_eq!(judge(&[record("Panic#1 Part1", &new)]), {
        said(Truncated, 5, "Panic#1 (1 part): missing: witnesses 1-7 of 12")
    });
    assert_eq!(judge(&[record("Panic#1 Part2", &old)]), {
        said(Truncated, 7, "Panic#1 (1 part): missing: witnesses 8-12 of 12, panic line; part 1 not there")
    });
}

#[test]
fn witnesses_without_the_panic_line_are_truncated_and_the_panic_line_alone_too() {
    assert_eq!(judge(&[record("Panic#1 Part1", &witnesses(1..=OF))]), {
        said(Truncated, OF, "Panic#1 (1 part): missing: panic line")
    });
    assert_eq!(judge(&[record("Panic#1 Part1", &own_panic())]), {
        said(Truncated, 0, "Panic#1 (1 part): missing: witnesses 1-12 of 12")
    });
}

#[test]
fn only_panic_dumps_count() {
    let all = witnesses(1..=OF) + &own_panic();
    assert_eq!(judge(&[]), said(Lost, 0, "no panic dump; no other either"));
    assert_eq!(judge(&[record("Oops#1 Part1", &all), record("Oops#1 Part2", ""), record("Emergency#2 Part1", "")]), {
        said(Lost, 0, "no panic dump; there is Oops#1 (2 parts), Emergency#2 (1 part)")
    });
    assert_eq!(judge(&[record("Oops#1 Part1", "x\n"), record("Panic#2 Part1", &all)]), said(Saved, OF, ""));
}

#[test]
fn the_best_of_several_panic_dumps_counts() {
    let all = witnesses(1..=OF) + &own_panic();
    let (whole, bad) = (record("Panic#1 Part1", &all), cut_off("Panic#2 Part1", &all));
    assert_eq!(judge(&[whole.clone(), bad.clone()]), said(Saved, OF, ""));
    assert_eq!(judge(&[bad, whole]), said(Saved, OF, ""));
    assert_eq!(judge(&[record("Panic#1 Part1", &witnesses(1..=3)), record("Panic#2 Part1", &witnesses(1..=5))]).1, 5);
    let no_panic_line = record("Panic#2 Part1", &witnesses(1..=OF));
    assert_eq!(judge(&[record("Panic#1 Part1", &all), no_panic_line]), said(Saved, OF, ""));
}

#[test]
fn another_trials_dump_does_not_count() {
    let old = foreign() + &panic("crashlab fedcba9876543210");
    assert_eq!(judge(&[record("Panic#1 Part1", &old)]), {
        said(
            Lost,
            0,
            "Panic#1 (1 part): missing: witnesses 1-12 of 12, panic line; another panic is there: crashlab \
                       fedcba9876543210; witness lines of other trials: 12",
        )
    });
    // Even if it is damaged.
    let damaged = judge(&[cut_off("Panic#1 Part1", &old)]);
    assert_eq!((damaged.0, damaged.1), (Lost, 0), "{}", damaged.2);
}

#[test]
fn damage_makes_what_is_not_saved_corrupt() {
    let all = witnesses(1..=OF) + &own_panic();
    let (outcome, witnesses, detail) = judge(&[cut_off("Panic#1 Part1", &all)]);
    assert_eq!(outcome, Corrupt);
    assert!((1..OF).contains(&witnesses));
    assert!(detail.contains("part 1: the deflate stream is cut off after"), "{detail}");
    // An older part may be damaged if the tail is whole without it.
    assert_eq!(judge(&[record("Panic#1 Part1", &all), cut_off("Panic#1 Part2", "old\n")]), said(Saved, OF, ""));
    // The damage of an oops dump says nothing of the panic's.
    assert_eq!(judge(&[cut_off("Oops#1 Part1", &all)]), said(Lost, 0, "no panic dump; there is Oops#1 (1 part)"));
}

#[test]
fn a_record_that_cannot_be_read_may_have_been_the_one() {
    let all = witnesses(1..=OF) + &own_panic();
    let garbage = b"CPER".to_vec();
    assert_eq!(judge(&[garbage.clone(), record("Oops#1 Part1", "x\n"), garbage.clone()]), {
        said(Corrupt, 0, "no panic dump; there is Oops#1 (1 part); 2 undecodable records")
    });
    assert_eq!(judge(&[garbage.clone(), record("Panic#1 Part2", &witnesses(1..=5))]).0, Corrupt);
    assert_eq!(judge(&[garbage, record("Panic#1 Part1", &all)]), said(Saved, OF, ""));
}

#[test]
fn a_storage_that_cannot_be_read_is_never_lost() {
    let verdict = judge_pstore(&pstore::from_erst_file(b"", &[]), &Tail::of_panic(NONCE, OF));
    assert_eq!(verdict.outcome, Corrupt);
    assert_eq!(verdict.detail, "no panic dump; no other either; 0 bytes are too few for an ERST storage header");
}

#[test]
fn the_console() {
    let tail = Tail::of_panic(NONCE, OF);
    let log = format!("\x1bcSeaBIOS\r\n{}{}", witnesses(1..=OF), own_panic()).replace('\n', "\r\n");
    assert_eq!(judge_console(&console::decode(log.as_bytes()), &tail).outcome, Saved);

    let nul = log.replacen("witness 0123", "witness 01\u{0}23", 1);
    assert_eq!(judge_console(&console::decode(nul.as_bytes()), &tail).outcome, Corrupt);

    let dropped = Console { text: own_panic(), dropped: 7 };
    assert_eq!(judge_console(&dropped, &tail).detail, {
        "missing: witnesses 1-12 of 12; the first 7 bytes of the console were not read"
    });
}
