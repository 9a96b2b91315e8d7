//! Entries on their way into a table of RocksDB, which takes them in the order of their keys.

use std::path::Path;

use bytes::Bytes;
use rocksdb::{Options, SstFileWriter};

/// The bytes that an entry costs beside key and value.
const OVERHEAD: usize = 128;

#[derive(Default)]
pub(super) struct SortedRun {
    entries: Vec<(Bytes, Bytes)>,
    bytes: usize,
}

impl SortedRun {
    pub(super) fn push(&mut self, key: Bytes, value: Bytes) {
        self.bytes += key.len() + value.len() + OVERHEAD;
        self.entries.push((key, value));
    }

    /// About how much memory the entries take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Writes the entries as the table `path`, which is synced. Of entries with the same key, the last one counts.
    pub(super) fn write(self, path: &Path, options: &Options) -> Result<(), rocksdb::Error> {
        let mut entries = self.entries;
        // A stable sort: entries with the same key stay in their order.
        entries.sort_by(|(key, _), (other, _)| key.cmp(other));
        let mut table = SstFileWriter::create(options);
        table.open(path)?;
        let mut entries = entries.into_iter().peekable();
        while let Some((key, value)) = entries.next() {
            if entries.peek().is_none_or(|(next, _)| *next != key) {
                table.put(key, value)?;
            }
        }
        table.finish()
    }
}
