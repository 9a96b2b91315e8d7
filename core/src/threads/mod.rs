//! The threads of the library, in tiers: neither libuv's threads nor an asynchronous runtime ever wait for a disk.
//!
//! A task may wait for tasks of the tiers below its own, never for a task of its own tier. Tiers are bounded: if the
//! tasks of a tier waited for each other, it could fill up with tasks that all wait, and none would ever run again.
//!
//! | tier | its tasks | they may wait for |
//! |---|---|---|
//! | [`disk`] | an engine's reads and its group of writes | files |
//! | [`Worker`] | the calls of a user's own engine, or long requests to a server | `disk`, a server, JavaScript |
//! | [`waiting`] | calls of transactions, commits over several engines, openings | `disk`, workers |
//! | [`model`] | calls of models, which block on an engine or a transaction; maintenance | all of these |
//!
//! A task learns whether it runs on a thread of its tier. If the system has no thread left, for example because of a
//! limit of processes, the task is called on the caller's thread with the error. It passes the error on and does
//! nothing else. Hold no lock that a task takes while you spawn it.
//!
//! # Examples
//!
//! ```
//! use std::sync::mpsc;
//!
//! use holdfast_core::threads::{disk, guarded};
//!
//! let (sender, receiver) = mpsc::channel();
//! disk(move |started| {
//!     let sum = started.and_then(|()| guarded(|| Ok(1 + 1)));
//!     sender.send(sum).unwrap();
//! });
//! assert_eq!(receiver.recv().unwrap()?, 2);
//! # Ok::<(), holdfast_core::Error>(())
//! ```

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

/// The number of threads for tasks that wait for files alone.
const DISK_THREADS: usize = 8;

/// The number of threads for tasks that wait for other tasks, for a server or for JavaScript.
const WAITING_THREADS: usize = 64;

/// The number of threads for calls of models.
const MODEL_THREADS: usize = 32;

static DISK: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new("holdfast-disk", DISK_THREADS, true));
static WAITING: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new("holdfast-wait", WAITING_THREADS, false));
static MODEL: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new("holdfast-model", MODEL_THREADS, false));

/// Runs `task` in the lowest tier: it may wait for files alone. At most 8 tasks of the tier run at a time.
pub fn disk(task: impl FnOnce(Result<()>) + Send + 'static) {
    DISK.spawn(Box::new(task));
}

/// Runs `task` in the tier of transactions: it may wait for tasks of [`disk`] and of workers. At most 64 tasks of the
/// tier run at a time.
pub fn waiting(task: impl FnOnce(Result<()>) + Send + 'static) {
    WAITING.spawn(Box::new(task));
}

/// Runs `task` in the tier of models: it may wait for tasks of every other tier. At most 32 tasks of the tier run at a
/// time.
pub fn model(task: impl FnOnce(Result<()>) + Send + 'static) {
    MODEL.spawn(Box::new(task));
}

/// One thread that runs the calls of one engine in order. It ends after 10 seconds without a task, and starts again
/// with the next one.
pub struct Worker(Arc<Pool>);

impl Worker {
    /// A worker whose thread has this name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Worker(Pool::new(name, 1, false))
    }

    /// Runs `task` behind the tasks that were spawned before.
    pub fn spawn(&self, task: impl FnOnce(Result<()>) + Send + 'static) {
        self.0.spawn(Box::new(task));
    }
}
