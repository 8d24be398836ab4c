use proptest::prelude::*;

use super::zone::read;
use super::*;
use crate::inflate::Stop;
use crate::pstore::Reason;
use harness_testdata::Zone;

const ZONES: Ramoops = Ramoops { record: 4096, records: 2, console: 4096, pmsg: 0, ecc: 0, used: 0 };

fn text(lines: usize) -> String {
    (0..lines).fold(String::new(), |text, n| text + &format!("<6>[    1.{n:06}][    T1] line {}\n", n * n))
}

/// A dump of a panic in the second zone, nothing in the first, and a console.
fn memory(zones: &Ramoops) -> Vec<u8> {
    let zone = |size: u32| Zone::new(size as usize, zones.ecc as usize);
    let dump = zone(zones.record).with_dump(1, "Panic#1 Part1", &text(40));
    let mut memory = [zone(zones.record).bytes(), dump.bytes()].concat();
    memory.extend(zone(zones.console).with(text(5).as_bytes()).bytes());
    if zones.pmsg > 0 {
        memory.extend(zone(zones.pmsg).with(b"from user space").bytes());
    }
    memory
}

#[test]
fn dumps_console_and_pmsg() {
    for ecc in [0, 2, 16, 64] {
        let zones = Ramoops { pmsg: 4096, ecc, ..ZONES };
        let Reading { pstore, corrections, console, pmsg } = decode(&memory(&zones), &zones, &[]);
        let [dump] = &pstore.dumps[..] else { panic!("{pstore:?}") };
        assert_eq!((dump.reason, dump.count, dump.text()), (Reason::Panic, 1, text(40)));
        assert_eq!(dump.parts[0].record_id, 1);
        assert!(pstore.problems.is_empty() && pstore.undecodable == 0, "{pstore:?}");
        assert_eq!(corrections, [Corrections::default(); 2]);
        assert_eq!(console.unwrap().unwrap().bytes, text(5).into_bytes());
        assert_eq!(pmsg.unwrap().unwrap().bytes, b"from user space");
    }
}

#[test]
fn without_their_zones_there_is_no_console_and_no_pmsg() {
    let zones = Ramoops { console: 0, ..ZONES };
    let reading = decode(&memory(&ZONES), &zones, &[]);
    assert_eq!((reading.console, reading.pmsg), (None, None));
    assert_eq!(reading.pstore.dumps.len(), 1);
}

#[test]
fn the_last_bytes_of_much_output_are_kept() {
    for ecc in [0, 16] {
        let zone = Zone::new(4096, ecc).with(text(150).as_bytes()).with(text(7).as_bytes());
        let contents = read(&zone.bytes(), ecc).unwrap();
        let written = text(150) + &text(7);
        assert!(contents.bytes.len() < written.len());
        assert_eq!(contents.bytes, written.as_bytes()[written.len() - contents.bytes.len()..]);
    }
}

#[test]
fn dumps_stand_in_the_order_of_their_time() {
    let mut memory = memory(&ZONES);
    let later = Zone::new(4096, 0).with_dump(2, "Oops#1 Part1", "later\n").bytes();
    memory[..4096].copy_from_slice(&later);
    let dumps = decode(&memory, &ZONES, &[]).pstore.dumps;
    assert_eq!(dumps.iter().map(|dump| dump.reason).collect::<Vec<_>>(), [Reason::Panic, Reason::Oops]);
}

#[test]
fn half_of_the_paritys_bytes_are_corrected_and_no_more() {
    let zones = Ramoops { ecc: 16, ..ZONES };
    let sound = memory(&zones);
    let mut flipped = sound.clone();
    // Eight bytes of the dump's second block, and one of its zone's header.
    for at in 0..8 {
        flipped[4096 + 12 + 128 + 9 * at] ^= 0x5a;
    }
    flipped[4096] ^= 1;
    let (reading, whole) = (decode(&flipped, &zones, &[]), decode(&sound, &zones, &[]));
    assert_eq!(reading.pstore, whole.pstore);
    assert_eq!(reading.corrections, [Corrections::default(), Corrections { bytes: 9, bad_blocks: 0 }]);

    flipped[4096 + 12 + 128 + 100] ^= 0x5a;
    let reading = decode(&flipped, &zones, &[]);
    assert_eq!(reading.corrections, [Corrections::default(), Corrections { bytes: 1, bad_blocks: 1 }]);
    let [beyond, inflating] = &reading.pstore.problems[..] else { panic!("{:?}", reading.pstore) };
    assert_eq!(beyond, "dmesg zone 1: 1 block is beyond its parity");
    assert!(inflating.starts_with("dmesg zone 1: the deflate stream"), "{inflating}");
    let part = &reading.pstore.dumps[0].parts[0];
    assert!(text(40).starts_with(&part.text[..20]) && part.damage.is_some(), "what stands before it is kept");
}

