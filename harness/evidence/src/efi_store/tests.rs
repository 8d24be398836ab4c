use proptest::prelude::*;

use super::*;
use crate::pstore::{self, Pstore};
use harness_testdata::deflate;
use harness_testdata::efi::{ADDED, EfiFlash, GLOBAL, LINUX_CRASH as CRASH};

const NAME: &str = "dump-type0-1-1-1764500000-C";

fn flash() -> EfiFlash {
    EfiFlash::new(16 << 10, true)
}

fn part(number: u32, text: &str) -> Vec<u8> {
    deflate(format!("Panic#1 Part{number}\n{text}").as_bytes())
}

fn dump(image: &[u8]) -> Pstore {
    pstore::from_efi_image(&decode(image).unwrap())
}

fn names<'a>(store: &'a Store<'_>) -> Vec<&'a str> {
    store.shown().map(|variable| variable.name.as_str()).collect()
}

#[test]
fn both_formats_are_read_back() {
    for authenticated in [true, false] {
        let flash =
            EfiFlash::new(8 << 10, authenticated).with(ADDED, GLOBAL, "Boot\u{f6}", b"abc").with_dump(NAME, b"data");
        let image = flash.bytes();
        let found = decode(&image).unwrap();
        assert_eq!(found.problems, Vec::<String>::new());
        let store = found.store;
        assert_eq!((store.at, store.bytes, store.problems.len()), (0x48, 28 + (8 << 10), 0));
        let seen: Vec<_> = store.shown().map(|v| (v.name.as_str(), v.data, v.vendor == LINUX_CRASH)).collect();
        assert_eq!(seen, [("Boot\u{f6}", &b"abc"[..], false), (NAME, b"data", true)]);
        let header = if authenticated { 60 } else { 32 };
        assert_eq!(store.used, (header + 12 + 3 + 1) + (header + 56 + 4));
        // Without the volume's header it is the same store.
        let bare = decode(&image[0x48..]).unwrap().store;
        assert_eq!(names(&bare), names(&store));
        // Within a larger flash chip too.
        let chip = [&[0xff; 4096], &image[..]].concat();
        assert_eq!(decode(&chip).unwrap().store.at, 4096 + 0x48);
    }
}

#[test]
fn what_the_next_boot_is_shown_goes_by_the_states() {
    let with = |states: &[u8]| {
        let flash = states
            .iter()
            .zip(["0", "1", "2", "3"])
            .fold(flash(), |flash, (state, data)| flash.with(*state, GLOBAL, "x", data.as_bytes()));
        let image = flash.bytes();
        let store = decode(&image).unwrap().store;
        store.shown().map(|variable| char::from(variable.data[0])).collect::<String>()
    };
    for (states, shown) in [
        (&[0x3f][..], "0"),
        (&[0x3e], "0"),
        (&[0x7f], ""),
        (&[0x3d], ""),
        (&[0x3c], ""),
        (&[0x7e], ""),
        (&[0x3e, 0x3f], "1"),
        (&[0x3f, 0x3e], "0"),
        (&[0x3e, 0x3e], "1"),
        (&[0x3f, 0x3f], "0"),
        (&[0x3d, 0x7f, 0x3f], "2"),
    ] {
        assert_eq!(with(states), shown, "{states:02x?}");
    }
}

#[test]
fn a_dump_is_read_and_what_was_torn_is_told() {
    let name = |part: u32| format!("dump-type0-{part}-1-1764500000-C");
    let whole = flash().with_dump(&name(1), &part(1, "new\n")).with_dump(&name(2), &part(2, "old\n"));
    let pstore = dump(&whole.bytes());
    assert_eq!(pstore.dumps[0].text(), "old\nnew\n");
    assert_eq!(pstore.dumps[0].parts[0].written, Some(1_764_500_000));
    assert_eq!((pstore.problems, pstore.undecodable), (vec![], 0));

    let text = part(2, "never read\n");
    let (header, whole) = (60, 60 + 56 + text.len());
    // At any byte of it: its state says how far it had come.
    for bytes in 1..whole {
        let state = if bytes <= header { 0xff } else { 0x7f };
        let image = flash().with_dump(&name(1), &part(1, "new\n")).torn(state, &name(2), &text, bytes).bytes();
        let pstore = dump(&image);
        assert_eq!((pstore.dumps.len(), pstore.dumps[0].text()), (1, "new\n".to_owned()), "{bytes}");
        assert!(!pstore.problems.is_empty(), "{bytes}");
    }
    let torn = |state: u8, bytes| dump(&flash().torn(state, &name(2), &text, bytes).bytes()).problems;
    assert_eq!(
        torn(0xff, 1),
        ["a variable was being begun at 0x64, where the firmware stops reading: 1 bytes are not erased"]
    );
    assert_eq!(torn(0xff, 20), ["0x64: a variable without its name: its header was being written"]);
    assert_eq!(
        torn(0x7f, header + 56 + 10),
        [format!(
            "0x64: dump-type0-2-1-1764500000-C: its data was being written: 10 of {} bytes are there",
            text.len()
        )]
    );
}

