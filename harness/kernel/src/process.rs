//! Programs that are started for a build: directly, never by a shell, each in a process group that ends with its use.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Canceller, KernelError};
use harness_project::temp_dir;

/// No line of a build is longer; what is longer is cut there.
const LINE_BYTES: u64 = 1 << 16;

/// How much of a program's complaints is kept.
const COMPLAINT_BYTES: u64 = 1 << 14;

/// A program with nothing of the user's environment but what finds programs and their settings: flags for make or the
/// compiler that happen to be set must not change what is built.
pub(super) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    let kept = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.env_clear().envs(kept).env("TMPDIR", temp_dir()).env("LC_ALL", "C").stdin(Stdio::null()).process_group(0);
    command
}

/// A running program. Dropped before it was waited for, it is killed with all of its children.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The program.
    pub child: Child,
    pgid: Pid,
    name: String,
    canceller: &'a Canceller,
}

impl<'a> Group<'a> {
    /// Starts `command`, which comes from [`program`]. `doing` is for the error.
    pub fn start(command: &mut Command, canceller: &'a Canceller, doing: &str) -> Result<Self, KernelError> {
        match canceller.start(command) {
            Ok(Some((child, group))) => Ok(Self { child, pgid: group, name: name_of(command), canceller }),
            Ok(None) => Err(KernelError::Cancelled),
            Err(e) => Err(not_started(command, doing, e)),
        }
    }

    /// Waits for its end. A cancelled program's end is [`KernelError::Cancelled`], however it ended.
    pub fn wait(mut self) -> Result<ExitStatus, KernelError> {
        let status = self.reap();
        if self.canceller.is_cancelled() {
            return Err(KernelError::Cancelled);
        }
        status.map_err(KernelError::io("waiting for", self.name.as_ref()))
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.canceller.forget(self.pgid);
        self.child.wait()
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Neither can fail in a way that something could be done about.
            let _ = kill_process_group(self.pgid, Signal::KILL);
            let _ = self.reap();
        } else {
            self.canceller.forget(self.pgid);
        }
    }
}

fn not_started(command: &Command, doing: &str, error: io::Error) -> KernelError {
    let program = name_of(command);
    if error.kind() == io::ErrorKind::NotFound {
        KernelError::tool_missing(doing, program)
    } else {
        KernelError::io(format!("{doing}: starting"), program.as_ref())(error)
    }
}

fn name_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The Debian package that has a program, if that is known.
pub(super) fn package_of(program: &str) -> Option<&str> {
    Some(match program {
        "gcc" | "make" => "build-essential",
        "ld" | "as" | "objcopy" | "nm" => "binutils",
        "xz" => "xz-utils",
        "ld.lld" => "lld",
        "tar" | "bzip2" | "zstd" | "patch" | "git" | "flex" | "bison" | "bc" | "clang" | "ccache" => program,
        // Compilers of one version are in packages of their name.
        _ if program.starts_with("gcc-") || program.starts_with("clang-") => program,
        _ => return None,
    })
}

/// Runs a program and hands over each line of what it says, on either channel, as it says it.
pub(super) fn run_lines(
    command: &mut Command,
    canceller: &Canceller,
    doing: &str,
    line: &mut dyn FnMut(&str) -> Result<(), KernelError>,
) -> Result<ExitStatus, KernelError> {
    let fail = KernelError::io(format!("{doing} with"), command.get_program().as_ref());
    let (reader, writer) = io::pipe().map_err(&fail)?;
    command.stdout(writer.try_clone().map_err(&fail)?).stderr(writer);
    let group = Group::start(command, canceller, doing);
    // The command holds the pipe's other end; while it does, there is no end of file.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let group = group?;
    each_line(reader, &fail, line)?;
    group.wait()
}

/// Hands over each line of a stream until it ends.
fn each_line(
    stream: impl Read,
    fail: impl Fn(io::Error) -> KernelError,
    line: &mut dyn FnMut(&str) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut bytes).map_err(&fail)? == 0 {
            return Ok(());
        }
        line(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']))?;
    }
}

