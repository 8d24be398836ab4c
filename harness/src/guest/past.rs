//! What a guest's record store and its ramoops hold of the time before it boots.

use std::iter::repeat_n;

use crate::evidence::cper::{self, CREATOR_PSTORE, Guid};
use crate::evidence::erst::Writer;
use crate::evidence::ramoops;
use crate::model::pstore::{Erst, Ramoops};

/// Who wrote what pstore did not: nobody.
const OTHERS: Guid = Guid::new(0x0f1e_3c52, 0x6a1d, 0x4c0b, [0x9b, 0x57, 0x21, 0x8e, 0x44, 0xd0, 0x73, 0xa6]);
/// When the first of the earlier boots died, in Unix seconds: 2020-01-01. The others died a day after each other.
const FIRST_DEATH: u64 = 1_577_836_800;
const DAY: u64 = 86_400;
/// So much is there of a record that cannot be read: less than its headers.
const DAMAGED_BYTES: usize = 100;

/// What a record is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Whole,
    Damaged,
    Foreign,
}

/// The storage of `acpi-erst`. What there is no room for is left out; who reads a scenario has checked that there is.
pub(super) fn records(erst: &Erst) -> Vec<u8> {
    let mut storage = Writer::new(erst.records, Erst::RECORD);
    let kinds = [(Kind::Whole, erst.used), (Kind::Damaged, erst.damaged), (Kind::Foreign, erst.foreign)];
    let kinds = kinds.into_iter().flat_map(|(kind, n)| repeat_n(kind, usize::try_from(n).unwrap_or(0)));
    for ((id, boot), kind) in ids(erst).into_iter().zip(0..).zip(kinds) {
        let _ = storage.write(id, &record(id, boot, kind));
    }
    storage.into_bytes()
}

/// The ids of its records: each of another boot (`cper_next_record_id()`), the time of its first record above a counter.
fn ids(erst: &Erst) -> Vec<u64> {
    (0..u64::from(erst.before())).map(|boot| (FIRST_DEATH + boot * DAY) << 32 | 1).collect()
}

/// The memory of ramoops, with a dump of another boot in each of the first zones.
pub(super) fn zones(sizes: &Ramoops) -> Vec<u8> {
    let dump = |boot: u32| format!("===={}.000000-D\n{}", FIRST_DEATH + u64::from(boot) * DAY, text(boot));
    ramoops::encode(sizes, &(0..sizes.used).map(dump).collect::<Vec<_>>())
}

/// A dump of one part, as a kernel writes it that does not compress.
fn text(boot: u32) -> String {
    let lines = (0..40).map(|line| format!("<6>[  100.{line:06}][    T1] of the earlier boot {boot}\n"));
    format!("Panic#1 Part1\n{}", lines.collect::<String>())
}

/// Its record.
fn record(id: u64, boot: u32, kind: Kind) -> Vec<u8> {
    let creator = if matches!(kind, Kind::Foreign) { OTHERS } else { CREATOR_PSTORE };
    let mut record = cper::encode(id, id >> 32, creator, &text(boot));
    if matches!(kind, Kind::Damaged) {
        record.truncate(DAMAGED_BYTES);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::erst::decode;
    use crate::evidence::pstore::from_erst_file;

    #[test]
    fn records_of_each_kind_are_there_and_known_by_their_ids() {
        let erst = Erst { records: 5, used: 2, damaged: 1, foreign: 1 };
        let file = records(&erst);
        assert_eq!(file.len() as u64, erst.bytes());
        let store = decode(&file).unwrap();
        assert_eq!(store.problems, Vec::<String>::new());
        assert_eq!(store.slots.iter().filter_map(|slot| slot.id).collect::<Vec<_>>(), ids(&erst));
        let all = from_erst_file(&file, &[]);
        assert_eq!((all.dumps.len(), all.undecodable, all.problems.len()), (2, 1, 2), "{all:?}");
        // None of them is the trial's.
        let left = from_erst_file(&file, &ids(&erst));
        assert_eq!((left.dumps.len(), left.undecodable, left.problems.len()), (0, 0, 0), "{left:?}");
        assert!(ids(&Erst::default()).is_empty());
    }
}
