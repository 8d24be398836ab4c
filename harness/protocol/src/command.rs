//! crashlab's commands, which are written one at a time to its parameter `command`.

use std::fmt;
use std::time::Duration;

use crate::page::{Action, Context};
use crate::words::words;

/// A command of crashlab's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// `nonce HEX`: takes the trial's nonce.
    Nonce(&'a str),
    /// `arm …`: makes an actor. The text is that of an [`Arm`].
    Arm(&'a str),
    /// `call-tracer`: calls a tracer outside of the guest.
    CallTracer,
    /// `await-tracer`: waits until the tracer is awake.
    AwaitTracer,
    /// `fire`: wakes all actors.
    Fire,
    /// `await-exit`: waits, once all are fired, until an `exit` is due.
    AwaitExit,
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nonce(nonce) => write!(f, "nonce {nonce}"),
            Self::Arm(actor) => write!(f, "arm {actor}"),
            Self::CallTracer => f.write_str("call-tracer"),
            Self::AwaitTracer => f.write_str("await-tracer"),
            Self::Fire => f.write_str("fire"),
            Self::AwaitExit => f.write_str("await-exit"),
        }
    }
}

words! {
    /// How a CPU oopses.
    #[derive(Default)]
    OopsKind {
        /// `BUG()`.
        #[default]
        Bug = "bug",
        /// A write close to address 0.
        PageFault = "page-fault",
        /// A write to an address that is none: a general protection fault.
        Gpf = "gpf",
        /// A recursion that leaves the stack.
        Stack = "stack",
        /// A division by 0.
        Divide = "divide",
        /// A call of address 0.
        NullCall = "null-call",
        /// A write behind the end of a buffer on the stack, which the stack protector finds: it panics at once.
        StackProtector = "stack-protector",
    }
}

words! {
    /// How a function fails.
    Failure {
        /// It returns an error in place of what it does.
        Error = "error",
        /// It returns success in place of what it does.
        Lies = "lies",
        /// It is given half of its record.
        Torn = "torn",
    }
}

words! {
    /// How the machine is restarted.
    #[derive(Default)]
    Reboot {
        /// At once, by `emergency_restart()`.
        #[default]
        Emergency = "emergency",
        /// As `reboot` does, by `kernel_restart()`: reboot notifiers, devices, the other CPUs.
        Orderly = "orderly",
        /// As `poweroff` does, by `kernel_power_off()`: the power is switched off.
        PowerOff = "power-off",
    }
}

words! {
    /// A lock of the kernel's.
    Lock {
        /// pstore's `psinfo->buf_lock`, by which one dump keeps out another.
        PstoreBuf = "pstore-buf",
        /// `erst_lock` of the ERST back end.
        Erst = "erst",
        /// `buffer_lock` of the zone that ramoops is about to write to; only in the function `persistent_ram_write`.
        RamoopsZone = "ramoops-zone",
        /// `console_lock()`, which may sleep before it is held.
        Console = "console",
        /// The spin lock inside of the semaphore `console_sem`.
        ConsoleSem = "console-sem",
        /// The lock of the first 8250 port.
        UartPort = "uart-port",
        /// `die_lock`, by which one oops keeps out another.
        Die = "die",
        /// A lock of crashlab's own, as any module has.
        Module = "module",
        /// `logbuf_lock` of kernels before 5.12.
        Logbuf = "logbuf",
        /// The semaphore `efivars_lock`, by which one call for an EFI variable keeps out another; slept for.
        Efivars = "efivars",
        /// The spin lock inside of `efivars_lock`.
        EfivarsSem = "efivars-sem",
        /// The semaphore `efi_runtime_lock`, by which one call of the firmware keeps out another; slept for.
        EfiRuntime = "efi-runtime",
        /// The spin lock inside of `efi_runtime_lock`.
        EfiRuntimeSem = "efi-runtime-sem",
    }
}

words! {
    /// An edge of an actor's critical section.
    #[derive(Default)]
    Edge {
        /// Its beginning.
        #[default]
        Entered = "entered",
        /// Its end.
        Left = "left",
    }
}

/// How long an actor stays in its critical section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// This long; in whole microseconds.
    For(Duration),
    /// Until its CPU is stopped.
    Forever,
}

/// Which records of a dump are meant, where a function is given one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    Any,
    /// Those with this number, from 1.
    Number(u32),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// When an actor acts; where it waits for its CPU to come by, from when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<'a> {
    /// This long after firing; in whole microseconds.
    At(Duration),
    /// After another actor, which is armed already, has passed an edge.
    After {
        /// The other actor's name.
        actor: &'a str,
        /// The edge.
        edge: Edge,
        /// How long after it; in whole microseconds.
        delay: Duration,
    },
}

