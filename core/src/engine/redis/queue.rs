//! Keeps requests in order around requests of many steps: a listing of keys, and a batch that deletes a range of user
//! keys. One of them runs at a time, and later requests wait until it is over.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::delete_range::deletes_user_range;
use super::fault::closed;
use crate::engine::{Done, Request};
use crate::error::Result;

#[derive(Default)]
pub(super) struct RequestQueue {
    state: Mutex<RequestQueueState>,
    /// The request of many steps is over, and nothing waits.
    drained: Condvar,
    closed: AtomicBool,
}

#[derive(Default)]
struct RequestQueueState {
    /// A request of many steps runs, or the requests behind it are being sent.
    busy: bool,
    /// That request lists keys: reads need not wait for it.
    listing: bool,
    waiting: VecDeque<QueuedRequest>,
}

/// A request, and the moment when it was made.
pub(super) struct QueuedRequest {
    pub request: Request,
    pub done: Done,
    pub since: Instant,
}

impl RequestQueueState {
    /// True if a read need not wait.
    fn lets_reads_pass(&self) -> bool {
        !self.busy || (self.listing && self.waiting.is_empty())
    }
}

impl RequestQueue {
    /// CLOSED once the queue is closed.
    pub(super) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// Gives the request back if it can be sent now. Else it waits, and [`next`](Self::next) gives it later. A request
    /// of many steps that is given back makes later requests wait.
    pub(super) fn admit(&self, queued: QueuedRequest) -> Option<QueuedRequest> {
        let mut state = self.state.lock();
        let passes = matches!(queued.request, Request::Read(_)) && state.lets_reads_pass();
        if state.busy && !passes {
            state.waiting.push_back(queued);
            return None;
        }
        if !state.busy {
            state.busy = takes_many_steps(&queued.request);
            state.listing = lists(&queued.request);
        }
        Some(queued)
    }

    /// The next request to send, once a request of many steps is over. If this one takes many steps too, the caller
    /// must not ask for the next one before it is over.
    pub(super) fn next(&self) -> Option<QueuedRequest> {
        let mut state = self.state.lock();
        let next = state.waiting.pop_front();
        match &next {
            Some(queued) => state.listing = lists(&queued.request),
            None => {
                state.busy = false;
                self.drained.notify_all();
            }
        }
        next
    }

    /// Waits until every request made before was sent. Blocks.
    pub(super) fn wait_turn(&self) -> Result<()> {
        let mut state = self.state.lock();
        while !state.lets_reads_pass() {
            self.drained.wait(&mut state);
        }
        drop(state);
        self.check_open()
    }

    /// Waits until every request made before was sent. Later ones wait until [`next`](Self::next) gives them. Blocks.
    pub(super) fn begin_alone(&self) -> Result<()> {
        let mut state = self.state.lock();
        while state.busy {
            self.drained.wait(&mut state);
        }
        self.check_open()?;
        (state.busy, state.listing) = (true, false);
        Ok(())
    }

    /// As [`begin_alone`](Self::begin_alone), but false if it would have to wait.
    pub(super) fn try_begin_alone(&self) -> bool {
        let mut state = self.state.lock();
        if state.busy || self.check_open().is_err() {
            return false;
        }
        (state.busy, state.listing) = (true, false);
        true
    }

    /// Refuses later requests, and waits until those made before were sent. Blocks.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        self.closed.store(true, Ordering::Release);
        while state.busy {
            self.drained.wait(&mut state);
        }
    }
}

/// True for a request of many steps.
pub(super) fn takes_many_steps(request: &Request) -> bool {
    lists(request) || matches!(request, Request::Commit(batch) if deletes_user_range(batch))
}

fn lists(request: &Request) -> bool {
    matches!(request, Request::Keys(_) | Request::Count(_))
}
