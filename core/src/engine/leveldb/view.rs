//! A view: a snapshot of RocksDB. An iterator lives for one page. Making one costs far less than a page takes, and the
//! snapshot alone is pinned between pages, and the generation of the content that it belongs to.

use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{ReadOptions, ReadTier};

use super::database::{Database, OpenDatabase};
use super::fault;
use super::generation::Generation;
use super::iterator::seek;
use super::options::NAME;
use super::page::read_page;
use super::record_cache::RecordCache;
use crate::engine::{Page, Projection, View, count_by_pages};
use crate::error::Result;
use crate::format::leveldb::decode;
use crate::key::{KeyRange, Space};
use crate::record::{Record, now};

/// A range bounded to fewer keys than this is read without readahead.
const SHORT_RANGE: usize = 100;
const READAHEAD_BYTES: usize = 256 << 10;

pub(super) struct LevelDbView {
    database: Arc<Database>,
    /// Holds records as they were when the view was taken, or newer ones, until it was cleared for the number of times
    /// that stands beside it.
    cache: Option<(Arc<RecordCache>, u64)>,
    snapshot: u64,
    seq: u64,
}

impl LevelDbView {
    pub(super) fn new(database: &Arc<Database>, cache: Option<Arc<RecordCache>>) -> Result<Self> {
        let cache = cache.map(|cache| {
            let clears = cache.clears();
            (cache, clears)
        });
        let (snapshot, seq) = database.take_snapshot()?;
        Ok(LevelDbView { database: database.clone(), cache, snapshot, seq })
    }

    fn read_options(&self, open: &OpenDatabase) -> Result<(ReadOptions, Arc<Generation>)> {
        let mut options = ReadOptions::default();
        let generation = open.read_at(self.snapshot, &mut options)?;
        Ok((options, generation))
    }

    /// The record that the cache has of a key, if it is the one that the view sees.
    fn cached(&self, space: Space, key: &[u8]) -> Option<Arc<Record>> {
        let (cache, clears) = self.cache.as_ref()?;
        // The cache holds the newest record of the key. It is the view's if it is no younger than the view.
        let record = cache.get(space, key).filter(|record| record.version.seq().is_some_and(|seq| seq <= self.seq))?;
        // Behind a replacement of the content, it may be a staged one, whose version is older than it.
        (cache.clears() == *clears).then_some(record)
    }

    /// The record of a key; the outer `None` if `tier` does not reach it.
    fn read(&self, space: Space, key: &[u8], tier: ReadTier) -> Result<Option<Option<Record>>> {
        self.database.with(|open| {
            let (mut options, generation) = self.read_options(open)?;
            let in_memory = matches!(tier, ReadTier::BlockCache);
            options.set_read_tier(tier);
            let bytes = match open.get(&generation, space, key, &options) {
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
        self.database.drop_snapshot(self.snapshot);
    }
}

impl View for LevelDbView {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        if let Some(record) = self.cached(space, key) {
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
        self.database.with(|open| {
            let (mut options, generation) = self.read_options(open)?;
            // A scan must not push blocks that single reads use out of the block cache.
            options.fill_cache(false);
            if range.limit.is_none_or(|limit| limit >= SHORT_RANGE) {
                options.set_readahead_size(READAHEAD_BYTES);
            }
            let mut keys = seek(open, generation.of(space), &range, options);
            read_page(&mut keys, &range, what, max_bytes, now())
        })
    }

    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        count_by_pages(self, space, range)
    }
}
