//! Timelines for tests.

use std::collections::BTreeMap;

use harness_model::schedule::{Held, HoldOutcome};
use harness_model::timeline::{AbsentStep, Event, StepEdge, Timeline};
use proptest::prelude::*;

/// An event, as `us cpu step of`; ` }` at the end: it ends; `~` at the beginning: a detail.
pub fn event(text: &str) -> Event {
    let (text, detail) = text.strip_prefix('~').map_or((text, false), |text| (text, true));
    let (text, edge) = text.strip_suffix(" }").map_or((text, StepEdge::Begin), |text| (text, StepEdge::End));
    let mut words = text.split(' ');
    Event {
        ns: words.next().unwrap().parse::<i64>().unwrap() * 1000,
        cpu: words.next().unwrap().parse().unwrap(),
        step: words.next().unwrap().into(),
        of: words.next().unwrap_or_default().into(),
        edge,
        detail,
    }
}

/// A timeline of four CPUs, an event a line.
pub fn timeline(text: &str) -> Timeline {
    let events = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(event).collect();
    Timeline { cpus: 4, events, ..Timeline::default() }
}

/// `panic-alone` on a kernel in today's order; the console's first line was printed before firing.
pub const STOCK: &str = "
    ~-700 1 printk
    371 0 actor panic
    380 0 panic
    391 0 panic_cpu
    ~400 0 printk
    ~620 0 printk
    900 0 crash_kexec
    902 0 crash_kexec }
    910 0 smp_send_stop
    930 1 stop_ipi
    935 1 stopped
    936 3 stop_ipi
    940 2 stop_ipi
    941 3 stopped
    950 2 stopped
    1000 0 smp_send_stop }
    1010 0 panic_notifiers
    1020 0 notifier hung_task_panic
    1024 0 notifier hung_task_panic }
    1030 0 notifier rcu_panic
    1031 0 notifier rcu_panic }
    ~1040 0 printk
    1100 0 sys_info
    1101 0 sys_info }
    1200 0 kmsg_dump
    1210 0 dumper pstore_dump
    15210 0 backend_write erst_write
    19410 0 backend_write erst_write }
    19500 0 dumper pstore_dump }
    19510 0 kmsg_dump }
    19600 0 console_unblank
    19700 0 console_flush_on_panic
    19900 0 console_flush_on_panic }
    19910 0 emergency_restart
";

/// What that guest's console said.
pub const CONSOLE: &[u8] = b"[    3.327328][    T1] witness 0123456789abcdef 32/32 7051a513\r\n\
    [    3.328428][   T46] Kernel panic - not syncing: crashlab 0123456789abcdef\r\n\
    [    3.328650][   T46] CPU: 0 UID: 0 PID: 46 Comm: crashlab/panic Tainted: G           O       6.12.117 #1 and so on, and on\r\n\
    [    3.329070][   T46] Kernel Offset: disabled\r\n";

/// [`STOCK`].
pub fn stock() -> Timeline {
    timeline(STOCK)
}

/// A step that a kernel does not have.
pub fn absent() -> Vec<AbsentStep> {
    vec![AbsentStep {
        step: "oops_end".into(),
        of: String::new(),
        why: "no function oops_exit (inlined, or not configured)".into(),
    }]
}

/// Whatever a file may hold.
pub fn any_timeline() -> impl Strategy<Value = Timeline> {
    let step = prop_oneof![
        Just("panic".to_owned()),
        Just("kmsg_dump".to_owned()),
        Just("stopped".to_owned()),
        Just("stop_ipi".to_owned()),
        Just("printk".to_owned()),
        ".{0,40}"
    ];
    let edge = prop_oneof![Just(StepEdge::Begin), Just(StepEdge::End)];
    let cpu = prop_oneof![0u32..4, any::<u32>()];
    let ns = prop_oneof![-1_000_000i64..1_000_000, any::<i64>()];
    let of = prop_oneof![Just(String::new()), ".{0,9}"];
    let event = (ns, cpu, step, of, edge, any::<bool>()).prop_map(|(ns, cpu, step, of, edge, detail)| Event {
        ns,
        cpu,
        step,
        of,
        edge,
        detail,
    });
    let held = (any::<Option<u32>>(), any::<Option<i64>>(), any::<Option<u64>>(), any::<[usize; 2]>(), ".{0,20}");
    let held = held.prop_map(|(cpu, from_ns, lasted_ns, before, hold)| Held {
        hold,
        outcome: HoldOutcome::Released,
        cpu,
        from_ns,
        lasted_ns,
        before,
    });
    let events = prop::collection::vec(event, 0..60);
    (any::<u32>(), events, any::<u64>(), prop::collection::vec(held, 0..3)).prop_map(
        |(cpus, events, dropped, holds)| Timeline {
            cpus,
            online: None,
            events,
            beyond_limit: BTreeMap::from([("printk".to_owned(), dropped)]),
            dropped,
            absent: absent(),
            holds,
        },
    )
}
