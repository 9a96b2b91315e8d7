//! Ordered reads. The server has no snapshots: a view shows each key as it is when it is read, and a range with the
//! keys it has when its first page is read. The view of a transaction fails where its reads do not belong to one
//! moment.

use std::sync::Arc;

use parking_lot::Mutex;

use super::fault::unexpected;
use super::link::Link;
use super::queue::RequestQueue;
use super::view_reader::ViewReader;
use crate::engine::{Gathering, Item, Page, Projection, View, count_by_pages};
use crate::error::Result;
use crate::format::redis::Layout;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;

/// Keys read by the first step of a page: only then is it known how large their values are.
const FIRST_STEP: usize = 16;
/// Keys read by any later step at most.
const MAX_STEP: usize = 2048;
/// Keys in a page of keys alone at most.
const KEYS_STEP: usize = 4096;
/// How many ranges of keys a view keeps.
const LISTINGS: usize = 4;

pub(super) struct RedisView {
    reader: ViewReader,
    /// The latest ranges of user keys that were listed.
    listings: Mutex<Vec<(KeyRange, Arc<Vec<Key>>)>>,
}

/// Some keys of a range, in its order.
struct KeyStep {
    keys: Vec<Key>,
    /// The range has more keys.
    more: bool,
    /// The server has listed the keys just now, so they are there.
    fresh: bool,
}

impl RedisView {
    pub(super) fn new(link: Arc<Link>, layout: Layout) -> Self {
        RedisView { reader: ViewReader::over(link, layout), listings: Mutex::default() }
    }

    /// The view of a transaction: its reads belong to one moment, or fail with CONFLICT.
    pub(super) fn of_transaction(link: Arc<Link>, queue: Arc<RequestQueue>, layout: Layout) -> Self {
        RedisView { reader: ViewReader::of_transaction(link, queue, layout), listings: Mutex::default() }
    }

    /// The user keys of a range, listed when they are first asked for, and whether that was now.
    fn listing(&self, range: &KeyRange) -> Result<(Arc<Vec<Key>>, bool)> {
        let known = self.listings.lock().iter().find(|(of, _)| has_same_keys(of, range)).map(|(_, keys)| keys.clone());
        if let Some(keys) = known {
            return Ok((keys, false));
        }
        let keys = Arc::new(self.reader.user_keys(range)?);
        let mut listings = self.listings.lock();
        if listings.len() == LISTINGS {
            listings.remove(0);
        }
        listings.push((range.clone(), keys.clone()));
        Ok((keys, true))
    }

    /// The next user keys of a range.
    fn user_step(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> Result<KeyStep> {
        let (listed, fresh) = self.listing(range)?;
        let (keys, rest): (Vec<Key>, usize) = if range.reverse {
            let to = after.map_or(listed.len(), |after| listed.partition_point(|key| key.as_ref() < after));
            let rest = listed.get(..to).unwrap_or_default();
            (rest.iter().rev().take(limit).cloned().collect(), rest.len())
        } else {
            let from = after.map_or(0, |after| listed.partition_point(|key| key.as_ref() <= after));
            let rest = listed.get(from..).unwrap_or_default();
            (rest.iter().take(limit).cloned().collect(), rest.len())
        };
        let more = rest > keys.len();
        Ok(KeyStep { keys, more, fresh })
    }

    /// The next keys of the internal keyspace in the interval of a range, whether its pattern selects them or not.
    fn internal_step(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> Result<KeyStep> {
        let rest = after.map_or_else(|| range.clone(), |key| range.after(key));
        if rest.is_empty() {
            return Ok(KeyStep { keys: Vec::new(), more: false, fresh: true });
        }
        let keys = self.reader.internal_keys(&rest, limit)?;
        let more = keys.len() == limit;
        Ok(KeyStep { keys, more, fresh: true })
    }

    fn items(&self, space: Space, keys: &[Key], fresh: bool, what: Projection) -> Result<Vec<Option<Item>>> {
        if fresh && space == Space::User && what == Projection::Keys {
            return Ok(vec![Some(Item::Key); keys.len()]);
        }
        self.reader.items(space, keys, what)
    }

    fn page(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        let mut page = Gathering::new(max_bytes);
        let mut after: Option<Key> = after.map(Key::copy_from_slice);
        let (mut count, mut bytes) = (0_usize, 0_usize);
        // A small limit needs no large reply.
        let most = range.limit.map_or(KEYS_STEP, |limit| limit.saturating_add(1));
        let mut step = if space == Space::User && what == Projection::Keys { KEYS_STEP } else { FIRST_STEP };
        loop {
            let KeyStep { keys, more, fresh } = match space {
                Space::User => self.user_step(range, after.as_deref(), step.min(most))?,
                Space::Internal => self.internal_step(range, after.as_deref(), step.min(most))?,
            };
            let Some(last) = keys.last().cloned() else { return Ok(page.last()) };
            let selected: Vec<Key> = match space {
                Space::User => keys,
                Space::Internal => keys.into_iter().filter(|key| range.selects(key)).collect(),
            };
            let items = self.items(space, &selected, fresh, what)?;
            if items.len() != selected.len() {
                return Err(unexpected());
            }
            for (key, item) in selected.into_iter().zip(items) {
                let Some(item) = item else { continue };
                (count, bytes) = (count + 1, bytes + key.len() + item.len());
                let is_last = !more && key == last;
                page.push(key, item);
                if page.is_full() && !is_last {
                    return Ok(page.continued());
                }
            }
            if !more {
                return Ok(page.last());
            }
            if range.limit.is_some_and(|limit| count >= limit) {
                return Ok(Page { next: Some(last), ..page.last() });
            }
            if what != Projection::Keys || space == Space::Internal {
                let each = bytes.checked_div(count).unwrap_or(0).max(1);
                step = (max_bytes.saturating_sub(bytes) / each).clamp(FIRST_STEP, MAX_STEP);
            }
            after = Some(last);
        }
    }
}

/// True if two ranges hold the same keys, whatever their direction and limit.
fn has_same_keys(a: &KeyRange, b: &KeyRange) -> bool {
    a.start == b.start && a.end == b.end && a.pattern == b.pattern && a.except == b.except
}

impl View for RedisView {
    fn seq(&self) -> u64 {
        self.reader.seq()
    }

    fn try_get(&self, _space: Space, _key: &[u8]) -> Option<Result<Option<Record>>> {
        None
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        self.reader.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        if range.is_empty() {
            return Ok(Page::default());
        }
        self.reader.page(|| self.listings.lock().clear(), || self.page(space, range, what, after, max_bytes))
    }

    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        count_by_pages(self, space, range)
    }
}
