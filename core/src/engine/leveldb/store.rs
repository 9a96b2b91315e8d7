//! The store: reads from the cache, then RocksDB's memory, then the disk; writes one at a time or in groups.

use std::path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use rocksdb::{ReadOptions, WriteOptions};

use super::database::{Handle, Open};
use super::overlay::{History, Overlay};
use super::record_cache::RecordCache;
use super::view::LevelDbView;
use super::{LevelDbOptions, NAME, expiry, fault, format, maintenance, rocksdb_options};
use crate::batch::{Batch, Commit, Role};
use crate::engine::embedded::Store;
use crate::engine::intent::{Found, Intents};
use crate::engine::recent::Recent;
use crate::engine::watch::{FLAG, Feed, Tap};
use crate::engine::{Capabilities, Counters, Durability, Progress, Read, Reply, Report, Stats, View, unexpected_reply};
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::{Millis, Record, now};
use crate::value::Value;

/// Batches committed on the caller's thread hold at most this many bytes and operations.
const INLINE_BYTES: usize = 256 << 10;
const INLINE_OPS: usize = 4096;
/// Keys read on the caller's thread in one call at most.
const INLINE_KEYS: usize = 1024;

/// How far a read may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    Memory,
    Disk,
}

pub(super) struct LevelDb {
    pub handle: Arc<Handle>,
    pub cache: Arc<RecordCache>,
    /// Held by whoever writes: sequence numbers are known before a write, and the history is in their order.
    pub writer: Mutex<History>,
    /// Set by a failed write that may have left the log's end unknown: its pages count as clean now, whether
    /// they are on the disk or not.
    poisoned: AtomicBool,
    counters: Arc<Counters>,
    feed: Arc<Feed>,
    read_only: bool,
    durability: Durability,
    memory_reads: ReadOptions,
    disk_reads: ReadOptions,
    inline_writes: WriteOptions,
    grouped_writes: WriteOptions,
}

impl LevelDb {
    pub fn open(mut options: LevelDbOptions) -> Result<Self> {
        // The process may change its working directory later.
        options.path = path::absolute(&options.path).map_err(|error| {
            Error::io(format_args!("cannot look at {}", options.path.display()), &error).in_engine(NAME)
        })?;
        let records = options.cache_size / 2;
        let blocks = usize::try_from(options.cache_size - records).unwrap_or(usize::MAX);
        let handle = Arc::new(Handle::open(&options.path, &options, blocks)?);
        let seq = handle.with(|open| Ok(open.db.latest_sequence_number()))?;
        let counters = Arc::<Counters>::default();
        let view = LevelDbView::new(&handle, None)?;
        let intents = Intents::new(Found::in_view(&view)?, false, counters.clone());
        let feed = Arc::new(Feed::default());
        let tap = Tap::new(feed.clone(), view.get(Space::Internal, FLAG)?.as_ref());
        drop(view);
        Ok(LevelDb {
            handle,
            cache: Arc::new(RecordCache::new(records)),
            writer: Mutex::new(History { recent: Recent::new(seq), intents, tap }),
            poisoned: AtomicBool::new(false),
            counters,
            feed,
            read_only: options.read_only,
            durability: options.durability,
            memory_reads: rocksdb_options::memory_reads(),
            disk_reads: ReadOptions::default(),
            inline_writes: rocksdb_options::inline_writes(),
            grouped_writes: rocksdb_options::grouped_writes(options.durability),
        })
    }

    /// The record of a key, expired or not; the outer `None` if memory cannot tell and `tier` allows no more.
    pub fn load(&self, open: &Open, space: Space, key: &[u8], tier: Tier) -> Result<Option<Option<Arc<Record>>>> {
        if let Some(record) = self.cache.get(space, key) {
            return Ok(Some(Some(record)));
        }
        let ticket = self.cache.ticket(key);
        let options = match tier {
            Tier::Memory => &self.memory_reads,
            Tier::Disk => &self.disk_reads,
        };
        match open.get(space, key, options)? {
            Ok(None) => Ok(Some(None)),
            Ok(Some(bytes)) => {
                let bytes = Bytes::copy_from_slice(&bytes);
                let record = Arc::new(format::decode(&bytes).map_err(|error| error.at_key(key))?);
                self.cache.fill(ticket, space, key, &record);
                Ok(Some(Some(record)))
            }
            Err(error) if tier == Tier::Memory && fault::would_block(&error) => Ok(None),
            Err(error) => Err(fault::translate("read", &error).at_key(key)),
        }
    }

