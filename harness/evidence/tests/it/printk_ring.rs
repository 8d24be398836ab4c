//! Rings as kernels write them.

use harness_evidence::printk::Caller;
use harness_evidence::printk_ring::{Layout, LayoutError, Log, RawRing, Record, RingError, Span, decode};
use harness_evidence::vmcoreinfo::VmcoreInfo;
use harness_testdata::printk_ring::{
    ADDRESSES, CALLER_IS_CPU, COMMITTED, FINALIZED, Kernel, RESERVED, RingBuilder, note,
};
use proptest::prelude::*;

const KERNELS: [Kernel; 3] = [Kernel::V5_10, Kernel::V6_12, Kernel::V7_2];
const CPU_2: u32 = CALLER_IS_CPU | 2;

fn texts(log: &Log) -> Vec<&str> {
    log.records.iter().map(|record| record.text.as_str()).collect()
}

#[test]
fn records_as_they_were_written() {
    for kernel in KERNELS {
        let mut ring = RingBuilder::new(kernel, 5, 10);
        ring.push(0, 0, "Linux version").push(1_234_567_890, 1, "two\nlines").push(2_000_000_000, CPU_2, "");
        let log = decode(&ring.raw()).unwrap();
        let record = |seq, ts_ns, caller, text: &str| Record { seq, ts_ns, level: 6, caller, text: text.to_owned() };
        let records = vec![
            record(0, 0, Caller::Task(0), "Linux version"),
            record(1, 1_234_567_890, Caller::Task(1), "two\nlines"),
            record(2, 2_000_000_000, Caller::Cpu(2), ""),
        ];
        assert_eq!(log, Log { records, ..Log::default() }, "{kernel:?}");
    }
}

