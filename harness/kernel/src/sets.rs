//! What belongs together in a thread: the mails that are one version of one series, and what one such set is to another.

use std::collections::{BTreeSet, HashMap};

use super::mail::{Content, Mail};
use super::subject::SeriesVersion;

/// Mails, and what belongs together.
pub(super) struct Thread {
    /// All of them, as they came.
    pub mails: Vec<Mail>,
    /// Of each the nearest one that it answers and that is here.
    above: Vec<Option<usize>>,
    /// Of each whether it is to be left out whatever is meant, and why.
    pub out: Vec<Option<String>>,
    /// In the order of their first mails.
    pub sets: Vec<Set>,
}

/// Mails that are one version of one series: a cover letter and numbered patches, or a single patch without a number.
#[derive(Debug, Clone)]
pub(super) struct Set {
    /// The positions of its mails, the cover letter first, then by number.
    pub mails: Vec<usize>,
    /// Which version.
    pub version: SeriesVersion,
    /// How many patches the series has; `None` without numbers.
    pub of: Option<u32>,
    /// The set with the mail that its first one answers.
    pub above: Option<usize>,
}

/// What a set is to the one that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Something else, or somebody else's.
    Other,
    /// The next version.
    Version,
    /// A new version of some of its patches.
    Instead,
    /// One of these, and nothing says which.
    Unclear,
}

impl Thread {
    /// Finds out what belongs together.
    pub fn new(mails: Vec<Mail>) -> Self {
        let mut of_id: HashMap<&str, usize> = HashMap::new();
        for (at, id) in mails.iter().enumerate().filter_map(|(at, mail)| Some((at, mail.id.as_deref()?))) {
            of_id.entry(id).or_insert(at);
        }
        let nearest = |(at, mail): (usize, &Mail)| {
            let here = mail.answers.iter().filter_map(|id| of_id.get(id.as_str()).copied());
            here.into_iter().find(|above| *above != at)
        };
        let above: Vec<Option<usize>> = mails.iter().enumerate().map(nearest).collect();
        let mut out: Vec<Option<String>> = vec![None; mails.len()];
        for (at, mail) in mails.iter().enumerate() {
            let before = mails.get(..at).unwrap_or_default();
            out[at] = if mail.id.is_some() && before.iter().any(|other| other.id == mail.id) {
                Some("the same mail again".to_owned())
            } else if mail.subject.reply {
                let diff = !mail.diff().is_empty();
                Some(if diff { "a reply; the diff in it is not taken" } else { "a reply" }.to_owned())
            } else if mail.id.is_some() && before.iter().any(|other| other.repeats(mail)) {
                Some("the same patch again".to_owned())
            } else {
                let says_so = mail.subject.number.is_some() || mail.title.to_ascii_lowercase().contains("patch");
                match &mail.content {
                    Content::Words if mail.subject.number.is_none() => Some("no patch is in it".to_owned()),
                    Content::Unreadable(why) if !says_so => Some(why.clone()),
                    _ => None,
                }
            };
        }
        let mut thread = Self { mails, above, out, sets: Vec::new() };
        thread.sets = thread.sets();
        let above = |set: &Set| {
            set.mails.iter().find_map(|at| {
                let above = thread.over(*at).find_map(|above| thread.set_of(above))?;
                let own = thread.sets.get(above).is_some_and(|other| other.mails == set.mails);
                (!own).then_some(above)
            })
        };
        let aboves: Vec<Option<usize>> = thread.sets.iter().map(above).collect();
        for (set, above) in thread.sets.iter_mut().zip(aboves) {
            set.above = above;
        }
        thread
    }

    /// The mails that one answers, directly or not, the nearest first. Mails that answer each other end somewhere.
    pub fn over(&self, at: usize) -> impl Iterator<Item = usize> {
        let above = |at: usize| self.above.get(at).copied().flatten();
        std::iter::successors(above(at), move |at| above(*at)).take(self.mails.len())
    }

    /// The set with a mail.
    pub fn set_of(&self, at: usize) -> Option<usize> {
        self.sets.iter().position(|set| set.mails.contains(&at))
    }

