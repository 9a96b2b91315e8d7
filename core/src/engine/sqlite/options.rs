//! The options of the sqlite engine.

use std::path::PathBuf;

use super::connection::Verbose;
use crate::engine::Durability;

/// The engine's name.
pub(super) const NAME: &str = "sqlite";

/// Options of the sqlite engine.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database file, or `:memory:`.
    pub path: PathBuf,
    /// The table of the user's records.
    pub table_name: String,
    /// Receives each statement that is run, with placeholders instead of values, on any thread.
    pub verbose: Option<Verbose>,
    /// The number of idle reading connections to keep.
    pub pool_size: usize,
    /// How long to wait for another process that writes, in milliseconds; then TIMEOUT.
    pub busy_timeout: u64,
    /// Opens an existing database, on a medium that may be read-only, and refuses writes.
    pub read_only: bool,
    /// Keeps an index on `updated_at`.
    pub index_updated_at: bool,
    /// The failure that a finished write survives.
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

    /// The options that two users of one store must agree on.
    pub(super) fn fingerprint(&self) -> String {
        format!(
            "poolSize={},busyTimeout={},readOnly={},indexUpdatedAt={},durability={:?}",
            self.pool_size, self.busy_timeout, self.read_only, self.index_updated_at, self.durability
        )
    }
}
