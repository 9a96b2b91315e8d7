//! The store: it reads through its reader, writes through its one writer, and keeps RocksDB open for both.

use std::path;
use std::sync::Arc;

use super::database::Database;
use super::modes::Modes;
use super::options::{LevelDbOptions, NAME};
use super::overlay::WriterState;
use super::process_end::Busy;
use super::read::{Reader, Tier};
use super::record_cache::RecordCache;
use super::replace::LevelDbStage;
use super::view::LevelDbView;
use super::write::Writer;
use super::{expiry, maintenance, open, replace};
use crate::batch::{Batch, Commit};
use crate::engine::embedded::Store;
use crate::engine::intent::{Found, Intents};
use crate::engine::recent::Recent;
use crate::engine::watch::{Capture, Feed};
use crate::engine::{Capabilities, Counters, Progress, Read, Reply, Report, Stats, View, unexpected_reply};
use crate::error::{Error, Result};
use crate::key::Space;
use crate::keyspace::CHANGE_LOG;
use crate::record::Millis;

/// One call reads at most this many keys on the caller's thread.
const INLINE_KEYS: usize = 1024;

pub(super) struct LevelDbStore {
    database: Arc<Database>,
    options: Arc<LevelDbOptions>,
    reader: Reader,
    writer: Arc<Writer>,
    counters: Arc<Counters>,
    feed: Arc<Feed>,
    /// `None` in a store opened read-only.
    modes: Option<Modes>,
}

impl LevelDbStore {
    pub(super) fn open(mut options: LevelDbOptions) -> Result<Self> {
        let _busy = Busy::begin()?;
        // The process may change its working directory later.
        options.path = path::absolute(&options.path).map_err(|error| {
            Error::io(format_args!("cannot look at {}", options.path.display()), &error).in_engine(NAME)
        })?;
        let record_bytes = options.cache_size / 2;
        let block_bytes = usize::try_from(options.cache_size - record_bytes).unwrap_or(usize::MAX);
        let database = Arc::new(Database::new(open::open(&options, block_bytes)?, &options.path));
        let seq = database.with(|open| Ok(open.db.latest_sequence_number()))?;
        let counters = Arc::<Counters>::default();
        let feed = Arc::new(Feed::default());
        let view = LevelDbView::new(&database, None)?;
        let state = WriterState {
            recent: Recent::new(seq),
            intents: Intents::new(Found::in_view(&view)?, false, counters.clone()),
            capture: Capture::new(feed.clone(), view.get(Space::Internal, CHANGE_LOG)?.as_ref()),
        };
        drop(view);
        let cache = Arc::new(RecordCache::new(record_bytes));
        let modes = (!options.read_only).then(|| Modes::new(options.path.clone()));
        let store = LevelDbStore {
            reader: Reader::new(database.clone(), cache, counters.clone()),
            writer: Arc::new(Writer::new(&options, state, counters.clone())),
            options: Arc::new(options),
            database,
            counters,
            feed,
            modes,
        };
        store.make_private();
        Ok(store)
    }

    fn make_private(&self) {
        if let Some(modes) = &self.modes {
            modes.make_private();
        }
    }

    /// Reads several keys from memory while no writer works, so that they are of one moment.
    fn try_read_many(&self, read: &Read, keys: usize) -> Option<Result<Reply>> {
        if keys > INLINE_KEYS {
            return None;
        }
        let _no_writer = self.writer.try_lock()?;
        self.reader.answer(read, Tier::Memory).transpose()
    }
}

impl Store for LevelDbStore {
    type Stage = LevelDbStage;

    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::EMBEDDED
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        match read {
            Read::Many(_, keys) => self.try_read_many(read, keys.len()),
            Read::Get(..) | Read::Entry(..) | Read::Has(..) => self.reader.answer(read, Tier::Memory).transpose(),
        }
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        self.reader.answer(read, Tier::Disk)?.ok_or_else(unexpected_reply)
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        if let Some(error) = self.writer.refusal() {
            return Some(Err(error));
        }
        if !self.writer.takes_inline(batch) {
            return None;
        }
        self.database.with(|open| self.writer.write_inline(&self.reader, open, batch)).transpose()
    }

    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        let written = self.database.with(|open| self.writer.write_group(&self.reader, open, batches));
        written.unwrap_or_else(|error| batches.iter().map(|_| Err(error.clone())).collect())
    }

    fn view(&self) -> Result<Arc<dyn View>> {
        // While a writer is between RocksDB and the cache, the two differ.
        let no_writer = self.writer.try_lock();
        let cache = no_writer.is_some().then(|| self.reader.cache.clone());
        Ok(Arc::new(LevelDbView::new(&self.database, cache)?))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        // A snapshot is a number in a list of RocksDB's: it needs no disk, and holds no lock for long.
        Some(self.view())
    }

    fn sweep(&self, now: Millis) -> Result<u64> {
        self.make_private();
        if self.writer.refusal().is_some() {
            return Ok(0);
        }
        let freed = expiry::sweep(&self.database, &self.writer, &self.reader.cache, now)?;
        self.database.with(|open| {
            // The sweep runs once a second: what a crash loses at durability `none` is no older.
            self.writer.flush_wal(open)?;
            open.remove_replaced()
        })?;
        Ok(freed)
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    fn stats(&self) -> Result<Stats> {
        self.database.with(|open| Ok(maintenance::stats(open, self.database.path(), self.reader.cache.bytes())))
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn verify(&self, _repair: bool, progress: Progress<'_>) -> Result<Report> {
        self.database.with(|open| maintenance::verify(open, progress))
    }

    fn compact(&self) -> Result<()> {
        if let Some(error) = self.writer.refusal() {
            return Err(error);
        }
        self.database.with(maintenance::compact)
    }

    fn stage(&self) -> Result<LevelDbStage> {
        replace::stage(&self.database, &self.writer, &self.options)
    }

    fn swap(&self, stage: LevelDbStage) -> Result<Commit> {
        replace::swap(stage, &self.reader)
    }

    fn close(&self) -> Result<()> {
        self.make_private();
        // The process ends: the system closes the files.
        let Ok(_busy) = Busy::begin() else { return Ok(()) };
        // A sync that failed once is not tried again: it might succeed without having written anything.
        let closed = self.database.close(self.writer.refusal().is_none());
        self.reader.cache.clear();
        closed
    }
}
