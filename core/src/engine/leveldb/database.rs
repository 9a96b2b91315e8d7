//! The open database, which may be closed while views of it are still held.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use rocksdb::{Cache, ColumnFamily, DB, DBPinnableSlice, ErrorKind, Options, ReadOptions, Snapshot};

use super::folder::{self, Found};
use super::wal_format::Manifest;
use super::{LevelDbOptions, NAME, fault, rocksdb_options, wal_format};
use crate::engine::Durability;
use crate::error::{Code, Error, Result};
use crate::key::Space;

/// The column family of our keyspace; the user's is RocksDB's default one.
pub(super) const INTERNAL: &str = "internal";
/// The column family of the engine itself: the format marker and the expiry index.
pub(super) const ENGINE: &str = "engine";
pub(super) const FAMILIES: [&str; 3] = [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, INTERNAL, ENGINE];

const MARKER_KEY: &[u8] = b"format";
const MARKER: &[u8] = b"holdfast 1";

/// A database that can be closed under its users: each call holds the read side for as long as it runs.
pub(super) struct Handle {
    open: RwLock<Option<Open>>,
    next_snapshot: AtomicU64,
    pub path: PathBuf,
}

/// What `close` takes apart, in the order of the fields: snapshots, database, lock.
pub(super) struct Open {
    /// Snapshots of the views still held, by the view's number.
    snapshots: Mutex<HashMap<u64, Snapshot<'static>>>,
    pub db: Box<DB>,
    pub blocks: Cache,
    _lock: Option<folder::Lock>,
}

impl Handle {
    /// Opens the store in `path`, or makes it.
    pub fn open(path: &Path, options: &LevelDbOptions, block_bytes: usize) -> Result<Self> {
        if !folder::is_marked(path) {
            // Another program's store is refused before the lock file, which marks a folder as ours, is made.
            folder::inspect(path)?;
        }
        let lock = folder::lock(path, options.read_only, options.lock_timeout)?;
        end_torn_manifest(path, options)?;
        let found = folder::inspect(path)?;
        if found == Found::New && options.read_only {
            return Err(Error::new(Code::Io, format!("{} holds no store to read", path.display())).in_engine(NAME));
        }
        let blocks = Cache::new_hyper_clock_cache(block_bytes, 0);
        if found == Found::Store {
            end_endless_log(path, options)?;
        }
        let mut database = rocksdb_options::database(options, found);
        let open = |database: &Options| {
            let families = rocksdb_options::families(options, &blocks);
            if options.read_only {
                DB::open_cf_descriptors_read_only(database, path, families, false)
            } else {
                DB::open_cf_descriptors(database, path, families)
            }
        };
        let mut opened = open(&database);
        if opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corruption)
            && wal_format::ends_torn(path).unwrap_or(false)
        {
            rocksdb_options::end_at_torn_record(&mut database);
            opened = open(&database);
        }
        let db = Box::new(opened.map_err(|error| fault::translate_open(&error))?);
        let open = Open { snapshots: Mutex::default(), db, blocks, _lock: lock };
        open.check_marker(options.read_only)?;
        Ok(Handle { open: RwLock::new(Some(open)), next_snapshot: AtomicU64::new(0), path: path.to_path_buf() })
    }

    /// Calls `call` with the open database; CLOSED if it no longer is.
    pub fn with<T>(&self, call: impl FnOnce(&Open) -> Result<T>) -> Result<T> {
        match &*self.open.read() {
            Some(open) => call(open),
            None => Err(Error::closed().in_engine(NAME)),
        }
    }

    /// Takes a snapshot: its number and the sequence number it stands at.
    pub fn take_snapshot(&self) -> Result<(u64, u64)> {
        self.with(|open| {
            let snapshot = open.db.snapshot();
            let seq = snapshot.sequence_number();
            // SAFETY: the snapshot borrows the database in its box, which does not move, and `Open` drops its snapshots
            // before its database: by the order of its fields, and nobody else takes them out but to drop them.
            let snapshot = unsafe { std::mem::transmute::<Snapshot<'_>, Snapshot<'static>>(snapshot) };
            let number = self.next_snapshot.fetch_add(1, Ordering::Relaxed);
            open.snapshots.lock().insert(number, snapshot);
            Ok((number, seq))
        })
    }

    /// Gives a snapshot back; after `close` there is nothing left to give.
    pub fn drop_snapshot(&self, number: u64) {
        if let Some(open) = &*self.open.read() {
            open.snapshots.lock().remove(&number);
        }
    }

    /// Closes the database once the calls that run are over; with `sync`, everything written is durable then. Idempotent.
    pub fn close(&self, sync: bool) -> Result<()> {
        let Some(open) = self.open.write().take() else { return Ok(()) };
        let synced = if sync { open.db.flush_wal(true) } else { Ok(()) };
        drop(open);
        synced.map_err(|error| fault::translate("sync the log", &error))
    }
}

