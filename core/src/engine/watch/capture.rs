//! Change capture: a store keeps it under its write lock to know the changes of its commits.
//!
//! [`apply`](crate::engine::apply::apply) records the changes of a batch, writes them to the change log if it is on,
//! and leaves the event here. The store publishes the event once the batch is final, or discards it.

use std::collections::HashMap;
use std::sync::Arc;

use super::log;
use super::{Change, CommitEvent, Feed, Interval, Limits};
use crate::batch::Batch;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record};
use crate::value::Value;

/// The events of the running group, and the state of the change log.
pub struct Capture {
    feed: Arc<Feed>,
    /// The time until which commits are logged; 0 if they are not.
    logs_until: Millis,
    /// True if the running batch switches the log on.
    switched: bool,
    pending: Vec<Arc<CommitEvent>>,
}

impl Capture {
    /// The capture of a store that holds `flag` under the key of the change log's flag.
    #[must_use]
    pub fn new(feed: Arc<Feed>, flag: Option<&Record>) -> Self {
        let mut capture = Capture { feed, logs_until: 0, switched: false, pending: Vec::new() };
        capture.believe(flag);
        capture
    }

    /// Takes over the flag of the store, where other processes write to it, too.
    pub fn believe(&mut self, flag: Option<&Record>) {
        let before = self.logs_until;
        self.logs_until = flag.map_or(0, |flag| flag.expires_at.unwrap_or(Millis::MAX));
        self.feed.note_log(self.logs_until);
        if before == 0 && self.logs_until > 0 {
            // The size of the log is not known, so the next trim looks.
            self.feed.count_logged(Limits::default().commits, 0);
        }
    }

    /// The subscribers of the store.
    #[must_use]
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// True if commits are logged.
    #[must_use]
    pub fn logs(&self, now: Millis) -> bool {
        self.logs_until > now
    }

    /// Begins to record the changes of a batch. `None` if there is neither a subscriber nor the change log.
    pub(in crate::engine) fn begin(&mut self, batch: &Batch, now: Millis) -> Option<Changes> {
        self.switched = false;
        if let Some(until) = log::switched_by(batch) {
            // If the batch fails, too much is logged, which does no harm: without the flag nobody reads it.
            self.logs_until = until;
            self.feed.note_log(until);
            self.switched = true;
        }
        (self.logs(now) || self.feed.is_watched()).then(Changes::default)
    }

    /// The event of an applied batch, and its entry for the change log if the log is on.
    pub(in crate::engine) fn finish(
        &mut self,
        changes: Changes,
        seq: u64,
        now: Millis,
    ) -> (CommitEvent, Option<Value>) {
        let event = CommitEvent { seq, changes: changes.list.into_iter().flatten().collect() };
        let switched = std::mem::take(&mut self.switched);
        let logs = self.logs(now) && (switched || !event.changes.is_empty());
        let entry = logs.then(|| Value::Binary(super::encode(&event, false).into()));
        if let Some(entry) = &entry {
            self.feed.count_logged(1, entry.len());
        }
        (event, entry)
    }

    /// Keeps the event of an applied batch until its group is final.
    pub(in crate::engine) fn keep(&mut self, event: CommitEvent) {
        if !event.changes.is_empty() {
            self.pending.push(Arc::new(event));
        }
    }

    /// Tells the subscribers of the group, which is final.
    pub fn publish(&mut self) {
        self.publish_if(|_| true);
    }

    /// Tells the subscribers of those batches of the group for whose numbers `holds` is true. The others failed.
    pub fn publish_if(&mut self, holds: impl Fn(u64) -> bool) {
        if self.pending.is_empty() {
            return;
        }
        self.pending.retain(|event| holds(event.seq));
        self.feed.publish(&self.pending);
        self.pending.clear();
    }

    /// Drops the events of the group, which failed.
    pub fn discard(&mut self) {
        self.pending.clear();
    }
}

/// The changes of a batch, at most one for each key.
#[derive(Default)]
pub(in crate::engine) struct Changes {
    list: Vec<Option<Change>>,
    places: HashMap<Key, usize>,
}

impl Changes {
    pub(in crate::engine) fn set(&mut self, space: Space, key: &Key, record: &Record) {
        if space == Space::User {
            let (key, version, value) = (key.clone(), record.version, Some(record.value.clone()));
            self.put(key.clone(), Change::Set { key, version, value });
        }
    }

    pub(in crate::engine) fn delete(&mut self, space: Space, key: &Key) {
        if space == Space::User {
            self.put(key.clone(), Change::Delete { key: key.clone() });
        }
    }

    pub(in crate::engine) fn clear(&mut self, space: Space, range: &KeyRange) {
        if space != Space::User || range.is_empty() {
            return;
        }
        let list = &mut self.list;
        self.places.retain(|key, place| {
            let gone = range.spans(key);
            if gone && let Some(change) = list.get_mut(*place) {
                *change = None;
            }
            !gone
        });
        self.list.push(Some(Change::Clear { range: Interval::from(range) }));
    }

    fn put(&mut self, key: Key, change: Change) {
        let place = self.list.len();
        self.list.push(Some(change));
        if let Some(earlier) = self.places.insert(key, place)
            && let Some(change) = self.list.get_mut(earlier)
        {
            *change = None;
        }
    }
}
