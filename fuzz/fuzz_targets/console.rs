//! Any serial output becomes harmless text, every line of it can be parsed, and it can be judged.
#![no_main]

use harness::evidence::{Facts, RawEvidence};
use harness_fuzz::examine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let (evidence, _) = examine(&RawEvidence { console: raw, ..RawEvidence::default() }, Facts::default());
    let console = evidence.console;
    assert!(console.text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    assert!(console.lines().all(|line| line.message.len() <= console.text.len()));
});
