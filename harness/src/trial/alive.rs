//! Whether guests restored from a template are what they should be, by one known crash.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use harness_protocol::{Action, Arm, Context, Directive, Start, directive};

use super::guest_source::{GuestSource, Origin, Restorable};
use super::hung::Hung;
use super::interleaving::Interleaving;
use super::{Assignment, examine};
use crate::guest::GuestError;
use crate::model::ends::Ends;
use crate::model::{CellKey, Channel, ChannelOutcome, Params, Precondition, TrialOutcome};
use crate::scenario::Knob;
use crate::verdict::{Hindrances, Tail};

const WITNESSES: u32 = 4;

/// Why guests restored from a template are not what they should be.
#[derive(Debug)]
pub enum NotAliveReason {
    /// It could not be driven to its end.
    Guest(GuestError),
    /// Its outcome was not that of a booted guest.
    Differs {
        /// What it left.
        restored: String,
        /// What a guest that was booted left.
        booted: String,
    },
}

impl std::error::Error for NotAliveReason {}

impl fmt::Display for NotAliveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest(error) => error.fmt(f),
            Self::Differs { restored, booted } => {
                write!(f, "a panic left {restored}, and {booted} in a guest that was booted")
            }
        }
    }
}

/// Restores a guest, makes it panic, and looks whether every channel of the log has kept it.
///
/// If one has not, that may be the kernel's own doing, which is what trials are there to show: then a guest is booted
/// and crashed in the same way, and the template is good if both leave the same.
pub(super) async fn check(guests: &GuestSource, template: &Arc<Restorable>) -> Result<(), NotAliveReason> {
    let (restored, hung) =
        outcome(guests, Origin::Template(Arc::clone(template))).await.map_err(NotAliveReason::Guest)?;
    if all_saved(&restored) {
        return Ok(());
    }
    // A kernel that cannot be booted at all would not have become a template.
    let (booted, _) = outcome(guests, guests.cold()).await.map_err(NotAliveReason::Guest)?;
    if in_short(&restored) == in_short(&booted) {
        return Ok(());
    }
    let restored = in_short(&restored) + &hung.map(|hung| hung.in_short()).unwrap_or_default();
    Err(NotAliveReason::Differs { restored, booted: in_short(&booted) })
}

async fn outcome(guests: &GuestSource, source: Origin<'_>) -> Result<(TrialOutcome, Option<Hung>), GuestError> {
    let assignment = known_crash(guests.dumps.is_some());
    let crash = super::crash(guests, &source, &assignment, None, None).await?;
    let examined = examine(&assignment, crash).await;
    tracing::debug!("a known crash left {:?}, {:?}", examined.verdict, examined.evidence.stamps);
    Ok((examined.verdict.outcome(), examined.hung))
}

/// A panic on CPU 0, while the others idle, and a reset at once, however long the kernel would wait. Of a guest with a crash
/// kernel that has its turn last, so that every channel should have the log.
fn known_crash(has_crash_kernel: bool) -> Assignment {
    let nonce = crate::plan::nonce(0);
    let at_once = Knob::parameter("kernel", "panic", "-1".to_owned());
    let last = Knob::parameter("kernel", "crash_kexec_post_notifiers", "1".to_owned());
    let arm = Arm {
        context: Some(Context::Thread),
        start: Some(Start::At(Duration::ZERO)),
        ..Arm::new("panic", Action::Panic, 0)
    };
    let mut directives = vec![Directive::Nonce(nonce.clone()), Directive::Witnesses(WITNESSES)];
    directives.push(at_once.directive());
    directives.extend(has_crash_kernel.then(|| last.directive()));
    directives.extend([Directive::Arm(arm.to_string()), Directive::Fire { after: Duration::ZERO }]);
    let cell = CellKey {
        variant: String::new(),
        base: String::new(),
        scenario: "self-check".to_owned(),
        params: Params::new(),
    };
    Assignment {
        index: 0,
        ordinal: 0,
        cell,
        seed: 0,
        interleaving: Interleaving::default(),
        directives: directive::text(&directives),
        deadline: Duration::from_secs(30),
        quiet: Duration::from_secs(3),
        waits: Vec::new(),
        longest_wait: Duration::ZERO,
        injections: Vec::new(),
        preconditions: vec![Precondition::Entered { actor: "panic".to_owned() }],
        ends: Ends::default(),
        budgets_us: BTreeMap::new(),
        processors: 1,
        steps: Vec::new(),
        order: Vec::new(),
        splats: None,
        program: super::ProgramRuns::Never,
        hindrances: Hindrances::default(),
        tail: Tail::of_panic(&nonce, WITNESSES),
        read_back: false,
        full_vmcore: false,
        cast: Vec::new(),
        schedule: None,
        nonce,
    }
}

