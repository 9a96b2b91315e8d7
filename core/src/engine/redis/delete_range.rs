//! Batches that delete ranges of user keys: the server cannot delete a range, so the names are gathered first.
//! Runs on a thread of its own while later calls wait.

use std::sync::Arc;

use redis::Value as Answer;

use super::fault::unexpected;
use super::layout::Layout;
use super::link::Link;
use super::read::bulk;
use super::scan;
use crate::batch::{Batch, Commit, Op, Outcome, RangeCheck, Role};
use crate::error::{Code, Result};
use crate::key::{Key, KeyRange, Space};

/// Keys deleted in one step.
const STEP: usize = 512;
/// How often the names are gathered at most while others commit in between.
const ATTEMPTS: usize = 8;

/// True if `batch` deletes a range of user keys.
#[must_use]
pub fn is_wide(batch: &Batch) -> bool {
    batch.ops.iter().any(|op| matches!(op, Op::DeleteRange { space: Space::User, .. }))
}

/// Carries out a wide batch: in steps if it does nothing but delete ranges, else as one, its ranges narrowed to the
/// keys that are there.
pub fn delete_wide(link: &Arc<Link>, layout: &Layout, batch: Batch) -> Result<Commit> {
    let ranges: Vec<KeyRange> = batch
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::DeleteRange { space: Space::User, range } if !range.is_empty() => Some(range.clone()),
            _ => None,
        })
        .collect();
    let only_ranges = batch.checks.is_empty()
        && batch.range_checks.is_empty()
        && batch.ops.iter().all(|op| matches!(op, Op::DeleteRange { .. }));
    if only_ranges { in_steps(link, layout, batch, &ranges) } else { narrowed(link, layout, &batch, &ranges) }
}

/// Deletes ranges of user keys in commits of their own, and those of internal keys with the last one.
fn in_steps(link: &Link, layout: &Layout, batch: Batch, ranges: &[KeyRange]) -> Result<Commit> {
    // An intent on one of the keys refuses all of it; one that comes later, the step that meets it.
    link.send_batch(Batch::default(), ranges)?;
    for range in ranges {
        // The last step is told as the deletion of the range, those before it as deletions of keys.
        let mut last: Vec<Key> = Vec::new();
        scan::for_each(link, layout, range, |keys| {
            last.extend(keys);
            while last.len() > STEP {
                let rest = last.split_off(STEP);
                unlink(link, &std::mem::replace(&mut last, rest), &[])?;
            }
            Ok(())
        })?;
        unlink(link, &last, std::slice::from_ref(range))?;
    }
    let outcomes = if batch.report { vec![Outcome::Cleared; batch.ops.len()] } else { Vec::new() };
    let ours = batch.ops.into_iter().filter(|op| matches!(op, Op::DeleteRange { space: Space::Internal, .. }));
    let commit = link.send_batch(Batch { ops: ours.collect(), ..Batch::default() }, ranges)?;
    Ok(Commit { outcomes, ..commit })
}

/// One step: a commit of its own.
fn unlink(link: &Link, keys: &[Key], ranges: &[KeyRange]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let ops = keys.iter().map(|key| Op::Delete { space: Space::User, key: key.clone() }).collect();
    link.send_batch(Batch { ops, ..Batch::default() }, ranges).map(drop)
}

/// Commits `batch` with its ranges narrowed, if nobody committed while the names were gathered; else gathers again. Without
/// conditions of its own it is committed in the end whatever others do: what they write meanwhile counts as written after it.
fn narrowed(link: &Link, layout: &Layout, batch: &Batch, ranges: &[KeyRange]) -> Result<Commit> {
    let conditional = !batch.checks.is_empty() || !batch.range_checks.is_empty();
    // Its ranges are held: nobody writes there.
    let resolves = matches!(batch.role, Role::Resolve(_));
    for attempt in 1.. {
        let since = counter(link, layout)?;
        let (ops, stands_for) = narrow(link, layout, &batch.ops)?;
        let mut narrow = Batch { ops, ..batch.clone() };
        if !resolves && (conditional || attempt < ATTEMPTS) {
            narrow.range_checks.push(RangeCheck { space: Space::User, range: KeyRange::all(), since });
        }
        match link.send_batch(narrow, ranges) {
            Ok(commit) if batch.report => return Ok(widen(commit, &stands_for)),
            Ok(commit) => return Ok(commit),
            Err(error) if error.code() == Code::Conflict && !resolves && attempt < ATTEMPTS => {}
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

/// The operations with each key named that a range of user keys holds, and how many deletions stand for each range.
fn narrow(link: &Link, layout: &Layout, wide: &[Op]) -> Result<(Vec<Op>, Vec<Option<usize>>)> {
    let mut ops: Vec<Op> = Vec::with_capacity(wide.len());
    let mut stands_for = Vec::with_capacity(wide.len());
    for op in wide {
        let before = ops.len();
        let Op::DeleteRange { space: Space::User, range } = op else {
            ops.push(op.clone());
            stands_for.push(None);
            continue;
        };
        if !range.is_empty() {
            let mut keys = scan::sorted(link, layout, range)?;
            // What this very batch wrote into the range before.
            let written = ops.iter().filter_map(Op::key);
            let written = written.filter(|(space, key)| *space == Space::User && range.contains(key));
            keys.extend(written.map(|(_, key)| key.clone()));
            ops.extend(keys.into_iter().map(|key| Op::Delete { space: Space::User, key }));
        }
        stands_for.push(Some(ops.len() - before));
    }
    Ok((ops, stands_for))
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