#[test]
fn what_lies_behind_the_firmwares_end_is_told() {
    let image = flash().garbage(b"\0\0\0\0").with_dump(NAME, &part(1, "behind\n")).bytes();
    let pstore = dump(&image);
    assert!(pstore.dumps.is_empty());
    assert_eq!(pstore.undecodable, 1);
    let [place, lost] = &pstore.problems[..] else { panic!("{:?}", pstore.problems) };
    assert!(place.starts_with("something else is at 0x64, where the firmware stops reading: "), "{place}");
    assert_eq!(*lost, format!("0x68: {NAME}: it lies behind the place where the firmware stops reading"));
}

#[test]
fn deleted_and_doubled_dumps_are_told() {
    let one = part(1, "one\n");
    let flash = flash().with(0x3d, CRASH, NAME, &one).with_dump(NAME, &one).with_dump(NAME, &part(1, "two\n"));
    let pstore = dump(&flash.bytes());
    assert_eq!(pstore.dumps[0].text(), "one\n");
    assert!(pstore.problems[0].ends_with(": another one of this name counts"), "{:?}", pstore.problems);
    assert_eq!(pstore.problems[1], "dumps that were deleted, and whose room was not reclaimed: 1");
}

#[test]
fn a_store_that_is_cut_or_lies_about_its_size() {
    let image = flash().with_dump(NAME, &part(1, "whole\n")).bytes();
    let cut = &image[..0x64 + 60 + 56 + 5];
    let store = decode(cut).unwrap().store;
    assert_eq!(store.problems, [format!("the image ends {} bytes before the store does", (16 << 10) - 121)]);
    assert!(store.variables[0].is_cut && store.shown().count() == 0);
    assert_eq!(dump(cut).problems.last().unwrap(), &format!("0x64: {NAME}: the store ends before its data does"));
    let lies = flash().with_dump(NAME, b"x").sized(u32::MAX).bytes();
    assert_eq!(names(&decode(&lies).unwrap().store), [NAME]);
    let none = flash().with_dump(NAME, b"x").sized(0).bytes();
    assert_eq!(names(&decode(&none).unwrap().store).len(), 0);
}

#[test]
fn an_interrupted_rewrite_is_finished_from_the_spare_block() {
    let main = |spare, complete| flash().with_dump(NAME, &part(1, "main\n")).rewriting(spare, complete);
    let spare = flash().with_dump(NAME, &part(1, "spare\n")).bytes();
    let text = |spare_complete, complete| {
        let pstore = dump(&[main(spare_complete, complete).bytes(), spare.clone()].concat());
        (pstore.dumps[0].text(), pstore.problems.concat())
    };
    let at = main(true, true).bytes().len() + 0x48;
    assert_eq!(text(true, true), ("main\n".to_owned(), String::new()));
    let old = "the firmware was about to rewrite the store: the next boot keeps the old one";
    assert_eq!(text(false, false), ("main\n".to_owned(), old.to_owned()));
    let new = format!("the firmware was rewriting the store: the next boot takes the copy at {at:#x}");
    assert_eq!(text(true, false), ("spare\n".to_owned(), new));
    let lost = dump(&main(true, false).bytes());
    assert_eq!(lost.problems, ["the firmware was rewriting the store, and the copy of it is not there"]);
}

#[test]
fn what_is_no_store_is_refused() {
    assert_eq!(decode(b""), Err(EfiStoreError::None));
    assert_eq!(decode(&[0xff; 4096]), Err(EfiStoreError::None));
    let mut image = flash().bytes();
    image[0x48 + 20] = 0xff;
    let unhealthy = EfiStoreError::Unhealthy { at: 0x48, format: 0xff, state: 0xfe };
    assert_eq!(decode(&image), Err(unhealthy));
    assert!(begins(&image) && !begins(b"_FVH"));
}

