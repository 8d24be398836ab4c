//! `harness build`

use std::process::ExitCode;

use super::context::Context;
use super::interrupts::interrupted;
use super::progress::Progress;
use super::{Failure, Global, Output, print, print_json};
use crate::kernel::{BuildEvent, Fault, Kernel, KernelError, Store, Variant};
use crate::model::KernelName;
use crate::project::Project;

/// Build kernels.
///
/// Each is kept in the cache under a name made from all that went into it; what is there is not built again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness build stock kmsg-dump-before-stop")]
pub struct Arguments {
    /// The variants, each perhaps with a base of its own, as in stock@6.1 [default: all that are for the base]
    variants: Vec<String>,
    /// The base that they are made from [default: 6.12]
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
    /// Build each variant patch by patch, from none of its series to all of it: NAME~2, NAME~1, NAME
    #[arg(long, requires = "variants")]
    each: bool,
}

pub async fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let context = Context::load(global)?;
    let base = arguments.base.clone().unwrap_or_else(|| context.default_base());
    let parse = |name: &String| KernelName::parse(name, &base);
    let all =
        || context.variants.iter().map(|variant| KernelName { variant: variant.name.clone(), base: base.clone() });
    let asked: Vec<KernelName> = match arguments.variants.as_slice() {
        [] => all().collect(),
        variants => variants.iter().map(parse).collect(),
    };
    let asked = if arguments.each { patch_by_patch(&context, &asked)? } else { asked };
    let mut kernels = Vec::new();
    let mut failed = None;
    for name in &asked {
        match try_kernel(&context, name).await? {
            Ok(kernel) => kernels.push(kernel),
            // Nobody has asked for it by name.
            Err(error @ KernelError::NotForBase { .. }) if arguments.variants.is_empty() => {
                eprintln!("left out: {}", first_line(&error));
            }
            // What is wrong with one of them stops none of the others.
            Err(error) if error.fault() == Fault::Input => {
                if let Some(earlier) = failed.replace(Failure::from(error)) {
                    earlier.report();
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    match global.format {
        Output::Json => print_json(&kernels.iter().map(|kernel| &kernel.record).collect::<Vec<_>>())?,
        Output::Text => {
            for kernel in &kernels {
                print(&format!("{}@{}  {}\n", kernel.variant, kernel.base, kernel.dir.display()))?;
            }
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Builds one kernel, or takes it from the cache. Ctrl-C or SIGTERM ends the build.
pub async fn kernel(context: &Context, name: &KernelName) -> Result<Kernel, Failure> {
    Ok(try_kernel(context, name).await??)
}

/// Of each kernel those with ever more of its patches.
fn patch_by_patch(context: &Context, names: &[KernelName]) -> Result<Vec<KernelName>, Failure> {
    let mut all = Vec::new();
    for name in names {
        let most = Variant::find(&context.project, &name.variant)?.most_patches();
        for last in (1..=most).rev() {
            all.push(KernelName { variant: format!("{}~{last}", name.variant), base: name.base.clone() });
        }
        all.push(name.clone());
    }
    Ok(all)
}

/// What an error says first, without what may be done about it.
pub fn first_line(error: &KernelError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// As [`kernel`], with the reason why it cannot be built apart from what else may go wrong.
pub async fn try_kernel(context: &Context, name: &KernelName) -> Result<Result<Kernel, KernelError>, Failure> {
    context.known().kernel(name)?;
    let store = Store::open(&context.cache)?;
    let canceller = store.canceller();
    let project = context.project.clone();
    let job = Job { store, project, name: name.clone() };
    let mut building = tokio::task::spawn_blocking(move || job.run());
    let built = tokio::select! {
        built = &mut building => built,
        () = interrupted() => {
            canceller.cancel();
            building.await
        }
    };
    built.map_err(|error| Failure::host(format!("build {name}: {error}")))
}

struct Job {
    store: Store,
    project: Project,
    name: KernelName,
}

impl Job {
    fn run(self) -> Result<Kernel, KernelError> {
        let mut progress = Progress::begin(format!("kernel {}", self.name));
        let mut cached = false;
        let built = self.store.build(&self.project, &self.name, &mut |event| {
            cached |= event == BuildEvent::Cached;
            show(&mut progress, event);
        });
        match &built {
            Ok(kernel) if cached => progress.end(&format!("cached, {}", short(&kernel.key))),
            Ok(kernel) => progress.end(&format!("built, {}", short(&kernel.key))),
            Err(_) => progress.end("failed"),
        }
        built
    }
}

/// Shows what a build does.
pub fn show(progress: &mut Progress, event: BuildEvent) {
    match event {
        BuildEvent::Fetching => progress.at(0, 0, "fetching the source package"),
        BuildEvent::Reading { bytes, of } => progress.at(bytes >> 20, of >> 20, "MiB read of a new source"),
        BuildEvent::Waiting => progress.at(0, 0, "waiting for another build to end"),
        BuildEvent::Repairing => progress.at(0, 0, "repairing what a killed build left"),
        BuildEvent::Unpacking { bytes, of } => progress.at(bytes >> 20, of.unwrap_or(0) >> 20, "MiB unpacked"),
        BuildEvent::Patching { patches } => progress.at(0, 0, &format!("applying {patches} patches")),
        BuildEvent::Configuring => progress.at(0, 0, "configuring"),
        BuildEvent::Compiling { done, expected } => progress.at(done.into(), expected.into(), "compiled"),
        BuildEvent::Module => progress.at(0, 0, "building crashlab"),
        BuildEvent::Cached | BuildEvent::Done => (),
    }
}

fn short(key: &str) -> &str {
    key.get(..12).unwrap_or(key)
}
