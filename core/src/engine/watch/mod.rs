//! Watching a store: each commit as one event, in commit order, to whoever subscribed.
//!
//! An engine offers two things, [`Watched::subscribe`](super::Watched::subscribe) for what is committed from now on and
//! [`Watched::logged`](super::Watched::logged) for what its change log holds; [`Watch`] makes one bounded stream of both.
//!
//! What every engine owes:
//!
//! - A commit is told once it is as durable as its caller is told, never before, and never if it failed.
//! - Commits are told in the order of their `seq`, each as one event, to every subscriber of the store in this process,
//!   whichever environment, thread or model made it. Where `capabilities.watch` is `Shared`, those of our clients in
//!   other processes too, in the same order.
//! - Only users' keys are told. A commit that changed none is not told.
//! - One key has at most one change in an event: the last one. Changes stand in the order they were made.
//! - A delete is told if the key was there, where the engine knows; a deleted range is told as the interval it was.
//! - An expiry is not told, nor what another program does to the store.
//! - A commit that is requested after [`Subscriber::begun`] was called is told. An engine in this process calls it before
//!   `subscribe` returns, and `subscribe` never blocks: a server is asked in the background.
//! - What [`Watched::logged`](super::Watched::logged) gives and what is told fit together: a commit that is not in the page and
//!   has a `seq` above its `through` is told to whoever had begun before.
//! - Telling never waits for a subscriber, and with nobody subscribed it costs one relaxed load a commit.
//! - `close` ends subscriptions with CLOSED; a lost connection ends them with CONNECTION. Nothing is ever left out silently.

mod capture;
mod event;
mod feed;
mod log;
mod queue;

use std::fmt;
use std::sync::Arc;

use super::Engine;
use crate::error::{Code, Error};
use crate::key::{Key, KeyRange};
use crate::record::Version;
use crate::value::Value;

pub use capture::Capture;
pub(super) use capture::Changes;
pub use event::{decode, encode};
pub use feed::Feed;
pub use log::{Limits, entry_key, floor, page, switch_on, switch_on_if_off, trim};
pub use queue::{Options, Taken, Wake, Watch};

/// Whose changes an engine can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Watching {
    #[default]
    None,
    /// Those made through this process.
    Process,
    /// Those of our clients in every process.
    Shared,
}

/// What one commit did to one key or interval.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Set {
        key: Key,
        version: Version,
        /// `None` if it was read from the log and the key has changed since.
        value: Option<Value>,
    },
    Delete {
        key: Key,
    },
    /// Every key of an interval is gone: `range` has bounds alone.
    Clear {
        range: Interval,
    },
}

/// An interval of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    pub start: std::ops::Bound<Key>,
    pub end: std::ops::Bound<Key>,
}

impl From<&KeyRange> for Interval {
    fn from(range: &KeyRange) -> Self {
        Interval { start: range.start.clone(), end: range.end.clone() }
    }
}

impl Interval {
    /// The same as a range.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        KeyRange { start: self.start.clone(), end: self.end.clone(), ..KeyRange::default() }
    }
}

/// A commit: its changes took effect together.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitEvent {
    /// The store's number of the commit, as [`Commit::seq`](crate::batch::Commit::seq).
    pub seq: u64,
    pub changes: Vec<Change>,
}

/// Hears of commits. None of its methods may block or call back into the engine.
pub trait Subscriber: Send + Sync {
    /// From now on every commit is told. Once, before any commit.
    fn begun(&self);

    /// A commit.
    fn on_commit(&self, event: &Arc<CommitEvent>);

    /// Nothing is told any more. At most once, and the last call.
    fn ended(&self, error: Error);
}

/// Ends a subscription when it is dropped. Dropping never blocks; a call of the subscriber may still be under way.
pub struct Subscription(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Subscription {
    /// A subscription that `end` ends.
    #[must_use]
    pub fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Subscription(Some(Box::new(end)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

/// A page of the change log.
#[derive(Clone, Debug, Default)]
pub struct Logged {
    /// Commits in order.
    pub commits: Vec<CommitEvent>,
    /// Every commit behind the `since` asked for, up to this one, is among them if it changed a user's key.
    pub through: u64,
    /// There are more in the log.
    pub more: bool,
}

/// PRECONDITION_FAILED: the log does not reach back to `since`.
#[must_use]
pub fn behind_the_log(since: u64, floor: u64) -> Error {
    Error::new(
        Code::PreconditionFailed,
        format!(
            "the change log does not reach back to commit {since}; it can be resumed from commit {floor} on \
             (since: {floor}), after reading the store anew"
        ),
    )
}

/// INVALID_ARGUMENT: `since` is no commit of this store yet.
#[must_use]
pub fn ahead_of_the_store(since: u64, seq: u64) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!("the store stands at commit {seq}, so a watch cannot begin behind {since}"),
    )
}

/// NOT_SUPPORTED, of an engine that tells nothing.
pub(super) fn not_watchable<E: Engine + ?Sized>(engine: &E) -> Error {
    Error::new(Code::NotSupported, "this engine cannot be watched").in_engine(engine.name())
}