fn all_saved(outcome: &TrialOutcome) -> bool {
    let TrialOutcome::Counted { hung: false, channels } = outcome else { return false };
    let of_log = channels.iter().filter(|(channel, _)| !matches!(channel, Channel::Order | Channel::Splats));
    Channel::OF_LOG.iter().all(|channel| channels.contains_key(channel))
        && of_log.map(|(_, verdict)| verdict.outcome).all(|outcome| outcome == ChannelOutcome::Saved)
}

/// `console saved, pstore lost`
fn in_short(outcome: &TrialOutcome) -> String {
    match outcome {
        TrialOutcome::Counted { hung, channels } => {
            let mut words: Vec<_> =
                channels.iter().map(|(channel, verdict)| format!("{channel} {}", verdict.outcome)).collect();
            if *hung {
                words.push("a guest that hung".to_owned());
            }
            words.join(", ")
        }
        TrialOutcome::Missed { reason } => format!("missed faults ({reason})"),
        TrialOutcome::InfraError { cause } => format!("an infra-error ({cause})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChannelVerdict;

    fn counted(hung: bool, pstore: ChannelOutcome) -> TrialOutcome {
        let verdict = |outcome| ChannelVerdict::new(outcome, 4, 4, String::new());
        let channels = [(Channel::Console, verdict(ChannelOutcome::Saved)), (Channel::Pstore, verdict(pstore))];
        TrialOutcome::Counted { hung, channels: channels.into() }
    }

    #[test]
    fn only_a_guest_that_left_everything_is_alive_at_once() {
        assert!(all_saved(&counted(false, ChannelOutcome::Saved)));
        let mut lost_one = counted(false, ChannelOutcome::Saved);
        if let TrialOutcome::Counted { channels, .. } = &mut lost_one {
            let lost = ChannelVerdict::new(ChannelOutcome::Lost, 0, 4, String::new());
            channels.insert(Channel::PstoreConsole, lost);
        }
        assert!(!all_saved(&lost_one), "every channel of the log that the guest has counts");
        assert!(!all_saved(&counted(true, ChannelOutcome::Saved)));
        assert!(!all_saved(&counted(false, ChannelOutcome::Truncated)));
        let mut of_log = counted(false, ChannelOutcome::Saved);
        if let TrialOutcome::Counted { channels, .. } = &mut of_log {
            let broken = ChannelOutcome::Broken;
            let broken = ChannelVerdict::new(broken, 0, 1, String::new());
            channels.insert(Channel::Order, broken);
        }
        assert!(all_saved(&of_log), "a template is not judged by the order");
        assert!(!all_saved(&TrialOutcome::Missed { reason: String::new() }));
        assert!(!all_saved(&TrialOutcome::Counted { hung: false, channels: BTreeMap::new() }));
    }

    #[test]
    fn outcomes_are_told_apart_in_words() {
        assert_eq!(in_short(&counted(true, ChannelOutcome::Lost)), "console saved, pstore lost, a guest that hung");
        let fault = NotAliveReason::Differs {
            restored: in_short(&counted(false, ChannelOutcome::Lost)),
            booted: in_short(&counted(false, ChannelOutcome::Saved)),
        };
        assert_eq!(
            fault.to_string(),
            "a panic left console saved, pstore lost, and console saved, pstore saved in a guest that was booted"
        );
    }
}
