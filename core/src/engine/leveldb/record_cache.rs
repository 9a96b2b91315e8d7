//! The record cache, in front of RocksDB: recently read or written records, found without a call into RocksDB.
//!
//! The cache is right because this process owns the store, and a writer updates the cache before its write is answered.
//! A reader that missed takes a ticket and reads RocksDB. It may fill the cache only if no writer touched the key's
//! stripe meanwhile; otherwise it could put an old record over a newer one.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::format::leveldb::Encoded;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;

/// The bytes that an entry costs beside key and record.
const OVERHEAD: u64 = 320;

/// The number of stripes. Each has a lock, and a share of the keys.
const STRIPES: usize = 64;

pub(super) struct RecordCache {
    records: Cache<CacheKey, Arc<Record>, ByBytes>,
    /// How often writers touched the keys of each stripe. Locked while the stripe's entries change.
    stripes: Vec<Mutex<u64>>,
    /// How often the cache was cleared.
    clears: AtomicU64,
    /// The length of the largest value that is cached.
    largest: usize,
}

/// The state of a key's stripe before a reader read RocksDB.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    stripe: usize,
    writes: u64,
}

impl RecordCache {
    /// A cache of about `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / (OVERHEAD + 100)).unwrap_or(usize::MAX);
        RecordCache {
            records: Cache::with_weighter(items, bytes, ByBytes),
            stripes: (0..STRIPES).map(|_| Mutex::new(0)).collect(),
            clears: AtomicU64::new(0),
            largest: usize::try_from(bytes / 256).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn get(&self, space: Space, key: &[u8]) -> Option<Arc<Record>> {
        self.records.get(&CacheKeyRef { space, key })
    }

    /// Takes a ticket. To be called before RocksDB is read.
    pub(super) fn ticket(&self, key: &[u8]) -> Ticket {
        let stripe = stripe_of(key);
        Ticket { stripe, writes: self.stripes.get(stripe).map_or(0, |writes| *writes.lock()) }
    }

    /// Caches the record that a reader found, unless a writer touched the stripe since the ticket.
    pub(super) fn fill(&self, ticket: Ticket, space: Space, key: &[u8], record: &Arc<Record>) {
        if record.value.len() > self.largest {
            return;
        }
        let Some(writes) = self.stripes.get(ticket.stripe) else { return };
        let writes = writes.lock();
        if *writes == ticket.writes {
            self.records.insert(CacheKey { space, key: Key::copy_from_slice(key) }, record.clone());
        }
    }

    /// For a writer that put this record.
    pub(super) fn put(&self, space: Space, encoded: &Encoded) {
        let record = &encoded.record;
        if record.value.len() > self.largest {
            return self.remove(space, encoded.key());
        }
        if let Some(writes) = self.stripes.get(stripe_of(encoded.key())) {
            let mut writes = writes.lock();
            *writes += 1;
            self.records.insert(CacheKey { space, key: encoded.shared_key() }, record.clone());
        }
    }

    /// For a writer that removed this key, or may have changed it.
    pub(super) fn remove(&self, space: Space, key: &[u8]) {
        if let Some(writes) = self.stripes.get(stripe_of(key)) {
            let mut writes = writes.lock();
            *writes += 1;
            self.records.remove(&CacheKeyRef { space, key });
        }
    }

    /// For a writer that removed every key of `range`.
    pub(super) fn remove_range(&self, space: Space, range: &KeyRange) {
        let _all = self.touch_all();
        self.records.retain(|cached, _| cached.space != space || !range.contains(&cached.key));
    }

    /// The bytes of all entries.
    pub(super) fn bytes(&self) -> u64 {
        self.records.weight()
    }

    pub(super) fn clear(&self) {
        self.clear_with(|| {});
    }

    /// Clears the cache, and calls `change` before it can be filled again.
    pub(super) fn clear_with(&self, change: impl FnOnce()) {
        let _all = self.touch_all();
        self.clears.fetch_add(1, Ordering::AcqRel);
        change();
        self.records.clear();
    }

    /// How often the cache was cleared. Read again behind a record of the cache, it tells whether the record is younger
    /// than the last clearing.
    pub(super) fn clears(&self) -> u64 {
        self.clears.load(Ordering::Acquire)
    }

    /// Counts a write in every stripe, and keeps them all locked.
    fn touch_all(&self) -> Vec<MutexGuard<'_, u64>> {
        let mut locked: Vec<_> = self.stripes.iter().map(Mutex::lock).collect();
        for writes in &mut locked {
            **writes += 1;
        }
        locked
    }
}

