//! What an actor does, and when.

use super::words::{capital, is_none, lasting, span};
use crate::model::ends::EndsBy;
use crate::model::errors::error_in_words;
use crate::scenario::ends::{self, NMIS, which_is_set};
use crate::scenario::{
    Action, Context, Cpu, Edge, Failing, Instance, Lock, Notifier, OopsKind, Planned, PrintLimit, Reboot, Span, Start,
    Stay,
};

/// When the actor does what, in which context; and what becomes of an oops that is not the end.
pub(super) fn sentences(actor: &Planned, instance: &Instance) -> String {
    let name = &actor.name;
    let injected = match actor.action {
        Action::Nmi => Some("injects an NMI into every CPU that takes it"),
        Action::Mce => Some("sends a machine check to every CPU, of an error of this one"),
        _ => None,
    };
    if let Some(what) = injected {
        return format!("{}, QEMU {what}; `{name}` marks when it comes here.", moment(actor, instance));
    }
    if let Action::Fail { failing, part, times } = actor.action {
        return fails(actor, instance, failing, part, times);
    }
    let does = does(actor);
    let mut text = match notifiers(&actor.context) {
        Some(place) => {
            let when = from(actor, instance).map(|from| format!(", {from},")).unwrap_or_default();
            format!("When this CPU{when} panics and calls the panic notifiers, `{name}` is {place}: it {does}.")
        }
        None => match comes(&actor.context) {
            Some(comes) => format!("{}{comes}, `{name}` {does}.", first_time(actor, instance)),
            None => format!("{}, `{name}` {does}.", moment(actor, instance)),
        },
    };
    if let Action::Oops { count, .. } = actor.action
        && matches!(actor.context, Context::Thread | Context::PreemptOff | Context::IrqsOff)
        && ends::of_actor(actor, instance).is_empty()
    {
        text.push_str(if count == 1 { " Only the thread dies" } else { " Only the threads die" });
        text.push_str(" of it: kernel.panic_on_oops is not set.");
    }
    text
}

/// Which calls fail, from when on, and how.
fn fails(actor: &Planned, instance: &Instance, failing: Failing, part: Option<u32>, times: Option<u32>) -> String {
    let from = from(actor, instance).unwrap_or_else(|| "after firing".to_owned());
    let function = actor.function(instance.guest.pstore).unwrap_or_default();
    let calls = match times {
        Some(1) => format!("the first call of {function}()"),
        Some(times) => format!("the first {times} calls of {function}()"),
        None => format!("every call of {function}()"),
    };
    let by = if actor.cpu == Cpu::Any { "" } else { " by this CPU" };
    let of = part.map(|part| format!(" for part {part} of a dump")).unwrap_or_default();
    let way = match failing {
        Failing::Error(error) => format!("return {} and do nothing", error_in_words(error)),
        Failing::Lies => "return success and do nothing".to_owned(),
        Failing::Torn => "be given half of the record".to_owned(),
    };
    format!("`{}` has {calls}{by}{of} {way}, {from}.", actor.name)
}

/// When an actor acts that does not wait for something to come by.
fn moment(actor: &Planned, instance: &Instance) -> String {
    match &actor.start {
        None => "At some time after firing".to_owned(),
        Some(Start::At(at)) if is_none(at) => "As soon as the actors are fired".to_owned(),
        Some(Start::At(at)) => capital(&format!("{} after firing", span(at))),
        Some(Start::After { actor, edge, delay }) => {
            let passed = passed(actor, *edge, instance);
            if is_none(delay) {
                format!("As soon as {passed}")
            } else {
                capital(&format!("{} after {passed}", span(delay)))
            }
        }
    }
}

/// From when on something that comes by is waited for, between commas; `None` if that is the firing.
fn from(actor: &Planned, instance: &Instance) -> Option<String> {
    match actor.start.as_ref()? {
        Start::At(at) if is_none(at) => None,
        Start::At(at) => Some(format!("later than {} after firing", span(at))),
        Start::After { actor, edge, delay } => {
            let passed = passed(actor, *edge, instance);
            Some(if is_none(delay) {
                format!("once {passed}")
            } else {
                format!("later than {} after {passed}", span(delay))
            })
        }
    }
}

