//! The change log: what each commit changed, as records of our own keyspace written in the commit's own batch.
//!
//! It is on while [`CHANGE_LOG`] is there. Its entries lie under [`CHANGE_LOG_ENTRY`], by commit number; what is behind the first one is
//! complete, for entries only go from the front, and whoever switches the log on again removes all of them first.
//! Values are not kept: they are looked up by their version.

use crate::batch::{Batch, Check, Op};
use crate::engine::{Item, Page, Projection, View};
use crate::error::{Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Version};
use crate::value::Value;

use super::{Change, CommitEvent, Logged, ahead_of_the_store, behind_the_log, event};
use crate::keyspace::{CHANGE_LOG, CHANGE_LOG_ENTRY};

/// How much of the log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub commits: usize,
    /// Bytes of entries.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { commits: 65_536, bytes: 16 << 20 }
    }
}

/// What an entry takes beside its bytes, about.
const ENTRY_OVERHEAD: usize = 64;

/// Bytes of entries read at once.
const PAGE_BYTES: usize = 256 << 10;

/// Where the entry of a commit lies.
#[must_use]
pub fn entry_key(seq: u64) -> Key {
    let mut key = CHANGE_LOG_ENTRY.to_vec();
    key.extend_from_slice(&seq.to_be_bytes());
    key.into()
}

fn seq_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(CHANGE_LOG_ENTRY)?.try_into().ok()?))
}

fn entries() -> KeyRange {
    KeyRange::prefix(CHANGE_LOG_ENTRY)
}

/// The batch that has the log on until `until`, forever if `None`; nothing if it is on for so long.
///
/// CONFLICT when it is committed means that somebody else was first: look again.
pub fn switch_on(view: &dyn View, until: Option<Millis>) -> Result<Option<Batch>> {
    let flag = view.get(Space::Internal, CHANGE_LOG)?;
    match &flag {
        Some(flag) if flag.expires_at.is_none_or(|at| until.is_some_and(|until| at >= until)) => Ok(None),
        flag => Ok(Some(switch(flag.as_ref().map(|flag| flag.version), until))),
    }
}

/// The batch that has the log on for good, CONFLICT if it is on.
#[must_use]
pub fn switch_on_if_off() -> Batch {
    switch(None, None)
}

fn switch(found: Option<Version>, until: Option<Millis>) -> Batch {
    let space = Space::Internal;
    let key = Key::from_static(CHANGE_LOG);
    let check = Check { space, key: key.clone(), version: found };
    let set = Op::Set { space, key, value: Value::json("1"), expires_at: until, metadata: None };
    // What lies there from an earlier time may have a gap behind it.
    let reset = Op::DeleteRange { space, range: entries() };
    let ops = if found.is_none() { vec![reset, set] } else { vec![set] };
    Batch { checks: vec![check], ops, ..Batch::default() }
}

/// Until when a batch made by [`switch_on`] has the log on.
pub(super) fn switched_by(batch: &Batch) -> Option<Millis> {
    let check = batch.checks.first().filter(|check| check.space == Space::Internal && check.key == CHANGE_LOG)?;
    batch.ops.iter().find_map(|op| match op {
        Op::Set { space, key, expires_at, .. } if *space == check.space && *key == check.key => {
            Some(expires_at.unwrap_or(Millis::MAX))
        }
        _ => None,
    })
}

/// The first commit that can be resumed from, or `None` where the log is off.
pub fn floor<V: View + ?Sized>(view: &V) -> Result<Option<u64>> {
    if view.get(Space::Internal, CHANGE_LOG)?.is_none() {
        return Ok(None);
    }
    let mut after: Option<Key> = None;
    loop {
        let page = view.scan(Space::Internal, &entries(), Projection::Keys, after.as_deref(), 1)?;
        if let Some((key, _)) = page.entries.first() {
            return Ok(seq_of(key).map(|seq| seq.saturating_sub(1)));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(Some(view.seq())),
        }
    }
}

/// The commits behind `since`, until they hold about `max_bytes`, with the values that are still those of the commit.
///
/// PRECONDITION_FAILED where the log does not reach back so far, INVALID_ARGUMENT for a `since` to come.
pub fn page<V: View + ?Sized>(view: &V, since: u64, max_bytes: usize) -> Result<Logged> {
    let floor = floor(view)?.unwrap_or_else(|| view.seq());
    if since < floor {
        return Err(behind_the_log(since, floor));
    }
    if since > view.seq() {
        return Err(ahead_of_the_store(since, view.seq()));
    }
    let mut logged = Logged { commits: Vec::new(), through: since, more: true };
    let mut bytes = 0;
    while bytes < max_bytes {
        let after = entry_key(logged.through);
        let page = view.scan(Space::Internal, &entries(), Projection::Values, Some(&after), PAGE_BYTES)?;
        let Page { entries, next } = page;
        for (key, item) in entries {
            let (Some(seq), Item::Value(Value::Binary(entry))) = (seq_of(&key), item) else {
                return Err(Error::corrupted("an entry of the change log is none").at_key(&key));
            };
            let mut commit = event::decode(&entry)?;
            bytes += entry.len() + look_up(view, &mut commit)?;
            logged.through = seq;
            logged.commits.push(commit);
            if bytes >= max_bytes {
                return Ok(logged);
            }
        }
        match next.as_deref().and_then(seq_of) {
            Some(next) => logged.through = logged.through.max(next),
            None => {
                logged.through = logged.through.max(view.seq());
                logged.more = false;
                return Ok(logged);
            }
        }
    }
    Ok(logged)
}

/// Adds the values of keys that no later commit has changed. Returns their bytes.
fn look_up<V: View + ?Sized>(view: &V, commit: &mut CommitEvent) -> Result<usize> {
    let mut bytes = 0;
    for change in &mut commit.changes {
        if let Change::Set { key, version, value } = change {
            *value = view.get(Space::User, key)?.filter(|record| record.version == *version).map(|record| record.value);
            bytes += value.as_ref().map_or(0, Value::len);
        }
    }
    Ok(bytes)
}

/// The batch that brings the log within `limits`, the latest entry staying, or that removes what is left of a log that went
/// off by itself; nothing if there is nothing to do.
pub fn trim<V: View + ?Sized>(view: &V, limits: Limits) -> Result<Option<Batch>> {
    let space = Space::Internal;
    if view.get(space, CHANGE_LOG)?.is_none() {
        let left = view.scan(space, &entries(), Projection::Keys, None, 1)?;
        let check = Check { space, key: Key::from_static(CHANGE_LOG), version: None };
        let removal = Op::DeleteRange { space, range: entries() };
        let batch = Batch { checks: vec![check], ops: vec![removal], ..Batch::default() };
        return Ok((!left.entries.is_empty() || left.next.is_some()).then_some(batch));
    }
    let newest_first = KeyRange { reverse: true, ..entries() };
    let (mut commits, mut bytes) = (0, 0);
    let mut after: Option<Key> = None;
    loop {
        let page = view.scan(Space::Internal, &newest_first, Projection::Values, after.as_deref(), PAGE_BYTES)?;
        for (key, item) in page.entries {
            let size = if let Item::Value(value) = item { value.len() } else { 0 };
            bytes += size + ENTRY_OVERHEAD;
            commits += 1;
            if commits > 1 && (commits > limits.commits || bytes > limits.bytes) {
                let mut range = entries();
                range.lower_end(std::ops::Bound::Included(key));
                return Ok(Some(Batch::one(Op::DeleteRange { space: Space::Internal, range })));
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(None),
        }
    }
}
