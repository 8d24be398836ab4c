//! What the decoders and the verdict say of a case, as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use harness::evidence::pstore::Pstore;
use harness::evidence::stamps::Stamps;
use harness::evidence::{Evidence, Facts, RawEvidence, RawPstore, console};
use harness::model::Channel;
use harness::model::ends::Ends;
use harness::verdict::{Expected, Hindrances, NotCounted, TrialVerdict, judge};

use super::case::Case;

/// The reading: short enough to be reviewed, and with a check sum over each text so that no byte of it can change
/// unseen. A case is decoded and judged as a trial is; what it has no file of is left out.
pub fn reading(case: &Case) -> String {
    let pstore = match (&case.ramoops, &case.erst) {
        (Some((zones, memory)), _) => RawPstore::Ramoops { zones, memory, before: &[] },
        (None, file) => RawPstore::Erst { file: file.as_deref().unwrap_or_default(), before: &[] },
    };
    let raw = RawEvidence {
        console: case.console.as_deref().unwrap_or_default(),
        stamps: case.stamps.as_deref().unwrap_or_default(),
        pstore,
        ..RawEvidence::default()
    };
    let evidence = Evidence::decode(&raw, Facts::default());
    let expected = Expected {
        tail: &case.tail,
        preconditions: &case.preconditions,
        ends: &Ends::default(),
        budgets_us: &evidence.stamps.as_ref().map_or_else(|_| BTreeMap::new(), Stamps::budgets),
        order: &[],
        deadline: Duration::from_secs(30),
        build_id: "",
        splats: None,
        hindrances: &Hindrances::default(),
        linux: (6, 12),
    };
    let verdict = judge(&evidence, &expected);
    let mut out = String::new();
    if case.console.is_some() {
        read_console(&mut out, &evidence, &verdict);
    }
    if case.ramoops.is_some() {
        read_ramoops(&mut out, &evidence, &verdict);
    } else if case.erst.is_some() {
        read_pstore(&mut out, &evidence.pstore, &verdict);
    }
    if case.stamps.is_some() {
        read_stamps(&mut out, &evidence, &verdict);
    }
    out
}

fn read_console(out: &mut String, evidence: &Evidence, verdict: &TrialVerdict) {
    let console = &evidence.console;
    line(out, &format!("console: {}", of_channel(verdict, Channel::Console)));
    let prefixed: Vec<_> = console.lines().filter(|line| line.micros.is_some()).collect();
    let callers = prefixed.iter().filter(|line| line.caller.is_some()).count();
    line(
        out,
        &format!(
            "  {} lines, {} with a time, {callers} with a caller; crc {}",
            console.lines().count(),
            prefixed.len(),
            crc(&console.text)
        ),
    );
    for (name, found) in [("first", prefixed.first()), ("last", prefixed.last())] {
        if let Some(found) = found {
            let caller = found.caller.map_or_else(String::new, |caller| format!(" {caller}"));
            line(out, &format!("  {name}: {} us{caller}: {}", found.micros.unwrap_or_default(), found.message));
        }
    }
}

fn read_ramoops(out: &mut String, evidence: &Evidence, verdict: &TrialVerdict) {
    read_pstore(out, &evidence.pstore, verdict);
    for (id, corrections) in evidence.corrections.iter().enumerate() {
        line(
            out,
            &format!("  zone {id}: {} bytes corrected, {} bad blocks", corrections.bytes, corrections.bad_blocks),
        );
    }
    if evidence.pstore_console.is_some() {
        line(out, &format!("pstore-console: {}", of_channel(verdict, Channel::PstoreConsole)));
    }
    let of_zone = |out: &mut String, name, text: &str, corrected| {
        line(out, &format!("  {name}: {} lines, {corrected} bytes corrected; crc {}", text.lines().count(), crc(text)));
    };
    if let Some(Ok(zone)) = &evidence.pstore_console {
        of_zone(out, "console", &zone.console.text, zone.corrections.bytes);
    }
    if let Some(Ok(zone)) = &evidence.pmsg {
        of_zone(out, "pmsg", &console::decode(&zone.bytes).text, zone.corrections.bytes);
    }
}

fn read_pstore(out: &mut String, pstore: &Pstore, verdict: &TrialVerdict) {
    line(out, &format!("pstore: {}", of_channel(verdict, Channel::Pstore)));
    for dump in &pstore.dumps {
        line(out, &format!("  {dump}"));
        for part in &dump.parts {
            let whole = if part.is_whole() { "whole" } else { "not whole" };
            let lines = part.text.lines().count();
            let id = part.record_id;
            line(
                out,
                &format!("    part {}: {lines} lines, {whole}, record {id:#x}; crc {}", part.number, crc(&part.text)),
            );
        }
        for (name, found) in [("first", dump.text().lines().next()), ("last", dump.text().lines().last())] {
            line(out, &format!("    {name}: {}", found.unwrap_or_default()));
        }
    }
    for problem in &pstore.problems {
        line(out, &format!("  problem: {problem}"));
    }
}

fn read_stamps(out: &mut String, evidence: &Evidence, verdict: &TrialVerdict) {
    let stamps = match &evidence.stamps {
        Ok(stamps) => stamps,
        Err(error) => return line(out, &format!("stamps: {error}")),
    };
    let counts = match &verdict.counts {
        Ok(()) => "counts".to_owned(),
        Err(NotCounted::Missed(reason)) => format!("missed: {reason}"),
        Err(NotCounted::InfraError(cause)) => format!("infra-error: {cause}"),
    };
    line(out, &format!("trial: {counts}"));
    let fired = if stamps.fired_tsc.is_some() { "fired" } else { "not fired" };
    line(out, &format!("  nonce \"{}\", {} kHz, {fired}", stamps.nonce, stamps.tsc_khz));
    for (actor, at) in stamps.actors.iter().zip(evidence.actor_stamps()) {
        let us = |at: Option<u64>| at.map_or_else(|| "never".to_owned(), |us| format!("{us} us"));
        line(
            out,
            &format!(
                "  {} ({} in {}, CPU {}): entered {}, left {}; {} of {} us spent, {} hits",
                at.actor,
                actor.action,
                actor.context,
                at.cpu,
                us(at.entered_us),
                us(at.left_us),
                actor.spent_us,
                actor.budget_us,
                actor.hits
            ),
        );
    }
}

fn of_channel(verdict: &TrialVerdict, channel: Channel) -> String {
    let Some(verdict) = verdict.channels.get(&channel) else { return "not judged".to_owned() };
    let detail = if verdict.detail.is_empty() { String::new() } else { format!(": {}", verdict.detail) };
    format!("{} {}/{}{detail}", verdict.outcome, verdict.witnesses, verdict.of)
}

fn crc(text: &str) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    format!("{:08x}", crc.sum())
}

/// One line; whatever a guest put into it stays one line.
fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{}", text.trim_end().replace(|c: char| c.is_control(), "\u{fffd}"));
}
