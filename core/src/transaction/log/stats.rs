//! Counts of transactions that need a log, and of the log's writes.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counts of one [`TransactionLog`](crate::transaction::TransactionLog).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionStats {
    /// Committed with the log.
    pub commits: u64,
    /// Not committed, whatever the reason.
    pub rollbacks: u64,
    /// Writes of the log; each carries the records of all who waited for it.
    pub writes: u64,
    /// Syncs of the log, one a write at `full`.
    pub fsyncs: u64,
    /// Log files made.
    pub logs: u64,
}

/// The same counts while they change.
#[derive(Debug, Default)]
pub(crate) struct TransactionCounters {
    pub commits: AtomicU64,
    pub rollbacks: AtomicU64,
    pub writes: AtomicU64,
    pub fsyncs: AtomicU64,
    pub logs: AtomicU64,
}

impl TransactionCounters {
    pub(crate) fn stats(&self) -> TransactionStats {
        let TransactionCounters { commits, rollbacks, writes, fsyncs, logs } = self;
        TransactionStats {
            commits: commits.load(Ordering::Relaxed),
            rollbacks: rollbacks.load(Ordering::Relaxed),
            writes: writes.load(Ordering::Relaxed),
            fsyncs: fsyncs.load(Ordering::Relaxed),
            logs: logs.load(Ordering::Relaxed),
        }
    }
}

/// Adds one to a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
