//! `:memory:`: one connection for everything, as a database in memory is its connection's own.
//!
//! SQLite has no WAL there, so a view is the database itself until the next write, which first copies the database
//! for the views that are still held.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::SqliteOptions;
use super::connection::{Access, Connection};
use super::maintenance;
use super::read;
use super::reader_pool::{count_by_pages, interval_count, live_record};
use super::schema;
use super::sql::{Point, Query};
use super::write::{Patience, Setting, Writer};
use crate::batch::{Batch, Commit};
use crate::engine::embedded::Store;
use crate::engine::watch::Feed;
use crate::engine::{Capabilities, Counters, Page, Progress, Projection, Read, Reply, Report, Stats, View};
use crate::error::{Error, Result};
use crate::key::{KeyRange, Space};
use crate::record::{Millis, Record};

pub(super) struct MemoryStore {
    live: Arc<Mutex<Live>>,
    counters: Arc<Counters>,
    feed: Arc<Feed>,
}

/// The database as it is now.
struct Live {
    /// `None` once closed.
    writer: Option<Writer>,
    /// The moment of the views opened since the latest write.
    moment: Weak<Moment>,
}

/// One moment of the database, shared by the views of it.
struct Moment {
    seq: u64,
    /// The copy, from the next write on.
    copy: Mutex<Option<Connection>>,
}

impl MemoryStore {
    pub fn open(options: &SqliteOptions) -> Result<Self> {
        let mut connection = Connection::open(None, Access::Write, options.verbose.clone())?;
        let found = schema::inspect(&mut connection, &options.table_name)?;
        schema::complete(&mut connection, &options.table_name, &found, options.index_updated_at)?;
        connection.use_tables(Arc::new(schema::sql(&options.table_name)));
        let counters = Arc::new(Counters { uncached: true, ..Counters::default() });
        let setting = Setting {
            inline: None,
            counters: counters.clone(),
            busy_timeout: 0,
            shared: false,
            syncs: false,
            keeps_rows: false,
        };
        let feed = Arc::new(Feed::default());
        let writer = Some(Writer::new(connection, setting, feed.clone()));
        Ok(MemoryStore { counters, feed, live: Arc::new(Mutex::new(Live { writer, moment: Weak::new() })) })
    }
}

impl MemoryStore {
    fn view_of(&self, live: &mut Live) -> Result<Arc<dyn View>> {
        let moment = match live.moment.upgrade() {
            Some(moment) => moment,
            None => {
                let seq = read::seq(live.writer()?.connection())?;
                let moment = Arc::new(Moment { seq, copy: Mutex::new(None) });
                live.moment = Arc::downgrade(&moment);
                moment
            }
        };
        Ok(Arc::new(MemoryView { live: self.live.clone(), moment }))
    }
}

impl Live {
    fn writer(&mut self) -> Result<&mut Writer> {
        self.writer.as_mut().ok_or_else(Error::closed)
    }

    /// The writer, after the views that are held have got a copy of what it may change.
    fn about_to_write(&mut self) -> Result<&mut Writer> {
        let moment = std::mem::take(&mut self.moment).upgrade();
        let writer = self.writer()?;
        if let Some(moment) = moment {
            *moment.copy.lock() = Some(writer.connection().copy_in_memory()?);
        }
        Ok(writer)
    }

    fn write_group(&mut self, batches: &[Batch]) -> Vec<Result<Commit>> {
        match self.about_to_write() {
            Ok(writer) => writer.write_group(batches, Patience::Wait).unwrap_or_default(),
            Err(error) => batches.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::EMBEDDED
    }

    fn is_volatile(&self) -> bool {
        true
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let mut live = self.live.try_lock()?;
        Some(live.writer().and_then(|writer| read::answer(writer.connection(), read)))
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        read::answer(self.live.lock().writer()?.connection(), read)
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.live.try_lock()?.write_group(std::slice::from_ref(batch)).pop()
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
                let any = {
                    let mut row = live
                        .writer()?
                        .connection()
                        .query(Query::Point(Point::AnyExpired, space), "cannot look for expired records")?;
                    row.bind_int(1, now)?;
                    row.step()?
                };
                if !any {
                    break;
                }
                freed += live.about_to_write()?.sweep(space, now)?;
            }
        }
        Ok(freed)
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    fn stats(&self) -> Result<Stats> {
        let mut stats = maintenance::stats(self.live.lock().writer()?.connection(), None)?;
        let of = |name| stats.details.iter().find(|(detail, _)| *detail == name).map_or(0, |(_, figure)| *figure);
        stats.memory_bytes = Some(of("pages").saturating_mul(of("pageBytes")));
        Ok(stats)
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        let mut live = self.live.lock();
        let (report, damaged) = maintenance::verify(live.writer()?.connection(), progress)?;
        if repair && !damaged.is_empty() {
            live.about_to_write()?.change(|connection| maintenance::set_aside(connection, &damaged))?;
        }
        Ok(report)
    }

    fn compact(&self) -> Result<()> {
        self.live.lock().writer()?.connection().run("VACUUM", "cannot compact")
    }

    fn close(&self) -> Result<()> {
        let mut live = self.live.lock();
        // A view that is still held reads on, from a copy.
        let copied = if live.moment.strong_count() > 0 { live.about_to_write().map(|_| ()) } else { Ok(()) };
        live.writer = None;
        copied
    }
}

struct MemoryView {
    live: Arc<Mutex<Live>>,
    moment: Arc<Moment>,
}

impl MemoryView {
    fn with<T>(&self, call: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        // In this order everywhere: the copy is made under the lock of the live database.
        let mut live = self.live.lock();
        let mut copy = self.moment.copy.lock();
        match copy.as_mut() {
            Some(connection) => {
                drop(live);
                call(connection)
            }
            None => {
                drop(copy);
                call(live.writer()?.connection())
            }
        }
    }
}

impl View for MemoryView {
    fn seq(&self) -> u64 {
        self.moment.seq
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        Some(self.get(space, key))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        self.with(|connection| live_record(connection, space, key))
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        self.with(|connection| read::scan(connection, space, range, what, after, max_bytes))
    }

    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        match interval_count(range, |interval| self.with(|connection| read::count(connection, space, interval)))? {
            Some(count) => Ok(count),
            None => count_by_pages(self, space, range),
        }
    }
}
