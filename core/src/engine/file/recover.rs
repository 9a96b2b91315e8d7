//! Opening a store: its folders, its lock, and what a crash left half done.

use std::collections::{BTreeSet, HashSet};
use std::fs::DirBuilder;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use xxhash_rust::xxh3::xxh3_128;

use super::FileOptions;
use super::metadata::{JournalEntry, MetadataDb, MetadataReader, WriteSet};
use super::name::is_temporary;
use super::os::{Kind, Root};
use super::process_lock::ProcessLock;
use super::records::{LONG, LongNames, OURS, Shelf, new_cache};
use super::redo_log::{self, RedoLog};
use super::sidecar_buffer::SidecarBuffer;
use super::versions::Moments;
use super::view::FileView;
use super::write::Writer;
use crate::engine::Durability;
use crate::engine::intent::{Found, Intents};
use crate::engine::pace::Pace;
use crate::engine::recent::Recent;
use crate::engine::watch::{FLAG, Tap};
use crate::error::{Code, Error, Result};

impl Shelf {
    /// Opens the store in `base`, a folder that exists.
    pub fn open(base: &Path, options: &FileOptions) -> Result<Arc<Self>> {
        let ours = base.join(OURS);
        let root =
            Root::open(base).map_err(|error| Error::io(format_args!("cannot open {}", base.display()), &error))?;
        let timeout = Duration::from_millis(options.lock_timeout);
        let (mut metadata, lock) = if options.read_only {
            let lock = ProcessLock::shared(&ours.join("lock"), timeout)?;
            let metadata = MetadataDb::open_read_only(&ours.join("store.db"))?;
            let pending = metadata.meta("clean")? != Some(1) && !redo_log::pending(&ours.join("redo"))?.is_empty();
            if pending || !metadata.journal()?.is_empty() {
                let message = "a crash left a batch half done; open the store once for writing to finish it";
                return Err(Error::new(Code::ReadOnly, message));
            }
            (metadata, Err(lock))
        } else {
            let full = options.durability == Durability::Full;
            let sync = |path: &str| {
                let synced = root.folder(path).and_then(|folder| folder.map_or(Ok(()), |folder| folder.sync()));
                synced.map_err(|error| Error::io(format_args!("cannot sync {}", base.join(path).display()), &error))
            };
            make_private(&ours)?;
            // Not only where it was made just now: whoever made it may have come no further.
            if full && !ours.join("store.db").exists() {
                sync("")?;
            }
            let lock = ProcessLock::exclusive(&ours.join("lock"), timeout)?;
            let metadata = MetadataDb::open(&ours.join("store.db"), options.durability)?;
            if full {
                // SQLite syncs the name of its log, and ignores an error of that.
                sync(OURS)?;
            }
            (metadata, Ok(lock))
        };
        let mut long = LongNames::default();
        for (key, name) in metadata.long_names()? {
            long.insert(key, name);
        }
        let sidecars = SidecarBuffer::new(metadata.has_sidecars()?);
        let reserved = metadata.meta("seq")?.unwrap_or(0);
        let shelf = |reader: MetadataDb| Shelf {
            root,
            base: base.display().to_string(),
            encoding: options.encoding,
            durability: options.durability,
            read_only: options.read_only,
            seq: AtomicU64::new(reserved),
            files: RwLock::new(()),
            writer: Mutex::new(None),
            reader: MetadataReader::new(reader),
            long: RwLock::new(long),
            sidecars,
            moments: Mutex::new(Moments::default()),
            cache: new_cache(),
            poisoned: AtomicBool::new(false),
            pace: Pace::default(),
            counters: Arc::default(),
            read_pace: Pace::default(),
            grown: Mutex::default(),
            untidy: AtomicBool::new(false),
            feed: Arc::default(),
            shared_lock: Mutex::new(None),
        };
        let lock = match lock {
            Err(lock) => {
                let shelf = shelf(metadata);
                *shelf.shared_lock.lock() = lock;
                return Ok(Arc::new(shelf));
            }
            Ok(lock) => lock,
        };
        let shelf = shelf(MetadataDb::open(&ours.join("store.db"), options.durability)?);
        let redo = shelf.recover(&mut metadata, &ours.join("redo"))?;
        let shelf = Arc::new(shelf);
        let tap_flag = metadata.internal(FLAG)?;
        let writer = Writer {
            metadata,
            recent: Recent::new(reserved),
            tap: Tap::new(shelf.feed.clone(), tap_flag.as_ref()),
            standing: Intents::new(Found::in_view(&FileView::open(&shelf))?, false, shelf.counters.clone()),
            reserved,
            redo,
            removals: HashSet::new(),
            unsynced: BTreeSet::new(),
            _lock: lock,
        };
        *shelf.writer.lock() = Some(writer);
        Ok(shelf)
    }

