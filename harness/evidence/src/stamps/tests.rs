use proptest::prelude::*;

use super::*;
use harness_testdata::{ActorRow, page};

const NONCE: &str = "0123456789abcdef";
const ACTORS: [ActorRow; 2] =
    [("holder", 5 + 256 * 3, 1, 5_000, 0, 300_000, 1, 299), ("sixteen-letters.", 2, 0, 905_000, 1_000_000, 0, 1, 0)];

fn sound() -> Vec<u8> {
    page(1_000, 4_000, NONCE, &ACTORS)
}

#[test]
fn a_page_as_crashlab_writes_it() {
    let stamps = decode(&sound()).unwrap();
    assert_eq!((stamps.tsc_khz, stamps.fired_tsc, stamps.nonce.as_str()), (1_000, Some(4_000), NONCE));
    assert_eq!(
        stamps.actors[0],
        Actor {
            name: "holder".to_owned(),
            action: Action::Hold,
            context: Context::IrqsOff,
            cpu: 1,
            entered_tsc: Some(5_000),
            left_tsc: None,
            budget_us: 300_000,
            hits: 1,
            spent_us: 299,
        }
    );
    let row = |actor: &str, cpu, entered_us, left_us| ActorStamps { actor: actor.to_owned(), cpu, entered_us, left_us };
    assert_eq!(
        stamps.actor_stamps(),
        [row("holder", 1, Some(1_000), None), row("sixteen-letters.", 0, Some(901_000), Some(996_000)),]
    );
    assert_eq!(stamps.budgets(), BTreeMap::from([("holder".to_owned(), 300_000), ("sixteen-letters.".to_owned(), 0)]));
}

#[test]
fn microseconds_round_down_and_saturate() {
    let us = |tsc_khz, fired, entered| {
        let page = page(tsc_khz, fired, NONCE, &[("a", 1, 0, entered, 0, 0, 1, 0)]);
        decode(&page).unwrap().actor_stamps()[0].entered_us
    };
    assert_eq!(us(2_893_200, 1_000_000, 1_000_000 + 2_893_200), Some(1_000));
    assert_eq!(us(2_893_200, 1_000_000, 1_000_000 + 2_893), Some(0));
    assert_eq!(us(1, 1, u64::MAX), Some(u64::MAX));
    assert_eq!(us(1_000, 500, 400), Some(0));
    assert_eq!(us(1_000, 0, 400), None);
    assert_eq!(us(1_000, 500, 0), None);
}

#[test]
fn a_page_before_arming_has_no_nonce() {
    let stamps = decode(&page(1_000, 0, "", &[])).unwrap();
    assert_eq!((stamps.nonce.as_str(), stamps.fired_tsc, stamps.actors.len()), ("", None, 0));
}

#[test]
fn a_page_tells_which_cpus_there_are_once_they_are_fired() {
    let with = |version: u8, bits: [u32; 3]| {
        let mut page = sound();
        page[VERSION_AT] = version;
        let places = [CPUS_POSSIBLE_AT, CPUS_PRESENT_AT, CPUS_ONLINE_AT];
        places.into_iter().zip(bits).for_each(|(at, bits)| page[at..at + 4].copy_from_slice(&bits.to_le_bytes()));
        decode(&page).unwrap().cpus
    };
    let cpus = Cpus { possible: [0, 1, 2, 31].into(), present: [0, 1, 2].into(), online: [1].into() };
    assert_eq!(with(4, [0x8000_0007, 7, 2]), Some(cpus));
    assert_eq!(with(4, [0; 3]), None, "not yet");
    assert_eq!(with(3, [7, 7, 7]), None, "what is there in an older page is none of this");
}

#[test]
fn nonsense_is_named() {
    let slot = |n: usize, at: usize| 64 + n * 64 + at;
    for (at, bytes, want) in [
        (0, &[0; 8][..], "crashlab never wrote its page (the magic is zero)"),
        (0, b"CRASH\0\xff\n", r#"the page's magic is "CRASH\x00\xff\n", not "CRASHLAB""#),
        (8, &[1, 0, 0, 0], "the page's version is 1, not 4"),
        (12, &[33, 0, 0, 0], "the page has 33 actors, more than 32"),
        (12, &[0xff; 4], "the page has 4294967295 actors, more than 32"),
        (12, &[3], r#"actor 2: the name is "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00""#),
        (16, &[0; 8], "the page's time-stamp counter has 0 kHz"),
        (32, b"0123456789ABCDEF", r#"the page's nonce is "0123456789ABCDEF", not 16 hexadecimal digits"#),
        (47, &[0], r#"the page's nonce is "0123456789abcde\x00", not 16 hexadecimal digits"#),
        (slot(0, 0), b"a b\0\0\0", r#"actor 0: the name is "a b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00""#),
        (slot(0, 8), b"x", r#"actor 0: the name is "holder\x00\x00x\x00\x00\x00\x00\x00\x00\x00""#),
        (slot(1, 0), b"holder\0\0\0\0\0\0\0\0\0\0", "actor 1: the name is holder, once more"),
        (slot(1, 16), &[0], "actor 1: the action is 0"),
        (slot(1, 16), &[40], "actor 1: the action is 40"),
        (slot(1, 52), &[15], "actor 1: the context is 15"),
        (slot(0, 20), &[0, 32, 0, 0], "actor 0: the cpu is 8192"),
    ] {
        let mut page = sound();
        page[at..at + bytes.len()].copy_from_slice(bytes);
        assert_eq!(decode(&page).unwrap_err().to_string(), want, "at {at}");
    }
    assert_eq!(decode(&sound()[..SIZE - 1]), Err(StampsError::Short { have: SIZE - 1 }));
}

#[test]
fn bytes_behind_the_page_are_not_looked_at() {
    let mut long = sound();
    long.extend_from_slice(&[0xff; 4096]);
    assert_eq!(decode(&long), decode(&sound()));
}

#[test]
fn all_slots_can_be_used() {
    let names: Vec<String> = (0..32).map(|n| format!("a{n}")).collect();
    let mut page = page(1, 1, NONCE, &[("x", 4, 7, 1, 1, 1, 1, 1); 32]);
    for (slot, name) in names.iter().enumerate() {
        page[64 + slot * 64..][..name.len()].copy_from_slice(name.as_bytes());
    }
    assert_eq!(decode(&page).unwrap().actors.len(), 32);
}

proptest! {
    #[test]
    fn any_page(bytes in prop::collection::vec(any::<u8>(), SIZE)) {
        let mut page = sound();
        page[16..32].copy_from_slice(&bytes[16..32]);
        for slot in 0..2 {
            let at = 64 + slot * 64 + 24;
            page[at..at + 40].copy_from_slice(&bytes[at..at + 40]);
        }
        if let Ok(stamps) = decode(&page) {
            prop_assert_eq!(stamps.actor_stamps().len(), 2);
        }
        page[8..].copy_from_slice(&bytes[8..]);
        page[8..16].copy_from_slice(&sound()[8..16]);
        let _ = decode(&page);
        let _ = decode(&bytes);
    }
}
