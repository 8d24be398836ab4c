use std::fs;

use harness_testdata::efi::EfiFlash;
use tempfile::TempDir;

use super::*;
use crate::evidence::efi_store::decode;
use crate::evidence::pstore;

/// A machine with descriptors and images of its own.
struct Machine {
    folder: TempDir,
    places: Places,
}

/// Bytes of a store's image, as the tests' encoder makes it, and of the code that makes a chip of 1 MiB of it.
fn vars(room: usize) -> (Vec<u8>, u64) {
    let image = EfiFlash::new(room, true).bytes();
    let code = (1 << 20) - image.len() as u64;
    (image, code)
}

const SMALL: usize = 56 << 10;
const LARGE: usize = 255 << 10;

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let descriptors = ["config", "etc", "usr"].map(|name| folder.path().join(name)).to_vec();
        for folder in &descriptors {
            fs::create_dir(folder).unwrap();
        }
        Self { folder, places: Places { descriptors, known: Vec::new() } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Code and variables, whose store has this room.
    fn pair(&self, name: &str, room: usize) -> Pair {
        let (image, code) = vars(room);
        let pair = Pair { code: self.path(&format!("{name}.code")), vars: self.path(&format!("{name}.vars")) };
        fs::write(&pair.vars, image).unwrap();
        fs::File::create(&pair.code).unwrap().set_len(code).unwrap();
        pair
    }

    /// A descriptor of Debian's, changed.
    fn describe(&self, file: &str, Pair { code, vars }: &Pair, change: (&str, &str)) {
        let text = format!(
            r#"{{
                "description": "UEFI firmware for x86_64",
                "interface-types": ["uefi"],
                "mapping": {{
                    "device": "flash",
                    "executable": {{ "filename": "{}", "format": "raw" }},
                    "nvram-template": {{ "filename": "{}", "format": "raw" }}
                }},
                "targets": [{{ "architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"] }}],
                "features": ["acpi-s3", "verbose-dynamic"],
                "tags": []
            }}"#,
            code.display(),
            vars.display()
        );
        assert!(text.contains(change.0), "{change:?}");
        fs::write(self.path(file), text.replace(change.0, change.1)).unwrap();
    }

    fn found(&self, store: EfiStore) -> Option<Pair> {
        self.places.find(store).ok()
    }
}

const SAME: (&str, &str) = ("", "");

#[test]
fn descriptors_come_by_their_names_and_those_of_the_user_hide_the_systems() {
    let machine = Machine::new();
    let (one, other) = (machine.pair("one", LARGE), machine.pair("other", LARGE));
    machine.describe("usr/60-edk2.json", &one, SAME);
    assert_eq!(machine.found(EfiStore::Large), Some(one.clone()));
    assert_eq!(machine.found(EfiStore::Small), None);
    machine.describe("usr/50-edk2.json", &other, SAME);
    assert_eq!(machine.found(EfiStore::Large), Some(other.clone()));
    // An empty one hides the system's and says nothing.
    fs::write(machine.path("etc/50-edk2.json"), "").unwrap();
    assert_eq!(machine.found(EfiStore::Large), Some(one.clone()));
    machine.describe("config/50-edk2.json", &other, SAME);
    assert_eq!(machine.found(EfiStore::Large), Some(other));
    fs::write(machine.path("config/10-notes.txt"), "no descriptor").unwrap();
    fs::write(machine.path("config/10-broken.json"), "{").unwrap();
    assert!(machine.found(EfiStore::Large).is_some(), "what is broken hides nothing");
}

#[test]
fn what_guests_cannot_be_started_with_is_passed_over() {
    let machine = Machine::new();
    let pair = machine.pair("one", LARGE);
    for change in [
        ("\"verbose-dynamic\"", "\"requires-smm\""),
        ("\"verbose-dynamic\"", "\"enrolled-keys\""),
        ("\"uefi\"", "\"bios\""),
        ("x86_64\", \"machines", "aarch64\", \"machines"),
        ("pc-q35-*", "microvm"),
        ("\"flash\"", "\"memory\""),
        ("\"device\"", "\"mode\": \"stateless\", \"device\""),
        ("\"raw\" }\n                },", "\"qcow2\" }\n                },"),
    ] {
        machine.describe("usr/60-edk2.json", &pair, change);
        assert_eq!(machine.found(EfiStore::Large), None, "{change:?}");
    }
}

