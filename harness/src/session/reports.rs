//! What is written of a run when it has ended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::evidence::{console, place_console};
use crate::failure::Failure;
use crate::known::{KnownList, Recognised};
use crate::model::TrialRecord;
use crate::report::{Junit, JunitForm, KnownAs, Reported, Samples, TAIL_BYTES, TrialNotes, junit};
use crate::results::{self, CONSOLE, Finished, Judged, Run, RunInfo, Summary, judge};
use crate::timeline::{View, timeline_picture};

/// How reports are written.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// For whom `junit.xml` is.
    pub form: JunitForm,
    /// How many bytes it may have.
    pub limit: usize,
    /// The folder that GitLab wants paths to begin in.
    pub project: Option<PathBuf>,
    /// Failures that are known.
    pub known: Option<KnownList>,
    /// What becomes of them in `junit.xml`.
    pub known_as: KnownAs,
}

/// What GitLab takes of a report with room to spare (30 MB).
const LIMIT: usize = 25 << 20;

/// The name of a picture among a trial's artifacts.
const PICTURE: &str = "timeline.svg";

/// The most trials of which pictures are drawn: each has some tens of kilobytes.
const PICTURES: usize = 200;

impl Default for ReportOptions {
    fn default() -> Self {
        Self { form: JunitForm::Plain, limit: LIMIT, project: None, known: None, known_as: KnownAs::default() }
    }
}

impl ReportOptions {
    /// For the CI server that this runs under, by its environment.
    pub fn here(environment: impl Fn(&str) -> Option<String>) -> Self {
        let form = match (environment("GITLAB_CI"), environment("JENKINS_URL")) {
            (Some(_), _) => JunitForm::Gitlab,
            (None, Some(_)) => JunitForm::Jenkins,
            (None, None) => JunitForm::Plain,
        };
        Self { form, project: environment("CI_PROJECT_DIR").map(PathBuf::from), ..Self::default() }
    }
}

/// An absolute path as a report's reader wants it, if the reader can make use of it; `project` is GitLab's folder.
fn shown(form: JunitForm, project: Option<&Path>, path: &Path) -> Option<String> {
    let path = match form {
        JunitForm::Plain => return None,
        JunitForm::Jenkins => path,
        JunitForm::Gitlab => path.strip_prefix(project?).ok()?,
    };
    let text = path.to_str()?;
    let means_something = |c: char| c.is_control() || "[]|".contains(c);
    (!text.contains(means_something)).then(|| text.to_owned())
}

/// A run as it lies on the disk, counted and judged.
pub struct Recorded {
    /// Its folder.
    pub run: Run,
    /// What went into it.
    pub info: RunInfo,
    /// What was counted.
    pub summary: Summary,
    /// What is told of its single trials.
    pub notes: TrialNotes,
    /// The trials of which the order of steps is told.
    pub samples: Samples,
    /// What of it was expected.
    pub judged: Vec<Judged>,
    /// What of its failures is known, if there is a list of them.
    pub known: Option<Recognised>,
    /// Which trials are there.
    pub finished: Finished,
}

impl Recorded {
    /// Reads a run through, which may have been cut short.
    pub fn read(run: Run, known: Option<KnownList>) -> Result<Self, Failure> {
        let info = run.info()?;
        Self::read_as(run, info, known)
    }

    fn read_as(run: Run, info: RunInfo, known: Option<KnownList>) -> Result<Self, Failure> {
        let (summary, finished) = run.tally()?;
        let judged = judge(&summary, &info.cells);
        let mut samples = Samples::default();
        let trials = run.trials()?.inspect(|record| match record {
            Ok(record) if finished.is_last(record) => samples.add(record),
            _ => {}
        });
        let notes = TrialNotes::of(trials, &finished)?;
        let known = known.map(|list| Recognised { findings: list.judge(&info, &summary, &judged), list });
        Ok(Self { run, info, summary, notes, samples, judged, known, finished })
    }

