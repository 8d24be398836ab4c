//! Directives: what the host has the agent do, one a line, in one text that QEMU hands over as an `fw_cfg` item.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use crate::words::words;

/// The `fw_cfg` item with the directives.
pub const ITEM: &str = "opt/harness/trial";

/// The `fw_cfg` item with the seed of the boot: 16 hexadecimal digits, from which the agent draws what makes boots
/// differ.
pub const BOOT_ITEM: &str = "opt/harness/boot";

/// The size of [`ITEM`] in bytes, to which the directives are padded with line feeds. The guest's kernel learns the size
/// of an item once, when it boots, so that a restored guest can only be given as many bytes as its template was.
pub const ITEM_BYTES: usize = 4096;

/// One directive. The agent follows them in the order in which they stand.
///
/// No operand contains a line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// `nonce HEX`: marks the lines of this trial, in the log and in crashlab's page.
    Nonce(String),
    /// `witnesses N`: writes N witness lines before the actors are fired.
    Witnesses(u32),
    /// `set PATH VALUE`: writes a value to a file below `/proc/sys` or `/sys`.
    Set {
        /// The file, without blanks.
        path: String,
        /// The value.
        value: String,
    },
    /// `arm …`: hands this line to crashlab, see [`Command::Arm`](crate::Command::Arm). What follows `arm` is not
    /// looked at by the agent.
    Arm(String),
    /// `await-host`: waits for a line from the host.
    AwaitHost,
    /// `await-tracer`: waits, before the actors are fired, until a tracer outside of the guest is awake.
    AwaitTracer,
    /// `reload-crash-kernel CPU`: once the actors are fired, loads the crash kernel anew, on that CPU.
    ReloadCrashKernel(u32),
    /// `exit-on CPU`: once the actors are fired, waits until an `exit` is due, and ends on that CPU.
    ExitOn(u32),
    /// `report-after US`: once the actors are fired, sleeps for that many microseconds, and says that it is alive.
    ReportAfter(Duration),
    /// `workload for_us=N seed=N [cpus=N,N] [ARGUMENT…]`: once the actors are fired, runs the user's program.
    Workload(Workload),
    /// `efivars read|write cpus=N,N`: from now on to the guest's end has the EFI variables accessed.
    Efivars(EfivarsLoad),
    /// `run-on CPU`: moves the agent to that CPU.
    RunOn(u32),
    /// `fire [after_us=N]`: writes the witness lines, sleeps, fires the actors, and waits for the guest's end.
    Fire {
        /// How long the agent sleeps; in whole microseconds.
        after: Duration,
    },
    /// `read-pstore`: sends every file of `/sys/fs/pstore`, then powers off.
    ReadPstore,
}

/// How the user's program is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// How long, at most; in whole microseconds.
    pub lasting: Duration,
    /// What it is given to draw from.
    pub seed: u64,
    /// The CPUs that it may run on; all, if none is named.
    pub cpus: Vec<u32>,
    /// Its arguments, none of them empty or with a blank.
    pub arguments: Vec<String>,
}

words! {
    /// What is done to EFI variables, by the file system that user space sees them in.
    EfivarsAccess {
        /// All of them are read.
        Read = "read",
        /// One of them is rewritten.
        Write = "write",
    }
}

/// EFI variables that are accessed over and over again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EfivarsLoad {
    /// What is done to them.
    pub access: EfivarsAccess,
    /// On each of these CPUs, of which there is one at least.
    pub cpus: Vec<u32>,
}

/// Why a line is no directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectiveError {
    /// Its first word is none, or lacks its operand, or has one too many.
    Unknown,
    /// `set` without a path and a value.
    Set,
    /// `fire` with something else than `after_us=N`.
    Fire,
    /// `workload` with something else than what it takes.
    Workload,
    /// `efivars` with something else than what it takes.
    Efivars,
    /// Its operand is not a number.
    Number(ParseIntError),
}

impl fmt::Display for DirectiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not a directive"),
            Self::Set => f.write_str("a path and a value are needed"),
            Self::Fire => f.write_str("after_us=N is all that may follow"),
            Self::Workload => f.write_str("for_us=N and seed=N are needed"),
            Self::Efivars => f.write_str("`read` or `write`, and cpus=N,N, are needed"),
            Self::Number(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DirectiveError {}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nonce(nonce) => write!(f, "nonce {nonce}"),
            Self::Witnesses(number) => write!(f, "witnesses {number}"),
            Self::Set { path, value } => write!(f, "set {path} {value}"),
            Self::Arm(actor) => write!(f, "arm {actor}"),
            Self::AwaitHost => f.write_str("await-host"),
            Self::AwaitTracer => f.write_str("await-tracer"),
            Self::ReloadCrashKernel(cpu) => write!(f, "reload-crash-kernel {cpu}"),
            Self::ExitOn(cpu) => write!(f, "exit-on {cpu}"),
            Self::ReportAfter(time) => write!(f, "report-after {}", time.as_micros()),
            Self::Workload(workload) => workload.fmt(f),
            Self::Efivars(load) => load.fmt(f),
            Self::RunOn(cpu) => write!(f, "run-on {cpu}"),
            Self::Fire { after } => match after.as_micros() {
                0 => f.write_str("fire"),
                us => write!(f, "fire after_us={us}"),
            },
            Self::ReadPstore => f.write_str("read-pstore"),
        }
    }
}

