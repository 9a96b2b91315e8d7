//! Batches that delete ranges of user keys: the server cannot delete a range, so the names are gathered first.
//! Runs on a thread of its own while later calls wait.

use std::sync::Arc;

use redis::Value as Answer;

use super::fault::unexpected;
use super::layout::Layout;
use super::link::Link;
use super::names;
use super::read::{array, bulk};
use super::script::lex_bounds;
use crate::batch::{Batch, Commit, Op, Outcome, RangeCheck, Role};
use crate::engine::intent::{RESERVED, prepare, prepared_ops};
use crate::error::{Code, Result};
use crate::key::{Key, KeyRange, Space};

/// Keys deleted in one step.
const STEP: usize = 512;
/// How often the names are gathered at most while others commit in between.
const ATTEMPTS: usize = 8;

/// True if `batch` deletes a range of user keys, or intends to delete any range.
#[must_use]
pub fn is_wide(batch: &Batch) -> bool {
    let of_user = |op: &Op| matches!(op, Op::DeleteRange { space: Space::User, .. });
    match batch.role {
        // One that cannot be read is refused where it is committed.
        Role::Prepare(_) => prepared_ops(batch)
            .is_ok_and(|ops| ops.iter().any(|op| matches!(op, Op::DeleteRange { .. }))),
        Role::None | Role::Resolve(_) => batch.ops.iter().any(of_user),
    }
}

/// Carries out a wide batch: in steps if it does nothing but delete ranges, else as one, its ranges narrowed to the
/// keys that are there.
pub fn commit(link: &Arc<Link>, layout: &Layout, batch: Batch) -> Result<Commit> {
    if let Role::Prepare(id) = batch.role {
        let Batch { checks, range_checks, .. } = &batch;
        let intended = Batch {
            ops: prepared_ops(&batch)?,
            checks: checks.clone(),
            range_checks: range_checks.clone(),
            ..Batch::default()
        };
        return narrowed(link, layout, &intended, |narrow| prepare(id, narrow)).map(|(commit, _)| commit);
    }
    let only_ranges = batch.checks.is_empty()
        && batch.range_checks.is_empty()
        && batch.ops.iter().all(|op| matches!(op, Op::DeleteRange { .. }));
    if only_ranges {
        return in_steps(link, layout, batch);
    }
    let report = batch.report;
    let (commit, stands_for) = narrowed(link, layout, &batch, |narrow| narrow)?;
    Ok(if report { widen(commit, &stands_for) } else { commit })
}

/// Deletes ranges of user keys in commits of their own, and those of internal keys with the last one.
fn in_steps(link: &Arc<Link>, layout: &Layout, batch: Batch) -> Result<Commit> {
    let (ours, theirs): (Vec<Op>, Vec<Op>) =
        batch.ops.into_iter().partition(|op| matches!(op, Op::DeleteRange { space: Space::Internal, .. }));
    let outcomes = ours.len() + theirs.len();
    for op in theirs {
        let Op::DeleteRange { range, .. } = op else { continue };
        if !range.is_empty() {
            names::for_each(link, layout, &range, |keys| keys.chunks(STEP).try_for_each(|keys| unlink(link, keys)))?;
        }
    }
    let commit = link.commit(Batch { ops: ours, ..Batch::default() })?;
    let outcomes = if batch.report { vec![Outcome::Cleared; outcomes] } else { Vec::new() };
    Ok(Commit { outcomes, ..commit })
}

/// One step: a commit of its own.
fn unlink(link: &Link, keys: &[Key]) -> Result<()> {
    let ops = keys.iter().map(|key| Op::Delete { space: Space::User, key: key.clone() }).collect();
    link.commit(Batch { ops, ..Batch::default() }).map(drop)
}

