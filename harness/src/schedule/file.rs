//! A schedule as it is written.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::model::schedule::{Hold, LONGEST_HOLD, MAX_HOLDS, Role, Schedule, Trigger};
use crate::model::timeline::{Event, STEPS, StepEdge};
use crate::scenario::{Instance, duration};
use crate::yaml::{At, InputError, Mark, Source, UnknownName, visible};

/// How long a CPU is held that waits for something, unless the file says otherwise.
const AT_MOST: Duration = Duration::from_secs(1);

/// A file with a schedule.
#[derive(Debug)]
pub struct ScheduleFile {
    source: Source,
    file: File,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    holds: At<Vec<HoldFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HoldFile {
    at: TriggerFile,
    until: Option<TriggerFile>,
    at_most: Option<At<String>>,
    #[serde(rename = "for")]
    lasts: Option<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerFile {
    step: At<String>,
    of: Option<At<String>>,
    #[serde(default)]
    edge: StepEdge,
    nth: Option<At<u32>>,
    on: Option<RoleFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RoleFile {
    Panic,
    Others,
    Actor(At<String>),
    Cpu(At<u32>),
}

impl ScheduleFile {
    /// Reads it.
    pub fn load(path: &Path) -> Result<Self, InputError> {
        Self::parse(Source::read(path)?)
    }

    /// Reads a text.
    pub fn parse(source: Source) -> Result<Self, InputError> {
        let file = source.parse()?;
        Ok(Self { source, file })
    }

    /// The schedule, for trials of each of these points.
    pub fn for_points(&self, points: &[&Instance]) -> Result<Schedule, InputError> {
        let holds = &self.file.holds;
        if holds.value.is_empty() || holds.value.len() > MAX_HOLDS {
            let cause = format!("there are {} holds", holds.value.len());
            return Err(self.source.error(holds.mark, cause, Some(format!("a schedule has 1 to {MAX_HOLDS}"))));
        }
        let hold = |hold: &HoldFile| self.hold(hold, points);
        Ok(Schedule { holds: holds.value.iter().map(hold).collect::<Result<_, _>>()? })
    }

    fn hold(&self, hold: &HoldFile, points: &[&Instance]) -> Result<Hold, InputError> {
        let HoldFile { at, until, at_most, lasts } = hold;
        let at_most = match (until, at_most, lasts) {
            (Some(_), None, None) => AT_MOST,
            (Some(_), Some(time), None) | (None, None, Some(time)) => self.time(time)?,
            _ => {
                let hint = "a hold has either `until` and perhaps `at-most`, or `for` alone".to_owned();
                return Err(self.source.error(at.step.mark, "when does this hold end?", Some(hint)));
            }
        };
        let until = until.as_ref().map(|until| self.trigger(until, points)).transpose()?;
        Ok(Hold { at: self.trigger(at, points)?, until, at_most })
    }

    fn time(&self, written: &At<String>) -> Result<Duration, InputError> {
        let time = duration(written).filter(|time| !time.is_zero());
        let wrong = |cause: String| {
            self.source.error(written.mark, cause, Some(format!("more than nothing, {LONGEST_HOLD:?} at most")))
        };
        let time = time.ok_or_else(|| wrong(format!("`{}` is no time to hold a CPU", visible(written))))?;
        if time > LONGEST_HOLD {
            return Err(wrong(format!("no CPU is held for {time:?}")));
        }
        Ok(time)
    }

    fn trigger(&self, written: &TriggerFile, points: &[&Instance]) -> Result<Trigger, InputError> {
        let TriggerFile { step, of, edge, nth, on } = written;
        let error = |mark: Mark, cause: String, hint: &str| Err(self.source.error(mark, cause, Some(hint.to_owned())));
        let own: Vec<_> = points.iter().flat_map(|point| &point.steps).collect();
        let known = STEPS.iter().filter(|step| step.name != Event::CAPTURE);
        let known = known.map(|step| (step.name, step.several, step.ends));
        let known: Vec<_> = known.chain(own.iter().map(|step| (step.name.as_str(), false, step.returns))).collect();
        let Some((_, several, ends)) = known.iter().find(|(name, ..)| *name == step.value) else {
            let names = known.iter().map(|(name, ..)| *name);
            return Err(self.source.unknown(step.mark, &UnknownName::new("step", &step.value, names)));
        };
        if *edge == StepEdge::End && !ends {
            return error(step.mark, format!("the end of `{}` is not seen", step.value), "leave `edge` out");
        }
        match of {
            Some(of) if !several => {
                return error(of.mark, format!("there is one `{}` only", step.value), "leave it out");
            }
            Some(of) if step.value == Event::ACTOR => self.actor(of, points)?,
            None if step.value == Event::ACTOR => {
                return error(step.mark, "which actor?".to_owned(), "`of` names it: { step: actor, of: oops }");
            }
            _ => {}
        }
        let nth = match nth {
            Some(nth) if nth.value == 0 => {
                return error(nth.mark, "which time is the 0th?".to_owned(), "the first is 1");
            }
            Some(nth) => nth.value,
            None => 1,
        };
        let cpu = match on {
            None => None,
            Some(RoleFile::Panic) => Some(Role::Panic),
            Some(RoleFile::Others) => Some(Role::Others),
            Some(RoleFile::Actor(name)) => {
                self.actor(name, points)?;
                Some(Role::Actor(name.value.clone()))
            }
            Some(RoleFile::Cpu(cpu)) => {
                if let Some(point) = points.iter().find(|point| cpu.value >= point.guest.cpus) {
                    let cause = format!("the guest of {} has no CPU {}", point.scenario, cpu.value);
                    return error(cpu.mark, cause, &format!("it has 0 to {}", point.guest.cpus - 1));
                }
                Some(Role::Number(cpu.value))
            }
        };
        let of = of.as_ref().map(|of| of.value.clone()).unwrap_or_default();
        Ok(Trigger { step: step.value.clone(), of, edge: *edge, nth, cpu })
    }

    /// That every point has an actor of this name.
    fn actor(&self, name: &At<String>, points: &[&Instance]) -> Result<(), InputError> {
        for point in points {
            let names = point.actors.iter().map(|actor| actor.name.as_str());
            if !names.clone().any(|known| known == name.value) {
                let unknown = UnknownName::new("actor", &name.value, names).of(&point.scenario);
                return Err(self.source.unknown(name.mark, &unknown));
            }
        }
        Ok(())
    }
}

/// The schedule as a file; `why`: what stands above it, a comment of some lines.
pub fn written(schedule: &Schedule, why: &str) -> String {
    let mut text: String = why.lines().map(|line| format!("# {line}\n")).collect();
    text += "holds:\n";
    for Hold { at, until, at_most } in &schedule.holds {
        let time = format!("{}us", at_most.as_micros());
        // Writing to a string does not fail.
        let _ = writeln!(text, "  - at: {}", trigger(at));
        let _ = match until {
            Some(until) => writeln!(text, "    until: {}\n    at-most: {time}", trigger(until)),
            None => writeln!(text, "    for: {time}"),
        };
    }
    text
}

fn trigger(Trigger { step, of, edge, nth, cpu }: &Trigger) -> String {
    let mut fields = vec![format!("step: {step}")];
    if !of.is_empty() {
        fields.push(format!("of: {of}"));
    }
    if *edge == StepEdge::End {
        fields.push(format!("edge: {}", edge.name()));
    }
    if *nth > 1 {
        fields.push(format!("nth: {nth}"));
    }
    fields.extend(cpu.as_ref().map(|role| match role {
        Role::Number(cpu) => format!("on: {{ cpu: {cpu} }}"),
        Role::Actor(name) => format!("on: {{ actor: {name} }}"),
        Role::Panic => "on: panic".to_owned(),
        Role::Others => "on: others".to_owned(),
    }));
    format!("{{ {} }}", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    const SCENARIO: &str = "name: x\ntitle: t\nwhy: w\nsource: s\nexpect: []\nguest: { cpus: 4 }\nactors:\n  \
        - oops: { name: oops, cpu: 1, at: 0ms }\n  - panic: { name: panic, cpu: 0, at: 1ms }\n\
        steps:\n  - enters: { step: own, functions: [f] }\n";

    fn read(text: &str) -> Result<Schedule, InputError> {
        let scenario = Scenario::parse(&Source::new("x.yaml", SCENARIO)).unwrap();
        let point = scenario.at(&scenario.points()[0]).unwrap();
        ScheduleFile::parse(Source::new("s.yaml", text))?.for_points(&[point])
    }

    #[test]
    fn it_is_read_and_written_again() {
        let text = "# why\nholds:\n  - at: { step: kmsg_dump, on: panic }\n    \
            until: { step: actor, of: oops, edge: end, nth: 2, on: { actor: oops } }\n    at-most: 700000us\n  \
            - at: { step: own, on: { cpu: 3 } }\n    for: 1500us\n  \
            - at: { step: dumper, of: pstore_dump, on: others }\n    until: { step: panic_cpu }\n    at-most: 1000000us\n";
        let schedule = read(text).unwrap();
        assert_eq!(written(&schedule, "why"), text);
        let words: Vec<String> = schedule.holds.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "kmsg_dump on the panic CPU held until actor oops end #2 on the CPU of oops, at most 700ms",
                "own on CPU 3 held for 1.5ms",
                "dumper pstore_dump on another CPU held until panic_cpu, at most 1s",
            ]
        );
        assert_eq!(schedule.longest(), Duration::from_micros(1_701_500));
    }

    #[test]
    fn what_cannot_be_is_told_with_its_line() {
        let wrong = |hold: &str| {
            let error = read(&format!("holds:\n  - {hold}\n")).unwrap_err().to_string();
            let line = error.lines().next().unwrap_or_default().to_owned();
            assert!(error.contains("s.yaml:2"), "{error}");
            line
        };
        let cases = [
            ("{ at: { step: pannic }, for: 1s }", "pannic"),
            ("{ at: { step: capture }, for: 1s }", "capture"),
            ("{ at: { step: panic, edge: end }, for: 1s }", "the end of `panic` is not seen"),
            ("{ at: { step: panic, of: x }, for: 1s }", "one `panic` only"),
            ("{ at: { step: actor }, for: 1s }", "which actor?"),
            ("{ at: { step: actor, of: ops }, for: 1s }", "ops"),
            ("{ at: { step: panic, on: { actor: nobody } }, for: 1s }", "nobody"),
            ("{ at: { step: panic, on: { cpu: 4 } }, for: 1s }", "no CPU 4"),
            ("{ at: { step: panic, nth: 0 }, for: 1s }", "0th"),
            ("{ at: { step: panic }, for: 3001ms }", "3.001s"),
            ("{ at: { step: panic }, for: 0ms }", "0ms"),
            ("{ at: { step: panic } }", "when does this hold end?"),
            ("{ at: { step: panic }, at-most: 1s }", "when does this hold end?"),
            ("{ at: { step: panic }, until: { step: kmsg_dump }, for: 1s }", "when does this hold end?"),
        ];
        for (hold, cause) in cases {
            let line = wrong(hold);
            assert!(line.contains(cause), "{hold}: {line}");
        }
        let many = "  - { at: { step: panic }, for: 1s }\n".repeat(MAX_HOLDS + 1);
        assert!(read(&format!("holds:\n{many}")).unwrap_err().to_string().contains("17 holds"));
        assert!(read("holds: []\n").unwrap_err().to_string().contains("0 holds"));
    }
}
