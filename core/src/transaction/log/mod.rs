//! The transaction log: files of decisions. The process that writes a file holds its lock until it ends, so that
//! recovery knows the files that a crash left.

#[cfg(test)]
pub(super) mod fault_injector;
mod folder;
mod stats;
mod step;
mod writer;

pub(super) use folder::{LogFile, LogFolder};
pub use stats::TransactionStats;
pub(super) use stats::{TransactionCounters, count};
#[cfg(test)]
pub(super) use step::Step;
pub(super) use writer::{AppendError, LogWriter, OpenTransaction};
