//! The open database. It can be closed while views of it are still held.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use rocksdb::{Cache, ColumnFamily, DB, DBPinnableSlice, ReadOptions, Snapshot};

use super::column_families;
use super::fault;
use super::lock::FolderLock;
use super::options::NAME;
use crate::error::{Error, Result};
use crate::key::Space;

/// A database that can be closed under its users: each call holds the read side of the lock for as long as it runs.
pub(super) struct Database {
    open: RwLock<Option<OpenDatabase>>,
    next_snapshot: AtomicU64,
    path: PathBuf,
}

/// Dropped in the order of its fields: snapshots, database, lock.
pub(super) struct OpenDatabase {
    /// The snapshots of the views that are held, by number.
    snapshots: Mutex<HashMap<u64, Snapshot<'static>>>,
    pub db: Box<DB>,
    pub block_cache: Cache,
    _lock: Option<FolderLock>,
}

impl Database {
    pub(super) fn new(open: OpenDatabase, path: &Path) -> Self {
        Database { open: RwLock::new(Some(open)), next_snapshot: AtomicU64::new(0), path: path.to_path_buf() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Calls `call` with the open database; fails with CLOSED once it is closed.
    pub(super) fn with<T>(&self, call: impl FnOnce(&OpenDatabase) -> Result<T>) -> Result<T> {
        match &*self.open.read() {
            Some(open) => call(open),
            None => Err(Error::closed().in_engine(NAME)),
        }
    }

    /// Takes a snapshot. Returns its number and its sequence number.
    pub(super) fn take_snapshot(&self) -> Result<(u64, u64)> {
        self.with(|open| {
            let snapshot = open.db.snapshot();
            let seq = snapshot.sequence_number();
            // SAFETY: the snapshot borrows the database in its box, which does not move. `OpenDatabase` drops its
            // snapshots before its database, by the order of its fields, and nothing takes them out but to drop them.
            let snapshot = unsafe { std::mem::transmute::<Snapshot<'_>, Snapshot<'static>>(snapshot) };
            let number = self.next_snapshot.fetch_add(1, Ordering::Relaxed);
            open.snapshots.lock().insert(number, snapshot);
            Ok((number, seq))
        })
    }

    /// Releases a snapshot. `close` has released them all.
    pub(super) fn drop_snapshot(&self, number: u64) {
        if let Some(open) = &*self.open.read() {
            open.snapshots.lock().remove(&number);
        }
    }

    /// Closes the database once the running calls are over. With `sync`, everything written is durable then.
    /// Idempotent.
    pub(super) fn close(&self, sync: bool) -> Result<()> {
        let Some(open) = self.open.write().take() else { return Ok(()) };
        let synced = if sync { open.db.flush_wal(true) } else { Ok(()) };
        drop(open);
        synced.map_err(|error| fault::translate("sync the log", &error))
    }
}

impl OpenDatabase {
    pub(super) fn new(db: DB, block_cache: Cache, lock: Option<FolderLock>) -> Self {
        OpenDatabase { snapshots: Mutex::default(), db: Box::new(db), block_cache, _lock: lock }
    }

    /// The column family of a keyspace.
    pub(super) fn family(&self, space: Space) -> Result<&ColumnFamily> {
        self.named(column_families::of(space))
    }

    /// The column family of the engine itself.
    pub(super) fn engine_family(&self) -> Result<&ColumnFamily> {
        self.named(column_families::ENGINE)
    }

    fn named(&self, name: &str) -> Result<&ColumnFamily> {
        self.db
            .cf_handle(name)
            .ok_or_else(|| Error::corrupted(format!("the store lacks the column family {name}")).in_engine(NAME))
    }

    /// The stored bytes of a key.
    pub(super) fn get(
        &self,
        space: Space,
        key: &[u8],
        options: &ReadOptions,
    ) -> Result<Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>> {
        Ok(match space {
            Space::User => self.db.get_pinned_opt(key, options),
            Space::Internal => self.db.get_pinned_cf_opt(self.family(space)?, key, options),
        })
    }

    /// Makes reads with `options` see the snapshot of a view.
    pub(super) fn read_at(&self, number: u64, options: &mut ReadOptions) -> Result<()> {
        match self.snapshots.lock().get(&number) {
            Some(snapshot) => options.set_snapshot(snapshot),
            None => return Err(Error::closed().in_engine(NAME)),
        }
        Ok(())
    }
}
