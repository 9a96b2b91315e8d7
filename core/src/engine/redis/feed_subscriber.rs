//! A subscriber of the feed, and the place in it where the subscriber begins.
//!
//! The place is asked for over the connection that carries the commits of this client. So it lies behind the commits
//! that were requested before the subscription, and ahead of all later ones. The thread that follows the feed may tell
//! commits before the place is known. They are held until then.

use std::sync::Arc;

use parking_lot::Mutex;

use super::feed::gap;
use crate::engine::watch::{CommitEvent, Subscriber};
use crate::error::{Error, Result};

/// The most commits that are held. A feed holds about as many.
const MAX_HELD: usize = 1024;

pub(super) struct FeedSubscriber {
    subscriber: Arc<dyn Subscriber>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The thread follows the feed.
    followed: bool,
    /// The commit behind which this subscriber begins.
    behind: Option<u64>,
    held: Vec<Arc<CommitEvent>>,
    over: bool,
}

impl FeedSubscriber {
    pub(super) fn new(subscriber: Arc<dyn Subscriber>) -> Self {
        FeedSubscriber { subscriber, state: Mutex::default() }
    }

    /// The server has answered that the latest commit is `behind`, and writes the feed from now on.
    pub(super) fn opened(&self, behind: Result<u64>) {
        match behind {
            Ok(behind) => self.change(|state| state.behind = Some(behind)),
            Err(error) => self.end(error),
        }
    }

    /// Changes the state. If that lets the subscriber begin, the held commits are told.
    fn change(&self, change: impl FnOnce(&mut State)) {
        // The lock is kept, so that a commit that is told meanwhile comes behind the held ones.
        let mut state = self.state.lock();
        let began = state.begins_behind().is_some();
        change(&mut state);
        let Some(behind) = state.begins_behind() else { return };
        if began || state.over {
            return;
        }
        self.subscriber.begun();
        for event in std::mem::take(&mut state.held) {
            if event.seq > behind {
                self.subscriber.on_commit(&event);
            }
        }
    }

    fn end(&self, error: Error) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.over, true) {
            state.held = Vec::new();
            drop(state);
            self.subscriber.ended(error);
        }
    }
}

impl State {
    fn begins_behind(&self) -> Option<u64> {
        self.behind.filter(|_| self.followed)
    }
}

impl Subscriber for FeedSubscriber {
    fn begun(&self) {
        self.change(|state| state.followed = true);
    }

    fn on_commit(&self, event: &Arc<CommitEvent>) {
        let mut state = self.state.lock();
        if state.over {
            return;
        }
        match state.begins_behind() {
            Some(behind) if event.seq > behind => {
                // From here on the thread sees to the order.
                state.behind = Some(0);
                self.subscriber.on_commit(event);
            }
            Some(_) => {}
            None if state.held.len() < MAX_HELD => state.held.push(event.clone()),
            None => {
                drop(state);
                self.end(gap());
            }
        }
    }

    fn ended(&self, error: Error) {
        self.end(error);
    }
}
