//! The pool of reading connections, and the views over them. Views of one moment share one, as long as nothing is committed between them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use super::cached_reader::Inline;
use super::connection::{Access, Connection, Verbose};
use super::read;
use super::sql::{Query, Sql};
use super::wal_index::Header;
use crate::engine::pace::Pace;
use crate::engine::{Page, Projection, Read, Reply, View, for_each_page};
use crate::error::{Code, Error, Result};
use crate::key::{KeyRange, Space};
use crate::record::{Record, now};

/// Connections in use at once at most, each of them two file handles and its page cache.
const MAX_CONNECTIONS: usize = 128;

/// Kilobytes of page cache of a reading connection.
pub(super) const READER_CACHE_KB: u32 = 2048;

/// How a store's connections are opened.
#[derive(Clone)]
pub(super) struct Opening {
    pub path: PathBuf,
    pub access: Access,
    pub sql: Arc<Sql>,
    pub verbose: Option<Verbose>,
    pub busy_timeout: u64,
}

impl Opening {
    /// A connection that only reads.
    pub fn reader(&self) -> Result<Connection> {
        let access = if self.access == Access::Immutable { Access::Immutable } else { Access::Read };
        let mut connection = Connection::open(Some(&self.path), access, self.verbose.clone())?;
        connection.use_tables(self.sql.clone());
        connection.set_busy_timeout(self.busy_timeout);
        connection.run(&format!("PRAGMA cache_size = -{READER_CACHE_KB}"), "cannot open a reader")?;
        Ok(connection)
    }
}

/// Idle connections, and how many are out.
pub(super) struct Readers {
    opening: Opening,
    keep: usize,
    /// Knows rows of the database as it is, which is how most views see it.
    inline: Arc<Inline>,
    /// Of reads through views on the caller's thread.
    pace: Pace,
    state: Mutex<Idle>,
}

const CANNOT_VIEW: &str = "cannot open a view";

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    in_use: usize,
    closed: bool,
    /// The latest view's.
    moment: Weak<Moment>,
}

impl Readers {
    /// A pool that keeps `keep` idle connections.
    pub fn new(opening: Opening, keep: usize, inline: Arc<Inline>) -> Self {
        Readers { opening, keep, inline, pace: Pace::default(), state: Mutex::default() }
    }

    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    pub fn read(&self, read: &Read) -> Result<Reply> {
        self.with(|connection| read::answer(connection, read))
    }

    /// Lends a connection to `call`.
    pub fn with<T>(&self, call: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut connection = self.take()?;
        let result = call(&mut connection);
        self.give_back(connection);
        result
    }

    /// A view of the database as it is now.
    pub fn view(self: &Arc<Self>) -> Result<Arc<dyn View>> {
        let latest = self.state.lock().moment.upgrade();
        if let Some(moment) = latest.filter(|moment| self.is_now(moment)) {
            return Ok(Arc::new(SqliteView(moment)));
        }
        let connection = self.take()?;
        self.view_over(connection)
    }

    /// A view of the moment of the latest one, or over an idle connection, without a wait, or `None`.
    pub fn try_view(self: &Arc<Self>) -> Option<Result<Arc<dyn View>>> {
        // Its last view may be gone by now, and its connection on the way back here.
        let latest = self.state.try_lock()?.moment.upgrade();
        if let Some(moment) = latest.filter(|moment| self.is_now(moment)) {
            return Some(Ok(Arc::new(SqliteView(moment))));
        }
        let connection = {
            let mut state = self.state.try_lock()?;
            let connection = state.connections.pop()?;
            state.in_use += 1;
            connection
        };
        connection.set_busy_timeout(0);
        match self.view_over(connection) {
            Err(error) if error.code() == Code::Timeout => None,
            result => Some(result),
        }
    }

    fn view_over(self: &Arc<Self>, mut connection: Connection) -> Result<Arc<dyn View>> {
        match self.moment(&mut connection) {
            Ok((seq, header)) => {
                connection.set_busy_timeout(self.opening.busy_timeout);
                let connection = Mutex::new(Some(connection));
                let moment =
                    Arc::new(Moment { seq, header, readers: self.clone(), connection, lost: AtomicBool::new(false) });
                self.state.lock().moment = Arc::downgrade(&moment);
                Ok(Arc::new(SqliteView(moment)))
            }
            Err(error) => {
                self.give_back(connection);
                Err(error)
            }
        }
    }

    /// True if nothing was committed since, by anybody.
    fn is_now(&self, moment: &Moment) -> bool {
        moment.header.is_some() && moment.header == self.inline.header() && !moment.lost.load(Ordering::Relaxed)
    }

