//! The lines that the agent sends on the guest's second serial port.

use std::fmt::{self, Write as _};

/// What the agent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentMessage {
    /// It is up, crashlab is loaded, and it waits for directives.
    Ready {
        /// The kernel's release, `uname -r`.
        release: String,
        /// The kernel's ELF notes, among them the build id.
        notes: Vec<u8>,
        /// Where crashlab is.
        crashlab: CrashlabAddresses,
        /// Where its kernel has the note that tells readers of memory where things are, if it has one.
        vmcoreinfo: Option<Note>,
    },
    /// It has waited for directives long enough for the kernel to have finished what it put off while booting, and
    /// still waits.
    Settled,
    /// It is alive, as it was to say some time after the actors were fired.
    Alive,
    /// It could not do what it was told.
    Error(String),
    /// A file of the guest's `/sys/fs/pstore`.
    File {
        /// Its name there, without blanks.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// No more files.
    End,
    /// What the user's program has written.
    Output(Vec<u8>),
    /// The user's program has ended.
    Exited(Exit),
}

/// How the user's program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Its time was over, and it was killed.
    Stopped,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl Exit {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some(("code", code)) => code.parse().ok().map(Self::Code),
            Some(("signal", signal)) => signal.parse().ok().map(Self::Signal),
            _ => (text == "stopped").then_some(Self::Stopped),
        }
    }
}

/// Where crashlab is in the guest's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CrashlabAddresses {
    /// Physical address of the page that it stamps.
    pub page: u64,
    /// Virtual address of that page.
    pub mapped: u64,
    /// Virtual address of its section `.text`.
    pub code: u64,
}

/// A note in the guest's memory, as `/sys/kernel/vmcoreinfo` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Note {
    /// Its physical address.
    pub address: u64,
    /// Its size in bytes, the room for it included.
    pub bytes: u64,
}

impl Note {
    /// Reads `0x0000000003a51000 1024`, both hexadecimal.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bytes) = text.split_once(' ')?;
        Some(Self { address: address_of(address)?, bytes: hexadecimal(bytes)? })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x} {:x}", self.address, self.bytes)
    }
}

impl fmt::Display for AgentMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { release, notes, crashlab: CrashlabAddresses { page, mapped, code }, vmcoreinfo } => {
                write!(f, "ready {release} {} {page} {mapped} {code:#x} ", Hex(notes))?;
                match vmcoreinfo {
                    Some(note) => note.fmt(f),
                    None => f.write_char('-'),
                }
            }
            Self::Settled => f.write_str("settled"),
            Self::Alive => f.write_str("alive"),
            Self::Error(text) => write!(f, "error {text}"),
            Self::File { name, bytes } => write!(f, "file {name} {}", Hex(bytes)),
            Self::End => f.write_str("end"),
            Self::Output(bytes) => write!(f, "output {}", Hex(bytes)),
            Self::Exited(exit) => write!(f, "exited {exit}"),
        }
    }
}

impl AgentMessage {
    /// Reads one line. `None` if it is none of the agent's: guests are not trusted.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim_end_matches(['\r', '\n']);
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "ready" => {
                let mut words = rest.splitn(6, ' ');
                let (release, notes) = (words.next()?.to_owned(), unhex(words.next()?)?);
                let (page, mapped) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                let code = address_of(words.next()?)?;
                let vmcoreinfo = match words.next()? {
                    "-" => None,
                    note => Some(Note::parse(note)?),
                };
                let crashlab = CrashlabAddresses { page, mapped, code };
                Some(Self::Ready { release, notes, crashlab, vmcoreinfo })
            }
            "settled" if rest.is_empty() => Some(Self::Settled),
            "alive" if rest.is_empty() => Some(Self::Alive),
            "error" => Some(Self::Error(rest.to_owned())),
            "file" => {
                let (name, bytes) = rest.split_once(' ')?;
                Some(Self::File { name: name.to_owned(), bytes: unhex(bytes)? })
            }
            "end" if rest.is_empty() => Some(Self::End),
            "output" => unhex(rest).map(Self::Output),
            "exited" => Exit::parse(rest).map(Self::Exited),
            _ => None,
        }
    }
}

/// An address as the kernel prints it: `0xffffffffc0000000`.
pub fn address_of(text: &str) -> Option<u64> {
    hexadecimal(text.strip_prefix("0x")?)
}

