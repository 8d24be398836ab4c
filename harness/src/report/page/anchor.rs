//! Where in a page a cell is.

use std::fmt::Write as _;

use crate::model::CellKey;

/// The id of a cell's row, which stays the same from run to run: `c-stock@6.12,panic-alone,hold=300ms`.
///
/// Cells that differ have ids that differ: what is neither a letter, a digit nor one of a few signs is written as `%20`.
pub fn anchor(key: &CellKey) -> String {
    let CellKey { variant, base, scenario, params } = key;
    let mut id = format!("c-{}@{},{}", plain(variant), plain(base), plain(scenario));
    for (name, value) in params {
        // Writing to a string does not fail.
        let _ = write!(id, ",{}={}", plain(name), plain(&value.to_string()));
    }
    id
}

fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~+=".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "%{byte:02x}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sample::key;

    #[test]
    fn cells_that_differ_have_ids_that_differ() {
        let id = |variant: &str, scenario: &str, point: &str| anchor(&key(variant, scenario, point));
        assert_eq!(
            id("stock+cpus=2", "panic-alone", "hold=300ms n=1"),
            "c-stock+cpus=2@6.12,panic-alone,hold=300ms,n=1"
        );
        assert_eq!(id("a\"b", "c d,<", ""), "c-a%22b@6.12,c%20d%2c%3c");
        assert_ne!(id("a", "b", "n=1,m=2"), id("a", "b", "n=1 m=2"));
        assert_ne!(id("a%20", "b", ""), id("a ", "b", ""));
    }
}
