//! Applies a batch over a [`Target`], the same way for every engine that writes for itself.

use std::borrow::Cow;

use bytes::Bytes;

use super::increment::add;
use super::intent::{self, Intents};
use super::watch::{self, Capture, Changes};
use crate::batch::{Batch, Check, Op, Outcome, RangeCheck, Role};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, Version};
use crate::value::Value;

/// The state to which a batch is applied. After an error the engine drops the writes that were made to it.
pub trait Target {
    /// The record of a key as the batch sees it, expired or not.
    ///
    /// # Errors
    ///
    /// An error of the medium, which ends the batch.
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>>;

    /// Gives the record that commit `seq` is about to write to a key its version.
    ///
    /// # Errors
    ///
    /// An error of the medium, which ends the batch.
    fn give_version(&mut self, space: Space, key: &Key, record: &mut Record, seq: u64) -> Result<()> {
        let _ = (space, key);
        record.version = Version::of_commit(seq);
        Ok(())
    }

    /// Writes a record. Its `created_at` is the time of the write. A target that keeps times keeps the `created_at` of
    /// a live record that it replaces.
    ///
    /// # Errors
    ///
    /// An error of the medium, which ends the batch.
    fn put(&mut self, space: Space, key: &Key, record: Record) -> Result<()>;

    /// Removes a key, which may be absent.
    ///
    /// # Errors
    ///
    /// An error of the medium, which ends the batch.
    fn remove(&mut self, space: Space, key: &Key) -> Result<()>;

    /// Removes the keys of an interval, which is ascending. True if there were any.
    ///
    /// # Errors
    ///
    /// An error of the medium, which ends the batch.
    fn remove_range(&mut self, space: Space, interval: &KeyRange) -> Result<bool>;

    /// The keys that an ascending range selects, whatever its limit, in any order. A key may come twice, and expired or
    /// removed keys may be among them.
    ///
    /// # Errors
    ///
    /// An error of the medium, which ends the batch.
    fn keys(&mut self, space: Space, range: &KeyRange) -> Result<Vec<Key>>;

    /// The intents that stand in the store. If a group fails after a batch was applied, the store puts back those from
    /// before. `None` inside a transaction, whose writes are checked against intents when it commits.
    fn intents(&mut self) -> Option<&mut Intents>;

    /// The capture of changes for watches and the change log. `None` inside a transaction, which changes nothing yet.
    fn capture(&mut self) -> Option<&mut Capture>;

    /// True if a commit after `since` may have touched a key of `range`.
    ///
    /// # Errors
    ///
    /// An error of the medium, which ends the batch.
    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool>;

    /// True if nothing has changed since commit `as_of`, where `seq` is the number of the commit to be made. A store
    /// that others may change without a commit has to know of their changes, too.
    fn unchanged_since(&self, as_of: u64, seq: u64) -> bool {
        as_of.checked_add(1) == Some(seq)
    }
}

/// Makes the checks of `batch`, then its writes, as commit `seq` at time `now`. Returns the outcomes if the batch asks
/// for them.
///
/// # Errors
///
/// `CONFLICT` if a check does not hold or an intent holds a key, `LOCKED` if that intent is left of a crash,
/// `INVALID_ARGUMENT` for an addition to another type than a number, or an error of the target.
pub fn apply(batch: &Batch, target: &mut impl Target, seq: u64, now: Millis) -> Result<Vec<Outcome>> {
    if let Some(intents) = target.intents() {
        intents.refuse(batch, now)?;
    }
    let unchanged = batch.as_of.is_some_and(|as_of| target.unchanged_since(as_of, seq));
    if !unchanged {
        check(batch, target, now)?;
    }
    intent::check_increments(batch, now, |space, key| target.get(space, key))?;
    let mut changes = target.capture().and_then(|capture| capture.begin(batch, now));
    let mut outcomes = Vec::new();
    for op in &batch.ops {
        let outcome = write(op, target, batch.report, changes.as_mut(), seq, now)?;
        if batch.report {
            outcomes.push(outcome);
        }
    }
    if batch.role != Role::None
        && let Some(intents) = target.intents()
    {
        intents.note(batch)?;
    }
    if let Some(changes) = changes {
        finish(target, changes, seq, now)?;
    }
    Ok(outcomes)
}

/// Makes the checks of `batch`: `CONFLICT` unless all hold.
fn check(batch: &Batch, target: &mut impl Target, now: Millis) -> Result<()> {
    for Check { space, key, version } in &batch.checks {
        let found = target.get(*space, key)?.filter(|record| !record.expired(now)).map(|record| record.version);
        if found != *version {
            return Err(Error::conflict(key));
        }
    }
    for RangeCheck { space, range, since } in &batch.range_checks {
        if target.changed_since(*space, range, *since)? {
            return Err(Error::new(Code::Conflict, "a key of a range that was read has changed"));
        }
    }
    Ok(())
}

