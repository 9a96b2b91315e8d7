//! A small, bounded pool of threads for calls that block: of our own, so that neither libuv's threads
//! nor an asynchronous runtime ever wait for a disk.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use once_cell::sync::Lazy;
use parking_lot::{Condvar, Mutex};

/// Threads at most. Tasks wait for files and servers, rarely for the processor.
const MAX_THREADS: usize = 8;

/// How long a thread without work stays.
const LINGER: Duration = Duration::from_secs(10);

type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Pool {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    threads: usize,
    idle: usize,
}

static POOL: Lazy<Pool> = Lazy::new(Pool::default);

/// Runs `task` on a pool thread. A task must not wait for another task.
pub fn spawn_blocking(task: impl FnOnce() + Send + 'static) {
    let mut state = POOL.state.lock();
    state.tasks.push_back(Box::new(task));
    if state.idle >= state.tasks.len() {
        POOL.wake.notify_one();
    } else if state.threads < MAX_THREADS {
        state.threads += 1;
        drop(state);
        let spawned = thread::Builder::new().name("holdfast".into()).spawn(work);
        if spawned.is_err() {
            let mut state = POOL.state.lock();
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

fn work() {
    let mut state = POOL.state.lock();
    loop {
        if let Some(task) = state.tasks.pop_front() {
            drop(state);
            run(task);
            state = POOL.state.lock();
            continue;
        }
        state.idle += 1;
        let timed_out = POOL.wake.wait_for(&mut state, LINGER).timed_out();
        state.idle -= 1;
        if timed_out && state.tasks.is_empty() {
            state.threads -= 1;
            return;
        }
    }
}

/// A panic ends its task, not the thread: whoever waits for the task is told by the task's own guard.
fn run(task: Task) {
    let _ = catch_unwind(AssertUnwindSafe(task));
}
