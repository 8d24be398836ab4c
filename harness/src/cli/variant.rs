//! `harness variant`

use std::path::PathBuf;
use std::process::ExitCode;

use super::project::{events, project};
use super::{Failure, Global, Output, print, print_json};
use crate::kernel::{Import, Imported, LeftOut, PatchRecord, SeriesFrom, Store};
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
/// The series is that of the thread itself: its mails are put in the order that their subjects say, the last of its versions is
/// taken, and what else is there, as replies with diffs in them or other people's patches, is left out and listed. Where it is
/// not clear what is meant nothing is guessed. Authors and messages are kept. Each patch must apply to the base and those before it: lines may have
/// moved, which is told, but their surroundings must be as the patch says (no fuzz).
///
/// A variant that is there, and not for a kernel like the base, gets the series as one more of its own, for such kernels.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  harness variant add flush-early --from series.mbox\n  \
                  harness variant add flush-early --from thread.mbox.gz --mail 20250815071428.98041-1-k@example.org\n  \
                  harness variant add flush-early --lore 20250815071428.98041-1-k@example.org\n  \
                  harness variant add flush-early --from v6.12..flush-early --tree ~/linux --base 6.12\n  \
                  harness variant add flush-early --from backport.mbox --base 6.1\n  \
                  harness build flush-early --each")]
struct Add {
    /// What the variant is called
    name: String,
    /// A mail, a mailbox (packed or not), a Maildir, a patch, a folder of patches, a list of quilt's, or - for the standard
    /// input; with --tree: a range of commits
    #[arg(long, value_name = "SERIES", required_unless_present = "lore")]
    from: Option<String>,
    /// Of several series in a mailbox or folder the one with this mail, as it was sent then
    #[arg(long, value_name = "MESSAGE-ID", requires = "from", conflicts_with_all = ["tree", "lore"])]
    mail: Option<String>,
    /// The series with this mail, fetched from lore.kernel.org by b4, as it was sent then
    #[arg(long, value_name = "MESSAGE-ID", conflicts_with_all = ["from", "tree"])]
    lore: Option<String>,
    /// The git tree that the commits are in
    #[arg(long, value_name = "DIR", requires = "from")]
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
    let Command::Add(Add { name, from, mail, lore, tree, base, title, claim }) = arguments.command;
    let from = match (lore, from.unwrap_or_default(), tree) {
        (Some(id), ..) => SeriesFrom::Lore { id },
        (None, range, Some(tree)) => SeriesFrom::Commits { tree, range },
        (None, path, None) => SeriesFrom::Path(PathBuf::from(path)),
    };
    let import = Import { name, from, mail, base, title, claim };
    let project = project(global)?;
    let store = Store::open(project.cache())?;
    let (events, what) = (events(), format!("variant {}", import.name));
    let imported = store.import(&project, &import, &mut |step| events.send(&Event::Building { what: &what, step }));
    let outcome = if imported.is_ok() { "applies" } else { "failed" };
    events.send(&Event::BuildEnded { what: &what, outcome });
    let Imported { folder, patches, left_out } = imported?;
    match global.format {
        Output::Json => print_json(&Shown { patches, left_out })?,
        Output::Text => {
            for patch in &patches {
                print(&format!("{}\n", patch.name))?;
                for offset in &patch.offsets {
                    print(&format!("  {offset}\n"))?;
                }
            }
            for left in &left_out {
                print(&format!("left out: {left}\n"))?;
            }
            print(&format!("{}\n", folder.join("variant.yaml").display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What came of it, for programs.
#[derive(serde::Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    patches: Vec<PatchRecord>,
    left_out: Vec<LeftOut>,
}
