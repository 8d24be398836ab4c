//! What QEMU says, line by line: greeting, event or reply. A pure decoder, told apart by hand from the object's keys,
//! so that an unknown name or value inside never makes the whole message unreadable.

use serde::Deserialize;
use serde_json::{Map, Value};

/// How much of a bad line is shown in an error.
const EXCERPT: usize = 80;

/// QEMU's version, as it says it: `VersionInfo` of its schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VersionInfo {
    /// The version.
    pub qemu: VersionTriple,
    /// What a distribution has added to it, such as `Debian 1:7.2+dfsg-7`; empty if nothing.
    pub package: String,
}

/// 7.2.22, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct VersionTriple {
    /// 7 of 7.2.22.
    pub major: u32,
    /// 2 of 7.2.22.
    pub minor: u32,
    /// 22 of 7.2.22.
    pub micro: u32,
}

/// What QEMU says first.
#[derive(Debug, Clone)]
pub struct Greeting {
    /// QEMU's version and package.
    pub version: VersionInfo,
    /// The names of the capabilities which QEMU offers, known to us or not.
    pub capabilities: Vec<String>,
}

impl Greeting {
    /// Whether QEMU offers out-of-band execution. It is not made use of here.
    pub fn out_of_band(&self) -> bool {
        self.capabilities.iter().any(|name| name == "oob")
    }
}

/// When QEMU emitted an event, by the host's real-time clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since the epoch.
    pub seconds: u64,
    /// Microseconds within the second.
    pub microseconds: u32,
}

/// Something QEMU told unasked.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name, such as `STOP`.
    pub name: String,
    /// Its data as it came; an empty object if QEMU sent none.
    pub data: Value,
    /// When QEMU emitted it; `None` if QEMU could not read the clock (it then says -1).
    pub timestamp: Option<Timestamp>,
}

/// What QEMU answered a command: its result, or its refusal.
pub(crate) type Answer = Result<Value, Refusal>;

/// QEMU's `error` object.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) class: String,
    pub(crate) desc: String,
}

/// One line of QEMU's.
#[derive(Debug)]
pub(crate) enum Message {
    Greeting(Greeting),
    Event(Event),
    /// `id` is `None` if it is not of the kind we give: such a reply is nobody's.
    Reply {
        id: Option<u64>,
        answer: Answer,
    },
}

/// Reads one line; the error says what is wrong with it.
pub(crate) fn parse(line: &[u8]) -> Result<Message, String> {
    let mut object: Map<String, Value> = serde_json::from_slice(line)
        .map_err(|error| format!("QEMU sent what is no JSON object: {error}: {}", excerpt(line)))?;
    if let Some(greeting) = object.remove("QMP") {
        return parse_greeting(greeting).map(Message::Greeting);
    }
    if let Some(name) = object.remove("event") {
        let Value::String(name) = name else {
            return Err(format!("QEMU sent an event whose name is no text: {}", excerpt(line)));
        };
        let data = object.remove("data").unwrap_or_else(|| Value::Object(Map::new()));
        let timestamp = object.get("timestamp").and_then(parse_timestamp);
        return Ok(Message::Event(Event { name, data, timestamp }));
    }
    let answer = match (object.remove("return"), object.remove("error")) {
        (Some(value), None) => Ok(value),
        (None, Some(error)) => Err(serde_json::from_value::<Refusal>(error)
            .map_err(|error| format!("QEMU sent an error of unknown form: {error}: {}", excerpt(line)))?),
        _ => return Err(format!("QEMU sent neither a greeting, an event nor a reply: {}", excerpt(line))),
    };
    // All our commands have an id. QEMU leaves it out when it could not read it, so one command is never answered;
    // nobody can tell which, and what QEMU makes of the bytes after it is open.
    let Some(id) = object.remove("id") else {
        return Err(match answer {
            Err(refusal) => format!("QEMU could not read a command: {}", refusal.desc),
            Ok(_) => format!("QEMU sent a reply without an id: {}", excerpt(line)),
        });
    };
    Ok(Message::Reply { id: id.as_u64(), answer })
}

fn parse_greeting(mut greeting: Value) -> Result<Greeting, String> {
    let version = greeting.get_mut("version").map_or(Value::Null, Value::take);
    let version =
        serde_json::from_value(version).map_err(|error| format!("QEMU's greeting has no version: {error}"))?;
    let capabilities = greeting.get("capabilities").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let capabilities = capabilities.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(Greeting { version, capabilities })
}

fn parse_timestamp(value: &Value) -> Option<Timestamp> {
    let seconds = value.get("seconds")?.as_u64()?;
    let microseconds = u32::try_from(value.get("microseconds")?.as_u64()?).ok().filter(|us| *us < 1_000_000)?;
    Some(Timestamp { seconds, microseconds })
}

/// The beginning of a line, fit to be printed.
fn excerpt(line: &[u8]) -> String {
    let (head, more) = line.split_at_checked(EXCERPT).map_or((line, ""), |(head, _)| (head, "…"));
    format!("`{}{more}`", String::from_utf8_lossy(head).escape_debug())
}

#[cfg(test)]
mod tests;
