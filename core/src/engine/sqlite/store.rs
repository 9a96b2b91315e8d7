//! The store over a database file.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;

use super::cached_reader::CachedReader;
use super::change_poller::ChangePoller;
use super::connection::CheckpointMode;
use super::maintenance;
use super::options::NAME;
use super::read;
use super::reader_pool::ReaderPool;
use super::replace::SqliteStage;
use super::snapshot::Snapshots;
use super::staging_lock::StagingLock;
use super::write::{OnBusy, Writer};
use crate::batch::{Batch, Commit};
use crate::engine::embedded::Store;
use crate::engine::watch::{Feed, Watching};
use crate::engine::{Capabilities, Counters, Durability, Progress, Read, Reply, Report, Stats, View};
use crate::error::{Code, Error, Result};
use crate::key::Space;
use crate::record::Millis;

/// One of this many writes that could be made on the caller's thread goes to the queue, to see whether more follow it.
const PROBE: u32 = 64;
/// A batch written on the caller's thread holds at most this many bytes and operations.
const INLINE_BYTES: usize = 64 << 10;
const INLINE_OPS: usize = 16;

pub(super) struct SqliteStore {
    /// `None` once closed, and where the store is read-only.
    writer: Arc<Mutex<Option<Writer>>>,
    read_only: bool,
    cached_reader: Arc<CachedReader>,
    pool: Arc<ReaderPool>,
    snapshots: Arc<Snapshots>,
    durability: Durability,
    feed: Arc<Feed>,
    change_poller: ChangePoller,
    /// The last group was one batch: writes come one at a time.
    one_at_a_time: AtomicBool,
    /// The number of writes on the caller's thread since the last group.
    inline_in_a_row: AtomicU32,
}

impl SqliteStore {
    pub(super) fn new(
        writer: Option<Writer>,
        cached_reader: Arc<CachedReader>,
        pool: ReaderPool,
        durability: Durability,
        feed: Arc<Feed>,
    ) -> Self {
        let read_only = writer.is_none();
        let open_snapshots = writer.as_ref().map(Writer::open_snapshots).unwrap_or_default();
        let writer = Arc::new(Mutex::new(writer));
        let pool = Arc::new(pool);
        SqliteStore {
            read_only,
            change_poller: ChangePoller::new(writer.clone(), feed.clone()),
            writer,
            snapshots: Arc::new(Snapshots::new(pool.clone(), cached_reader.clone(), open_snapshots)),
            cached_reader,
            pool,
            durability,
            feed,
            one_at_a_time: AtomicBool::new(true),
            inline_in_a_row: AtomicU32::new(0),
        }
    }

    /// The error of a write where there is no writer.
    fn refusal(&self) -> Error {
        if self.read_only { Error::new(Code::ReadOnly, "the store was opened with readOnly") } else { Error::closed() }
    }

    fn with_writer<T>(&self, call: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        match self.writer.lock().as_mut() {
            Some(writer) => call(writer),
            None => Err(self.refusal()),
        }
    }

    /// True if this write is faster on the caller's thread. One write alone is; many at once are faster in one
    /// transaction, and the only way to see them coming is to queue one now and then. A batch of a caller that read
    /// before counts as alone: in the queue it would hold up the views of the next callers.
    fn is_faster_inline(&self, batch: &Batch) -> bool {
        batch.as_of.is_some()
            || (self.one_at_a_time.load(Ordering::Relaxed)
                && self.inline_in_a_row.fetch_add(1, Ordering::Relaxed) < PROBE)
    }
}

impl Store for SqliteStore {
    type Stage = SqliteStage;

    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { watch: Watching::Shared, multi_process: true, ..Capabilities::EMBEDDED }
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        self.cached_reader.try_read(read)
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        self.counters().cache_misses.add(read.keys());
        self.pool.with(|connection| read::answer(connection, read))
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        if self.durability == Durability::Full && !self.read_only {
            return None;
        }
        let small = batch.ops.len() <= INLINE_OPS && batch.range_checks.is_empty() && batch.size() <= INLINE_BYTES;
        if !small || !self.is_faster_inline(batch) {
            return None;
        }
        let mut guard = self.writer.try_lock()?;
        let Some(writer) = guard.as_mut() else { return Some(Err(self.refusal())) };
        if writer.checkpoint_is_due() {
            return None;
        }
        writer.write_group(slice::from_ref(batch), OnBusy::GiveUp)?.pop()
    }

    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        self.one_at_a_time.store(batches.len() == 1, Ordering::Relaxed);
        self.inline_in_a_row.store(0, Ordering::Relaxed);
        let mut guard = self.writer.lock();
        let Some(writer) = guard.as_mut() else {
            return batches.iter().map(|_| Err(self.refusal())).collect();
        };
        let results = writer.write_group(batches, OnBusy::Wait).unwrap_or_default();
        writer.checkpoint_if_due();
        results
    }

    fn view(&self) -> Result<Arc<dyn View>> {
        self.snapshots.view()
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        self.snapshots.try_view()
    }

    fn sweep(&self, now: Millis) -> Result<u64> {
        if self.read_only {
            return Ok(0);
        }
        let mut freed = 0;
        for space in [Space::User, Space::Internal] {
            while self.pool.with(|connection| read::any_expired(connection, space, now))? {
                freed += self.with_writer(|writer| {
                    let freed = writer.sweep(space, now);
                    writer.checkpoint_if_due();
                    freed
                })?;
            }
        }
        if let Some(mut guard) = self.writer.try_lock()
            && let Some(writer) = guard.as_mut()
        {
            writer.checkpoint_if_hindered();
        }
        Ok(freed)
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    fn watched(&self) -> Result<()> {
        if self.read_only {
            let message = "watching needs the change log, which a store opened with readOnly cannot switch on";
            return Err(Error::new(Code::ReadOnly, message));
        }
        self.change_poller.start()
    }

    fn stats(&self) -> Result<Stats> {
        let mut stats = self.pool.with(|connection| maintenance::stats(connection, Some(&self.pool.options().path)))?;
        let (rows, bytes) = self.cached_reader.cache_size();
        stats.memory_bytes = Some(bytes);
        stats.details.push(("cachedRows", rows));
        Ok(stats)
    }

    fn counters(&self) -> &Counters {
        self.cached_reader.counters()
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        let (report, damaged) = self.pool.with(|connection| maintenance::verify(connection, progress))?;
        if repair && !damaged.is_empty() {
            self.with_writer(|writer| writer.change(|connection| maintenance::set_aside(connection, &damaged)))?;
        }
        Ok(report)
    }

    fn compact(&self) -> Result<()> {
        self.with_writer(Writer::compact)
    }

    fn stage(&self) -> Result<SqliteStage> {
        if self.read_only {
            return Err(self.refusal());
        }
        let options = self.pool.options();
        let lock = StagingLock::take(&options.path, &options.table)?;
        SqliteStage::begin(self.writer.clone(), Some(lock))
    }

    fn swap(&self, stage: SqliteStage) -> Result<Commit> {
        stage.swap()
    }

    fn close(&self) -> Result<()> {
        self.cached_reader.close();
        self.pool.close();
        // The last connection to close writes the WAL back and removes it. A view that is still held keeps it.
        let writer = self.writer.lock().take();
        match writer {
            Some(mut writer) => match writer.connection().checkpoint(CheckpointMode::Passive) {
                // Another process writes it back.
                Err(error) if error.code() == Code::Timeout => Ok(()),
                result => result.map(drop),
            },
            None => Ok(()),
        }
    }
}
