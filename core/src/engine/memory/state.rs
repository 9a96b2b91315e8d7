//! All that the lock of the store guards.

use std::sync::Arc;

use super::eviction::Recency;
use super::options::{Eviction, MemoryOptions};
use super::records::{Entry, Records};
use super::view::MemoryView;
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::{Capture, Feed};
use crate::engine::{Read, Reply, Stats};
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::Record;

pub(super) struct MemoryState {
    pub records: Records,
    /// The number of the latest commit.
    pub seq: u64,
    pub recent: Recent,
    pub intents: Intents,
    pub capture: Capture,
    pub options: MemoryOptions,
    pub recency: Recency,
    /// The number of evictions that the store has not counted yet.
    pub evicted: u64,
    /// The records that the running batch overwrote, for its rollback. Kept to reuse its memory.
    pub undo: Vec<Undo>,
}

/// A key and what it held.
pub(super) type Undo = (Space, Key, Option<Arc<Entry>>);

impl MemoryState {
    pub(super) fn new(options: MemoryOptions, feed: Arc<Feed>) -> Self {
        MemoryState {
            records: Records::default(),
            seq: 0,
            recent: Recent::new(0),
            intents: Intents::default(),
            capture: Capture::new(feed, None),
            options,
            recency: Recency::default(),
            evicted: 0,
            undo: Vec::new(),
        }
    }

    /// The live record of a key.
    pub(super) fn get(&self, space: Space, key: &[u8]) -> Option<&Record> {
        let entry = self.records.get(space, key)?;
        if self.options.eviction == Eviction::Lru {
            self.recency.touch(entry);
        }
        (!entry.record.has_expired()).then_some(&entry.record)
    }

    pub(super) fn answer(&self, read: &Read) -> Result<Reply> {
        read.answer(|space, key| Ok(self.get(space, key)))
    }

    pub(super) fn view(&self) -> MemoryView {
        MemoryView::new(self.records.map(Space::User).clone(), self.records.map(Space::Internal).clone(), self.seq)
    }

    pub(super) fn stats(&self) -> Stats {
        let keys = self.records.map(Space::User).len() as u64;
        Stats { keys: Some(keys), memory_bytes: Some(self.records.bytes()), ..Stats::default() }
    }

    /// Frees every record. Views that are held keep theirs.
    pub(super) fn drop_everything(&mut self) {
        *self = MemoryState::new(self.options, self.capture.feed().clone());
    }
}
