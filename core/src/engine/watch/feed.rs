//! Who listens to a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::{CommitEvent, Limits, Subscriber, Subscription};
use crate::error::Error;
use crate::record::Millis;

/// The subscribers of one store. Cheap to ask whether there are any.
#[derive(Default)]
pub struct Feed {
    listening: AtomicUsize,
    /// Entries written to the log since it was last trimmed, and their bytes.
    logged: (AtomicUsize, AtomicUsize),
    /// When the log goes off by itself; `u64::MAX` for never.
    lapses: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    subscribers: Vec<(u64, Arc<dyn Subscriber>)>,
    /// Subscribers begin only once [`Feed::begin`] is called: until then commits of other processes would be missed.
    held: bool,
    /// They do whenever nobody listened before.
    gated: bool,
    /// Why nobody may subscribe any more.
    ended: Option<Error>,
}

impl Feed {
    /// True if somebody listens.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.listening.load(Ordering::Relaxed) > 0
    }

    /// Lets subscribers from now on wait for [`begin`](Feed::begin). False, and nothing done, if somebody listens.
    pub fn hold(&self) -> bool {
        let mut state = self.state.lock();
        let quiet = state.subscribers.is_empty();
        state.held |= quiet;
        state.gated = true;
        quiet
    }

    /// Subscribers begin: those that wait, and later ones at once.
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
        // Before the lock is given back: a commit requested from now on finds somebody listening.
        self.listening.store(state.subscribers.len(), Ordering::SeqCst);
        let feed = self.clone();
        Subscription::new(move || feed.unsubscribe(id))
    }

    fn unsubscribe(&self, id: u64) {
        let mut state = self.state.lock();
        let gone = state.subscribers.iter().position(|(other, _)| *other == id).map(|at| state.subscribers.remove(at));
        self.listening.store(state.subscribers.len(), Ordering::SeqCst);
        drop(state);
        // What it holds goes outside the lock.
        drop(gone);
    }

    /// Notes entries written to the log.
    pub fn count_logged(&self, entries: usize, bytes: usize) {
        self.logged.0.fetch_add(entries, Ordering::Relaxed);
        self.logged.1.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes until when the log is on; 0 if it is off.
    pub fn note_log(&self, until: Millis) {
        self.lapses.store(if until == 0 { Millis::MAX } else { until }, Ordering::Relaxed);
    }

    /// True if the log has gone off by itself, or may be over `limits` by an eighth; asked again, it counts from nothing.
    #[must_use]
    pub fn takes_trim(&self, limits: Limits, now: Millis) -> bool {
        let lapses = self.lapses.load(Ordering::Relaxed);
        let lapsed = lapses > 0 && lapses <= now;
        if lapsed {
            self.note_log(0);
        }
        let due = lapsed
            || self.logged.0.load(Ordering::Relaxed) > limits.commits / 8
            || self.logged.1.load(Ordering::Relaxed) > limits.bytes / 8;
        if due {
            self.logged.0.store(0, Ordering::Relaxed);
            self.logged.1.store(0, Ordering::Relaxed);
        }
        due
    }

    /// Tells everybody of commits, in order. The caller keeps other commits away meanwhile.
    pub fn publish(&self, events: &[Arc<CommitEvent>]) {
        let state = self.state.lock();
        for event in events {
            for (_, subscriber) in &state.subscribers {
                subscriber.on_commit(event);
            }
        }
    }

    /// Ends every subscription with `error`; later ones end at once if `for_good`.
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
