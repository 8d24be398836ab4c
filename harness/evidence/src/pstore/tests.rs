use proptest::prelude::*;

use super::*;
use harness_testdata::{self as encode, Erst, cper_record, deflate, dmesg_record};

const BOOT: u64 = 0x6741_aaaa << 32;

fn erst(records: &[(u64, Vec<u8>)]) -> Vec<u8> {
    records.iter().fold(Erst::new(16, 8192), |erst, (id, record)| erst.with(Some(*id), record)).bytes()
}

fn part(id: u64, header: &str, text: &str) -> (u64, Vec<u8>) {
    (id, dmesg_record(id, header, text))
}

/// Lines no two of which are alike.
fn log(lines: u32) -> String {
    (0..lines).fold(String::new(), |text, n| text + &format!("line {n} {}\n", n * n))
}

fn summary(pstore: &Pstore) -> Vec<String> {
    pstore.dumps.iter().map(ToString::to_string).collect()
}

#[test]
fn files_of_the_next_boot() {
    let files: [(&str, &[u8]); 6] = [
        ("dmesg-erst-7712104902735659010", b"Panic#2 Part2\nold\n"),
        ("dmesg-erst-7712104902735659009", b"Panic#2 Part1\nnew\n"),
        ("dmesg-ramoops-3", b"Oops#1 Part1\nan oops\n\nECC: No errors detected\n"),
        ("console-ramoops-0", b"Panic#9 Part1\nno dump\n"),
        ("dmesg-ramoops-1.enc.z", b"\xed\x5a\x6d\x8f"),
        ("dmesg-", b""),
    ];
    let pstore = from_files(files);
    assert_eq!(summary(&pstore), ["Oops#1 (1 part)", "Panic#2 (2 parts)"]);
    assert_eq!(pstore.dumps[1].text(), "old\nnew\n");
    assert_eq!(pstore.dumps[1].parts[0].record_id, 7_712_104_902_735_659_010);
    assert_eq!(pstore.problems, ["dmesg-ramoops-1.enc.z: the kernel could not inflate it"]);
    assert_eq!(pstore.undecodable, 1);
}

#[test]
fn a_folder_with_records_of_several_boots_and_back_ends() {
    let file = |name, modified, bytes| StoredFile { name, modified: Some(modified), bytes };
    let stored = deflate(b"Panic#1 Part1\ndeflated\n");
    let pstore = from_folder([
        // The same dump of two boots, by their time; one that the kernel could not inflate.
        file("dmesg-ramoops-0", 20, b"Panic#1 Part1\nlater\n"),
        file("dmesg-ramoops-1", 10, b"Panic#1 Part1\nearlier\n"),
        file("dmesg-ramoops-2.enc.z", 30, &stored),
        // Two parts within a second or two, then another boot's.
        file("dmesg-efi_pstore-176450000102001", 0, b"Panic#1 Part2\nold\n"),
        file("dmesg-efi_pstore-176450000001001", 0, b"Panic#1 Part1\nnew\n"),
        file("dmesg-efi_pstore-176459999901001", 0, b"Panic#1 Part1\nnext boot\n"),
        file("dmesg-erst-7712104902735659009", 0, b"Oops#1 Part1\nerst\n"),
        file("console-ramoops-0", 0, b"no dump"),
    ]);
    let texts: Vec<_> = pstore.dumps.iter().map(Dump::text).collect();
    assert_eq!(texts, ["old\nnew\n", "next boot\n", "erst\n", "earlier\n", "later\n", "deflated\n"]);
    let written: Vec<_> = pstore.dumps.iter().map(|dump| dump.parts[0].written).collect();
    let times = [1_764_500_001, 1_764_599_999, 0, 10, 20, 30].map(Some);
    assert_eq!(written, times);
    assert_eq!(pstore.problems, Vec::<String>::new());
}

#[test]
fn efi_variables_are_dumps_by_their_names() {
    let pstore = from_efi_variables([
        ("dump-type0-1-2-1764500001-D", &b"Panic#2 Part1\npanic\n"[..]),
        ("dump-type0-2-1-1764500001-D", b"Oops#1 Part2\nold\n"),
        ("dump-type0-1-1-1764500000-D", b"Oops#1 Part1\nnew\n"),
        ("dump-type1-1-1-1764500000-D", b"a machine check"),
        ("dump-type0-1-1-1764600000-D", b"Oops#1 Part1\nnext boot\n"),
        ("dump-x", b""),
    ]);
    let texts: Vec<_> = pstore.dumps.iter().map(Dump::text).collect();
    assert_eq!(texts, ["old\nnew\n", "panic\n", "next boot\n"]);
    assert_eq!(pstore.problems, ["dump-x: no name of a dump"]);
}

