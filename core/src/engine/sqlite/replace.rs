//! The replacement of the whole content: other tables take the names of the store's, in one transaction.
//!
//! Records are staged in short transactions, beside those of other writers and without a sync. The sync of the swap
//! covers them, as it covers the WAL.

use std::sync::Arc;

use parking_lot::Mutex;

use super::row;
use super::row_cache::RowChange;
use super::staged_tables;
use super::staging_lock::StagingLock;
use super::write::Writer;
use crate::batch::Commit;
use crate::engine::embedded::Stage;
use crate::engine::{Staged, watch};
use crate::error::{Error, Result};
use crate::key::Space;
use crate::record::{Version, now};

/// One transaction stages at most so many records and bytes, so that other writers never wait long.
const CHUNK_RECORDS: usize = 4096;
const CHUNK_BYTES: usize = 4 << 20;

/// The changes that staging makes to users' rows, for the row cache.
const NO_CHANGES: Option<Vec<RowChange>> = Some(Vec::new());

/// Reaches the writer of a store as long as it is open.
pub(super) trait WriterAccess: Send + Sync {
    /// Calls `call` with the writer.
    ///
    /// # Errors
    ///
    /// `CLOSED` if the store is closed, or the error of `call`.
    fn with(&self, call: &mut dyn FnMut(&mut Writer) -> Result<()>) -> Result<()>;
}

impl WriterAccess for Mutex<Option<Writer>> {
    fn with(&self, call: &mut dyn FnMut(&mut Writer) -> Result<()>) -> Result<()> {
        self.lock().as_mut().map_or_else(|| Err(Error::closed()), call)
    }
}

pub(super) struct SqliteStage {
    writer: Arc<dyn WriterAccess>,
    /// The number of the commit that all records count as written by.
    seq: u64,
    swapped: bool,
    _lock: Option<StagingLock>,
}

impl SqliteStage {
    pub(super) fn begin(writer: Arc<dyn WriterAccess>, lock: Option<StagingLock>) -> Result<Self> {
        let mut seq = 0;
        writer.with(&mut |writer| writer.begin_staging().map(|number| seq = number))?;
        Ok(SqliteStage { writer, seq, swapped: false, _lock: lock })
    }

    pub(super) fn swap(mut self) -> Result<Commit> {
        let mut seq = 0;
        self.writer.with(&mut |writer| writer.swap_staged().map(|number| seq = number))?;
        self.swapped = true;
        Ok(Commit { seq, outcomes: Vec::new() })
    }
}

impl Stage for SqliteStage {
    fn write(&mut self, mut records: Vec<Staged>) -> Result<()> {
        let now = now();
        for staged in &mut records {
            staged.fill_times(now);
            staged.record.version = Version::of_commit(self.seq);
        }
        let mut rest = &records[..];
        while !rest.is_empty() {
            let (chunk, more) = rest.split_at(chunk_len(rest));
            self.writer.with(&mut |writer| writer.stage(chunk))?;
            rest = more;
        }
        Ok(())
    }
}

impl Drop for SqliteStage {
    fn drop(&mut self) {
        if !self.swapped {
            // If this fails, the next open or the next replacement removes them.
            let _ = self.writer.with(&mut |writer| writer.remove_staged());
        }
    }
}

/// The number of records of the next transaction.
fn chunk_len(records: &[Staged]) -> usize {
    let mut bytes = 0;
    let fitting = records.iter().take(CHUNK_RECORDS).take_while(|staged| {
        let fits = bytes < CHUNK_BYTES;
        bytes += staged.key.len() + staged.record.value.len();
        fits
    });
    fitting.count()
}

impl Writer {
    /// Makes empty staged tables. Returns the number of the commit that their records count as written by: no other
    /// commit gives a record the same version.
    fn begin_staging(&mut self) -> Result<u64> {
        self.transaction(NO_CHANGES, |connection, state, meta| {
            state.intents.refuse_replacement(now())?;
            staged_tables::make(connection)?;
            meta.seq = meta.seq.saturating_add(1);
            Ok(meta.seq)
        })
    }

    fn stage(&mut self, records: &[Staged]) -> Result<()> {
        self.unsynced(|writer| {
            writer.transaction(NO_CHANGES, |connection, _, _| {
                records.iter().try_for_each(|Staged { space, key, record }| row::stage(connection, *space, key, record))
            })
        })?;
        self.checkpoint_if_due();
        Ok(())
    }

    fn remove_staged(&mut self) -> Result<()> {
        self.transaction(NO_CHANGES, |connection, _, _| staged_tables::remove(connection))
    }

    /// Swaps the staged tables in. Returns the number of the commit.
    fn swap_staged(&mut self) -> Result<u64> {
        let seq = self.transaction(None, |connection, state, meta| {
            let now = now();
            state.intents.refuse_replacement(now)?;
            let seq = meta.seq.saturating_add(2);
            staged_tables::keep_engine_keys(connection)?;
            if state.capture.logs(now) {
                row::stage(connection, Space::Internal, &watch::entry_key(seq), &watch::first_entry(seq, now))?;
            }
            staged_tables::swap(connection)?;
            // Every key counts as changed.
            (meta.seq, meta.deleted) = (seq, [seq; 2]);
            state.recent = None;
            Ok(seq)
        })?;
        self.checkpoint_if_due();
        Ok(seq)
    }
}
