//! The view of a transaction: what the engine held when it first read there, under what it wrote itself.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::TransactionState;
use super::overlay::{Found, Overlay};
use super::reads::Reads;
use crate::engine::{Item, Page, Projection, View};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Record, now};

/// One moment of a transaction. What is read through it counts as read by the transaction.
pub(super) struct BranchView {
    pub base: Arc<dyn View>,
    pub overlay: Overlay,
    pub reads: Arc<Mutex<Reads>>,
    pub state: Arc<TransactionState>,
    /// How many writes the transaction had made: the sequence numbers of its inside.
    pub edits: u64,
}

impl BranchView {
    /// The transaction's own word about a key.
    fn own(&self, space: Space, key: &[u8]) -> Option<Option<Record>> {
        match self.overlay.layer(space).find(key) {
            Found::Record(record) => Some((!record.has_expired()).then(|| (**record).clone())),
            Found::Absent => Some(None),
            Found::Beneath => None,
        }
    }

    fn note(&self, space: Space, key: &[u8], found: Option<&Record>) {
        if !self.state.read_only {
            self.reads.lock().key(space, Key::copy_from_slice(key), found.map(|record| record.version));
        }
    }
}

impl View for BranchView {
    fn seq(&self) -> u64 {
        self.edits
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        if let Err(error) = self.state.check_running() {
            return Some(Err(error));
        }
        if let Some(own) = self.own(space, key) {
            return Some(Ok(own));
        }
        let found = self.base.try_get(space, key)?;
        if let Ok(found) = &found {
            self.note(space, key, found.as_ref());
        }
        Some(found)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        self.state.check_running()?;
        if let Some(own) = self.own(space, key) {
            return Ok(own);
        }
        let found = self.base.get(space, key)?;
        self.note(space, key, found.as_ref());
        Ok(found)
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        self.state.check_running()?;
        let mut page = self.base.scan(space, range, what, after, max_bytes)?;
        self.merge(space, range, what, after, &mut page, max_bytes);
        if let Some(limit) = range.limit
            && page.entries.len() > limit
        {
            // What lies behind the limit was not asked for, and may change.
            page.entries.truncate(limit);
            page.next = page.entries.last().map(|(key, _)| key.clone());
        }
        if !self.state.read_only {
            self.reads.lock().page(space, range, after, page.next.as_ref());
        }
        Ok(page)
    }

    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        if self.overlay.layer(space).is_empty() && range.limit.is_none() {
            self.state.check_running()?;
            let count = self.base.count(space, range)?;
            if !self.state.read_only {
                self.reads.lock().page(space, range, None, None);
            }
            return Ok(count);
        }
        let mut count = 0;
        crate::engine::for_each_page(self, space, range, Projection::Keys, |page| {
            count += page.len() as u64;
            Ok(true)
        })?;
        Ok(count)
    }
}

impl BranchView {
    /// Puts the transaction's own writes into a page of the engine's.
    fn merge(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        page: &mut Page,
        max_bytes: usize,
    ) {
        let layer = self.overlay.layer(space);
        if layer.is_empty() {
            return;
        }
        let mut window = after.map_or_else(|| range.clone(), |after| range.after(after));
        if let Some(next) = &page.next {
            let end = Bound::Included(next.clone());
            if range.reverse { window.raise_start(end) } else { window.lower_end(end) }
        }
        let now = now();
        let beneath = std::mem::take(&mut page.entries).into_iter();
        let mut beneath = beneath.filter(|(key, _)| matches!(layer.find(key), Found::Beneath)).peekable();
        let selected = |(key, record): &(&Key, Option<&Record>)| {
            record.is_some_and(|record| !record.expired(now)) && range.selects(key)
        };
        let mut own = layer.within(&window).filter(selected).peekable();
        let mut bytes = 0;
        while bytes < max_bytes {
            let from_own = match (own.peek(), beneath.peek()) {
                (None, None) => return,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((own, _)), Some((beneath, _))) => (own.cmp(&beneath) == Ordering::Less) != range.reverse,
            };
            let entry = if from_own {
                own.next().and_then(|(key, record)| Some((key.clone(), Item::of_shared(record?, what))))
            } else {
                beneath.next()
            };
            let Some(entry) = entry else { return };
            bytes += size(&entry);
            page.entries.push(entry);
        }
        if own.peek().is_some() || beneath.peek().is_some() {
            page.next = page.entries.last().map(|(key, _)| key.clone());
        }
    }
}

fn size((key, item): &(Key, Item)) -> usize {
    key.len()
        + match item {
            Item::Key => 16,
            Item::Value(value) => value.len(),
            Item::Record(record) => record.value.len(),
        }
}
