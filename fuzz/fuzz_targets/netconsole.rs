//! Any frames of a network card become harmless text, and can be judged.
#![no_main]

use harness::evidence::{Facts, RawEvidence, RawFrames};
use harness_fuzz::examine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pcap: &[u8]| {
    let frames = Some(RawFrames { pcap, dropped: 0 });
    let (evidence, _) = examine(&RawEvidence { frames, ..RawEvidence::default() }, Facts::default());
    let netconsole = evidence.netconsole.expect("it was there");
    assert!(netconsole.console.text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    assert!(netconsole.console.text.len() <= 3 * pcap.len());
});
