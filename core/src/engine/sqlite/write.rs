//! The one connection of this process that writes: a group of batches is one transaction of SQLite.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;

use super::cached_reader::CachedReader;
use super::checkpoint::CheckpointSchedule;
use super::connection::Connection;
use super::fault;
use super::foreign_commits::ForeignCommits;
use super::maintenance;
use super::meta::Meta;
use super::open_snapshots::OpenSnapshots;
use super::row;
use super::row_cache::RowChange;
use super::sql::{Point, Query};
use super::wal_index::WalIndexHeader;
use super::write_transaction::WriteTransaction;
use super::writer_state::WriterState;
use crate::batch::{Batch, Commit};
use crate::engine::Counters;
use crate::engine::watch::Feed;
use crate::error::{Code, Error, Result};
use crate::key::Space;
use crate::record::{Millis, now};

const WHAT: &str = "cannot write";

/// One transaction frees at most this many expired records, so that other writers never wait long.
const SWEEP_CHUNK: u64 = 500;

pub(super) struct Writer {
    connection: Connection,
    options: WriterOptions,
    state: WriterState,
    schedule: CheckpointSchedule,
    /// Why nothing may be written any more.
    poisoned: Option<Error>,
}

pub(super) struct WriterOptions {
    /// Is told of each commit.
    pub cached_reader: Option<Arc<CachedReader>>,
    pub counters: Arc<Counters>,
    /// The snapshots of this process.
    pub open_snapshots: Arc<OpenSnapshots>,
    pub busy_timeout: u64,
    /// Other processes may have the database open.
    pub shared: bool,
    /// Each commit syncs the WAL.
    pub syncs: bool,
    /// No trigger of another program changes what is written.
    pub rows_are_as_written: bool,
}

/// The behaviour of a write while another process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnBusy {
    /// Waits up to the busy timeout.
    Wait,
    /// Returns at once, with nothing written.
    GiveUp,
}

impl Writer {
    pub(super) fn new(connection: Connection, options: WriterOptions, feed: Arc<Feed>) -> Self {
        Writer {
            connection,
            state: WriterState::new(options.shared, options.counters.clone(), feed),
            schedule: CheckpointSchedule::default(),
            poisoned: None,
            options,
        }
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(super) fn open_snapshots(&self) -> Arc<OpenSnapshots> {
        self.options.open_snapshots.clone()
    }

    pub(super) fn foreign_commits(&mut self) -> &mut ForeignCommits {
        &mut self.state.foreign
    }

    /// Tells the commits of other processes since the last look.
    pub(super) fn poll_foreign_commits(&mut self) -> Result<()> {
        self.state.foreign.poll(&mut self.connection, self.state.capture.feed())
    }

    /// Writes a group; `None` if another process writes and `on_busy` is [`GiveUp`](OnBusy::GiveUp).
    pub(super) fn write_group(&mut self, batches: &[Batch], on_busy: OnBusy) -> Option<Vec<Result<Commit>>> {
        match self.write_together(batches, on_busy) {
            Ok(results) => Some(results),
            Err(error) if on_busy == OnBusy::GiveUp && error.code() == Code::Timeout => None,
            // One batch may be what does not fit or meets damage. The others need not fail with it.
            Err(error) if batches.len() > 1 && matches!(error.code(), Code::NoSpace | Code::Corrupted) => Some(
                batches
                    .iter()
                    .map(|batch| match self.write_together(slice::from_ref(batch), on_busy) {
                        Ok(mut results) => results.pop().unwrap_or_else(|| Err(Error::closed())),
                        Err(error) => Err(error),
                    })
                    .collect(),
            ),
            Err(error) => Some(batches.iter().map(|_| Err(error.clone())).collect()),
        }
    }

    /// Writes a group in one transaction.
    fn write_together(&mut self, batches: &[Batch], on_busy: OnBusy) -> Result<Vec<Result<Commit>>> {
        let (base, meta) = self.begin(on_busy)?;
        let mut transaction = WriteTransaction {
            connection: &mut self.connection,
            recent: &mut self.state.recent,
            foreign_seq: self.state.foreign_seq,
            intents: self.state.intents.clone(),
            capture: &mut self.state.capture,
            meta,
            alone: batches.len() == 1,
            touched: false,
            failed: false,
            changes: Vec::new(),
            touched_keys: HashSet::new(),
            cached: self.options.cached_reader.as_deref().zip(base),
            rows_are_as_written: self.options.rows_are_as_written,
        };
        let now = now();
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            results.push(transaction.apply(batch, now));
            if transaction.failed {
                let error = results.pop().and_then(Result::err).unwrap_or_else(Error::closed);
                return Err(self.abandon(error));
            }
        }
        let (after, intents, changes) = (transaction.meta, transaction.intents, transaction.changes);
        if results.iter().all(Result::is_err) {
            self.connection.roll_back();
            self.state.capture.discard();
            return Ok(results);
        }
        self.finish(base, meta, after, Some(changes))?;
        self.state.note_group(after, intents);
        Ok(results)
    }

