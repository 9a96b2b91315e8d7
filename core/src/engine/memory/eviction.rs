//! The least-recently-used order. A read stamps its entry and takes no lock; the queue is put in order only when
//! something has to go.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::records::{Entry, RecordMap};
use crate::key::Key;
use crate::keyspace::model_folder;

#[derive(Default)]
pub(super) struct Recency {
    clock: AtomicU64,
    /// Keys with the stamp that they had when queued, the oldest first. A key whose entry was used since is queued
    /// again.
    queue: BinaryHeap<Reverse<(u64, Key)>>,
}

impl Recency {
    pub(super) fn stamp(&self) -> AtomicU64 {
        AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn touch(&self, entry: &Entry) {
        entry.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Queues an entry that is about to be inserted.
    pub(super) fn inserted(&mut self, key: &Key, entry: &Arc<Entry>, map: &RecordMap) {
        if model_folder(key).is_some() {
            return;
        }
        if self.queue.len() > 2 * map.len() + 1024 {
            self.drop_stale(map);
        }
        self.queue.push(Reverse((entry.used.load(Ordering::Relaxed), key.clone())));
    }

    /// Forgets all keys, and queues those of `map`, in their order.
    pub(super) fn replace(&mut self, map: &RecordMap) {
        self.queue.clear();
        let evictable = map.iter().filter(|(key, _)| model_folder(key).is_none());
        self.queue.extend(evictable.map(|(key, entry)| Reverse((entry.used.load(Ordering::Relaxed), key.clone()))));
    }

    /// Drops keys that are gone, and all but one place of each key.
    fn drop_stale(&mut self, map: &RecordMap) {
        let mut seen = HashSet::new();
        self.queue.retain(|Reverse((_, key))| map.contains_key(key.as_ref()) && seen.insert(key.clone()));
    }

    /// Takes the least recently used key of `map` off the queue; `None` if nothing may be evicted.
    pub(super) fn oldest(&mut self, map: &RecordMap) -> Option<Key> {
        while let Some(Reverse((stamp, key))) = self.queue.pop() {
            let Some(entry) = map.get(key.as_ref()) else { continue };
            let used = entry.used.load(Ordering::Relaxed);
            if used == stamp {
                return Some(key);
            }
            self.queue.push(Reverse((used, key)));
        }
        None
    }
}
