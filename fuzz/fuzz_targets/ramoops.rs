//! Any memory of ramoops is read within bounds, whatever its zones are said to be.
#![no_main]

use harness::evidence::{Facts, RawEvidence, RawPstore, pstore};
use harness::model::pstore::Ramoops;
use harness_fuzz::examine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, u8, u16, u16, u8, &[u8])| {
    let (record, records, console, pmsg, ecc, memory) = input;
    let zones = Ramoops {
        record: record.into(),
        records: records.into(),
        console: console.into(),
        pmsg: pmsg.into(),
        ecc: (ecc % 65).into(),
        used: 0,
    };
    let before = memory.get(..usize::from(record)).unwrap_or_default();
    let raw = RawEvidence { pstore: RawPstore::Ramoops { zones: &zones, memory, before }, ..RawEvidence::default() };
    let (evidence, _) = examine(&raw, Facts::default());
    let parts = evidence.pstore.dumps.iter().flat_map(|dump| &dump.parts);
    // A byte that is not UTF-8 becomes three.
    assert!(parts.map(|part| part.text.len()).sum::<usize>() <= 3 * pstore::MAX_BYTES);
    if let Some(Ok(zone)) = evidence.pstore_console {
        assert!(zone.console.text.len() <= 3 * memory.len());
    }
    if let Some(Ok(zone)) = evidence.pmsg {
        assert!(zone.bytes.len() <= memory.len());
    }
});