/// What a program answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// The lines of its standard output.
    pub lines: Vec<String>,
    /// What it said on standard error, which is for people only: a warning there is no part of the answer.
    pub complaint: String,
}

/// Runs a program for what it writes to its standard output.
pub(super) fn ask(command: &mut Command, canceller: &Canceller, doing: &str) -> Result<Answer, KernelError> {
    let fail = KernelError::io(format!("{doing} with"), command.get_program().as_ref());
    let mut group = Group::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()), canceller, doing)?;
    let complaints = group.child.stderr.take().map(|stderr| std::thread::spawn(move || drain(stderr)));
    let mut lines = Vec::new();
    if let Some(stdout) = group.child.stdout.take() {
        each_line(stdout, fail, &mut |line| {
            lines.push(line.to_owned());
            Ok(())
        })?;
    }
    let status = group.wait()?;
    let complaint = complaints.and_then(|thread| thread.join().ok()).unwrap_or_default();
    Ok(Answer { status, lines, complaint })
}

/// Runs a program which says little, and returns what it said on both channels.
pub(super) fn run_quiet(
    command: &mut Command,
    canceller: &Canceller,
    doing: &str,
) -> Result<(ExitStatus, String), KernelError> {
    let mut said = String::new();
    let status = run_lines(command, canceller, doing, &mut |line| {
        if said.len() < 1 << 20 {
            said.push_str(line);
            said.push('\n');
        }
        Ok(())
    })?;
    Ok((status, said))
}

/// Runs a program and writes what it writes to its standard output to the file at `path`. It is an error if the program fails.
pub(super) fn write_out(
    command: &mut Command,
    path: &Path,
    canceller: &Canceller,
    doing: &str,
) -> Result<(), KernelError> {
    let file = File::create(path).map_err(KernelError::io("writing", path))?;
    let mut group = Group::start(command.stdout(file).stderr(Stdio::piped()), canceller, doing)?;
    let complaint = group.child.stderr.take().map(drain).unwrap_or_default();
    let program = group.name.clone();
    match group.wait()? {
        status if status.success() => Ok(()),
        status => Err(KernelError::Tool { doing: doing.to_owned(), program, status: ended(status), said: complaint }),
    }
}

/// Runs a program that reads a stream, and feeds it. `progress` is told how many bytes it has taken. Returns how it
/// ended and what it complained of; that it stopped reading is no error here, since then it complains.
pub(super) fn feed(
    command: &mut Command,
    input: &mut dyn Read,
    canceller: &Canceller,
    doing: &str,
    progress: &mut dyn FnMut(u64),
) -> Result<(ExitStatus, String), KernelError> {
    let fail = KernelError::io(format!("{doing} with"), command.get_program().as_ref());
    let mut group =
        Group::start(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()), canceller, doing)?;
    let complaints = group.child.stderr.take().map(|stderr| std::thread::spawn(move || drain(stderr)));
    let mut stdin = group.child.stdin.take();
    let mut buffer = vec![0; 1 << 18];
    let mut total: u64 = 0;
    while let Some(pipe) = &mut stdin {
        let read = input.read(&mut buffer).map_err(&fail)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        match pipe.write_all(bytes) {
            Ok(()) => total = total.saturating_add(read as u64),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => break,
            Err(e) => return Err(fail(e)),
        }
        progress(total);
    }
    drop(stdin);
    let status = group.wait()?;
    let said = complaints.and_then(|thread| thread.join().ok()).unwrap_or_default();
    Ok((status, said))
}

