//! The status of a transaction, which its branches share.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::{Code, Error, Result};

/// The status of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Neither committed nor rolled back, a commit under way included.
    Pending,
    /// The writes are in the stores.
    Committed,
    /// It was rolled back, or its commit failed. The writes are dropped, unless the commit's error says that its
    /// outcome is unknown.
    RolledBack,
}

const PENDING: u8 = 0;
/// The commit is under way.
const COMMITTING: u8 = 1;
const COMMITTED: u8 = 2;
const ROLLED_BACK: u8 = 3;

/// The state that the branches of a transaction share.
pub(super) struct TransactionState {
    pub read_only: bool,
    status: AtomicU8,
}

impl TransactionState {
    pub(super) fn new(read_only: bool) -> Self {
        TransactionState { read_only, status: AtomicU8::new(PENDING) }
    }

    pub(super) fn status(&self) -> Status {
        match self.status.load(Ordering::Acquire) {
            COMMITTED => Status::Committed,
            ROLLED_BACK => Status::RolledBack,
            _ => Status::Pending,
        }
    }

    /// `TRANSACTION_COMPLETED` unless new calls may be made.
    pub(super) fn check_pending(&self) -> Result<()> {
        if self.status.load(Ordering::Acquire) == PENDING { Ok(()) } else { Err(completed()) }
    }

    /// `TRANSACTION_COMPLETED` unless calls made before may still be answered.
    pub(super) fn check_running(&self) -> Result<()> {
        if self.status.load(Ordering::Acquire) <= COMMITTING { Ok(()) } else { Err(completed()) }
    }

    /// The pending transaction begins its commit.
    pub(super) fn start_commit(&self) -> Result<()> {
        self.leave_pending(COMMITTING)
    }

    /// The pending transaction is rolled back.
    pub(super) fn roll_back(&self) -> Result<()> {
        self.leave_pending(ROLLED_BACK)
    }

    /// The commit is over.
    pub(super) fn finish(&self, committed: bool) {
        self.status.store(if committed { COMMITTED } else { ROLLED_BACK }, Ordering::Release);
    }

    fn leave_pending(&self, status: u8) -> Result<()> {
        let left = self.status.compare_exchange(PENDING, status, Ordering::AcqRel, Ordering::Acquire);
        left.map(|_| ()).map_err(|_| completed())
    }
}

fn completed() -> Error {
    Error::new(Code::TransactionCompleted, "Transaction already completed")
}
