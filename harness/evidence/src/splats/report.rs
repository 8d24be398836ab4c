//! A report that has begun, and what of the lines behind it says where the fault is.

use super::Splat;
use super::frames::{Function, bare_function, frame, function, pointer};
use super::heads::{By, Family, Head, of_message};

/// Lines that are read behind the first one, at most.
const MAX_LINES: usize = 400;

/// Calls that are looked through, at most.
const MAX_FRAMES: usize = 64;

/// Lines behind which lockdep names the place that it is about.
const LOCKS: &[&str] = &[
    "is trying to acquire",
    "is trying to lock:",
    "just changed the state of lock",
    "takes:",
    "is trying to release lock",
    "is freeing memory",
    "still has locks held",
    "lock held when returning to user space",
    "locks still held",
    "but this task is not holding",
    "held by ",
];

/// Where a trace begins that tells of something earlier than the report.
const EARLIER: &[&str] = &[
    "Allocated by task",
    "Freed by task",
    "allocated by task",
    "freed by task",
    "Last potentially related work creation",
    "Second to last potentially",
    "Uninit was",
    "Local variable",
];

/// Entries from an exception: what is above them was interrupted by what is below.
const ENTRIES: &[&str] =
    &["el1_irq", "el1h_64_irq", "el1h_64_fiq", "asm_sysvec_", "asm_common_interrupt", "asm_exc_nmi"];

/// A report that has begun.
#[derive(Debug)]
pub(super) struct Report {
    head: Head,
    /// Where the CPU stood.
    pointer: Option<Function>,
    /// What the trace has, the last call first.
    calls: Vec<Function>,
    /// Where the lock is.
    lock: Option<Function>,
    /// Whether the next place of a lock is the one.
    lock_due: bool,
    /// What the caller's own line names.
    caller: Option<Function>,
    /// Whether it read or wrote.
    access: Option<&'static str>,
    /// Whether the trace that is meant is over.
    sealed: bool,
    /// Whether the trace that comes is of a task that has to do with it, and not of what is stuck.
    of_another: bool,
    lines: usize,
}

impl Report {
    /// One with this first line, behind the message of a warning if there was one.
    pub(super) fn new(mut head: Head, message: Option<&str>) -> Self {
        if head.family == Family::Oops
            && message.is_some_and(|message| of_message(message) == Some("BUG: corrupted list"))
        {
            "BUG: corrupted list".clone_into(&mut head.title);
        }
        Self {
            head,
            pointer: None,
            calls: Vec::new(),
            lock: None,
            lock_due: false,
            caller: None,
            access: None,
            sealed: false,
            of_another: false,
            lines: 0,
        }
    }

    /// Whether another first line only goes on with it.
    pub(super) fn absorbs(&self, head: &Head) -> bool {
        self.head.family == Family::Oops
            && head.family == Family::Oops
            && (head.goes_on || head.title == "kernel BUG" || self.head.title == head.title)
    }

    /// Whether it waits for a `BUG()`, which comes behind `cut here`.
    pub(super) fn is_first(&self) -> bool {
        self.head.comes_first() && self.pointer.is_none()
    }

    /// Whether others are asked to tell where they are.
    pub(super) fn is_of_others(&self) -> bool {
        self.head.family == Family::Stuck
    }

    /// A CPU begins to tell where it is: of it alone the place counts, and not of who has asked.
    pub(super) fn backtrace(&mut self) {
        self.of_another = false;
        if self.pointer.is_none() {
            self.calls.clear();
        }
    }

