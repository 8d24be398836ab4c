use super::*;
use crate::yaml::LookupError;

/// What is put in a file's place.
enum Put {
    Text(&'static str),
    Bytes(&'static [u8]),
    Folder,
    LinkToNothing,
}

/// What is asked for.
enum Ask {
    Scenario(&'static str),
    Suite(&'static str),
    Kernel(&'static str),
}

struct Row {
    path: &'static str,
    put: Put,
    ask: Ask,
    /// How the first line of its error ends.
    says: &'static str,
}

fn row(path: &'static str, put: Put, ask: Ask, says: &'static str) -> Row {
    Row { path, put, ask, says }
}

fn rows() -> Vec<Row> {
    let scenario = "scenarios/bad.yaml";
    let variant = "guest-kernel/variants/bad/variant.yaml";
    let (bases, axes) = ("guest-kernel/bases.yaml", "guest-kernel/axes.yaml");
    let bad = || Ask::Scenario("bad");
    let good_base = "  \"6.12\": { package: linux-source-6.12 }\n";
    let more: &'static str = Box::leak(format!("bases:\n  bad: {{ pakage: x }}\n{good_base}").into_boxed_str());
    let twice: &'static str =
        Box::leak(format!("bases:\n  bad: {{ package: x }}\n{good_base}  bad: {{ package: y }}\n").into_boxed_str());
    let named: &'static str = Box::leak(format!("bases:\n{good_base}  b/d: {{ package: x }}\n").into_boxed_str());
    vec![
        row(scenario, Put::Text("name: bad\ntitel: x\n"), bad(), "bad.yaml: unknown key `titel`"),
        row(
            scenario,
            Put::Text("name: bad\n  x: [\n"),
            bad(),
            "bad.yaml: not YAML: mapping values are not allowed in this context",
        ),
        row(scenario, Put::Text(""), bad(), "bad.yaml: the file is empty"),
        row(scenario, Put::Text(CRASH), bad(), "bad.yaml: the name `crash` is not that of the file"),
        row(scenario, Put::Bytes(b"name: bad\n\xff\n"), bad(), "bad.yaml: line 2 is not UTF-8"),
        row(scenario, Put::Folder, bad(), "bad.yaml: Is a directory (os error 21)"),
        row(scenario, Put::LinkToNothing, bad(), "bad.yaml: No such file or directory (os error 2)"),
        row(
            "scenarios/suites/bad.yaml",
            Put::Text("name: bad\n"),
            Ask::Suite("bad"),
            "bad.yaml: the key `title` is missing",
        ),
        row("scenarios/suites/bad.yaml", Put::Folder, Ask::Suite("bad"), "bad.yaml: Is a directory (os error 21)"),
        row("scenarios/suites", Put::Text(""), Ask::Suite("quick"), "suites: Not a directory (os error 20)"),
        row(variant, Put::Text("name: bad\n"), Ask::Kernel("bad"), "variant.yaml: the key `title` is missing"),
        row(
            variant,
            Put::Text("name: stock\ntitle: x\nclaim: x\nsource: x\n"),
            Ask::Kernel("bad+cpus=2"),
            "variant.yaml: the variant is called `bad` after its folder",
        ),
        row(variant, Put::Folder, Ask::Kernel("bad~1"), "variant.yaml: Is a directory (os error 21)"),
        row(
            "guest-kernel/variants/b d/variant.yaml",
            Put::Text("name: b d\n"),
            Ask::Kernel("b d"),
            "variant.yaml: a variant's folder is letters, digits, `.`, `_`, `-`",
        ),
        row(bases, Put::Text(more), Ask::Kernel("stock@bad"), "bases.yaml: this cannot be `pakage`"),
        row(bases, Put::Text(twice), Ask::Kernel("stock@bad"), "bases.yaml: the key `bad` is given twice"),
        row(
            bases,
            Put::Text(named),
            Ask::Kernel("stock@b/d"),
            "bases.yaml: a base's name is letters, digits, `.`, `_`, `-`",
        ),
        row(
            axes,
            Put::Text("axes:\n  bad: { sysctle: x }\n"),
            Ask::Kernel("stock+bad=1"),
            "axes.yaml: this cannot be `sysctle`",
        ),
        row(axes, Put::Text("axes: 3\n"), Ask::Kernel("stock+bad=1"), "axes.yaml: `axes` must be a mapping"),
    ]
}

fn broken(path: &Path, put: &Put) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    if path.is_dir() {
        std::fs::remove_dir(path).unwrap();
    }
    match put {
        Put::Text(text) => std::fs::write(path, text).unwrap(),
        Put::Bytes(bytes) => std::fs::write(path, bytes).unwrap(),
        Put::Folder => std::fs::create_dir(path).unwrap(),
        Put::LinkToNothing => std::os::unix::fs::symlink("nothing", path).unwrap(),
    }
}

fn ask(catalogue: Catalogue, ask: &Ask) -> Result<(), Failure> {
    match ask {
        Ask::Scenario(name) => Ok(catalogue.scenario(name).map(drop)?),
        Ask::Suite(name) => Ok(catalogue.suite(name).map(drop)?),
        Ask::Kernel(name) => {
            let kernel = KernelName::parse(name, "6.12");
            catalogue.known().kernel(&kernel)?;
            catalogue.with_guests_of(&[kernel]).map(drop)
        }
    }
}

#[tokio::test]
async fn a_broken_file_stops_only_what_needs_it() {
    for Row { path, put, ask: asked, says } in rows() {
        let bed = Bed::new();
        broken(&bed.folder.path().join(path), &put);
        let failure = ask(bed.catalogue(), &asked).unwrap_err();
        assert!(failure.is_input() && failure.first_line().ends_with(says), "{path}: {failure}");
        assert!(failure.first_line().starts_with("reading "), "{path}: {failure}");
        assert_eq!(bed.catalogue().broken.len(), 1, "{path}");
        assert_eq!(bed.catalogue().default_base(), "6.12", "{path}");

        let session = bed.session(&Arc::new(world()), options());
        let selection = selection(&["stock", "a"], &["crash", "busy"], 2);
        let outcome =
            session.run(Request { selection: &selection, suite: None, shard: None, until: None }).await.unwrap();
        assert!(in_short(&outcome).starts_with("8 of 8; "), "{path}: {}", in_short(&outcome));
    }
}

#[test]
fn where_all_bases_are_unreadable_no_base_is_unknown() {
    let bed = Bed::new();
    let path = bed.folder.path().join("guest-kernel/bases.yaml");
    for text in ["bases: [\n", "basis: {}\n", "bases: 3\n"] {
        std::fs::write(&path, text).unwrap();
        let failure = ask(bed.catalogue(), &Ask::Kernel("stock")).unwrap_err();
        assert!(failure.first_line().contains("bases.yaml: "), "{text}: {failure}");
        assert!(bed.catalogue().scenario("crash").is_ok());
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(Project::is_at(bed.folder.path()));
    let failure = ask(bed.catalogue(), &Ask::Kernel("stock")).unwrap_err();
    assert!(failure.first_line().ends_with("bases.yaml: Is a directory (os error 21)"), "{failure}");
}

#[test]
fn what_is_not_there_is_still_unknown() {
    let bed = Bed::new();
    broken(&bed.folder.path().join("scenarios/bad.yaml"), &Put::Folder);
    // What a program keeps beside it is no scenario.
    broken(&bed.folder.path().join("scenarios/.#crash.yaml"), &Put::LinkToNothing);
    let catalogue = bed.catalogue();
    assert_eq!(catalogue.broken.len(), 1);
    assert!(
        matches!(catalogue.scenario("crahs"), Err(LookupError::Unknown(unknown)) if unknown.known == ["busy", "crash"])
    );
    std::fs::remove_dir(bed.folder.path().join("scenarios/suites")).unwrap();
    assert!(matches!(bed.catalogue().suite("quick"), Err(LookupError::Unknown(_))));
}
