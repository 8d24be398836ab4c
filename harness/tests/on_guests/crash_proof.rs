//! What a crash kernel hands over, to the reader that it is meant for: crash(8), by the kernel's own debug information.
//! A kernel with all of that would be one more built from nothing; so only some fifty objects have it, those with the types
//! and variables that crash asks for.
//!
//! Debian 12's crash is too old for Linux 6.12 (it reads no modules, and destroys its own heap), so that of Debian 13 is
//! taken, which needs a newer C library: both lie in a folder of their own, and nothing is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Project, text};
use harness::kernel::{Canceller, download_packages};
use harness::project::cache_dir;
use serde_json::Value;

const SCENARIO: [&str; 3] = ["kdump-nmi-only", "--param", "post_notifiers=0"];

/// crash, and all that it is linked with.
const PACKAGES: [&str; 9] =
    ["crash", "libc6", "libgcc-s1", "liblzo2-2", "libncursesw6", "libsnappy1v5", "libstdc++6", "libtinfo6", "libzstd1"];
const SUITE: &str = "trixie";

fn succeeds(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The folder with crash, fetched if it is not there.
fn crash_root() -> PathBuf {
    let packages = cache_dir().join("packages").join(SUITE);
    let root = packages.join("crash");
    if root.is_dir() {
        return root;
    }
    std::fs::create_dir_all(&packages).unwrap();
    let scratch = tempfile::tempdir_in(&packages).unwrap();
    let complaint = download_packages(&PACKAGES, SUITE, scratch.path(), &Canceller::default());
    assert_eq!(complaint.unwrap_or_else(|error| panic!("{error}")), None);
    let unpacked = scratch.path().join("root");
    std::fs::create_dir(&unpacked).unwrap();
    for entry in std::fs::read_dir(scratch.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            succeeds(Command::new("dpkg-deb").arg("--extract").arg(path).arg(&unpacked));
        }
    }
    std::fs::rename(&unpacked, &root).unwrap();
    root
}

/// What crash says to these commands.
fn crash(project: &Project, vmlinux: &Path, vmcore: &Path, options: &[&str], commands: &str) -> String {
    let root = crash_root();
    let script = project.path().join("commands");
    std::fs::write(&script, format!("{commands}\nquit\n")).unwrap();
    let mut command = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"));
    command.arg("--library-path").arg(root.join("usr/lib/x86_64-linux-gnu")).arg(root.join("usr/bin/crash"));
    command.arg("-s").args(options).arg("-i").arg(script).arg(vmlinux).arg(vmcore);
    // Nobody's .crashrc.
    succeeds(command.env("HOME", project.path()).env("TERM", "dumb"))
}

/// A CPU's stack, as `bt -asx` shows it.
#[derive(Debug, PartialEq, Eq)]
struct Stack {
    cpu: u64,
    pid: u64,
    command: String,
    /// `panic+0x2b0`, `cl_act+0x3bf [crashlab]`: from where it was stopped outwards.
    frames: Vec<String>,
    /// From this frame on crash only guesses: it could not tell a frame's size by disassembling the function, and takes
    /// whatever looks like a return address (`BT_FRAMESIZE_DISABLE` in its `x86_64.c`), also one that an earlier call left.
    guessed_from: usize,
}

fn stacks(said: &str) -> Vec<Stack> {
    let mut stacks: Vec<Stack> = Vec::new();
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["PID:", pid, "TASK:", _, "CPU:", cpu, "COMMAND:", command] => stacks.push(Stack {
                cpu: cpu.parse().unwrap(),
                pid: pid.parse().unwrap(),
                command: command.trim_matches('"').to_owned(),
                frames: Vec::new(),
                guessed_from: usize::MAX,
            }),
            // What comes before is the crash stop itself.
            ["---", "<NMI", ..] => {
                let stack = stacks.last_mut().unwrap();
                stack.frames.clear();
                stack.guessed_from = usize::MAX;
            }
            [number, _, function, "at", _, ref module @ ..] if number.starts_with('#') => {
                let stack = stacks.last_mut().unwrap();
                // That it guesses is marked by a star.
                if module.contains(&"*") {
                    stack.guessed_from = stack.guessed_from.min(stack.frames.len());
                }
                let module = module.iter().filter(|word| **word != "*");
                let frame = [function].iter().chain(module).copied().collect::<Vec<_>>().join(" ");
                stack.frames.push(frame);
            }
            _ => {}
        }
    }
    stacks
}

/// The stacks, as the harness has walked them.
fn ours(record: &Value) -> Vec<Stack> {
    let dump = &record["dump"];
    let stack = |cpu: &Value| {
        let number = cpu["cpu"].as_u64().unwrap();
        let idle = format!("swapper/{number}");
        let at = cpu["at"].as_str().unwrap();
        Stack {
            cpu: number,
            pid: cpu["pid"].as_u64().unwrap(),
            command: if cpu["pid"] == 0 { idle } else { format!("crashlab/{number}") },
            frames: at.trim_end_matches(", interrupts off").split(" < ").map(str::to_owned).collect(),
            guessed_from: usize::MAX,
        }
    };
    dump["cpus"].as_array().unwrap().iter().map(stack).collect()
}

