//! A pool of further connections, so that the long replies of a scan do not delay short ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use once_cell::sync::OnceCell;

use super::fault::closed;
use super::link::Link;
use super::options::Settings;
use crate::error::Result;

/// Connections for scans. Each is made when it is first needed; they are used in turn.
pub(super) struct ConnectionPool {
    settings: Settings,
    main: Arc<Link>,
    links: Vec<OnceCell<Arc<Link>>>,
    next: AtomicUsize,
    closed: AtomicBool,
}

impl ConnectionPool {
    pub(super) fn new(settings: &Settings, main: Arc<Link>) -> Self {
        let links = (0..settings.pool_size).map(|_| OnceCell::new()).collect();
        ConnectionPool {
            // The main connection says whether the server is there.
            settings: Settings { listener: None, ..settings.clone() },
            main,
            links,
            next: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// The next connection in turn, or the main one if there are no others. One that is new is made in the background.
    pub(super) fn link(&self) -> Result<Arc<Link>> {
        let index = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.links.len()).unwrap_or(0);
        let Some(slot) = self.links.get(index) else { return Ok(self.main.clone()) };
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        let link = slot.get_or_try_init(|| Link::open_later(&self.settings).map(Arc::new))?;
        // `close` may have missed a connection that was being made.
        if self.closed.load(Ordering::SeqCst) {
            link.close();
        }
        Ok(link.clone())
    }

    /// Ends waits for a connection soon, because the engine is being closed.
    pub(super) fn hurry(&self) {
        self.links.iter().filter_map(OnceCell::get).for_each(|link| link.hurry());
    }

    /// Closes the connections that were made, and makes no more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.links.iter().filter_map(OnceCell::get).for_each(|link| link.close());
    }
}