fn first_time(actor: &Planned, instance: &Instance) -> String {
    match from(actor, instance) {
        None => "The first time after firing that this CPU ".to_owned(),
        Some(from) => format!("The first time that this CPU, {from}, "),
    }
}

/// What has to come by, behind `this CPU`.
fn comes(context: &Context) -> Option<String> {
    Some(match context {
        Context::Idle => "begins to idle".to_owned(),
        Context::Dumper => "gets to pstore's kmsg dumper".to_owned(),
        Context::BackendWrite => "writes to pstore's back end".to_owned(),
        Context::ConsoleWrite => "writes to the serial console".to_owned(),
        Context::Function(name) => format!("enters {name}()"),
        _ => return None,
    })
}

const fn notifiers(context: &Context) -> Option<&'static str> {
    match context {
        Context::Notifier(notifier) => Some(match notifier {
            Notifier::First => "the first of them",
            Notifier::Last => "the last of them",
            Notifier::Hypervisor => "among those for the hypervisor",
            Notifier::Info => "among those that inform",
            Notifier::PreReboot => "among those before a reboot",
            Notifier::PostReboot => "among those for when there is no reboot",
        }),
        _ => None,
    }
}

/// Where it acts, as the end of a phrase.
const fn place(context: &Context) -> &'static str {
    match context {
        Context::Thread => " in a kernel thread",
        Context::PreemptOff => " with preemption off",
        Context::IrqsOff => " with interrupts off",
        Context::Softirq => " in a softirq",
        Context::Hardirq => " in a hard interrupt",
        Context::Nmi => " in an NMI",
        Context::StopMachine => " inside of stop_machine(), while all other CPUs wait with interrupts off,",
        Context::Notifier(_) => "",
        _ => " there",
    }
}

/// What it does, and where, behind its name.
fn does(actor: &Planned) -> String {
    let place = place(&actor.context);
    let between = |every: &Span| match every {
        every if is_none(every) => "one right after the other".to_owned(),
        every => format!("with {} between", span(every)),
    };
    let ended = |text: String| text.trim_end_matches(',').to_owned();
    match &actor.action {
        Action::Oops { kind, count: 1, .. } => format!("oopses{place} {}", by(*kind)),
        Action::Oops { kind, count, every } => {
            format!("makes {count} threads oops {}, {}", by(*kind), between(every))
        }
        Action::Panic if actor.context == Context::Nmi => "calls nmi_panic() in an NMI".to_owned(),
        Action::Panic => ended(format!("calls panic(){place}")),
        Action::Warn => ended(format!("warns{place}")),
        Action::Spin { stay: Stay::For(time) } if is_none(time) => {
            format!("marks its coming{place} and goes on at once")
        }
        Action::Spin { stay } => format!("spins{place} {}", lasting(stay)),
        Action::Hold { lock, stay: Stay::For(time) } if is_none(time) => {
            format!("takes {}{place} and gives it back at once", held(*lock))
        }
        Action::Hold { lock, stay } => format!("takes {} and keeps it{place} {}", held(*lock), lasting(stay)),
        Action::Print { limit, every } => match limit {
            PrintLimit::Count(count) => format!("prints {count} messages{place}, {}", between(every)),
            PrintLimit::Time(stay) => format!("prints messages{place} {}, {}", lasting(stay), between(every)),
        },
        Action::Reboot { how: Reboot::Emergency } => ended(format!("calls emergency_restart(){place}")),
        Action::Reboot { how: Reboot::Orderly } => "restarts the machine as `reboot` does".to_owned(),
        Action::Reboot { how: Reboot::PowerOff } => "switches the power off as `poweroff` does".to_owned(),
        Action::Block { stay } => format!("sleeps in TASK_UNINTERRUPTIBLE {}", lasting(stay)),
        Action::Harvest { stay } => {
            format!("reads and erases pstore's records {}, as its file system does", lasting(stay))
        }
        Action::Nmi => "waits for an NMI from outside".to_owned(),
        Action::Exhaust => "takes memory until there is none".to_owned(),
        Action::Exit => "has the agent end, which is PID 1".to_owned(),
        Action::Mce => "waits for a machine check from outside".to_owned(),
        Action::SynchronizeRcu { stay } => {
            format!("waits for one grace period of RCU after the other {}", lasting(stay))
        }
        Action::Call { to } => ended(format!("calls CPU {to}{place} and waits for its answer")),
        Action::Fail { .. } => "has calls fail".to_owned(),
        Action::Switch { target, up: false } => format!("takes CPU {target} down"),
        Action::Switch { target, up: true } => format!("brings CPU {target} up"),
    }
}

