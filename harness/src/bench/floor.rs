//! The least that a trial could cost: the same guest restored, crashed and reaped, with blocking calls, one thread a
//! guest, and nothing read of what it leaves.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::{BenchError, io, mib};
use crate::guest::{
    Confinement, Descriptors, ENVIRONMENT, ErstPci, Files, Ram, Start, die_with_parent_inheriting, padded,
};
use crate::trial::{Assignment, GuestSource};

/// Guests whose phases are measured.
const SAMPLE: usize = 15;

/// Where a guest's time goes, in milliseconds of wall time, one guest at a time; medians.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Phases {
    /// From starting QEMU to its greeting: loading its program, making the machine.
    pub start_ms: f64,
    /// From there to the guest's running: its devices' state is loaded.
    pub load_ms: f64,
    /// From there to its end: translating and executing.
    pub run_ms: f64,
    /// Killing QEMU, which gives its memory back.
    pub reap_ms: f64,
    /// Blocks of the guest's code that were translated.
    pub translated_blocks: f64,
    /// Memory that it has written, in MiB.
    #[serde(skip)]
    pub private_mib: f64,
}

/// Crashes `count` guests, `jobs` at a time. Returns how long that took.
pub async fn run(
    guests: &Arc<GuestSource>,
    assignment: &Assignment,
    count: u32,
    jobs: u32,
) -> Result<Duration, BenchError> {
    let began = Instant::now();
    let left = Arc::new(AtomicU32::new(count));
    let mut threads = tokio::task::JoinSet::new();
    for _ in 0..jobs {
        let (left, guests, directives) = (Arc::clone(&left), Arc::clone(guests), assignment.directives.clone());
        // A thread of the pool lives while it works, which is as long as its guests do.
        threads.spawn_blocking(move || {
            let folder = tempfile::tempdir().map_err(io("create a folder"))?;
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                Floor::start(&guests, &directives, folder.path())?.end(false)?;
            }
            Ok::<_, BenchError>(())
        });
    }
    while let Some(done) = threads.join_next().await {
        done.map_err(|_| BenchError::Thread)??;
    }
    Ok(began.elapsed())
}

/// Measures the phases of some guests, one after the other.
pub async fn phases(guests: &Arc<GuestSource>, assignment: &Assignment) -> Result<Phases, BenchError> {
    let (guests, directives) = (Arc::clone(guests), assignment.directives.clone());
    let measured = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().map_err(io("create a folder"))?;
        let one = |_| Floor::start(&guests, &directives, folder.path())?.end(true);
        (0..SAMPLE).map(one).collect::<Result<Vec<_>, BenchError>>()
    });
    let measured = measured.await.map_err(|_| BenchError::Thread)??;
    let median = |figure: fn(&Phases) -> f64| {
        let mut figures: Vec<f64> = measured.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    };
    Ok(Phases {
        start_ms: median(|it| it.start_ms),
        load_ms: median(|it| it.load_ms),
        run_ms: median(|it| it.run_ms),
        reap_ms: median(|it| it.reap_ms),
        translated_blocks: median(|it| it.translated_blocks),
        private_mib: median(|it| it.private_mib),
    })
}

/// One guest of the floor's.
struct Floor {
    qemu: Child,
    qmp: BufReader<UnixStream>,
    began: Instant,
    greeted: Instant,
    restore: Vec<u8>,
}

impl Floor {
    fn start(guests: &GuestSource, directives: &str, folder: &Path) -> Result<Self, BenchError> {
        let source = guests.source_blocking();
        let Start::Restore(template) = source.start() else {
            return Err(io("measure the floor")(std::io::Error::other("there is no template")));
        };
        let (own_erst, told) = (folder.join("erst"), folder.join("directives"));
        let erst = template.erst().map(|erst| std::fs::copy(erst, &own_erst).map(|_| own_erst.as_path()));
        let erst = erst.transpose().map_err(io("copy the ERST's file"))?;
        let text = padded(directives).map_err(|error| io("write the directives")(std::io::Error::other(error)))?;
        std::fs::write(&told, text).map_err(io("write the directives"))?;
        let (qmp, theirs) = UnixStream::pair().map_err(io("make a socket"))?;
        let (_agent, agent_theirs) = UnixStream::pair().map_err(io("make a socket"))?;
        let null = File::options().write(true).open("/dev/null").map_err(io("open /dev/null"))?;
        let saved = File::open(template.state()).map_err(io("open the template's state"))?;
        let (ram, devices, saved_fd) = (template.ram(), template.state(), saved.as_raw_fd());
        let files = Files {
            kernel: &template.kernel,
            initramfs: &template.initramfs,
            erst,
            flash: None,
            directives: &told,
            rtc: None,
            state: Some(&devices),
            ram: Ram::CopyOnWrite(&ram),
            tracer: None,
            boot: None,
            turn: None,
        };
        let descriptors = Descriptors {
            qmp: theirs.as_raw_fd(),
            console: null.as_raw_fd(),
            agent: agent_theirs.as_raw_fd(),
            earlycon: None,
            frames: None,
            port: None,
            trace: None,
            restored: true,
        };
        let inherited: Vec<OwnedFd> = vec![theirs.into(), null.into(), agent_theirs.into(), saved.into()];
        let mut command = Command::new(&guests.machine.qemu);
        let arguments = guests.machine.arguments(&files, descriptors, &template.append);
        command.args(arguments).envs(ENVIRONMENT).current_dir(folder);
        let confinement = Confinement::new(&guests.machine.qemu, &files, folder);
        confinement.apply_to(&mut command).map_err(io("confine QEMU"))?;
        die_with_parent_inheriting(&mut command, &inherited);
        let began = Instant::now();
        let qemu = command.spawn().map_err(io("start QEMU"))?;
        drop(inherited);
        let mut qmp = BufReader::new(qmp);
        let mut line = String::new();
        qmp.read_line(&mut line).map_err(io("read QEMU's greeting"))?;
        Ok(Self {
            qemu,
            qmp,
            began,
            greeted: Instant::now(),
            restore: commands(template, &template.address(&guests.machine, saved_fd)),
        })
    }

