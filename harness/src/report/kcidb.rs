//! The run as `KernelCI`'s database takes it: kcidb's schema 5.3 (kcidb-io 141, `kcidb_io/schema/v05_03.py`).
//!
//! A checkout for each source that kernels were built from, a build for each kernel, a test for each cell and channel. A trial
//! is no test of its own: where single results differ `KernelCI` calls a test unstable, and here they are meant to.

use std::fmt::Write as _;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::cases::{Cell, Reported, State, end};
use super::console::printable;
use super::repeat::Repeat;
use crate::known::Left;
use crate::model::{CellKey, Channel, assignments};
use crate::results::KernelInfo;

/// Characters that the schema lets a log excerpt have.
const EXCERPT: usize = 16_384;

/// What a submission is made of.
pub struct Kcidb<'a> {
    /// What is reported.
    pub reported: Reported<'a>,
    /// Who reports it: lower-case letters, digits and `_`.
    pub origin: &'a str,
    /// What each base's source is.
    pub sources: &'a BTreeMap<String, SourceCommit>,
    /// Where the commits are to be had.
    pub repository: &'a Repository,
    /// Where the run's folder is to be found, without a `/` at its end; nothing if it is not.
    pub artifacts_url: Option<&'a str>,
    /// The end of a trial's console, by the trial's index.
    pub console_tail: &'a dyn Fn(u64) -> Option<Vec<u8>>,
    /// The names of the files that were kept of a trial.
    pub artifacts: &'a dyn Fn(u64) -> Vec<String>,
}

/// The source of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCommit {
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// SHA-256 of what was not committed, if there was something.
    pub difference: Option<String>,
}

/// Where commits are to be had; what is not known is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// `https://git.kernel.org/pub/scm/linux/kernel/git/stable/linux.git`
    pub url: Option<String>,
    /// `linux-6.12.y`
    pub branch: Option<String>,
    /// What people call it: `stable`.
    pub tree: Option<String>,
}

/// The submission, and the kernels that were not built, whose cells are not in it.
pub fn kcidb(input: &Kcidb) -> (Value, Vec<String>) {
    let info = input.reported.info;
    let cells = input.reported.cells();
    let kernels: BTreeMap<(&str, &str), &KernelInfo> =
        info.kernels.iter().map(|kernel| ((kernel.variant.as_str(), kernel.base.as_str()), kernel)).collect();
    let (mut checkouts, mut builds, mut tests) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let (mut issues, mut incidents) = (BTreeMap::new(), Vec::new());
    let mut not_built = BTreeSet::new();
    for cell in &cells {
        let CellKey { variant, base, .. } = cell.key();
        let known = kernels.get(&(variant.as_str(), base.as_str())).zip(input.sources.get(base));
        let Some((kernel, source)) = known else {
            not_built.insert(cell.key().kernel().to_string());
            continue;
        };
        let checkout = input.checkout(kernel, source);
        let build = input.build(kernel, &id_of(&checkout));
        for channel in cell.channels() {
            let test = input.test(cell, channel, &id_of(&build));
            if let Some((issue, present)) = input.issue(cell, channel) {
                incidents.push(input.incident(&id_of(&issue), &id_of(&test), present));
                issues.insert(id_of(&issue), issue);
            }
            tests.push(test);
        }
        checkouts.insert(id_of(&checkout), checkout);
        builds.insert(id_of(&build), build);
    }
    let submission = json!({
        "version": {"major": 5, "minor": 3},
        "checkouts": checkouts.into_values().collect::<Vec<_>>(),
        "builds": builds.into_values().collect::<Vec<_>>(),
        "tests": tests,
        "issues": issues.into_values().collect::<Vec<_>>(),
        "incidents": incidents,
    });
    (submission, not_built.into_iter().collect())
}

