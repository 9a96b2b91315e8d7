//! A group of batches as it is applied: what they read and write goes to one open transaction of SQLite.

use std::collections::HashSet;

use super::cached_reader::{Inline, Written};
use super::connection::Connection;
use super::meta::Meta;
use super::read;
use super::row;
use super::sql::{Point, Query, Span};
use super::wal_index::Header;
use crate::batch::{Batch, Commit, Role};
use crate::engine::apply::{self, Target};
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::Tap;
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record};

const WHAT: &str = "cannot write";

/// The open transaction that batches are applied to.
pub(super) struct Group<'w> {
    pub connection: &'w mut Connection,
    pub recent: &'w mut Option<Recent>,
    pub foreign: u64,
    pub intents: Intents,
    pub tap: &'w mut Tap,
    pub meta: Meta,
    /// The group is one batch, so that undoing the batch is undoing all.
    pub alone: bool,
    /// The running batch has written something.
    pub touched: bool,
    /// SQLite failed, so the whole group must be given up.
    pub failed: bool,
    /// What was done to users' rows, for what is cached of them.
    pub written: Vec<Written>,
    pub keeps_rows: bool,
    /// What is cached of the database as it was before the group.
    pub cached: Option<(&'w Inline, Header)>,
    /// Users' keys that the group has touched.
    pub touched_keys: HashSet<Key>,
}

impl Group<'_> {
    pub fn apply(&mut self, batch: &Batch, now: Millis) -> Result<Commit> {
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

impl Target for Group<'_> {
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
