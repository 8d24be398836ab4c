//! What is asked of a trial, asserted of the order, expected of what is left, and needed of the kernel.

use super::words::{capital, is_none, list, time};
use crate::model::order::{Moment, OrderAssertion};
use crate::model::timeline::{Event, StepEdge};
use crate::model::{ChannelOutcome, Expectation, ParamValue, Precondition};
use crate::scenario::{Action, Instance, Needs, Parameter, Scenario, Span, Stay};

/// First that everybody acts, in one sentence, then what else the scenario asks for.
pub(super) fn preconditions(instance: &Instance) -> Vec<String> {
    let mut sentences = match &instance.actors[..] {
        [] => Vec::new(),
        [only] => vec![format!("`{}` acts.", only.name)],
        _ => vec!["Every actor acts.".to_owned()],
    };
    sentences.extend(instance.preconditions.iter().filter_map(|precondition| asked(precondition, instance)));
    let bounded = |action: &Action<Span>| match action.stay() {
        Some(Stay::For(span)) => !is_none(span),
        _ => false,
    };
    if instance.actors.iter().any(|actor| bounded(&actor.action)) {
        sentences.push("Nobody leaves before its time is spent, or when it is long over.".to_owned());
    }
    sentences
}

fn asked(precondition: &Precondition, instance: &Instance) -> Option<String> {
    let action = |name: &str| instance.actors.iter().find(|actor| actor.name == name).map(|actor| &actor.action);
    Some(match precondition {
        Precondition::Entered { .. } => return None,
        Precondition::EntersDuring { actor, of } => {
            let what = action(of).map_or("is inside of its section", inside);
            let begins = action(actor).map_or("enters", begins);
            match action(of).and_then(Action::stay) {
                Some(Stay::For(span)) if is_none(span) => format!("`{actor}` {begins} after `{of}` has come."),
                _ => format!("`{actor}` {begins} while `{of}` {what}."),
            }
        }
        Precondition::Left { actor } => format!("`{actor}` gets to its own end before the guest does."),
        Precondition::NeverLeft { actor } => {
            format!("`{actor}` never gets to its own end: it still {} when the guest ends.", {
                action(actor).map_or("is inside of its section", inside)
            })
        }
        Precondition::Apart { actor, from, at_most } => {
            format!("`{actor}` and `{from}` begin within {} of each other.", time(*at_most))
        }
    })
}

const fn begins(action: &Action<Span>) -> &'static str {
    match action {
        Action::Oops { .. } => "oopses",
        Action::Panic => "panics",
        Action::Warn => "warns",
        Action::Spin { .. } => "begins to spin",
        Action::Hold { .. } => "gets its lock",
        Action::Print { .. } => "begins to print",
        Action::Reboot { .. } => "restarts the machine",
        Action::Block { .. } => "goes to sleep",
        Action::Harvest { .. } => "begins to harvest",
        Action::Nmi | Action::Mce => "comes",
        Action::Exhaust => "begins to take memory",
        Action::Exit => "has the agent end",
        Action::SynchronizeRcu { .. } => "begins to wait for RCU",
        Action::Call { .. } => "begins its call",
        Action::Fail { .. } => "has a call fail",
        Action::Switch { up: false, .. } => "begins to take its CPU down",
        Action::Switch { up: true, .. } => "begins to bring its CPU up",
    }
}

const fn inside(action: &Action<Span>) -> &'static str {
    match action {
        Action::Oops { .. } => "is in its oops",
        Action::Panic => "is in its panic",
        Action::Warn => "is in its warning",
        Action::Spin { .. } => "spins",
        Action::Hold { .. } => "has its lock",
        Action::Print { .. } => "prints",
        Action::Reboot { .. } => "restarts the machine",
        Action::Block { .. } => "sleeps",
        Action::Harvest { .. } => "harvests",
        Action::Nmi => "is in its NMI",
        Action::Exhaust => "takes memory",
        Action::Exit => "ends",
        Action::Mce => "is in its machine check",
        Action::SynchronizeRcu { .. } => "waits for RCU",
        Action::Call { .. } => "waits for its answer",
        Action::Fail { .. } => "has calls fail",
        Action::Switch { up: false, .. } => "takes its CPU down",
        Action::Switch { up: true, .. } => "brings its CPU up",
    }
}

