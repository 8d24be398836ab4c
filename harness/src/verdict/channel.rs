//! The judgement over each channel: which text to judge, and what its own damage means.

use crate::evidence::ConsoleZone;
use crate::evidence::console::Console;
use crate::evidence::netconsole::Netconsole;
use crate::evidence::pstore::{Dump, Pstore, Reason};
use crate::evidence::ramoops::ZoneError;
use crate::model::{ChannelOutcome, ChannelVerdict};
use crate::verdict::scan::Scan;
use crate::verdict::tail::{Tail, judge_scan, judge_text};

/// What the console kept of the tail.
pub fn judge_console(console: &Console, tail: &Tail) -> ChannelVerdict {
    let mut verdict = judge_text(&console.text, tail);
    if console.dropped > 0 && verdict.outcome != ChannelOutcome::Saved {
        add(&mut verdict.detail, &format!("the first {} bytes of the console were not read", console.dropped));
    }
    verdict
}

/// What a receiver of netconsole's has of the tail. A frame that it would have thrown away may have held any of it.
pub fn judge_netconsole(netconsole: &Netconsole, tail: &Tail) -> ChannelVerdict {
    let Netconsole { console, damaged, dropped } = netconsole;
    let damage = (*damaged > 0).then(|| format!("{damaged} damaged frames"));
    let mut verdict = judge_scan(&Scan::of(&console.text, tail), tail, damage.as_deref());
    if *dropped > 0 && verdict.outcome != ChannelOutcome::Saved {
        add(&mut verdict.detail, &format!("the first {dropped} frames were not kept"));
    }
    verdict
}

/// What the console's zone in pstore's back end kept of the tail. A zone that cannot be read may have held all of it.
pub fn judge_pstore_console(zone: Result<&ConsoleZone, &ZoneError>, tail: &Tail) -> ChannelVerdict {
    let (text, damage) = match zone {
        Ok(zone) => (zone.console.text.as_str(), zone.corrections.damage()),
        Err(error) => ("", Some(error.to_string())),
    };
    judge_scan(&Scan::of(text, tail), tail, damage.as_deref())
}

/// What pstore kept of the tail: only dumps of a panic count. An oops dump may hold the witnesses too, but what is
/// asked is whether the panic's own record survived.
///
/// If there are several panic dumps (a nested panic writes a second), the best counts. A damaged part, or a record that
/// cannot be read at all, makes what is not saved corrupt: the missing may be what stood there. If
/// [`Pstore::storage_fault`] is set there is nothing to judge; the caller should have taken that for its own error.
pub fn judge_pstore(pstore: &Pstore, tail: &Tail) -> ChannelVerdict {
    let best = best_panic(pstore, tail);
    let mut verdict = best.map_or_else(|| no_panic_dump(pstore, tail), |(_, verdict)| verdict);
    if verdict.outcome != ChannelOutcome::Saved && (pstore.undecodable > 0 || pstore.storage_fault.is_some()) {
        verdict.outcome = ChannelOutcome::Corrupt;
        let what = match (&pstore.storage_fault, pstore.undecodable) {
            (Some(fault), _) => fault.to_string(),
            (None, 1) => "1 undecodable record".to_owned(),
            (None, n) => format!("{n} undecodable records"),
        };
        add(&mut verdict.detail, &what);
    }
    if verdict.outcome != ChannelOutcome::Saved {
        pstore.gone.iter().chain(&pstore.full).for_each(|what| add(&mut verdict.detail, what));
    }
    verdict
}

/// The dump of a panic that kept most of the tail, and its verdict.
pub(super) fn best_panic<'a>(pstore: &'a Pstore, tail: &Tail) -> Option<(&'a Dump, ChannelVerdict)> {
    let panics = pstore.dumps.iter().filter(|dump| dump.reason == Reason::Panic);
    // `max_by_key` takes the last of equals: the newest.
    panics
        .map(|dump| (dump, judge_dump(dump, tail)))
        .max_by_key(|(_, verdict)| (goodness(verdict.outcome), verdict.witnesses))
}

