//! Reads of single keys: from the record cache, then from RocksDB's memory, then from the disk.

use std::sync::Arc;

use bytes::Bytes;
use rocksdb::ReadOptions;

use super::database::{Database, OpenDatabase};
use super::record_cache::RecordCache;
use super::view::LevelDbView;
use super::{fault, rocksdb_options};
use crate::engine::{Counters, Read, Reply, View};
use crate::error::Result;
use crate::format::leveldb::decode;
use crate::key::Space;
use crate::record::{Record, now};

/// How far a read may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// To the record cache, the memtables and the block cache.
    Memory,
    Disk,
}

pub(super) struct Reader {
    database: Arc<Database>,
    pub cache: Arc<RecordCache>,
    counters: Arc<Counters>,
    memory_reads: ReadOptions,
    disk_reads: ReadOptions,
}

impl Reader {
    pub(super) fn new(database: Arc<Database>, cache: Arc<RecordCache>, counters: Arc<Counters>) -> Self {
        Reader {
            database,
            cache,
            counters,
            memory_reads: rocksdb_options::memory_reads(),
            disk_reads: ReadOptions::default(),
        }
    }

    /// The record of a key, expired or not; the outer `None` if `tier` does not reach it.
    pub(super) fn load(
        &self,
        open: &OpenDatabase,
        space: Space,
        key: &[u8],
        tier: Tier,
    ) -> Result<Option<Option<Arc<Record>>>> {
        if let Some(record) = self.cache.get(space, key) {
            return Ok(Some(Some(record)));
        }
        let ticket = self.cache.ticket(key);
        let options = match tier {
            Tier::Memory => &self.memory_reads,
            Tier::Disk => &self.disk_reads,
        };
        match open.get(&open.current(), space, key, options) {
            Ok(None) => Ok(Some(None)),
            Ok(Some(bytes)) => {
                let bytes = Bytes::copy_from_slice(&bytes);
                let record = Arc::new(decode(&bytes).map_err(|error| error.at_key(key))?);
                self.cache.fill(ticket, space, key, &record);
                Ok(Some(Some(record)))
            }
            Err(error) if tier == Tier::Memory && fault::would_block(&error) => Ok(None),
            Err(error) => Err(fault::translate("read", &error).at_key(key)),
        }
    }

    /// Answers a read; `None` if `tier` does not reach a key of it. Where several keys are read from memory, the caller
    /// keeps the writer away, so that they are of one moment.
    pub(super) fn answer(&self, read: &Read, tier: Tier) -> Result<Option<Reply>> {
        if let (Read::Many(..), Tier::Disk) = (read, tier) {
            let view = LevelDbView::new(&self.database, None)?;
            return read.answer(|space, key| view.get(space, key)).map(Some);
        }
        read.try_answer(|space, key| self.live(space, key, tier).transpose()).transpose()
    }

    /// The record of a key for a caller: an expired one is absent.
    fn live(&self, space: Space, key: &[u8], tier: Tier) -> Result<Option<Option<Arc<Record>>>> {
        let found = match self.cache.get(space, key) {
            Some(record) => {
                self.counters.cache_hits.one();
                Some(Some(record))
            }
            None => self.database.with(|open| self.load(open, space, key, tier))?.inspect(|_| {
                self.counters.cache_misses.one();
            }),
        };
        Ok(found.map(|record| record.filter(|record| record.expires_at.is_none() || !record.expired(now()))))
    }
}