fn write(
    op: &Op,
    target: &mut impl Target,
    report: bool,
    changes: Option<&mut Changes>,
    seq: u64,
    now: Millis,
) -> Result<Outcome> {
    match op {
        Op::Set { space, key, value, expires_at, metadata } => {
            let mut record = written(value.clone(), *expires_at, metadata.clone(), now);
            target.give_version(*space, key, &mut record, seq)?;
            let version = record.version;
            if let Some(changes) = changes {
                changes.set(*space, key, &record);
            }
            target.put(*space, key, record)?;
            Ok(Outcome::Set { version })
        }
        Op::Add { space, key, by, expires_at, metadata } => {
            let old = target.get(*space, key)?.filter(|record| !record.expired(now));
            let sum = add(key, old.as_ref(), *by)?;
            let expires_at = expires_at.or(old.as_ref().and_then(|old| old.expires_at));
            let metadata = metadata.clone().or_else(|| old.and_then(|old| old.metadata));
            let mut record = written(Value::from_number(sum), expires_at, metadata, now);
            target.give_version(*space, key, &mut record, seq)?;
            let version = record.version;
            if let Some(changes) = changes {
                changes.set(*space, key, &record);
            }
            target.put(*space, key, record)?;
            Ok(Outcome::Added { value: sum, version })
        }
        Op::Delete { space, key } => {
            // A watch is told of a delete only if the key was there.
            let existed = (report || changes.is_some())
                && match target.get(*space, key) {
                    // A delete is the way to be rid of a record that cannot be read.
                    Err(error) if error.is_damaged_record() => true,
                    found => found?.is_some_and(|record| !record.expired(now)),
                };
            if let Some(changes) = changes
                && existed
            {
                changes.delete(*space, key);
            }
            target.remove(*space, key)?;
            Ok(Outcome::Deleted { existed })
        }
        Op::DeleteRange { space, range } if !range.is_whole_interval() => {
            remove_selected(*space, range, target, changes, now)?;
            Ok(Outcome::Cleared)
        }
        Op::DeleteRange { space, range } => {
            let interval = forward(range);
            let removed = !range.is_empty() && target.remove_range(*space, &interval)?;
            if let Some(changes) = changes
                && removed
            {
                changes.clear(*space, &interval);
            }
            Ok(Outcome::Cleared)
        }
    }
}

/// The same keys in ascending order. The direction of a deletion matters to its limit alone.
fn forward(range: &KeyRange) -> Cow<'_, KeyRange> {
    if range.reverse { Cow::Owned(KeyRange { reverse: false, ..range.clone() }) } else { Cow::Borrowed(range) }
}

/// Removes the keys that a range with a pattern, exceptions or a limit selects, one by one. All reads come before the
/// first removal.
fn remove_selected(
    space: Space,
    range: &KeyRange,
    target: &mut impl Target,
    mut changes: Option<&mut Changes>,
    now: Millis,
) -> Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let mut keys = target.keys(space, &forward(range))?;
    keys.retain(|key| range.contains(key));
    keys.sort_unstable();
    keys.dedup();
    if range.reverse {
        keys.reverse();
    }
    // Only keys that are there count for the limit, and only they are told to a watch.
    if range.limit.is_some() || changes.is_some() {
        let mut live = Vec::new();
        for key in keys {
            if range.limit.is_some_and(|limit| live.len() >= limit) {
                break;
            }
            if target.get(space, &key)?.is_some_and(|record| !record.expired(now)) {
                live.push(key);
            }
        }
        keys = live;
    }
    for key in &keys {
        if let Some(changes) = changes.as_deref_mut() {
            changes.delete(space, key);
        }
        target.remove(space, key)?;
    }
    Ok(())
}

/// A record that is written now. Its target gives it a version.
fn written(value: Value, expires_at: Option<Millis>, metadata: Option<Bytes>, now: Millis) -> Record {
    let version = Version::of_commit(0);
    Record { value, version, expires_at, created_at: Some(now), updated_at: Some(now), metadata }
}

/// Writes the changes of an applied batch to the change log, if it is on, in the same commit. Keeps their event until
/// the commit is final.
fn finish(target: &mut impl Target, changes: Changes, seq: u64, now: Millis) -> Result<()> {
    let Some(capture) = target.capture() else { return Ok(()) };
    let (event, entry) = capture.finish(changes, seq, now);
    if let Some(value) = entry {
        let (key, mut record) = (watch::entry_key(seq), written(value, None, None, now));
        target.give_version(Space::Internal, &key, &mut record, seq)?;
        target.put(Space::Internal, &key, record)?;
    }
    // Last, because the event of a batch that failed must not be published with those of its group.
    if let Some(capture) = target.capture() {
        capture.keep(event);
    }
    Ok(())
}
