//! From what a guest left to an outcome: pure, so that recorded guests can be judged again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assignment, Crash, Traced, records};
use crate::evidence::printk_ring::{self, Log};
use crate::evidence::stamps::{Action, Stamps};
use crate::evidence::vmcore::Capture;
use crate::evidence::{console, pstore, stamps, timeline};
use crate::guest::{End, GuestError, LogMemory, PstoreFile};
use crate::model::timeline::{Event, Timeline};
use crate::model::{ActorStamps, Channel, ChannelOutcome, ChannelVerdict, Dumped, TrialOutcome};
use crate::timeline::place_console;
use crate::verdict::meet::{self, Passage};
use crate::verdict::{
    Due, Tail, Truth, dumped, judge_console, judge_kdump, judge_next_boot, judge_order, judge_pstore,
    judge_pstore_console, text_of_dump, text_of_pstore,
};

/// What a trial came to.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Whether it counts, and what each channel kept.
    pub outcome: TrialOutcome,
    /// Whatever the outcome, as far as they could be read.
    pub stamps: Vec<ActorStamps>,
    /// What its CPUs were seen doing, if it was traced.
    pub timeline: Option<Timeline>,
    /// The kernel's log as it stood in memory, if it could be read.
    pub log: Option<Log>,
    /// What the trial logged, or why that is not known.
    pub truth: Result<Truth, String>,
    /// Which channel has which line of what was logged, where one lacks some.
    pub difference: Option<String>,
    /// That dump, in short.
    pub dump: Option<Dumped>,
}

impl Judged {
    /// Whether pstore kept anything of the panic's log in a trial that counts.
    pub(super) fn kept_by_pstore(&self) -> bool {
        let TrialOutcome::Counted { channels, .. } = &self.outcome else { return false };
        channels.get(&Channel::Pstore).is_some_and(|verdict| verdict.outcome != ChannelOutcome::Lost)
    }

    /// Takes into account what the next boot found, or why it could not be asked.
    pub(super) fn read_back(&mut self, found: &Result<Vec<PstoreFile>, GuestError>, tail: &Tail) {
        let files = match found {
            Ok(files) => files,
            Err(error) => {
                let cause = format!("have the next boot read what pstore kept: {error}");
                self.outcome = TrialOutcome::InfraError { cause };
                return;
            }
        };
        let TrialOutcome::Counted { channels, .. } = &mut self.outcome else { return };
        let found = pstore::from_files(files.iter().map(|file| (file.name.as_str(), file.bytes.as_slice())));
        if let Some(verdict) = channels.get_mut(&Channel::Pstore) {
            judge_next_boot(verdict, &found, tail);
        }
    }
}

/// Decodes and judges.
pub fn judge(assignment: &Assignment, crash: &Crash) -> Judged {
    let (log, truth) = match read_log(crash) {
        Ok(log) => {
            let truth = Truth::of(&log, &assignment.tail).map_err(|error| error.to_string());
            (Some(log), truth)
        }
        Err(why) => (None, Err(why)),
    };
    let outcome = TrialOutcome::InfraError { cause: String::new() };
    let (difference, dump) = (None, None);
    let mut judged = Judged { outcome, stamps: Vec::new(), timeline: None, log, truth, difference, dump };
    judged.outcome = look(assignment, crash, &mut judged).unwrap_or_else(|outcome| outcome);
    judged
}

fn read_log(crash: &Crash) -> Result<Log, String> {
    match &crash.artifacts.log {
        LogMemory::Read(raw) => printk_ring::decode(raw).map_err(|error| error.to_string()),
        LogMemory::Unknown(why) => Err(why.clone()),
    }
}

