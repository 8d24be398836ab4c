//! Any text can be judged; only a whole tail is `saved`, and only `saved` needs no explanation.
#![no_main]

use harness::model::ChannelOutcome;
use harness::verdict::{Tail, judge_text, witness};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(found) = witness::parse(text) {
        assert!(text.starts_with(&witness::line(found.nonce, found.number, found.of)));
    }
    for tail in [Tail::of_panic("0123456789abcdef", 3), Tail::of_oops("0123456789abcdef", 3)] {
        let verdict = judge_text(text, &tail);
        let saved = verdict.outcome == ChannelOutcome::Saved;
        assert_eq!(saved, verdict.detail.is_empty());
        assert!(!saved || verdict.witnesses == tail.of);
    }
});
