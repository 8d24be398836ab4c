//! What lies between the good end and the bad one.

use std::path::Path;

use super::Arguments;
use crate::bisect::weight;
use crate::cli::context::Context;
use crate::cli::progress::Progress;
use crate::cli::{Failure, build};
use crate::kernel::{self, Canceller, Commits, OptionChange, Store};
use crate::model::KernelName;
use crate::model::bisection::{Between, Node};

/// More commits than this are not kept in memory with all that follows from each.
const MOST: usize = 20_000;

/// The kernels of a bisection, in an order in which parents come first.
pub struct Range {
    pub between: Between,
    /// By position.
    pub kernels: Vec<KernelName>,
    /// By position.
    pub nodes: Vec<Node>,
}

impl Range {
    /// What the arguments name. `words` are those of what is looked for: a change to files that are called like one of them is
    /// a likelier one.
    pub fn of(context: &Context, arguments: &Arguments, words: &[&str]) -> Result<Self, Failure> {
        let base = arguments.base.clone().unwrap_or_else(|| context.default_base());
        let range = match arguments {
            Arguments { tree: Some(tree), good: Some(good), bad, variant, .. } => {
                Self::commits(context, tree, (good, bad), variant, words)?
            }
            Arguments { series: Some(series), .. } => Self::patches(context, series, &base, words)?,
            Arguments { config: Some(configs), .. } => {
                let [good, bad] = configs.as_slice() else { return Err(Failure::input("--config takes two files")) };
                Self::options(context, good, bad, &base)?
            }
            _ => {
                let hint = "--tree DIR --good REV, --series NAME, --config GOOD BAD, or --resume RUN";
                return Err(Failure::input(format!("nothing to bisect\n\nhint: {hint}")));
            }
        };
        if range.nodes.len() > MOST {
            let (all, hint) = (range.nodes.len() - 1, "name a later good one; a few trials of tags tell");
            return Err(Failure::input(format!("{all} commits are more than {MOST}\n\nhint: {hint}")));
        }
        Ok(range)
    }

    fn commits(
        context: &Context,
        tree: &Path,
        (good, bad): (&str, &str),
        variant: &str,
        words: &[&str],
    ) -> Result<Self, Failure> {
        let tree = tree.canonicalize().map_err(|e| Failure::input(format!("read the tree {}: {e}", tree.display())))?;
        let Commits { commits, parents } = Commits::read(&tree, good, bad, &Canceller::default())?;
        let variant = KernelName::parse(variant, &context.default_base()).variant;
        kernel::Variant::find(&context.project, &variant)?;
        let mut range = Self { between: Between::Commits { tree }, kernels: Vec::new(), nodes: Vec::new() };
        for (commit, parents) in commits.into_iter().zip(parents) {
            range.kernels.push(KernelName { variant: variant.clone(), base: kernel::commit_name(&commit.hash) });
            let weight = weight(&commit.paths, words);
            range.add(commit.hash, commit.subject, parents, weight);
        }
        Ok(range)
    }

    fn patches(context: &Context, series: &str, base: &str, words: &[&str]) -> Result<Self, Failure> {
        let name = KernelName::parse(series, base);
        context.known().kernel(&name)?;
        let mut progress = Progress::begin(format!("series {name}"));
        let store = Store::open(&context.cache)?;
        let patches = store.series(&context.project, &name, &mut |event| build::show(&mut progress, event));
        progress.end(if patches.is_ok() { "read" } else { "failed" });
        let patches = patches?;
        if patches.is_empty() {
            return Err(Failure::input(format!("variant `{name}` has no patches\n\nhint: harness list variants")));
        }
        if series.contains(['~', '+']) {
            let hint = "name the whole series; what it is without its last patches is tried anyway";
            return Err(Failure::input(format!("`{series}` is no series\n\nhint: {hint}")));
        }
        let mut range = Self { between: Between::Patches, kernels: Vec::new(), nodes: Vec::new() };
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

    fn options(context: &Context, good: &Path, bad: &Path, base: &str) -> Result<Self, Failure> {
        let changes = OptionChange::between(good, bad)?;
        if changes.is_empty() {
            return Err(Failure::input(format!(
                "{} and {} do not differ in any option",
                good.display(),
                bad.display()
            )));
        }
        let mut range = Self { between: Between::Options, kernels: Vec::new(), nodes: Vec::new() };
        for taken in 0..=changes.len() {
            let variant = kernel::options_as_variant(&context.project, &OptionChange::fragment(&changes, taken))?;
            range.kernels.push(KernelName { variant, base: base.to_owned() });
            match taken.checked_sub(1).and_then(|last| changes.get(last)) {
                None => range.add(good.display().to_string(), "the good configuration".to_owned(), Vec::new(), 1.0),
                Some(change) => range.add(change.option.clone(), change.to_string(), vec![taken - 1], 1.0),
            }
        }
        Ok(range)
    }

    fn add(&mut self, id: String, subject: String, parents: Vec<usize>, weight: f64) {
        self.nodes.push(Node { id, subject, parents, weight, earlier: crate::model::bisection::Tally::default() });
    }
}
