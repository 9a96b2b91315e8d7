use std::sync::Arc;

use super::{json, key, keys_of, ok, text};
use crate::batch::{Batch, Commit, Op, Outcome};
use crate::engine::{Engine, EngineExt, Read, Reply, Request, View};
use crate::error::Result;
use crate::key::{KeyRange, Space};
use crate::record::{Record, Version};

/// Short calls on the users' keys of an engine. Each waits for its answer. A call that returns no `Result` fails the
/// test on an error.
pub trait Calls: Engine {
    /// Commits a batch.
    fn run(&self, batch: impl Into<Batch>) -> Commit {
        ok(self.commit(batch.into()))
    }

    /// Writes JSON text under a key. The commit has the outcome.
    fn set(&self, name: &str, text: &str) -> Commit {
        self.run(Batch::one(Op::set(key(name), json(text))).reporting())
    }

    /// Adds to the number under a key. Returns the sum.
    fn add(&self, name: &str, by: f64) -> f64 {
        match self.run(Batch::one(Op::add(key(name), by)).reporting()).outcomes.as_slice() {
            [Outcome::Added { value, .. }] => *value,
            other => panic!("not an addition: {other:?}"),
        }
    }

    /// Deletes a key. True if it was there.
    fn delete(&self, name: &str) -> bool {
        let commit = self.run(Batch::one(Op::delete(key(name))).reporting());
        commit.outcomes == [Outcome::Deleted { existed: true }]
    }

    /// Reads on the caller's thread if the engine can, else through its queue.
    ///
    /// # Errors
    ///
    /// The error of the read.
    fn read(&self, read: Read) -> Result<Reply> {
        self.try_read(&read).unwrap_or_else(|| self.wait(Request::Read(read)))
    }

    /// The [`text`] of the value of a key.
    fn value(&self, name: &str) -> Option<String> {
        ok(self.try_value(name))
    }

    /// The [`text`] of the value of a key, for a read that may fail.
    ///
    /// # Errors
    ///
    /// The error of the read.
    fn try_value(&self, name: &str) -> Result<Option<String>> {
        match self.read(Read::Get(Space::User, key(name)))? {
            Reply::Value(value) => Ok(value.as_ref().map(text)),
            _ => panic!("not a value"),
        }
    }

    /// True if a key is there.
    fn has(&self, name: &str) -> bool {
        self.has_in(Space::User, name)
    }

    /// True if a key of a keyspace is there.
    fn has_in(&self, space: Space, name: &str) -> bool {
        matches!(ok(self.read(Read::Has(space, key(name)))), Reply::Has(true))
    }

    /// The record of a key.
    fn entry(&self, name: &str) -> Option<Record> {
        ok(self.try_entry(name))
    }

    /// The record of a key, for a read that may fail.
    ///
    /// # Errors
    ///
    /// The error of the read.
    fn try_entry(&self, name: &str) -> Result<Option<Record>> {
        match self.read(Read::Entry(Space::User, key(name)))? {
            Reply::Entry(record) => Ok(record),
            _ => panic!("not an entry"),
        }
    }

    /// The version of a key.
    fn version(&self, name: &str) -> Option<Version> {
        self.entry(name).map(|record| record.version)
    }

    /// The keys of a range, in its order.
    fn keys(&self, range: &KeyRange) -> Vec<String> {
        keys_of(&*self.look(), range)
    }

    /// A view.
    fn look(&self) -> Arc<dyn View> {
        ok(self.view())
    }
}

impl<E: Engine + ?Sized> Calls for E {}
