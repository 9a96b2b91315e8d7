//! The row cache: rows of users' keys, as they are in one state of the database.
//!
//! Invariant: every cached row is the row of the database whose WAL-index header is `header`. Before the cache is
//! believed, that header is compared with the one that all processes share. So the first read after the commit of any
//! process sees the commit. `docs/decisions/0008-sqlite-row-cache.md` has the reasons and the figures.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use super::wal_index::WalIndexHeader;
use crate::engine::{Read, Reply};
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::Record;

/// The most bytes of rows to cache.
const MAX_BYTES: u64 = 16 << 20;
/// A larger value is not cached: reading it costs more than finding it.
const MAX_VALUE_BYTES: usize = 64 << 10;
/// The number of rows that the cache expects, which sizes its table at first.
const EXPECTED_ROWS: usize = 1024;

/// The change of a commit to the row of a user's key.
pub(super) enum RowChange {
    /// The record as it was written. A row that replaces a live one keeps its created time.
    Put(Key, Record),
    Removed(Key),
    /// To any rows.
    Unknown,
}

pub(super) struct RowCache {
    header: Option<WalIndexHeader>,
    /// The number of the commit that led to `header`, where it is known.
    seq: Option<u64>,
    rows: Cache<Key, Record, RowWeight>,
}

#[derive(Clone)]
struct RowWeight;

impl Weighter<Key, Record> for RowWeight {
    fn weight(&self, key: &Key, row: &Record) -> u64 {
        // The allocations and the slot cost about 250 bytes.
        (key.len() + row.value.len() + row.metadata.as_ref().map_or(0, Bytes::len) + 250) as u64
    }
}

impl RowCache {
    pub(super) fn new() -> Self {
        RowCache { header: None, seq: None, rows: Cache::with_weighter(EXPECTED_ROWS, MAX_BYTES, RowWeight) }
    }

    /// The number of rows, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.rows.len() as u64, self.rows.weight())
    }

    /// Brings the cache to `now`, the header of the database: a cache of another state is emptied. Returns the header,
    /// or `None` if the cache may not be used.
    pub(super) fn validate(&mut self, now: WalIndexHeader, committing: &AtomicBool) -> Option<WalIndexHeader> {
        if self.header == Some(now) {
            return Some(now);
        }
        // The header was read first. If a commit of this process changed it, the flag was set before.
        if committing.load(Ordering::SeqCst) {
            return None;
        }
        self.reset(Some(now));
        Some(now)
    }

    /// Empties the cache. It is of the state at `header` from now on, or of an unknown one.
    fn reset(&mut self, header: Option<WalIndexHeader>) {
        if !self.rows.is_empty() {
            self.rows.clear();
        }
        self.header = header;
        self.seq = None;
    }

    /// Moves the cache from the header `base` to `after`, to which commit `seq` led with `changes`. The cache is
    /// emptied if it was not at `base`, or if `after` or `changes` is not known.
    pub(super) fn advance(
        &mut self,
        base: Option<WalIndexHeader>,
        after: Option<WalIndexHeader>,
        seq: u64,
        changes: Option<Vec<RowChange>>,
    ) {
        match changes {
            Some(changes) if base.is_some() && base == self.header && after.is_some() => {
                self.header = after;
                self.seq = Some(seq);
                for change in changes {
                    self.apply(change);
                }
            }
            _ => self.reset(None),
        }
    }

    /// Makes the row follow the database. Only rows that somebody has read are cached.
    fn apply(&mut self, change: RowChange) {
        match change {
            RowChange::Put(key, mut record) => {
                let Some(old) = self.rows.get(&key) else { return };
                if !is_cacheable(&record) {
                    self.rows.remove(&key);
                    return;
                }
                if !old.expired(record.updated_at.unwrap_or(0)) {
                    record.created_at = old.created_at;
                }
                // The record may share a buffer with many others, which must not stay in memory for it.
                record.value = record.value.copied();
                record.metadata = record.metadata.map(|metadata| Bytes::copy_from_slice(&metadata));
                self.rows.insert(key, record);
            }
            RowChange::Removed(key) => {
                self.rows.remove(&key);
            }
            RowChange::Unknown => self.rows.clear(),
        }
    }

    /// The number of the commit that led to `header`, if that is the cache's state and the number is known.
    pub(super) fn seq_at(&self, header: WalIndexHeader) -> Option<u64> {
        if self.header == Some(header) { self.seq } else { None }
    }

    /// Notes the number that a reader found in the database at `header`.
    pub(super) fn set_seq(&mut self, header: WalIndexHeader, seq: u64) {
        if self.header == Some(header) {
            self.seq = Some(seq);
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Record> {
        self.rows.get(key)
    }

    /// Caches the record that a reader found in the database at `header`.
    pub(super) fn insert_at(&mut self, header: WalIndexHeader, key: &[u8], record: &Record) {
        if self.header == Some(header) && is_cacheable(record) {
            self.rows.insert(Key::copy_from_slice(key), record.clone());
        }
    }

    /// Caches a record of the cache's own state, for which [`is_cacheable`] holds.
    pub(super) fn insert(&mut self, key: Key, record: Record) {
        self.rows.insert(key, record);
    }

    /// Answers a read of users' keys if all of them are cached.
    pub(super) fn answer(&self, read: &Read) -> Option<Result<Reply>> {
        read.try_answer(|space, key| {
            let row = (space == Space::User).then(|| self.rows.get(key)).flatten()?;
            Some(Ok((!row.has_expired()).then_some(row)))
        })
    }
}

/// True if the record is small enough to be cached.
pub(super) fn is_cacheable(record: &Record) -> bool {
    record.value.len() <= MAX_VALUE_BYTES
}
