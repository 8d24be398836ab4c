//! Made-up sets, and machine code by hand.

use std::path::Path;

use harness_trace::{Place, Probe};
use object::write::{Object, StandardSegment, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};

use super::resolve::add_steps;
use super::*;
use crate::evidence::{Meaning, Probes};
use crate::guest::{CrashlabAddresses, Hooks, ListHead};
use crate::model::order::OwnStep;
use crate::model::timeline::{Event, STEPS, StepEdge};
use crate::project::Project;

/// An ELF file: functions by their code, one behind the other from address 0, and variables.
fn elf(functions: &[(&str, &[u8])], variables: &[(&str, u64, u64)]) -> Image {
    let mut file = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let segment = file.segment_name(StandardSegment::Text).to_vec();
    let text = file.add_section(segment, b".text".to_vec(), SectionKind::Text);
    let symbol = |name: &str, value, size, kind, section| Symbol {
        name: name.as_bytes().to_vec(),
        value,
        size,
        kind,
        scope: SymbolScope::Linkage,
        weak: false,
        section,
        flags: SymbolFlags::None,
    };
    for (name, code) in functions {
        let at = file.append_section_data(text, code, 1);
        let (size, section) = (code.len() as u64, SymbolSection::Section(text));
        file.add_symbol(symbol(name, at, size, SymbolKind::Text, section));
    }
    for (name, from, size) in variables {
        file.add_symbol(symbol(name, *from, *size, SymbolKind::Data, SymbolSection::Section(text)));
    }
    parsed(&file.write().unwrap()).unwrap()
}

fn parsed(bytes: &[u8]) -> std::io::Result<Image> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    Image::open(file.path())
}

fn set(steps: &str) -> ProbeSet {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.yaml");
    std::fs::write(&path, format!("name: some\ntitle: some steps\nsteps:\n{steps}")).unwrap();
    ProbeSet::load(&path).unwrap()
}

fn linked(steps: &str, image: &Image, version: &str) -> LinkedProbes {
    LinkedProbes::resolve(&set(steps), image, Some(&version.parse().unwrap())).unwrap()
}

fn resolve(steps: &str, image: &Image, version: &str) -> Probes {
    linked(steps, image, version).probes
}

/// `step of edge`, with the place, of each probe.
fn shown(probes: &Probes) -> Vec<String> {
    let shown = |(probe, meaning): (&Probe, &Meaning)| match meaning {
        Meaning::Stamp => format!("stamp {:?}", probe.place),
        Meaning::Step { step, of, edge, .. } => format!("{step} {of} {} {:?}", edge.name(), probe.place),
    };
    probes.probes.iter().zip(&probes.meanings).map(shown).collect()
}

const RET: &[u8] = &[0x90, 0xc3];

