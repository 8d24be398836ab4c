//! Kernels that were built before, where their source or what builds is not there any more.

use std::fs;

use harness::kernel::{BuildEvent, KernelError, SEAL};

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
    fs::write(fake.cache().join(SEAL), "").unwrap();
    assert_eq!(fake.build("stock").1, [BuildEvent::Cached]);
    insta::assert_snapshot!(fake.error("patched"), @"
    the pack has no kernel patched@6.12

    hint: it has those of its suite; harness pack makes one of another
    ");
    // Although the source has changed: which kernel is meant, its base's name says.
    fs::write(fake.path("linux.tar"), "another").unwrap();
    assert_eq!(fake.kernel("stock").record, stock.record);
}
