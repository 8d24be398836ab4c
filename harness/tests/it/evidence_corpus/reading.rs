//! What the decoders and the verdict say of a case, as text.

use std::fmt::Write as _;

use harness::evidence::pstore::Pstore;
use harness::evidence::{console, pstore, ramoops, stamps};
use harness::model::ChannelVerdict;
use harness::model::pstore::Ramoops;
use harness::verdict::{judge_console, judge_pstore, judge_pstore_console, meet};

use super::case::Case;

/// The reading: short enough to be reviewed, and with a check sum over each text so that no byte of it can change
/// unseen.
pub fn reading(case: &Case) -> String {
    let mut out = String::new();
    if let Some(raw) = &case.console {
        read_console(&mut out, raw, case);
    }
    if let Some(raw) = &case.erst {
        read_pstore(&mut out, &pstore::from_erst_file(raw), case);
    }
    if let Some((zones, raw)) = &case.ramoops {
        read_ramoops(&mut out, raw, zones, case);
    }
    if let Some(raw) = &case.stamps {
        read_stamps(&mut out, raw, case);
    }
    out
}

fn read_console(out: &mut String, raw: &[u8], case: &Case) {
    let console = console::decode(raw);
    line(out, &format!("console: {}", verdict(&judge_console(&console, &case.tail))));
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

fn read_ramoops(out: &mut String, raw: &[u8], zones: &Ramoops, case: &Case) {
    let reading = ramoops::decode(raw, zones);
    read_pstore(out, &reading.pstore, case);
    for (id, corrections) in reading.corrections.iter().enumerate() {
        line(
            out,
            &format!("  zone {id}: {} bytes corrected, {} bad blocks", corrections.bytes, corrections.bad_blocks),
        );
    }
    if let Some(zone) = &reading.console {
        line(out, &format!("pstore-console: {}", verdict(&judge_pstore_console(zone.as_ref(), &case.tail))));
    }
    for (name, zone) in [("console", &reading.console), ("pmsg", &reading.pmsg)] {
        let Some(Ok(zone)) = zone else { continue };
        let (text, corrected) = (console::decode(&zone.bytes).text, zone.corrections.bytes);
        line(
            out,
            &format!("  {name}: {} lines, {corrected} bytes corrected; crc {}", text.lines().count(), crc(&text)),
        );
    }
}

fn read_pstore(out: &mut String, pstore: &Pstore, case: &Case) {
    line(out, &format!("pstore: {}", verdict(&judge_pstore(pstore, &case.tail))));
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

fn read_stamps(out: &mut String, raw: &[u8], case: &Case) {
    let stamps = match stamps::decode(raw) {
        Ok(stamps) => stamps,
        Err(error) => return line(out, &format!("stamps: {error}")),
    };
    let actors = stamps.actor_stamps();
    let passages: Vec<_> = actors.iter().map(meet::Passage::stamped).collect();
    let met = meet::check(&case.meetings, &passages, &stamps.budgets());
    line(out, &met.map_or_else(|missed| format!("trial: missed: {missed}"), |()| "trial: counts".to_owned()));
    let fired = if stamps.fired_tsc.is_some() { "fired" } else { "not fired" };
    line(out, &format!("  nonce \"{}\", {} kHz, {fired}", stamps.nonce, stamps.tsc_khz));
    for (actor, at) in stamps.actors.iter().zip(actors) {
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

fn verdict(verdict: &ChannelVerdict) -> String {
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
