//! QEMU's monitor: commands, events, and what they tell of a guest from outside, its memory above all.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_qmp::{Error as QmpError, Event, Events, Qmp};
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::error::{GuestError, read, read_off_thread};
use super::machine::Machine;
use super::process::QEMU_DEADLINE;
use crate::model::{ClockSpec, MachineSpec};

/// Pieces of memory from this size on are read by another thread, in bytes: a smaller one is there before that has woken.
const LARGE: u64 = 64 << 10;

/// A connection to QEMU's monitor.
#[derive(Debug)]
pub(super) struct Monitor {
    qmp: Qmp,
    events: Events,
    /// QEMU's current folder, through which memory is read.
    workdir: PathBuf,
    machine: &'static MachineSpec,
    cpus: u32,
    /// The guest's RAM in bytes.
    ram: u64,
}

impl Monitor {
    /// Takes the greeting of the QEMU that has this machine. `workdir` is QEMU's current folder.
    pub async fn connect(socket: UnixStream, workdir: &Path, machine: &Machine) -> Result<Self, QmpError> {
        let Machine { arch, cpus, memory_mib, .. } = machine;
        let (qmp, events) = Qmp::connect(socket, QEMU_DEADLINE).await?;
        let ram = u64::from(*memory_mib) << 20;
        Ok(Self { qmp, events, workdir: workdir.to_owned(), machine: &arch.spec().machine, cpus: *cpus, ram })
    }

    /// Runs one QMP command by its name; `arguments` are `Value::Null` where it has none.
    pub async fn command(&self, during: &'static str, name: &str, arguments: Value) -> Result<Value, GuestError> {
        self.qmp.execute_raw(name, arguments, QEMU_DEADLINE).await.map_err(|source| GuestError::Qmp { during, source })
    }

    /// Runs one line of the monitor for people.
    pub async fn hmp(&self, during: &'static str, line: &str) -> Result<String, GuestError> {
        self.qmp.hmp(line, QEMU_DEADLINE).await.map_err(|source| GuestError::Qmp { during, source })
    }

    /// How many vCPUs the guest has.
    pub const fn cpus(&self) -> u32 {
        self.cpus
    }

    /// Waits for the guest's end, and returns QEMU's reason; `None` if QEMU has closed the connection. Cancel safe.
    pub async fn shutdown(&mut self) -> Option<String> {
        loop {
            let event = self.events.next().await.ok()?;
            if event.name == "SHUTDOWN" {
                return Some(event.data.get("reason").and_then(Value::as_str).unwrap_or("unknown").to_owned());
            }
        }
    }

    /// Limits migrations to the devices' state: the RAM and other shared files stay where they are. With `events` QEMU
    /// reports how a migration proceeds.
    pub async fn migrate_only_devices(&self, during: &'static str, events: bool) -> Result<(), GuestError> {
        let on = |name| json!({"capability": name, "state": true});
        let mut capabilities = vec![on("x-ignore-shared")];
        if events {
            capabilities.push(on("events"));
        }
        self.command(during, "migrate-set-capabilities", json!({"capabilities": capabilities})).await.map(drop)
    }

    /// Saves all of a running machine but the RAM, which lies in its file already, to `file`, and leaves it stopped. It
    /// is saved as running, so that it runs on by itself when it is restored. False if QEMU reports that it failed.
    pub async fn save(&mut self, during: &'static str, file: &Path) -> Result<bool, GuestError> {
        self.migrate_only_devices(during, true).await?;
        // A socket, because QEMU's sandbox lets it neither run a program nor, before 8.2, migrate to a file by name; in
        // a folder with a short name, because a socket's name may have 107 bytes only.
        let folder = tempfile::tempdir().map_err(GuestError::io("create a folder for a socket"))?;
        let name = folder.path().join("state");
        let socket = UnixListener::bind(&name).map_err(GuestError::io("listen for the saved state"))?;
        self.command(during, "migrate", json!({"uri": format!("unix:{}", name.display())})).await?;
        let copied = async {
            let (mut stream, _) = socket.accept().await?;
            let mut file = tokio::fs::File::create(file).await?;
            tokio::io::copy(&mut stream, &mut file).await?;
            file.sync_all().await
        };
        let (copied, migrated) = tokio::join!(timeout(QEMU_DEADLINE, copied), self.migrated(during));
        if !migrated? {
            return Ok(false);
        }
        let copied = copied.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        copied.map(|()| true).map_err(GuestError::io("write the saved state"))
    }

