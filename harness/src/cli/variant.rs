//! `harness variant`

use std::path::PathBuf;
use std::process::ExitCode;

use super::project::{events, project};
use super::{Failure, Global, Output, print, print_json};
use crate::kernel::{Import, Imported, SeriesFrom, Store};
use crate::session::Event;

/// Make variants of patches.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness variant add flush-early --from series.mbox")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a variant of anybody's patch series
    Add(Add),
}

/// Make a variant of anybody's patch series.
///
/// Mails are put in the order that their subjects say, and of several versions of a series the last is taken; cover letter and
/// replies are left out; authors and messages are kept. Each patch must apply to the base and those before it: lines may have
/// moved, which is told, but their surroundings must be as the patch says (no fuzz).
///
/// A variant that is there, and not for a kernel like the base, gets the series as one more of its own, for such kernels.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  harness variant add flush-early --from series.mbox\n  \
                  harness variant add flush-early --from v6.12..flush-early --tree ~/linux --base 6.12\n  \
                  harness variant add flush-early --from backport.mbox --base 6.1\n  \
                  harness build flush-early --each")]
struct Add {
    /// What the variant is called
    name: String,
    /// A mailbox, a patch, a folder of patches; with --tree: a range of commits
    #[arg(long, value_name = "SERIES")]
    from: String,
    /// The git tree that the commits are in
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// The base that the series is for
    #[arg(long, value_name = "NAME", default_value = "6.12")]
    base: String,
    /// One line on what it is [default: what the cover letter or the first patch is called]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// What it is said to do better or worse
    #[arg(long, value_name = "TEXT")]
    claim: Option<String>,
}

pub fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let Command::Add(Add { name, from, tree, base, title, claim }) = arguments.command;
    let from = match tree {
        Some(tree) => SeriesFrom::Commits { tree, range: from },
        None => SeriesFrom::Path(PathBuf::from(from)),
    };
    let import = Import { name, from, base, title, claim };
    let project = project(global)?;
    let store = Store::open(project.cache())?;
    let (events, what) = (events(), format!("variant {}", import.name));
    let imported = store.import(&project, &import, &mut |step| events.send(&Event::Building { what: &what, step }));
    let outcome = if imported.is_ok() { "applies" } else { "failed" };
    events.send(&Event::BuildEnded { what: &what, outcome });
    let Imported { folder, patches } = imported?;
    match global.format {
        Output::Json => print_json(&patches)?,
        Output::Text => {
            for patch in &patches {
                print(&format!("{}\n", patch.name))?;
                for offset in &patch.offsets {
                    print(&format!("  {offset}\n"))?;
                }
            }
            print(&format!("{}\n", folder.join("variant.yaml").display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
