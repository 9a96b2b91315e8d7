//! Least-recently-used order without a lock on reads: a read stamps its slot, and the queue is put right
//! only when something must go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::write::{Map, Slot};
use crate::key::Key;

/// The folders of the models: a document whose index entry stays would be worse than a full store.
const KEPT: [&[u8]; 3] = [b"docs/", b"objects/", b"graphs/"];

#[derive(Default)]
pub(super) struct Recency {
    clock: AtomicU64,
    /// Keys with the stamp they had when queued. An entry whose slot was used since goes to the back.
    queue: VecDeque<(u64, Key)>,
}

impl Recency {
    pub fn stamp(&self) -> AtomicU64 {
        AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed))
    }

    pub fn touch(&self, slot: &Slot) {
        slot.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Queues a slot about to be inserted, dropping entries of slots that are gone now and then.
    pub fn inserted(&mut self, key: &Key, slot: &Arc<Slot>, map: &Map) {
        if KEPT.iter().any(|folder| key.starts_with(folder)) {
            return;
        }
        if self.queue.len() > 2 * map.len() + 1024 {
            let mut seen = std::collections::HashSet::new();
            // The latest entry of a key is the one that counts.
            let mut kept: VecDeque<_> = VecDeque::with_capacity(map.len());
            for (stamp, key) in self.queue.drain(..).rev() {
                if map.contains_key(key.as_ref()) && seen.insert(key.clone()) {
                    kept.push_front((stamp, key));
                }
            }
            self.queue = kept;
        }
        self.queue.push_back((slot.used.load(Ordering::Relaxed), key.clone()));
    }

    /// The least recently used key of `map`, taken off the queue; `None` if nothing may be evicted.
    pub fn oldest(&mut self, map: &Map) -> Option<Key> {
        while let Some((stamp, key)) = self.queue.pop_front() {
            let Some(slot) = map.get(key.as_ref()) else { continue };
            let used = slot.used.load(Ordering::Relaxed);
            if used == stamp {
                return Some(key);
            }
            self.queue.push_back((used, key));
        }
        None
    }
}