#[test]
fn header_lines() {
    let header = |reason, count, part| Some(DumpHeader { reason, count, part });
    for (line, want) in [
        ("Panic#2 Part1", header(Reason::Panic, 2, 1)),
        ("Oops#1 Part12", header(Reason::Oops, 1, 12)),
        ("Emergency#3 Part1", header(Reason::Emergency, 3, 1)),
        ("Shutdown#4 Part1", header(Reason::Shutdown, 4, 1)),
        ("Unknown#5 Part1", header(Reason::Unknown, 5, 1)),
        ("Panic#2 Part0", None),
        ("Panic#-2 Part1", None),
        ("Panic#+2 Part1", None),
        ("Panic#2 Part1 ", None),
        ("panic#2 Part1", None),
        ("Panic#4294967296 Part1", None),
        ("Panic#2Part1", None),
        ("", None),
    ] {
        assert_eq!(DumpHeader::parse(line), want, "{line}");
        if let Some(header) = want {
            assert_eq!(header.to_string(), line);
        }
    }
}

#[test]
fn parts_are_put_together_oldest_first_and_dumps_in_order() {
    let pstore = from_erst_file(
        &erst(&[
            part(BOOT | 1, "Oops#1 Part1", "oops\n"),
            part(BOOT | 2, "Panic#2 Part1", "c\nd\n"),
            part(BOOT | 3, "Panic#2 Part2", "b\n"),
            part(BOOT | 4, "Panic#2 Part3", "a\n"),
        ]),
        &[],
    );
    assert_eq!(summary(&pstore), ["Oops#1 (1 part)", "Panic#2 (3 parts)"]);
    assert_eq!(pstore.dumps[1].text(), "a\nb\nc\nd\n");
    assert!(pstore.dumps[1].parts.iter().all(Part::is_whole));
    assert_eq!((pstore.problems.len(), pstore.undecodable, pstore.storage_fault), (0, 0, None));
}

#[test]
fn an_uncompressed_part_and_one_that_was_cut_for_not_compressing() {
    let pstore = from_erst_file(
        &erst(&[
            (1, cper_record(1, encode::DMESG, b"Panic#1 Part1\nnewest\nof w")),
            (2, cper_record(2, encode::DMESG, b"Panic#1 Part2\nold\n")),
            (3, cper_record(3, encode::DMESG, b"Oops#2 Part1\nx")),
            (4, cper_record(4, encode::DMESG, b"Oops#2 Part2\ny")),
        ]),
        &[],
    );
    let [panic, oops] = &pstore.dumps[..] else { panic!("{:?}", summary(&pstore)) };
    assert_eq!(panic.text(), "old\nnewest\nof w");
    assert_eq!(panic.parts.iter().map(Part::is_whole).collect::<Vec<_>>(), [true, false]);
    assert_eq!(oops.text(), "y\nx");
    assert_eq!(pstore.problems[0], "slot 1: record 0x1: Panic#1 Part1 ends within a line");
}

#[test]
fn the_same_count_in_another_boot_is_another_dump() {
    for (first, second) in [(BOOT | 1, (BOOT + (1 << 32)) | 1), (1 << 63 | 5 << 24 | 1, 1 << 63 | 6 << 24 | 1)] {
        let pstore = from_erst_file(
            &erst(&[part(second, "Panic#1 Part1", "second\n"), part(first, "Panic#1 Part1", "first\n")]),
            &[],
        );
        assert_eq!(pstore.dumps.iter().map(Dump::text).collect::<Vec<_>>(), ["first\n", "second\n"]);
        assert_eq!(pstore.problems, Vec::<String>::new());
    }
}

#[test]
fn missing_and_doubled_parts_are_told() {
    let pstore = from_erst_file(
        &erst(&[
            part(1, "Panic#1 Part3", "c\n"),
            part(2, "Panic#1 Part6", "f\n"),
            part(3, "Panic#1 Part6", "f\n"),
            part(4, "Oops#2 Part4294967295", "far\n"),
        ]),
        &[],
    );
    assert_eq!(
        pstore.problems,
        ["Panic#1 has part 6 twice", "Panic#1 lacks parts 1-2, 4-5", "Oops#2 lacks parts 1-4294967294",]
    );
}

#[test]
fn a_damaged_part_keeps_its_prefix() {
    let text = log(300);
    let stream = deflate(format!("Panic#1 Part1\n{text}").as_bytes());
    let pstore = from_erst_file(&erst(&[(9, cper_record(9, encode::DMESG_Z, &stream[..stream.len() / 2]))]), &[]);
    let part = &pstore.dumps[0].parts[0];
    assert_eq!(part.damage, Some(Stop::CutOff { after: stream.len() / 2 }));
    assert!(text.starts_with(&part.text) && part.text.len() > 500 && !part.is_whole());
    assert_eq!(
        pstore.problems,
        [format!("slot 1: record 0x9: the deflate stream is cut off after {} bytes", stream.len() / 2)]
    );
    assert_eq!(pstore.undecodable, 0);
}

