//! Which of many mails are the series that was meant, and in which order.
//!
//! A thread has more in it than its series: replies with diffs in them, other people's patches, older versions, single patches
//! that take the place of one of the series. Subjects say which patch it is and of which version; who answers whom says what
//! belongs together. Where both do not tell, nothing is guessed: it is refused, with the candidates.

use serde::Serialize;

use super::mail::{Content, Mail};
use super::sets::{Relation, Set, Thread};
use super::subject::SeriesVersion;

/// A series in its order, and what was there beside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The patches.
    pub patches: Vec<Mail>,
    /// What the cover letter is called.
    pub cover: Option<String>,
    /// All that is none of them.
    pub left_out: Vec<LeftOut>,
}

/// Something that was there and is not part of the series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Where it is and what it is called: ``mail 3, `Re: [PATCH 1/2] panic: x` ``.
    pub what: String,
    /// Why it is not taken.
    pub why: String,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// Why there is no series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The reason, perhaps with candidates below it.
    pub cause: String,
    /// What would help.
    pub hint: &'static str,
}

/// What helps where several series are there.
const NAME_ONE: &str = "name a mail of the one that is meant (harness variant add --mail MESSAGE-ID), or put its mails into a \
                        mailbox of their own";

/// What helps where a series is not whole.
const COMPLETE: &str = "add what is missing, or put the mails that are meant into a mailbox of their own";

/// The most mails left out that an error lists.
const SHOWN: usize = 12;

fn refuse<T>(cause: impl Into<String>, hint: &'static str) -> Result<T, Refusal> {
    Err(Refusal { cause: cause.into(), hint })
}

impl Mail {
    fn shown(&self) -> String {
        if self.title == self.place { self.place.clone() } else { format!("{}, `{}`", self.place, self.title) }
    }

    fn left_out(&self, why: impl Into<String>) -> LeftOut {
        LeftOut { what: self.shown(), why: why.into() }
    }

    /// Attachments that are no patches.
    fn attachments(&self) -> impl Iterator<Item = LeftOut> {
        self.attached.iter().map(|name| self.left_out(format!("`{name}`, attached to it, is no patch")))
    }
}

/// Patches whose order something else than their subjects says: a list of them, or a history.
pub(super) fn in_order(mails: Vec<Mail>) -> Result<Chosen, Refusal> {
    let mut chosen = Chosen { patches: Vec::new(), cover: None, left_out: Vec::new() };
    for mail in mails {
        chosen.left_out.extend(mail.attachments());
        match &mail.content {
            Content::Patch { .. } => chosen.patches.push(mail),
            Content::Words => chosen.left_out.push(mail.left_out("it changes nothing")),
            Content::Unreadable(why) => return refuse(format!("{}: {why}", mail.shown()), COMPLETE),
        }
    }
    if chosen.patches.is_empty() {
        return refuse(no_patch(&chosen.left_out), COMPLETE);
    }
    Ok(chosen)
}

/// The series that is meant: the one with the mail `wanted`, by its `Message-ID`; else the thread's own, in its last version.
pub(super) fn choose(mails: Vec<Mail>, wanted: Option<&str>) -> Result<Chosen, Refusal> {
    let thread = Thread::new(mails);
    let meant = match wanted {
        Some(id) => thread.with(id)?,
        None => thread.own()?,
    };
    thread.chosen(&meant, wanted.is_some())
}

fn no_patch(left_out: &[LeftOut]) -> String {
    let mut cause = "there is no patch in it".to_owned();
    cause.extend(left_out.iter().take(SHOWN).map(|left| format!("\n  {left}")));
    cause.extend(left_out.len().checked_sub(SHOWN).filter(|more| *more > 0).map(|more| format!("\n  and {more} more")));
    cause
}

/// What is meant: sets of which all patches are taken, and those whose patches take the place of some of theirs.
struct Meant {
    sets: Vec<usize>,
    instead: Vec<usize>,
    older: Vec<usize>,
}

