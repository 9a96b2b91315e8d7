//! The open database. It can be closed while views of it are still held.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use rocksdb::{Cache, DBPinnableSlice, ReadOptions, SnapshotWithThreadMode};

use super::fault;
use super::generation::{Db, Family, Generation};
use super::generations::Generations;
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

/// Dropped in the order of its fields: snapshots, column families, database, lock.
pub(super) struct OpenDatabase {
    /// The contents that held views see, by number.
    views: Mutex<HashMap<u64, Seen>>,
    pub generations: Generations,
    /// The engine's own column family, which no replacement of the content touches.
    pub engine: Family,
    pub db: Box<Db>,
    pub block_cache: Cache,
    _lock: Option<FolderLock>,
}

type Snapshot<'a> = SnapshotWithThreadMode<'a, Db>;

/// The content that a view sees.
struct Seen {
    snapshot: Snapshot<'static>,
    generation: Arc<Generation>,
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

    /// Takes a snapshot of the current generation. Returns its number and its sequence number.
    pub(super) fn take_snapshot(&self) -> Result<(u64, u64)> {
        self.with(|open| {
            open.with_current(|generation| {
                let snapshot = open.db.snapshot();
                let seq = snapshot.sequence_number();
                // SAFETY: the snapshot borrows the database in its box, which does not move. `OpenDatabase` drops its
                // views before its database, by the order of its fields, and nothing takes them out but to drop them.
                let snapshot = unsafe { std::mem::transmute::<Snapshot<'_>, Snapshot<'static>>(snapshot) };
                let number = self.next_snapshot.fetch_add(1, Ordering::Relaxed);
                open.views.lock().insert(number, Seen { snapshot, generation: generation.clone() });
                Ok((number, seq))
            })
        })
    }

    /// Releases a snapshot. `close` has released them all.
    pub(super) fn drop_snapshot(&self, number: u64) {
        if let Some(open) = &*self.open.read() {
            open.views.lock().remove(&number);
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
    pub(super) fn new(
        generations: Generations,
        engine: Family,
        db: Box<Db>,
        block_cache: Cache,
        lock: Option<FolderLock>,
    ) -> Self {
        OpenDatabase { views: Mutex::default(), generations, engine, db, block_cache, _lock: lock }
    }

    /// The stored bytes of a key in a generation.
    pub(super) fn get(
        &self,
        generation: &Generation,
        space: Space,
        key: &[u8],
        options: &ReadOptions,
    ) -> Result<Option<DBPinnableSlice<'_>>, rocksdb::Error> {
        self.db.get_pinned_cf_opt(&generation.of(space).handle, key, options)
    }

    /// Makes reads with `options` see the snapshot of a view. Returns the generation that they read.
    pub(super) fn read_at(&self, number: u64, options: &mut ReadOptions) -> Result<Arc<Generation>> {
        match self.views.lock().get(&number) {
            Some(seen) => {
                options.set_snapshot(&seen.snapshot);
                Ok(seen.generation.clone())
            }
            None => Err(Error::closed().in_engine(NAME)),
        }
    }
}
