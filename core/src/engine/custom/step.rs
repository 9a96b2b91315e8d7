//! Steps: several calls of an engine as one.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Call, Shared, Write, names};
use crate::batch::{Batch, Commit, Role};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::{self, Intent, Intents};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, Version, now};
use crate::value::Value;

/// Runs `run` with the engine taken for itself, and the count of its changes.
pub(super) fn within<T>(shared: &Shared, run: impl FnOnce(u64) -> Result<T>) -> Result<T> {
    let begun = shared.ask(Call::Begin)?;
    let result = catch_unwind(AssertUnwindSafe(|| run(begun.changes)));
    // An engine that fails here is closed, which the next call tells; what was done is done.
    let _ = shared.ask(Call::End);
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Checks and writes a batch inside a step.
pub(super) fn commit(shared: &Shared, batch: &Batch, changes: u64) -> Result<Commit> {
    let intents = shared.intents.lock().clone();
    let intents = match intents {
        None if shared.host.atomic_batch() => Some(standing(shared)?),
        known => known,
    };
    let staged = Staged { shared, changes, intents, after: HashMap::new(), before: HashMap::new(), order: Vec::new() };
    staged.carry_out(batch)
}

/// The intents that an earlier use of the engine left.
fn standing(shared: &Shared) -> Result<Intents> {
    let (keys, _) = shared.keys(Space::Internal, true)?;
    let range = intent::range();
    let mut found = Vec::new();
    for key in keys.iter().filter(|key| range.contains(key)) {
        if let (Some(record), _) = shared.get(Space::Internal, key, true)? {
            found.push(Intent::read(key, &record.value)?);
        }
    }
    Ok(Intents::new(found, false))
}

type Name = (Space, Key);

/// What a batch comes to, before any of it is written.
struct Staged<'a> {
    shared: &'a Shared,
    changes: u64,
    /// `None` where the engine has no atomic batches, and so no intents.
    intents: Option<Intents>,
    after: HashMap<Name, Option<Record>>,
    before: HashMap<Name, Option<Record>>,
    /// The keys written, each once.
    order: Vec<Name>,
}

impl Staged<'_> {
    fn carry_out(mut self, batch: &Batch) -> Result<Commit> {
        let changes = self.changes;
        let outcomes = apply(batch, &mut self, changes + 1, now())?;
        let written = self.write();
        if written.is_ok() {
            *self.shared.intents.lock() = self.intents;
        } else if batch.role != Role::None {
            // Whether the intent was made or removed has to be looked up.
            *self.shared.intents.lock() = None;
        }
        written.map(|seq| Commit { seq, outcomes })
    }

    /// What a key held before the batch.
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

    /// Writes what was staged, and gives the count of changes then.
    fn write(&mut self) -> Result<u64> {
        let names = std::mem::take(&mut self.order);
        let writes = names.iter().map(|name| write(name, self.after.remove(name).flatten()));
        let writes: Vec<Write> = writes.collect::<Result<_>>()?;
        if writes.is_empty() {
            return Ok(self.changes);
        }
        if self.shared.host.atomic_batch() {
            return self.shared.ask(Call::Batch(writes)).map(|answered| answered.changes);
        }
        let mut changes = self.changes;
        for (at, (name, write)) in names.iter().zip(writes).enumerate() {
            match self.found(name.0, &name.1).and_then(|_| self.shared.ask(Call::Write(write))) {
                Ok(answered) => changes = answered.changes,
                Err(error) => return Err(self.take_back(names.get(..=at).unwrap_or_default(), error)),
            }
        }
        Ok(changes)
    }

    /// Restores what the keys held, the last one first. The one that failed may have been written all the same.
    fn take_back(&self, names: &[Name], cause: Error) -> Error {
        let mut left = None;
        for name in names.iter().rev() {
            let Some(before) = self.before.get(name) else { continue };
            let restored = write(name, before.clone()).and_then(|write| self.shared.ask(Call::Write(write)));
            if let Err(error) = restored {
                left.get_or_insert((name, error));
            }
        }
        let Some(((space, key), error)) = left else { return cause };
        let message = format!(
            "the engine failed in the middle of a batch ({cause}), and again when that was taken back ({error}): some of the \
             batch may be left"
        );
        let unknown = Error::new(Code::UnknownOutcome, message).caused_by(&cause);
        if *space == Space::User { unknown.at_key(key) } else { unknown }
    }
}

fn write((space, key): &Name, record: Option<Record>) -> Result<Write> {
    let key = names::name(*space, key)?;
    Ok(match record {
        None => Write::Delete { key },
        Some(Record { value, expires_at, metadata, .. }) => Write::Set { key, value, expires_at, metadata },
    })
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

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<()> {
        let (keys, _) = self.shared.keys(space, true)?;
        let own = self.after.keys().filter(|(in_space, _)| *in_space == space).map(|(_, key)| key.clone());
        let gone: Vec<Key> = keys.into_iter().chain(own).filter(|key| range.contains(key)).collect();
        for key in gone {
            self.stage(space, &key, None);
        }
        Ok(())
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        self.intents.as_mut()
    }

    /// Any change counts: which keys were changed, nobody has kept.
    fn changed_since(&mut self, _space: Space, _range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.changes != since)
    }

    fn version(&self, _seq: u64, value: &Value, expires_at: Option<Millis>) -> Version {
        Version::digest(value, expires_at)
    }
}
