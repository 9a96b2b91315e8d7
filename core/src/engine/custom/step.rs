//! Steps: several calls of an engine as one.

use std::collections::HashMap;

use super::{Call, Shared, Write, names};
use crate::batch::{Batch, Commit};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::Intents;
use crate::engine::watch::Tap;
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, Version, now};
use crate::value::Value;

/// Runs `run` with the engine taken for itself, and the count of its changes.
pub(super) fn within<T>(shared: &Shared, run: impl FnOnce(u64) -> Result<T>) -> Result<T> {
    let begun = shared.ask(Call::Begin)?;
    let result = run(begun.changes);
    let ended = shared.ask(Call::End);
    // What was done is done, whether or not the engine says so.
    result.and_then(|value| ended.map(|_| value))
}

/// Checks and writes a batch inside a step.
pub(super) fn commit(shared: &Shared, batch: &Batch, changes: u64) -> Result<Commit> {
    let mut staged = Staged { shared, changes, after: HashMap::new(), before: HashMap::new(), order: Vec::new() };
    let outcomes = apply(batch, &mut staged, changes + 1, now())?;
    staged.write()?;
    let (_, changes) = if outcomes.is_empty() && batch.ops.is_empty() {
        (None, changes)
    } else {
        shared.get(Space::Internal, b"", true)?
    };
    Ok(Commit { seq: changes, outcomes })
}

type Name = (Space, Key);

/// What a batch comes to, before any of it is written.
struct Staged<'a> {
    shared: &'a Shared,
    changes: u64,
    after: HashMap<Name, Option<Record>>,
    before: HashMap<Name, Option<Record>>,
    /// The keys written, each once.
    order: Vec<Name>,
}

impl Staged<'_> {
    fn found(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        let name = (space, key.clone());
        if let Some(found) = self.before.get(&name) {
            return Ok(found.clone());
        }
        let (found, _) = self.shared.get(space, key, true)?;
        self.before.insert(name, found.clone());
        Ok(found)
    }

    fn stage(&mut self, space: Space, key: &Key, record: Option<Record>) {
        let name = (space, key.clone());
        if self.after.insert(name.clone(), record).is_none() {
            self.order.push(name);
        }
    }

    fn write(mut self) -> Result<()> {
        let names = std::mem::take(&mut self.order);
        if self.shared.host.atomic_batch() {
            let writes = names.iter().map(|name| write(name, self.after.get(name).cloned().flatten())).collect();
            return self.shared.ask(Call::Batch(writes)).map(|_| ());
        }
        for (at, name) in names.iter().enumerate() {
            let record = self.after.get(name).cloned().flatten();
            let written = self.found(name.0, &name.1).and_then(|_| self.shared.ask(Call::Write(write(name, record))));
            if let Err(error) = written {
                return Err(self.take_back(names.get(..=at).unwrap_or_default(), error));
            }
        }
        Ok(())
    }

    /// Restores what the keys held, the last one first. The one that failed may have been written all the same.
    fn take_back(&self, names: &[Name], cause: Error) -> Error {
        for name in names.iter().rev() {
            let Some(before) = self.before.get(name) else { continue };
            if let Err(error) = self.shared.ask(Call::Write(write(name, before.clone()))) {
                return Error::new(
                    Code::UnknownOutcome,
                    format!("the engine failed in the middle of a batch ({cause}), and again when that was taken back: {error}"),
                )
                .at_key(&name.1);
            }
        }
        cause
    }
}

fn write((space, key): &Name, record: Option<Record>) -> Write {
    let key = names::name(*space, key);
    match record {
        None => Write::Delete { key },
        Some(Record { value, expires_at, metadata, .. }) => Write::Set { key, value, expires_at, metadata },
    }
}

impl Target for Staged<'_> {
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        match self.after.get(&(space, key.clone())) {
            Some(staged) => Ok(staged.clone()),
            None => self.found(space, key),
        }
    }

    fn put(&mut self, space: Space, key: &Key, record: Record) -> Result<()> {
        self.stage(space, key, Some(record));
        Ok(())
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        self.stage(space, key, None);
        Ok(())
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        let (keys, _) = self.shared.keys(space, true)?;
        let own = self.after.keys().filter(|(in_space, _)| *in_space == space).map(|(_, key)| key.clone());
        let gone: Vec<Key> = keys.into_iter().chain(own).filter(|key| range.contains(key)).collect();
        let any = !gone.is_empty();
        for key in gone {
            self.stage(space, &key, None);
        }
        Ok(any)
    }

    /// The facade tells of what is changed here.
    fn tap(&mut self) -> Option<&mut Tap> {
        None
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        None
    }

    fn changed_since(&mut self, _space: Space, _range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.changes != since)
    }

    fn version(&self, _seq: u64, value: &Value, expires_at: Option<Millis>) -> Version {
        Version::digest(value, expires_at)
    }
}
