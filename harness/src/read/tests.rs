use std::path::Path;

use super::*;
use harness_testdata::efi::EfiFlash;
use harness_testdata::printk_ring::{ADDRESSES, Kernel, RingBuilder};
use harness_testdata::vmcore::{CoreBuilder, registers};
use harness_testdata::{Erst, Zone, deflate, dmesg_record};

const TEXT: &str = "<6>[    1.000000][   T47] up\n<0>[    2.000000][   T47] Kernel panic - not syncing: x\n\
                    <4>[    2.000001][   T47] CPU: 1 UID: 0 PID: 47 Comm: victim Not tainted 6.12.1 #1\n";

fn source(name: &str, bytes: Vec<u8>) -> Source {
    Source { name: name.to_owned(), content: Content::File(Box::new(bytes)) }
}

fn read_one(bytes: Vec<u8>) -> SourceReading {
    let mut reading = read(&[source("x", bytes)], &Options::default());
    assert!(reading.refused.is_empty(), "{:?}", reading.refused);
    reading.sources.remove(0)
}

fn erst() -> Vec<u8> {
    Erst::new(8, 8192)
        .with(Some(1), &dmesg_record(1, "Panic#1 Part1", TEXT))
        .with(Some(2), &dmesg_record(2, "Panic#1 Part3", "<6>[    0.500000][    T1] early\n"))
        .bytes()
}

