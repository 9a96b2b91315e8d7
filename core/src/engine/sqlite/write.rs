//! The one connection of this process that writes: a group of batches is one transaction of SQLite.

use std::collections::HashSet;
use std::sync::Arc;

use super::cached_reader::{Inline, Written};
use super::connection::Connection;
use super::fault;
use super::meta::Meta;
use super::read;
use super::sql::{Point, Query};
use super::wal_index::Header;
use super::wal_preallocation::WalRoom;
use super::write_transaction::Group;
use crate::batch::{Batch, Commit};
use crate::engine::intent::{Found, Intents};
use crate::engine::recent::Recent;
use crate::engine::watch::{FLAG, Feed, Tap};
use crate::engine::{Counters, PAGE_BYTES, Projection};
use crate::error::{Code, Error, Result};
use crate::key::Space;
use crate::record::{Millis, now};

const WHAT: &str = "cannot write";

/// Expired records freed in one transaction, so that other writers never wait long.
const SWEEP_CHUNK: u64 = 500;

/// WAL frames after which a commit of the queue writes the WAL back: 32 MiB of the usual pages. A page that is written
/// again and again goes back once.
const CHECKPOINT_FRAMES: u32 = 8000;

pub(super) struct Writer {
    connection: Connection,
    /// The counters after the latest commit of this process.
    meta: Option<Meta>,
    /// The database after it. While this is still so, the counters are.
    header: Option<Header>,
    /// The commit after which the database was last found changed by somebody else, who need not have counted a commit.
    foreign: u64,
    /// The latest commits, from the first range check on and while no other process commits.
    recent: Option<Recent>,
    /// The intents that stand.
    intents: Intents,
    /// The change of them that this shows; `None` before they were first read.
    intents_at: Option<u64>,
    tap: Tap,
    /// The last commit that was told, while other processes are followed.
    following: Option<u64>,
    /// The database when they were last looked at.
    looked_at: Option<Header>,
    /// Why nothing may be written any more.
    poisoned: Option<Error>,
    setting: Setting,
    /// Frames in the WAL when it was last written back. A view may keep it from starting anew.
    written_back: u32,
    room: WalRoom,
}

/// What a writer works with and for.
pub(super) struct Setting {
    /// Is told of each commit.
    pub inline: Option<Arc<Inline>>,
    pub counters: Arc<Counters>,
    pub busy_timeout: u64,
    /// Other processes may have the database open.
    pub shared: bool,
    /// Each commit syncs the WAL.
    pub syncs: bool,
    /// A row is what was written: there is no trigger of somebody else's.
    pub keeps_rows: bool,
}

/// Whether a commit may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Wait,
    /// Give up at once where another process writes.
    None,
}

impl Writer {
    pub fn new(connection: Connection, setting: Setting, feed: Arc<Feed>) -> Self {
        Writer {
            connection,
            meta: None,
            header: None,
            foreign: 0,
            recent: None,
            intents: Intents::new(Found::default(), setting.shared, setting.counters.clone()),
            intents_at: None,
            tap: Tap::new(feed, None),
            following: None,
            looked_at: None,
            poisoned: None,
            setting,
            written_back: 0,
            room: WalRoom::default(),
        }
    }

    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(super) fn feed(&self) -> &Arc<Feed> {
        self.tap.feed()
    }

    pub(super) fn following(&self) -> Option<u64> {
        self.following
    }

    /// What other processes commit behind `seq` is to be told.
    pub(super) fn follow_from(&mut self, seq: u64) {
        self.following = Some(seq);
    }

    pub(super) fn stop_following(&mut self) {
        self.following = None;
        self.looked_at = None;
    }

    pub(super) fn looked_at(&self) -> Option<Header> {
        self.looked_at
    }

    pub(super) fn note_look(&mut self, header: Option<Header>) {
        self.looked_at = header;
    }

