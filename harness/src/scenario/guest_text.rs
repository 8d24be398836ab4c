//! The instance as the text which the guest's agent reads from `fw_cfg`.
//!
//! One instruction a line, words separated by one blank, times in microseconds; the agent executes them in order. An
//! actor is armed after the one that it waits for:
//!
//! ```text
//! nonce 0123456789abcdef
//! witnesses 32
//! set /proc/sys/kernel/panic_on_oops 0
//! arm dump hold-backend-write cpu=1 for_us=700000
//! arm oops oops cpu=1 at_us=0
//! arm panic panic cpu=0 after=dump edge=entered delay_us=50000
//! fire
//! ```

use std::fmt::{self, Display, Formatter};

use super::{Actor, Fault, Instance, Start};

impl Instance {
    /// The text for the agent. `nonce` (16 lowercase hex digits) marks the trial's lines in the guest's log, of which
    /// `witnesses` are written before the faults are fired.
    ///
    /// Names and values were checked when the scenario was read: none of them has a line break in it, no name a blank.
    pub fn to_guest(&self, nonce: &str, witnesses: u32) -> String {
        GuestText { instance: self, nonce, witnesses }.to_string()
    }
}

struct GuestText<'a> {
    instance: &'a Instance,
    nonce: &'a str,
    witnesses: u32,
}

impl Display for GuestText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "nonce {}", self.nonce)?;
        writeln!(f, "witnesses {}", self.witnesses)?;
        for knob in &self.instance.knobs {
            writeln!(f, "set {} {}", knob.path, knob.value)?;
        }
        // crashlab lets an actor wait only for one that is armed already.
        let mut actors: Vec<&Actor> = self.instance.actors.iter().collect();
        actors.sort_by_key(|actor| waits_behind(actor, &self.instance.actors));
        for actor in actors {
            arm(f, actor)?;
        }
        writeln!(f, "fire")
    }
}

/// How many actors have to be armed before this one: the length of the chain that it waits behind.
fn waits_behind(actor: &Actor, all: &[Actor]) -> usize {
    let awaited = |actor: &&Actor| match actor.fault.start() {
        Some(Start::After { actor: name, .. }) => all.iter().find(|other| other.name == *name),
        Some(Start::At(_)) | None => None,
    };
    // The chain ends, as the scenario was checked; that of an instance made by hand may not.
    std::iter::successors(awaited(&actor), awaited).take(all.len()).count()
}

fn arm(f: &mut Formatter<'_>, actor: &Actor) -> fmt::Result {
    let Actor { name, cpu, fault } = actor;
    write!(f, "arm {name} {} cpu={cpu}", fault.keyword())?;
    if let Fault::HoldBackendWrite { hold } | Fault::SpinIrqsOff { hold, .. } = fault {
        write!(f, " for_us={}", hold.as_micros())?;
    }
    match fault.start() {
        None => {}
        Some(Start::At(at)) => write!(f, " at_us={}", at.as_micros())?,
        Some(Start::After { actor, edge, delay }) => {
            write!(f, " after={actor} edge={} delay_us={}", edge.name(), delay.as_micros())?;
        }
    }
    writeln!(f)
}