/// A number without a sign, which `from_str_radix` alone would take.
fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Bytes as two hexadecimal digits each.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| Some((digit(pair.first()?)? << 4) | digit(pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_agents_messages_are_understood() {
        let ready = |vmcoreinfo| AgentMessage::Ready {
            release: "6.12.117".into(),
            notes: vec![0, 255],
            crashlab: CrashlabAddresses { page: 4096, mapped: 8192, code: 0xffff_ffff_c000_0000 },
            vmcoreinfo,
        };
        for (line, message) in [
            ("ready 6.12.117 00ff 4096 8192 0xffffffffc0000000 -", ready(None)),
            (
                "ready 6.12.117 00ff 4096 8192 0xffffffffc0000000 0x0000000003a51000 1024",
                ready(Some(Note { address: 0x03a5_1000, bytes: 0x1024 })),
            ),
            ("settled", AgentMessage::Settled),
            ("alive", AgentMessage::Alive),
            ("error open /x: no", AgentMessage::Error("open /x: no".into())),
            ("file dmesg-erst-1 41", AgentMessage::File { name: "dmesg-erst-1".into(), bytes: b"A".to_vec() }),
            ("end", AgentMessage::End),
            ("output 4142", AgentMessage::Output(b"AB".to_vec())),
            ("exited code 3", AgentMessage::Exited(Exit::Code(3))),
            ("exited signal 11", AgentMessage::Exited(Exit::Signal(11))),
            ("exited stopped", AgentMessage::Exited(Exit::Stopped)),
        ] {
            assert_eq!(message.to_string(), line);
            assert_eq!(AgentMessage::parse(&format!("{line}\r\n")), Some(message));
        }
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "",
            "ready",
            "ready 6.12 0 1 2 0x3 -",
            "ready 6.12 +1 1 2 0x3 -",
            "ready 6.12 00",
            "ready 6.12 00 -1 2 0x3",
            "ready 6.12 00 1 2",
            "ready 6.12 00 1 2 3",
            "ready 6.12 00 1 2 0x3",
            "ready 6.12 00 1 2 0x3 - more",
            "ready 6.12 00 1 2 0x3 0x4000",
            "ready 6.12 00 1 2 0x3 4000 1000",
            "ready 6.12 00 1 2 0x3 0x4000 -1000",
            "ready 6.12 00 1 2 0x3 0x4000 +1000",
            "ready 6.12 00 1 2 0x3 0x4000 1000 more",
            "ready 6.12 00 1 2 0x+3 -",
            "file a zz",
            "output 4",
            "exited",
            "exited soon",
            "exited code",
            "hello",
            "settled down",
            "alive and well",
        ] {
            assert_eq!(AgentMessage::parse(line), None, "{line:?}");
        }
    }

    fn any_message() -> impl Strategy<Value = AgentMessage> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..32);
        let note = (any::<u64>(), any::<u64>()).prop_map(|(address, bytes)| Note { address, bytes });
        prop_oneof![
            ("[!-~]+", bytes(), any::<u64>(), any::<u64>(), any::<u64>(), prop::option::of(note)).prop_map(
                |(release, notes, page, mapped, code, vmcoreinfo)| AgentMessage::Ready {
                    release,
                    notes,
                    crashlab: CrashlabAddresses { page, mapped, code },
                    vmcoreinfo
                }
            ),
            Just(AgentMessage::Settled),
            Just(AgentMessage::Alive),
            "[ -~]*".prop_map(AgentMessage::Error),
            ("[!-~]+", bytes()).prop_map(|(name, bytes)| AgentMessage::File { name, bytes }),
            Just(AgentMessage::End),
            bytes().prop_map(AgentMessage::Output),
            prop_oneof![any::<i32>().prop_map(Exit::Code), any::<i32>().prop_map(Exit::Signal), Just(Exit::Stopped)]
                .prop_map(AgentMessage::Exited),
        ]
    }

    proptest! {
        #[test]
        fn written_messages_are_read_back(message in any_message()) {
            prop_assert_eq!(AgentMessage::parse(&message.to_string()), Some(message));
        }

        #[test]
        fn any_line_is_survived(line in ".*") {
            let _ = AgentMessage::parse(&line);
        }
    }
}
