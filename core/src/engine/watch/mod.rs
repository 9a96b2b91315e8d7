//! Watches of a store: each commit is one event, told in commit order to every subscriber.
//!
//! An engine offers two calls: [`Watched::subscribe`](super::Watched::subscribe) for the commits from now on, and
//! [`Watched::logged`](super::Watched::logged) for the commits that its change log holds. [`Watch`] makes one bounded
//! stream of both.
//!
//! Every engine keeps these promises:
//!
//! - A commit is told once it is as durable as its caller is told, never before, and never if it failed.
//! - Commits are told in the order of their `seq`, each as one event, to every subscriber of the store in this process,
//!   whichever environment, thread or model made it. Where [`Capabilities::watch`](super::Capabilities::watch) is
//!   [`Watching::Shared`], commits of Holdfast in other processes are told in the same order, too.
//! - Only users' keys are told. A commit that changed none of them is not told.
//! - An event has at most one change of a key, the last one. Changes stand in the order in which they were made.
//! - A delete is told if the key was there, where the engine knows. A deleted range is told as an interval.
//! - Neither an expiry is told nor a change that another program made.
//! - A commit that this process requests after `subscribe` is told. One of another process is told if it is requested
//!   after [`Subscriber::begun`]. `subscribe` never blocks: a server is asked in the background.
//! - A page of [`Watched::logged`](super::Watched::logged) and the events belong together: a commit that is not in the
//!   page and has a `seq` above its `through` is told to every subscriber that had begun before the page was read.
//! - An event never waits for a subscriber. Without subscribers a commit takes one relaxed load more.
//! - A replacement of the content is not told. It ends subscriptions with `PRECONDITION_FAILED`, and the change log
//!   begins anew.
//! - `close` ends subscriptions with `CLOSED`, a lost connection ends them with `CONNECTION`. No commit is ever left
//!   out without an error.
//!
//! # Examples
//!
//! ```
//! use std::sync::mpsc;
//!
//! use holdfast_core::engine::watch::{Change, Options, Taken, Watch};
//! use holdfast_core::engine::{EngineExt, memory};
//! use holdfast_core::{Batch, KeyRange, Op, Value};
//!
//! let engine = memory::open(memory::MemoryOptions::default());
//! let (wake, woken) = mpsc::channel();
//! let options = Options { range: KeyRange::prefix("users/"), ..Options::default() };
//! let watch = Watch::open(&engine, options, Box::new(move || wake.send(()).unwrap_or(())))?;
//!
//! engine.commit(Batch::one(Op::set("users/ada", Value::json("1"))))?;
//! woken.recv().unwrap();
//! let Taken::Commits(commits) = watch.take(100) else { panic!("nothing was told") };
//! assert!(matches!(&commits[0].changes[..], [Change::Set { key, .. }] if key == "users/ada"));
//! # Ok::<(), holdfast_core::Error>(())
//! ```

mod capture;
mod cursor;
mod event;
mod feed;
mod filter;
mod log;
mod pass;
mod queue;
mod stream;

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use super::Engine;
use crate::error::{Code, Error};
use crate::key::{Key, KeyRange};
use crate::record::Version;
use crate::value::Value;

pub use capture::Capture;
pub(super) use capture::Changes;
pub use cursor::Cursor;
pub use event::{decode, encode};
pub use feed::Feed;
pub use log::{Limits, entry_key, first_entry, floor, page, switch_on, switch_on_if_off, trim};
pub use pass::pass_unmatched;
pub use stream::{Beginning, Options, Taken, Wake, Watch};

/// The commits that a watch on an engine is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Watching {
    /// None: the engine cannot be watched.
    #[default]
    None,
    /// Those made through this process.
    Process,
    /// Those of Holdfast in every process.
    Shared,
}

/// The change of one key or interval by one commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A record was written.
    Set {
        /// The key of the record.
        key: Key,
        /// The version of the record.
        version: Version,
        /// The value; `None` in a page of the change log if the key has changed since.
        value: Option<Value>,
    },
    /// A key was deleted.
    Delete {
        /// The key.
        key: Key,
    },
    /// Every key of an interval was deleted.
    Clear {
        /// The interval.
        range: Interval,
    },
}

/// An interval of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The start of the interval.
    pub start: Bound<Key>,
    /// The end of the interval.
    pub end: Bound<Key>,
}

impl From<&KeyRange> for Interval {
    fn from(range: &KeyRange) -> Self {
        Interval { start: range.start.clone(), end: range.end.clone() }
    }
}

impl Interval {
    /// The interval as a range.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        KeyRange { start: self.start.clone(), end: self.end.clone(), ..KeyRange::default() }
    }
}

/// A commit. Its changes took effect together.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitEvent {
    /// The number of the commit, as in [`Commit::seq`](crate::batch::Commit::seq).
    pub seq: u64,
    /// The changes, in the order in which they were made.
    pub changes: Vec<Change>,
}

/// A commit as a watch tells it: those of its changes that the watch matches.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchedCommit {
    /// The number of the commit.
    pub seq: u64,
    /// The changes, at least one.
    pub changes: Vec<Change>,
    /// For each change, the cursor behind it. That of the last one lies behind the whole commit.
    pub cursors: Vec<Cursor>,
}

/// A receiver of events. None of its methods may block, or call the engine.
pub trait Subscriber: Send + Sync {
    /// From now on every commit is told. Called once, before any commit.
    fn begun(&self);

    /// Receives a commit.
    fn on_commit(&self, event: &Arc<CommitEvent>);

    /// Nothing is told any more, because of `error`. Called at most once, as the last call.
    fn ended(&self, error: Error);
}

/// A subscription, which ends when this is dropped. The drop never blocks. A call of the subscriber may still be under
/// way behind it.
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
    /// The commits, in order.
    pub commits: Vec<CommitEvent>,
    /// The number of the last commit that the page covers. Every commit behind the `since` of the call up to this one
    /// is in the page, if it changed a user's key.
    pub through: u64,
    /// True if the log has more commits.
    pub more: bool,
    /// The number of the latest commit of the store.
    pub latest: u64,
}

/// The error `PRECONDITION_FAILED`, for a `since` before the first commit of the log.
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

/// The error `PRECONDITION_FAILED`, of a watch on a store whose content was replaced by commit `seq`.
#[must_use]
pub fn content_replaced(seq: u64) -> Error {
    Error::new(
        Code::PreconditionFailed,
        format!("the content of the store was replaced; read it anew, and watch from commit {seq} on (since: {seq})"),
    )
}

/// The error `INVALID_ARGUMENT`, for a `since` behind the latest commit of the store.
#[must_use]
pub fn ahead_of_the_store(since: u64, seq: u64) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!("the store stands at commit {seq}, so a watch cannot begin behind {since}"),
    )
}

/// The error `NOT_SUPPORTED`, of an engine that cannot be watched.
pub(super) fn not_watchable<E: Engine + ?Sized>(engine: &E) -> Error {
    Error::new(Code::NotSupported, "this engine cannot be watched").in_engine(engine.name())
}
