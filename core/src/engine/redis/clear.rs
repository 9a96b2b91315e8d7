//! Batches that delete ranges of user keys: the server cannot delete a range, so the names are gathered first.
//! Runs on a pool thread while later calls wait.

use std::sync::Arc;

use super::group::executed;
use super::layout::Layout;
use super::link::Link;
use super::names;
use crate::batch::{Batch, Commit, Op, Outcome};
use crate::error::Result;
use crate::key::{Key, Space};

/// Keys deleted in one step.
const STEP: usize = 512;

/// What is left of a wide batch once its user ranges are dealt with.
pub struct Narrow {
    pub batch: Batch,
    /// For each operation of the original: how many deletions stand for it, if it was a range of user keys.
    pub stands_for: Vec<Option<usize>>,
}

/// True if `batch` deletes a range of user keys.
#[must_use]
pub fn is_wide(batch: &Batch) -> bool {
    batch.ops.iter().any(|op| matches!(op, Op::DeleteRange { space: Space::User, .. }))
}

/// Deletes the user ranges of `batch` in steps if it does nothing but delete ranges; else names their keys one by
/// one, so that what is left is one atomic batch.
pub fn narrow(link: &Arc<Link>, layout: &Layout, mut batch: Batch) -> Result<Narrow> {
    let only_ranges = batch.checks.is_empty()
        && batch.range_checks.is_empty()
        && batch.ops.iter().all(|op| matches!(op, Op::DeleteRange { .. }));
    let mut ops: Vec<Op> = Vec::with_capacity(batch.ops.len());
    let mut stands_for = Vec::with_capacity(batch.ops.len());
    for op in std::mem::take(&mut batch.ops) {
        let before = ops.len();
        let is_range = matches!(op, Op::DeleteRange { space: Space::User, .. });
        match op {
            Op::DeleteRange { space: Space::User, range } => {
                if range.is_empty() {
                } else if only_ranges {
                    names::for_each(link, layout, &range, |keys| {
                        keys.chunks(STEP).try_for_each(|keys| unlink(link, layout, keys))
                    })?;
                } else {
                    let mut keys = names::sorted(link, layout, &range)?;
                    let written = ops.iter().filter_map(Op::key);
                    let written = written.filter(|(space, key)| *space == Space::User && range.contains(key));
                    keys.extend(written.map(|(_, key)| key.clone()));
                    ops.extend(keys.into_iter().map(|key| Op::Delete { space: Space::User, key }));
                }
            }
            op => ops.push(op),
        }
        stands_for.push(is_range.then_some(ops.len() - before));
    }
    batch.ops = ops;
    Ok(Narrow { batch, stands_for })
}

/// One step: a commit of its own.
fn unlink(link: &Link, layout: &Layout, keys: &[Key]) -> Result<()> {
    let mut pipe = redis::pipe();
    pipe.cmd("MULTI").cmd("UNLINK");
    for key in keys {
        pipe.arg(layout.name(key));
    }
    pipe.cmd("HDEL").arg(&layout.companions);
    for key in keys {
        pipe.arg(&key[..]);
    }
    pipe.cmd("INCR").arg(&layout.seq).cmd("EXEC");
    executed(link.call(&pipe, true)?).map(drop)
}

/// The commit of a wide batch from that of its narrow one.
#[must_use]
pub fn widen(commit: Commit, report: bool, stands_for: &[Option<usize>]) -> Commit {
    if !report {
        return commit;
    }
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
