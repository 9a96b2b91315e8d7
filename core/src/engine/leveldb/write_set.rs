//! The writes of a group, on their way into RocksDB as one batch, which is whole or not at all.

use rocksdb::{WriteBatch, WriteOptions};

use super::database::OpenDatabase;
use super::record_cache::RecordCache;
use crate::format::leveldb::Encoded;
use crate::key::{Key, KeyRange, Space};

/// One entry of the RocksDB batch. Each takes exactly one sequence number of RocksDB.
pub(super) enum Write {
    Put(Space, Encoded),
    Remove(Space, Key),
    /// A range, and its bounds: from the first key, before the second.
    RemoveRange(Space, KeyRange, Vec<u8>, Vec<u8>),
    AddExpiry(Vec<u8>),
    RemoveExpiry(Vec<u8>),
}

#[derive(Default)]
pub(super) struct WriteSet {
    writes: Vec<Write>,
}

impl WriteSet {
    pub(super) fn reserve(&mut self, writes: usize) {
        self.writes.reserve(writes);
    }

    pub(super) fn push(&mut self, write: Write) {
        self.writes.push(write);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.writes.truncate(len);
    }

    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Writes all or nothing.
    pub(super) fn write(&self, open: &OpenDatabase, options: &WriteOptions) -> Result<(), rocksdb::Error> {
        if self.writes.is_empty() {
            return Ok(());
        }
        let generation = open.current();
        let family = |space: Space| &generation.of(space).handle;
        if let [Write::Put(space, encoded)] = self.writes.as_slice() {
            return open.db.put_cf_opt(family(*space), encoded.key(), encoded.bytes(), options);
        }
        let index = &generation.expiry.handle;
        let bytes = self.writes.iter().map(Write::size).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        for write in &self.writes {
            match write {
                Write::Put(space, encoded) => batch.put_cf(family(*space), encoded.key(), encoded.bytes()),
                Write::Remove(space, key) => batch.delete_cf(family(*space), key),
                Write::RemoveRange(space, _, start, end) => batch.delete_range_cf(family(*space), start, end),
                Write::AddExpiry(key) => batch.put_cf(index, key, b""),
                Write::RemoveExpiry(key) => batch.delete_cf(index, key),
            }
        }
        open.db.write_opt(batch, options)
    }

    /// Makes the cache follow what was written.
    pub(super) fn update_cache(self, cache: &RecordCache) {
        for write in self.writes {
            match write {
                Write::Put(space, encoded) => cache.put(space, &encoded),
                Write::Remove(space, key) => cache.remove(space, &key),
                Write::RemoveRange(space, range, ..) => cache.remove_range(space, &range),
                Write::AddExpiry(_) | Write::RemoveExpiry(_) => {}
            }
        }
    }
}

impl Write {
    /// About how many bytes it takes in the RocksDB batch.
    fn size(&self) -> usize {
        16 + match self {
            Write::Put(_, encoded) => encoded.key().len() + encoded.bytes().len(),
            Write::Remove(_, key) => key.len(),
            Write::RemoveRange(_, _, start, end) => start.len() + end.len(),
            Write::AddExpiry(key) | Write::RemoveExpiry(key) => key.len(),
        }
    }
}
