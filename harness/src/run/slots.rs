//! How many guests this machine has room for.

/// What a guest takes beside its RAM, of which it shares most with the template: QEMU itself, its translated code. In
/// MiB; some 100 were seen.
const OVERHEAD_MIB: u64 = 192;

/// How many CPUs of guests may be busy at a time on a machine with that many processors and that much memory available,
/// when guests have `guest_mib` of RAM: one a processor, as long as there is memory for all of them; at least one.
pub fn default_jobs(processors: usize, available_mib: Option<u64>, guest_mib: u64) -> u32 {
    // A quarter of the memory is left to others.
    let fit = available_mib.map_or(u64::MAX, |available| available / 4 * 3 / (guest_mib + OVERHEAD_MIB));
    let jobs = fit.min(processors as u64).max(1);
    u32::try_from(jobs).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::default_jobs;

    #[test]
    fn one_a_processor_where_there_is_memory() {
        assert_eq!(default_jobs(2, Some(24 << 10), 256), 2);
        assert_eq!(default_jobs(64, Some(128 << 10), 256), 64);
        assert_eq!(default_jobs(64, Some(16 << 10), 256), 27);
        assert_eq!(default_jobs(64, Some(300), 256), 1);
        assert_eq!(default_jobs(8, None, 256), 8);
    }
}