/// The outcome of a trial that counts, or of one that does not; what was decoded on the way there is put into `judged`.
fn look(assignment: &Assignment, crash: &Crash, judged: &mut Judged) -> Result<TrialOutcome, TrialOutcome> {
    let infra = |cause: String| TrialOutcome::InfraError { cause };
    if crash.host_was_slow() {
        let waited = crash.host_wait().unwrap_or_default() * 100.0;
        return Err(infra(format!(
            "the guest had not ended {:?} after firing, but its vCPUs had waited {waited:.0} % of that time for a \
             processor of the host; run fewer guests at a time (--jobs)",
            assignment.deadline
        )));
    }
    let page = stamps::decode(&crash.artifacts.page).map_err(|e| infra(format!("read crashlab's stamps: {e}")))?;
    judged.stamps = page.actor_stamps();
    if page.nonce != assignment.nonce {
        return Err(infra(format!("crashlab's page belongs to trial {:?}, not {:?}", page.nonce, assignment.nonce)));
    }
    if page.fired_tsc.is_none() {
        return Err(infra("the guest ended before its faults were fired".to_owned()));
    }
    let mut passages = stamped(&page, &judged.stamps);
    if let Some(Traced { probes, cpus, .. }) = &crash.traced {
        let actors: Vec<String> = page.actors.iter().map(|actor| actor.name.clone()).collect();
        let seen = timeline::decode(&crash.artifacts.trace, probes, &actors, *cpus, &crash.artifacts.capture_times)
            .map_err(|error| infra(format!("read the timeline: {error}")))?;
        // A guest that had not ended ran on between the reading of its page and its death.
        let seen_passages = meet::passages(&seen, &passages);
        let agreed = meet::agree(&passages, &seen_passages, !crash.end.is_hung());
        judged.timeline = Some(seen);
        agreed.map_err(|why| infra(format!("crashlab's stamps and the tracer disagree: {why}")))?;
        passages = seen_passages;
    }
    meet::check(&assignment.meetings, &passages, &assignment.budgets_us)
        .map_err(|reason| TrialOutcome::Missed { reason })?;
    let records = records::read(&crash.artifacts);
    // QEMU keeps the file's own structure, not the guest: if that is broken, the fault is on our side.
    if let Some(fault) = &records.pstore.storage_fault {
        return Err(infra(format!("read the ERST's file: {fault}")));
    }
    let tail = &tail_of(assignment, crash, judged);
    let console = console::decode(&crash.artifacts.console);
    let (mut of_console, mut of_pstore) = (judge_console(&console, tail), judge_pstore(&records.pstore, tail));
    let text_of_pstore = text_of_pstore(&records.pstore, tail);
    if let Ok(truth) = &judged.truth {
        of_console.log = Some(truth.kept_by(&console.text));
        of_pstore.log = Some(truth.kept_by(&text_of_pstore));
    }
    let mut channels = BTreeMap::from([(Channel::Console, of_console), (Channel::Pstore, of_pstore)]);
    if let Some(zone) = &records.console {
        let mut verdict = judge_pstore_console(zone.as_ref(), tail);
        if let (Ok(truth), Ok(zone)) = (&judged.truth, zone) {
            verdict.log = Some(truth.kept_by(&console::decode(&zone.bytes).text));
        }
        channels.insert(Channel::PstoreConsole, verdict);
    }
    let mut texts = vec![('c', console.text.as_str()), ('p', text_of_pstore.as_str())];
    let dumped_text;
    if let Some((capture, build_id)) = &crash.capture {
        let due = Due { build_id: build_id.clone(), saved_registers: saved_registers(judged.timeline.as_ref()) };
        let (mut verdict, log) = judge_kdump(capture, &due, tail);
        dumped_text = text_of_dump(log.as_ref());
        if let Ok(truth) = &judged.truth {
            verdict.log = Some(truth.kept_by(&dumped_text));
        }
        if let Capture::Read(dump) = capture {
            judged.dump = Some(dumped(dump, log.as_ref()));
        }
        texts.push(('k', &dumped_text));
        channels.insert(Channel::Kdump, verdict);
    }
    judged.difference = judged.truth.as_ref().ok().and_then(|truth| truth.difference(&texts));
    channels.extend(order(assignment, crash, judged).map(|verdict| (Channel::Order, verdict)));
    Ok(TrialOutcome::Counted { hung: crash.end.is_hung(), channels })
}

/// What channels should have kept. A crash kernel that an oops boots is there before a panic has a line.
fn tail_of(assignment: &Assignment, crash: &Crash, judged: &Judged) -> Tail {
    let panicked = judged.truth.as_ref().is_ok_and(|truth| truth.logged().panic);
    match crash.end {
        End::Captured(_) if judged.truth.is_ok() && !panicked => assignment.tail.clone().without_panic(),
        _ => assignment.tail.clone(),
    }
}

/// The CPUs that were seen saving their registers.
fn saved_registers(timeline: Option<&Timeline>) -> BTreeSet<u32> {
    let events = timeline.into_iter().flat_map(|timeline| &timeline.events);
    let saves = |event: &&Event| {
        event.step == Event::MACHINE_KEXEC || (event.step == Event::STOPPED && event.of == "kdump_nmi_callback")
    };
    events.filter(saves).map(|event| event.cpu).collect()
}

