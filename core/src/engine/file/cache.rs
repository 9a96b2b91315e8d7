//! A cache of records, each with the stamp of the file it was read from or written to.

use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::os::Stamp;
use crate::key::Key;
use crate::record::Record;

/// Bytes of cached records at most.
const CACHE_BYTES: u64 = 64 << 20;

/// The expected bytes of a cached record.
const RECORD_BYTES: u64 = 512;

/// A record as its file held it when the file had this stamp.
pub(super) struct CachedRecord {
    pub record: Record,
    pub stamp: Stamp,
    /// True if the file may have changed since without a change of its stamp.
    pub racy: bool,
}

/// Records of user keys. Its locks are within it, and it calls nothing of the engine.
pub(super) struct RecordCache {
    records: Cache<Key, Arc<CachedRecord>, Weight>,
}

impl RecordCache {
    pub(super) fn new() -> Self {
        let expected = usize::try_from(CACHE_BYTES / RECORD_BYTES).unwrap_or(usize::MAX);
        RecordCache { records: Cache::with_weighter(expected, CACHE_BYTES, Weight) }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<CachedRecord>> {
        self.records.get(key)
    }

    pub(super) fn insert(&self, key: Key, record: Arc<CachedRecord>) {
        self.records.insert(key, record);
    }

    /// Caches `record`, which was just written to a file that has `stamp` now. A file system may keep coarser times
    /// than the record's. Then only the file tells times and version.
    pub(super) fn insert_written(&self, key: &Key, record: &Record, stamp: Stamp) {
        if record.updated_at == Some(stamp.millis()) {
            self.insert(key.clone(), Arc::new(CachedRecord { record: record.clone(), stamp, racy: true }));
        } else {
            self.remove(key);
        }
    }

    pub(super) fn remove(&self, key: &Key) {
        self.records.remove(key);
    }

    pub(super) fn clear(&self) {
        self.records.clear();
    }

    /// Bytes of the cached records.
    pub(super) fn bytes(&self) -> u64 {
        self.records.weight()
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<CachedRecord>> for Weight {
    fn weight(&self, key: &Key, cached: &Arc<CachedRecord>) -> u64 {
        let metadata = cached.record.metadata.as_ref().map_or(0, Bytes::len);
        (256 + key.len() + cached.record.value.len() + metadata) as u64
    }
}
