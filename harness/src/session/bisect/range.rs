//! What lies between the good end and the bad one.

use std::path::{Path, PathBuf};

use crate::bisect::weight;
use crate::failure::Failure;
use crate::kernel::{self, Canceller, Commits, CustomBuild, OptionChange, Store};
use crate::model::KernelName;
use crate::model::bisection::{Node, SearchSpace};
use crate::session::{Catalogue, Event, Events};

/// A bisection of more commits is refused: all that follows from each is kept in memory.
const MAX_COMMITS: usize = 20_000;

/// The kernels of a bisection, in an order in which parents come first.
#[derive(Debug)]
pub struct Range {
    /// What lies between the ends.
    pub between: SearchSpace,
    /// The kernel of each node.
    pub kernels: Vec<KernelName>,
    /// What a run records of them: the good end first, the bad one last.
    pub nodes: Vec<Node>,
}

/// Where a bisection searches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ends {
    /// The commits of a git tree between a good one and a bad one, each built as this variant.
    Commits {
        /// The tree.
        tree: PathBuf,
        /// A revision that is known to be good.
        good: String,
        /// A revision that is known to be bad.
        bad: String,
        /// The variant.
        variant: String,
    },
    /// The patches of a variant's series on a base.
    Patches {
        /// The variant.
        series: String,
        /// The base.
        base: String,
    },
    /// The options in which two configurations differ, on a base.
    Options {
        /// A configuration that is known to be good.
        good: PathBuf,
        /// A configuration that is known to be bad.
        bad: PathBuf,
        /// The base.
        base: String,
    },
}

impl Range {
    /// What lies between the ends. `words` are those of what is looked for: a change to files that are called like one of
    /// them is a likelier one.
    pub fn of(catalogue: &Catalogue, ends: &Ends, words: &[&str], events: &Events) -> Result<Self, Failure> {
        let range = match ends {
            Ends::Commits { tree, good, bad, variant } => {
                if kernel::has_changes(tree, &Canceller::default())? {
                    events.note("note: what is not committed is not bisected: only commits are");
                }
                Self::commits(catalogue, tree, (good, bad), variant, words)?
            }
            Ends::Patches { series, base } => Self::patches(catalogue, (series, base), words, events)?,
            Ends::Options { good, bad, base } => Self::options(catalogue, good, bad, base)?,
        };
        if range.nodes.len() > MAX_COMMITS {
            let (all, hint) = (range.nodes.len() - 1, "name a later good one; a few trials of tags tell");
            return Err(Failure::input(format!("{all} commits are more than {MAX_COMMITS}\n\nhint: {hint}")));
        }
        Ok(range)
    }

    fn commits(
        catalogue: &Catalogue,
        tree: &Path,
        (good, bad): (&str, &str),
        variant: &str,
        words: &[&str],
    ) -> Result<Self, Failure> {
        let tree = tree.canonicalize().map_err(|e| Failure::input(format!("read the tree {}: {e}", tree.display())))?;
        let Commits { commits, parents } = Commits::read(&tree, good, bad, &Canceller::default())?;
        let variant = KernelName::parse(variant, &catalogue.default_base()).variant;
        kernel::Variant::find(&catalogue.project, &variant)?;
        let mut range = Self { between: SearchSpace::Commits { tree }, kernels: Vec::new(), nodes: Vec::new() };
        for (commit, parents) in commits.into_iter().zip(parents) {
            range.kernels.push(KernelName { variant: variant.clone(), base: kernel::commit_name(&commit.hash) });
            let weight = weight(&commit.paths, words);
            range.add(commit.hash, commit.subject, parents, weight);
        }
        Ok(range)
    }

    fn patches(
        catalogue: &Catalogue,
        (series, base): (&str, &str),
        words: &[&str],
        events: &Events,
    ) -> Result<Self, Failure> {
        let name = KernelName::parse(series, base);
        catalogue.known().kernel(&name)?;
        let what = format!("series {name}");
        let store = Store::open(&catalogue.cache)?;
        let patches =
            store.series(&catalogue.project, &name, &mut |step| events.send(&Event::Building { what: &what, step }));
        let outcome = if patches.is_ok() { "read" } else { "failed" };
        events.send(&Event::BuildEnded { what: &what, outcome });
        let patches = patches?;
        if patches.is_empty() {
            return Err(Failure::input(format!("variant `{name}` has no patches\n\nhint: harness list variants")));
        }
        if series.contains(['~', '+']) {
            let hint = "name the whole series; what it is without its last patches is tried anyway";
            return Err(Failure::input(format!("`{series}` is no series\n\nhint: {hint}")));
        }
        let mut range = Self { between: SearchSpace::Patches, kernels: Vec::new(), nodes: Vec::new() };
        let all = patches.len();
        let KernelName { variant, base } = name;
        let without = |last: usize| if last == 0 { variant.clone() } else { format!("{variant}~{last}") };
        range.kernels.push(KernelName { variant: without(all), base: base.clone() });
        range.add(without(all), "without any of its patches".to_owned(), Vec::new(), 1.0);
        for (number, patch) in (1..).zip(patches) {
            range.kernels.push(KernelName { variant: without(all - number), base: base.clone() });
            let weight = weight(&patch.paths, words);
            range.add(patch.name, patch.subject, vec![number - 1], weight);
        }
        Ok(range)
    }

    fn options(catalogue: &Catalogue, good: &Path, bad: &Path, base: &str) -> Result<Self, Failure> {
        let changes = OptionChange::between(good, bad)?;
        if changes.is_empty() {
            return Err(Failure::input(format!(
                "{} and {} do not differ in any option",
                good.display(),
                bad.display()
            )));
        }
        let mut range = Self { between: SearchSpace::Options, kernels: Vec::new(), nodes: Vec::new() };
        for taken in 0..=changes.len() {
            let variant = kernel::options_as_variant(&catalogue.project, &OptionChange::fragment(&changes, taken))?;
            range.kernels.push(KernelName { variant, base: base.to_owned() });
            match taken.checked_sub(1).and_then(|last| changes.get(last)) {
                None => range.add(good.display().to_string(), "the good configuration".to_owned(), Vec::new(), 1.0),
                Some(change) => range.add(change.option.clone(), change.to_string(), vec![taken - 1], 1.0),
            }
        }
        Ok(range)
    }

    /// With all kernels built in this way, as [`CustomBuild::keep`] says.
    #[must_use]
    pub fn built_by(mut self, build: &str) -> Self {
        for kernel in &mut self.kernels {
            kernel.variant = CustomBuild::name(&kernel.variant, build);
        }
        self
    }

    /// The names of bases or variants that are made for this bisection, and are this machine's alone.
    pub fn scratch(&self) -> impl Iterator<Item = &str> {
        self.kernels.iter().filter_map(|KernelName { variant, base }| match self.between {
            SearchSpace::Commits { .. } => Some(base.as_str()),
            SearchSpace::Options => Some(kernel::Asked::of(variant).name),
            SearchSpace::Patches => None,
        })
    }

    fn add(&mut self, id: String, subject: String, parents: Vec<usize>, weight: f64) {
        self.nodes.push(Node { id, subject, parents, weight, earlier: crate::bisect::Tally::default(), same_as: None });
    }
}
