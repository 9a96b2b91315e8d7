//! `.holdfast/store.db`: what cannot lie in the user's files. Our own keyspace, the side data of user keys, the
//! names of long keys, and the journal of a batch whose files are not all in place yet.

use std::path::Path;

use bytes::Bytes;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use crate::engine::Durability;
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange};
use crate::record::{Millis, Record, Version};
use crate::value::Value;

/// The format of the store, in SQLite's `user_version`.
const FORMAT: i64 = 1;

/// "HFfs", in SQLite's `application_id`.
const APPLICATION: i64 = 0x4846_6673;

const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE internal (key BLOB PRIMARY KEY, binary INTEGER NOT NULL, value BLOB NOT NULL, expires_at INTEGER,
  metadata BLOB, created_at INTEGER, updated_at INTEGER) WITHOUT ROWID;
CREATE INDEX internal_expiry ON internal (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE sidecar (key BLOB PRIMARY KEY, version TEXT NOT NULL, expires_at INTEGER, metadata BLOB,
  created_at INTEGER) WITHOUT ROWID;
CREATE INDEX sidecar_expiry ON sidecar (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE long (key BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE) WITHOUT ROWID;
CREATE TABLE journal (id INTEGER PRIMARY KEY, folder TEXT NOT NULL, name TEXT NOT NULL, temporary TEXT, digest BLOB);
";

/// What belongs to a user's record beside its value. Believed only while the file still holds that value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Sidecar {
    /// The digest of the value alone.
    pub version: Version,
    pub expires_at: Option<Millis>,
    pub metadata: Option<Bytes>,
    pub created_at: Option<Millis>,
}

/// One file of a batch: rename `temporary` to `name`, or remove `name` if there is none.
#[derive(Clone, Debug)]
pub(in super::super) struct Intent {
    pub folder: String,
    pub name: String,
    pub temporary: Option<String>,
    /// The digest of the temporary file's bytes.
    pub digest: u128,
}

/// What one transaction writes.
#[derive(Default)]
pub(in super::super) struct Entry {
    pub internal: Vec<(Key, Option<Record>)>,
    pub sidecars: Vec<(Key, Option<Sidecar>)>,
    pub long: Vec<(Key, String)>,
    /// Replaces the journal: the files of what it held are in place.
    pub intents: Vec<Intent>,
}

/// A connection to the database. `Ledger` of a store without one, opened read-only, is an empty one in memory.
pub(in super::super) struct Ledger {
    db: Connection,
}

impl Ledger {
    /// Opens the database for writing, making it where there is none.
    pub fn open(path: &Path, durability: Durability) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(|error| failed("open", &error))?;
        let mut ledger = Ledger { db };
        ledger.set_up(durability).map_err(|error| in_database(error, path))?;
        Ok(ledger)
    }

    /// Opens the database without writing anything; an empty one where there is none.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let exists = path.try_exists().map_err(|error| Error::io("cannot look for store.db", &error))?;
        if !exists {
            let db = Connection::open_in_memory().map_err(|error| failed("open", &error))?;
            db.execute_batch(SCHEMA).map_err(|error| failed("make", &error))?;
            return Ok(Ledger { db });
        }
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let clean = std::fs::metadata(&wal).map_or(true, |metadata| metadata.len() == 0);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        // `immutable` keeps SQLite from making its -shm file; our lock keeps writers away.
        let uri = format!("file:{}?mode=ro{}", uri_path(path), if clean { "&immutable=1" } else { "" });
        let db = Connection::open_with_flags(uri, flags).map_err(|error| failed("open", &error))?;
        let ledger = Ledger { db };
        ledger.check_format().map_err(|error| in_database(error, path))?;
        Ok(ledger)
    }

    fn set_up(&mut self, durability: Durability) -> Result<()> {
        let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
        let set_up = |db: &mut Connection| -> rusqlite::Result<bool> {
            db.set_prepared_statement_cache_capacity(32);
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", synchronous)?;
            db.pragma_update(None, "fullfsync", true)?;
            db.pragma_update(None, "checkpoint_fullfsync", true)?;
            // A checkpoint syncs, and so waits for every file written lately: not too often.
            db.pragma_update(None, "wal_autocheckpoint", 4000)?;
            db.pragma_update(None, "cell_size_check", true)?;
            db.pragma_update(None, "trusted_schema", false)?;
            db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
            let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if tables == 0 {
                let made = db.transaction()?;
                made.pragma_update(None, "application_id", APPLICATION)?;
                made.pragma_update(None, "user_version", FORMAT)?;
                made.execute_batch(SCHEMA)?;
                made.commit()?;
            }
            Ok(true)
        };
        set_up(&mut self.db).map_err(|error| failed("open", &error))?;
        self.check_format()
    }

    fn check_format(&self) -> Result<()> {
        let pragma = |name| self.db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let application = pragma("application_id").map_err(|error| failed("open", &error))?;
        let format = pragma("user_version").map_err(|error| failed("open", &error))?;
        if application != APPLICATION {
            return Err(Error::new(Code::UnsupportedFormat, "the database is not one of this engine"));
        }
        if format != FORMAT {
            let message = format!("the store has format {format}, this version knows {FORMAT}");
            return Err(Error::new(Code::UnsupportedFormat, message));
        }
        Ok(())
    }

    /// Applies `entry` as one; the journal holds exactly its intents afterwards.
    pub fn write(&mut self, entry: &Entry) -> Result<()> {
        super::super::os::step().map_err(|error| Error::io("cannot write store.db", &error))?;
        self.try_write(entry).map_err(|error| failed("write", &error))
    }

    fn try_write(&mut self, entry: &Entry) -> rusqlite::Result<()> {
        let tx = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        tx.prepare_cached("DELETE FROM journal")?.execute([])?;
        for (key, record) in &entry.internal {
            let Some(record) = record else {
                tx.prepare_cached("DELETE FROM internal WHERE key = ?")?.execute([key.as_ref()])?;
                continue;
            };
            let (binary, value) = match &record.value {
                Value::Json(text) => (false, text),
                Value::Binary(bytes) => (true, bytes),
            };
            tx.prepare_cached("REPLACE INTO internal VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(params![
                key.as_ref(),
                binary,
                value.as_ref(),
                record.expires_at.map(stored),
                record.metadata.as_deref(),
                record.created_at.map(stored),
                record.updated_at.map(stored),
            ])?;
        }
        for (key, sidecar) in &entry.sidecars {
            let Some(sidecar) = sidecar else {
                tx.prepare_cached("DELETE FROM sidecar WHERE key = ?")?.execute([key.as_ref()])?;
                continue;
            };
            tx.prepare_cached("REPLACE INTO sidecar VALUES (?, ?, ?, ?, ?)")?.execute(params![
                key.as_ref(),
                sidecar.version.to_string(),
                sidecar.expires_at.map(stored),
                sidecar.metadata.as_deref(),
                sidecar.created_at.map(stored),
            ])?;
        }
        for (key, name) in &entry.long {
            tx.prepare_cached("REPLACE INTO long VALUES (?, ?)")?.execute(params![key.as_ref(), name])?;
        }
        for intent in &entry.intents {
            tx.prepare_cached("INSERT INTO journal (folder, name, temporary, digest) VALUES (?, ?, ?, ?)")?.execute(
                params![intent.folder, intent.name, intent.temporary, intent.digest.to_le_bytes().as_slice()],
            )?;
        }
        tx.commit()
    }

    /// Writes side data alone, leaving the journal as it is.
    pub fn write_sidecars(&mut self, sidecars: &[(Key, Option<Sidecar>)]) -> Result<()> {
        let intents = self.intents()?;
        self.write(&Entry { sidecars: sidecars.to_vec(), intents, ..Entry::default() })
    }

    pub fn sidecar(&self, key: &[u8]) -> Result<Option<Sidecar>> {
        let find = || -> rusqlite::Result<_> {
            let sql = "SELECT version, expires_at, metadata, created_at FROM sidecar WHERE key = ?";
            self.db
                .prepare_cached(sql)?
                .query_row([key], |row| {
                    Ok((row.get::<_, String>(0)?, millis(row, 1)?, bytes(row, 2)?, millis(row, 3)?))
                })
                .optional()
        };
        let Some((version, expires_at, metadata, created_at)) = find().map_err(|error| failed("read", &error))? else {
            return Ok(None);
        };
        let version = Version::parse(&version).ok_or_else(|| damaged("a version"))?;
        Ok(Some(Sidecar { version, expires_at, metadata, created_at }))
    }

    /// True if any key has side data.
    pub fn has_sidecars(&self) -> Result<bool> {
        let find = || self.db.prepare_cached("SELECT 1 FROM sidecar LIMIT 1")?.exists([]);
        find().map_err(|error| failed("read", &error))
    }

    /// Keys of side data that says they expired by `now`, at most `limit`.
    pub fn expired_users(&self, now: Millis, limit: u32) -> Result<Vec<Key>> {
        let sql = "SELECT key FROM sidecar WHERE expires_at <= ? ORDER BY expires_at LIMIT ?";
        self.keys(sql, params![stored(now), limit])
    }

    /// Keys of our own keyspace that expired by `now`, at most `limit`.
    pub fn expired_internals(&self, now: Millis, limit: u32) -> Result<Vec<Key>> {
        let sql = "SELECT key FROM internal WHERE expires_at <= ? ORDER BY expires_at LIMIT ?";
        self.keys(sql, params![stored(now), limit])
    }

    /// All keys of side data, behind `after`, at most `limit`.
    pub fn sidecar_keys(&self, after: &[u8], limit: u32) -> Result<Vec<Key>> {
        self.keys("SELECT key FROM sidecar WHERE key > ? ORDER BY key LIMIT ?", params![after, limit])
    }

    fn keys(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Key>> {
        let find = || -> rusqlite::Result<Vec<Key>> {
            self.db.prepare_cached(sql)?.query_map(params, |row| Ok(Key::from(row.get::<_, Vec<u8>>(0)?)))?.collect()
        };
        find().map_err(|error| failed("read", &error))
    }

    pub fn internal(&self, key: &[u8]) -> Result<Option<Record>> {
        let sql = "SELECT key, binary, value, expires_at, metadata, created_at, updated_at FROM internal WHERE key = ?";
        let find = || self.db.prepare_cached(sql)?.query_row([key], internal_row).optional();
        Ok(find().map_err(|error| failed("read", &error))?.map(|(_, record)| record))
    }

    /// The first records of an interval of our own keyspace, in the range's direction, at most `limit`.
    pub fn internals(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>> {
        use std::ops::Bound;
        let mut sql = String::from(
            "SELECT key, binary, value, expires_at, metadata, created_at, updated_at FROM internal WHERE key ",
        );
        let start: &[u8] = match &range.start {
            Bound::Included(key) => {
                sql += ">= ?1";
                key
            }
            Bound::Excluded(key) => {
                sql += "> ?1";
                key
            }
            Bound::Unbounded => {
                sql += ">= ?1";
                b""
            }
        };
        let end: Option<&[u8]> = match &range.end {
            Bound::Included(key) => {
                sql += " AND key <= ?2";
                Some(key)
            }
            Bound::Excluded(key) => {
                sql += " AND key < ?2";
                Some(key)
            }
            Bound::Unbounded => {
                sql += " AND ?2 IS NULL";
                None
            }
        };
        sql += if range.reverse { " ORDER BY key DESC LIMIT ?3" } else { " ORDER BY key LIMIT ?3" };
        let find = || -> rusqlite::Result<Vec<(Key, Record)>> {
            self.db.prepare_cached(&sql)?.query_map(params![start, end, limit], internal_row)?.collect()
        };
        find().map_err(|error| failed("read", &error))
    }

    /// Every long key with the name of its file.
    pub fn long_names(&self) -> Result<Vec<(Key, String)>> {
        let find = || -> rusqlite::Result<Vec<_>> {
            let row = |row: &Row<'_>| Ok((Key::from(row.get::<_, Vec<u8>>(0)?), row.get(1)?));
            self.db.prepare("SELECT key, name FROM long")?.query_map([], row)?.collect()
        };
        find().map_err(|error| failed("read", &error))
    }

    pub fn forget_long(&mut self, keys: &[Key]) -> Result<()> {
        let forget = |db: &mut Connection| -> rusqlite::Result<()> {
            let tx = db.transaction()?;
            for key in keys {
                tx.prepare_cached("DELETE FROM long WHERE key = ?")?.execute([key.as_ref()])?;
            }
            tx.commit()
        };
        forget(&mut self.db).map_err(|error| failed("write", &error))
    }

    /// The files that the last batch may not have put in place.
    pub fn intents(&self) -> Result<Vec<Intent>> {
        let find = || -> rusqlite::Result<Vec<_>> {
            self.db
                .prepare_cached("SELECT folder, name, temporary, digest FROM journal ORDER BY id")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?)))?
                .collect()
        };
        let rows = find().map_err(|error| failed("read", &error))?;
        rows.into_iter()
            .map(|(folder, name, temporary, digest)| {
                let digest = <[u8; 16]>::try_from(digest.as_slice()).map_err(|_| damaged("a digest"))?;
                Ok(Intent { folder, name, temporary, digest: u128::from_le_bytes(digest) })
            })
            .collect()
    }

    pub fn meta(&self, name: &str) -> Result<Option<u64>> {
        let find = || {
            let mut find = self.db.prepare_cached("SELECT value FROM meta WHERE name = ?")?;
            find.query_row([name], |row| row.get::<_, i64>(0)).optional()
        };
        let value = find().map_err(|error| failed("read", &error))?;
        value.map(|value| u64::try_from(value).map_err(|_| damaged("a number"))).transpose()
    }

    pub fn set_meta(&mut self, name: &str, value: u64) -> Result<()> {
        super::super::os::step().map_err(|error| Error::io("cannot write store.db", &error))?;
        let set = || {
            let mut set = self.db.prepare_cached("REPLACE INTO meta VALUES (?, ?)")?;
            set.execute(params![name, stored(value)])
        };
        set().map(drop).map_err(|error| failed("write", &error))
    }

    /// What SQLite itself finds wrong with the database.
    pub fn faults(&self) -> Result<Vec<String>> {
        let find = || -> rusqlite::Result<Vec<String>> {
            self.db.prepare("PRAGMA integrity_check(100)")?.query_map([], |row| row.get(0))?.collect()
        };
        match find() {
            Ok(rows) => Ok(rows.into_iter().filter(|row| row != "ok").collect()),
            Err(error) => Ok(vec![error.to_string()]),
        }
    }

    pub fn vacuum(&mut self) -> Result<()> {
        let vacuum = || -> rusqlite::Result<()> {
            self.db.execute_batch("VACUUM")?;
            self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        vacuum().map_err(|error| failed("compact", &error))
    }

    /// Closes the connection; the last one leaves a database without a WAL.
    pub fn close(self) -> Result<()> {
        self.db.close().map_err(|(_, error)| failed("close", &error))
    }
}

