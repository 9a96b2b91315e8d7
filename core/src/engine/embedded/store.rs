//! The trait that an engine in this process implements.

use std::sync::Arc;

use crate::batch::{Batch, Commit};
use crate::engine::watch::{Feed, Limits};
use crate::engine::{Capabilities, Counters, Progress, Read, Reply, Report, Staged, Stats, View, value_of};
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::Millis;
use crate::value::Value;

/// The store of an engine in this process. [`Embedded`](super::Embedded) makes an [`Engine`](crate::engine::Engine) of
/// it.
///
/// Several threads call a store at once. Only one of them calls `write_group` at a time; another may call `try_write`
/// meanwhile.
pub trait Store: Send + Sync + 'static {
    /// A content that is staged to replace that of the store.
    type Stage: Stage;

    /// The name that errors carry.
    fn name(&self) -> &'static str;

    /// The abilities of this store.
    fn capabilities(&self) -> Capabilities;

    /// Answers a read from memory. `None` if that takes a disk or a wait.
    fn try_read(&self, read: &Read) -> Option<Result<Reply>>;

    /// Reads the value of one key from memory, as [`try_read`](Store::try_read) does. A store that needs no copy of the
    /// key implements it.
    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        self.try_read(&Read::Get(space, Key::copy_from_slice(key))).map(value_of)
    }

    /// Answers a read. Blocks.
    ///
    /// # Errors
    ///
    /// `CORRUPTED` for a damaged record, or an error of the medium.
    fn read(&self, read: &Read) -> Result<Reply>;

    /// Commits a batch in memory or in the cache of the system. `None` if that takes a disk or a wait: then nothing was
    /// written.
    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>>;

    /// Commits batches in order, each atomic by itself, and makes them durable together. Returns one result for each.
    /// Blocks.
    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>>;

    /// Makes a view. Blocks.
    ///
    /// # Errors
    ///
    /// An error of the medium.
    fn view(&self) -> Result<Arc<dyn View>>;

    /// Makes a view. `None` if that takes a disk or a wait.
    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        None
    }

    /// Frees records that expired before `now`, and never a newer record of their key. Returns how many. Blocks.
    ///
    /// # Errors
    ///
    /// An error of the medium. The next sweep goes on.
    fn sweep(&self, now: Millis) -> Result<u64>;

    /// The subscribers of the store.
    fn feed(&self) -> &Arc<Feed>;

    /// Called behind each new subscription. A store that other processes write begins to follow their commits.
    ///
    /// # Errors
    ///
    /// The error for which it cannot follow them. The subscription ends with it.
    fn watched(&self) -> Result<()> {
        Ok(())
    }

    /// The limits of the change log.
    fn log_limits(&self) -> Limits {
        Limits::default()
    }

    /// Figures about the store. The queue adds the counters to them. Blocks.
    ///
    /// # Errors
    ///
    /// An error of the medium.
    fn stats(&self) -> Result<Stats>;

    /// The counters that the store and the queue in front of it share.
    fn counters(&self) -> &Counters;

    /// Reads everything, and reports each damaged record: [`Maintained::verify`](crate::engine::Maintained::verify).
    ///
    /// # Errors
    ///
    /// An error of the medium, or of `progress`.
    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report>;

    /// Gives back the space that deleted data still takes. Blocks.
    ///
    /// # Errors
    ///
    /// An error of the medium.
    fn compact(&self) -> Result<()>;

    /// Begins a replacement of the content. Removes what an unfinished one has left. Blocks.
    ///
    /// # Errors
    ///
    /// `LOCKED` if another process has one staged; `CONFLICT` or `LOCKED` while an intent holds keys; an error of the
    /// medium.
    fn stage(&self) -> Result<Self::Stage>;

    /// Replaces the content by the staged one, in one step: [`Staging::swap`](crate::engine::Staging::swap). No other
    /// call of the queue runs meanwhile, but views read, and one [`try_write`](Store::try_write) may be under way.
    /// Blocks.
    ///
    /// The commit takes two numbers. If the change log is on, the second one has an entry without changes, behind which
    /// the log is complete.
    ///
    /// # Errors
    ///
    /// `CONFLICT` or `LOCKED` while an intent holds keys, or an error of the medium. The old content stands then,
    /// unless the error is `UNKNOWN_OUTCOME`.
    fn swap(&self, stage: Self::Stage) -> Result<Commit>;

    /// Syncs, and gives up locks. No call of the store runs or follows, but views may still be held. Blocks.
    ///
    /// # Errors
    ///
    /// An error of the medium. The store is closed all the same.
    fn close(&self) -> Result<()>;
}

/// The content that a store has staged. Its drop removes it.
pub trait Stage: Send + 'static {
    /// Adds records, whose keys were [checked](Staged::check). Blocks.
    ///
    /// # Errors
    ///
    /// `NO_SPACE`, or an error of the medium. Nothing follows then but the drop.
    fn write(&mut self, records: Vec<Staged>) -> Result<()>;
}
