use std::path::Path;

use insta::assert_snapshot;
use serde::Deserialize;

use super::*;

/// A file with everything that the project's formats use.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Example {
    name: At<String>,
    count: Option<u32>,
    flag: Option<bool>,
    guest: Option<Guest>,
    #[serde(default)]
    params: Ordered<Vec<At<u8>>>,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Guest {
    cpus: At<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    Boot(Guest),
    Oops { cpu: u8 },
}

fn example(text: &str) -> Result<Example, InputError> {
    parse(text, Path::new("example.yaml"))
}

fn error(text: &str) -> String {
    example(text).unwrap_err().to_string()
}

#[test]
fn values_keep_their_place_and_mappings_their_order() {
    let text = "name: a\ncount: 3\nflag: true\nguest: { cpus: 4 }\nparams: { z: [1, 2], a: [3] }\nsteps:\n\
                - boot: { cpus: 2 }\n- oops: { cpu: 1 }\n";
    let file = example(text).unwrap();
    assert_eq!((file.name.as_str(), file.count, file.flag), ("a", Some(3), Some(true)));
    let guest = file.guest.unwrap();
    assert_eq!((guest.cpus.value, guest.cpus.mark), (4, Mark { line: 4, column: 16, length: 1 }));
    let params: Vec<(&str, u32)> = file.params.0.iter().map(|(name, _)| (name.as_str(), name.mark.column)).collect();
    assert_eq!(params, [("z", 11), ("a", 22)]);
    assert_eq!(file.params.0[0].1[1].mark.column, 18);
    assert!(matches!(&file.steps[..], [Step::Boot(Guest { cpus }), Step::Oops { cpu: 1 }] if cpus.mark.line == 7));
}

#[test]
fn an_alias_stands_where_it_is_used() {
    let file = example("name: &n a\nparams:\n  x: &v [1]\n  y: *v\n").unwrap();
    assert_eq!(file.params.0[1].1[0].value, 1);
    let file = example("count: &n 3\nname: a\nguest: { cpus: *n }\n").unwrap();
    assert_eq!(file.guest.unwrap().cpus.mark.line, 3);
}

