//! The keys that the latest commits touched, for the range checks of engines that one process owns.

use std::collections::VecDeque;

use crate::batch::{Batch, Op};
use crate::key::{Key, KeyRange, Space};

/// The number of keys remembered at most. A range counts as changed since a commit that is not remembered.
const MAX_KEYS: usize = 65_536;

/// A bounded history of written keys.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::recent::Recent;
/// use holdfast_core::{Batch, KeyRange, Op, Space};
///
/// let mut recent = Recent::new(4);
/// recent.record(5, &Batch::one(Op::delete("a/1")));
/// assert!(recent.changed_since(Space::User, &KeyRange::prefix("a/"), 4));
/// assert!(!recent.changed_since(Space::User, &KeyRange::prefix("b/"), 4));
/// ```
#[derive(Debug)]
pub struct Recent {
    /// All commits after this one are remembered.
    floor: u64,
    touched: VecDeque<(u64, Touched)>,
}

#[derive(Debug)]
enum Touched {
    Key(Space, Key),
    Range(Space, Box<KeyRange>),
}

impl Default for Recent {
    fn default() -> Self {
        Recent::new(0)
    }
}

impl Recent {
    /// The empty history of a store whose latest commit is `seq`.
    #[must_use]
    pub fn new(seq: u64) -> Self {
        Recent { floor: seq, touched: VecDeque::new() }
    }

    /// Remembers the keys that commit `seq` wrote.
    pub fn record(&mut self, seq: u64, batch: &Batch) {
        self.touched.extend(batch.ops.iter().map(|op| {
            let touched = match op {
                Op::Set { space, key, .. } | Op::Add { space, key, .. } | Op::Delete { space, key } => {
                    Touched::Key(*space, key.clone())
                }
                Op::DeleteRange { space, range } => Touched::Range(*space, Box::new(range.clone())),
            };
            (seq, touched)
        }));
        while self.touched.len() > MAX_KEYS {
            let Some((seq, _)) = self.touched.pop_front() else { break };
            self.floor = seq;
        }
    }

    /// True if all commits after `since` are remembered.
    #[must_use]
    pub fn covers(&self, since: u64) -> bool {
        since >= self.floor
    }

    /// True if a commit after `since` touched a key of `range`, or may have.
    #[must_use]
    pub fn changed_since(&self, space: Space, range: &KeyRange, since: u64) -> bool {
        if since < self.floor {
            return true;
        }
        self.touched.iter().rev().take_while(|(seq, _)| *seq > since).any(|(_, touched)| match touched {
            Touched::Key(in_space, key) => *in_space == space && range.contains(key),
            Touched::Range(in_space, deleted) => *in_space == space && deleted.overlaps(range),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_later_commits_in_the_range_count() {
        let mut recent = Recent::new(4);
        recent.record(5, &Batch::one(Op::delete("a/1")));
        recent.record(6, &Batch::one(Op::delete("b/1")));
        let range = KeyRange::prefix("a/");
        assert!(recent.changed_since(Space::User, &range, 4));
        assert!(!recent.changed_since(Space::User, &range, 5));
        assert!(!recent.changed_since(Space::Internal, &range, 4));
        assert!(recent.changed_since(Space::User, &range, 3), "what is not remembered counts as changed");
    }

    #[test]
    fn a_range_delete_touches_what_it_overlaps() {
        let mut recent = Recent::new(0);
        recent.record(1, &Batch::one(Op::delete_range(KeyRange::prefix("a/b"))));
        assert!(recent.changed_since(Space::User, &KeyRange::prefix("a/"), 0));
        assert!(!recent.changed_since(Space::User, &KeyRange::prefix("b"), 0));
    }

    #[test]
    fn the_history_is_bounded() {
        let mut recent = Recent::new(0);
        for seq in 1..=100_000 {
            recent.record(seq, &Batch::one(Op::delete("k")));
        }
        assert!(recent.touched.len() <= MAX_KEYS);
        assert!(recent.changed_since(Space::User, &KeyRange::prefix("z"), 10));
        assert!(!recent.changed_since(Space::User, &KeyRange::prefix("z"), 99_000));
    }
}
