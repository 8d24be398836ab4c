//! The program of the user's that a scenario runs in its guest. That it can be run there is found out before anything is
//! built.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::yaml::{At, InputError, Source, visible};

/// It lies in the guest's memory twice while that boots.
const MAX_BYTES: u64 = 32 << 20;

/// `e_machine` of x86-64, and the others that somebody may have built for.
const X86_64: u16 = 62;
const MACHINES: [(u16, &str); 5] = [(3, "i386"), (40, "arm"), (183, "aarch64"), (243, "riscv"), (22, "s390")];

/// The type of a program header: another program loads this one.
const PT_INTERP: u32 = 3;
/// What a file may be: a program at a fixed place, or at any.
const ET_EXEC_OR_DYN: std::ops::RangeInclusive<u16> = 2..=3;

/// A program, as it lies in a guest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program {
    /// Where it is read from.
    pub path: PathBuf,
    /// SHA-256 of it, lowercase hex.
    pub digest: String,
}

/// How it is run at one point of the sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The CPUs that it may run on; all of the guest's, if none is named.
    pub cpus: Vec<u32>,
    /// How long it may run.
    pub lasting: Duration,
}

/// The program that is written in `source`, by its path from there.
pub(super) fn program(source: &Source, written: &At<String>) -> Result<Program, InputError> {
    let folder = source.path().parent().unwrap_or(Path::new(""));
    let path = folder.join(&written.value);
    let fail = |cause: String, hint: &str| {
        let cause = format!("`{}` cannot be run in a guest: {cause}", visible(&written.value));
        source.error(written.mark, cause, Some(hint.to_owned()))
    };
    let io = |error: std::io::Error| fail(error.to_string(), "it is looked for from the scenario's folder");
    let about = std::fs::metadata(&path).map_err(io)?;
    if !about.is_file() {
        return Err(fail("it is no file".to_owned(), "name a static program"));
    }
    if about.len() > MAX_BYTES {
        let cause = format!("it has {} MiB, and at most {} fit", about.len().div_ceil(1 << 20), MAX_BYTES >> 20);
        return Err(fail(cause, "strip it, or link less into it"));
    }
    if about.permissions().mode() & 0o111 == 0 {
        return Err(fail("it is not executable".to_owned(), "chmod +x it"));
    }
    let mut bytes = Vec::new();
    File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)).map_err(io)?;
    if let Err(why) = is_static(&bytes) {
        return Err(fail(why, "build a static program for x86-64: `cc -static -o repro repro.c`"));
    }
    Ok(Program { path, digest: format!("{:x}", Sha256::digest(&bytes)) })
}

