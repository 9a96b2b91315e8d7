//! The one connection of this process that writes: a group of batches is one transaction of SQLite.

use std::collections::HashSet;
use std::sync::Arc;

use super::connection::Connection;
use super::fault;
use super::inline::{Inline, Written};
use super::read;
use super::row;
use super::sql::{Point, Query, Span};
use super::wal_file::WalRoom;
use super::wal_index::Header;
use crate::batch::{Batch, Commit, Role};
use crate::engine::apply::{self, Target};
use crate::engine::intent::{Found, Intents};
use crate::engine::recent::Recent;
use crate::engine::watch::{FLAG, Feed, Tap};
use crate::engine::{Counters, PAGE_BYTES, Projection};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, now};

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

/// The store's counters, shared by all processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Meta {
    seq: u64,
    /// The last commit that deleted anything, by keyspace.
    deleted: [u64; 2],
    /// How often the intents that stand have changed.
    intents: u64,
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
    pub fn commit(&mut self, batches: &[Batch], patience: Patience) -> Option<Vec<Result<Commit>>> {
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
        let mut transaction = Transaction {
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
            results.push(transaction.apply(batch, now));
            if transaction.failed {
                let error = results.pop().and_then(Result::err).unwrap_or_else(Error::closed);
                return Err(self.abandon(error));
            }
        }
        let (after, intents, written) = (transaction.meta, transaction.intents, transaction.written);
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
        let meta = read_meta(&mut self.connection)?;
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
            && let Err(error) = write_meta(&mut self.connection, meta)
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

fn read_meta(connection: &mut Connection) -> Result<Meta> {
    let mut row = connection.query(Query::ReadMeta, WHAT)?;
    if !row.step()? {
        return Err(Error::corrupted("the store's table of counters is empty"));
    }
    let number = |column| row.int(column).unwrap_or(0);
    Ok(Meta { seq: number(0), deleted: [number(1), number(2)], intents: number(3) })
}

fn write_meta(connection: &mut Connection, meta: Meta) -> Result<()> {
    let mut statement = connection.query(Query::WriteMeta, WHAT)?;
    statement.bind_int(1, meta.seq)?;
    statement.bind_int(2, meta.deleted[0])?;
    statement.bind_int(3, meta.deleted[1])?;
    statement.bind_int(4, meta.intents)?;
    statement.run()
}

/// The open transaction that batches are applied to.
struct Transaction<'w> {
    connection: &'w mut Connection,
    recent: &'w mut Option<Recent>,
    foreign: u64,
    intents: Intents,
    tap: &'w mut Tap,
    meta: Meta,
    /// The group is one batch, so that undoing the batch is undoing all.
    alone: bool,
    /// The running batch has written something.
    touched: bool,
    /// SQLite failed, so the whole group must be given up.
    failed: bool,
    /// What was done to users' rows, for what is cached of them.
    written: Vec<Written>,
    keeps_rows: bool,
    /// What is cached of the database as it was before the group.
    cached: Option<(&'w Inline, Header)>,
    /// Users' keys that the group has touched.
    touched_keys: HashSet<Key>,
}

impl Transaction<'_> {
    fn apply(&mut self, batch: &Batch, now: Millis) -> Result<Commit> {
        let blind = batch.is_blind();
        let guarded = !blind && !self.alone;
        if guarded {
            self.simple(Query::Savepoint)?;
        }
        let (before, written) = (self.meta, self.written.len());
        let seq = self.meta.seq.saturating_add(1);
        self.meta.seq = seq;
        self.touched = false;
        match apply::apply(batch, self, seq, now) {
            Ok(outcomes) => {
                if guarded {
                    self.simple(Query::Release)?;
                }
                if batch.role != Role::None {
                    self.meta.intents = self.meta.intents.saturating_add(1);
                }
                if let Some(recent) = self.recent.as_mut() {
                    recent.record(seq, batch);
                }
                Ok(Commit { seq, outcomes })
            }
            Err(error) => {
                self.meta = before;
                self.written.truncate(written);
                if guarded && !self.failed {
                    self.simple(Query::RollbackTo)?;
                    self.simple(Query::Release)?;
                }
                // A batch that only writes is refused before it does, or fails.
                self.failed |= blind && self.touched;
                Err(error)
            }
        }
    }

    fn note_deletion(&mut self, space: Space, of: Written) {
        self.touched = true;
        self.note(space, of);
        if let Some(deleted) = self.meta.deleted.get_mut(space as usize) {
            *deleted = self.meta.seq;
        }
    }

    fn note(&mut self, space: Space, written: Written) {
        if space != Space::User {
            return;
        }
        match &written {
            Written::Put(key, _) | Written::Removed(key) => {
                self.touched_keys.insert(key.clone());
            }
            Written::Several => self.cached = None,
        }
        self.written.push(written);
    }

    fn simple(&mut self, query: Query) -> Result<()> {
        let result = self.connection.query(query, WHAT).and_then(|mut statement| statement.run());
        self.watch(result)
    }

    /// Notes a failure of SQLite itself.
    fn watch<T>(&mut self, result: Result<T>) -> Result<T> {
        self.failed |= result.is_err();
        result
    }
}

