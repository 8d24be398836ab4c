//! What a kernel waits for by itself, and for how long: `guest-kernel/waits.yaml`.
//!
//! ```text
//! waits.yaml ─> WaitSet ─> the kernel's version ─> Waits ─┐
//! a scenario's own ───────────────────────────────────────┴─> who calls whom on a CPU ─> Wait ─> how long
//! ```

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::kernel::Version;
use crate::scenario;
use crate::yaml::{At, InputError, Source};

/// How many seconds one that the kernel counts in turns of `udelay(1)` lasts at most on an emulated CPU: twelve were
/// measured where the other vCPUs read their time-stamp counters.
const TURNS_STRETCH: u32 = 20;
/// And any other second, on a busy host.
const STRETCH: u32 = 2;
/// Nobody would see the end of what waits for longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// All that is known of kernels' waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaitSet {
    delays: Vec<String>,
    waits: Vec<Of<Wait>>,
    watchdogs: Vec<Of<Watchdog>>,
}

/// Something that is true of kernels from the first of these to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Of<T> {
    what: T,
    since: Option<Version>,
    until: Option<Version>,
}

/// What is known of the waits of one kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits {
    /// Functions that pass time for their callers.
    delays: Vec<String>,
    functions: Vec<Wait>,
    /// What ends it when it is stuck.
    pub watchdogs: Vec<Watchdog>,
}

/// Functions that wait, and come back by the kernel's own doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The functions.
    pub functions: Vec<String>,
    /// For how long they wait at most.
    pub lasts: Lasts,
    /// How many times as long that may take.
    stretch: u32,
    /// They call nothing but delays while they wait.
    itself: bool,
}

/// How long something lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lasts {
    /// At most this time.
    For(Duration),
    /// As many seconds as this variable has.
    SecondsIn(Variable),
}

/// A variable of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its symbol.
    pub name: String,
    /// Its size: 4 or 8.
    pub bytes: usize,
}