    /// Lets it run to its end; looks closer at it if asked to.
    fn end(mut self, look: bool) -> Result<Phases, BenchError> {
        self.qmp.get_ref().write_all(&self.restore).map_err(io("write to QEMU"))?;
        self.until("RESUME")?;
        let running = Instant::now();
        self.until("SHUTDOWN")?;
        let ended = Instant::now();
        let (mut blocks, mut private_mib) = (0.0, 0.0);
        if look {
            let asked = json!({"execute": "human-monitor-command", "arguments": {"command-line": "info jit"}, "id": 1});
            self.qmp.get_ref().write_all(format!("{asked}\n").as_bytes()).map_err(io("write to QEMU"))?;
            let answer = self.until("TB count")?;
            let count = answer
                .split("TB count")
                .nth(1)
                .and_then(|rest| rest.split_ascii_whitespace().next()?.split('\\').next());
            blocks = count.and_then(|count| count.parse().ok()).unwrap_or_default();
            private_mib = private(self.qemu.id());
        }
        let looked = Instant::now();
        self.qemu.kill().map_err(io("kill QEMU"))?;
        self.qemu.wait().map_err(io("reap QEMU"))?;
        let reaped = Instant::now();
        let ms = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
        Ok(Phases {
            start_ms: ms(self.began, self.greeted),
            load_ms: ms(self.greeted, running),
            run_ms: ms(running, ended),
            reap_ms: ms(looked, reaped),
            translated_blocks: blocks,
            private_mib,
        })
    }

    /// Reads on until a message has this word.
    fn until(&mut self, word: &str) -> Result<String, BenchError> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.qmp.read_line(&mut line).map_err(io("read from QEMU"))? == 0 {
                let source = std::io::Error::other(format!("it ended before it said {word}"));
                return Err(io("read from QEMU")(source));
            }
            if line.contains(word) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Already done where all went well.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// What restores a guest and lets it run.
fn commands(template: &crate::guest::Template, state: &str) -> Vec<u8> {
    let hmp = |line: &String| ("human-monitor-command", json!({"command-line": line}));
    let ignore_shared = json!({"capabilities": [{"capability": "x-ignore-shared", "state": true}]});
    let mut all = vec![("qmp_capabilities", Value::Null), ("migrate-set-capabilities", ignore_shared)];
    let pci = template.erst_pci.map(ErstPci::restoring_commands);
    all.extend(pci.iter().flatten().map(hmp));
    all.push(("migrate-incoming", json!({"uri": state})));
    all.push(("cont", Value::Null));
    let mut text = Vec::new();
    for (name, arguments) in all {
        let command = if arguments.is_null() {
            json!({"execute": name})
        } else {
            json!({"execute": name, "arguments": arguments})
        };
        text.extend_from_slice(command.to_string().as_bytes());
        text.push(b'\n');
    }
    text
}

/// MiB that a process alone takes: what it has written. (What it only reads is in the page cache, for all.) 0 where the
/// host does not tell.
fn private(pid: u32) -> f64 {
    mib(&format!("/proc/{pid}/smaps_rollup"), "Private_Dirty")
}

/// Processor time of this process.
pub fn cpu_of_self() -> Duration {
    cpu(13)
}

/// Processor time of its children that were reaped.
pub fn cpu_of_children() -> Duration {
    cpu(15)
}

/// The sum of two neighbouring fields of `/proc/self/stat`, counted from 0: user and system time (proc(5)).
fn cpu(first: usize) -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the name, may have blanks in it.
    let fields: Vec<&str> =
        text.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_ascii_whitespace().collect());
    let ticks = |field: usize| fields.get(field - 2).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or_default();
    let millis = (ticks(first) + ticks(first + 1)) * 1000 / rustix::param::clock_ticks_per_second();
    Duration::from_millis(millis)
}
