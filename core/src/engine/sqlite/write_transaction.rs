//! The open transaction of SQLite that a group of batches is applied to.

use std::collections::HashSet;

use super::cached_reader::CachedReader;
use super::connection::Connection;
use super::meta::Meta;
use super::read;
use super::row;
use super::row_cache::RowChange;
use super::sql::{Point, Query, Span};
use super::wal_index::WalIndexHeader;
use crate::batch::{Batch, Commit, Role};
use crate::engine::apply::{self, Target};
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::Capture;
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record};

const WHAT: &str = "cannot write";

pub(super) struct WriteTransaction<'w> {
    pub connection: &'w mut Connection,
    pub recent: &'w mut Option<Recent>,
    /// The commit after which the database was last found changed by another process, which need not have counted a
    /// commit.
    pub foreign_seq: u64,
    pub intents: Intents,
    pub capture: &'w mut Capture,
    pub meta: Meta,
    /// The group is one batch: to undo the batch is to undo all.
    pub alone: bool,
    /// The running batch has written something.
    pub touched: bool,
    /// SQLite failed, so the whole group must be rolled back.
    pub failed: bool,
    /// The changes to users' rows, for the row cache.
    pub changes: Vec<RowChange>,
    /// No trigger changes what is written.
    pub rows_are_as_written: bool,
    /// The row cache, as it was before the group; `None` where it says nothing.
    pub cached: Option<(&'w CachedReader, WalIndexHeader)>,
    /// The users' keys that the group has touched.
    pub touched_keys: HashSet<Key>,
}

impl WriteTransaction<'_> {
    pub(super) fn apply(&mut self, batch: &Batch, now: Millis) -> Result<Commit> {
        let blind = batch.is_blind();
        let guarded = !blind && !self.alone;
        if guarded {
            self.run(Query::Savepoint)?;
        }
        let (before, changes) = (self.meta, self.changes.len());
        let seq = self.meta.seq.saturating_add(1);
        self.meta.seq = seq;
        self.touched = false;
        match apply::apply(batch, self, seq, now) {
            Ok(outcomes) => {
                if guarded {
                    self.run(Query::Release)?;
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
                self.changes.truncate(changes);
                if guarded && !self.failed {
                    self.run(Query::RollbackTo)?;
                    self.run(Query::Release)?;
                }
                // A blind batch has no savepoint: once it has written something, only the group can be rolled
                // back.
                self.failed |= blind && self.touched;
                Err(error)
            }
        }
    }

    fn note_deletion(&mut self, space: Space, change: RowChange) {
        self.touched = true;
        self.note_change(space, change);
        if let Some(deleted) = self.meta.deleted.get_mut(space as usize) {
            *deleted = self.meta.seq;
        }
    }

    fn note_change(&mut self, space: Space, change: RowChange) {
        if space != Space::User {
            return;
        }
        match &change {
            RowChange::Put(key, _) | RowChange::Removed(key) => {
                self.touched_keys.insert(key.clone());
            }
            RowChange::Unknown => self.cached = None,
        }
        self.changes.push(change);
    }

    fn run(&mut self, query: Query) -> Result<()> {
        let result = self.connection.query(query, WHAT).and_then(|mut statement| statement.run());
        self.note_failure(result)
    }

    /// Notes a failure of SQLite itself.
    fn note_failure<T>(&mut self, result: Result<T>) -> Result<T> {
        self.failed |= result.is_err();
        result
    }
}

impl Target for WriteTransaction<'_> {
    fn unchanged_since(&self, as_of: u64, seq: u64) -> bool {
        as_of.checked_add(1) == Some(seq) && as_of > self.foreign_seq
    }

    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        if space == Space::User
            && let Some((reader, base)) = self.cached
            && !self.touched_keys.contains(key)
            && let Some(record) = reader.cached_at(base, key)
        {
            return Ok(Some(record));
        }
        // A damaged row fails this batch alone. A database that cannot be read fails the group.
        let result = read::record(self.connection, space, key);
        if let Err(error) = &result {
            self.failed |= error.key().is_none();
        }
        result
    }

    fn put(&mut self, space: Space, key: &Key, record: Record) -> Result<()> {
        self.touched = true;
        let result = row::put(self.connection, space, key, &record);
        let change = match self.rows_are_as_written {
            true => RowChange::Put(key.clone(), record),
            false => RowChange::Removed(key.clone()),
        };
        self.note_change(space, change);
        self.note_failure(result)
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        self.note_deletion(space, RowChange::Removed(key.clone()));
        let result = self.connection.query(Query::Point(Point::Remove, space), WHAT).and_then(|mut statement| {
            statement.bind_key(1, space, key)?;
            statement.run()
        });
        self.note_failure(result)
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        self.note_deletion(space, RowChange::Unknown);
        let forward = KeyRange { start: range.start.clone(), end: range.end.clone(), ..KeyRange::default() };
        let result = read::spanning(self.connection, Span::Remove, space, &forward, WHAT)
            .and_then(|mut statement| statement.run());
        self.note_failure(result)?;
        Ok(self.connection.changes() > 0)
    }

    fn keys(&mut self, space: Space, range: &KeyRange) -> Result<Vec<Key>> {
        let result = read::keys(self.connection, space, range);
        self.note_failure(result)
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        Some(&mut self.intents)
    }

    fn capture(&mut self) -> Option<&mut Capture> {
        Some(self.capture)
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
        self.note_failure(result)
    }
}
