//! What the next boot of the kernel shows in `/sys/fs/pstore`, record by record, against what was decoded here.

use std::collections::BTreeMap;

use super::{Dump, Part, Pstore, backend_and_id};

/// Where the two differ, one line each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    /// Records that were decoded here, and that the kernel does not show, or shows as they are stored.
    pub unread: Vec<String>,
    /// Records that the kernel shows otherwise, or that were not decoded here: then the decoder is wrong.
    pub otherwise: Vec<String>,
}

/// Compares what was decoded with the files that the kernel shows, by their names. What is known to be damaged is passed over,
/// and of ramoops' files what the kernel says of their parity.
pub fn compare<'a>(ours: &'a Pstore, theirs: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Differences {
    let of_dump = |dump: &'a Dump| dump.parts.iter().map(move |part| (part.record_id, (dump, part)));
    let mut ours: BTreeMap<u64, (&Dump, &Part)> = ours.dumps.iter().flat_map(of_dump).collect();
    let mut differences = Differences::default();
    for (name, bytes) in theirs {
        let Some((_, id)) = backend_and_id(name) else { continue };
        let Some((dump, part)) = ours.remove(&id) else {
            differences.otherwise.push(format!("{name} is there, and was not decoded"));
            continue;
        };
        let theirs = String::from_utf8_lossy(bytes);
        let text = format!("{}#{} Part{}\n{}", dump.reason, dump.count, part.number, part.text);
        let rest = theirs.strip_prefix(text.as_str());
        if name.ends_with(".enc.z") {
            differences.unread.push(format!("{name} is not inflated"));
        } else if part.damage.is_none() && rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with("\nECC: ")) {
            let (decoded, shown) = (text.len(), bytes.len());
            differences.otherwise.push(format!("{name} has other text: {shown} bytes, and {decoded} were decoded"));
        }
    }
    let missing = ours.values().filter(|(_, part)| part.damage.is_none());
    let missing =
        missing.map(|(dump, part)| format!("part {} of {}#{} is not there", part.number, dump.reason, dump.count));
    differences.unread.extend(missing);
    differences
}

#[cfg(test)]
mod tests {
    use harness_testdata::{Erst, dmesg_record};

    use super::*;
    use crate::pstore::from_erst_file;

    const IDS: [u64; 2] = [7, 8];

    fn ours() -> Pstore {
        let record = |id: u64| dmesg_record(id, &format!("Panic#1 Part{}", id - 6), &format!("text {id}\n"));
        let with = |erst: Erst, id: &u64| erst.with(Some(*id), &record(*id));
        from_erst_file(&IDS.iter().fold(Erst::new(8, 8192), with).bytes(), &[])
    }

    fn differences(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let ours = ours();
        let Differences { unread, otherwise } =
            compare(&ours, files.iter().map(|(name, text)| (*name, text.as_bytes())));
        (unread, otherwise)
    }

    #[test]
    fn every_record_is_compared() {
        let [one, two] = ["Panic#1 Part1\ntext 7\n", "Panic#1 Part2\ntext 8\n"];
        let none = (Vec::new(), Vec::new());
        assert_eq!(differences(&[("dmesg-erst-8", two), ("dmesg-erst-7", one), ("console-ramoops-0", "")]), none);
        let with_parity = format!("{one}\nECC: No errors detected\n");
        assert_eq!(differences(&[("dmesg-erst-8", two), ("dmesg-erst-7", &with_parity)]), none);
        let unread = |lines: &[&str]| (lines.iter().map(|line| (*line).to_owned()).collect(), Vec::new());
        assert_eq!(differences(&[("dmesg-erst-7", one)]), unread(&["part 2 of Panic#1 is not there"]));
        let stored = [("dmesg-erst-8.enc.z", "?"), ("dmesg-erst-7", one)];
        assert_eq!(differences(&stored), unread(&["dmesg-erst-8.enc.z is not inflated"]));
        let otherwise = |line: &str| (Vec::new(), vec![line.to_owned()]);
        assert_eq!(
            differences(&[("dmesg-erst-8", "Panic#1 Part2\ntext 8"), ("dmesg-erst-7", one)]),
            otherwise("dmesg-erst-8 has other text: 20 bytes, and 21 were decoded")
        );
        assert_eq!(
            differences(&[("dmesg-erst-8", two), ("dmesg-erst-7", one), ("dmesg-erst-9", two)]),
            otherwise("dmesg-erst-9 is there, and was not decoded")
        );
    }

    #[test]
    fn what_is_damaged_is_passed_over() {
        let mut ours = ours();
        ours.dumps[0].parts[0].damage = Some(crate::inflate::Stop::TooLong { limit: 1 });
        let files = [("dmesg-erst-7", &b"Panic#1 Part1\ntext 7\n"[..]), ("dmesg-erst-8", b"something")];
        assert_eq!(compare(&ours, files), Differences::default());
        assert_eq!(compare(&ours, [files[0]]), Differences::default());
    }
}