impl FromStr for Directive {
    type Err = DirectiveError;

    fn from_str(line: &str) -> Result<Self, DirectiveError> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse().map_err(DirectiveError::Number);
        match verb {
            "nonce" if !rest.is_empty() => Ok(Self::Nonce(rest.to_owned())),
            "witnesses" => number().map(Self::Witnesses),
            "set" => {
                let (path, value) = rest.split_once(' ').ok_or(DirectiveError::Set)?;
                Ok(Self::Set { path: path.to_owned(), value: value.to_owned() })
            }
            "arm" if !rest.is_empty() => Ok(Self::Arm(rest.to_owned())),
            "await-host" if rest.is_empty() => Ok(Self::AwaitHost),
            "await-tracer" if rest.is_empty() => Ok(Self::AwaitTracer),
            "reload-crash-kernel" => number().map(Self::ReloadCrashKernel),
            "exit-on" => number().map(Self::ExitOn),
            "report-after" => {
                let us = rest.parse().map_err(DirectiveError::Number)?;
                Ok(Self::ReportAfter(Duration::from_micros(us)))
            }
            "workload" => Workload::parse(rest).map(Self::Workload).ok_or(DirectiveError::Workload),
            "efivars" => EfivarsLoad::parse(rest).map(Self::Efivars).ok_or(DirectiveError::Efivars),
            "run-on" => number().map(Self::RunOn),
            "fire" if rest.is_empty() => Ok(Self::Fire { after: Duration::ZERO }),
            "fire" => {
                let us = rest.strip_prefix("after_us=").and_then(|us| us.parse().ok()).ok_or(DirectiveError::Fire)?;
                Ok(Self::Fire { after: Duration::from_micros(us) })
            }
            "read-pstore" if rest.is_empty() => Ok(Self::ReadPstore),
            _ => Err(DirectiveError::Unknown),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lasting, seed, cpus, arguments } = self;
        write!(f, "workload for_us={} seed={seed}", lasting.as_micros())?;
        write_cpus(f, cpus)?;
        // What follows is the program's, whatever it looks like.
        f.write_str(" --")?;
        arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

impl Workload {
    /// The agent hands on this much of what it writes, from the beginning.
    pub const OUTPUT_BYTES: usize = 16 << 10;

    fn parse(text: &str) -> Option<Self> {
        let (own, arguments) = match text.split_once(" --") {
            Some((own, arguments)) if arguments.is_empty() || arguments.starts_with(' ') => (own, arguments),
            _ => return None,
        };
        let mut words = own.split(' ');
        let us = words.next()?.strip_prefix("for_us=")?.parse().ok()?;
        let seed = words.next()?.strip_prefix("seed=")?.parse().ok()?;
        let cpus = words.next().map_or(Some(Vec::new()), parse_cpus)?;
        let arguments = arguments.split(' ').skip(1).map(str::to_owned).collect();
        let is_all = words.next().is_none();
        is_all.then_some(Self { lasting: Duration::from_micros(us), seed, cpus, arguments })
    }
}

impl fmt::Display for EfivarsLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access, cpus } = self;
        write!(f, "efivars {access}")?;
        write_cpus(f, cpus)
    }
}

impl EfivarsLoad {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let access = words.next()?;
        let access = EfivarsAccess::ALL.iter().copied().find(|known| known.word() == access)?;
        let cpus = parse_cpus(words.next()?)?;
        words.next().is_none().then_some(Self { access, cpus })
    }
}

/// ` cpus=0,2`, or nothing if there are none.
fn write_cpus(f: &mut fmt::Formatter<'_>, cpus: &[u32]) -> fmt::Result {
    if cpus.is_empty() {
        return Ok(());
    }
    let cpus: Vec<String> = cpus.iter().map(u32::to_string).collect();
    write!(f, " cpus={}", cpus.join(","))
}

/// What [`write_cpus`] has written, as a word.
fn parse_cpus(word: &str) -> Option<Vec<u32>> {
    word.strip_prefix("cpus=")?.split(',').map(|cpu| cpu.parse().ok()).collect()
}

