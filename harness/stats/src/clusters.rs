//! Trials that are alike because their guests were restored from one template.
//!
//! What one boot decided by chance is in every trial of its template. So the trials of a template say less than as many
//! independent ones would, and by how much shows only in the difference between templates.

use serde::Serialize;

use super::dispersion::{dispersion_p, intraclass};
use super::interval::Z;
use super::student::student;
use super::{Effective, Proportion};

/// Below this p-value the templates of a cell are said to differ.
pub const DIFFER_BELOW: f64 = 0.05;

/// A share, by template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Clusters {
    /// Trials that are like no other: each had a guest of its own, or it is not known which it had.
    apart: Proportion,
    /// Each template's trials, at least one. In order, since which is which does not matter.
    templates: Vec<Proportion>,
}

/// What lies between the templates of a share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BetweenTemplates {
    /// How many there are.
    pub templates: usize,
    /// The intraclass correlation of their trials, 0 to 1; none if it cannot be estimated.
    pub icc: Option<f64>,
    /// The p-value of the hypothesis that they differ by chance alone.
    pub p: f64,
}

impl Clusters {
    /// Trials that are like no other, and those of each template. A template without a trial is none.
    pub fn new(apart: Proportion, templates: impl IntoIterator<Item = Proportion>) -> Self {
        let mut templates: Vec<Proportion> = templates.into_iter().filter(|seen| seen.of() > 0).collect();
        templates.sort_unstable();
        Self { apart, templates }
    }

    /// All trials together.
    pub fn pooled(&self) -> Proportion {
        self.templates.iter().fold(self.apart, |sum, seen| sum.plus(*seen))
    }

    /// Trials that are like no other.
    pub const fn apart(&self) -> Proportion {
        self.apart
    }

    /// The templates' trials.
    pub fn templates(&self) -> &[Proportion] {
        &self.templates
    }

    /// The pooled share, if no trial shares its template with another.
    pub(super) fn independent(&self) -> Option<Proportion> {
        self.templates.iter().all(|seen| seen.of() == 1).then(|| self.pooled())
    }

    /// The intraclass correlation: how alike two trials of one template are, 0 (no more than any two) to 1 (all trials of
    /// a template have the same outcome). `None` if fewer than two templates have trials, or none has two.
    pub fn icc(&self) -> Option<f64> {
        intraclass(&[self])
    }

    /// Whether the templates differ by more than chance would have it.
    pub fn differ(&self) -> bool {
        dispersion_p(&[self]) < DIFFER_BELOW
    }

    /// What lies between the templates; `None` if no template is known.
    pub fn between(&self) -> Option<BetweenTemplates> {
        let templates = self.templates.len();
        (templates > 0).then(|| BetweenTemplates { templates, icc: self.icc(), p: dispersion_p(&[self]) })
    }

    /// By how much the variance of the share is larger than if the trials were independent: 1 + (m − 1)·ICC, m being
    /// the mean number of trials in the template of a trial. 1 if nothing is known.
    pub fn design_effect(&self, icc: f64) -> f64 {
        let square = |seen: &Proportion| f64::from(seen.of()).powi(2);
        let alike = f64::from(self.apart.of()) + self.templates.iter().map(square).sum::<f64>();
        let all = f64::from(self.pooled().of());
        if all > 0.0 { 1.0 + (alike / all - 1.0) * icc } else { 1.0 }
    }

    /// The counts of independent trials that say as much; exactly those that were counted where the templates do not
    /// differ, and where nothing is known of how they do.
    ///
    /// E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts
    /// estimated from survey data", Survey Methodology 24 (1998): the number is divided by the design effect, and
    /// multiplied with (z / t)², t with one degree of freedom less than templates, since so few of them tell the
    /// variance. Theirs is for surveys whose variance lies between clusters. Here part of it is binomial and known, and
    /// so the factor enters in proportion to the share of the standard error that lies between templates.
    pub fn effective(&self) -> Effective {
        let pooled = self.pooled();
        match (pooled.share(), self.icc()) {
            (Some(share), Some(icc)) if icc > 0.0 => {
                let effect = self.design_effect(icc);
                let between = (1.0 - 1.0 / effect).sqrt();
                let freedom = u32::try_from(self.templates.len() - 1).unwrap_or(u32::MAX);
                let factor = (Z / student(freedom)).powi(2);
                let of = f64::from(pooled.of()) / effect * (1.0 - between * (1.0 - factor));
                Effective::new(share, of.max(1.0))
            }
            _ => pooled.into(),
        }
    }
}

impl From<Proportion> for Clusters {
    /// Trials of which no two are alike.
    fn from(apart: Proportion) -> Self {
        Self { apart, templates: Vec::new() }
    }
}
