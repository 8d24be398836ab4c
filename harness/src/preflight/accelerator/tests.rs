//! What is made of a probe guest's marks and end.

use std::os::unix::process::ExitStatusExt;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn exit(code: i32) -> Ending {
    Ending::Exit(ExitStatus::from_raw(code << 8))
}

fn late() -> Ending {
    Ending::Late(Duration::from_secs(2))
}

fn marks(text: &str) -> Marks {
    let mut marks = Marks::default();
    marks.count(text.as_bytes());
    marks
}

fn all() -> String {
    format!("RPLT{}", ".".repeat(64)).repeat(4)
}

fn why(text: &str, ending: &Ending, said: &str) -> String {
    judge(&marks(text), ending, said).unwrap_err()
}

#[test]
fn only_all_marks_and_the_right_exit_code_pass() {
    assert_eq!(judge(&marks(&all()), &exit(rom::EXIT_CODE), ""), Ok(()));
    assert_eq!(judge(&marks(&all()), &exit(rom::EXIT_CODE), "qemu: warning: host doesn't support 01H"), Ok(()));
    assert_snapshot!(why(&all(), &exit(0), ""), @"the guest's CPU failed and was reset: 4 of 4 vCPUs got to work in 64-bit mode and did 256 of 256 parts of it, less than 18 million instructions");
    assert_snapshot!(why(&all(), &late(), ""), @"the guest did nothing more for 2s: 4 of 4 vCPUs got to work in 64-bit mode and did 256 of 256 parts of it, less than 18 million instructions");
    assert_snapshot!(why("", &exit(rom::EXIT_CODE), ""), @"the guest ended, but not as it should: it ran no instruction");
    let one_short = all().replacen('.', "", 1);
    assert_snapshot!(why(&one_short, &exit(rom::EXIT_CODE), ""), @"the guest ended, but not as it should: 4 of 4 vCPUs got to work in 64-bit mode and did 255 of 256 parts of it, less than 17 million instructions");
}

#[test]
fn the_reason_says_how_far_the_guest_came() {
    assert_snapshot!(why("", &late(), ""), @"the guest did nothing more for 2s: it ran no instruction");
    assert_snapshot!(why("R", &exit(0), ""), @"the guest's CPU failed and was reset: the furthest that a vCPU came is its first instruction (1 of 4)");
    assert_snapshot!(why("RPR", &late(), ""), @"the guest did nothing more for 2s: the furthest that a vCPU came is 32-bit mode (1 of 4)");
    assert_snapshot!(why("RPLRPL", &late(), ""), @"the guest did nothing more for 2s: the furthest that a vCPU came is 64-bit mode (2 of 4)");
    assert_snapshot!(why("RPLTRPLT", &Ending::Exit(ExitStatus::from_raw(6)), ""), @"QEMU ended with signal: 6 (SIGABRT): 2 of 4 vCPUs got to work in 64-bit mode and did 0 of 256 parts of it, less than 1 million instructions");
    assert_snapshot!(why("RPLTRPLTRPLTRPLT....", &late(), ""), @"the guest did nothing more for 2s: 4 of 4 vCPUs got to work in 64-bit mode and did 4 of 256 parts of it, less than 1 million instructions");
}

#[test]
fn qemu_has_its_say() {
    let said =
        "Could not access KVM kernel module: No such file or directory\nqemu-system-x86_64: failed to initialize kvm\n";
    assert_snapshot!(why("", &exit(1), said), @"Could not access KVM kernel module: No such file or directory");
    assert_snapshot!(why("", &exit(1), "/opt/qemu-9/qemu-system-x86_64: -accel kvm: invalid accelerator kvm\n"), @"-accel kvm: invalid accelerator kvm");
    let said = "qemu-system-x86_64: warning: host doesn't support requested feature\nKVM internal error. Suberror: 1\n";
    assert_snapshot!(why("RP", &late(), said), @"the guest did nothing more for 2s: the furthest that a vCPU came is 32-bit mode (1 of 4); QEMU says: KVM internal error. Suberror: 1");
}

/// The probe has to fail where it should: here the 64-bit code does not get far.
#[tokio::test]
async fn a_guest_that_fails_is_seen_to_fail() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path().to_owned(), folder.path().to_owned(), 1);
    let qemu = crate::preflight::qemu::check(&options).await;
    let image = rom::image();
    let tried = async |place: usize, instruction: &[u8]| {
        let mut image = image.clone();
        image[place..place + instruction.len()].copy_from_slice(instruction);
        let rom = written(&image).unwrap();
        probe(&options, &qemu, &name_of(&rom), Accelerator::Tcg, std::future::pending()).await.unwrap_err()
    };
    // ud2 in place of the 64-bit code's first instruction, for which there is no handler
    let why = tried(0xd4, &[0x0f, 0x0b]).await;
    assert!(
        why.starts_with("the guest's CPU failed and was reset: the furthest that a vCPU came is 32-bit mode"),
        "{why}"
    );
    // `mov ebx, 63`: one part less on each vCPU
    assert_snapshot!(tried(0xe5, &[0xbb, 0x3f]).await, @"the guest ended, but not as it should: 4 of 4 vCPUs got to work in 64-bit mode and did 252 of 256 parts of it, less than 17 million instructions");
}

proptest! {
    #[test]
    fn marks_of_any_bytes_are_judged(bytes: Vec<u8>, said: String) {
        let mut marks = Marks::default();
        marks.count(&bytes);
        prop_assert!(usize::try_from(marks.total()).unwrap() <= bytes.len());
        let why = judge(&marks, &late(), &said).unwrap_err();
        prop_assert!(!why.chars().any(char::is_control));
        prop_assert!(why.chars().count() < 500);
    }
}
