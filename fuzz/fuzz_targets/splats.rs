//! Whatever a log is, its reports are few, and each has a title of a bounded length.
#![no_main]

use harness::evidence::console;
use harness::evidence::splats::{MAX_SPLATS, MAX_TITLE, find};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let found = find(&console::decode(raw).text);
    assert!(found.len() <= MAX_SPLATS);
    assert!(found.iter().all(|splat| !splat.title.is_empty() && splat.title.chars().count() <= MAX_TITLE));
});
