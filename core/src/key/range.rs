use std::ops::Bound;

use super::{Key, prefix_end};
use crate::glob::Glob;

/// A range of keys: an interval, with an optional pattern, exceptions, a direction and a limit.
///
/// # Examples
///
/// ```
/// use holdfast_core::{Key, KeyRange};
///
/// let mut range = KeyRange::prefix("users/");
/// range.except = vec![Key::from("users/old/")];
/// assert!(range.contains(b"users/ada"));
/// assert!(!range.contains(b"users/old/ada"));
///
/// let latest = KeyRange { reverse: true, limit: Some(10), ..KeyRange::glob("log:*") };
/// assert!(latest.contains(b"log:17"));
/// ```
#[derive(Clone, Debug)]
pub struct KeyRange {
    /// The start of the interval.
    pub start: Bound<Key>,
    /// The end of the interval.
    pub end: Bound<Key>,
    /// The range has only the keys of the interval that match.
    pub pattern: Option<Glob>,
    /// Prefixes whose keys are not in the range, such as the folders of the models.
    pub except: Vec<Key>,
    /// True for the descending order of keys.
    pub reverse: bool,
    /// The number of keys that a listing gives at most, counted in the direction of the range; `None` for all.
    /// [`contains`](KeyRange::contains) does not know it.
    pub limit: Option<usize>,
}

