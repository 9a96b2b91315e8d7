//! The subscribers of a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::{CommitEvent, Limits, Subscriber, Subscription};
use crate::error::Error;
use crate::record::Millis;

/// The subscribers of one store, and the size of its change log since the last trim.
#[derive(Default)]
pub struct Feed {
    /// The number of subscribers, readable without the lock.
    listening: AtomicUsize,
    /// The number of entries written to the log since it was last trimmed, and their bytes.
    logged: (AtomicUsize, AtomicUsize),
    /// The time at which the log goes off by itself; `u64::MAX` for never.
    off_at: AtomicU64,
    state: Mutex<FeedState>,
}

#[derive(Default)]
struct FeedState {
    next: u64,
    subscribers: Vec<(u64, Arc<dyn Subscriber>)>,
    /// True while subscribers wait for [`Feed::begin`]: until then they would miss commits of other processes.
    held: bool,
    /// True for a store whose first subscriber has to wait for [`Feed::begin`].
    gated: bool,
    /// The error with which later subscriptions end at once.
    ended: Option<Error>,
}

impl Feed {
    /// True if there is a subscriber.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.listening.load(Ordering::Relaxed) > 0
    }

    /// Lets later subscribers wait for [`begin`](Feed::begin), unless there is a subscriber already: false.
    pub fn hold(&self) -> bool {
        let mut state = self.state.lock();
        let quiet = state.subscribers.is_empty();
        state.held |= quiet;
        state.gated = true;
        quiet
    }

    /// Lets the waiting subscribers begin. Later ones begin at once.
    pub fn begin(&self) {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.held) {
            state.subscribers.iter().for_each(|(_, subscriber)| subscriber.begun());
        }
    }

    /// Adds a subscriber, which begins at once unless subscribers are held.
    pub fn subscribe(self: &Arc<Self>, subscriber: Arc<dyn Subscriber>) -> Subscription {
        let mut state = self.state.lock();
        if let Some(error) = &state.ended {
            subscriber.ended(error.clone());
            return Subscription::new(|| {});
        }
        let id = state.next;
        state.next += 1;
        if !state.held {
            subscriber.begun();
        }
        state.subscribers.push((id, subscriber));
        // Before the lock is given back, so that a commit requested from now on finds the subscriber.
        self.listening.store(state.subscribers.len(), Ordering::SeqCst);
        let feed = self.clone();
        Subscription::new(move || feed.unsubscribe(id))
    }

    fn unsubscribe(&self, id: u64) {
        let mut state = self.state.lock();
        let gone = state.subscribers.iter().position(|(other, _)| *other == id).map(|at| state.subscribers.remove(at));
        self.listening.store(state.subscribers.len(), Ordering::SeqCst);
        drop(state);
        // Outside the lock, because the drop of a subscriber may take locks of its own.
        drop(gone);
    }

    /// Counts entries written to the log, and their bytes.
    pub fn count_logged(&self, entries: usize, bytes: usize) {
        self.logged.0.fetch_add(entries, Ordering::Relaxed);
        self.logged.1.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes the time until which the log is on; 0 if it is off.
    pub fn note_log(&self, until: Millis) {
        self.off_at.store(if until == 0 { Millis::MAX } else { until }, Ordering::Relaxed);
    }

    /// True if the log has gone off by itself, or may be over `limits` by an eighth. The counts begin anew then.
    #[must_use]
    pub fn takes_trim(&self, limits: Limits, now: Millis) -> bool {
        let off_at = self.off_at.load(Ordering::Relaxed);
        let has_gone_off = off_at > 0 && off_at <= now;
        if has_gone_off {
            self.note_log(0);
        }
        let due = has_gone_off
            || self.logged.0.load(Ordering::Relaxed) > limits.commits / 8
            || self.logged.1.load(Ordering::Relaxed) > limits.bytes / 8;
        if due {
            self.logged.0.store(0, Ordering::Relaxed);
            self.logged.1.store(0, Ordering::Relaxed);
        }
        due
    }

    /// Tells every subscriber of commits, in order. The caller keeps other commits away meanwhile.
    pub fn publish(&self, events: &[Arc<CommitEvent>]) {
        let state = self.state.lock();
        for event in events {
            for (_, subscriber) in &state.subscribers {
                subscriber.on_commit(event);
            }
        }
    }

    /// Ends every subscription with `error`. With `for_good`, later ones end at once, too.
    pub fn end(&self, error: &Error, for_good: bool) {
        let mut state = self.state.lock();
        let gone = std::mem::take(&mut state.subscribers);
        self.listening.store(0, Ordering::SeqCst);
        state.held = state.gated;
        if for_good {
            state.ended = Some(error.clone());
        }
        drop(state);
        for (_, subscriber) in gone {
            subscriber.ended(error.clone());
        }
    }
}
