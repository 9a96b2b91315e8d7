//! The store: its parts, composed to a [`Store`] for the queue in front of it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::committer::Committer;
use super::process_lock::ProcessLock;
use super::records::Records;
use super::replacement::{FileStage, Leftovers};
use super::view::FileView;
use super::write::Writer;
use super::{expiry, maintenance};
use crate::batch::{Batch, Commit};
use crate::engine::embedded::Store;
use crate::engine::watch::Feed;
use crate::engine::{Capabilities, Counters, Progress, Read, Reply, Report, Stats, View};
use crate::error::Result;
use crate::key::Space;
use crate::record::{Millis, Record, now};

/// The name of the engine.
pub(super) const NAME: &str = "file";

/// Keys answered at once on the caller's thread at most: each costs a call of the system.
const MAX_INLINE_KEYS: usize = 64;

/// The time in which a sweep removes old files at most.
const REMOVING: Duration = Duration::from_millis(100);

/// An open store.
pub(super) struct FileStore {
    committer: Committer,
    records: Arc<Records>,
    feed: Arc<Feed>,
    leftovers: Leftovers,
    /// The lock of a store opened read-only. A writer has a lock of its own.
    shared_lock: Mutex<Option<ProcessLock>>,
}

impl FileStore {
    pub(super) fn new(
        records: Arc<Records>,
        committer: Committer,
        feed: Arc<Feed>,
        shared_lock: Option<ProcessLock>,
    ) -> Self {
        let leftovers = Leftovers::new(records.clone());
        FileStore { committer, records, feed, leftovers, shared_lock: Mutex::new(shared_lock) }
    }
}

impl Store for FileStore {
    type Stage = FileStage;

    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::EMBEDDED
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let is_short = match read {
            Read::Get(space, _) | Read::Entry(space, _) | Read::Has(space, _) => *space == Space::User,
            Read::Many(space, keys) => *space == Space::User && keys.len() <= MAX_INLINE_KEYS,
        };
        if !is_short {
            return None;
        }
        let _reading = self.records.versions().try_read()?;
        let now = now();
        read.try_answer(|_, key| self.records.try_user(key).map(|record| only_live(record, now)))
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        let _reading = self.records.versions().read();
        let now = now();
        read.answer(|space, key| only_live(self.records.get(space, key), now))
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.committer.try_write(batch)
    }

    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        self.committer.write_group(batches)
    }

    fn view(&self) -> Result<Arc<dyn View>> {
        Ok(Arc::new(FileView::open(&self.records)))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        FileView::try_open(&self.records).map(|view| Ok(Arc::new(view) as Arc<dyn View>))
    }

    fn sweep(&self, now: Millis) -> Result<u64> {
        let freed = expiry::sweep(&self.records, &self.committer, now);
        self.leftovers.remove_some(REMOVING)?;
        freed
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    fn stats(&self) -> Result<Stats> {
        maintenance::stats(&self.records)
    }

    fn counters(&self) -> &Counters {
        self.records.counters()
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        maintenance::verify(&self.records, &self.committer, repair, progress)
    }

    fn compact(&self) -> Result<()> {
        maintenance::compact(&self.committer)
    }

    fn stage(&self) -> Result<FileStage> {
        let full = self.committer.with_writer(|writer| {
            writer.refuse_replacement()?;
            Ok(writer.tree().sync().is_full())
        })?;
        self.leftovers.remove_all()?;
        FileStage::begin(self.records.clone(), full)
    }

    fn swap(&self, stage: FileStage) -> Result<Commit> {
        let commit = self.committer.with_writer(|writer| writer.swap(stage))?;
        self.leftovers.add();
        Ok(commit)
    }

    /// Idempotent.
    fn close(&self) -> Result<()> {
        // The next opening removes the rest.
        let _ = self.leftovers.remove_some(Duration::MAX);
        let writer = self.committer.take_writer();
        let closed = self.records.metadata().close();
        let written = writer.map_or(Ok(()), Writer::close);
        self.records.tree().close();
        drop(self.shared_lock.lock().take());
        closed.and(written)
    }
}

/// The record if it has not expired by `now`.
fn only_live(record: Result<Option<Record>>, now: Millis) -> Result<Option<Record>> {
    record.map(|record| record.filter(|record| !record.expired(now)))
}
