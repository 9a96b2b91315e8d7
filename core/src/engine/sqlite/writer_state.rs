//! The writer's knowledge of the database, and how it is brought up to date after another process has committed.

use std::sync::Arc;

use super::connection::Connection;
use super::foreign_commits::ForeignCommits;
use super::meta::Meta;
use super::options::NAME;
use super::read;
use super::wal_index::WalIndexHeader;
use crate::engine::intent::{Found, Intents};
use crate::engine::recent::Recent;
use crate::engine::watch::{Capture, Feed};
use crate::engine::{Counters, PAGE_BYTES, Projection};
use crate::error::Result;
use crate::key::Space;
use crate::keyspace::CHANGE_LOG;

pub(super) struct WriterState {
    /// The counters after the latest commit of this process.
    meta: Option<Meta>,
    /// The WAL-index header after that commit. While the database still has it, it has these counters.
    header: Option<WalIndexHeader>,
    /// The commit after which the database was last found changed by another process, which need not have counted a
    /// commit.
    pub foreign_seq: u64,
    /// The latest commits, from the first range check on and while no other process commits.
    pub recent: Option<Recent>,
    /// The intents that stand.
    pub intents: Intents,
    /// The value of `Meta::intents` at which they were read; `None` before the first time.
    intents_read_at: Option<u64>,
    pub capture: Capture,
    pub foreign: ForeignCommits,
}

impl WriterState {
    /// The state before the first write. `shared` if other processes may have the database open.
    pub(super) fn new(shared: bool, counters: Arc<Counters>, feed: Arc<Feed>) -> Self {
        WriterState {
            meta: None,
            header: None,
            foreign_seq: 0,
            recent: None,
            intents: Intents::new(Found::default(), shared, counters),
            intents_read_at: None,
            capture: Capture::new(feed, None),
            foreign: ForeignCommits::default(),
        }
    }

    /// The counters of the database, inside a write transaction that began at the header `base`.
    pub(super) fn meta(&mut self, connection: &mut Connection, base: Option<WalIndexHeader>) -> Result<Meta> {
        if let Some(meta) = self.meta
            && base.is_some()
            && base == self.header
        {
            return Ok(meta);
        }
        let meta = self.reload(connection)?;
        self.foreign_seq = meta.seq;
        Ok(meta)
    }

    /// Reads the counters, and what has changed by them.
    fn reload(&mut self, connection: &mut Connection) -> Result<Meta> {
        let meta = Meta::read(connection)?;
        if self.meta != Some(meta) {
            // Another process has committed, and this one does not know what.
            self.recent = None;
            let flag = read::record(connection, Space::Internal, CHANGE_LOG)?;
            self.capture.believe(flag.as_ref());
        }
        if self.foreign.has_untold(meta.seq)
            && let Err(error) = self.foreign.tell(connection, self.capture.feed())
        {
            // The change log does not say what happened. Those who watch must know that, and the commit goes on.
            self.foreign.stop();
            self.capture.feed().end(&error.in_engine(NAME), false);
        }
        if self.intents_read_at != Some(meta.intents) {
            let found = Found::read(|range, after| {
                read::scan(connection, Space::Internal, range, Projection::Values, after, PAGE_BYTES)
            })?;
            self.intents.replace(found);
            self.intents_read_at = Some(meta.intents);
        }
        Ok(meta)
    }

    /// A transaction took effect: it left the counters `meta`, and the database at `header` where that is known.
    pub(super) fn note_commit(&mut self, meta: Meta, header: Option<WalIndexHeader>) {
        self.meta = Some(meta);
        self.header = header;
    }

    /// The batches of a group took effect, after [`note_commit`](WriterState::note_commit).
    pub(super) fn note_group(&mut self, meta: Meta, intents: Intents) {
        self.intents = intents;
        self.intents_read_at = Some(meta.intents);
        self.foreign.told_own(meta.seq);
        self.capture.publish();
    }

    /// A transaction failed, and the state of the database is not known.
    pub(super) fn forget(&mut self) {
        self.meta = None;
        self.header = None;
        self.recent = None;
        self.capture.discard();
    }
}
