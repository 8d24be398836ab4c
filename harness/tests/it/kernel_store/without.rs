//! Kernels that were built before, where their source or what builds is not there any more.

use std::fs;

use harness::kernel::{BuildEvent, KernelError, SEAL, Store, seal};

use crate::kernel_store::fake::{Fake, PATCH};

#[test]
fn a_kernel_without_its_source_is_found_again() {
    let fake = Fake::new();
    let (stock, patched) = (fake.kernel("stock"), fake.kernel("patched"));
    fs::remove_file(fake.path("linux.tar")).unwrap();
    for kernel in [stock, patched] {
        let (again, events) = fake.build(&kernel.variant);
        assert_eq!((again.unwrap().record, events), (kernel.record, vec![BuildEvent::Cached]));
    }
    // What was not built, or is another one now, cannot be.
    let missing = |variant: &str| matches!(fake.build(variant).0, Err(KernelError::TarballMissing { .. }));
    assert!(missing("other"));
    fake.write("guest-kernel/variants/patched/1.patch", &PATCH.replace("+int", "+long"));
    assert!(missing("patched"));
    fake.write("guest-kernel/crashlab/crashlab.c", "int other;\n");
    assert!(missing("stock"));
}

#[test]
fn a_source_that_is_damaged_is_not_taken_for_one_that_is_gone() {
    let fake = Fake::new();
    fake.kernel("stock");
    fs::write(fake.path("linux.tar"), "no archive").unwrap();
    let error = fake.build("stock").0.unwrap_err();
    assert!(!matches!(error, KernelError::TarballMissing { .. }), "{error}");
}

#[test]
fn in_a_sealed_cache_nothing_is_built() {
    let fake = Fake::new();
    let stock = fake.kernel("stock");
    fs::write(fake.cache().join(SEAL), seal([&stock])).unwrap();
    assert_eq!(fake.build("stock").1, [BuildEvent::Cached]);
    insta::assert_snapshot!(fake.error("patched"), @"
    the pack has no kernel patched@6.12

    hint: it has those of its suite; harness pack makes one of another
    ");
    // Although the source has changed: which kernel is meant, its base's name says.
    fs::write(fake.path("linux.tar"), "another").unwrap();
    assert_eq!(fake.kernel("stock").record, stock.record);
}

/// The record names the base that a kernel was built for first.
#[test]
fn a_kernel_of_two_bases_is_found_by_either() {
    let fake = Fake::new();
    let first = fake.kernel("stock");
    fake.write(
        "guest-kernel/bases.yaml",
        "bases:\n  mine: { tarball: ../linux.tar }\n  \"6.1\": { tarball: ../x.tar }\n",
    );
    let mine = fake.kernel("stock@mine");
    assert_eq!((mine.base.as_str(), &mine.record), ("mine", &first.record));
    fs::write(fake.cache().join(SEAL), seal([&mine])).unwrap();
    assert_eq!(fake.kernel("stock@mine").key, first.key);
    assert!(fake.error("stock@6.1").starts_with("the pack has no kernel stock@6.1\n"), "{}", fake.error("stock@6.1"));
}

#[test]
fn a_seal_that_is_damaged_is_told() {
    let fake = Fake::new();
    fs::create_dir_all(fake.cache()).unwrap();
    fs::write(fake.cache().join(SEAL), "{").unwrap();
    let error = Store::open(&fake.cache()).unwrap_err().to_string();
    assert!(error.starts_with("opening the build cache "), "{error}");
}
