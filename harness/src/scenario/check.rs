//! What makes a scenario impossible, found before anything is built or booted.

use std::time::Duration;

use super::draw::Drawn;
use super::file::{File, KdumpFile, KnobFile};
use super::guest_text::Firing;
use super::instance::{Planned, at_point};
use super::{Cpu, Instance, Span};
use crate::guest::DIRECTIVES_BYTES;
use crate::model::consoles::{FurtherConsole, FurtherConsoles};
use crate::yaml::{At, InputError, Mark, Source, visible};

/// The guest's page has 16 bytes for an actor's name, the last of them NUL.
pub(super) const MAX_ACTOR_NAME: usize = 15;

/// Bytes for the agent that are left for what is not known here: the knobs of a variant, and the word to
/// wait for the tracer.
const BYTES_FOR_THE_TRIAL: usize = 512;

/// The texts and names of the file that concern it as a whole, or the kernel: how they are written, and that no knob is
/// set twice.
pub(super) fn texts(source: &Source, file: &File) -> Result<(), InputError> {
    source.require_name(&file.name)?;
    name(source, "name", &file.name, 64)?;
    if file.title.trim().is_empty() || file.title.contains(char::is_control) {
        return Err(source.error(file.title.mark, "the title must be one line of text", None));
    }
    for (key, text) in [("why", &file.why), ("source", &file.source)] {
        if text.trim().is_empty() {
            return Err(source.error(text.mark, format!("`{key}` says nothing"), None));
        }
    }
    if file.actors.is_empty() && file.workload.is_none() {
        let hint = "say who does what, if only `spin: { …, for: 0ms }`, or name a program as `workload`".to_owned();
        return Err(source.error(file.name.mark, "there are no `actors`", Some(hint)));
    }
    if let Some(line) = &file.panic_line
        && (line.len() > 200 || !line.bytes().all(|b| b.is_ascii_graphic() || b == b' '))
    {
        let hint = "it is what stands behind `Kernel panic - not syncing: `: at most 200 printable ASCII characters";
        return Err(source.error(line.mark, "this cannot be the line of a panic", Some(hint.to_owned())));
    }
    let of_crash_kernel = match file.guest.kdump.as_ref().map(|kdump| &kdump.value) {
        Some(KdumpFile::Given(given)) => given.command_line.as_slice(),
        _ => &[],
    };
    for word in file.guest.command_line.iter().chain(of_crash_kernel) {
        if word.is_empty() || word.len() > 200 || !word.bytes().all(|b| b.is_ascii_graphic()) {
            let cause = format!("`{}` is no word of the kernel's command line", visible(word));
            return Err(source.error(word.mark, cause, Some("give each word as an item of the list".to_owned())));
        }
    }
    for word in &file.guest.command_line {
        let (option, _) = word.split_once('=').unwrap_or((word, ""));
        if ["console", "earlycon", "keep_bootcon", "netconsole"].contains(&option) {
            let hint = "say which ones it has beside `ttyS0`: `guest: { consoles: [earlycon, netconsole] }`".to_owned();
            let cause = format!("`{option}` is set by the harness, which has to see what consoles show");
            return Err(source.error(word.mark, cause, Some(hint)));
        }
    }
    for tag in &file.tags {
        name(source, "tag", tag, 64)?;
    }
    for (parameter, _) in &file.params.0 {
        let good = parameter.starts_with(|c: char| c.is_ascii_lowercase())
            && parameter.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !good || parameter.len() > 32 {
            let hint = "a parameter's name is at most 32 small letters, digits and `_`, the first a letter";
            let cause = format!("`{}` cannot be a parameter's name", visible(parameter));
            return Err(source.error(parameter.mark, cause, Some(hint.to_owned())));
        }
    }
    needs(source, file)?;
    knobs(source, file)
}

/// The consoles of a guest's, none of them twice.
pub(super) fn consoles(source: &Source, written: &[At<FurtherConsole>]) -> Result<FurtherConsoles, InputError> {
    let mut consoles = FurtherConsoles::new();
    for console in written {
        if !consoles.insert(console.value) {
            return Err(source.error(console.mark, format!("`{}` is there twice", console.value.channel()), None));
        }
    }
    Ok(consoles)
}

pub(super) fn actor_name(source: &Source, written: &At<String>) -> Result<(), InputError> {
    name(source, "name of an actor", written, MAX_ACTOR_NAME)
}

fn name(source: &Source, kind: &str, name: &At<String>, longest: usize) -> Result<(), InputError> {
    let good = !name.starts_with('-')
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if good && name.len() <= longest {
        return Ok(());
    }
    let hint = format!("it is at most {longest} small letters, digits and `-`, and does not begin with `-`");
    Err(source.error(name.mark, format!("`{}` cannot be a {kind}", visible(name)), Some(hint)))
}

/// The value of a parameter, which is one word: it stands in lists of cells and on command lines.
pub(super) fn word(source: &Source, mark: Mark, text: &str) -> Result<(), InputError> {
    let good = text.bytes().all(|b| b.is_ascii_graphic()) && !text.starts_with('$');
    value(source, mark, text, good, "printable ASCII characters without blanks, and does not begin with `$`")
}

/// The value of a knob, which goes to the agent as the rest of a line.
pub(super) fn knob_value(source: &Source, mark: Mark, text: &str) -> Result<(), InputError> {
    let good = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && text.trim() == text;
    value(source, mark, text, good, "printable ASCII characters, none of the outer ones a blank")
}

