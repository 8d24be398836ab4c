//! Cases made by hand rather than by a guest: they stand for what has not been captured yet.

use std::fs;
use std::io;
use std::path::Path;

use harness::verdict::witness;

use harness_testdata::{DMESG_Z, Erst, cper_record, deflate, dmesg_record, page};

const NONCE: &str = "5eed0123456789ab";
const OF: u32 = 32;
/// The ids that a guest gives to its records: seconds at its first, above a counter.
const IDS: u64 = 0x6741_0000 << 32;
const KHZ: u64 = 1_000_000;
const FIRED: u64 = 1_800_000_000;
/// An actor that spins (4) in a function of the kernel's (10).
const HELD_WRITE: u32 = 4 + 256 * 10;

/// Writes every case's evidence below `corpus`; `expected.txt` is left as it is.
pub fn write(corpus: &Path) -> io::Result<()> {
    saved(&corpus.join("synthetic-saved"))?;
    dump_skipped(&corpus.join("synthetic-dump-skipped"))?;
    damaged(&corpus.join("synthetic-damaged"))
}

/// A panic alone; its dump has two parts, the older of which was stored first.
fn saved(folder: &Path) -> io::Result<()> {
    let log = log(&[boot(), witnesses(), panic()]);
    let dump = dump(&log);
    let half = dump.match_indices('\n').nth(14).map_or(0, |(at, _)| at + 1);
    let (old, new) = dump.split_at(half);
    let erst = Erst::new(8, 8192)
        .with(Some(IDS | 1), &dmesg_record(IDS | 1, "Panic#1 Part1", new))
        .with(Some(IDS | 2), &dmesg_record(IDS | 2, "Panic#1 Part2", old));
    let page = page(KHZ, FIRED, NONCE, &[("panic", 2, 0, FIRED + 150 * KHZ, 0, 0, 1, 0)]);
    put(folder, "entered: panic\n", &console(&(log + &after_panic())), erst, &page)
}

/// A panic while another CPU is held in the oops dump: the record of neither is there.
fn dump_skipped(folder: &Path) -> io::Result<()> {
    let log = log(&[boot(), witnesses(), oops(), panic()]);
    let skipped = [
        printk(3_016_400, "T71", "Shutting down cpus with NMI"),
        printk(3_017_100, "T71", "pstore: dump skipped in Panic path because of concurrent dump"),
    ];
    let page = page(
        KHZ,
        FIRED,
        NONCE,
        &[
            ("oops", 1, 1, FIRED + 4_100, 0, 0, 1, 0),
            ("dump", HELD_WRITE, 1, FIRED + 11 * KHZ, 0, 1_500_000, 1, 1_013_207),
            ("panic", 2, 0, FIRED + 161 * KHZ, 0, 0, 1, 0),
        ],
    );
    let meets = "entered: oops\nduring: panic dump\n";
    put(folder, meets, &console(&(log + &skipped.concat() + &after_panic())), Erst::new(8, 8192), &page)
}

/// A console with another CPU's line inside a witness line, a record of which the end is missing beside one that was
/// cleared, and a panic that came after the hold was over.
fn damaged(folder: &Path) -> io::Result<()> {
    let log = log(&[boot(), witnesses(), oops(), panic()]);
    let line = printk(1_802_900, "T1", &witness::line(NONCE, 9, OF));
    let (head, end) = line.split_at(50);
    let torn =
        log.replace(&line, &format!("{head}{}{end}", printk(1_802_950, "C2", "hrtimer: interrupt took 1036 ns")));
    let stream = deflate(format!("Panic#2 Part1\n{}", dump(&log)).as_bytes());
    let erst = Erst::new(8, 8192)
        .with(None, &dmesg_record(IDS | 1, "Oops#1 Part1", &dump(&log)))
        .with(Some(IDS | 2), &cper_record(IDS | 2, DMESG_Z, &stream[..stream.len() * 3 / 4]));
    let page = page(
        KHZ,
        FIRED,
        NONCE,
        &[
            ("dump", HELD_WRITE, 1, FIRED + 11 * KHZ, FIRED + 311 * KHZ, 300_000, 1, 300_000),
            ("panic", 2, 0, FIRED + 312 * KHZ, 0, 0, 1, 0),
        ],
    );
    put(folder, "during: panic dump\n", &console(&torn), erst, &page)
}

fn put(folder: &Path, preconditions: &str, console: &str, erst: Erst, page: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("case.txt"), format!("nonce: {NONCE}\nof: {OF}\n{preconditions}"))?;
    fs::write(folder.join("console.raw"), console)?;
    fs::write(folder.join("erst.bin"), erst.bytes())?;
    fs::write(folder.join("stamps.bin"), page)
}

fn printk(micros: u64, caller: &str, message: &str) -> String {
    format!("[{:5}.{:06}][{caller:>6}] {message}\n", micros / 1_000_000, micros % 1_000_000)
}

fn log(parts: &[Vec<String>]) -> String {
    parts.concat().concat()
}

fn boot() -> Vec<String> {
    vec![
        printk(0, "T0", "Linux version 6.12.117 (root@localhost) #1 SMP"),
        printk(0, "T0", "Command line: console=ttyS0 panic=1"),
        printk(412_310, "T1", "ERST: Error Record Serialization Table (ERST) support is initialized."),
        printk(412_460, "T1", "pstore: Using crash dump compression: deflate"),
        printk(412_520, "T1", "pstore: Registered erst as persistent store backend"),
        printk(1_780_505, "T1", "crashlab: loading out-of-tree module taints kernel."),
    ]
}

fn witnesses() -> Vec<String> {
    (1..=OF).map(|n| printk(1_802_000 + u64::from(n) * 100, "T1", &witness::line(NONCE, n, OF))).collect()
}

fn oops() -> Vec<String> {
    ["kernel BUG at crashlab.c:137!", "Oops: invalid opcode: 0000 [#1] SMP", "---[ end trace 0000000000000000 ]---"]
        .map(|message| printk(1_844_296, "T69", message))
        .to_vec()
}

fn panic() -> Vec<String> {
    vec![printk(1_993_671, "T71", &format!("Kernel panic - not syncing: crashlab {NONCE}"))]
}

/// What only the console shows: it comes after the dump.
fn after_panic() -> String {
    printk(3_020_000, "T71", "Kernel Offset: disabled")
        + &printk(3_030_000, "T71", &format!("---[ end Kernel panic - not syncing: crashlab {NONCE} ]---"))
}

/// The log as the console shows it, behind the firmware's output.
fn console(log: &str) -> String {
    let firmware =
        "\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS (version 1.16.2-debian-1.16.2-1)\r\nBooting from ROM..\r\n\x1bc\x1b[?7l";
    firmware.to_owned() + &log.replace('\n', "\r\n")
}

/// The log as a dump holds it: with levels.
fn dump(log: &str) -> String {
    log.lines().map(|line| format!("<6>{line}\n")).collect::<Vec<_>>().concat()
}
