//! What a store of EFI variables holds of the time before a guest boots: dumps of earlier boots, and variables of others.

use std::fmt::Write as _;

use crate::evidence::cper::Guid;
use crate::evidence::efi_store::{EfiStoreError, LINUX_CRASH, NoRoom, Writer};
use crate::model::pstore::Efi;

/// Whose the variables of others are: nobody's.
const OTHERS: Guid = Guid::new(0x0f1e_3c52, 0x6a1d, 0x4c0b, [0x9b, 0x57, 0x21, 0x8e, 0x44, 0xd0, 0x73, 0xa6]);
/// Bytes of the store that one of them takes.
const OTHER_BYTES: usize = 1 << 10;

/// Parts of a dump: as many as a panic has where a record is 1 KiB.
const PARTS: u32 = 15;
/// Bytes of text in one part, at most.
const PART_BYTES: usize = 860;
/// When the first of the earlier boots died, in Unix seconds: 2020-01-01. The others died a day after each other.
const FIRST_DEATH: u64 = 1_577_836_800;
const DAY: u64 = 86_400;

/// Puts it into an image.
pub(super) fn fill(image: &mut [u8], efi: &Efi) -> Result<Result<(), NoRoom>, EfiStoreError> {
    let mut writer = Writer::new(image)?;
    Ok(dumps(&mut writer, efi.dumps).and_then(|()| others(&mut writer, efi.used)))
}

/// Dumps as kernels write them, not compressed, each the first of its boot.
fn dumps(writer: &mut Writer<'_>, count: u32) -> Result<(), NoRoom> {
    for boot in 0..count {
        let seconds = FIRST_DEATH + u64::from(boot) * DAY;
        for part in 1..=PARTS {
            let name = format!("dump-type0-{part}-1-{seconds}-D");
            writer.write(LINUX_CRASH, &name, text(boot, part).as_bytes())?;
        }
    }
    Ok(())
}

fn text(boot: u32, part: u32) -> String {
    let mut text = format!("Panic#1 Part{part}\n");
    let age = PARTS - part;
    for line in 0.. {
        let before = text.len();
        // Writing to a string does not fail.
        let _ = writeln!(text, "<6>[  {:3}.{line:06}][    T1] of the earlier boot {boot}, part {part}", 100 + age);
        if text.len() > PART_BYTES {
            text.truncate(before);
            break;
        }
    }
    text
}

/// As many variables as take this many bytes of the store.
fn others(writer: &mut Writer<'_>, bytes: u32) -> Result<(), NoRoom> {
    let count = usize::try_from(bytes).unwrap_or(usize::MAX) / OTHER_BYTES;
    for number in 0..count {
        let name = format!("Other{number:04}");
        let data = vec![0x5a; OTHER_BYTES - writer.overhead(&name)];
        writer.write(OTHERS, &name, &data)?;
    }
    Ok(())
}