#[test]
fn unknown_key() {
    assert_snapshot!(error("name: a\nguest: { cpu: 4 }\n"), @"
    reading example.yaml: unknown key `cpu` in `guest`
      --> example.yaml:2:10
      |
    2 | guest: { cpu: 4 }
      |          ^^^

    hint: did you mean `cpus`? (known: cpus)
    ");
}

#[test]
fn unknown_key_of_the_file_itself() {
    assert_snapshot!(error("name: a\nwherefore: 4\n"), @"
    reading example.yaml: unknown key `wherefore`
      --> example.yaml:2:1
      |
    2 | wherefore: 4
      | ^^^^^^^^^

    hint: known: name, count, flag, guest, params, steps
    ");
}

#[test]
fn unknown_word() {
    assert_snapshot!(error("name: a\nsteps:\n  - boot: { cpus: 3 }\n  - ooops: { cpu: 3 }\n"), @"
    reading example.yaml: `steps[1]` cannot be `ooops`
      --> example.yaml:4:5
      |
    4 |   - ooops: { cpu: 3 }
      |     ^^^^^

    hint: did you mean `oops`? (known: boot, oops)
    ");
}

#[test]
fn missing_key() {
    assert_snapshot!(error("name: a\nguest: { }\n"), @"
    reading example.yaml: the key `cpus` is missing in `guest`
      --> example.yaml:2:8
      |
    2 | guest: { }
      |        ^
    ");
}

#[test]
fn duplicate_key() {
    assert_snapshot!(error("name: a\ncount: 1\nname: b\n"), @"
    reading example.yaml: the key `name` is given twice
      --> example.yaml:3:1
      |
    3 | name: b
      | ^^^^

    hint: keep one of the two
    ");
}

#[test]
fn duplicate_key_of_the_users_choice() {
    assert_snapshot!(error("name: a\nparams: { x: [1], y: [2], x: [3] }\n"), @"
    reading example.yaml: the key `x` is given twice
      --> example.yaml:2:27
      |
    2 | params: { x: [1], y: [2], x: [3] }
      |                           ^

    hint: keep one of the two
    ");
}

#[test]
fn two_keys_in_one_list_item() {
    assert_snapshot!(error("name: a\nsteps:\n  - boot: { cpus: 3 }\n    oops: { cpu: 1 }\n"), @"
    reading example.yaml: there is more than one key here
      --> example.yaml:4:5
      |
    4 |     oops: { cpu: 1 }
      |     ^^^^

    hint: one key for each list item: begin this one with `- `
    ");
}

#[test]
fn list_item_without_its_mapping() {
    assert_snapshot!(error("name: a\nsteps:\n  - boot\n"), @"
    reading example.yaml: `steps[0].boot` must be a mapping
      --> example.yaml:3:9
      |
    3 |   - boot
      |         ^
    ");
}

#[test]
fn list_item_that_is_a_list() {
    assert_snapshot!(error("name: a\nsteps:\n  - [boot]\n"), @"
    reading example.yaml: `steps[0]` must be a mapping with one key
      --> example.yaml:3:5
      |
    3 |   - [boot]
      |     ^
    ");
}

#[test]
fn number_out_of_range() {
    assert_snapshot!(error("name: a\nsteps:\n  - oops: { cpu: 300 }\n"), @"
    reading example.yaml: `steps[0].oops.cpu` must be a whole number from 0 to 255
      --> example.yaml:3:18
      |
    3 |   - oops: { cpu: 300 }
      |                  ^^^
    ");
}

#[test]
fn number_below_a_key_of_the_users_choice() {
    assert_snapshot!(error("name: a\nparams: { x: [1, many] }\n"), @"
    reading example.yaml: this must be a whole number from 0 to 255
      --> example.yaml:2:18
      |
    2 | params: { x: [1, many] }
      |                  ^^^^
    ");
}

#[test]
fn wrong_kind_of_value() {
    assert_snapshot!(error("name: [a]\n"), @"
    reading example.yaml: `name` must be a single word or text
      --> example.yaml:1:7
      |
    1 | name: [a]
      |       ^
    ");
    assert_snapshot!(error("name: a\nguest: 4\n"), @"
    reading example.yaml: `guest` must be a mapping
      --> example.yaml:2:8
      |
    2 | guest: 4
      |        ^
    ");
    assert_snapshot!(error("name: ~\n"), @"
    reading example.yaml: `name` is empty
      --> example.yaml:1:7
      |
    1 | name: ~
      |       ^
    ");
}

#[test]
fn yes_is_no_boolean() {
    assert_snapshot!(error("name: a\nflag: yes\n"), @"
    reading example.yaml: `flag` must be true or false
      --> example.yaml:2:7
      |
    2 | flag: yes
      |       ^^^
    ");
}

#[test]
fn broken_yaml() {
    assert_snapshot!(error("name: a\n  count: 1\n"), @"
    reading example.yaml: not YAML: mapping values are not allowed in this context
      --> example.yaml:2:8
      |
    2 |   count: 1
      |        ^

    hint: indent by spaces, the keys of one mapping all alike; quote a text with `: `, ` #` or braces in it
    ");
    assert_snapshot!(error("name: a: b\n"), @"
    reading example.yaml: not YAML: mapping values are not allowed in this context
      --> example.yaml:1:8
      |
    1 | name: a: b
      |        ^

    hint: indent by spaces, the keys of one mapping all alike; quote a text with `: `, ` #` or braces in it
    ");
    assert_snapshot!(error("name: a\nguest: { cpus: 4\n"), @"
    reading example.yaml: not YAML: unclosed bracket '{'
      --> example.yaml:2:8
      |
    2 | guest: { cpus: 4
      |        ^

    hint: indent by spaces, the keys of one mapping all alike; quote a text with `: `, ` #` or braces in it
    ");
}

#[test]
fn empty_file() {
    assert_snapshot!(error(""), @"reading example.yaml: the file is empty");
}

#[test]
fn second_document() {
    assert_snapshot!(error("name: a\n---\nname: b\n"), @"
    reading example.yaml: a second document begins here
      --> example.yaml:3:1
      |
    3 | name: b
      | ^
    ");
}

#[test]
fn tags_merge_keys_and_dangling_aliases_are_refused() {
    assert_snapshot!(error("name: !env HOME\n"), @"
    reading example.yaml: unsupported tag `!env`
      --> example.yaml:1:12
      |
    1 | name: !env HOME
      |            ^^^^
    ");
    assert_snapshot!(error("name: a\nguest: &g { cpus: 4 }\nparams:\n  <<: *g\n"), @"
    reading example.yaml: merge keys (`<<`) are not used here
      --> example.yaml:4:3
      |
    4 |   <<: *g
      |   ^^
    ");
    assert_snapshot!(error("name: a\ncount: *n\n"), @"
    reading example.yaml: an alias (`*name`) without its anchor (`&name`)
      --> example.yaml:2:8
      |
    2 | count: *n
      |        ^
    ");
}

#[test]
fn alias_bomb() {
    use std::fmt::Write;
    let mut text = "name: a\nparams:\n  p0: &p0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
    // Small for the parser's own defaults (a million events), so that it is our limits that refuse it.
    for n in 1..4 {
        let alias = format!("*p{}", n - 1);
        writeln!(text, "  p{n}: &p{n} [{}]", [alias.as_str(); 10].join(",")).unwrap();
    }
    // Read as plain values, so that nothing but the budget can refuse it.
    let error = parse::<serde_json::Value>(&text, Path::new("bomb.yaml")).unwrap_err();
    assert_eq!(error.cause(), "the file is too large, too deep or repeats too much");
}

#[test]
fn deep_nesting() {
    for text in [format!("name: {}{}", "[".repeat(10_000), "]".repeat(10_000)), "- ".repeat(10_000)] {
        assert!(parse::<serde_json::Value>(&text, Path::new("deep.yaml")).is_err());
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let error = error("name: a\n\"\\e[2J\\u0000x\": 4\n");
    assert!(!error.contains('\u{1b}') && !error.contains('\0'), "{error}");
    assert_snapshot!(error, @r#"
    reading example.yaml: unknown key `\u{1b}[2J\u{0}x`
      --> example.yaml:2:1
      |
    2 | "\e[2J\u0000x": 4
      | ^^^^^^^^^^^^^^

    hint: known: name, count, flag, guest, params, steps
    "#);
    let raw = example("name: a\ncount: \u{9b}2J\n").unwrap_err().to_string();
    assert!(!raw.contains('\u{9b}'), "{raw}");
}

#[test]
fn only_a_part_of_a_long_line_is_shown() {
    let text = format!("name: a\nguest: {{ {}cpu: 4 }} # {}\n", " ".repeat(300), "x".repeat(300));
    assert_snapshot!(error(&text), @"
    reading example.yaml: unknown key `cpu` in `guest`
      --> example.yaml:2:310
      |
    2 |                                                   cpu: 4 } # xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
      |                                                   ^^^

    hint: did you mean `cpus`? (known: cpus)
    ");
}

#[test]
fn a_later_check_points_at_the_value() {
    let source = Source::new("example.yaml", "name: a\nguest: { cpus: 99 }\n");
    let file: Example = source.parse().unwrap();
    let error = source.error(file.guest.unwrap().cpus.mark, "a guest has 1 to 8 CPUs", Some("use 8".to_owned()));
    assert_snapshot!(error, @"
    reading example.yaml: a guest has 1 to 8 CPUs
      --> example.yaml:2:16
      |
    2 | guest: { cpus: 99 }
      |                ^^

    hint: use 8
    ");
    assert_eq!(error.mark(), Some(Mark { line: 2, column: 16, length: 2 }));
    assert_eq!((error.path(), error.hint()), (Path::new("example.yaml"), Some("use 8")));
}

#[test]
fn a_place_outside_of_the_file_is_no_reason_to_panic() {
    for mark in [(0, 0, 0), (1, 99, 1), (99, 1, 9), (u32::MAX, u32::MAX, u32::MAX), (1, 1, u32::MAX)] {
        let mark = Mark { line: mark.0, column: mark.1, length: mark.2 };
        let error = InputError::at(Path::new("x.yaml"), "näme: ä\n", mark, "cause", None);
        assert!(error.to_string().starts_with("reading x.yaml: cause"));
    }
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let cause = |path: &Path| Source::read(path).unwrap_err().cause().to_owned();
    assert_snapshot!(cause(&dir.path().join("none.yaml")), @"No such file or directory (os error 2)");
    assert_snapshot!(cause(dir.path()), @"Is a directory (os error 21)");
    let socket = dir.path().join("socket.yaml");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_snapshot!(cause(&socket), @"it is no regular file");
    let latin = dir.path().join("latin1.yaml");
    std::fs::write(&latin, b"name: a\ntitle: \xfcber\n").unwrap();
    assert_snapshot!(cause(&latin), @"line 2 is not UTF-8");
    let large = dir.path().join("large.yaml");
    std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_snapshot!(cause(&large), @"the file is larger than 1024 KiB");
}

#[test]
fn only_yaml_files_are_listed_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.yaml", "a.yaml", "notes.txt", "c.yaml~", ".e.yaml", "a-b.yaml"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    // What cannot be read is told by who reads it.
    std::fs::create_dir(dir.path().join("d.yaml")).unwrap();
    let names: Vec<_> = files(dir.path()).unwrap().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["a.yaml", "a-b.yaml", "b.yaml", "d.yaml"]);
    assert!(files(&dir.path().join("none")).unwrap().is_empty());
    assert!(files(&dir.path().join("a.yaml")).is_err());
}

#[test]
fn a_file_is_named_like_what_is_in_it() {
    let source = Source::new("scenarios/right.yaml", "name: wrong\n");
    let file: Example = source.parse().unwrap();
    assert_snapshot!(source.require_name(&file.name).unwrap_err(), @"
    reading scenarios/right.yaml: the name `wrong` is not that of the file
      --> scenarios/right.yaml:1:7
      |
    1 | name: wrong
      |       ^^^^^

    hint: rename one of the two: `name: right`
    ");
    let source = Source::new("scenarios/right.yaml", "name: right\n");
    assert!(source.require_name(&source.parse::<Example>().unwrap().name).is_ok());
}

#[test]
fn the_digest_is_of_the_text() {
    let digest = Source::new("x.yaml", "abc").digest();
    assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn nearest_is_near() {
    let known = ["panic-alone", "oops-then-panic", "panic-during-oops-dump"];
    assert_eq!(nearest("panic-alnoe", known), Some("panic-alone"));
    assert_eq!(nearest("panic_alone", known), Some("panic-alone"));
    assert_eq!(nearest("oops-the-panic", known), Some("oops-then-panic"));
    assert_eq!(nearest("hung-task", known), None);
    assert_eq!(nearest("", known), None);
    assert_eq!(nearest("cpu", ["cpus", "memory"]), Some("cpus"));
}

#[test]
fn unknown_names_are_shown_with_the_known_ones() {
    let known = ["oops-then-panic", "panic-alone"];
    assert_snapshot!(UnknownName::new("scenario", "panic-alnoe", known), @"
    no scenario `panic-alnoe`

    hint: did you mean `panic-alone`? (known: oops-then-panic, panic-alone)
    ");
    assert_snapshot!(UnknownName::new("scenario", "hung-task", known), @"
    no scenario `hung-task`

    hint: known: oops-then-panic, panic-alone
    ");
    assert_snapshot!(UnknownName::new("value", "400ms", ["0ms", "300ms"]).of("hold"), @"
    no value `400ms` of `hold`

    hint: did you mean `300ms`? (known: 0ms, 300ms)
    ");
    assert_snapshot!(UnknownName::new("scenario", "x\u{1b}[2J", []), @r"
    no scenario `x\u{1b}[2J`

    hint: there is no scenario at all
    ");
}
