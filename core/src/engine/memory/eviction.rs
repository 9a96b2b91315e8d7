//! The least-recently-used order. A read stamps its entry and takes no lock; the queue is put in order only when
//! something has to go.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::records::{Entry, RecordMap};
use crate::key::Key;
use crate::keyspace::model_folder;

#[derive(Default)]
pub(super) struct Recency {
    clock: AtomicU64,
    /// Keys with the stamp they had when queued. A key whose entry was used since goes to the back.
    queue: VecDeque<(u64, Key)>,
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
        self.queue.push_back((entry.used.load(Ordering::Relaxed), key.clone()));
    }

    /// Drops keys that are gone, and all but the latest place of each key.
    fn drop_stale(&mut self, map: &RecordMap) {
        let mut seen = HashSet::new();
        let mut kept = VecDeque::with_capacity(map.len());
        for (stamp, key) in self.queue.drain(..).rev() {
            if map.contains_key(key.as_ref()) && seen.insert(key.clone()) {
                kept.push_front((stamp, key));
            }
        }
        self.queue = kept;
    }

    /// Takes the least recently used key of `map` off the queue; `None` if nothing may be evicted.
    pub(super) fn oldest(&mut self, map: &RecordMap) -> Option<Key> {
        while let Some((stamp, key)) = self.queue.pop_front() {
            let Some(entry) = map.get(key.as_ref()) else { continue };
            let used = entry.used.load(Ordering::Relaxed);
            if used == stamp {
                return Some(key);
            }
            self.queue.push_back((used, key));
        }
        None
    }
}
