//! The commits of other processes, read from the change log and told to whoever watches.

use std::sync::Arc;

use parking_lot::Mutex;

use super::connection::Connection;
use super::read;
use super::view::{Snapshot, SqliteView};
use super::wal_index::WalIndexHeader;
use crate::engine::View;
use crate::engine::watch::{self, Feed};
use crate::error::Result;

/// How far the commits of other processes were told.
#[derive(Default)]
pub(super) struct ForeignCommits {
    /// The last commit that was told, of this process or another; `None` while nobody watches.
    told: Option<u64>,
    /// The WAL-index header at the last look.
    looked_at: Option<WalIndexHeader>,
}

impl ForeignCommits {
    pub(super) fn are_followed(&self) -> bool {
        self.told.is_some()
    }

    /// From now on, commits behind `seq` are told.
    pub(super) fn follow_from(&mut self, seq: u64) {
        self.told = Some(seq);
    }

    pub(super) fn stop(&mut self) {
        *self = ForeignCommits::default();
    }

    /// True if the database, at commit `seq`, has commits that were not told.
    pub(super) fn has_untold(&self, seq: u64) -> bool {
        self.told.is_some_and(|told| told != seq)
    }

    /// This process tells its own commits, up to `seq`.
    pub(super) fn told_own(&mut self, seq: u64) {
        if self.told.is_some() {
            self.told = Some(seq);
        }
    }

    /// Tells the commits since the last look. Without any this is a read of shared memory.
    pub(super) fn poll(&mut self, connection: &mut Connection, feed: &Feed) -> Result<()> {
        let header = connection.header();
        if self.told.is_none() || (header.is_some() && header == self.looked_at) {
            return Ok(());
        }
        self.tell(connection, feed)?;
        self.looked_at = header;
        Ok(())
    }

    /// Reads the change log behind the last commit that was told, in the open transaction or in one of its own, and
    /// tells the commits.
    pub(super) fn tell(&mut self, connection: &mut Connection, feed: &Feed) -> Result<()> {
        let Some(since) = self.told else { return Ok(()) };
        let logged = with_view(connection, |view| {
            if view.seq() == since { Ok(None) } else { watch::page(view, since, usize::MAX).map(Some) }
        })?;
        if let Some(logged) = logged {
            let commits = logged.commits.into_iter().filter(|commit| !commit.changes.is_empty());
            feed.publish(&commits.map(Arc::new).collect::<Vec<_>>());
            self.told = Some(logged.through);
        }
        Ok(())
    }
}

/// Calls `call` with a view of the open transaction of `connection`, or of one that ends with the call.
pub(super) fn with_view<T>(connection: &mut Connection, call: impl FnOnce(&dyn View) -> Result<T>) -> Result<T> {
    read::in_transaction(connection, |connection| {
        let seq = read::seq(connection)?;
        call(&SqliteView(OpenTransaction { connection: Mutex::new(connection), seq }))
    })
}

/// The snapshot of the transaction that is open on a borrowed connection.
struct OpenTransaction<'c> {
    connection: Mutex<&'c mut Connection>,
    seq: u64,
}

impl Snapshot for OpenTransaction<'_> {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn with<T>(&self, call: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        call(&mut self.connection.lock())
    }
}