    /// Commits a group; `None` without patience where another process is writing.
    pub fn write_group(&mut self, batches: &[Batch], patience: Patience) -> Option<Vec<Result<Commit>>> {
        match self.try_group(batches, patience) {
            Ok(results) => Some(results),
            Err(error) if patience == Patience::None && error.code() == Code::Timeout => None,
            // One batch may be what does not fit or meets damage; the others need not suffer for it.
            Err(error) if batches.len() > 1 && matches!(error.code(), Code::NoSpace | Code::Corrupted) => Some(
                batches
                    .iter()
                    .map(|batch| match self.try_group(std::slice::from_ref(batch), patience) {
                        Ok(mut results) => results.pop().unwrap_or_else(|| Err(Error::closed())),
                        Err(error) => Err(error),
                    })
                    .collect(),
            ),
            Err(error) => Some(batches.iter().map(|_| Err(error.clone())).collect()),
        }
    }

    fn try_group(&mut self, batches: &[Batch], patience: Patience) -> Result<Vec<Result<Commit>>> {
        let (base, meta) = self.begin(patience)?;
        let mut group = Group {
            connection: &mut self.connection,
            recent: &mut self.recent,
            foreign: self.foreign,
            intents: self.intents.clone(),
            tap: &mut self.tap,
            meta,
            alone: batches.len() == 1,
            touched: false,
            failed: false,
            written: Vec::new(),
            touched_keys: HashSet::new(),
            cached: self.setting.inline.as_deref().zip(base),
            keeps_rows: self.setting.keeps_rows,
        };
        let now = now();
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            results.push(group.apply(batch, now));
            if group.failed {
                let error = results.pop().and_then(Result::err).unwrap_or_else(Error::closed);
                return Err(self.abandon(error));
            }
        }
        let (after, intents, written) = (group.meta, group.intents, group.written);
        if results.iter().all(Result::is_err) {
            self.connection.roll_back();
            self.tap.discard();
            return Ok(results);
        }
        self.finish(base, meta, after, Some(written))?;
        self.intents = intents;
        self.intents_at = Some(after.intents);
        if self.following.is_some() {
            self.following = Some(after.seq);
        }
        self.tap.publish();
        Ok(results)
    }

    /// Frees up to one chunk of what expired before `now`; the number of rows.
    pub fn sweep(&mut self, space: Space, now: Millis) -> Result<u64> {
        let (base, meta) = self.begin(Patience::Wait)?;
        match self.sweep_chunk(space, now) {
            Ok(()) => {
                let freed = self.connection.changes();
                // A row that has expired is as good as none, in the cache too.
                self.finish(base, meta, meta, Some(Vec::new()))?;
                Ok(freed)
            }
            Err(error) => Err(self.abandon(error)),
        }
    }

    fn sweep_chunk(&mut self, space: Space, now: Millis) -> Result<()> {
        let mut statement = self.connection.query(Query::Point(Point::Sweep, space), "cannot free expired records")?;
        statement.bind_int(1, now)?;
        statement.bind_int(2, SWEEP_CHUNK)?;
        statement.run()
    }

    /// Runs `work` as a transaction that changes anything but the store's own counters.
    pub fn change(&mut self, work: impl FnOnce(&mut Connection) -> Result<()>) -> Result<()> {
        let (base, meta) = self.begin(Patience::Wait)?;
        match work(&mut self.connection) {
            // It may have moved a damaged intent.
            Ok(()) => self.finish(base, meta, Meta { intents: meta.intents.saturating_add(1), ..meta }, None),
            Err(error) => Err(self.abandon(error)),
        }
    }

    /// Takes the database's write lock and reads the counters.
    fn begin(&mut self, patience: Patience) -> Result<(Option<Header>, Meta)> {
        if let Some(error) = &self.poisoned {
            return Err(error.clone());
        }
        self.connection.set_busy_timeout(if patience == Patience::Wait { self.setting.busy_timeout } else { 0 });
        self.connection.query(Query::BeginImmediate, WHAT)?.run()?;
        let base = self.connection.header();
        if let Some(meta) = self.meta
            && base.is_some()
            && base == self.header
        {
            return Ok((base, meta));
        }
        match self.look_again() {
            Ok(meta) => {
                self.foreign = meta.seq;
                Ok((base, meta))
            }
            Err(error) => Err(self.abandon(error)),
        }
    }

    /// Reads the counters, and what they say has changed.
    fn look_again(&mut self) -> Result<Meta> {
        let meta = Meta::read(&mut self.connection)?;
        if self.meta != Some(meta) {
            // Another process has committed, and nobody here knows what.
            self.recent = None;
            let flag = read::record(&mut self.connection, Space::Internal, FLAG)?;
            self.tap.believe(flag.as_ref());
        }
        if self.following.is_some_and(|told| told != meta.seq)
            && let Err(error) = self.tell_foreign()
        {
            // The log does not tell what happened: those who watch must know, and the commit goes on.
            self.stop_following();
            self.tap.feed().end(&error.in_engine("sqlite"), false);
        }
        if self.intents_at != Some(meta.intents) {
            let found = Found::read(|range, after| {
                read::scan(&mut self.connection, Space::Internal, range, Projection::Values, after, PAGE_BYTES)
            })?;
            self.intents.replace(found);
            self.intents_at = Some(meta.intents);
        }
        Ok(meta)
    }

    /// Commits; then what is cached for inline reads moves on with the database.
    fn finish(&mut self, base: Option<Header>, before: Meta, meta: Meta, written: Option<Vec<Written>>) -> Result<()> {
        if meta != before
            && let Err(error) = meta.write(&mut self.connection)
        {
            return Err(self.abandon(error));
        }
        if let Some(inline) = &self.setting.inline {
            inline.committing();
        }
        if self.setting.syncs {
            if let Some(base) = base {
                self.connection.make_room(&mut self.room, base, CHECKPOINT_FRAMES);
            }
            self.setting.counters.fsyncs.one();
        }
        let committed = self.connection.query(Query::Commit, WHAT).and_then(|mut statement| statement.run());
        let after = self.connection.header().filter(|after| {
            // Exactly one commit since the write lock was taken is ours.
            base.is_some_and(|base| after.commits() == base.commits().wrapping_add(1))
        });
        if let Some(inline) = &self.setting.inline {
            inline.committed(base, if committed.is_ok() { after } else { None }, meta.seq, written);
        }
        match committed {
            Ok(()) => {
                self.meta = Some(meta);
                self.header = after;
                Ok(())
            }
            Err(error) => Err(self.abandon(error)),
        }
    }

    /// Rolls back after `error`; a failed sync ends all writing.
    fn abandon(&mut self, error: Error) -> Error {
        let code = self.connection.last_code();
        self.connection.roll_back();
        self.meta = None;
        self.header = None;
        self.recent = None;
        self.tap.discard();
        if fault::is_failed_sync(code) {
            self.poisoned = Some(Error::new(
                Code::Io,
                "an earlier sync to the disk failed, so nothing more is written; close the engine, check the disk, and open it again",
            ));
        }
        error
    }

    /// The WAL was made shorter.
    pub fn forget_room(&mut self) {
        self.room = WalRoom::default();
    }

    /// True if the WAL has grown enough to be written back.
    pub fn wal_is_long(&mut self) -> bool {
        let Some(header) = self.connection.header() else { return false };
        if header.frames() < self.written_back {
            self.written_back = 0;
        }
        header.frames().saturating_sub(self.written_back) >= CHECKPOINT_FRAMES
    }

    /// Writes the WAL back as far as readers let it. A commit stands whether or not this works.
    pub fn checkpoint_if_long(&mut self) {
        if !self.wal_is_long() {
            return;
        }
        // Of the WAL, then of the database.
        self.setting.counters.fsyncs.add(2);
        if self.connection.checkpoint(false).is_err() && fault::is_failed_sync(self.connection.last_code()) {
            self.abandon(Error::closed());
        }
        self.written_back = self.connection.header().map_or(0, |header| header.frames());
    }
}
