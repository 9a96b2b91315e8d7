//! The transaction log: files of decisions. The process that writes a file holds its lock until it ends, so that
//! recovery knows the files that a crash left.

#[cfg(test)]
pub(super) mod fault_injector;
mod folder;
mod stats;
mod step;
mod writer;

use std::hash::{BuildHasher, Hasher, RandomState};

pub(super) use folder::{LogFile, LogFolder};
pub use stats::TransactionStats;
pub(super) use stats::{TransactionCounters, count};
#[cfg(test)]
pub(super) use step::Step;
pub(super) use writer::{AppendError, LogWriter, OpenTransaction};

/// A number that nobody can guess, and that no other process has.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
