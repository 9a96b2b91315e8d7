//! How a database is opened: looked at first, changed only once it is known to be ours.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::cached_reader::CachedReader;
use super::connection::{Access, Connection};
use super::database_file::{cannot_write_beside, has_wal, sync_wal_name};
use super::options::SqliteOptions;
use super::reader_pool::{ConnectionOptions, ReaderPool};
use super::schema;
use super::staged_tables;
use super::staging_lock::StagingLock;
use super::store::SqliteStore;
use super::write::{Writer, WriterOptions};
use crate::engine::Durability;
use crate::engine::path::not_writable;
use crate::engine::watch::Feed;
use crate::error::{Code, Error, Result};

/// Kilobytes of page cache of the writing connection.
const WRITER_CACHE_KB: u32 = 8192;

const CANNOT_OPEN: &str = "cannot open the database";

/// Opens the database file at `path`, which exists.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<SqliteStore> {
    if options.read_only { open_read_only(path, options) } else { open_writable(path, options) }
}

fn open_writable(path: &Path, options: &SqliteOptions) -> Result<SqliteStore> {
    let table = options.table_name.as_str();
    let mut connection = Connection::open(Some(path), Access::Write, options.verbose.clone())?;
    connection.set_busy_timeout(options.busy_timeout);
    if connection.is_read_only() {
        return Err(not_writable(path));
    }
    schema::inspect(&mut connection, table).map_err(|error| match error.code() {
        // The WAL needs a place too.
        Code::Io | Code::ReadOnly if cannot_write_beside(path).is_some() => not_writable(path),
        _ => error,
    })?;
    connection.run(&format!("PRAGMA cache_size = -{WRITER_CACHE_KB}"), CANNOT_OPEN)?;
    configure(&mut connection, options.durability, options.busy_timeout)?;
    let sql = Arc::new(schema::sql(table));
    connection.use_tables(sql.clone());
    // Two processes may make the tables at the same time: look again under the lock.
    connection.run("BEGIN IMMEDIATE", CANNOT_OPEN)?;
    let found = schema::inspect(&mut connection, table)?;
    schema::complete(&mut connection, table, &found, options.index_updated_at)?;
    remove_staged(&mut connection, path, table)?;
    connection.run("COMMIT", "cannot make the tables")?;
    connection.map_wal_index();
    sync_wal_name(path)?;

    let connections = ConnectionOptions {
        table: options.table_name.clone(),
        path: path.to_owned(),
        access: Access::Write,
        sql,
        verbose: options.verbose.clone(),
        busy_timeout: options.busy_timeout,
    };
    let cached_reader = Arc::new(open_cached_reader(&connections)?);
    let feed = Arc::new(Feed::default());
    let writer_options = WriterOptions {
        cached_reader: Some(cached_reader.clone()),
        counters: cached_reader.counters().clone(),
        open_snapshots: Arc::default(),
        busy_timeout: options.busy_timeout,
        shared: true,
        syncs: options.durability == Durability::Full,
        rows_are_as_written: !schema::has_triggers(&mut connection)?,
    };
    let writer = Writer::new(connection, writer_options, feed.clone());
    let pool = ReaderPool::new(connections, options.pool_size.max(1));
    Ok(SqliteStore::new(Some(writer), cached_reader, pool, options.durability, feed))
}

/// Removes what a crash has left of a replacement. One that another process has under way stays.
fn remove_staged(connection: &mut Connection, path: &Path, table: &str) -> Result<()> {
    if staged_tables::exist(connection)?
        && let Ok(_lock) = StagingLock::take(path, table)
    {
        staged_tables::remove(connection)?;
    }
    Ok(())
}

/// Sets WAL mode, and the sync that the durability needs. The engine times checkpoints itself.
fn configure(connection: &mut Connection, durability: Durability, busy_timeout: u64) -> Result<()> {
    let what = "cannot set the database up";
    let mode = retry_while_busy(busy_timeout, || connection.ask("PRAGMA journal_mode = WAL", what))?;
    if !mode.unwrap_or_default().eq_ignore_ascii_case("wal") {
        return Err(Error::new(
            Code::NotSupported,
            "this file system has no shared memory, which SQLite's WAL mode needs; use a local disk",
        ));
    }
    let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
    connection.run(&format!("PRAGMA synchronous = {synchronous}"), what)?;
    connection.run("PRAGMA wal_autocheckpoint = 0", what)?;
    // Bounds the WAL file once a checkpoint could empty it.
    connection.run("PRAGMA journal_size_limit = 33554432", what)?;
    if durability == Durability::Full {
        // macOS alone knows these: its fsync does not reach the medium.
        connection.run("PRAGMA fullfsync = ON", what)?;
        connection.run("PRAGMA checkpoint_fullfsync = ON", what)?;
    }
    Ok(())
}

/// Tries `work` again for `busy_timeout` milliseconds. SQLite's own busy timeout does not serve two connections that
/// both put a new database into WAL mode: each holds the lock that the other one waits for, so SQLite fails at once.
fn retry_while_busy<T>(busy_timeout: u64, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let (start, timeout) = (Instant::now(), Duration::from_millis(busy_timeout));
    let mut pause = Duration::from_millis(1);
    loop {
        match work() {
            Err(error) if error.code() == Code::Timeout && start.elapsed() < timeout => {
                thread::sleep(pause.min(timeout.saturating_sub(start.elapsed())));
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}

/// The reader of the caller's thread. It never waits: a read that meets a busy database is left to the pool.
fn open_cached_reader(connections: &ConnectionOptions) -> Result<CachedReader> {
    let mut connection = connections.open_reader()?;
    connection.ask_int(&format!("SELECT count(*) FROM {} WHERE 0", connections.sql.user), CANNOT_OPEN)?;
    connection.set_busy_timeout(0);
    if connections.access != Access::Immutable
        && connection.ask("PRAGMA journal_mode", CANNOT_OPEN)?.is_some_and(|mode| mode == "wal")
    {
        connection.map_wal_index();
    }
    Ok(CachedReader::new(connection))
}

fn open_read_only(path: &Path, options: &SqliteOptions) -> Result<SqliteStore> {
    let look = |access| {
        let mut connection = Connection::open(Some(path), access, options.verbose.clone())?;
        connection.set_busy_timeout(options.busy_timeout);
        schema::inspect(&mut connection, &options.table_name)
    };
    let (access, found) = match look(Access::Read) {
        Ok(found) => (Access::Read, found),
        Err(error) if cannot_write_beside(path) == Some(io::ErrorKind::ReadOnlyFilesystem) => match has_wal(path) {
            // Without its WAL the database would read as an older state.
            true => return Err(error),
            false => (Access::Immutable, look(Access::Immutable)?),
        },
        Err(error) => return Err(error),
    };
    let connections = ConnectionOptions {
        table: options.table_name.clone(),
        path: path.to_owned(),
        access,
        sql: Arc::new(schema::read_only_sql(&options.table_name, &found)),
        verbose: options.verbose.clone(),
        busy_timeout: options.busy_timeout,
    };
    let cached_reader = Arc::new(open_cached_reader(&connections)?);
    let pool = ReaderPool::new(connections, options.pool_size.max(1));
    Ok(SqliteStore::new(None, cached_reader, pool, options.durability, Arc::default()))
}