/// Commits what `form` makes of `batch` with its ranges narrowed, if nobody committed while the names were gathered; else
/// gathers again. Without conditions of its own it is committed in the end whatever others do: what they write meanwhile
/// counts as written after it.
///
/// Also tells, for each operation, how many deletions stand for it if it was a range.
fn narrowed(
    link: &Arc<Link>,
    layout: &Layout,
    batch: &Batch,
    form: impl Fn(Batch) -> Batch,
) -> Result<(Commit, Vec<Option<usize>>)> {
    let conditional = !batch.checks.is_empty() || !batch.range_checks.is_empty();
    for attempt in 1.. {
        let since = counter(link, layout)?;
        let (ops, stands_for) = narrow(link, layout, &batch.ops)?;
        let mut narrow = Batch { ops, ..batch.clone() };
        if conditional || attempt < ATTEMPTS {
            narrow.range_checks.push(RangeCheck { space: Space::User, range: KeyRange::all(), since });
        }
        match link.commit(form(narrow)) {
            Ok(commit) => return Ok((commit, stands_for)),
            Err(error) if error.code() == Code::Conflict && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    Err(unexpected())
}

/// The number of the latest commit.
pub fn counter(link: &Link, layout: &Layout) -> Result<u64> {
    let mut pipe = redis::pipe();
    pipe.cmd("GET").arg(&layout.seq);
    counter_of(link.call(&pipe, false)?.pop())
}

/// The number of the latest commit, from a reply to GET.
pub fn counter_of(reply: Option<Answer>) -> Result<u64> {
    match bulk(&[], reply)? {
        None => Ok(0),
        Some(text) => std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).ok_or_else(unexpected),
    }
}

/// The operations with each key named that a range holds.
fn narrow(link: &Arc<Link>, layout: &Layout, wide: &[Op]) -> Result<(Vec<Op>, Vec<Option<usize>>)> {
    let mut ops: Vec<Op> = Vec::with_capacity(wide.len());
    let mut stands_for = Vec::with_capacity(wide.len());
    for op in wide {
        let before = ops.len();
        let Op::DeleteRange { space, range } = op else {
            ops.push(op.clone());
            stands_for.push(None);
            continue;
        };
        if !range.is_empty() {
            let mut keys = match space {
                Space::User => names::sorted(link, layout, range)?,
                Space::Internal => internal_names(link, layout, range)?,
            };
            // What this very batch wrote into the range before.
            let written = ops.iter().filter_map(Op::key);
            let written = written.filter(|(in_space, key)| in_space == space && range.contains(key));
            keys.extend(written.map(|(_, key)| key.clone()));
            ops.extend(keys.into_iter().map(|key| Op::Delete { space: *space, key }));
        }
        stands_for.push(Some(ops.len() - before));
    }
    Ok((ops, stands_for))
}

/// The internal keys of a range, but for those that an engine keeps for itself.
fn internal_names(link: &Link, layout: &Layout, range: &KeyRange) -> Result<Vec<Key>> {
    let (low, high) = lex_bounds(range);
    let mut pipe = redis::pipe();
    pipe.cmd("ZRANGE").arg(&layout.names).arg(low).arg(high).arg("BYLEX");
    let names = array(link.call(&pipe, false)?.pop())?.into_iter().filter_map(|name| match name {
        Answer::BulkString(name) => Some(Key::from(name)),
        _ => None,
    });
    Ok(names.filter(|key| range.contains(key) && key.first() != Some(&RESERVED)).collect())
}

/// The commit of a wide batch from that of its narrow one.
fn widen(commit: Commit, stands_for: &[Option<usize>]) -> Commit {
    let mut narrow = commit.outcomes.into_iter();
    let outcomes = stands_for.iter().map(|count| match count {
        None => narrow.next().unwrap_or(Outcome::Cleared),
        Some(count) => {
            narrow.by_ref().take(*count).for_each(drop);
            Outcome::Cleared
        }
    });
    Commit { seq: commit.seq, outcomes: outcomes.collect() }
}
