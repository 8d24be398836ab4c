//! Everything that one guest left, decoded once: each channel, or why it cannot be read.

use std::sync::Arc;

use super::console::{self, Console};
use super::netconsole::{self, Netconsole};
use super::printk_ring::{self, Log, RawRing};
use super::probes::Probes;
use super::pstore::{self, Pstore};
use super::ramoops::{self, Contents, Corrections, ZoneError};
use super::stamps::{self, Stamps, StampsError};
use super::timeline::{self, TimelineError};
use super::vmcore::Capture;
use harness_model::ActorStamps;
use harness_model::cpus::Cpus;
use harness_model::pstore::Ramoops;
use harness_model::schedule::Schedule;
use harness_model::timeline::Timeline;

/// The bytes that a guest left, borrowed from whoever has read them. None of them is trusted.
#[derive(Debug, Clone, Copy)]
pub struct RawEvidence<'a> {
    /// What `ttyS0` showed.
    pub console: &'a [u8],
    /// What its boot console showed on a second serial line, if it has one.
    pub earlycon: Option<&'a [u8]>,
    /// What its network card sent, if it has one.
    pub frames: Option<RawFrames<'a>>,
    /// The page shared with crashlab.
    pub stamps: &'a [u8],
    /// Where its pstore wrote.
    pub pstore: RawPstore<'a>,
    /// The memory shared with the tracer; looked at only if the guest was traced.
    pub trace: &'a [u8],
    /// What was heard of its crash kernel, and when, in nanoseconds of the host's monotonic clock, which is the tracer's.
    pub capture_times: &'a [(&'static str, u64)],
    /// What its crash kernel printed.
    pub capture_console: &'a [u8],
    /// The kernel's log in its memory, or why it could not be read.
    pub log: Result<&'a RawRing, &'a str>,
}

impl Default for RawEvidence<'_> {
    fn default() -> Self {
        Self {
            console: &[],
            earlycon: None,
            frames: None,
            stamps: &[],
            pstore: RawPstore::Erst(&[]),
            trace: &[],
            capture_times: &[],
            capture_console: &[],
            log: Err("the log was not looked for"),
        }
    }
}

/// The frames that a guest's network card sent.
#[derive(Debug, Clone, Copy)]
pub struct RawFrames<'a> {
    /// A pcap file.
    pub pcap: &'a [u8],
    /// How many frames before the first one were not kept.
    pub dropped: u64,
}

/// The storage behind a guest's pstore.
#[derive(Debug, Clone, Copy)]
pub enum RawPstore<'a> {
    /// The backing file of the ERST.
    Erst(&'a [u8]),
    /// The memory of ramoops, with the sizes of its zones.
    Ramoops(&'a Ramoops, &'a [u8]),
    /// Flash with EFI variables.
    Efi {
        /// An image of it.
        image: &'a [u8],
        /// Where in it what the guest itself has written begins.
        since: usize,
    },
}

/// What is known of a guest beside the bytes that it left.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// How it ended.
    pub ending: Ending,
    /// The share of their time that QEMU's threads waited for a processor of the host, 0 to 1; none where the host does
    /// not tell.
    pub host_wait: Option<f64>,
    /// How it was traced, if it was.
    pub tracing: Option<Tracing>,
    /// What became of a dump of its memory; none in a guest without a port for one.
    pub capture: Option<Capture>,
}

/// How a guest ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// By itself: it reset.
    #[default]
    ByItself,
    /// It switched its power off.
    PoweredOff,
    /// It did not, and was alive when its time was over, or that of the program that it ran.
    Survived,
    /// Its crash kernel came up.
    Captured,
    /// It did nothing any more, or its own clock was past the deadline.
    Hung,
    /// By the host's clock it was past its deadline.
    Deadline,
}

impl Ending {
    /// Whether the guest did not end by itself, and should have.
    pub const fn is_hung(self) -> bool {
        matches!(self, Self::Hung | Self::Deadline)
    }

    /// Whether the guest still ran when it was read.
    pub const fn ran_on(self) -> bool {
        self.is_hung() || matches!(self, Self::Survived)
    }
}

/// How a guest was traced.
#[derive(Debug, Clone)]
pub struct Tracing {
    /// What was looked for.
    pub probes: Arc<Probes>,
    /// How many CPUs the guest had.
    pub cpus: u32,
    /// Whether its time was the host's.
    pub real_time: bool,
    /// The schedule that it was made to follow, if there is one.
    pub schedule: Option<Arc<Schedule>>,
}

