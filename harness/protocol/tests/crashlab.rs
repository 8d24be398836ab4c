//! The protocol as crashlab has it, in C: whatever both sides know is compared, in both directions.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness_protocol::{Action, Arm, Command, Context, Edge, Failure, Lock, OopsKind, Part, Reboot, Start, Stay, page};

fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-kernel/crashlab").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()))
}

/// What stands between `from` and `to`, wherever `from` is found.
fn between<'a>(text: &'a str, from: &'a str, to: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).filter_map(move |rest| Some(rest.split_once(to)?.0))
}

fn one<'a>(text: &'a str, from: &'a str, to: &'a str) -> &'a str {
    let mut found = between(text, from, to);
    let first = found.next().unwrap_or_else(|| panic!("there is no {from:?}"));
    assert_eq!(found.next(), None, "{from:?} is there twice");
    first
}

/// The value of a macro.
fn defined(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.split_whitespace().take(2).eq(["#define", name]));
    line.unwrap_or_else(|| panic!("no {name}")).split_whitespace().nth(2).unwrap().to_owned()
}

/// The numbers of an enum, by the words that they would be called here.
fn numbers(text: &str, of: &str, prefix: &str) -> BTreeMap<String, u32> {
    let body = one(text, &format!("enum {of} {{"), "}").to_owned();
    let lines = body.lines().filter_map(|line| line.split_once(" = "));
    lines
        .map(|(name, number)| {
            let name = name.trim().strip_prefix(prefix).unwrap();
            (name.to_lowercase().replace('_', "-"), number.split_once(',').unwrap().0.parse().unwrap())
        })
        .collect()
}

/// The words of a table in `arm.c`, by what the constants behind them would be called here.
fn words(table: &str, prefix: &str) -> BTreeMap<String, String> {
    let text = source("arm.c");
    let body = one(&text, &format!(" {table}[] = {{"), "};").to_owned();
    between(&body, "{ ", " }")
        .map(|row| {
            let (word, constant) = row.split_once(", ").unwrap();
            let name = constant.strip_prefix(prefix).unwrap().to_lowercase().replace('_', "-");
            (name, word.trim_matches('"').to_owned())
        })
        .collect()
}

#[test]
fn the_pages_offsets_are_asserted_in_c() {
    let text = source("page.h");
    let asserted: BTreeSet<(String, usize)> = between(&text, "static_assert(offsetof(struct ", ");")
        .map(|assertion| {
            let (member, offset) = assertion.split_once(") == ").unwrap();
            (member.to_owned(), offset.parse().unwrap())
        })
        .collect();
    let here = [
        ("cl_page, magic", page::MAGIC_AT),
        ("cl_page, version", page::VERSION_AT),
        ("cl_page, slots_used", page::SLOTS_USED_AT),
        ("cl_page, tsc_khz", page::TSC_KHZ_AT),
        ("cl_page, fired_tsc", page::FIRED_AT),
        ("cl_page, nonce", page::NONCE_AT),
        ("cl_page, tracer", page::TRACER_AT),
        ("cl_page, cpus_possible", page::CPUS_POSSIBLE_AT),
        ("cl_page, cpus_present", page::CPUS_PRESENT_AT),
        ("cl_page, cpus_online", page::CPUS_ONLINE_AT),
        ("cl_page, slots", page::SLOTS_AT),
        ("cl_slot, name", page::NAME_AT),
        ("cl_slot, action", page::ACTION_AT),
        ("cl_slot, cpu", page::CPU_AT),
        ("cl_slot, entered_tsc", page::ENTERED_AT),
        ("cl_slot, left_tsc", page::LEFT_AT),
        ("cl_slot, budget_us", page::BUDGET_AT),
        ("cl_slot, hits", page::HITS_AT),
        ("cl_slot, context", page::CONTEXT_AT),
        ("cl_slot, spent_us", page::SPENT_AT),
    ];
    assert_eq!(asserted, here.map(|(member, offset)| (member.to_owned(), offset)).into());
    let slot: usize = one(&text, "static_assert(sizeof(struct cl_slot) == ", ")").parse().unwrap();
    assert_eq!(slot, page::SLOT);
    let sizes = [("cl_page", "nonce", harness_protocol::witness::NONCE_LEN), ("cl_slot", "name", page::NAME_LEN)];
    for (structure, member, size) in sizes {
        let body = one(&text, &format!("struct {structure} {{"), "}").to_owned();
        assert_eq!(one(&body, &format!("char {member}["), "]").parse(), Ok(size), "{member}");
    }
}