    /// Waits for the end of a migration, and returns whether it succeeded.
    async fn migrated(&mut self, during: &'static str) -> Result<bool, GuestError> {
        let status = |event: &Event| match event.data.get("status")?.as_str()? {
            _ if event.name != "MIGRATION" => None,
            "completed" => Some(true),
            "failed" => Some(false),
            _ => None,
        };
        let ended = async {
            loop {
                let event = self.events.next().await.map_err(|source| GuestError::Qmp { during, source })?;
                if let Some(succeeded) = status(&event) {
                    return Ok(succeeded);
                }
            }
        };
        timeout(QEMU_DEADLINE, ended).await.unwrap_or_else(|_| {
            let what = format!("{during}: nothing happened for {QEMU_DEADLINE:?}");
            Err(GuestError::Io { what, source: io::ErrorKind::TimedOut.into() })
        })
    }

    /// Whether all of these bytes of guest-physical memory are RAM. Elsewhere there may be a device that minds being
    /// read, so an address that a guest has told must be checked.
    pub fn has_ram(&self, address: u64, bytes: u64) -> bool {
        self.machine.ram.offset(self.ram, address, bytes).is_some()
    }

    /// Reads guest-physical memory, which must be RAM, by way of a file `name` in QEMU's folder.
    pub async fn physical_memory(
        &self,
        during: &'static str,
        name: &str,
        address: u64,
        bytes: u64,
    ) -> Result<Vec<u8>, GuestError> {
        // The name is relative to QEMU's current folder.
        self.command(during, "pmemsave", json!({"val": address, "size": bytes, "filename": name})).await?;
        let path = self.workdir.join(name);
        let memory = if bytes < LARGE { read(&path, bytes)? } else { read_off_thread(&path, bytes).await? };
        if memory.len() as u64 == bytes {
            return Ok(memory);
        }
        // On a full disk `pmemsave` succeeds all the same (QEMU 7.2, seen).
        let why =
            format!("QEMU has written {} bytes of {bytes} to it and says nothing: is the disk full?", memory.len());
        Err(GuestError::io(&format!("read {}", path.display()))(io::Error::other(why)))
    }

    /// Reads memory as a vCPU sees it, at a virtual address, by way of a file `name` in QEMU's folder.
    pub async fn virtual_memory(
        &self,
        during: &'static str,
        name: &str,
        cpu: u32,
        address: u64,
        bytes: u64,
    ) -> Result<Vec<u8>, GuestError> {
        // QMP knows signed numbers only.
        let arguments = json!({"val": address.cast_signed(), "size": bytes, "filename": name, "cpu-index": cpu});
        self.command(during, "memsave", arguments).await?;
        read(&self.workdir.join(name), bytes)
    }

