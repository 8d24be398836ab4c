//! From what a guest left to an outcome: pure, so that recorded guests can be judged again.

use std::collections::BTreeMap;

use super::{Assignment, Crash};
use crate::evidence::{console, pstore, stamps};
use crate::guest::End;
use crate::model::{ActorStamps, Channel, TrialOutcome};
use crate::verdict::{judge_console, judge_pstore, meet};

/// Decodes and judges. The stamps come along whatever the outcome, as far as they could be read.
pub fn judge(assignment: &Assignment, crash: &Crash) -> (TrialOutcome, Vec<ActorStamps>) {
    let infra = |cause: String| TrialOutcome::InfraError { cause };
    if crash.host_was_slow() {
        let waited = crash.host_wait().unwrap_or_default() * 100.0;
        let cause = format!(
            "the guest had not ended {:?} after firing, but its vCPUs had waited {waited:.0} % of that time for a \
             processor of the host; run fewer guests at a time (--jobs)",
            assignment.deadline
        );
        return (infra(cause), Vec::new());
    }
    let page = match stamps::decode(&crash.remains.page) {
        Ok(page) => page,
        Err(error) => return (infra(format!("read crashlab's stamps: {error}")), Vec::new()),
    };
    let stamps = page.actor_stamps();
    if page.nonce != assignment.nonce {
        let cause = format!("crashlab's page belongs to trial {:?}, not {:?}", page.nonce, assignment.nonce);
        return (infra(cause), stamps);
    }
    if page.fired_tsc.is_none() {
        return (infra("the guest ended before its faults were fired".to_owned()), stamps);
    }
    if let Err(reason) = meet::check(&assignment.meetings, &stamps, &assignment.budgets_us) {
        return (TrialOutcome::Missed { reason }, stamps);
    }
    let records = pstore::from_erst_file(&crash.remains.erst);
    // QEMU keeps the file's own structure, not the guest: if that is broken, the fault is on our side.
    if let Some(fault) = &records.storage_fault {
        return (infra(format!("read the ERST's file: {fault}")), stamps);
    }
    let channels = BTreeMap::from([
        (Channel::Console, judge_console(&console::decode(&crash.remains.console), &assignment.tail)),
        (Channel::Pstore, judge_pstore(&records, &assignment.tail)),
    ]);
    (TrialOutcome::Counted { hung: crash.end == End::Deadline, channels }, stamps)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::evidence::encode::{self, Erst};
    use crate::guest::{Remains, Waited};
    use crate::model::{CellKey, Meeting, Params};
    use crate::verdict::Tail;

    const NONCE: &str = "0123456789abcdef";

    fn assignment() -> Assignment {
        let cell = CellKey {
            variant: "stock".to_owned(),
            base: "6.12".to_owned(),
            scenario: "panic-alone".to_owned(),
            params: Params::new(),
        };
        Assignment {
            index: 0,
            cell,
            seed: 0,
            nonce: NONCE.to_owned(),
            directives: String::new(),
            deadline: Duration::from_secs(30),
            meetings: vec![Meeting::Entered { actor: "panic".to_owned() }],
            busy_cpus: 1,
            budgets_us: BTreeMap::new(),
            order: Vec::new(),
            tail: Tail::of_panic(NONCE, 0),
        }
    }

    /// A guest of which `waited` percent of its time went by without a processor, whose page says that it was fired at `fired`.
    fn crash(end: End, waited: u64, fired: u64) -> Crash {
        let page = encode::page(1_000_000, fired, NONCE, &[("panic", 2, 0, fired + 1000, 0, 0, 1, 0)]);
        let waited = Some(Waited { ran_ns: 100 - waited, waited_ns: waited });
        let remains = Remains { page, waited, erst: Erst::new(8, 8192).bytes(), ..Remains::default() };
        Crash { end, remains, registers: Vec::new() }
    }

    fn ended() -> End {
        End::Ended("guest-reset".to_owned())
    }

    fn cause(crash: &Crash) -> String {
        match judge(&assignment(), crash).0 {
            TrialOutcome::InfraError { cause } => cause,
            other => panic!("{other:?}"),
        }
    }

    fn is_counted(crash: &Crash, as_hung: bool) -> bool {
        matches!(judge(&assignment(), crash).0, TrialOutcome::Counted { hung, .. } if hung == as_hung)
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
        silent.remains.waited = None;
        assert!(is_counted(&silent, true));
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
        strange.remains.page = encode::page(1_000_000, 1, "fedcba9876543210", &[]);
        let expected = format!("crashlab's page belongs to trial \"fedcba9876543210\", not \"{NONCE}\"");
        assert_eq!(cause(&strange), expected);
        strange.remains.page.clear();
        assert!(cause(&strange).starts_with("read crashlab's stamps: "));
    }

    #[test]
    fn a_record_store_that_is_broken_is_qemus_doing() {
        let mut broken = crash(ended(), 0, 1);
        broken.remains.erst.clear();
        assert!(cause(&broken).starts_with("read the ERST's file: "));
    }
}
