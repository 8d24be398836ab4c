//! How a QEMU ended that should not have, in words.

use std::io;

use tokio::task::JoinHandle;

use super::drain::Captured;
use super::error::GuestError;
use super::process::Process;
use super::running::{QMP_DEADLINE, within};

pub(super) async fn died(mut process: Process, stderr: JoinHandle<Captured>, during: &'static str) -> GuestError {
    let status = within(QMP_DEADLINE, process.wait()).await;
    described(status, stderr, during).await
}

pub(super) async fn described(
    status: Option<io::Result<std::process::ExitStatus>>,
    stderr: JoinHandle<Captured>,
    during: &'static str,
) -> GuestError {
    let Some(Ok(status)) = status else {
        return GuestError::Died { status: "its sockets are closed".into(), during, stderr: String::new() };
    };
    let said = last_lines(&stderr.await.unwrap_or_default().into_bytes(), 10);
    let stderr = if said.is_empty() { said } else { format!(":\n{said}") };
    GuestError::Died { status: status.to_string(), during, stderr }
}

/// The last lines of what a guest or QEMU wrote, made safe for a message.
pub(super) fn last_lines(bytes: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().map(|line| line.replace(|c: char| c.is_control(), "")).collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}
