//! A view of the memory engine: a reference to the two maps as they were.

use super::records::RecordMap;
use crate::engine::{Gathering, Item, Page, Projection, View, count_by_pages};
use crate::error::Result;
use crate::key::{KeyRange, Space};
use crate::record::{Record, now};

/// A page passes over at most this many keys, so that a page of a sparse pattern stays short.
const MAX_STEPS: usize = 65_536;

pub(super) struct MemoryView {
    user: RecordMap,
    internal: RecordMap,
    seq: u64,
}

impl MemoryView {
    pub(super) fn new(user: RecordMap, internal: RecordMap, seq: u64) -> Self {
        MemoryView { user, internal, seq }
    }

    fn map(&self, space: Space) -> &RecordMap {
        match space {
            Space::User => &self.user,
            Space::Internal => &self.internal,
        }
    }
}

impl View for MemoryView {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        Some(self.get(space, key))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        let now = now();
        Ok(self.map(space).get(key).map(|entry| &entry.record).filter(|record| !record.expired(now)).cloned())
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        let now = now();
        let range = after.map_or_else(|| range.clone(), |key| range.after(key));
        if range.is_empty() {
            return Ok(Page::default());
        }
        let bounds = (range.start.as_ref().map(AsRef::<[u8]>::as_ref), range.end.as_ref().map(AsRef::<[u8]>::as_ref));
        let mut entries = self.map(space).range::<_, [u8]>(bounds);
        let mut page = Gathering::new(max_bytes);
        for step in 1.. {
            let Some((key, entry)) = (if range.reverse { entries.next_back() } else { entries.next() }) else { break };
            let record = &entry.record;
            if !record.expired(now) && range.selects(key) {
                page.push(key.clone(), Item::of_shared(record, what));
            }
            if page.is_full() || step == MAX_STEPS {
                return Ok(page.continued_behind(key.clone()));
            }
        }
        Ok(page.last())
    }

    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        count_by_pages(self, space, range)
    }
}