#[test]
fn what_the_harness_writes_is_what_the_tests_encoder_writes() {
    for authenticated in [true, false] {
        let mut image = EfiFlash::new(200, authenticated).with(ADDED, GLOBAL, "first", b"12345").bytes();
        let mut writer = Writer::new(&mut image).unwrap();
        assert_eq!(writer.overhead("x"), if authenticated { 64 } else { 36 });
        writer.write(LINUX_CRASH, "x", b"abc").unwrap();
        let left = 200 - decode(&image).unwrap().store.used;
        let same = EfiFlash::new(200, authenticated).with(ADDED, GLOBAL, "first", b"12345").with_dump("x", b"abc");
        assert_eq!(image, same.bytes());
        let too_much = Writer::new(&mut image).unwrap().write(LINUX_CRASH, "y", &[0; 200]);
        let bytes = if authenticated { 264 } else { 236 };
        assert_eq!(too_much, Err(NoRoom { bytes, room: left }));
    }
    assert_eq!(Writer::new(&mut [0; 100]).unwrap_err(), EfiStoreError::None);
}

/// A record that was being written is told with its dump; one that may be the panic's counts as undecodable.
#[test]
fn what_was_being_written_is_told_with_its_dump() {
    let name = |part: u32, count: u32| format!("dump-type0-{part}-{count}-1764500000-C");
    let oops = |part: u32| deflate(format!("Oops#1 Part{part}\nx\n").as_bytes());
    let begun = || flash().with_dump(&name(1, 1), &oops(1)).with_dump(&name(2, 1), &oops(2));
    let gone = |flash: EfiFlash| {
        let pstore = dump(&flash.bytes());
        (pstore.gone, pstore.undecodable)
    };
    let torn = |flash: EfiFlash, of: &str| flash.torn(0x7f, of, &[7; 717], 60 + 2 * (of.len() + 1) + 23);
    let of_oops = "part 3 of Oops#1 was being written: 717 bytes announced, 23 there".to_owned();
    assert_eq!(gone(torn(begun(), &name(3, 1))), (vec![of_oops], 0));
    // It may be the panic's first.
    let unknown = "part 1 of a dump was being written: 717 bytes announced, 23 there".to_owned();
    assert_eq!(gone(torn(begun(), &name(1, 2))), (vec![unknown], 1));
    let panic = flash().with_dump(&name(1, 1), &part(1, "new\n"));
    let of_panic = "part 2 of Panic#1 was being written: 717 bytes announced, 23 there".to_owned();
    assert_eq!(gone(torn(panic, &name(2, 1))), (vec![of_panic], 1));
    // Nothing of the text is there.
    assert_eq!(gone(begun().torn(0xff, &name(3, 1), &[7; 717], 40)), (vec!["a record was being begun".to_owned()], 0));
    let nameless = "a record was being written: 717 bytes announced, 0 there".to_owned();
    assert_eq!(gone(begun().torn(0x7f, &name(3, 1), &[7; 717], 62)), (vec![nameless], 0));
    let deleted = begun().with(0x3d, CRASH, &name(3, 1), &oops(3));
    assert_eq!(gone(deleted), (vec!["records that were deleted: 1".to_owned()], 0));
    // Of many only some are told.
    let many = (1..=9).fold(flash(), |flash, part| flash.with(0x7f, CRASH, &name(part, 1), &[7; 20]));
    let (told, undecodable) = gone(many);
    assert_eq!((told.len(), undecodable, told[4].as_str()), (5, 9, "and 5 more of these"));
}

