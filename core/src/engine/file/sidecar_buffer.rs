//! Side data that waits to be stored. A plain write of a key that was there before changes nothing but when it
//! was made, so it does not pay for a write to the database: a sweep stores many of them as one, once writes have paused.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::metadata::Sidecar;
use crate::key::Key;

/// Waiting entries at most; more are stored by the write that brings them.
pub(super) const MAX_PENDING: usize = 65_536;

#[derive(Default)]
pub(super) struct Sidecars {
    pending: Mutex<HashMap<Key, Option<Sidecar>>>,
    /// False only while the database surely holds none.
    stored: AtomicBool,
    /// Set by each entry that begins to wait, taken by each sweep.
    busy: AtomicBool,
}

impl Sidecars {
    pub fn new(any_stored: bool) -> Self {
        Sidecars { stored: AtomicBool::new(any_stored), ..Sidecars::default() }
    }

    /// What is to be stored of `key`; the inner `None` says nothing, the outer that nothing waits.
    pub fn pending(&self, key: &Key) -> Option<Option<Sidecar>> {
        self.pending.lock().get(key).cloned()
    }

    /// Lets side data, or its removal, wait. Returns how much waits.
    pub fn defer(&self, key: Key, sidecar: Option<Sidecar>) -> usize {
        self.busy.store(true, Ordering::Relaxed);
        let mut pending = self.pending.lock();
        pending.insert(key, sidecar);
        pending.len()
    }

    /// True if nothing began to wait since this was last asked. Storing what waits competes with writes for the
    /// disk, and a key written again would be stored again.
    pub fn is_quiet(&self) -> bool {
        !self.busy.swap(false, Ordering::Relaxed)
    }

    pub fn any_stored(&self) -> bool {
        self.stored.load(Ordering::Acquire)
    }

    /// Says that the database holds, or is about to hold, side data.
    pub fn mark_stored(&self) {
        self.stored.store(true, Ordering::Release);
    }

    /// Forgets what waits for `key`: a transaction is writing something newer.
    pub fn forget(&self, key: &Key) {
        self.pending.lock().remove(key);
    }

    /// Up to `limit` of what waits. It keeps waiting until [`stored`](Self::stored).
    pub fn some(&self, limit: usize) -> Vec<(Key, Option<Sidecar>)> {
        self.pending.lock().iter().take(limit).map(|(key, sidecar)| (key.clone(), sidecar.clone())).collect()
    }

    /// Says that these are in the database now.
    pub fn stored(&self, entries: &[(Key, Option<Sidecar>)]) {
        let mut pending = self.pending.lock();
        for (key, sidecar) in entries {
            if pending.get(key) == Some(sidecar) {
                pending.remove(key);
            }
        }
    }
}
