//! Assertions on the order of steps: what makes one impossible, and what it means at a point of the sweep.

use std::time::Duration;

use super::Instance;
use super::cast::Cast;
use super::check;
use super::file::File;
use super::file::order::{Before, Count, Enters, MomentFile, OrderFile, StepFile, StoppedBefore, Within};
use super::scalar::Scalar;
use crate::model::order::{Moment, OrderAssertion, OwnStep};
use crate::model::timeline::{Event, STEPS, StepEdge};
use crate::yaml::{At, InputError, Source, UnknownName, visible};

/// No kernel's timeline has room for many more.
const MAX_STEPS: usize = 32;

/// A step that a moment may be of.
struct Known<'a> {
    name: &'a str,
    several: bool,
    ends: bool,
}

/// That the steps of the scenario's own can be, and that the moments may come: their steps are known, and have what is
/// asked of them.
pub(super) fn names(source: &Source, file: &File, cast: &Cast) -> Result<(), InputError> {
    let mut known: Vec<Known> =
        STEPS.iter().map(|step| Known { name: step.name, several: step.several, ends: step.ends }).collect();
    for StepFile::Enters(Enters { step, functions, returns }) in &file.steps {
        let good = step.starts_with(|c: char| c.is_ascii_lowercase())
            && step.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !good || step.len() > 32 {
            let cause = format!("`{}` cannot be the name of a step", visible(step));
            let hint = "it is at most 32 small letters, digits and `_`, the first a letter".to_owned();
            return Err(source.error(step.mark, cause, Some(hint)));
        }
        if known.iter().any(|other| other.name == step.value) {
            return Err(source.error(step.mark, format!("there is a step `{}` already", step.value), None));
        }
        if functions.is_empty() || known.len() == STEPS.len() + MAX_STEPS {
            let cause = if functions.is_empty() { "it is seen by no function" } else { "there are too many steps" };
            return Err(source.error(step.mark, cause, None));
        }
        functions.iter().try_for_each(|function| check::symbol(source, function))?;
        known.push(Known { name: &step.value, several: false, ends: *returns });
    }
    for assertion in &file.order {
        for written in assertion.moments() {
            moment(source, cast, &known, written)?;
        }
        if let OrderFile::Before(Before { first, then, .. }) = assertion
            && resolved(first) == resolved(then)
        {
            return Err(source.error(then.step.mark, "a moment cannot come before itself", None));
        }
    }
    Ok(())
}

/// The steps of the scenario's own.
pub(super) fn own_steps(file: &File) -> Vec<OwnStep> {
    let texts = |written: &[At<String>]| written.iter().map(|text| text.value.clone()).collect();
    let own = |StepFile::Enters(Enters { step, functions, returns }): &StepFile| OwnStep {
        name: step.value.clone(),
        functions: texts(functions),
        returns: *returns,
    };
    file.steps.iter().map(own).collect()
}

fn moment(source: &Source, cast: &Cast, steps: &[Known], written: &MomentFile) -> Result<(), InputError> {
    let known = step(source, steps, &written.step)?;
    if let Some(after) = &written.after {
        step(source, steps, after)?;
    }
    if let Some(edge) = written.edge.as_ref().filter(|edge| edge.value == StepEdge::End && !known.ends) {
        let cause = format!("the end of `{}` is not seen", known.name);
        return Err(source.error(edge.mark, cause, Some("leave `edge` out".to_owned())));
    }
    let Some(of) = &written.of else { return Ok(()) };
    if !known.several {
        let several: Vec<&str> = STEPS.iter().filter(|step| step.several).map(|step| step.name).collect();
        let hint = format!("steps that have several: {}", several.join(", "));
        return Err(source.error(of.mark, format!("there is one `{}` only", known.name), Some(hint)));
    }
    if known.name == Event::ACTOR {
        cast.one(source, of)?;
    } else if of.is_empty() || !of.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b)) {
        let hint = "a function's name is made of letters, digits, `_` and `.`".to_owned();
        return Err(source.error(of.mark, format!("`{}` cannot be a function", visible(of)), Some(hint)));
    }
    Ok(())
}

fn step<'a>(source: &Source, steps: &'a [Known<'a>], name: &At<String>) -> Result<&'a Known<'a>, InputError> {
    steps.iter().find(|step| step.name == name.value).ok_or_else(|| {
        let known = steps.iter().map(|step| step.name);
        source.unknown(name.mark, &UnknownName::new("step", &name.value, known))
    })
}

/// One point of the sweep: there are CPUs to be stopped, and what is expected of the order can be judged.
pub(super) fn instance(source: &Source, file: &File, instance: &Instance) -> Result<(), InputError> {
    let stops = |assertion: &OrderAssertion| {
        matches!(assertion, OrderAssertion::StoppedBefore { .. } | OrderAssertion::NothingAfterStopped)
    };
    let one = |cpus: &&At<u32>| cpus.value == 1;
    if let Some(cpus) = file.guest.cpus.iter().chain(&file.guest.online).find(one)
        && instance.order.iter().any(stops)
    {
        return Err(source.error(cpus.mark, "in a guest of one CPU no other is stopped", None));
    }
    Ok(())
}

/// The assertion at a point of the sweep; `duration` resolves a time there.
pub(super) fn assertion(
    written: &OrderFile,
    duration: impl Fn(&At<Scalar>) -> Result<Duration, InputError>,
) -> Result<OrderAssertion, InputError> {
    Ok(match written {
        OrderFile::Before(Before { first, then, .. }) => {
            OrderAssertion::Before { first: resolved(first), then: resolved(then) }
        }
        OrderFile::StoppedBefore(StoppedBefore { moment, .. }) => {
            OrderAssertion::StoppedBefore { moment: resolved(moment) }
        }
        OrderFile::NothingAfterStopped(_) => OrderAssertion::NothingAfterStopped,
        OrderFile::Count(Count { moment, times, .. }) => {
            OrderAssertion::Count { moment: resolved(moment), times: *times }
        }
        OrderFile::Within(Within { from, to, at_most, .. }) => {
            OrderAssertion::Within { from: resolved(from), to: resolved(to), at_most: duration(at_most)? }
        }
    })
}

fn resolved(written: &MomentFile) -> Moment {
    Moment {
        step: written.step.value.clone(),
        of: written.of.as_ref().map(|of| of.value.clone()).unwrap_or_default(),
        edge: written.edge.as_ref().map(|edge| edge.value).unwrap_or_default(),
        after: written.after.as_ref().map(|after| after.value.clone()),
    }
}
