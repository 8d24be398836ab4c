//! The kernel's own reports of something wrong, by their titles: what kind of report it is, and in which function.
//!
//! ```text
//! text ─> lines: pieces, each with who wrote it ─> heads: does a report begin here? ─> report: what follows it ─> Splat
//!                                                                     frames: whose fault, by the calls
//! ```
//!
//! Titles are formed as syzkaller forms those of its reports, so that they can be looked up: `WARNING in foo`, `KASAN:
//! slab-use-after-free Read in foo`, `possible deadlock in foo`. Addresses, offsets and numbers are no part of a title, so
//! that the same report of two trials, or of two kernels, has the same one.
//!
//! A report is what one task or CPU writes. Where the log tells who wrote a line, others may write between; where it does
//! not, the lines that follow are taken for the report's.

mod frames;
mod heads;
mod lines;
mod report;

use std::collections::BTreeMap;

use super::printk::Caller;
use heads::Begins;
use report::Report;

/// Reports of a text that are told at most: the first ones, from which the others may follow.
pub const MAX_SPLATS: usize = 64;

/// Characters of a title at most.
pub const MAX_TITLE: usize = 160;

/// Tasks and CPUs that have a report open at a time, at most.
const MAX_OPEN: usize = 64;

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splat {
    /// Its title.
    pub title: String,
    /// The module that the function in its title is of; none where the kernel itself has it, or no function is known.
    pub module: Option<String>,
    /// Where it is the message of a panic, that.
    pub panic: Option<String>,
}

/// The reports in a text, in the order in which they begin. Takes any text.
///
/// The panic that a report itself leads to is none of its own (`Fatal exception`, `panic_on_warn set`). Where the report
/// is not there, the panic is told.
pub fn find(text: &str) -> Vec<Splat> {
    let mut finder = Finder::default();
    for piece in lines::pieces(text) {
        finder.take(piece.caller, piece.text);
    }
    finder.finish()
}

/// The words of the first panic in a text, what leads to it or not.
pub fn first_panic(text: &str) -> Option<String> {
    lines::pieces(text).find_map(|piece| heads::panic_of(piece.text))
}

/// Reports that have begun, and those that are told.
#[derive(Debug, Default)]
struct Finder {
    open: BTreeMap<Option<CallerKey>, Open>,
    /// In the order in which they begin; what is still open has a place already.
    told: Vec<Option<Splat>>,
    /// Whose lines belong to another's report: a CPU that was asked for its backtrace.
    lent: BTreeMap<Option<CallerKey>, Option<CallerKey>>,
}

/// A [`Caller`] with an order.
type CallerKey = (bool, u32);

/// What a caller is at.
#[derive(Debug)]
enum Open {
    /// Behind `cut here`, where the message of a warning may come before its first line.
    Cut(String),
    /// A report, and its place among those told.
    Report(usize, Box<Report>),
}

impl Finder {
    fn take(&mut self, caller: Option<Caller>, text: &str) {
        let who = caller.map(|caller| match caller {
            Caller::Task(pid) => (false, pid),
            Caller::Cpu(cpu) => (true, cpu),
        });
        if text.starts_with("NMI backtrace for cpu ") {
            return self.backtrace(who);
        }
        let cut = match self.open.get(&who) {
            Some(Open::Cut(message)) => Some(message.clone()),
            _ => None,
        };
        match heads::begins(text, cut.as_deref()) {
            Some(Begins::Cut) => {
                if matches!(self.open.get(&who), Some(Open::Report(_, report)) if report.is_first()) {
                    return;
                }
                self.close(who);
                self.put(who, Open::Cut(String::new()));
            }
            Some(Begins::Report(head)) => {
                if let Some(Open::Report(_, report)) = self.open.get_mut(&who)
                    && report.absorbs(&head)
                {
                    report.take(text);
                    return;
                }
                let follows = head.panic.as_deref().is_some_and(heads::panics_for_another);
                if follows && matches!(self.open.get(&who), Some(Open::Report(..))) {
                    // A warning that panics may have its trace behind.
                    return;
                }
                self.close(who);
                if self.told.len() < MAX_SPLATS {
                    self.told.push(None);
                    let report = Box::new(Report::new(head, cut.as_deref()));
                    self.put(who, Open::Report(self.told.len() - 1, report));
                }
            }
            None => self.follow(who, text),
        }
    }

    /// A line that begins nothing.
    fn follow(&mut self, who: Option<CallerKey>, text: &str) {
        let owner = if self.open.contains_key(&who) { who } else { self.lent.get(&who).copied().unwrap_or(who) };
        let done = match self.open.get_mut(&owner) {
            Some(Open::Cut(message)) => {
                if message.is_empty() {
                    message.extend(text.chars().take(MAX_TITLE));
                }
                false
            }
            Some(Open::Report(_, report)) => report.take(text),
            None => return,
        };
        if done {
            self.close(owner);
        }
    }

    /// A CPU tells where it is. The one that found something stuck has asked it to.
    fn backtrace(&mut self, who: Option<CallerKey>) {
        let asks = |open: &Open| matches!(open, Open::Report(_, report) if report.is_of_others());
        if self.open.get(&who).is_some_and(asks) {
            return;
        }
        let owner = self.open.iter().find(|(_, open)| asks(open)).map(|(owner, _)| *owner);
        let Some(owner) = owner else { return self.close(who) };
        if let Some(Open::Report(_, report)) = self.open.get_mut(&owner) {
            report.backtrace();
        }
        if self.lent.len() < MAX_OPEN {
            self.lent.insert(who, owner);
        }
    }

    fn put(&mut self, who: Option<CallerKey>, open: Open) {
        if self.open.len() >= MAX_OPEN {
            let first = self.open.keys().next().copied();
            if let Some(first) = first {
                self.close(first);
            }
        }
        self.open.insert(who, open);
    }

    fn close(&mut self, who: Option<CallerKey>) {
        self.lent.retain(|_, owner| *owner != who);
        if let Some(Open::Report(place, report)) = self.open.remove(&who)
            && let Some(slot) = self.told.get_mut(place)
        {
            *slot = Some(report.splat());
        }
    }

    fn finish(mut self) -> Vec<Splat> {
        let open: Vec<_> = self.open.keys().copied().collect();
        for who in open {
            self.close(who);
        }
        let mut told: Vec<Splat> = Vec::new();
        for splat in self.told.into_iter().flatten() {
            let follows = splat.panic.as_deref().is_some_and(heads::panics_for_another) && !told.is_empty();
            if !follows {
                told.push(splat);
            }
        }
        told
    }
}

#[cfg(test)]
mod tests;
