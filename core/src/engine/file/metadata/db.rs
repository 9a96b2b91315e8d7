//! A connection to the database.

use std::ops::Bound;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row, params};

use super::rows::{self, INTERNAL_COLUMNS, Sidecar, SidecarRow, integer};
use super::schema::{self, Format};
use super::write_set::{JournalEntry, WriteSet};
use crate::engine::Durability;
use crate::engine::file::fault;
use crate::engine::file::os;
use crate::error::Result;
use crate::key::{Key, KeyRange};
use crate::record::{Millis, Record};

/// A connection to the database. That of a store without one, opened read-only, is an empty one in memory.
pub(crate) struct MetadataDb {
    db: Connection,
    /// The file of a connection for writing, and its durability.
    origin: Option<(PathBuf, Durability)>,
}

impl MetadataDb {
    /// Opens the database for writing, making it where there is none.
    pub(crate) fn open(path: &Path, durability: Durability) -> Result<Self> {
        let mut db = open_or_make(path).map_err(|error| fault::sqlite("open", &error))?;
        schema::set_up(&mut db, durability).map_err(|error| fault::in_file(path.display(), &error))?;
        Ok(MetadataDb { db, origin: Some((path.to_owned(), durability)) })
    }

    /// Makes a database at `path` for a content that is staged.
    pub(crate) fn create_staged(path: &Path) -> Result<Self> {
        os::step().map_err(|error| fault::io("make", path.display(), &error))?;
        let db = open_or_make(path).map_err(|error| fault::sqlite("stage", &error))?;
        schema::set_up_staged(&db)?;
        Ok(MetadataDb { db, origin: None })
    }

    /// Makes a staged database complete and durable, and closes it. `seq` is its sequence number.
    pub(crate) fn finish_staged(mut self, last: &WriteSet, seq: u64) -> Result<()> {
        self.write(last)?;
        self.set_meta("clean", 0)?;
        schema::finish_staged(&self.db)?;
        self.set_meta("seq", seq)?;
        self.close()
    }

    /// Closes the file, if this is a connection for writing. An empty database stands in for it.
    pub(super) fn detach(&mut self) -> Result<()> {
        let db = std::mem::replace(&mut self.db, schema::in_memory()?);
        db.close().map_err(|(db, error)| {
            self.db = db;
            fault::sqlite("close", &error)
        })
    }

    /// Opens the file again.
    pub(super) fn attach(&mut self) -> Result<()> {
        if let Some((path, durability)) = &self.origin {
            *self = MetadataDb::open(path, *durability)?;
        }
        Ok(())
    }

    /// The file of a connection for writing.
    pub(super) fn path(&self) -> Option<&Path> {
        self.origin.as_ref().map(|(path, _)| path.as_path())
    }

