//! Any page, also one whose head is right: the bytes are taken as what follows magic and version.
#![no_main]

use harness::evidence::{Facts, RawEvidence};
use harness_fuzz::examine;
use harness_protocol::page as layout;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let evidence = |page: &[u8]| examine(&RawEvidence { stamps: page, ..RawEvidence::default() }, Facts::default()).0;
    evidence(bytes);
    let mut page = [&b"CRASHLAB"[..], &layout::VERSION.to_le_bytes(), bytes].concat();
    page.resize(layout::SIZE, 0);
    let evidence = evidence(&page);
    if let Ok(stamps) = &evidence.stamps {
        assert_eq!(evidence.actor_stamps().len(), stamps.actors.len());
    }
});