#[test]
fn what_is_no_zone_is_told() {
    let mut memory = memory(&ZONES);
    memory[0] = b'X';
    memory[4096 + 8..4096 + 12].copy_from_slice(&5000u32.to_le_bytes());
    memory[8192 + 4..8192 + 8].copy_from_slice(&4000u32.to_le_bytes());
    let reading = decode(&memory, &ZONES, &[]);
    assert_eq!(
        reading.pstore.problems,
        [
            "dmesg zone 0: zone signature 0x43474258, not 0x43474244",
            "dmesg zone 1: 5000 bytes from 264 on are no contents of a zone for 4084",
            "console zone: 166 bytes from 4000 on are no contents of a zone for 4084",
        ]
    );
    assert_eq!(reading.pstore.undecodable, 2);
    assert!(reading.console.unwrap().is_err());
    let parities = Ramoops { record: 64, ecc: 64, ..ZONES };
    assert_eq!(decode(&memory, &parities, &[]).pstore.undecodable, 2, "no room for data");
}

#[test]
fn memory_that_ends_early_has_no_more_zones() {
    let reading = decode(&memory(&ZONES)[..8000], &ZONES, &[]);
    assert_eq!(
        reading.pstore.problems,
        [
            "dmesg zone 1: 0 bytes are too few for a zone with its parity",
            "console zone: 0 bytes are too few for a zone with its parity"
        ]
    );
    assert_eq!(decode(&[], &ZONES, &[]).pstore.undecodable, 2);
}

