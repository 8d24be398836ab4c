//! Any serial output becomes harmless text, and every line of it can be parsed.
#![no_main]

use harness::evidence::console;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let console = console::decode(raw);
    assert!(console.text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    assert!(console.lines().all(|line| line.message.len() <= console.text.len()));
});