#[test]
fn the_pages_constants_are_those_of_c() {
    let text = source("page.h");
    assert_eq!(defined(&text, "CL_MAGIC").trim_matches('"').as_bytes(), page::MAGIC);
    assert_eq!(defined(&text, "CL_VERSION").parse(), Ok(page::VERSION));
    assert_eq!(defined(&text, "CL_SLOTS").parse(), Ok(page::MAX_SLOTS));
    assert_eq!(defined(&text, "CL_PAGE_BYTES").parse(), Ok(page::SIZE));
    assert_eq!((defined(&text, "CL_FOR_EVER").as_str(), page::FOR_EVER), ("U64_MAX", u64::MAX));
    let tracer = numbers(&text, "cl_tracer", "CL_TRACER_");
    let called = [("called", harness_trace::CALLED), ("awake", harness_trace::AWAKE), ("uncalled", 0)];
    assert_eq!(tracer, called.map(|(name, number)| (name.to_owned(), number)).into());
}

#[test]
fn actions_and_contexts_have_the_numbers_and_words_of_c() {
    let text = source("page.h");
    let actions: BTreeMap<_, _> = Action::ALL.iter().map(|a| (a.to_string(), *a as u32)).collect();
    assert_eq!(numbers(&text, "cl_action", "CL_ACTION_"), actions);
    let contexts: BTreeMap<_, _> = Context::ALL.iter().map(|c| (c.to_string(), *c as u32)).collect();
    assert_eq!(numbers(&text, "cl_context", "CL_CONTEXT_"), contexts);
    for action in Action::ALL {
        assert_eq!(Action::from_number(*action as u32), Some(*action));
    }
    for context in Context::ALL {
        assert_eq!(Context::from_number(*context as u32), Some(*context));
    }
    assert_eq!((Action::from_number(0), Context::from_number(15)), (None, None));
}

#[test]
fn crashlab_knows_every_word() {
    fn same<T: ToString>(all: &[T], table: &str, prefix: &str) {
        let here: BTreeMap<String, String> = all.iter().map(|word| (word.to_string(), word.to_string())).collect();
        assert_eq!(words(table, prefix), here, "{table}");
    }
    same(Action::ALL, "cl_actions", "CL_ACTION_");
    same(Context::ALL, "cl_contexts", "CL_CONTEXT_");
    same(Lock::ALL, "cl_locks", "CL_LOCK_");
    same(OopsKind::ALL, "cl_oopses", "CL_OOPS_");
    same(Failure::ALL, "cl_failures", "CL_FAILURE_");
    same(Reboot::ALL, "cl_reboots", "CL_REBOOT_");
    same(Edge::ALL, "cl_edges", "CL_EDGE_");
}

#[test]
fn crashlab_knows_every_command_and_option() {
    let compared = |file: &str, name: &str| -> BTreeSet<String> {
        let text = source(file);
        between(&text, &format!("!strcmp({name}, \""), "\"").map(str::to_owned).collect()
    };
    let verb = |command: Command<'_>| command.to_string().split(' ').next().unwrap().to_owned();
    let verbs = [
        Command::Nonce(""),
        Command::Arm(""),
        Command::CallTracer,
        Command::AwaitTracer,
        Command::Fire,
        Command::AwaitExit,
    ];
    assert_eq!(compared("main.c", "verb"), verbs.map(verb).into());

    let arm = Arm {
        context: Some(Context::Thread),
        function: Some("f"),
        lock: Some(Lock::Die),
        kind: Some(OopsKind::Gpf),
        failure: Some(Failure::Error),
        error: Some(-1),
        part: Some(Part::Any),
        how: Some(Reboot::Orderly),
        target: Some(1),
        stay: Some(Stay::Forever),
        count: Some(1),
        every: Some(std::time::Duration::ZERO),
        start: Some(Start::After { actor: "b", edge: Edge::Left, delay: std::time::Duration::ZERO }),
        ..Arm::new("a", Action::Hold, 0)
    };
    let at = Arm { start: Some(Start::At(std::time::Duration::ZERO)), ..arm };
    let options = |arm: Arm<'_>| -> Vec<String> {
        arm.to_string().split(' ').filter_map(|word| Some(word.split_once('=')?.0.to_owned())).collect()
    };
    let here: BTreeSet<String> = options(arm).into_iter().chain(options(at)).collect();
    let there: BTreeSet<String> =
        [compared("arm.c", "option"), compared("arm.c", "key")].into_iter().flatten().collect();
    assert_eq!(there, here);
    assert!(arm.to_string().contains("for_us=ever") && compared("arm.c", "value").contains("ever"));
    let anywhere = Arm { cpu: None, ..arm };
    assert!(anywhere.to_string().contains("cpu=any") && compared("arm.c", "value").contains("any"));
}
