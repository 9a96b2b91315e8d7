//! Change capture: a store keeps it under its write lock to know the changes of its commits.
//!
//! [`apply`](crate::engine::apply::apply) records the changes of a batch, writes them to the change log where it is on, and
//! leaves the event here; the store publishes it once the batch is final, or discards it.

use std::collections::HashMap;
use std::sync::Arc;

use super::log;
use super::{Change, CommitEvent, Feed, Interval, Limits};
use crate::batch::Batch;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record};
use crate::value::Value;

/// The events of the running group, and whether the change log is on.
pub struct Capture {
    feed: Arc<Feed>,
    /// Until when commits are logged; 0 if they are not.
    logs_until: Millis,
    /// The running batch switches the log on.
    switched: bool,
    pending: Vec<Arc<CommitEvent>>,
}

impl Capture {
    /// The capture of a store whose keyspace holds `flag` under [`CHANGE_LOG`].
    #[must_use]
    pub fn new(feed: Arc<Feed>, flag: Option<&Record>) -> Self {
        let mut capture = Capture { feed, logs_until: 0, switched: false, pending: Vec::new() };
        capture.believe(flag);
        capture
    }

    /// Takes over what the store says about the log, where others write to it too.
    pub fn believe(&mut self, flag: Option<&Record>) {
        let before = self.logs_until;
        self.logs_until = flag.map_or(0, |flag| flag.expires_at.unwrap_or(Millis::MAX));
        self.feed.note_log(self.logs_until);
        if before == 0 && self.logs_until > 0 {
            // How much lies there is not known: the next trim looks.
            self.feed.count_logged(Limits::default().commits, 0);
        }
    }

    #[must_use]
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// True if commits are logged.
    #[must_use]
    pub fn logs(&self, now: Millis) -> bool {
        self.logs_until > now
    }

    /// Where the changes of a batch that is about to be applied go; `None` if nobody wants to know them.
    pub(in crate::engine) fn begin(&mut self, batch: &Batch, now: Millis) -> Option<Changes> {
        self.switched = false;
        if let Some(until) = log::switched_by(batch) {
            // Should the batch fail, too much is logged, which is harmless: without the flag nobody reads it.
            self.logs_until = until;
            self.feed.note_log(until);
            self.switched = true;
        }
        (self.logs(now) || self.feed.is_watched()).then(Changes::default)
    }

    /// The event of an applied batch, and its entry for the change log if it is to be logged.
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

    /// Keeps the event of an applied batch until the group is final.
    pub(in crate::engine) fn keep(&mut self, event: CommitEvent) {
        if !event.changes.is_empty() {
            self.pending.push(Arc::new(event));
        }
    }

    /// The group is final: tells whoever listens.
    pub fn publish(&mut self) {
        self.publish_if(|_| true);
    }

    /// The batches whose numbers `holds` says are final; the others failed.
    pub fn publish_if(&mut self, holds: impl Fn(u64) -> bool) {
        if self.pending.is_empty() {
            return;
        }
        self.pending.retain(|event| holds(event.seq));
        self.feed.publish(&self.pending);
        self.pending.clear();
    }

    /// The group failed.
    pub fn discard(&mut self) {
        self.pending.clear();
    }
}

/// What a batch changes, one change a key.
#[derive(Default)]
pub(in crate::engine) struct Changes {
    list: Vec<Option<Change>>,
    places: HashMap<Key, usize>,
}

impl Changes {
    pub fn set(&mut self, space: Space, key: &Key, record: &Record) {
        if space == Space::User {
            let (key, version, value) = (key.clone(), record.version, Some(record.value.clone()));
            self.put(key.clone(), Change::Set { key, version, value });
        }
    }

    pub fn delete(&mut self, space: Space, key: &Key) {
        if space == Space::User {
            self.put(key.clone(), Change::Delete { key: key.clone() });
        }
    }

    pub fn clear(&mut self, space: Space, range: &KeyRange) {
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