/// The text of several directives: each on a line.
pub fn text(directives: &[Directive]) -> String {
    directives.iter().flat_map(|directive| [directive.to_string(), "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn workload(cpus: &[u32], arguments: &[&str]) -> Workload {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Workload { lasting: Duration::from_secs(5), seed: 7, cpus: cpus.to_vec(), arguments }
    }

    #[test]
    fn every_directive_is_written_and_read() {
        for (line, directive) in [
            ("nonce 00ff", Directive::Nonce("00ff".to_owned())),
            ("witnesses 32", Directive::Witnesses(32)),
            (
                "set /proc/sys/kernel/printk 8 4 1 7",
                Directive::Set { path: "/proc/sys/kernel/printk".to_owned(), value: "8 4 1 7".to_owned() },
            ),
            ("arm oops oops cpu=1 at_us=0", Directive::Arm("oops oops cpu=1 at_us=0".to_owned())),
            ("await-host", Directive::AwaitHost),
            ("await-tracer", Directive::AwaitTracer),
            ("reload-crash-kernel 1", Directive::ReloadCrashKernel(1)),
            ("exit-on 2", Directive::ExitOn(2)),
            ("report-after 6000000", Directive::ReportAfter(Duration::from_secs(6))),
            ("run-on 3", Directive::RunOn(3)),
            ("fire", Directive::Fire { after: Duration::ZERO }),
            ("fire after_us=250", Directive::Fire { after: Duration::from_micros(250) }),
            ("read-pstore", Directive::ReadPstore),
            ("efivars read cpus=1", Directive::Efivars(EfivarsLoad { access: EfivarsAccess::Read, cpus: vec![1] })),
            (
                "efivars write cpus=1,3",
                Directive::Efivars(EfivarsLoad { access: EfivarsAccess::Write, cpus: vec![1, 3] }),
            ),
            ("workload for_us=5000000 seed=7 --", Directive::Workload(workload(&[], &[]))),
            (
                "workload for_us=5000000 seed=7 cpus=0,2 -- -n 3 -- --fast",
                Directive::Workload(workload(&[0, 2], &["-n", "3", "--", "--fast"])),
            ),
        ] {
            assert_eq!(line.parse(), Ok(directive.clone()));
            assert_eq!(directive.to_string(), line);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "fire now",
            "fire after_us=soon",
            "run-on",
            "await-tracer please",
            "set /proc",
            "witnesses many",
            "reload-crash-kernel",
            "exit-on",
            "report-after soon",
            "workload",
            "workload for_us=1 seed=2",
            "workload for_us=1 --",
            "workload for_us=1 seed=2 cpus= --",
            "workload for_us=1 seed=2 --fast",
            "workload for_us=1 seed=2 cpus=1 more --",
            "efivars",
            "efivars read",
            "efivars erase cpus=1",
            "efivars read cpus=",
            "efivars read cpus=1 more",
            "arm",
            "nonce",
            "reboot",
        ] {
            assert!(line.parse::<Directive>().is_err(), "{line}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let error = |line: &str| line.parse::<Directive>().unwrap_err().to_string();
        assert_eq!(error("reboot"), "not a directive");
        assert_eq!(error("set /proc"), "a path and a value are needed");
        assert_eq!(error("fire now"), "after_us=N is all that may follow");
        assert_eq!(error("workload"), "for_us=N and seed=N are needed");
        assert_eq!(error("efivars"), "`read` or `write`, and cpus=N,N, are needed");
        assert_eq!(error("witnesses many"), "invalid digit found in string");
    }

    #[test]
    fn a_text_has_a_line_for_each() {
        let directives = [Directive::Witnesses(4), Directive::Fire { after: Duration::ZERO }];
        assert_eq!(text(&directives), "witnesses 4\nfire\n");
    }

    fn any_directive() -> impl Strategy<Value = Directive> {
        prop_oneof![
            "[0-9a-f]{1,16}".prop_map(Directive::Nonce),
            any::<u32>().prop_map(Directive::Witnesses),
            ("[!-~]+", "[ -~]*").prop_map(|(path, value)| Directive::Set { path, value }),
            "[ -~]+".prop_map(Directive::Arm),
            Just(Directive::AwaitHost),
            Just(Directive::AwaitTracer),
            any::<u32>().prop_map(Directive::ReloadCrashKernel),
            any::<u32>().prop_map(Directive::ExitOn),
            any::<u64>().prop_map(|us| Directive::ReportAfter(Duration::from_micros(us))),
            any::<u32>().prop_map(Directive::RunOn),
            any::<u64>().prop_map(|us| Directive::Fire { after: Duration::from_micros(us) }),
            (
                any::<u64>(),
                any::<u64>(),
                prop::collection::vec(any::<u32>(), 0..3),
                prop::collection::vec("[!-~]+", 0..3)
            )
                .prop_map(|(us, seed, cpus, arguments)| {
                    Directive::Workload(Workload { lasting: Duration::from_micros(us), seed, cpus, arguments })
                }),
            (prop::sample::select(EfivarsAccess::ALL), prop::collection::vec(any::<u32>(), 1..3))
                .prop_map(|(access, cpus)| Directive::Efivars(EfivarsLoad { access, cpus })),
            Just(Directive::ReadPstore),
        ]
    }

    proptest! {
        #[test]
        fn written_directives_are_read_back(directives in prop::collection::vec(any_directive(), 0..8)) {
            let read: Result<Vec<Directive>, _> = text(&directives).lines().map(str::parse).collect();
            prop_assert_eq!(read, Ok(directives));
        }

        #[test]
        fn any_line_is_survived(line in ".*") {
            if let Ok(directive) = line.parse::<Directive>() {
                prop_assert_eq!(directive.to_string().parse(), Ok(directive));
            }
        }
    }
}
