//! Commits over several engines: intents everywhere, then the decision in the log, then the intents are carried out.
//!
//! The decision is one record of the transaction log, safe before anything is carried out. A transaction without a
//! decision was not committed. Whatever ends the process, the intents in the stores say what was meant, and the log
//! says whether. An engine without atomic batches is written before the decision, and the log keeps how to undo that.

mod increments;
mod participants;
mod retry;
mod state;
mod two_phase;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use self::participants::{check_reads, sort};
use self::state::CoordinatorState;
use super::log::{LogFolder, TransactionStats, count};
use super::participant::{Coordinator, Finished, Participant};
use crate::engine::{Durability, EngineExt};
use crate::error::{Code, Error, Result};

/// The transactions of this process that need a log. The first of them makes it.
pub struct TransactionLog {
    state: Arc<CoordinatorState>,
}

impl TransactionLog {
    /// Keeps its logs in `folder`, which is made when the first one is needed.
    #[must_use]
    pub fn new(folder: PathBuf, durability: Durability) -> Arc<Self> {
        Self::in_folder(LogFolder::new(folder), durability)
    }

    pub(super) fn in_folder(folder: LogFolder, durability: Durability) -> Arc<Self> {
        Arc::new(TransactionLog { state: Arc::new(CoordinatorState::new(folder, durability)) })
    }

    /// The counts since the log was made here, whether or not it has a file yet.
    #[must_use]
    pub fn stats(&self) -> TransactionStats {
        self.state.counters.stats()
    }

    /// Refuses new commits, waits for those that run, and removes the log unless recovery will need it. The engines
    /// must still be open. Idempotent. Blocks.
    pub fn close(&self) {
        self.state.tasks.join();
        self.state.retire();
    }
}

impl Drop for TransactionLog {
    fn drop(&mut self) {
        // Commits that run go on. The last of them drops the state, and the log with it.
        self.state.tasks.stop();
    }
}

impl Coordinator for TransactionLog {
    fn commit_across(&self, participants: Vec<Participant>, finished: Finished) {
        let state = self.state.clone();
        let mut answer = Answer(Some(finished));
        let task = move |started: Result<()>| {
            let result = started.and_then(|()| run(&state, participants));
            drop(state);
            answer.give(result);
        };
        // A group that is closed drops the task, and the answer with it.
        self.state.tasks.run(task);
    }
}

/// Answers in any case: with the outcome, or when it is dropped without one.
struct Answer(Option<Finished>);

impl Answer {
    fn give(&mut self, result: Result<()>) {
        if let Some(finished) = self.0.take() {
            finished(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.give(Err(if thread::panicking() {
            Error::new(
                Code::UnknownOutcome,
                "the commit failed inside; the next open of the engines finishes or drops it",
            )
        } else {
            Error::new(Code::Closed, "the transaction log is closed")
        }));
    }
}

/// Commits. A single writer with atomic batches needs no log. Blocks.
fn run(state: &CoordinatorState, participants: Vec<Participant>) -> Result<()> {
    let (mut writers, readers) = sort(&state.store_ids, participants)?;
    if writers.is_empty() {
        return check_reads(&readers);
    }
    if let [writer] = writers.as_mut_slice()
        && writer.engine.capabilities().atomic_batch
    {
        check_reads(&readers)?;
        return writer.engine.commit(std::mem::take(&mut writer.batch)).map(|_| ());
    }
    let result = two_phase::commit(state, writers, &readers);
    match &result {
        Ok(()) => count(&state.counters.commits),
        Err(error) if error.code() != Code::UnknownOutcome => count(&state.counters.rollbacks),
        Err(_) => {}
    }
    result
}
