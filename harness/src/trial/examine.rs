//! From what a guest left to the verdict on its trial, on a thread of its own: the one that all guests share has their
//! consoles to read and their NMIs to inject meanwhile.

use std::borrow::Cow;

use super::Assignment;
use super::hung::Hung;
use crate::blocking::off_thread;
use crate::evidence::pstore::{self, Differences};
use crate::evidence::ramoops;
use crate::evidence::{Evidence, Facts, RawEvidence, RawFrames, RawPstore};
use crate::guest::{Artifacts, EfiVars, GuestError, LogMemory, PstoreFile, RamoopsMemory};
use crate::verdict::{Expected, NextBoot, NotCounted, Tail, TrialVerdict, judge};

/// A guest's end and what it left.
#[derive(Debug)]
pub(super) struct Crash {
    /// What it left.
    pub artifacts: Artifacts,
    /// What is known beside that.
    pub facts: Facts,
    /// Where its vCPUs stood, if it hung.
    pub hung: Option<Hung>,
    /// The build id of its kernel, where a dump of its memory is to be known by it.
    pub build_id: String,
    /// The version of its kernel, major and minor.
    pub linux: (u32, u32),
}

/// A guest's end, what it left, what that says, and what follows from it.
#[derive(Debug)]
pub(super) struct Examined {
    pub artifacts: Artifacts,
    pub hung: Option<Hung>,
    pub evidence: Evidence,
    pub verdict: TrialVerdict,
}

/// Decodes what a guest left, and judges its trial by it.
pub(super) async fn examine(assignment: &Assignment, crash: Crash) -> Examined {
    let assignment = assignment.clone();
    off_thread(move || {
        let Crash { artifacts, facts, hung, build_id, linux } = crash;
        let evidence = Evidence::decode(&raw(&artifacts), facts);
        let verdict = judge(&evidence, &expected(&assignment, &build_id, linux));
        Examined { artifacts, hung, evidence, verdict }
    })
    .await
}

impl Examined {
    /// Whether pstore has records of a trial that counts, or had.
    pub(super) fn has_records(&self) -> bool {
        let records = !self.evidence.pstore.dumps.is_empty() || self.evidence.pstore.undecodable > 0;
        self.verdict.counts.is_ok() && records
    }

    /// The verdict that takes into account what the next boot found in pstore; that it could not be asked is our failure, and so
    /// is a record that it reads and that was decoded otherwise. `reader` names its kernel if that is another one, which may
    /// read as it likes.
    #[must_use]
    pub(super) fn after_next_boot(
        mut self,
        found: &Result<Vec<PstoreFile>, GuestError>,
        reader: Option<&str>,
        tail: &Tail,
    ) -> Self {
        let ours = match &self.artifacts.vars {
            // Dumps of earlier boots are there as well.
            Some(EfiVars { bytes, .. }) => Cow::Owned(pstore::from_efi_flash(bytes, 0)),
            None if !self.artifacts.before.records.is_empty() => {
                Cow::Owned(pstore::from_erst_file(&self.artifacts.erst, &[]))
            }
            None if !self.artifacts.before.zones.is_empty() => {
                let memory = self.artifacts.ramoops.as_ref();
                let whole = |memory: &RamoopsMemory| ramoops::decode(&memory.bytes, &memory.zones, &[]).pstore;
                Cow::Owned(memory.map(whole).unwrap_or_default())
            }
            None => Cow::Borrowed(&self.evidence.pstore),
        };
        let cause = match found {
            Ok(files) => {
                let files = files.iter().map(|file| (file.name.as_str(), file.bytes.as_slice()));
                let Differences { unread, otherwise } = pstore::compare(&ours, files.clone());
                let found = pstore::from_files(files);
                let next_boot = NextBoot { found: &found, unread: &unread, reader };
                self.verdict = self.verdict.after_next_boot(&next_boot, tail);
                let ours = otherwise.first().filter(|_| reader.is_none());
                ours.map(|first| format!("decode what the next boot of the kernel reads of pstore: {first}"))
            }
            Err(error) => Some(format!("have the next boot read what pstore kept: {error}")),
        };
        if let Some(cause) = cause {
            self.verdict.counts = Err(NotCounted::InfraError(cause));
        }
        self
    }
}

