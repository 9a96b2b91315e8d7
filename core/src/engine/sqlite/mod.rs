//! The sqlite engine: the specification's table in a database in WAL mode, shared between processes.
//!
//! One connection writes (`write.rs`), a pool of connections reads (`reader_pool.rs`), and one connection with a row
//! cache reads on the caller's thread (`cached_reader.rs`). `:memory:` has a store of its own (`in_memory.rs`).
//!
//! `docs/engines/sqlite.md` is for users, `docs/formats/sqlite.md` describes the tables.

mod cached_reader;
mod change_poller;
mod checkpoint;
mod connection;
mod database_file;
mod fault;
mod foreign_commits;
mod in_memory;
mod maintenance;
mod meta;
mod open;
mod open_snapshots;
mod options;
mod other_copies;
mod read;
mod reader_pool;
mod replace;
mod row;
mod row_cache;
mod schema;
mod snapshot;
mod sql;
mod staged_tables;
mod staging_lock;
mod statement;
mod store;
mod view;
mod wal_index;
mod wal_preallocation;
mod write;
mod write_transaction;
mod writer_state;

use std::sync::Arc;

use self::in_memory::InMemoryStore;
use self::options::NAME;
use super::registry::{self, Lease, StoreId};
use super::{Embedded, Engine};
use crate::error::Result;

pub use connection::Verbose;
pub use options::SqliteOptions;

/// Opens a database, or shares the store that this process has open on the same file and table. Blocks.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for a path or a table name that cannot be used, and if this process has the store open with other
/// options. `LOCKED` if another copy of SQLite in this process has the file open, CORRUPTED for a file that is no
/// database, `UNSUPPORTED_FORMAT` for a table of another program or of a newer version, `READ_ONLY` for a file that
/// cannot be written without `read_only`, TIMEOUT while another process writes.
pub fn open(options: SqliteOptions) -> Result<Lease> {
    open_store(options).map_err(|error| error.in_engine(NAME).during("connect"))
}

fn open_store(options: SqliteOptions) -> Result<Lease> {
    schema::check_table_name(&options.table_name)?;
    if options.path.as_os_str() == ":memory:" {
        return Ok(Lease::private(Arc::new(Embedded::new(InMemoryStore::open(&options)?))));
    }
    let (path, turn) = database_file::find_or_make(&options)?;
    // SQLite does not tell table names apart by case.
    let id = StoreId::of(NAME, &path, options.table_name.to_ascii_lowercase())?;
    let fingerprint = options.fingerprint();
    registry::open(id, &fingerprint, move || {
        let store = open::open(&path, &options)?;
        drop(turn);
        Ok(Arc::new(Embedded::new(store)) as Arc<dyn Engine>)
    })
}
