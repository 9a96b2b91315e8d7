//! Transactions: an engine over an engine. Writes lie in an overlay until the commit. The commit is one conditional
//! batch on one engine; over several engines it takes write intents and a transaction log.
//!
//! | file | what is in it |
//! |---|---|
//! | `mod.rs`, `status.rs` | a transaction: its branches, its status, commit and rollback |
//! | `branch/` | an engine as the transaction sees it |
//! | `participant.rs` | what a branch gives to the commit |
//! | `coordinator/` | commits over several engines |
//! | `log/` | the transaction log |
//! | `in_doubt.rs` | decided intents that an engine could not carry out yet |
//! | `undo.rs` | engines without atomic batches: how their writes are undone |
//! | `store_id.rs` | the id by which the log knows a store |
//! | `recovery/` | what the opening of an engine does with transactions that a crash left |

mod branch;
mod coordinator;
mod in_doubt;
mod log;
mod participant;
pub mod recovery;
mod status;
mod store_id;
#[cfg(test)]
mod tests;
mod undo;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use parking_lot::Mutex;

use self::branch::Branch;
use self::status::TransactionState;
use crate::engine::{Engine, Reply, Request, unexpected_reply};
use crate::error::{Code, Error, Result};

pub use coordinator::TransactionLog;
pub use log::TransactionStats;
pub use participant::{Coordinator, Finished, Participant};
pub use status::Status;

/// The options of a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Writes are refused with `READ_ONLY`, and reads are not kept to be checked.
    pub read_only: bool,
}

/// A transaction over one engine or several.
///
/// ```
/// use holdfast_core::engine::memory::{self, MemoryOptions};
/// use holdfast_core::transaction::{Options, Transaction};
/// use holdfast_core::{Batch, EngineExt, Op, Space, Value};
///
/// let engine = memory::open(MemoryOptions::default());
/// let transaction = Transaction::new(Options::default(), None);
/// let inside = transaction.on("memory", &engine);
/// inside.commit(Batch::one(Op::set("k", Value::json("1"))))?;
/// assert!(engine.view()?.get(Space::User, b"k")?.is_none());
/// transaction.wait()?;
/// assert!(engine.view()?.get(Space::User, b"k")?.is_some());
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub struct Transaction {
    state: Arc<TransactionState>,
    resources: Mutex<Resources>,
    /// The participant that [`try_commit`](Transaction::try_commit) could not commit at once.
    deferred: Mutex<Option<Participant>>,
}

/// The references that a transaction gives up when it is over: then it keeps neither an engine nor a log open.
#[derive(Default)]
struct Resources {
    branches: Vec<Arc<Branch>>,
    coordinator: Option<Arc<dyn Coordinator>>,
}

impl Transaction {
    /// Begins a transaction. Without a `coordinator` it can write to one engine only, one with atomic batches.
    #[must_use]
    pub fn new(options: Options, coordinator: Option<Arc<dyn Coordinator>>) -> Arc<Self> {
        Arc::new(Transaction {
            state: Arc::new(TransactionState::new(options.read_only)),
            resources: Mutex::new(Resources { branches: Vec::new(), coordinator }),
            deferred: Mutex::default(),
        })
    }

    /// `engine` as the transaction sees it, itself an engine. The same one each time for a name.
    pub fn on(&self, name: &str, engine: &Arc<dyn Engine>) -> Arc<dyn Engine> {
        let branches = &mut self.resources.lock().branches;
        if let Some(branch) = branches.iter().find(|branch| branch.is_named(name)) {
            return branch.clone();
        }
        let branch = Branch::new(name.to_owned(), engine.clone(), self.state.clone());
        branches.push(branch.clone());
        branch
    }

