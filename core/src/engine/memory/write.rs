//! How a batch is applied: at once, or taken back whole.

use std::collections::HashSet;
use std::sync::Arc;

use super::options::Eviction;
use super::records::Entry;
use super::state::MemoryState;
use crate::batch::{Batch, Commit, Role};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::Intents;
use crate::engine::watch::Capture;
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::keyspace::model_folder;
use crate::record::{Millis, Record};

impl MemoryState {
    pub(super) fn apply(&mut self, batch: &Batch, now: Millis) -> Result<Commit> {
        let seq = self.seq + 1;
        let standing = (batch.role != Role::None).then(|| self.intents.clone());
        let applied = apply(batch, self, seq, now).and_then(|outcomes| {
            self.make_room()?;
            Ok(outcomes)
        });
        match applied {
            Ok(outcomes) => {
                self.undo.clear();
                self.seq = seq;
                self.recent.record(seq, batch);
                self.capture.publish();
                Ok(Commit { seq, outcomes })
            }
            Err(error) => {
                self.roll_back();
                if let Some(standing) = standing {
                    self.intents = standing;
                }
                self.capture.discard();
                Err(error)
            }
        }
    }

    /// Frees what expired by `now`. Returns the number of records.
    pub(super) fn sweep(&mut self, now: Millis) -> u64 {
        let mut freed = 0;
        while let Some((space, key)) = self.records.first_expired(now) {
            self.records.replace(space, &key, None);
            freed += 1;
        }
        freed
    }

    fn write(&mut self, space: Space, key: &Key, entry: Option<Arc<Entry>>) {
        let old = self.records.write(space, key, entry);
        self.undo.push((space, key.clone(), old));
    }

    fn roll_back(&mut self) {
        while let Some((space, key, old)) = self.undo.pop() {
            if let Some(old) = &old {
                self.queue(space, &key, old);
            }
            self.records.replace(space, &key, old);
        }
    }

    /// Queues an entry that is about to be inserted for its eviction.
    fn queue(&mut self, space: Space, key: &Key, entry: &Arc<Entry>) {
        if self.options.eviction == Eviction::Lru && space == Space::User {
            self.recency.inserted(key, entry, self.records.map(Space::User));
        }
    }

    /// Brings the size under the bound by eviction. If that would take what the batch wrote, it fails with `NO_SPACE`
    /// and evicts nothing.
    fn make_room(&mut self) -> Result<()> {
        let Some(max) = self.options.max_bytes else { return Ok(()) };
        if self.records.bytes() <= max {
            return Ok(());
        }
        self.options.check_room(match self.options.eviction {
            Eviction::Lru => self.records.pinned_bytes().saturating_add(self.written_bytes()),
            Eviction::None => self.records.bytes(),
        })?;
        while self.records.bytes() > max {
            let Some(victim) = self.recency.oldest(self.records.map(Space::User)) else {
                return self.options.check_room(self.records.bytes());
            };
            self.write(Space::User, &victim, None);
            self.evicted += 1;
        }
        Ok(())
    }

    /// The bytes that the running batch leaves in keys that may be evicted.
    fn written_bytes(&self) -> u64 {
        let written: HashSet<&Key> = self
            .undo
            .iter()
            .filter_map(|(space, key, _)| (*space == Space::User && model_folder(key).is_none()).then_some(key))
            .collect();
        written.into_iter().map(|key| self.records.bytes_of(Space::User, key)).sum()
    }
}

impl Target for MemoryState {
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        Ok(self.records.get(space, key).map(|entry| entry.record.clone()))
    }

    fn put(&mut self, space: Space, key: &Key, record: Record) -> Result<()> {
        let entry = Arc::new(Entry { record, used: self.recency.stamp() });
        self.queue(space, key, &entry);
        self.write(space, key, Some(entry));
        Ok(())
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        self.write(space, key, None);
        Ok(())
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        let keys = self.keys(space, range)?;
        for key in &keys {
            self.write(space, key, None);
        }
        Ok(!keys.is_empty())
    }

    fn keys(&mut self, space: Space, range: &KeyRange) -> Result<Vec<Key>> {
        let within = self.records.range(space, range).map(|(key, _)| key);
        Ok(within.filter(|key| range.selects(key)).cloned().collect())
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        Some(&mut self.intents)
    }

    fn capture(&mut self) -> Option<&mut Capture> {
        Some(&mut self.capture)
    }

    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.recent.changed_since(space, range, since))
    }
}