#[test]
fn lines_are_shown_as_on_the_console() {
    let mut ring = RingBuilder::new(Kernel::V6_12, 5, 10);
    ring.push(1_234_567_890, 1, "two\nlines").push(12_345_000_001_000, CPU_2, "\x1b[31mred\x07");
    ring.push_as(RESERVED, 0, 0, "half");
    insta::assert_snapshot!(decode(&ring.raw()).unwrap(), @"
    [    1.234567][    T1] two
    [    1.234567][    T1] lines
    [12345.000001][    C2] red�
    [harness: record 2 was being written]
    ");
}

#[test]
fn an_empty_ring_is_a_log_without_records() {
    for kernel in KERNELS {
        assert_eq!(decode(&RingBuilder::new(kernel, 4, 8).raw()), Ok(Log::default()));
    }
}

#[test]
fn only_what_is_committed_is_a_record() {
    let mut ring = RingBuilder::new(Kernel::V6_12, 5, 10);
    ring.push(0, 0, "a").push_as(RESERVED, 0, 0, "b").push_as(COMMITTED, 0, 0, "c").push(0, 0, "d");
    let log = decode(&ring.raw()).unwrap();
    assert_eq!((texts(&log), &log.unfinished), (vec!["a", "c", "d"], &vec![1]));
}

#[test]
fn records_without_their_text_are_counted() {
    let mut ring = RingBuilder::new(Kernel::V6_12, 5, 10);
    for text in ["no room", "of another", "too short", "too far", "there"] {
        ring.push(0, 0, text);
    }
    let start = (1u64 << 10).wrapping_neg();
    ring.describe_record(0, FINALIZED, (1, 1));
    ring.describe_record(1, FINALIZED, (start, start.wrapping_add(16)));
    ring.describe_record(2, FINALIZED, (start, start));
    ring.describe_record(3, FINALIZED, (start, start.wrapping_add(4096)));
    let log = decode(&ring.raw()).unwrap();
    assert_eq!((texts(&log), log.without_text), (vec!["there"], 4));
}

#[test]
fn what_is_cut_off_or_impossible_is_refused() {
    let raw = RingBuilder::new(Kernel::V6_12, 4, 8).raw();
    let without = |change: fn(&mut RawRing)| {
        let mut raw = raw.clone();
        change(&mut raw);
        decode(&raw).unwrap_err()
    };
    assert_eq!(without(|raw| raw.descs.truncate(8)), RingError::Cut("the descriptors"));
    assert_eq!(without(|raw| raw.infos.clear()), RingError::Cut("the infos"));
    assert_eq!(without(|raw| raw.text.push(0)), RingError::Cut("the text"));
    assert_eq!(without(|raw| raw.ring.truncate(30)), RingError::Cut("the ends"));
    let ids = without(|raw| raw.ring[24..32].copy_from_slice(&0x40u64.to_le_bytes()));
    assert!(matches!(ids, RingError::Ids { count: 16, .. }), "{ids}");
}

#[test]
fn a_guest_that_lies_gets_no_more_text_than_its_ring_has() {
    // Each record's block begins eight bytes behind the one before, with its own id, and has the rest of the ring.
    let mut raw = RingBuilder::new(Kernel::V6_12, 10, 15).raw();
    let start = (1u64 << 15).wrapping_neg();
    for slot in 0..1000u64 {
        let (at, id) = (usize::try_from(slot).unwrap(), slot + (1 << 61));
        let (desc, info) = (at * (raw.descs.len() >> 10), at * (raw.infos.len() >> 10));
        for (field, word) in [FINALIZED << 62 | id, start + slot * 8, 0].into_iter().enumerate() {
            raw.descs[desc + field * 8..][..8].copy_from_slice(&word.to_le_bytes());
        }
        raw.infos[info + 16..info + 18].copy_from_slice(&20_000u16.to_le_bytes());
        raw.text[at * 8..at * 8 + 8].copy_from_slice(&id.to_le_bytes());
    }
    raw.ring[24..32].copy_from_slice(&((1u64 << 61) + 999).to_le_bytes());
    raw.ring[32..40].copy_from_slice(&(1u64 << 61).to_le_bytes());
    let log = decode(&raw).unwrap();
    assert_eq!((log.records.len(), log.without_text), (1, 999), "there is room for one such text, not for two");
}

fn layout_of(text: &str) -> Result<Layout, LayoutError> {
    Layout::of(&VmcoreInfo::of_notes(&note("VMCOREINFO", text)).unwrap())
}

#[test]
fn what_the_kernel_does_not_tell_is_named() {
    let whole = Kernel::V6_12.vmcoreinfo();
    for line in whole.lines().filter(|line| !line.starts_with("OSRELEASE")) {
        let (key, _) = line.split_once('=').unwrap();
        let text = whole.replace(&format!("{line}\n"), "");
        assert_eq!(layout_of(&text), Err(LayoutError::Missing(key.to_owned())));
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let changed = |from: &str, to: &str| {
        let text = Kernel::V6_12.vmcoreinfo();
        assert!(text.contains(from), "{from}");
        layout_of(&text.replace(from, to)).unwrap_err()
    };
    let (what, bytes) = ("printk_info", 99999);
    assert_eq!(changed("SIZE(printk_info)=88", "SIZE(printk_info)=99999"), LayoutError::Size { what, bytes });
    let outside = LayoutError::Outside("printk_info.caller_id");
    assert_eq!(changed("printk_info.caller_id)=20", "printk_info.caller_id)=85"), outside);
    let far = format!("printk_info.caller_id)={}", u64::MAX);
    assert_eq!(changed("printk_info.caller_id)=20", &far), outside);
}

#[test]
fn a_log_that_is_too_large_is_not_read() {
    let layout = Kernel::V7_2.layout();
    let ring = RingBuilder::new(Kernel::V7_2, 12, 17).raw().ring;
    let arrays = |count_bits: u32, size_bits: u32| {
        let mut ring = ring.clone();
        ring[..4].copy_from_slice(&count_bits.to_le_bytes());
        ring[48..52].copy_from_slice(&size_bits.to_le_bytes());
        layout.arrays(&ring)
    };
    let usual = arrays(12, 17).unwrap();
    assert_eq!(usual.descs, Span { address: ADDRESSES[1], bytes: 24 << 12 });
    assert_eq!(usual.infos, Span { address: ADDRESSES[2], bytes: 112 << 12 });
    assert_eq!(usual.text, Span { address: ADDRESSES[3], bytes: 1 << 17 });
    assert!(arrays(17, 22).is_ok());
    for (count_bits, size_bits) in [(19, 17), (12, 23), (u32::MAX, u32::MAX), (18, 22)] {
        assert_eq!(arrays(count_bits, size_bits), Err(LayoutError::TooLarge { count_bits, size_bits }));
    }
    assert_eq!(layout.arrays(&ring[..50]), Err(LayoutError::Cut));
}

proptest! {
    /// However often the ring has gone round, the newest records are read as they were written.
    #[test]
    fn written_records_are_read_back(
        kernel in prop::sample::select(&KERNELS[..]),
        written in prop::collection::vec(("[ -~]{0,40}", any::<u64>(), any::<u32>()), 1..80),
    ) {
        let mut ring = RingBuilder::new(kernel, 4, 8);
        for (text, ts_ns, caller) in &written {
            ring.push(*ts_ns, *caller, text);
        }
        let log = decode(&ring.raw()).unwrap();
        prop_assert!(!log.records.is_empty() && log.unfinished.is_empty() && log.without_text == 0);
        let kept = written.len() - log.records.len();
        for (record, (seq, (text, ts_ns, _))) in log.records.iter().zip(written.iter().enumerate().skip(kept)) {
            prop_assert_eq!((record.seq, &record.text, record.ts_ns), (seq as u64, text, *ts_ns));
        }
    }

    #[test]
    fn any_memory_is_survived(
        kernel in prop::sample::select(&KERNELS[..]),
        ring in prop::collection::vec(any::<u8>(), 80..=88),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..200),
        bytes in prop::collection::vec(any::<u8>(), 112 * 16),
    ) {
        let mut built = RingBuilder::new(kernel, 4, 8);
        for step in 0..20 {
            built.push(step, 0, "some text");
        }
        // Broken here and there.
        let mut raw = built.raw();
        for (at, byte) in noise {
            for part in [&mut raw.descs, &mut raw.infos, &mut raw.text] {
                let at = at.index(part.len());
                part[at] = byte;
            }
        }
        let _ = decode(&raw);
        // Nothing but noise.
        for part in [&mut raw.descs, &mut raw.infos, &mut raw.text] {
            let len = part.len();
            part.copy_from_slice(&bytes[..len]);
        }
        if let Ok(log) = decode(&raw) {
            prop_assert!(log.records.len() <= 16);
        }
        let _ = raw.layout.arrays(&ring);
        raw.ring = ring;
        let _ = decode(&raw);
    }
}
