//! Iterators over a range of keys, and the bounds that RocksDB wants for it.

use std::ops::Bound;

use rocksdb::{DBRawIteratorWithThreadMode, ReadOptions};

use super::database::OpenDatabase;
use super::generation::{Db, Family};
use crate::key::{Key, KeyRange};

pub(super) type RawIterator<'a> = DBRawIteratorWithThreadMode<'a, Db>;

/// An iterator at the first key of `range`, in its direction. It ends with the range.
pub(super) fn seek<'a>(
    open: &'a OpenDatabase,
    family: &Family,
    range: &KeyRange,
    mut options: ReadOptions,
) -> RawIterator<'a> {
    if let Some(start) = lower_bound(&range.start) {
        options.set_iterate_lower_bound(start);
    }
    if let Some(end) = upper_bound(&range.end) {
        options.set_iterate_upper_bound(end);
    }
    let mut keys = open.db.raw_iterator_cf_opt(&family.handle, options);
    if range.reverse {
        keys.seek_to_last();
    } else {
        keys.seek_to_first();
    }
    keys
}

/// The smallest key that a start allows.
pub(super) fn lower_bound(start: &Bound<Key>) -> Option<Vec<u8>> {
    match start {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(key.to_vec()),
        Bound::Excluded(key) => Some(successor(key)),
    }
}

/// The smallest key behind an end.
pub(super) fn upper_bound(end: &Bound<Key>) -> Option<Vec<u8>> {
    match end {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(successor(key)),
        Bound::Excluded(key) => Some(key.to_vec()),
    }
}

/// The next key in the order of bytes.
pub(super) fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}
