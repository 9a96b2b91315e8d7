//! The result of a recovery.

use std::sync::Arc;

use crate::batch::IntentId;
use crate::engine::intent::Decision;
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error, Result};

/// The work that recovery did for one engine.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Intents carried out: their transactions were committed.
    pub applied: u64,
    /// Intents dropped.
    pub dropped: u64,
    /// Transactions undone in an engine without atomic batches.
    pub undone: u64,
    /// Logs that could not be read or written, CORRUPTED ones among them. They are kept, and so are the intents that
    /// they decide about: the engine opens, and the keys that those hold are LOCKED.
    pub problems: Vec<Error>,
}

impl Recovered {
    /// Resolves an intent, and counts it. False if the intent is damaged: it stays, and is reported.
    pub(super) fn resolve(&mut self, engine: &Arc<dyn Engine>, id: IntentId, decision: Decision) -> Result<bool> {
        match engine.resolve(id, decision) {
            Ok(None) => {}
            Ok(Some(_)) => match decision {
                Decision::Apply => self.applied += 1,
                Decision::Drop => self.dropped += 1,
            },
            Err(error) if error.code() == Code::Corrupted => {
                self.problems.push(error);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}
