use proptest::prelude::*;

use super::*;
use crate::model::ActorStamps;
use crate::verdict::testlog::timeline;

const PANIC: &str = "[    2.000000][   T71] Kernel panic - not syncing: crashlab 0123456789abcdef\n";
const ERST_HELD: &str = "[    2.400000][   T71] pstore: backend (erst) writing error (-16)\n";
const SKIPPED: &str = "[    3.017100][   T71] pstore: dump skipped in Panic path because of concurrent dump\n";

/// As of Linux 6.12 with the whole log in memory.
fn of<'a>(log: &'a str, timeline: Option<&'a Timeline>, known: &'a Known) -> Circumstances<'a> {
    Circumstances {
        log,
        log_is_whole: true,
        timeline,
        actors: &known.actors,
        calls: &known.calls,
        hindrances: &known.hindrances,
        linux: (6, 12),
    }
}

/// What is known of actors.
#[derive(Default)]
struct Known {
    actors: Vec<ActorInterval>,
    calls: BTreeMap<String, u32>,
    hindrances: Hindrances,
}

impl Known {
    /// One actor on CPU 1, which was inside from one of these times to the other.
    fn actor(does: &str, calls: u32, from: u64, to: Option<u64>) -> Self {
        let name = || "it".to_owned();
        let stamps = ActorStamps { actor: name(), cpu: 1, entered_us: Some(from), left_us: to };
        Self {
            actors: vec![ActorInterval::stamped(&stamps)],
            calls: BTreeMap::from([(name(), calls)]),
            hindrances: Hindrances { actors: BTreeMap::from([(name(), does.to_owned())]), background: None },
        }
    }

    /// The same by a timeline.
    fn seen(self, timeline: &Timeline) -> Self {
        Self { actors: super::super::meet::intervals(timeline, &self.actors), ..self }
    }
}

#[test]
fn what_the_kernel_says_is_explained() {
    let said = |lines: &str, linux| {
        let log = format!("{PANIC}{lines}");
        reasons(&Circumstances { linux, ..of(&log, None, &Known::default()) }).join("; ")
    };
    let error = |backend: &str, error: i64| {
        said(&format!("[    2.4][  T1] pstore: backend ({backend}) writing error ({error})\n"), (6, 12))
    };
    assert_eq!(said(ERST_HELD, (6, 12)), "the kernel said: writing error of erst, -16 (EBUSY): erst_lock was taken");
    assert_eq!(
        said(SKIPPED, (6, 12)),
        "the kernel skipped the dump in its Panic path, as pstore's buf_lock was taken (\"concurrent dump\")"
    );
    assert!(error("efi_pstore", -16).ends_with("efi_pstore, -16 (EBUSY): efivars_lock was taken"));
    assert!(error("efi_pstore", -22).contains("-22 (EINVAL): efi_runtime_lock was taken, or the firmware"));
    assert!(error("efi_pstore", -28).contains("-28 (ENOSPC): the store has no room"));
    assert!(error("erst", -28).contains("-28 (ENOSPC): the store is full"));
    assert!(error("ramoops", -28).contains("ramoops keeps the first part alone"));
    // What is not known is told as it is said.
    assert_eq!(error("mtdpstore", -117), "the kernel said: writing error of mtdpstore, -117");
    assert_eq!(error("erst", -4), "the kernel said: writing error of erst, -4 (EINTR)");
}

#[test]
fn an_error_means_what_it_means_to_the_kernels_version() {
    let means = |linux| meaning("efi_pstore", -5, linux).unwrap();
    assert_eq!(means((6, 12)), "the firmware's device failed");
    assert!(means((6, 8)).starts_with("anything but a taken efivars_lock"));
    assert_eq!(meaning("efi", -16, (5, 10)), meaning("efi_pstore", -16, (6, 12)));
    assert_eq!(meaning("efi_pstore", -1, (6, 12)), None);
}

#[test]
fn silence_means_something_only_where_the_kernel_would_speak() {
    let dumped = timeline(
        "panic@0 kmsg_dump@0 dumper/pstore_dump@0 backend_write/f@0 backend_write/f:end@0 dumper/pstore_dump:end@0",
    );
    let known = Known::default();
    let said = |timeline, log_is_whole, linux| {
        reasons(&Circumstances { log_is_whole, linux, ..of(PANIC, timeline, &known) }).join("; ")
    };
    assert_eq!(said(Some(&dumped), true, (6, 12)), "the back end reported no error");
    assert_eq!(said(Some(&dumped), true, (6, 2)), "the back end reported no error");
    let silent = "Linux 6.1 does not say whether a back end's write failed";
    assert_eq!(said(Some(&dumped), true, (6, 1)), silent);
    assert_eq!(said(Some(&dumped), false, (5, 10)), silent.replace("6.1", "5.10"));
    assert_eq!(said(Some(&dumped), false, (6, 12)), "", "it may be in what of the log is not known");
    assert_eq!(said(None, true, (6, 12)), "", "it may not have got there");
}

#[test]
fn an_error_is_told_once_in_a_boot() {
    let log = format!("[    1.9][  T1] pstore: backend (efi_pstore) writing error (-28)\n{PANIC}");
    let said = reasons(&of(&log, None, &Known::default())).join("; ");
    assert!(
        said.starts_with("the kernel said before the panic: writing error of efi_pstore, -28 (ENOSPC): the "),
        "{said}"
    );
    assert!(said.ends_with("; it says that once in a boot, whatever fails later"), "{said}");
    let again = format!("{log}{ERST_HELD}");
    assert!(reasons(&of(&again, None, &Known::default()))[0].contains("the kernel said: writing error of erst, -16"));
    // An oops' dump that was skipped is none of the panic's.
    assert_eq!(Said::of(&format!("{SKIPPED}{PANIC}")), Said::default());
}

