use proptest::prelude::*;

use super::*;
use crate::console;
use harness_testdata::timelines::{CONSOLE, any_timeline, event, stock};

/// What each line stands before, with the first word after its prefix.
fn placed(timeline: &Timeline, console: &[u8]) -> Vec<usize> {
    place_console(timeline, &console::decode(console)).iter().map(|line| line.before).collect()
}

fn index(timeline: &Timeline, us: i64) -> usize {
    timeline.events.iter().position(|event| event.ns == us * 1000).unwrap()
}

#[test]
fn lines_follow_the_events_that_stored_them() {
    let stock = stock();
    let want: Vec<usize> = [-700, 400, 620, 1040].iter().map(|us| index(&stock, *us) + 1).collect();
    assert_eq!(placed(&stock, CONSOLE), want);
}

#[test]
fn a_lost_event_moves_no_other_line() {
    for lost in [-700, 400, 620, 1040] {
        let mut timeline = stock();
        let want: Vec<Option<usize>> =
            [-700, 400, 620, 1040].map(|us| (us != lost).then(|| index(&stock(), us))).into();
        timeline.events.remove(index(&stock(), lost));
        let seen = placed(&timeline, CONSOLE);
        for (seen, want) in seen.iter().zip(want) {
            let Some(want) = want else { continue };
            let moved = usize::from(want > index(&stock(), lost));
            assert_eq!(*seen, want + 1 - moved, "without {lost}");
        }
        // The one without an event stands where its timestamp says.
        let at = [-700, 400, 620, 1040].iter().position(|us| *us == lost).unwrap();
        assert_eq!(seen[at], index(&stock(), lost), "without {lost}");
    }
}

#[test]
fn an_event_without_a_line_moves_none() {
    let mut timeline = stock();
    timeline.events.insert(index(&stock(), 620), event("~500 0 printk"));
    assert_eq!(placed(&timeline, CONSOLE)[2], index(&timeline, 620) + 1);
}

#[test]
fn lines_of_one_message_and_lines_without_a_timestamp_stay_together() {
    let stock = stock();
    let console =
        b"SeaBIOS\n[    3.327328] one\n[    3.328428] two\n[    3.328428] two, further\ntorn\n[    3.328650] three\n\
        [    3.329070] four\n";
    let [one, two, three, four] = [-700, 400, 620, 1040].map(|us| index(&stock, us) + 1);
    assert_eq!(placed(&stock, console), [0, one, two, two, two, three, four]);
}

#[test]
fn without_printk_events_the_panic_is_the_clock() {
    let mut timeline = stock();
    timeline.events.retain(|event| event.step != Event::PRINTK);
    let panic = index(&timeline, 380) + 1;
    // 222 us after it, then 642: before crash_kexec, and between the notifiers.
    assert_eq!(placed(&timeline, CONSOLE), [0, panic, index(&timeline, 900), index(&timeline, 1024)]);
    let end = timeline.events.len();
    assert_eq!(placed(&timeline, b"[    3.3] no stamp\n[    3.327328] one\n"), [0, end]);
}

#[test]
fn control_characters_do_not_come_through() {
    let lines = place_console(&Timeline::default(), &console::decode(b"[    1.000000] a\x1b[2Jb\x07c\n"));
    assert_eq!(lines, [PlacedLine { before: 0, text: "[    1.000000] ab\u{fffd}c".into() }]);
}

proptest! {
    #[test]
    fn every_line_is_placed_once_and_in_order(timeline in any_timeline(), console in prop::collection::vec(any::<u8>(), 0..400)) {
        let console = console::decode(&console);
        let lines = place_console(&timeline, &console);
        prop_assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), console.text.lines().collect::<Vec<_>>());
        prop_assert!(lines.is_sorted_by_key(|line| line.before));
        prop_assert!(lines.iter().all(|line| line.before <= timeline.events.len()));
    }

    #[test]
    fn hostile_timestamps_are_placed_in_order(timeline in any_timeline(), stamps in prop::collection::vec(any::<u32>(), 0..20)) {
        let line = |stamp: &u32| format!("[{stamp}.{:06}] x\n", stamp % 1_000_000);
        let console = stamps.iter().map(line).collect::<Vec<_>>().concat();
        let lines = place_console(&timeline, &console::decode(console.as_bytes()));
        prop_assert_eq!(lines.len(), stamps.len());
        prop_assert!(lines.is_sorted_by_key(|line| line.before));
    }

    /// Messages that are 0.1 to 10 ms apart, a guest's clock that is 0.1 % off, and printk events that were lost: each
    /// of the others has its own line.
    #[test]
    fn lost_events_and_a_drifting_clock_are_seen_through(
        messages in prop::collection::vec((100_000i64..10_000_000, 0u8..4), 8..60),
        boot in 1_000_000_000i64..100_000_000_000,
        drift in -1000i64..=1000,
    ) {
        // A message of four is lost, but not all.
        prop_assume!(messages.iter().filter(|(_, lost)| *lost > 0).count() >= 4);
        let (mut host, mut guest) = (-20_000_000, boot);
        let (mut timeline, mut console, mut want) = (Timeline::default(), Vec::new(), Vec::new());
        for (gap, lost) in &messages {
            host += gap;
            guest += gap + gap * drift / 1_000_000;
            console.push(format!("[{:5}.{:06}] message\n", guest / 1_000_000_000, guest / 1000 % 1_000_000));
            if *lost > 0 {
                timeline.events.push(Event { ns: host, ..event("~0 0 printk") });
            }
            want.push((*lost > 0).then_some(timeline.events.len()));
        }
        let seen = placed(&timeline, console.concat().as_bytes());
        for (line, (seen, want)) in seen.iter().zip(&want).enumerate() {
            prop_assert!(want.is_none_or(|want| want == *seen), "line {}: {} and not {:?}", line, seen, want);
        }
    }
}