    /// Finishes what the journal and the redo record hold, and removes the temporary files of what never was
    /// acknowledged.
    fn recover(&self, metadata: &mut MetadataDb, redo: &Path) -> Result<Option<RedoLog>> {
        let full = self.durability == Durability::Full;
        let intents = metadata.journal()?;
        let mut touched = BTreeSet::new();
        for intent in &intents {
            self.replay(intent, &mut touched)?;
        }
        let mark = metadata.meta("clean")?;
        let clean = mark == Some(1);
        let pending = redo_log::pending(redo)?;
        self.counters.recoveries.add(u64::from(!intents.is_empty()) + u64::from(!clean && !pending.is_empty()));
        if !clean {
            self.remove_temporaries("")?;
            self.remove_temporaries(LONG)?;
            self.redo(pending, full, &mut touched)?;
        }
        if full && mark == Some(0) {
            self.sync_tree()?;
        } else if full {
            self.sync_grown(&touched)?;
        }
        if !intents.is_empty() {
            metadata.write(&WriteSet::default())?;
        }
        let redo = if full {
            self.remove_redo()?;
            None
        } else {
            let mut redo = RedoLog::open(redo)?;
            redo.clear(usize::MAX).map_err(|error| self.io("write", super::REDO, &error))?;
            Some(redo)
        };
        metadata.set_meta("clean", 0)?;
        Ok(redo)
    }

    /// Removes the redo record for good: after a power loss an old one must not undo what is synced from now on.
    fn remove_redo(&self) -> Result<()> {
        let failed = |error: &std::io::Error| self.io("remove", super::REDO, error);
        let Some(folder) = self.folder(OURS)? else { return Ok(()) };
        if folder.remove("redo").map_err(|error| failed(&error))? {
            folder.sync().map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn replay(&self, intent: &JournalEntry, touched: &mut BTreeSet<String>) -> Result<()> {
        let path = &intent.folder;
        let failed = |error: &std::io::Error| self.io("finish a batch in", path, error);
        let Some(folder) = self.folder(path)? else { return Ok(()) };
        touched.insert(path.clone());
        let Some(temporary) = &intent.temporary else {
            folder.remove(&intent.name).map_err(|error| failed(&error))?;
            return self.prune(path, touched);
        };
        // No temporary file: it was renamed before the crash.
        let Some((mut file, _)) = folder.open(temporary).map_err(|error| failed(&error))? else { return Ok(()) };
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut content).map_err(|error| failed(&error))?;
        if xxh3_128(&content) != intent.digest {
            // Below `full` a power loss may tear it; the old value is better than that.
            return Ok(());
        }
        folder.rename(temporary, &folder, &intent.name).map_err(|error| failed(&error))
    }

    /// The folder `path` and those below, but for our own.
    pub fn all_folders(&self, path: &str) -> Result<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        let mut paths = vec![path.to_owned()];
        while let Some(path) = paths.pop() {
            let Some(folder) = self.folder(&path)? else { continue };
            let listed = folder.list(|name, kind| {
                if kind == Kind::Folder && name != OURS {
                    paths.push(if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") });
                }
            });
            listed.map_err(|error| self.io("list", &path, &error))?;
            all.insert(path);
        }
        Ok(all)
    }

    /// Removes temporary files in `path` and below. Returns how many there were.
    pub fn remove_temporaries(&self, path: &str) -> Result<u64> {
        let mut removed = 0;
        for path in self.all_folders(path)? {
            let Some(folder) = self.folder(&path)? else { continue };
            let mut found = Vec::new();
            let listed = folder.list(|name, kind| {
                if kind == Kind::File && is_temporary(name) {
                    found.push(name.to_owned());
                }
            });
            listed.map_err(|error| self.io("list", &path, &error))?;
            for name in found {
                let gone = folder.remove(&name).map_err(|error| self.io("remove from", &path, &error))?;
                removed += u64::from(gone);
            }
        }
        Ok(removed)
    }
}

/// Makes our own folder, for its owner alone.
fn make_private(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    match builder.create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io(format_args!("cannot make {}", path.display()), &error))
        }
        Err(_) => match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(Error::new(Code::InvalidArgument, format!("{} is not a folder", path.display()))),
            Err(error) => Err(Error::io(format_args!("cannot look at {}", path.display()), &error)),
        },
    }
}
