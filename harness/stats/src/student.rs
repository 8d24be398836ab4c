//! Student's distribution.

use super::bounds::boundary;
use super::interval::Z;

/// Its 97.5 % point with `freedom` degrees of freedom, at least 1: what makes a two-sided interval one of 95 % whose
/// variance is estimated.
pub(super) fn student(freedom: u32) -> f64 {
    /// That of one degree of freedom is 12.706…
    const MOST: f64 = 13.0;
    boundary(Z, MOST, |point| within(point, freedom) >= 0.95)
}

/// The probability of lying within ±`point`, in closed form: M. Abramowitz, I. A. Stegun, "Handbook of mathematical
/// functions" (1964), 26.7.3 and 26.7.4.
fn within(point: f64, freedom: u32) -> f64 {
    let angle = (point / f64::from(freedom).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    // The terms of the series, each a ratio times the one before.
    let (mut term, mut sum) = if odd { (cosine, 0.0) } else { (1.0, 0.0) };
    let mut power = u32::from(odd);
    while power + 2 <= freedom {
        sum += term;
        power += 2;
        term *= f64::from(power - 1) / f64::from(power) * cosine * cosine;
    }
    if odd { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum }
}
