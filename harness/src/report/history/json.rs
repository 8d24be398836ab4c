//! A history for programs.

use serde_json::{Value, json};

use super::bisect;
use crate::history::{Group, History, Judged, Night, Row, SCHEMA_VERSION, State};
use crate::stats::{Change, Proportion};

/// All of it; nights are told by their places, from 0.
pub fn history_json(history: &History, judged: &Judged) -> Value {
    let night = |Night { run, started, harness, qemu, cut_short, .. }: &Night| json!({"run": run, "started": started, "harness": harness, "qemu": qemu, "cut_short": cut_short});
    let counts = |seen: Proportion| json!({"good": seen.hits(), "of": seen.of()});
    let row = |row: &Row| {
        let change = row.change.map(
            |Change { earliest, latest, shown_at }| json!({"earliest": earliest, "latest": latest, "shown": shown_at}),
        );
        json!({
            "state": row.state, "variant": row.key.variant, "base": row.key.base, "scenario": row.key.scenario,
            "params": row.key.params, "channel": row.channel, "last_night": counts(row.tonight), "since": counts(row.since),
            "before": row.before.map(counts), "change": change, "shares": row.shares,
        })
    };
    let group = |group: &Group| {
        let since = &group.since;
        json!({
            "worse": group.worse, "earliest": since.earliest, "latest": since.latest, "good": since.good, "from": since.from,
            "to": since.to, "also": since.also, "rows": group.rows, "bisect": bisect(judged, group),
        })
    };
    let states: serde_json::Map<String, Value> =
        State::ALL.into_iter().map(|state| (state.name().replace(' ', "-"), judged.count(state).into())).collect();
    json!({
        "schema_version": SCHEMA_VERSION,
        "nights": history.nights.iter().map(night).collect::<Vec<_>>(),
        "states": states,
        "rows": judged.rows.iter().map(row).collect::<Vec<_>>(),
        "groups": judged.groups.iter().map(group).collect::<Vec<_>>(),
    })
}