impl Thread {
    /// The last version of a set, what takes the place of some of its patches, and the older versions.
    fn last_version(&self, set: usize) -> Result<Meant, Refusal> {
        let mut versions = vec![set];
        // Of each that takes the place of patches, the set that those are of.
        let mut instead: Vec<(usize, usize)> = Vec::new();
        loop {
            let known = |set: usize| versions.contains(&set) || instead.iter().any(|(of, _)| *of == set);
            let next = (0..self.sets.len()).filter(|at| !known(*at)).find_map(|at| {
                let above = self.sets[at].above.filter(|above| known(*above))?;
                let relation = self.relation(&self.sets[at], &self.sets[above]);
                (relation != Relation::Other).then_some((at, above, relation))
            });
            match next {
                None => break,
                Some((at, above, Relation::Unclear)) => {
                    return self
                        .several("it is not clear whether one of these takes the place of the other", &[above, at]);
                }
                Some((at, above, Relation::Instead)) => {
                    let of = instead.iter().find(|(set, _)| *set == above).map_or(above, |(_, of)| *of);
                    instead.push((at, of));
                }
                Some((at, ..)) => versions.push(at),
            }
        }
        let last = self.latest(&versions)?;
        let mut own: Vec<usize> = instead.iter().filter(|(_, of)| *of == last).map(|(at, _)| *at).collect();
        own.sort_by_key(|at| self.sets[*at].version);
        let older = versions.into_iter().chain(instead.into_iter().map(|(at, _)| at));
        let older = older.filter(|at| *at != last && !own.contains(at)).collect();
        Ok(Meant { sets: vec![last], instead: own, older })
    }

    /// The last of several versions, as they are numbered, if that is also the last one sent.
    fn latest(&self, sets: &[usize]) -> Result<usize, Refusal> {
        let mut sorted = sets.to_vec();
        sorted.sort_by_key(|at| self.sets[*at].version);
        let Some((last, older)) = sorted.split_last() else { return refuse(no_patch(&[]), COMPLETE) };
        // The date of a file that was never sent says when somebody began to write it.
        let date = |mail: &usize| self.mails[*mail].date.filter(|_| self.mails[*mail].id.is_some());
        let sent = |at: usize| self.sets[at].mails.iter().filter_map(date).min();
        let same = older.iter().any(|at| self.sets[*at].version == self.sets[*last].version);
        if same {
            return self.several("the same version is there more than once", &sorted);
        }
        let before = |at: usize| sent(at).zip(sent(*last)).is_none_or(|(at, last)| at <= last);
        if !older.iter().all(|at| before(*at)) {
            return self.several("the version with the highest number was not sent last", &sorted);
        }
        Ok(*last)
    }

    /// The thread's own series.
    fn own(&self) -> Result<Meant, Refusal> {
        let tops: Vec<usize> = (0..self.sets.len()).filter(|at| self.sets[*at].above.is_none()).collect();
        let numbered = tops.iter().any(|at| self.sets[*at].of.is_some());
        let lines = tops.iter().map(|at| self.last_version(*at)).collect::<Result<Vec<_>, _>>()?;
        // Lines of versions, of which some may be versions of each other, though they do not answer each other.
        let mut families: Vec<Meant> = Vec::new();
        for line in lines {
            match families.iter_mut().find(|family| self.related(family.sets[0], line.sets[0])) {
                None => families.push(line),
                Some(family) => {
                    let last = self.latest(&[family.sets[0], line.sets[0]])?;
                    let (mut newer, old) = if last == line.sets[0] {
                        let old = std::mem::replace(family, line);
                        (std::mem::take(&mut family.older), old)
                    } else {
                        (std::mem::take(&mut family.older), line)
                    };
                    newer.extend(old.sets.into_iter().chain(old.instead).chain(old.older));
                    family.older = newer;
                }
            }
        }
        let all: Vec<usize> = families.iter().map(|family| family.sets[0]).collect();
        let Some((first, others)) = all.split_first() else {
            let left: Vec<LeftOut> = self.left_out(&[], &[]);
            return refuse(no_patch(&left), COMPLETE);
        };
        let alike = others.iter().all(|at| self.sets[*at].version == self.sets[*first].version);
        if !others.is_empty() && (numbered || !alike) {
            return self.several("there are several series in it", &all);
        }
        let mut meant = Meant { sets: Vec::new(), instead: Vec::new(), older: Vec::new() };
        for family in families {
            meant.sets.extend(family.sets);
            meant.instead.extend(family.instead);
            meant.older.extend(family.older);
        }
        Ok(meant)
    }

