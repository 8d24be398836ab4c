//! A trial's timeline in Chrome's trace-event format, which <https://ui.perfetto.dev> shows.
//!
//! Source: "Trace Event Format", Google, 2016. Times are microseconds; a `B` is closed by the next `E` of its thread
//! that is not another's, so each thread's have to be balanced.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::spans::Part;
use super::view::{Row, View, name, plain};

/// There is one process, the guest.
const PID: u32 = 1;

/// A thread for each CPU and one for the console. Time begins with the first event, as the viewers leave out what is
/// before 0; an instant of the whole process tells when the faults were fired.
pub fn timeline_trace(view: &View) -> Value {
    let rows = view.rows();
    let console = view.lanes().keys().next_back().map_or(0, |cpu| u64::from(*cpu) + 1);
    let times = || {
        rows.iter().map(|row| match row {
            Row::Event { event, .. } => event.ns,
            Row::Line { ns, .. } | Row::Held { ns, .. } => *ns,
        })
    };
    let zero = times().min().unwrap_or(0).min(0);
    let us = |ns: i64| microseconds(ns.saturating_sub(zero));

    let mut events = vec![json!({"ph": "M", "pid": PID, "name": "process_name", "args": {"name": view.title()}})];
    let mut thread = |tid: u64, name: String| {
        events.push(json!({"ph": "M", "pid": PID, "tid": tid, "name": "thread_name", "args": {"name": name}}));
        events
            .push(json!({"ph": "M", "pid": PID, "tid": tid, "name": "thread_sort_index", "args": {"sort_index": tid}}));
    };
    view.lanes().keys().for_each(|cpu| thread(u64::from(*cpu), format!("CPU {cpu}")));
    thread(console, "console".to_owned());
    events.push(json!({"ph": "i", "s": "p", "pid": PID, "tid": console, "ts": us(0), "name": "faults fired"}));

    // The rows of what has begun and not ended, by CPU.
    let mut open: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let &Row::Event { event, part, .. } = row else {
            let Row::Line { ns, text } = row else { continue };
            events.push(
                json!({"ph": "i", "s": "t", "pid": PID, "tid": console, "ts": us(*ns), "name": plain(text), "cat": "console"}),
            );
            continue;
        };
        let (stack, ts) = (open.entry(event.cpu).or_default(), us(event.ns));
        let name = name(&event.step, &event.of);
        match part {
            Part::Begin { .. } | Part::Cut => {
                stack.push(index);
                let mut begin =
                    json!({"ph": "B", "pid": PID, "tid": event.cpu, "ts": ts, "name": name, "cat": event.step});
                if part == Part::Cut {
                    begin["args"] = json!({"left": false});
                }
                events.push(begin);
            }
            // Steps within it that never end are over too.
            Part::End { begin } => {
                while stack.last().is_some_and(|last| *last >= begin) {
                    stack.pop();
                    events.push(json!({"ph": "E", "pid": PID, "tid": event.cpu, "ts": ts}));
                }
            }
            Part::Point | Part::Tail => {
                let name = if part == Part::Tail { format!("end of {name}") } else { name };
                events.push(
                    json!({"ph": "i", "s": "t", "pid": PID, "tid": event.cpu, "ts": ts, "name": name, "cat": event.step}),
                );
            }
        }
    }
    let end = us(times().max().unwrap_or(0));
    for (cpu, stack) in open {
        events.extend(stack.iter().map(|_| json!({"ph": "E", "pid": PID, "tid": cpu, "ts": end})));
    }
    json!({"traceEvents": events, "displayTimeUnit": "ms"})
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 ns, some 104 days")]
fn microseconds(ns: i64) -> f64 {
    ns as f64 / 1000.0
}
