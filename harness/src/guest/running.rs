//! A guest while it runs: all of its parts, and what is asked of them.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness_qmp::Error as QmpError;
use harness_trace::Probe;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::agent::{AgentMessage, AgentPort, CrashlabAddresses, Note, PstoreFile};
use super::artifacts::{Artifacts, EfiVars, RamoopsMemory, Sample, WorkloadLog};
use super::capture::{CaptureError, CapturePort, Greeting, PIECE_DEADLINE};
use super::confine::Confinement;
use super::error::{GuestError, read_off_thread};
use super::frames::Frames;
use super::info::read_info;
use super::log::{LogMemory, LogPlace, NOT_SEARCHED};
use super::machine::{Descriptors, ENVIRONMENT, ERST_BYTES, Files, Machine, PAGE_BYTES};
use super::monitor::{Clock, Monitor};
use super::process::{Process, last_lines, socket_pair};
use super::silence::{Heard, Silence};
use super::start::OwnVars;
use super::stream::{Captured, PipeStream, Watch};
use super::template::{ERST, ErstPci, Template, VARS, load};
use super::trace::{Hooks, ListHead, Rules, TracerMemory, monotonic_ns};
use crate::blocking::off_thread;
use crate::evidence::vmcoreinfo::VmcoreInfo;
use crate::model::consoles::FurtherConsole;
use crate::model::pstore::Backend;

/// No pstore has as many records: a guest that sends more files does not tell the truth.
const MAX_PSTORE_FILES: usize = 1024;

/// `IA32_MCi_STATUS` of an injected machine check: valid, uncorrected, enabled, context corrupt; a data cache error.
const MCE_STATUS: u64 = 0xb200_0000_0000_0134;
/// `IA32_MCG_STATUS`: in progress, and where it was can be returned to.
const MCE_MCG_STATUS: u64 = 0x5;

/// Lines of the console in a message.
const CONSOLE_LINES: usize = 25;

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It reset or powered itself off; the text is QEMU's reason (`guest-reset`, `guest-shutdown`, `guest-panic`).
    Ended(String),
    /// It had not ended by the deadline; its vCPUs were still there.
    Deadline,
    /// It did nothing any more, or its own clock was past the deadline, however busy the host was.
    Hung,
    /// Its crash kernel has come up, and its agent has said this.
    Captured(Greeting),
    /// It is alive, and its agent has said so when it was to, or when the user's program had ended.
    Survived,
}

impl End {
    /// Whether the guest did not end by itself.
    pub const fn is_hung(&self) -> bool {
        matches!(self, Self::Deadline | Self::Hung)
    }
}

/// What comes from a guest unasked.
enum GuestEvent {
    Message(AgentMessage),
    Captured(Greeting),
    Ended(String),
    /// QEMU has closed its sockets.
    Died,
}

/// A running guest. Dropping it kills it.
#[derive(Debug)]
pub struct Guest {
    process: Process,
    monitor: Monitor,
    console: PipeStream<Captured>,
    /// A second serial line, if the machine has one.
    earlycon: Option<PipeStream<Captured>>,
    /// What its network card sends, if the machine has one.
    frames: Option<PipeStream<Frames>>,
    agent: AgentPort,
    /// Where the agent of a crash kernel answers, if the machine has a port for it.
    capture: Option<CapturePort>,
    /// What the tracer is told and tells, if the guest is traced.
    tracer: Option<TracerMemory>,
    /// The folder with the guest's own files, which is QEMU's current one.
    workdir: PathBuf,
    /// Where pstore writes to.
    pstore: Backend,
    /// Where crashlab is, once the agent has said so, or the template's had.
    crashlab: Option<CrashlabAddresses>,
    /// Where the kernel tells of its structures, if the agent has said so.
    vmcoreinfo: Option<Note>,
    /// How far above its link addresses the kernel runs, in bytes, if that is known.
    slide: Option<u64>,
    /// Where the kernel's log is, or why that is not known.
    log: Result<LogPlace, String>,
    /// Where the ERST's registers have to be, if the guest was restored.
    erst_pci: Option<ErstPci>,
    /// Its flash with EFI variables, if it has any.
    vars: Option<OwnVars>,
    /// Whether it has ended; QEMU has stopped it then.
    ended: bool,
    /// What was heard of a program of the user's.
    workload: WorkloadLog,
    /// Whether that program's end is the guest's.
    ends_with_workload: bool,
}

