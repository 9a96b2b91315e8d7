//! The reads of a transaction from one engine. They become the checks of its commit.

use std::collections::HashMap;
use std::ops::Bound;

use crate::batch::{Batch, Check, RangeCheck};
use crate::key::{Key, KeyRange, Space};
use crate::record::Version;

/// The keys and ranges that were read, each once.
#[derive(Debug, Default)]
pub(super) struct Reads {
    keys: HashMap<(Space, Key), Option<Version>>,
    ranges: Vec<(Space, KeyRange)>,
}

impl Reads {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ranges.is_empty()
    }

    /// Notes that `key` had this version; `None` for an absent key. The first version is the one that counts.
    pub(super) fn key(&mut self, space: Space, key: Key, version: Option<Version>) {
        self.keys.entry((space, key)).or_insert(version);
    }

    /// Notes a page of `range` behind `after`, which ended at `next` or at the end of the range.
    pub(super) fn page(&mut self, space: Space, range: &KeyRange, after: Option<&[u8]>, next: Option<&Key>) {
        let mut read = after.map_or_else(|| range.clone(), |after| range.after(after));
        read.limit = None;
        if read.is_empty() {
            // The engine was not asked, so there is no commit that this was read at.
            return;
        }
        if let Some(next) = next {
            let bound = Bound::Included(next.clone());
            if range.reverse { read.raise_start(bound) } else { read.lower_end(bound) }
        }
        if let Some(after) = after
            && self.extend(space, &read, after)
        {
            return;
        }
        self.ranges.push((space, read));
    }

    /// Extends the last range by the page that continues it.
    fn extend(&mut self, space: Space, page: &KeyRange, after: &[u8]) -> bool {
        let Some((last_space, last)) = self.ranges.last_mut() else { return false };
        let at = |bound: &Bound<Key>| matches!(bound, Bound::Included(key) if key.as_ref() == after);
        // Another scan may have stopped at the same key, and select other keys.
        if *last_space != space
            || last.reverse != page.reverse
            || last.pattern != page.pattern
            || last.except != page.except
        {
            return false;
        }
        if page.reverse && at(&last.start) {
            last.start = page.start.clone();
        } else if !page.reverse && at(&last.end) {
            last.end = page.end.clone();
        } else {
            return false;
        }
        true
    }

    /// Adds the checks to a batch; `since` is the commit that all reads belong to.
    pub(super) fn guard(self, batch: &mut Batch, since: u64) {
        let checks = self.keys.into_iter().map(|((space, key), version)| Check { space, key, version });
        batch.checks.extend(checks);
        let ranges = self.ranges.into_iter().map(|(space, range)| RangeCheck { space, range, since });
        batch.range_checks.extend(ranges);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::Glob;

    fn guarded(reads: Reads) -> Batch {
        let mut batch = Batch::default();
        reads.guard(&mut batch, 7);
        batch
    }

    #[test]
    fn a_range_that_holds_no_key_is_not_checked() {
        let (start, end) = (Bound::Included(Key::from_static(b"b")), Bound::Excluded(Key::from_static(b"b")));
        let mut reads = Reads::default();
        reads.page(Space::User, &KeyRange { start, end, ..KeyRange::all() }, None, None);
        assert!(reads.is_empty());
    }

    #[test]
    fn pages_that_follow_one_another_are_one_range() {
        let mut reads = Reads::default();
        let range = KeyRange { limit: Some(9), ..KeyRange::prefix("a") };
        let keys: Vec<Key> = ["a3", "a6"].into_iter().map(|key| Key::from_static(key.as_bytes())).collect();
        reads.page(Space::User, &range, None, Some(&keys[0]));
        reads.page(Space::User, &range, Some(b"a3"), Some(&keys[1]));
        let checks = guarded(reads).range_checks;
        assert_eq!(checks.len(), 1);
        assert!(checks[0].range.contains(b"a1") && checks[0].range.contains(b"a6"));
        assert!(!checks[0].range.contains(b"a7"), "what was not looked at may change");
        assert_eq!(checks[0].range.limit, None);
    }

    #[test]
    fn a_scan_from_the_end_extends_downwards() {
        let mut reads = Reads::default();
        let range = KeyRange { reverse: true, ..KeyRange::prefix("a") };
        reads.page(Space::User, &range, None, Some(&Key::from_static(b"a6")));
        reads.page(Space::User, &range, Some(b"a6"), None);
        let checks = guarded(reads).range_checks;
        assert_eq!(checks.len(), 1);
        assert!(checks[0].range.contains(b"a0") && checks[0].range.contains(b"a9"));
    }

    #[test]
    fn a_page_does_not_continue_what_another_scan_read() {
        let all = KeyRange::prefix("k/");
        let matching = KeyRange { pattern: Some(Glob::new("k/*/a")), ..all.clone() };
        let excepting = KeyRange { except: vec![Key::from_static(b"k/7")], ..all.clone() };
        let stop = Key::from_static(b"k/5/a");
        for other in [matching, excepting] {
            let mut reads = Reads::default();
            reads.page(Space::User, &all, None, Some(&stop));
            reads.page(Space::User, &other, None, Some(&stop));
            reads.page(Space::User, &all, Some(&stop), None);
            let checks = guarded(reads).range_checks;
            assert!(checks.iter().any(|check| check.range.contains(b"k/7/b")), "{other:?}");
        }
    }

    #[test]
    fn the_first_version_read_is_the_one_that_counts() {
        let mut reads = Reads::default();
        reads.key(Space::User, Key::from_static(b"k"), None);
        reads.key(Space::User, Key::from_static(b"k"), Some(Version::of_commit(3)));
        assert_eq!(guarded(reads).checks[0].version, None);
    }
}
