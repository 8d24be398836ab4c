//! Shares, intervals, and the score interval (95 %) of a share.

use serde::{Deserialize, Serialize};

/// The normal distribution's 97.5 % point: what makes a two-sided interval one of 95 %.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// A count out of a total; `hits` never exceeds `of`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proportion {
    hits: u32,
    of: u32,
}

impl Proportion {
    /// `hits` of `of`; `None` if that is more than all.
    pub const fn new(hits: u32, of: u32) -> Option<Self> {
        if hits <= of { Some(Self { hits, of }) } else { None }
    }

    /// How many had it.
    pub const fn hits(self) -> u32 {
        self.hits
    }

    /// How many had it not.
    pub const fn misses(self) -> u32 {
        self.of - self.hits
    }

    /// How many were looked at.
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Both together; no count grows beyond the largest number.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { hits: self.hits.saturating_add(other.hits), of: self.of.saturating_add(other.of) }
    }

    /// The share, 0 to 1; `None` of nothing.
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| f64::from(self.hits) / f64::from(self.of))
    }
}

/// Counts of independent trials that carry the same information as those that were run. They are whole numbers where the
/// trials are independent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effective {
    hits: f64,
    of: f64,
}

impl Effective {
    /// This share of `of` trials, which is at least 1.
    pub(super) fn new(share: f64, of: f64) -> Self {
        Self { hits: share * of, of }
    }

    /// How many had it.
    pub(super) const fn hits(self) -> f64 {
        self.hits
    }

    /// How many had it not.
    pub(super) fn misses(self) -> f64 {
        self.of - self.hits
    }

    /// How many independent trials it stands for.
    pub const fn of(self) -> f64 {
        self.of
    }

    /// The share, 0 to 1; `None` of nothing.
    pub fn share(self) -> Option<f64> {
        (self.of > 0.0).then(|| self.hits / self.of)
    }
}

impl From<Proportion> for Effective {
    fn from(seen: Proportion) -> Self {
        Self { hits: f64::from(seen.hits), of: f64::from(seen.of) }
    }
}

/// A closed interval; in JSON `[lo, hi]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct Interval {
    /// The lower end.
    pub lo: f64,
    /// The upper end.
    pub hi: f64,
}

impl From<[f64; 2]> for Interval {
    fn from([lo, hi]: [f64; 2]) -> Self {
        Self { lo, hi }
    }
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.lo, interval.hi]
    }
}

/// Wilson's score interval (95 %, no continuity correction) of a share; `[0, 1]` of nothing.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
pub fn wilson(seen: impl Into<Effective>) -> Interval {
    let seen = seen.into();
    let Some(share) = seen.share() else {
        return Interval { lo: 0.0, hi: 1.0 };
    };
    let n = seen.of;
    let centre = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // None and all reach the end exactly; computed, the rounding could leave them beside it.
    Interval {
        lo: if seen.hits <= 0.0 { 0.0 } else { (centre - half) / scale },
        hi: if seen.misses() <= 0.0 { 1.0 } else { (centre + half) / scale },
    }
}

/// A share in whole percent, to be read: `0` and `100` only for exactly none and exactly all.
pub fn percent(share: f64) -> String {
    let rounded = (share * 100.0).round();
    let shown = if share > 0.0 && share < 1.0 { rounded.clamp(1.0, 99.0) } else { rounded };
    format!("{shown:.0}")
}
