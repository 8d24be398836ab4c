//! Flash with EFI variables, as edk2's firmware writes them, for tests of their reader.

/// A firmware volume with a store in it, and a working block behind.
pub struct EfiFlash {
    image: Vec<u8>,
    /// Where the store's header is.
    store: usize,
    /// Bytes of a variable's header.
    header: usize,
    /// Where the next variable goes.
    next: usize,
    /// Where the working block is.
    working: usize,
}

/// `VAR_ADDED`: the state of a variable that is there.
pub const ADDED: u8 = 0x3f;
/// `LINUX_EFI_CRASH_GUID`
pub const LINUX_CRASH: [u8; 16] =
    [0x79, 0xfc, 0xc8, 0xcf, 0x2e, 0xbe, 0xdc, 0x4d, 0x97, 0xf0, 0x9f, 0x98, 0xbf, 0xe2, 0x98, 0xa0];
/// `gEfiGlobalVariableGuid`
pub const GLOBAL: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];

const VOLUME_HEADER: usize = 0x48;
const STORE_HEADER: usize = 28;
const NV_DATA: [u8; 16] =
    [0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50];
const AUTHENTICATED: [u8; 16] =
    [0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92];
const PLAIN: [u8; 16] =
    [0x16, 0x36, 0xcf, 0xdd, 0x75, 0x32, 0x64, 0x41, 0x98, 0xb6, 0xfe, 0x85, 0x70, 0x7f, 0xfe, 0x7d];
const WORKING_BLOCK: [u8; 16] =
    [0x2b, 0x29, 0x58, 0x9e, 0x68, 0x7c, 0x7d, 0x49, 0xa0, 0xce, 0x65, 0x00, 0xfd, 0x9f, 0x1b, 0x95];

impl EfiFlash {
    /// An empty store with room for this many bytes of variables, authenticated or plain.
    pub fn new(room: usize, authenticated: bool) -> Self {
        let size = STORE_HEADER + room;
        let working = (VOLUME_HEADER + size).next_multiple_of(4096);
        let mut image = vec![0xff; working + 4096];
        let length = image.len() as u64;
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &[0; 16]);
        put(0x10, &NV_DATA);
        put(0x20, &length.to_le_bytes());
        put(0x28, b"_FVH");
        put(0x30, &u16::try_from(VOLUME_HEADER).unwrap().to_le_bytes());
        put(VOLUME_HEADER, if authenticated { &AUTHENTICATED } else { &PLAIN });
        put(VOLUME_HEADER + 16, &u32::try_from(size).unwrap().to_le_bytes());
        put(VOLUME_HEADER + 20, &[0x5a, 0xfe, 0, 0, 0, 0, 0, 0]);
        put(working, &WORKING_BLOCK);
        let header = if authenticated { 60 } else { 32 };
        Self { image, store: VOLUME_HEADER, header, next: VOLUME_HEADER + STORE_HEADER, working }
    }

    /// Writes a variable, in a given state.
    pub fn with(self, state: u8, vendor: [u8; 16], name: &str, data: &[u8]) -> Self {
        self.written(state, vendor, name, data, usize::MAX)
    }

    /// Writes a dump of the kernel's that is there.
    pub fn with_dump(self, name: &str, data: &[u8]) -> Self {
        self.with(ADDED, LINUX_CRASH, name, data)
    }

    /// Writes no more than the first `bytes` of a variable's header, name and data.
    pub fn torn(self, state: u8, name: &str, data: &[u8], bytes: usize) -> Self {
        self.written(state, LINUX_CRASH, name, data, bytes)
    }

    fn written(mut self, state: u8, vendor: [u8; 16], name: &str, data: &[u8], most: usize) -> Self {
        let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let mut variable = vec![0; self.header];
        let sizes = [name.len(), data.len()].map(|size| u32::try_from(size).unwrap().to_le_bytes());
        variable[..4].copy_from_slice(&[0xaa, 0x55, state, 0]);
        variable[4] = 7;
        variable[self.header - 24..self.header - 16].copy_from_slice(&sizes.concat());
        variable[self.header - 16..].copy_from_slice(&vendor);
        variable.extend([&name, data].concat());
        let end = (self.next + variable.len()).next_multiple_of(4);
        variable.truncate(most);
        let room = self.image.len().min(self.working) - self.next;
        variable.truncate(room);
        self.image[self.next..self.next + variable.len()].copy_from_slice(&variable);
        self.next = end;
        self
    }

    /// Bytes that are no variable, where the next would be.
    pub fn garbage(mut self, bytes: &[u8]) -> Self {
        self.image[self.next..self.next + bytes.len()].copy_from_slice(bytes);
        self.next = (self.next + bytes.len()).next_multiple_of(4);
        self
    }

    /// Says in the working block that the store is being rewritten: whether the copy of it in the spare block is complete,
    /// and whether all is.
    pub fn rewriting(mut self, spare_complete: bool, complete: bool) -> Self {
        let at = self.working + 32;
        self.image[at] = if complete { 0b1111_1000 } else { 0b1111_1100 };
        self.image[at + 24..at + 32].copy_from_slice(&1u64.to_le_bytes());
        self.image[at + 32..at + 40].copy_from_slice(&0u64.to_le_bytes());
        self.image[at + 40] = if spare_complete { 0b1111_1101 } else { 0xff };
        self
    }

    /// Says another size of the store.
    pub fn sized(mut self, size: u32) -> Self {
        self.image[self.store + 16..self.store + 20].copy_from_slice(&size.to_le_bytes());
        self
    }

    /// The image.
    pub fn bytes(self) -> Vec<u8> {
        self.image
    }
}
