//! The maps, the sequence number and the accounting behind the memory engine's lock.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use imbl::OrdMap;

use super::eviction::Recency;
use super::store::{Eviction, MemoryOptions};
use super::view::MemoryView;
use crate::batch::{Batch, Commit, Role};
use crate::engine::Stats;
use crate::engine::apply::{Target, apply};
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::{Feed, Tap};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record};

pub(super) type Map = OrdMap<Key, Arc<Slot>>;

type Index = HashMap<Key, Arc<Slot>>;

/// A record and when it was last used.
#[derive(Debug)]
pub(super) struct Slot {
    pub record: Record,
    pub used: std::sync::atomic::AtomicU64,
}

/// Bytes a record costs beside key, value and metadata: the slot, its counts, and its share of the tree.
const OVERHEAD: u64 = 320;

pub(super) struct State {
    /// Every user record by its key: one look-up instead of a walk down the tree, for reads of single keys.
    index: Index,
    user: Map,
    internal: Map,
    seq: u64,
    recent: Recent,
    intents: Intents,
    tap: Tap,
    bytes: u64,
    expiries: BTreeSet<(Millis, Space, Key)>,
    options: MemoryOptions,
    recency: Recency,
    /// What the running batch overwrote, to take it back. Kept to reuse its memory.
    undo: Vec<Undo>,
}

/// A key and what it held.
type Undo = (Space, Key, Option<Arc<Slot>>);

impl State {
    pub fn new(options: MemoryOptions, feed: Arc<Feed>) -> Self {
        State {
            index: Index::default(),
            user: Map::new(),
            internal: Map::new(),
            seq: 0,
            recent: Recent::new(0),
            intents: Intents::default(),
            tap: Tap::new(feed, None),
            bytes: 0,
            expiries: BTreeSet::new(),
            options,
            recency: Recency::default(),
            undo: Vec::new(),
        }
    }

    pub fn get(&self, space: Space, key: &[u8]) -> Option<&Record> {
        let slot = self.slot(space, key)?;
        if self.options.eviction == Eviction::Lru {
            self.recency.touch(slot);
        }
        (!slot.record.has_expired()).then_some(&slot.record)
    }

    fn slot(&self, space: Space, key: &[u8]) -> Option<&Arc<Slot>> {
        match space {
            Space::User => self.index.get(key),
            Space::Internal => self.internal.get(key),
        }
    }

    pub fn view(&self) -> MemoryView {
        MemoryView::new(self.user.clone(), self.internal.clone(), self.seq)
    }

    pub fn stats(&self) -> Stats {
        Stats { keys: Some(self.user.len() as u64), memory_bytes: Some(self.bytes), ..Stats::default() }
    }

    pub fn drop_everything(&mut self) {
        *self = State::new(self.options, self.tap.feed().clone());
    }