/// The CPU that jumps to the crash kernel saves its registers a few instructions before it does so: the harness begins
/// where that was, and crash in the last call.
fn from_the_same_place(stack: &mut Stack) {
    let place = stack.frames.iter().position(|frame| frame.starts_with("__crash_kexec+")).unwrap();
    assert!(place <= 1, "{stack:#?}");
    stack.frames.drain(..place);
    stack.guessed_from = stack.guessed_from.saturating_sub(place);
    "__crash_kexec".clone_into(&mut stack.frames[0]);
}

/// Whether both walked the same way. crash guesses how large a frame is by disassembling its function, and so may step over
/// one of a module's, whose callers' frame pointers tell. Where it takes any return address it may find one too many.
fn same(theirs: &Stack, ours: &Stack) -> bool {
    let mut rest = ours.frames.as_slice();
    let mut common = Vec::new();
    for (number, frame) in theirs.frames.iter().enumerate() {
        match rest.iter().position(|other| other == frame) {
            Some(place) => {
                rest = &rest[place + 1..];
                common.push(frame);
            }
            None if number >= theirs.guessed_from => {}
            None => return false,
        }
    }
    let of_kernel = |frames: Vec<&String>| -> Vec<String> {
        frames.into_iter().filter(|frame| !frame.contains('[')).cloned().collect()
    };
    (theirs.cpu, theirs.pid, &theirs.command) == (ours.cpu, ours.pid, &ours.command)
        && ours.frames.len() <= common.len() + 1
        && of_kernel(common) == of_kernel(ours.frames.iter().collect())
}

/// With times and callers; they differ in a space.
fn log_of(said: &str) -> Vec<String> {
    let lines = said.lines().skip_while(|line| !line.starts_with('['));
    lines.map(|line| line.replacen("] [", "][", 1)).collect()
}

#[test]
fn crash_sees_in_a_dump_what_we_see() {
    let project = Project::new();
    let variant = "name: types\ntitle: the base, with types\nclaim: none\nsource: this test\nseries: [ { patches: [types.patch] } ]\n";
    project.write("guest-kernel/variants/types/variant.yaml", variant);
    project.write("guest-kernel/variants/types/types.patch", include_str!("../fixtures/types-for-crash.patch"));
    let kernel = |variant| {
        let built = succeeds(&mut project.harness(&["build", variant]));
        PathBuf::from(built.split_whitespace().nth(1).unwrap())
    };
    // What is tested is the kernel that everybody has; the other is the same, and knows its types.
    let [stock, types] = ["stock", "types"].map(kernel);
    let map = |kernel: &Path| std::fs::read(kernel.join("System.map")).unwrap();
    assert!(map(&stock) == map(&types), "debug information moves nothing");
    let vmlinux = types.join("vmlinux");

    let trial = |further: &[&str]| {
        let how = ["--time", "virtual", "--seed", "1", "--format", "json"];
        let record = project.json(&[&["trial"], &SCENARIO[..], &how, further].concat(), 0);
        assert_eq!(record["channels"]["kdump"]["outcome"], "saved", "{record:#}");
        let kept = project.results().join("latest/artifacts/00000");
        let log = std::fs::read_to_string(kept.join("log.txt")).unwrap();
        (record, log.lines().map(str::to_owned).collect::<Vec<_>>(), kept.canonicalize().unwrap().join("vmcore"))
    };

    // All of it, and what makedumpfile leaves of that. A tinyconfig's allocator is none that crash knows (SLUB_TINY).
    let (record, log, vmcore) = trial(&["--full-vmcore"]);
    assert!(log.len() > 200, "from the boot on: {log:#?}");
    let small = project.path().join("small");
    succeeds(Command::new("makedumpfile").args(["-c", "-d", "31"]).args([&vmcore, &small]));
    for core in [&vmcore, &small] {
        let said = |commands| crash(&project, &vmlinux, core, &["--no_kmem_cache"], commands);
        assert_eq!(log_of(&said("log -c")), log);

        let (mut theirs, mut ours) = (stacks(&said("bt -asx")), ours(&record));
        let panicked = usize::try_from(record["dump"]["panic_cpu"].as_u64().unwrap()).unwrap();
        from_the_same_place(&mut theirs[panicked]);
        from_the_same_place(&mut ours[panicked]);
        assert_eq!(theirs.len(), ours.len());
        for (theirs, ours) in theirs.iter().zip(&ours) {
            assert!(same(theirs, ours), "{theirs:#?}\n{ours:#?}");
        }

        let task = said("set -p");
        let has = |what: &str, value: &str| task.lines().any(|line| line.trim() == format!("{what}: {value}"));
        assert!(has("COMMAND", &record["dump"]["task"].to_string()), "{task}");
        assert!(has("CPU", &panicked.to_string()) && has("STATE", "TASK_RUNNING (PANIC)"), "{task}");
        assert!(has("PID", &ours[panicked].pid.to_string()), "{task}");
    }

    // What is kept by default has the log, and no tasks that crash would want first.
    let (_, log, vmcore) = trial(&[]);
    assert_eq!(log_of(&crash(&project, &vmlinux, &vmcore, &["--minimal"], "log -c")), log);
}
