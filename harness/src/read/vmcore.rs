//! The kernel's log in a core file.

use super::{Bytes, Found, LogOf, io};
use crate::evidence::printk_ring::{self, Layout, RawRing, Span};
use crate::evidence::vmcore::{Core, HEAD};
use crate::text::plural;

/// Reads the log. What is not in the core is told; a core without its log is one all the same.
pub(super) fn read(bytes: &dyn Bytes) -> Result<Found, String> {
    let core = Core::parse(&io(bytes.read(0, HEAD))?).map_err(|error| error.to_string())?;
    let mut found = Found::default();
    if let Some(release) = core.info.text("OSRELEASE") {
        found.about.push(format!("Linux {}", release.chars().take(120).collect::<String>()));
    }
    found.about.push(format!("{} saved their registers", plural(core.registers.len(), "CPU")));
    if core.bytes() > bytes.size() {
        let (is, of) = (bytes.size(), core.bytes());
        found.lost.push(format!("the file is cut off: it has {is} of the {of} bytes that its headers tell of"));
    }
    match ring(bytes, &core).and_then(|raw| printk_ring::decode(&raw).map_err(|error| error.to_string())) {
        Ok(log) => {
            if log.without_text > 0 {
                found.lost.push(format!(
                    "{} have no text",
                    plural(usize::try_from(log.without_text).unwrap_or(usize::MAX), "record")
                ));
            }
            let unfinished = log.unfinished.len();
            if unfinished > 0 {
                found.lost.push(format!("{} being written", plural(unfinished, "record")));
            }
            found.log(LogOf::Memory, crate::evidence::console::decode(log.to_string().as_bytes()).text);
        }
        Err(why) => found.lost.push(format!("the kernel's log: {why}")),
    }
    Ok(found)
}

fn ring(bytes: &dyn Bytes, core: &Core) -> Result<RawRing, String> {
    let layout = Layout::of(&core.info).map_err(|error| error.to_string())?;
    let mapped = |what: &str, Span { address, bytes: length }: Span| {
        let at = core.mapped(address, length as u64);
        let at = at.ok_or_else(|| format!("{what} should be at {address:#x}, which is not in it"))?;
        let memory = io(bytes.read(at, length))?;
        let there = memory.len();
        if there == length { Ok(memory) } else { Err(format!("of {what} only {there} of {length} bytes are there")) }
    };
    let pointer = mapped("the pointer to it", Span { address: layout.prb, bytes: 8 })?;
    let address = pointer.first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default();
    let ring = mapped("struct printk_ringbuffer", Span { address, bytes: layout.ring_bytes })?;
    let arrays = layout.arrays(&ring).map_err(|error| error.to_string())?;
    let descs = mapped("its descriptors", arrays.descs)?;
    let infos = mapped("its infos", arrays.infos)?;
    let text = mapped("its text", arrays.text)?;
    Ok(RawRing { layout, arrays, ring, descs, infos, text })
}
