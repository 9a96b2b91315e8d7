//! `:memory:`: one connection for everything, as a database in memory belongs to its connection.
//!
//! SQLite has no WAL there. A snapshot is the database itself until the next write, which first copies the database for
//! the views that are still held.

use std::slice;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::connection::{Access, Connection};
use super::maintenance;
use super::options::{NAME, SqliteOptions};
use super::read;
use super::replace::{SqliteStage, WriterAccess};
use super::schema;
use super::view::{Snapshot, SqliteView, live_record};
use super::write::{OnBusy, Writer, WriterOptions};
use crate::batch::{Batch, Commit};
use crate::engine::embedded::Store;
use crate::engine::watch::Feed;
use crate::engine::{Capabilities, Counters, Progress, Read, Reply, Report, Stats, View};
use crate::error::{Error, Result};
use crate::key::Space;
use crate::record::{Millis, Record};

pub(super) struct InMemoryStore {
    live: Arc<Mutex<LiveDatabase>>,
    counters: Arc<Counters>,
    feed: Arc<Feed>,
}

/// The database as it is now.
struct LiveDatabase {
    /// `None` once closed.
    writer: Option<Writer>,
    /// The snapshot of the views that were opened since the latest write.
    snapshot: Weak<SharedCopy>,
}

/// A state of the database that one or more views see.
struct SharedCopy {
    seq: u64,
    /// The copy, from the next write on.
    copy: Mutex<Option<Connection>>,
}

struct InMemorySnapshot {
    live: Arc<Mutex<LiveDatabase>>,
    shared: Arc<SharedCopy>,
}

impl InMemoryStore {
    pub(super) fn open(options: &SqliteOptions) -> Result<Self> {
        let mut connection = Connection::open(None, Access::Write, options.verbose.clone())?;
        let found = schema::inspect(&mut connection, &options.table_name)?;
        schema::complete(&mut connection, &options.table_name, &found, options.index_updated_at)?;
        connection.use_tables(Arc::new(schema::sql(&options.table_name)));
        let counters = Arc::new(Counters { uncached: true, ..Counters::default() });
        let writer_options = WriterOptions {
            cached_reader: None,
            counters: counters.clone(),
            open_snapshots: Arc::default(),
            busy_timeout: 0,
            shared: false,
            syncs: false,
            rows_are_as_written: false,
        };
        let feed = Arc::new(Feed::default());
        let writer = Some(Writer::new(connection, writer_options, feed.clone()));
        let live = Arc::new(Mutex::new(LiveDatabase { writer, snapshot: Weak::new() }));
        Ok(InMemoryStore { live, counters, feed })
    }

    fn view_of(&self, live: &mut LiveDatabase) -> Result<Arc<dyn View>> {
        let shared = match live.snapshot.upgrade() {
            Some(shared) => shared,
            None => {
                let seq = read::seq(live.connection()?)?;
                let shared = Arc::new(SharedCopy { seq, copy: Mutex::new(None) });
                live.snapshot = Arc::downgrade(&shared);
                shared
            }
        };
        Ok(Arc::new(SqliteView(InMemorySnapshot { live: self.live.clone(), shared })))
    }
}

impl LiveDatabase {
    fn writer(&mut self) -> Result<&mut Writer> {
        self.writer.as_mut().ok_or_else(Error::closed)
    }

    fn connection(&mut self) -> Result<&mut Connection> {
        self.writer().map(Writer::connection)
    }

    /// The writer. The views that are held get a copy of the database first.
    fn writer_after_copy(&mut self) -> Result<&mut Writer> {
        let shared = std::mem::take(&mut self.snapshot).upgrade();
        let writer = self.writer()?;
        if let Some(shared) = shared {
            *shared.copy.lock() = Some(writer.connection().copy_in_memory()?);
        }
        Ok(writer)
    }

    fn write_group(&mut self, batches: &[Batch]) -> Vec<Result<Commit>> {
        match self.writer_after_copy() {
            Ok(writer) => writer.write_group(batches, OnBusy::Wait).unwrap_or_default(),
            Err(error) => batches.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

impl WriterAccess for Mutex<LiveDatabase> {
    fn with(&self, call: &mut dyn FnMut(&mut Writer) -> Result<()>) -> Result<()> {
        call(self.lock().writer_after_copy()?)
    }
}

impl Store for InMemoryStore {
    type Stage = SqliteStage;

    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { volatile: true, ..Capabilities::EMBEDDED }
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let mut live = self.live.try_lock()?;
        Some(live.connection().and_then(|connection| read::answer(connection, read)))
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        read::answer(self.live.lock().connection()?, read)
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.live.try_lock()?.write_group(slice::from_ref(batch)).pop()
    }

    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        self.live.lock().write_group(batches)
    }

    fn view(&self) -> Result<Arc<dyn View>> {
        self.view_of(&mut self.live.lock())
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        Some(self.view_of(&mut *self.live.try_lock()?))
    }

    fn sweep(&self, now: Millis) -> Result<u64> {
        let mut freed = 0;
        for space in [Space::User, Space::Internal] {
            loop {
                let mut live = self.live.lock();
                if !read::any_expired(live.connection()?, space, now)? {
                    break;
                }
                freed += live.writer_after_copy()?.sweep(space, now)?;
            }
        }
        Ok(freed)
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    fn stats(&self) -> Result<Stats> {
        let mut stats = maintenance::stats(self.live.lock().connection()?, None)?;
        let of = |name| stats.details.iter().find(|(detail, _)| *detail == name).map_or(0, |(_, figure)| *figure);
        stats.memory_bytes = Some(of("pages").saturating_mul(of("pageBytes")));
        Ok(stats)
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        let mut live = self.live.lock();
        let (report, damaged) = maintenance::verify(live.connection()?, progress)?;
        if repair && !damaged.is_empty() {
            live.writer_after_copy()?.change(|connection| maintenance::set_aside(connection, &damaged))?;
        }
        Ok(report)
    }

    fn compact(&self) -> Result<()> {
        maintenance::compact(self.live.lock().connection()?)
    }

    fn stage(&self) -> Result<SqliteStage> {
        SqliteStage::begin(self.live.clone(), None)
    }

    fn swap(&self, stage: SqliteStage) -> Result<Commit> {
        stage.swap()
    }

    fn close(&self) -> Result<()> {
        let mut live = self.live.lock();
        // A view that is still held reads a copy from now on.
        let copied = if live.snapshot.strong_count() > 0 { live.writer_after_copy().map(|_| ()) } else { Ok(()) };
        live.writer = None;
        copied
    }
}

impl Snapshot for InMemorySnapshot {
    fn seq(&self) -> u64 {
        self.shared.seq
    }

    fn with<T>(&self, call: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        // Everywhere in this order: the copy is made under the lock of the live database.
        let mut live = self.live.lock();
        let mut copy = self.shared.copy.lock();
        match copy.as_mut() {
            Some(connection) => {
                drop(live);
                call(connection)
            }
            None => {
                drop(copy);
                call(live.connection()?)
            }
        }
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        Some(self.with(|connection| live_record(connection, space, key)))
    }
}
