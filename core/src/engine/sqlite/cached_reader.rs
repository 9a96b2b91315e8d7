//! Reads on the caller's thread: a connection of its own, and a cache of rows that stands while nobody has
//! committed anything it does not know of.
//!
//! Invariant: every cached row is the row of the database whose WAL header is `State::header`. A reader compares
//! that header with the shared one before it believes the cache, so that a commit of any process is seen by
//! the first read after it returned. `docs/decisions/0008-sqlite-row-cache.md` has the reasons and the figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use super::connection::Connection;
use super::read;
use super::wal_index::Header;
use crate::engine::{Counters, Read, Reply};
use crate::error::{Code, Result};
use crate::key::{Key, Space};
use crate::record::{Record, now};

/// Bytes of rows cached at most.
const CACHE_BYTES: u64 = 16 << 20;
/// A larger value is not cached: reading it costs more than finding it.
const MAX_CACHED: usize = 64 << 10;
/// Rows expected in the cache, which sizes its table at first.
const EXPECTED_ROWS: usize = 1024;
/// Keys of one request that are read inline.
const MAX_KEYS: usize = 64;
/// The moving average of inline reads above which the disk counts as slow.
const SLOW: Duration = Duration::from_micros(500);
/// A read counts as this long at most: one that met a busy processor says nothing of the disk.
const LONGEST: Duration = Duration::from_millis(2);
/// How long inline reads stay away from a slow disk.
const PAUSE: Duration = Duration::from_secs(1);

/// What a commit did to a row of a user's key.
pub(super) enum Written {
    /// As the writer has it: a row that was there keeps its created time.
    Put(Key, Record),
    Removed(Key),
    /// Whichever they were.
    Several,
}

/// What is answered on the caller's thread.
pub(super) struct Inline {
    /// A commit of this process is under way, whose rows the cache will be told.
    committing: AtomicBool,
    /// `None` once closed.
    state: Mutex<Option<State>>,
    /// The store's.
    counters: Arc<Counters>,
}

struct State {
    connection: Connection,
    header: Option<Header>,
    /// The number of the commit that led to `header`, where it is known.
    seq: Option<u64>,
    rows: Cache<Key, Record, Weight>,
    /// How long reads take, the latest weighing an eighth.
    average: Duration,
    paused_until: Option<Instant>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Record> for Weight {
    fn weight(&self, key: &Key, row: &Record) -> u64 {
        // The allocations and the slot cost about 250 bytes.
        (key.len() + row.value.len() + row.metadata.as_ref().map_or(0, Bytes::len) + 250) as u64
    }
}

impl Inline {
    /// Inline reads over `connection`, whose WAL index is mapped where there is one.
    pub fn new(connection: Connection) -> Self {
        let rows = Cache::with_weighter(EXPECTED_ROWS, CACHE_BYTES, Weight);
        let state = State { connection, header: None, seq: None, rows, average: Duration::ZERO, paused_until: None };
        Inline { committing: AtomicBool::new(false), state: Mutex::new(Some(state)), counters: Arc::default() }
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Answers from memory or a fast disk, or `None`.
    pub fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let mut guard = self.state.try_lock()?;
        let state = guard.as_mut()?;
        let header = state.trusted_header(&self.committing);
        if header.is_some()
            && let Some(reply) = state.cached(read)
        {
            self.counters.cache_hits.add(read.keys());
            return Some(Ok(reply));
        }
        state.read(read, header).inspect(|_| self.counters.cache_misses.add(read.keys()))
    }

    /// The WAL header of the database now.
    pub fn header(&self) -> Option<Header> {
        self.state.try_lock()?.as_ref()?.connection.header()
    }

    /// The cached record of a key as the database has it at `header`; `None` if that is not known.
    pub fn cached_at(&self, header: Header, key: &[u8]) -> Option<Record> {
        let mut guard = self.state.try_lock()?;
        let state = guard.as_mut()?;
        (state.trusted_header(&self.committing)? == header).then(|| state.rows.get(key).cloned())?
    }

    /// The number of the latest commit, as the database has it at `header`; `None` if that is not known.
    pub fn seq_at(&self, header: Header) -> Option<u64> {
        let guard = self.state.try_lock()?;
        guard.as_ref().filter(|state| state.header == Some(header))?.seq
    }

    /// Notes that number, which a reader found in the database at `header`.
    pub fn keep_seq(&self, header: Header, seq: u64) {
        if let Some(mut guard) = self.state.try_lock()
            && let Some(state) = guard.as_mut()
            && state.header == Some(header)
        {
            state.seq = Some(seq);
        }
    }

