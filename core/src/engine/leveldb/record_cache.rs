//! Records lately read or written, in front of RocksDB: a hit costs no call into it.
//!
//! True because this process owns the store and its writers tell the cache before their write is answered. A
//! reader that missed takes a ticket, reads RocksDB, and may keep what it found only if no writer came by
//! meanwhile: otherwise it could put an old record over a newer one.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::format::Encoded;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;

/// Bytes an entry costs beside key and record.
const OVERHEAD: u64 = 320;

/// Locks, each for a share of the keys.
const STRIPES: usize = 64;

pub(super) struct RecordCache {
    records: Cache<Name, Arc<Record>, ByBytes>,
    /// How often writers touched a stripe's keys. Held while a stripe's entries change.
    stripes: Vec<Mutex<u64>>,
    largest: usize,
}

/// What a reader saw of a key's stripe before it read.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    stripe: usize,
    writes: u64,
}

impl RecordCache {
    /// A cache of about `bytes`.
    pub fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / (OVERHEAD + 100)).unwrap_or(usize::MAX);
        RecordCache {
            records: Cache::with_weighter(items, bytes, ByBytes),
            stripes: (0..STRIPES).map(|_| Mutex::new(0)).collect(),
            largest: usize::try_from(bytes / 256).unwrap_or(usize::MAX),
        }
    }

    pub fn get(&self, space: Space, key: &[u8]) -> Option<Arc<Record>> {
        self.records.get(&NameRef { space, key })
    }

    /// To be taken before RocksDB is read.
    pub fn ticket(&self, key: &[u8]) -> Ticket {
        let stripe = stripe_of(key);
        Ticket { stripe, writes: self.stripes.get(stripe).map_or(0, |writes| *writes.lock()) }
    }

    /// Keeps what a reader found, unless a writer came by since its ticket.
    pub fn fill(&self, ticket: Ticket, space: Space, key: &[u8], record: &Arc<Record>) {
        if record.value.len() > self.largest {
            return;
        }
        let Some(writes) = self.stripes.get(ticket.stripe) else { return };
        let writes = writes.lock();
        if *writes == ticket.writes {
            self.records.insert(Name { space, key: Key::copy_from_slice(key) }, record.clone());
        }
    }

    /// A writer put this record.
    pub fn put(&self, space: Space, encoded: &Encoded) {
        let record = &encoded.record;
        if record.value.len() > self.largest {
            return self.remove(space, encoded.key());
        }
        if let Some(writes) = self.stripes.get(stripe_of(encoded.key())) {
            let mut writes = writes.lock();
            *writes += 1;
            self.records.insert(Name { space, key: encoded.shared_key() }, record.clone());
        }
    }

    /// A writer removed this key, or may have changed it.
    pub fn remove(&self, space: Space, key: &[u8]) {
        if let Some(writes) = self.stripes.get(stripe_of(key)) {
            let mut writes = writes.lock();
            *writes += 1;
            self.records.remove(&NameRef { space, key });
        }
    }

    /// A writer removed every key of `range`.
    pub fn remove_range(&self, space: Space, range: &KeyRange) {
        let mut locked: Vec<_> = self.stripes.iter().map(Mutex::lock).collect();
        for writes in &mut locked {
            **writes += 1;
        }
        self.records.retain(|name, _| name.space != space || !range.contains(&name.key));
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.records.weight()
    }

    pub fn clear(&self) {
        let mut locked: Vec<_> = self.stripes.iter().map(Mutex::lock).collect();
        for writes in &mut locked {
            **writes += 1;
        }
        self.records.clear();
    }
}

/// The stripe of a key: a few bytes of it suffice to spread the keys that are written at one time.
fn stripe_of(key: &[u8]) -> usize {
    let mixed = key
        .iter()
        .rev()
        .take(8)
        .fold(key.len(), |sum, byte| (sum.rotate_left(5) ^ usize::from(*byte)).wrapping_mul(0x9E37_79B1));
    (mixed >> 8) % STRIPES
}

#[derive(PartialEq, Eq)]
struct Name {
    space: Space,
    key: Key,
}

struct NameRef<'a> {
    space: Space,
    key: &'a [u8],
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NameRef { space: self.space, key: &self.key }.hash(state);
    }
}

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.key);
        state.write_u8(u8::from(self.space == Space::User));
    }
}

impl Equivalent<Name> for NameRef<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        self.space == name.space && self.key == name.key
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Name, Arc<Record>> for ByBytes {
    fn weight(&self, name: &Name, record: &Arc<Record>) -> u64 {
        let metadata = record.metadata.as_ref().map_or(0, bytes::Bytes::len);
        OVERHEAD + (name.key.len() + record.value.len() + metadata) as u64
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