    /// The record of a key for a reader: an expired one is absent.
    fn live(&self, space: Space, key: &[u8], tier: Tier) -> Result<Option<Option<Arc<Record>>>> {
        let found = match self.cache.get(space, key) {
            Some(record) => {
                self.counters.cache_hits.one();
                Some(Some(record))
            }
            None => self.handle.with(|open| self.load(open, space, key, tier))?.inspect(|_| {
                self.counters.cache_misses.one();
            }),
        };
        Ok(found.map(|record| record.filter(|record| record.expires_at.is_none() || !record.expired(now()))))
    }

    /// Answers a read, `None` if memory cannot and `tier` allows no more.
    fn answer(&self, read: &Read, tier: Tier) -> Result<Option<Reply>> {
        Ok(match read {
            Read::Get(space, key) => {
                self.live(*space, key, tier)?.map(|record| Reply::Value(record.map(|record| record.value.clone())))
            }
            Read::Entry(space, key) => {
                self.live(*space, key, tier)?.map(|record| Reply::Entry(record.map(|record| (*record).clone())))
            }
            Read::Has(space, key) => self.live(*space, key, tier)?.map(|record| Reply::Has(record.is_some())),
            Read::Many(space, keys) => match tier {
                Tier::Memory => self.many_inline(*space, keys)?,
                Tier::Disk => Some(self.many(*space, keys)?),
            },
        })
    }

    /// Several keys from memory, at one moment because no writer works meanwhile.
    fn many_inline(&self, space: Space, keys: &[Key]) -> Result<Option<Reply>> {
        if keys.len() > INLINE_KEYS {
            return Ok(None);
        }
        let Some(_writer) = self.writer.try_lock() else { return Ok(None) };
        let mut values: Vec<Option<Value>> = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(found) = self.live(space, key, Tier::Memory)? else { return Ok(None) };
            values.push(found.map(|record| record.value.clone()));
        }
        Ok(Some(Reply::Values(values)))
    }

    /// Several keys from a snapshot.
    fn many(&self, space: Space, keys: &[Key]) -> Result<Reply> {
        let view = LevelDbView::new(&self.handle, None)?;
        let values = keys.iter().map(|key| Ok(view.get(space, key)?.map(|record| record.value)));
        Ok(Reply::Values(values.collect::<Result<_>>()?))
    }

    /// Why this store takes no writes, if so.
    pub fn refuses_writes(&self) -> Option<Error> {
        if self.read_only {
            return Some(Error::new(Code::ReadOnly, "the store is open read-only").in_engine(NAME));
        }
        if self.poisoned.load(Ordering::Acquire) {
            return Some(
                Error::new(
                    Code::Io,
                    "an earlier write could not be made durable, so writes are refused; close the store and open it again",
                )
                .in_engine(NAME),
            );
        }
        None
    }

    /// The error of a failed write, after which there may be no other.
    pub fn failed_write(&self, error: &rocksdb::Error) -> Error {
        if fault::poisons(error) {
            self.poisoned.store(true, Ordering::Release);
        }
        fault::translate("write", error)
    }

    /// Commits one batch without waiting, or `None` with nothing written.
    fn commit_inline(&self, open: &Open, batch: &Batch) -> Result<Option<Commit>> {
        let Some(mut history) = self.writer.try_lock() else { return Ok(None) };
        let standing = history.intents.clone();
        let mut overlay = Overlay::new(self, open, &mut history, Tier::Memory);
        if batch.ops.len() == 1 {
            overlay = overlay.alone();
        }
        let applied = overlay.apply(batch);
        if overlay.blocked {
            return Ok(None);
        }
        let (seq, outcomes) = applied?;
        let end = overlay.end();
        let writes = overlay.into_writes();
        match writes.write(open, &self.inline_writes)? {
            Ok(()) => {
                writes.show(&self.cache);
                history.tap.publish();
            }
            Err(error) if fault::would_block(&error) => {
                history.intents = standing;
                history.tap.discard();
                return Ok(None);
            }
            Err(error) => return Err(self.failed_commit(&error, &mut history, end, standing)),
        }
        Ok(Some(Commit { seq, outcomes }))
    }

    /// Commits a group as one RocksDB batch with one sync.
    fn commit_group(&self, open: &Open, batches: &[Batch]) -> Result<Vec<Result<Commit>>> {
        let mut history = self.writer.lock();
        if let Some(error) = self.refuses_writes() {
            return Err(error);
        }
        let standing = history.intents.clone();
        let mut overlay = Overlay::new(self, open, &mut history, Tier::Disk);
        overlay.reserve(batches.iter().map(|batch| batch.ops.len()).sum());
        let results = batches.iter().map(|batch| {
            let (seq, outcomes) = overlay.apply(batch)?;
            Ok(Commit { seq, outcomes })
        });
        let results = results.collect();
        let end = overlay.end();
        let writes = overlay.into_writes();
        if self.durability == Durability::Full && !writes.is_empty() {
            self.counters.fsyncs.one();
        }
        match writes.write(open, &self.grouped_writes)? {
            Ok(()) => {
                writes.show(&self.cache);
                history.tap.publish();
            }
            Err(error) => return Err(self.failed_commit(&error, &mut history, end, standing)),
        }
        if self.durability == Durability::None && batches.iter().any(|batch| batch.role != Role::None) {
            // The other engines of a transaction have their part in the system's hands: so must this one.
            open.db.flush_wal(false).map_err(|error| self.failed_write(&error))?;
        }
        Ok(results)
    }

    /// Forgets what a failed write may have changed, up to sequence number `end`.
    fn failed_commit(&self, error: &rocksdb::Error, history: &mut History, end: u64, intents: Intents) -> Error {
        self.cache.clear();
        history.recent = Recent::new(end);
        history.intents = intents;
        history.tap.discard();
        self.failed_write(error)
    }
}