/// An argument of the user's program, which is a word on a line for the agent.
pub(super) fn argument(source: &Source, mark: Mark, text: &str) -> Result<(), InputError> {
    if !text.is_empty() && text.len() <= 200 && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    let hint = "an argument is 1 to 200 printable ASCII characters without blanks".to_owned();
    Err(source.error(mark, format!("`{}` cannot be an argument", visible(text)), Some(hint)))
}

/// The title of a report, or the beginning of titles.
pub(super) fn splat_title(source: &Source, title: &At<String>) -> Result<(), InputError> {
    let good =
        title.len() <= 160 && title.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && title.trim() == title.value;
    if good && !matches!(title.trim_end_matches('*'), "" | " ") {
        return Ok(());
    }
    let hint = "it is at most 160 printable ASCII characters, as `WARNING in foo`; one that ends in `*` is the beginning of titles";
    Err(source.error(
        title.mark,
        format!("`{}` cannot be the title of a report", visible(title)),
        Some(hint.to_owned()),
    ))
}

fn value(source: &Source, mark: Mark, text: &str, good: bool, what: &str) -> Result<(), InputError> {
    if good && !text.is_empty() && text.len() <= 64 {
        return Ok(());
    }
    let hint = format!("a value is 1 to 64 {what}");
    Err(source.error(mark, format!("`{}` cannot be a value", visible(text)), Some(hint)))
}

/// A symbol of the kernel's, which may become a word on a line for the agent; crashlab has 64 bytes for it.
pub(super) fn symbol(source: &Source, written: &At<String>) -> Result<(), InputError> {
    let good = written.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && written.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b));
    if good && written.len() <= 63 {
        return Ok(());
    }
    let hint = "a symbol is at most 63 letters, digits, `_` and `.`, the first none of the digits".to_owned();
    Err(source.error(written.mark, format!("`{}` cannot be a symbol of the kernel's", visible(written)), Some(hint)))
}

fn needs(source: &Source, file: &File) -> Result<(), InputError> {
    let needs = &file.needs;
    for release in [&needs.since, &needs.until].into_iter().flatten() {
        let good = |part: &str| !part.is_empty() && part.len() <= 5 && part.bytes().all(|b| b.is_ascii_digit());
        if !release.split('.').all(good) || !(2..=3).contains(&release.split('.').count()) {
            let cause = format!("`{}` is no release of Linux", visible(release));
            let hint = "write it as \"6.12\" or \"6.12.117\"".to_owned();
            return Err(source.error(release.mark, cause, Some(hint)));
        }
    }
    needs.functions.iter().chain(&needs.symbols).try_for_each(|written| symbol(source, written))?;
    for option in &needs.config {
        let good = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !option.strip_prefix("CONFIG_").is_some_and(good) || option.len() > 64 {
            let cause = format!("`{}` cannot be an option of the kernel's", visible(option));
            return Err(source.error(option.mark, cause, Some("write it as CONFIG_PSTORE_RAM".to_owned())));
        }
    }
    Ok(())
}

fn knobs(source: &Source, file: &File) -> Result<(), InputError> {
    let mut seen = Vec::new();
    for knob in &file.knobs {
        let (key, parts) = match knob {
            KnobFile::Parameter(knob) => {
                (("parameter", Some(&*knob.module.value), &*knob.name.value), vec![&knob.module, &knob.name])
            }
            KnobFile::Sysctl(knob) => (("sysctl", None, &*knob.name.value), vec![&knob.name]),
        };
        for part in &parts {
            // The name becomes a part of a path: neither empty nor `.`, `..` or with a slash in it.
            let good =
                |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            if !part.split('.').all(good) || part.len() > 64 {
                let hint = "it is made of letters, digits, `_` and `-`, with dots between them";
                let cause = format!("`{}` cannot be the name of a knob", visible(part));
                return Err(source.error(part.mark, cause, Some(hint.to_owned())));
            }
        }
        if seen.contains(&key) {
            let mark = parts.last().map(|part| part.mark).unwrap_or_default();
            return Err(source.error(mark, format!("`{}` is set twice", key.2), None));
        }
        seen.push(key);
    }
    Ok(())
}

/// With the most digits that a firing may have.
const FIRING: Firing = Firing { cpu: Some(7), after: Duration::from_micros(99_999) };

/// That the agent can be told of one point of the sweep, whatever is drawn in a trial. What is wrong is shown where the
/// actors begin.
pub(super) fn told(source: &Source, file: &File, instance: &Instance) -> Result<(), InputError> {
    let bytes = longest(instance).to_guest("0123456789abcdef", u32::MAX, FIRING).len();
    let most = DIRECTIVES_BYTES - BYTES_FOR_THE_TRIAL;
    if bytes <= most {
        return Ok(());
    }
    let cause = format!("the guest's agent can be told {most} bytes, and this may take {bytes}{}", at_point(instance));
    let hint = "let there be fewer actors or knobs, or shorter names".to_owned();
    let mark = file.actors.first().map(|actor| actor.name().mark).unwrap_or_default();
    Err(source.error(mark, cause, Some(hint)))
}

/// With the most digits that may be drawn.
fn longest(instance: &Instance) -> Drawn<'_> {
    let most = |cpu: &Cpu| match cpu {
        Cpu::Number(cpu) => *cpu,
        Cpu::AnyOf(cpus) => cpus.iter().copied().max().unwrap_or_default(),
        Cpu::Any => 0,
    };
    let actor = |actor: &Planned| actor.map(most(&actor.cpu), |_, span: &Span| span.longest());
    Drawn { instance, actors: instance.actors.iter().map(actor).collect(), seed: u64::MAX }
}
