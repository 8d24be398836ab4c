//! The correction of p-values for the number of tests made.

/// The Benjamini-Hochberg adjustment: below α exactly where the test still rejects when the expected *share* of false
/// ones among all rejections is held at α. In the order of the input.
///
/// Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", J. R. Statist. Soc. B 57 (1995).
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    let tests = f64::from(count(p_values));
    for (index, rank) in ascending(p_values).iter().rev().zip((1..=count(p_values)).rev()) {
        smallest = smallest.min(p_values[*index] * tests / f64::from(rank));
        adjusted[*index] = smallest;
    }
    adjusted
}

/// The positions of the p-values, smallest first.
fn ascending(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    order
}

/// How many tests; more than `u32::MAX` would not fit into memory beside their results.
fn count(p_values: &[f64]) -> u32 {
    u32::try_from(p_values.len()).unwrap_or(u32::MAX)
}
