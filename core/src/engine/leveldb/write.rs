//! The one writer of a store: batches at once on the caller's thread, or in groups that share a sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use rocksdb::WriteOptions;

use super::database::OpenDatabase;
use super::options::{LevelDbOptions, NAME};
use super::overlay::{Overlay, WriterState};
use super::read::{Reader, Tier};
use super::{fault, rocksdb_options};
use crate::batch::{Batch, Commit, Role};
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::{Counters, Durability};
use crate::error::{Code, Error, Result};

/// A batch written on the caller's thread holds at most this many bytes and operations.
const INLINE_BYTES: usize = 256 << 10;
const INLINE_OPS: usize = 4096;

pub(super) struct Writer {
    /// Held by whoever writes: sequence numbers are known before a write, and commits are recorded in their order.
    state: Mutex<WriterState>,
    /// Set by a failed write that may have left the end of the WAL unknown: the system counts its pages as clean now,
    /// whether they are on the disk or not.
    poisoned: AtomicBool,
    pub counters: Arc<Counters>,
    read_only: bool,
    durability: Durability,
    inline_writes: WriteOptions,
    grouped_writes: WriteOptions,
}

impl Writer {
    pub(super) fn new(options: &LevelDbOptions, state: WriterState, counters: Arc<Counters>) -> Self {
        Writer {
            state: Mutex::new(state),
            poisoned: AtomicBool::new(false),
            counters,
            read_only: options.read_only,
            durability: options.durability,
            inline_writes: rocksdb_options::inline_writes(),
            grouped_writes: rocksdb_options::grouped_writes(options.durability),
        }
    }

    /// Keeps every write away until the guard is dropped.
    pub(super) fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock()
    }

    /// As [`lock`](Writer::lock), or `None` while somebody writes.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, WriterState>> {
        self.state.try_lock()
    }

    /// Why the store takes no writes, if it takes none.
    pub(super) fn refusal(&self) -> Option<Error> {
        if self.read_only {
            return Some(Error::new(Code::ReadOnly, "the store is open read-only").in_engine(NAME));
        }
        if self.poisoned.load(Ordering::Acquire) {
            return Some(
                Error::new(
                    Code::Io,
                    "an earlier write could not be made durable, so writes are refused; close the store and \
                     open it again",
                )
                .in_engine(NAME),
            );
        }
        None
    }

    /// The error of a failed write, after which there may be no other.
    pub(super) fn failed(&self, error: &rocksdb::Error) -> Error {
        if fault::poisons(error) {
            self.poison();
        }
        fault::translate("write", error)
    }

    /// Refuses every later write.
    pub(super) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// True if `batch` may be written on the caller's thread.
    pub(super) fn takes_inline(&self, batch: &Batch) -> bool {
        let small = batch.ops.len() <= INLINE_OPS && batch.size() <= INLINE_BYTES;
        self.durability != Durability::Full && small && batch.role == Role::None
    }

    /// Writes one batch without waiting, or returns `None` with nothing written.
    pub(super) fn write_inline(&self, reader: &Reader, open: &OpenDatabase, batch: &Batch) -> Result<Option<Commit>> {
        let Some(mut state) = self.state.try_lock() else { return Ok(None) };
        let standing = state.intents.clone();
        let mut overlay = Overlay::new(reader, open, &mut state, Tier::Memory);
        if batch.ops.len() == 1 {
            overlay = overlay.alone();
        }
        let applied = overlay.apply(batch);
        if overlay.blocked {
            return Ok(None);
        }
        let (seq, outcomes) = applied?;
        let end = overlay.end();
        let writes = overlay.into_writes();
        match writes.write(open, &self.inline_writes) {
            Ok(()) => {
                writes.update_cache(&reader.cache);
                state.capture.publish();
            }
            Err(error) if fault::would_block(&error) => {
                state.intents = standing;
                state.capture.discard();
                return Ok(None);
            }
            Err(error) => return Err(self.forget_write(&error, reader, &mut state, end, standing)),
        }
        Ok(Some(Commit { seq, outcomes }))
    }

    /// Writes a group as one RocksDB batch with one sync.
    pub(super) fn write_group(
        &self,
        reader: &Reader,
        open: &OpenDatabase,
        batches: &[Batch],
    ) -> Result<Vec<Result<Commit>>> {
        let mut state = self.state.lock();
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let standing = state.intents.clone();
        let mut overlay = Overlay::new(reader, open, &mut state, Tier::Disk);
        overlay.reserve(batches.iter().map(|batch| batch.ops.len()).sum());
        let results = batches.iter().map(|batch| {
            let (seq, outcomes) = overlay.apply(batch)?;
            Ok(Commit { seq, outcomes })
        });
        let results = results.collect();
        let end = overlay.end();
        let writes = overlay.into_writes();
        if self.durability == Durability::Full && !writes.is_empty() {
            self.counters.fsyncs.one();
        }
        match writes.write(open, &self.grouped_writes) {
            Ok(()) => {
                writes.update_cache(&reader.cache);
                state.capture.publish();
            }
            Err(error) => return Err(self.forget_write(&error, reader, &mut state, end, standing)),
        }
        if batches.iter().any(|batch| batch.role != Role::None) {
            // The other engines of the transaction have handed their writes to the system: so must this one.
            self.flush_wal(open)?;
        }
        Ok(results)
    }

    /// Hands to the system what durability `none` keeps in this process's memory.
    pub(super) fn flush_wal(&self, open: &OpenDatabase) -> Result<()> {
        if self.durability != Durability::None {
            return Ok(());
        }
        open.db.flush_wal(false).map_err(|error| self.failed(&error))
    }

    /// Forgets what a failed write may have changed, up to sequence number `end`.
    fn forget_write(
        &self,
        error: &rocksdb::Error,
        reader: &Reader,
        state: &mut WriterState,
        end: u64,
        intents: Intents,
    ) -> Error {
        reader.cache.clear();
        state.recent = Recent::new(end);
        state.intents = intents;
        state.capture.discard();
        self.failed(error)
    }
}
