//! The decoders of pstore's back ends against the only authority there is: the kernel's own reading after a reboot.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{Project, root, text};
use harness::evidence::pstore::{self, Dump, Pstore};
use harness::evidence::ramoops::{self, Contents, Corrections, ZoneError};
use harness::guest::{Accelerator, Booted, Given, Guest, Machine, RAMOOPS_ADDRESS, Ram, Start, Time};
use harness::model::ChannelOutcome;
use harness::model::consoles::FurtherConsoles;
use harness::model::pstore::{Backend, Ramoops};
use harness::project::{Project as Checkout, cache_dir};
use harness::verdict::{NextBoot, Tail, judge_next_boot, judge_pstore, witness};
use harness::{image, parts};
use harness_testdata as encode;

/// A guest that finds what another left, and says what it sees in `/sys/fs/pstore`: each file by its name.
async fn next_boot(
    project: &Project,
    backend: Backend,
    erst: Option<&Path>,
    ram: Ram<'_>,
) -> BTreeMap<String, Vec<u8>> {
    let built = project.run(&["build", "stock"]);
    let kernel = PathBuf::from(text(&built.stdout).split_whitespace().nth(1).unwrap());
    let agent = std::fs::read(parts::build(&Checkout::at(root()), &cache_dir(), &parts::AGENT).unwrap()).unwrap();
    let crashlab = std::fs::read(kernel.join("crashlab.ko")).unwrap();
    let initramfs = project.path().join("initramfs");
    let content = image::Content { agent: &agent, modules: &[], crashlab: &crashlab };
    std::fs::write(&initramfs, image::initramfs(content, None, None).unwrap()).unwrap();
    let workdir = tempfile::tempdir().unwrap();
    let machine = Machine {
        arch: harness::model::Arch::X86_64,
        qemu: "qemu-system-x86_64".into(),
        accelerator: Accelerator::Tcg,
        time: Time::Real,
        cpus: 2,
        memory_mib: 128,
        pstore: backend,
        firmware: None,
        consoles: FurtherConsoles::new(),
        crashkernel_mib: None,
        loads_by_name: false,
        has_past: false,
    };
    let of = Booted {
        kernel: &kernel.join("bzImage"),
        initramfs: &initramfs,
        append: &[],
        vars: None,
        erst,
        zones: None,
        rtc: None,
    };
    let start = Start::Boot { of, ram };
    let given = Given { directives: Some("read-pstore\n"), ..Given::default() };
    let mut guest = Guest::start(&machine, start, given, workdir.path(), None, None).await.unwrap();
    let files = guest.pstore_files(Duration::from_secs(300)).await.unwrap();
    files.into_iter().map(|file| (file.name, file.bytes)).collect()
}

/// The parts of all dumps, as the kernel shows them: the header line, then the text.
fn parts(pstore: &Pstore) -> BTreeMap<u64, String> {
    let of = |dump: &Dump| {
        let Dump { reason, count, parts } = dump;
        let text = |part: &pstore::Part| format!("{reason}#{count} Part{}\n{}", part.number, part.text);
        parts.iter().map(|part| (part.record_id, text(part))).collect::<Vec<_>>()
    };
    pstore.dumps.iter().flat_map(of).collect()
}

#[tokio::test]
async fn the_guest_reads_in_erst_what_the_decoder_reads() {
    // A guest dies of an oops and leaves two dumps, the oops' and the panic's.
    let project = Project::new();
    let record = project.json(&["trial", "oops-then-panic", "--time", "virtual", "--seed", "3", "--format", "json"], 0);
    assert_eq!(record["outcome"], "counted", "{record:#}");
    let erst = project.results().join("latest/artifacts/00000/erst.bin");
    let decoded = pstore::from_erst_file(&std::fs::read(&erst).unwrap(), &[]);
    assert_eq!(decoded.problems, Vec::<String>::new());
    let ours: BTreeSet<String> = parts(&decoded).into_values().collect();
    assert!(ours.iter().any(|text| text.starts_with("Oops#1 ")), "{ours:#?}");
    assert!(ours.iter().any(|text| text.starts_with("Panic#2 ")), "{ours:#?}");

    let theirs = next_boot(&project, Backend::default(), Some(&erst), Ram::Private).await;
    let theirs: BTreeSet<String> = theirs.values().map(|bytes| text(bytes)).collect();
    assert_eq!(ours, theirs);
}

