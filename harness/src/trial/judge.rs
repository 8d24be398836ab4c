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
