use std::sync::Arc;

use super::View;
use crate::batch::{Batch, Commit, IntentId};
use crate::engine::intent::{Decision, Intent};
use crate::error::Result;

/// The facet of an engine that takes part in transactions.
///
/// A transaction over several engines stores its writes on each of them as an [`Intent`] first. Once all intents stand
/// and the transaction log holds the decision, each intent is carried out.
pub trait Transactional: Send + Sync {
    /// Makes a view for a transaction at once. `None` if that would wait: then the caller submits a
    /// [`Request::View`](super::Request::View). Where the engine has no snapshots, a read of the view that does not
    /// belong to one moment with its earlier reads fails with `CONFLICT`.
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>>;

    /// Stores the writes of `batch` as an intent, if its checks hold. No other batch writes those keys until the intent
    /// is resolved. Blocks.
    ///
    /// # Errors
    ///
    /// `CONFLICT` if a check does not hold or another intent holds a key, `LOCKED` if that intent is left of a crash,
    /// `INVALID_ARGUMENT` if the writes contain an addition to another type than a number, or an error of the medium.
    fn prepare(&self, id: IntentId, batch: Batch) -> Result<Commit>;

    /// Ends an intent: carries it out, or drops it. `None` if it does not stand any more. Blocks.
    ///
    /// # Errors
    ///
    /// `CORRUPTED` if the intent is to be carried out and cannot be read, or an error of the medium. The intent stands
    /// then, unless the error is `UNKNOWN_OUTCOME`.
    fn resolve(&self, id: IntentId, decision: Decision) -> Result<Option<Commit>>;

    /// The intents that stand. Blocks.
    ///
    /// # Errors
    ///
    /// `CORRUPTED` if an intent cannot be read, or an error of the medium.
    fn intents(&self) -> Result<Vec<Intent>>;
}
