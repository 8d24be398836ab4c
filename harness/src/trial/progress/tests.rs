use super::*;

const PATIENCE: Patience =
    Patience { quiet: Duration::from_secs(3), pending: Duration::from_secs(10), of_processor: None };

/// A moment that differs from others by its signs only as far as `signs` does.
fn moment(ms: u64, signs: u64) -> Observation {
    let signs = Signs { printed: signs, ..Signs::default() };
    Observation { at: Duration::from_millis(ms), signs, ..Observation::default() }
}

fn quiet(ms: u64) -> Suspicion {
    Suspicion::Quiet(Duration::from_millis(ms))
}

/// What each of the moments says.
fn seen(moments: impl IntoIterator<Item = Observation>) -> Vec<Suspicion> {
    let mut progress = Progress::new(PATIENCE);
    moments.into_iter().map(|moment| progress.see(moment)).collect()
}

/// Looks at a guest as often as it is asked for, until it is suspected; when that was.
fn suspected(until: u64, guest: impl Fn(u64) -> Observation) -> Option<(u64, Suspicion)> {
    let mut progress = Progress::new(PATIENCE);
    let mut now = 1000;
    while now < until {
        match progress.see(guest(now)) {
            Suspicion::None => now += u64::try_from(progress.next().as_millis()).unwrap().max(1),
            suspicion => return Some((now, suspicion)),
        }
    }
    None
}

#[test]
fn a_guest_that_does_nothing_is_suspected_just_when_its_patience_is_over() {
    // An endless loop, or CPUs that idle: nothing moves after 1.6 s, which the look at 1.75 s sees.
    let stops = |ms: u64| moment(ms, ms.min(1600));
    assert_eq!(suspected(60_000, stops), Some((4500, quiet(3000))), "counted from the look before");
    // The console tells when it was.
    let known = |ms: u64| Observation { last: Some(Duration::from_millis(ms.min(1600))), ..stops(ms) };
    assert_eq!(suspected(60_000, known), Some((4600, quiet(3000))));
    // It has been quiet since before the first look.
    let early = |ms: u64| Observation { last: Some(Duration::from_millis(90)), ..moment(ms, 7) };
    assert_eq!(suspected(60_000, early), Some((3090, quiet(3000))));
    let unknown = |ms: u64| moment(ms, 7);
    assert_eq!(suspected(60_000, unknown), Some((4000, quiet(3000))));
}

#[test]
fn any_sign_is_a_sign() {
    for change in [
        |signs: &mut Signs| signs.printed += 1,
        |signs: &mut Signs| signs.steps += 1,
        // crashlab counts the turns that an actor spins.
        |signs: &mut Signs| signs.actors.push(ActorSigns::default()),
    ] {
        let mut later = moment(9000, 0);
        change(&mut later.signs);
        assert_eq!(seen([moment(1000, 0), later]), [Suspicion::None; 2]);
    }
    assert_eq!(seen([moment(1000, 0), moment(9000, 0)]), [Suspicion::None, quiet(8000)]);
}

#[test]
fn turns_count_unless_they_have_no_end() {
    let signs = |action, budget_us, spent_us| {
        let context = crate::evidence::stamps::Context::Thread;
        let (name, entered_tsc) = (String::new(), Some(1));
        ActorSigns::of(&Actor {
            name,
            action,
            context,
            cpu: 0,
            entered_tsc,
            left_tsc: None,
            budget_us,
            hits: 1,
            spent_us,
        })
    };
    for action in [Action::Spin, Action::Hold] {
        assert_ne!(signs(action, 9, 1), signs(action, 9, 2));
        assert_eq!(signs(action, u64::MAX, 1), signs(action, u64::MAX, 2));
    }
    // Each is a message or a record.
    assert_ne!(signs(Action::Print, u64::MAX, 1), signs(Action::Print, u64::MAX, 2));
}

#[test]
fn a_guest_that_goes_on_now_and_then_is_never_suspected() {
    // A slow console: a line every 2.9 s. An actor that spins: each look sees another count.
    assert_eq!(suspected(600_000, |ms| moment(ms, ms / 2600)), None);
    assert_eq!(suspected(600_000, |ms| moment(ms, ms)), None);
    // Every 3.3 s is too seldom.
    assert!(suspected(600_000, |ms| moment(ms, ms / 3300)).is_some());
}

