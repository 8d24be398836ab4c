//! Which end belongs to which beginning.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::timeline::StepEdge;

/// Calls nested deeper than this are not followed: what begins further out is then taken to never end.
const MAX_DEPTH: usize = 64;

/// One edge of a step.
#[expect(clippy::struct_field_names, reason = "as in `Event`")]
pub(super) struct Edge<'a, L> {
    /// Who makes it; steps nest on each lane alone.
    pub lane: L,
    pub step: &'a str,
    pub of: &'a str,
    pub edge: StepEdge,
}

/// What an edge is among those of its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A step of which only beginnings are seen.
    Point,
    /// A step begins, and ends at that edge.
    Begin { end: usize },
    /// A step begins that does not end, though others of its name do: its CPU was stopped in it, say.
    Cut,
    /// The step ends that began at that edge.
    End { begin: usize },
    /// A step ends that was not seen to begin.
    Tail,
}

/// Says of each edge what it is. Those that are both `Begin` and `End` lie within one another, or apart, on each lane.
pub(super) fn parts<'a, L: Ord>(edges: impl IntoIterator<Item = Edge<'a, L>>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut steps: Vec<&str> = Vec::new();
    let mut open: BTreeMap<L, Vec<(usize, &str, &str)>> = BTreeMap::new();
    let mut ending = BTreeSet::new();
    for (index, Edge { lane, step, of, edge }) in edges.into_iter().enumerate() {
        let stack = open.entry(lane).or_default();
        let part = match edge {
            StepEdge::Begin => {
                if stack.len() == MAX_DEPTH {
                    stack.remove(0);
                }
                stack.push((index, step, of));
                Part::Cut
            }
            StepEdge::End => {
                ending.insert(step);
                match stack.iter().rposition(|(_, begun, begun_of)| (*begun, *begun_of) == (step, of)) {
                    Some(at) => {
                        let begin = stack.get(at).map_or(index, |(begin, ..)| *begin);
                        // What began within it can end no more.
                        stack.truncate(at);
                        if let Some(part) = parts.get_mut(begin) {
                            *part = Part::Begin { end: index };
                        }
                        Part::End { begin }
                    }
                    None => Part::Tail,
                }
            }
        };
        parts.push(part);
        steps.push(step);
    }
    for (part, step) in parts.iter_mut().zip(steps) {
        if *part == Part::Cut && !ending.contains(step) {
            *part = Part::Point;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of edges written as `lane step`, ` }` at the end of those that end.
    fn of(edges: &[&'static str]) -> Vec<Part> {
        parts(edges.iter().map(|text| {
            let (text, edge) = text.strip_suffix(" }").map_or((*text, StepEdge::Begin), |text| (text, StepEdge::End));
            let (lane, step) = text.split_once(' ').unwrap();
            Edge { lane, step, of: "", edge }
        }))
    }

    #[test]
    fn each_lane_nests_alone() {
        let want = [Part::Begin { end: 2 }, Part::Begin { end: 3 }, Part::End { begin: 0 }, Part::End { begin: 1 }];
        assert_eq!(of(&["0 a", "1 b", "0 a }", "1 b }"]), want);
    }

    #[test]
    fn on_one_lane_spans_never_cross() {
        let want = [Part::Begin { end: 2 }, Part::Cut, Part::End { begin: 0 }, Part::Tail];
        assert_eq!(of(&["0 a", "0 b", "0 a }", "0 b }"]), want);
    }

    #[test]
    fn a_step_that_ends_nowhere_is_a_moment() {
        assert_eq!(
            of(&["0 a", "0 b", "1 b", "1 b }"]),
            [Part::Point, Part::Cut, Part::Begin { end: 3 }, Part::End { begin: 2 }]
        );
    }

    #[test]
    fn what_is_nested_too_deep_is_not_followed_outwards() {
        let deep = [vec!["0 a"; MAX_DEPTH + 1], vec!["0 a }"; MAX_DEPTH + 1]].concat();
        let parts = of(&deep);
        assert_eq!(
            (parts[0], parts[1], *parts.last().unwrap()),
            (Part::Cut, Part::Begin { end: 2 * MAX_DEPTH }, Part::Tail)
        );
    }
}