fn raw(artifacts: &Artifacts) -> RawEvidence<'_> {
    RawEvidence {
        console: &artifacts.console,
        earlycon: artifacts.earlycon.as_deref(),
        frames: artifacts.frames.as_ref().map(|frames| RawFrames { pcap: &frames.pcap, dropped: frames.dropped }),
        stamps: &artifacts.page,
        pstore: match (&artifacts.ramoops, &artifacts.vars) {
            (Some(RamoopsMemory { zones, bytes }), _) => {
                RawPstore::Ramoops { zones, memory: bytes, before: &artifacts.before.zones }
            }
            (None, Some(EfiVars { bytes, since })) => RawPstore::Efi { image: bytes, since: *since },
            (None, None) => RawPstore::Erst { file: &artifacts.erst, before: &artifacts.before.records },
        },
        trace: &artifacts.trace,
        capture_times: &artifacts.capture_times,
        capture_console: &artifacts.capture_console,
        log: match &artifacts.log {
            LogMemory::Read(ring) => Ok(ring),
            LogMemory::Unknown(why) => Err(why),
        },
    }
}

fn expected<'a>(assignment: &'a Assignment, build_id: &'a str, linux: (u32, u32)) -> Expected<'a> {
    let Assignment { tail, preconditions, ends, budgets_us, order, splats, deadline, hindrances, .. } = assignment;
    let (deadline, splats) = (*deadline, splats.as_deref());
    Expected { tail, preconditions, ends, budgets_us, order, deadline, build_id, splats, hindrances, linux }
}

#[cfg(test)]
mod tests {
    use harness_testdata::{Erst, dmesg_record};

    use super::*;
    use crate::model::TrialOutcome;
    use crate::model::ends::Ends;
    use crate::verdict::Hindrances;

    /// A trial that counts, and whose ERST has one record of this text.
    fn examined(text: &str) -> Examined {
        let id = 0x6b02_7e3a_0000_0001;
        let erst = Erst::new(8, 8192).with(Some(id), &dmesg_record(id, "Oops#1 Part1", text)).bytes();
        let artifacts = Artifacts { erst, ..Artifacts::default() };
        let evidence = Evidence::decode(&raw(&artifacts), Facts::default());
        let tail = Tail::of_panic("0123456789abcdef", 0);
        let expected = Expected {
            tail: &tail,
            preconditions: &[],
            ends: &Ends::default(),
            budgets_us: &std::collections::BTreeMap::new(),
            order: &[],
            deadline: std::time::Duration::ZERO,
            build_id: "",
            splats: None,
            hindrances: &Hindrances::default(),
            linux: (6, 12),
        };
        let verdict = TrialVerdict { counts: Ok(()), ..judge(&evidence, &expected) };
        Examined { artifacts, hung: None, evidence, verdict }
    }

    fn after(found: &Result<Vec<PstoreFile>, GuestError>) -> TrialOutcome {
        let tail = Tail::of_panic("0123456789abcdef", 0);
        examined("x\n").after_next_boot(found, None, &tail).verdict.outcome()
    }

    #[test]
    fn that_the_next_boot_could_not_be_asked_is_our_failure() {
        assert_eq!(
            after(&Err(GuestError::Agent("no".to_owned()))),
            TrialOutcome::InfraError {
                cause: "have the next boot read what pstore kept: the guest's agent failed: no".to_owned()
            }
        );
    }

    #[test]
    fn a_record_that_was_decoded_otherwise_is_our_failure() {
        let files = |text: &str| {
            let name = format!("dmesg-erst-{}", 0x6b02_7e3a_0000_0001_u64);
            Ok(vec![PstoreFile { name, bytes: format!("Oops#1 Part1\n{text}").into_bytes() }])
        };
        assert!(matches!(after(&files("x\n")), TrialOutcome::Counted { .. }));
        // The kernel's own loss is none of ours.
        assert!(matches!(after(&Ok(Vec::new())), TrialOutcome::Counted { .. }));
        let TrialOutcome::InfraError { cause } = after(&files("y\n")) else { panic!("it counts") };
        assert_eq!(
            cause,
            "decode what the next boot of the kernel reads of pstore: dmesg-erst-7710864299584913409 has other text: 15 \
             bytes, and 15 were decoded"
        );
    }

    #[test]
    fn only_who_has_records_is_asked() {
        let mut examined = examined("x\n");
        assert!(examined.has_records());
        examined.evidence.pstore.dumps.clear();
        assert!(!examined.has_records());
        examined.evidence.pstore.undecodable = 1;
        assert!(examined.has_records());
        examined.verdict.counts = Err(NotCounted::Missed(String::new()));
        assert!(!examined.has_records());
    }
}
