//! The second serial port, `ttyS1`: what the guest's agent says there, and after it a crash kernel's console.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::stream::Captured;
use super::trace::monotonic_ns;

/// No honest line is longer: a record of pstore in hexadecimal has some 20 kB.
const LINE_LIMIT: u64 = 256 << 10;

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
    /// It could not do what it was told.
    Error(String),
    /// A file of the guest's `/sys/fs/pstore`.
    File {
        /// Its name there.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// No more files.
    End,
}

/// Where crashlab is in the guest's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashlabAddresses {
    /// Physical address of the page that it stamps.
    pub page: u64,
    /// Virtual address of that page.
    pub mapped: u64,
    /// Virtual address of its section `.text`.
    pub code: u64,
}

/// A note in the guest's memory, as `/sys/kernel/vmcoreinfo` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its physical address.
    pub address: u64,
    /// Its size in bytes, the room for it included.
    pub bytes: u64,
}

impl Note {
    /// Reads `0x0000000003a51000 1024`, both hexadecimal.
    fn parse(address: &str, bytes: &str) -> Option<Self> {
        Some(Self { address: hexadecimal(address.strip_prefix("0x")?)?, bytes: hexadecimal(bytes)? })
    }
}

impl AgentMessage {
    /// Reads one line; `None` if it is no message of the agent's. Nothing that a guest says is trusted.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim_end_matches(['\r', '\n']);
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "ready" => {
                let mut words = rest.split(' ');
                let (release, notes, page) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
                let (mapped, code) = (words.next()?.parse().ok()?, words.next()?.strip_prefix("0x")?);
                let (code, release, notes) = (hexadecimal(code)?, release.to_owned(), unhex(notes)?);
                let vmcoreinfo = match words.next()? {
                    "-" => None,
                    address => Some(Note::parse(address, words.next()?)?),
                };
                let crashlab = CrashlabAddresses { page, mapped, code };
                words.next().is_none().then_some(Self::Ready { release, notes, crashlab, vmcoreinfo })
            }
            "settled" if rest.is_empty() => Some(Self::Settled),
            "error" => Some(Self::Error(rest.to_owned())),
            "file" => {
                let (name, bytes) = rest.split_once(' ')?;
                Some(Self::File { name: name.to_owned(), bytes: unhex(bytes)? })
            }
            "end" if rest.is_empty() => Some(Self::End),
            _ => None,
        }
    }
}

/// A file of a guest's `/sys/fs/pstore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PstoreFile {
    /// Its name there.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Our end of the port.
#[derive(Debug)]
pub(super) struct AgentPort {
    lines: Lines<BufReader<UnixStream>>,
    /// Lines that are no messages of the agent's: a crash kernel's console.
    capture_console: Captured,
    /// When the first of these lines came, by [`monotonic_ns`].
    first_line_ns: Option<u64>,
}

impl AgentPort {
    pub fn new(socket: UnixStream) -> Self {
        let lines = Lines::new(BufReader::new(socket));
        Self { lines, capture_console: Captured::default(), first_line_ns: None }
    }

    /// The agent's next message; `None` if the port is closed. Cancel safe.
    pub async fn next(&mut self) -> Option<AgentMessage> {
        loop {
            let line = self.lines.next().await?;
            if let Some(message) = AgentMessage::parse(&line) {
                return Some(message);
            }
            self.first_line_ns.get_or_insert_with(monotonic_ns);
            self.capture_console.push(line.as_bytes());
        }
    }

    /// Reads a crash kernel's console, which stalls it when nobody does, until the port is closed. Cancel safe.
    pub async fn read_console(&mut self) {
        while let Some(line) = self.lines.next().await {
            self.capture_console.push(line.as_bytes());
        }
    }

    /// Says a line to the agent.
    pub async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.lines.say(line).await
    }

    /// The number of bytes that have come of a crash kernel's console.
    pub fn captured(&self) -> u64 {
        self.capture_console.len()
    }

    /// When the first line of a crash kernel's console came, in nanoseconds of the host's monotonic clock.
    pub const fn first_line_ns(&self) -> Option<u64> {
        self.first_line_ns
    }

    /// All of a crash kernel's console.
    pub fn into_capture_console(self) -> Vec<u8> {
        self.capture_console.into_bytes()
    }
}

/// Lines as they come from a guest.
#[derive(Debug)]
pub(super) struct Lines<S> {
    stream: S,
    /// The beginning of a line whose end has not come yet; kept here so that waiting for it can be given up and
    /// resumed.
    partial: Vec<u8>,
}

impl<S: AsyncBufRead + Unpin> Lines<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, partial: Vec::new() }
    }

    /// The next line, of which at most [`LINE_LIMIT`] bytes are taken; `None` at the end of the stream. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<String> {
        let room = LINE_LIMIT.saturating_sub(self.partial.len() as u64);
        let n = (&mut self.stream).take(room).read_until(b'\n', &mut self.partial).await.ok()?;
        if n == 0 && self.partial.is_empty() {
            return None;
        }
        let line = std::mem::take(&mut self.partial);
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> Lines<S> {
    /// The stream, where no more lines are due.
    pub(super) const fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Says a line to the guest.
    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes()).await?;
        self.stream.flush().await
    }
}

/// A number without a sign, which `from_str_radix` alone would take.
fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
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
    use super::*;

    #[test]
    fn the_agents_messages_are_understood() {
        let ready = |vmcoreinfo| AgentMessage::Ready {
            release: "6.12.117".into(),
            notes: vec![0, 255],
            crashlab: CrashlabAddresses { page: 4096, mapped: 8192, code: 0xffff_ffff_c000_0000 },
            vmcoreinfo,
        };
        assert_eq!(AgentMessage::parse("ready 6.12.117 00ff 4096 8192 0xffffffffc0000000 -\r\n"), Some(ready(None)));
        assert_eq!(
            AgentMessage::parse("ready 6.12.117 00ff 4096 8192 0xffffffffc0000000 0x0000000003a51000 1024\r\n"),
            Some(ready(Some(Note { address: 0x03a5_1000, bytes: 0x1024 })))
        );
        assert_eq!(AgentMessage::parse("settled\n"), Some(AgentMessage::Settled));
        assert_eq!(AgentMessage::parse("error open /x: no"), Some(AgentMessage::Error("open /x: no".into())));
        assert_eq!(
            AgentMessage::parse("file dmesg-erst-1 41"),
            Some(AgentMessage::File { name: "dmesg-erst-1".into(), bytes: b"A".to_vec() })
        );
        assert_eq!(AgentMessage::parse("end"), Some(AgentMessage::End));
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
            "hello",
            "settled down",
        ] {
            assert_eq!(AgentMessage::parse(line), None, "{line:?}");
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let endless = vec![b'x'; 1 << 20];
        let line = Lines::new(&endless[..]).next().await;
        assert_eq!(line.map(|l| l.len() as u64), Some(LINE_LIMIT));
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_survived(line in ".*") {
            let _ = AgentMessage::parse(&line);
        }
    }
}
