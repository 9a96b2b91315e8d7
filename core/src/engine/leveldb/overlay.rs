//! Batches on their way into RocksDB: what they read and write goes over an overlay, and all writes of a group leave it as one
//! RocksDB batch, which is whole or not at all.

use std::collections::HashMap;
use std::sync::Arc;

use rocksdb::{ReadOptions, WriteBatch, WriteOptions};

use super::database::Open;
use super::fault;
use super::format::{Encoded, encode, expiry_key};
use super::record_cache::RecordCache;
use super::store::{LevelDb, Tier};
use super::view::{behind, first, seek, successor};
use crate::batch::{Batch, Outcome};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::Tap;
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Record, now};

/// Ranges of at most this many keys are deleted key by key: a range tombstone slows every later read near it.
const SMALL_RANGE: usize = 1024;

/// One entry of the RocksDB batch. Each takes one sequence number, which is why there is exactly one a variant.
enum Write {
    Put(Space, Encoded),
    Remove(Space, Key),
    RemoveRange(Space, KeyRange, Vec<u8>, Vec<u8>),
    IndexExpiry(Vec<u8>),
    ForgetExpiry(Vec<u8>),
}

/// What the writer knows of the commits before.
pub(super) struct History {
    pub recent: Recent,
    pub intents: Intents,
    pub tap: Tap,
}

/// What a key holds after the writes so far; `None` is removed.
type Slots = HashMap<Key, Option<Arc<Record>>>;

/// A key and the slot it had, if it had one.
type Undo = (Space, Key, Option<Option<Arc<Record>>>);

/// The state a group of batches sees and changes.
pub(super) struct Overlay<'a> {
    store: &'a LevelDb,
    open: &'a Open,
    history: &'a mut History,
    tier: Tier,
    /// RocksDB's sequence number before the first write.
    base: u64,
    user: Slots,
    internal: Slots,
    removed: Vec<(Space, KeyRange)>,
    writes: Vec<Write>,
    /// Slots as they were before the running batch.
    undo: Vec<Undo>,
    /// Set for a batch of one write, which nothing after it reads.
    alone: bool,
    /// A read would have had to wait: the batch must be made again where it may.
    pub blocked: bool,
}

impl<'a> Overlay<'a> {
    pub fn new(store: &'a LevelDb, open: &'a Open, history: &'a mut History, tier: Tier) -> Self {
        // Whatever way the last group failed.
        history.tap.discard();
        Overlay {
            store,
            open,
            history,
            tier,
            base: open.db.latest_sequence_number(),
            user: Slots::new(),
            internal: Slots::new(),
            removed: Vec::new(),
            writes: Vec::new(),
            undo: Vec::new(),
            alone: false,
            blocked: false,
        }
    }

    /// Makes room for so many writes at once.
    pub fn reserve(&mut self, writes: usize) {
        self.user.reserve(writes);
        self.writes.reserve(writes);
    }

    /// Says that one batch of one write is all that comes.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Applies one batch: its sequence number and outcomes; after an error nothing of it is left.
    ///
    /// The number is that of its first entry in RocksDB, so it is above every view taken before, and at most that of
    /// every view taken after.
    pub fn apply(&mut self, batch: &Batch) -> Result<(u64, Vec<Outcome>)> {
        let writes = self.writes.len();
        let removed = self.removed.len();
        let seq = self.base + writes as u64 + 1;
        self.undo.clear();
        match apply(batch, self, seq, now()) {
            Ok(outcomes) if self.writes.len() == writes => Ok((seq - 1, outcomes)),
            Ok(outcomes) => {
                // Should the write fail, the history says more than happened, which is safe.
                self.history.recent.record(seq, batch);
                Ok((seq, outcomes))
            }
            Err(error) => {
                self.writes.truncate(writes);
                self.removed.truncate(removed);
                while let Some((space, key, slot)) = self.undo.pop() {
                    match slot {
                        Some(slot) => self.slots(space).insert(key, slot),
                        None => self.slots(space).remove(&key),
                    };
                }
                Err(error)
            }
        }
    }

