//! How a batch is committed: it is checked and staged, and then written, all in one step of the engine. A write that
//! fails has the writes before it undone.

use std::collections::HashMap;

use super::client::{HostClient, version};
use super::host::{Call, Write};
use super::key_encoding;
use crate::batch::{Batch, Commit, Role};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::Intents;
use crate::engine::watch::Capture;
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Record, now};

/// Commits a batch. Blocks.
pub(super) fn write(client: &HostClient, batch: &Batch) -> Result<Commit> {
    batch.check_size()?;
    client.in_step(|changes| {
        // An engine without atomic batches has no intents.
        let intents = client.traits.atomic_batch.then(|| client.standing_intents()).transpose()?;
        let staged =
            StagedBatch { client, changes, intents, after: HashMap::new(), before: HashMap::new(), order: Vec::new() };
        staged.carry_out(batch)
    })
}

type SpaceKey = (Space, Key);

/// A batch that is checked, and not written yet.
struct StagedBatch<'a> {
    client: &'a HostClient,
    /// The number of changes that the engine had made when the step began.
    changes: u64,
    /// `None` where the engine has no atomic batches, and so no intents.
    intents: Option<Intents>,
    /// The keys as the batch leaves them.
    after: HashMap<SpaceKey, Option<Record>>,
    /// The keys as the batch found them.
    before: HashMap<SpaceKey, Option<Record>>,
    /// The keys that the batch writes, each once.
    order: Vec<SpaceKey>,
}

impl StagedBatch<'_> {
    fn carry_out(mut self, batch: &Batch) -> Result<Commit> {
        let changes = self.changes;
        let outcomes = apply(batch, &mut self, changes + 1, now())?;
        let written = self.write();
        let mut known = self.client.intents.lock();
        match self.intents {
            Some(intents) if written.is_ok() => known.intents = intents,
            // Nobody knows whether the intent was made or removed: the intents are read again.
            _ => known.certain &= batch.role == Role::None,
        }
        written.map(|seq| Commit { seq, outcomes })
    }

    /// The record that a key had before the batch.
    fn found(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        let at = (space, key.clone());
        if let Some(found) = self.before.get(&at) {
            return Ok(found.clone());
        }
        let (found, _) = self.client.get(space, key, true)?;
        self.before.insert(at, found.clone());
        Ok(found)
    }

    fn stage(&mut self, space: Space, key: &Key, record: Option<Record>) {
        let at = (space, key.clone());
        if self.after.insert(at.clone(), record).is_none() {
            self.order.push(at);
        }
    }

    /// Writes the staged records, and returns the number of changes afterwards.
    fn write(&mut self) -> Result<u64> {
        let keys = std::mem::take(&mut self.order);
        let writes = keys.iter().map(|at| {
            let record = self.after.remove(at).flatten();
            self.check_traits(&at.1, record.as_ref())?;
            write_of(at, record)
        });
        let writes: Vec<Write> = writes.collect::<Result<_>>()?;
        if writes.is_empty() {
            return Ok(self.changes);
        }
        if self.client.traits.atomic_batch {
            return self.client.call(Call::Batch(writes)).map(|answered| answered.changes);
        }
        let mut changes = self.changes;
        for (index, (at, write)) in keys.iter().zip(writes).enumerate() {
            match self.found(at.0, &at.1).and_then(|_| self.client.call(Call::Write(write))) {
                Ok(answered) => changes = answered.changes,
                Err(error) => return Err(self.undo(keys.get(..=index).unwrap_or_default(), error)),
            }
        }
        Ok(changes)
    }

    /// `NOT_SUPPORTED` for a record that the engine would not store completely.
    fn check_traits(&self, key: &[u8], record: Option<&Record>) -> Result<()> {
        let Some(record) = record else { return Ok(()) };
        let traits = &self.client.traits;
        for (given, supported, what) in [
            (record.expires_at.is_some(), traits.expiry, "ttl"),
            (record.metadata.is_some(), traits.metadata, "metadata"),
        ] {
            if given && !supported {
                let message =
                    format!("The engine {} does not declare {what}, with a getEntry to read it by", traits.name);
                return Err(Error::new(Code::NotSupported, message).at_key(key));
            }
        }
        Ok(())
    }

    /// Restores the records that the keys had, the last key first. The write that failed may have been made all the
    /// same.
    fn undo(&self, keys: &[SpaceKey], cause: Error) -> Error {
        let mut left = None;
        for at in keys.iter().rev() {
            let Some(before) = self.before.get(at) else { continue };
            let restored = write_of(at, before.clone()).and_then(|write| self.client.call(Call::Write(write)));
            if let Err(error) = restored {
                left.get_or_insert((at, error));
            }
        }
        let Some(((space, key), error)) = left else { return cause };
        let message = format!(
            "the engine failed in the middle of a batch ({cause}), and again when that was taken back ({error}): \
             some of the batch may be left"
        );
        let unknown = Error::new(Code::UnknownOutcome, message).caused_by(&cause);
        if *space == Space::User { unknown.at_key(key) } else { unknown }
    }
}

fn write_of((space, key): &SpaceKey, record: Option<Record>) -> Result<Write> {
    let key = key_encoding::encode(*space, key)?;
    Ok(match record {
        None => Write::Delete { key },
        Some(Record { value, expires_at, metadata, .. }) => Write::Set { key, value, expires_at, metadata },
    })
}

impl Target for StagedBatch<'_> {
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
        let gone = self.keys(space, range)?;
        for key in &gone {
            self.stage(space, key, None);
        }
        Ok(!gone.is_empty())
    }

    fn keys(&mut self, space: Space, range: &KeyRange) -> Result<Vec<Key>> {
        let (keys, _) = self.client.keys(space, true)?;
        let own = self.after.keys().filter(|(in_space, _)| *in_space == space).map(|(_, key)| key.clone());
        Ok(keys.into_iter().chain(own).filter(|key| range.contains(key)).collect())
    }

    /// The facade tells watchers of the changes.
    fn capture(&mut self) -> Option<&mut Capture> {
        None
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        self.intents.as_mut()
    }

    /// True after any change: nobody keeps which keys were changed.
    fn changed_since(&mut self, _space: Space, _range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.changes != since)
    }

    fn give_version(&mut self, _space: Space, _key: &Key, record: &mut Record, _seq: u64) -> Result<()> {
        record.version = version(record);
        Ok(())
    }
}
