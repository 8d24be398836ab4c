//! Variants over all cases: how they stand, where they differ from the reference, who is dominated.

use super::name;
use crate::compare::{Domination, Place, Point, Ranking};
use crate::report::Format;
use crate::report::grid::{Grid, Tone};

/// A row for each variant: where it has rank 1, and how it compares with the reference.
pub(super) fn standings(ranking: &Ranking, format: Format) -> String {
    let header = ["base", "variant", "rank 1", "better", "worse", "same", "undecided", "dominated by"];
    let mut grid = Grid::new(header, 6);
    for base in &ranking.bases {
        for standing in &base.variants {
            let is_reference = standing.variant == base.reference;
            let variant = &standing.variant;
            let name = if is_reference { format!("{variant} (reference)") } else { variant.clone() };
            let against = [standing.better.len(), standing.worse.len(), standing.same, standing.undecided];
            let against = against.map(|count| if is_reference { "-".to_owned() } else { count.to_string() });
            let dominated = base.dominated.iter().filter(|dominated| dominated.variant == *variant).count();
            let row = [name, format!("{} of {}", standing.first, standing.ranked)].into_iter();
            grid.row(&base.base, plain(row.chain(against).chain([dominated.to_string()])));
        }
    }
    grid.render(format)
}

/// For each variant the cases in which it is shown to differ from the reference, and by which channels.
pub(super) fn differences(ranking: &Ranking, format: Format) -> String {
    let differ =
        ranking.bases.iter().flat_map(|base| &base.variants).any(|it| !it.better.is_empty() || !it.worse.is_empty());
    if !differ {
        return "No variant is shown to differ from the reference.\n".to_owned();
    }
    let mut grid = Grid::new(["variant", "case", "better", "worse"], 0);
    for base in &ranking.bases {
        for standing in &base.variants {
            let all: Vec<&Place> = standing.better.iter().chain(&standing.worse).collect();
            // Both are in the order of the cases; so is what has both.
            for case in base.cases.iter().map(|case| &case.point).filter(|case| all.iter().any(|it| it.point == **case))
            {
                let [better, worse] = [&standing.better, &standing.worse].map(|places| channels(places, case));
                grid.row(name(ranking, base, &standing.variant), plain([case.to_string(), better, worse]));
            }
        }
    }
    grid.render(format)
}

/// Who is dominated, by whom, and where. Those who dominate in the same places stand together.
pub(super) fn dominated(ranking: &Ranking, format: Format) -> String {
    if ranking.bases.iter().all(|base| base.dominated.is_empty()) {
        return "No variant is shown to be dominated.\n".to_owned();
    }
    let mut grid = Grid::new(["dominated", "how often", "undecided in", "by", "where"], 0);
    for base in &ranking.bases {
        let mut alike: Vec<(&Domination, Vec<&str>)> = Vec::new();
        for domination in &base.dominated {
            let same = |known: &Domination| *known == Domination { by: known.by.clone(), ..domination.clone() };
            match alike.iter_mut().find(|(known, _)| same(known)) {
                Some((_, by)) => by.push(&domination.by),
                None => alike.push((domination, vec![&domination.by])),
            }
        }
        for (Domination { variant, better_in, compared, undecided, .. }, by) in alike {
            let better = format!("better in {} of {compared}", better_in.len());
            let row = [better, undecided.to_string(), by.join(", "), places(better_in)];
            grid.row(name(ranking, base, variant), plain(row));
        }
    }
    grid.render(format)
}

/// `panic-alone (console, pstore); late (ended)`
fn places(places: &[Place]) -> String {
    let mut cases: Vec<&Point> = places.iter().map(|place| &place.point).collect();
    cases.dedup();
    let case = |case: &Point| format!("{case} ({})", channels(places, case));
    cases.into_iter().map(case).collect::<Vec<_>>().join("; ")
}

/// `console, pstore`: the channels among these places in one case; `-` if there is none.
fn channels(places: &[Place], case: &Point) -> String {
    let here: Vec<&str> =
        places.iter().filter(|place| place.point == *case).map(|place| place.measure.name()).collect();
    if here.is_empty() { "-".to_owned() } else { here.join(", ") }
}

pub(super) fn plain(texts: impl IntoIterator<Item = String>) -> Vec<(String, Tone)> {
    texts.into_iter().map(|text| (text, Tone::Plain)).collect()
}