#[test]
fn header_lines() {
    let split =
        |line: &str| Header::split(line.as_bytes()).map(|(header, rest)| (header.micros, header.deflated, rest.len()));
    assert_eq!(split("====1.000002-C\nabc"), Some((1_000_002, true, 3)));
    assert_eq!(split("====0.000000-D\n"), Some((0, false, 0)));
    for wrong in [
        "",
        "\n",
        "====1.000002-C",
        "===1.000002-C\n",
        "====1.000002\n",
        "====-1.000002-C\n",
        "====1.+02-C\n",
        "====1.2-E\n",
        "====99999999999999999999.000000-C\n",
        "====18446744073709551615.000000-C\n",
        "====000000000000000000000000000000000000000000001.000000-C\n",
    ] {
        assert_eq!(split(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_dump_without_its_line_or_its_end() {
    let with = |first: Zone| {
        let mut memory = memory(&ZONES);
        memory[..4096].copy_from_slice(&first.bytes());
        decode(&memory, &ZONES, &[]).pstore
    };
    let pstore = with(Zone::new(4096, 0).with(b"nothing like it"));
    assert_eq!(pstore.problems, ["dmesg zone 0: no header line `====<seconds>.<microseconds>-<C|D>`"]);
    assert_eq!((pstore.undecodable, pstore.dumps.len()), (1, 1));
    // A writer that was stopped: the size counts what was not written yet.
    let plain = Zone::new(4096, 0).with(b"====5.000000-D\nOops#1 Part1\nfirst\nsec");
    assert_eq!(with(plain).problems, ["dmesg zone 0: Oops#1 Part1 ends within a line"]);
    let stream = harness_testdata::deflate(format!("Oops#1 Part1\n{}", text(100)).as_bytes());
    let cut = Zone::new(4096, 0).with(b"====5.000000-C\n").with(&stream[..stream.len() / 2]);
    let pstore = with(cut);
    let part = &pstore.dumps[0].parts[0];
    assert!(matches!(part.damage, Some(Stop::CutOff { .. })) && part.text.len() > 500, "{part:?}");
}

proptest! {
    #[test]
    fn any_bytes_are_bounded(
        mut memory in prop::collection::vec(any::<u8>(), 0..9000),
        record in prop::sample::select(vec![0u32, 4, 16, 100, 4096]),
        ecc in 0u32..=64,
        sound in any::<bool>(),
    ) {
        if sound {
            for zone in memory.chunks_mut(record.max(1) as usize).filter(|zone| zone.len() >= 12) {
                zone[..4].copy_from_slice(b"DBGC");
                zone[5..8].fill(0);
                zone[10..12].fill(0);
            }
        }
        let zones = Ramoops { record, records: 2, console: record, pmsg: record, ecc, used: 0 };
        let reading = decode(&memory, &zones, &[]);
        let bytes = |zone: &Option<Result<Contents, ZoneError>>| zone.as_ref().and_then(|zone| zone.as_ref().ok()).map_or(0, |it| it.bytes.len());
        prop_assert!(bytes(&reading.console).max(bytes(&reading.pmsg)) <= record as usize);
    }

    #[test]
    fn what_was_written_is_read(
        writes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..5),
        ecc in prop::sample::select(vec![0usize, 2, 7, 16, 64]),
        flips in prop::collection::vec((0usize..1024, 1u8..), 0..=1),
    ) {
        let mut zone = Zone::new(1024, ecc);
        for bytes in &writes {
            zone = zone.with(bytes);
        }
        let mut zone = zone.bytes();
        for (at, mask) in flips.iter().filter(|_| ecc > 0) {
            zone[*at] ^= mask;
        }
        let contents = read(&zone, ecc).unwrap();
        prop_assert_eq!(contents.corrections.bad_blocks, 0);
        prop_assert!(writes.concat().ends_with(&contents.bytes));
        let capacity = if ecc == 0 { 1012 } else { 1012 - ((1012 - ecc).div_ceil(128 + ecc) + 1) * ecc };
        prop_assert_eq!(contents.bytes.len(), writes.concat().len().min(capacity));
    }
}

#[test]
fn zones_are_found_whose_sizes_are_not_known() {
    for ecc in [0, 16] {
        let zones = Ramoops { pmsg: 4096, ecc, ..ZONES };
        let memory = [vec![0x5a; 8192], memory(&zones), vec![0; 4096]].concat();
        let (found, reading) = find(&memory, ecc as usize).unwrap();
        let roles: Vec<_> = found.iter().map(|zone| (zone.at, zone.role)).collect();
        let at = |zone: usize| 8192 + zone * 4096;
        assert_eq!(roles, [(at(0), Role::Empty), (at(1), Role::Dump), (at(2), Role::Console), (at(3), Role::Other)]);
        // Of the last one it is not known where it ends, so that its parity is not where it is looked for.
        let of_others = |reading: Reading| (reading.pstore.dumps, reading.console);
        assert_eq!(of_others(reading), of_others(decode(&memory[8192..], &zones, &[])));
    }
    assert_eq!(find(&[0; 8192], 0), None);
    assert_eq!(find(b"DBGC", 0), None);
}

proptest! {
    #[test]
    fn zones_in_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..3000), header in prop::array::uniform3(any::<u16>())) {
        let _ = find(&bytes, 0);
        let mut zone = b"DBGC".to_vec();
        zone.extend(header.iter().take(2).flat_map(|number| u32::from(*number).to_le_bytes()));
        zone.extend(&bytes);
        let _ = find(&zone, usize::from(header[2] % 65));
    }
}

#[test]
fn dumps_that_were_there_before_are_left_out() {
    let zones = Ramoops { records: 3, used: 2, ..ZONES };
    let dump = |boot: u32| format!("====157783{boot}.000000-D\nPanic#1 Part1\nof boot {boot}\n");
    let before = encode(&zones, &[dump(1), dump(2)]);
    assert_eq!(before.len() as u64, zones.bytes());
    let of = |memory: &[u8], before: &[u8]| {
        let dumps = decode(memory, &zones, before).pstore.dumps;
        dumps.iter().map(crate::pstore::Dump::text).collect::<Vec<_>>()
    };
    assert_eq!(of(&before, &[]), ["of boot 1\n", "of boot 2\n"]);
    assert_eq!(of(&before, &before), Vec::<String>::new());
    // The kernel begins with the first zone, whatever is in it.
    let left = encode(&zones, &[dump(3), dump(2)]);
    assert_eq!(of(&left, &before), ["of boot 3\n"]);
}
