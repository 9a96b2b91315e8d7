//! Transactions: an engine over an engine. What is written lies in an overlay until the commit, which is one
//! conditional batch on one engine, or intents and a log over several.

mod coordinator;

mod branch;
mod in_doubt;
mod log;
pub mod recovery;
mod store_id;
#[cfg(test)]
mod tests;
mod undo;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use parking_lot::Mutex;

use self::branch::Branch;
use crate::batch::Batch;
use crate::engine::{Engine, Reply, Request};
use crate::error::{Code, Error, Result};

pub use coordinator::{TransactionLog, TransactionStats};

/// Receives the outcome of a commit, exactly once, on any thread; it must not block.
pub type Finished = Box<dyn FnOnce(Result<()>) + Send>;

/// What a transaction will write to one engine, guarded by what it read there.
pub struct Participant {
    /// The name the application knows the engine by: recovery finds it again under it.
    pub name: String,
    pub engine: Arc<dyn Engine>,
    pub batch: Batch,
}

impl Participant {
    /// False if it was only read: its checks guard what is written elsewhere.
    fn writes(&self) -> bool {
        !self.batch.ops.is_empty()
    }
}

/// Commits to several engines, or to one without atomic batches: all or nothing, whenever the process ends.
pub trait Coordinator: Send + Sync {
    /// Never blocks.
    fn commit_across(&self, participants: Vec<Participant>, finished: Finished);
}

/// How a transaction is begun.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Writes are refused with READ_ONLY, and what is read is not kept to be checked.
    pub read_only: bool,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Committed,
    RolledBack,
}

const PENDING: u8 = 0;
/// Its commit is under way.
const COMMITTING: u8 = 1;
const COMMITTED: u8 = 2;
const ROLLED_BACK: u8 = 3;

/// What the branches of a transaction share.
struct TransactionState {
    read_only: bool,
    status: AtomicU8,
}

impl TransactionState {
    /// TRANSACTION_COMPLETED unless new calls may be made.
    fn check(&self) -> Result<()> {
        if self.status.load(Ordering::Acquire) == PENDING { Ok(()) } else { Err(completed()) }
    }

    /// TRANSACTION_COMPLETED unless calls made before may still be answered.
    fn check_running(&self) -> Result<()> {
        if self.status.load(Ordering::Acquire) <= COMMITTING { Ok(()) } else { Err(completed()) }
    }

    /// The pending transaction is `status` from now on.
    fn leave_pending(&self, status: u8) -> Result<()> {
        let left = self.status.compare_exchange(PENDING, status, Ordering::AcqRel, Ordering::Acquire);
        left.map(|_| ()).map_err(|_| completed())
    }
}

fn completed() -> Error {
    Error::new(Code::TransactionCompleted, "Transaction already completed")
}

/// A transaction over one engine or several.
///
/// ```
/// use holdfast_core::engine::memory;
/// use holdfast_core::transaction::{Options, Transaction};
/// use holdfast_core::{Batch, Engine, Op, Space, Value};
///
/// let engine = memory::open(Default::default());
/// let transaction = Transaction::new(Options::default(), None);
/// let inside = transaction.on("memory", &engine);
/// inside.commit(Batch::one(Op::Set {
///     space: Space::User,
///     key: "k".into(),
///     value: Value::json("1"),
///     expires_at: None,
///     metadata: None,
/// }))?;
/// assert!(engine.view()?.get(Space::User, b"k")?.is_none());
/// transaction.wait()?;
/// assert!(engine.view()?.get(Space::User, b"k")?.is_some());
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub struct Transaction {
    state: Arc<TransactionState>,
    held: Mutex<Held>,
    /// What [`try_commit`](Transaction::try_commit) could not commit.
    left: Mutex<Option<Participant>>,
}

/// What a transaction keeps until it is over: whoever still has it then keeps neither an engine nor a log alive.
#[derive(Default)]
struct Held {
    branches: Vec<Arc<Branch>>,
    coordinator: Option<Arc<dyn Coordinator>>,
}

impl Transaction {
    /// Begins a transaction. Without a `coordinator` it can write to one engine only, one with atomic batches.
    #[must_use]
    pub fn new(options: Options, coordinator: Option<Arc<dyn Coordinator>>) -> Arc<Self> {
        let state = TransactionState { read_only: options.read_only, status: AtomicU8::new(PENDING) };
        let held = Held { branches: Vec::new(), coordinator };
        Arc::new(Transaction { state: Arc::new(state), held: Mutex::new(held), left: Mutex::default() })
    }

