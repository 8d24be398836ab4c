//! The program `harness`; everything it does is in the library. The project's files are inside it, so that it works where
//! there is no checkout: with the guest's agent and the tracer, or with the sources that cargo builds them from.

use harness::embedded::Embedded;
use include_dir::{Dir, include_dir};

static GUEST_KERNEL: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../guest-kernel");
static SCENARIOS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../scenarios");

/// What `harness parts` has built, in the folder that `HARNESS_PARTS` named when this was built.
#[cfg(feature = "prebuilt")]
mod parts {
    use super::{Dir, include_dir};

    static PREBUILT: Dir<'static> = include_dir!("$HARNESS_PARTS");

    pub const FOLDERS: [(&str, &Dir<'static>); 1] = [(harness::project::PREBUILT, &PREBUILT)];
    pub const FILES: &[(&str, &[u8])] = &[];
}

/// All that cargo looks at when it builds one crate of the workspace.
#[cfg(not(feature = "prebuilt"))]
mod parts {
    use super::{Dir, include_dir};

    static HARNESS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR");
    static IMAGES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../images");
    static XTASK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../xtask");

    pub const FOLDERS: [(&str, &Dir<'static>); 3] = [("harness", &HARNESS), ("images", &IMAGES), ("xtask", &XTASK)];
    pub const FILES: &[(&str, &[u8])] =
        &[("Cargo.toml", include_bytes!("../../Cargo.toml")), ("Cargo.lock", include_bytes!("../../Cargo.lock"))];
}

fn main() -> std::process::ExitCode {
    let own: [(&str, &Dir<'static>); 2] = [("guest-kernel", &GUEST_KERNEL), ("scenarios", &SCENARIOS)];
    harness::cli::main(Embedded { folders: [&own[..], &parts::FOLDERS[..]].concat(), files: parts::FILES })
}
