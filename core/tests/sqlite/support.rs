//! Helpers of the sqlite engine's tests.

use std::path::Path;

use holdfast_core::engine::Durability;
use holdfast_core::engine::sqlite::SqliteOptions;

pub(crate) const SPECIFIED: &str = "\
    CREATE TABLE storage (key TEXT PRIMARY KEY, value TEXT NOT NULL, type TEXT NOT NULL, \
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, metadata TEXT); \
    CREATE INDEX idx_storage_updated ON storage(updated_at);";

pub(crate) fn normal(path: &Path) -> SqliteOptions {
    SqliteOptions { durability: Durability::Normal, ..SqliteOptions::new(path) }
}