    /// The sequence number after everything so far is written.
    pub fn end(&self) -> u64 {
        self.base + self.writes.len() as u64
    }

    /// What is to be written, once no batch comes any more.
    pub fn into_writes(self) -> Writes {
        Writes { writes: self.writes }
    }

    fn slots(&mut self, space: Space) -> &mut Slots {
        match space {
            Space::User => &mut self.user,
            Space::Internal => &mut self.internal,
        }
    }

    fn set_slot(&mut self, space: Space, key: Key, slot: Option<Arc<Record>>) {
        let old = self.slots(space).insert(key.clone(), slot);
        self.undo.push((space, key, old));
    }

    /// The record of a key, expired or not.
    fn look(&mut self, space: Space, key: &[u8]) -> Result<Option<Arc<Record>>> {
        if let Some(slot) = self.slots(space).get(key) {
            return Ok(slot.clone());
        }
        if self.removed.iter().any(|(in_space, range)| *in_space == space && range.spans(key)) {
            return Ok(None);
        }
        match self.store.load(self.open, space, key, self.tier)? {
            Some(found) => Ok(found),
            None => Err(self.block()),
        }
    }

    /// What is known about a key without a read of RocksDB.
    fn glance(&mut self, space: Space, key: &[u8]) -> Option<Arc<Record>> {
        match self.slots(space).get(key) {
            Some(slot) => slot.clone(),
            None => self.store.cache.get(space, key),
        }
    }

    fn block(&mut self) -> Error {
        self.blocked = true;
        Error::new(Code::Io, "this write needs the disk")
    }

    /// Keys of `range` in RocksDB, or `None` if there are more than [`SMALL_RANGE`].
    fn few_keys(&self, space: Space, range: &KeyRange) -> Result<Option<Vec<Key>>> {
        let mut found = Vec::new();
        let mut keys = seek(self.open, space, range, ReadOptions::default())?;
        while let Some(key) = keys.key() {
            if found.len() >= SMALL_RANGE {
                return Ok(None);
            }
            found.push(Key::copy_from_slice(key));
            keys.next();
        }
        keys.status().map_err(|error| fault::translate("read a range", &error))?;
        Ok(Some(found))
    }

    /// A key behind every key of `space`.
    fn behind_all(&mut self, space: Space) -> Result<Vec<u8>> {
        let last = KeyRange { reverse: true, ..KeyRange::default() };
        let keys = seek(self.open, space, &last, ReadOptions::default())?;
        let mut end = keys.key().map(<[u8]>::to_vec).unwrap_or_default();
        keys.status().map_err(|error| fault::translate("read a range", &error))?;
        if let Some(key) = self.slots(space).keys().max() {
            end = end.max(key.to_vec());
        }
        Ok(successor(&end))
    }
}

