//! Assertions on the order of steps: what makes one impossible, and what it means at a point of the sweep.

use std::time::Duration;

use super::Instance;
use super::cast::Cast;
use super::file::File;
use super::file::order::{Before, Count, MomentFile, OrderFile, StoppedBefore, Within};
use super::scalar::Scalar;
use crate::model::order::{Moment, OrderAssertion};
use crate::model::timeline::{Event, STEPS, Step, StepEdge};
use crate::yaml::{At, InputError, Source, UnknownName, visible};

/// That the moments may come: their steps are known, and have what is asked of them.
pub(super) fn names(source: &Source, file: &File, cast: &Cast) -> Result<(), InputError> {
    for assertion in &file.order {
        for written in assertion.moments() {
            moment(source, cast, written)?;
        }
        if let OrderFile::Before(Before { first, then, .. }) = assertion
            && resolved(first) == resolved(then)
        {
            return Err(source.error(then.step.mark, "a moment cannot come before itself", None));
        }
    }
    Ok(())
}

fn moment(source: &Source, cast: &Cast, written: &MomentFile) -> Result<(), InputError> {
    let known = step(source, &written.step)?;
    if let Some(after) = &written.after {
        step(source, after)?;
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

fn step(source: &Source, name: &At<String>) -> Result<Step, InputError> {
    let known = || STEPS.iter().map(|step| step.name);
    STEPS
        .into_iter()
        .find(|step| step.name == name.value)
        .ok_or_else(|| source.unknown(name.mark, &UnknownName::new("step", &name.value, known())))
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