/// An assertion on the order.
pub(super) fn assertion(assertion: &OrderAssertion) -> String {
    match assertion {
        OrderAssertion::Before { first, then } => {
            format!("{} comes before {}.", capital(&moment(first)), moment(then))
        }
        OrderAssertion::StoppedBefore { moment: at } => {
            format!("All CPUs that are online, but the one that gets there, are stopped before {}.", moment(at))
        }
        OrderAssertion::NothingAfterStopped => "Nothing is seen on a CPU after it was stopped.".to_owned(),
        OrderAssertion::Count { moment: of, times } => {
            let times = match times {
                0 => "never comes".to_owned(),
                1 => "comes exactly once".to_owned(),
                times => format!("comes exactly {times} times"),
            };
            format!("{} {times}.", capital(&kind(of)))
        }
        OrderAssertion::Within { from, to, at_most } => format!(
            "From {} to the next {} on the same CPU it takes at most {}.",
            moment(from),
            kind(to).trim_start_matches("the "),
            time(*at_most)
        ),
    }
}

/// The first event of a kind.
fn moment(of: &Moment) -> String {
    format!("the first {}", kind(of).trim_start_matches("the "))
}

fn kind(of: &Moment) -> String {
    let Moment { step, of, edge, after } = of;
    let edge = if *edge == StepEdge::End { "end of " } else { "" };
    let what = match (step.as_str(), of.as_str()) {
        (Event::ACTOR, actor) if !actor.is_empty() => format!("actor `{actor}`"),
        (step, "") => format!("`{step}`"),
        (step, function) => format!("`{step}` of {function}()"),
    };
    let after = after.as_ref().map(|after| format!(" on a CPU that is in `{after}`")).unwrap_or_default();
    format!("{}{edge}{what}{after}", if edge.is_empty() { "" } else { "the " })
}

/// What is expected at the points that are meant; of each expectation, at which of them.
pub(super) fn expectations(scenario: &Scenario, meant: &[&Instance]) -> Vec<String> {
    let mut each: Vec<&Expectation> = Vec::new();
    for expectation in meant.iter().flat_map(|instance| &instance.expectations) {
        if !each.contains(&expectation) {
            each.push(expectation);
        }
    }
    let mut sentences: Vec<String> = Vec::new();
    for expectation in each {
        let at: Vec<&Instance> =
            meant.iter().copied().filter(|instance| instance.expectations.contains(expectation)).collect();
        let left = match expectation.outcome {
            ChannelOutcome::Saved => format!("`{}` has all of the log's end", expectation.channel),
            ChannelOutcome::Truncated => format!("`{}` has a part of the log's end", expectation.channel),
            ChannelOutcome::Corrupt => format!("`{}` has the log's end, damaged", expectation.channel),
            ChannelOutcome::Lost => format!("`{}` has nothing of the log's end", expectation.channel),
            ChannelOutcome::Unreadable => format!("`{}` has what the next boot does not read", expectation.channel),
            ChannelOutcome::VmcoreBad => "the crash kernel finds a dump in which something is wrong".to_owned(),
            ChannelOutcome::NoVmcore => "the crash kernel comes up and has no dump".to_owned(),
            ChannelOutcome::CaptureHung => "the crash kernel is entered, and does not come up".to_owned(),
            ChannelOutcome::NotEntered => "the crash kernel is not entered".to_owned(),
            ChannelOutcome::NotLoaded => "no crash kernel is loaded when the kernel dies".to_owned(),
            ChannelOutcome::Kept => "the order is kept".to_owned(),
            ChannelOutcome::Broken => "the order is broken".to_owned(),
            ChannelOutcome::NoSplats => "the kernel reports nothing but what is asked for or allowed".to_owned(),
            ChannelOutcome::Splats => "the kernel reports what is neither asked for nor allowed".to_owned(),
        };
        let place = if at.len() == meant.len() {
            String::new()
        } else {
            format!("Where {}: ", points(&scenario.parameters.iter().collect::<Vec<_>>(), &at, &[]).join("; or where "))
        };
        let sentence = format!("{place}{left}, in at least {} % of the trials that count.", expectation.percent());
        sentences.push(capital(&sentence));
    }
    let silent = meant.iter().filter(|instance| instance.expectations.is_empty()).count();
    match silent {
        0 => {}
        all if all == meant.len() => sentences.push("Nothing: it is only measured.".to_owned()),
        1 => sentences.push("At one other point nothing: it is only measured.".to_owned()),
        some => sentences.push(format!("At {some} other points nothing: they are only measured.")),
    }
    sentences
}

