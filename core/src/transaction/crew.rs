//! The threads that carry commits over several engines: of their own, as a commit waits for tasks of the engines' pool.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Threads at most: so many commits at once share the syncs of log and engines.
const MAX_THREADS: usize = 16;

/// How long a thread without work stays.
const LINGER: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// A job gets true if it is the last time: the crew closes.
type Retry = Box<dyn FnOnce(bool) + Send>;

#[derive(Clone, Default)]
pub(super) struct Crew {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    quiet: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// When each retry is due.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    retries: HashMap<u64, Retry>,
    next_retry: u64,
    threads: usize,
    idle: usize,
    closing: bool,
}

enum Work {
    Job(Job),
    Retry(Retry, bool),
}

impl Crew {
    /// Runs `job` on a thread of the crew; false if the crew is closed.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut state = self.shared.state.lock();
        if state.closing {
            return false;
        }
        state.jobs.push_back(Box::new(job));
        self.staff(state);
        true
    }

    /// Runs `retry` after `delay`, or at once with `true` when the crew closes.
    pub fn later(&self, delay: Duration, retry: impl FnOnce(bool) + Send + 'static) {
        let mut state = self.shared.state.lock();
        let id = state.next_retry;
        state.next_retry += 1;
        state.due.push(Reverse((Instant::now() + delay, id)));
        state.retries.insert(id, Box::new(retry));
        self.staff(state);
    }

    /// Refuses what comes, hastens what waits.
    pub fn stop(&self) {
        let mut state = self.shared.state.lock();
        state.closing = true;
        self.shared.wake.notify_all();
    }

    /// Waits until nothing runs any more. Blocks.
    pub fn join(&self) {
        self.stop();
        let mut state = self.shared.state.lock();
        while state.threads > 0 {
            self.shared.quiet.wait(&mut state);
        }
    }

    /// Sees to it that a thread takes what was just added.
    fn staff(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        if state.idle > 0 {
            self.shared.wake.notify_one();
            if state.idle >= state.jobs.len() {
                return;
            }
        }
        if state.threads >= MAX_THREADS {
            return;
        }
        state.threads += 1;
        drop(state);
        let shared = self.shared.clone();
        if thread::Builder::new().name("holdfast-tx".into()).spawn(move || shared.work()).is_err() {
            let mut state = self.shared.state.lock();
            state.threads -= 1;
            if state.threads == 0 {
                // No thread can be had at all: run it here rather than never.
                let work = state.take();
                drop(state);
                work.into_iter().for_each(Work::run);
            }
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(work) = state.take() {
                drop(state);
                work.run();
                state = self.state.lock();
                continue;
            }
            if state.closing {
                break;
            }
            let due = state.due.peek().map(|Reverse((at, _))| *at);
            let until = due.unwrap_or_else(|| Instant::now() + LINGER);
            state.idle += 1;
            let timed_out = self.wake.wait_until(&mut state, until).timed_out();
            state.idle -= 1;
            // Somebody has to stay for what is due later.
            if timed_out
                && state.jobs.is_empty()
                && (state.due.is_empty() || state.idle > 0)
                && state.due_now().is_none()
            {
                break;
            }
        }
        state.threads -= 1;
        self.quiet.notify_all();
    }
}

impl State {
    fn due_now(&self) -> Option<u64> {
        let Reverse((at, id)) = self.due.peek()?;
        (self.closing || *at <= Instant::now()).then_some(*id)
    }

    fn take(&mut self) -> Option<Work> {
        if let Some(id) = self.due_now() {
            self.due.pop();
            return self.retries.remove(&id).map(|retry| Work::Retry(retry, self.closing));
        }
        self.jobs.pop_front().map(Work::Job)
    }
}

impl Work {
    /// A panic ends its job, not the thread: whoever waits for the job is told by the job's own guard.
    fn run(self) {
        let _ = catch_unwind(AssertUnwindSafe(|| match self {
            Work::Job(job) => job(),
            Work::Retry(retry, last) => retry(last),
        }));
    }
}
