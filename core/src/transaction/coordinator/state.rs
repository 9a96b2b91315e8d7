//! The state that the commits of one coordinator share.

use std::sync::Arc;

use parking_lot::Mutex;

use super::super::log::{LogFolder, LogWriter, OpenTransaction, TransactionCounters};
use super::super::store_id::StoreIds;
use crate::engine::Durability;
use crate::error::{Error, Result};
use crate::threads::TaskGroup;

pub(super) struct CoordinatorState {
    folder: LogFolder,
    durability: Durability,
    current: Mutex<CurrentLog>,
    pub store_ids: StoreIds,
    /// One lock a store without atomic batches. A commit holds it from the check to the decision.
    store_locks: Mutex<Vec<(u128, Arc<Mutex<()>>)>>,
    pub tasks: TaskGroup,
    pub counters: Arc<TransactionCounters>,
}

#[derive(Default)]
struct CurrentLog {
    log: Option<Arc<LogWriter>>,
    /// A sync failed. What the disk holds is unknown from then on, so nothing further is decided.
    poisoned: Option<Error>,
}

impl CoordinatorState {
    pub(super) fn new(folder: LogFolder, durability: Durability) -> Self {
        CoordinatorState {
            folder,
            durability,
            current: Mutex::default(),
            store_ids: StoreIds::default(),
            store_locks: Mutex::default(),
            tasks: TaskGroup::default(),
            counters: Arc::default(),
        }
    }

    /// Lets the log take no further transactions.
    pub(super) fn retire(&self) {
        if let Some(log) = self.current.lock().log.take() {
            log.retire();
        }
    }

    /// Begins a transaction in the log, which is made if there is none.
    pub(super) fn begin(&self) -> Result<OpenTransaction> {
        let mut current = self.current.lock();
        loop {
            if let Some(log) = current.log.take() {
                if let Some(transaction) = log.begin() {
                    current.log = Some(log);
                    return Ok(transaction);
                }
                log.retire();
                current.poisoned = current.poisoned.take().or_else(|| log.sync_failure());
            }
            if let Some(error) = &current.poisoned {
                let message = format!(
                    "the transaction log could not be synced before, so nothing over several engines is committed \
                     any more; open the engines again once the disk is well ({})",
                    error.message()
                );
                return Err(Error::new(error.code(), message));
            }
            current.log = Some(LogWriter::create(&self.folder, self.durability, self.counters.clone())?);
        }
    }

    /// The lock of a store without atomic batches.
    pub(super) fn store_lock(&self, store: u128) -> Arc<Mutex<()>> {
        let mut locks = self.store_locks.lock();
        if let Some((_, lock)) = locks.iter().find(|(of, _)| *of == store) {
            return lock.clone();
        }
        let lock = Arc::new(Mutex::default());
        locks.push((store, lock.clone()));
        lock
    }
}

impl Drop for CoordinatorState {
    fn drop(&mut self) {
        self.retire();
    }
}