    /// `engine` as the transaction sees it, an engine itself; the same one each time for a name.
    pub fn on(&self, name: &str, engine: &Arc<dyn Engine>) -> Arc<dyn Engine> {
        let branches = &mut self.held.lock().branches;
        if let Some(branch) = branches.iter().find(|branch| branch.is_named(name)) {
            return branch.clone();
        }
        let branch = Branch::new(name.to_owned(), engine.clone(), self.state.clone());
        branches.push(branch.clone());
        branch
    }

    #[must_use]
    pub fn status(&self) -> Status {
        match self.state.status.load(Ordering::Acquire) {
            COMMITTED => Status::Committed,
            ROLLED_BACK => Status::RolledBack,
            _ => Status::Pending,
        }
    }

    /// Commits on the caller's thread, or `None`: then [`commit`](Self::commit) is what has to follow.
    pub fn try_commit(&self) -> Option<Result<()>> {
        let branches = self.held.lock().branches.clone();
        match branches.as_slice() {
            [] => {}
            [branch] if branch.is_idle() && branch.commits_alone() => {}
            _ => return None,
        }
        if let Err(error) = self.state.leave_pending(COMMITTING) {
            return Some(Err(error));
        }
        let participant = branches.first().and_then(|branch| branch.take());
        let Some(participant) = participant.filter(Participant::writes) else { return Some(self.ended(Ok(()))) };
        match participant.engine.try_commit(&participant.batch) {
            Some(result) => Some(self.ended(result.map(|_| ()))),
            None => {
                *self.left.lock() = Some(participant);
                None
            }
        }
    }

    /// Commits behind the calls already made; never blocks. CONFLICT if something that was read has changed since.
    pub fn commit(self: &Arc<Self>, finished: Finished) {
        let left = self.left.lock().take();
        if let Some(participant) = left {
            return self.carry_out(vec![participant], finished);
        }
        if let Err(error) = self.state.leave_pending(COMMITTING) {
            return finished(Err(error));
        }
        let branches = self.held.lock().branches.clone();
        // The last branch that has nothing queued any more goes on.
        let waiting = Arc::new(AtomicUsize::new(branches.len() + 1));
        let finished = Arc::new(Mutex::new(Some(finished)));
        let transaction = self.clone();
        let arrive = move || {
            if waiting.fetch_sub(1, Ordering::AcqRel) == 1
                && let Some(finished) = finished.lock().take()
            {
                let branches = std::mem::take(&mut transaction.held.lock().branches);
                transaction.carry_out(branches.iter().filter_map(|branch| branch.take()).collect(), finished);
            }
        };
        for branch in &branches {
            branch.when_idle(Box::new(arrive.clone()));
        }
        arrive();
    }

    /// [`commit`](Self::commit), waiting for it. Blocks.
    pub fn wait(self: &Arc<Self>) -> Result<()> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.commit(Box::new(move |result| {
            // The receiver waits below.
            let _ = sender.send(result);
        }));
        receiver.recv().unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Drops what was written. TRANSACTION_COMPLETED if it is over already.
    pub fn rollback(&self) -> Result<()> {
        self.state.leave_pending(ROLLED_BACK)?;
        let held = std::mem::take(&mut *self.held.lock());
        for branch in held.branches {
            branch.drop_all();
        }
        Ok(())
    }

    fn carry_out(self: &Arc<Self>, mut participants: Vec<Participant>, finished: Finished) {
        let transaction = self.clone();
        let finished: Finished = Box::new(move |result| finished(transaction.ended(result)));
        if !participants.iter().any(Participant::writes) {
            // What was read of each engine is of one moment.
            return finished(Ok(()));
        }
        let coordinator = self.held.lock().coordinator.take();
        if coordinator.is_none() {
            participants.retain(Participant::writes);
        }
        let several = participants.len() > 1
            || participants.iter().any(|participant| !participant.engine.capabilities().atomic_batch);
        if several {
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
                    Ok(_) => Err(crate::engine::unexpected_reply()),
                    Err(error) => Err(error),
                });
            }),
        );
    }

    fn ended(&self, result: Result<()>) -> Result<()> {
        self.state.status.store(if result.is_ok() { COMMITTED } else { ROLLED_BACK }, Ordering::Release);
        drop(std::mem::take(&mut *self.held.lock()));
        result
    }
}