impl Kcidb<'_> {
    /// An object of this origin, with an id that is the same whenever the same is reported.
    fn object(&self, id: &str, fields: Value) -> Value {
        let mut object = Map::from_iter([
            ("id".to_owned(), format!("{}:harness-{id}", self.origin).into()),
            ("origin".to_owned(), self.origin.into()),
        ]);
        // The schema knows no null.
        let Value::Object(fields) = fields else { return object.into() };
        object.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        object.into()
    }

    fn checkout(&self, kernel: &KernelInfo, SourceCommit { commit, difference }: &SourceCommit) -> Value {
        let patches = difference.iter().chain(kernel.patches.iter().map(|patch| &patch.sha256));
        let lines: String = patches.flat_map(|digest| [digest, "\n"]).collect();
        let patchset = if lines.is_empty() { String::new() } else { digest(&lines) };
        let Repository { url, branch, tree } = self.repository;
        let id = if patchset.is_empty() { commit.clone() } else { format!("{commit}-{patchset}") };
        self.object(
            &id,
            json!({
                "git_commit_hash": commit,
                "patchset_hash": patchset,
                "git_repository_url": url,
                "git_repository_branch": branch,
                "tree_name": tree,
                "valid": true,
                "misc": {"source_digest": kernel.source_digest},
            }),
        )
    }

    fn build(&self, kernel: &KernelInfo, checkout: &str) -> Value {
        let KernelInfo { key, release, build_id, config_digest, compiler, make_arguments, .. } = kernel;
        let command = (!make_arguments.is_empty()).then(|| format!("make {}", make_arguments.join(" ")));
        self.object(
            key,
            json!({
                "checkout_id": checkout,
                "architecture": "x86_64",
                "compiler": compiler,
                "command": command,
                "status": "PASS",
                "misc": {"release": release, "build_id": build_id, "config_digest": config_digest},
            }),
        )
    }

    fn test(&self, cell: &Cell, channel: Channel, build: &str) -> Value {
        let info = self.reported.info;
        let CellKey { variant, base, scenario, params } = cell.key();
        let state = cell.state(channel);
        let counts = cell.counted.channel(channel);
        let trial = cell.telling_trial(channel);
        let share = counts.good().share().map(|share| json!({"value": share * 100.0, "unit": "%"}));
        let figures = cell.figures(channel);
        let id = format!("{}-{}", info.run_id, short(&digest(&format!("{} {channel}", cell.key()))));
        let (status, why) = match &state {
            State::Met => ("PASS", None),
            State::Measured => ("DONE", None),
            State::Failed(why) | State::Known { why, .. } => ("FAIL", Some(why)),
            // Where the kernel lacks what the scenario needs, or the faults did not meet, it is not applicable.
            State::Skipped(why) if cell.counted.skipped.is_some() || cell.counted.trials > 0 => ("SKIP", Some(why)),
            State::Broke(why) | State::Skipped(why) => ("MISS", Some(why)),
        };
        let comment = why.map_or_else(|| figures.lines().next().unwrap_or_default().to_owned(), Clone::clone);
        let point = assignments(params);
        let words = ["harness", scenario, variant, &point, channel.name()];
        let path: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).map(node).collect();
        let files = self.files(trial.map(|trial| trial.index));
        self.object(
            &id,
            json!({
                "build_id": build,
                "path": path.join("."),
                "status": status,
                "number": share,
                "comment": clean(&comment),
                "start_time": cell.notes.and_then(|notes| notes.started.as_ref()),
                "duration": cell.notes.map(|notes| notes.wall.as_secs_f64()),
                "log_excerpt": self.excerpt(cell, channel, &figures),
                "log_url": files.log,
                "output_files": files.others,
                "environment": {
                    "comment": format!("QEMU {}, {}", info.qemu.version, info.qemu.accelerator),
                    "misc": {"platform": "qemu", "time": info.qemu.time, "cold": info.qemu.cold},
                },
                "misc": {
                    "variant": variant, "base": base, "params": params, "channel": channel,
                    "good": counts.good().hits(), "of": counts.n(), "ci95_percent": (counts.n() > 0).then(|| {
                        let interval = counts.ci95();
                        [interval.lo * 100.0, interval.hi * 100.0]
                    }),
                    "missed": cell.counted.missed, "infra_errors": cell.counted.infra_errors,
                    "expected": cell.expectations(channel).map(|judged| judged.expectation.to_string()).collect::<Vec<_>>(),
                    "again": trial.map(|trial| Repeat::of(info, trial).command),
                },
            }),
        )
    }

    /// The known failure that a test is one of, and whether the test shows it: not if it passes again.
    fn issue(&self, cell: &Cell, channel: Channel) -> Option<(Value, bool)> {
        let known = self.reported.known?;
        let (place, present) = match (known.of(cell.key(), channel), cell.state(channel)) {
            (Some((known, _)), _) => (known.place(), true),
            (None, State::Met) => {
                let passes = |(place, left): &&(usize, Left)| {
                    *left == Left::Passes && known.list.entries[*place].fits(cell.key(), channel)
                };
                (known.findings.left.iter().find(passes)?.0, false)
            }
            (None, _) => return None,
        };
        let entry = &known.list.entries[place];
        let issue = self.object(
            &format!(
                "issue-{}",
                short(&digest(&format!("{} {} {} {}", entry.scenario, entry.variant, entry.channel, entry.link)))
            ),
            json!({
                "version": 1,
                "report_url": entry.link,
                "report_subject": format!("{} fails in {} on {}", entry.channel, entry.scenario, entry.variant),
                "culprit": {"code": true, "tool": false, "harness": false},
                "comment": entry.note.as_deref().map(clean),
                "misc": {"since": entry.since.to_string()},
            }),
        );
        Some((issue, present))
    }

    fn incident(&self, issue: &str, test: &str, present: bool) -> Value {
        let own = |id: &str| id.rsplit_once("harness-").map_or(id.to_owned(), |(_, own)| own.to_owned());
        self.object(
            &format!("{}-{}", own(issue), own(test)),
            json!({"issue_id": issue, "issue_version": 1, "test_id": test, "present": present}),
        )
    }

    /// The figures, the trial that tells most, and as much of its console's end as there is room for.
    fn excerpt(&self, cell: &Cell, channel: Channel, figures: &str) -> String {
        let mut text = figures.to_owned();
        let mut tail = String::new();
        if let Some(trial) = cell.telling_trial(channel) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "trial {}: {}", trial.index, end(trial, channel).trim_end());
            let _ = writeln!(text, "{}", Repeat::of(self.reported.info, trial));
            tail = (self.console_tail)(trial.index).map(|bytes| printable(&bytes)).unwrap_or_default();
        }
        let text: String = clean(&text).chars().take(EXCERPT).collect();
        let room = EXCERPT - text.chars().count();
        let skipped = tail.chars().count().saturating_sub(room);
        text + &tail.chars().skip(skipped).collect::<String>()
    }

    /// Where a trial's files are to be had.
    fn files(&self, trial: Option<u64>) -> Files {
        let (Some(url), Some(trial)) = (self.artifacts_url, trial) else { return Files::default() };
        let mut files = Files::default();
        for name in (self.artifacts)(trial) {
            let url = format!("{url}/artifacts/{trial:05}/{name}");
            if name == crate::results::CONSOLE {
                files.log = Some(url);
            } else {
                files.others.get_or_insert_default().push(json!({"name": name, "url": url}));
            }
        }
        files
    }
}

/// Where files of a trial are to be had.
#[derive(Default)]
struct Files {
    log: Option<String>,
    others: Option<Vec<Value>>,
}

/// What cannot be printed is written out; the schema knows no NUL.
fn clean(text: &str) -> String {
    printable(text.as_bytes())
}

/// A node of a path: letters, digits, `_` and `-`.
fn node(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap_or_default().to_owned()
}

fn digest(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

/// Enough of a digest to tell the tests of one run apart.
fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}
