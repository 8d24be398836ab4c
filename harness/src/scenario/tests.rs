use std::path::PathBuf;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;

use super::guest_text::Firing;
use super::*;
use crate::model::consoles::FurtherConsoles;
use crate::model::pstore::{Backend, Efi, EfiStore, Erst, Ramoops};
use crate::model::{Channel, ChannelOutcome, Expectation, Precondition};
use crate::yaml::InputError;

mod ends;
mod language;
mod order;
mod refused;
pub(crate) mod schema;

pub(crate) fn shipped() -> Vec<Scenario> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    Scenario::list(&dir).all().unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn read(name: &str, text: &str) -> Result<Scenario, InputError> {
    Scenario::parse(&Source::new(format!("scenarios/{name}.yaml"), text)).map_err(Problems::into_first)
}

/// What is said of the scenario `good`, called `bad`, with `old` replaced by `new`.
fn said_of(good: &str, old: &str, new: &str) -> String {
    assert_eq!(good.matches(old).count(), 1, "`{old}` must be in the good scenario once");
    match read("bad", &good.replace(old, new)) {
        Ok(_) => "accepted".to_owned(),
        Err(e) => e.to_string(),
    }
}

fn params(values: &[(&str, ParamValue)]) -> Params {
    values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub(crate) fn held(hold: &str, post_notifiers: i64) -> Params {
    params(&[("hold", ParamValue::Text(hold.to_owned())), ("post_notifiers", ParamValue::Number(post_notifiers))])
}

const NONCE: &str = "0123456789abcdef";

/// Every context, as a scenario says it.
pub(crate) const CONTEXTS: [&str; 18] = [
    "thread",
    "preempt-off",
    "irqs-off",
    "softirq",
    "hardirq",
    "nmi",
    "stop-machine",
    "idle",
    "notifier",
    "notifier-last",
    "notifier-hypervisor",
    "notifier-info",
    "notifier-pre-reboot",
    "notifier-post-reboot",
    "dumper",
    "backend-write",
    "console-write",
    "{ function: vprintk_emit }",
];

#[test]
fn the_shipped_scenarios_are_found_by_name() {
    let all = shipped();
    assert!(all.iter().all(|scenario| !scenario.source.is_empty() && !scenario.why.is_empty()));
    assert_eq!(Scenario::find(&all, "panic-alone").unwrap().points(), [Params::new()]);
    let unknown = Scenario::find(&all, "panic-alnoe").unwrap_err();
    assert!(unknown.to_string().contains("hint: did you mean `panic-alone`?"), "{unknown}");
}

#[test]
fn points_come_in_the_order_of_the_file() {
    let all = shipped();
    let points = Scenario::find(&all, "panic-during-oops-dump").unwrap().points();
    let expected: Vec<Params> =
        ["0ms", "100ms", "300ms", "700ms", "1500ms"].iter().flat_map(|hold| [held(hold, 0), held(hold, 1)]).collect();
    assert_eq!(points, expected);
}

#[test]
fn a_point_that_is_not_in_the_sweep_has_no_instance() {
    let all = shipped();
    let scenario = Scenario::find(&all, "panic-during-oops-dump").unwrap();
    assert!(scenario.at(&held("300ms", 1)).is_some());
    assert!(scenario.at(&held("400ms", 1)).is_none());
    assert!(scenario.at(&Params::new()).is_none());
}

#[test]
fn an_instance_has_everything_resolved() {
    let all = shipped();
    let scenario = Scenario::find(&all, "panic-during-oops-dump").unwrap();
    let instance = scenario.at(&held("700ms", 1)).unwrap();
    assert_eq!(
        instance.guest,
        Guest {
            cpus: 4,
            online: 4,
            memory_mib: 256,
            command_line: Vec::new(),
            pstore: Backend::default(),
            earlier: None,
            consoles: FurtherConsoles::new(),
            crashkernel_mib: None,
            crash_boot: CrashBoot::default(),
            program: None
        }
    );
    assert_eq!(instance.deadline.as_secs(), 30);
    let budgets: Vec<u64> = instance.draw(0).actors.iter().map(|actor| actor.action.budget_us()).collect();
    assert_eq!(budgets, [700_000, 0, 0]);
    let entered = |actor: &str| Precondition::Entered { actor: actor.to_owned() };
    let during = Precondition::EntersDuring { actor: "panic".to_owned(), of: "dump".to_owned() };
    assert_eq!(instance.preconditions, [entered("dump"), entered("oops"), entered("panic"), during]);
}

#[test]
fn nothing_is_asked_or_expected_where_the_file_says_so() {
    let all = shipped();
    let scenario = Scenario::find(&all, "panic-during-oops-dump").unwrap();
    let judged = |hold, post| {
        let instance = scenario.at(&held(hold, post)).unwrap();
        let pstore = instance.expectations.iter().any(|expectation| expectation.channel == Channel::Pstore);
        assert!(instance.expectations.iter().any(|expectation| expectation.channel == Channel::Console));
        (pstore, instance.preconditions.len())
    };
    assert_eq!(judged("0ms", 0), (true, 3));
    assert_eq!(judged("300ms", 0), (true, 4));
    assert_eq!(judged("700ms", 0), (true, 4));
    assert_eq!(judged("1500ms", 0), (false, 4));
    assert_eq!(judged("0ms", 1), (true, 3));
    assert_eq!(judged("300ms", 1), (false, 4));
    assert_eq!(judged("1500ms", 1), (false, 4));
}

#[test]
fn text_for_the_agent_of_panic_during_oops_dump() {
    let all = shipped();
    let scenario = Scenario::find(&all, "panic-during-oops-dump").unwrap();
    assert_snapshot!(scenario.at(&held("700ms", 1)).unwrap().draw(0).to_guest(NONCE, 32, Firing::default()), @"
    nonce 0123456789abcdef
    witnesses 32
    set /sys/module/kernel/parameters/crash_kexec_post_notifiers 1
    set /proc/sys/kernel/panic_on_oops 0
    arm dump spin cpu=1 in=function function=erst_write for_us=700000
    arm oops oops cpu=1 in=thread at_us=0
    arm panic panic cpu=0 in=thread after=dump edge=entered delay_us=50000
    fire
    ");
}

#[test]
fn text_for_the_agent_of_oops_then_panic() {
    let all = shipped();
    let scenario = Scenario::find(&all, "oops-then-panic").unwrap();
    assert_snapshot!(scenario.at(&Params::new()).unwrap().draw(0).to_guest(NONCE, 32, Firing::default()), @"
    nonce 0123456789abcdef
    witnesses 32
    set /proc/sys/kernel/panic_on_oops 1
    arm oops oops cpu=1 in=thread at_us=0
    fire
    ");
}

#[test]
fn the_back_end_of_pstore() {
    let backend = |pstore: &str| {
        let text = format!(
            "name: one\ntitle: t\nwhy: w\nsource: s\nguest: {{ {pstore} }}\nactors: [panic: {{ name: p, cpu: 0, at: 0ms }}]\nexpect: []\n"
        );
        let scenario = read("one", &text).unwrap();
        scenario.at(&Params::new()).unwrap().guest.pstore
    };
    assert_eq!(backend("cpus: 1"), Backend::default());
    assert_eq!(backend("pstore: erst"), Backend::default());
    assert_eq!(backend("pstore: { erst: {} }"), Backend::default());
    let erst = Erst { records: 8, used: 3, damaged: 1, foreign: 4 };
    assert_eq!(backend("pstore: { erst: { records: 8, used: 3, damaged: 1, foreign: 4 } }"), Backend::Erst(erst));
    assert_eq!(backend("pstore: { ramoops: {} }"), Backend::Ramoops(Ramoops::default()));
    let all = "pstore: { ramoops: { record: 16KiB, records: 2, console: 0KiB, pmsg: 4KiB, ecc: 16 } }";
    let zones = Ramoops { record: 16 << 10, records: 2, console: 0, pmsg: 4 << 10, ecc: 16, used: 0 };
    assert_eq!(backend(all), Backend::Ramoops(zones));
    assert_eq!(zones.bytes(), 36 << 10);
    assert_eq!(backend("pstore: ramoops"), Backend::Ramoops(Ramoops::default()));
    assert_eq!(backend("pstore: efi"), Backend::Efi(Efi::default()));
    let all = "pstore: { efi: { store: small, used: 40KiB, dumps: 2, record: 2KiB, read-only: true } }";
    let efi = Efi { store: EfiStore::Small, used: 40 << 10, dumps: 2, record: 2 << 10, read_only: true };
    assert_eq!(backend(all), Backend::Efi(efi));
    assert!(Backend::Ramoops(Ramoops::default()).has_console());
    assert!(!backend(all).has_console() && !Backend::default().has_console());
    assert!(!Backend::Ramoops(Ramoops { console: 0, ..Ramoops::default() }).has_console());
}

#[test]
fn boots_before_the_trials() {
    let earlier = |guest: &str| {
        let text = format!(
            "name: one\ntitle: t\nwhy: w\nsource: s\nguest: {{ {guest} }}\nactors: [panic: {{ name: p, cpu: 0, at: 0ms }}]\nexpect: []\n"
        );
        read("one", &text).unwrap().at(&Params::new()).unwrap().guest.earlier
    };
    assert_eq!(earlier("boots: 1"), None);
    assert_eq!(earlier("boots: 2"), Some(EarlierBoots { number: 1, clock_s: 3600 }));
    let back = earlier("boots: 4, clock: -30d").unwrap();
    assert_eq!(back, EarlierBoots { number: 3, clock_s: -30 * 86_400 });
    assert_eq!(
        [0, 1, 3].map(|boot| back.clock(boot)),
        ["2026-01-01T00:00:00", "2025-12-02T00:00:00", "2025-10-03T00:00:00"]
    );
}

#[test]
fn what_ramoops_needs_and_where_its_write_begins() {
    let text = "name: one\ntitle: t\nwhy: w\nsource: s\nguest: { pstore: { ramoops: {} } }\nactors:\n  \
                - spin: { name: s, cpu: 0, in: backend-write, for: 1ms }\n  - panic: { name: p, cpu: 0, at: 0ms }\n\
                expect: []\n";
    let scenario = read("one", text).unwrap();
    let instance = scenario.at(&Params::new()).unwrap();
    assert_eq!(instance.needs.functions, ["persistent_ram_zap"]);
    assert_eq!(instance.needs.config, ["CONFIG_PSTORE_RAM", "CONFIG_PSTORE_CONSOLE"]);
    let text = instance.draw(0).to_guest(NONCE, 1, Firing::default());
    assert!(text.contains("arm s spin cpu=0 in=function function=persistent_ram_zap for_us=1000\n"), "{text}");
}

#[test]
fn what_efi_variables_need_and_where_their_write_begins() {
    let of = |efi: &str, needs: &str| {
        let text = format!(
            "name: one\ntitle: t\nwhy: w\nsource: s\nguest: {{ pstore: {{ efi: {efi} }} }}\n{needs}actors:\n  \
             - spin: {{ name: s, cpu: 0, in: backend-write, for: 1ms }}\n  - panic: {{ name: p, cpu: 0, at: 0ms }}\n\
             expect: []\n"
        );
        read("one", &text).unwrap().at(&Params::new()).unwrap().needs.clone()
    };
    let needs = of("{}", "");
    assert_eq!(needs.functions, ["efi_pstore_write"]);
    assert_eq!(needs.config, ["CONFIG_EFI_STUB", "CONFIG_EFI_VARS_PSTORE"]);
    assert_eq!(needs.since, None);
    // What tells the kernel how large a record is came with 6.2.
    let since = |needs: &str| of("{ record: 2KiB }", needs).since.unwrap();
    assert_eq!(since(""), "6.2");
    assert_eq!(since("needs: { since: \"5.10\" }\n"), "6.2");
    assert_eq!(since("needs: { since: \"6.12\" }\n"), "6.12");
}

#[test]
fn splats_are_expected_at_some_points_and_some_are_allowed() {
    let text = "name: one\ntitle: a title\nwhy: because\nsource: a test\nparams: { hold: [1ms, 2ms, 3ms] }\n\
                actors:\n  - panic: { name: end, cpu: 0, at: $hold }\nexpect:\n\
                \x20 - { splats: none, allowed: [WARNING in foo, \"INFO: task hung*\"], where: { hold: [1ms] } }\n\
                \x20 - { splats: some, at-least: 0.5, where: { hold: [2ms] } }\n";
    let scenario = read("one", text).unwrap();
    let at = |hold: &str| {
        let instance = scenario.at(&[("hold".to_owned(), ParamValue::Text(hold.to_owned()))].into()).unwrap();
        let expected = |it: &Expectation| (it.channel, it.outcome, it.at_least);
        (instance.allowed_splats.clone(), instance.expectations.iter().map(expected).collect::<Vec<_>>())
    };
    let allowed = ["WARNING in foo".to_owned(), "INFO: task hung*".to_owned()].to_vec();
    assert_eq!(at("1ms"), (Some(allowed), vec![(Channel::Splats, ChannelOutcome::NoSplats, 0.9)]));
    assert_eq!(at("2ms"), (Some(Vec::new()), vec![(Channel::Splats, ChannelOutcome::Splats, 0.5)]));
    assert_eq!(at("3ms"), (None, Vec::new()));
}

#[test]
fn every_part_of_the_format() {
    let text = r#"
name: all
title: everything
why: because
source: a test
guest: { cpus: 8, memory: 1GiB, command-line: [apic_extnmi=all] }
deadline: 90s
params: { how_long: [1s], what: [word-like, -5] }
knobs:
  - parameter: { module: printk, name: time, value: "$what" }
  - sysctl: { name: net.ipv4.conf.eth-0.x_y, value: "a=b, c/d" }
actors:
  - panic: { name: end, cpu: 7, after: { actor: spin, edge: left } }
  - spin: { name: spin, cpu: 2, in: irqs-off, for: $how_long, after: { actor: slow, delay: 20us } }
  - spin: { name: slow, cpu: 1, in: backend-write, for: 10ms }
  - oops: { name: oops, cpu: 1, at: $how_long }
expect:
  - { channel: pstore, outcome: truncated, at-least: 0.5, where: { what: [-5] } }
"#;
    let scenario = read("all", text).unwrap();
    let points = scenario.points();
    assert_eq!(points.len(), 2);
    let instance = scenario.at(&points[1]).unwrap();
    assert_eq!(
        instance.guest,
        Guest {
            cpus: 8,
            online: 8,
            memory_mib: 1024,
            command_line: vec!["apic_extnmi=all".to_owned()],
            pstore: Backend::default(),
            earlier: None,
            consoles: FurtherConsoles::new(),
            crashkernel_mib: None,
            crash_boot: CrashBoot::default(),
            program: None,
        }
    );
    assert_eq!(instance.deadline.as_secs(), 90);
    let expectation = Expectation { channel: Channel::Pstore, outcome: ChannelOutcome::Truncated, at_least: 0.5 };
    assert_eq!(instance.expectations, [expectation]);
    assert_eq!(scenario.at(&points[0]).unwrap().expectations, []);
    assert_snapshot!(instance.draw(0).to_guest(NONCE, 8, Firing::default()), @"
    nonce 0123456789abcdef
    witnesses 8
    set /sys/module/printk/parameters/time -5
    set /proc/sys/net/ipv4/conf/eth-0/x_y a=b, c/d
    arm slow spin cpu=1 in=function function=erst_write for_us=10000
    arm oops oops cpu=1 in=thread at_us=1000000
    arm spin spin cpu=2 in=irqs-off for_us=1000000 after=slow edge=entered delay_us=20
    arm end panic cpu=7 in=thread after=spin edge=left delay_us=0
    fire
    ");
}

#[test]
fn the_digest_names_the_file() {
    let text = "name: x\ntitle: t\nwhy: w\nsource: s\nactors: [panic: { name: p, cpu: 0, at: 0s }]\nexpect: []\n";
    let digest = |text: &str| read("x", text).unwrap().digest;
    assert_eq!(digest(text).len(), 64);
    assert_ne!(digest(text), digest(&format!("{text}# a comment\n")));
}

proptest! {
    /// Whatever stands in the file: either it is refused, or the agent gets exactly the lines it should get.
    #[test]
    fn nothing_in_a_file_injects_a_line(
        words in prop::collection::vec(word(), 7),
        numbers in prop::collection::vec(-1i64..5, 2),
    ) {
        let [actor, other, sysctl, module, parameter, value, swept] = &words[..] else { unreachable!() };
        let file = json!({
            "name": "x", "title": "t", "why": "w", "source": "s",
            "params": { "swept": [swept] },
            "knobs": [
                { "sysctl": { "name": sysctl, "value": value } },
                { "parameter": { "module": module, "name": parameter, "value": "$swept" } },
            ],
            "actors": [
                { "panic": { "name": actor, "cpu": numbers[0], "at": "0ms" } },
                { "oops": { "name": other, "cpu": numbers[1], "after": { "actor": actor } } },
            ],
            "expect": [],
        });
        // JSON is YAML.
        if let Ok(scenario) = read("x", &file.to_string()) {
            let text = scenario.at(&scenario.points()[0]).unwrap().draw(0).to_guest(NONCE, 32, Firing::default());
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(lines.len(), 8, "{}", text);
            let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
            prop_assert_eq!(lines[2], format!("set /proc/sys/{} {value}", sysctl.replace('.', "/")));
            prop_assert_eq!(lines[3], format!("set /sys/module/{module}/parameters/{parameter} {swept}"));
            prop_assert!(words[2][1].split('/').chain(words[3][1].split('/')).all(|part| part != "..") );
            prop_assert_eq!(&words[4][..3], ["arm", actor, "panic"]);
            prop_assert_eq!(&words[5][..3], ["arm", other, "oops"]);
            prop_assert_eq!(lines[6..].to_vec(), ["fire", ""]);
        }
    }

    /// However a scenario is damaged, the reader answers, and shows its answer.
    #[test]
    fn no_text_makes_the_reader_panic(
        at in 0..refused::GOOD.len(),
        cut in 0usize..40,
        put in prop_oneof!["[ \n:{}\\[\\],&*$'\"a-z0-9.-]{0,12}", ".{0,8}"],
    ) {
        let (head, tail) = refused::GOOD.split_at(at);
        let text = format!("{head}{put}{}", tail.get(cut..).unwrap_or_default());
        if let Err(error) = read("bad", &text) {
            let shown = error.to_string();
            prop_assert!(shown.starts_with("reading scenarios/bad.yaml: "));
            prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{:?}", shown);
        }
    }
}

/// Mostly acceptable words, and some that try something.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        // Seven of these make a file: most of them have to be good, or hardly any file would be accepted.
        60 => "[a-z]{1,6}",
        2 => "[a-z.-]{1,8}",
        1 => "[a-z]{0,3}[ \t\r\n/.$=]{1,2}[a-z]{0,5}",
        1 => any::<String>(),
        1 => Just("x\nfire".to_owned()),
        1 => Just("../../x".to_owned()),
    ]
}

/// On kernels that stop the other CPUs before they go on, all of them hung in virtual time and none did in real time.
#[test]
fn who_floods_the_log_with_interrupts_off_is_for_real_time() {
    let all = shipped();
    let scenario = Scenario::find(&all, "flood-during-panic").unwrap();
    let why: Vec<_> = scenario.points().iter().map(|point| scenario.at(point).unwrap().only_in_real_time()).collect();
    assert_eq!(why[0], None);
    assert_snapshot!(why[1].as_deref().unwrap_or_default(), @"in virtual time no CPU that waits comes to an end beside `flood-1`, which prints for ever with interrupts off: run it with --time real");
}
