//! The decoder of ERST records against the only authority there is: the kernel's own reading after a reboot.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use common::{Project, root, text};
use harness::evidence::pstore;
use harness::guest::{Accelerator, Guest, Machine, Ram, Start, Time, Word};
use harness::model::pstore::Backend;
use harness::project::{Project as Checkout, cache_dir};
use harness::{image, parts};

#[tokio::test]
async fn the_guest_reads_what_the_decoder_reads() {
    // A guest dies of an oops and leaves two dumps, the oops' and the panic's.
    let project = Project::new();
    let record = project.json(&["trial", "oops-then-panic", "--time", "virtual", "--seed", "3", "--format", "json"], 0);
    assert_eq!(record["outcome"], "counted", "{record:#}");
    let erst = project.results().join("latest/artifacts/00000/erst.bin");
    let decoded = pstore::from_erst_file(&std::fs::read(&erst).unwrap());
    assert_eq!(decoded.problems, Vec::<String>::new());
    let ours: BTreeSet<String> = decoded
        .dumps
        .iter()
        .flat_map(|dump| dump.parts.iter().map(move |part| (dump, part)))
        .map(|(dump, part)| format!("{}#{} Part{}\n{}", dump.reason, dump.count, part.number, part.text))
        .collect();
    assert!(ours.iter().any(|text| text.starts_with("Oops#1 ")), "{ours:#?}");
    assert!(ours.iter().any(|text| text.starts_with("Panic#2 ")), "{ours:#?}");

    // Another guest finds that record store in its machine, and says what it sees in /sys/fs/pstore.
    let built = project.run(&["build", "stock"]);
    let kernel = PathBuf::from(text(&built.stdout).split_whitespace().nth(1).unwrap());
    let agent = parts::build(&Checkout::at(root()), &cache_dir(), &parts::AGENT).unwrap();
    let crashlab = std::fs::read(kernel.join("crashlab.ko")).unwrap();
    let initramfs = project.path().join("initramfs");
    std::fs::write(&initramfs, image::initramfs(&std::fs::read(agent).unwrap(), &crashlab).unwrap()).unwrap();
    let workdir = tempfile::tempdir().unwrap();
    let machine = Machine {
        qemu: "qemu-system-x86_64".into(),
        accelerator: Accelerator::Tcg,
        time: Time::Real,
        cpus: 2,
        memory_mib: 128,
        pstore: Backend::Erst,
        loads_by_name: false,
    };
    let start = Start::Boot {
        kernel: &kernel.join("bzImage"),
        initramfs: &initramfs,
        append: &[],
        ram: Ram::Private,
        erst: Some(&erst),
    };
    let mut guest = Guest::start(&machine, start, Some("read-pstore\n"), workdir.path(), None, None).await.unwrap();
    let mut theirs = BTreeSet::new();
    loop {
        match guest.word("end", Duration::from_secs(300)).await.unwrap() {
            Word::Ready { .. } => (),
            Word::File { bytes, .. } => {
                theirs.insert(text(&bytes));
            }
            Word::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ours, theirs);
}
