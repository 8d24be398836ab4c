//! Everything that is wrong with the files that users write: the project's, or chosen ones.
//!
//! ```text
//! paths ─> Kind, by name, folder or content ─> the reader of that kind ─> InputErrors
//! ```

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::kernel::{self, Variant};
use crate::plan::Suite;
use crate::probes::ProbeSet;
use crate::scenario::Scenario;
use crate::session::Catalogue;
use crate::waits::WaitSet;
use crate::yaml::{self, Collected, InputError, Listed, Problems, Source};

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Checked {
    /// Files that were looked at.
    pub files: usize,
    /// What is wrong, file by file.
    pub problems: Vec<InputError>,
    /// What may be wrong, and keeps nothing from being used.
    pub warnings: Vec<InputError>,
}

/// A problem, for programs.
#[derive(Debug, Serialize)]
pub struct Problem<'a> {
    /// The file, as it was named or found.
    pub file: String,
    /// From 1; none if the file as a whole is meant.
    pub line: Option<u32>,
    /// In characters, from 1.
    pub column: Option<u32>,
    /// What is wrong, in one line.
    pub message: &'a str,
    /// What to do about it.
    pub hint: Option<&'a str>,
}

/// What a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scenario,
    Suite,
    Variant,
    Bases,
    Axes,
    Probes,
    Waits,
}

/// Checks all files of the catalogue's project.
pub fn project(catalogue: &Catalogue) -> Checked {
    let (project, mut unreadable) = (&catalogue.project, Collected::default());
    let mut all = vec![(project.bases(), Kind::Bases)];
    if project.axes().symlink_metadata().is_ok() {
        all.push((project.axes(), Kind::Axes));
    }
    if project.waits().symlink_metadata().is_ok() {
        all.push((project.waits(), Kind::Waits));
    }
    for (kind, paths) in [
        (Kind::Variant, kernel::variant_files(project)),
        (Kind::Probes, yaml::files(&project.guest_kernel().join("probes"))),
        (Kind::Scenario, yaml::files(&project.scenarios())),
        (Kind::Suite, yaml::files(&project.suites())),
    ] {
        all.extend(unreadable.keep(paths).into_iter().flatten().map(|path| (path, kind)));
    }
    check(catalogue, all.iter().map(|(path, kind)| (path.as_path(), Ok(*kind))), unreadable)
}

/// Checks these files, wherever they are. Names in them are looked up in the catalogue's project.
pub fn files(catalogue: &Catalogue, paths: &[PathBuf]) -> Checked {
    check(catalogue, paths.iter().map(|path| (path.as_path(), Kind::of(path))), Collected::default())
}

fn check<'a>(
    catalogue: &Catalogue,
    files: impl Iterator<Item = (&'a Path, Result<Kind, InputError>)>,
    mut problems: Collected,
) -> Checked {
    let (mut number, mut warnings) = (0, Vec::new());
    for (path, kind) in files {
        number += 1;
        match kind.map_err(Problems::from).and_then(|kind| kind.check(catalogue, path)) {
            Ok(warning) => warnings.extend(warning),
            Err(found) => {
                let mut found: Vec<InputError> = found.iter().cloned().collect();
                found.sort_by_key(|error| error.mark().map(|mark| (mark.line, mark.column)));
                for error in found {
                    problems.add(error);
                }
            }
        }
    }
    let problems = problems.end().err().map(|problems| problems.iter().cloned().collect()).unwrap_or_default();
    Checked { files: number, problems, warnings }
}

impl Kind {
    /// What the file at `path` is to be: by its name or its folder's, else by its content.
    fn of(path: &Path) -> Result<Self, InputError> {
        let absolute = std::path::absolute(path).map_err(|error| InputError::of_file(path, error.to_string()))?;
        match (absolute.parent().and_then(file_name), file_name(&absolute)) {
            (_, Some("variant.yaml")) => Ok(Self::Variant),
            (_, Some("bases.yaml")) => Ok(Self::Bases),
            (_, Some("axes.yaml")) => Ok(Self::Axes),
            (_, Some("waits.yaml")) => Ok(Self::Waits),
            (Some("scenarios"), _) => Ok(Self::Scenario),
            (Some("suites"), _) => Ok(Self::Suite),
            (Some("probes"), _) => Ok(Self::Probes),
            _ => {
                let source = Source::read(path)?;
                Self::of_content(source.text()).ok_or_else(|| {
                    let hint = "a scenario has `actors` or a `workload`, a suite `trials`, a variant a `claim`, a set of \
                                probes `steps`, and others `bases`, `axes` or `watchdogs`";
                    InputError::of_file(path, "nothing in it tells what it is to be").hinted(hint)
                })
            }
        }
    }

