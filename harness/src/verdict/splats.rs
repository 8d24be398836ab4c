//! Which reports of the kernel's a trial has logged, where they were found, and whether anybody has asked for them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::retention::text_of_dump;
use super::tail::Tail;
use crate::evidence::printk_ring::Log;
use crate::evidence::splats::{self, Splat as Found, find};
use crate::evidence::{Evidence, console};
use crate::model::splats::{LoggedIn, Splat};
use crate::model::{ChannelOutcome, ChannelVerdict};

/// Titles that are recorded of a trial, at most.
const MAX_TITLES: usize = 16;

/// The module by which faults are injected: what happens in its functions, the scenario asks for.
const INJECTOR: &str = "crashlab";

/// The text of each place in which something may have been logged.
pub type Texts<'a> = Vec<(LoggedIn, Cow<'a, str>)>;

/// Every report that was logged, each title once.
///
/// The log in the guest's memory is all that was logged, as long as its first record is still there: what a channel has
/// besides is torn. Else what any channel has counts.
pub fn reports(evidence: &Evidence, texts: &Texts<'_>, tail: &Tail, allowed: Option<&[String]>) -> Vec<Splat> {
    let mut order: Vec<String> = Vec::new();
    let mut places: BTreeMap<String, (BTreeSet<LoggedIn>, bool)> = BTreeMap::new();
    let log = evidence.log.as_ref().ok();
    let is_all = log.is_some_and(is_whole);
    for (place, text) in texts {
        for found in find(text) {
            let known = places.contains_key(&found.title);
            if !known && (order.len() >= MAX_TITLES || is_all && *place != LoggedIn::Log) {
                continue;
            }
            if !known {
                order.push(found.title.clone());
            }
            let expected = is_asked_for(&found, tail) || allowed.is_some_and(|allowed| allows(allowed, &found.title));
            let (found_in, all_expected) = places.entry(found.title).or_insert((BTreeSet::new(), true));
            found_in.insert(*place);
            *all_expected &= expected;
        }
    }
    let told = |title: String| places.remove(&title).map(|(found_in, expected)| Splat { title, found_in, expected });
    order.into_iter().filter_map(told).collect()
}

/// The words of the first panic that was logged, by the log in memory before any channel.
pub fn first_panic(texts: &Texts<'_>) -> Option<String> {
    texts.iter().find_map(|(_, text)| splats::first_panic(text))
}

/// The channel's verdict: none but what was expected, or some.
pub fn judge_splats(splats: &[Splat]) -> ChannelVerdict {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let unexpected: Vec<String> =
        splats.iter().filter(|splat| !splat.expected).map(|splat| splat.title.clone()).collect();
    let outcome = if unexpected.is_empty() { ChannelOutcome::NoSplats } else { ChannelOutcome::Splats };
    let (expected, of) = (count(splats.len() - unexpected.len()), count(splats.len()));
    let verdict = ChannelVerdict::new(outcome, expected, of, unexpected.join("\n"));
    ChannelVerdict { broken: unexpected, ..verdict }
}

/// Whether a title is one of these; one that ends in `*` is the beginning of titles.
fn allows(allowed: &[String], title: &str) -> bool {
    allowed.iter().any(|allowed| match allowed.strip_suffix('*') {
        Some(begins) => title.starts_with(begins),
        None => title == allowed,
    })
}

/// Whether the scenario's own faults are what is reported: something in the injector's functions, or the panic that ends
/// the trial.
fn is_asked_for(found: &Found, tail: &Tail) -> bool {
    let is_end =
        tail.panic_is_asked_for && found.panic.as_ref().is_some_and(|text| text.starts_with(&tail.panic_marker));
    is_end || found.module.as_deref() == Some(INJECTOR)
}

/// Whether a log begins with the kernel's first record.
fn is_whole(log: &Log) -> bool {
    log.records.first().is_some_and(|record| record.seq == 0) && log.without_text == 0
}

