//! What only a booted kernel can tell of itself: who is called when it panics, and where it runs.

use std::io;

use harness_trace::Probe;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::GuestError;
use super::running::{Guest, read};

/// No list is followed further: the guest's memory is not to be believed.
const MOST: usize = 64;

/// A list of functions in the kernel's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListHead {
    /// Link address of a pointer to the first `struct notifier_block` (`include/linux/notifier.h`).
    Notifiers(u64),
    /// Link address of the `struct list_head` of the `struct kmsg_dumper`s (`include/linux/kmsg_dump.h`).
    Dumpers(u64),
}

/// What a booted guest has told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// How far the kernel runs from its link addresses.
    pub slide: u64,
    /// Guest-physical address of crashlab's page.
    pub page: u64,
    /// Virtual address of that page.
    pub mapped: u64,
    /// Where crashlab's section `.text` lies.
    pub code: u64,
    /// The functions on each list that was asked for, in their order, at their virtual addresses.
    pub lists: Vec<Vec<u64>>,
}

impl Guest {
    /// Asks for what the lists have on them; once the guest is ready.
    pub async fn hooks(&mut self, lists: &[ListHead]) -> Result<Hooks, GuestError> {
        let Some(ready) = self.ready else {
            return Err(GuestError::Agent("it has not said where crashlab is".to_owned()));
        };
        let slide = match &self.trace {
            Some(memory) => memory.slide().map_err(GuestError::io("read the tracer's memory"))?,
            None => 0,
        };
        let mut hooks = Hooks { slide, page: ready.page, mapped: ready.mapped, code: ready.code, lists: Vec::new() };
        for list in lists {
            hooks.lists.push(self.list(*list, slide).await?);
        }
        Ok(hooks)
    }

    /// Has the tracer look for more, from now on, and lets a guest go on that waits for that.
    pub async fn add_probes(&mut self, probes: &[Probe]) -> Result<(), GuestError> {
        let what = "tell the tracer what to look for";
        self.trace.as_mut().map_or(Ok(()), |memory| memory.add(probes)).map_err(GuestError::io(what))?;
        self.agent.say("go").await.map_err(GuestError::io("let the guest go on"))
    }

    async fn list(&self, list: ListHead, slide: u64) -> Result<Vec<u64>, GuestError> {
        let mut functions = Vec::new();
        match list {
            ListHead::Notifiers(head) => {
                let [mut block] = self.words(head.wrapping_add(slide)).await?;
                while block != 0 && functions.len() < MOST {
                    // notifier_call, next
                    let [function, next] = self.words(block).await?;
                    functions.push(function);
                    block = next;
                }
            }
            ListHead::Dumpers(head) => {
                let head = head.wrapping_add(slide);
                let [mut dumper] = self.words(head).await?;
                while dumper != head && functions.len() < MOST {
                    // list.next, list.prev, dump
                    let [next, _, function] = self.words(dumper).await?;
                    functions.push(function);
                    dumper = next;
                }
            }
        }
        Ok(functions)
    }

    /// 64-bit words of the guest's kernel memory, at a virtual address. Any CPU's page tables do, as long as that CPU
    /// is in the kernel: with page-table isolation one in user space has not mapped it.
    async fn words<const N: usize>(&self, address: u64) -> Result<[u64; N], GuestError> {
        let during = "reading the kernel's lists of notifiers and dumpers";
        let mut failed = None;
        for cpu in 0..self.cpus {
            // QMP knows signed numbers only.
            let arguments = json!({"val": address.cast_signed(), "size": N * 8, "filename": "words", "cpu-index": cpu});
            match self.command(during, "memsave", arguments).await {
                Ok(_) => {
                    let path = self.workdir.join("words");
                    let bytes = read(&path, (N * 8) as u64)?;
                    let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
                    let less = |_| io::Error::other("QEMU has written less than was asked for");
                    let words = words.try_into().map_err(less);
                    return words.map_err(GuestError::io(&format!("read {}", path.display())));
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| GuestError::Agent("a guest without CPUs".to_owned())))
    }
}
