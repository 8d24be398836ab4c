//! Where the soak happens: a copy of the project, two small disks, a clock.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::project::cache_dir;

use crate::common::clock::Clock;
use crate::common::disk::Disk;
use crate::common::{Project, text};

/// What trials are run on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// On nothing, by this program.
    Free,
    /// On QEMU, by the harness.
    Real,
}

impl fmt::Display for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "guests that cost nothing",
            Self::Real => "real guests",
        })
    }
}

/// What every harness of the soak is given. Its environment names this soak, by which its processes are found.
pub struct Bed {
    pub project: Project,
    pub clock: Clock,
    /// Where results go, and where temporary folders do; none of either where this user may not mount any.
    pub disks: Vec<Disk>,
    temporary: PathBuf,
    cache: PathBuf,
    mark: String,
}

/// The variable that names the soak.
const MARK: &str = "HARNESS_SOAK";

impl Bed {
    pub fn new() -> Self {
        let project = Project::new();
        let clock = Clock::new(project.path());
        let disks = ["results", "tmp"].map(|name| Disk::mount(project.path().join(name), "512m"));
        // Beside what fills the disk.
        let temporary = project.path().join("tmp/folder");
        std::fs::create_dir_all(&temporary).unwrap();
        let cache = project.cache();
        // Else it would be read anew by every harness that is killed meanwhile.
        let _ = std::fs::copy(cache_dir().join("digests.json"), cache.join("harness/digests.json"));
        let mark = format!("{MARK}={}", project.path().display());
        Self { clock, disks: disks.into_iter().flatten().collect(), temporary, cache, mark, project }
    }

    /// Where the results of one run go.
    pub fn results(&self, kind: Guests, number: u32) -> PathBuf {
        let kind = if kind == Guests::Free { "free" } else { "real" };
        self.project.results().join(format!("{kind}-{number}"))
    }

    /// Where harnesses make temporary folders.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Where harnesses make templates.
    pub fn templates(&self) -> PathBuf {
        self.cache.join("harness/templates")
    }

    /// Has the harness build, undisturbed, what is built once: the faults are meant for trials. Templates are made anew.
    pub fn build(&self) {
        self.run_undisturbed("1");
        std::fs::remove_dir_all(self.templates()).unwrap();
    }

    /// Has the harness make a template, undisturbed, an hour from now: what others have begun is by then old enough to be
    /// removed.
    pub fn make_a_template_later(&self) {
        self.clock.put("+1h");
        self.run_undisturbed("3");
    }

    fn run_undisturbed(&self, templates: &str) {
        let results = self.project.path().join("undisturbed");
        let mut command = self.command(Guests::Real, &results, 3, None);
        let output = command.args(["--templates", templates]).output().unwrap();
        assert!(output.status.success(), "without any fault:\n{}", text(&output.stderr));
        std::fs::remove_dir_all(results).unwrap();
    }

    /// A harness that begins a run, or resumes the one of that id.
    pub fn command(&self, kind: Guests, results: &Path, trials: u32, id: Option<&str>) -> Command {
        let trials = trials.to_string();
        let mut command = match kind {
            Guests::Free => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.current_dir(self.project.path()).arg("free").args(["--trials", &trials]);
                command
            }
            Guests::Real => {
                let mut command = self.project.harness(&["run"]);
                if id.is_none() {
                    let scenario = ["--scenario", "panic-alone", "--trials", &trials];
                    command.args(scenario).args(["--time", "virtual", "--seed", "1"]);
                }
                command
            }
        };
        command.arg("--results").arg(results).args(id.into_iter().flat_map(|id| ["--resume", id]));
        command.env("TMPDIR", &self.temporary).env("XDG_CACHE_HOME", &self.cache);
        let (name, value) = self.mark.split_once('=').unwrap();
        command.env(name, value);
        self.clock.under(&command)
    }

    /// The processes of the soak's harnesses, themselves among them. Those that are dead are not, though nobody may have
    /// waited for them yet.
    pub fn processes(&self) -> Vec<u32> {
        let numbers = std::fs::read_dir("/proc").unwrap().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.filter(|pid| self.is_ours(*pid)).collect()
    }

    fn is_ours(&self, pid: u32) -> bool {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == self.mark.as_bytes())
    }
}
