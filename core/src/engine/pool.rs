//! Small, bounded pools of threads for calls that block: of our own, so that neither libuv's threads
//! nor an asynchronous runtime ever wait for a disk. Two, so that what waits for a task of the first never keeps it from running.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use once_cell::sync::Lazy;
use parking_lot::{Condvar, Mutex};

/// Threads at most. Tasks wait for files and servers, rarely for the processor.
const MAX_THREADS: usize = 8;

/// Threads at most for tasks that wait for others, for a server's answer or for JavaScript.
const MAX_WAITING: usize = 64;

/// How long a thread without work stays.
const LINGER: Duration = Duration::from_secs(10);

type Task = Box<dyn FnOnce() + Send>;

struct Pool {
    max_threads: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    threads: usize,
    idle: usize,
}

static BLOCKING: Lazy<Pool> = Lazy::new(|| Pool::new(MAX_THREADS));
static WAITING: Lazy<Pool> = Lazy::new(|| Pool::new(MAX_WAITING));

/// Runs `task` on a pool thread. A task must not wait for another task.
pub fn spawn_blocking(task: impl FnOnce() + Send + 'static) {
    BLOCKING.spawn(Box::new(task));
}

/// Runs `task` on a thread of the pool whose tasks may wait for those of [`spawn_blocking`] and for whoever calls back, but not
/// for each other.
pub fn spawn_waiting(task: impl FnOnce() + Send + 'static) {
    WAITING.spawn(Box::new(task));
}

impl Pool {
    fn new(max_threads: usize) -> Self {
        Pool { max_threads, state: Mutex::default(), wake: Condvar::new() }
    }

    fn spawn(&'static self, task: Task) {
        let mut state = self.state.lock();
        state.tasks.push_back(task);
        if state.idle >= state.tasks.len() {
            self.wake.notify_one();
        } else if state.threads < self.max_threads {
            state.threads += 1;
            drop(state);
            let spawned = thread::Builder::new().name("holdfast".into()).spawn(|| self.work());
            if spawned.is_err() {
                let mut state = self.state.lock();
                state.threads -= 1;
                if state.threads == 0 {
                    // No thread can be had at all: run it here rather than never.
                    let task = state.tasks.pop_back();
                    drop(state);
                    task.into_iter().for_each(run);
                }
            }
        }
    }

    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(task) = state.tasks.pop_front() {
                drop(state);
                run(task);
                state = self.state.lock();
                continue;
            }
            state.idle += 1;
            let timed_out = self.wake.wait_for(&mut state, LINGER).timed_out();
            state.idle -= 1;
            if timed_out && state.tasks.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

/// A panic ends its task, not the thread: whoever waits for the task is told by the task's own guard.
fn run(task: Task) {
    let _ = catch_unwind(AssertUnwindSafe(task));
}