impl Target for Overlay<'_> {
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        Ok(self.look(space, key)?.map(|record| (*record).clone()))
    }

    fn put(&mut self, space: Space, key: &Key, mut record: Record) -> Result<()> {
        let old = self.look(space, key)?;
        let mut indexed = None;
        if let Some(old) = &old {
            indexed = old.expires_at;
            if !old.expired(record.updated_at.unwrap_or(0)) {
                record.created_at = old.created_at;
            }
        }
        if indexed != record.expires_at {
            if let Some(at) = indexed {
                self.writes.push(Write::ForgetExpiry(expiry_key(at, space, key)));
            }
            if let Some(at) = record.expires_at {
                self.writes.push(Write::IndexExpiry(expiry_key(at, space, key)));
            }
        }
        let seq = record.version.seq().unwrap_or(self.base);
        let encoded = encode(key, &record, seq);
        if !self.alone {
            self.set_slot(space, encoded.shared_key(), Some(encoded.record.clone()));
        }
        self.writes.push(Write::Put(space, encoded));
        Ok(())
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        // An entry of the index that is not known here stays until its time; the sweep then finds its record gone.
        if let Some(at) = self.glance(space, key).and_then(|old| old.expires_at) {
            self.writes.push(Write::ForgetExpiry(expiry_key(at, space, key)));
        }
        if !self.alone {
            self.set_slot(space, key.clone(), None);
        }
        self.writes.push(Write::Remove(space, key.clone()));
        Ok(())
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        if self.tier == Tier::Memory {
            return Err(self.block());
        }
        let pending: Vec<Key> = self
            .slots(space)
            .iter()
            .filter(|(key, slot)| slot.is_some() && range.spans(key))
            .map(|(key, _)| key.clone())
            .collect();
        let mut any = !pending.is_empty();
        match self.few_keys(space, range)? {
            Some(keys) => {
                any |= !keys.is_empty();
                for key in keys.iter().chain(&pending) {
                    self.writes.push(Write::Remove(space, key.clone()));
                }
            }
            None => {
                any = true;
                let start = first(&range.start).unwrap_or_default();
                let end = match behind(&range.end) {
                    Some(end) => end,
                    None => self.behind_all(space)?,
                };
                self.writes.push(Write::RemoveRange(space, range.clone(), start, end));
            }
        }
        for key in pending {
            self.set_slot(space, key, None);
        }
        self.removed.push((space, range.clone()));
        Ok(any)
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        Some(&mut self.history.intents)
    }

    fn tap(&mut self) -> Option<&mut Tap> {
        Some(&mut self.history.tap)
    }

    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.history.recent.changed_since(space, range, since))
    }
}

/// The writes of a group.
pub(super) struct Writes {
    writes: Vec<Write>,
}

impl Writes {
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Writes all or nothing.
    pub fn write(&self, open: &Open, options: &WriteOptions) -> Result<Result<(), rocksdb::Error>> {
        if self.writes.is_empty() {
            return Ok(Ok(()));
        }
        if let [Write::Put(Space::User, encoded)] = self.writes.as_slice() {
            return Ok(open.db.put_opt(encoded.key(), encoded.bytes(), options));
        }
        let (internal, engine) = (open.family(Space::Internal)?, open.engine_family()?);
        let bytes = self.writes.iter().map(Write::size).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        for write in &self.writes {
            match write {
                Write::Put(Space::User, encoded) => batch.put(encoded.key(), encoded.bytes()),
                Write::Put(Space::Internal, encoded) => batch.put_cf(internal, encoded.key(), encoded.bytes()),
                Write::Remove(Space::User, key) => batch.delete(key),
                Write::Remove(Space::Internal, key) => batch.delete_cf(internal, key),
                Write::RemoveRange(space, _, start, end) => batch.delete_range_cf(open.family(*space)?, start, end),
                Write::IndexExpiry(key) => batch.put_cf(engine, key, b""),
                Write::ForgetExpiry(key) => batch.delete_cf(engine, key),
            }
        }
        Ok(open.db.write_opt(batch, options))
    }

    /// Tells the cache what was written.
    pub fn show(self, cache: &RecordCache) {
        for write in self.writes {
            match write {
                Write::Put(space, encoded) => cache.put(space, &encoded),
                Write::Remove(space, key) => cache.remove(space, &key),
                Write::RemoveRange(space, range, ..) => cache.remove_range(space, &range),
                Write::IndexExpiry(_) | Write::ForgetExpiry(_) => {}
            }
        }
    }
}

impl Write {
    /// Bytes in the RocksDB batch, about.
    fn size(&self) -> usize {
        16 + match self {
            Write::Put(_, encoded) => encoded.key().len() + encoded.bytes().len(),
            Write::Remove(_, key) => key.len(),
            Write::RemoveRange(_, _, start, end) => start.len() + end.len(),
            Write::IndexExpiry(key) | Write::ForgetExpiry(key) => key.len(),
        }
    }
}
