//! Any memory of ramoops is read within bounds, whatever its zones are said to be.
#![no_main]

use harness::evidence::{pstore, ramoops};
use harness::model::pstore::Ramoops;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, u8, u16, u16, u8, &[u8])| {
    let (record, records, console, pmsg, ecc, memory) = input;
    let zones = Ramoops {
        record: record.into(),
        records: records.into(),
        console: console.into(),
        pmsg: pmsg.into(),
        ecc: (ecc % 65).into(),
    };
    let reading = ramoops::decode(memory, &zones);
    let parts = reading.pstore.dumps.iter().flat_map(|dump| &dump.parts);
    // A byte that is not UTF-8 becomes three.
    assert!(parts.map(|part| part.text.len()).sum::<usize>() <= 3 * pstore::MAX_BYTES);
    for zone in [reading.console, reading.pmsg].into_iter().flatten().flatten() {
        assert!(zone.bytes.len() <= memory.len());
    }
});
