//! The view over a connection that sees one snapshot of the database.

use super::connection::Connection;
use super::read;
use crate::engine::{Page, Projection, View, count_by_pages};
use crate::error::Result;
use crate::key::{KeyRange, Space};
use crate::record::{Record, now};

/// A connection that sees one snapshot of the database for as long as it is held.
pub(super) trait Snapshot: Send + Sync {
    /// The commit that the snapshot stands at.
    fn seq(&self) -> u64;

    /// Lends the connection to `call`.
    fn with<T>(&self, call: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T>;

    /// The live record of a key if that takes no wait, else `None`.
    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        let _ = (space, key);
        None
    }
}

pub(super) struct SqliteView<S>(pub S);

impl<S: Snapshot> View for SqliteView<S> {
    fn seq(&self) -> u64 {
        self.0.seq()
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        self.0.try_get(space, key)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        self.0.with(|connection| live_record(connection, space, key))
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        self.0.with(|connection| read::scan(connection, space, range, what, after, max_bytes))
    }

    /// SQLite itself counts a range without a pattern.
    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        if range.pattern.is_some() {
            return count_by_pages(self, space, range);
        }
        let mut count = 0;
        for interval in range.intervals() {
            count += self.0.with(|connection| read::count(connection, space, &interval))?;
        }
        Ok(range.limit.map_or(count, |limit| count.min(limit as u64)))
    }
}

/// The record of a key, unless it has expired.
pub(super) fn live_record(connection: &mut Connection, space: Space, key: &[u8]) -> Result<Option<Record>> {
    Ok(read::record(connection, space, key)?.filter(|record| !record.expired(now())))
}
