//! Any page, also one whose head is right: the bytes are taken as what follows magic and version.
#![no_main]

use harness::evidence::stamps;
use harness_protocol::page;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = stamps::decode(bytes);
    let mut page = [&b"CRASHLAB"[..], &page::VERSION.to_le_bytes(), bytes].concat();
    page.resize(page::SIZE, 0);
    if let Ok(stamps) = stamps::decode(&page) {
        assert_eq!(stamps.actor_stamps().len(), stamps.actors.len());
    }
});