fn internal_row(row: &Row<'_>) -> rusqlite::Result<(Key, Record)> {
    let value = Bytes::from(row.get::<_, Vec<u8>>(2)?);
    let value = if row.get(1)? { Value::Binary(value) } else { Value::Json(value) };
    let expires_at = millis(row, 3)?;
    let record = Record {
        version: Version::digest(&value, expires_at),
        value,
        expires_at,
        metadata: bytes(row, 4)?,
        created_at: millis(row, 5)?,
        updated_at: millis(row, 6)?,
    };
    Ok((Key::from(row.get::<_, Vec<u8>>(0)?), record))
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn millis(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Millis>> {
    Ok(row.get::<_, Option<i64>>(column)?.and_then(|number| u64::try_from(number).ok()))
}

fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Bytes>> {
    Ok(row.get::<_, Option<Vec<u8>>>(column)?.map(Bytes::from))
}

fn damaged(what: &str) -> Error {
    Error::corrupted(format!("store.db holds {what} that cannot have been written"))
}

fn in_database(error: Error, path: &Path) -> Error {
    Error::new(error.code(), format!("{}: {}", path.display(), error.message()))
}

/// A path in an SQLite URI.
fn uri_path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

fn failed(what: &str, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let code = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Code::Corrupted,
        Some(ErrorCode::DiskFull) => Code::NoSpace,
        Some(ErrorCode::ReadOnly) => Code::ReadOnly,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Code::Locked,
        None => match error {
            rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => Code::Corrupted,
            _ => Code::Io,
        },
        Some(_) => Code::Io,
    };
    Error::new(code, format!("cannot {what} store.db: {error}")).caused_by(error)
}
