//! The contract between a transaction and the coordinator that commits it.

use std::sync::Arc;

use crate::batch::Batch;
use crate::engine::Engine;
use crate::error::Result;

/// Receives the outcome of a commit, exactly once, on any thread; it must not block.
pub type Finished = Box<dyn FnOnce(Result<()>) + Send>;

/// The writes of a transaction to one engine, guarded by what the transaction read there.
pub struct Participant {
    /// The name by which the application knows the engine. Recovery finds the engine by it.
    pub name: String,
    /// The engine itself, not the branch.
    pub engine: Arc<dyn Engine>,
    /// The writes, with a check for each read. Without a write the engine was only read.
    pub batch: Batch,
}

impl Participant {
    /// False if the engine was only read: its checks guard what is written elsewhere.
    pub(super) fn writes(&self) -> bool {
        !self.batch.ops.is_empty()
    }
}

/// Commits to several engines, or to one without atomic batches: all or nothing, whenever the process ends.
pub trait Coordinator: Send + Sync {
    /// Never blocks.
    fn commit_across(&self, participants: Vec<Participant>, finished: Finished);
}
