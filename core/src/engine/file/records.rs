//! The records of the store as they are now: each from its file, or from the cache if the file has not changed, with
//! its sidecar.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cache::{CachedRecord, RecordCache};
use super::fault;
use super::layout::LongNames;
use super::metadata::{MetadataReader, Sidecar};
use super::os::Stamp;
use super::sidecar_buffer::SidecarBuffer;
use super::tree::FileTree;
use super::versions::Versions;
use crate::engine::Counters;
use crate::engine::pace::Pace;
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::Record;

/// The parts that readers and the writer share. Views keep them alive, also after the store was closed.
pub(super) struct Records {
    tree: FileTree,
    cache: RecordCache,
    sidecars: SidecarBuffer,
    metadata: MetadataReader,
    versions: Versions,
    counters: Arc<Counters>,
    /// The pace of reads through views on the caller's thread.
    view_pace: Pace,
    /// Set when a write or a sync failed in a way that only the next opening can repair.
    poisoned: AtomicBool,
    /// Set when a replacement of the content stopped halfway: the files are those of both contents.
    halted: AtomicBool,
}

/// A user key as the cache and one `stat` know it.
pub(super) enum Lookup {
    Absent,
    Fresh(Arc<CachedRecord>),
    /// Cached, but its file is racy: only reading it tells. It was read a moment ago, so the system has its bytes.
    Racy(Arc<CachedRecord>),
    /// Not cached. Its file has this stamp.
    Miss(Stamp),
}

impl Records {
    pub(super) fn new(tree: FileTree, metadata: MetadataReader, versions: Versions, any_sidecars: bool) -> Self {
        Records {
            tree,
            cache: RecordCache::new(),
            sidecars: SidecarBuffer::new(any_sidecars),
            metadata,
            versions,
            counters: Arc::default(),
            view_pace: Pace::default(),
            poisoned: AtomicBool::new(false),
            halted: AtomicBool::new(false),
        }
    }

    /// Forgets everything of a content that was replaced, but for the versions.
    pub(super) fn replace(&self, long_names: LongNames, any_sidecars: bool) {
        self.cache.clear();
        self.sidecars.reset(any_sidecars);
        self.tree.long_names().replace(long_names);
    }

    pub(super) fn tree(&self) -> &FileTree {
        &self.tree
    }

    pub(super) fn cache(&self) -> &RecordCache {
        &self.cache
    }

    pub(super) fn sidecars(&self) -> &SidecarBuffer {
        &self.sidecars
    }

    pub(super) fn metadata(&self) -> &MetadataReader {
        &self.metadata
    }

    pub(super) fn versions(&self) -> &Versions {
        &self.versions
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(super) fn view_pace(&self) -> &Pace {
        &self.view_pace
    }

    /// The record of a key of either keyspace, expired or not.
    pub(super) fn get(&self, space: Space, key: &Key) -> Result<Option<Record>> {
        match space {
            Space::User => self.user(key),
            Space::Internal => self.check_readable().and_then(|()| self.metadata.internal(key)),
        }
    }

    /// The record of a user key, expired or not.
    pub(super) fn user(&self, key: &Key) -> Result<Option<Record>> {
        self.try_user(key).unwrap_or_else(|| {
            self.counters.cache_misses.one();
            self.load(key)
        })
    }

    /// The record of a user key, expired or not; the outer `None` where the disk would have to be read.
    pub(super) fn try_user(&self, key: &Key) -> Option<Result<Option<Record>>> {
        match self.lookup(key) {
            Ok(Lookup::Absent) => Some(Ok(None)),
            Ok(Lookup::Fresh(cached)) => {
                self.counters.cache_hits.one();
                Some(Ok(Some(cached.record.clone())))
            }
            Ok(Lookup::Racy(_)) => {
                self.counters.cache_misses.one();
                Some(self.load(key))
            }
            Ok(Lookup::Miss(_)) => None,
            Err(error) => Some(Err(error)),
        }
    }

    pub(super) fn lookup(&self, key: &Key) -> Result<Lookup> {
        if self.is_poisoned() {
            self.check_readable()?;
            if let Some(image) = self.versions.after_image(key) {
                let stamp = Stamp { modified: 0, changed: 0, size: 0, inode: 0 };
                let fresh = |record| Lookup::Fresh(Arc::new(CachedRecord { record, stamp, racy: false }));
                return Ok(image.map_or(Lookup::Absent, fresh));
            }
        }
        let Some(stamp) = self.tree.stat(key)? else { return Ok(Lookup::Absent) };
        Ok(match self.cache.get(key) {
            Some(cached) if cached.stamp == stamp && !cached.racy => Lookup::Fresh(cached),
            Some(cached) if cached.stamp == stamp => Lookup::Racy(cached),
            _ => Lookup::Miss(stamp),
        })
    }

    /// Reads the file of a user key.
    pub(super) fn load(&self, key: &Key) -> Result<Option<Record>> {
        let Some(path) = self.tree.path(key) else { return Ok(None) };
        let Some(content) = self.tree.read(&path).map_err(|error| error.at_key(key))? else {
            self.cache.remove(key);
            return Ok(None);
        };
        let written = Some(content.stamp.millis());
        let bare = Record::bare(content.value, None);
        let sidecar = self.sidecar(key)?.filter(|sidecar| sidecar.version == bare.version);
        let mut record = Record { created_at: written, updated_at: written, ..bare };
        if let Some(sidecar) = sidecar {
            record.created_at = sidecar.created_at.or(written);
            record.metadata = sidecar.metadata;
            record.expires_at = sidecar.expires_at;
        }
        record.version = record.digest();
        let cached = CachedRecord { record: record.clone(), stamp: content.stamp, racy: content.racy };
        self.cache.insert(key.clone(), Arc::new(cached));
        Ok(Some(record))
    }

    /// The sidecar of a user key, pending or stored, whatever its file holds.
    pub(super) fn sidecar(&self, key: &Key) -> Result<Option<Sidecar>> {
        if let Some(pending) = self.sidecars.pending(key) {
            return Ok(pending);
        }
        if !self.sidecars.any_stored() {
            return Ok(None);
        }
        self.metadata.sidecar(key)
    }

    /// Refuses writes until the store is opened again.
    pub(super) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Refuses reads and writes until the store is opened again.
    pub(super) fn halt(&self) {
        self.halted.store(true, Ordering::Release);
        self.poison();
    }

    /// IO if the store is halted.
    pub(super) fn check_readable(&self) -> Result<()> {
        if self.halted.load(Ordering::Acquire) { Err(fault::halted()) } else { Ok(()) }
    }

    /// IO if the store is poisoned.
    pub(super) fn check_writable(&self) -> Result<()> {
        if self.is_poisoned() { Err(fault::poisoned()) } else { Ok(()) }
    }
}