    /// 64-bit words of the kernel's memory, at a virtual address. Any CPU's page tables do, as long as that CPU is in
    /// the kernel: with page-table isolation one in user space has not mapped it.
    pub async fn kernel_words<const N: usize>(
        &self,
        during: &'static str,
        address: u64,
    ) -> Result<[u64; N], GuestError> {
        let mut failed = None;
        for cpu in 0..self.cpus {
            match self.virtual_memory(during, "words", cpu, address, (N * 8) as u64).await {
                Ok(bytes) => {
                    let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
                    let less = |_| io::Error::other("QEMU has written less than was asked for");
                    return words.try_into().map_err(less).map_err(GuestError::io(during));
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| GuestError::Agent("a guest without CPUs".to_owned())))
    }

    /// The guest-physical address of a virtual one, by the page tables of any CPU that has it mapped, as above.
    pub async fn translate(&self, during: &'static str, address: u64) -> Result<Option<u64>, GuestError> {
        for cpu in 0..self.cpus {
            let arguments = json!({"command-line": format!("gva2gpa {address:#x}"), "cpu-index": cpu});
            let answer = self.command(during, "human-monitor-command", arguments).await?;
            if let Some(found) = answer.as_str().and_then(translation) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The registers of every vCPU, as the monitor shows them.
    pub async fn registers(&self) -> Result<String, GuestError> {
        self.hmp("reading the vCPUs' registers", "info registers -a").await
    }

    /// A reading of the guest's time, for a [`Clock`].
    pub async fn timer(&self) -> Result<Reading, GuestError> {
        let (during, clock) = ("reading the guest's clock", &self.machine.clock);
        let text = self.hmp(during, clock.read).await?;
        let strange = || io::Error::other(format!("QEMU's monitor says {:?} to `{}`", text.trim(), clock.read));
        reading(&text, clock).ok_or_else(|| GuestError::io(during)(strange()))
    }
}

/// What a machine's counter has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    ticks: u32,
    of: &'static ClockSpec,
}

/// A guest's own time, added up from readings of a counter that may begin anew, every 4.7 s on a q35. If that happens unseen
/// between two readings, less time is counted than has passed, never more.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    last: Option<u32>,
    ticks: u64,
}

impl Clock {
    /// The time since the first reading, by a further one.
    pub(super) fn tick(&mut self, Reading { ticks, of: ClockSpec { hz, mask, .. } }: Reading) -> Duration {
        let passed = ticks.wrapping_sub(self.last.unwrap_or(ticks)) & mask;
        self.last = Some(ticks);
        self.ticks += u64::from(passed);
        let (seconds, rest) = (self.ticks / hz, self.ticks % hz);
        Duration::new(seconds, 0) + Duration::from_nanos(rest * 1_000_000_000 / hz)
    }
}

/// Reads `portl[0x0608] = 0x00352127`, or `0000000009010000: 0x386d4381`.
fn reading(text: &str, of: &'static ClockSpec) -> Option<Reading> {
    let ticks = u32::from_str_radix(text.split_once(of.before)?.1.trim(), 16).ok()?;
    Some(Reading { ticks, of })
}

/// Reads the answer of `gva2gpa`: `gpa: 0x1820668`, or `Unmapped`.
fn translation(answer: &str) -> Option<u64> {
    u64::from_str_radix(answer.trim().strip_prefix("gpa: 0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Arch;

    fn clock(arch: Arch) -> &'static ClockSpec {
        &arch.spec().machine.clock
    }

    #[test]
    fn the_monitors_answer_is_read() {
        let [x86_64, arm64] = Arch::ALL.map(clock);
        let ticks = |text: &str, of| reading(text, of).map(|reading| reading.ticks);
        assert_eq!(ticks("portl[0x0608] = 0x00352127\r\n", x86_64), Some(0x0035_2127));
        assert_eq!(ticks("0000000009010000: 0x386d4381\r\n", arm64), Some(0x386d_4381));
        for text in ["", "portl[0x0608] = ", "portl[0x0608] = 0x", "unknown command: 'i'", "= 0x1ffffffff"] {
            assert_eq!(ticks(text, x86_64), None, "{text:?}");
            assert_eq!(ticks(text, arm64), None, "{text:?}");
        }
    }

    #[test]
    fn time_goes_on_when_the_timer_begins_anew() {
        let of = clock(Arch::X86_64);
        let mut time = Clock::default();
        let mut tick = |ticks| time.tick(Reading { ticks, of });
        assert_eq!(tick(0x00ff_ffff), Duration::ZERO);
        let hz = u32::try_from(of.hz).unwrap_or(0);
        assert_eq!(tick(hz - 1), Duration::from_secs(1));
        assert_eq!(tick(hz - 1), Duration::from_secs(1));
        assert_eq!(tick(3 * hz / 2), Duration::from_secs(1) + Duration::from_nanos(500_000_139));
        let (mut time, of) = (Clock::default(), clock(Arch::Arm64));
        assert_eq!(time.tick(Reading { ticks: 0x386d_4381, of }), Duration::ZERO);
        assert_eq!(time.tick(Reading { ticks: 0x386d_4384, of }), Duration::from_secs(3));
    }

    #[test]
    fn translations_are_read() {
        assert_eq!(translation("gpa: 0x1820668\r\n"), Some(0x182_0668));
        assert_eq!(translation("Unmapped\r\n"), None);
        assert_eq!(translation("gpa: 0x"), None);
    }
}