/// What makes a kernel panic that is stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// How many times it has to see that before the kernel panics; not above 0: it never does.
    pub switch: Variable,
    /// How many seconds pass before it sees it.
    pub after: Variable,
    /// How many times that long it may take.
    pub times: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    delays: Vec<String>,
    waits: Vec<WaitFile>,
    watchdogs: Vec<WatchdogFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WaitFile {
    functions: At<Vec<String>>,
    #[serde(rename = "for")]
    lasts: Option<At<String>>,
    seconds_in: Option<VariableFile>,
    #[serde(default)]
    turns: bool,
    #[serde(default)]
    itself: bool,
    since: Option<At<String>>,
    until: Option<At<String>>,
    source: At<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WatchdogFile {
    switch: String,
    seconds_in: VariableFile,
    times: u32,
    since: Option<At<String>>,
    until: Option<At<String>>,
    source: At<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum VariableFile {
    Int(String),
    Long(String),
}

impl WaitSet {
    /// Reads `waits.yaml`.
    pub fn load(path: &Path) -> Result<Self, InputError> {
        let source = Source::read(path)?;
        let File { delays, waits, watchdogs } = source.parse()?;
        Ok(Self {
            delays,
            waits: waits.into_iter().map(|wait| wait.check(&source)).collect::<Result<_, _>>()?,
            watchdogs: watchdogs.into_iter().map(|watchdog| watchdog.check(&source)).collect::<Result<_, _>>()?,
        })
    }

    /// What is true of kernels of this version.
    pub fn of(&self, version: &Version) -> Waits {
        Waits {
            delays: self.delays.clone(),
            functions: self.waits.iter().filter_map(|wait| wait.of(version)).collect(),
            watchdogs: self.watchdogs.iter().filter_map(|watchdog| watchdog.of(version)).collect(),
        }
    }
}

impl<T: Clone> Of<T> {
    fn check(
        what: T,
        source: &Source,
        (since, until): (Option<At<String>>, Option<At<String>>),
        from: &At<String>,
    ) -> Result<Self, InputError> {
        if from.value.trim().is_empty() {
            return Err(source.error(from.mark, "where that is known from is not said", None));
        }
        let version = |at: Option<At<String>>| {
            at.map(|at| at.value.parse().map_err(|cause: String| source.error(at.mark, cause, None))).transpose()
        };
        Ok(Self { what, since: version(since)?, until: version(until)? })
    }

    fn of(&self, version: &Version) -> Option<T> {
        version.is_within(self.since.as_ref(), self.until.as_ref()).then(|| self.what.clone())
    }
}

impl WaitFile {
    fn check(self, source: &Source) -> Result<Of<Wait>, InputError> {
        let Self { functions, lasts, seconds_in, turns, itself, since, until, source: from } = self;
        let lasts = match (lasts, seconds_in) {
            (Some(written), None) => Lasts::For(scenario::duration(&written.value).ok_or_else(|| {
                source.error(written.mark, "that is no duration", Some("write `10s` or `100ms`".to_owned()))
            })?),
            (None, Some(variable)) => Lasts::SecondsIn(variable.into()),
            _ => {
                let hint = "give `for`, or the variable that says it, `seconds-in`".to_owned();
                return Err(source.error(functions.mark, "how long they wait is not said in one way", Some(hint)));
            }
        };
        let stretch = if turns { TURNS_STRETCH } else { STRETCH };
        Of::check(Wait { functions: functions.value, lasts, stretch, itself }, source, (since, until), &from)
    }
}

impl WatchdogFile {
    fn check(self, source: &Source) -> Result<Of<Watchdog>, InputError> {
        let Self { switch, seconds_in, times, since, until, source: from } = self;
        let switch = Variable { name: switch, bytes: 4 };
        Of::check(Watchdog { switch, after: seconds_in.into(), times }, source, (since, until), &from)
    }
}

impl From<VariableFile> for Variable {
    fn from(written: VariableFile) -> Self {
        match written {
            VariableFile::Int(name) => Self { name, bytes: 4 },
            VariableFile::Long(name) => Self { name, bytes: 8 },
        }
    }
}

impl Waits {
    /// With a function of which a scenario says that it waits for this time at most.
    #[must_use]
    pub fn with(mut self, function: String, at_most: Duration) -> Self {
        let lasts = Lasts::For(at_most);
        self.functions.push(Wait { functions: vec![function], lasts, stretch: STRETCH, itself: false });
        self
    }

    /// The waits that a CPU is in, by the functions on its stack, of which each was called by the next.
    pub fn of_stack<'a>(&'a self, stack: &[&'a str]) -> Vec<(&'a Wait, &'a str)> {
        let plain = |name: &'a str| name.split('.').next().unwrap_or(name);
        let delays = stack.iter().take_while(|name| self.delays.iter().any(|delay| delay == plain(name))).count();
        let of = |(depth, name): (usize, &&'a str)| {
            let name = plain(name);
            let known = |wait: &&Wait| {
                wait.functions.iter().any(|function| function == name) && (!wait.itself || depth == delays)
            };
            self.functions.iter().find(known).map(|wait| (wait, name))
        };
        stack.iter().enumerate().filter_map(of).collect()
    }

    /// The variables by which it is known how long something lasts, and whether.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        let of_waits = self.functions.iter().filter_map(|wait| match &wait.lasts {
            Lasts::SecondsIn(variable) => Some(variable),
            Lasts::For(_) => None,
        });
        of_waits.chain(self.watchdogs.iter().flat_map(|watchdog| [&watchdog.switch, &watchdog.after]))
    }
}

impl Wait {
    /// For how long it waits at most; `value`: of its variable, if it has one. None if it does not wait, or if nobody
    /// would see the end of it.
    pub fn at_most(&self, value: Option<i64>) -> Option<Duration> {
        match &self.lasts {
            Lasts::For(time) => Some(*time),
            Lasts::SecondsIn(_) => seconds(value?),
        }
    }

    /// When a wait of at most this time is over in any case.
    pub fn over_after(&self, at_most: Duration) -> Duration {
        at_most.saturating_mul(self.stretch)
    }
}

impl Watchdog {
    /// How long it takes at most until the kernel panics, by the values of both variables; none if it does not panic.
    pub fn at_most(&self, switch: i64, after: i64) -> Option<Duration> {
        (switch > 0).then(|| after.checked_mul(switch)?.checked_mul(self.times.into())).flatten().and_then(seconds)
    }
}

impl Variable {
    /// Its value, by its bytes; none if these are too few.
    pub fn value(&self, memory: &[u8]) -> Option<i64> {
        match self.bytes {
            8 => memory.first_chunk().copied().map(i64::from_le_bytes),
            _ => memory.first_chunk().copied().map(|bytes| i64::from(i32::from_le_bytes(bytes))),
        }
    }
}

/// That number of seconds, if it is not 0 and not too large.
fn seconds(seconds: i64) -> Option<Duration> {
    let time = Duration::from_secs(u64::try_from(seconds).ok()?);
    (Duration::from_secs(1)..=LONGEST).contains(&time).then_some(time)
}

#[cfg(test)]
mod tests;
