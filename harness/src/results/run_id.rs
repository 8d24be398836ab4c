//! A run's name: when it began, and four digits against two that began in the same second.

use std::time::SystemTime;

use chrono::{DateTime, NaiveDateTime, Utc};

/// `YYYYMMDD-HHMMSS-<4 hex>`, UTC, so that names sort by time.
pub(super) fn run_id(began: SystemTime, salt: u16) -> String {
    format!("{}-{salt:04x}", DateTime::<Utc>::from(began).format("%Y%m%d-%H%M%S"))
}

/// When the run of this name began; none if it tells no time that there is.
pub(super) fn began(id: &str) -> Option<SystemTime> {
    let (time, _) = id.rsplit_once('-')?;
    Some(NaiveDateTime::parse_from_str(time, "%Y%m%d-%H%M%S").ok()?.and_utc().into())
}

/// Whether the text has the form of a run's name.
pub fn is_run_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [date, time, salt] = parts.as_slice() else { return false };
    let digits = |part: &str, len| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    digits(date, 8) && digits(time, 6) && salt.len() == 4 && salt.bytes().all(hex)
}