#[test]
fn cpus_that_nothing_can_wake_are_told_at_the_second_look() {
    let dead = |ms, signs| Observation { dead: true, ..moment(ms, signs) };
    assert_eq!(seen([dead(1000, 0), dead(1250, 0)]), [Suspicion::None, Suspicion::Dead]);
    // Once is chance: the CPU that sends the NMI had just become idle.
    assert_eq!(seen([dead(1000, 0), moment(1250, 0), dead(1500, 0)]), [Suspicion::None; 3]);
    assert_eq!(seen([dead(1000, 0), dead(1250, 1)]), [Suspicion::None; 2]);
}

#[test]
fn an_actor_that_is_still_to_come_is_waited_for() {
    // It sleeps for up to 10 s, then acts, and nothing happens any more.
    let sleeps = |ms: u64| Observation { pending: ms < 9000, ..moment(ms, u64::from(ms >= 9000)) };
    let at = suspected(60_000, sleeps);
    assert!(matches!(at, Some((11_750..=12_250, Suspicion::Quiet(_)))), "{at:?}");
    // It never comes.
    let never = |ms: u64| Observation { pending: true, ..moment(ms, 0) };
    assert_eq!(suspected(60_000, never), Some((14_000, quiet(13_000))));
}

#[test]
fn a_guest_without_processors_is_not_to_blame() {
    let waits = |percent: u64| {
        move |ms: u64| {
            // It had what it needed until 2 s, and from then on had to wait.
            let since = ms.saturating_sub(2000);
            let waited_ns = since * percent / 100;
            let waited = Waited { ran_ns: ms - waited_ns, waited_ns };
            Observation { waited: Some(waited), ..moment(ms, ms.min(2000)) }
        }
    };
    assert!(matches!(suspected(60_000, waits(81)), Some((_, Suspicion::Starved))));
    assert!(matches!(suspected(60_000, waits(80)), Some((_, Suspicion::Quiet(_)))));
}

#[test]
fn virtual_time_is_the_guests() {
    // Ten seconds of the host's, in which the guest came two seconds further.
    let slow = |host: u64| moment(1000 + host / 5, 0);
    let moments = (0..40).map(|look| slow(look * 250));
    assert!(seen(moments).iter().all(|it| *it == Suspicion::None));
    let moments = (0..80).map(|look| slow(look * 250));
    assert!(seen(moments).last().is_some_and(|last| matches!(last, Suspicion::Quiet(_))));
}

#[test]
fn in_virtual_time_a_guest_may_not_spin_for_ever_while_its_time_stands_still() {
    let mut progress = Progress::new(Patience { of_processor: Some(3), ..PATIENCE });
    // A tenth of a second of the guest's goes by in a minute of the host's, of which the guest gets a fifth.
    let mut spins = |seconds: u64| {
        let waited = Waited { ran_ns: seconds * 200_000_000, waited_ns: seconds * 800_000_000 };
        progress.see(Observation { waited: Some(waited), ..moment(1000 + seconds * 2, 0) })
    };
    assert_eq!([spins(0), spins(44)], [Suspicion::None; 2]);
    assert_eq!(spins(45), Suspicion::Busy(Duration::from_secs(9)));
    // Where the host does not tell, the guest's time is all there is.
    let mut silent = Progress::new(Patience { of_processor: Some(3), ..PATIENCE });
    assert_eq!([moment(1000, 0), moment(2000, 0)].map(|moment| silent.see(moment)), [Suspicion::None; 2]);
    assert_eq!(silent.see(moment(4000, 0)), quiet(3000));
}

#[test]
fn a_guest_in_a_wait_with_an_end_is_not_quiet_until_that_is_over() {
    let ten = Duration::from_secs(20);
    let mut progress = Progress::new(PATIENCE);
    let mut now = 1000;
    progress.see(moment(now, 7));
    let mut looks = 0;
    // It is in panic(), which waits for ten seconds and is given twenty, and never comes back.
    let hung = loop {
        now += u64::try_from(progress.next().as_millis()).unwrap().max(1);
        if let Suspicion::Quiet(time) = progress.see(moment(now, 7)) {
            looks += 1;
            if progress.is_waiting("panic", ten).is_none() {
                break time;
            }
        }
    };
    assert!((24_000..27_500).contains(&now), "{now}");
    assert_eq!(hung, Duration::from_secs(3), "from the last look at which it waited");
    assert!(looks < 12, "{looks}");
}