/// The stripe of a key. Its last eight bytes suffice to spread the keys that are written at one time.
fn stripe_of(key: &[u8]) -> usize {
    let mixed = key
        .iter()
        .rev()
        .take(8)
        .fold(key.len(), |sum, byte| (sum.rotate_left(5) ^ usize::from(*byte)).wrapping_mul(0x9E37_79B1));
    (mixed >> 8) % STRIPES
}

#[derive(PartialEq, Eq)]
struct CacheKey {
    space: Space,
    key: Key,
}

struct CacheKeyRef<'a> {
    space: Space,
    key: &'a [u8],
}

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        CacheKeyRef { space: self.space, key: &self.key }.hash(state);
    }
}

impl Hash for CacheKeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.key);
        state.write_u8(u8::from(self.space == Space::User));
    }
}

impl Equivalent<CacheKey> for CacheKeyRef<'_> {
    fn equivalent(&self, key: &CacheKey) -> bool {
        self.space == key.space && self.key == key.key
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<CacheKey, Arc<Record>> for ByBytes {
    fn weight(&self, key: &CacheKey, record: &Arc<Record>) -> u64 {
        let metadata = record.metadata.as_ref().map_or(0, bytes::Bytes::len);
        OVERHEAD + (key.key.len() + record.value.len() + metadata) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::leveldb::encode;
    use crate::value::Value;

    fn record(text: &'static str) -> Record {
        Record::bare(Value::json(text), None)
    }

    #[test]
    fn a_reader_cannot_put_an_old_record_over_a_newer_one() {
        let cache = RecordCache::new(1 << 20);
        let ticket = cache.ticket(b"k");
        let encoded = encode(b"k", &record("2"), 2);
        cache.put(Space::User, &encoded);
        cache.fill(ticket, Space::User, b"k", &Arc::new(record("1")));
        assert_eq!(cache.get(Space::User, b"k").unwrap().value, Value::json("2"));

        let ticket = cache.ticket(b"k");
        cache.remove(Space::User, b"k");
        cache.fill(ticket, Space::User, b"k", &Arc::new(record("2")));
        assert!(cache.get(Space::User, b"k").is_none());

        let ticket = cache.ticket(b"k");
        cache.remove_range(Space::User, &KeyRange::all());
        cache.fill(ticket, Space::User, b"k", &Arc::new(record("2")));
        assert!(cache.get(Space::User, b"k").is_none());

        let ticket = cache.ticket(b"k");
        cache.fill(ticket, Space::User, b"k", &Arc::new(record("3")));
        assert_eq!(cache.get(Space::User, b"k").unwrap().value, Value::json("3"));
    }

    #[test]
    fn keyspaces_are_apart_and_ranges_go() {
        let cache = RecordCache::new(1 << 20);
        for space in [Space::User, Space::Internal] {
            cache.fill(cache.ticket(b"a/1"), space, b"a/1", &Arc::new(record("1")));
            cache.fill(cache.ticket(b"b/1"), space, b"b/1", &Arc::new(record("1")));
        }
        cache.remove_range(Space::User, &KeyRange::prefix(&b"a/"[..]));
        assert!(cache.get(Space::User, b"a/1").is_none());
        assert!(cache.get(Space::User, b"b/1").is_some());
        assert!(cache.get(Space::Internal, b"a/1").is_some());
    }

    #[test]
    fn the_cache_is_bounded_by_bytes() {
        let cache = RecordCache::new(1 << 20);
        for n in 0..20_000_u32 {
            let encoded = encode(&n.to_be_bytes(), &record("1"), 1);
            cache.put(Space::User, &encoded);
        }
        assert!(cache.bytes() <= 1 << 20);
        let huge = Record::bare(Value::Binary(vec![0; 1 << 19].into()), None);
        let encoded = encode(b"huge", &huge, 1);
        cache.put(Space::User, &encoded);
        assert!(cache.get(Space::User, b"huge").is_none());
    }
}
