//! Keys, the two keyspaces, and ranges of keys.

use std::ops::Bound;

use bytes::Bytes;

use crate::error::{Code, Error, Result};
use crate::glob::Glob;

/// A key: UTF-8 in the user's keyspace, any bytes in ours. Ordered by its bytes; cheap to clone.
pub type Key = Bytes;

/// The longest user key in UTF-8 bytes.
pub const MAX_KEY_BYTES: usize = 4096;

/// Which of the two keyspaces of an engine an operation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// The user's records, readable by other tools.
    User,
    /// What the models keep for themselves: indexes, manifests, markers. Keys are any bytes.
    Internal,
}

/// Checks a user key: not empty, at most [`MAX_KEY_BYTES`] bytes. UTF-8 is the type's promise.
pub fn check_key(key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::new(Code::InvalidKey, "a key must not be empty"));
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::new(
            Code::InvalidKey,
            format!("a key is at most {MAX_KEY_BYTES} UTF-8 bytes, this one has {}", key.len()),
        ));
    }
    Ok(())
}

/// An interval of keys, with an optional glob inside it, a direction and a limit.
#[derive(Clone, Debug)]
pub struct KeyRange {
    pub start: Bound<Key>,
    pub end: Bound<Key>,
    /// Keys in the interval that do not match are not in the range.
    pub pattern: Option<Glob>,
    /// Keys starting with one of these are not in the range (the models' folders).
    pub except: Vec<Key>,
    pub reverse: bool,
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

    /// The keys that match `pattern`; its literal beginning bounds the interval.
    #[must_use]
    pub fn glob(pattern: &str) -> Self {
        let mut range = KeyRange::default();
        range.set_pattern(pattern);
        range
    }

    /// Adds a glob, narrowing the interval by its literal beginning.
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

    /// Keeps only the keys that start with `prefix`.
    pub fn narrow_to_prefix(&mut self, prefix: &Key) {
        if prefix.is_empty() {
            return;
        }
        self.raise_start(Bound::Included(prefix.clone()));
        if let Some(end) = prefix_end(prefix) {
            self.lower_end(Bound::Excluded(end));
        }
    }

    /// Makes the start at least `bound`.
    pub fn raise_start(&mut self, bound: Bound<Key>) {
        let tighter = match (&self.start, &bound) {
            (_, Bound::Unbounded) => false,
            (Bound::Unbounded, _) => true,
            (Bound::Included(a), Bound::Included(b)) | (Bound::Excluded(a), Bound::Included(b)) => b > a,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) => b >= a,
        };
        if tighter {
            self.start = bound;
        }
    }

    /// Makes the end at most `bound`.
    pub fn lower_end(&mut self, bound: Bound<Key>) {
        let tighter = match (&self.end, &bound) {
            (_, Bound::Unbounded) => false,
            (Bound::Unbounded, _) => true,
            (Bound::Included(a), Bound::Included(b)) | (Bound::Excluded(a), Bound::Included(b)) => b < a,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) => b <= a,
        };
        if tighter {
            self.end = bound;
        }
    }

    /// True if `key` lies in the interval, whatever the pattern says.
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

    /// True if `key`, known to lie in the interval, passes the pattern and the exceptions.
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

    /// True if `key` is in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.spans(key) && self.selects(key)
    }

    /// True if no key can lie in the interval. Such a range makes `BTreeMap::range` panic.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b))
            | (Bound::Excluded(a), Bound::Included(b)) => a >= b,
            _ => false,
        }
    }

    /// True if some key may lie in the intervals of both, whatever their patterns say.
    #[must_use]
    pub fn overlaps(&self, other: &KeyRange) -> bool {
        let mut both = KeyRange { start: self.start.clone(), end: self.end.clone(), ..KeyRange::default() };
        both.raise_start(other.start.clone());
        both.lower_end(other.end.clone());
        !both.is_empty()
    }

    /// True if the interval alone decides, so that it can be deleted as one.
    #[must_use]
    pub fn is_interval(&self) -> bool {
        self.pattern.is_none() && self.except.is_empty()
    }

    /// The intervals that make up this range but for its pattern: one between each two exceptions.
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

    /// The rest of this range after `key`, in the range's direction: where the next page starts.
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

/// The first key after all keys that start with `prefix`, or `None` if there is none.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Key> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end.into());
        }
    }
    None
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
    fn prefix_end_carries_over_trailing_ff() {
        assert_eq!(prefix_end(b"a\xff\xff").as_deref(), Some(&b"b"[..]));
        assert_eq!(prefix_end(b"\xff"), None);
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
