use std::sync::Arc;

use super::View;
use crate::batch::{Batch, Commit, IntentId};
use crate::engine::intent::{Decision, Intent};
use crate::error::Result;

/// An engine that takes part in transactions.
pub trait Transactional: Send + Sync {
    /// A view for a transaction, made at once, or `None`: submit a [`Request::View`](super::Request::View). Where the engine has
    /// no snapshots, a read that does not fit the earlier reads of the same view fails with CONFLICT.
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>>;

    /// Commits the writes of a transaction over several engines as a write intent, if the checks of `batch` hold. Until it is
    /// resolved, no other batch of ours writes those keys. Blocks.
    fn prepare(&self, id: IntentId, batch: Batch) -> Result<Commit>;

    /// Applies or drops a write intent; `None` if it does not stand any more. Blocks.
    fn resolve(&self, id: IntentId, decision: Decision) -> Result<Option<Commit>>;

    /// The write intents that stand. Blocks.
    fn intents(&self) -> Result<Vec<Intent>>;
}
