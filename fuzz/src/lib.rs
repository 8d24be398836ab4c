//! What every target that takes a guest's bytes does with them: they are decoded and judged as a trial's are.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::evidence::{Evidence, Facts, RawEvidence};
use harness::model::ends::{Ends, EndsBy};
use harness::verdict::{Expected, Hindrances, Tail, TrialVerdict, judge};
use harness_protocol::page as layout;

/// The nonce of the trial.
pub const NONCE: &str = "0123456789abcdef";

/// The evidence and the verdict of a trial of [`NONCE`] with three witness lines.
pub fn examine(raw: &RawEvidence<'_>, facts: Facts) -> (Evidence, TrialVerdict) {
    let evidence = Evidence::decode(raw, facts);
    let expected = Expected {
        tail: &Tail::of_panic(NONCE, 3),
        preconditions: &[],
        ends: &Ends { by: EndsBy::ALL.to_vec(), said: true },
        budgets_us: &BTreeMap::new(),
        order: &[],
        deadline: Duration::from_secs(30),
        build_id: "",
        splats: None,
        hindrances: &Hindrances::default(),
        linux: (6, 12),
    };
    let verdict = judge(&evidence, &expected);
    // Whatever the verdict is, it can be recorded.
    let _ = verdict.outcome();
    (evidence, verdict)
}

/// The page that crashlab shares, of that trial, which was fired: with one actor, which panicked.
pub fn page(actor: &str) -> Vec<u8> {
    let (slots, khz, fired, panics) = (1_u32, 1_000_000_u64, 1_u64, 2_u32);
    let mut page =
        [&b"CRASHLAB"[..], &layout::VERSION.to_le_bytes(), &slots.to_le_bytes(), &khz.to_le_bytes()].concat();
    page.extend(fired.to_le_bytes());
    page.extend(NONCE.bytes());
    page.resize(64, 0);
    page.extend(actor.bytes());
    page.resize(64 + 16, 0);
    page.extend(panics.to_le_bytes());
    page.resize(layout::SIZE, 0);
    page
}