impl Guest {
    /// Starts QEMU, whose guest does not run yet. `state` is the saved machine that will be loaded, if any, and `tracer`
    /// the memory shared with a tracer.
    pub(super) async fn launch(
        machine: &Machine,
        files: &Files<'_>,
        append: &[String],
        state: Option<OwnedFd>,
        workdir: &Path,
        watch: Option<Watch>,
        tracer: Option<TracerMemory>,
    ) -> Result<Self, GuestError> {
        let (qmp, qmp_theirs) = socket_pair()?;
        let (agent, agent_theirs) = socket_pair()?;
        let (capture, capture_theirs) = machine.crashkernel_mib.map(|_| socket_pair()).transpose()?.unzip();
        let has = |console| machine.consoles.contains(&console);
        let failed = || GuestError::io("make a pipe for QEMU");
        let (console, console_theirs) = PipeStream::open(watch).map_err(failed())?;
        let earlycon = has(FurtherConsole::Earlycon).then(|| PipeStream::open(None)).transpose();
        let (earlycon, earlycon_theirs) = earlycon.map_err(failed())?.unzip();
        let frames = has(FurtherConsole::Netconsole).then(|| PipeStream::open(None)).transpose();
        let (frames, frames_theirs) = frames.map_err(failed())?.unzip();
        let tracer_theirs = tracer.as_ref().map(TracerMemory::descriptor).transpose()?;
        let descriptors = Descriptors {
            qmp: qmp_theirs.as_raw_fd(),
            console: console_theirs.as_raw_fd(),
            agent: agent_theirs.as_raw_fd(),
            earlycon: earlycon_theirs.as_ref().map(OwnedFd::as_raw_fd),
            frames: frames_theirs.as_ref().map(OwnedFd::as_raw_fd),
            port: capture_theirs.as_ref().map(OwnedFd::as_raw_fd),
            trace: tracer_theirs.as_ref().map(OwnedFd::as_raw_fd),
            restored: state.is_some(),
        };
        let mut command = Command::new(&machine.qemu);
        command.args(machine.arguments(files, descriptors, append)).envs(ENVIRONMENT).current_dir(workdir);
        let inherited: Vec<OwnedFd> = [qmp_theirs, console_theirs, agent_theirs]
            .into_iter()
            .chain(earlycon_theirs)
            .chain(frames_theirs)
            .chain(capture_theirs)
            .chain(state)
            .chain(tracer_theirs)
            .collect();
        let confinement = Confinement::new(&machine.qemu, files, workdir);
        let mut process = Process::start(command, confinement, inherited)
            .await
            .map_err(GuestError::io(&format!("start {}", machine.qemu.display())))?;

        let ram = u64::from(machine.memory_mib) << 20;
        let monitor = match Monitor::connect(qmp, workdir, machine.cpus, ram).await {
            Ok(monitor) => monitor,
            Err(QmpError::Closed { .. }) => return Err(process.death("it was being started").await),
            Err(source) => return Err(GuestError::Qmp { during: "greeting QEMU", source }),
        };
        Ok(Self {
            process,
            monitor,
            console,
            earlycon,
            frames,
            agent: AgentPort::new(agent),
            capture: capture.map(CapturePort::new),
            tracer,
            workdir: workdir.to_owned(),
            pstore: machine.pstore,
            crashlab: None,
            vmcoreinfo: None,
            slide: None,
            log: Err(NOT_SEARCHED.to_owned()),
            erst_pci: None,
            vars: None,
            ended: false,
            workload: WorkloadLog::default(),
            ends_with_workload: false,
        })
    }

    /// Says which flash with EFI variables is its own.
    pub(super) const fn set_vars(&mut self, vars: Option<OwnVars>) {
        self.vars = vars;
    }

    /// Lets a guest run from its first instruction.
    pub(super) async fn run(&self) -> Result<(), GuestError> {
        self.monitor.command("letting the guest run", "cont", Value::Null).await.map(drop)
    }