    /// Whether two sets that do not answer each other are two versions of a series nevertheless.
    fn related(&self, a: usize, b: usize) -> bool {
        let (older, newer) = if self.sets[a].version < self.sets[b].version { (a, b) } else { (b, a) };
        let (older, newer) = (&self.sets[older], &self.sets[newer]);
        // Files that were never sent may have the same subject twice and be two patches.
        let sent = [older, newer].iter().all(|set| self.mails[set.mails[0]].id.is_some());
        (sent || older.version != newer.version)
            && self.same_person(older.mails[0], newer.mails[0])
            && older.of.is_some() <= newer.of.is_some()
            && !self.titles(older).is_disjoint(&self.titles(newer))
    }

    /// The series with a mail, as it was sent then.
    fn with(&self, id: &str) -> Result<Meant, Refusal> {
        let id = id.trim().trim_start_matches('<').trim_end_matches('>');
        let Some(at) = self.mails.iter().position(|mail| mail.id.as_deref() == Some(id)) else {
            return refuse(format!("there is no mail <{id}> in it"), NAME_ONE);
        };
        let Some(set) = std::iter::once(at).chain(self.over(at)).find_map(|at| self.set_of(at)) else {
            return refuse(format!("the mail <{id}> belongs to no series in it"), NAME_ONE);
        };
        let mut meant = Meant { sets: vec![set], instead: Vec::new(), older: Vec::new() };
        while let Some(above) = self.sets[meant.sets[0]].above
            && self.relation(&self.sets[meant.sets[0]], &self.sets[above]) == Relation::Instead
        {
            meant.instead.insert(0, std::mem::replace(&mut meant.sets[0], above));
        }
        Ok(meant)
    }

    /// The patches of what is meant, if all of them are there and can be read.
    fn chosen(self, meant: &Meant, by_name: bool) -> Result<Chosen, Refusal> {
        let mut patches: Vec<usize> = Vec::new();
        let mut cover = None;
        for set in meant.sets.iter().map(|at| &self.sets[*at]) {
            cover = cover.or(set.mails.iter().find(|at| self.mails[**at].is_cover()));
            if let Some((a, b)) = self.twice(set.mails.as_slice()).filter(|_| set.of.is_some()) {
                let number = self.mails[a].subject.number.unwrap_or_default();
                let (a, b) = (self.mails[a].shown(), self.mails[b].shown());
                return refuse(format!("patch {number} is there twice:\n  {a}\n  {b}"), NAME_ONE);
            }
            self.check_whole(set, by_name)?;
            patches.extend(self.patches(set));
        }
        let mut replaced = Vec::new();
        for at in meant.instead.iter().flat_map(|at| self.patches(&self.sets[*at])) {
            let number = self.mails[at].subject.number;
            if let Some(old) = patches.iter_mut().find(|old| self.mails[**old].subject.number == number) {
                replaced.push((std::mem::replace(old, at), self.mails[at].subject.version));
            }
        }
        for mail in patches.iter().map(|at| &self.mails[*at]) {
            match &mail.content {
                Content::Patch { .. } => {}
                Content::Words => return refuse(format!("{}: there is no diff in it", mail.shown()), COMPLETE),
                Content::Unreadable(why) => return refuse(format!("{}: {why}", mail.shown()), COMPLETE),
            }
        }
        if patches.is_empty() {
            return refuse(no_patch(&self.left_out(&[], &[])), COMPLETE);
        }
        let mut known: Vec<(usize, String)> = Vec::new();
        known.extend(cover.map(|at| (*at, "the cover letter".to_owned())));
        known.extend(replaced.into_iter().map(|(at, version)| (at, format!("{version} of it takes its place"))));
        for (at, set) in self.sets.iter().enumerate() {
            let of_it = |own: &usize| self.same_person(self.sets[*own].mails[0], set.mails[0]);
            let version = if meant.older.contains(&at) {
                format!("an older version, {}", set.version)
            } else if by_name && meant.sets.iter().any(|own| of_it(own) && self.similar(&self.sets[*own], set)) {
                format!("another version, {}", set.version)
            } else {
                continue;
            };
            known.extend(set.mails.iter().map(|at| (*at, version.clone())));
        }
        let mut left_out = self.left_out(&patches, &known);
        left_out.extend(patches.iter().flat_map(|at| self.mails[*at].attachments()));
        if let [at] = patches.as_slice()
            && let (Some(number), Some(of)) = (self.mails[*at].subject.number, self.mails[*at].subject.of)
            && of > 1
        {
            let what = format!("the other patches of {of}");
            left_out.push(LeftOut { what, why: format!("they are not there; this is number {number} alone") });
        }
        let cover = cover.map(|at| self.mails[*at].subject.text.clone());
        let patches = patches.iter().map(|at| self.mails[*at].clone()).collect();
        Ok(Chosen { patches, cover, left_out })
    }