/// What a guest left, decoded.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What is known beside its bytes.
    pub facts: Facts,
    /// When each actor entered and left its critical section.
    pub stamps: Result<Stamps, StampsError>,
    /// What its CPUs were seen doing; none if it was not traced.
    pub timeline: Option<Result<Timeline, TimelineError>>,
    /// What the console showed.
    pub console: Console,
    /// What its boot console showed on a second serial line, if it has one.
    pub earlycon: Option<Console>,
    /// What netconsole sent, if it has that.
    pub netconsole: Option<Netconsole>,
    /// What its crash kernel printed.
    pub capture_console: Console,
    /// The kernel's log as it stood in memory.
    pub log: Result<Log, String>,
    /// The dumps that pstore kept.
    pub pstore: Pstore,
    /// What each of ramoops' zones for a dump needed to have corrected.
    pub corrections: Vec<Corrections>,
    /// What pstore kept of the console, if its back end has a zone for it.
    pub pstore_console: Option<Result<ConsoleZone, ZoneError>>,
    /// What user space wrote, if pstore's back end has a zone for it.
    pub pmsg: Option<Result<Contents, ZoneError>>,
    /// The log in the dump of its memory; none if there is no dump that can be read.
    pub dumped_log: Option<Result<Log, String>>,
}

/// The zone of pstore's that holds the console's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsoleZone {
    /// What is in it, as a console shows it.
    pub console: Console,
    /// What was corrected of it.
    pub corrections: Corrections,
}

impl From<Contents> for ConsoleZone {
    fn from(Contents { bytes, corrections }: Contents) -> Self {
        Self { console: console::decode(&bytes), corrections }
    }
}

impl Evidence {
    /// Decodes everything. Takes any bytes: what cannot be decoded is an error in its place, and takes nothing from the
    /// rest.
    pub fn decode(raw: &RawEvidence<'_>, facts: Facts) -> Self {
        let stamps = stamps::decode(raw.stamps);
        let timeline = facts.tracing.as_ref().map(|Tracing { probes, cpus, schedule, .. }| {
            let actors = stamps.iter().flat_map(|stamps| &stamps.actors);
            let actors: Vec<String> = actors.map(|actor| actor.name.clone()).collect();
            let timeline = timeline::decode(raw.trace, probes, &actors, *cpus, raw.capture_times, schedule.as_deref())?;
            let online = stamps.as_ref().ok().and_then(|stamps| stamps.cpus.as_ref()).map(|cpus| &cpus.online);
            Ok(Timeline { online: online.filter(|online| !online.iter().copied().eq(0..*cpus)).cloned(), ..timeline })
        });
        let ramoops::Reading { pstore, corrections, console, pmsg } = match raw.pstore {
            RawPstore::Erst(file) => {
                ramoops::Reading { pstore: pstore::from_erst_file(file), ..ramoops::Reading::default() }
            }
            RawPstore::Ramoops(zones, memory) => ramoops::decode(memory, zones),
            RawPstore::Efi { image, since } => {
                ramoops::Reading { pstore: pstore::from_efi_flash(image, since), ..ramoops::Reading::default() }
            }
        };
        let dumped_log = match &facts.capture {
            Some(Capture::Read(dump)) => Some(dump.log.as_ref().ok_or("it has no log").map_err(str::to_owned)),
            _ => None,
        };
        Self {
            stamps,
            timeline,
            console: console::decode(raw.console),
            earlycon: raw.earlycon.map(console::decode),
            netconsole: raw.frames.map(|RawFrames { pcap, dropped }| netconsole::decode(pcap, dropped)),
            capture_console: console::decode(raw.capture_console),
            log: raw.log.map_err(str::to_owned).and_then(decode_log),
            pstore,
            corrections,
            pstore_console: console.map(|zone| zone.map(ConsoleZone::from)),
            pmsg,
            dumped_log: dumped_log.map(|raw| raw.and_then(decode_log)),
            facts,
        }
    }

    /// The CPUs that the guest had when its faults were fired, if that is known.
    pub fn cpus(&self) -> Option<&Cpus> {
        self.stamps.as_ref().ok()?.cpus.as_ref()
    }

    /// The stamps as they are recorded; none if the page cannot be read.
    pub fn actor_stamps(&self) -> Vec<ActorStamps> {
        self.stamps.as_ref().map(Stamps::actor_stamps).unwrap_or_default()
    }
}

fn decode_log(raw: &RawRing) -> Result<Log, String> {
    printk_ring::decode(raw).map_err(|error| error.to_string())
}
