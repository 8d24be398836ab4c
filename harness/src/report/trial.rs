//! One trial, as a person who has just watched it reads it.

use crate::model::schedule::Held;
use crate::model::{ActorStamps, Dumped, DumpedCpu, HungCpu, TrialOutcome, TrialRecord};
use crate::text::milliseconds;

/// The verdict of each channel, where the CPUs of a hung or dumped guest stood, and when each actor was where.
pub fn trial_text(record: &TrialRecord) -> String {
    let mut lines = vec![format!("{} (seed {})", record.cell, record.seed)];
    match &record.outcome {
        TrialOutcome::Counted { hung, channels } => {
            for (channel, verdict) in channels {
                // The detail of an order has several lines.
                let detail = verdict.detail.replace('\n', "\n    ");
                let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
                let log = verdict.log.as_ref().map(|kept| format!("; {kept}")).unwrap_or_default();
                let (outcome, seen, of, what) = (verdict.outcome, verdict.witnesses, verdict.of, channel.witnesses());
                lines.push(format!("  {channel:8} {outcome:9} {seen}/{of} {what}{log}{detail}"));
                if let Some(lost) = verdict.log.as_ref().and_then(|kept| kept.first_lost.as_ref()) {
                    lines.push(format!("    first lost: {lost}"));
                }
            }
            if *hung {
                lines.push(format!("  the guest hung: {}", record.hung_by.as_deref().unwrap_or("it did not end")));
            }
        }
        TrialOutcome::Missed { reason } => lines.push(format!("  missed: {reason}")),
        TrialOutcome::InfraError { cause } => lines.push(format!("  infra-error: {cause}")),
    }
    if let Some(why) = &record.log_unknown {
        lines.push(format!("  what was logged is not known: {why}"));
    }
    if let Some(Dumped { panic_cpu, task, cpus, .. }) = &record.dump {
        for DumpedCpu { cpu, pid, at } in cpus {
            let task = task.as_ref().filter(|_| Some(*cpu) == *panic_cpu).map(|task| format!(" ({task})"));
            lines.push(format!("  in the dump CPU {cpu}, task {pid}{}, is at {at}", task.unwrap_or_default()));
        }
    }
    for HungCpu { cpu, at } in &record.hung_at {
        lines.push(format!("  CPU {cpu} was at {}", looks(at).join("; then at ")));
    }
    for Held { hold, outcome, cpu, lasted_ns, .. } in &record.holds {
        let on = cpu.map(|cpu| format!(", CPU {cpu}")).unwrap_or_default();
        let lasted = lasted_ns.map(|ns| format!(", after {} ms", milliseconds(ns.cast_signed()))).unwrap_or_default();
        lines.push(format!("  {hold}: {}{on}{lasted}", outcome.words()));
    }
    for ActorStamps { actor, cpu, entered_us, left_us } in &record.stamps {
        let [entered, left] = [*entered_us, *left_us].map(since_firing);
        lines.push(format!("  {actor:8} on CPU {cpu}: entered {entered}, left {left}"));
    }
    lines.join("\n")
}

/// `0.012 ms` since firing, or `never`
pub(super) fn since_firing(us: Option<u64>) -> String {
    us.map_or_else(|| "never".to_owned(), |us| format!("{}.{:03} ms", us / 1000, us % 1000))
}

/// Looks that saw the same are told once.
pub(super) fn looks(at: &[String]) -> Vec<String> {
    let told = |same: &[String]| match same {
        [one] => one.clone(),
        same => format!("{} ({} times)", same.first().map_or("", String::as_str), same.len()),
    };
    at.chunk_by(|one, next| one == next).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChannelOutcome::{Broken, Lost, Saved};
    use crate::model::{Channel, KeptLines};
    use crate::results::sample::{counted, key, ordered, trial};

    #[test]
    fn what_was_logged_and_kept_is_shown() {
        let mut outcome = counted(Saved, Lost);
        if let TrialOutcome::Counted { channels, .. } = &mut outcome {
            let first_lost = Some("[    5.123456][    T1] witness".to_owned());
            for (channel, kept) in [
                (Channel::Console, KeptLines { lines: 61, of: 61, first_lost: None }),
                (Channel::Pstore, KeptLines { lines: 60, of: 61, first_lost }),
            ] {
                channels.entry(channel).and_modify(|verdict| verdict.log = Some(kept));
            }
        }
        let mut record = trial(0, &key("stock", "panic-alone", ""), outcome);
        record.stamps.clear();
        insta::assert_snapshot!(trial_text(&record), @"
        stock@6.12 panic-alone (seed 18446744073709551615)
          console  saved     32/32 witness lines; 100 % of 61 log lines
          pstore   lost      0/32 witness lines; 98 % of 61 log lines: the panic's own line is missing
            first lost: [    5.123456][    T1] witness
        ");
        record.outcome = counted(Saved, Lost);
        record.log_unknown = Some("the guest has no /sys/kernel/vmcoreinfo (CONFIG_VMCORE_INFO)".to_owned());
        let text = trial_text(&record);
        assert!(
            text.ends_with(
                "  what was logged is not known: the guest has no /sys/kernel/vmcoreinfo \
                                (CONFIG_VMCORE_INFO)"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_hang_is_shown_with_where_each_cpu_stood() {
        let TrialOutcome::Counted { channels, .. } = counted(Saved, Saved) else { unreachable!("it counts") };
        let hung = TrialOutcome::Counted { hung: true, channels };
        let mut record = trial(0, &key("stock", "panic-alone", ""), hung);
        record.hung_by = Some("quiet 2.9 s: nothing printed".to_owned());
        let at = |at: &[&str]| at.iter().map(|at| (*at).to_owned()).collect();
        record.hung_at = vec![
            HungCpu { cpu: 0, at: at(&["delay_tsc+0x1e < panic+0x207", "panic+0x20c", "panic+0x20c"]) },
            HungCpu { cpu: 1, at: at(&["stop_this_cpu+0x67, halted, interrupts off"; 3]) },
        ];
        insta::assert_snapshot!(trial_text(&record), @"
        stock@6.12 panic-alone (seed 18446744073709551615)
          console  saved     32/32 witness lines
          pstore   saved     32/32 witness lines
          the guest hung: quiet 2.9 s: nothing printed
          CPU 0 was at delay_tsc+0x1e < panic+0x207; then at panic+0x20c (2 times)
          CPU 1 was at stop_this_cpu+0x67, halted, interrupts off (3 times)
          victim   on CPU 1: entered 0.012 ms, left never
        ");
    }

    #[test]
    fn a_broken_order_is_shown_in_all_its_lines() {
        let outcome = ordered(counted(Saved, Lost), Broken);
        insta::assert_snapshot!(trial_text(&trial(0, &key("stock", "panic-alone", ""), outcome)), @"
        stock@6.12 panic-alone (seed 18446744073709551615)
          console  saved     32/32 witness lines
          pstore   lost      0/32 witness lines: the panic's own line is missing
          order    broken    1/2 assertions: all other CPUs stopped before kmsg_dump: not stopped by then: CPU 1
              2.718 ms CPU 0: kmsg_dump
          victim   on CPU 1: entered 0.012 ms, left never
        ");
    }
}