    pub fn apply(&mut self, batch: &Batch, now: Millis) -> Result<Commit> {
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
                self.tap.publish();
                Ok(Commit { seq, outcomes })
            }
            Err(error) => {
                self.roll_back();
                if let Some(standing) = standing {
                    self.intents = standing;
                }
                self.tap.discard();
                Err(error)
            }
        }
    }

    /// Frees what expired by `now`. A newer value of the key has another expiry, and stays.
    pub fn sweep(&mut self, now: Millis) -> u64 {
        let mut freed = 0;
        while let Some((at, space, key)) = self.expiries.first().cloned() {
            if at > now {
                break;
            }
            self.write(space, &key, None);
            freed += 1;
        }
        self.undo.clear();
        freed
    }

    fn map(&self, space: Space) -> &Map {
        match space {
            Space::User => &self.user,
            Space::Internal => &self.internal,
        }
    }

    fn map_mut(&mut self, space: Space) -> &mut Map {
        match space {
            Space::User => &mut self.user,
            Space::Internal => &mut self.internal,
        }
    }

    /// Replaces what `key` holds, keeping size and expiries true. Returns what it held. A `fresh` record that
    /// replaces a live one was created when that one was.
    fn swap(&mut self, space: Space, key: &Key, mut slot: Option<Arc<Slot>>, fresh: bool) -> Option<Arc<Slot>> {
        if let Some(slot) = slot.as_mut()
            && fresh
            && let Some(old) = self.slot(space, key)
        {
            keep_creation(&old.record, slot);
        }
        let new_expiry = slot.as_ref().and_then(|slot| slot.record.expires_at);
        self.bytes += slot.as_ref().map_or(0, |slot| cost(key, &slot.record));
        if space == Space::User {
            match (&slot, self.index.get_mut(key)) {
                (Some(slot), Some(place)) => *place = slot.clone(),
                (Some(slot), None) => drop(self.index.insert(key.clone(), slot.clone())),
                (None, _) => drop(self.index.remove(key)),
            }
        }
        let map = self.map_mut(space);
        let old = match (slot, map.get_mut(key.as_ref())) {
            (Some(slot), Some(place)) => Some(std::mem::replace(place, slot)),
            (Some(slot), None) => map.insert(key.clone(), slot),
            (None, Some(_)) => map.remove(key.as_ref()),
            (None, None) => None,
        };
        let old_expiry = old.as_ref().and_then(|old| old.record.expires_at);
        self.bytes -= old.as_ref().map_or(0, |old| cost(key, &old.record)).min(self.bytes);
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

    fn write(&mut self, space: Space, key: &Key, slot: Option<Arc<Slot>>) {
        let old = self.swap(space, key, slot, true);
        self.undo.push((space, key.clone(), old));
    }

    fn roll_back(&mut self) {
        while let Some((space, key, old)) = self.undo.pop() {
            self.swap(space, &key, old, false);
        }
    }

    /// Brings the size under the bound: by eviction, else NO_SPACE.
    fn make_room(&mut self) -> Result<()> {
        let Some(max) = self.options.max_bytes else { return Ok(()) };
        while self.bytes > max {
            let victim = match self.options.eviction {
                Eviction::Lru => self.recency.oldest(&self.user),
                Eviction::None => None,
            };
            let Some(victim) = victim else {
                return Err(Error::new(
                    Code::NoSpace,
                    format!(
                        "the memory engine is full ({max} bytes); raise maxBytes, delete keys, or set eviction to 'lru'"
                    ),
                ));
            };
            self.write(Space::User, &victim, None);
        }
        Ok(())
    }
}

impl Target for State {
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        Ok(self.slot(space, key).map(|slot| slot.record.clone()))
    }

    fn put(&mut self, space: Space, key: &Key, record: Record) -> Result<()> {
        let slot = Arc::new(Slot { record, used: self.recency.stamp() });
        if self.options.eviction == Eviction::Lru && space == Space::User {
            self.recency.inserted(key, &slot, &self.user);
        }
        self.write(space, key, Some(slot));
        Ok(())
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        self.write(space, key, None);
        Ok(())
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        let bounds = (range.start.as_ref().map(AsRef::<[u8]>::as_ref), range.end.as_ref().map(AsRef::<[u8]>::as_ref));
        let keys: Vec<Key> = self.map(space).range::<_, [u8]>(bounds).map(|(key, _)| key.clone()).collect();
        for key in &keys {
            self.write(space, key, None);
        }
        Ok(!keys.is_empty())
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        Some(&mut self.intents)
    }

    fn tap(&mut self) -> Option<&mut Tap> {
        Some(&mut self.tap)
    }

    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.recent.changed_since(space, range, since))
    }
}

fn keep_creation(old: &Record, slot: &mut Arc<Slot>) {
    let written_at = slot.record.updated_at.unwrap_or(0);
    if !old.expired(written_at)
        && let Some(slot) = Arc::get_mut(slot)
    {
        slot.record.created_at = old.created_at;
    }
}

fn cost(key: &Key, record: &Record) -> u64 {
    let metadata = record.metadata.as_ref().map_or(0, |metadata| metadata.len());
    OVERHEAD + (key.len() + record.value.len() + metadata) as u64
}