const fn by(kind: OopsKind) -> &'static str {
    match kind {
        OopsKind::Bug => "by BUG()",
        OopsKind::PageFault => "by a write close to address 0",
        OopsKind::Gpf => "by a general protection fault",
        OopsKind::Stack => "by a recursion that leaves the stack",
        OopsKind::Divide => "by a division by 0",
        OopsKind::NullCall => "by a call of address 0",
        OopsKind::StackProtector => "by a write behind a buffer on its stack, which its stack protector finds",
    }
}

const fn held(lock: Lock) -> &'static str {
    match lock {
        Lock::PstoreBuf => "pstore's buf_lock, by which one dump shuts out another,",
        Lock::Erst => "erst_lock, the ERST back end's own,",
        Lock::RamoopsZone => "the lock of the zone that ramoops is about to write to",
        Lock::Console => "the console's lock",
        Lock::ConsoleSem => "the spin lock inside of the console's semaphore",
        Lock::UartPort => "the lock of the first serial port",
        Lock::Die => "die_lock, by which one oops report shuts out another,",
        Lock::Module => "a lock of crashlab's own",
        Lock::Logbuf => "logbuf_lock, the log's own,",
        Lock::Efivars => "efivars_lock, by which one access to an EFI variable shuts out another,",
        Lock::EfivarsSem => "the spin lock inside of efivars_lock",
        Lock::EfiRuntime => "efi_runtime_lock, by which one call of the firmware shuts out another,",
        Lock::EfiRuntimeSem => "the spin lock inside of efi_runtime_lock",
    }
}

/// That the actor called so has passed an edge of its critical section.
fn passed(name: &str, edge: Edge, instance: &Instance) -> String {
    let Some(actor) = instance.actors.iter().find(|actor| actor.name == name) else {
        return format!("`{name}` has {}", edge.word());
    };
    let what = match (&actor.action, edge) {
        (Action::Oops { .. }, Edge::Entered) => "has begun to oops",
        (Action::Panic, Edge::Entered) => "has called panic()",
        (Action::Warn, Edge::Entered) => "has begun to warn",
        (Action::Warn, Edge::Left) => "has warned",
        (Action::Spin { .. }, Edge::Entered) => "has begun to spin",
        (Action::Spin { .. }, Edge::Left) => "has stopped spinning",
        (Action::Hold { .. }, Edge::Entered) => "has got its lock",
        (Action::Hold { .. }, Edge::Left) => "has given its lock back",
        (Action::Print { .. }, Edge::Entered) => "has begun to print",
        (Action::Print { .. }, Edge::Left) => "has stopped printing",
        (Action::Reboot { .. }, Edge::Entered) => "has begun to restart the machine",
        (Action::Block { .. }, Edge::Entered) => "has gone to sleep",
        (Action::Block { .. }, Edge::Left) => "has woken up",
        (Action::Harvest { .. }, Edge::Entered) => "has begun to harvest",
        (Action::Harvest { .. }, Edge::Left) => "has stopped harvesting",
        (Action::Nmi | Action::Mce, Edge::Entered) => "has come",
        (Action::Exhaust, Edge::Entered) => "has begun to take memory",
        (Action::Exit, Edge::Entered) => "has had the agent end",
        (Action::SynchronizeRcu { .. }, Edge::Entered) => "has begun to wait for RCU",
        (Action::SynchronizeRcu { .. }, Edge::Left) => "has stopped waiting for RCU",
        (Action::Call { .. }, Edge::Entered) => "has begun its call",
        (Action::Call { .. }, Edge::Left) => "has got its answer",
        (
            Action::Oops { .. }
            | Action::Panic
            | Action::Reboot { .. }
            | Action::Nmi
            | Action::Mce
            | Action::Exhaust
            | Action::Exit,
            Edge::Left,
        ) => "has left",
        (Action::Fail { .. }, Edge::Entered) => "has had a call fail",
        (Action::Fail { .. }, Edge::Left) => "has had its last call fail",
        (Action::Switch { up: false, .. }, Edge::Entered) => "has begun to take its CPU down",
        (Action::Switch { up: false, .. }, Edge::Left) => "has taken its CPU down",
        (Action::Switch { up: true, .. }, Edge::Entered) => "has begun to bring its CPU up",
        (Action::Switch { up: true, .. }, Edge::Left) => "has brought its CPU up",
    };
    format!("`{name}` {what}")
}

