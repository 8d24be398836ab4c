//! The consoles that a guest's kernel may have beside the serial one, `ttyS0`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Channel;

/// A console that only some guests have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Console")]
pub enum FurtherConsole {
    /// A second serial line, on which the kernel's boot console goes on to print (`earlycon=… keep_bootcon`).
    Earlycon,
    /// The kernel's log, record by record, in UDP datagrams (`netconsole=`).
    Netconsole,
}

/// All that a guest has.
pub type FurtherConsoles = BTreeSet<FurtherConsole>;

impl FurtherConsole {
    /// The channel that it is judged as.
    pub const fn channel(self) -> Channel {
        match self {
            Self::Earlycon => Channel::Earlycon,
            Self::Netconsole => Channel::Netconsole,
        }
    }

    /// The console that this channel judges; none where it is not one of these.
    pub fn of_channel(channel: Channel) -> Option<Self> {
        [Self::Earlycon, Self::Netconsole].into_iter().find(|console| console.channel() == channel)
    }

    /// The options that a kernel needs for it.
    pub const fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Earlycon => &["CONFIG_SERIAL_8250_CONSOLE", "CONFIG_SERIAL_EARLYCON"],
            Self::Netconsole => &["CONFIG_NETCONSOLE", "CONFIG_INET", "CONFIG_E1000"],
        }
    }
}

/// One end of the line that netconsole sends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Station {
    /// The address of its network card.
    pub mac: [u8; 6],
    /// Its address, in 192.0.2.0/24, which is reserved for documentation (RFC 5737).
    pub address: Ipv4Addr,
    /// Its UDP port.
    pub port: u16,
}

/// The guest; netconsole's own ports.
pub const SENDER: Station = Station { mac: [0x52, 0x54, 0, 0, 0, 1], address: Ipv4Addr::new(192, 0, 2, 1), port: 6665 };
/// Who would log what it sends.
pub const RECEIVER: Station =
    Station { mac: [0x52, 0x54, 0, 0, 0, 2], address: Ipv4Addr::new(192, 0, 2, 2), port: 6666 };

impl Station {
    /// `52:54:00:00:00:01`
    pub fn mac_text(&self) -> String {
        self.mac.map(|byte| format!("{byte:02x}")).join(":")
    }
}
