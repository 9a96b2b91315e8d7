//! The calls of a branch that could not be answered at once.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::engine::{Done, Request};

/// Called when nothing is queued or runs.
pub(super) type OnIdle = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(super) struct CallQueue {
    state: Mutex<CallQueueState>,
}

#[derive(Default)]
struct CallQueueState {
    calls: VecDeque<(Request, Done)>,
    /// A task works through the queue.
    running: bool,
    on_idle: Option<OnIdle>,
}

impl CallQueue {
    pub(super) fn is_idle(&self) -> bool {
        !self.state.lock().running
    }

    /// Calls `then` when the calls made so far are answered; at once if they are.
    pub(super) fn when_idle(&self, then: OnIdle) {
        let mut state = self.state.lock();
        if state.running {
            state.on_idle = Some(then);
        } else {
            drop(state);
            then();
        }
    }

    /// Queues a call. True if the caller has to start a task that works through the queue.
    pub(super) fn push(&self, request: Request, done: Done) -> bool {
        let mut state = self.state.lock();
        state.calls.push_back((request, done));
        !std::mem::replace(&mut state.running, true)
    }

    /// The next call; `None` ends the task.
    pub(super) fn next(&self) -> Option<(Request, Done)> {
        let mut state = self.state.lock();
        let next = state.calls.pop_front();
        if next.is_none() {
            state.running = false;
            let on_idle = state.on_idle.take();
            drop(state);
            if let Some(on_idle) = on_idle {
                on_idle();
            }
        }
        next
    }
}
