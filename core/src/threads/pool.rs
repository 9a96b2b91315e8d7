//! A bounded pool of threads. Threads start on demand and end after a time without work.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};

/// The time for which an idle thread spins for the next task before it sleeps. A caller that makes one call after
/// another, each with a sync, soon comes back, and to wake a thread takes 25 us. One thread of a pool spins at a time,
/// and only where there is another processor.
const SPIN: Duration = Duration::from_micros(100);

/// The time for which a thread without a task stays.
const LINGER: Duration = Duration::from_secs(10);

/// A task. It receives `Ok` on a thread of the pool, or the error for which there is no thread.
pub(super) type Task = Box<dyn FnOnce(Result<()>) + Send>;

pub(super) struct Pool {
    name: &'static str,
    max_threads: usize,
    may_spin: bool,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// True once a task has come for the thread that spins.
    found: AtomicBool,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    threads: usize,
    idle: usize,
    spinning: bool,
}

impl Pool {
    pub(super) fn new(name: &'static str, max_threads: usize, spins: bool) -> Arc<Self> {
        let may_spin = spins && thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
        Arc::new(Pool {
            name,
            max_threads,
            may_spin,
            queue: Mutex::default(),
            wake: Condvar::new(),
            found: AtomicBool::new(false),
        })
    }

    pub(super) fn spawn(self: &Arc<Self>, task: Task) {
        let mut queue = self.queue.lock();
        queue.tasks.push_back(task);
        if queue.spinning && queue.tasks.len() == 1 {
            self.found.store(true, Ordering::Release);
        } else if queue.idle + usize::from(queue.spinning) >= queue.tasks.len() {
            self.wake.notify_one();
        } else if queue.threads < self.max_threads {
            queue.threads += 1;
            drop(queue);
            let pool = self.clone();
            if let Err(error) = thread::Builder::new().name(self.name.into()).spawn(move || pool.work()) {
                self.without_thread(&Error::io("cannot start a thread", &error));
            }
        }
    }

    /// Handles a thread that could not be started. Other threads take over. If there are none, no thread would ever run
    /// the queued tasks, so they are called with the error.
    fn without_thread(&self, error: &Error) {
        let stranded = {
            let mut queue = self.queue.lock();
            queue.threads -= 1;
            if queue.threads > 0 { VecDeque::new() } else { std::mem::take(&mut queue.tasks) }
        };
        for task in stranded {
            run(task, Err(error.clone()));
        }
    }

    fn work(&self) {
        let mut queue = self.queue.lock();
        loop {
            if let Some(task) = queue.tasks.pop_front() {
                drop(queue);
                run(task, Ok(()));
                queue = self.queue.lock();
                continue;
            }
            if self.may_spin && !queue.spinning {
                queue.spinning = true;
                self.found.store(false, Ordering::Relaxed);
                drop(queue);
                let began = Instant::now();
                while !self.found.load(Ordering::Acquire) && began.elapsed() < SPIN {
                    std::hint::spin_loop();
                }
                queue = self.queue.lock();
                queue.spinning = false;
                if !queue.tasks.is_empty() {
                    continue;
                }
            }
            queue.idle += 1;
            let timed_out = self.wake.wait_for(&mut queue, LINGER).timed_out();
            queue.idle -= 1;
            if timed_out && queue.tasks.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }
}

/// Runs a task. A panic ends the task, not the thread: the task's own guard tells its caller.
fn run(task: Task, started: Result<()>) {
    let _ = catch_unwind(AssertUnwindSafe(|| task(started)));
}