    /// Whether the transaction is over, and how it ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// Commits on the caller's thread, or returns `None`: then [`commit`](Self::commit) has to follow.
    pub fn try_commit(&self) -> Option<Result<()>> {
        let branches = self.resources.lock().branches.clone();
        match branches.as_slice() {
            [] => {}
            [branch] if branch.is_idle() && branch.commits_alone() => {}
            _ => return None,
        }
        if let Err(error) = self.state.start_commit() {
            return Some(Err(error));
        }
        let participant = branches.first().and_then(|branch| branch.take());
        let Some(participant) = participant.filter(Participant::writes) else { return Some(self.end(Ok(()))) };
        match participant.engine.try_commit(&participant.batch) {
            Some(result) => Some(self.end(result.map(|_| ()))),
            None => {
                *self.deferred.lock() = Some(participant);
                None
            }
        }
    }

    /// Commits behind the calls already made; never blocks. CONFLICT if something that was read has changed since.
    pub fn commit(self: &Arc<Self>, finished: Finished) {
        let deferred = self.deferred.lock().take();
        if let Some(participant) = deferred {
            return self.carry_out(vec![participant], finished);
        }
        if let Err(error) = self.state.start_commit() {
            return finished(Err(error));
        }
        let branches = self.resources.lock().branches.clone();
        // The last branch that becomes idle carries the commit out.
        let waiting = Arc::new(AtomicUsize::new(branches.len() + 1));
        let finished = Arc::new(Mutex::new(Some(finished)));
        let transaction = self.clone();
        let arrive = move || {
            if waiting.fetch_sub(1, Ordering::AcqRel) == 1
                && let Some(finished) = finished.lock().take()
            {
                let branches = std::mem::take(&mut transaction.resources.lock().branches);
                transaction.carry_out(branches.iter().filter_map(|branch| branch.take()).collect(), finished);
            }
        };
        for branch in &branches {
            branch.when_idle(Box::new(arrive.clone()));
        }
        arrive();
    }

    /// [`commit`](Self::commit), and waits for it. Blocks.
    ///
    /// # Errors
    ///
    /// CONFLICT if something that was read has changed since, `TRANSACTION_COMPLETED` if the transaction is over
    /// already, `NOT_SUPPORTED` if it wrote to several engines without a coordinator, or an error of an engine.
    pub fn wait(self: &Arc<Self>) -> Result<()> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.commit(Box::new(move |result| {
            // The receiver waits below.
            let _ = sender.send(result);
        }));
        receiver.recv().unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Drops the writes.
    ///
    /// # Errors
    ///
    /// `TRANSACTION_COMPLETED` if the transaction is over already.
    pub fn rollback(&self) -> Result<()> {
        self.state.roll_back()?;
        let resources = std::mem::take(&mut *self.resources.lock());
        for branch in resources.branches {
            branch.drop_all();
        }
        Ok(())
    }

    fn carry_out(self: &Arc<Self>, mut participants: Vec<Participant>, finished: Finished) {
        let transaction = self.clone();
        let finished: Finished = Box::new(move |result| finished(transaction.end(result)));
        if !participants.iter().any(Participant::writes) {
            // The reads of each engine belong to one moment, so there is nothing to check.
            return finished(Ok(()));
        }
        let coordinator = self.resources.lock().coordinator.take();
        if coordinator.is_none() {
            participants.retain(Participant::writes);
        }
        let needs_coordinator = participants.len() > 1
            || participants.iter().any(|participant| !participant.engine.capabilities().atomic_batch);
        if needs_coordinator {
            return match coordinator {
                Some(coordinator) => coordinator.commit_across(participants, finished),
                None => finished(Err(Error::new(
                    Code::NotSupported,
                    "a transaction over several engines needs a transaction log; set transactions.path",
                ))),
            };
        }
        let Some(Participant { engine, batch, .. }) = participants.pop() else { return finished(Ok(())) };
        engine.submit(
            Request::Commit(batch),
            Box::new(move |reply| {
                finished(match reply {
                    Ok(Reply::Commit(_)) => Ok(()),
                    Ok(_) => Err(unexpected_reply()),
                    Err(error) => Err(error),
                });
            }),
        );
    }

    fn end(&self, result: Result<()>) -> Result<()> {
        self.state.finish(result.is_ok());
        drop(std::mem::take(&mut *self.resources.lock()));
        result
    }
}