    /// Begins a transaction that reads: the commit it sees, and the WAL header of that moment where it is known.
    fn moment(&self, connection: &mut Connection) -> Result<(u64, Option<Header>)> {
        let before = self.inline.header();
        let known = before.and_then(|before| self.inline.seq_at(before));
        connection.query(Query::Begin, CANNOT_VIEW)?.run()?;
        // The first read of a transaction fixes what it sees.
        let seq = match known {
            Some(_) => connection.query(Query::Look, CANNOT_VIEW)?.run().map(|()| known)?,
            None => Some(read::seq(connection)?),
        };
        let header = before.filter(|before| self.inline.header() == Some(*before));
        match (seq, header) {
            (Some(seq), Some(header)) => {
                self.inline.keep_seq(header, seq);
                Ok((seq, Some(header)))
            }
            // Somebody committed meanwhile: what was known need not be what is seen.
            _ => Ok((read::seq(connection)?, None)),
        }
    }

    fn take(&self) -> Result<Connection> {
        {
            let mut state = self.state.lock();
            if state.in_use >= MAX_CONNECTIONS {
                return Err(Error::new(
                    Code::NoSpace,
                    format!("{MAX_CONNECTIONS} snapshots, iterators and reads are open on this database; close some"),
                ));
            }
            state.in_use += 1;
            if let Some(connection) = state.connections.pop() {
                return Ok(connection);
            }
        }
        let opened = self.opening.reader();
        if opened.is_err() {
            self.state.lock().in_use -= 1;
        }
        opened
    }

    fn give_back(&self, mut connection: Connection) {
        connection.roll_back();
        connection.set_busy_timeout(self.opening.busy_timeout);
        let mut state = self.state.lock();
        state.in_use = state.in_use.saturating_sub(1);
        if !state.closed && state.connections.len() < self.keep && !connection.in_transaction() {
            state.connections.push(connection);
        } else {
            drop(state);
            drop(connection);
        }
    }

    /// Closes what is idle now, and the rest as it comes back.
    pub fn close(&self) {
        let idle = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.connections)
        };
        drop(idle);
    }
}

/// One moment of the database: a connection inside a read transaction.
struct Moment {
    seq: u64,
    /// The WAL header of the moment, where it is known.
    header: Option<Header>,
    readers: Arc<Readers>,
    /// Taken out only when the last view of it is dropped.
    connection: Mutex<Option<Connection>>,
    /// SQLite ended the transaction, as it does on some failures.
    lost: AtomicBool,
}

struct SqliteView(Arc<Moment>);

impl Moment {
    fn with<T>(&self, call: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut guard = self.connection.lock();
        let connection = guard.as_mut().ok_or_else(Error::closed)?;
        if !connection.in_transaction() {
            // What follows would see another moment.
            self.lost.store(true, Ordering::Relaxed);
            return Err(Error::new(Code::Io, "the snapshot was lost to an earlier failure; open another"));
        }
        call(connection)
    }
}

impl View for SqliteView {
    fn seq(&self) -> u64 {
        self.0.seq
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        let Moment { header, readers, connection, .. } = &*self.0;
        let header = header.filter(|_| space == Space::User);
        if let Some(record) = header.and_then(|header| readers.inline.cached_at(header, key)) {
            return Some(Ok((!record.has_expired()).then_some(record)));
        }
        // A scan may hold the connection for long.
        let mut guard = connection.try_lock()?;
        if !readers.pace.is_quick() {
            return None;
        }
        let start = Instant::now();
        let connection = guard.as_mut().filter(|connection| connection.in_transaction())?;
        let found = live_record(connection, space, key);
        readers.pace.count(start);
        if let (Some(header), Ok(Some(record))) = (header, &found) {
            readers.inline.keep(header, key, record);
        }
        Some(found)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        self.0.with(|connection| live_record(connection, space, key))
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        self.0.with(|connection| read::scan(connection, space, range, what, after, max_bytes))
    }

    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        match interval_count(range, |interval| self.0.with(|connection| read::count(connection, space, interval)))? {
            Some(count) => Ok(count),
            None => count_by_pages(self, space, range),
        }
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.get_mut().take() {
            self.readers.give_back(connection);
        }
    }
}

pub(super) fn live_record(connection: &mut Connection, space: Space, key: &[u8]) -> Result<Option<Record>> {
    Ok(read::record(connection, space, key)?.filter(|record| !record.expired(now())))
}

/// The number of keys of a range without a pattern, which SQLite counts by itself.
pub(super) fn interval_count(range: &KeyRange, mut count: impl FnMut(&KeyRange) -> Result<u64>) -> Result<Option<u64>> {
    if range.pattern.is_some() {
        return Ok(None);
    }
    let mut total = 0;
    for interval in range.intervals() {
        total += count(&interval)?;
    }
    Ok(Some(range.limit.map_or(total, |limit| total.min(limit as u64))))
}

pub(super) fn count_by_pages(view: &dyn View, space: Space, range: &KeyRange) -> Result<u64> {
    let mut count = 0;
    for_each_page(view, space, range, Projection::Keys, |page| {
        count += page.len() as u64;
        Ok(true)
    })?;
    Ok(count)
}
