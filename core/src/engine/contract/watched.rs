use std::sync::Arc;

use crate::engine::watch::{Logged, Subscriber, Subscription};
use crate::error::Result;

/// The facet of an engine whose commits can be watched. [`watch`](crate::engine::watch) states the promises to a
/// subscriber.
pub trait Watched: Send + Sync {
    /// Tells `subscriber` of every commit of users' keys from now on, until the subscription is dropped. Never blocks.
    ///
    /// # Errors
    ///
    /// `CLOSED`, or `NOT_SUPPORTED` if this store cannot be watched.
    fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription>;

    /// Queues a batch that switches the change log on, if it is off. Commits requested later are logged. Never blocks.
    /// If the batch fails, [`logged`](Watched::logged) fails, too.
    fn start_log(&self);

    /// Reads the commits behind commit `since` from the change log, about `max_bytes` bytes of them. A change has its
    /// value if its key still has that value. Switches the log on for good if it is off: it is complete from then on.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// `PRECONDITION_FAILED` if the log does not reach back to `since`
    /// ([`behind_the_log`](crate::engine::watch::behind_the_log)), `INVALID_ARGUMENT` if the store has no commit
    /// `since` yet ([`ahead_of_the_store`](crate::engine::watch::ahead_of_the_store)), `CLOSED`, or an error of the
    /// medium.
    fn logged(&self, since: u64, max_bytes: usize) -> Result<Logged>;
}