/// At most this many of the things that were wrong with what the next boot found are told.
const MAX_PROBLEMS: usize = 3;

/// What the next boot made of what pstore kept.
#[derive(Debug, Clone, Copy)]
pub struct NextBoot<'a> {
    /// What it found.
    pub found: &'a Pstore,
    /// The records that are there and that it did not read.
    pub unread: &'a [String],
    /// Whose boot it is, if the kernel is another one, in words.
    pub reader: Option<&'a str>,
}

/// Changes the verdict on what pstore kept if the next boot's kernel does not read as much of it as was decoded here:
/// then it is unreadable. What is damaged or lost anyway stays that.
pub fn judge_next_boot(verdict: &mut ChannelVerdict, next_boot: &NextBoot<'_>, tail: &Tail) {
    let NextBoot { found, unread, reader } = *next_boot;
    if !matches!(verdict.outcome, ChannelOutcome::Saved | ChannelOutcome::Truncated) {
        return;
    }
    let read = judge_pstore(found, tail);
    if (goodness(read.outcome), read.witnesses) >= (goodness(verdict.outcome), verdict.witnesses) {
        return;
    }
    let ChannelVerdict { outcome, witnesses, of, detail, .. } = read;
    verdict.detail = format!(
        "{} as it is stored, {outcome} {witnesses}/{of} as {} reads it: {detail}",
        verdict.outcome,
        reader.unwrap_or("the next boot")
    );
    found
        .problems
        .iter()
        .take(MAX_PROBLEMS)
        .chain(unread.first())
        .for_each(|problem| add(&mut verdict.detail, problem));
    (verdict.outcome, verdict.witnesses) = (ChannelOutcome::Unreadable, witnesses);
}

fn judge_dump(dump: &Dump, tail: &Tail) -> ChannelVerdict {
    let damage: Vec<String> =
        dump.parts.iter().filter_map(|part| part.damage.map(|stop| format!("part {}: {stop}", part.number))).collect();
    let damage = (!damage.is_empty()).then(|| damage.join(", "));
    let mut verdict = judge_scan(&Scan::of(&dump.text(), tail), tail, damage.as_deref());
    if verdict.outcome != ChannelOutcome::Saved {
        if let Some(missing) = dump.missing_parts() {
            add(&mut verdict.detail, &format!("{missing} not there"));
        }
        verdict.detail = format!("{dump}: {}", verdict.detail);
    }
    verdict
}

fn no_panic_dump(pstore: &Pstore, tail: &Tail) -> ChannelVerdict {
    let others: Vec<String> = pstore.dumps.iter().map(ToString::to_string).collect();
    let others =
        if others.is_empty() { "no other either".to_owned() } else { format!("there is {}", others.join(", ")) };
    let detail = format!("no panic dump; {others}");
    ChannelVerdict::new(ChannelOutcome::Lost, 0, tail.of, detail)
}

const fn goodness(outcome: ChannelOutcome) -> u8 {
    match outcome {
        ChannelOutcome::Saved | ChannelOutcome::Kept | ChannelOutcome::NoSplats => 3,
        ChannelOutcome::Truncated => 2,
        ChannelOutcome::Corrupt => 1,
        ChannelOutcome::Unreadable
        | ChannelOutcome::Lost
        | ChannelOutcome::VmcoreBad
        | ChannelOutcome::NoVmcore
        | ChannelOutcome::CaptureHung
        | ChannelOutcome::NotEntered
        | ChannelOutcome::NotLoaded
        | ChannelOutcome::Broken
        | ChannelOutcome::Splats => 0,
    }
}

/// One more reason.
pub(super) fn add(detail: &mut String, reason: &str) {
    if !detail.is_empty() {
        detail.push_str("; ");
    }
    detail.push_str(reason);
}

#[cfg(test)]
mod tests;
