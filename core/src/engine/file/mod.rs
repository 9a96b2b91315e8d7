//! The file engine: one `.json` file a key below a folder, for people and programs to read and edit, with an embedded
//! database beside them for what files cannot keep.
//!
//! `docs/engines/file.md` tells users what it promises, `docs/formats/file.md` what lies where.

mod fault;
mod maintenance;
mod metadata;
mod os;
mod overwrite;
mod plan;
mod process_lock;
mod records;
mod recover;
mod redo_log;
mod sidecar_buffer;
mod staging;
mod tree_writer;
mod versions;
mod view;
mod walk;
mod write;

#[cfg(test)]
mod crash_tests;

use std::path::PathBuf;
use std::sync::Arc;

use self::records::{Memory, Shelf};
use self::view::FileView;
use super::embedded::Store;
use super::path::prepare_folder;
use super::registry::{self, Lease, StoreId};
use super::watch::Feed;
use super::{Capabilities, Counters, Durability, Embedded, Engine, Progress, Read, Reply, Report, Stats, View};
use crate::batch::{Batch, Commit};
use crate::error::Result;
use crate::format::{file_name as name, file_text as text};
use crate::key::{Key, Space};
use crate::record::{Millis, Record, now};

pub use self::text::Encoding;

/// Options of the file engine.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// The folder of the store, made with its parents where missing.
    pub base_path: PathBuf,
    pub encoding: Encoding,
    /// Opens what is there without writing anything.
    pub read_only: bool,
    /// How long to wait for another process to close the store, in milliseconds.
    pub lock_timeout: u64,
    pub durability: Durability,
}

impl FileOptions {
    /// The defaults, with the store in `base_path`.
    #[must_use]
    pub fn new(base_path: impl Into<PathBuf>) -> Self {
        FileOptions {
            base_path: base_path.into(),
            encoding: Encoding::default(),
            read_only: false,
            lock_timeout: 0,
            durability: Durability::default(),
        }
    }
}

/// Opens the store of `options`, or shares it if this process has it open.
///
/// INVALID_ARGUMENT for a path that is no folder or lies in an asar archive, LOCKED while another process has the
/// store open, READ_ONLY for a store that cannot be written without `read_only`, CORRUPTED or UNSUPPORTED_FORMAT for
/// a `.holdfast/store.db` that cannot be read.
pub fn open(options: FileOptions) -> Result<Lease> {
    let base = std::path::absolute(&options.base_path).unwrap_or_else(|_| options.base_path.clone());
    prepare_folder(
        if options.base_path.as_os_str().is_empty() { &options.base_path } else { &base },
        NAME,
        options.read_only,
    )?;
    let id = StoreId::of(NAME, &base, "")?;
    let FileOptions { encoding, read_only, durability, .. } = &options;
    let agreed = format!("{encoding:?} {read_only} {durability:?}");
    registry::open(id, &agreed, || {
        let shelf = Shelf::open(&base, &options).map_err(|error| error.in_engine(NAME))?;
        Ok(Arc::new(Embedded::new(FileStore { shelf })) as Arc<dyn Engine>)
    })
}

const NAME: &str = "file";

/// The record of writes being made in place, below the base folder.
const REDO: &str = ".holdfast/redo";

struct FileStore {
    shelf: Arc<Shelf>,
}

impl FileStore {
    fn answer(&self, read: &Read) -> Result<Reply> {
        let now = now();
        let live = |space: Space, key: &Key| -> Result<Option<Record>> {
            Ok(self.shelf.record(space, key)?.filter(|record| !record.expired(now)))
        };
        Ok(match read {
            Read::Get(space, key) => Reply::Value(live(*space, key)?.map(|record| record.value)),
            Read::Entry(space, key) => Reply::Entry(live(*space, key)?),
            Read::Has(space, key) => Reply::Has(live(*space, key)?.is_some()),
            Read::Many(space, keys) => {
                let values = keys.iter().map(|key| Ok(live(*space, key)?.map(|record| record.value)));
                Reply::Values(values.collect::<Result<_>>()?)
            }
        })
    }

    /// The live record of a user key; the outer `None` where its file would have to be read from the disk.
    fn at_hand(&self, key: &Key, now: Millis) -> Option<Result<Option<Record>>> {
        let known = match self.shelf.remembered(key) {
            Ok(Memory::Absent) => return Some(Ok(None)),
            Ok(Memory::Fresh(known)) => {
                self.shelf.counters.cache_hits.one();
                Some(known)
            }
            Ok(Memory::Stale(_)) => {
                self.shelf.counters.cache_misses.one();
                match self.shelf.load(key) {
                    Ok(known) => known,
                    Err(error) => return Some(Err(error)),
                }
            }
            Ok(Memory::Nothing(_)) => return None,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(known.map(|known| known.record.clone()).filter(|record| !record.expired(now))))
    }
}

/// Keys answered at once on the caller's thread at most: each costs a call of the system.
const MAX_INLINE_KEYS: usize = 64;

impl Store for FileStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::EMBEDDED
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let _files = self.shelf.files.try_read()?;
        let now = now();
        let reply = match read {
            Read::Get(Space::User, key) => {
                self.at_hand(key, now)?.map(|record| Reply::Value(record.map(|record| record.value)))
            }
            Read::Entry(Space::User, key) => self.at_hand(key, now)?.map(Reply::Entry),
            Read::Has(Space::User, key) => self.at_hand(key, now)?.map(|record| Reply::Has(record.is_some())),
            Read::Many(Space::User, keys) if keys.len() <= MAX_INLINE_KEYS => {
                let mut values = Vec::with_capacity(keys.len());
                for key in keys {
                    match self.at_hand(key, now)? {
                        Ok(record) => values.push(record.map(|record| record.value)),
                        Err(error) => return Some(Err(error)),
                    }
                }
                Ok(Reply::Values(values))
            }
            _ => return None,
        };
        Some(reply)
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        let _files = self.shelf.files.read();
        self.answer(read)
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.shelf.try_write(batch)
    }

    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        self.shelf.write_group(batches)
    }

    fn view(&self) -> Result<Arc<dyn View>> {
        Ok(Arc::new(FileView::open(&self.shelf)))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        FileView::try_open(&self.shelf).map(|view| Ok(Arc::new(view) as Arc<dyn View>))
    }

    fn sweep(&self, now: Millis) -> Result<u64> {
        self.shelf.sweep(now)
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.shelf.feed
    }

    fn stats(&self) -> Result<Stats> {
        self.shelf.stats()
    }

    fn counters(&self) -> &Counters {
        &self.shelf.counters
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        self.shelf.verify(repair, progress)
    }

    fn compact(&self) -> Result<()> {
        self.shelf.compact()
    }

    fn close(&self) -> Result<()> {
        self.shelf.close()
    }
}