#[test]
fn what_cannot_be_read_is_counted_and_what_is_not_ours_is_not() {
    let mut foreign = dmesg_record(1, "Panic#1 Part1", "x\n");
    foreign[64] ^= 1;
    let mut renamed = dmesg_record(6, "Panic#1 Part1", "kept\n");
    renamed[96] = 7;
    let pstore = from_erst_file(
        &erst(&[
            (1, foreign),
            (2, cper_record(2, encode::MCE, b"machine check")),
            (3, cper_record(3, [7; 16], b"?")),
            (4, cper_record(4, encode::DMESG, b"no header\n")),
            (5, b"garbage".to_vec()),
            (6, renamed),
        ]),
        &[],
    );
    assert_eq!(summary(&pstore), ["Panic#1 (1 part)"]);
    assert_eq!(pstore.undecodable, 3);
    assert_eq!(
        pstore.problems,
        [
            "slot 1: record 0x1: written by 75a574e2-5052-4b29-8a8e-be2c6490b89d, not by pstore",
            "slot 3: record 0x3: unknown section type 07070707-0707-0707-0707-070707070707",
            "slot 4: record 0x4: no header line `<reason>#<count> Part<part>`",
            "slot 5: record 0x5: no CPER signature",
            "slot 6: record 0x6: it calls itself 0x7",
        ]
    );
}

#[test]
fn cleared_records_are_no_evidence() {
    let file = Erst::new(4, 8192).with(None, &dmesg_record(1, "Panic#1 Part1", "x\n")).bytes();
    assert_eq!(from_erst_file(&file, &[]), Pstore::default());
}

#[test]
fn a_storage_that_cannot_be_read_is_told_apart() {
    let pstore = from_erst_file(&[0; 100], &[]);
    assert_eq!(pstore.storage_fault, Some(ErstError::Blank.into()));
    assert_eq!(pstore.problems.len(), 1);
}

#[test]
fn the_text_of_one_storage_is_bounded() {
    let bomb = cper_record(1, encode::DMESG_Z, &deflate(&[&b"Panic#1 Part1\n"[..], &vec![b'x'; 7 << 20]].concat()));
    let file = (1..=40).fold(Erst::new(64, 8192), |erst, id| erst.with(Some(id), &bomb)).bytes();
    let pstore = from_erst_file(&file, &[]);
    let held: usize = pstore.dumps.iter().flat_map(|d| &d.parts).map(|p| p.text.len()).sum();
    assert!((15 << 20..=MAX_BYTES).contains(&held), "{held}");
    assert!(pstore.undecodable >= 24, "those beyond the bound are counted: {}", pstore.undecodable);
}

proptest! {
    #[test]
    fn text_put_in_is_found_again(
        parts in prop::collection::vec("([ -~]{0,80}\n){1,40}", 1..6),
        deflated: bool,
    ) {
        let mut text = String::new();
        let mut records = Vec::new();
        for (number, part) in (1..).zip(&parts) {
            let raw = format!("Panic#3 Part{number}\n{part}");
            let (kind, payload) = if deflated {
                (encode::DMESG_Z, deflate(raw.as_bytes()))
            } else {
                (encode::DMESG, raw.into_bytes())
            };
            let id = BOOT | number;
            records.push((id, cper_record(id, kind, &payload)));
            text.insert_str(0, part);
        }
        let pstore = from_erst_file(&erst(&records), &[]);
        prop_assert_eq!(pstore.dumps.len(), 1);
        prop_assert_eq!(pstore.dumps[0].text(), text);
        prop_assert_eq!(pstore.problems, Vec::<String>::new());
    }

    #[test]
    fn any_damage_to_a_storage(damage in prop::collection::vec((0usize..3 * 8192, any::<u8>()), 1..20)) {
        let log = log(100);
        let mut file = erst(&[part(1, "Panic#1 Part1", &log), part(2, "Panic#1 Part2", &log)]);
        for (at, value) in damage {
            file[at] = value;
        }
        let pstore = from_erst_file(&file, &[]);
        prop_assert!(pstore.dumps.iter().map(|d| d.text().len()).sum::<usize>() <= MAX_BYTES);
    }

    #[test]
    fn any_payload(payload in prop::collection::vec(any::<u8>(), 0..2000), kind in 0usize..3) {
        let kind = [encode::DMESG, encode::DMESG_Z, encode::MCE][kind];
        from_erst_file(&erst(&[(1, cper_record(1, kind, &payload))]), &[]);
    }
}