/// Whether a file is a program that a kernel for x86-64 runs without any other file; else why not.
fn is_static(file: &[u8]) -> Result<(), String> {
    let bytes = |at: usize, n: usize| file.get(at..at.checked_add(n)?);
    let cut = || "it is cut off".to_owned();
    let half = |at: usize| bytes(at, 2).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes).ok_or_else(cut);
    let word = |at: usize| bytes(at, 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes).ok_or_else(cut);
    let long = |at: usize| bytes(at, 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes).ok_or_else(cut);
    if !file.starts_with(b"\x7fELF") {
        return Err(if file.starts_with(b"#!") { "it is a script" } else { "it is no ELF file" }.to_owned());
    }
    // Where the number of the machine stands is the same in every ELF file; its bytes are in the file's own order.
    let machine = if bytes(5, 1) == Some(&[2]) { half(18)?.swap_bytes() } else { half(18)? };
    if machine != X86_64 || bytes(4, 2) != Some(&[2, 1]) {
        let known = MACHINES.iter().find(|(number, _)| *number == machine).map(|(_, name)| *name);
        return Err(format!("it is for another machine ({})", known.unwrap_or("not x86-64")));
    }
    if !ET_EXEC_OR_DYN.contains(&half(16)?) {
        return Err("it is no program, but an object file or a core".to_owned());
    }
    let (headers, size, number) = (long(32)?, half(54)?, half(56)?);
    let first = usize::try_from(headers).map_err(|_| cut())?;
    for n in 0..usize::from(number) {
        let at = first.checked_add(n.saturating_mul(usize::from(size))).ok_or_else(cut)?;
        if word(at)? == PT_INTERP {
            return Err("it is not static".to_owned());
        }
    }
    if number == 0 { Err("it has nothing to load".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An ELF file with program headers of these types.
    fn elf(machine: u16, kind: u16, headers: &[u32]) -> Vec<u8> {
        let mut file = vec![0; 64 + 56 * headers.len()];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[16..18].copy_from_slice(&kind.to_le_bytes());
        file[18..20].copy_from_slice(&machine.to_le_bytes());
        file[32] = 64;
        file[54] = 56;
        file[56] = u8::try_from(headers.len()).unwrap();
        for (n, header) in headers.iter().enumerate() {
            file[64 + 56 * n..][..4].copy_from_slice(&header.to_le_bytes());
        }
        file
    }

    #[test]
    fn what_runs_in_a_guest_and_what_does_not() {
        for (file, why) in [
            (elf(62, 2, &[1]), ""),
            (elf(62, 3, &[1, 2, 6]), ""),
            (elf(62, 3, &[6, 3, 1]), "it is not static"),
            (elf(183, 2, &[1]), "it is for another machine (aarch64)"),
            (elf(9999, 2, &[1]), "it is for another machine (not x86-64)"),
            (elf(62, 1, &[1]), "it is no program, but an object file or a core"),
            (elf(62, 2, &[]), "it has nothing to load"),
            (elf(62, 2, &[1, 1])[..130].to_vec(), ""),
            (elf(62, 2, &[1, 1])[..110].to_vec(), "it is cut off"),
            (b"\x7fELF".to_vec(), "it is cut off"),
            (b"#!/bin/sh\nexit 0\n".to_vec(), "it is a script"),
            (b"MZ".to_vec(), "it is no ELF file"),
            (Vec::new(), "it is no ELF file"),
        ] {
            assert_eq!(is_static(&file).err().unwrap_or_default(), why, "{}", file.escape_ascii());
        }
        // 32 bits, and the other order of bytes.
        let mut small = elf(3, 2, &[1]);
        small[4] = 1;
        assert_eq!(is_static(&small), Err("it is for another machine (i386)".to_owned()));
        let mut big = elf(22u16.swap_bytes(), 2, &[1]);
        big[5] = 2;
        assert_eq!(is_static(&big), Err("it is for another machine (s390)".to_owned()));
    }

    /// A scenario in a folder of its own, beside a program.
    fn loaded(workload: &str) -> Result<crate::scenario::Scenario, String> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("repro");
        std::fs::write(&program, elf(62, 2, &[1])).unwrap();
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("plain"), elf(62, 2, &[1])).unwrap();
        let file = folder.path().join("it.yaml");
        let text = format!(
            "name: it\ntitle: a title\nwhy: because\nsource: a test\nparams: {{ time: [2s] }}\n\
             workload: {{ {workload} }}\nexpect: []\n"
        );
        std::fs::write(&file, text).unwrap();
        crate::scenario::Scenario::load(&file).map_err(|problems| problems.into_first().to_string())
    }

    #[test]
    fn a_scenario_with_a_program_needs_no_actor() {
        let scenario = loaded("program: ./repro, args: [-n, 3, $time], cpus: [0, 2], for: $time").unwrap();
        let instance = scenario.at(&scenario.points()[0]).unwrap();
        let program = instance.guest.program.as_ref().unwrap();
        assert_eq!(program.digest, format!("{:x}", Sha256::digest(elf(62, 2, &[1]))));
        let text = instance.draw(7).to_guest("00", 2, crate::scenario::Firing::default());
        let line = "workload for_us=2000000 seed=7 cpus=0,2 -- -n 3 2s\n";
        assert_eq!(text, format!("nonce 00\nwitnesses 2\n{line}fire\n"));
        let told = crate::report::Explanation::of(&scenario, &scenario.points(), None).unwrap().to_string();
        assert!(told.contains("repro -n 3 2s`, for 2 s at most") || told.contains("the agent runs"), "{told}");
    }

    #[test]
    fn a_program_that_cannot_be_run_so_is_refused() {
        for (workload, why) in [
            ("program: ./plain, args: [$time], for: 1s", "it is not executable"),
            ("program: ./repro, args: [$time], for: 30s", "cannot run for 30s before the deadline"),
            ("program: ./repro, args: [$time], for: 0s", "cannot run for 0ns before the deadline"),
            ("program: ./repro, args: [$time], cpus: [4], for: 1s", "the guest has no CPU 4"),
            ("program: ./repro, args: [$time, two words], for: 1s", "`two words` cannot be an argument"),
        ] {
            let said = loaded(workload).unwrap_err();
            assert!(said.contains(why), "{workload}: {said}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(mut file in prop::collection::vec(any::<u8>(), 0..400), elf_like: bool) {
            if elf_like && file.len() > 6 {
                file[..6].copy_from_slice(b"\x7fELF\x02\x01");
            }
            let _ = is_static(&file);
        }
    }
}