#[test]
fn a_wait_begins_anew_with_each_sign_of_life() {
    let time = Duration::from_secs(5);
    let mut progress = Progress::new(PATIENCE);
    let mut left = |ms: u64, signs: u64| {
        progress.see(moment(ms, signs));
        (progress.is_waiting("f", time), progress.waited())
    };
    assert_eq!(left(1000, 0), (Some(time), true));
    assert_eq!(left(4000, 0), (Some(Duration::from_secs(2)), true));
    assert_eq!(left(5500, 1), (Some(time), true));
    assert_eq!(left(10_500, 1), (None, true));
    progress.see(moment(10_750, 2));
    assert!(!progress.waited());
}

#[test]
fn a_wait_is_longer_on_a_host_that_has_no_processor_for_the_guest() {
    let left = |patience: Patience, waited_percent: u64| {
        let mut progress = Progress::new(patience);
        let at = |ms: u64| {
            let waited_ns = ms * 10_000 * waited_percent;
            Observation { waited: Some(Waited { ran_ns: ms * 1_000_000 - waited_ns, waited_ns }), ..moment(ms, 7) }
        };
        progress.see(at(1000));
        progress.is_waiting("panic", Duration::from_secs(20));
        progress.see(at(101_000));
        progress.is_waiting("panic", Duration::from_secs(20)).map(|left| left.as_millis())
    };
    assert_eq!([0, 75, 90].map(|percent| left(PATIENCE, percent)), [None, None, Some(10_000)]);
    // In virtual time no host makes anything longer.
    assert_eq!(left(Patience { of_processor: Some(3), ..PATIENCE }, 90), None);
}

#[test]
fn a_watchdog_has_its_time_once() {
    let mut progress = Progress::new(PATIENCE);
    progress.see(moment(1000, 0));
    assert_eq!(progress.see(moment(4000, 0)), quiet(3000));
    let thirty = Duration::from_secs(30);
    assert_eq!([progress.is_watched(thirty), progress.is_watched(thirty)], [true, false]);
    assert_eq!(progress.see(moment(33_999, 0)), Suspicion::None);
    assert_eq!(progress.see(moment(34_000, 0)), quiet(33_000));
    // What it was given does not outlast a sign of life.
    assert_eq!(progress.see(moment(34_250, 1)), Suspicion::None);
    assert_eq!(progress.see(moment(37_250, 1)), quiet(3250));
}

#[test]
fn it_is_said_how_it_was_recognised() {
    let shown = [
        HungBy::Dead,
        HungBy::Quiet(Duration::from_millis(2893)),
        HungBy::Busy(Duration::from_millis(9120)),
        HungBy::Deadline(Duration::from_secs(30), NotBefore::WentOn),
        HungBy::Deadline(
            Duration::from_secs(30),
            NotBefore::In(Limited {
                function: "nmi_shootdown_cpus".to_owned(),
                at_most: Some(Duration::from_millis(1010)),
            }),
        ),
        HungBy::Deadline(
            Duration::from_secs(30),
            NotBefore::In(Limited { function: "purgatory".to_owned(), at_most: None }),
        ),
        HungBy::Deadline(Duration::from_secs(30), NotBefore::Watched("softlockup_panic".to_owned())),
        HungBy::Deadline(Duration::from_secs(30), NotBefore::Starved),
        HungBy::Deadline(Duration::from_secs(30), NotBefore::Untold),
    ];
    insta::assert_snapshot!(shown.map(|by| by.to_string()).join("\n"), @"
    all halted: nothing can wake a CPU any more
    quiet 2.9 s: nothing printed, no step taken, nothing counted
    quiet for 9.1 s of processor time: nothing printed, no step taken, nothing counted
    deadline 30s: it had not been quiet for long before
    deadline 30s: a CPU was in nmi_shootdown_cpus(), which waits for 1.01s at most
    deadline 30s: a CPU was in purgatory, which takes a limited time
    deadline 30s: the watchdog of softlockup_panic had not had its time
    deadline 30s: its vCPUs waited for processors of the host
    deadline 30s: its kernel came without symbols or frame pointers, so it is not known what a CPU waits for
    ");
}