#[test]
fn the_projects_own_set_is_in_order() {
    let project = Project::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let set = ProbeSet::load(&project.guest_kernel().join("probes/panic.yaml")).unwrap();
    assert!(set.steps.iter().all(|step| !step.is.is_empty() && step.limit > 0));
    // What scenarios may speak of is what is looked for, crashlab's actors, and what is heard of a crash kernel.
    let several = |seen: &Seen| matches!(seen, Seen::Each(_) | Seen::Notifiers(_) | Seen::Dumpers(_));
    let mut found: Vec<_> = set.steps.iter().map(|it| (it.name.as_str(), several(&it.seen), it.returns)).collect();
    found.extend([(Event::ACTOR, true, true), (Event::CAPTURE, true, false)]);
    found.sort_unstable();
    let mut known: Vec<_> = STEPS.iter().map(|step| (step.name, step.several, step.ends)).collect();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn of_several_names_the_first_that_there_is_is_taken_or_all() {
    let image = elf(&[("old", RET), ("new", RET)], &[]);
    let first = "- enters-first: { step: a, functions: [newest, new, old], is: x }";
    assert_eq!(shown(&resolve(first, &image, "6.12")), ["a  begin At(2)"]);
    let each = "- enters-each: { step: a, functions: [newest, new, old], is: x }";
    let each = resolve(each, &image, "6.12");
    assert_eq!(shown(&each), ["a new begin At(2)", "a old begin At(0)"]);
    let absent = |probes: &Probes| match &probes.absent[..] {
        [absent] => format!("{} {}: {}", absent.step, absent.of, absent.why),
        other => panic!("{other:?}"),
    };
    assert_eq!(absent(&each), "a newest: inlined, renamed or not configured: no function");
    let none = resolve("- enters-each: { step: a, functions: [newest, newer], is: x }", &image, "6.12");
    assert_eq!(absent(&none), "a : inlined, renamed or not configured: no function newest or newer");
}

#[test]
fn steps_of_a_scenarios_own_come_behind_the_others() {
    let image = elf(&[("f", RET), ("g", RET)], &[]);
    let probes = resolve("- enters-first: { step: a, functions: [g], is: x }", &image, "6.12");
    let own = |name: &str, functions: &[&str], returns| OwnStep {
        name: name.to_owned(),
        functions: functions.iter().map(|it| (*it).to_owned()).collect(),
        returns,
    };
    let steps = [own("b", &["gone", "f"], true), own("c", &["gone"], false)];
    let probes = add_steps(&probes, &steps, &image).unwrap();
    let expected = ["a  begin At(2)", "b  begin At(0)", "b  end Instruction { at: 1, bytes: 1 }"];
    assert_eq!((shown(&probes), probes.absent[0].step.as_str()), (expected.map(str::to_owned).to_vec(), "c"));
}

#[test]
fn steps_of_other_kernels_are_not_missed() {
    let image = elf(&[("here", RET)], &[]);
    let steps = "- enters-first: { step: a, functions: [gone], is: x, until: \"6.1\" }\n\
                 - enters-first: { step: b, functions: [to_come], is: x, since: \"7.0\" }\n\
                 - enters-first: { step: c, functions: [here], is: x, since: \"6.12\", until: \"6.12\" }\n";
    let probes = resolve(steps, &image, "6.12.117");
    assert_eq!((shown(&probes).len(), probes.absent.len()), (1, 0));
    assert_eq!(resolve(steps, &image, "6.1").absent.len(), 1);
}

#[test]
fn a_name_that_two_functions_have_is_not_guessed_and_clones_are_all_taken() {
    let image =
        elf(&[("twice", RET), ("twice", RET), ("f.isra.0", RET), ("f.constprop.1", RET), ("g.part.0", RET)], &[]);
    let steps = "- enters-first: { step: a, functions: [twice], is: x }\n- enters-first: { step: b, functions: [f], is: x }\n\
                 - enters-first: { step: c, functions: [g], is: x }\n";
    let probes = resolve(steps, &image, "6.12");
    assert_eq!(shown(&probes), ["b  begin At(4)", "b  begin At(6)"]);
    let why: Vec<_> = probes.absent.iter().map(|absent| absent.why.as_str()).collect();
    assert_eq!(why, ["more than one function twice", "inlined, renamed or not configured: no function g"]);
}

#[test]
fn a_function_is_left_by_returns_and_by_jumps_to_other_functions() {
    let code: &[u8] = &[
        0x90, // 0: the function begins
        0xc3, // 1: ret
        0xf3, 0xc3, // 2: rep ret; its second byte alone would be a ret, too
        0xeb, 0xfa, // 4: jmp 0, itself: not left
        0xe9, 5, 0, 0, 0, // 6: jmp 16, other
        0xe9, 1, 0, 0, 0, // 11: jmp 17, into the middle of other
    ];
    let image = elf(&[("function", code), ("other", RET)], &[]);
    let out: Vec<_> = image.ways_out("function", (0, 16)).unwrap().into_iter().collect();
    assert_eq!(out, [(1, 1), (2, 2), (3, 1), (6, 5)]);
    let probes = resolve("- enters-first: { step: a, functions: [other], is: x, returns: true }", &image, "6.12");
    assert_eq!(shown(&probes), ["a  begin At(16)", "a  end Instruction { at: 17, bytes: 1 }"]);
}

#[test]
fn a_part_that_the_compiler_moved_away_belongs_to_its_function() {
    // jmp to the part is no way out, its ret is one.
    let image = elf(&[("f", &[0xeb, 0x00]), ("f.cold", RET)], &[]);
    assert_eq!(image.ways_out("f", (0, 2)).unwrap().into_iter().collect::<Vec<_>>(), [(3, 1)]);
}

#[test]
fn a_variable_is_watched_in_the_functions_that_there_are() {
    let image = elf(&[("f", RET)], &[("panic_cpu", 0x40, 4)]);
    let steps = "- writes: { step: a, functions: [f, g], symbols: [panic_cpu], is: x }\n\
                 - reads: { step: b, functions: [g], symbols: [panic_cpu], is: x }\n\
                 - writes: { step: c, functions: [f], symbols: [no_such], is: x }\n";
    let probes = resolve(steps, &image, "6.12");
    assert_eq!(shown(&probes), ["a  begin Access { code: (0, 2), watched: (64, 68, true), reads: false }"]);
    let absent: Vec<_> = probes.absent.iter().map(|absent| absent.step.as_str()).collect();
    assert_eq!(absent, ["b", "c"]);
}

#[test]
fn what_a_booted_guest_tells_is_looked_for_where_it_runs() {
    let image = elf(&[("hung_task_panic", RET), ("dump", RET)], &[("chain", 0x100, 16), ("list", 0x200, 16)]);
    let steps = "- notifiers: { step: notifier, lists: [no_such, chain], is: x, returns: true }\n\
                 - dumpers: { step: dumper, list: list, is: x }\n";
    let linked = linked(steps, &image, "6.12");
    assert_eq!(linked.lists, [ListHead::Notifiers(0x108), ListHead::Dumpers(0x200)]);
    let slide = 0x20_0000;
    let hooks = Hooks { lists: vec![vec![slide, 0x9999], vec![slide + 2]] };
    let crashlab = CrashlabAddresses { page: 0x5000, mapped: 0xf000_5000, code: 0xc000 };
    let all = linked.add_hooks(&hooks, slide, crashlab, &image, &[(0x10, 0x20)]).unwrap();
    assert_eq!(
        shown(&all),
        [
            "notifier hung_task_panic begin At(0)",
            "notifier hung_task_panic end Instruction { at: 1, bytes: 1 }",
            "notifier 0x9999 begin At(39321)",
            "dumper dump begin At(2)",
            "stamp Access { code: (49168, 49184), watched: (4026552320, 4026556416, false), reads: false }"
        ]
    );
    let linked: Vec<bool> = all.probes.iter().map(|probe| probe.as_linked).collect();
    assert_eq!(linked, [true, true, false, true, false]);
    assert!(matches!(all.probes[4].place, Place::Access { .. }));
    let edges = all.meanings.iter().filter(|meaning| matches!(meaning, Meaning::Step { edge: StepEdge::End, .. }));
    assert_eq!(edges.count(), 1);
}

#[test]
fn a_set_that_is_not_in_order_is_shown_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.yaml");
    for (step, why) in [
        ("- enters-first: { step: a, functions: [f], is: x, sinse: \"6.1\" }", "sinse"),
        ("- enters-first: { step: a, functions: [f], is: x, since: six }", "`six` is not a kernel version"),
        ("- enters-first: { step: a, functions: [f], is: x }\n- dumpers: { step: a, list: l, is: x }", "two steps `a`"),
    ] {
        std::fs::write(&path, format!("name: bad\ntitle: x\nsteps:\n{step}\n")).unwrap();
        let error = ProbeSet::load(&path).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("bad.yaml:"), "{error}");
    }
}

#[test]
fn what_is_no_elf_file_is_an_error() {
    assert!(parsed(b"\x7fELF").is_err());
    assert!(parsed(b"").is_err());
}
