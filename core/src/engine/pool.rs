//! Small, bounded pools of threads for calls that block: of our own, so that neither libuv's threads
//! nor an asynchronous runtime ever wait for a disk. Two, so that what waits for a task of the first never keeps it from running.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use once_cell::sync::Lazy;
use parking_lot::{Condvar, Mutex};

/// Threads at most. Tasks wait for files and servers, rarely for the processor.
const MAX_THREADS: usize = 8;

/// Threads at most for tasks that wait for others, for a server's answer or for JavaScript.
const MAX_WAITING: usize = 64;

/// How long a thread that has become idle looks for the next task before it sleeps: whoever makes one call after another, each
/// with a sync, soon comes back, and to wake a thread takes 25 us. One thread of a pool looks at a time, where there is another processor.
const LOOK: Duration = Duration::from_micros(100);

/// How long a thread without work stays.
const LINGER: Duration = Duration::from_secs(10);

type Task = Box<dyn FnOnce() + Send>;

struct Pool {
    max_threads: usize,
    /// Threads look before they sleep.
    may_look: bool,
    state: Mutex<State>,
    wake: Condvar,
    /// A task has come for the thread that looks.
    found: AtomicBool,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    threads: usize,
    idle: usize,
    /// A thread looks for a task.
    looking: bool,
}

static BLOCKING: Lazy<Pool> = Lazy::new(|| Pool::new(MAX_THREADS, true));
static WAITING: Lazy<Pool> = Lazy::new(|| Pool::new(MAX_WAITING, false));

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
    fn new(max_threads: usize, looks: bool) -> Self {
        let may_look = looks && thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
        Pool { max_threads, may_look, state: Mutex::default(), wake: Condvar::new(), found: AtomicBool::new(false) }
    }

    fn spawn(&'static self, task: Task) {
        let mut state = self.state.lock();
        state.tasks.push_back(task);
        if state.looking && state.tasks.len() == 1 {
            self.found.store(true, Ordering::Release);
        } else if state.idle + usize::from(state.looking) >= state.tasks.len() {
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
            if self.may_look && !state.looking {
                state.looking = true;
                self.found.store(false, Ordering::Relaxed);
                drop(state);
                let began = Instant::now();
                while !self.found.load(Ordering::Acquire) && began.elapsed() < LOOK {
                    std::hint::spin_loop();
                }
                state = self.state.lock();
                state.looking = false;
                if !state.tasks.is_empty() {
                    continue;
                }
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
