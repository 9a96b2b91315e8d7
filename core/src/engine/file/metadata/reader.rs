//! The connection for reads. It owns its lock: each call holds it for one statement and calls nothing else meanwhile,
//! but for the exchange of the database.

use parking_lot::Mutex;

use super::db::MetadataDb;
use super::rows::Sidecar;
use crate::error::{Error, Result};
use crate::key::{Key, KeyRange};
use crate::record::{Millis, Record};

/// A second connection to the database, shared by everybody who reads. Each call answers CLOSED once it is closed.
pub(crate) struct MetadataReader {
    db: Mutex<Option<MetadataDb>>,
}

impl MetadataReader {
    pub(crate) fn new(db: MetadataDb) -> Self {
        MetadataReader { db: Mutex::new(Some(db)) }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        self.with(|_| Ok(()))
    }

    pub(crate) fn sidecar(&self, key: &[u8]) -> Result<Option<Sidecar>> {
        self.with(|db| db.sidecar(key))
    }

    pub(crate) fn internal(&self, key: &[u8]) -> Result<Option<Record>> {
        self.with(|db| db.internal(key))
    }

    /// The first records of an interval of our own keyspace, in the range's direction, at most `limit`.
    pub(crate) fn internals(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>> {
        self.with(|db| db.internals(range, limit))
    }

    /// User keys whose sidecar says that they expired by `now`, at most `limit`.
    pub(crate) fn expired_users(&self, now: Millis, limit: u32) -> Result<Vec<Key>> {
        self.with(|db| db.expired_users(now, limit))
    }

    /// Keys of our own keyspace that expired by `now`, at most `limit`.
    pub(crate) fn expired_internals(&self, now: Millis, limit: u32) -> Result<Vec<Key>> {
        self.with(|db| db.expired_internals(now, limit))
    }

    /// The findings of SQLite's own check; empty if the database is sound.
    pub(crate) fn check_integrity(&self) -> Result<Vec<String>> {
        self.with(|db| Ok(db.check_integrity()))
    }

    /// Runs `change` on the connection, while every call waits. CLOSED once it is closed.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut MetadataDb) -> T) -> Result<T> {
        self.db.lock().as_mut().map(change).ok_or_else(Error::closed)
    }

    /// Idempotent.
    pub(crate) fn close(&self) -> Result<()> {
        let db = self.db.lock().take();
        db.map_or(Ok(()), MetadataDb::close)
    }

    fn with<T>(&self, read: impl FnOnce(&MetadataDb) -> Result<T>) -> Result<T> {
        match &*self.db.lock() {
            Some(db) => read(db),
            None => Err(Error::closed()),
        }
    }
}