#[tokio::test]
async fn the_guest_reads_in_ramoops_what_the_decoder_reads() {
    let zones = Ramoops { record: 16 << 10, records: 3, console: 32 << 10, pmsg: 4 << 10, ecc: 0, used: 0 };
    let (project, left) = left_by_an_oops(zones);
    let ours = reading(&left, zones);
    // Two dumps in three zones; the console's output, but nothing from user space.
    let names: Vec<&str> = ours.keys().map(String::as_str).collect();
    assert_eq!(names, ["console-ramoops-0", "dmesg-ramoops-0", "dmesg-ramoops-1"]);
    assert!(ours["dmesg-ramoops-0"].starts_with(b"Oops#1 Part1\n"));
    assert!(ours["dmesg-ramoops-1"].starts_with(b"Panic#2 Part1\n"));
    let theirs = next_boot_with(&project, &left, zones).await;
    assert_same(&ours, &theirs);
}

#[tokio::test]
async fn the_guest_corrects_what_the_decoder_corrects() {
    let zones = Ramoops { record: 16 << 10, records: 2, console: 32 << 10, pmsg: 4 << 10, ecc: 16, used: 0 };
    let (project, mut left) = left_by_an_oops(zones);
    let sound = left.clone();
    let (dump, console, pmsg) = (16 << 10, 32 << 10, 64 << 10);
    // A zone that the tests' own encoder made, wrapped around.
    let written = (0..3000).fold(String::new(), |text, n| text + &format!("{n} "));
    left[pmsg..].copy_from_slice(&encode::Zone::new(4 << 10, 16).with(written.as_bytes()).bytes());
    // As much as can be corrected: half of the parity's bytes in a block, in its parity, and in a header.
    for at in 0..8 {
        left[dump + 12 + 128 * 3 + 16 * at] ^= 0xa5;
        left[pmsg + 12 + 128 + 5 * at] ^= 0x11;
    }
    left[dump] ^= 1;
    left[dump + 5] ^= 0x80;
    let parity_of_first = dump + (16 << 10) - 16 * ((16usize << 10) - 12 - 16).div_ceil(144) - 16;
    left[parity_of_first + 3] ^= 0xff;
    // And more than that in one block of the console's.
    for at in 0..40 {
        left[console + 12 + 128 * 20 + 3 * at] ^= 0x5a;
    }
    let ours = reading(&left, zones);
    let notice = |name: &str| {
        let text = text(&ours[name]);
        text.lines().last().unwrap().to_owned()
    };
    assert_eq!(notice("dmesg-ramoops-0"), "ECC: No errors detected");
    assert_eq!(notice("dmesg-ramoops-1"), "ECC: 11 Corrected bytes, 0 unrecoverable blocks");
    assert_eq!(notice("pmsg-ramoops-0"), "ECC: 8 Corrected bytes, 0 unrecoverable blocks");
    assert_eq!(notice("console-ramoops-0"), "ECC: 0 Corrected bytes, 1 unrecoverable blocks");
    let whole = ramoops::decode(&sound, &zones, &[]);
    assert_eq!(
        parts(&ramoops::decode(&left, &zones, &[]).pstore),
        parts(&whole.pstore),
        "the dumps are what they were"
    );

    let theirs = next_boot_with(&project, &left, zones).await;
    assert_same(&ours, &theirs);
}

