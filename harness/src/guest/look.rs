//! Looking at a guest from outside while it runs; it takes no notice.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::artifacts::Waited;
use super::error::GuestError;
use super::running::{Guest, read};
use super::trace::Memory;

/// The ACPI power-management timer: how it is read on a q35 (Linux says "ACPI: PM-Timer IO Port: 0x608"), its ticks a
/// second and its bits (QEMU: `hw/acpi/core.c`). It counts QEMU's virtual clock, which is the guest's time in both
/// senses of `--time`, and reading it changes nothing.
const PM_TIMER: &str = "i/w 0x608";
const PM_TIMER_HZ: u64 = 3_579_545;
const PM_TIMER_MASK: u32 = 0x00ff_ffff;

/// What was seen at one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// The guest's time, as [`Clock`] has it.
    pub guest_time: Duration,
    /// How many bytes have come on the console, and on a crash kernel's.
    pub printed: u64,
    /// When the last of them were read.
    pub printed_at: Option<Instant>,
    /// The memory shared with the tracer; empty without one.
    pub trace: Vec<u8>,
    /// crashlab's page.
    pub page: Vec<u8>,
    /// The vCPUs' registers, as QEMU's monitor shows them.
    pub registers: String,
    /// What QEMU's threads have got of the host's processors.
    pub waited: Option<Waited>,
}

/// A guest's own time, added up from readings of a timer that begins anew every 4.7 s. If that happens unseen between
/// two readings, less time is counted than has passed, never more.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    last: Option<u32>,
    ticks: u64,
}

impl Clock {
    /// The time since the first reading, by a further one.
    fn tick(&mut self, reading: u32) -> Duration {
        let passed = reading.wrapping_sub(self.last.unwrap_or(reading)) & PM_TIMER_MASK;
        self.last = Some(reading);
        self.ticks += u64::from(passed);
        let (seconds, rest) = (self.ticks / PM_TIMER_HZ, self.ticks % PM_TIMER_HZ);
        Duration::new(seconds, 0) + Duration::from_nanos(rest * 1_000_000_000 / PM_TIMER_HZ)
    }
}

/// `portl[0x0608] = 0x00352127`
fn reading(text: &str) -> Option<u32> {
    u32::from_str_radix(text.split_once("= 0x")?.1.trim(), 16).ok()
}

impl Guest {
    /// Looks at everything that tells whether it goes on.
    pub async fn sample(&self, clock: &mut Clock) -> Result<Sample, GuestError> {
        let asked = tokio::try_join!(biased; self.timer(), self.page(), self.registers());
        let (timer, page, registers) = asked?;
        let trace = self.trace.as_ref().map(Memory::read).transpose();
        let trace = trace.map_err(GuestError::io("read the tracer's memory"))?.unwrap_or_default();
        let printed = self.printing.get();
        Ok(Sample {
            at: Instant::now(),
            guest_time: clock.tick(timer),
            printed: printed.bytes.saturating_add(self.capture_console.len()),
            printed_at: printed.last,
            trace,
            page,
            registers,
            waited: self.process.id().and_then(Waited::read),
        })
    }

    /// The guest's time since the clock's first reading.
    pub async fn time(&self, clock: &mut Clock) -> Result<Duration, GuestError> {
        self.timer().await.map(|reading| clock.tick(reading))
    }

    async fn timer(&self) -> Result<u32, GuestError> {
        let during = "reading the guest's clock";
        let text = self.hmp(during, PM_TIMER).await?;
        let strange = || io::Error::other(format!("QEMU's monitor says {:?} of the PM timer", text.trim()));
        reading(&text).ok_or_else(|| GuestError::io(during)(strange()))
    }

    /// The registers of every vCPU, as QEMU's monitor shows them.
    pub async fn registers(&self) -> Result<String, GuestError> {
        self.hmp("reading the vCPUs' registers", "info registers -a").await
    }

    /// Memory as a vCPU sees it, at a virtual address; less of it or none where it sees none.
    pub async fn memory_seen_by(&self, cpu: u32, at: u64, bytes: u64) -> Result<Vec<u8>, GuestError> {
        // QMP knows signed numbers only.
        let arguments = json!({"val": at.cast_signed(), "size": bytes, "filename": "stack", "cpu-index": cpu});
        match self.command("reading a vCPU's stack", "memsave", arguments).await {
            Ok(_) => read(&self.workdir.join("stack"), bytes),
            // There is nothing at that address, or QEMU has no such vCPU.
            Err(GuestError::Qmp { source: harness_qmp::Error::Qemu { .. }, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Where crashlab's code lies, once that is known.
    pub fn crashlab_code(&self) -> Option<u64> {
        self.ready.map(|ready| ready.code)
    }

    /// Raises an NMI from outside of the guest, as a button on a machine's front does: at CPU 0, or at every CPU whose
    /// LINT1 takes NMIs (QEMU: `hw/i386/x86.c`, `x86_nmi()`; Linux: `apic_extnmi=`).
    pub async fn inject_nmi(&self) -> Result<(), GuestError> {
        self.command("injecting an NMI", "inject-nmi", Value::Null).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monitors_answer_is_read() {
        assert_eq!(reading("portl[0x0608] = 0x00352127\r\n"), Some(0x0035_2127));
        for text in ["", "portl[0x0608] = ", "portl[0x0608] = 0x", "unknown command: 'i'", "= 0x1ffffffff"] {
            assert_eq!(reading(text), None, "{text:?}");
        }
    }

    #[test]
    fn time_goes_on_when_the_timer_begins_anew() {
        let mut clock = Clock::default();
        assert_eq!(clock.tick(0x00ff_ffff), Duration::ZERO);
        let hz = u32::try_from(PM_TIMER_HZ).unwrap_or(0);
        assert_eq!(clock.tick(hz - 1), Duration::from_secs(1));
        assert_eq!(clock.tick(hz - 1), Duration::from_secs(1));
        assert_eq!(clock.tick(3 * hz / 2), Duration::from_secs(1) + Duration::from_nanos(500_000_139));
    }
}
