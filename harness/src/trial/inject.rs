//! What comes from outside of the guest, NMIs and machine checks: when it is due, and its injection.

use std::time::Duration;

use crate::evidence::stamps::Stamps;
use crate::guest::{Clock, Guest, GuestError};
use crate::scenario::{Action, Actor, Edge, Start};

/// How often a guest is looked at that something is still due in; it comes so much too late at most, by the host's clock.
pub(super) const POLL: Duration = Duration::from_millis(2);

/// What QEMU injects, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// What.
    pub what: Injected,
    /// The stamp that its time counts from: an actor's name, and the edge; none: the firing.
    pub after: Option<(String, Edge)>,
    /// How long after that, in the guest's time.
    pub delay: Duration,
}

/// Something from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injected {
    /// An NMI: at CPU 0, or at every CPU if the guest was booted with `apic_extnmi=all`.
    Nmi,
    /// A machine check, of an error of this CPU.
    Mce(u32),
}

/// Those still to come.
#[derive(Debug)]
pub(super) struct Injections(Vec<Pending>);

#[derive(Debug)]
struct Pending {
    injection: Injection,
    /// The guest's time since its stamp was seen, once it has been.
    clock: Option<Clock>,
}

impl Injection {
    /// What an actor asks for, if that comes from outside.
    pub(super) fn of(actor: &Actor) -> Option<Self> {
        let what = match actor.action {
            Action::Nmi => Injected::Nmi,
            Action::Mce => Injected::Mce(actor.cpu),
            _ => return None,
        };
        match &actor.start {
            Some(Start::At(delay)) => Some(Self { what, after: None, delay: *delay }),
            Some(Start::After { actor, edge, delay }) => {
                Some(Self { what, after: Some((actor.clone(), *edge)), delay: *delay })
            }
            None => None,
        }
    }

    /// Whether crashlab's page has the stamp that its time counts from.
    fn has_begun(&self, page: &Stamps) -> bool {
        let Some((name, edge)) = &self.after else { return page.fired_tsc.is_some() };
        let actor = page.actors.iter().find(|actor| actor.name == *name);
        let stamp = actor.and_then(|actor| match edge {
            Edge::Entered => actor.entered_tsc,
            Edge::Left => actor.left_tsc,
        });
        stamp.is_some()
    }
}

impl Injections {
    pub fn new(injections: &[Injection]) -> Self {
        Self(injections.iter().map(|injection| Pending { injection: injection.clone(), clock: None }).collect())
    }

    /// Whether any is still to come.
    pub const fn outstanding(&self) -> bool {
        !self.0.is_empty()
    }

    /// Injects those whose time has come, by what crashlab's page says now.
    pub async fn drive(&mut self, guest: &Guest, page: &Stamps) -> Result<(), GuestError> {
        let mut later = Vec::new();
        for mut due in std::mem::take(&mut self.0) {
            if due.clock.is_none() && due.injection.has_begun(page) {
                due.clock = Some(Clock::default());
            }
            let passed = match &mut due.clock {
                Some(clock) if due.injection.delay > Duration::ZERO => Some(guest.time(clock).await?),
                Some(_) => Some(Duration::ZERO),
                None => None,
            };
            if passed.is_some_and(|passed| passed >= due.injection.delay) {
                match due.injection.what {
                    Injected::Nmi => guest.inject_nmi().await?,
                    Injected::Mce(cpu) => guest.inject_mce(cpu).await?,
                }
            } else {
                later.push(due);
            }
        }
        self.0 = later;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::stamps;
    use crate::scenario::Context;

    const TIME: Duration = Duration::from_millis(5);

    fn injection(after: Option<(&str, Edge)>) -> Injection {
        Injection { what: Injected::Nmi, after: after.map(|(name, edge)| (name.to_owned(), edge)), delay: TIME }
    }

    #[test]
    fn only_what_comes_from_outside_is_injected_and_when_its_actor_says() {
        let actor = |action, start| Actor { name: "n".to_owned(), cpu: 2, action, context: Context::Thread, start };
        let after = Start::After { actor: "p".to_owned(), edge: Edge::Left, delay: TIME };
        assert_eq!(Injection::of(&actor(Action::Nmi, Some(Start::At(TIME)))), Some(injection(None)));
        assert_eq!(Injection::of(&actor(Action::Nmi, Some(after.clone()))), Some(injection(Some(("p", Edge::Left)))));
        let mce = Injection { what: Injected::Mce(2), ..injection(None) };
        assert_eq!(Injection::of(&actor(Action::Mce, Some(Start::At(TIME)))), Some(mce));
        assert_eq!(Injection::of(&actor(Action::Panic, Some(after))), None);
        assert_eq!(Injection::of(&actor(Action::Nmi, None)), None);
    }

    #[test]
    fn its_time_counts_from_its_stamp() {
        let actor = |name: &str, entered_tsc, left_tsc| stamps::Actor {
            name: name.to_owned(),
            action: stamps::Action::Spin,
            context: stamps::Context::Thread,
            cpu: 0,
            entered_tsc,
            left_tsc,
            budget_us: 0,
            hits: 0,
            spent_us: 0,
        };
        let page = |fired_tsc, actors| Stamps { tsc_khz: 1, fired_tsc, nonce: String::new(), cpus: None, actors };
        let armed = page(None, vec![actor("p", None, None)]);
        let fired = page(Some(1), vec![actor("p", None, None)]);
        let entered = page(Some(1), vec![actor("q", Some(2), Some(3)), actor("p", Some(2), None)]);
        let left = page(Some(1), vec![actor("p", Some(2), Some(3))]);
        let pages = [&armed, &fired, &entered, &left];
        let begins = |after| pages.map(|page| injection(after).has_begun(page));
        assert_eq!(begins(None), [false, true, true, true]);
        assert_eq!(begins(Some(("p", Edge::Entered))), [false, false, true, true]);
        assert_eq!(begins(Some(("p", Edge::Left))), [false, false, false, true]);
        assert_eq!(begins(Some(("r", Edge::Entered))), [false; 4]);
    }
}