#[test]
fn known_pairs_are_told_apart_by_their_stores() {
    let mut machine = Machine::new();
    let (small, large) = (machine.pair("small", SMALL), machine.pair("large", LARGE));
    let nowhere = Pair { code: machine.path("none"), vars: machine.path("none") };
    machine.places.known = vec![nowhere, small.clone(), large.clone()];
    assert_eq!(machine.found(EfiStore::Small), Some(small.clone()));
    assert_eq!(machine.found(EfiStore::Large), Some(large.clone()));
    // Mixed, they boot, and keep nothing.
    machine.places.known = vec![Pair { code: large.code, vars: small.vars }];
    let error = machine.places.find(EfiStore::Large).unwrap_err();
    assert!(!error.is_input());
    let said = error.to_string();
    let first = "there is no EFI firmware with a large store of variables\n  ";
    assert!(said.starts_with(first) && said.contains("are of different builds: "), "{said}");
    machine.places.known.clear();
    let error = machine.places.find(EfiStore::Small).unwrap_err();
    assert_eq!(error.to_string(), "there is no EFI firmware with a small store of variables");
    assert!(error.hint().contains("store: large"));
}

#[test]
fn the_past_of_a_store_is_read_back() {
    let machine = Machine::new();
    let pair = machine.pair("small", SMALL);
    let empty = pair.filled(&Efi::default()).unwrap();
    assert_eq!(decode(&empty).unwrap().store.used, 0);
    let image = pair.filled(&Efi { used: 12 << 10, dumps: 2, ..Efi::default() }).unwrap();
    let decoded = decode(&image).unwrap();
    assert_eq!((decoded.problems.len(), decoded.store.problems.len()), (0, 0));
    let others: Vec<_> = decoded.store.shown().filter(|variable| variable.name.starts_with("Other")).collect();
    assert_eq!(others.len(), 12);
    let dumps = pstore::from_efi_image(&decoded);
    assert_eq!(dumps.problems, Vec::<String>::new());
    let of: Vec<_> = dumps.dumps.iter().map(|dump| (dump.to_string(), dump.text().lines().count())).collect();
    assert_eq!(of.len(), 2);
    assert!(of.iter().all(|(name, lines)| name == "Panic#1 (15 parts)" && *lines > 100), "{of:?}");
    assert!(dumps.dumps[1].text().contains("of the earlier boot 1, part 15\n"));
    // What it takes is what was asked for.
    let bare = pair.filled(&Efi { dumps: 2, ..Efi::default() }).unwrap();
    assert_eq!(decoded.store.used - decode(&bare).unwrap().store.used, 12 << 10);
    // A trial's own dumps begin behind it.
    assert!(pstore::from_efi_flash(&image, decoded.store.end()).dumps.is_empty());
}

#[test]
fn a_past_that_does_not_fit_is_refused() {
    let machine = Machine::new();
    let pair = machine.pair("small", SMALL);
    assert!(pair.filled(&Efi { used: 56 << 10, ..Efi::default() }).is_ok());
    let error = pair.filled(&Efi { store: EfiStore::Small, used: 57 << 10, ..Efi::default() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "fill the small store of EFI variables with what is there before the guest boots: a variable of 1024 bytes does \
         not fit into the 0 bytes that are left of the store"
    );
    assert!(error.is_input());
    assert!(pair.filled(&Efi { dumps: 4, ..Efi::default() }).unwrap_err().is_input());
    fs::write(&pair.vars, "no store").unwrap();
    assert!(!pair.filled(&Efi::default()).unwrap_err().is_input());
}