    /// Puts together what is one version of one series.
    fn sets(&self) -> Vec<Set> {
        let there: Vec<usize> = (0..self.mails.len()).filter(|at| self.out[*at].is_none()).collect();
        let key = |at: usize| {
            let subject = &self.mails[at].subject;
            subject.of.map(|of| (of, subject.version))
        };
        // Each begins alone, and joins the set of the mail that it answers.
        let mut sets: Vec<Vec<usize>> = there.iter().map(|at| vec![*at]).collect();
        let join = |sets: &mut Vec<Vec<usize>>, a: usize, b: usize| {
            let other = sets.remove(b.max(a));
            sets[a.min(b)].extend(other);
        };
        for at in there.iter().copied().filter(|at| key(*at).is_some()) {
            let Some(above) = self.over(at).find(|above| there.contains(above)) else { continue };
            let find = |mail: usize| sets.iter().position(|set| set.contains(&mail));
            if let (Some(own), Some(other)) = (find(at), find(above))
                && own != other
                && key(at) == key(above)
            {
                join(&mut sets, own, other);
            }
        }
        // Then those that answer the same mail, or none, if they have each number once.
        let mut first = 0;
        while first < sets.len() {
            let mut second = first + 1;
            while second < sets.len() {
                let (a, b) = (sets[first][0], sets[second][0]);
                let answers = |set: &[usize]| {
                    let inside = |id: &String| set.iter().any(|at| self.mails[*at].id.as_ref() == Some(id));
                    set.iter().find_map(|at| self.mails[*at].answers.first().filter(|id| !inside(id)).cloned())
                };
                if key(a).is_some()
                    && key(a) == key(b)
                    && answers(&sets[first]) == answers(&sets[second])
                    && self.same_person(a, b)
                    && self.twice(&[sets[first].as_slice(), sets[second].as_slice()].concat()).is_none()
                {
                    join(&mut sets, first, second);
                } else {
                    second += 1;
                }
            }
            first += 1;
        }
        // Another person's patches with the same numbers are another series.
        let mut split: Vec<Vec<usize>> = Vec::new();
        for set in sets {
            let mut of_one: Vec<Vec<usize>> = Vec::new();
            for at in &set {
                match of_one.iter_mut().find(|other| self.same_person(other[0], *at)) {
                    Some(other) => other.push(*at),
                    None => of_one.push(vec![*at]),
                }
            }
            let apart = self.twice(&set).is_some() && of_one.iter().all(|set| self.twice(set).is_none());
            split.extend(if apart { of_one } else { vec![set] });
        }
        split.sort_by_key(|set| set.iter().min().copied());
        let sorted = |mut mails: Vec<usize>| {
            mails.sort_by_key(|at| (self.mails[*at].subject.number, *at));
            let subject = &self.mails[mails[0]].subject;
            Set { version: subject.version, of: subject.of, above: None, mails }
        };
        split.into_iter().map(sorted).collect()
    }

    /// Two patches with the same number.
    pub fn twice(&self, mails: &[usize]) -> Option<(usize, usize)> {
        let number = |at: usize| self.mails[at].subject.number;
        mails.iter().enumerate().find_map(|(nth, at)| {
            let before = mails.get(..nth)?.iter().find(|before| number(**before) == number(*at))?;
            Some((*before, *at))
        })
    }

    /// Whether they were sent by one person. Of files that were never sent the sender is each patch's author.
    pub fn same_person(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.mails[a], &self.mails[b]);
        a.id.is_none() || b.id.is_none() || a.sender.is(&b.sender)
    }

    /// Its mails without the cover letter.
    pub fn patches(&self, set: &Set) -> impl Iterator<Item = usize> {
        set.mails.iter().copied().filter(|at| !self.mails[*at].is_cover())
    }

    /// The numbers that a set lacks.
    pub fn missing(&self, set: &Set) -> Vec<u32> {
        let there: BTreeSet<u32> = self.patches(set).filter_map(|at| self.mails[at].subject.number).collect();
        // A subject can claim any number; as many as there are mails, and one more, are enough to know.
        let all = 1..=set.of.unwrap_or(0);
        all.filter(|number| !there.contains(number)).take(self.mails.len().saturating_add(1)).collect()
    }

    /// The subjects in it.
    pub fn titles(&self, set: &Set) -> BTreeSet<String> {
        set.mails.iter().map(|at| self.mails[*at].subject.text.to_lowercase()).collect()
    }

    /// Whether two sets have a subject in common; of two single patches, a file will do.
    pub fn similar(&self, a: &Set, b: &Set) -> bool {
        let files = |set: &Set| -> BTreeSet<&[u8]> {
            let lines = self.patches(set).flat_map(|at| self.mails[at].diff().split(|byte| *byte == b'\n'));
            lines.filter(|line| line.starts_with(b"+++ ") && *line != b"+++ /dev/null").collect()
        };
        let single = a.of.is_none() && b.of.is_none();
        !self.titles(a).is_disjoint(&self.titles(b)) || (single && !files(a).is_disjoint(&files(b)))
    }

    /// What a set is to the one that it answers.
    pub fn relation(&self, set: &Set, above: &Set) -> Relation {
        if !self.same_person(set.mails[0], above.mails[0]) {
            return Relation::Other;
        }
        let (later, similar) = (set.version > above.version, self.similar(set, above));
        match (above.of, set.of) {
            _ if !later => {
                if similar {
                    Relation::Unclear
                } else {
                    Relation::Other
                }
            }
            (Some(_), Some(_)) if self.takes_place_in(set, above) => Relation::Instead,
            (_, Some(_)) | (None, None) => {
                if similar {
                    Relation::Version
                } else {
                    Relation::Unclear
                }
            }
            (Some(_), None) => {
                if similar {
                    Relation::Unclear
                } else {
                    Relation::Other
                }
            }
        }
    }

    /// Whether a set is no whole series, and each of its patches answers the one with its number.
    fn takes_place_in(&self, set: &Set, above: &Set) -> bool {
        let number = |at: usize| self.mails[at].subject.number;
        let answers = |at: usize| {
            self.over(at).find(|over| above.mails.contains(over)).is_some_and(|over| number(over) == number(at))
        };
        set.of == above.of
            && !self.missing(set).is_empty()
            && self.patches(set).all(answers)
            && self.patches(set).next().is_some()
    }
}

impl Mail {
    /// Whether the other one is the same patch, sent once more.
    fn repeats(&self, other: &Self) -> bool {
        let same = self.subject == other.subject && !self.diff().is_empty();
        same && self.diff().trim_ascii() == other.diff().trim_ascii() && self.id.is_some()
    }
}