impl Store for LevelDb {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::EMBEDDED
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        self.answer(read, Tier::Memory).transpose()
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        self.answer(read, Tier::Disk)?.ok_or_else(unexpected_reply)
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        if let Some(error) = self.refuses_writes() {
            return Some(Err(error));
        }
        let small = batch.ops.len() <= INLINE_OPS && batch.size() <= INLINE_BYTES;
        if self.durability == Durability::Full || !small || batch.role != Role::None {
            return None;
        }
        self.handle.with(|open| self.commit_inline(open, batch)).transpose()
    }

    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        let committed = self.handle.with(|open| self.commit_group(open, batches));
        committed.unwrap_or_else(|error| batches.iter().map(|_| Err(error.clone())).collect())
    }

    fn view(&self) -> Result<Arc<dyn View>> {
        // While a writer is between RocksDB and the cache, the two disagree.
        let quiet = self.writer.try_lock();
        let cache = quiet.is_some().then(|| self.cache.clone());
        Ok(Arc::new(LevelDbView::new(&self.handle, cache)?))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        // A snapshot is a number in a list of RocksDB's: no disk, and no lock held for long.
        Some(self.view())
    }

    fn sweep(&self, now: Millis) -> Result<u64> {
        if self.refuses_writes().is_some() {
            return Ok(0);
        }
        let freed = expiry::sweep(self, now)?;
        if self.durability == Durability::None {
            // What `none` keeps in this process's memory leaves it within a second, so a crash loses no more.
            self.handle.with(|open| open.db.flush_wal(false).map_err(|error| self.failed_write(&error)))?;
        }
        Ok(freed)
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    fn stats(&self) -> Result<Stats> {
        self.handle.with(|open| Ok(maintenance::stats(self, open)))
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn verify(&self, _repair: bool, progress: Progress<'_>) -> Result<Report> {
        self.handle.with(|open| maintenance::verify(open, progress))
    }

    fn compact(&self) -> Result<()> {
        if let Some(error) = self.refuses_writes() {
            return Err(error);
        }
        self.handle.with(maintenance::compact)
    }

    fn close(&self) -> Result<()> {
        // A sync that failed once is not tried again: it might succeed without having written anything.
        let closed = self.handle.close(self.refuses_writes().is_none());
        self.cache.clear();
        closed
    }
}