impl Target for Transaction<'_> {
    fn unchanged_since(&self, as_of: u64, seq: u64) -> bool {
        as_of.checked_add(1) == Some(seq) && as_of > self.foreign
    }

    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        if space == Space::User
            && let Some((inline, base)) = self.cached
            && !self.touched_keys.contains(key)
            && let Some(record) = inline.cached_at(base, key)
        {
            return Ok(Some(record));
        }
        // A damaged row is this batch's failure alone; a database that cannot be read is everybody's.
        let result = read::record(self.connection, space, key);
        if let Err(error) = &result {
            self.failed |= error.key().is_none();
        }
        result
    }

    fn put(&mut self, space: Space, key: &Key, record: Record) -> Result<()> {
        self.touched = true;
        let result = row::put(self.connection, space, key, &record);
        let written = match self.keeps_rows {
            true => Written::Put(key.clone(), record),
            false => Written::Removed(key.clone()),
        };
        self.note(space, written);
        self.watch(result)
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        self.note_deletion(space, Written::Removed(key.clone()));
        let result = self.connection.query(Query::Point(Point::Remove, space), WHAT).and_then(|mut statement| {
            statement.bind_key(1, space, key)?;
            statement.run()
        });
        self.watch(result)
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        self.note_deletion(space, Written::Several);
        let forward = KeyRange { start: range.start.clone(), end: range.end.clone(), ..KeyRange::default() };
        let result = read::spanning(self.connection, Span::Remove, space, &forward, WHAT)
            .and_then(|mut statement| statement.run());
        self.watch(result)?;
        Ok(self.connection.changes() > 0)
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        Some(&mut self.intents)
    }

    fn tap(&mut self) -> Option<&mut Tap> {
        Some(self.tap)
    }

    /// Precise for commits of this process while it writes alone. Otherwise writes are found by their versions, and any
    /// deletion in the keyspace counts, as a deleted row cannot tell its version.
    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool> {
        let earlier = self.meta.seq.saturating_sub(1);
        let recent = self.recent.get_or_insert_with(|| Recent::new(earlier));
        if recent.covers(since) {
            return Ok(recent.changed_since(space, range, since));
        }
        if self.meta.deleted.get(space as usize).is_none_or(|deleted| *deleted > since) {
            return Ok(true);
        }
        let forward = KeyRange { start: range.start.clone(), end: range.end.clone(), ..KeyRange::default() };
        if forward.is_empty() {
            return Ok(false);
        }
        let result = read::spanning(self.connection, Span::Changed, space, &forward, WHAT).and_then(|mut row| {
            row.bind_int(3, since)?;
            row.step()
        });
        self.watch(result)
    }
}
