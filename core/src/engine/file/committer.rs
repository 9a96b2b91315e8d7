//! The writer behind its lock, for calls from any thread.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::fault;
use super::records::Records;
use super::write::Writer;
use crate::batch::{Batch, Commit, Op};
use crate::engine::pace::Pace;
use crate::error::{Error, Result};
use crate::key::Space;
use crate::record::now;

/// The largest value written on the caller's thread.
const MAX_INLINE: usize = 64 << 10;

/// The owner of the writer's lock, which is taken before every other.
pub(super) struct Committer {
    records: Arc<Records>,
    /// The writer; `None` once closed, and in a store opened read-only.
    writer: Mutex<Option<Writer>>,
    read_only: bool,
    /// False at `full`, where each write waits for a sync.
    inline: bool,
    /// The pace of writes on the caller's thread.
    pace: Pace,
}

impl Committer {
    /// Without a `writer` the store is read-only. With `inline`, small writes may run on the caller's thread.
    pub(super) fn new(records: Arc<Records>, writer: Option<Writer>, inline: bool) -> Self {
        let read_only = writer.is_none();
        Committer { records, writer: Mutex::new(writer), read_only, inline, pace: Pace::default() }
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Writes batches in order, each whole or not at all.
    pub(super) fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        match self.writer.lock().as_mut() {
            Some(writer) => writer.write_group(batches),
            None => vec![Err(self.no_writer()); batches.len()],
        }
    }

    /// Writes one small plain batch below `full`, unless something has to be waited for.
    pub(super) fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        if !self.inline || !is_small(batch) || !self.pace.is_quick() {
            return None;
        }
        let mut writer = self.writer.try_lock()?;
        let Some(writer) = writer.as_mut() else { return Some(Err(self.no_writer())) };
        if writer.logs_changes(now()) {
            return None;
        }
        let installing = self.records.versions().try_begin_install(writer.right())?;
        let start = Instant::now();
        let result = writer.try_write(batch, installing)?;
        self.pace.count(start);
        Some(result)
    }

    /// Runs `write` under the writer's lock.
    pub(super) fn with_writer<T>(&self, write: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        match self.writer.lock().as_mut() {
            Some(writer) => write(writer),
            None => Err(self.no_writer()),
        }
    }

    /// Keeps every write away for as long as the answer is held.
    pub(super) fn pause(&self) -> impl Sized + '_ {
        self.writer.lock()
    }

    /// Takes the writer out, to be closed. Writes are CLOSED from now on.
    pub(super) fn take_writer(&self) -> Option<Writer> {
        self.writer.lock().take()
    }

    /// The error of a write without a writer: `READ_ONLY` or CLOSED.
    pub(super) fn no_writer(&self) -> Error {
        if self.read_only { fault::read_only() } else { Error::closed() }
    }
}

/// True if `batch` is one small plain write whose conditions concern its own key.
fn is_small(batch: &Batch) -> bool {
    let [op] = batch.ops.as_slice() else { return false };
    let plain = match op {
        Op::Set { space, value, .. } => *space == Space::User && value.len() <= MAX_INLINE,
        Op::Add { space, .. } | Op::Delete { space, .. } => *space == Space::User,
        Op::DeleteRange { .. } => false,
    };
    plain
        && batch.range_checks.is_empty()
        && batch.checks.iter().all(|check| Some((check.space, &check.key)) == op.key())
}
