//! Applies a batch to what the transaction has of an engine.

use super::overlay::Found;
use super::state::{BranchInner, BranchState};
use crate::batch::{Batch, Commit};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::Intents;
use crate::engine::watch::Capture;
use crate::engine::{Projection, for_each_page, unexpected_reply};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Record, Version, now};

/// Applies a batch to the overlay. After an error nothing of it is left. `None` if a read would have to wait and may
/// not.
pub(super) fn edit(
    inner: &BranchInner,
    own: &mut BranchState,
    batch: &Batch,
    may_wait: bool,
) -> Option<Result<Commit>> {
    if inner.state.read_only && !batch.ops.is_empty() {
        return Some(Err(Error::new(Code::ReadOnly, "the transaction was begun with readOnly")));
    }
    // A single operation fails before it writes.
    let before = (batch.ops.len() > 1 && !batch.is_blind()).then(|| own.overlay.clone());
    let seq = own.edits + 1;
    let mut target = OverlayTarget { inner, own, may_wait, blocked: false };
    let applied = apply(batch, &mut target, seq, now());
    let blocked = target.blocked;
    match applied {
        Ok(outcomes) => {
            if !batch.ops.is_empty() {
                own.edits = seq;
                own.recent.record(seq, batch);
            }
            Some(Ok(Commit { seq: own.edits, outcomes }))
        }
        Err(error) => {
            if let Some(before) = before {
                own.overlay = before;
            }
            (!blocked).then_some(Err(error))
        }
    }
}

/// Reads as the transaction does, and writes to its overlay.
struct OverlayTarget<'a> {
    inner: &'a BranchInner,
    own: &'a mut BranchState,
    may_wait: bool,
    /// A read would have had to wait.
    blocked: bool,
}

impl Target for OverlayTarget<'_> {
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        if let Some(found) = self.inner.try_get(self.own, space, key) {
            return found;
        }
        match &self.own.base {
            Some(base) if self.may_wait => {
                let found = base.get(space, key)?;
                self.inner.note(space, key, found.as_ref());
                Ok(found)
            }
            _ => {
                self.blocked = true;
                Err(unexpected_reply())
            }
        }
    }

    fn put(&mut self, space: Space, key: &Key, mut record: Record) -> Result<()> {
        if let Found::Record(old) = self.own.overlay.layer(space).find(key)
            && !old.has_expired()
        {
            record.created_at = old.created_at;
        }
        self.own.overlay.layer_mut(space).put(key.clone(), record);
        Ok(())
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        self.own.overlay.layer_mut(space).remove(key.clone());
        Ok(())
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        self.own.overlay.layer_mut(space).remove_range(range);
        Ok(true)
    }

    /// Counts as a read of the range.
    fn keys(&mut self, space: Space, range: &KeyRange) -> Result<Vec<Key>> {
        let Some(base) = self.own.base.clone().filter(|_| self.may_wait) else {
            self.blocked = true;
            return Err(unexpected_reply());
        };
        let mut keys = Vec::new();
        let all = KeyRange { limit: None, ..range.clone() };
        for_each_page(&self.inner.view(self.own, base), space, &all, Projection::Keys, |page| {
            keys.extend(page.into_iter().map(|(key, _)| key));
            Ok(true)
        })?;
        Ok(keys)
    }

    /// Watchers are told by the commit.
    fn capture(&mut self) -> Option<&mut Capture> {
        None
    }

    /// The commit meets the intents of others.
    fn intents(&mut self) -> Option<&mut Intents> {
        None
    }

    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.own.recent.changed_since(space, range, since))
    }

    fn give_version(&mut self, _space: Space, _key: &Key, record: &mut Record, seq: u64) -> Result<()> {
        record.version = Version::pending(seq);
        Ok(())
    }
}