/// Cuts off what makes RocksDB read a log for ever, unless that is damage.
fn end_endless_log(path: &Path, options: &LevelDbOptions) -> Result<()> {
    let failed = |error| Error::io(format_args!("cannot read the log in {}", path.display()), &error).in_engine(NAME);
    let Some((log, end)) = wal_format::endless(path).map_err(failed)? else { return Ok(()) };
    let is_damage = options.durability == Durability::Full && !wal_format::ends_torn(path).map_err(failed)?;
    if is_damage || options.read_only {
        let message = format!("the log {} is not whole; restore a backup, nothing was changed", log.display());
        return Err(Error::corrupted(message).in_engine(NAME));
    }
    cut(&log, end).map_err(failed)
}

/// Cuts off what power loss left of a record of the manifest; refuses one that RocksDB would read for ever.
fn end_torn_manifest(path: &Path, options: &LevelDbOptions) -> Result<()> {
    let failed =
        |error| Error::io(format_args!("cannot read the manifest in {}", path.display()), &error).in_engine(NAME);
    match wal_format::manifest(path).map_err(failed)? {
        Manifest::Sound => Ok(()),
        Manifest::Torn(manifest, end) if !options.read_only => cut(&manifest, end).map_err(failed),
        Manifest::Torn(manifest, _) => {
            let message =
                format!("power loss cut {} off; open the store for writing once, which mends it", manifest.display());
            Err(Error::corrupted(message).in_engine(NAME))
        }
        Manifest::Endless(manifest) => {
            let message =
                format!("the manifest {} is not whole; restore a backup, nothing was changed", manifest.display());
            Err(Error::corrupted(message).in_engine(NAME))
        }
    }
}

fn cut(log: &Path, end: u64) -> io::Result<()> {
    let log = OpenOptions::new().write(true).open(log)?;
    log.set_len(end)?;
    log.sync_all()
}

impl Open {
    /// The column family of a keyspace.
    pub fn family(&self, space: Space) -> Result<&ColumnFamily> {
        self.named(match space {
            Space::User => rocksdb::DEFAULT_COLUMN_FAMILY_NAME,
            Space::Internal => INTERNAL,
        })
    }

    /// The column family of the engine itself.
    pub fn engine_family(&self) -> Result<&ColumnFamily> {
        self.named(ENGINE)
    }

    fn named(&self, name: &str) -> Result<&ColumnFamily> {
        self.db
            .cf_handle(name)
            .ok_or_else(|| Error::corrupted(format!("the store lacks the column family {name}")).in_engine(NAME))
    }

    /// The stored bytes of a key.
    pub fn get(
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
    pub fn read_at(&self, number: u64, options: &mut ReadOptions) -> Result<()> {
        match self.snapshots.lock().get(&number) {
            Some(snapshot) => options.set_snapshot(snapshot),
            None => return Err(Error::closed().in_engine(NAME)),
        }
        Ok(())
    }

    /// Writes the format marker of a new store; refuses a store with another one.
    fn check_marker(&self, read_only: bool) -> Result<()> {
        let family = self.engine_family()?;
        let failed = |error: rocksdb::Error| fault::translate("read the format marker", &error);
        match self.db.get_pinned_cf(family, MARKER_KEY).map_err(failed)? {
            Some(marker) if marker.as_ref() == MARKER => Ok(()),
            Some(marker) => Err(Error::new(
                Code::UnsupportedFormat,
                format!(
                    "the store has format {:?}, this version reads {:?}; use a newer version",
                    String::from_utf8_lossy(&marker),
                    String::from_utf8_lossy(MARKER)
                ),
            )
            .in_engine(NAME)),
            None if read_only => Ok(()),
            None => {
                let mut options = rocksdb::WriteOptions::default();
                options.set_sync(true);
                self.db
                    .put_cf_opt(family, MARKER_KEY, MARKER, &options)
                    .map_err(|error| fault::translate("write the format marker", &error))
            }
        }
    }
}