#[test]
fn what_became_of_the_dump_is_told_by_the_timeline() {
    let fate = |events: &str| {
        let timeline = timeline(events);
        SeenDump::of_panic(&timeline).as_ref().and_then(SeenDump::fate).unwrap_or_default()
    };
    assert_eq!(fate("panic@0 crash_kexec@0"), "CPU 0 panicked and never got to pstore_dump()");
    let write = "backend_write/erst_write";
    assert_eq!(
        fate(&format!("nmi_panic@2 dumper/pstore_dump@2 {write}@2 {write}:end@2 {write}@2")),
        "CPU 2 did not come back from erst_write() in pstore_dump(), after 1 record"
    );
    assert_eq!(fate("panic@0 dumper/pstore_dump@0"), "CPU 0 did not come back from pstore_dump(), after 0 records");
    assert_eq!(fate("panic@0 dumper/pstore_dump@0 dumper/pstore_dump:end@0"), "");
    // Another CPU's, and an oops' own: the panic's comes after its panic.
    assert_eq!(
        fate("dumper/pstore_dump@0 dumper/pstore_dump:end@0 panic@0 dumper/pstore_dump@1"),
        "CPU 0 panicked and never got to pstore_dump()"
    );
    // The first to panic need not be the one that dumps.
    assert_eq!(fate("panic@0 panic@1 dumper/pstore_dump@1 dumper/pstore_dump:end@1"), "");
    assert_eq!(fate("oops_begin@0 dumper/pstore_dump@0"), "", "nobody panicked");
}

#[test]
fn a_dump_that_might_not_have_been_seen_is_not_said_to_be_missing() {
    let seen = timeline("panic@0");
    let mut dropped = seen.clone();
    dropped.dropped = 1;
    assert!(SeenDump::of_panic(&seen).is_some() && SeenDump::of_panic(&dropped).is_none());
    let mut beyond = seen;
    beyond.beyond_limit.insert("dumper".to_owned(), 1);
    assert!(SeenDump::of_panic(&beyond).is_none());
}

#[test]
fn another_cpus_dump_is_told() {
    let events = "oops_begin@1 dumper/pstore_dump@1 actor/it@1 panic@0 dumper/pstore_dump@0 dumper/pstore_dump:end@0";
    let timeline = timeline(events);
    let known = Known::actor("was kept in erst_write()", 1, 2000, None).seen(&timeline);
    let log = format!("{PANIC}{SKIPPED}");
    assert_eq!(
        reasons(&of(&log, Some(&timeline), &known)),
        [
            "the kernel skipped the dump in its Panic path, as pstore's buf_lock was taken (\"concurrent dump\")",
            "CPU 1 was in pstore_dump() from 1000 us on",
            "CPU 1 was kept in erst_write() from 2000 us on (`it`)",
        ]
    );
}

#[test]
fn who_was_at_the_store_while_the_dump_should_have_been_written_is_told() {
    let told = |events: &str| {
        let timeline = timeline(events);
        let known = Known::actor("held erst_lock", 1, 0, None).seen(&timeline);
        reasons(&of(PANIC, Some(&timeline), &known)).join("; ")
    };
    let dump = "dumper/pstore_dump@0 dumper/pstore_dump:end@0";
    let held = |time: &str| format!("the back end reported no error; CPU 1 held erst_lock {time} (`it`)");
    assert_eq!(told(&format!("actor/it@1 panic@0 {dump}")), held("from 0 us on"));
    let meanwhile = "actor/it@1 panic@0 dumper/pstore_dump@0 actor/it:end@1 dumper/pstore_dump:end@0";
    assert_eq!(told(meanwhile), held("from 0 to 3000 us"));
    // It was over before the dump, or came behind it.
    assert_eq!(told(&format!("actor/it@1 actor/it:end@1 panic@0 {dump}")), "the back end reported no error");
    assert_eq!(told(&format!("panic@0 {dump} actor/it@1")), "the back end reported no error");
    // Nobody knows where the dump was: all that was is told.
    let untraced = |calls, from, to| {
        let known = Known::actor("had f() return -28 (ENOSPC)", calls, from, to);
        reasons(&of(PANIC, None, &known)).join("; ")
    };
    assert_eq!(untraced(3, 7, Some(90)), "CPU 1 had f() return -28 (ENOSPC) 3 times from 7 to 90 us (`it`)");
    assert_eq!(untraced(1, 7, Some(7)), "CPU 1 had f() return -28 (ENOSPC) at 7 us (`it`)");
    let background = Some("user space read all EFI variables over and over, on CPU 1".to_owned());
    let known = Known {
        hindrances: Hindrances { background: background.clone(), ..Hindrances::default() },
        ..Known::default()
    };
    assert_eq!(reasons(&of(PANIC, None, &known)), background.into_iter().collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn any_log_is_read(log in "(pstore: |backend \\(|\\) writing error \\(|dump skipped in | path|[ -~\n\u{e9}])*") {
        let _ = reasons(&of(&log, None, &Known::default()));
    }
}
