//! Snapshots: reading connections, each inside a read transaction. Views share one as long as nothing is committed
//! between them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use super::cached_reader::CachedReader;
use super::connection::Connection;
use super::open_snapshots::OpenSnapshots;
use super::read;
use super::reader_pool::ReaderPool;
use super::sql::Query;
use super::view::{Snapshot, SqliteView, live_record};
use super::wal_index::WalIndexHeader;
use crate::engine::View;
use crate::engine::pace::Pace;
use crate::error::{Code, Error, Result};
use crate::key::Space;
use crate::record::Record;

const CANNOT_VIEW: &str = "cannot open a view";

/// Takes the snapshots of a store.
pub(super) struct Snapshots {
    pool: Arc<ReaderPool>,
    /// Knows rows of the newest state of the database, which is what most views see.
    cached_reader: Arc<CachedReader>,
    /// Of reads through views on the caller's thread.
    pace: Pace,
    latest: Mutex<Weak<SharedSnapshot>>,
    open: Arc<OpenSnapshots>,
}

/// A snapshot that one or more views hold.
struct SharedSnapshot {
    seq: u64,
    /// The WAL-index header of the snapshot, where it is known.
    header: Option<WalIndexHeader>,
    snapshots: Arc<Snapshots>,
    /// `None` only while the snapshot is dropped.
    connection: Mutex<Option<Connection>>,
    /// Set once SQLite has ended the transaction, as it does on some failures.
    lost: AtomicBool,
    _open: Arc<()>,
}

impl Snapshots {
    pub(super) fn new(pool: Arc<ReaderPool>, cached_reader: Arc<CachedReader>, open: Arc<OpenSnapshots>) -> Self {
        Snapshots { pool, cached_reader, pace: Pace::default(), latest: Mutex::default(), open }
    }

    /// A view of the database as it is now.
    pub(super) fn view(self: &Arc<Self>) -> Result<Arc<dyn View>> {
        let latest = self.latest.lock().upgrade();
        if let Some(snapshot) = latest.filter(|snapshot| self.is_current(snapshot)) {
            return Ok(Arc::new(SqliteView(snapshot)));
        }
        self.begin(self.pool.take()?)
    }

    /// As [`view`](Snapshots::view), of the latest snapshot or over an idle connection; `None` if it would have to
    /// wait.
    pub(super) fn try_view(self: &Arc<Self>) -> Option<Result<Arc<dyn View>>> {
        let latest = self.latest.try_lock()?.upgrade();
        if let Some(snapshot) = latest.filter(|snapshot| self.is_current(snapshot)) {
            return Some(Ok(Arc::new(SqliteView(snapshot))));
        }
        let connection = self.pool.try_take()?;
        connection.set_busy_timeout(0);
        match self.begin(connection) {
            Err(error) if error.code() == Code::Timeout => None,
            result => Some(result),
        }
    }

    /// Takes a snapshot with `connection`, which goes back into the pool with the last view.
    fn begin(self: &Arc<Self>, mut connection: Connection) -> Result<Arc<dyn View>> {
        let open = self.open.token();
        match self.begin_transaction(&mut connection) {
            Ok((seq, header)) => {
                connection.set_busy_timeout(self.pool.options().busy_timeout);
                let snapshot = Arc::new(SharedSnapshot {
                    seq,
                    header,
                    snapshots: self.clone(),
                    connection: Mutex::new(Some(connection)),
                    lost: AtomicBool::new(false),
                    _open: open,
                });
                *self.latest.lock() = Arc::downgrade(&snapshot);
                Ok(Arc::new(SqliteView(snapshot)))
            }
            Err(error) => {
                self.pool.give_back(connection);
                Err(error)
            }
        }
    }

    /// True if no process has committed since.
    fn is_current(&self, snapshot: &SharedSnapshot) -> bool {
        snapshot.header.is_some()
            && snapshot.header == self.cached_reader.header()
            && !snapshot.lost.load(Ordering::Relaxed)
    }

    /// Begins a read transaction. Returns the commit that it sees, and the WAL-index header of that state where it is
    /// known.
    fn begin_transaction(&self, connection: &mut Connection) -> Result<(u64, Option<WalIndexHeader>)> {
        let before = self.cached_reader.header();
        let known = before.and_then(|before| self.cached_reader.seq_at(before));
        connection.query(Query::Begin, CANNOT_VIEW)?.run()?;
        // The first read of a transaction takes its snapshot.
        let seq = match known {
            Some(_) => connection.query(Query::TakeSnapshot, CANNOT_VIEW)?.run().map(|()| known)?,
            None => Some(read::seq(connection)?),
        };
        let header = before.filter(|before| self.cached_reader.header() == Some(*before));
        match (seq, header) {
            (Some(seq), Some(header)) => {
                self.cached_reader.set_seq(header, seq);
                Ok((seq, Some(header)))
            }
            // Somebody has committed meanwhile: the transaction need not see the state that was known.
            _ => Ok((read::seq(connection)?, None)),
        }
    }
}

impl Snapshot for Arc<SharedSnapshot> {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn with<T>(&self, call: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut guard = self.connection.lock();
        let connection = guard.as_mut().ok_or_else(Error::closed)?;
        if !connection.in_transaction() {
            // The next read would see another state.
            self.lost.store(true, Ordering::Relaxed);
            return Err(Error::new(Code::Io, "the snapshot was lost to an earlier failure; open another"));
        }
        call(connection)
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        let Snapshots { cached_reader, pace, .. } = &*self.snapshots;
        let header = self.header.filter(|_| space == Space::User);
        if let Some(record) = header.and_then(|header| cached_reader.cached_at(header, key)) {
            return Some(Ok((!record.has_expired()).then_some(record)));
        }
        // A scan may hold the connection for long.
        let mut guard = self.connection.try_lock()?;
        if !pace.is_quick() {
            return None;
        }
        let start = Instant::now();
        let connection = guard.as_mut().filter(|connection| connection.in_transaction())?;
        let found = live_record(connection, space, key);
        pace.count(start);
        if let (Some(header), Ok(Some(record))) = (header, &found) {
            cached_reader.insert(header, key, record);
        }
        Some(found)
    }
}

impl Drop for SharedSnapshot {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.get_mut().take() {
            self.snapshots.pool.give_back(connection);
        }
    }
}
