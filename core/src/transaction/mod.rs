//! Transactions: an engine over an engine. What is written lies in an overlay until the commit, which is one
//! conditional batch on one engine, or intents and a log over several.

use std::sync::Arc;

use crate::batch::Batch;
use crate::engine::Engine;
use crate::error::Result;

/// Receives the outcome of a commit, exactly once, on any thread; it must not block.
pub type Finished = Box<dyn FnOnce(Result<()>) + Send>;

/// What a transaction will write to one engine, guarded by what it read there.
pub struct Participant {
    /// The name the application knows the engine by: recovery finds it again under it.
    pub name: String,
    pub engine: Arc<dyn Engine>,
    pub batch: Batch,
}

/// Commits to several engines, or to one without atomic batches: all or nothing, whenever the process ends.
pub trait Coordinator: Send + Sync {
    /// Never blocks.
    fn commit(&self, participants: Vec<Participant>, finished: Finished);
}
