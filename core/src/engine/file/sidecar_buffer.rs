//! A write-behind buffer of sidecars. A plain write of a key that was there before changes only when the key was made,
//! so it does not pay for a write to the database: a sweep stores many such sidecars at once, after writes have paused.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::metadata::Sidecar;
use crate::key::Key;

/// Pending sidecars at most; the write that brings more stores some.
pub(super) const MAX_PENDING: usize = 65_536;

/// Sidecars that the database does not hold yet. It owns its lock and calls nothing else while it holds it.
#[derive(Default)]
pub(super) struct SidecarBuffer {
    /// `None` stands for the removal of a sidecar.
    pending: Mutex<HashMap<Key, Option<Sidecar>>>,
    /// False only while the database surely holds no sidecar.
    any_stored: AtomicBool,
    /// Set by each sidecar that becomes pending, cleared by each sweep.
    busy: AtomicBool,
}

impl SidecarBuffer {
    pub(super) fn new(any_stored: bool) -> Self {
        SidecarBuffer { any_stored: AtomicBool::new(any_stored), ..SidecarBuffer::default() }
    }

    /// The pending sidecar of `key`; `Some(None)` is a pending removal.
    pub(super) fn pending(&self, key: &Key) -> Option<Option<Sidecar>> {
        self.pending.lock().get(key).cloned()
    }

    /// Adds a sidecar, or its removal. Returns how many are pending.
    pub(super) fn defer(&self, key: Key, sidecar: Option<Sidecar>) -> usize {
        self.busy.store(true, Ordering::Relaxed);
        let mut pending = self.pending.lock();
        pending.insert(key, sidecar);
        pending.len()
    }

    /// True if no sidecar became pending since the last call. Storing sidecars competes with writes for the disk, and
    /// that of a key that is written again would be stored again.
    pub(super) fn is_quiet(&self) -> bool {
        !self.busy.swap(false, Ordering::Relaxed)
    }

    pub(super) fn any_stored(&self) -> bool {
        self.any_stored.load(Ordering::Acquire)
    }

    /// Says that the database holds, or is about to hold, a sidecar.
    pub(super) fn mark_stored(&self) {
        self.any_stored.store(true, Ordering::Release);
    }

    /// Drops the pending sidecar of `key`: a transaction of the database has written a newer one.
    pub(super) fn discard(&self, key: &Key) {
        self.pending.lock().remove(key);
    }

    /// Drops what is pending: the database is another one.
    pub(super) fn reset(&self, any_stored: bool) {
        self.pending.lock().clear();
        self.any_stored.store(any_stored, Ordering::Release);
    }

    /// Up to `limit` of the pending sidecars. They stay pending until [`remove_stored`](Self::remove_stored).
    pub(super) fn peek(&self, limit: usize) -> Vec<(Key, Option<Sidecar>)> {
        self.pending.lock().iter().take(limit).map(|(key, sidecar)| (key.clone(), sidecar.clone())).collect()
    }

    /// Removes sidecars that the database holds now. One that has changed since stays pending.
    pub(super) fn remove_stored(&self, stored: &[(Key, Option<Sidecar>)]) {
        let mut pending = self.pending.lock();
        for (key, sidecar) in stored {
            if pending.get(key) == Some(sidecar) {
                pending.remove(key);
            }
        }
    }
}
