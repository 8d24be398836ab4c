//! What a kernel tells of itself to whoever reads its memory: `VMCOREINFO`, the ELF note that a crash dump carries too.
//!
//! Its text has a line for each symbol, size and offset that a reader of memory needs: `SYMBOL(prb)=ffffffff81820668`,
//! `SIZE(prb_desc)=24`, `OFFSET(prb_desc.state_var)=0`. Source: `include/linux/vmcore_info.h` (`linux/crash_core.h`
//! before 6.9) and `kernel/vmcore_info.c`. Where the note is stands in `/sys/kernel/vmcoreinfo`.

use std::collections::BTreeMap;

use crate::notes::{Cut, notes};

/// More bytes than this are no such note: kernels keep it to a page or two.
pub const MAX_NOTE: usize = 64 << 10;

/// The note's name, and the first of the kernel's name for it.
const NAME: &[u8] = b"VMCOREINFO";

/// The note is not there, or not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// More than [`MAX_NOTE`] bytes.
    #[error("{0} bytes are more than a VMCOREINFO note has")]
    TooLong(usize),
    /// No note of that name.
    #[error("no note VMCOREINFO is there")]
    None,
    /// The note says that it is longer than what is there.
    #[error("the note VMCOREINFO is cut off")]
    Cut,
}

/// The lines of the note, by what stands before `=`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmcoreInfo(BTreeMap<String, String>);

impl VmcoreInfo {
    /// Reads ELF notes, of which one must be `VMCOREINFO`. Takes any bytes. Lines without `=` are passed over; of a key
    /// that stands twice the first counts.
    pub fn of_notes(notes: &[u8]) -> Result<Self, NoteError> {
        if notes.len() > MAX_NOTE {
            return Err(NoteError::TooLong(notes.len()));
        }
        let text = String::from_utf8_lossy(description(notes)?);
        let mut lines = BTreeMap::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            lines.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        Ok(Self(lines))
    }

    /// The virtual address of a symbol.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.0.get(&format!("SYMBOL({name})"))?, 16).ok()
    }

    /// A line without an address or a size in it: `OSRELEASE`, `BUILD-ID`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A number, `NUMBER(phys_base)=16777216`; negative ones count down from 2^64.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(&format!("NUMBER({name})"))?.parse::<i64>().ok().map(i64::cast_unsigned)
    }

    /// How far above its link addresses the kernel runs, in bytes: `KERNELOFFSET=21000000`, in hexadecimal.
    pub fn slide(&self) -> Option<u64> {
        u64::from_str_radix(self.text("KERNELOFFSET")?, 16).ok()
    }

    /// The size of a type, in bytes.
    pub fn size(&self, name: &str) -> Option<usize> {
        self.0.get(&format!("SIZE({name})"))?.parse().ok()
    }

    /// The offset of a field, `type.field`, in bytes.
    pub fn offset(&self, field: &str) -> Option<usize> {
        self.0.get(&format!("OFFSET({field})"))?.parse().ok()
    }
}

/// The description of the note `VMCOREINFO`.
fn description(bytes: &[u8]) -> Result<&[u8], NoteError> {
    let found = notes(bytes).find(|note| note.is_err() || note.is_ok_and(|note| note.name == NAME));
    found.ok_or(NoteError::None)?.map(|note| note.description).map_err(|Cut| NoteError::Cut)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use harness_testdata::printk_ring::note;

    #[test]
    fn lines_become_keys() {
        let text = "OSRELEASE=6.12.117\nnonsense\nSYMBOL(prb)=ffffffff81820668\nSIZE(prb_desc)=24\n\
                    OFFSET(prb_desc.state_var)=0\nSIZE(prb_desc)=25\nSIZE(bad)=-1\n";
        let info = VmcoreInfo::of_notes(&[note("CORE", "SYMBOL(prb)=1\n"), note("VMCOREINFO", text)].concat()).unwrap();
        assert_eq!(info.symbol("prb"), Some(0xffff_ffff_8182_0668));
        assert_eq!((info.size("prb_desc"), info.size("bad"), info.size("none")), (Some(24), None, None));
        assert_eq!(info.offset("prb_desc.state_var"), Some(0));
        assert_eq!(info.slide(), None);
    }

    #[test]
    fn a_kernel_tells_how_far_it_was_moved() {
        let slide = |line: &str| VmcoreInfo::of_notes(&note("VMCOREINFO", line)).unwrap().slide();
        assert_eq!(slide("KERNELOFFSET=21000000\n"), Some(0x2100_0000));
        assert_eq!(slide("KERNELOFFSET=0\n"), Some(0));
        assert_eq!(slide("KERNELOFFSET=far\n"), None);
    }

    #[test]
    fn what_is_no_whole_note_is_refused() {
        assert_eq!(VmcoreInfo::of_notes(&[]), Err(NoteError::None));
        assert_eq!(VmcoreInfo::of_notes(&note("CORE", "x=y")), Err(NoteError::None));
        let whole = note("VMCOREINFO", "SYMBOL(prb)=12\n");
        assert_eq!(VmcoreInfo::of_notes(&whole[..30]), Err(NoteError::Cut));
        assert_eq!(VmcoreInfo::of_notes(&whole[..20]), Err(NoteError::Cut));
        // Behind the end of notes there is none.
        assert_eq!(VmcoreInfo::of_notes(&[&[0; 12], &whole[..]].concat()), Err(NoteError::None));
        assert_eq!(VmcoreInfo::of_notes(&vec![1; MAX_NOTE + 1]), Err(NoteError::TooLong(MAX_NOTE + 1)));
        // Lengths that are lies.
        assert_eq!(VmcoreInfo::of_notes(&[0xff; 64]), Err(NoteError::Cut));
    }

    proptest! {
        #[test]
        fn any_notes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..256), name_len in 0u32..40) {
            let _ = VmcoreInfo::of_notes(&bytes);
            if let Some(head) = bytes.get_mut(..4) {
                head.copy_from_slice(&name_len.to_le_bytes());
            }
            let _ = VmcoreInfo::of_notes(&bytes);
        }
    }
}
