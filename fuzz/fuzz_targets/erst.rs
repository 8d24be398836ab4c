//! Any backing file of `acpi-erst` is read within bounds.
#![no_main]

use harness::evidence::pstore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let pstore = pstore::from_erst_file(file);
    let parts = pstore.dumps.iter().flat_map(|dump| &dump.parts);
    // A byte that is not UTF-8 becomes three.
    assert!(parts.map(|part| part.text.len()).sum::<usize>() <= 3 * pstore::MAX_BYTES);
});
