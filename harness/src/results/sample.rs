//! Made-up runs for the tests of this stage and those after it.

use std::collections::BTreeMap;

use super::{
    CellSummary, Counts, FileDigest, HarnessInfo, HostInfo, KernelInfo, PlannedCell, QemuInfo, RunInfo, SCHEMA_VERSION,
    Summary,
};
use crate::model::{CellKey, Channel, ChannelOutcome, Expectation, GuestChange, Phase, TrialRecord};

pub(crate) use harness_testdata::records::{counted, kept, key, ordered, trial};

/// A cell in which everything not saved was lost.
pub(crate) fn cell(key: CellKey, console: (u32, u32), pstore: (u32, u32)) -> CellSummary {
    let counts = |(saved, n): (u32, u32)| {
        Counts::new([(ChannelOutcome::Saved, saved), (ChannelOutcome::Lost, n - saved)]).unwrap()
    };
    CellSummary {
        trials: console.1.max(pstore.1),
        channels: BTreeMap::from([(Channel::Console, counts(console)), (Channel::Pstore, counts(pstore))]),
        ..CellSummary::empty(key)
    }
}

/// A cell in which everything not saved was lost, with the same on both channels: `(saved, n)` by template.
pub(crate) fn cell_of_templates(key: &CellKey, templates: &[(u32, u32)]) -> CellSummary {
    let records = templates.iter().enumerate().flat_map(|(number, &(saved, n))| {
        (0..n).map(move |place| (number, if place < saved { ChannelOutcome::Saved } else { ChannelOutcome::Lost }))
    });
    let records = (0..).zip(records).map(|(index, (number, outcome))| TrialRecord {
        template: Some(format!("{number:016x}")),
        ..trial(index, key, counted(outcome, outcome))
    });
    let records: Vec<TrialRecord> = records.collect();
    Summary::from_trials("run", &records).cells.remove(0)
}

/// A cell that was not run.
pub(crate) fn skipped(key: CellKey) -> CellSummary {
    CellSummary { skipped: Some(NO_LOGBUF.to_owned()), ..CellSummary::empty(key) }
}

/// Why.
pub(crate) const NO_LOGBUF: &str = "the kernel has no symbol logbuf_lock";

/// The cell with its order judged too: kept in `kept` of `n` trials, and otherwise broken.
pub(crate) fn cell_with_order(cell: CellSummary, (kept, n): (u32, u32)) -> CellSummary {
    let counts = Counts::new([(ChannelOutcome::Kept, kept), (ChannelOutcome::Broken, n - kept)]).unwrap();
    let mut channels = cell.channels;
    channels.insert(Channel::Order, counts);
    CellSummary { channels, ..cell }
}

/// That the outcome has at least the usual probability.
pub(crate) fn expect(channel: Channel, outcome: ChannelOutcome) -> Expectation {
    Expectation { channel, outcome, at_least: Expectation::AT_LEAST }
}

/// The inputs of a run with this plan.
pub(crate) fn info(cells: Vec<PlannedCell>) -> RunInfo {
    let sha256 = |digit: char| digit.to_string().repeat(64);
    RunInfo {
        schema_version: SCHEMA_VERSION,
        run_id: "20261122-050607-00ab".to_owned(),
        started: "2026-11-22T05:06:07.000Z".to_owned(),
        command: vec!["harness".into(), "run".into(), "quick".into()],
        harness: HarnessInfo { version: "0.1.0".into(), git: Some("43afcc9".into()) },
        host: HostInfo {
            os: "Debian GNU/Linux 12 (bookworm)".into(),
            kernel: "6.1.0".into(),
            cpu: "a CPU".into(),
            cores: 2,
            memory_bytes: 8 << 30,
        },
        qemu: QemuInfo {
            path: "/usr/bin/qemu-system-x86_64".into(),
            version: "7.2.22".into(),
            accelerator: "tcg".into(),
            time: "real".into(),
            cold: false,
            phase: Phase::Drawn,
            templates: 4,
            traced: true,
            read_back: false,
            read_back_kernel: None,
            kdump: false,
            crash_kernel: None,
            full_vmcore: false,
        },
        kernels: vec![KernelInfo {
            variant: "stock".into(),
            base: "6.12".into(),
            key: sha256('a'),
            commit: None,
            source_digest: sha256('b'),
            patches: vec![FileDigest { name: "0001-a.patch".into(), sha256: sha256('c') }],
            config_digest: sha256('d'),
            command_line: vec![],
            knobs: vec![],
            guest: GuestChange::default(),
            crash_kernel_key: None,
            read_back_key: None,
            make_arguments: Vec::new(),
            compiler: "gcc (Debian 12.2.0-14) 12.2.0".into(),
            release: "6.12.117".into(),
            build_id: "0123456789abcdef".into(),
            image: None,
            binary_digest: None,
        }],
        scenarios: vec![FileDigest { name: "panic-alone".into(), sha256: sha256('e') }],
        suite: Some("quick".into()),
        seed: u64::MAX,
        trials_per_cell: 20,
        jobs: 2,
        shard: None,
        until: None,
        bisected: None,
        explored: None,
        schedule: None,
        merged_from: vec![],
        hosts: vec![],
        cells,
    }
}
