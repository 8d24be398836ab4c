//! Seeds and nonces.

use sha2::{Digest, Sha256};

use crate::model::CellKey;

/// The seed of trial `ordinal` (from 0) of `cell` in a run with the seed `run_seed`.
///
/// Below 2^53, so that no JSON reader which keeps numbers as doubles (jq, JavaScript) shows another seed than was used.
pub(super) fn of_trial(run_seed: u64, cell: &CellKey, ordinal: u32) -> u64 {
    let mut hash = Sha256::new_with_prefix("harness trial seed 1");
    // Every text goes in with its length, or `ab` + `c` would be `a` + `bc`.
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    text(&run_seed.to_string());
    text(&ordinal.to_string());
    text(&cell.variant);
    text(&cell.base);
    text(&cell.scenario);
    for (name, value) in &cell.params {
        text(name);
        text(&value.to_string());
    }
    first_u64(hash) >> 11
}

/// The nonce of the trial with this seed: 16 lowercase hex digits.
pub fn nonce(seed: u64) -> String {
    let hash = Sha256::new_with_prefix("harness trial nonce 1").chain_update(seed.to_le_bytes());
    format!("{:016x}", first_u64(hash))
}

fn first_u64(hash: Sha256) -> u64 {
    hash.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