/// As crashlab's page tells it.
fn stamped(page: &Stamps, stamps: &[ActorStamps]) -> Vec<Passage> {
    let spent = |actor: &stamps::Actor| {
        // What others write there is no time.
        matches!(actor.action, Action::Spin | Action::Hold).then_some(actor.spent_us)
    };
    let passages = stamps.iter().map(Passage::stamped);
    page.actors.iter().zip(passages).map(|(actor, passage)| Passage { spent_us: spent(actor), ..passage }).collect()
}

/// Whether the trial's steps came in the order that its scenario asserts; none where that is not known.
fn order(assignment: &Assignment, crash: &Crash, judged: &Judged) -> Option<ChannelVerdict> {
    let (Some(timeline), Some(Traced { real_time, .. })) = (&judged.timeline, &crash.traced) else { return None };
    let verdict = judge_order(&assignment.order, timeline, &[], *real_time)?;
    if verdict.outcome != ChannelOutcome::Broken {
        return Some(verdict);
    }
    // To put the console's lines between the events takes longer than to judge, and only who reads the detail needs
    // them.
    judge_order(&assignment.order, timeline, &place_console(timeline, &crash.artifacts.console), *real_time)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::evidence::encode::{self, Erst};
    use crate::evidence::encode_ring::{Kernel, RingBuilder};
    use crate::guest::{Artifacts, End, Waited};
    use crate::model::{CellKey, Meeting, Params};
    use crate::trial::Interleaving;
    use crate::verdict::witness;

    const NONCE: &str = "0123456789abcdef";

    fn assignment() -> Assignment {
        let cell = CellKey {
            variant: "stock".to_owned(),
            base: "6.12".to_owned(),
            scenario: "panic-alone".to_owned(),
            params: Params::new(),
        };
        Assignment {
            ordinal: 0,
            interleaving: Interleaving::default(),
            index: 0,
            cell,
            seed: 0,
            nonce: NONCE.to_owned(),
            directives: String::new(),
            deadline: Duration::from_secs(30),
            quiet: Duration::from_secs(3),
            longest_wait: Duration::ZERO,
            nmis: Vec::new(),
            meetings: vec![Meeting::Entered { actor: "panic".to_owned() }],
            busy_cpus: 1,
            budgets_us: BTreeMap::new(),
            order: Vec::new(),
            tail: Tail::of_panic(NONCE, 0),
            read_back: false,
            full_vmcore: false,
        }
    }

    /// A guest of which `waited` percent of its time went by without a processor, whose page says that it was fired at
    /// `fired`.
    fn crash(end: End, waited: u64, fired: u64) -> Crash {
        let page = encode::page(1_000_000, fired, NONCE, &[("panic", 2, 0, fired + 1000, 0, 0, 1, 0)]);
        let waited = Some(Waited { ran_ns: 100 - waited, waited_ns: waited });
        let artifacts = Artifacts { page, waited, erst: Erst::new(8, 8192).bytes(), ..Artifacts::default() };
        Crash { end, artifacts, hung: None, traced: None, capture: None }
    }

    fn ended() -> End {
        End::Ended("guest-reset".to_owned())
    }

    fn cause(crash: &Crash) -> String {
        match judge(&assignment(), crash).outcome {
            TrialOutcome::InfraError { cause } => cause,
            other => panic!("{other:?}"),
        }
    }

    fn is_counted(crash: &Crash, as_hung: bool) -> bool {
        matches!(judge(&assignment(), crash).outcome, TrialOutcome::Counted { hung, .. } if hung == as_hung)
    }

    #[test]
    fn a_guest_past_its_deadline_is_hung_unless_the_host_had_no_processor_for_it() {
        assert!(is_counted(&crash(End::Deadline, 0, 1), true));
        assert!(is_counted(&crash(End::Deadline, 80, 1), true));
        assert_eq!(
            cause(&crash(End::Deadline, 81, 1)),
            "the guest had not ended 30s after firing, but its vCPUs had waited 81 % of that time for a processor of the \
             host; run fewer guests at a time (--jobs)"
        );
        // Where the host does not tell, nobody else is blamed.
        let mut silent = crash(End::Deadline, 0, 1);
        silent.artifacts.waited = None;
        assert!(is_counted(&silent, true));
    }

    #[test]
    fn a_log_that_is_not_known_takes_nothing_from_the_trial() {
        let mut unknown = crash(ended(), 0, 1);
        unknown.artifacts.log = LogMemory::Unknown("no note".to_owned());
        let judged = judge(&assignment(), &unknown);
        assert_eq!((judged.log, judged.truth), (None, Err("no note".to_owned())));
        let TrialOutcome::Counted { channels, .. } = judged.outcome else { panic!("{:?}", judged.outcome) };
        assert!(channels.values().all(|verdict| verdict.log.is_none()));
    }

    #[test]
    fn a_log_that_is_known_is_what_channels_are_held_to() {
        let mut known = crash(ended(), 0, 1);
        let mut ring = RingBuilder::new(Kernel::V6_12, 6, 12);
        ring.push(1000, 1, &witness::line(NONCE, 1, 1)).push(2000, 0, "behind");
        known.artifacts.log = LogMemory::Read(Box::new(ring.raw()));
        known.artifacts.console = b"[    0.000002][    T0] behind\r\n".to_vec();
        let assignment = Assignment { tail: Tail::of_panic(NONCE, 1), ..assignment() };
        let TrialOutcome::Counted { channels, .. } = judge(&assignment, &known).outcome else { panic!("not counted") };
        let lines = |channel| channels[&channel].log.as_ref().map(|kept| (kept.lines, kept.of));
        assert_eq!((lines(Channel::Console), lines(Channel::Pstore)), (Some((1, 2)), Some((0, 2))));
        // Nonsense is no log.
        let LogMemory::Read(raw) = &mut known.artifacts.log else { panic!("it was put there") };
        raw.text.clear();
        assert_eq!(judge(&assignment, &known).truth, Err("the kernel's log is cut off: the text".to_owned()));
    }

    #[test]
    fn a_guest_that_was_recognised_before_its_deadline_is_hung_whatever_the_host_did_before() {
        assert!(is_counted(&crash(End::Hung, 99, 1), true));
    }

    #[test]
    fn a_guest_that_ended_is_not_hung_however_slow_the_host_was() {
        assert!(is_counted(&crash(ended(), 99, 1), false));
    }

    #[test]
    fn a_guest_that_ended_before_it_was_fired_is_nobodys_crash() {
        assert_eq!(cause(&crash(ended(), 0, 0)), "the guest ended before its faults were fired");
    }

    #[test]
    fn a_page_that_is_not_this_trials_proves_nothing() {
        let mut strange = crash(ended(), 0, 1);
        strange.artifacts.page = encode::page(1_000_000, 1, "fedcba9876543210", &[]);
        let expected = format!("crashlab's page belongs to trial \"fedcba9876543210\", not \"{NONCE}\"");
        assert_eq!(cause(&strange), expected);
        strange.artifacts.page.clear();
        assert!(cause(&strange).starts_with("read crashlab's stamps: "));
    }

    #[test]
    fn what_the_next_boot_finds_counts_too() {
        let log = format!("Panic#1 Part1\n<0>[    1.000000] Kernel panic - not syncing: crashlab {NONCE}\n");
        let erst = Erst::new(8, 8192).with(Some(1), &encode::cper_record(1, encode::DMESG, log.as_bytes())).bytes();
        let mut saved = crash(ended(), 0, 1);
        assert!(!judge(&assignment(), &saved).kept_by_pstore(), "there is nothing to ask for");
        saved.artifacts.erst = erst;
        let after = |found: Result<Vec<PstoreFile>, GuestError>| {
            let mut judged = judge(&assignment(), &saved);
            assert!(judged.kept_by_pstore());
            judged.read_back(&found, &assignment().tail);
            judged.outcome
        };
        let outcome = |found| match after(Ok(found)) {
            TrialOutcome::Counted { channels, .. } => channels[&Channel::Pstore].outcome,
            other => panic!("{other:?}"),
        };
        let file = PstoreFile { name: "dmesg-erst-1".to_owned(), bytes: log.into_bytes() };
        assert_eq!(outcome(vec![file]), ChannelOutcome::Saved);
        assert_eq!(outcome(Vec::new()), ChannelOutcome::Unreadable);
        assert_eq!(
            after(Err(GuestError::Agent("no".to_owned()))),
            TrialOutcome::InfraError {
                cause: "have the next boot read what pstore kept: the guest's agent failed: no".to_owned()
            }
        );
    }

    #[test]
    fn a_record_store_that_is_broken_is_qemus_doing() {
        let mut broken = crash(ended(), 0, 1);
        broken.artifacts.erst.clear();
        assert!(cause(&broken).starts_with("read the ERST's file: "));
    }
}
