//! Writing a group of batches: it is applied in memory, planned, and written in the way that its plan needs.
//!
//! At `full`, a group of independent plain writes renames temporary files (`rename.rs`); below it, plain writes of any
//! number of keys overwrite their files (`overwrite.rs`). Any other group goes through the journal (`journal.rs`).

use std::slice;

use super::change::Failures;
use super::journal::Journal;
use super::metadata::{MetadataDb, Sidecar, WriteSet};
use super::overwrite::Overwriter;
use super::plan::CommitPlan;
use super::process_lock::ProcessLock;
use super::records::Records;
use super::rename;
use super::replacement::{self, FileStage, Target};
use super::sidecar_buffer::MAX_PENDING;
use super::staging::{Changes, StagedGroup, Staging};
use super::tree_writer::TreeWriter;
use super::versions::{InstallRight, Installing};
use crate::batch::{Batch, Commit};
use crate::engine::apply::apply;
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::Capture;
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::{Millis, now};

/// Sequence numbers reserved by one write of the database.
const RESERVED: u64 = 65_536;

/// Sidecars stored by one transaction of the database.
const CHUNK: usize = 512;

/// Sidecars stored by the write that finds too many pending.
const OVERFLOW_CHUNK: usize = 1024;

/// The state that only the owner of the writer's lock uses.
pub(super) struct Writer {
    /// The writing connection.
    metadata: MetadataDb,
    tree: TreeWriter,
    journal: Journal,
    /// `None` at `full`, where no file is written in place.
    overwriter: Option<Overwriter>,
    recent: Recent,
    /// The intents of transactions over several engines, which hold their keys.
    intents: Intents,
    capture: Capture,
    /// Sequence numbers up to this one may be used.
    reserved: u64,
    /// Held for as long as the store is open; the last to be dropped.
    _lock: ProcessLock,
}

/// The result of a group that was applied in memory.
struct Written {
    /// The changes that could not be made; an error if nothing is written.
    outcome: Result<Failures>,
    /// One for each batch, with the keys it wrote.
    results: Vec<Result<(Commit, Vec<Key>)>>,
}

impl Writer {
    /// The writer of a store that has used sequence numbers up to `seq`.
    pub(super) fn new(
        metadata: MetadataDb,
        tree: TreeWriter,
        overwriter: Option<Overwriter>,
        intents: Intents,
        capture: Capture,
        seq: u64,
        lock: ProcessLock,
    ) -> Self {
        let (journal, recent) = (Journal::default(), Recent::new(seq));
        Writer { metadata, tree, journal, overwriter, recent, intents, capture, reserved: seq, _lock: lock }
    }

    /// The right to put files in place, for a caller that must not wait for it.
    pub(super) fn right(&self) -> &InstallRight {
        self.tree.right()
    }

    pub(super) fn tree(&self) -> &TreeWriter {
        &self.tree
    }

    pub(super) fn metadata(&mut self) -> &mut MetadataDb {
        &mut self.metadata
    }

    /// True if commits go to the change log, and so need the database.
    pub(super) fn logs_changes(&self, now: Millis) -> bool {
        self.capture.logs(now)
    }

    /// Writes batches in order, each whole or not at all.
    pub(super) fn write_group(&mut self, batches: &[Batch]) -> Vec<Result<Commit>> {
        self.write(batches, None).unwrap_or_default()
    }

    /// Writes one batch on the caller's thread; `None` with nothing written where the database is needed.
    pub(super) fn try_write(&mut self, batch: &Batch, installing: Installing<'_>) -> Option<Result<Commit>> {
        self.write(slice::from_ref(batch), Some(installing))?.pop()
    }

    /// With `installing` it runs on the caller's thread and returns `None` where the database is needed.
    fn write(&mut self, batches: &[Batch], installing: Option<Installing<'_>>) -> Option<Vec<Result<Commit>>> {
        if let Err(error) = self.records().check_writable() {
            return Some(vec![Err(error); batches.len()]);
        }
        let intents = self.intents.clone();
        let Some(Written { outcome, results }) = self.write_changes(batches, installing) else {
            self.capture.discard();
            return None;
        };
        match outcome {
            Ok(failed) => {
                let finish = |(commit, keys): (Commit, Vec<Key>)| match keys.iter().find_map(|key| failed.get(key)) {
                    Some(error) => Err(error.clone()),
                    None => Ok(commit),
                };
                let results: Vec<_> = results.into_iter().map(|result| result.and_then(finish)).collect();
                let is_final = |seq| failed.is_empty() || results.iter().flatten().any(|commit| commit.seq == seq);
                self.capture.publish_if(is_final);
                Some(results)
            }
            Err(error) => {
                self.capture.discard();
                self.intents = intents;
                if batches.len() > 1 && self.records().check_writable().is_ok() {
                    // Nothing is written. One value may be too large for the disk: the other batches need not fail.
                    let each = batches.iter().map(slice::from_ref);
                    return Some(each.flat_map(|batch| self.write_group(batch)).collect());
                }
                Some(results.into_iter().map(|result| result.and_then(|_| Err(error.clone()))).collect())
            }
        }
    }