/// How an actor ends the guest so.
pub(super) fn end(actor: &Planned, end: EndsBy, instance: &Instance) -> String {
    let name = &actor.name;
    match end {
        EndsBy::Panic => format!("`{name}` panics, and the kernel restarts the machine at the end of that."),
        EndsBy::Oops => format!("kernel.panic_on_oops turns the oops of `{name}` into a panic."),
        EndsBy::OopsInInterrupt => {
            format!("The oops of `{name}` is one in an interrupt: a panic, whatever kernel.panic_on_oops says.")
        }
        EndsBy::OopsInIdle => {
            format!("The oops of `{name}` is the idle task's: a panic, whatever kernel.panic_on_oops says.")
        }
        EndsBy::OopsLimit => {
            format!("With the oops of `{name}` there may be as many as kernel.oops_limit allows: a panic.")
        }
        EndsBy::Warning => format!("kernel.panic_on_warn turns the warning of `{name}` into a panic."),
        EndsBy::WarnLimit => {
            format!("With the warning of `{name}` there may be as many as kernel.warn_limit allows: a panic.")
        }
        EndsBy::StackProtector => format!("The stack protector of `{name}` panics."),
        EndsBy::RcuStall => {
            format!(
                "If `{name}` goes on for too long, RCU finds that its grace period stalls: kernel.panic_on_rcu_stall."
            )
        }
        EndsBy::SoftLockup | EndsBy::HardLockup => {
            let sysctl = if end == EndsBy::SoftLockup { "softlockup_panic" } else { "hardlockup_panic" };
            format!("If `{name}` goes on for too long, a watchdog finds it, and kernel.{sysctl} asks for a panic.")
        }
        EndsBy::HungTask => format!("kernel.hung_task_panic turns the long sleep of `{name}` into a panic."),
        EndsBy::OutOfMemory => {
            format!(
                "`{name}` leaves no memory, and nobody whom the kernel could kill: it panics, vm.panic_on_oom or not."
            )
        }
        EndsBy::InitDeath => format!("`{name}` has PID 1 end: a panic."),
        EndsBy::MachineCheck => format!("The machine check of `{name}` is a fatal one."),
        EndsBy::Nmi => {
            let sysctl = which_is_set(instance, &NMIS).unwrap_or_default();
            format!("kernel.{sysctl} turns the NMI of `{name}` into a panic.")
        }
        EndsBy::Reboot => format!("`{name}` restarts the machine."),
        EndsBy::PowerOff => format!("`{name}` switches the power off."),
        EndsBy::Survives => format!("`{name}` leaves it alive."),
    }
}