    /// Opens the database without writing anything; an empty one where there is none.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self> {
        let exists = path.try_exists().map_err(|error| fault::io("look for", "store.db", &error))?;
        if !exists {
            return Ok(MetadataDb { db: schema::in_memory()?, origin: None });
        }
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let clean = std::fs::metadata(&wal).map_or(true, |metadata| metadata.len() == 0);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        // `immutable` keeps SQLite from making its -shm file; our lock keeps writers away.
        let uri = format!("file:{}?mode=ro{}", uri_path(path), if clean { "&immutable=1" } else { "" });
        let db = Connection::open_with_flags(uri, flags).map_err(|error| fault::sqlite("open", &error))?;
        schema::format(&db).map_err(|error| fault::in_file(path.display(), &error))?;
        Ok(MetadataDb { db, origin: None })
    }

    /// Writes `set` as one transaction. The journal holds exactly its entries afterwards.
    pub(crate) fn write(&mut self, set: &WriteSet) -> Result<()> {
        os::step().map_err(|error| fault::io("write", "store.db", &error))?;
        set.apply(&mut self.db).map_err(|error| fault::sqlite("write", &error))
    }

    /// Writes sidecars alone, leaving the journal as it is.
    pub(crate) fn write_sidecars(&mut self, sidecars: &[(Key, Option<Sidecar>)]) -> Result<()> {
        let journal = self.journal()?;
        self.write(&WriteSet { sidecars: sidecars.to_vec(), journal, ..WriteSet::default() })
    }

    pub(crate) fn sidecar(&self, key: &[u8]) -> Result<Option<Sidecar>> {
        let sql = "SELECT version, expires_at, metadata, created_at FROM sidecar WHERE key = ?";
        self.first(sql, [key], SidecarRow::read)?.map(SidecarRow::into_sidecar).transpose()
    }

    /// True if any key has a sidecar.
    pub(crate) fn has_sidecars(&self) -> Result<bool> {
        Ok(self.first("SELECT 1 FROM sidecar LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    /// User keys whose sidecar says that they expired by `now`, at most `limit`.
    pub(crate) fn expired_users(&self, now: Millis, limit: u32) -> Result<Vec<Key>> {
        let sql = "SELECT key FROM sidecar WHERE expires_at <= ? ORDER BY expires_at LIMIT ?";
        self.all(sql, params![integer(now), limit], rows::key)
    }

    /// Keys of our own keyspace that expired by `now`, at most `limit`.
    pub(crate) fn expired_internals(&self, now: Millis, limit: u32) -> Result<Vec<Key>> {
        let sql = "SELECT key FROM internal WHERE expires_at <= ? ORDER BY expires_at LIMIT ?";
        self.all(sql, params![integer(now), limit], rows::key)
    }

    /// The first keys behind `after` that have a sidecar, at most `limit`.
    pub(crate) fn sidecar_keys(&self, after: &[u8], limit: u32) -> Result<Vec<Key>> {
        let sql = "SELECT key FROM sidecar WHERE key > ? ORDER BY key LIMIT ?";
        self.all(sql, params![after, limit], rows::key)
    }

    pub(crate) fn internal(&self, key: &[u8]) -> Result<Option<Record>> {
        let sql = "SELECT key, binary, value, expires_at, metadata, created_at, updated_at FROM internal WHERE key = ?";
        Ok(self.first(sql, [key], rows::internal_record)?.map(|(_, record)| record))
    }

    /// The first records of an interval of our own keyspace, in the range's direction, at most `limit`.
    pub(crate) fn internals(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>> {
        let (from, start): (_, &[u8]) = match &range.start {
            Bound::Included(key) => (">= ?1", key),
            Bound::Excluded(key) => ("> ?1", key),
            Bound::Unbounded => (">= ?1", b""),
        };
        let (to, end): (_, Option<&[u8]>) = match &range.end {
            Bound::Included(key) => ("key <= ?2", Some(key)),
            Bound::Excluded(key) => ("key < ?2", Some(key)),
            Bound::Unbounded => ("?2 IS NULL", None),
        };
        let direction = if range.reverse { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT {INTERNAL_COLUMNS} FROM internal WHERE key {from} AND {to} ORDER BY key {direction} LIMIT ?3"
        );
        self.all(&sql, params![start, end, limit], rows::internal_record)
    }

    /// Every long key with the name of its file.
    pub(crate) fn long_names(&self) -> Result<Vec<(Key, String)>> {
        self.all("SELECT key, name FROM long", [], |row| Ok((rows::key(row)?, row.get(1)?)))
    }

    /// Removes long keys whose files are gone.
    pub(crate) fn remove_long_names(&mut self, keys: &[Key]) -> Result<()> {
        let remove = |db: &mut Connection| -> rusqlite::Result<()> {
            let tx = db.transaction()?;
            for key in keys {
                tx.prepare_cached("DELETE FROM long WHERE key = ?")?.execute([key.as_ref()])?;
            }
            tx.commit()
        };
        remove(&mut self.db).map_err(|error| fault::sqlite("write", &error))
    }

    /// The files that the last batch may not have put in place.
    pub(crate) fn journal(&self) -> Result<Vec<JournalEntry>> {
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?));
        let rows = self.all("SELECT folder, name, temporary, digest FROM journal ORDER BY id", [], columns)?;
        rows.into_iter()
            .map(|(folder, name, temporary, digest)| {
                let digest = <[u8; 16]>::try_from(digest.as_slice()).map_err(|_| fault::damaged_row("a digest"))?;
                Ok(JournalEntry { folder, name, temporary, digest: u128::from_le_bytes(digest) })
            })
            .collect()
    }

    pub(crate) fn meta(&self, name: &str) -> Result<Option<u64>> {
        let value = self.first("SELECT value FROM meta WHERE name = ?", [name], |row| row.get::<_, i64>(0))?;
        value.map(|value| u64::try_from(value).map_err(|_| fault::damaged_row("a number"))).transpose()
    }

    pub(crate) fn set_meta(&mut self, name: &str, value: u64) -> Result<()> {
        os::step().map_err(|error| fault::io("write", "store.db", &error))?;
        let set = || {
            let mut statement = self.db.prepare_cached("REPLACE INTO meta VALUES (?, ?)")?;
            statement.execute(params![name, integer(value)])
        };
        set().map(drop).map_err(|error| fault::sqlite("write", &error))
    }

    /// The state of a replacement of the content.
    pub(crate) fn format(&self) -> Result<Format> {
        schema::format(&self.db)
    }

    /// Sets the state of a replacement of the content. It is durable, whatever the durability of the store.
    pub(crate) fn set_format(&mut self, format: Format) -> Result<()> {
        os::step().map_err(|error| fault::io("write", "store.db", &error))?;
        let set = self.db.pragma_update(None, "user_version", format.number());
        set.map_err(|error| fault::sqlite("write", &error))?;
        self.checkpoint()
    }

    /// Syncs the WAL, writes it back, and cuts it to nothing. LOCKED while another connection reads.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        os::step().map_err(|error| fault::io("write", "store.db", &error))?;
        let busy: rusqlite::Result<bool> = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        match busy {
            Ok(false) => Ok(()),
            Ok(true) => Err(fault::busy_database()),
            Err(error) => Err(fault::sqlite("write", &error)),
        }
    }

    /// The findings of SQLite's own check; empty if the database is sound.
    pub(crate) fn check_integrity(&self) -> Vec<String> {
        let check = || -> rusqlite::Result<Vec<String>> {
            self.db.prepare("PRAGMA integrity_check(100)")?.query_map([], |row| row.get(0))?.collect()
        };
        match check() {
            Ok(rows) => rows.into_iter().filter(|row| row != "ok").collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    pub(crate) fn vacuum(&mut self) -> Result<()> {
        let vacuum = || -> rusqlite::Result<()> {
            self.db.execute_batch("VACUUM")?;
            self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        vacuum().map_err(|error| fault::sqlite("compact", &error))
    }

    /// Closes the connection; the last one leaves a database without a WAL.
    pub(crate) fn close(self) -> Result<()> {
        self.db.close().map_err(|(_, error)| fault::sqlite("close", &error))
    }

    fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let find = || self.db.prepare_cached(sql)?.query_row(params, row).optional();
        find().map_err(|error| fault::sqlite("read", &error))
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let find = || -> rusqlite::Result<_> { self.db.prepare_cached(sql)?.query_map(params, row)?.collect() };
        find().map_err(|error| fault::sqlite("read", &error))
    }
}

/// A path in an SQLite URI.
fn uri_path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// Opens the database at `path`, which it makes for its owner alone. SQLite gives its WAL and WAL index the same mode.
fn open_or_make(path: &Path) -> rusqlite::Result<Connection> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        // Opening a file that is there would drop the locks of other connections as it is closed.
        let made = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path);
        if made.is_err()
            && let Ok(metadata) = std::fs::metadata(path)
            && metadata.permissions().mode() & 0o077 != 0
        {
            // Earlier versions left the mode to the umask. SQLite tells what forbids to use the file.
            let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}
