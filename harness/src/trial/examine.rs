//! From what a guest left to the verdict on its trial, on a thread of its own: the one that all guests share has their
//! consoles to read and their NMIs to inject meanwhile.

use super::Assignment;
use super::hung::Hung;
use crate::blocking::off_thread;
use crate::evidence::{Evidence, Facts, RawEvidence, RawFrames, RawPstore, pstore};
use crate::guest::{Artifacts, GuestError, LogMemory, PstoreFile, RamoopsMemory};
use crate::verdict::{Expected, NotCounted, Tail, TrialVerdict, judge};

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

/// The verdict that takes into account what the next boot, of the kernel `reader`, found in pstore; that it could not be asked is our failure.
pub(super) fn after_next_boot(
    verdict: TrialVerdict,
    found: &Result<Vec<PstoreFile>, GuestError>,
    reader: &str,
    tail: &Tail,
) -> TrialVerdict {
    match found {
        Ok(files) => {
            let files = files.iter().map(|file| (file.name.as_str(), file.bytes.as_slice()));
            verdict.after_next_boot(&pstore::from_files(files), reader, tail)
        }
        Err(error) => {
            let cause = format!("have the next boot read what pstore kept: {error}");
            TrialVerdict { counts: Err(NotCounted::InfraError(cause)), ..verdict }
        }
    }
}

fn raw(artifacts: &Artifacts) -> RawEvidence<'_> {
    RawEvidence {
        console: &artifacts.console,
        earlycon: artifacts.earlycon.as_deref(),
        frames: artifacts.frames.as_ref().map(|frames| RawFrames { pcap: &frames.pcap, dropped: frames.dropped }),
        stamps: &artifacts.page,
        pstore: match &artifacts.ramoops {
            Some(RamoopsMemory { zones, bytes }) => RawPstore::Ramoops(zones, bytes),
            None => RawPstore::Erst(&artifacts.erst),
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
    use super::*;
    use crate::model::TrialOutcome;
    use crate::model::ends::Ends;
    use crate::verdict::Hindrances;

    #[test]
    fn that_the_next_boot_could_not_be_asked_is_our_failure() {
        let facts = Facts::default();
        let evidence = Evidence::decode(&RawEvidence::default(), facts);
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
        assert_eq!(
            after_next_boot(verdict, &Err(GuestError::Agent("no".to_owned())), "the next boot", &tail).outcome(),
            TrialOutcome::InfraError {
                cause: "have the next boot read what pstore kept: the guest's agent failed: no".to_owned()
            }
        );
    }
}
