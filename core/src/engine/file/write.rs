//! How a group of batches reaches the disk.
//!
//! At `full`, a group in which every batch is one plain write renames temporary files, each atomic by itself;
//! below it, plain writes of any number of keys overwrite their files (`overwrite.rs`). Any other group has its
//! commit point in the database: one transaction that holds what belongs there and the list of the renames to
//! come, which opening the store carries out again. Nothing that can be refused (space, permission) is left for
//! after that point.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::RwLockWriteGuard;

use super::metadata::{JournalEntry, MetadataDb, Sidecar, WriteSet};
use super::overwrite::MAX_REDO;
use super::plan::{Move, Plan};
use super::process_lock::ProcessLock;
use super::records::Shelf;
use super::redo_log::RedoLog;
use super::sidecar_buffer::MAX_PENDING;
use super::staging::{Changes, Stage};
use crate::batch::{Batch, Commit, Op};
use crate::engine::Durability;
use crate::engine::apply::apply;
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::Tap;
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::now;

/// Sequence numbers reserved by one write of the database.
const RESERVED: u64 = 65_536;

/// From so many files on, one sync of the whole file system beats one for each.
const BULK: usize = 8;

/// The largest value written on the caller's thread.
const MAX_INLINE: usize = 64 << 10;

/// What only the one that writes uses.
pub(super) struct Writer {
    pub metadata: MetadataDb,
    pub recent: Recent,
    /// The intents of transactions over several engines, which hold their keys.
    pub standing: Intents,
    pub tap: Tap,
    /// Sequence numbers up to this one may be used.
    pub reserved: u64,
    /// None at `full`, where nothing is written in place.
    pub redo: Option<RedoLog>,
    /// Paths that the journal still says are to be removed. Writing one needs a new journal.
    pub removals: HashSet<String>,
    /// Folders whose renames only the journal makes durable.
    pub unsynced: BTreeSet<String>,
    /// Held for as long as the store is open.
    pub _lock: ProcessLock,
}

/// The results of a group's batches, each with the keys it wrote.
type Provisional = Vec<Result<(Commit, Vec<Key>)>>;

