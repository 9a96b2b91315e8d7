//! The view of a transaction: the engine's view, under the transaction's own writes.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::status::TransactionState;
use super::overlay::{Found, Overlay};
use super::reads::Reads;
use crate::engine::{Gathering, Item, Page, Projection, View, for_each_page};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Record, now};

/// One moment of a transaction. Its reads count as reads of the transaction.
pub(super) struct BranchView {
    pub base: Arc<dyn View>,
    pub overlay: Overlay,
    pub reads: Arc<Mutex<Reads>>,
    pub state: Arc<TransactionState>,
    /// How many batches the transaction had made: the sequence number inside it.
    pub edits: u64,
}

impl BranchView {
    fn note(&self, space: Space, key: &[u8], found: Option<&Record>) {
        if !self.state.read_only {
            self.reads.lock().key(space, Key::copy_from_slice(key), found.map(|record| record.version));
        }
    }

    /// A page of the engine's, with the transaction's own writes in it.
    fn merge(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        page: Page,
        max_bytes: usize,
    ) -> Page {
        let layer = self.overlay.layer(space);
        if layer.is_empty() {
            return page;
        }
        let Page { entries, next } = page;
        let mut window = after.map_or_else(|| range.clone(), |after| range.after(after));
        if let Some(next) = &next {
            let end = Bound::Included(next.clone());
            if range.reverse { window.raise_start(end) } else { window.lower_end(end) }
        }
        let now = now();
        let mut beneath = entries.into_iter().filter(|(key, _)| matches!(layer.find(key), Found::Beneath)).peekable();
        let selected = |(key, record): &(&Key, Option<&Record>)| {
            record.is_some_and(|record| !record.expired(now)) && range.selects(key)
        };
        let mut own = layer.within(&window).filter(selected).peekable();
        let mut merged = Gathering::new(max_bytes);
        while !merged.is_full() {
            let from_own = match (own.peek(), beneath.peek()) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((own, _)), Some((beneath, _))) => (own.cmp(&beneath) == Ordering::Less) != range.reverse,
            };
            let entry = if from_own {
                own.next().and_then(|(key, record)| Some((key.clone(), Item::of_shared(record?, what))))
            } else {
                beneath.next()
            };
            let Some((key, item)) = entry else { break };
            merged.push(key, item);
        }
        if own.peek().is_some() || beneath.peek().is_some() {
            return merged.continued();
        }
        Page { next, ..merged.last() }
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
        if let Some(written) = self.overlay.layer(space).get(key) {
            return Some(Ok(written));
        }
        let found = self.base.try_get(space, key)?;
        if let Ok(found) = &found {
            self.note(space, key, found.as_ref());
        }
        Some(found)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        self.state.check_running()?;
        if let Some(written) = self.overlay.layer(space).get(key) {
            return Ok(written);
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
        let page = self.base.scan(space, range, what, after, max_bytes)?;
        let mut page = self.merge(space, range, what, after, page, max_bytes);
        if let Some(limit) = range.limit
            && page.entries.len() > limit
        {
            // Keys behind the limit were not asked for, and may change.
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
        for_each_page(self, space, range, Projection::Keys, |page| {
            count += page.len() as u64;
            Ok(true)
        })?;
        Ok(count)
    }
}