    /// Caches what a reader found in the database at `header`.
    pub fn keep(&self, header: Header, key: &[u8], record: &Record) {
        if let Some(mut guard) = self.state.try_lock()
            && let Some(state) = guard.as_mut()
            && state.header == Some(header)
            && record.value.len() <= MAX_CACHED
        {
            state.rows.insert(Key::copy_from_slice(key), record.clone());
        }
    }

    /// Called before the COMMIT of this process's writer: from here on the header may change by it.
    pub fn committing(&self) {
        self.committing.store(true, Ordering::SeqCst);
    }

    /// Called after COMMIT `seq`: it led from the header `base` to `after`, which is `None` if that is not known, and did
    /// `written`, which is `None` if it may have done anything.
    pub fn committed(&self, base: Option<Header>, after: Option<Header>, seq: u64, written: Option<Vec<Written>>) {
        let mut guard = self.state.lock();
        if let Some(state) = guard.as_mut() {
            match written {
                Some(written) if base.is_some() && base == state.header && after.is_some() => {
                    state.header = after;
                    state.seq = Some(seq);
                    written.into_iter().for_each(|row| state.follow(row));
                }
                _ => state.forget_all(None),
            }
        }
        self.committing.store(false, Ordering::SeqCst);
    }

    /// Closes the connection.
    pub fn close(&self) {
        *self.state.lock() = None;
    }

    /// Rows and bytes in the cache.
    pub fn cached(&self) -> (u64, u64) {
        let guard = self.state.lock();
        guard.as_ref().map_or((0, 0), |state| (state.rows.len() as u64, state.rows.weight()))
    }
}

impl State {
    /// The header that both the cache and the database have, or `None` if the cache may not be used.
    fn trusted_header(&mut self, committing: &AtomicBool) -> Option<Header> {
        let now = self.connection.header()?;
        if self.header == Some(now) {
            return Some(now);
        }
        // The header was read first: if it changed by our own commit, the flag was up before.
        if committing.load(Ordering::SeqCst) {
            return None;
        }
        self.forget_all(Some(now));
        Some(now)
    }

    fn forget_all(&mut self, header: Option<Header>) {
        if !self.rows.is_empty() {
            self.rows.clear();
        }
        self.header = header;
        self.seq = None;
    }

    /// Makes the cache follow the database. Only rows that somebody reads are in it.
    fn follow(&mut self, written: Written) {
        match written {
            Written::Put(key, mut record) => {
                let Some(old) = self.rows.get(&key) else { return };
                if record.value.len() > MAX_CACHED {
                    self.rows.remove(&key);
                    return;
                }
                if !old.expired(record.updated_at.unwrap_or(0)) {
                    record.created_at = old.created_at;
                }
                // What came with many others must not keep them in memory.
                record.value = record.value.copied();
                record.metadata = record.metadata.map(|metadata| Bytes::copy_from_slice(&metadata));
                self.rows.insert(key, record);
            }
            Written::Removed(key) => {
                self.rows.remove(&key);
            }
            Written::Several => self.rows.clear(),
        }
    }

    fn cached(&self, read: &Read) -> Option<Reply> {
        match read {
            Read::Get(Space::User, key) => {
                let row = self.rows.get(key)?;
                Some(Reply::Value((!row.has_expired()).then(|| row.value.clone())))
            }
            Read::Has(Space::User, key) => {
                let row = self.rows.get(key)?;
                Some(Reply::Has(!row.has_expired()))
            }
            Read::Entry(Space::User, key) => {
                let row = self.rows.get(key)?;
                Some(Reply::Entry((!row.has_expired()).then(|| row.clone())))
            }
            Read::Many(Space::User, keys) => {
                let now = now();
                let values: Option<Vec<_>> = keys
                    .iter()
                    .map(|key| self.rows.get(key).map(|row| (!row.expired(now)).then(|| row.value.clone())))
                    .collect();
                values.map(Reply::Values)
            }
            _ => None,
        }
    }

    fn read(&mut self, read: &Read, header: Option<Header>) -> Option<Result<Reply>> {
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
            // Somebody recovers or closes the database: wait for it in the pool.
            Err(error) if error.code() == Code::Timeout => None,
            result => Some(result),
        }
    }

    fn read_and_cache(&mut self, key: &Key, header: Option<Header>) -> Result<Reply> {
        let record = read::record(&mut self.connection, Space::User, key)?;
        let Some(record) = record.filter(|record| !record.has_expired()) else { return Ok(Reply::Value(None)) };
        let value = record.value.clone();
        // The header did not change around the read, so the row is a row of that state.
        if header.is_some() && value.len() <= MAX_CACHED && self.connection.header() == header {
            self.rows.insert(key.clone(), record);
        }
        Ok(Reply::Value(Some(value)))
    }
}