impl Shelf {
    /// Commits batches in order, each whole or not at all.
    pub fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        let mut writer = self.writer.lock();
        let Some(writer) = writer.as_mut() else { return vec![Err(self.no_writer()); batches.len()] };
        self.commit_with(writer, batches)
    }

    /// Commits batches where the writer's lock is held already.
    pub fn commit_with(&self, writer: &mut Writer, batches: &[Batch]) -> Vec<Result<Commit>> {
        self.commit_group(writer, batches, None).unwrap_or_default()
    }

    /// Commits one plain write below `full`, unless something has to be waited for.
    pub fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        if self.durability == Durability::Full || !is_small(batch) || !self.pace.is_quick() {
            return None;
        }
        let mut writer = self.writer.try_lock()?;
        let Some(writer) = writer.as_mut() else { return Some(Err(self.no_writer())) };
        if writer.tap.logs(now()) {
            // An entry of the log needs the database.
            return None;
        }
        let files = self.files.try_write()?;
        let start = Instant::now();
        let result = self.commit_group(writer, std::slice::from_ref(batch), Some(files))?.pop();
        self.pace.count(start);
        result
    }

    pub fn no_writer(&self) -> Error {
        if self.read_only {
            return Error::new(Code::ReadOnly, "the store is open read-only; open it without readOnly to write");
        }
        Error::closed()
    }

    /// Refuses writes after a failed sync.
    pub fn check_writable(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(Error::new(
                Code::Io,
                "an earlier write could not be finished; writes are refused until the store is opened again",
            ));
        }
        Ok(())
    }

    /// With `files` given it is on the caller's thread, and answers `None` where the database is needed.
    fn commit_group(
        &self,
        writer: &mut Writer,
        batches: &[Batch],
        files: Option<RwLockWriteGuard<'_, ()>>,
    ) -> Option<Vec<Result<Commit>>> {
        if let Err(error) = self.check_writable() {
            return Some(vec![Err(error); batches.len()]);
        }
        let standing = writer.standing.clone();
        let Some((written, provisional)) = self.put_group(writer, batches, files) else {
            writer.tap.discard();
            return None;
        };
        match written {
            Ok(failed) => {
                let finish = |(commit, keys): (Commit, Vec<Key>)| match keys.iter().find_map(|key| failed.get(key)) {
                    Some(error) => Err(error.clone()),
                    None => Ok(commit),
                };
                let results: Vec<Result<Commit>> =
                    provisional.into_iter().map(|result| result.and_then(finish)).collect();
                writer
                    .tap
                    .publish_if(|seq| failed.is_empty() || results.iter().flatten().any(|commit| commit.seq == seq));
                Some(results)
            }
            Err(error) => {
                writer.tap.discard();
                writer.standing = standing;
                if batches.len() > 1 && self.check_writable().is_ok() {
                    // Nothing is written. One value too many for the disk: the other batches need not suffer.
                    let each = batches.iter().map(std::slice::from_ref);
                    return Some(each.flat_map(|batch| self.commit_group(writer, batch, None)).flatten().collect());
                }
                Some(provisional.into_iter().map(|result| result.and_then(|_| Err(error.clone()))).collect())
            }
        }
    }

    /// The part of `commit_group` that writes: the files that could not be, and what the batches made.
    fn put_group(
        &self,
        writer: &mut Writer,
        batches: &[Batch],
        files: Option<RwLockWriteGuard<'_, ()>>,
    ) -> Option<(Result<HashMap<Key, Error>>, Provisional)> {
        let first = self.seq.load(Ordering::Acquire);
        let (provisional, changes, alone) = self.stage(writer, batches, first);
        let seq = provisional.iter().flatten().map(|(commit, _)| commit.seq).max().unwrap_or(first);
        let full = self.durability == Durability::Full;
        let mut plan = match self.plan(writer, &changes, full && !alone) {
            Ok(plan) => plan,
            Err(error) => return Some((Err(error), provisional)),
        };
        plan.journaled |= !alone && plan.weight() > MAX_REDO;
        if files.is_some() && plan.journaled {
            // No note of an intent was made: small batches have no role.
            return None;
        }
        let written = if plan.journaled {
            self.prepare(&mut plan).and_then(|()| self.write_journaled(writer, &plan, seq)).map(|()| HashMap::new())
        } else if full {
            self.write_directly(&mut plan, seq)
        } else {
            self.write_over(writer, &mut plan, seq, alone, files)
        };
        if written.is_ok() {
            self.defer(writer, plan.deferred);
        }
        Some((written, provisional))
    }

    /// Applies the batches in memory. The last part of the answer is true if no batch depends on another
    /// being whole or written.
    fn stage(&self, writer: &mut Writer, batches: &[Batch], mut seq: u64) -> (Provisional, Changes, bool) {
        let now = now();
        let mut group = Changes::new();
        let mut alone = true;
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            if let Err(error) = writer.reserve(seq + 1) {
                results.push(Err(error));
                continue;
            }
            let Writer { metadata, recent, standing, tap, .. } = &mut *writer;
            let mut stage = Stage {
                shelf: self,
                metadata,
                recent,
                intents: standing,
                tap,
                group: &group,
                own: Changes::new(),
                now,
            };
            match apply(batch, &mut stage, seq + 1, now) {
                Ok(outcomes) => {
                    let own = stage.own;
                    seq += 1;
                    writer.recent.record(seq, batch);
                    let checks = batch.checks.iter().all(|check| own.contains_key(&(check.space, check.key.clone())));
                    alone &= own.len() <= 1
                        && own.keys().all(|(space, _)| *space == Space::User)
                        && (batches.len() == 1 || (checks && batch.range_checks.is_empty()));
                    results.push(Ok((Commit { seq, outcomes }, own.keys().map(|(_, key)| key.clone()).collect())));
                    group.extend(own);
                }
                Err(error) => results.push(Err(error)),
            }
        }
        (results, group, alone)
    }

    /// Writes the temporary files of a journaled group and makes them durable. After an error none is left.
    fn prepare(&self, plan: &mut Plan) -> Result<()> {
        let full = self.durability == Durability::Full;
        let bulk = full && plan.moves.len() >= BULK;
        let mut prepare = || -> Result<()> {
            let mut folders = BTreeSet::new();
            for item in &mut plan.moves {
                if item.record.is_some() {
                    self.refuse_folder(item)?;
                    self.write_temporary(item, full && !bulk)?;
                    folders.insert(item.path.folder().to_owned());
                }
            }
            if bulk && self.sync_all()? {
                return Ok(());
            }
            if bulk {
                self.sync_temporaries(&plan.moves)?;
            }
            if full { self.sync_grown(&folders) } else { Ok(()) }
        };
        let prepared = prepare();
        if prepared.is_err() {
            self.drop_temporaries(&plan.moves);
        }
        prepared
    }

    fn write_journaled(&self, writer: &mut Writer, plan: &Plan, seq: u64) -> Result<()> {
        if self.durability == Durability::Full {
            // The new journal replaces the one that vouches for these.
            self.sync_folders(&writer.unsynced)?;
            writer.unsynced.clear();
        }
        let intent = |item: &Move| JournalEntry {
            folder: item.path.folder().to_owned(),
            name: item.path.name().to_owned(),
            temporary: item.temporary.clone(),
            digest: item.digest,
        };
        let mut entry = WriteSet { journal: plan.moves.iter().map(intent).collect(), ..WriteSet::default() };
        entry.internal.clone_from(&plan.entry.internal);
        entry.sidecars.clone_from(&plan.entry.sidecars);
        entry.long_names.clone_from(&plan.entry.long_names);
        let files = self.files.write();
        self.keep_images(plan, seq);
        if self.durability == Durability::Full {
            self.counters.fsyncs.one();
        }
        if let Err(error) = writer.metadata.write(&entry) {
            drop(files);
            self.drop_temporaries(&plan.moves);
            if error.code() == Code::Io {
                self.poison();
            }
            return Err(error);
        }
        if !entry.sidecars.is_empty() {
            self.sidecars.mark_stored();
        }
        for (key, _) in &entry.sidecars {
            self.sidecars.discard(key);
            self.cache.remove(key);
        }
        for (key, name) in entry.long_names {
            self.long.write().insert(key, name);
        }
        writer.removals.clear();
        let mut touched = BTreeSet::new();
        for (at, item) in plan.moves.iter().enumerate() {
            if let Err(error) = self.place(item, &mut touched) {
                self.show_decided(plan.moves.get(at..).unwrap_or_default());
                // Committed, and opening the store again finishes it: nothing else may be written before.
                self.poison();
                return Err(error);
            }
            if item.record.is_none() {
                writer.removals.insert(item.path.as_str().to_owned());
            }
        }
        self.seq.store(seq, Ordering::Release);
        drop(files);
        if self.durability == Durability::Full {
            writer.unsynced = touched;
        }
        Ok(())
    }

    /// Writes files that each stand for themselves, at `full`. Answers with those that could not be written.
    fn write_directly(&self, plan: &mut Plan, seq: u64) -> Result<HashMap<Key, Error>> {
        let mut failed = HashMap::new();
        let bulk = plan.moves.len() >= BULK;
        for item in &mut plan.moves {
            if item.record.is_some()
                && let Err(error) = self.write_temporary(item, !bulk)
            {
                failed.insert(item.key.clone(), error);
            }
        }
        plan.moves.retain(|item| !failed.contains_key(&item.key));
        if bulk
            && let Err(error) =
                self.sync_all().and_then(|done| if done { Ok(()) } else { self.sync_temporaries(&plan.moves) })
        {
            self.drop_temporaries(&plan.moves);
            return Err(error);
        }
        let files = self.files.write();
        self.keep_images(plan, seq);
        let mut touched = BTreeSet::new();
        for item in &plan.moves {
            if let Err(error) = self.place(item, &mut touched) {
                self.drop_temporaries(std::slice::from_ref(item));
                failed.insert(item.key.clone(), error);
            }
        }
        self.seq.store(seq, Ordering::Release);
        drop(files);
        if !(touched.len() >= BULK && self.sync_all()?) {
            self.sync_grown(&touched)?;
        }
        Ok(failed)
    }

    /// Lets side data wait for the next sweep, or stores it if too much waits.
    fn defer(&self, writer: &mut Writer, deferred: Vec<(Key, Option<Sidecar>)>) {
        let mut waiting = 0;
        for (key, sidecar) in deferred {
            waiting = self.sidecars.defer(key, sidecar);
        }
        if waiting > MAX_PENDING {
            // What fails here fails again in the sweep, and costs no more than a time of making.
            let _ = self.store_sidecars(writer, 1024);
        }
    }

    /// Stores up to `limit` of the side data that waits. True if more waits.
    pub fn store_sidecars(&self, writer: &mut Writer, limit: usize) -> Result<bool> {
        let some = self.sidecars.peek(limit);
        if some.is_empty() {
            return Ok(false);
        }
        self.sidecars.mark_stored();
        writer.metadata.write_sidecars(&some)?;
        self.sidecars.remove_stored(&some);
        Ok(some.len() == limit)
    }
}

impl Writer {
    /// Makes sure that `seq` was never used, however the process ends.
    fn reserve(&mut self, seq: u64) -> Result<()> {
        if seq > self.reserved {
            self.metadata.set_meta("seq", seq + RESERVED)?;
            self.reserved = seq + RESERVED;
        }
        Ok(())
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
