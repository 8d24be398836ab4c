//! Which CPUs a guest had.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The CPUs of a guest when its faults were fired, as its kernel had them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpus {
    /// Those that may ever be there.
    pub possible: BTreeSet<u32>,
    /// Those that are there.
    pub present: BTreeSet<u32>,
    /// Those that are at work.
    pub online: BTreeSet<u32>,
}

impl Cpus {
    /// By a bit each of the first 32.
    pub fn of_bits([possible, present, online]: [u32; 3]) -> Self {
        let set = |bits: u32| (0..u32::BITS).filter(|cpu| bits >> cpu & 1 == 1).collect();
        Self { possible: set(possible), present: set(present), online: set(online) }
    }
}
