//! Variables put into a store from outside, as the firmware leaves them.

use super::{ALIGNMENT, ERASED, EfiStoreError, Format, START, State, decode};
use crate::cper::Guid;

/// `EFI_VARIABLE_NON_VOLATILE`, `_BOOTSERVICE_ACCESS`, `_RUNTIME_ACCESS`
const ATTRIBUTES: u32 = 7;

/// Writes variables behind those that the store of an image has.
#[derive(Debug)]
pub struct Writer<'a> {
    /// The image up to the store's end.
    area: &'a mut [u8],
    next: usize,
    format: Format,
}

/// A store that a variable does not fit into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a variable of {bytes} bytes does not fit into the {room} bytes that are left of the store")]
pub struct NoRoom {
    /// Bytes of the variable, its header and name included.
    pub bytes: usize,
    /// Bytes that are left.
    pub room: usize,
}

impl<'a> Writer<'a> {
    /// Writes to the store that the firmware takes when it next boots.
    pub fn new(image: &'a mut [u8]) -> Result<Self, EfiStoreError> {
        let store = decode(image)?.store;
        let (next, end, format) = (store.end(), store.at + store.bytes, store.format);
        let area = image.get_mut(..end).unwrap_or_default();
        Ok(Self { area, next, format })
    }

    /// Bytes of the store that a variable takes besides its data.
    pub fn overhead(&self, name: &str) -> usize {
        self.format.header() + encoded(name).len()
    }

    /// Writes a variable that is there.
    pub fn write(&mut self, vendor: Guid, name: &str, data: &[u8]) -> Result<(), NoRoom> {
        let name = encoded(name);
        let bytes = (self.format.header() + name.len() + data.len()).next_multiple_of(ALIGNMENT);
        let room = self.area.len().saturating_sub(self.next);
        let no_room = NoRoom { bytes, room };
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).map(u32::to_le_bytes).map_err(|_| no_room);
        let mut header = START.to_le_bytes().to_vec();
        header.extend([State::ADDED, 0]);
        header.extend(ATTRIBUTES.to_le_bytes());
        // A count, a time and a key, of signed variables alone.
        header.resize(self.format.header() - 24, 0);
        header.extend([size(&name)?, size(data)?].concat());
        header.extend(vendor.bytes());
        let mut variable = [&header[..], &name, data].concat();
        variable.resize(bytes, ERASED);
        let place = self.area.get_mut(self.next..self.next.saturating_add(bytes)).ok_or(no_room)?;
        place.copy_from_slice(&variable);
        self.next += bytes;
        Ok(())
    }
}

/// A name as the store has it: UTF-16 with a zero at its end.
fn encoded(name: &str) -> Vec<u8> {
    name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}
