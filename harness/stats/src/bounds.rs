//! The ends of an interval that is known by what it leaves out.

/// Halvings of a range of at most 2, down to the resolution of a double near 1.
const HALVINGS: u32 = 54;

/// The end of an interval between `inside`, which it holds, and `outside`: `outside` itself if that is held too, else
/// the value next to the end that is left out, so that rounding never makes the interval narrower.
pub(super) fn boundary(mut inside: f64, mut outside: f64, left_out: impl Fn(f64) -> bool) -> f64 {
    if !left_out(outside) {
        return outside;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(inside, outside);
        if left_out(middle) {
            outside = middle;
        } else {
            inside = middle;
        }
    }
    outside
}
