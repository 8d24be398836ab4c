//! Any backing file of `acpi-erst` is read within bounds.
#![no_main]

use harness::evidence::{Facts, RawEvidence, RawPstore, pstore};
use harness_fuzz::examine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let raw = RawEvidence { pstore: RawPstore::Erst { file, before: &[] }, ..RawEvidence::default() };
    let (evidence, _) = examine(&raw, Facts::default());
    let parts = evidence.pstore.dumps.iter().flat_map(|dump| &dump.parts);
    // A byte that is not UTF-8 becomes three.
    assert!(parts.map(|part| part.text.len()).sum::<usize>() <= 3 * pstore::MAX_BYTES);
});
