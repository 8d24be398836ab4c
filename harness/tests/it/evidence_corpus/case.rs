//! One folder of the corpus, read.

use std::fs;
use std::path::Path;

use harness::model::Precondition;
use harness::model::pstore::Ramoops;
use harness::verdict::Tail;

/// What one guest left, and what its trial had asked for.
pub struct Case {
    pub tail: Tail,
    pub preconditions: Vec<Precondition>,
    pub console: Option<Vec<u8>>,
    pub erst: Option<Vec<u8>>,
    pub ramoops: Option<(Ramoops, Vec<u8>)>,
    pub stamps: Option<Vec<u8>>,
}

impl Case {
    pub fn load(folder: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(folder.join("case.txt")).map_err(|e| format!("reading case.txt: {e}"))?;
        let (tail, preconditions, zones) = parse(&text).map_err(|e| format!("case.txt: {e}"))?;
        let mut case = Self { tail, preconditions, console: None, erst: None, ramoops: None, stamps: None };
        let mut ramoops = None;
        for entry in fs::read_dir(folder).map_err(|e| e.to_string())? {
            let entry = entry.map_err(|e| e.to_string())?;
            let name = entry.file_name();
            let into = match name.to_str() {
                Some("console.raw") => &mut case.console,
                Some("erst.bin") => &mut case.erst,
                Some("ramoops.bin") => &mut ramoops,
                Some("stamps.bin") => &mut case.stamps,
                Some("case.txt" | "expected.txt") => continue,
                _ => return Err(format!("{} is no file of a case", name.display())),
            };
            *into = Some(fs::read(entry.path()).map_err(|e| format!("reading {}: {e}", name.display()))?);
        }
        if let Some(memory) = ramoops {
            case.ramoops =
                Some((zones.ok_or("case.txt: no `ramoops:`, the sizes of the zones in ramoops.bin")?, memory));
        }
        if case.console.is_none() && case.erst.is_none() && case.ramoops.is_none() && case.stamps.is_none() {
            return Err("no evidence: neither console.raw nor erst.bin nor ramoops.bin nor stamps.bin".to_owned());
        }
        Ok(case)
    }
}

/// `key: value` lines; `#` begins a comment.
fn parse(text: &str) -> Result<(Tail, Vec<Precondition>, Option<Ramoops>), String> {
    let (mut nonce, mut of, mut panic, mut preconditions, mut zones) = (None, None, None, Vec::new(), None);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let at = |error: String| format!("line {}: {error}", index + 1);
        let (key, value) = line.split_once(": ").ok_or_else(|| at("not `key: value`".to_owned()))?;
        match key {
            "nonce" => nonce = Some(value.to_owned()),
            "of" => of = Some(value.parse().map_err(|_| at(format!("{value} is no number")))?),
            "ramoops" => {
                let sizes: Option<Vec<u32>> = value.split(' ').map(|word| word.parse().ok()).collect();
                let Some(&[record, records, console, pmsg, ecc]) = sizes.as_deref() else {
                    return Err(at("not five numbers".to_owned()));
                };
                zones = Some(Ramoops { record, records, console, pmsg, ecc, used: 0 });
            }
            "panic" => panic = Some(value.to_owned()),
            "entered" => preconditions.push(Precondition::Entered { actor: value.to_owned() }),
            "during" => {
                let (actor, of) = value.split_once(' ').ok_or_else(|| at("not two actors".to_owned()))?;
                preconditions.push(Precondition::EntersDuring { actor: actor.to_owned(), of: of.to_owned() });
            }
            _ => return Err(at(format!("unknown key {key}"))),
        }
    }
    let nonce = nonce.ok_or("no `nonce:`")?;
    let panic_marker = panic.unwrap_or_else(|| format!("crashlab {nonce}"));
    Ok((
        Tail { nonce, of: of.ok_or("no `of:`")?, panic_marker, panic_due: true, panic_is_asked_for: true },
        preconditions,
        zones,
    ))
}
