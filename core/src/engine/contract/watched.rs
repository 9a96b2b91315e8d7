use std::sync::Arc;

use crate::engine::watch::{Logged, Subscriber, Subscription};
use crate::error::Result;

/// An engine whose commits can be watched. [`watch`](crate::engine::watch) says what a subscriber is owed.
pub trait Watched: Send + Sync {
    /// Tells `subscriber` of every commit of users' keys from now on, until the subscription is dropped. Never blocks.
    fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription>;

    /// Queues the switching on of the change log where it is off: commits requested later are logged. Never blocks; if it
    /// fails, [`logged`](Watched::logged) tells.
    fn start_log(&self);

    /// The commits behind `since` in the change log, about `max_bytes` of them, with the values that their keys still
    /// have. Switches the log on, for good, where it is off: it is complete from then on. Blocks.
    ///
    /// # Errors
    ///
    /// PRECONDITION_FAILED where the log does not reach back to `since`
    /// ([`behind_the_log`](crate::engine::watch::behind_the_log)), INVALID_ARGUMENT for a commit to come
    /// ([`ahead_of_the_store`](crate::engine::watch::ahead_of_the_store)).
    fn logged(&self, since: u64, max_bytes: usize) -> Result<Logged>;
}
