//! The changes of a commit that belong to the range of a watch.

use std::ops::Bound;

use super::{Change, CommitEvent, Cursor, Interval, WatchedCommit};
use crate::key::KeyRange;

/// The part of a commit that lies in `range` and behind `since`; `None` if that is nothing.
pub(super) fn matching(event: &CommitEvent, range: &KeyRange, since: Option<Cursor>) -> Option<WatchedCommit> {
    let whole = Change::Clear { range: Interval { start: Bound::Unbounded, end: Bound::Unbounded } };
    let mut changes: Vec<Change> = Vec::new();
    let mut cursors: Vec<Cursor> = Vec::new();
    for (at, change) in event.changes.iter().enumerate() {
        // The place counts the changes of the whole commit, so that it is the same for every range.
        let cursor = Cursor::within(event.seq, at as u64 + 1);
        if since.is_some_and(|since| cursor <= since) {
            continue;
        }
        let told = match change {
            Change::Set { key, .. } | Change::Delete { key } => range.contains(key).then(|| change.clone()),
            Change::Clear { .. } if clears_all(event, at, range) => Some(whole.clone()),
            Change::Clear { range: cleared } => within(cleared, range).map(|range| Change::Clear { range }),
        };
        let Some(told) = told else { continue };
        // A clear with exceptions is one change for each interval between them. The watch is told one.
        if told == whole && changes.last() == Some(&whole) {
            cursors.pop();
        } else {
            changes.push(told);
        }
        cursors.push(cursor);
    }
    *cursors.last_mut()? = Cursor::behind(event.seq);
    Some(WatchedCommit { seq: event.seq, changes, cursors })
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
    use crate::record::Version;

    fn clear(range: &KeyRange) -> Change {
        Change::Clear { range: Interval::from(range) }
    }

    fn told(changes: Vec<Change>, range: &KeyRange) -> Vec<Change> {
        matching(&CommitEvent { seq: 1, changes }, range, None).map_or_else(Vec::new, |commit| commit.changes)
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

    #[test]
    fn a_cursor_inside_a_commit_is_the_same_place_for_every_range() {
        let set = |key: &'static str| Change::Set { key: Key::from(key), version: Version::of_commit(7), value: None };
        let mut cleared = KeyRange::prefix("c");
        cleared.except = vec![Key::from("cc")];
        let mut changes = vec![set("b/1"), set("a/1"), Change::Delete { key: Key::from("a/2") }];
        changes.extend(cleared.intervals().iter().map(clear));
        changes.push(set("a/3"));
        let event = CommitEvent { seq: 7, changes };
        let folder = matching(&event, &KeyRange::prefix("a/"), None).unwrap();
        let places: Vec<String> = folder.cursors.iter().map(Cursor::to_string).collect();
        assert_eq!(places, ["7.2", "7.3", "7"]);
        let rest = |since| matching(&event, &KeyRange::all(), Some(since)).map(|commit| commit.changes);
        assert_eq!(rest(folder.cursors[0]).unwrap(), event.changes[2..]);
        assert_eq!(rest(Cursor::behind(6)).unwrap(), event.changes);
        assert_eq!(rest(folder.cursors[2]), None);
        // The one clear that is told lies before the cursor with all of its intervals.
        let cut = matching(&event, &cleared, None).unwrap();
        assert_eq!((cut.changes.len(), cut.cursors[0]), (1, Cursor::behind(7)));
    }
}
