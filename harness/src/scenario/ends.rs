//! What the actors of one point of the sweep lead one to expect of the guest's end.

use super::instance::{Instance, Planned};
use super::{Action, Context, Lock, OopsKind, Reboot};
use crate::model::ends::EndsBy;

/// Sysctls under which an NMI that nobody knows ends in a panic.
pub(crate) const NMIS: [&str; 3] = ["unknown_nmi_panic", "panic_on_unrecovered_nmi", "panic_on_io_nmi"];

/// What all of the actors may end the guest by, each once.
pub(super) fn of(instance: &Instance) -> Vec<EndsBy> {
    let mut ends = Vec::new();
    for end in instance.actors.iter().flat_map(|actor| of_actor(actor, instance)) {
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
    ends
}

/// What one of the actors may end the guest by: nothing, as far as is known, if there is nothing.
///
/// What is set is looked up in the knobs of the scenario and on its command line; what a variant sets, or the kernel's
/// configuration, is not known here.
pub(crate) fn of_actor(actor: &Planned, instance: &Instance) -> Vec<EndsBy> {
    let set = |name: &str| setting(instance, name).is_some_and(|value| value > 0);
    let reached = |limit: &str, number: u32| {
        setting(instance, limit).is_some_and(|limit| limit > 0 && i64::from(number) >= limit)
    };
    let one = |end: EndsBy, is: bool| if is { vec![end] } else { Vec::new() };
    match actor.action {
        Action::Panic => vec![EndsBy::Panic],
        Action::Reboot { how: Reboot::Emergency | Reboot::Orderly } => vec![EndsBy::Reboot],
        Action::Reboot { how: Reboot::PowerOff } => vec![EndsBy::PowerOff],
        Action::Oops { kind: OopsKind::StackProtector, .. } => vec![EndsBy::StackProtector],
        // oops_end() in arch/x86/kernel/dumpstack.c. A stack that overflows is a double fault, which counts as an NMI.
        Action::Oops { kind, .. } => match actor.context {
            Context::Softirq | Context::Hardirq | Context::Nmi => vec![EndsBy::OopsInInterrupt],
            _ if kind == OopsKind::Stack => vec![EndsBy::OopsInInterrupt],
            _ if set("panic_on_oops") => vec![EndsBy::Oops],
            // make_task_dead() in kernel/exit.c, which asks that before it counts.
            Context::Idle => vec![EndsBy::OopsInIdle],
            _ => one(EndsBy::OopsLimit, reached("oops_limit", oopses(instance))),
        },
        Action::Warn if set("panic_on_warn") => vec![EndsBy::Warning],
        Action::Warn => {
            one(EndsBy::WarnLimit, reached("warn_limit", number(instance, |it| matches!(it, Action::Warn))))
        }
        Action::Nmi => one(EndsBy::Nmi, NMIS.iter().any(|name| set(name))),
        Action::Mce => vec![EndsBy::MachineCheck],
        Action::Exhaust => vec![EndsBy::OutOfMemory],
        Action::Exit => vec![EndsBy::InitDeath],
        // The number of hung tasks, or where it is a switch, 1.
        Action::Block { .. } => {
            let sleepers = number(instance, |it| matches!(it, Action::Block { .. }));
            one(EndsBy::HungTask, reached("hung_task_panic", sleepers))
        }
        Action::Spin { .. } | Action::Hold { .. } => {
            let mut ends = one(EndsBy::SoftLockup, set("softlockup_panic"));
            ends.extend(one(EndsBy::HardLockup, set("hardlockup_panic")));
            // Who waits for what it holds: the others that take it, or somebody of the kernel's own.
            let of_console = |it: &Action<super::Span>| matches!(it, Action::Hold { lock: Lock::Console, .. });
            let waiting = number(instance, of_console).saturating_sub(1).max(1);
            ends.extend(one(EndsBy::HungTask, of_console(&actor.action) && reached("hung_task_panic", waiting)));
            // A stall is noticed only while a grace period is waited for.
            let asked = instance.actors.iter().any(|it| matches!(it.action, Action::SynchronizeRcu { .. }));
            ends.extend(one(EndsBy::RcuStall, asked && set("panic_on_rcu_stall")));
            ends
        }
        Action::Print { .. }
        | Action::Harvest { .. }
        | Action::SynchronizeRcu { .. }
        | Action::Call { .. }
        | Action::Fail { .. }
        | Action::Switch { .. } => Vec::new(),
    }
}

/// What is known of the guest's end where nothing is: what may be missing.
pub(super) fn missing(instance: &Instance) -> &'static str {
    let set = |name: &str| setting(instance, name).is_some_and(|value| value > 0);
    if set("panic_on_rcu_stall") {
        "a stall is noticed only while somebody waits for a grace period: add a `synchronize-rcu`; or say what it ends by, \
         `ends-by: survives` if by nothing"
    } else {
        "say what it ends by, `ends-by: survives` if by nothing; known are a `panic`, a `reboot` and their like, and what \
         a sysctl turns into a panic, such as kernel.panic_on_oops"
    }
}

fn oopses(instance: &Instance) -> u32 {
    let count = |actor: &Planned| match actor.action {
        Action::Oops { count, .. } => count,
        _ => 0,
    };
    instance.actors.iter().map(count).sum()
}

fn number(instance: &Instance, is: impl Fn(&Action<super::Span>) -> bool) -> u32 {
    u32::try_from(instance.actors.iter().filter(|actor| is(&actor.action)).count()).unwrap_or(u32::MAX)
}

/// What the scenario sets a sysctl of the kernel's to: by a knob, or on the command line as `sysctl.kernel.NAME=1`, or by
/// the parameter of the same name, as most of these have it. `oops=panic` is `panic_on_oops`.
fn setting(instance: &Instance, name: &str) -> Option<i64> {
    let path = format!("/proc/sys/kernel/{name}");
    if let Some(knob) = instance.knobs.iter().rev().find(|knob| knob.path == path) {
        return knob.value.parse().ok();
    }
    instance.guest.command_line.iter().rev().find_map(|word| match word.split_once('=') {
        Some(("oops", "panic")) if name == "panic_on_oops" => Some(1),
        Some((key, value)) if key.strip_prefix("sysctl.kernel.").unwrap_or(key) == name => value.parse().ok(),
        None if word == name => Some(1),
        _ => None,
    })
}

/// Whether one of these sysctls of the kernel's is set.
pub(crate) fn which_is_set<'a>(instance: &Instance, names: &[&'a str]) -> Option<&'a str> {
    names.iter().copied().find(|name| setting(instance, name).is_some_and(|value| value != 0))
}
