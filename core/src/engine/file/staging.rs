//! The state a batch is applied to: what the group has decided so far, over what is on disk.

use std::collections::BTreeMap;

use super::metadata::MetadataDb;
use super::records::{Memory, Shelf};
use super::walk::{Listings, Walk};
use crate::engine::apply::Target;
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::Tap;
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, Version};
use crate::value::Value;

/// What keys hold after a batch; `None` is absent.
pub(super) type Changes = BTreeMap<(Space, Key), Option<Record>>;

pub(super) struct Stage<'a> {
    pub shelf: &'a Shelf,
    pub metadata: &'a MetadataDb,
    pub recent: &'a Recent,
    pub intents: &'a mut Intents,
    pub tap: &'a mut Tap,
    /// What the batches before this one wrote.
    pub group: &'a Changes,
    /// What this batch writes.
    pub own: Changes,
    pub now: Millis,
}

impl Stage<'_> {
    fn staged(&self, space: Space, key: &Key) -> Option<&Option<Record>> {
        let key = (space, key.clone());
        self.own.get(&key).or_else(|| self.group.get(&key))
    }

    /// When the live record that `key` holds was made.
    fn created_at(&self, space: Space, key: &Key) -> Result<Option<Millis>> {
        let live = |record: &Record| (!record.expired(self.now)).then_some(record.created_at).flatten();
        if let Some(staged) = self.staged(space, key) {
            return Ok(staged.as_ref().and_then(live));
        }
        if space == Space::Internal {
            return Ok(self.metadata.internal(key)?.as_ref().and_then(live));
        }
        match self.shelf.remembered(key)? {
            Memory::Absent => Ok(None),
            // What an edit of the last moment changed is the value: that is not asked for.
            Memory::Fresh(known) | Memory::Stale(known) => Ok(live(&known.record)),
            // Without side data the file's time tells, and the file need not be read.
            Memory::Nothing(stamp) if self.shelf.sidecar(key)?.is_none() => Ok(Some(stamp.millis())),
            Memory::Nothing(_) => match self.shelf.load(key) {
                Ok(known) => Ok(known.and_then(|known| live(&known.record))),
                // A set replaces what cannot be read: it was asked for by name.
                Err(_) => Ok(None),
            },
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
}

/// Records read at once from our own keyspace.
const CHUNK: u32 = 1024;

impl Target for Stage<'_> {
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        if let Some(staged) = self.staged(space, key) {
            return Ok(staged.clone());
        }
        match space {
            Space::User => Ok(self.shelf.user(key)?.map(|known| known.record.clone())),
            Space::Internal => self.metadata.internal(key),
        }
    }

    /// Files are edited by hand, too.
    fn unchanged_since(&self, _as_of: u64, _seq: u64) -> bool {
        false
    }

    fn put(&mut self, space: Space, key: &Key, mut record: Record) -> Result<()> {
        if let Some(created) = self.created_at(space, key)? {
            record.created_at = Some(created);
        }
        self.own.insert((space, key.clone()), Some(record));
        Ok(())
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        self.own.insert((space, key.clone()), None);
        Ok(())
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        let mut any = false;
        for key in self.staged_keys(space, range) {
            any |= self.staged(space, &key).is_some_and(Option::is_some);
            self.own.insert((space, key), None);
        }
        match space {
            Space::User => {
                let mut listings = Listings::new();
                let mut walk = Walk::new(self.shelf, range, &mut listings)?;
                while let Some(key) = walk.next(&mut listings)? {
                    any = true;
                    self.own.insert((space, key), None);
                }
                let long: Vec<Key> =
                    self.shelf.long.read().names().keys().filter(|key| range.contains(key)).cloned().collect();
                any |= !long.is_empty();
                for key in long {
                    self.own.insert((space, key), None);
                }
            }
            Space::Internal => {
                let mut rest = range.clone();
                rest.reverse = false;
                loop {
                    let rows = self.metadata.internals(&rest, CHUNK)?;
                    let Some((last, _)) = rows.last() else { return Ok(any) };
                    any = true;
                    rest = rest.after(last);
                    for (key, _) in rows {
                        self.own.insert((space, key), None);
                    }
                }
            }
        }
        Ok(any)
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        Some(self.intents)
    }

    fn tap(&mut self) -> Option<&mut Tap> {
        Some(self.tap)
    }

    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.recent.changed_since(space, range, since))
    }

    fn version(&self, _seq: u64, value: &Value, expires_at: Option<Millis>) -> Version {
        Version::digest(value, expires_at)
    }
}
