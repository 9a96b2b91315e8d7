//! The state that a group of batches sees and changes: RocksDB's, under the group's own writes.

use std::collections::HashMap;
use std::sync::Arc;

use rocksdb::ReadOptions;

use super::database::OpenDatabase;
use super::fault;
use super::iterator::{lower_bound, seek, successor, upper_bound};
use super::read::{Reader, Tier};
use super::write_set::{Write, WriteSet};
use crate::batch::{Batch, Outcome};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::Capture;
use crate::error::{Code, Error, Result};
use crate::format::leveldb::{encode, expiry_key};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Record, now};

/// A range of at most this many keys is deleted key by key: a range tombstone slows every later read near it.
const SMALL_RANGE: usize = 1024;

/// The writer's knowledge of earlier commits.
pub(super) struct WriterState {
    pub recent: Recent,
    pub intents: Intents,
    pub capture: Capture,
}

/// The keys that were written, each with its record; `None` for a removed one.
type Slots = HashMap<Key, Option<Arc<Record>>>;

/// A key and the slot that it had, if it had one.
type Undo = (Space, Key, Option<Option<Arc<Record>>>);

pub(super) struct Overlay<'a> {
    reader: &'a Reader,
    open: &'a OpenDatabase,
    state: &'a mut WriterState,
    tier: Tier,
    /// RocksDB's sequence number before the first write.
    base: u64,
    user: Slots,
    internal: Slots,
    removed: Vec<(Space, KeyRange)>,
    writes: WriteSet,
    /// Slots as they were before the running batch.
    undo: Vec<Undo>,
    /// The batch is one write, and nothing reads behind it: it needs no slot.
    alone: bool,
    /// Set if a read would have had to wait. The batch must be applied again where it may wait.
    pub blocked: bool,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(reader: &'a Reader, open: &'a OpenDatabase, state: &'a mut WriterState, tier: Tier) -> Self {
        // The last group may have failed and left events.
        state.capture.discard();
        Overlay {
            reader,
            open,
            state,
            tier,
            base: open.db.latest_sequence_number(),
            user: Slots::new(),
            internal: Slots::new(),
            removed: Vec::new(),
            writes: WriteSet::default(),
            undo: Vec::new(),
            alone: false,
            blocked: false,
        }
    }

    /// Makes room for so many writes at once.
    pub(super) fn reserve(&mut self, writes: usize) {
        self.user.reserve(writes);
        self.writes.reserve(writes);
    }

    /// For a group that is one batch of one write.
    pub(super) fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Applies one batch. Returns its sequence number and outcomes; after an error nothing of it is left.
    ///
    /// The number is that of the batch's first entry in RocksDB. So it is above that of every view taken before, and at
    /// most that of every view taken after.
    pub(super) fn apply(&mut self, batch: &Batch) -> Result<(u64, Vec<Outcome>)> {
        let writes = self.writes.len();
        let removed = self.removed.len();
        let seq = self.base + writes as u64 + 1;
        self.undo.clear();
        match apply(batch, self, seq, now()) {
            Ok(outcomes) if self.writes.len() == writes => Ok((seq - 1, outcomes)),
            Ok(outcomes) => {
                // Should the write fail, more keys count as changed than were, which is safe.
                self.state.recent.record(seq, batch);
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

    /// RocksDB's sequence number once everything so far is written.
    pub(super) fn end(&self) -> u64 {
        self.base + self.writes.len() as u64
    }

    /// The writes of all batches.
    pub(super) fn into_writes(self) -> WriteSet {
        self.writes
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
    fn load(&mut self, space: Space, key: &[u8]) -> Result<Option<Arc<Record>>> {
        if let Some(slot) = self.slots(space).get(key) {
            return Ok(slot.clone());
        }
        if self.removed.iter().any(|(in_space, range)| *in_space == space && range.spans(key)) {
            return Ok(None);
        }
        match self.reader.load(self.open, space, key, self.tier)? {
            Some(found) => Ok(found),
            None => Err(self.block()),
        }
    }

    /// The record of a key, if it is known without a read of RocksDB.
    fn known(&mut self, space: Space, key: &[u8]) -> Option<Arc<Record>> {
        match self.slots(space).get(key) {
            Some(slot) => slot.clone(),
            None => self.reader.cache.get(space, key),
        }
    }

    fn block(&mut self) -> Error {
        self.blocked = true;
        Error::new(Code::Io, "this write needs the disk")
    }

    /// The keys of `range` in RocksDB; `None` if there are more than [`SMALL_RANGE`].
    fn few_keys(&self, space: Space, range: &KeyRange) -> Result<Option<Vec<Key>>> {
        let mut found = Vec::new();
        let generation = self.open.current();
        let mut keys = seek(self.open, generation.of(space), range, ReadOptions::default());
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
        let generation = self.open.current();
        let keys = seek(self.open, generation.of(space), &last, ReadOptions::default());
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
        Ok(self.load(space, key)?.map(|record| (*record).clone()))
    }

    fn put(&mut self, space: Space, key: &Key, mut record: Record) -> Result<()> {
        let old = match self.load(space, key) {
            // The sweep finds the entry of the expiry index that it may have.
            Err(error) if error.is_damaged_record() => None,
            old => old?,
        };
        let mut indexed = None;
        if let Some(old) = &old {
            indexed = old.expires_at;
            if !old.expired(record.updated_at.unwrap_or(0)) {
                record.created_at = old.created_at;
            }
        }
        if indexed != record.expires_at {
            if let Some(at) = indexed {
                self.writes.push(Write::RemoveExpiry(expiry_key(at, space, key)));
            }
            if let Some(at) = record.expires_at {
                self.writes.push(Write::AddExpiry(expiry_key(at, space, key)));
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
        // An entry of the index that is not known here stays until its time. The sweep then finds its record gone.
        if let Some(at) = self.known(space, key).and_then(|old| old.expires_at) {
            self.writes.push(Write::RemoveExpiry(expiry_key(at, space, key)));
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
                let start = lower_bound(&range.start).unwrap_or_default();
                let end = match upper_bound(&range.end) {
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

    fn keys(&mut self, space: Space, range: &KeyRange) -> Result<Vec<Key>> {
        if self.tier == Tier::Memory {
            return Err(self.block());
        }
        let written = self.slots(space).keys().filter(|key| range.contains(key));
        let mut keys: Vec<Key> = written.cloned().collect();
        let generation = self.open.current();
        let mut stored = seek(self.open, generation.of(space), range, ReadOptions::default());
        while let Some(key) = stored.key() {
            if range.selects(key) {
                keys.push(Key::copy_from_slice(key));
            }
            stored.next();
        }
        stored.status().map_err(|error| fault::translate("read a range", &error))?;
        Ok(keys)
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        Some(&mut self.state.intents)
    }

    fn capture(&mut self) -> Option<&mut Capture> {
        Some(&mut self.state.capture)
    }

    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.state.recent.changed_since(space, range, since))
    }
}
