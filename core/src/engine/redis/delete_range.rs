//! Batches that delete ranges of user keys. The server cannot delete a range, so the keys are gathered first. This
//! takes many steps, during which later requests wait.

use std::collections::BTreeSet;

use super::fault::unexpected;
use super::link::Link;
use super::read::latest_commit;
use super::scan;
use crate::batch::{Batch, Commit, Op, Outcome, RangeCheck, Role};
use crate::clock;
use crate::error::{Code, Result};
use crate::format::redis::Layout;
use crate::key::{Key, KeyRange, Space};

/// Keys deleted by one commit.
const STEP_KEYS: usize = 512;
/// How often the keys are gathered at most while others commit.
const ATTEMPTS: usize = 8;

/// True if `batch` deletes a range of user keys.
pub(super) fn deletes_user_range(batch: &Batch) -> bool {
    batch.ops.iter().any(|op| matches!(op, Op::DeleteRange { space: Space::User, .. }))
}

/// Commits a batch that deletes ranges of user keys. A batch that deletes intervals and does nothing else is committed
/// in steps; any other one at once, with its ranges expanded to the keys that are there. Blocks.
pub(super) fn commit_with_ranges(link: &Link, layout: &Layout, batch: Batch) -> Result<Commit> {
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
        && batch.ops.iter().all(|op| matches!(op, Op::DeleteRange { range, .. } if range.is_whole_interval()));
    if only_ranges {
        return in_steps(link, layout, batch, &ranges);
    }
    // Of another range not every key is deleted, and each deletion is told by itself.
    let intervals: Vec<KeyRange> = ranges.into_iter().filter(KeyRange::is_whole_interval).collect();
    at_once(link, layout, &batch, &intervals)
}

/// Deletes ranges of user keys by several commits. The last commit deletes the ranges of internal keys.
fn in_steps(link: &Link, layout: &Layout, batch: Batch, ranges: &[KeyRange]) -> Result<Commit> {
    // An intent on one of the keys refuses the whole batch. An intent that is made later refuses the step that meets
    // it.
    link.send_batch(Batch::default(), ranges)?;
    for range in ranges {
        // The last step is told as a deletion of the range, the steps before it as deletions of keys.
        let mut last: Vec<Key> = Vec::new();
        scan::for_each(link, layout, range, |keys| {
            last.extend(keys);
            while last.len() > STEP_KEYS {
                let rest = last.split_off(STEP_KEYS);
                delete_keys(link, &std::mem::replace(&mut last, rest), &[])?;
            }
            Ok(())
        })?;
        delete_keys(link, &last, std::slice::from_ref(range))?;
    }
    let outcomes = if batch.report { vec![Outcome::Cleared; batch.ops.len()] } else { Vec::new() };
    let ours = batch.ops.into_iter().filter(|op| matches!(op, Op::DeleteRange { space: Space::Internal, .. }));
    let commit = link.send_batch(Batch { ops: ours.collect(), ..Batch::default() }, ranges)?;
    Ok(Commit { outcomes, ..commit })
}

/// One step: a commit of its own.
fn delete_keys(link: &Link, keys: &[Key], ranges: &[KeyRange]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let ops = keys.iter().map(|key| Op::Delete { space: Space::User, key: key.clone() }).collect();
    link.send_batch(Batch { ops, ..Batch::default() }, ranges).map(drop)
}

/// Commits `batch` with its ranges expanded, if nobody has committed while the keys were gathered; else gathers them
/// again. A batch without conditions is committed in the end anyway: what others write meanwhile counts as written
/// after it.
fn at_once(link: &Link, layout: &Layout, batch: &Batch, ranges: &[KeyRange]) -> Result<Commit> {
    let conditional = !batch.checks.is_empty() || !batch.range_checks.is_empty();
    // Its intent holds the ranges: nobody else writes there.
    let resolves = matches!(batch.role, Role::Resolve(_));
    for attempt in 1.. {
        let since = latest_commit(link, layout)?;
        let Expanded { ops, deletions } = expand(link, layout, &batch.ops)?;
        let mut expanded = Batch { ops, ..batch.clone() };
        if !resolves && (conditional || attempt < ATTEMPTS) {
            expanded.range_checks.push(RangeCheck { space: Space::User, range: KeyRange::all(), since });
        }
        match link.send_batch(expanded, ranges) {
            Ok(commit) if batch.report => return Ok(collapse(commit, &deletions)),
            Ok(commit) => return Ok(commit),
            Err(error) if error.code() == Code::Conflict && !resolves && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    Err(unexpected())
}

/// Operations without ranges of user keys.
struct Expanded {
    ops: Vec<Op>,
    /// For each operation of the batch, how many deletions replace it. `None` for an operation that stays.
    deletions: Vec<Option<usize>>,
}

/// Replaces each deletion of a range of user keys by deletions of the keys in it.
fn expand(link: &Link, layout: &Layout, original: &[Op]) -> Result<Expanded> {
    let mut ops: Vec<Op> = Vec::with_capacity(original.len());
    let mut deletions = Vec::with_capacity(original.len());
    for op in original {
        let before = ops.len();
        let Op::DeleteRange { space: Space::User, range } = op else {
            ops.push(op.clone());
            deletions.push(None);
            continue;
        };
        if !range.is_empty() {
            let mut keys: BTreeSet<Key> = scan::sorted(link, layout, range)?.into_iter().collect();
            // This batch may have written into the range before, or deleted from it.
            for op in &ops {
                match op.key() {
                    Some((Space::User, key)) if !range.contains(key) => {}
                    Some((Space::User, key)) if leaves_nothing(op) => drop(keys.remove(key)),
                    Some((Space::User, key)) => drop(keys.insert(key.clone())),
                    _ => {}
                }
            }
            let limit = range.limit.unwrap_or(usize::MAX);
            let delete = |key| Op::Delete { space: Space::User, key };
            if range.reverse {
                ops.extend(keys.into_iter().rev().take(limit).map(delete));
            } else {
                ops.extend(keys.into_iter().take(limit).map(delete));
            }
        }
        deletions.push(Some(ops.len() - before));
    }
    Ok(Expanded { ops, deletions })
}

/// True if the key of `op` is absent behind it.
fn leaves_nothing(op: &Op) -> bool {
    match op {
        Op::Delete { .. } => true,
        Op::Set { expires_at, .. } | Op::Add { expires_at, .. } => {
            expires_at.is_some_and(|moment| moment <= clock::system())
        }
        Op::DeleteRange { .. } => false,
    }
}

/// Gives the commit of an expanded batch the outcomes of the original operations.
fn collapse(commit: Commit, deletions: &[Option<usize>]) -> Commit {
    let mut expanded = commit.outcomes.into_iter();
    let outcomes = deletions.iter().map(|count| match count {
        None => expanded.next().unwrap_or(Outcome::Cleared),
        Some(count) => {
            expanded.by_ref().take(*count).for_each(drop);
            Outcome::Cleared
        }
    });
    Commit { seq: commit.seq, outcomes: outcomes.collect() }
}