    /// One mail alone is what somebody wanted to try; of several, none may be missing.
    fn check_whole(&self, set: &Set, by_name: bool) -> Result<(), Refusal> {
        let missing = self.missing(set);
        let alone = !by_name && set.mails.len() == 1 && self.sets.len() == 1;
        let (Some(first), false) = (missing.first(), alone) else { return Ok(()) };
        let all: Vec<String> = missing.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = if missing.len() > SHOWN { ", …" } else { "" };
        let (of, version) = (set.of.unwrap_or_default(), set.version);
        let which = match missing.len() {
            1 => format!("patch {first} of {of} is missing"),
            _ => format!("patches {}{more} of {of} are missing", all.join(", ")),
        };
        let others: Vec<usize> = (0..self.sets.len()).filter(|at| self.sets[*at].mails != set.mails).collect();
        let lead = if version == SeriesVersion::default() { which } else { format!("{which} in {version}") };
        if others.is_empty() {
            refuse(lead, COMPLETE)
        } else {
            self.several(&format!("{lead}. There are also"), &others)
        }
    }

    /// What is none of `patches`; `known` says of some why.
    fn left_out(&self, patches: &[usize], known: &[(usize, String)]) -> Vec<LeftOut> {
        let rest = (0..self.mails.len()).filter(|at| !patches.contains(at));
        rest.map(|at| {
            let known = known.iter().find(|(mail, _)| *mail == at).map(|(_, why)| why.clone());
            let why = known.or_else(|| self.out[at].clone());
            let other = if self.mails[at].is_cover() { "a cover letter" } else { "a patch of something else" };
            self.mails[at].left_out(why.unwrap_or_else(|| other.to_owned()))
        })
        .collect()
    }

    fn several<T>(&self, lead: &str, sets: &[usize]) -> Result<T, Refusal> {
        let mut cause = format!("{lead}:");
        for set in sets.iter().take(SHOWN).map(|at| &self.sets[*at]) {
            let first = &self.mails[set.mails[0]];
            let patches = match (self.patches(set).count(), set.of) {
                (1, None) => "a patch".to_owned(),
                (count, of) => format!("{count} of {} patches", of.unwrap_or(1)),
            };
            let id = first.id.as_ref().map(|id| format!(", <{id}>")).unwrap_or_default();
            let by = if first.sender.shown.is_empty() { String::new() } else { format!(", by {}", first.sender.shown) };
            cause.extend(["\n  ", &first.shown(), ": ", &patches, &by, &id]);
        }
        refuse(cause, NAME_ONE)
    }
}
