//! Which probes lie in a block of code: asked for every block that QEMU translates, so it must be quick to say "none".

use harness_trace::{Place, Probe};

/// No x86 instruction is longer.
const LONGEST_INSTRUCTION: u64 = 15;

/// The probes by the addresses that the kernel really runs at.
#[derive(Debug, Default)]
pub struct Table {
    /// Address, length (0: any), and number of a probe.
    points: Vec<(u64, u64, u32)>,
    /// First address, address behind the last, and number of a probe.
    ranges: Vec<(u64, u64, u32)>,
}

impl Table {
    /// A table of all probes; those with addresses as linked only if the `slide` is known.
    pub fn new(probes: impl Iterator<Item = (u32, Probe)>, slide: Option<u64>) -> Self {
        let mut table = Self::default();
        for (number, probe) in probes {
            let Some(slide) = (if probe.as_linked { slide } else { Some(0) }) else { continue };
            match probe.place {
                Place::At(at) => table.points.push((at.wrapping_add(slide), 0, number)),
                Place::Instruction { at, bytes } => table.points.push((at.wrapping_add(slide), bytes, number)),
                Place::Access { code: (from, to), .. } => {
                    table.ranges.push((from.wrapping_add(slide), to.wrapping_add(slide), number));
                }
            }
        }
        table.points.sort_unstable();
        table
    }

    /// Whether a block that begins at `start` may have anything to do with a probe.
    pub fn concerns(&self, start: u64, instructions: u64) -> bool {
        let end = start.saturating_add(instructions.saturating_mul(LONGEST_INSTRUCTION));
        let next = self.points.partition_point(|(at, ..)| *at < start);
        self.points.get(next).is_some_and(|(at, ..)| *at < end)
            || self.ranges.iter().any(|(from, to, _)| *from < end && start < *to)
    }

    /// The probes that an instruction is to make events of when it is executed.
    pub fn at(&self, address: u64, bytes: u64) -> impl Iterator<Item = u32> {
        let first = self.points.partition_point(|(at, ..)| *at < address);
        let same = self.points.iter().skip(first).take_while(move |(at, ..)| *at == address);
        same.filter(move |(_, length, _)| *length == 0 || *length == bytes).map(|(.., number)| *number)
    }

    /// The probes that watch which memory an instruction touches.
    pub fn watching(&self, address: u64) -> impl Iterator<Item = u32> {
        self.ranges.iter().filter(move |(from, to, _)| (*from..*to).contains(&address)).map(|(.., number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(slide: Option<u64>) -> Table {
        let probe = |place, as_linked| Probe { place, as_linked, limit: 1 };
        let probes = [
            probe(Place::At(0x1000), true),
            probe(Place::Instruction { at: 0x1010, bytes: 5 }, true),
            probe(Place::Instruction { at: 0x1010, bytes: 1 }, true),
            probe(Place::Access { code: (0x2000, 0x2040), watched: (0, 1, false), reads: false }, false),
        ];
        Table::new((0..).zip(probes), slide)
    }

    #[test]
    fn a_block_is_passed_over_unless_a_probe_lies_in_its_reach() {
        let table = table(Some(0));
        assert!(table.concerns(0x1000, 1) && !table.concerns(0x0fff, 0) && !table.concerns(0x1011, 100));
        assert!(table.concerns(0x1000 - 15, 2) && !table.concerns(0x1000 - 15, 1));
        assert!(table.concerns(0x1ff1, 2) && table.concerns(0x203f, 1) && !table.concerns(0x2040, 9));
    }

    #[test]
    fn an_instruction_counts_only_with_its_length() {
        let table = table(Some(0x100));
        let at = |address, bytes| table.at(address, bytes).collect::<Vec<_>>();
        assert_eq!((at(0x1100, 7), at(0x1110, 5), at(0x1110, 1), at(0x1110, 2)), (vec![0], vec![1], vec![2], vec![]));
        assert_eq!(at(0x1000, 7), [0; 0]);
        assert_eq!(table.watching(0x2000).collect::<Vec<_>>(), [3]);
        assert_eq!(table.watching(0x2040).count(), 0);
    }

    #[test]
    fn without_the_slide_only_absolute_addresses_are_known() {
        let table = table(None);
        assert!(!table.concerns(0x1000, 10) && table.concerns(0x2000, 1));
    }
}
