//! The SQLite engine: the specification's table in a database in WAL mode, one writing connection and a pool of
//! reading ones, shared between processes.
//!
//! `docs/engines/sqlite.md` tells users about it, `docs/formats/sqlite.md` describes the tables.

mod cached_reader;
mod change_poller;
mod connection;
mod fault;
mod in_memory;
mod maintenance;
mod meta;
mod open;
mod options;
mod read;
mod reader_pool;
mod row;
mod schema;
mod sql;
mod statement;
mod store;
mod wal_index;
mod wal_preallocation;
mod write;
mod write_transaction;

pub use connection::Verbose;
pub use open::open;
pub use options::SqliteOptions;