/// Reads a stream to its end and keeps the beginning.
pub(super) fn drain(mut stream: impl Read) -> String {
    let mut kept = Vec::new();
    let read = stream.by_ref().take(COMPLAINT_BYTES).read_to_end(&mut kept);
    if read.is_ok() {
        // What comes after is not kept, but has to be taken, or the program waits for ever.
        let _ = io::copy(&mut stream, &mut io::sink());
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

/// How a program ended, in words.
pub(super) fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_of_both_channels_arrive_and_the_environment_is_bare() {
        let (status, said) =
            run_quiet(program("sh").args(["-c", "echo one; echo two >&2; env"]), &Canceller::default(), "x").unwrap();
        assert!(status.success());
        let allowed = ["PATH=", "HOME=", "TMPDIR=", "LC_ALL=C", "PWD=", "_=", "SHLVL=", "OLDPWD="];
        let mut lines = said.lines();
        assert_eq!((lines.next(), lines.next()), (Some("one"), Some("two")));
        assert!(lines.all(|line| allowed.iter().any(|name| line.starts_with(name))), "{said}");
    }

    #[test]
    fn a_build_stands_back_behind_what_else_runs() {
        let own = rustix::process::getpriority_process(None).unwrap();
        // It may look before it was told.
        let script = format!("for i in $(seq 500); do [ $(nice) != {own} ] && break; sleep 0.02; done; nice");
        let answer = ask(program("sh").args(["-c", &script]), &Canceller::default(), "x").unwrap();
        assert_eq!(answer.lines, [(own + 10).min(19).to_string()]);
    }

    #[test]
    fn a_warning_is_no_part_of_an_answer() {
        let script = "echo warning: ambiguous >&2; echo one; echo two; exit 3";
        let answer = ask(program("sh").args(["-c", script]), &Canceller::default(), "x").unwrap();
        assert_eq!(answer.lines, ["one", "two"]);
        assert_eq!((answer.status.code(), answer.complaint.as_str()), (Some(3), "warning: ambiguous"));
    }

    #[test]
    fn what_a_program_writes_is_in_the_file_unless_it_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let run = |script: &str| write_out(program("sh").args(["-c", script]), &path, &Canceller::default(), "asking");
        run("printf 'a\\0b'").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a\0b");
        let error = run("echo no >&2; exit 3").unwrap_err().to_string();
        assert!(error.starts_with("asking: sh failed (exit code 3): no"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_told_with_its_package() {
        let said = |name| run_quiet(&mut program(name), &Canceller::default(), "building").unwrap_err().to_string();
        insta::assert_snapshot!(said("gcc-99"), @"
        building: there is no program `gcc-99`

        hint: apt install gcc-99
        ");
        insta::assert_snapshot!(said("bison-that-nobody-has"), @"
        building: there is no program `bison-that-nobody-has`

        hint: install it, or name one that is on PATH
        ");
    }

    #[test]
    fn an_error_kills_the_program_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("alive");
        assert!(program("mkfifo").arg(&fifo).status().unwrap().success());
        // The grandchild has the FIFO open for writing as long as it lives, and would live for a minute.
        let script = format!("(exec 3>{}; echo up; sleep 60) & sleep 60", fifo.display());
        let open = std::thread::spawn(move || fs::read(fifo));
        let error = run_lines(program("sh").args(["-c", &script]), &Canceller::default(), "x", &mut |line| {
            assert_eq!(line, "up");
            Err(KernelError::Cancelled)
        });
        assert!(matches!(error, Err(KernelError::Cancelled)));
        // The end of the file comes when the last writer is gone.
        assert_eq!(open.join().unwrap().unwrap(), b"");
    }

    #[test]
    fn cancelling_ends_what_runs_and_starts_nothing_more() {
        let canceller = Canceller::default();
        let result = run_lines(program("sh").args(["-c", "echo up; sleep 60"]), &canceller, "x", &mut |_| {
            canceller.cancel();
            Ok(())
        });
        assert!(matches!(result, Err(KernelError::Cancelled)));
        let result = run_quiet(program("sh").args(["-c", "echo never"]), &canceller, "x");
        assert!(matches!(result, Err(KernelError::Cancelled)));
    }

    #[test]
    fn feeding_a_program_that_gives_up_reports_its_complaint() {
        let mut endless = std::io::repeat(b'x');
        let mut command = program("sh");
        let command = command.args(["-c", "echo enough >&2; exit 3"]);
        let (status, said) = feed(command, &mut endless, &Canceller::default(), "x", &mut |_| {}).unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(3), "enough"));
        assert_eq!(ended(status), "exit code 3");
    }
}