    /// As reports take it.
    pub fn reported(&self) -> Reported<'_> {
        let Self { info, summary, notes, judged, known, .. } = self;
        Reported { info, summary, notes, judged, known: known.as_ref() }
    }

    /// The end of a trial's console, as much as reports show of it; none if it was not kept.
    pub fn console_tail(&self, trial: u64) -> Option<Vec<u8>> {
        self.run.console_tail(trial, TAIL_BYTES).ok().flatten()
    }

    /// The names of the files that were kept of a trial, by name.
    pub fn artifacts(&self, trial: u64) -> Vec<String> {
        let entries = std::fs::read_dir(self.run.artifacts(trial)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

/// Counts what is on disk, judges it, and writes `summary.json` and `junit.xml`. `place` is where the run's folder will be
/// found.
pub fn write_reports(run: &Run, info: &RunInfo, place: &Path, options: &ReportOptions) -> Result<Recorded, Failure> {
    let recorded = Recorded::read_as(run.clone(), info.clone(), options.known.clone())?;
    run.write_summary(&recorded.summary)?;
    let reported = recorded.reported();
    let attached = attachments(run, place, options, &reported);
    let report = junit(&Junit {
        reported,
        form: options.form,
        known_as: options.known_as,
        limit: options.limit,
        console_tail: &|trial| recorded.console_tail(trial),
        attachments: &|trial| attached.get(&trial).cloned().unwrap_or_default(),
    });
    let report = report.map_err(Failure::host)?;
    let path = run.write_report("junit.xml", &report)?;
    if report.len() > options.limit {
        let (path, limit) = (path.display(), options.limit >> 10);
        tracing::warn!("{path} has {} KiB, and cannot be made shorter to have {limit}", report.len() >> 10);
    }
    Ok(recorded)
}

/// The files to be shown with each trial that the report tells of, the most telling one first: what its CPUs did, as a
/// picture that is drawn here, and its console.
fn attachments(run: &Run, place: &Path, options: &ReportOptions, reported: &Reported) -> BTreeMap<u64, Vec<String>> {
    let mut attached = BTreeMap::new();
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (place, project) = (real(place), options.project.as_deref().map(real));
    let shown = |path: &Path| shown(options.form, project.as_deref(), path);
    if shown(&place).is_none() {
        return attached;
    }
    for (number, trial) in reported.telling_trials().into_iter().enumerate() {
        if number < PICTURES
            && let Err(error) = draw(run, trial)
        {
            tracing::warn!("no picture of trial {}: {error}", trial.index);
        }
        let folder = run.artifacts(trial.index);
        let there = [PICTURE, CONSOLE].into_iter().map(|name| folder.join(name)).filter(|path| path.is_file());
        let at_its_place = |path: PathBuf| Some(place.join(path.strip_prefix(run.folder()).ok()?));
        attached.insert(trial.index, there.filter_map(at_its_place).filter_map(|path| shown(&path)).collect());
    }
    attached
}

/// Draws what the CPUs of a trial did, if it was traced, beside its timeline.
fn draw(run: &Run, trial: &TrialRecord) -> Result<(), results::Error> {
    let Some(timeline) = run.timeline(trial.index)? else { return Ok(()) };
    let console = run.console_tail(trial.index, u32::MAX)?.unwrap_or_default();
    let lines = place_console(&timeline, &console::decode(&console));
    let view = View { run_id: run.id(), trial, timeline: &timeline, lines: &lines, detail: false };
    run.write_artifact(trial.index, PICTURE, timeline_picture(&view).document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_for_the_server_that_runs_it() {
        let here = |set: &[(&str, &str)]| {
            ReportOptions::here(|name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(here(&[]).form, JunitForm::Plain);
        assert_eq!(here(&[("JENKINS_URL", "https://ci.example/")]).form, JunitForm::Jenkins);
        let gitlab = here(&[("GITLAB_CI", "true"), ("CI_PROJECT_DIR", "/builds/p"), ("JENKINS_URL", "x")]);
        assert_eq!((gitlab.form, gitlab.project.as_deref()), (JunitForm::Gitlab, Some(Path::new("/builds/p"))));
    }

    #[test]
    fn paths_are_as_their_reader_wants_them() {
        let shown = |form, path: &str| super::shown(form, Some(Path::new("/builds/p")), Path::new(path));
        assert_eq!(shown(JunitForm::Gitlab, "/builds/p/results/r/a.svg").unwrap(), "results/r/a.svg");
        assert_eq!(shown(JunitForm::Gitlab, "/elsewhere/a.svg"), None, "GitLab keeps nothing from there");
        assert_eq!(shown(JunitForm::Jenkins, "/elsewhere/a.svg").unwrap(), "/elsewhere/a.svg");
        assert_eq!(shown(JunitForm::Jenkins, "/else[where]/a.svg"), None, "it would end the path");
        assert_eq!(shown(JunitForm::Plain, "/a.svg"), None);
    }
}
