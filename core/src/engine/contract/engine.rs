use std::sync::Arc;

use super::{Capabilities, Done, Maintained, Read, Reply, Request, Transactional, View, Watched};
use crate::batch::{Batch, Commit};
use crate::error::Result;
use crate::key::Space;
use crate::value::Value;

/// A storage engine.
///
/// Calls of one caller take effect in the order they were made: a read behind an unresolved write of its key waits for it.
/// Every method is required. A method that an engine cannot answer at once returns `None`.
pub trait Engine: Send + Sync {
    /// The name that errors carry: `memory`, `file`, `sqlite`, `leveldb`, `redis`, or that of a user's own engine.
    fn name(&self) -> &'static str;

    /// The abilities of this store.
    fn capabilities(&self) -> Capabilities;

    /// Answers at once, or `None` if that would touch a disk, a network or a contended lock, or overtake a queued call. Runs
    /// on the JavaScript thread.
    fn try_read(&self, read: &Read) -> Option<Result<Reply>>;

    /// The value of one key, as [`try_read`](Engine::try_read) but without a copy of the key.
    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>>;

    /// Commits at once, or `None` as [`try_read`](Engine::try_read), with nothing written.
    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>>;

    /// A view made at once, or `None` as [`try_read`](Engine::try_read).
    fn try_view(&self) -> Option<Result<Arc<dyn View>>>;

    /// Queues a request; never blocks. `done` is called exactly once, on close too.
    fn submit(&self, request: Request, done: Done);

    /// Finishes running calls, refuses later ones, syncs, and gives up locks. Idempotent. Blocks.
    fn close(&self) -> Result<()>;

    /// The engine as a participant in transactions.
    fn transactional(&self) -> Option<&dyn Transactional>;

    /// The engine as a store whose changes can be watched.
    fn watched(&self) -> Option<&dyn Watched>;

    /// The engine as a store that can be measured, checked and compacted.
    fn maintained(&self) -> Option<&dyn Maintained>;
}
