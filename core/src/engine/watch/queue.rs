//! The commits that wait for the consumer of a watch.

use std::collections::VecDeque;

use super::{Change, WatchedCommit};
use crate::value::Value;

/// The cost of a change beside its key and value, in bytes.
const CHANGE_BYTES: usize = 64;

/// Commits in order, and their size.
#[derive(Default)]
pub(super) struct EventQueue {
    commits: VecDeque<WatchedCommit>,
    bytes: usize,
}

impl EventQueue {
    pub(super) fn len(&self) -> usize {
        self.commits.len()
    }

    /// True if one more commit fits. An empty queue takes any commit.
    pub(super) fn takes(&self, commit: &WatchedCommit, max_commits: usize, max_bytes: usize) -> bool {
        self.commits.is_empty() || (self.commits.len() < max_commits && self.bytes + size(commit) <= max_bytes)
    }

    pub(super) fn push(&mut self, commit: WatchedCommit) {
        self.bytes += size(&commit);
        self.commits.push_back(commit);
    }

    /// Takes the first commits: at least one and at most `max`, or none of an empty queue.
    pub(super) fn take(&mut self, max: usize) -> Vec<WatchedCommit> {
        let count = max.max(1).min(self.commits.len());
        let commits: Vec<WatchedCommit> = self.commits.drain(..count).collect();
        self.bytes -= commits.iter().map(size).sum::<usize>();
        commits
    }

    /// Takes all commits.
    pub(super) fn take_all(&mut self) -> VecDeque<WatchedCommit> {
        std::mem::take(self).commits
    }
}

/// The size of keys and values, and a little for each change, in bytes.
fn size(commit: &WatchedCommit) -> usize {
    let of = |change: &Change| match change {
        Change::Set { key, value, .. } => key.len() + value.as_ref().map_or(0, Value::len),
        Change::Delete { key } => key.len(),
        Change::Clear { .. } => 0,
    };
    commit.changes.iter().map(|change| CHANGE_BYTES + of(change)).sum()
}
