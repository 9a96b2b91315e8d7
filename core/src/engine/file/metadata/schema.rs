//! Tables, settings and format of the database.

use rusqlite::{Connection, config::DbConfig};

use crate::engine::Durability;
use crate::engine::file::fault;
use crate::error::Result;

/// The format of the store, in SQLite's `user_version`.
const FORMAT: i64 = 1;

/// `HFfs`, in SQLite's `application_id`.
const APPLICATION: i64 = 0x4846_6673;

const TABLES: &str = "
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

/// Prepares a connection for writing. An empty database gets the tables.
pub(super) fn set_up(db: &mut Connection, durability: Durability) -> Result<()> {
    let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
    configure(db, synchronous).map_err(|error| fault::sqlite("open", &error))?;
    check_format(db)
}

fn configure(db: &mut Connection, synchronous: &str) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(32);
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    // A checkpoint syncs, and so waits for every file written lately: not too often.
    db.pragma_update(None, "wal_autocheckpoint", 4000)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        let tx = db.transaction()?;
        tx.pragma_update(None, "application_id", APPLICATION)?;
        tx.pragma_update(None, "user_version", FORMAT)?;
        tx.execute_batch(TABLES)?;
        tx.commit()?;
    }
    Ok(())
}

/// A database in memory with empty tables.
pub(super) fn in_memory() -> Result<Connection> {
    let db = Connection::open_in_memory().map_err(|error| fault::sqlite("open", &error))?;
    db.execute_batch(TABLES).map_err(|error| fault::sqlite("make", &error))?;
    Ok(db)
}

/// `UNSUPPORTED_FORMAT` unless the database is one of this engine, in the format of this version.
pub(super) fn check_format(db: &Connection) -> Result<()> {
    let pragma = |name| {
        let value = db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(|error| fault::sqlite("open", &error))
    };
    let (application, format) = (pragma("application_id")?, pragma("user_version")?);
    if application != APPLICATION {
        return Err(fault::foreign_database());
    }
    if format != FORMAT {
        return Err(fault::unknown_format(format, FORMAT));
    }
    Ok(())
}