/// An actor to be armed. What is `None` is left out, and means what crashlab takes for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arm<'a> {
    /// Its name: at most 15 bytes, without blanks.
    pub name: &'a str,
    /// What it does.
    pub action: Action,
    /// The CPU that it does it on; whichever comes by, if none is named.
    pub cpu: Option<u32>,
    /// The context that it does it in; by default a thread.
    pub context: Option<Context>,
    /// The function at whose entry it acts: less than 64 bytes.
    pub function: Option<&'a str>,
    /// The lock that it holds.
    pub lock: Option<Lock>,
    /// How it oopses; by default by `BUG()`.
    pub kind: Option<OopsKind>,
    /// How a function fails.
    pub failure: Option<Failure>,
    /// What a function returns that fails by an error.
    pub error: Option<i64>,
    /// Which records it fails for, if what it is given is one.
    pub part: Option<Part>,
    /// How it restarts the machine; by default at once.
    pub how: Option<Reboot>,
    /// The CPU that it calls, or takes down or brings up.
    pub target: Option<u32>,
    /// How long it stays in its critical section; by default no time at all.
    pub stay: Option<Stay>,
    /// How many times it oopses, by default once, or prints or has a function fail, by default without end.
    pub count: Option<u32>,
    /// The time from one oops or message to the next, in whole microseconds; by default none.
    pub every: Option<Duration>,
    /// When it acts; by default at once, or as soon as its CPU comes by.
    pub start: Option<Start<'a>>,
}

impl<'a> Arm<'a> {
    /// An actor with nothing but defaults.
    pub const fn new(name: &'a str, action: Action, cpu: u32) -> Self {
        Self {
            name,
            action,
            cpu: Some(cpu),
            context: None,
            function: None,
            lock: None,
            kind: None,
            failure: None,
            error: None,
            part: None,
            how: None,
            target: None,
            stay: None,
            count: None,
            every: None,
            start: None,
        }
    }
}

/// As it stands behind `arm`.
impl fmt::Display for Arm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, action, cpu, context, function, lock, kind, .. } = self;
        let Self { failure, error, part, how, target, stay, count, every, start, .. } = self;
        write!(f, "{name} {action} cpu=")?;
        match cpu {
            Some(cpu) => cpu.fmt(f)?,
            None => f.write_str("any")?,
        }
        if let Some(context) = context {
            write!(f, " in={context}")?;
        }
        if let Some(function) = function {
            write!(f, " function={function}")?;
        }
        if let Some(lock) = lock {
            write!(f, " lock={lock}")?;
        }
        if let Some(kind) = kind {
            write!(f, " kind={kind}")?;
        }
        if let Some(failure) = failure {
            write!(f, " kind={failure}")?;
        }
        if let Some(error) = error {
            write!(f, " error={error}")?;
        }
        if let Some(part) = part {
            write!(f, " part={part}")?;
        }
        if let Some(how) = how {
            write!(f, " how={how}")?;
        }
        if let Some(target) = target {
            write!(f, " target={target}")?;
        }
        match stay {
            Some(Stay::For(time)) => write!(f, " for_us={}", time.as_micros())?,
            Some(Stay::Forever) => f.write_str(" for_us=ever")?,
            None => {}
        }
        if let Some(count) = count {
            write!(f, " count={count}")?;
        }
        if let Some(every) = every {
            write!(f, " every_us={}", every.as_micros())?;
        }
        match start {
            Some(Start::At(at)) => write!(f, " at_us={}", at.as_micros()),
            Some(Start::After { actor, edge, delay }) => {
                write!(f, " after={actor} edge={edge} delay_us={}", delay.as_micros())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_as_crashlab_reads_them() {
        for (command, text) in [
            (Command::Nonce("0123456789abcdef"), "nonce 0123456789abcdef"),
            (Command::Arm("p panic cpu=0"), "arm p panic cpu=0"),
            (Command::CallTracer, "call-tracer"),
            (Command::AwaitTracer, "await-tracer"),
            (Command::Fire, "fire"),
            (Command::AwaitExit, "await-exit"),
        ] {
            assert_eq!(command.to_string(), text);
        }
    }

    #[test]
    fn an_actor_of_defaults_is_short() {
        assert_eq!(Arm::new("p", Action::Panic, 2).to_string(), "p panic cpu=2");
    }

    #[test]
    fn every_option_is_written() {
        let us = Duration::from_micros;
        let arm = Arm {
            context: Some(Context::Function),
            function: Some("erst_write"),
            lock: Some(Lock::PstoreBuf),
            kind: Some(OopsKind::PageFault),
            how: Some(Reboot::PowerOff),
            target: Some(3),
            stay: Some(Stay::For(us(700_000))),
            count: Some(3),
            every: Some(us(20)),
            start: Some(Start::After { actor: "other", edge: Edge::Left, delay: us(5) }),
            ..Arm::new("a", Action::Hold, 1)
        };
        assert_eq!(
            arm.to_string(),
            "a hold cpu=1 in=function function=erst_write lock=pstore-buf kind=page-fault how=power-off target=3 \
             for_us=700000 count=3 every_us=20 after=other edge=left delay_us=5"
        );
        let arm = Arm { stay: Some(Stay::Forever), start: Some(Start::At(us(0))), ..Arm::new("b", Action::Spin, 0) };
        assert_eq!(arm.to_string(), "b spin cpu=0 for_us=ever at_us=0");
        let arm = Arm {
            cpu: None,
            failure: Some(Failure::Error),
            error: Some(-28),
            part: Some(Part::Number(2)),
            ..Arm::new("f", Action::Fail, 0)
        };
        assert_eq!(arm.to_string(), "f fail cpu=any kind=error error=-28 part=2");
        let arm = Arm { failure: Some(Failure::Torn), part: Some(Part::Any), ..arm };
        assert_eq!(Arm { error: None, ..arm }.to_string(), "f fail cpu=any kind=torn part=any");
    }
}