    /// Frees up to one chunk of the records that expired by `now`. Returns their number.
    pub(super) fn sweep(&mut self, space: Space, now: Millis) -> Result<u64> {
        let (base, meta) = self.begin(OnBusy::Wait)?;
        match self.sweep_chunk(space, now) {
            Ok(freed) => {
                let count = freed.len() as u64;
                // An expired row counts as absent in the row cache, too, but the clock may be set back.
                let changes = if space == Space::User { freed } else { Vec::new() };
                self.finish(base, meta, meta, Some(changes))?;
                Ok(count)
            }
            Err(error) => Err(self.abandon(error)),
        }
    }

    fn sweep_chunk(&mut self, space: Space, now: Millis) -> Result<Vec<RowChange>> {
        let mut statement = self.connection.query(Query::Point(Point::Sweep, space), "cannot free expired records")?;
        statement.bind_int(1, now)?;
        statement.bind_int(2, SWEEP_CHUNK)?;
        let mut freed = Vec::new();
        while statement.step()? {
            // A key that others wrote may be none.
            freed.push(row::key(&statement, space).map_or(RowChange::Unknown, RowChange::Removed));
        }
        Ok(freed)
    }

    /// Runs `work` in a transaction. It may change anything but the store's own counters.
    pub(super) fn change(&mut self, work: impl FnOnce(&mut Connection) -> Result<()>) -> Result<()> {
        self.transaction(None, |connection, _, meta| {
            // It may have moved a damaged intent.
            meta.intents = meta.intents.saturating_add(1);
            work(connection)
        })
    }

    /// Runs `work` in a transaction. `changes` are those to users' rows, if they are known. If `work` counts a commit,
    /// it tells nobody of it.
    pub(super) fn transaction<T>(
        &mut self,
        changes: Option<Vec<RowChange>>,
        work: impl FnOnce(&mut Connection, &mut WriterState, &mut Meta) -> Result<T>,
    ) -> Result<T> {
        let (base, before) = self.begin(OnBusy::Wait)?;
        let mut meta = before;
        match work(&mut self.connection, &mut self.state, &mut meta) {
            Ok(done) => {
                self.finish(base, before, meta, changes)?;
                self.state.foreign.told_own(meta.seq);
                Ok(done)
            }
            Err(error) => Err(self.abandon(error)),
        }
    }