/// A core with a log.
fn core() -> Vec<u8> {
    let mut ring = RingBuilder::new(Kernel::V6_12, 6, 14);
    ring.push(1_000_000_000, 47, "up").push(2_000_000_000, 47, "Kernel panic - not syncing: x");
    ring.push(2_000_001_000, 47, "CPU: 1 UID: 0 PID: 47 Comm: victim Not tainted 6.12.1 #1");
    let raw = ring.raw();
    let base = 0xffff_ffff_8180_0000_u64;
    let mut memory = vec![0; 2 << 20];
    let mut put = |address: u64, bytes: &[u8]| {
        let at = usize::try_from(address - base).unwrap();
        memory[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(0xffff_ffff_8182_0668, &ADDRESSES[0].to_le_bytes());
    for (address, bytes) in ADDRESSES.into_iter().zip([&raw.ring, &raw.descs, &raw.infos, &raw.text]) {
        put(address, bytes);
    }
    let builder = CoreBuilder::new(&Kernel::V6_12.vmcoreinfo()).registers(Some(registers(47, 0, 0)));
    let mut core = builder.segment(base, 0x180_0000, memory.len() as u64).head();
    core.resize(core.len().next_multiple_of(4096), 0);
    core.extend(memory);
    core
}

#[test]
fn each_kind_is_known_by_its_bytes() {
    let ramoops = Zone::new(4096, 0).with_dump(1, "Panic#1 Part1", TEXT).bytes();
    let console = Zone::new(4096, 0).with(TEXT.repeat(20).as_bytes()).bytes();
    let efi = EfiFlash::new(8192, true)
        .with_dump("dump-type0-1-1-1764500000-C", &deflate(format!("Panic#1 Part1\n{TEXT}").as_bytes()))
        .bytes();
    for (kind, bytes, of) in [
        (Kind::Erst, erst(), LogOf::Dump),
        (Kind::EfiStore, efi, LogOf::Dump),
        (Kind::Ramoops, ramoops, LogOf::Dump),
        (Kind::Ramoops, console, LogOf::ConsoleZone),
        (Kind::Vmcore, core(), LogOf::Memory),
        (Kind::Log, TEXT.as_bytes().to_vec(), LogOf::Console),
    ] {
        let reading = read_one(bytes);
        assert_eq!((reading.kind, reading.logs.len()), (kind, 1), "{:?}", reading.lost);
        let log = &reading.logs[0];
        assert_eq!((log.of, log.to_us), (of, Some(2_000_001)), "{kind}");
        let task = Task { pid: 47, name: "victim".to_owned() };
        assert_eq!(log.crash, Crash { panic: Some("x".to_owned()), cpu: Some(1), task: Some(task) }, "{kind}");
    }
}

#[test]
fn a_reading_is_told_in_text() {
    let console = TEXT.replace("<6>", "").replace("<0>", "").replace("<4>", "") + "[    3.000000][   T47] behind\n";
    let reading = read(&[source("erst.bin", erst()), source("console.log", console.into_bytes())], &Options::default());
    insta::assert_snapshot!(reading_text(&reading, true), @"
    erst.bin: storage of QEMU's acpi-erst, 64 KiB
      Panic#1: 4 lines, from [    0.500000] to [    2.000001]
        2 parts (1, 3), written 2026-11-22 00:00:00 UTC; missing: part 2
        panic: x
        panicked on CPU 1 by task 47 (victim)
      lost or damaged:
        Panic#1 lacks part 2

    console.log: log, 189 bytes
      log: 4 lines, from [    1.000000] to [    3.000000]
        panic: x
        panicked on CPU 1 by task 47 (victim)

    --- erst.bin: Panic#1
    <6>[    0.500000][    T1] early
    <6>[    1.000000][   T47] up
    <0>[    2.000000][   T47] Kernel panic - not syncing: x
    <4>[    2.000001][   T47] CPU: 1 UID: 0 PID: 47 Comm: victim Not tainted 6.12.1 #1

    --- console.log: log
    [    1.000000][   T47] up
    [    2.000000][   T47] Kernel panic - not syncing: x
    [    2.000001][   T47] CPU: 1 UID: 0 PID: 47 Comm: victim Not tainted 6.12.1 #1
    [    3.000000][   T47] behind

    --- compared from [    0.500000] on: 5 lines
    a  erst.bin: Panic#1: 4 of 5; first lost: [    3.000000][   T47] behind
    b  console.log: log: 4 of 5; first lost: <6>[    0.500000][    T1] early

    a. <6>[    0.500000][    T1] early
    ab <6>[    1.000000][   T47] up
    ab <0>[    2.000000][   T47] Kernel panic - not syncing: x
    ab <4>[    2.000001][   T47] CPU: 1 UID: 0 PID: 47 Comm: victim Not tainted 6.12.1 #1
    .b [    3.000000][   T47] behind
    ");
    let short = reading_text(&reading, false);
    assert!(!short.contains("\n--- erst.bin") && short.contains("--- compared from"), "{short}");
}

#[test]
fn what_is_not_known_is_refused_with_what_it_looks_like() {
    let refused =
        |bytes: &[u8]| read(&[source("x", bytes.to_vec())], &Options::default()).refused.remove(0).to_string();
    for (bytes, looks) in [
        (
            &b"\x1f\x8b\x08\x00"[..],
            "read x: it is compressed by gzip: decompress it first (gunzip); its first bytes are 1f 8b 08 00 (\\x1f\\x8b\\x08\\x00); known are: ",
        ),
        (b"KDUMP   \x06\0\0\0", "read x: it is a vmcore in makedumpfile's compressed format, which is not read here: "),
        (b"", "read x: it is empty; known are: "),
        (&[0; 64], "read x: it is nothing but zeros; its first bytes are 00 "),
        (&[0xff; 64], "read x: it is nothing but erased flash; "),
        (&[0x80; 64], "read x: nothing in it is known; its first bytes are 80 "),
        (b"\x7fELF\x02\x01\x01", "read x: it is an ELF file, and no core of x86-64; "),
    ] {
        let said = refused(bytes);
        assert!(said.starts_with(looks), "{looks}: {said}");
    }
    assert!(refused(&core()[..700]).contains("are not all in its first bytes"));
}

#[test]
fn zones_of_ramoops_may_be_named() {
    let zone = |size, parity| Zone::new(size, parity);
    let memory = [
        zone(4096, 16).with_dump(1, "Panic#1 Part1", TEXT).bytes(),
        zone(4096, 16).bytes(),
        zone(8192, 16).with(b"[    9.000000] shown\n").bytes(),
        vec![1; 4096],
        zone(4096, 16).with(b"from user space").bytes(),
    ]
    .concat();
    let zones: ZoneSizes = "record=4096,console=8192,ftrace=4096,pmsg=4096".parse().unwrap();
    let read = |memory: &[u8]| read(&[source("x", memory.to_vec())], &Options { zones: Some(zones), ecc: 16 });
    let reading = read(&memory);
    let logs = &reading.sources[0].logs;
    assert_eq!(
        logs.iter().map(FoundLog::title).collect::<Vec<_>>(),
        ["Panic#1", "pstore's console", "pmsg, by user space"]
    );
    assert_eq!((&*logs[0].text, &*logs[2].text), (TEXT, "from user space"));
    assert_eq!(reading.sources[0].about, ["2 zones for dumps, by the sizes that were given"]);
    assert_eq!(read(&[1; 64]).refused[0].why, "the zones that were named have more than its 64 bytes");
    for (text, why) in [
        ("console=1", "record=BYTES is missing"),
        ("record=x", "`x` is no number of bytes"),
        ("record", "`record` is not NAME=BYTES"),
        ("dump=1", "no zone `dump`; known: record, console, ftrace, pmsg"),
    ] {
        assert_eq!(text.parse::<ZoneSizes>(), Err(why.to_owned()));
    }
}

#[test]
fn a_core_without_its_log_or_its_end_says_so() {
    let cut = read_one(core()[..1 << 20].to_vec());
    assert_eq!(cut.about, ["Linux 6.12.117", "1 CPU saved their registers"]);
    assert!(cut.lost[0].starts_with("the file is cut off: it has 1048576 of the "), "{:?}", cut.lost);
    let without = CoreBuilder::new("OSRELEASE=6.1\n").segment(0, 0, 4096).head();
    let without = read_one([without, vec![0; 8192]].concat());
    assert!(without.logs.is_empty());
    assert_eq!(without.lost, ["the kernel's log: the kernel's VMCOREINFO does not tell SIZE(printk_ringbuffer)"]);
}

#[test]
fn only_the_end_of_a_long_log_is_read() {
    let long = [&b"[    1.000000] first\n".repeat(500_000)[..], b"[    2.000000] last\n"].concat();
    let reading = read_one(long);
    assert!(reading.logs[0].text.ends_with("last\n") && reading.logs[0].text.len() <= MAX_LOG);
    assert!(reading.lost[0].starts_with("only the last 8 MiB were read: "), "{:?}", reading.lost);
}

/// What a machine has, on its disk.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

fn names(sources: &[Source], folder: &Path) -> Vec<String> {
    let of = |source: &Source| source.name.replace(&folder.display().to_string(), "");
    sources.iter().map(of).collect()
}

#[test]
fn folders_are_looked_through() {
    let variable = format!("dump-type0-1-1-1764500000-D-{}", efi_store::LINUX_CRASH);
    let value = [&[7, 0, 0, 0], &b"Panic#1 Part1\n"[..], TEXT.as_bytes()].concat();
    let dump = [&b"Panic#1 Part1\n"[..], TEXT.as_bytes()].concat();
    let stored = deflate(b"Panic#1 Part2\n<6>[    0.100000][    T1] old\n");
    let there = folder(&[
        ("pstore/7712104902735659/dmesg-erst-7712104902735659009", &dump),
        ("pstore/7712104902735659/dmesg-erst-7712104902735659010.enc.z", &stored),
        ("pstore/7712104902735659/dmesg.txt", b"made by systemd"),
        ("pstore/7712104902735659/console-ramoops-0", b"[    9.000000] shown\n"),
        ("pstore/7712104902735659/pmsg-ramoops-0", b"from user space"),
        ("pstore/7712104902735659/ftrace-ramoops", b"1"),
        ("efivars/Boot0000-8be4df61-93ca-11d2-aa0d-00e098032b8c", b"\x07\0\0\0x"),
        (&format!("efivars/{variable}"), &value),
        ("trial/erst.bin", &erst()),
        ("trial/console.log", TEXT.as_bytes()),
        ("trial/notes.txt", b"no kernel's"),
        ("trial/timeline.json", b"{}"),
    ]);
    let sources = load(&[there.path().to_owned()]).unwrap();
    assert_eq!(
        names(&sources, there.path()),
        ["/efivars", "/pstore/7712104902735659", "/trial/console.log", "/trial/erst.bin"]
    );
    let reading = read(&sources, &Options::default());
    assert!(reading.refused.is_empty());
    let [efi, pstore, ..] = &reading.sources[..] else { panic!() };
    assert_eq!((efi.kind, &*efi.logs[0].text), (Kind::EfiVariables, TEXT));
    assert_eq!(
        pstore.logs.iter().map(|log| log.of).collect::<Vec<_>>(),
        [LogOf::Dump, LogOf::ConsoleZone, LogOf::Pmsg]
    );
    assert_eq!(pstore.logs[0].text, format!("<6>[    0.100000][    T1] old\n{TEXT}"));
    // Named one by one, as a shell does it, they are the same source; one alone has its own name.
    let folder = "/pstore/7712104902735659";
    let file = |end: &str| there.path().join(format!("pstore/7712104902735659/dmesg-erst-{end}"));
    let both = [file("7712104902735659009"), file("7712104902735659010.enc.z")];
    assert_eq!(names(&load(&both).unwrap(), there.path()), [folder]);
    assert_eq!(names(&load(&both[..1]).unwrap(), there.path()), [format!("{folder}/dmesg-erst-7712104902735659009")]);
}

#[test]
fn what_cannot_be_looked_at_is_named() {
    let there = folder(&[("notes.txt", b"nothing")]);
    let said = |path: &Path| load(&[path.to_owned()]).err().unwrap().to_string();
    assert!(said(there.path()).ends_with(": no record of pstore, no EFI variable, no image, no log"));
    assert!(said(&there.path().join("none")).starts_with("read "));
    assert!(said(Path::new("/dev/null")).starts_with("/dev/null is neither a file nor a folder"));
}
