//! The threads of the library, in tiers, so that neither libuv's threads nor an asynchronous runtime ever wait for a disk.
//!
//! A task may wait for tasks of the tiers below its own, never for one of its own tier. Tiers are bounded, so a tier
//! whose tasks waited for each other could fill up with tasks that all wait, and nothing would ever run again.
//!
//! | tier | its tasks | they may wait for |
//! |---|---|---|
//! | [`disk`] | an engine's reads and its group of writes | files |
//! | [`Worker`] | one engine's calls, one at a time: a user's own engine, a long request to a server | `disk`, a server, JavaScript |
//! | [`waiting`] | calls of transactions, commits over several engines, openings | `disk`, workers |
//! | [`model`] | calls of models, which are blocking code over an engine or a transaction; maintenance | all of these |
//!
//! A task is told whether it runs on a thread of its tier: where the system has no thread left (a limit of processes, say), it
//! is called on the caller's thread with the error, to pass it on and nothing else. Hold no lock that a task takes
//! while spawning it.

mod group;
mod guard;
mod pool;
#[cfg(test)]
mod tests;
mod timer;

use std::sync::{Arc, LazyLock};

use self::pool::Pool;
use crate::error::Result;

pub use group::TaskGroup;
pub use guard::guarded;
pub use timer::after;

/// Threads at most for tasks that wait for files alone.
const DISK_THREADS: usize = 8;

/// Threads at most for tasks that wait for others, for a server's answer or for JavaScript.
const WAITING_THREADS: usize = 64;

/// Threads at most for calls of models.
const MODEL_THREADS: usize = 32;

static DISK: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new("holdfast-disk", DISK_THREADS, true));
static WAITING: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new("holdfast-wait", WAITING_THREADS, false));
static MODEL: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new("holdfast-model", MODEL_THREADS, false));

/// Runs `task` in the tier that waits for files alone.
pub fn disk(task: impl FnOnce(Result<()>) + Send + 'static) {
    DISK.spawn(Box::new(task));
}

/// Runs `task` in the tier of transactions: it may wait for `disk` and for workers.
pub fn waiting(task: impl FnOnce(Result<()>) + Send + 'static) {
    WAITING.spawn(Box::new(task));
}

/// Runs `task` in the tier of models: it may wait for every other tier.
pub fn model(task: impl FnOnce(Result<()>) + Send + 'static) {
    MODEL.spawn(Box::new(task));
}

/// One thread for the calls of one engine, which it makes in order. It ends when it has been idle for a while and starts again
/// with the next call.
pub struct Worker(Arc<Pool>);

impl Worker {
    /// A worker whose thread has this name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Worker(Pool::new(name, 1, false))
    }

    /// Runs `task` behind those spawned before.
    pub fn spawn(&self, task: impl FnOnce(Result<()>) + Send + 'static) {
        self.0.spawn(Box::new(task));
    }
}
