//! `harness read`

use std::path::PathBuf;
use std::process::ExitCode;

use super::{BAD_INPUT, Failure, Global, Output, print, print_json};
use crate::read::{Options, ZoneSizes, load, read, reading_text};
use crate::reporter;

/// Show what a machine left when it died, whatever kept it.
///
/// Reads a file of QEMU's acpi-erst, flash with EFI variables (`OVMF_VARS.fd`), memory of ramoops, records of pstore, EFI
/// variables, a vmcore (ELF), frames of netconsole, and logs; of a folder all of these that are in it. Tells each dump
/// with its parts, who panicked, the kernel's reports, and what is lost; shows the logs; and where several are of one
/// crash, line by line who has which. Needs no project, no kernel and no QEMU.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all was read; 2 something is not known, or bad usage; 3 the host failed.\n\nExamples:\n  \
                  harness read /sys/fs/pstore\n  harness read OVMF_VARS.fd console.log\n  harness read ramoops.bin --zones \
                  record=65536,console=65536 --ecc 16"
)]
pub struct Arguments {
    /// Files and folders
    #[arg(required = true, value_name = "FILE|FOLDER")]
    paths: Vec<PathBuf>,
    /// The files are memory of ramoops, divided so (its parameters, in bytes) [default: zones are looked for]
    #[arg(long, value_name = "record=N[,console=N][,ftrace=N][,pmsg=N]")]
    zones: Option<ZoneSizes>,
    /// Parity bytes of each block of ramoops' zones (its parameter ecc)
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=64))]
    ecc: u32,
    /// Leave out the logs themselves
    #[arg(long)]
    no_logs: bool,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let sources = load(&arguments.paths).map_err(Failure::input)?;
    let reading = read(&sources, &Options { zones: arguments.zones, ecc: arguments.ecc });
    match global.format {
        Output::Json => print_json(&reading)?,
        Output::Text if reading.sources.is_empty() => {}
        Output::Text => print(&reading_text(&reading, !arguments.no_logs))?,
    }
    for refused in &reading.refused {
        eprintln!("{}", reporter::error(&Failure::input(refused)));
    }
    Ok(if reading.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BAD_INPUT) })
}