/// What was logged, as each place has it; the log in memory is the first.
pub fn texts(evidence: &Evidence) -> Texts<'_> {
    let mut texts: Texts<'_> = Vec::new();
    if let Ok(log) = &evidence.log {
        texts.push((LoggedIn::Log, text_of_dump(Some(log)).into()));
    }
    texts.push((LoggedIn::Console, evidence.console.text.as_str().into()));
    texts.extend(evidence.earlycon.iter().map(|line| (LoggedIn::Earlycon, line.text.as_str().into())));
    texts.extend(evidence.netconsole.iter().map(|it| (LoggedIn::Netconsole, it.console.text.as_str().into())));
    let dumps = &evidence.pstore.dumps;
    texts.extend(dumps.iter().map(|dump| (LoggedIn::Pstore, console::decode(dump.text().as_bytes()).text.into())));
    if let Some(Ok(zone)) = &evidence.pstore_console {
        texts.push((LoggedIn::PstoreConsole, zone.console.text.as_str().into()));
    }
    if let Some(Ok(log)) = &evidence.dumped_log {
        texts.push((LoggedIn::Kdump, text_of_dump(Some(log)).into()));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Facts, RawEvidence, printk_ring};
    use harness_testdata::printk_ring::{Kernel, RingBuilder};

    const NONCE: &str = "0123456789abcdef";

    const SLEEPS: &str = "BUG: sleeping function called from invalid context in demo_notify";

    /// A notifier that sleeps, and crashlab's own panic and oops.
    const LINES: &[&str] = &[
        "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
        "Call Trace:",
        " <TASK>",
        " __might_resched+0x1/0x2",
        " demo_notify+0x1/0x2",
        " cl_actor_thread+0x1/0x2 [crashlab]",
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "RIP: 0010:cl_act+0x1/0x2 [crashlab]",
        "---[ end trace 0000000000000000 ]---",
        "Kernel panic - not syncing: crashlab 0123456789abcdef",
    ];

    fn console(lines: &[&str]) -> String {
        lines.iter().flat_map(|line| ["[    1.000000][    T9] ", line, "\r\n"]).collect()
    }

    fn read(console: &str, log: Result<&crate::evidence::printk_ring::RawRing, &str>) -> Evidence {
        let raw = RawEvidence { console: console.as_bytes(), log, ..RawEvidence::default() };
        Evidence::decode(&raw, Facts::default())
    }

    fn unexpected(splats: &[Splat]) -> Vec<&str> {
        splats.iter().filter(|splat| !splat.expected).map(|splat| splat.title.as_str()).collect()
    }

    #[test]
    fn what_the_faults_ask_for_is_expected_and_what_a_notifier_does_is_not() {
        let evidence = read(&console(LINES), Err("not read"));
        let splats = reports(&evidence, &texts(&evidence), &Tail::of_panic(NONCE, 0), None);
        assert_eq!(splats.len(), 3);
        assert_eq!(unexpected(&splats), [SLEEPS]);
        let verdict = judge_splats(&splats);
        assert_eq!((verdict.outcome, verdict.witnesses, verdict.of), (ChannelOutcome::Splats, 2, 3));
        assert_eq!((verdict.detail.as_str(), verdict.broken.as_slice()), (SLEEPS, [SLEEPS.to_owned()].as_slice()));
    }

    #[test]
    fn what_is_allowed_is_expected() {
        let evidence = read(&console(LINES), Err("not read"));
        for (allowed, want) in
            [(SLEEPS, 0), ("BUG: sleeping function*", 0), ("BUG: sleeping function", 1), ("WARNING*", 1)]
        {
            let splats = reports(&evidence, &texts(&evidence), &Tail::of_panic(NONCE, 0), Some(&[allowed.to_owned()]));
            assert_eq!(unexpected(&splats).len(), want, "{allowed}");
        }
    }

    #[test]
    fn another_panic_than_the_trials_is_not_expected() {
        let evidence = read(&console(&["Kernel panic - not syncing: demo gives up"]), Err("not read"));
        assert_eq!(
            unexpected(&reports(&evidence, &texts(&evidence), &Tail::of_panic(NONCE, 0), None)),
            ["kernel panic: demo gives up"]
        );
        assert!(
            unexpected(&reports(&evidence, &texts(&evidence), &Tail::beginning_with(NONCE, 0, ""), None)).is_empty()
        );
    }

    #[test]
    fn the_log_in_memory_tells_and_where_it_is_cut_the_channels_do() {
        let ring = |first: u64| {
            let mut ring = RingBuilder::new(Kernel::V6_12, 6, 14);
            for line in LINES {
                ring.push(1_000_000_000, 9, line);
            }
            let mut log = printk_ring::decode(&ring.raw()).unwrap();
            log.records.iter_mut().for_each(|record| record.seq += first);
            log
        };
        let torn = format!("{}[    2.000000][    T9] BUG: Dentry torn still in use\r\n", console(LINES));
        for (first, want) in [(0, 3), (1, 4)] {
            let evidence = Evidence { log: Ok(ring(first)), ..read(&torn, Err("not read")) };
            let splats = reports(&evidence, &texts(&evidence), &Tail::of_panic(NONCE, 0), None);
            assert_eq!(splats.len(), want);
            assert_eq!(splats[0].found_in, BTreeSet::from([LoggedIn::Log, LoggedIn::Console]));
        }
    }
}