    /// Takes a line behind the first one; says whether it was the last.
    pub(super) fn take(&mut self, text: &str) -> bool {
        self.lines += 1;
        if text.starts_with("---[ end ") || self.lines >= MAX_LINES {
            return true;
        }
        if EARLIER.iter().any(|begins| text.starts_with(begins)) {
            self.sealed |= !self.calls.is_empty();
        }
        if self.head.family == Family::Warning && self.head.title == "WARNING" && self.calls.is_empty() {
            // From 7.0 on the message comes behind.
            if let Some(title) = of_message(text) {
                title.clone_into(&mut self.head.title);
            }
        }
        if self.access.is_none() {
            self.access = access(text);
        }
        if self.head.family == Family::Stuck {
            if text == "</IRQ>" || text == "</NMI>" {
                self.calls.clear();
            }
            self.of_another |= text.contains("grace-period kthread stack dump");
            self.of_another &= !text.starts_with("Task dump for CPU");
        }
        if let Some(place) = pointer(text) {
            self.pointer.get_or_insert(place);
        } else if let Some(call) = frame(text) {
            self.call(call);
        }
        let caller = ["caller is ", "last function: ", "workfn="].iter().find_map(|mark| text.split_once(mark));
        if let Some((_, name)) = caller
            && self.caller.is_none()
        {
            self.caller = function(name).map_or_else(|| bare_function(name), |(function, _)| Some(function));
        }
        self.take_lock(text);
        false
    }

    fn call(&mut self, call: Function) {
        if self.sealed || self.of_another || self.calls.len() >= MAX_FRAMES {
            return;
        }
        if self.head.family == Family::Stuck && ENTRIES.iter().any(|entry| call.name.starts_with(entry)) {
            // What has told is above: the one that it interrupted comes.
            self.calls.clear();
            return;
        }
        self.calls.push(call);
    }

    /// Lockdep names a lock, and behind `at:` where.
    fn take_lock(&mut self, text: &str) {
        self.lock_due |= LOCKS.iter().any(|words| text.contains(words));
        if !self.lock_due || self.lock.is_some() {
            return;
        }
        let at = text.split_once("at: ").map(|(_, at)| at).or_else(|| text.starts_with("[<").then_some(text));
        let at = at
            .map(|at| at.strip_prefix("[<").and_then(|rest| rest.split_once(">]")).map_or(at, |(_, rest)| rest).trim());
        self.lock = at.and_then(function).map(|(function, _)| function);
    }

    /// What it says.
    pub(super) fn splat(self) -> Splat {
        let Self { head, pointer, calls, lock, caller, access, .. } = self;
        let called = |first: Option<&Function>| {
            let blamed = first.into_iter().chain(&calls).find(|function| !function.carries_out());
            blamed.or(first).or(calls.first()).cloned()
        };
        let place = match head.by {
            By::None => None,
            By::Name => called(head.named.as_ref().or(pointer.as_ref())),
            By::Pointer => called(pointer.as_ref()),
            By::Trace => called(None),
            By::Lock => called(lock.as_ref()),
            By::Caller => called(caller.as_ref()),
        };
        let mut title = head.title;
        if title == "kernel BUG"
            && let Some(found) = pointer.as_ref().and_then(found_by)
        {
            found.clone_into(&mut title);
        }
        let frees = ["double-free", "invalid-free"].iter().any(|what| title.ends_with(what));
        if head.family == Family::Memory && title.starts_with("KASAN") && !frees {
            title.extend(access.into_iter().flat_map(|access| [" ", access]));
        }
        if let Some(place) = &place {
            title = format!("{title} in {}", place.name);
        }
        Splat {
            title: title.chars().take(super::MAX_TITLE).collect(),
            module: place.and_then(|place| place.module),
            panic: head.panic,
        }
    }
}

/// What a `BUG()` in such a function is about, where its message is not there.
fn found_by(function: &Function) -> Option<&'static str> {
    match function.name.as_str() {
        name if name.starts_with("__list_add_valid") || name.starts_with("__list_del_entry_valid") => {
            Some("BUG: corrupted list")
        }
        "usercopy_abort" | "__check_object_size" => Some("BUG: bad usercopy"),
        _ => None,
    }
}

/// `Read of size 8 at addr …`, `Write at addr …`
fn access(text: &str) -> Option<&'static str> {
    let of = |word: &str| {
        text.strip_prefix(word).is_some_and(|rest| rest.starts_with(" of size ") || rest.starts_with(" at addr "))
    };
    ["Read", "Write"].into_iter().find(|word| of(word))
}
