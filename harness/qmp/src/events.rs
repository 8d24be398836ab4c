//! The receiving end for events.

use std::sync::Arc;

use crate::router::Router;
use crate::{Error, Event};

/// Events in the order in which QEMU sent them, from the beginning of the connection.
#[derive(Debug)]
pub struct Events {
    router: Arc<Router>,
}

impl Events {
    pub(crate) fn new(router: Arc<Router>) -> Self {
        Self { router }
    }

    /// Waits for the next event. Dropping the future loses nothing, so it may stand in a `select!` or a timeout.
    ///
    /// # Errors
    /// Why the connection ended ([`Error::Closed`], [`Error::Protocol`] or [`Error::Io`]): at once, but after the
    /// events which came before, and again on every later call.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            match self.router.take_event() {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => self.router.event_arrived.notified().await,
                Err(end) => return Err(end.while_doing("waiting for an event".to_owned())),
            }
        }
    }

    /// How many events were dropped so far because they were not fetched in time; see
    /// [`MAX_EVENTS`](crate::MAX_EVENTS). If this is not 0, an event that was not seen may have happened.
    pub fn dropped(&self) -> u64 {
        self.router.dropped()
    }
}
