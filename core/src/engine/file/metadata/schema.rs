//! Tables, settings and format of the database.

use rusqlite::{Connection, config::DbConfig};

use crate::engine::Durability;
use crate::engine::file::fault;
use crate::error::Result;

/// The format of the store, in SQLite's `user_version`. The greater ones are states of a replacement of the content:
/// a version that does not know them must not open the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// All files are in their places.
    Plain = 1,
    /// The files of the old content may still be in their places.
    Clearing = 2,
    /// The files of the old content are gone, and those of the new one may still be staged.
    Placing = 3,
}

impl Format {
    const ALL: [Format; 3] = [Format::Plain, Format::Clearing, Format::Placing];

    pub(super) fn number(self) -> i64 {
        self as i64
    }
}

/// The page cache of a staged database, in KiB.
const STAGED_CACHE_KIB: i64 = 16 << 10;

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
    format(db).map(drop)
}

/// Prepares an empty database for a content that is staged. Nothing of it survives a crash before
/// [`finish_staged`].
pub(super) fn set_up_staged(db: &Connection) -> Result<()> {
    let configure = || -> rusqlite::Result<()> {
        db.set_prepared_statement_cache_capacity(32);
        db.pragma_update(None, "journal_mode", "OFF")?;
        db.pragma_update(None, "synchronous", "OFF")?;
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        db.pragma_update(None, "cache_size", -STAGED_CACHE_KIB)?;
        make_tables(db, Format::Clearing)
    };
    configure().map_err(|error| fault::sqlite("stage", &error))
}

/// Makes the next transaction sync all that a staged database holds.
pub(super) fn finish_staged(db: &Connection) -> Result<()> {
    let configure = || -> rusqlite::Result<()> {
        db.pragma_update(None, "fullfsync", true)?;
        db.pragma_update(None, "synchronous", "FULL")
    };
    configure().map_err(|error| fault::sqlite("stage", &error))
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
        make_tables(&tx, Format::Plain)?;
        tx.commit()?;
    }
    Ok(())
}

fn make_tables(db: &Connection, format: Format) -> rusqlite::Result<()> {
    db.pragma_update(None, "application_id", APPLICATION)?;
    db.pragma_update(None, "user_version", format.number())?;
    db.execute_batch(TABLES)
}

/// A database in memory with empty tables.
pub(super) fn in_memory() -> Result<Connection> {
    let db = Connection::open_in_memory().map_err(|error| fault::sqlite("open", &error))?;
    make_tables(&db, Format::Plain).map_err(|error| fault::sqlite("make", &error))?;
    Ok(db)
}

/// The format of a database. `UNSUPPORTED_FORMAT` unless it is one of this engine that this version knows.
pub(super) fn format(db: &Connection) -> Result<Format> {
    let pragma = |name| {
        let value = db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(|error| fault::sqlite("open", &error))
    };
    let (application, format) = (pragma("application_id")?, pragma("user_version")?);
    if application != APPLICATION {
        return Err(fault::foreign_database());
    }
    let known = Format::ALL.into_iter().find(|known| known.number() == format);
    known.ok_or_else(|| fault::unknown_format(format, Format::Plain.number()))
}
