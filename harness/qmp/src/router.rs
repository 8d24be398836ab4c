//! Who waits for what: answers go to the commands that wait, events to a bounded queue, the end to everybody. No I/O.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::error::End;
use crate::message::{Answer, Event};

/// How many events are kept for a receiver that does not fetch them. One too many, and the oldest is dropped and
/// counted: how a guest ended is told last.
pub const MAX_EVENTS: usize = 1024;

/// How many bytes of JSON text the kept events may have together: 256 KiB, which is room for [`MAX_EVENTS`] ordinary
/// ones of some 150 bytes. The newest is kept whatever its size. What they take decoded is said at
/// [`MAX_LINE`](crate::MAX_LINE).
pub const MAX_EVENT_BYTES: usize = 256 << 10;

/// Routes what QEMU says to who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Router {
    state: Mutex<State>,
    /// Something changed for the receiver of events.
    pub(crate) event_arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    /// Events with the length of their text.
    events: VecDeque<(Event, usize)>,
    event_bytes: usize,
    dropped: u64,
    end: Option<End>,
}

/// A command's place in the router; given up on drop, so that a cancelled command leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    router: &'a Router,
    pub(crate) id: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.router.state().waiting.remove(&self.id);
    }
}

impl Router {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is whole before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new id, and where its answer will come; nothing will come when the connection ends.
    pub(crate) fn register(&self) -> Result<(Ticket<'_>, oneshot::Receiver<Answer>), End> {
        let mut state = self.state();
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        state.last_id += 1;
        let id = state.last_id;
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert(id, sender);
        Ok((Ticket { router: self, id }, receiver))
    }

    /// Whether somebody still waits for the answer to `id`.
    pub(crate) fn is_awaited(&self, id: u64) -> bool {
        self.state().waiting.contains_key(&id)
    }

    /// Hands over an answer. One that nobody waits for any more is dropped.
    pub(crate) fn answer(&self, id: Option<u64>, answer: Answer) {
        let waiter = id.and_then(|id| self.state().waiting.remove(&id));
        if waiter.is_none_or(|waiter| waiter.send(answer).is_err()) {
            tracing::debug!(?id, "dropped a reply that nobody waits for");
        }
    }

    /// Queues an event whose text had `bytes` bytes.
    pub(crate) fn push_event(&self, event: Event, bytes: usize) {
        let mut state = self.state();
        state.events.push_back((event, bytes));
        state.event_bytes += bytes;
        let dropped_before = state.dropped;
        while state.events.len() > MAX_EVENTS || (state.event_bytes > MAX_EVENT_BYTES && state.events.len() > 1) {
            let Some((_, bytes)) = state.events.pop_front() else { break };
            state.event_bytes -= bytes;
            state.dropped += 1;
        }
        let first_drop = dropped_before == 0 && state.dropped > 0;
        drop(state);
        if first_drop {
            tracing::warn!("QEMU sends events faster than they are fetched: the oldest are being dropped");
        }
        self.event_arrived.notify_one();
    }

    /// The oldest event; `None` if there is none yet, the end if there will be none.
    pub(crate) fn take_event(&self) -> Result<Option<Event>, End> {
        let mut state = self.state();
        match (state.events.pop_front(), &state.end) {
            (Some((event, bytes)), _) => {
                state.event_bytes -= bytes;
                Ok(Some(event))
            }
            (None, Some(end)) => Err(end.clone()),
            (None, None) => Ok(None),
        }
    }

    /// How many events were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.state().dropped
    }

    /// Ends it for everybody. Only the first reason counts.
    pub(crate) fn close(&self, end: End) {
        let mut state = self.state();
        state.end.get_or_insert(end);
        state.waiting.clear();
        drop(state);
        self.event_arrived.notify_one();
    }

    /// Why there will be no answer.
    pub(crate) fn end(&self) -> End {
        self.state().end.clone().unwrap_or(End::Closed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(number: usize) -> Event {
        Event { name: "E".to_owned(), data: json!(number), timestamp: None }
    }

    fn fetch_all(router: &Router) -> Vec<usize> {
        let next = || router.take_event().ok().flatten()?.data.as_u64();
        std::iter::from_fn(next).map(|number| usize::try_from(number).unwrap()).collect()
    }

    #[test]
    fn up_to_the_bound_no_event_is_dropped() {
        let router = Router::default();
        (0..MAX_EVENTS).for_each(|number| router.push_event(event(number), 10));
        assert_eq!(router.dropped(), 0);
        assert_eq!(fetch_all(&router), (0..MAX_EVENTS).collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_event_goes_first_and_is_counted() {
        let router = Router::default();
        (0..MAX_EVENTS + 3).for_each(|number| router.push_event(event(number), 10));
        assert_eq!(router.dropped(), 3);
        assert_eq!(fetch_all(&router), (3..MAX_EVENTS + 3).collect::<Vec<_>>());
    }

    #[test]
    fn big_events_are_bounded_by_their_bytes() {
        let router = Router::default();
        (0..5).for_each(|number| router.push_event(event(number), MAX_EVENT_BYTES / 2));
        assert_eq!(fetch_all(&router), [3, 4]);
        router.push_event(event(5), 10);
        router.push_event(event(6), 2 * MAX_EVENT_BYTES);
        assert_eq!(fetch_all(&router), [6]);
        assert_eq!(router.dropped(), 4);
        // Fetching gives the room back.
        (7..9).for_each(|number| router.push_event(event(number), MAX_EVENT_BYTES / 2));
        assert_eq!(fetch_all(&router), [7, 8]);
    }

    #[test]
    fn the_first_end_counts_and_comes_after_the_events() {
        let router = Router::default();
        router.push_event(event(1), 10);
        router.close(End::Protocol("first".to_owned()));
        router.close(End::Closed);
        assert!(router.take_event().unwrap().is_some());
        assert!(matches!(router.take_event(), Err(End::Protocol(what)) if what == "first"));
        assert!(router.register().is_err());
    }

    #[test]
    fn a_ticket_given_up_leaves_nothing_behind() {
        let router = Router::default();
        let (ticket, _answer) = router.register().unwrap();
        let id = ticket.id;
        assert!(router.is_awaited(id));
        drop(ticket);
        assert!(!router.is_awaited(id));
        router.answer(Some(id), Ok(json!({})));
        let (next, _answer) = router.register().unwrap();
        assert_ne!(next.id, id);
    }
}
