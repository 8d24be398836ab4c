//! Any image of flash is read within bounds, and so are variables of any names.
#![no_main]

use harness::evidence::efi_store::decode;
use harness::evidence::pstore::{self, MAX_BYTES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Vec<(&str, &[u8])>)| {
    let (image, variables) = input;
    let mut all = vec![pstore::from_efi_variables(variables)];
    if let Ok(image) = decode(image) {
        let store = &image.store;
        assert!(store.used <= store.bytes);
        assert!(store.shown().count() <= store.variables.len());
        all.push(pstore::from_efi_image(&image));
    }
    for pstore in all {
        let parts = pstore.dumps.iter().flat_map(|dump| &dump.parts);
        // A byte that is not UTF-8 becomes three.
        assert!(parts.map(|part| part.text.len()).sum::<usize>() <= 3 * MAX_BYTES);
    }
});
