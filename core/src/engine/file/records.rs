//! The open store: its folder, what is remembered of it, and how a record is read.
//!
//! `files` is held for reading by whoever looks at several files as one moment, and for writing while a batch's
//! files are put in place. ProcessLock order: `writer`, `files`, then any of the others, one at a time.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use xxhash_rust::xxh3::xxh3_128;

use super::metadata::{MetadataReader, Sidecar};
use super::name::{self, FilePath};
use super::os::{Folder, Kind, Root, Stamp, nanos, stamp_of};
use super::process_lock::ProcessLock;
use super::sidecar_buffer::SidecarBuffer;
use super::text::{self, Encoding};
use super::versions::Moments;
use super::write::Writer;
use crate::engine::pace::Pace;
use crate::engine::watch::Feed;
use crate::engine::{Counters, Durability};
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::{Record, Version};

/// Our own folder below the base folder. No key's name starts with a dot.
pub(super) const OURS: &str = ".holdfast";

/// Where the files of long keys lie.
pub(super) const LONG: &str = ".holdfast/long";

/// Bytes of records remembered at most.
const CACHE_BYTES: u64 = 64 << 20;

pub(super) struct Shelf {
    pub root: Root,
    /// The base folder as the user wrote it, for messages.
    pub base: String,
    pub encoding: Encoding,
    pub durability: Durability,
    pub read_only: bool,
    /// The sequence number of the latest commit.
    pub seq: AtomicU64,
    pub files: RwLock<()>,
    /// `None` once closed, and in a store opened read-only.
    pub writer: Mutex<Option<Writer>>,
    pub reader: MetadataReader,
    pub long: RwLock<LongNames>,
    pub sidecars: SidecarBuffer,
    pub moments: Mutex<Moments>,
    pub cache: Cache<Key, Arc<Known>, Weight>,
    /// Set after a sync failed: what was written since the last good one may be gone.
    pub poisoned: AtomicBool,
    pub pace: Pace,
    pub counters: Arc<Counters>,
    /// The same of reads through a view.
    pub read_pace: Pace,
    /// At `full`: folders in which a folder was made and not synced yet, by a write that then failed perhaps.
    pub grown: Mutex<BTreeSet<String>>,
    /// Set where a temporary file was removed without a sync: power loss may bring it back.
    pub untidy: AtomicBool,
    pub feed: Arc<Feed>,
    /// Of a store opened read-only; a writer's lock is with the writer.
    pub shared_lock: Mutex<Option<ProcessLock>>,
}

/// A record as its file held it when it had this stamp.
pub(super) struct Known {
    pub record: Record,
    pub stamp: Stamp,
    /// True if the file may have changed since without a change of its stamp.
    pub racy: bool,
}

#[derive(Clone)]
pub(super) struct Weight;

impl Weighter<Key, Arc<Known>> for Weight {
    fn weight(&self, key: &Key, known: &Arc<Known>) -> u64 {
        let metadata = known.record.metadata.as_ref().map_or(0, Bytes::len);
        (256 + key.len() + known.record.value.len() + metadata) as u64
    }
}

pub(super) fn new_cache() -> Cache<Key, Arc<Known>, Weight> {
    Cache::with_weighter(usize::try_from(CACHE_BYTES / 512).unwrap_or(usize::MAX), CACHE_BYTES, Weight)
}

/// The file names of keys too long to have a path of their own.
#[derive(Default)]
pub(super) struct LongNames {
    names: BTreeMap<Key, String>,
    taken: HashSet<String>,
}

impl LongNames {
    pub fn insert(&mut self, key: Key, name: String) {
        self.taken.insert(name.clone());
        self.names.insert(key, name);
    }

    pub fn remove(&mut self, key: &[u8]) {
        if let Some(name) = self.names.remove(key) {
            self.taken.remove(&name);
        }
    }

    pub fn names(&self) -> &BTreeMap<Key, String> {
        &self.names
    }

    /// The name a new long key gets: its hash, and a number where that is taken.
    pub fn name_for(&self, key: &[u8]) -> String {
        let hash = xxh3_128(key);
        let mut name = format!("{hash:032x}.json");
        let mut number = 1;
        while self.taken.contains(&name) {
            name = format!("{hash:032x}-{number}.json");
            number += 1;
        }
        name
    }
}

impl Shelf {
    /// Where the file of `key` lies, if a file of it can exist.
    pub fn path(&self, key: &[u8]) -> Option<FilePath> {
        name::path_of(key).or_else(|| self.long.read().names().get(key).map(|name| FilePath::new(LONG, name)))
    }

    pub fn folder(&self, path: &str) -> Result<Option<Folder>> {
        self.root.folder(path).map_err(|error| self.io("open the folder", path, &error))
    }

    /// What `stat` says of a key's file; `None` if there is none.
    pub fn stat(&self, key: &[u8]) -> Result<Option<Stamp>> {
        let Some(path) = self.path(key) else { return Ok(None) };
        let Some(folder) = self.folder(path.folder())? else { return Ok(None) };
        let found = folder.stat(path.name()).map_err(|error| self.io("look at", path.as_str(), &error).at_key(key))?;
        Ok(found.filter(|(_, kind)| *kind == Kind::File).map(|(stamp, _)| stamp))
    }

