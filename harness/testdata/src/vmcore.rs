//! Core files as a crash kernel shows them, for tests of their readers.

use harness_evidence::vmcore::Registers;

/// A core file in the making.
pub struct CoreBuilder {
    notes: Vec<u8>,
    info: Option<String>,
    /// Virtual address, physical address, bytes.
    segments: Vec<(u64, u64, u64)>,
}

/// What a CPU saved.
pub const fn registers(pid: u32, rip: u64, flags: u64) -> Registers {
    Registers { pid, rip, rsp: 0xffff_c900_0000_3e20, rbp: 0xffff_c900_0000_3e28, flags }
}

fn note(name: &[u8], kind: u32, description: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [name.len(), description.len()] {
        note.extend(u32::try_from(word).unwrap().to_le_bytes());
    }
    note.extend(kind.to_le_bytes());
    for part in [name, description] {
        note.extend(part);
        note.resize(note.len().next_multiple_of(4), 0);
    }
    note
}

impl CoreBuilder {
    /// With these lines of `VMCOREINFO`.
    pub fn new(info: &str) -> Self {
        Self { notes: Vec::new(), info: Some(info.to_owned()), segments: Vec::new() }
    }

    /// A further CPU; one that saved nothing leaves no note.
    pub fn registers(mut self, saved: Option<Registers>) -> Self {
        self.notes.extend(saved.iter().flat_map(Self::register_note));
        self
    }

    /// Memory.
    pub fn segment(mut self, virt: u64, phys: u64, bytes: u64) -> Self {
        self.segments.push((virt, phys, bytes));
        self
    }

    /// A core that tells nothing of its kernel.
    pub fn without_info(mut self) -> Self {
        self.info = None;
        self
    }

    /// A CPU's note, `elf_prstatus` of x86-64.
    pub fn register_note(saved: &Registers) -> Vec<u8> {
        let mut description = vec![0; 336];
        let mut put = |at: usize, word: u64| description[at..at + 8].copy_from_slice(&word.to_le_bytes());
        put(112 + 4 * 8, saved.rbp);
        put(112 + 16 * 8, saved.rip);
        put(112 + 18 * 8, saved.flags);
        put(112 + 19 * 8, saved.rsp);
        put(32, saved.pid.into());
        note(b"CORE\0", 1, &description)
    }

    /// Header, program headers and notes.
    pub fn head(&self) -> Vec<u8> {
        let mut notes = self.notes.clone();
        if let Some(info) = &self.info {
            notes.extend(note(b"VMCOREINFO\0", 0, info.as_bytes()));
        }
        let count = self.segments.len() + 1;
        let noted_at = 64 + 56 * count;
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(64, 0);
        head[16] = 4;
        head[18] = 62;
        head[32] = 64;
        head[54] = 56;
        head[56] = u8::try_from(count).unwrap();
        let header = |kind: u32, [offset, virt, phys, bytes]: [u64; 4]| {
            let mut header = [kind.to_le_bytes(), [0; 4]].concat();
            header.extend([offset, virt, phys, bytes, bytes, 0].into_iter().flat_map(u64::to_le_bytes));
            header
        };
        head.extend(header(4, [noted_at as u64, 0, 0, notes.len() as u64]));
        let mut at = (noted_at + notes.len()).next_multiple_of(4096) as u64;
        for (virt, phys, bytes) in &self.segments {
            head.extend(header(1, [at, *virt, *phys, *bytes]));
            at += bytes;
        }
        [head, notes].concat()
    }
}