#[tokio::test]
async fn a_record_that_only_the_decoder_reads_is_unreadable() {
    // The kernel inflates a record to no more than three times its room for one (`decompress_record()` in
    // fs/pstore/platform.c, Linux 6.12); 7992 bytes of ERST's 8192. The decoder knows no such bound.
    let project = Project::new();
    let (nonce, of) = ("0123456789abcdef", 3);
    let tail = Tail::of_panic(nonce, of);
    let log = |blanks: usize| {
        let witnesses = (1..=of).map(|n| witness::line(nonce, n, of) + "\n").collect::<String>();
        format!("{}\n{witnesses}Kernel panic - not syncing: crashlab {nonce}\n", " ".repeat(blanks))
    };
    let id = 0x6b02_7e3a_0000_0001;
    for (blanks, outcome) in [(20_000, ChannelOutcome::Saved), (30_000, ChannelOutcome::Unreadable)] {
        let record = encode::dmesg_record(id, "Panic#1 Part1", &log(blanks));
        let left = encode::Erst::new(64, 8192).with(Some(id), &record).bytes();
        let erst = project.path().join("erst");
        std::fs::write(&erst, &left).unwrap();
        let mut verdict = judge_pstore(&pstore::from_erst_file(&left, &[]), &tail);
        assert_eq!(verdict.outcome, ChannelOutcome::Saved, "{verdict:?}");
        let files = next_boot(&project, Backend::default(), Some(&erst), Ram::Private).await;
        let found = pstore::from_files(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        judge_next_boot(&mut verdict, &NextBoot { found: &found, unread: &[], reader: None }, &tail);
        assert_eq!(verdict.outcome, outcome, "{verdict:?}\n{:?}", files.keys());
    }
}

/// The memory of ramoops as a guest leaves it that died of an oops.
fn left_by_an_oops(zones: Ramoops) -> (Project, Vec<u8>) {
    let project = Project::new();
    let Ramoops { record, records, console, pmsg, ecc, used: _ } = zones;
    let kib = |bytes: u32| format!("{}KiB", bytes >> 10);
    let guest = format!(
        "guest: {{ pstore: {{ ramoops: {{ record: {}, records: {records}, console: {}, pmsg: {}, ecc: {ecc} }} }} }}",
        kib(record),
        kib(console),
        kib(pmsg)
    );
    let scenario = std::fs::read_to_string(root().join("scenarios/oops-then-panic.yaml")).unwrap();
    let scenario = scenario.replace("name: oops-then-panic", &format!("name: with-ramoops\n{guest}"));
    project.write("scenarios/with-ramoops.yaml", &scenario);
    let trial = project.json(&["trial", "with-ramoops", "--time", "virtual", "--seed", "3", "--format", "json"], 0);
    for channel in ["console", "pstore", "pstore-console"] {
        assert_eq!(trial["channels"][channel]["outcome"], "saved", "{trial:#}");
    }
    let left = std::fs::read(project.results().join("latest/artifacts/00000/ramoops.bin")).unwrap();
    assert_eq!(left.len() as u64, zones.bytes());
    (project, left)
}

/// What the next boot finds where these bytes lie in its memory.
async fn next_boot_with(project: &Project, left: &[u8], zones: Ramoops) -> BTreeMap<String, Vec<u8>> {
    let path = project.path().join("ram");
    let ram = File::create(&path).unwrap();
    ram.set_len(128 << 20).unwrap();
    ram.write_all_at(left, RAMOOPS_ADDRESS).unwrap();
    next_boot(project, Backend::Ramoops(zones), None, Ram::CopyOnWrite(&path)).await
}

/// What the decoder reads, as the files that the kernel makes of it.
fn reading(memory: &[u8], zones: Ramoops) -> BTreeMap<String, Vec<u8>> {
    let reading = ramoops::decode(memory, &zones, &[]);
    let with_notice = |mut bytes: Vec<u8>, corrections: Corrections| {
        // `persistent_ram_ecc_string()`
        match corrections {
            _ if zones.ecc == 0 => (),
            Corrections { bytes: 0, bad_blocks: 0 } => bytes.extend(b"\nECC: No errors detected\n"),
            Corrections { bytes: corrected, bad_blocks } => {
                bytes
                    .extend(format!("\nECC: {corrected} Corrected bytes, {bad_blocks} unrecoverable blocks\n").bytes());
            }
        }
        bytes
    };
    let mut files = BTreeMap::new();
    for (id, text) in parts(&reading.pstore) {
        let corrections = reading.corrections[usize::try_from(id).unwrap()];
        files.insert(format!("dmesg-ramoops-{id}"), with_notice(text.into_bytes(), corrections));
    }
    let mut zone = |name: &str, zone: Option<Result<Contents, ZoneError>>| {
        let Contents { bytes, corrections } = zone.unwrap().unwrap();
        if !bytes.is_empty() {
            files.insert(format!("{name}-ramoops-0"), with_notice(bytes, corrections));
        }
    };
    zone("console", reading.console);
    zone("pmsg", reading.pmsg);
    files
}

fn assert_same(ours: &BTreeMap<String, Vec<u8>>, theirs: &BTreeMap<String, Vec<u8>>) {
    let texts = |files: &BTreeMap<String, Vec<u8>>| -> BTreeMap<String, String> {
        files.iter().map(|(name, bytes)| (name.clone(), text(bytes))).collect()
    };
    assert_eq!(texts(ours), texts(theirs));
    assert_eq!(ours, theirs, "also in what is no text");
}
