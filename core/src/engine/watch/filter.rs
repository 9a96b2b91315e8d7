//! The changes of a commit that belong to the range of a watch.

use std::ops::Bound;

use super::{Change, CommitEvent, Interval};
use crate::key::KeyRange;

/// The part of a commit in `range`; `None` if that is nothing.
pub(super) fn matching(event: &CommitEvent, range: &KeyRange) -> Option<CommitEvent> {
    let mut changes: Vec<Change> = Vec::new();
    for (at, change) in event.changes.iter().enumerate() {
        match change {
            Change::Set { key, .. } | Change::Delete { key } => {
                if range.contains(key) {
                    changes.push(change.clone());
                }
            }
            Change::Clear { range: cleared } => {
                if clears_all(event, at, range) {
                    // A clear with exceptions is one change for each interval between them. The watch is told one.
                    let whole = Interval { start: Bound::Unbounded, end: Bound::Unbounded };
                    let told = Change::Clear { range: whole };
                    if changes.last() != Some(&told) {
                        changes.push(told);
                    }
                } else if let Some(range) = within(cleared, range) {
                    changes.push(Change::Clear { range });
                }
            }
        }
    }
    (!changes.is_empty()).then_some(CommitEvent { seq: event.seq, changes })
}

/// True if the run of clears around `at` leaves nothing of `range`.
fn clears_all(event: &CommitEvent, at: usize, range: &KeyRange) -> bool {
    let clears = |change: &&Change| matches!(change, Change::Clear { .. });
    let before = event.changes.iter().take(at).rev().take_while(clears);
    let run: Vec<&Interval> = before
        .chain(event.changes.iter().skip(at).take_while(clears))
        .filter_map(|change| if let Change::Clear { range } = change { Some(range) } else { None })
        .collect();
    range.intervals().iter().all(|part| run.iter().any(|cleared| covers(cleared, part)))
}

/// True if every key of `part` lies in `cleared`.
fn covers(cleared: &Interval, part: &KeyRange) -> bool {
    let mut narrowed = part.clone();
    narrowed.raise_start(cleared.start.clone());
    narrowed.lower_end(cleared.end.clone());
    narrowed.start == part.start && narrowed.end == part.end
}

/// The part of `cleared` in the interval of `range`. A bound that is the range's own is left out.
fn within(cleared: &Interval, range: &KeyRange) -> Option<Interval> {
    let mut both = KeyRange { start: range.start.clone(), end: range.end.clone(), ..KeyRange::default() };
    both.raise_start(cleared.start.clone());
    both.lower_end(cleared.end.clone());
    if both.is_empty() {
        return None;
    }
    let mut interval = Interval::from(&both);
    if interval.start == range.start {
        interval.start = Bound::Unbounded;
    }
    if interval.end == range.end {
        interval.end = Bound::Unbounded;
    }
    Some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    fn clear(range: &KeyRange) -> Change {
        Change::Clear { range: Interval::from(range) }
    }

    fn told(changes: Vec<Change>, range: &KeyRange) -> Vec<Change> {
        matching(&CommitEvent { seq: 1, changes }, range).map_or_else(Vec::new, |event| event.changes)
    }

    fn whole() -> Change {
        Change::Clear { range: Interval { start: Bound::Unbounded, end: Bound::Unbounded } }
    }

    #[test]
    fn a_clear_that_leaves_nothing_has_no_bounds() {
        let folder = KeyRange::prefix("a/");
        assert_eq!(told(vec![clear(&KeyRange::all())], &folder), [whole()]);
        assert_eq!(told(vec![clear(&folder)], &folder), [whole()]);
        assert_eq!(told(vec![clear(&folder)], &KeyRange::glob("a/x*")), [whole()]);
    }

    #[test]
    fn a_clear_of_a_part_tells_which() {
        let part = KeyRange::prefix("a/b");
        assert_eq!(told(vec![clear(&part)], &KeyRange::prefix("a/")), [clear(&part)]);
        let mut tail = KeyRange::all();
        tail.raise_start(Bound::Included(Key::from("a/m")));
        let rest = Interval { start: Bound::Included(Key::from("a/m")), end: Bound::Unbounded };
        assert_eq!(told(vec![clear(&tail)], &KeyRange::prefix("a/")), [Change::Clear { range: rest }]);
        assert!(told(vec![clear(&KeyRange::prefix("b"))], &KeyRange::prefix("a/")).is_empty());
    }

    #[test]
    fn clears_between_exceptions_are_one() {
        let mut range = KeyRange::all();
        range.except = vec![Key::from("d/"), Key::from("o/")];
        let clears = range.intervals().iter().map(clear).collect();
        assert_eq!(told(clears, &range), [whole()]);
    }
}