    /// By the keys that only files of one kind have, also where the rest is no YAML.
    fn of_content(text: &str) -> Option<Self> {
        text.lines().find_map(|line| match line.split_once(':')?.0 {
            "actors" | "workload" => Some(Self::Scenario),
            "trials" | "variants" => Some(Self::Suite),
            "claim" | "series" => Some(Self::Variant),
            "bases" => Some(Self::Bases),
            "axes" => Some(Self::Axes),
            "steps" => Some(Self::Probes),
            "watchdogs" => Some(Self::Waits),
            _ => None,
        })
    }

    /// What may be wrong with the file, if it can be used.
    fn check(self, catalogue: &Catalogue, path: &Path) -> Result<Option<InputError>, Problems> {
        match self {
            Self::Scenario => return Scenario::load(path).map(|scenario| scenario.warning),
            Self::Suite => {
                let variant = |name: &str| Variant::find(&catalogue.project, name).map(drop);
                Suite::load(path)?.check(&catalogue.known(), variant)?;
            }
            Self::Variant => drop(Variant::read(&catalogue.project, path)?),
            Self::Bases => none_broken(kernel::read_bases(path))?,
            Self::Axes => none_broken(kernel::read_axes(path))?,
            Self::Probes => drop(ProbeSet::load(path)?),
            Self::Waits => drop(WaitSet::load(path)?),
        }
        Ok(None)
    }
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

fn none_broken<T>(listed: Listed<T>) -> Result<(), Problems> {
    let mut problems = Collected::default();
    for broken in listed.broken {
        problems.add(broken.problems);
    }
    problems.end()
}

impl<'a> From<&'a InputError> for Problem<'a> {
    fn from(error: &'a InputError) -> Self {
        let mark = error.mark().filter(|mark| mark.line > 0);
        Self {
            file: error.path().display().to_string(),
            line: mark.map(|mark| mark.line),
            column: mark.map(|mark| mark.column),
            message: error.cause(),
            hint: error.hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    const SCENARIO: &str = "name: one\ntitle: a test\nwhy: a test\nsource: this test\nguest: { cpus: 4 }\nactors:\n  \
        - panic: { name: panic, cpu: 1, at: 0ms }\nexpect: []\n";
    const SUITE: &str = "name: all\ntitle: a test\nvariants: [stock]\nbase: \"6.12\"\ntrials: 2\nscenarios: [one]\n";
    const VARIANT: &str = "name: stock\ntitle: a test\nclaim: none\nsource: this test\n";

    struct Bed(tempfile::TempDir);

    impl Bed {
        fn new() -> Self {
            let bed = Self(tempfile::tempdir().unwrap());
            bed.write("guest-kernel/bases.yaml", "bases:\n  \"6.12\": { package: linux-source-6.12 }\n");
            bed.write("guest-kernel/axes.yaml", "axes:\n  cpus: { guest: cpus }\n");
            bed.write("guest-kernel/variants/stock/variant.yaml", VARIANT);
            bed.write("guest-kernel/probes/few.yaml", "name: few\ntitle: a test\nsteps: []\n");
            bed.write("scenarios/one.yaml", SCENARIO);
            bed.write("scenarios/suites/all.yaml", SUITE);
            bed
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn said(&self, named: &[&str]) -> String {
            let root = self.0.path();
            let catalogue = Catalogue::load(Project::with_cache(root, root.join("cache"))).unwrap();
            let paths: Vec<PathBuf> = named.iter().map(|path| root.join(path)).collect();
            let Checked { files: number, problems, warnings } =
                if paths.is_empty() { project(&catalogue) } else { files(&catalogue, &paths) };
            let line = |error: &InputError| {
                let Problem { file, line, column, message, .. } = error.into();
                let file = file.strip_prefix(&format!("{}/", root.display())).unwrap().to_owned();
                let place = line.zip(column).map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
                format!("{file}{place}: {}\n", message.replace(&root.display().to_string(), "ROOT"))
            };
            let warned: String = warnings.iter().flat_map(|warning| ["warning: ".to_owned(), line(warning)]).collect();
            problems.iter().map(line).collect::<String>() + &warned + &format!("{number} files")
        }
    }

    #[test]
    fn a_project_in_order_has_no_problem() {
        assert_eq!(Bed::new().said(&[]), "6 files");
        let here = Project::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let checked = project(&Catalogue::load(here).unwrap());
        assert!(checked.problems.is_empty() && checked.warnings.is_empty() && checked.files > 60, "{checked:?}");
    }

    #[test]
    fn what_may_be_wrong_keeps_nothing_from_being_used() {
        let bed = Bed::new();
        bed.write("scenarios/one.yaml", &SCENARIO.replace("panic: {", "warn: {"));
        assert_eq!(bed.said(&[]), "warning: scenarios/one.yaml:7:19: nothing is known to end the guest\n6 files");
    }

    #[test]
    fn every_problem_is_listed() {
        let bed = Bed::new();
        bed.write("guest-kernel/bases.yaml", "bases:\n  a: { pakage: x }\n  \"6.12\": { package: x }\n  b: {}\n");
        bed.write("guest-kernel/axes.yaml", "axes:\n  a/b: { sysctl: x }\n  cpus: { gast: cpus }\n");
        let variant =
            VARIANT.replace("stock", "other") + "series: [ { patches: [a, ../b] } ]\ncommand-line: [\"a b\"]\n";
        bed.write("guest-kernel/variants/stock/variant.yaml", &variant);
        bed.write("guest-kernel/variants/good/variant.yaml", &VARIANT.replace("stock", "good"));
        bed.write("guest-kernel/probes/few.yaml", "name: few\ntitel: a test\nsteps: []\n");
        let scenario = SCENARIO.replace("a test\nwhy: a test", "\"\"\nwhy: a test");
        bed.write("scenarios/one.yaml", &scenario.replace("cpus: 4", "cpus: 9").replace("cpu: 1", "cpu: 12"));
        std::fs::create_dir(bed.0.path().join("scenarios/two.yaml")).unwrap();
        let suite =
            SUITE.replace("[stock]", "[stock, good+cpus=2, good+cpu=2, goud@6.13]").replace("[one]", "[one, tow]");
        bed.write("scenarios/suites/all.yaml", &suite);
        insta::assert_snapshot!(bed.said(&[]));
        insta::assert_snapshot!(bed.said(&["scenarios/one.yaml", "scenarios/none.yaml"]));
    }

    #[test]
    fn what_a_named_file_is_to_be_is_found_by_place_or_content() {
        let bed = Bed::new();
        for (path, text) in [
            ("a/one.yaml", SCENARIO),
            ("a/all.yaml", SUITE),
            ("stock/variant.yaml", VARIANT),
            ("a/few.yaml", "name: few\ntitle: a test\nsteps: []\n"),
            ("a/0123456789ab.yaml", "bases:\n  x: { package: x }\n"),
            ("a/mine.yaml", "axes:\n  cpus: { guest: cpus }\n"),
        ] {
            bed.write(path, text);
            assert_eq!(bed.said(&[path]), "1 files", "{path}");
            // What is to be told of a mistake in it is what readers of that kind say.
            bed.write(path, &text.replace("title", "titel").replace("x: {", "x/: {").replace("cpus: {", "c/: {"));
            assert!(bed.said(&[path]).contains(":2:"), "{path}: {}", bed.said(&[path]));
        }
        // A program of the user's may be all that is done.
        assert!(matches!(Kind::of_content("name: mine\nworkload: { program: mine }\n"), Some(Kind::Scenario)));
        bed.write("a/what.yaml", "name: what\n");
        assert_eq!(bed.said(&["a/what.yaml"]), "a/what.yaml: nothing in it tells what it is to be\n1 files");
    }
}