    /// Applies the batches in memory and writes what they changed.
    fn write_changes(&mut self, batches: &[Batch], installing: Option<Installing<'_>>) -> Option<Written> {
        let group = self.stage(batches);
        let full = self.tree.sync().is_full();
        let planned = CommitPlan::new(self.tree.records(), &group, self.journal.removals(), full);
        let results = group.results;
        let mut plan = match planned {
            Ok(plan) => plan,
            Err(error) => return Some(Written { outcome: Err(error), results }),
        };
        if installing.is_some() && plan.journaled {
            // The intents are as they were: a batch that is written on the caller's thread has no role.
            return None;
        }
        let outcome = if plan.journaled {
            self.journal.write(&mut self.metadata, &self.tree, &mut plan).map(|()| Failures::new())
        } else if let Some(overwriter) = &mut self.overwriter {
            overwriter.write(&self.tree, &mut plan, installing)
        } else {
            rename::write(&self.tree, &mut plan)
        };
        if outcome.is_ok() {
            self.defer(plan.deferred);
        }
        Some(Written { outcome, results })
    }

    /// Applies the batches in memory.
    fn stage(&mut self, batches: &[Batch]) -> StagedGroup {
        let now = now();
        let mut group = StagedGroup {
            seq: self.records().versions().seq(),
            changes: Changes::new(),
            independent: true,
            results: Vec::with_capacity(batches.len()),
        };
        for batch in batches {
            let result = self.stage_one(batch, &mut group, batches.len() == 1, now);
            group.results.push(result);
        }
        group
    }

    /// Applies `batch` behind those of `group`; it is `alone` if the group is that batch.
    fn stage_one(
        &mut self,
        batch: &Batch,
        group: &mut StagedGroup,
        alone: bool,
        now: Millis,
    ) -> Result<(Commit, Vec<Key>)> {
        let seq = group.seq + 1;
        self.reserve(seq)?;
        let Writer { metadata, tree, recent, intents, capture, .. } = &mut *self;
        let mut staging = Staging::new(tree.records(), metadata, recent, intents, capture, &group.changes, now);
        let outcomes = apply(batch, &mut staging, seq, now)?;
        let own = staging.into_changes();
        self.recent.record(seq, batch);
        group.seq = seq;
        let checks_own = batch.checks.iter().all(|check| own.contains_key(&(check.space, check.key.clone())));
        group.independent &= own.len() <= 1
            && own.keys().all(|(space, _)| *space == Space::User)
            && (alone || (checks_own && batch.range_checks.is_empty()));
        let keys = own.keys().map(|(_, key)| key.clone()).collect();
        group.changes.extend(own);
        Ok((Commit { seq, outcomes }, keys))
    }

    /// An error if the content cannot be replaced now.
    pub(super) fn refuse_replacement(&self) -> Result<()> {
        self.records().check_writable()?;
        self.intents.refuse_replacement(now())
    }

    /// Replaces the content by the staged one.
    pub(super) fn swap(&mut self, stage: FileStage) -> Result<Commit> {
        self.refuse_replacement()?;
        if let Some(overwriter) = &self.overwriter {
            overwriter.sync(&self.tree)?;
        }
        let seq = self.records().versions().seq() + 2;
        let target = Target { seq, reserved: self.reserved.max(seq) + RESERVED, logged: self.capture.logs(now()) };
        replacement::swap(&mut self.metadata, &self.tree, stage, &target)?;
        self.reserved = target.reserved;
        self.recent = Recent::new(seq);
        self.journal = Journal::default();
        Ok(Commit { seq, outcomes: Vec::new() })
    }

    /// Makes sure that `seq` was never used, however the process ends.
    fn reserve(&mut self, seq: u64) -> Result<()> {
        if seq > self.reserved {
            self.metadata.set_meta("seq", seq + RESERVED)?;
            self.reserved = seq + RESERVED;
        }
        Ok(())
    }

    /// Lets sidecars wait for the next sweep, or stores some if too many are pending.
    fn defer(&mut self, deferred: Vec<(Key, Option<Sidecar>)>) {
        let mut pending = 0;
        for (key, sidecar) in deferred {
            pending = self.records().sidecars().defer(key, sidecar);
        }
        if pending > MAX_PENDING {
            // A failure here comes again in the sweep, and costs no more than the time when a key was made.
            let _ = self.store_sidecars(OVERFLOW_CHUNK);
        }
    }

    /// Stores up to `limit` pending sidecars. True if more are pending.
    pub(super) fn store_sidecars(&mut self, limit: usize) -> Result<bool> {
        let pending = self.records().sidecars().peek(limit);
        if pending.is_empty() {
            return Ok(false);
        }
        self.records().sidecars().mark_stored();
        self.metadata.write_sidecars(&pending)?;
        self.records().sidecars().remove_stored(&pending);
        Ok(pending.len() == limit)
    }

    pub(super) fn store_all_sidecars(&mut self) -> Result<()> {
        while self.store_sidecars(CHUNK)? {}
        Ok(())
    }

    /// Stores pending sidecars, closes the database and releases the lock.
    pub(super) fn close(mut self) -> Result<()> {
        let finished = self.finish();
        finished.and(self.metadata.close())
    }

    fn finish(&mut self) -> Result<()> {
        if self.records().is_poisoned() {
            // The next opening applies the rest of the journal.
            return Ok(());
        }
        self.store_all_sidecars()?;
        if self.tree.sync().is_full() {
            self.journal.sync(&self.tree)?;
        }
        self.metadata.write(&WriteSet::default())?;
        self.metadata.set_meta("seq", self.tree.records().versions().seq())?;
        // Otherwise the next opening looks for temporary files, and syncs what may not be.
        if self.tree.is_clean() {
            self.metadata.set_meta("clean", 1)?;
        }
        Ok(())
    }

    fn records(&self) -> &Records {
        self.tree.records()
    }
}