    /// Loads a saved machine, whose state QEMU finds at `address`, and lets it run.
    pub(super) async fn restore(&mut self, template: &Template, address: &str) -> Result<(), GuestError> {
        (self.crashlab, self.erst_pci) = (Some(template.crashlab), Some(template.erst_pci));
        self.slide = template.slide;
        self.log.clone_from(&template.log);
        match load(template, &self.monitor, address).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.or_death(error, "restoring the guest").await),
        }
    }

    /// Saves a running guest, all but its RAM, to `file`, and leaves it stopped.
    pub(super) async fn save(&mut self, file: &Path) -> Result<(), GuestError> {
        let during = "saving the guest";
        match self.monitor.save(during, file).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let _ = self.process.kill().await;
                Err(self.process.death(during).await)
            }
            Err(error) => Err(self.or_death(error, during).await),
        }
    }

    /// Where the guest has put the ERST's registers, if they are in PCI memory.
    pub(super) async fn erst_registers(&self) -> Result<Option<ErstPci>, GuestError> {
        ErstPci::read(&self.monitor).await
    }

    /// What comes first of the agent's messages, the guest's end and QEMU's death; `None` if nothing does within
    /// `limit`.
    async fn next(&mut self, limit: Duration) -> Option<GuestEvent> {
        let Self { agent, monitor, capture, .. } = self;
        let event = async {
            tokio::select! {
                // The agent first: what it said before the guest's end counts, however late it is read.
                biased;
                message = agent.next() => message.map(GuestEvent::Message),
                greeting = greeting(capture) => greeting.map(GuestEvent::Captured),
                reason = monitor.shutdown() => reason.map(GuestEvent::Ended),
            }
        };
        timeout(limit, event).await.ok().map(|event| event.unwrap_or(GuestEvent::Died))
    }

    /// What tells whether it goes on while something of it is awaited.
    pub fn heard(&self) -> Heard {
        Heard { at: Instant::now(), printed_at: self.console.printed().last, waited: self.process.waited() }
    }

    /// The agent's next message. One that reports an error is an error.
    ///
    /// `awaited` is for the error when none comes although the guest has been silent for as long as `patience`, or when it
    /// ends before.
    pub async fn message(&mut self, awaited: &'static str, patience: Duration) -> Result<AgentMessage, GuestError> {
        let silence = Silence::new(patience, self.heard());
        let event = loop {
            let now = self.heard();
            let Some(left) = silence.left(now) else { return Err(self.silent(awaited, silence.lasts(now.at)).await) };
            if let Some(event) = self.next(left).await {
                break event;
            }
        };
        match event {
            GuestEvent::Message(AgentMessage::Error(text)) => Err(GuestError::Agent(text)),
            GuestEvent::Message(message) => {
                if let AgentMessage::Ready { crashlab, vmcoreinfo, .. } = message {
                    (self.crashlab, self.vmcoreinfo) = (Some(crashlab), vmcoreinfo);
                }
                Ok(message)
            }
            GuestEvent::Died => Err(self.process.death("waiting for the guest's agent").await),
            GuestEvent::Captured(_) | GuestEvent::Ended(_) => {
                Err(GuestError::EndedEarly { awaited, console: self.console_tail().await })
            }
        }
    }

    /// The files of `/sys/fs/pstore` of a guest that was told to send them; before each it may be silent for as long as
    /// `patience`.
    pub async fn pstore_files(&mut self, patience: Duration) -> Result<Vec<PstoreFile>, GuestError> {
        let mut files = Vec::new();
        loop {
            match self.message("the files of pstore", patience).await? {
                AgentMessage::Ready { .. } => (),
                AgentMessage::File { .. } if files.len() == MAX_PSTORE_FILES => {
                    return Err(GuestError::Agent(format!("it has more than {MAX_PSTORE_FILES} files of pstore's")));
                }
                AgentMessage::File { name, bytes } => files.push(PstoreFile { name, bytes }),
                AgentMessage::End => return Ok(files),
                other => return Err(GuestError::Agent(format!("it said {other:?} where files of pstore's were due"))),
            }
        }
    }

    /// Waits up to `limit` for the guest's end; `None` if it has not come by then. An agent that reports an error is
    /// an error.
    pub async fn end(&mut self, limit: Duration) -> Result<Option<End>, GuestError> {
        let until = Instant::now() + limit;
        loop {
            match self.next(until.saturating_duration_since(Instant::now())).await {
                None => return Ok(None),
                Some(GuestEvent::Ended(reason)) => {
                    self.ended = true;
                    return Ok(Some(End::Ended(reason)));
                }
                Some(GuestEvent::Captured(greeting)) => return Ok(Some(End::Captured(greeting))),
                Some(GuestEvent::Died) => return Err(self.process.death("the guest was running").await),
                Some(GuestEvent::Message(AgentMessage::Error(text))) => return Err(GuestError::Agent(text)),
                Some(GuestEvent::Message(AgentMessage::Alive)) => return Ok(Some(End::Survived)),
                Some(GuestEvent::Message(AgentMessage::Output(bytes))) => self.workload.push(&bytes),
                Some(GuestEvent::Message(AgentMessage::Exited(exit))) => {
                    self.workload.exit = Some(exit);
                    if self.ends_with_workload {
                        return Ok(Some(End::Survived));
                    }
                }
                Some(GuestEvent::Message(message)) => {
                    return Err(GuestError::Agent(format!("it said {message:?} when nothing was due")));
                }
            }
        }
    }

    /// Takes the end of the program that the guest runs for the guest's, if nothing else has ended it.
    pub const fn end_with_workload(&mut self) {
        self.ends_with_workload = true;
    }

    /// That QEMU still executes a guest that seems to hang: it stops one where KVM fails ("KVM internal error"; QEMU:
    /// `accel/kvm/kvm-all.c`, `kvm_cpu_exec()`).
    pub async fn check_executed(&mut self) -> Result<(), GuestError> {
        let status = self.monitor.command("asking whether the guest runs", "query-status", Value::Null).await?;
        if status.get("status").and_then(Value::as_str) != Some("internal-error") {
            return Ok(());
        }
        let _ = self.process.kill().await;
        Err(GuestError::NotExecuted(last_lines(&self.process.stderr().await, CONSOLE_LINES)))
    }

    /// The error that `awaited` did not come in time, with the end of the console; kills the guest.
    pub async fn silent(&mut self, awaited: &'static str, after: Duration) -> GuestError {
        GuestError::Silent { awaited, after, console: self.console_tail().await }
    }

    /// The number of bytes that have come on a crash kernel's console.
    pub fn has_captured(&self) -> u64 {
        self.agent.captured()
    }

    /// Where crashlab's code lies, once that is known.
    pub fn crashlab_code(&self) -> Option<u64> {
        self.crashlab.map(|crashlab| crashlab.code)
    }

    /// Where crashlab is; an error if the guest has not said so yet.
    pub fn crashlab(&self) -> Result<CrashlabAddresses, GuestError> {
        self.crashlab.ok_or_else(|| GuestError::Agent("it has not said where crashlab is".to_owned()))
    }

    /// Reads crashlab's page from the guest's memory, whether it runs or not; empty if it has not said where the page
    /// is.
    pub async fn page(&self) -> Result<Vec<u8>, GuestError> {
        let Some(CrashlabAddresses { page, .. }) = self.crashlab else { return Ok(Vec::new()) };
        if !page.is_multiple_of(PAGE_BYTES) || !self.monitor.has_ram(page, PAGE_BYTES) {
            return Err(GuestError::Agent(format!(
                "it says that crashlab's page is at {page:#x}, which is not in its RAM"
            )));
        }
        self.monitor.physical_memory("reading crashlab's page", "page", page, PAGE_BYTES).await
    }

    /// Finds out how far the kernel was moved and where its log is, as it tells itself; once a guest that was booted is
    /// ready. If the log cannot be found, the reason is kept until the log is asked for: the trial counts all the same.
    pub async fn find_kernel(&mut self) -> Result<(), GuestError> {
        let info = read_info(&self.monitor, self.vmcoreinfo).await.map_err(|error| error.to_string());
        let told = info.as_ref().ok().and_then(VmcoreInfo::slide);
        let seen = self.tracer.as_ref().map(TracerMemory::slide).transpose()?;
        if let (Some(told), Some(seen)) = (told, seen)
            && told != seen
        {
            return Err(GuestError::Agent(format!(
                "its kernel says (KERNELOFFSET) that it was moved by {told:#x}, and the tracer saw that it was by {seen:#x}"
            )));
        }
        self.slide = told.or(seen);
        self.log = match info {
            Ok(info) => LogPlace::find(&self.monitor, &info).await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        Ok(())
    }

    /// How far above its link addresses the kernel runs, in bytes; none if neither it nor a tracer has told.
    pub const fn slide(&self) -> Option<u64> {
        self.slide
    }

    /// Where the kernel's log is, or why that is not known.
    pub(super) const fn log_place(&self) -> &Result<LogPlace, String> {
        &self.log
    }

    /// Asks for the functions on `lists`; once it is known how far the kernel was moved.
    pub async fn hooks(&self, lists: &[ListHead]) -> Result<Hooks, GuestError> {
        Hooks::read(&self.monitor, self.slide.unwrap_or(0), lists).await
    }

    /// Has the tracer look for these as well, from now on, and hold vCPUs, and resumes a guest waiting for that.
    pub async fn add_probes(&mut self, probes: &[Probe], rules: Option<&Rules>) -> Result<(), GuestError> {
        if let Some(memory) = &mut self.tracer {
            memory.add(probes)?;
            rules.map_or(Ok(()), |rules| memory.hold(rules))?;
        }
        self.agent.say("go").await.map_err(GuestError::io("resume the guest"))
    }

    /// Has every vCPU go on that the tracer holds. A guest that is stopped waits for them.
    pub fn release(&self) -> Result<(), GuestError> {
        self.tracer.as_ref().map_or(Ok(()), TracerMemory::release)
    }

    /// Reads everything that tells whether the guest still does something.
    pub async fn sample(&self, clock: &mut Clock) -> Result<Sample, GuestError> {
        let asked = tokio::try_join!(biased; self.monitor.timer(), self.page(), self.registers());
        let (timer, page, registers) = asked?;
        let printed = self.console.printed();
        Ok(Sample {
            at: Instant::now(),
            guest_time: clock.tick(timer),
            printed: printed.bytes.saturating_add(self.agent.captured()),
            printed_at: printed.last,
            trace: self.trace()?,
            page,
            registers,
            waited: self.process.waited(),
        })
    }

    /// The guest's time since the clock's first reading.
    pub async fn time(&self, clock: &mut Clock) -> Result<Duration, GuestError> {
        self.monitor.timer().await.map(|reading| clock.tick(reading))
    }

    /// The registers of every vCPU, as QEMU's monitor shows them.
    pub async fn registers(&self) -> Result<String, GuestError> {
        self.monitor.registers().await
    }

    /// Memory as a vCPU sees it, at a virtual address; less of it or none where it sees none.
    pub async fn memory_seen_by(&self, cpu: u32, at: u64, bytes: u64) -> Result<Vec<u8>, GuestError> {
        match self.monitor.virtual_memory("reading a vCPU's stack", "stack", cpu, at, bytes).await {
            // There is nothing at that address, or QEMU has no such vCPU.
            Err(GuestError::Qmp { source: QmpError::Qemu { .. }, .. }) => Ok(Vec::new()),
            read => read,
        }
    }

    /// The kernel's memory at a virtual address, as any vCPU sees it that is in the kernel; empty if none does.
    pub async fn kernel_memory(&self, at: u64, bytes: usize) -> Result<Vec<u8>, GuestError> {
        for cpu in 0..self.monitor.cpus() {
            let memory = self.memory_seen_by(cpu, at, bytes as u64).await?;
            if memory.len() == bytes {
                return Ok(memory);
            }
        }
        Ok(Vec::new())
    }

    /// Raises an NMI from outside of the guest, as a button on a machine's front does: at CPU 0, or at every CPU whose
    /// LINT1 takes NMIs (QEMU: `hw/i386/x86.c`, `x86_nmi()`; Linux: `apic_extnmi=`).
    pub async fn inject_nmi(&self) -> Result<(), GuestError> {
        self.monitor.command("injecting an NMI", "inject-nmi", Value::Null).await.map(drop)
    }

    /// Sends a fatal machine check to every vCPU, as Intel's processors do; bank 1 of this one has the error, whose state
    /// cannot be saved (PCC).
    pub async fn inject_mce(&self, cpu: u32) -> Result<(), GuestError> {
        let line = format!("mce -b {cpu} 1 {MCE_STATUS:#x} {MCE_MCG_STATUS:#x} 0 0");
        let during = "injecting a machine check";
        match self.monitor.hmp(during, &line).await? {
            done if done.trim().is_empty() => Ok(()),
            // That the vCPU has none, or that they are switched off.
            refused => Err(GuestError::io(during)(io::Error::other(refused.trim().to_owned()))),
        }
    }

    /// What lies in the capture kernel's `/proc/vmcore` from `at` on; less of it at its end, or where it cannot be read.
    pub async fn vmcore(&mut self, at: u64, bytes: usize) -> Result<Vec<u8>, CaptureError> {
        let mut found = Vec::new();
        while found.len() < bytes {
            let piece = self.vmcore_piece(at.saturating_add(found.len() as u64), bytes - found.len()).await?;
            if piece.is_empty() {
                break;
            }
            found.extend(piece);
        }
        Ok(found)
    }

    async fn vmcore_piece(&mut self, at: u64, bytes: usize) -> Result<Vec<u8>, CaptureError> {
        let Self { capture, monitor, agent, ended, .. } = self;
        let stuck = |how: String| Err(CaptureError::Stuck(how));
        let Some(capture) = capture else { return stuck("has no port".to_owned()) };
        let answer = tokio::select! {
            biased;
            piece = capture.read(at, bytes) => match piece {
                Ok(piece) => Some(Ok(piece)),
                Err(error) if error.kind() == io::ErrorKind::Other => Some(stuck(format!("said nonsense ({error})"))),
                Err(_) => None,
            },
            reason = monitor.shutdown() => reason.map(|reason| {
                *ended = true;
                stuck(format!("ended ({reason})"))
            }),
            () = agent.read_console() => None,
            () = sleep(PIECE_DEADLINE) => Some(stuck(format!("did not answer for {PIECE_DEADLINE:?}"))),
        };
        match answer {
            Some(answer) => answer,
            None => Err(self.process.death("a capture kernel was asked for /proc/vmcore").await.into()),
        }
    }

    /// Stops QEMU for good and collects what the guest left. What it has printed and sent is complete then: the
    /// pipes are read to their ends.
    pub async fn collect(mut self) -> Result<Artifacts, GuestError> {
        let mut capture_times: Vec<(&'static str, u64)> = Vec::new();
        let ready = self.capture.as_ref().and_then(CapturePort::ready_ns);
        let first =
            self.agent.first_line_ns().filter(|at| self.capture.is_some() && ready.is_none_or(|ready| *at <= ready));
        capture_times.extend(first.map(|at| ("first_line", at)));
        capture_times.extend(ready.map(|at| ("ready", at)));
        capture_times.extend(ready.map(|_| ("done", monotonic_ns())));
        // A guest that has not ended would otherwise go on writing what is read.
        let stopped = async {
            let stop = self.monitor.command("stopping the guest", "stop", Value::Null);
            if self.ended { Ok(()) } else { stop.await.map(drop) }
        };
        let log = async { Ok(LogMemory::read(self.log.as_ref(), &self.monitor).await) };
        let ramoops = RamoopsMemory::read(&self.monitor, &self.pstore);
        let asked = tokio::try_join!(biased; stopped, self.page(), ramoops, self.check_erst(), log);
        let (page, ramoops, log) = match asked {
            Ok(((), page, ramoops, (), log)) => (page, ramoops, log),
            Err(error) => return Err(self.or_death(error, "it was asked for what the guest left").await),
        };
        let waited = self.process.kill().await.map_err(GuestError::io("kill QEMU"))?;
        let erst = read_off_thread(&self.workdir.join(ERST), ERST_BYTES).await?;
        // QEMU writes each byte through before the guest goes on.
        let vars = match self.vars {
            Some(OwnVars { bytes, since }) => {
                Some(EfiVars { bytes: read_off_thread(&self.workdir.join(VARS), bytes).await?, since })
            }
            None => None,
        };
        Ok(Artifacts {
            console: self.console.finish().await,
            earlycon: match &mut self.earlycon {
                Some(line) => Some(line.finish().await),
                None => None,
            },
            frames: match &mut self.frames {
                Some(frames) => Some(frames.finish().await),
                None => None,
            },
            stderr: self.process.stderr().await,
            erst,
            vars,
            trace: match self.tracer {
                Some(memory) => off_thread(move || memory.read()).await?,
                None => Vec::new(),
            },
            capture_console: self.agent.into_capture_console(),
            capture_times,
            ramoops,
            page,
            log,
            waited,
            workload: self.workload,
        })
    }

    async fn check_erst(&self) -> Result<(), GuestError> {
        match self.erst_pci {
            Some(registers) => registers.check(&self.monitor).await,
            None => Ok(()),
        }
    }

    /// What the tracer has written so far; empty without one.
    fn trace(&self) -> Result<Vec<u8>, GuestError> {
        self.tracer.as_ref().map_or_else(|| Ok(Vec::new()), TracerMemory::read)
    }

    /// How QEMU died, if that is why `error` came.
    pub(crate) async fn or_death(&mut self, error: GuestError, during: &'static str) -> GuestError {
        match error {
            GuestError::Qmp { source: QmpError::Closed { .. }, .. } => self.process.death(during).await,
            error => error,
        }
    }

    async fn console_tail(&mut self) -> String {
        let _ = self.process.kill().await;
        last_lines(&self.console.finish().await, CONSOLE_LINES)
    }
}

/// What a crash kernel's agent says first; never, where there is no port for it.
async fn greeting(capture: &mut Option<CapturePort>) -> Option<Greeting> {
    match capture {
        Some(capture) => capture.greeting().await,
        None => std::future::pending().await,
    }
}
