//! The second serial port: what the host is told, and at times says.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};

use harness_protocol::AgentMessage;
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};

/// The host, at the other end of a serial port.
pub struct Host(File);

impl Host {
    /// Opens the port, and ends whatever line firmware has begun there. It is made raw, or else the kernel would echo what the host says, and the host would take that for
    /// the console of a crash kernel.
    pub fn open(path: &str) -> Result<Self, String> {
        let port = OpenOptions::new().read(true).write(true).open(path).map_err(|e| format!("open {path}: {e}"))?;
        let mut settings = tcgetattr(&port).map_err(|e| format!("read the settings of {path}: {e}"))?;
        settings.make_raw();
        tcsetattr(&port, OptionalActions::Now, &settings).map_err(|e| format!("make {path} raw: {e}"))?;
        let mut host = Self(port);
        host.0.write_all(b"\n").map_err(|e| format!("write to the host: {e}"))?;
        Ok(host)
    }

    /// Sends the host a message.
    pub fn say(&mut self, message: &AgentMessage) -> Result<(), String> {
        self.0.write_all(format!("{message}\n").as_bytes()).map_err(|e| format!("write to the host: {e}"))?;
        // What still lies in the kernel's buffer would die with the kernel.
        tcdrain(&self.0).map_err(|e| format!("wait until the host has it: {e}"))
    }

    /// Waits for a line of the host's, whatever it says.
    pub fn hear(&mut self) -> Result<(), String> {
        let mut byte = [0];
        while byte != *b"\n" {
            self.0.read_exact(&mut byte).map_err(|e| format!("wait for the host: {e}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{OFlags, fcntl_setfl};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[test]
    fn what_the_host_says_is_heard_and_not_echoed() {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let mut terminal = File::from(terminal);
        let mut host = Host::open(&name).unwrap();
        terminal.write_all(b"go\n").unwrap();
        host.hear().unwrap();
        host.say(&AgentMessage::Settled).unwrap();
        fcntl_setfl(&terminal, OFlags::NONBLOCK).unwrap();
        let mut heard = [0; 64];
        let n = terminal.read(&mut heard).unwrap();
        assert_eq!(heard[..n].escape_ascii().to_string(), "\\nsettled\\n");
    }
}
