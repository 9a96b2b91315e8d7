//! Reads on the caller's thread: a connection of its own, with the row cache in front of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::connection::Connection;
use super::read;
use super::row_cache::{RowCache, RowChange, is_cacheable};
use super::wal_index::WalIndexHeader;
use crate::engine::{Counters, Read, Reply};
use crate::error::{Code, Result};
use crate::key::{Key, Space};
use crate::record::Record;

/// One request reads at most this many keys on the caller's thread.
const MAX_KEYS: usize = 64;
/// The disk counts as slow while reads take longer than this on average.
const SLOW: Duration = Duration::from_micros(500);
/// A read counts as this long at most: a longer one met a busy processor, which says nothing about the disk.
const LONGEST: Duration = Duration::from_millis(2);
/// For how long a slow disk is not read on the caller's thread.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct CachedReader {
    /// Set while a commit of this process runs. The row cache is told of its changes at the end.
    committing: AtomicBool,
    /// `None` once closed.
    reader: Mutex<Option<Reader>>,
    /// The store's.
    counters: Arc<Counters>,
}

struct Reader {
    connection: Connection,
    cache: RowCache,
    /// The moving average of the time of reads. The latest read weighs an eighth.
    average: Duration,
    paused_until: Option<Instant>,
}

impl CachedReader {
    /// Reads through `connection`, whose WAL index is mapped where there is one.
    pub(super) fn new(connection: Connection) -> Self {
        let reader = Reader { connection, cache: RowCache::new(), average: Duration::ZERO, paused_until: None };
        CachedReader { committing: AtomicBool::new(false), reader: Mutex::new(Some(reader)), counters: Arc::default() }
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Answers from memory or from a fast disk, or returns `None`.
    pub(super) fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let mut guard = self.reader.try_lock()?;
        let reader = guard.as_mut()?;
        let header = reader.validate_cache(&self.committing);
        if header.is_some()
            && let Some(reply) = reader.cache.answer(read)
        {
            self.counters.cache_hits.add(read.keys());
            return Some(reply);
        }
        reader.read(read, header).inspect(|_| self.counters.cache_misses.add(read.keys()))
    }

    /// The WAL-index header of the database now.
    pub(super) fn header(&self) -> Option<WalIndexHeader> {
        self.reader.try_lock()?.as_ref()?.connection.header()
    }

    /// The cached record of a key as the database has it at `header`; `None` if it is not known.
    pub(super) fn cached_at(&self, header: WalIndexHeader, key: &[u8]) -> Option<Record> {
        let mut guard = self.reader.try_lock()?;
        let reader = guard.as_mut()?;
        (reader.validate_cache(&self.committing)? == header).then(|| reader.cache.get(key).cloned())?
    }

    /// The number of the latest commit, as the database has it at `header`; `None` if it is not known.
    pub(super) fn seq_at(&self, header: WalIndexHeader) -> Option<u64> {
        self.reader.try_lock()?.as_ref()?.cache.seq_at(header)
    }

    /// Notes that number, which a reader found in the database at `header`.
    pub(super) fn set_seq(&self, header: WalIndexHeader, seq: u64) {
        if let Some(mut guard) = self.reader.try_lock()
            && let Some(reader) = guard.as_mut()
        {
            reader.cache.set_seq(header, seq);
        }
    }

    /// Caches the record that a reader found in the database at `header`.
    pub(super) fn insert(&self, header: WalIndexHeader, key: &[u8], record: &Record) {
        if let Some(mut guard) = self.reader.try_lock()
            && let Some(reader) = guard.as_mut()
        {
            reader.cache.insert_at(header, key, record);
        }
    }

    /// To be called before the COMMIT of this process's writer: from here on the commit may change the header.
    pub(super) fn commit_begins(&self) {
        self.committing.store(true, Ordering::SeqCst);
    }

    /// To be called after COMMIT `seq`, with what [`RowCache::advance`] is to know of it.
    pub(super) fn commit_ended(
        &self,
        base: Option<WalIndexHeader>,
        after: Option<WalIndexHeader>,
        seq: u64,
        changes: Option<Vec<RowChange>>,
    ) {
        let mut guard = self.reader.lock();
        if let Some(reader) = guard.as_mut() {
            reader.cache.advance(base, after, seq, changes);
        }
        self.committing.store(false, Ordering::SeqCst);
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        *self.reader.lock() = None;
    }

    /// The number of rows in the cache, and their bytes.
    pub(super) fn cache_size(&self) -> (u64, u64) {
        self.reader.lock().as_ref().map_or((0, 0), |reader| reader.cache.size())
    }
}

impl Reader {
    /// The header that both the cache and the database have; `None` if the cache may not be used.
    fn validate_cache(&mut self, committing: &AtomicBool) -> Option<WalIndexHeader> {
        let now = self.connection.header()?;
        self.cache.validate(now, committing)
    }

    fn read(&mut self, read: &Read, header: Option<WalIndexHeader>) -> Option<Result<Reply>> {
        if matches!(read, Read::Many(_, keys) if keys.len() > MAX_KEYS) {
            return None;
        }
        let start = Instant::now();
        if let Some(until) = self.paused_until {
            if start < until {
                return None;
            }
            self.paused_until = None;
        }
        let result = match read {
            Read::Get(Space::User, key) => self.read_and_cache(key, header),
            read => read::answer(&mut self.connection, read),
        };
        self.average = (self.average * 7 + start.elapsed().min(LONGEST)) / 8;
        if self.average > SLOW {
            self.average = Duration::ZERO;
            self.paused_until = Some(start + PAUSE);
        }
        match result {
            // Somebody recovers or closes the database. The pool waits for it.
            Err(error) if error.code() == Code::Timeout => None,
            result => Some(result),
        }
    }

    fn read_and_cache(&mut self, key: &Key, header: Option<WalIndexHeader>) -> Result<Reply> {
        let record = read::record(&mut self.connection, Space::User, key)?;
        let Some(record) = record.filter(|record| !record.has_expired()) else { return Ok(Reply::Value(None)) };
        let value = record.value.clone();
        // The header did not change around the read, so the row is a row of that state.
        if header.is_some() && is_cacheable(&record) && self.connection.header() == header {
            self.cache.insert(key.clone(), record);
        }
        Ok(Reply::Value(Some(value)))
    }
}
