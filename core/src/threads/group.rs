use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{after, waiting};
use crate::error::Result;

/// Gets true if it is the last time: the group closes.
type Retry = Box<dyn FnOnce(bool) + Send>;

/// Tasks of the waiting tier that can be waited for together, some of which run later.
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
    /// Spawned and not over yet.
    running: usize,
    /// To run later, unless the group closes first.
    retries: HashMap<u64, Retry>,
    last_retry: u64,
    closing: bool,
}

impl TaskGroup {
    /// Runs `task` as [`waiting`] does; false, and `task` is dropped, if the group is closed.
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

    /// Runs `retry` after `delay`, or soon with `true` when the group closes.
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

    /// Refuses what comes and hastens the retries.
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

    /// Stops the group and waits until nothing of it runs any more. Blocks.
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
        // Without a thread a retry is over; it leaves what it retries to the next opening.
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

/// Notes that a task is over, also one that panicked.
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