/// As seen on a busy host: the ACPI timer began anew while a panic was dumped, some seconds after its oops.
#[test]
fn a_clock_that_goes_back_makes_no_other_dump() {
    let parts = [("Oops", 1, 1, 75), ("Oops", 1, 2, 76), ("Panic", 2, 1, 78), ("Panic", 2, 2, 80), ("Panic", 2, 3, 75)];
    let variable = |(reason, count, part, seconds): (&str, u32, u32, u64)| {
        let name = format!("dump-type0-{part}-{count}-{}-D", 1_796_073_700 + seconds);
        (name, format!("{reason}#{count} Part{part}\n{part}\n").into_bytes())
    };
    let variables = parts.map(variable);
    let image = variables.iter().fold(flash(), |flash, (name, data)| flash.with_dump(name, data)).bytes();
    let want = [
        ("Oops#1 (2 parts)".to_owned(), "2\n1\n".to_owned()),
        ("Panic#2 (3 parts)".to_owned(), "3\n2\n1\n".to_owned()),
    ];
    let shown = |pstore: Pstore| pstore.dumps.iter().map(|dump| (dump.to_string(), dump.text())).collect::<Vec<_>>();
    assert_eq!(shown(dump(&image)), want);
    // By their names alone, too.
    assert_eq!(
        shown(pstore::from_efi_variables(variables.iter().map(|(name, data)| (name.as_str(), &data[..])))),
        want
    );
    // The next boot's counts begin anew, within the same minute.
    let again = variable(("Oops", 1, 1, 99));
    let two = variables.iter().chain([&again]).map(|(name, data)| (name.as_str(), &data[..]));
    assert_eq!(shown(pstore::from_efi_variables(two))[2].0, "Oops#1 (1 part)");
}

#[test]
fn what_was_there_before_is_not_the_trials() {
    let before = flash().with_dump(&NAME.replace("1764", "1664"), &part(1, "of an earlier boot\n"));
    let since = decode(&before.bytes()).unwrap().store.end();
    let before = flash().with_dump(&NAME.replace("1764", "1664"), &part(1, "of an earlier boot\n"));
    let image = before.with_dump(NAME, &part(1, "of the trial\n")).bytes();
    let of_trial = pstore::from_efi_flash(&image, since);
    assert_eq!((of_trial.dumps.len(), of_trial.dumps[0].text()), (1, "of the trial\n".to_owned()));
    assert_eq!(pstore::from_efi_flash(&image, 0).dumps.len(), 2);
    let fault = pstore::from_efi_flash(b"", 0).storage_fault;
    assert_eq!(fault, Some(EfiStoreError::None.into()));
}

#[test]
fn names_of_all_kernels() {
    let name = |part, count, seconds, deflated| Some(DumpName { kind: 0, part, count, seconds, deflated });
    for (text, want) in [
        ("dump-type0-12-3-1764500000-C", name(12, 3, 1_764_500_000, true)),
        ("dump-type0-1-1-1764500000-D", name(1, 1, 1_764_500_000, false)),
        ("dump-type0-1-2-1364500000", name(1, 2, 1_364_500_000, false)),
        ("dump-type0-1-1364500000", name(1, 0, 1_364_500_000, false)),
        ("dump-type0-1-1-1764500000-E", None),
        ("dump-type0-1", None),
        ("dump-type0-+1-1-1764500000-C", None),
        ("dump-type0-1-1-99999999999999999999-C", None),
        ("Boot0000", None),
    ] {
        assert_eq!(DumpName::parse(text), want, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..400) {
        let _ = decode(&bytes);
        let mut image = flash().with_dump(NAME, b"x").bytes();
        image[at..at + bytes.len()].copy_from_slice(&bytes);
        if let Ok(image) = decode(&image) {
            let data: usize = image.store.variables.iter().map(|variable| variable.data.len()).sum();
            prop_assert!(data <= image.store.bytes);
            pstore::from_efi_image(&image);
        }
    }

    #[test]
    fn what_was_written_is_read_back(
        variables in prop::collection::vec(("[A-Za-z0-9-]{1,40}", prop::collection::vec(any::<u8>(), 0..300)), 0..20),
        authenticated: bool,
    ) {
        let flash = variables.iter().enumerate().fold(EfiFlash::new(16 << 10, authenticated), |flash, (n, (name, data))| {
            flash.with(ADDED, GLOBAL, &format!("{n}{name}"), data)
        });
        let image = flash.bytes();
        let store = decode(&image).unwrap().store;
        prop_assert_eq!(&store.problems, &Vec::<String>::new());
        let seen: Vec<_> = store.shown().map(|v| (v.name.clone(), v.data.to_vec())).collect();
        let want: Vec<_> = variables.iter().enumerate().map(|(n, (name, data))| (format!("{n}{name}"), data.clone())).collect();
        prop_assert_eq!(seen, want);
    }

    #[test]
    fn any_names(name in "(dump-type)?[0-9A-Z+-]{0,40}") {
        let _ = DumpName::parse(&name);
        pstore::from_efi_variables([(name.as_str(), &b"Panic#1 Part1\nx\n"[..])]);
    }
}
