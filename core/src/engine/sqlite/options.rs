//! The engine's options.

use std::path::PathBuf;

use super::connection::Verbose;
use crate::engine::Durability;

/// Options of the SQLite engine.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database file, or `:memory:`.
    pub path: PathBuf,
    /// The table of the user's records.
    pub table_name: String,
    /// Receives each statement as it is run, placeholders instead of values, on any thread.
    pub verbose: Option<Verbose>,
    /// Idle reading connections kept.
    pub pool_size: usize,
    /// Milliseconds to wait for another process that writes, then TIMEOUT.
    pub busy_timeout: u64,
    /// Opens an existing database, on a medium that may be read-only, and refuses writes.
    pub read_only: bool,
    /// Keeps an index on `updated_at`.
    pub index_updated_at: bool,
    pub durability: Durability,
}

impl SqliteOptions {
    /// The defaults for a database at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        SqliteOptions {
            path: path.into(),
            table_name: "storage".into(),
            verbose: None,
            pool_size: 4,
            busy_timeout: 5000,
            read_only: false,
            index_updated_at: false,
            durability: Durability::default(),
        }
    }
}
