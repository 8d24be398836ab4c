//! `cargo xtask soak`: thousands of trials while harness and QEMU are killed and stopped, disks are full and the clock jumps.
//! Nothing that was reported as finished may be lost, no process may outlive its harness, and nothing may be left of a harness
//! that was killed once another one has ended by itself.
//!
//! ```text
//! Plan: free guests, real guests ─> run ─┬─> Life: a harness, from its start to its end, with Faults ─┐
//!                                        └<── checked after each life; resumed until it is complete <─┘
//! ```
//!
//! A program of its own rather than a test: it takes arguments, and its other half, a session whose guests cost nothing, is
//! this program again. What it does follows from the seed; when that meets which trial does not.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod bed;
mod check;
mod fault;
mod free;
mod life;
mod log;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use bed::{Bed, Guests};
use fault::Inflicted;

/// Run thousands of trials while harness and QEMU are killed and stopped, disks are full and the clock jumps.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    child: Option<Child>,
    /// What the faults are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Trials whose guests cost nothing
    #[arg(long, value_name = "N", default_value_t = 9700)]
    free: u32,
    /// Trials on real guests
    #[arg(long, value_name = "N", default_value_t = 300)]
    guests: u32,
}

#[derive(Subcommand)]
enum Child {
    /// Run, or resume, trials whose guests cost nothing
    #[command(hide = true)]
    Free(free::Arguments),
}

/// Trials of one run, at most: each run is also begun, and killed while it begins.
const RUN: u32 = 500;

/// What was seen.
#[derive(Default)]
struct Figures {
    runs: u32,
    trials: u32,
    lives: u32,
    inflicted: Inflicted,
    infra_errors: u64,
    torn: u32,
    stillborn: u32,
    /// QEMUs that were seen running; where none ever is, that none is left means nothing.
    qemus_seen: usize,
    seconds: u64,
    /// Whatever should not have been.
    wrong: Vec<String>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, trials, lives, inflicted, infra_errors, torn, stillborn, qemus_seen, seconds, wrong } = self;
        writeln!(f, "  trials finished           {trials:6}  in {runs} runs, {seconds} s")?;
        writeln!(f, "  harnesses started         {lives:6}")?;
        write!(f, "{inflicted}")?;
        writeln!(f, "  infra-errors, tried again {infra_errors:6}")?;
        writeln!(f, "  torn last lines           {torn:6}")?;
        writeln!(f, "  died before run.json      {stillborn:6}")?;
        writeln!(f, "  QEMUs seen                {qemus_seen:6}")?;
        write!(f, "  wrong                     {:6}", wrong.len())?;
        wrong.iter().try_for_each(|what| write!(f, "\n    {what}"))
    }
}

fn main() -> ExitCode {
    let Arguments { child, seed, free, guests } = Arguments::parse();
    if let Some(Child::Free(arguments)) = child {
        return free::main(&arguments);
    }
    let bed = Bed::new();
    if guests > 0 {
        bed.build();
    }
    let mut good = true;
    for (kind, trials) in [(Guests::Free, free), (Guests::Real, guests)].into_iter().filter(|(_, trials)| *trials > 0) {
        let (began, mut figures) = (Instant::now(), Figures::default());
        let mut random = fastrand::Rng::with_seed(seed ^ u64::from(trials));
        for number in 0..trials.div_ceil(RUN) {
            let trials = RUN.min(trials - number * RUN);
            soak(&bed, kind, (number, trials), &mut random, &mut figures);
            eprintln!("{kind}: {} trials, {} harnesses, {} wrong", figures.trials, figures.lives, figures.wrong.len());
        }
        if kind == Guests::Real && figures.qemus_seen == 0 {
            figures.wrong.push("no QEMU was ever seen: those that are left would not be either".to_owned());
        }
        if kind == Guests::Real {
            bed.make_a_template_later();
            check::no_template_left(&bed, &mut figures);
        }
        figures.seconds = began.elapsed().as_secs();
        good &= figures.wrong.is_empty();
        println!("{kind}, seed {seed}\n{figures}");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One run, of as many harnesses as it takes, and what is left of them.
fn soak(bed: &Bed, kind: Guests, (number, trials): (u32, u32), random: &mut fastrand::Rng, figures: &mut Figures) {
    /// A run that needs more is not getting on.
    const LIVES: u32 = 1000;
    let results: PathBuf = bed.results(kind, number);
    let mut log = log::Log::default();
    for life in 0..LIVES {
        // A run that is begun anew is another one; the one before it has recorded nothing.
        let id = log::run_in(&results, figures);
        let seed = random.u64(..);
        let command = bed.command(kind, &results, trials, id.as_deref());
        let ended = life::live(bed, kind, &results, command, fastrand::Rng::with_seed(seed), figures);
        let place = format!("{kind}, run {number}, life {life}");
        check::life(bed, &ended, &place, figures);
        if let Some(run) = log::folder_of(&results) {
            log.reread(&run, &ended, &place, figures);
            if ended.complete() && log.is_complete(trials) {
                check::run(&run, &log, &place, figures);
                check::nothing_left(bed, &run, &place, figures);
                figures.runs += 1;
                figures.trials += trials;
                std::fs::remove_dir_all(&results).unwrap();
                return;
            }
        }
    }
    figures.wrong.push(format!("{kind}, run {number}: not complete after {LIVES} harnesses"));
}