    /// The record of a user key, remembered if its file still has the same stamp, else read.
    pub fn user(&self, key: &Key) -> Result<Option<Arc<Known>>> {
        match self.remembered(key)? {
            Memory::Absent => Ok(None),
            Memory::Fresh(known) => {
                self.counters.cache_hits.one();
                Ok(Some(known))
            }
            Memory::Stale(_) | Memory::Nothing(_) => {
                self.counters.cache_misses.one();
                self.load(key)
            }
        }
    }

    /// What memory and one `stat` can tell of a user key.
    pub fn remembered(&self, key: &Key) -> Result<Memory> {
        if self.poisoned.load(Ordering::Acquire)
            && let Some(decided) = self.moments.lock().decided(key)
        {
            let stamp = Stamp { modified: 0, changed: 0, size: 0, inode: 0 };
            let fresh = |record: &Record| Memory::Fresh(Arc::new(Known { record: record.clone(), stamp, racy: false }));
            return Ok(decided.as_ref().map_or(Memory::Absent, fresh));
        }
        let Some(stamp) = self.stat(key)? else { return Ok(Memory::Absent) };
        Ok(match self.cache.get(key) {
            Some(known) if known.stamp == stamp && !known.racy => Memory::Fresh(known),
            // Read a moment ago: its bytes are in the system's cache.
            Some(known) if known.stamp == stamp => Memory::Stale(known),
            _ => Memory::Nothing(stamp),
        })
    }

    /// Reads the file of a user key.
    pub fn load(&self, key: &Key) -> Result<Option<Arc<Known>>> {
        let Some(path) = self.path(key) else { return Ok(None) };
        let Some((content, stamp, racy)) = self.content(&path).map_err(|error| error.at_key(key))? else {
            self.cache.remove(key);
            return Ok(None);
        };
        let value = text::decode(content, self.encoding).map_err(|error| {
            let message = format!("{}: {}", self.shown(path.as_str()), error.message());
            Error::new(error.code(), message).at_key(key)
        })?;
        let sidecar = self.sidecar(key)?;
        let version = Version::digest(&value, None);
        let sidecar = sidecar.filter(|sidecar| sidecar.version == version);
        let written = Some(stamp.millis());
        let mut record =
            Record { value, version, expires_at: None, created_at: written, updated_at: written, metadata: None };
        if let Some(sidecar) = sidecar {
            record.created_at = sidecar.created_at.or(written);
            record.metadata = sidecar.metadata;
            if sidecar.expires_at.is_some() {
                record.expires_at = sidecar.expires_at;
                record.version = Version::digest(&record.value, record.expires_at);
            }
        }
        let known = Arc::new(Known { record, stamp, racy });
        self.cache.insert(key.clone(), known.clone());
        Ok(Some(known))
    }

    /// The bytes of a file, read at once, their stamp, and whether that is racy.
    fn content(&self, path: &FilePath) -> Result<Option<(Vec<u8>, Stamp, bool)>> {
        let failed = |error: &std::io::Error| self.io("read", path.as_str(), error);
        let Some(folder) = self.folder(path.folder())? else { return Ok(None) };
        // An editor that writes in place may be in the middle of it: read again while the stamp moves.
        for _ in 0..8 {
            let Some((mut file, before)) = folder.open(path.name()).map_err(|error| failed(&error))? else {
                return Ok(None);
            };
            let size = usize::try_from(before.size.min(1 << 30)).unwrap_or(0);
            let mut content = Vec::with_capacity(size + 1);
            let read_at = nanos();
            file.read_to_end(&mut content).map_err(|error| failed(&error))?;
            let after = stamp_of(&file).map_err(|error| failed(&error))?;
            if before == after {
                return Ok(Some((content, after, after.is_racy(read_at))));
            }
        }
        Err(Error::new(Code::Io, format!("{} changes faster than it can be read", self.shown(path.as_str()))))
    }

    /// The side data of a key, as stored.
    pub fn sidecar(&self, key: &Key) -> Result<Option<Sidecar>> {
        if let Some(pending) = self.sidecars.pending(key) {
            return Ok(pending);
        }
        if !self.sidecars.any_stored() {
            return Ok(None);
        }
        self.reader.sidecar(key)
    }

    /// The record of a key of either keyspace, expired or not.
    pub fn record(&self, space: Space, key: &Key) -> Result<Option<Record>> {
        match space {
            Space::User => Ok(self.user(key)?.map(|known| known.record.clone())),
            Space::Internal => self.reader.internal(key),
        }
    }

    /// CLOSED once the store is.
    pub fn check_open(&self) -> Result<()> {
        self.reader.check_open()
    }

    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// A path below the base folder, as messages show it.
    pub fn shown(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    pub fn io(&self, what: &str, path: &str, error: &std::io::Error) -> Error {
        Error::io(format_args!("cannot {what} {}", self.shown(path)), error)
    }
}

/// What is known of a key without opening its file.
pub(super) enum Memory {
    Absent,
    Fresh(Arc<Known>),
    /// Known, but so young that only reading tells.
    Stale(Arc<Known>),
    Nothing(Stamp),
}
