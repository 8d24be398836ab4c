//! Room and limits: measured here, judged by functions that only compare.

use std::io::{self, Write};
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::finding::{Finding, Status};
use super::host::{Options, nearest};
use crate::procfs;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a base takes in the cache: sources and objects of Linux 6.12 with the guest's config are 1.7 GiB, and as much
/// again is left for its variants.
const BASE_BYTES: u64 = 4 * GIB;

/// Under this not even a variant of a base that is there already gets built.
const VARIANT_BYTES: u64 = GIB / 2;

/// What a long run leaves: some 200 KiB a trial with all that is kept of it.
const RUN_BYTES: u64 = GIB;

/// Under this a run ends with a full disk.
const SHORT_RUN_BYTES: u64 = 64 * MIB;

/// A guest's RAM.
const GUEST_BYTES: u64 = 256 * MIB;

/// What QEMU itself takes, translated code included.
const QEMU_BYTES: u64 = 128 * MIB;

/// What one compiler of a kernel build takes: 135 MiB were seen, and not all have the same compiler.
const COMPILER_BYTES: u64 = 256 * MIB;

/// Files that a guest keeps open, with room.
const FILES_PER_GUEST: u64 = 64;

/// Threads of a guest, with room.
const THREADS_PER_GUEST: u64 = 32;

/// What the harness and a kernel build open and start by themselves.
const OWN_FILES: u64 = 256;
const OWN_PROCESSES: u64 = 256;

/// Measures and judges.
pub(super) fn check(options: &Options) -> Vec<Finding> {
    let cpus = std::thread::available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap_or(u64::MAX));
    let available = procfs::bytes("/proc/meminfo", "MemAvailable");
    let jobs = u64::from(options.jobs);
    let files = getrlimit(Resource::Nofile).current;
    let processes = getrlimit(Resource::Nproc).current;
    vec![
        cache(&options.cache),
        folder("disk-results", "room for results", &options.results, RUN_BYTES, SHORT_RUN_BYTES),
        memory(available, jobs, cpus),
        limit("limit-files", "open files", "ulimit -n", files, files_needed(jobs)),
        limit("limit-processes", "processes", "ulimit -u", processes, processes_needed(jobs)),
        processors(cpus),
    ]
}

fn files_needed(jobs: u64) -> u64 {
    jobs.saturating_mul(FILES_PER_GUEST).saturating_add(OWN_FILES)
}

fn processes_needed(jobs: u64) -> u64 {
    jobs.saturating_mul(THREADS_PER_GUEST).saturating_add(OWN_PROCESSES)
}

fn cache(path: &Path) -> Finding {
    let finding = folder("disk-cache", "room for kernels", path, BASE_BYTES, VARIANT_BYTES);
    match finding.status {
        Status::Ok => finding,
        _ => finding.fixed_by("export XDG_CACHE_HOME=/a/folder/with/room"),
    }
}

/// A folder that will be written to: writes a little there, and looks at what is free.
fn folder(id: &str, title: &str, path: &Path, wanted: u64, needed: u64) -> Finding {
    let there = nearest(path);
    let result = write_in(there).and_then(|()| free_bytes(there));
    let free = result.map_err(|e| format!("{} cannot be written to: {e}", there.display()));
    judge_room(id, title, path, free, wanted, needed)
}

fn write_in(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&[1; 4096])?;
    file.sync_data()
}

fn free_bytes(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn judge_room(id: &str, title: &str, path: &Path, free: Result<u64, String>, wanted: u64, needed: u64) -> Finding {
    let shown = path.display();
    let (status, detail) = match free {
        Err(why) => (Status::Fail, why),
        Ok(free) if free < needed => {
            (Status::Fail, format!("{} free for {shown}, {} are needed", size(free), size(needed)))
        }
        Ok(free) if free < wanted => {
            (Status::Warn, format!("{} free for {shown}, {} may be wanted", size(free), size(wanted)))
        }
        Ok(free) => (Status::Ok, format!("{} free for {shown}", size(free))),
    };
    Finding::new(id, title, status, detail)
}

/// Guests and builds do not run at the same time.
fn memory(available: Option<u64>, jobs: u64, cpus: u64) -> Finding {
    let new = |status, detail| Finding::new("memory", "memory", status, detail);
    let Some(available) = available else {
        return new(Status::Warn, "/proc/meminfo does not say what is available".to_owned());
    };
    let guests = jobs.saturating_mul(GUEST_BYTES + QEMU_BYTES);
    let build = cpus.saturating_mul(COMPILER_BYTES);
    let have = size(available);
    if available < GUEST_BYTES + QEMU_BYTES {
        new(Status::Fail, format!("{have} available, a single guest needs {}", size(GUEST_BYTES + QEMU_BYTES)))
    } else if available < guests {
        let fit = available / (GUEST_BYTES + QEMU_BYTES);
        new(Status::Warn, format!("{have} available, {jobs} guests need {}", size(guests)))
            .fixed_by(format!("harness run --jobs {fit}"))
    } else if available < build {
        new(Status::Warn, format!("{have} available, a kernel build with {cpus} jobs may need {}", size(build)))
    } else {
        new(Status::Ok, format!("{have} available, {jobs} guests need {}", size(guests)))
    }
}

/// A limit of the shell that the harness was started from; `None` is unlimited.
fn limit(id: &str, title: &str, ulimit: &str, current: Option<u64>, needed: u64) -> Finding {
    match current {
        Some(current) if current < needed => {
            let detail = format!("at most {current}, up to {needed} may be wanted");
            Finding::new(id, title, Status::Warn, detail).fixed_by(format!("{ulimit} {needed}"))
        }
        Some(current) => Finding::new(id, title, Status::Ok, format!("at most {current}")),
        None => Finding::new(id, title, Status::Ok, "no limit".to_owned()),
    }
}

fn processors(cpus: u64) -> Finding {
    let (status, detail) = if cpus < 2 {
        (Status::Warn, "1: a guest's vCPUs take turns and never run at the same time".to_owned())
    } else {
        (Status::Ok, cpus.to_string())
    };
    Finding::new("processors", "processors", status, detail)
}

/// A size for people, rounded down.
fn size(bytes: u64) -> String {
    if bytes >= 10 * GIB {
        format!("{} GiB", bytes / GIB)
    } else if bytes >= GIB {
        format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB)
    } else {
        format!("{} MiB", bytes / MIB)
    }
}

#[cfg(test)]
mod tests;
