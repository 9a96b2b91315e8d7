//! A snapshot and its pages. The iterator lives for one page: making one costs far less than a page takes, and nothing but the
//! snapshot is pinned in between.

use std::ops::{Bound, Range};
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{DBRawIterator, ReadOptions, ReadTier};

use super::database::{Handle, Open};
use super::format::{Header, decode};
use super::record_cache::RecordCache;
use super::{NAME, fault};
use crate::engine::{Item, Page, Projection, View};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, now};

/// Keys passed over in one page at most, so that a page of a sparse pattern stays short.
const STEPS: usize = 65_536;

/// Ranges bounded to fewer keys than this are read without reading ahead.
const SHORT: usize = 100;
const READAHEAD_BYTES: usize = 256 << 10;

pub(super) struct LevelDbView {
    handle: Arc<Handle>,
    /// As the store was when the view was taken, or later.
    cache: Option<Arc<RecordCache>>,
    snapshot: u64,
    seq: u64,
}

impl LevelDbView {
    pub fn new(handle: &Arc<Handle>, cache: Option<Arc<RecordCache>>) -> Result<Self> {
        let (snapshot, seq) = handle.take_snapshot()?;
        Ok(LevelDbView { handle: handle.clone(), cache, snapshot, seq })
    }

    fn read_options(&self, open: &Open) -> Result<ReadOptions> {
        let mut options = ReadOptions::default();
        open.read_at(self.snapshot, &mut options)?;
        Ok(options)
    }
}

impl LevelDbView {
    /// The record of a key; `None` if `tier` does not reach it.
    fn read(&self, space: Space, key: &[u8], tier: ReadTier) -> Result<Option<Option<Record>>> {
        self.handle.with(|open| {
            let mut options = self.read_options(open)?;
            let in_memory = matches!(tier, ReadTier::BlockCache);
            options.set_read_tier(tier);
            let bytes = match open.get(space, key, &options)? {
                Ok(None) => return Ok(Some(None)),
                Ok(Some(bytes)) => bytes,
                Err(error) if in_memory && fault::would_block(&error) => return Ok(None),
                Err(error) => return Err(fault::translate("read", &error).at_key(key)),
            };
            let record = decode(&Bytes::copy_from_slice(&bytes)).map_err(|error| error.at_key(key).in_engine(NAME))?;
            Ok(Some(Some(record).filter(|record| !record.has_expired())))
        })
    }
}

impl Drop for LevelDbView {
    fn drop(&mut self) {
        self.handle.drop_snapshot(self.snapshot);
    }
}

impl View for LevelDbView {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        // What the cache holds is the newest record of the key, and the view's if it is no younger than the view.
        if let Some(record) = self.cache.as_ref().and_then(|cache| cache.get(space, key))
            && record.version.seq().is_some_and(|seq| seq <= self.seq)
        {
            return Some(Ok((!record.has_expired()).then(|| (*record).clone())));
        }
        self.read(space, key, ReadTier::BlockCache).transpose()
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        Ok(self.read(space, key, ReadTier::All)?.flatten())
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        let range = after.map_or_else(|| range.clone(), |key| range.after(key));
        if range.is_empty() {
            return Ok(Page::default());
        }
        self.handle.with(|open| {
            let mut options = self.read_options(open)?;
            // A scan must not push what single reads use out of the cache.
            options.fill_cache(false);
            if range.limit.is_none_or(|limit| limit >= SHORT) {
                options.set_readahead_size(READAHEAD_BYTES);
            }
            let mut keys = seek(open, space, &range, options)?;
            collect(&mut keys, &range, what, max_bytes, now())
        })
    }
}

/// An iterator at the first key of `range`, in its direction, that ends with the range.
pub(super) fn seek<'a>(
    open: &'a Open,
    space: Space,
    range: &KeyRange,
    mut options: ReadOptions,
) -> Result<DBRawIterator<'a>> {
    if let Some(start) = first(&range.start) {
        options.set_iterate_lower_bound(start);
    }
    if let Some(end) = behind(&range.end) {
        options.set_iterate_upper_bound(end);
    }
    let mut keys = open.db.raw_iterator_cf_opt(open.family(space)?, options);
    if range.reverse {
        keys.seek_to_last()
    } else {
        keys.seek_to_first()
    }
    Ok(keys)
}

/// The smallest key a start allows.
pub(super) fn first(start: &Bound<Key>) -> Option<Vec<u8>> {
    match start {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(key.to_vec()),
        Bound::Excluded(key) => Some(successor(key)),
    }
}

/// The smallest key an end no longer allows.
pub(super) fn behind(end: &Bound<Key>) -> Option<Vec<u8>> {
    match end {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(successor(key)),
        Bound::Excluded(key) => Some(key.to_vec()),
    }
}

/// The next key in the order of bytes.
pub(super) fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// Where the parts of an entry lie in the page's buffer.
struct Place {
    key: Range<usize>,
    value: Range<usize>,
    header: Option<Header>,
}

/// Gathers a page. All its keys and values lie in one buffer: one allocation a page instead of several an entry.
fn collect(
    keys: &mut DBRawIterator<'_>,
    range: &KeyRange,
    what: Projection,
    max_bytes: usize,
    now: Millis,
) -> Result<Page> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    let mut bytes = 0;
    let mut next: Option<Key> = None;
    let simple = range.is_interval();
    for step in 0.. {
        let Some((key, value)) = keys.item() else {
            keys.status().map_err(|error| fault::translate("read a range", &error))?;
            break;
        };
        let mut full = step + 1 >= STEPS;
        if simple || range.selects(key) {
            let header = Header::read(value).map_err(|error| error.at_key(key).in_engine(NAME))?;
            if header.expires_at.is_none_or(|at| at > now) {
                if buffer.capacity() == 0 {
                    buffer.reserve(max_bytes.min(READAHEAD_BYTES) + key.len() + value.len());
                }
                let key_at = buffer.len();
                buffer.extend_from_slice(key);
                let value_at = buffer.len();
                if what == Projection::Keys {
                    bytes += key.len() + 16;
                    places.push(Place { key: key_at..value_at, value: 0..0, header: None });
                } else {
                    buffer.extend_from_slice(value);
                    bytes += key.len() + value.len();
                    places.push(Place { key: key_at..value_at, value: value_at..buffer.len(), header: Some(header) });
                }
                full |= bytes >= max_bytes || range.limit.is_some_and(|limit| places.len() >= limit);
            }
        }
        if full {
            next = Some(Key::copy_from_slice(key));
            break;
        }
        if range.reverse { keys.prev() } else { keys.next() }
    }
    let buffer = Bytes::from(buffer);
    let entries = places
        .into_iter()
        .map(|place| {
            let item = match place.header {
                None => Item::Key,
                Some(header) => {
                    let stored = buffer.slice(place.value);
                    match what {
                        Projection::Keys => Item::Key,
                        Projection::Values => Item::Value(header.value(&stored)),
                        Projection::Records => Item::Record(Box::new(header.record(&stored))),
                    }
                }
            };
            (buffer.slice(place.key), item)
        })
        .collect();
    Ok(Page { entries, next })
}
