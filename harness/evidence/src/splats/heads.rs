//! The lines that reports begin with.

use super::frames::{Function, frame, function};

/// How `panic()` begins its message.
const PANIC: &str = "Kernel panic - not syncing: ";

/// What stands before a report's first line by the `pr_fmt()` of the code that writes it.
const SUBSYSTEMS: &[&str] = &["watchdog: ", "NMI watchdog: ", "rcu: ", "traps: ", "kernel: ", "BUG: kernel: "];

/// What comes of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begins {
    /// `cut here`: a warning or a bug, with or without a message before its first line.
    Cut,
    /// A report.
    Report(Head),
}

/// A report's first line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Its title, up to the function.
    pub title: String,
    /// How the function is found.
    pub by: By,
    /// What the first line itself names.
    pub named: Option<Function>,
    /// What it is one of.
    pub family: Family,
    /// Whether it may go on with a report of its family that has begun.
    pub goes_on: bool,
    /// The text of a panic.
    pub panic: Option<String>,
}

impl Head {
    /// Whether it is a message that a `BUG()` follows, which has the trace.
    pub(super) fn comes_first(&self) -> bool {
        matches!(self.title.as_str(), "BUG: corrupted list" | "BUG: bad usercopy")
    }
}

/// How the function of a report's title is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// There is none in the title.
    None,
    /// The first line names it, or who called that.
    Name,
    /// Where the CPU stood, else who called.
    Pointer,
    /// The trace of calls.
    Trace,
    /// The place where a lock was asked for or given back.
    Lock,
    /// A line of its own: `caller is foo+0x1a/0x40`, `last function: foo`.
    Caller,
}

/// What belongs together in one report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// `WARN()`.
    Warning,
    /// Something that the kernel dies of, or kills a task for.
    Oops,
    /// A memory checker's.
    Memory,
    /// Something that other CPUs or tasks are asked about.
    Stuck,
    /// `panic()`.
    Panic,
    /// Any other.
    Other,
}

