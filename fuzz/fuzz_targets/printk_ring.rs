//! Any memory where the kernel's log should be, and any ELF notes about it.
#![no_main]

use harness::evidence::printk_ring::{Layout, MAX_BYTES, RawRing};
use harness::evidence::vmcoreinfo::VmcoreInfo;
use harness::evidence::{Facts, RawEvidence};
use harness_fuzz::examine;
use libfuzzer_sys::fuzz_target;

/// What 6.12 tells.
const LINES: &str = "SYMBOL(prb)=ffffffff81820668\nSIZE(printk_ringbuffer)=88\nOFFSET(printk_ringbuffer.desc_ring)=0\n\
    OFFSET(printk_ringbuffer.text_data_ring)=48\nOFFSET(printk_ringbuffer.fail)=80\nOFFSET(prb_desc_ring.count_bits)=0\n\
    OFFSET(prb_desc_ring.descs)=8\nOFFSET(prb_desc_ring.infos)=16\nOFFSET(prb_desc_ring.head_id)=24\n\
    OFFSET(prb_desc_ring.tail_id)=32\nSIZE(prb_desc)=24\nOFFSET(prb_desc.state_var)=0\n\
    OFFSET(prb_desc.text_blk_lpos)=8\nOFFSET(prb_data_blk_lpos.begin)=0\nOFFSET(prb_data_blk_lpos.next)=8\n\
    SIZE(printk_info)=88\nOFFSET(printk_info.seq)=0\nOFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\n\
    OFFSET(printk_info.caller_id)=20\nOFFSET(prb_data_ring.size_bits)=0\nOFFSET(prb_data_ring.data)=8\n";

fuzz_target!(|bytes: &[u8]| {
    if let Ok(info) = VmcoreInfo::of_notes(bytes) {
        let _ = Layout::of(&info);
    }
    let mut note = [11u32.to_le_bytes(), u32::try_from(LINES.len()).unwrap().to_le_bytes(), [0; 4]].concat();
    note.extend(b"VMCOREINFO\0\0");
    note.extend(LINES.as_bytes());
    let layout = Layout::of(&VmcoreInfo::of_notes(&note).unwrap()).unwrap();
    let Some((ring, memory)) = bytes.split_at_checked(layout.ring_bytes) else { return };
    let Ok(arrays) = layout.arrays(ring) else { return };
    let mut memory = memory.iter().copied().cycle();
    let mut take = |bytes: usize| memory.by_ref().take(bytes.min(MAX_BYTES)).collect::<Vec<u8>>();
    let (descs, infos, text) = (take(arrays.descs.bytes), take(arrays.infos.bytes), take(arrays.text.bytes));
    let raw = RawRing { layout, arrays, ring: ring.to_vec(), descs, infos, text };
    let (evidence, _) = examine(&RawEvidence { log: Ok(&raw), ..RawEvidence::default() }, Facts::default());
    if let Ok(log) = evidence.log {
        // What cannot be shown takes three bytes where it was one.
        assert!(log.records.iter().map(|record| record.text.len()).sum::<usize>() <= 3 * raw.text.len());
    }
});
