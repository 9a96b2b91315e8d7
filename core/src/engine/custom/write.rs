//! Steps: several calls of an engine as one.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Call, Shared, Write, key_encoding};
use crate::batch::{Batch, Commit, Role};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::{Found, Intents};
use crate::engine::watch::Tap;
use crate::engine::{Item, Page};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, Version, now};
use crate::value::Value;

/// Runs `run` with the engine taken for itself, and the count of its changes.
pub(super) fn within<T>(shared: &Shared, run: impl FnOnce(u64) -> Result<T>) -> Result<T> {
    let begun = shared.ask(Call::Begin)?;
    let result = catch_unwind(AssertUnwindSafe(|| run(begun.changes)));
    // An engine that fails here is closed, which the next call tells; what was done is done.
    let _ = shared.ask(Call::End { kept: matches!(result, Ok(Ok(_))) });
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Checks and writes a batch inside a step.
pub(super) fn carry_out(shared: &Shared, batch: &Batch, changes: u64) -> Result<Commit> {
    // An engine without atomic batches has no intents.
    let intents = shared.traits.atomic_batch.then(|| standing(shared)).transpose()?;
    let staged = Staged { shared, changes, intents, after: HashMap::new(), before: HashMap::new(), order: Vec::new() };
    staged.carry_out(batch)
}

/// The intents that stand, looked for where they are not known.
fn standing(shared: &Shared) -> Result<Intents> {
    let mut known = shared.intents.lock();
    if !known.sure {
        known.intents.replace(Found::read(|range, _| {
            let mut page = Page::default();
            for key in shared.keys(Space::Internal, true)?.0.into_iter().filter(|key| range.contains(key)) {
                if let (Some(record), _) = shared.get(Space::Internal, &key, true)? {
                    page.entries.push((key, Item::Value(record.value)));
                }
            }
            Ok(page)
        })?);
        known.sure = true;
    }
    Ok(known.intents.clone())
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
        let mut known = self.shared.intents.lock();
        match self.intents {
            Some(intents) if written.is_ok() => known.intents = intents,
            // Whether the intent was made or removed has to be looked up.
            _ => known.sure &= batch.role == Role::None,
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
        let writes = names.iter().map(|name| {
            let record = self.after.remove(name).flatten();
            self.check(&name.1, record.as_ref())?;
            write(name, record)
        });
        let writes: Vec<Write> = writes.collect::<Result<_>>()?;
        if writes.is_empty() {
            return Ok(self.changes);
        }
        if self.shared.traits.atomic_batch {
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

    /// NOT_SUPPORTED for a record that the engine would not keep whole.
    fn check(&self, key: &[u8], record: Option<&Record>) -> Result<()> {
        let Some(record) = record else { return Ok(()) };
        let traits = &self.shared.traits;
        for (given, taken, what) in [
            (record.expires_at.is_some(), traits.expiry, "ttl"),
            (record.metadata.is_some(), traits.metadata, "metadata"),
        ] {
            if given && !taken {
                let message =
                    format!("The engine {} does not declare {what}, with a getEntry to read it by", traits.name);
                return Err(Error::new(Code::NotSupported, message).at_key(key));
            }
        }
        Ok(())
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
    let key = key_encoding::name(*space, key)?;
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
