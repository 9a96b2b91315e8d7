//! The records of both keyspaces, with their size and their expiries.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use imbl::OrdMap;

use crate::key::{Key, KeyRange, Space};
use crate::keyspace::model_folder;
use crate::record::{Millis, Record};

/// The bytes that a record costs beside key, value and metadata: the entry, its counts, and its share of the tree.
const OVERHEAD: u64 = 320;

/// The records of one keyspace, in the order of their keys.
pub(super) type RecordMap = OrdMap<Key, Arc<Entry>>;

/// A record, and the stamp of its last use.
#[derive(Debug)]
pub(super) struct Entry {
    pub record: Record,
    pub used: AtomicU64,
}

#[derive(Default)]
pub(super) struct Records {
    /// Every user record by its key. A read of one key is one look-up here instead of a walk down the tree.
    index: HashMap<Key, Arc<Entry>>,
    user: RecordMap,
    internal: RecordMap,
    /// Every expiry of a record in either map.
    expiries: BTreeSet<(Millis, Space, Key)>,
    bytes: u64,
    /// The bytes of records that are never evicted.
    pinned: u64,
}

impl Records {
    pub(super) fn get(&self, space: Space, key: &[u8]) -> Option<&Arc<Entry>> {
        match space {
            Space::User => self.index.get(key),
            Space::Internal => self.internal.get(key),
        }
    }

    pub(super) fn map(&self, space: Space) -> &RecordMap {
        match space {
            Space::User => &self.user,
            Space::Internal => &self.internal,
        }
    }

    /// The records between the bounds of `range`.
    pub(super) fn range(&self, space: Space, range: &KeyRange) -> impl Iterator<Item = (&Key, &Arc<Entry>)> {
        let bounds = (range.start.as_ref().map(AsRef::<[u8]>::as_ref), range.end.as_ref().map(AsRef::<[u8]>::as_ref));
        self.map(space).range::<_, [u8]>(bounds)
    }

    fn map_mut(&mut self, space: Space) -> &mut RecordMap {
        match space {
            Space::User => &mut self.user,
            Space::Internal => &mut self.internal,
        }
    }

    /// The bytes of all records and their bookkeeping.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes of records that are never evicted: our own, and those of models.
    pub(super) fn pinned_bytes(&self) -> u64 {
        self.pinned
    }

    /// The bytes that a record and its bookkeeping take; 0 if there is none.
    pub(super) fn bytes_of(&self, space: Space, key: &Key) -> u64 {
        self.get(space, key).map_or(0, |entry| cost(key, &entry.record))
    }

    /// The record that expires first, if it expires by `now`.
    pub(super) fn first_expired(&self, now: Millis) -> Option<(Space, Key)> {
        let (_, space, key) = self.expiries.first().filter(|(at, ..)| *at <= now)?;
        Some((*space, key.clone()))
    }

    /// As [`replace`](Records::replace), of a record that is written now: it keeps the created time of a live record
    /// that it replaces.
    pub(super) fn write(&mut self, space: Space, key: &Key, mut entry: Option<Arc<Entry>>) -> Option<Arc<Entry>> {
        if let Some(entry) = entry.as_mut()
            && let Some(old) = self.get(space, key)
        {
            keep_creation(&old.record, entry);
        }
        self.replace(space, key, entry)
    }

    /// Replaces what `key` holds, and keeps the size and the expiries true. Returns what it held.
    pub(super) fn replace(&mut self, space: Space, key: &Key, entry: Option<Arc<Entry>>) -> Option<Arc<Entry>> {
        let new_expiry = entry.as_ref().and_then(|entry| entry.record.expires_at);
        let new_bytes = entry.as_ref().map_or(0, |entry| cost(key, &entry.record));
        if space == Space::User {
            match (&entry, self.index.get_mut(key)) {
                (Some(entry), Some(place)) => *place = entry.clone(),
                (Some(entry), None) => drop(self.index.insert(key.clone(), entry.clone())),
                (None, _) => drop(self.index.remove(key)),
            }
        }
        let map = self.map_mut(space);
        let old = match (entry, map.get_mut(key.as_ref())) {
            (Some(entry), Some(place)) => Some(mem::replace(place, entry)),
            (Some(entry), None) => map.insert(key.clone(), entry),
            (None, Some(_)) => map.remove(key.as_ref()),
            (None, None) => None,
        };
        let old_expiry = old.as_ref().and_then(|old| old.record.expires_at);
        let old_bytes = old.as_ref().map_or(0, |old| cost(key, &old.record));
        self.bytes = (self.bytes + new_bytes).saturating_sub(old_bytes);
        if space == Space::Internal || model_folder(key).is_some() {
            self.pinned = (self.pinned + new_bytes).saturating_sub(old_bytes);
        }
        if new_expiry != old_expiry {
            if let Some(at) = old_expiry {
                self.expiries.remove(&(at, space, key.clone()));
            }
            if let Some(at) = new_expiry {
                self.expiries.insert((at, space, key.clone()));
            }
        }
        old
    }
}

fn keep_creation(old: &Record, entry: &mut Arc<Entry>) {
    let written_at = entry.record.updated_at.unwrap_or(0);
    if !old.expired(written_at)
        && let Some(entry) = Arc::get_mut(entry)
    {
        entry.record.created_at = old.created_at;
    }
}

fn cost(key: &Key, record: &Record) -> u64 {
    let metadata = record.metadata.as_ref().map_or(0, bytes::Bytes::len);
    OVERHEAD + (key.len() + record.value.len() + metadata) as u64
}
