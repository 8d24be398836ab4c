//! A git history of a real kernel, made for the tests: 36 commits on 6.12, of which one loses a record now and then.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::project::cache_dir;

const TARBALL: &str = "/usr/src/linux-source-6.12.tar.xz";

/// What the guest's kernel has no object of. Its Kconfig files are needed.
const UNUSED: [&str; 37] = [
    "Documentation",
    "drivers/accel",
    "drivers/crypto",
    "drivers/gpu",
    "drivers/iio",
    "drivers/infiniband",
    "drivers/media",
    "drivers/net",
    "drivers/scsi",
    "drivers/staging",
    "drivers/usb",
    "sound",
    "tools/perf",
    "tools/testing",
    "arch/alpha",
    "arch/arc",
    "arch/arm",
    "arch/arm64",
    "arch/csky",
    "arch/hexagon",
    "arch/loongarch",
    "arch/m68k",
    "arch/microblaze",
    "arch/mips",
    "arch/nios2",
    "arch/openrisc",
    "arch/parisc",
    "arch/powerpc",
    "arch/riscv",
    "arch/s390",
    "arch/sh",
    "arch/sparc",
    "arch/xtensa",
    "rust",
    "samples",
    "LICENSES",
    "fs/xfs",
];
const UNUSED_FILES: [&str; 10] = ["c", "h", "S", "dts", "dtsi", "json", "rst", "yaml", "txt", "rs"];

/// Files off the path of a dying kernel, to which the commits that change nothing of it add something.
const ELSEWHERE: [&str; 8] = [
    "lib/string.c",
    "fs/readdir.c",
    "mm/util.c",
    "kernel/utsname.c",
    "lib/kstrtox.c",
    "fs/namei.c",
    "kernel/params.c",
    "drivers/base/bus.c",
];
/// Files on it.
const ON_THE_PATH: [&str; 4] =
    ["kernel/panic.c", "kernel/printk/printk.c", "fs/pstore/platform.c", "arch/x86/kernel/reboot.c"];

/// The tree, and what is known of it.
pub struct Tree {
    pub path: PathBuf,
    /// The one that loses records.
    pub culprit: String,
    /// The one that does not build.
    pub broken: String,
    /// How many commits there are after the good one.
    pub commits: usize,
}

/// The tree, from the cache if it is there: its commits' hashes are always the same, so that their kernels are found again.
pub fn tree() -> Tree {
    let folder = cache_dir().join("test-trees");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let path = folder.join("history-1");
    if !path.is_dir() {
        let fresh = tempfile::Builder::new().prefix("new-").tempdir_in(&folder).unwrap();
        make(fresh.path());
        fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(fresh.path(), &path).unwrap();
    }
    let hash = |name: &str| git(&path, &["rev-parse", name]);
    let count = git(&path, &["rev-list", "--count", "good..main"]);
    Tree { culprit: hash("culprit"), broken: hash("broken"), commits: count.parse().unwrap(), path }
}

/// Git in a tree, with nobody's settings.
pub fn git(tree: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(tree).args(["-c", "core.compression=0", "-c", "gc.auto=0", "-c", "commit.gpgSign=false"]);
    let who = [("AUTHOR", "A"), ("COMMITTER", "C")];
    for (role, name) in who {
        git.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), "test@localhost");
        git.env(format!("GIT_{role}_DATE"), "2026-11-01T00:00:00 +0000");
    }
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = git.args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn make(tree: &Path) {
    let mut tar = Command::new("tar");
    tar.args(["-x", "--strip-components=1", "-f", TARBALL, "--wildcards", "--wildcards-match-slash", "-C"]).arg(tree);
    for folder in UNUSED {
        tar.args(UNUSED_FILES.map(|kind| format!("--exclude=*/{folder}/*.{kind}")));
    }
    assert!(tar.env("XZ_DEFAULTS", "--threads=0").status().unwrap().success());
    git(tree, &["init", "--quiet", "--initial-branch=main"]);
    // Debian's own .gitignore leaves everything out.
    git(tree, &["add", "--all", "--force"]);
    git(tree, &["commit", "--quiet", "--message", "Linux 6.12, what a guest needs of it"]);
    git(tree, &["tag", "good"]);
    let mut number = 0;
    let mut harmless = |of: &[&str]| {
        let file = of[number % of.len()];
        number += 1;
        let code = format!("\nstatic int __used harness_test_{number}(void)\n{{\n\treturn {number};\n}}\n");
        append(tree, file, &code);
        commit(tree, &format!("{file}: add harness_test_{number}()"));
    };
    for _ in 0..4 {
        harmless(&ELSEWHERE);
        harmless(&ON_THE_PATH);
        harmless(&ELSEWHERE);
    }
    git(tree, &["checkout", "--quiet", "-b", "side", "HEAD~3"]);
    for _ in 0..3 {
        harmless(&ELSEWHERE);
        harmless(&ON_THE_PATH);
    }
    git(tree, &["checkout", "--quiet", "main"]);
    harmless(&ELSEWHERE);
    git(tree, &["merge", "--quiet", "--no-ff", "--message", "Merge branch 'side'", "side"]);
    harmless(&ELSEWHERE);
    harmless(&ON_THE_PATH);
    append(tree, "lib/string.c", "\n#error \"in the middle of something\"\n");
    commit(tree, "lib/string.c: begin something");
    git(tree, &["tag", "broken"]);
    cut(tree, "lib/string.c", "\n#error \"in the middle of something\"\n");
    commit(tree, "lib/string.c: end it");
    harmless(&ON_THE_PATH);
    replace(tree, "arch/x86/kernel/smp.c", "timeout = USEC_PER_SEC;", "timeout = 100 * USEC_PER_MSEC;");
    commit(tree, "x86/smp: do not wait a whole second for the other CPUs");
    git(tree, &["tag", "culprit"]);
    for _ in 0..4 {
        harmless(&ELSEWHERE);
        harmless(&ON_THE_PATH);
    }
}

fn commit(tree: &Path, message: &str) {
    git(tree, &["commit", "--quiet", "--all", "--message", message]);
}

fn append(tree: &Path, file: &str, code: &str) {
    let text = fs::read_to_string(tree.join(file)).unwrap();
    fs::write(tree.join(file), text + code).unwrap();
}

fn cut(tree: &Path, file: &str, code: &str) {
    replace(tree, file, code, "");
}

fn replace(tree: &Path, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(tree.join(file)).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{file}: {from}");
    fs::write(tree.join(file), text.replace(from, to)).unwrap();
}
