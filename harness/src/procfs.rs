//! Amounts of memory as files below `/proc` state them, `MemAvailable:   18861704 kB` (Linux:
//! `Documentation/filesystems/proc.rst`; its kB are KiB).

use std::fs;
use std::path::Path;

/// A field of a file, in bytes; `None` if the host does not say.
pub fn bytes(path: impl AsRef<Path>, field: &str) -> Option<u64> {
    bytes_in(&fs::read_to_string(path).ok()?, field)
}

fn bytes_in(text: &str, field: &str) -> Option<u64> {
    let amount = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    amount.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read() {
        let text = "MemTotal:       24683996 kB\nMemFree:        16513424 kB\nMemAvailable:   18861704 kB\n";
        assert_eq!(bytes_in(text, "MemAvailable"), Some(18_861_704 * 1024));
        assert_eq!(bytes_in(text, "Mem"), None, "only the whole name");
        for odd in
            ["", "MemAvailable:", "MemAvailable: many kB", "MemAvailable: 12", "MemAvailable: 18446744073709551615 kB"]
        {
            assert_eq!(bytes_in(odd, "MemAvailable"), None, "{odd}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        assert_eq!(bytes("/proc/nothing", "MemAvailable"), None);
        assert!(bytes("/proc/self/status", "VmHWM").is_some_and(|peak| peak > 0));
    }
}
