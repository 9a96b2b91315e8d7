use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{after, waiting};
use crate::error::Result;

/// A task that runs later. It gets true if the group closes, so that it is not to try again.
type Retry = Box<dyn FnOnce(bool) + Send>;

/// Tasks of the tier [`waiting`] that can be joined together. Some of them run after a delay.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// use holdfast_core::threads::TaskGroup;
///
/// let group = TaskGroup::default();
/// let (sender, receiver) = mpsc::channel();
/// group.later(Duration::from_secs(3600), move |last| sender.send(last).unwrap());
/// group.join();
/// assert_eq!(receiver.recv(), Ok(true));
/// ```
#[derive(Clone, Default)]
pub struct TaskGroup {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    tasks: Mutex<Tasks>,
    quiet: Condvar,
}

#[derive(Default)]
struct Tasks {
    /// The number of tasks that were spawned and are not over.
    running: usize,
    /// The tasks that run after a delay, or when the group closes.
    retries: HashMap<u64, Retry>,
    last_retry: u64,
    closing: bool,
}

impl TaskGroup {
    /// Runs `task` as [`waiting`] does. If the group is closed, drops `task` and returns false.
    pub fn run(&self, task: impl FnOnce(Result<()>) + Send + 'static) -> bool {
        {
            let mut tasks = self.inner.tasks.lock();
            if tasks.closing {
                return false;
            }
            tasks.running += 1;
        }
        self.spawn(task);
        true
    }

    /// Runs `retry` after `delay` with false, or at once with true when the group closes before.
    pub fn later(&self, delay: Duration, retry: impl FnOnce(bool) + Send + 'static) {
        let mut tasks = self.inner.tasks.lock();
        if tasks.closing {
            tasks.running += 1;
            drop(tasks);
            return self.spawn(|_| retry(true));
        }
        tasks.last_retry += 1;
        let id = tasks.last_retry;
        tasks.retries.insert(id, Box::new(retry));
        drop(tasks);
        let group = self.clone();
        after(delay, move || group.fire(id));
    }

    /// Refuses later tasks, and runs the delayed ones at once.
    pub fn stop(&self) {
        let retries = {
            let mut tasks = self.inner.tasks.lock();
            tasks.closing = true;
            tasks.running += tasks.retries.len();
            std::mem::take(&mut tasks.retries)
        };
        for retry in retries.into_values() {
            self.spawn(|_| retry(true));
        }
    }

    /// Stops the group, and waits until none of its tasks runs any more. Blocks.
    pub fn join(&self) {
        self.stop();
        let mut tasks = self.inner.tasks.lock();
        while tasks.running > 0 {
            self.inner.quiet.wait(&mut tasks);
        }
    }

    fn fire(&self, id: u64) {
        let retry = {
            let mut tasks = self.inner.tasks.lock();
            let Some(retry) = tasks.retries.remove(&id) else { return };
            tasks.running += 1;
            retry
        };
        // Without a thread there is no other try: the next opening of the store goes on.
        self.spawn(|started| retry(started.is_err()));
    }

    /// Spawns a task that is counted as running already.
    fn spawn(&self, task: impl FnOnce(Result<()>) + Send + 'static) {
        let over = Over(self.clone());
        waiting(move |started| {
            let _over = over;
            task(started);
        });
    }
}

/// Its drop notes that a task is over, also one that panicked.
struct Over(TaskGroup);

impl Drop for Over {
    fn drop(&mut self) {
        let mut tasks = self.0.inner.tasks.lock();
        tasks.running -= 1;
        if tasks.running == 0 {
            self.0.inner.quiet.notify_all();
        }
    }
}
