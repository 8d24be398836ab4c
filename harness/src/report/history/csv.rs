//! A history as comma-separated values.

use crate::history::{History, Judged, Row};
use crate::model::assignments;
use crate::report::csv::field;
use crate::stats::Proportion;

/// A row for each cell and channel, the steady ones too.
pub fn history_csv(history: &History, judged: &Judged) -> String {
    let head = "state,variant,base,scenario,params,channel,good,of,since_good,since_of,before_good,before_of,earliest,latest,shown\n";
    let row = |row: &Row| {
        let run = |night: usize| history.nights.get(night).map_or_else(String::new, |night| night.run.clone());
        let mut fields = vec![
            row.state.name().replace(' ', "-"),
            field(&row.key.variant),
            field(&row.key.base),
            field(&row.key.scenario),
            field(&assignments(&row.key.params)),
            row.channel.to_string(),
        ];
        let counts = |seen: Proportion| [seen.hits().to_string(), seen.of().to_string()];
        fields.extend([row.tonight, row.since].into_iter().flat_map(counts));
        fields.extend(row.before.map_or_else(|| [String::new(), String::new()], counts));
        let nights = row.change.map(|change| [change.earliest, change.latest, change.shown_at].map(run));
        fields.extend(nights.unwrap_or_default());
        fields.join(",") + "\n"
    };
    judged.rows.iter().map(row).fold(head.to_owned(), |text, row| text + &row)
}
