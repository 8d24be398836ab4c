//! `harness build`

use std::process::ExitCode;

use super::context::Context;
use super::progress::Progress;
use super::{Failure, Global, Output, print, print_json};
use crate::kernel::{BuildEvent, Kernel, KernelError, Store};
use crate::project::Project;

/// Build kernels.
///
/// Each is kept in the cache under a name made from all that went into it; what is there is not built again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness build stock kmsg-dump-before-stop")]
pub struct Arguments {
    /// The variants [default: all that the base has]
    variants: Vec<String>,
    /// The base that they are made from
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
}

pub async fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let context = Context::load(global)?;
    let base = arguments.base.clone().unwrap_or_else(|| context.default_base());
    context.known().base(&base)?;
    let variants = if arguments.variants.is_empty() {
        context.variants.iter().map(|variant| variant.name.clone()).collect()
    } else {
        arguments.variants.clone()
    };
    let mut kernels = Vec::new();
    for variant in &variants {
        kernels.push(kernel(&context, variant, &base).await?);
    }
    match global.format {
        Output::Json => print_json(&kernels.iter().map(|kernel| &kernel.record).collect::<Vec<_>>())?,
        Output::Text => {
            for kernel in &kernels {
                print(&format!("{}@{}  {}\n", kernel.variant, kernel.base, kernel.dir.display()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds one kernel, or takes it from the cache. Ctrl-C ends the build.
pub async fn kernel(context: &Context, variant: &str, base: &str) -> Result<Kernel, Failure> {
    context.known().variant(variant)?;
    let store = Store::open(&context.cache)?;
    let canceller = store.canceller();
    let project = context.project.clone();
    let job = Job { store, project, variant: variant.to_owned(), base: base.to_owned() };
    let mut building = tokio::task::spawn_blocking(move || job.run());
    let built = tokio::select! {
        built = &mut building => built,
        _ = tokio::signal::ctrl_c() => {
            canceller.cancel();
            building.await
        }
    };
    Ok(built.map_err(|error| Failure::host(format!("build {variant}@{base}: {error}")))??)
}

struct Job {
    store: Store,
    project: Project,
    variant: String,
    base: String,
}

impl Job {
    fn run(self) -> Result<Kernel, KernelError> {
        let mut progress = Progress::begin(format!("kernel {}@{}", self.variant, self.base));
        let mut cached = false;
        let built = self.store.build(&self.project, &self.variant, &self.base, &mut |event| match event {
            BuildEvent::Cached => cached = true,
            BuildEvent::Reading { bytes, of } => progress.at(bytes >> 20, of >> 20, "MiB read of a new source"),
            BuildEvent::Waiting => progress.at(0, 0, "waiting for another build to end"),
            BuildEvent::Repairing => progress.at(0, 0, "repairing what a killed build left"),
            BuildEvent::Unpacking { bytes, of } => progress.at(bytes >> 20, of.unwrap_or(0) >> 20, "MiB unpacked"),
            BuildEvent::Patching { patches } => progress.at(0, 0, &format!("applying {patches} patches")),
            BuildEvent::Configuring => progress.at(0, 0, "configuring"),
            BuildEvent::Compiling { done, expected } => progress.at(done.into(), expected.into(), "compiled"),
            BuildEvent::Module => progress.at(0, 0, "building crashlab"),
            BuildEvent::Done => (),
        });
        match &built {
            Ok(kernel) if cached => progress.end(&format!("cached, {}", short(&kernel.key))),
            Ok(kernel) => progress.end(&format!("built, {}", short(&kernel.key))),
            Err(_) => progress.end("failed"),
        }
        built
    }
}

fn short(key: &str) -> &str {
    key.get(..12).unwrap_or(key)
}
