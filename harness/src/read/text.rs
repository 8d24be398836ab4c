//! A reading, for people.

use std::fmt::Write as _;

use super::{Column, Crash, Difference, DumpOf, FoundLog, PartOf, Reading, SourceReading};
use crate::text::{clipped, plural};

/// At most this many characters of a lost line are shown.
const MAX_SHOWN: usize = 80;

/// What was found, what is lost, the logs themselves (if `with_logs`), and how they differ.
pub fn reading_text(reading: &Reading, with_logs: bool) -> String {
    let mut text = String::new();
    for source in &reading.sources {
        source_text(&mut text, source);
    }
    for source in reading.sources.iter().filter(|_| with_logs) {
        for log in &source.logs {
            // Writing to a string does not fail.
            let _ = writeln!(text, "--- {}: {}", source.name, log.title());
            text.push_str(&log.text);
            if !log.text.is_empty() && !log.text.ends_with('\n') {
                text.push('\n');
            }
            text.push('\n');
        }
    }
    if let Some(difference) = &reading.difference {
        difference_text(&mut text, difference, with_logs);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn source_text(text: &mut String, source: &SourceReading) {
    let _ = writeln!(text, "{}: {}, {}", source.name, source.kind, plural_bytes(source.bytes));
    for about in &source.about {
        let _ = writeln!(text, "  {about}");
    }
    for log in &source.logs {
        log_text(text, log);
    }
    if source.logs.is_empty() {
        text.push_str("  no log is in it\n");
    }
    if !source.lost.is_empty() {
        text.push_str("  lost or damaged:\n");
    }
    for lost in &source.lost {
        let _ = writeln!(text, "    {lost}");
    }
    text.push('\n');
}

fn log_text(text: &mut String, log: &FoundLog) {
    let _ = write!(text, "  {}: {}", log.title(), plural(log.lines, "line"));
    if let (Some(from), Some(to)) = (log.from_us, log.to_us) {
        let _ = write!(text, ", from {} to {}", seconds(from), seconds(to));
    }
    text.push('\n');
    if let Some(dump) = &log.dump {
        dump_text(text, dump);
    }
    let Crash { panic, cpu, task } = &log.crash;
    if let Some(panic) = panic {
        let _ = writeln!(text, "    panic: {panic}");
    }
    if cpu.is_some() || task.is_some() {
        let cpu = cpu.map_or_else(String::new, |cpu| format!(" on CPU {cpu}"));
        let task = task.as_ref().map_or_else(String::new, |task| format!(" by task {} ({})", task.pid, task.name));
        let _ = writeln!(text, "    {}{cpu}{task}", if panic.is_some() { "panicked" } else { "last report" });
    }
    // A panic that no report led to is told already.
    for splat in log.splats.iter().filter(|splat| !splat.title.starts_with("kernel panic: ")) {
        let module = splat.module.as_ref().map_or_else(String::new, |module| format!(" [{module}]"));
        let _ = writeln!(text, "    {}{module}", splat.title);
    }
}

fn dump_text(text: &mut String, dump: &DumpOf) {
    let numbers: Vec<String> = dump.parts.iter().rev().map(|part| part.number.to_string()).collect();
    let _ = write!(text, "    {} ({})", plural(dump.parts.len(), "part"), numbers.join(", "));
    if let Some(time) = dump.written.and_then(|time| i64::try_from(time).ok()) {
        let time = chrono::DateTime::from_timestamp(time, 0);
        let time = time.map_or_else(
            || "at an impossible time".to_owned(),
            |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        );
        let _ = write!(text, ", written {time}");
    }
    if let Some(missing) = &dump.missing {
        let _ = write!(text, "; missing: {missing}");
    }
    text.push('\n');
    for PartOf { number, damage, .. } in dump.parts.iter().filter(|part| !part.whole) {
        let why = damage.as_deref().unwrap_or("it ends within a line");
        let _ = writeln!(text, "    part {number} is not whole: {why}");
    }
}

fn difference_text(text: &mut String, difference: &Difference, with_logs: bool) {
    let Difference { columns, from_us, lines, text: shown, apart } = difference;
    let from = from_us.map_or_else(String::new, |from| format!(" from {} on", seconds(from)));
    let _ = writeln!(text, "--- compared{from}: {}", plural(*lines, "line"));
    for Column { letter, name, lines: has, first_lost } in columns {
        let lost =
            first_lost.as_ref().map_or_else(String::new, |lost| format!("; first lost: {}", clipped(lost, MAX_SHOWN)));
        let _ = writeln!(text, "{letter}  {name}: {has} of {lines}{lost}");
    }
    for name in apart {
        let _ = writeln!(
            text,
            "{name} has no line in common with {}: another crash?",
            columns.first().map_or("them", |of| &of.name)
        );
    }
    match shown {
        Some(shown) if with_logs => {
            text.push('\n');
            text.push_str(shown);
        }
        Some(_) => {}
        None => text.push_str("all have the same lines\n"),
    }
}

/// As the kernel shows it.
fn seconds(us: u64) -> String {
    format!("[{:5}.{:06}]", us / 1_000_000, us % 1_000_000)
}

fn plural_bytes(bytes: u64) -> String {
    match bytes {
        0..4096 => plural(usize::try_from(bytes).unwrap_or(usize::MAX), "byte"),
        4096..8_388_608 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