impl Default for KeyRange {
    fn default() -> Self {
        KeyRange {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
            pattern: None,
            except: Vec::new(),
            reverse: false,
            limit: None,
        }
    }
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        KeyRange::default()
    }

    /// The keys that start with `prefix`.
    #[must_use]
    pub fn prefix(prefix: impl Into<Key>) -> Self {
        let mut range = KeyRange::default();
        range.narrow_to_prefix(&prefix.into());
        range
    }

    /// The keys that match `pattern`. The literal beginning of the pattern bounds the interval.
    #[must_use]
    pub fn glob(pattern: &str) -> Self {
        let mut range = KeyRange::default();
        range.set_pattern(pattern);
        range
    }

    /// Keeps only the keys that match `pattern`. The literal beginning of the pattern narrows the interval. A pattern
    /// that was set before is replaced if the new one is more than a prefix.
    pub fn set_pattern(&mut self, pattern: &str) {
        let glob = Glob::new(pattern);
        let literal = Key::copy_from_slice(glob.literal_prefix().as_bytes());
        if glob.is_literal() {
            self.raise_start(Bound::Included(literal.clone()));
            self.lower_end(Bound::Included(literal));
            return;
        }
        self.narrow_to_prefix(&literal);
        if !glob.is_prefix() {
            self.pattern = Some(glob);
        }
    }

    /// Keeps only the keys that start with `prefix`. Every key starts with the empty prefix.
    pub fn narrow_to_prefix(&mut self, prefix: &Key) {
        if prefix.is_empty() {
            return;
        }
        self.raise_start(Bound::Included(prefix.clone()));
        if let Some(end) = prefix_end(prefix) {
            self.lower_end(Bound::Excluded(end));
        }
    }

    /// Moves the start up to `bound`, unless it is there or behind already.
    pub fn raise_start(&mut self, bound: Bound<Key>) {
        let tighter = match (&self.start, &bound) {
            (_, Bound::Unbounded) => false,
            (Bound::Unbounded, _) => true,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b)) => b > a,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) => b >= a,
        };
        if tighter {
            self.start = bound;
        }
    }

    /// Moves the end down to `bound`, unless it is there or before already.
    pub fn lower_end(&mut self, bound: Bound<Key>) {
        let tighter = match (&self.end, &bound) {
            (_, Bound::Unbounded) => false,
            (Bound::Unbounded, _) => true,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b)) => b < a,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) => b <= a,
        };
        if tighter {
            self.end = bound;
        }
    }

    /// True if `key` lies in the interval. Pattern and exceptions do not count.
    #[must_use]
    pub fn spans(&self, key: &[u8]) -> bool {
        let after_start = match &self.start {
            Bound::Unbounded => true,
            Bound::Included(start) => key >= start.as_ref(),
            Bound::Excluded(start) => key > start.as_ref(),
        };
        let before_end = match &self.end {
            Bound::Unbounded => true,
            Bound::Included(end) => key <= end.as_ref(),
            Bound::Excluded(end) => key < end.as_ref(),
        };
        after_start && before_end
    }

    /// True if pattern and exceptions let `key` pass. The interval does not count.
    #[must_use]
    pub fn selects(&self, key: &[u8]) -> bool {
        if self.except.iter().any(|prefix| key.starts_with(prefix)) {
            return false;
        }
        match &self.pattern {
            None => true,
            Some(glob) => std::str::from_utf8(key).is_ok_and(|key| glob.matches(key)),
        }
    }

    /// True if `key` is in the range: in the interval, and passed by pattern and exceptions.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.spans(key) && self.selects(key)
    }

    /// True if no key can lie in the interval. `BTreeMap::range` panics on such bounds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b))
            | (Bound::Excluded(a), Bound::Included(b)) => a >= b,
            _ => false,
        }
    }

    /// True if a key may lie in the intervals of both ranges. Patterns and exceptions do not count.
    #[must_use]
    pub fn overlaps(&self, other: &KeyRange) -> bool {
        let mut both = KeyRange { start: self.start.clone(), end: self.end.clone(), ..KeyRange::default() };
        both.raise_start(other.start.clone());
        both.lower_end(other.end.clone());
        !both.is_empty()
    }

    /// True if the range has neither pattern nor exceptions, so that it can be deleted as one interval.
    #[must_use]
    pub fn is_interval(&self) -> bool {
        self.pattern.is_none() && self.except.is_empty()
    }

    /// True if the range is all keys of its interval: it has no pattern, exceptions or limit.
    #[must_use]
    pub fn is_whole_interval(&self) -> bool {
        self.is_interval() && self.limit.is_none()
    }

    /// The intervals of which the range consists, one between each two exceptions. The pattern does not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use holdfast_core::{Key, KeyRange};
    ///
    /// let range = KeyRange { except: vec![Key::from("docs/")], ..KeyRange::all() };
    /// let [before, after] = &range.intervals()[..] else { panic!("not two") };
    /// assert!(before.spans(b"a") && after.spans(b"z"));
    /// assert!(!before.spans(b"docs/1") && !after.spans(b"docs/1"));
    /// ```
    #[must_use]
    pub fn intervals(&self) -> Vec<KeyRange> {
        let mut except = self.except.clone();
        except.sort();
        let mut rest = KeyRange { start: self.start.clone(), end: self.end.clone(), ..KeyRange::default() };
        let mut intervals = Vec::new();
        for prefix in except {
            let mut before = rest.clone();
            before.lower_end(Bound::Excluded(prefix.clone()));
            if !before.is_empty() {
                intervals.push(before);
            }
            match prefix_end(&prefix) {
                Some(end) => rest.raise_start(Bound::Included(end)),
                None => return intervals,
            }
        }
        if !rest.is_empty() {
            intervals.push(rest);
        }
        intervals
    }

    /// The rest of the range behind `key` in the direction of the range, for the next page.
    #[must_use]
    pub fn after(&self, key: &[u8]) -> KeyRange {
        let mut rest = self.clone();
        let bound = Bound::Excluded(Key::copy_from_slice(key));
        if self.reverse {
            rest.lower_end(bound);
        } else {
            rest.raise_start(bound);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_range_holds_exactly_the_keys_with_that_prefix() {
        let range = KeyRange::prefix(&b"a/"[..]);
        assert!(range.contains(b"a/"));
        assert!(range.contains("a/\u{10ffff}".as_bytes()));
        assert!(!range.contains(b"a"));
        assert!(!range.contains(b"a0"));
    }

    #[test]
    fn a_glob_bounds_the_interval_by_its_literal_beginning() {
        let range = KeyRange::glob("user:?:*");
        assert!(!range.spans(b"uses"));
        assert!(range.contains(b"user:1:x"));
        assert!(!range.contains(b"user:12:x"));
        let one = KeyRange::glob("user\\*");
        assert!(one.contains(b"user*"));
        assert!(!one.spans(b"user*x"));
    }

    #[test]
    fn intervals_leave_the_exceptions_out() {
        let mut range = KeyRange::all();
        range.except = vec![Key::from_static(b"o/"), Key::from_static(b"d/")];
        let intervals = range.intervals();
        assert_eq!(intervals.len(), 3);
        for (key, inside) in [("a", true), ("d/x", false), ("d0", true), ("o/", false), ("z", true)] {
            assert_eq!(intervals.iter().any(|part| part.contains(key.as_bytes())), inside, "{key}");
            assert_eq!(range.contains(key.as_bytes()), inside, "{key}");
        }
    }

    #[test]
    fn crossed_bounds_are_empty() {
        let mut range = KeyRange::prefix(&b"b"[..]);
        range.lower_end(Bound::Excluded(Key::from_static(b"b")));
        assert!(range.is_empty());
    }

    #[test]
    fn the_tighter_bound_wins_whatever_the_order() {
        let mut range = KeyRange::all();
        range.raise_start(Bound::Excluded(Key::from_static(b"k")));
        range.raise_start(Bound::Included(Key::from_static(b"k")));
        assert!(!range.contains(b"k"));
    }
}