/// How they are named, what they belong to, and their beginnings with the title of each.
type Row = (By, Family, &'static [(&'static str, &'static str)]);

/// Titles by the beginning of the first line; of several that fit the first one counts. Without a title of its own the
/// beginning is it.
const ROWS: &[Row] = &[
    (
        By::Pointer,
        Family::Oops,
        &[
            ("BUG: kernel NULL pointer dereference", "BUG: unable to handle kernel NULL pointer dereference"),
            ("BUG: unable to handle kernel NULL pointer dereference", ""),
            ("BUG: unable to handle page fault", "BUG: unable to handle kernel paging request"),
            ("BUG: unable to handle kernel paging request", ""),
            (
                "Unable to handle kernel NULL pointer dereference",
                "BUG: unable to handle kernel NULL pointer dereference",
            ),
            ("Unable to handle kernel paging request", "BUG: unable to handle kernel paging request"),
            ("Unable to handle kernel read from unreadable memory", "BUG: unable to handle kernel paging request"),
            (
                "Unable to handle kernel write to read-only memory",
                "BUG: unable to handle kernel write to read-only memory",
            ),
            ("Unable to handle kernel execut", "BUG: unable to handle kernel execution of non-executable memory"),
            ("Unable to handle kernel access to user memory", "BUG: unable to handle kernel access to user memory"),
            ("Unable to handle kernel unaligned access", "BUG: unable to handle kernel unaligned access"),
            ("Unable to handle kernel", "BUG: unable to handle kernel access"),
            ("BUG: stack guard page was hit", ""),
            ("BUG: TASK stack guard page was hit", "BUG: stack guard page was hit"),
            ("BUG: IRQ stack guard page was hit", "BUG: stack guard page was hit"),
            ("Insufficient stack space to handle exception", "kernel stack overflow"),
            ("PANIC: double fault", ""),
            ("PANIC: early exception", ""),
            ("Unhandled fault", ""),
            ("SError Interrupt on CPU", "SError interrupt"),
            ("list_add corruption", "BUG: corrupted list"),
            ("list_del corruption", "BUG: corrupted list"),
            ("usercopy: Kernel memory ", "BUG: bad usercopy"),
            ("usercopy: kernel memory ", "BUG: bad usercopy"),
        ],
    ),
    (By::Name, Family::Oops, &[("CFI failure at ", "CFI failure"), ("Missing ENDBR: ", "missing ENDBR")]),
    (By::Pointer, Family::Stuck, &[("BUG: soft lockup", ""), ("Watchdog detected hard LOCKUP", "BUG: hard lockup")]),
    (By::None, Family::Stuck, &[("BUG: workqueue lockup", "")]),
    (By::Caller, Family::Other, &[("BUG: workqueue leaked", "BUG: workqueue leaked lock or atomic")]),
    (
        By::Trace,
        Family::Other,
        &[
            ("BUG: spinlock bad magic", ""),
            ("BUG: spinlock recursion", ""),
            ("BUG: spinlock lockup suspected", ""),
            ("BUG: spinlock already unlocked", ""),
            ("BUG: spinlock wrong owner", ""),
            ("BUG: spinlock wrong CPU", ""),
            ("BUG: rwlock bad magic", ""),
            ("BUG: rwlock", "BUG: rwlock bug"),
            ("BUG: sleeping function called from invalid context", ""),
            ("BUG: scheduling while atomic", ""),
            ("BUG: assuming atomic context", ""),
            ("BUG: assuming non migratable context", ""),
            ("BUG: Bad page state", ""),
            ("BUG: Bad page cache", ""),
            ("WARNING: suspicious RCU usage", ""),
            ("INFO: suspicious RCU usage", ""),
            ("INFO: trying to register non-static key", ""),
            ("rust_kernel: panicked at", "rust_kernel: panicked"),
            ("unreferenced object ", "memory leak"),
        ],
    ),
    (
        By::None,
        Family::Other,
        &[
            ("BUG: Bad page map", ""),
            ("BUG: Bad rss-counter state", ""),
            ("BUG: non-zero pgtables_bytes on freeing mm", ""),
            ("BUG: Dentry ", "BUG: Dentry still in use"),
            ("BUG: MAX_LOCKDEP_ENTRIES too low", "BUG: MAX_LOCKDEP_ENTRIES too low!"),
            ("BUG: MAX_LOCKDEP_CHAINS too low", "BUG: MAX_LOCKDEP_CHAINS too low!"),
            ("BUG: MAX_LOCK_DEPTH too low", "BUG: MAX_LOCK_DEPTH too low!"),
            ("BUG: MAX_STACK_TRACE_ENTRIES too low", "BUG: MAX_STACK_TRACE_ENTRIES too low!"),
            ("WARNING: kernel stack regs at", "WARNING: kernel stack regs has bad value"),
            ("WARNING: kernel stack frame pointer at", "WARNING: kernel stack frame pointer has bad value"),
            ("WARNING: stack recursion on stack type", "WARNING: stack recursion"),
            ("kmemleak: ", "memory leak"),
            ("unregister_netdevice: waiting for ", "unregister_netdevice: waiting for DEV to become free"),
            ("VFS: Busy inodes after unmount", "VFS: Busy inodes after unmount (use-after-free)"),
            ("VFS: Close: file count is 0", "VFS: Close: file count is zero (use-after-free)"),
        ],
    ),
    (
        By::Lock,
        Family::Other,
        &[
            ("BUG: Invalid wait context", "BUG: invalid wait context"),
            ("BUG: held lock freed", ""),
            ("BUG: lock held when returning to user space", ""),
            ("BUG: bad unlock balance detected", "BUG: bad unlock balance"),
            ("WARNING: possible circular locking dependency detected", "possible deadlock"),
            ("WARNING: possible recursive locking detected", "possible deadlock"),
            ("WARNING: possible irq lock inversion dependency detected", "possible deadlock"),
            ("WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", "possible deadlock"),
            ("WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected", "possible deadlock"),
            ("WARNING: HARDIRQ-READ-safe", "possible deadlock"),
            ("WARNING: SOFTIRQ-READ-safe", "possible deadlock"),
            ("INFO: possible circular locking dependency detected", "possible deadlock"),
            ("INFO: possible recursive locking detected", "possible deadlock"),
            ("INFO: possible irq lock inversion dependency detected", "possible deadlock"),
            ("INFO: HARDIRQ-safe -> HARDIRQ-unsafe", "possible deadlock"),
            ("INFO: SOFTIRQ-safe -> SOFTIRQ-unsafe", "possible deadlock"),
            ("WARNING: inconsistent lock state", "inconsistent lock state"),
            ("INFO: inconsistent lock state", "inconsistent lock state"),
            ("WARNING: bad unlock balance detected", "WARNING: bad unlock balance"),
            ("WARNING: held lock freed", ""),
            ("WARNING: Nested lock was not taken", "WARNING: nested lock was not taken"),
            ("WARNING: lock held when returning to user space", ""),
        ],
    ),
];

/// The CPU's own exceptions, as `die()` names them.
const TRAPS: &[(&str, &str)] = &[
    ("general protection fault", "general protection fault"),
    ("segment-related general protection fault", "general protection fault"),
    ("divide error", "divide error"),
    ("divide_error", "divide error"),
    ("invalid opcode", "invalid opcode"),
    ("stack segment", "stack segment fault"),
    ("int3", "int3"),
    ("bounds", "bounds"),
    ("alignment check", "alignment check"),
    ("segment not present", "segment not present"),
    ("invalid TSS", "invalid TSS"),
    ("control protection fault", "control protection fault"),
    ("kernel stack overflow", "kernel stack overflow"),
    ("synchronous external abort", "synchronous external abort"),
];

/// What `WARN()` says where it is about more than its place.
const WARNINGS: &[(&str, &str)] = &[
    ("refcount_t: ", "WARNING: refcount bug"),
    ("ODEBUG: ", "WARNING: ODEBUG bug"),
    ("DEBUG_LOCKS_WARN_ON(", "WARNING: locking bug"),
    ("DEBUG_RWSEMS_WARN_ON(", "WARNING: locking bug"),
    ("Looking for class ", "WARNING: locking bug"),
    ("list_add corruption", "BUG: corrupted list"),
    ("list_del corruption", "BUG: corrupted list"),
    ("Bad or missing usercopy whitelist?", "WARNING: bad usercopy"),
    ("proc_dir_entry ", "WARNING: proc registration bug"),
    ("kobject: ", "WARNING: kobject bug"),
];

/// Panics that something else leads to, which has said what it is.
const FOR_ANOTHER: &[&str] = &[
    "Fatal exception",
    "Oops: Fatal exception",
    "panic_on_warn set",
    "softlockup: hung tasks",
    "hung_task: blocked tasks",
    "Hard LOCKUP",
    "RCU Stall",
    "Aiee, killing interrupt handler!",
    "Attempted to kill the idle task!",
    "Attempted to kill init!",
    "kasan.fault=panic set",
    "kernel stack overflow",
    "Unrecoverable exception",
    "scheduling while atomic",
    "workqueue lockup",
    "Asynchronous SError Interrupt",
];

/// Whether a panic of this text is what another report leads to.
pub(super) fn panics_for_another(text: &str) -> bool {
    FOR_ANOTHER.iter().any(|begins| text.starts_with(begins)) || text.contains(": panic_on_warn set")
}

/// What a line begins, if it does. `cut` is what has come behind `cut here`, where that is the last that came.
pub(super) fn begins(text: &str, cut: Option<&str>) -> Option<Begins> {
    if text.contains("--- cut here ---") || text.contains("[ cut here ]") {
        return Some(Begins::Cut);
    }
    let text = bare(text);
    if let Some(panic) = text.strip_prefix(PANIC) {
        return Some(Begins::Report(panicked(panic)));
    }
    let head =
        row(text).or_else(|| trap(text)).or_else(|| checker(text)).or_else(|| ubsan(text)).or_else(|| slub(text));
    let head = head
        .or_else(|| stuck(text))
        .or_else(|| preemptible(text))
        .or_else(|| held(text))
        .or_else(|| warning(text, cut))
        .or_else(|| bug(text))
        .or_else(|| torn_warning(text, cut));
    // What a warning or a bug is about, and not yet itself: its first line comes.
    let is_message = |head: &Head| cut.is_some() && head.family == Family::Oops && head.comes_first();
    head.filter(|head| !is_message(head)).map(Begins::Report)
}

/// A line without what subsystems put before it, and without lockdep's brackets.
fn bare(mut text: &str) -> &str {
    text = text.strip_prefix("[ ").map_or(text, |inside| inside.strip_suffix(" ]").unwrap_or(inside));
    while let Some(rest) = SUBSYSTEMS.iter().find_map(|subsystem| text.strip_prefix(subsystem)) {
        text = rest;
    }
    // `watchdog: CPU1: Watchdog detected hard LOCKUP on cpu 2`
    let of_cpu = text.strip_prefix("CPU").and_then(|rest| rest.split_once(": "));
    of_cpu.filter(|(cpu, _)| cpu.bytes().all(|byte| byte.is_ascii_digit())).map_or(text, |(_, rest)| rest)
}

fn head(title: &str, by: By, family: Family) -> Head {
    Head { title: title.to_owned(), by, named: None, family, goes_on: false, panic: None }
}

fn row(text: &str) -> Option<Head> {
    let of = |(by, family, rows): &(By, Family, &[(&'static str, &'static str)])| {
        let (begins, title) = *rows.iter().find(|(begins, _)| text.starts_with(begins))?;
        Some((begins, if title.is_empty() { begins } else { title }, *by, *family))
    };
    let (begins, title, by, family) = ROWS.iter().find_map(of)?;
    let rest = text.get(begins.len()..).unwrap_or_default();
    let fits = match begins {
        "kmemleak: " => rest.ends_with("(see /sys/kernel/debug/kmemleak)"),
        "BUG: Dentry " => rest.contains("still in use"),
        "SError Interrupt on CPU" => rest.starts_with(|c: char| c.is_ascii_digit()),
        _ => true,
    };
    let named = (by == By::Name).then(|| function(rest).map(|(function, _)| function)).flatten();
    fits.then(|| Head { named, ..head(title, by, family) })
}

/// `general protection fault: 0000 [#1] SMP`, `Oops: divide error: 0000 [#1]`, `Internal error: Oops: 96000004 [#1]`.
fn trap(text: &str) -> Option<Head> {
    let (mut rest, mut wrapped) = (text, false);
    while let Some(inside) = ["Oops: ", "Internal error: ", "Oops - "].iter().find_map(|word| rest.strip_prefix(word)) {
        (rest, wrapped) = (inside, true);
    }
    let dies = text.contains("[#") || rest.contains(", probably for ");
    if !dies {
        return None;
    }
    let oops = |title: &str, goes_on: bool| Head { goes_on, ..head(title, By::Pointer, Family::Oops) };
    if let Some((_, title)) = TRAPS.iter().find(|(begins, _)| rest.starts_with(begins)) {
        return Some(oops(title, true));
    }
    if !wrapped {
        return None;
    }
    if let Some(what) = rest.strip_prefix("UBSAN: ").and_then(|rest| rest.split_once(':')) {
        return Some(oops(&format!("UBSAN: {}", what.0.replace(' ', "-")), false));
    }
    let by_number = rest.starts_with(|c: char| c.is_ascii_hexdigit()) && rest.contains(" [#");
    let is_code = rest.split(' ').next().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let title = if by_number && is_code { "Oops" } else { "Internal error" };
    Some(oops(title, true))
}

/// KASAN, KMSAN, KFENCE and KCSAN.
fn checker(text: &str) -> Option<Head> {
    let text = text.strip_prefix("BUG: ")?;
    let (who, rest) = ["KASAN", "KMSAN", "KFENCE", "KCSAN"]
        .into_iter()
        .find_map(|who| Some((who, text.strip_prefix(who)?.strip_prefix(": ")?)))?;
    if who == "KCSAN" {
        let race = rest.split(" / ").map(|part| {
            part.split_once(" in ")
                .map_or_else(|| bare_name(part).to_owned(), |(what, name)| format!("{what} in {}", bare_name(name)))
        });
        return Some(head(&format!("KCSAN: {}", race.collect::<Vec<_>>().join(" / ")), By::None, Family::Memory));
    }
    let (what, place) = rest.split_once(" in ").or_else(|| rest.split_once(" (in ")).unwrap_or((rest, ""));
    let what = match what {
        "double-free or invalid-free" => "invalid-free",
        what => what,
    };
    // The rest of the line has an address, if it has no function.
    let what: String =
        what.split(' ').take_while(|word| *word != "at" && !word.starts_with("0x")).collect::<Vec<_>>().join(" ");
    let named = function(place).map(|(function, _)| function);
    Some(Head { named, ..head(&format!("{who}: {what}"), By::Name, Family::Memory) })
}

/// A function's name without what follows it.
fn bare_name(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

/// `UBSAN: shift-out-of-bounds in lib/foo.c:12:34`
fn ubsan(text: &str) -> Option<Head> {
    let what = text.strip_prefix("UBSAN: ")?.split_once(" in ")?.0;
    let what = if what == "Undefined behaviour" { "undefined-behaviour".to_owned() } else { what.replace(' ', "-") };
    Some(head(&format!("UBSAN: {what}"), By::Trace, Family::Other))
}

/// `BUG kmalloc-64 (Tainted: G    B): Poison overwritten`
fn slub(text: &str) -> Option<Head> {
    let (_, rest) = text.strip_prefix("BUG ")?.split_once(" (")?;
    let (taint, what) = rest.split_once("): ")?;
    let is_taint = taint.starts_with("Not tainted") || taint.starts_with("Tainted");
    let what = normalised(what);
    is_taint.then(|| head(&format!("slab corruption: {what}"), By::Trace, Family::Other))
}

/// Stalls of RCU, and tasks that hang.
fn stuck(text: &str) -> Option<Head> {
    let rest = text.strip_prefix("INFO: ").unwrap_or(text);
    let stalls = rest.starts_with("rcu_")
        && ["detected stall", "self-detected stall", "detected expedited stalls"]
            .iter()
            .any(|words| rest.contains(words));
    if stalls {
        return Some(head("INFO: rcu detected stall", By::Pointer, Family::Stuck));
    }
    let rest = text.strip_prefix("INFO: task ")?;
    if rest.contains(" blocked for more than ") || rest.contains(" blocked in I/O wait for more than ") {
        return Some(head("INFO: task hung", By::Trace, Family::Other));
    }
    rest.contains(" can't die for more than ").then(|| head("INFO: task can't die", By::Trace, Family::Other))
}

/// `BUG: using smp_processor_id() in preemptible [00000000] code: foo/1`
fn preemptible(text: &str) -> Option<Head> {
    let (what, _) = text.strip_prefix("BUG: using ")?.split_once(" in preemptible ")?;
    Some(head(&format!("BUG: using {what} in preemptible code"), By::Caller, Family::Other))
}

/// `WARNING: foo/1 still has locks held!`
fn held(text: &str) -> Option<Head> {
    let (what, _) = text.strip_suffix(" still has locks held!")?.split_once(": ")?;
    matches!(what, "WARNING" | "BUG").then(|| head(&format!("{what}: still has locks held"), By::Lock, Family::Other))
}

/// `WARNING: CPU: 1 PID: 50 at lib/foo.c:12 foo+0x1a/0x40`, from 7.0 on `WARNING: lib/foo.c:12 at foo+0x1a/0x40, CPU#1: bar/50`.
fn warning(text: &str, cut: Option<&str>) -> Option<Head> {
    let rest = text.strip_prefix("WARNING: ")?;
    let named = rest
        .match_indices(' ')
        .filter_map(|(at, _)| function(rest.get(at + 1..)?))
        .map(|(function, _)| function)
        .next();
    let has_place =
        rest.contains(" at ") && (rest.starts_with("CPU: ") && rest.contains(" PID: ") || rest.contains(", CPU#"));
    (named.is_some() || has_place).then(|| Head { named, ..warned(cut.unwrap_or_default()) })
}

/// What comes behind the first line of a warning, where that is torn off.
fn torn_warning(text: &str, cut: Option<&str>) -> Option<Head> {
    let comes_behind = text.starts_with("Modules linked in:") || text.starts_with("CPU: ") && text.contains(" PID: ");
    cut.filter(|_| comes_behind).map(warned)
}

/// A warning with such a message.
fn warned(message: &str) -> Head {
    head(of_message(message).unwrap_or("WARNING"), By::Name, Family::Warning)
}

/// The title of a warning with such a message, if it has one of its own.
pub(super) fn of_message(message: &str) -> Option<&'static str> {
    WARNINGS.iter().find(|(begins, _)| message.starts_with(begins)).map(|(_, title)| *title)
}

/// `kernel BUG at lib/foo.c:12!`; any other bug by its words.
fn bug(text: &str) -> Option<Head> {
    if text.starts_with("kernel BUG at ") || text.starts_with("Kernel BUG at ") {
        return Some(head("kernel BUG", By::Pointer, Family::Oops));
    }
    let words = text.strip_prefix("BUG: ")?;
    Some(head(&format!("BUG: {}", normalised(words)), By::None, Family::Other))
}

fn panicked(text: &str) -> Head {
    let stack = text.strip_prefix("stack-protector: Kernel stack is corrupted in: ");
    let mut read = match stack {
        Some(place) => Head {
            named: function(place).map(|(function, _)| function).or_else(|| frame(place)),
            ..head("kernel panic: stack is corrupted", By::Name, Family::Panic)
        },
        None if text.starts_with("corrupted stack end detected") => {
            head("kernel panic: corrupted stack end", By::Trace, Family::Panic)
        }
        None => {
            let words = ["Attempted to kill init!", "VFS: Unable to mount root fs"]
                .into_iter()
                .find(|words| text.starts_with(words));
            head(&format!("kernel panic: {}", normalised(words.unwrap_or(text))), By::None, Family::Panic)
        }
    };
    read.panic = Some(bounded(text));
    read
}

/// The words of the panic whose line this is, if it is one's.
pub(super) fn panic_of(text: &str) -> Option<String> {
    bare(text).strip_prefix(PANIC).map(bounded)
}

fn bounded(text: &str) -> String {
    text.chars().take(super::MAX_TITLE).collect()
}

/// Words without what differs from one time to the next: addresses become `ADDR`, numbers `NUM`.
fn normalised(text: &str) -> String {
    let mut normal = String::new();
    for (count, word) in text.split_ascii_whitespace().enumerate() {
        if count > 0 {
            normal.push(' ');
        }
        let mut rest = word;
        while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            let (before, from) = rest.split_at(at);
            let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(from.len());
            let (token, after) = from.split_at(end);
            normal += before;
            normal += match token {
                _ if token.bytes().all(|byte| byte.is_ascii_digit()) && token.len() < 12 => "NUM",
                _ if is_address(token) => "ADDR",
                _ => token,
            };
            rest = after;
        }
        normal += rest;
    }
    normal.chars().take(super::MAX_TITLE).collect()
}

fn is_address(token: &str) -> bool {
    let hex = token.strip_prefix("0x").unwrap_or(token);
    let has_digit = hex.bytes().any(|byte| byte.is_ascii_digit());
    hex.bytes().all(|byte| byte.is_ascii_hexdigit()) && (token.len() > hex.len() || hex.len() >= 8 && has_digit)
}
