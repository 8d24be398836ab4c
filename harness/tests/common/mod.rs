//! What the tests on real guests share: the program itself, and a copy of the project that a test may change.

#![allow(dead_code, unused_imports, clippy::unwrap_used)]

pub mod clock;
pub mod disk;
pub mod memory;
pub mod processes;
mod turn;

use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use turn::{Turn, wait_for_turn};

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A project of a test's own: what it may change is copied, the rest is linked. Results go to its own folder. As long as
/// it is there, no test of another file runs that has one.
pub struct Project {
    folder: TempDir,
    _turn: Turn<'static>,
}

impl Project {
    #[track_caller]
    pub fn new() -> Self {
        let turn = wait_for_turn(Location::caller());
        let folder = tempfile::tempdir().unwrap();
        for name in ["scenarios", "guest-kernel"] {
            copy(&root().join(name), &folder.path().join(name));
        }
        for name in ["images", "harness", "xtask", "Cargo.toml", "Cargo.lock"] {
            std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).unwrap();
        }
        Self { folder, _turn: turn }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn results(&self) -> PathBuf {
        self.path().join("results")
    }

    /// A folder to be `XDG_CACHE_HOME`: of the real cache, but with templates of its own.
    pub fn cache(&self) -> PathBuf {
        let home = self.path().join("cache");
        let real = harness::project::cache_dir();
        std::fs::create_dir_all(home.join("harness")).unwrap();
        for name in ["kernels", "workbench", "agents", "images"] {
            // On a machine that builds the kernel first they are not there yet.
            std::fs::create_dir_all(real.join(name)).unwrap();
            std::os::unix::fs::symlink(real.join(name), home.join("harness").join(name)).unwrap();
        }
        home
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The program, on this project, away from any terminal.
    pub fn harness(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.args(arguments).current_dir(self.path()).env_remove("RUST_BACKTRACE");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.harness(arguments).output().unwrap()
    }

    /// The records of the run begun last, those whose lines are whole, in the order of their lines.
    pub fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.results().join("latest/trials.jsonl")).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// Runs the program and reads the JSON that it prints; `code` is the exit code it must end with.
    pub fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}:\n{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{arguments:?}: {e}\n{}\n{}", text(&output.stdout), text(&output.stderr)))
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The cells of a summary, of one variant and scenario, by the value of a parameter and that of another.
pub fn cell<'a>(summary: &'a Value, variant: &str, scenario: &str, params: &Value) -> &'a Value {
    let cells = summary["cells"].as_array().unwrap();
    cells
        .iter()
        .find(|cell| cell["variant"] == variant && cell["scenario"] == scenario && cell["params"] == *params)
        .unwrap_or_else(|| panic!("no cell {variant} {scenario} {params} in {summary:#}"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
