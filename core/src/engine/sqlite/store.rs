//! A store in a file, as the queue in front of it sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;

use super::cached_reader::Inline;
use super::change_poller::Follower;
use super::maintenance;
use super::reader_pool::Readers;
use super::sql::{Point, Query};
use super::write::{Patience, Writer};
use crate::batch::{Batch, Commit};
use crate::engine::embedded::Store;
use crate::engine::watch::{Feed, Watching};
use crate::engine::{Capabilities, Counters, Durability, Progress, Read, Reply, Report, Stats, View};
use crate::error::{Code, Error, Result};
use crate::key::Space;
use crate::record::Millis;

/// Of the writes that could be made inline, every one of this many goes to the queue, to see whether more follow it.
const PROBE: u32 = 64;
/// A larger batch is never committed on the caller's thread.
const INLINE_BYTES: usize = 64 << 10;
const INLINE_OPS: usize = 16;

pub(super) struct FileStore {
    /// `None` once closed, and where the store is read-only.
    writer: Arc<Mutex<Option<Writer>>>,
    read_only: bool,
    inline: Arc<Inline>,
    readers: Arc<Readers>,
    durability: Durability,
    feed: Arc<Feed>,
    follower: Follower,
    /// The last group was one batch: writes come one at a time.
    one_at_a_time: AtomicBool,
    /// Writes made inline since the last group.
    in_a_row: AtomicU32,
}

impl FileStore {
    pub fn new(
        writer: Option<Writer>,
        inline: Arc<Inline>,
        readers: Readers,
        durability: Durability,
        feed: Arc<Feed>,
    ) -> Self {
        let read_only = writer.is_none();
        let writer = Arc::new(Mutex::new(writer));
        FileStore {
            read_only,
            follower: Follower::new(writer.clone(), feed.clone()),
            writer,
            inline,
            readers: Arc::new(readers),
            durability,
            feed,
            one_at_a_time: AtomicBool::new(true),
            in_a_row: AtomicU32::new(0),
        }
    }

    fn refused(&self) -> Error {
        if self.read_only { Error::new(Code::ReadOnly, "the store was opened with readOnly") } else { Error::closed() }
    }

    fn writing<T>(&self, call: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        match self.writer.lock().as_mut() {
            Some(writer) => call(writer),
            None => Err(self.refused()),
        }
    }

    /// True if this write may be made on the caller's thread. One write alone is fastest there; many at once are faster
    /// in one transaction, and the only way to see them coming is to queue one now and then. Whoever read before writing is
    /// alone: a commit that is queued holds up the views of those who come next.
    fn inline_pays(&self, batch: &Batch) -> bool {
        batch.as_of.is_some()
            || (self.one_at_a_time.load(Ordering::Relaxed) && self.in_a_row.fetch_add(1, Ordering::Relaxed) < PROBE)
    }
}

impl Store for FileStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { watch: Watching::Shared, multi_process: true, ..Capabilities::EMBEDDED }
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        self.inline.try_read(read)
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        self.inline.counters().cache_misses.add(read.keys());
        self.readers.read(read)
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        if self.durability == Durability::Full && !self.read_only {
            return None;
        }
        let small = batch.ops.len() <= INLINE_OPS && batch.range_checks.is_empty() && batch.size() <= INLINE_BYTES;
        if !small || !self.inline_pays(batch) {
            return None;
        }
        let mut guard = self.writer.try_lock()?;
        let Some(writer) = guard.as_mut() else { return Some(Err(self.refused())) };
        if writer.wal_is_long() {
            return None;
        }
        writer.write_group(std::slice::from_ref(batch), Patience::None)?.pop()
    }

    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        self.one_at_a_time.store(batches.len() == 1, Ordering::Relaxed);
        self.in_a_row.store(0, Ordering::Relaxed);
        let mut guard = self.writer.lock();
        let Some(writer) = guard.as_mut() else {
            return batches.iter().map(|_| Err(self.refused())).collect();
        };
        let results = writer.write_group(batches, Patience::Wait).unwrap_or_default();
        writer.checkpoint_if_long();
        results
    }

    fn view(&self) -> Result<Arc<dyn View>> {
        self.readers.view()
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        self.readers.try_view()
    }

    fn sweep(&self, now: Millis) -> Result<u64> {
        if self.read_only {
            return Ok(0);
        }
        let mut freed = 0;
        for space in [Space::User, Space::Internal] {
            while self.readers.with(|connection| {
                let mut row =
                    connection.query(Query::Point(Point::AnyExpired, space), "cannot look for expired records")?;
                row.bind_int(1, now)?;
                row.step()
            })? {
                freed += self.writing(|writer| writer.sweep(space, now))?;
            }
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
        self.follower.start()
    }

    fn stats(&self) -> Result<Stats> {
        let mut stats =
            self.readers.with(|connection| maintenance::stats(connection, Some(&self.readers.opening().path)))?;
        let (rows, bytes) = self.inline.cached();
        stats.memory_bytes = Some(bytes);
        stats.details.push(("cachedRows", rows));
        Ok(stats)
    }

    fn counters(&self) -> &Counters {
        self.inline.counters()
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        let (report, damaged) = self.readers.with(|connection| maintenance::verify(connection, progress))?;
        if repair && !damaged.is_empty() {
            self.writing(|writer| writer.change(|connection| maintenance::set_aside(connection, &damaged)))?;
        }
        Ok(report)
    }

    fn compact(&self) -> Result<()> {
        self.writing(|writer| {
            let connection = writer.connection();
            connection.run("VACUUM", "cannot compact")?;
            connection.checkpoint(true)?;
            writer.forget_room();
            Ok(())
        })
    }

    fn close(&self) -> Result<()> {
        self.inline.close();
        self.readers.close();
        // The last connection to close writes the WAL back and removes it; a view that is still held keeps it.
        let writer = self.writer.lock().take();
        match writer {
            Some(mut writer) => match writer.connection().checkpoint(false) {
                // Another process is at it.
                Err(error) if error.code() == Code::Timeout => Ok(()),
                result => result,
            },
            None => Ok(()),
        }
    }
}
