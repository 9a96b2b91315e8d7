//! The change log: the changes of each commit, as a record of the internal keyspace that the commit writes itself.
//!
//! The log is on while [`CHANGE_LOG`] is there. Its entries lie under [`CHANGE_LOG_ENTRY`], by the number of the
//! commit. Behind its first entry the log is complete, because entries are removed from the front alone, and a batch
//! that switches the log on again removes all of them first. The log holds no values: a reader looks them up by their
//! version.

use std::ops::Bound;

use crate::batch::{Batch, Check, Op};
use crate::engine::{Item, Page, Projection, View};
use crate::error::{Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, Version};
use crate::value::Value;

use super::{Change, CommitEvent, Logged, ahead_of_the_store, behind_the_log, event};
use crate::keyspace::{CHANGE_LOG, CHANGE_LOG_ENTRY};

/// The limits of the log. The default is 65 536 commits and 16 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The number of commits.
    pub commits: usize,
    /// The size of the entries, in bytes.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { commits: 65_536, bytes: 16 << 20 }
    }
}

/// The cost of an entry beside its bytes, about.
const ENTRY_OVERHEAD: usize = 64;

/// The size of the entries read at once, in bytes.
const PAGE_BYTES: usize = 256 << 10;

/// The key of the entry of a commit.
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

/// The entry that begins the log of a replaced content, under the [key](entry_key) of commit `seq`, which is made at
/// `now`. It has no changes, and the log is complete behind the commit before it.
#[must_use]
pub fn first_entry(seq: u64, now: Millis) -> Record {
    let value = Value::Binary(event::encode(&CommitEvent { seq, changes: Vec::new() }, false).into());
    let version = Version::of_commit(seq);
    Record { version, created_at: Some(now), updated_at: Some(now), ..Record::bare(value, None) }
}

/// The batch that switches the log on until `until`, or for ever if that is `None`. There is none if the log is on for
/// as long already.
///
/// A `CONFLICT` of the batch means that another batch was first: look again.
///
/// # Errors
///
/// An error of the view.
pub fn switch_on(view: &dyn View, until: Option<Millis>) -> Result<Option<Batch>> {
    let flag = view.get(Space::Internal, CHANGE_LOG)?;
    match &flag {
        Some(flag) if flag.expires_at.is_none_or(|at| until.is_some_and(|until| at >= until)) => Ok(None),
        flag => Ok(Some(switch(flag.as_ref().map(|flag| flag.version), until))),
    }
}

/// The batch that switches the log on for ever. It fails with `CONFLICT` if the log is on.
#[must_use]
pub fn switch_on_if_off() -> Batch {
    switch(None, None)
}

fn switch(found: Option<Version>, until: Option<Millis>) -> Batch {
    let set = Op::set(CHANGE_LOG, Value::json("1")).expiring(until);
    // Entries of an earlier time may have a gap behind them.
    let reset = Op::delete_range(entries());
    let ops = if found.is_none() { vec![reset, set] } else { vec![set] };
    Batch::of(ops.into_iter().map(|op| op.in_space(Space::Internal))).with_checks([flag_is(found)])
}

/// The check that the flag has a version, or is absent.
fn flag_is(version: Option<Version>) -> Check {
    Check::new(CHANGE_LOG, version).in_space(Space::Internal)
}

/// The time until which a batch made by [`switch_on`] switches the log on.
pub(super) fn switched_by(batch: &Batch) -> Option<Millis> {
    let check = batch.checks.first().filter(|check| check.space == Space::Internal && check.key == CHANGE_LOG)?;
    batch.ops.iter().find_map(|op| match op {
        Op::Set { space, key, expires_at, .. } if *space == check.space && *key == check.key => {
            Some(expires_at.unwrap_or(Millis::MAX))
        }
        _ => None,
    })
}

/// The first commit from which a watch can resume; `None` if the log is off.
///
/// # Errors
///
/// An error of the view.
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

/// Reads the commits behind `since`, until they hold about `max_bytes` bytes. A change has its value if the key still
/// has that version.
///
/// # Errors
///
/// `PRECONDITION_FAILED` if the log does not reach back to `since`, `INVALID_ARGUMENT` if the view has no commit
/// `since` yet, `CORRUPTED` for a damaged entry, or an error of the view.
pub fn page<V: View + ?Sized>(view: &V, since: u64, max_bytes: usize) -> Result<Logged> {
    let floor = floor(view)?.unwrap_or_else(|| view.seq());
    if since < floor {
        return Err(behind_the_log(since, floor));
    }
    if since > view.seq() {
        return Err(ahead_of_the_store(since, view.seq()));
    }
    let mut logged = Logged { commits: Vec::new(), through: since, more: true, latest: view.seq() };
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
        let Some(next) = next.as_deref().and_then(seq_of) else {
            logged.through = logged.through.max(view.seq());
            logged.more = false;
            return Ok(logged);
        };
        logged.through = logged.through.max(next);
    }
    Ok(logged)
}

/// Adds the values of the keys that no later commit has changed. Returns their size in bytes.
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

/// The batch that brings the log within `limits`. The latest entry stays. If the log has gone off by itself, the batch
/// removes what is left of it. There is no batch if there is nothing to remove.
///
/// # Errors
///
/// An error of the view.
pub fn trim<V: View + ?Sized>(view: &V, limits: Limits) -> Result<Option<Batch>> {
    let remove = |range| Batch::one(Op::delete_range(range).in_space(Space::Internal));
    if view.get(Space::Internal, CHANGE_LOG)?.is_none() {
        let left = view.scan(Space::Internal, &entries(), Projection::Keys, None, 1)?;
        let is_left = !left.entries.is_empty() || left.next.is_some();
        return Ok(is_left.then(|| remove(entries()).with_checks([flag_is(None)])));
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
                range.lower_end(Bound::Included(key));
                return Ok(Some(remove(range)));
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(None),
        }
    }
}
