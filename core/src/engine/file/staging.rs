//! The state that a batch is applied to: the writes that its group has staged so far, over the records on disk.

use std::collections::BTreeMap;

use super::metadata::MetadataDb;
use super::records::{Lookup, Records};
use super::walk::{Listings, Walk};
use crate::batch::Commit;
use crate::engine::apply::Target;
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::Capture;
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record};

/// Records of our own keyspace that are read at once.
const CHUNK: u32 = 1024;

/// The records that batches write; `None` is a removal.
pub(super) type Changes = BTreeMap<(Space, Key), Option<Record>>;

/// A group of batches, applied in memory.
pub(super) struct StagedGroup {
    /// The number of the last commit.
    pub seq: u64,
    pub changes: Changes,
    /// True if no batch depends on another being whole or written.
    pub independent: bool,
    /// One for each batch, with the keys it wrote. They hold once the changes are written.
    pub results: Vec<Result<(Commit, Vec<Key>)>>,
}

/// The target of one batch.
pub(super) struct Staging<'a> {
    records: &'a Records,
    metadata: &'a MetadataDb,
    recent: &'a Recent,
    intents: &'a mut Intents,
    capture: &'a mut Capture,
    /// The writes of the batches before this one.
    group: &'a Changes,
    /// The writes of this batch.
    own: Changes,
    now: Millis,
}

impl<'a> Staging<'a> {
    /// The state that a batch finds at time `now`; `group` are the writes of the batches before it.
    pub(super) fn new(
        records: &'a Records,
        metadata: &'a MetadataDb,
        recent: &'a Recent,
        intents: &'a mut Intents,
        capture: &'a mut Capture,
        group: &'a Changes,
        now: Millis,
    ) -> Self {
        Staging { records, metadata, recent, intents, capture, group, own: Changes::new(), now }
    }

    /// The writes of the batch.
    pub(super) fn into_changes(self) -> Changes {
        self.own
    }

    fn staged(&self, space: Space, key: &Key) -> Option<&Option<Record>> {
        let key = (space, key.clone());
        self.own.get(&key).or_else(|| self.group.get(&key))
    }

    /// The time when the live record of `key` was made.
    fn created_at(&self, space: Space, key: &Key) -> Result<Option<Millis>> {
        let live = |record: &Record| (!record.expired(self.now)).then_some(record.created_at).flatten();
        if let Some(staged) = self.staged(space, key) {
            return Ok(staged.as_ref().and_then(live));
        }
        if space == Space::Internal {
            return Ok(self.metadata.internal(key)?.as_ref().and_then(live));
        }
        match self.records.lookup(key)? {
            Lookup::Absent => Ok(None),
            // An edit of the last moment changed the value, which is not asked for.
            Lookup::Fresh(cached) | Lookup::Racy(cached) => Ok(live(&cached.record)),
            // Without a sidecar the file's time tells, and the file need not be read.
            Lookup::Miss(stamp) if self.records.sidecar(key)?.is_none() => Ok(Some(stamp.millis())),
            // A set replaces what cannot be read: it was asked for by name.
            Lookup::Miss(_) => Ok(self.records.load(key).ok().flatten().as_ref().and_then(live)),
        }
    }

    fn staged_keys(&self, space: Space, range: &KeyRange) -> Vec<Key> {
        [self.group, &self.own]
            .into_iter()
            .flat_map(|changes| changes.keys())
            .filter(|(in_space, key)| *in_space == space && range.contains(key))
            .map(|(_, key)| key.clone())
            .collect()
    }

    fn stored_keys(&self, space: Space, range: &KeyRange) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        match space {
            Space::User => {
                let mut listings = Listings::new();
                let mut walk = Walk::new(self.records.tree(), range, &mut listings)?;
                while let Some(key) = walk.next(&mut listings)? {
                    keys.push(key);
                }
                keys.extend(self.records.tree().long_names().keys(range));
            }
            Space::Internal => {
                let mut rest = range.clone();
                rest.reverse = false;
                loop {
                    let rows = self.metadata.internals(&rest, CHUNK)?;
                    let Some((last, _)) = rows.last() else { break };
                    rest = rest.after(last);
                    keys.extend(rows.into_iter().map(|(key, _)| key));
                }
            }
        }
        Ok(keys)
    }
}

impl Target for Staging<'_> {
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        if let Some(staged) = self.staged(space, key) {
            return Ok(staged.clone());
        }
        match space {
            Space::User => self.records.user(key),
            Space::Internal => self.metadata.internal(key),
        }
    }

    /// Never: files are edited by hand, too.
    fn unchanged_since(&self, _as_of: u64, _seq: u64) -> bool {
        false
    }

    /// The record gets the `created_at` here that it keeps, which is a part of the version.
    fn give_version(&mut self, space: Space, key: &Key, record: &mut Record, _seq: u64) -> Result<()> {
        if let Some(created) = self.created_at(space, key)? {
            record.created_at = Some(created);
        }
        record.version = record.digest();
        Ok(())
    }

    fn put(&mut self, space: Space, key: &Key, record: Record) -> Result<()> {
        self.own.insert((space, key.clone()), Some(record));
        Ok(())
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        self.own.insert((space, key.clone()), None);
        Ok(())
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        let staged = self.staged_keys(space, range);
        let stored = self.stored_keys(space, range)?;
        let any = !stored.is_empty() || staged.iter().any(|key| self.staged(space, key).is_some_and(Option::is_some));
        self.own.extend(staged.into_iter().chain(stored).map(|key| ((space, key), None)));
        Ok(any)
    }

    fn keys(&mut self, space: Space, range: &KeyRange) -> Result<Vec<Key>> {
        let mut keys = self.staged_keys(space, range);
        keys.extend(self.stored_keys(space, range)?);
        Ok(keys)
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        Some(self.intents)
    }

    fn capture(&mut self) -> Option<&mut Capture> {
        Some(self.capture)
    }

    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.recent.changed_since(space, range, since))
    }
}
