//! A clock that a test puts forwards and backwards, by libfaketime.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Below one of these, by Debian's package `faketime` or another distribution's; `cargo xtask test` installs it.
const PLACES: [&str; 5] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];

/// glibc's loader, which programs are started by.
const LOADERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/// The wall clock of the programs that are given it; the monotonic clock is left alone.
pub struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// A clock that is right so far, kept in a folder of the test's.
    pub fn new(folder: &Path) -> Self {
        let mut places = PLACES.iter().map(|place| Path::new(place).join("faketime/libfaketimeMT.so.1"));
        let library = places.find(|path| path.is_file()).expect("libfaketime is installed (Debian: faketime)");
        let clock = Self { file: folder.join("clock"), library };
        clock.put("+0");
        clock
    }

    /// A command whose program looks at this clock. Only that one: the library is preloaded by the program's loader
    /// and not by `LD_PRELOAD`, because QEMU, which is held in, may not open the library's semaphore and would end.
    pub fn under(&self, command: &Command) -> Command {
        let loader = LOADERS.iter().find(|path| Path::new(path).is_file()).expect("the loader of glibc is installed");
        let mut under = Command::new(loader);
        under.arg("--preload").arg(&self.library).arg(command.get_program()).args(command.get_args());
        under.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => under.env(name, value),
                None => under.env_remove(name),
            };
        }
        under.env("FAKETIME_TIMESTAMP_FILE", &self.file);
        under.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        under
    }

    /// Puts it this far off the true time: `+5h`. Replaced at one stroke: it is read at every look at the clock.
    pub fn put(&self, offset: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{offset}\n")).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }
}
