//! What an engine in this process has to provide.

use std::sync::Arc;

use crate::batch::{Batch, Commit};
use crate::engine::watch::{Feed, Limits};
use crate::engine::{Capabilities, Counters, Progress, Read, Reply, Report, Stats, View, value_of};
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::Millis;
use crate::value::Value;

/// What an engine in this process provides; [`Embedded`](super::Embedded) makes an [`Engine`](crate::engine::Engine) of it.
///
/// Calls come from several threads at once, but for `write_group`, which has one caller beside `try_write`.
pub trait Store: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    fn capabilities(&self) -> Capabilities;

    /// Answers from memory, or `None` if that cannot be done without a disk or a wait.
    fn try_read(&self, read: &Read) -> Option<Result<Reply>>;

    /// The value of one key from memory; like [`try_read`](Store::try_read), for stores that need not own the key.
    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        self.try_read(&Read::Get(space, Key::copy_from_slice(key))).map(value_of)
    }

    fn read(&self, read: &Read) -> Result<Reply>;

    /// Commits in memory or in the system's cache, or `None` with nothing written.
    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>>;

    /// Commits the batches in order, each atomic by itself, all made durable together. One result each.
    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>>;

    fn view(&self) -> Result<Arc<dyn View>>;

    /// A view made without a disk or a wait, or `None`.
    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        None
    }

    /// Frees records that expired before `now`, never a newer value of their key.
    fn sweep(&self, now: Millis) -> Result<u64>;

    /// Who listens to the store.
    fn feed(&self) -> &Arc<Feed>;

    /// Called when somebody has begun to listen: what it takes to hear of other processes begins.
    fn watched(&self) -> Result<()> {
        Ok(())
    }

    /// How much of the change log is kept.
    fn log_limits(&self) -> Limits {
        Limits::default()
    }

    /// Sizes. What the queue counts too is added to them.
    fn stats(&self) -> Result<Stats>;

    /// What the store counts, and the queue in front of it.
    fn counters(&self) -> &Counters;

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report>;

    fn compact(&self) -> Result<()>;

    /// Syncs and gives up locks. No call of this store runs or follows, but views may still be held.
    fn close(&self) -> Result<()>;
}
