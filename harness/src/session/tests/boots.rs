//! Guests boot beside builds, and never beside trials.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// Long enough that only what waits for ever takes longer.
const FOR_EVER: Duration = Duration::from_secs(60);

fn request(selection: &Selection) -> Request<'_> {
    Request { selection, suite: None, shard: None, until: None }
}

/// Neither would end without the other one.
#[tokio::test]
async fn guests_boot_while_the_next_kernel_is_built() {
    let bed = Bed::new();
    let meeting = Meeting::of((Place::Boot, "stock"), (Place::Build, "a"));
    let world = Arc::new(World { meeting, ..world() });
    let selection = selection(&["stock", "a", "stock"], &["crash"], 4);
    let session = bed.session(&world, options());
    let outcome = timeout(FOR_EVER, session.run(request(&selection))).await.expect("they wait for each other");
    let outcome = outcome.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(in_short(&outcome), "8 of 8; stock crash: 4 of 4 saved; a crash: 4 of 4 saved");
    assert_eq!(seen(&world).prepared, [("stock".to_owned(), 0..1), ("a".to_owned(), 0..1)], "each once");
}

/// What a build does to trials would look like a difference between kernels.
#[tokio::test]
async fn trials_begin_when_all_kernels_are_built_and_their_guests_have_booted() {
    let bed = Bed::new();
    let world = Arc::new_cyclic(|world: &std::sync::Weak<World>| {
        let world = world.clone();
        let trial = move |_: &crate::trial::Assignment, _| {
            let seen = seen(&world.upgrade().unwrap());
            assert_eq!((seen.built.len(), seen.booted), (3, 3));
            Act::Is(saved())
        };
        World { trial: Box::new(trial), ..super::world() }
    });
    let selection = selection(&["stock", "a", "b"], &["crash"], 4);
    let outcome = bed.session(&world, options()).run(request(&selection)).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(outcome.finished, 12);
}

#[tokio::test]
async fn a_build_that_fails_ends_the_guests_that_boot() {
    let bed = Bed::new();
    let build = |name: &str| if name == "stock" { Build::BootsForEver } else { Build::HostFails };
    let meeting = Meeting::of((Place::Boot, "stock"), (Place::Build, "a"));
    let world = Arc::new(World { build: Box::new(build), meeting, ..world() });
    let selection = selection(&["stock", "a"], &["crash"], 4);
    let session = bed.session(&world, options());
    let ended = timeout(FOR_EVER, session.run(request(&selection))).await.expect("it does not wait for them");
    assert!(ended.is_err_and(|failure| failure.first_line() == "the disk is full"));
    killed(&world).await;
}

#[tokio::test]
async fn the_user_ends_the_guests_that_boot() {
    let bed = Bed::new();
    let meeting = Meeting::of((Place::Boot, "stock"), (Place::Build, "a"));
    let stop = bed.stop.clone();
    let build = move |name: &str| {
        // It is asked again when its guests boot.
        stop.send_replace(Stop::AfterRunning);
        if name == "stock" { Build::BootsForEver } else { Build::Good }
    };
    let world = Arc::new(World { build: Box::new(build), meeting, ..world() });
    let selection = selection(&["stock", "a"], &["crash"], 4);
    let session = bed.session(&world, options());
    let ended = timeout(FOR_EVER, session.run(request(&selection))).await.expect("it does not wait for them");
    assert!(ended.is_err_and(|failure| failure.first_line() == "interrupted while guests were being prepared"));
    killed(&world).await;
}

/// Waits until the guest that boots is killed.
async fn killed(world: &World) {
    let killed = async {
        while seen(world).killed != 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(FOR_EVER, killed).await.expect("nobody kills it");
}
