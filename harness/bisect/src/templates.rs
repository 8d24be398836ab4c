//! What a trial counts for, by how far the templates of the kernels lie apart.

use super::{Tallies, Tally};
use harness_stats::{Clusters, Proportion, dispersion_p, intraclass};

/// Below this p-value templates are taken to differ. A bisection looks after every batch, hundreds of times, so 0.05 would
/// be passed by chance in many of them; templates that do differ are found all the same, by the trials that come anyway.
const DIFFER_BELOW: f64 = 0.001;

/// The share of trials in which it happened, by template.
pub fn by_template(tallies: &Tallies) -> Clusters {
    Clusters::new(share_of(tallies.apart), tallies.templates.values().copied().map(share_of))
}

/// The share of trials in which it happened.
pub(super) fn share_of(tally: Tally) -> Proportion {
    Proportion::new(tally.events, tally.trials).unwrap_or_default()
}

/// For each node, what a trial of it counts for: 1, unless the templates of the same kernels differ by more than
/// chance, over all nodes together. Then it is one over the design effect, with the correlation of all nodes.
pub(super) fn weights(nodes: &[Tallies]) -> Vec<f64> {
    let clusters: Vec<Clusters> = nodes.iter().map(by_template).collect();
    let strata: Vec<&Clusters> = clusters.iter().collect();
    let icc = intraclass(&strata).filter(|&icc| icc > 0.0 && dispersion_p(&strata) < DIFFER_BELOW);
    clusters.iter().map(|own| icc.map_or(1.0, |icc| 1.0 / own.design_effect(icc))).collect()
}