    /// Runs `work`, whose commits are not synced: a later one that is syncs them with itself.
    pub(super) fn unsynced<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if !self.options.syncs {
            return work(self);
        }
        self.connection.run("PRAGMA synchronous = NORMAL", WHAT)?;
        self.options.syncs = false;
        let result = work(self);
        self.options.syncs = true;
        self.connection.run("PRAGMA synchronous = FULL", WHAT)?;
        result
    }

    fn check_poisoned(&self) -> Result<()> {
        self.poisoned.clone().map_or(Ok(()), Err)
    }

    /// Takes the database's write lock. Returns the WAL-index header and the counters.
    fn begin(&mut self, on_busy: OnBusy) -> Result<(Option<WalIndexHeader>, Meta)> {
        self.check_poisoned()?;
        self.connection.set_busy_timeout(if on_busy == OnBusy::Wait { self.options.busy_timeout } else { 0 });
        self.connection.query(Query::BeginImmediate, WHAT)?.run()?;
        let base = self.connection.header();
        match self.state.meta(&mut self.connection, base) {
            Ok(meta) => Ok((base, meta)),
            Err(error) => Err(self.abandon(error)),
        }
    }

    /// Runs COMMIT. Then the row cache moves on with the database.
    fn finish(
        &mut self,
        base: Option<WalIndexHeader>,
        before: Meta,
        meta: Meta,
        changes: Option<Vec<RowChange>>,
    ) -> Result<()> {
        if meta != before
            && let Err(error) = meta.write(&mut self.connection)
        {
            return Err(self.abandon(error));
        }
        if let Some(reader) = &self.options.cached_reader {
            reader.commit_begins();
        }
        if self.options.syncs {
            if let Some(base) = base {
                self.schedule.preallocate(&mut self.connection, base);
            }
            self.options.counters.fsyncs.one();
        }
        let committed = self.connection.query(Query::Commit, WHAT).and_then(|mut statement| statement.run());
        let after = self.connection.header().filter(|after| {
            // Exactly one commit since the write lock was taken is ours.
            base.is_some_and(|base| after.commits() == base.commits().wrapping_add(1))
        });
        if let Some(reader) = &self.options.cached_reader {
            reader.commit_ended(base, if committed.is_ok() { after } else { None }, meta.seq, changes);
        }
        match committed {
            Ok(()) => {
                self.state.note_commit(meta, after);
                Ok(())
            }
            Err(error) => Err(self.abandon(error)),
        }
    }

    /// Rolls back after `error`. A failed sync ends all writing.
    fn abandon(&mut self, error: Error) -> Error {
        let code = self.connection.last_code();
        self.connection.roll_back();
        self.state.forget();
        if fault::is_failed_sync(code) {
            self.poisoned = Some(Error::new(
                Code::Io,
                "an earlier sync to the disk failed, so nothing more is written; close the engine, check the disk, and \
                 open it again",
            ));
        }
        error
    }

    /// True if the next commit should be followed by a checkpoint.
    pub(super) fn checkpoint_is_due(&mut self) -> bool {
        self.schedule.is_due(&self.connection)
    }

    /// Writes the WAL back as far as readers let it, if that is due. A commit stands whether or not this works.
    pub(super) fn checkpoint_if_due(&mut self) {
        if !self.checkpoint_is_due() {
            return;
        }
        // One sync of the WAL, one of the database.
        self.options.counters.fsyncs.add(2);
        let WriterOptions { busy_timeout, open_snapshots, .. } = &self.options;
        let done = self.schedule.checkpoint(&self.connection, open_snapshots, *busy_timeout);
        self.end_checkpoint(done.is_err());
    }

    /// Goes on with a checkpoint that readers have hindered, if they are gone.
    pub(super) fn checkpoint_if_hindered(&mut self) {
        if self.schedule.can_be_completed(&self.connection) {
            self.options.counters.fsyncs.add(2);
            let done = self.schedule.complete(&self.connection);
            self.end_checkpoint(done.is_err());
        }
    }

    fn end_checkpoint(&mut self, failed: bool) {
        if failed && fault::is_failed_sync(self.connection.last_code()) {
            self.abandon(Error::closed());
        }
    }

    /// Rewrites the database without free pages. While somebody reads an older state, the rest of the work is left to
    /// [`checkpoint_if_hindered`](Writer::checkpoint_if_hindered).
    pub(super) fn compact(&mut self) -> Result<()> {
        self.check_poisoned()?;
        let WriterOptions { busy_timeout, open_snapshots, .. } = &self.options;
        self.connection.set_busy_timeout(*busy_timeout);
        maintenance::compact(&mut self.connection)?;
        let done = self.schedule.empty(&self.connection, open_snapshots, *busy_timeout);
        self.end_checkpoint(done.is_err());
        done
    }
}