/// Which points these are, as few phrases as are found: by the values of each parameter, if they are all combinations of
/// these; otherwise those of one parameter's values each by themselves. `fixed` is what is the same in all of them.
fn points(parameters: &[&Parameter], at: &[&Instance], fixed: &[String]) -> Vec<String> {
    let has = |instance: &Instance, parameter: &Parameter, value: &ParamValue| {
        instance.params.get(&parameter.name) == Some(value)
    };
    let values = |parameter: &Parameter| -> Vec<ParamValue> {
        let there = |value: &&ParamValue| at.iter().any(|instance| has(instance, parameter, value));
        parameter.values.iter().filter(there).cloned().collect()
    };
    let told = |parameter: &Parameter, values: &[ParamValue]| {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        format!("`{}` is {}", parameter.name, list(&values, "or"))
    };
    let combinations: usize = parameters.iter().map(|parameter| values(parameter).len()).product();
    let split = parameters.iter().filter(|parameter| values(parameter).len() > 1);
    let (false, Some(split)) = (combinations == at.len(), split.min_by_key(|parameter| values(parameter).len())) else {
        let narrow = parameters.iter().filter(|parameter| values(parameter).len() < parameter.values.len());
        let parts = narrow.map(|parameter| told(parameter, &values(parameter)));
        return vec![list(&parts.chain(fixed.iter().cloned()).collect::<Vec<_>>(), "and")];
    };
    let others: Vec<&Parameter> = parameters.iter().copied().filter(|parameter| parameter.name != split.name).collect();
    let mut phrases = Vec::new();
    for value in values(split) {
        let some: Vec<&Instance> = at.iter().copied().filter(|instance| has(instance, split, &value)).collect();
        let fixed = [&[told(split, &[value])], fixed].concat();
        phrases.extend(points(&others, &some, &fixed));
    }
    phrases
}

/// What the kernel must have.
pub(super) fn needs(needs: &Needs) -> Vec<String> {
    let Needs { since, until, functions, symbols, config, spinning } = needs;
    let mut sentences = Vec::new();
    match (since, until) {
        (Some(since), Some(until)) => sentences.push(format!("It is Linux {since} to {until}.")),
        (Some(since), None) => sentences.push(format!("It is Linux {since} or newer.")),
        (None, Some(until)) => sentences.push(format!("It is Linux {until} or older.")),
        (None, None) => {}
    }
    for (names, one, several) in [
        (functions, "the function", "the functions"),
        (symbols, "the symbol", "the symbols"),
        (config, "the option", "the options"),
    ] {
        if !names.is_empty() {
            let what = if names.len() == 1 { one } else { several };
            sentences.push(format!("It has {what} {}.", list(names, "and")));
        }
    }
    if !spinning.is_empty() {
        sentences.push("It has no CONFIG_PREEMPT_RT.".to_owned());
    }
    if sentences.is_empty() {
        sentences.push("Any kernel will do.".to_owned());
    }
    sentences
}
