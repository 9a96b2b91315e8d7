//! How a group of batches reaches the disk.
//!
//! Each file is written under a temporary name first. A group in which every batch is one plain write then
//! renames its files, each atomic by itself. Any other group has a commit point: one transaction of the
//! database that holds what belongs there and the list of the renames to come, which opening the store
//! carries out again. Nothing that can be refused (space, permission) is left for after that point.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::RwLockWriteGuard;
use xxhash_rust::xxh3::xxh3_128;

use super::ledger::{Entry, Intent, Ledger, Sidecar};
use super::lock::Lock;
use super::name::{Spot, TEMPORARY};
use super::os::{self, Folder, Kind};
use super::shelf::{Known, LONG, Shelf};
use super::sidecars::MAX_PENDING;
use super::stage::{Changes, Stage};
use super::text;
use crate::batch::{Batch, Commit, Op};
use crate::engine::Durability;
use crate::engine::apply::apply;
use crate::engine::recent::Recent;
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::{Record, Version, now};

/// Sequence numbers reserved by one write of the database.
const RESERVED: u64 = 65_536;

/// From so many files on, one sync of the whole file system beats one for each.
const BULK: usize = 8;

/// The largest value written on the caller's thread.
const MAX_INLINE: usize = 64 << 10;

/// What only the one that writes uses.
pub(super) struct Writer {
    pub ledger: Ledger,
    pub recent: Recent,
    /// Sequence numbers up to this one may be used.
    pub reserved: u64,
    /// Paths that the journal still says are to be removed. Writing one needs a new journal.
    pub removals: HashSet<String>,
    /// Folders whose renames only the journal makes durable.
    pub unsynced: BTreeSet<String>,
    /// Held for as long as the store is open.
    pub _lock: Lock,
}

/// One file to be put in place.
struct Move {
    key: Key,
    spot: Spot,
    record: Option<Record>,
    temporary: Option<String>,
    digest: u128,
}

/// What a group does to the disk.
#[derive(Default)]
struct Plan {
    moves: Vec<Move>,
    entry: Entry,
    /// Side data that can wait.
    deferred: Vec<(Key, Option<Sidecar>)>,
    journaled: bool,
}

/// The results of a group's batches, each with the keys it wrote.
type Provisional = Vec<Result<(Commit, Vec<Key>)>>;

impl Shelf {
    /// Commits batches in order, each whole or not at all.
    pub fn commit(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        let mut writer = self.writer.lock();
        let Some(writer) = writer.as_mut() else { return vec![Err(self.no_writer()); batches.len()] };
        self.commit_with(writer, batches)
    }

    /// Commits batches where the writer's lock is held already.
    pub fn commit_with(&self, writer: &mut Writer, batches: &[Batch]) -> Vec<Result<Commit>> {
        self.commit_group(writer, batches, None).unwrap_or_default()
    }

    /// Commits one plain write below `full`, unless something has to be waited for.
    pub fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>> {
        if self.durability == Durability::Full || !is_small(batch) || !self.pace.is_quick() {
            return None;
        }
        let mut writer = self.writer.try_lock()?;
        let Some(writer) = writer.as_mut() else { return Some(Err(self.no_writer())) };
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
        let first = self.seq.load(Ordering::Acquire);
        let (provisional, changes, alone) = self.stage(writer, batches, first);
        let seq = provisional.iter().flatten().map(|(commit, _)| commit.seq).max().unwrap_or(first);
        let mut plan = match self.plan(writer, &changes, !alone) {
            Ok(plan) => plan,
            Err(error) => return Some(fail(provisional, &error)),
        };
        if files.is_some() && plan.journaled {
            return None;
        }
        let written = if plan.journaled {
            match self.prepare(&mut plan) {
                Err(error) if batches.len() > 1 && error.code() != Code::Io => {
                    // One value too many for the disk: the other batches need not suffer.
                    let each = batches.iter().map(std::slice::from_ref);
                    return Some(each.flat_map(|batch| self.commit_group(writer, batch, None)).flatten().collect());
                }
                prepared => prepared.and_then(|()| self.write_journaled(writer, &plan, seq)).map(|()| HashMap::new()),
            }
        } else {
            self.write_directly(&mut plan, seq, files)
        };
        let failed = match written {
            Ok(failed) => failed,
            Err(error) => return Some(fail(provisional, &error)),
        };
        self.defer(writer, plan.deferred);
        let finish = |(commit, keys): (Commit, Vec<Key>)| match keys.iter().find_map(|key| failed.get(key)) {
            Some(error) => Err(error.clone()),
            None => Ok(commit),
        };
        Some(provisional.into_iter().map(|result| result.and_then(finish)).collect())
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
            let Writer { ledger, recent, .. } = &*writer;
            let mut stage = Stage { shelf: self, ledger, recent, group: &group, own: Changes::new(), now };
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

    fn plan(&self, writer: &Writer, changes: &Changes, journaled: bool) -> Result<Plan> {
        let mut plan = Plan { journaled, ..Plan::default() };
        for ((space, key), record) in changes {
            if *space == Space::Internal {
                plan.entry.internal.push((key.clone(), record.clone()));
                plan.journaled = true;
                continue;
            }
            let stored = self.sidecar(key)?;
            let wanted = record.as_ref().and_then(sidecar);
            if wanted != stored {
                if [&wanted, &stored].into_iter().flatten().any(matters) {
                    plan.journaled = true;
                    plan.entry.sidecars.push((key.clone(), wanted.clone()));
                } else {
                    plan.deferred.push((key.clone(), wanted.clone()));
                }
            }
            let spot = match (self.spot(key), record) {
                (Some(spot), _) => spot,
                (None, None) => continue,
                (None, Some(_)) => {
                    let name = plan.long_name(self, key);
                    let spot = Spot::new(LONG, &name);
                    plan.entry.long.push((key.clone(), name));
                    plan.journaled = true;
                    spot
                }
            };
            if record.is_none() && self.stat(key)?.is_none() {
                self.cache.remove(key);
                continue;
            }
            plan.journaled |= writer.removals.contains(spot.path());
            let (key, record) = (key.clone(), record.clone());
            plan.moves.push(Move { key, spot, record, temporary: None, digest: 0 });
        }
        Ok(plan)
    }

    /// Writes the temporary files of a journaled group and makes them durable. After an error none is left.
    fn prepare(&self, plan: &mut Plan) -> Result<()> {
        let mut grown = Vec::new();
        let full = self.durability == Durability::Full;
        let bulk = full && plan.moves.len() >= BULK;
        let mut prepare = || -> Result<()> {
            let mut folders = BTreeSet::new();
            for item in &mut plan.moves {
                if item.record.is_some() {
                    self.refuse_folder(item)?;
                    self.write_temporary(item, &mut grown, full && !bulk)?;
                    folders.insert(item.spot.folder().to_owned());
                }
            }
            if bulk && self.sync_all()? {
                return Ok(());
            }
            if bulk {
                self.sync_temporaries(&plan.moves)?;
            }
            if full { self.sync_folders(folders.iter().chain(&grown)) } else { Ok(()) }
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
        let intent = |item: &Move| Intent {
            folder: item.spot.folder().to_owned(),
            name: item.spot.name().to_owned(),
            temporary: item.temporary.clone(),
            digest: item.digest,
        };
        let mut entry = Entry { intents: plan.moves.iter().map(intent).collect(), ..Entry::default() };
        entry.internal.clone_from(&plan.entry.internal);
        entry.sidecars.clone_from(&plan.entry.sidecars);
        entry.long.clone_from(&plan.entry.long);
        let files = self.files.write();
        self.keep_images(plan, seq);
        if let Err(error) = writer.ledger.write(&entry) {
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
            self.sidecars.forget(key);
            self.cache.remove(key);
        }
        for (key, name) in entry.long {
            self.long.write().insert(key, name);
        }
        writer.removals.clear();
        let mut touched = BTreeSet::new();
        for item in &plan.moves {
            if let Err(error) = self.place(item, &mut touched) {
                // Committed, and opening the store again finishes it: nothing else may be written before.
                self.poison();
                return Err(error);
            }
            if item.record.is_none() {
                writer.removals.insert(item.spot.path().to_owned());
            }
        }
        self.seq.store(seq, Ordering::Release);
        drop(files);
        if self.durability == Durability::Full {
            writer.unsynced = touched;
        }
        Ok(())
    }

    /// Writes files that each stand for themselves. Answers with those that could not be written.
    fn write_directly(
        &self,
        plan: &mut Plan,
        seq: u64,
        files: Option<RwLockWriteGuard<'_, ()>>,
    ) -> Result<HashMap<Key, Error>> {
        let mut failed = HashMap::new();
        let mut grown = Vec::new();
        let full = self.durability == Durability::Full;
        let bulk = full && plan.moves.len() >= BULK;
        for item in &mut plan.moves {
            if item.record.is_some()
                && let Err(error) = self.write_temporary(item, &mut grown, full && !bulk)
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
        let files = files.unwrap_or_else(|| self.files.write());
        self.keep_images(plan, seq);
        let mut touched: BTreeSet<String> = grown.into_iter().collect();
        for item in &plan.moves {
            if let Err(error) = self.place(item, &mut touched) {
                self.drop_temporaries(std::slice::from_ref(item));
                failed.insert(item.key.clone(), error);
            }
        }
        self.seq.store(seq, Ordering::Release);
        drop(files);
        if full && !(touched.len() >= BULK && self.sync_all()?) {
            self.sync_folders(&touched)?;
        }
        Ok(failed)
    }

    /// Writes the content of `item` beside its place.
    fn write_temporary(&self, item: &mut Move, grown: &mut Vec<String>, sync: bool) -> Result<()> {
        let Some(record) = &item.record else { return Ok(()) };
        let failed = |error: &std::io::Error| self.io("write", item.spot.path(), error).at_key(&item.key);
        let content = text::encode(&record.value, self.encoding);
        let folder = self.root.make_folder(item.spot.folder(), grown).map_err(|error| failed(&error))?;
        let name = format!("{TEMPORARY}{:016x}", RandomState::new().build_hasher().finish());
        let mut file = folder.create(&name).map_err(|error| failed(&error))?;
        let mut written = os::write(&mut file, &content).map_err(|error| failed(&error));
        if let Some(at) = record.updated_at
            && written.is_ok()
        {
            // The system's own stamp may lie some milliseconds before the call.
            written = os::set_modified(&file, at).map_err(|error| failed(&error));
        }
        if sync && written.is_ok() {
            written = os::sync(&file).map_err(|error| {
                self.poison();
                failed(&error)
            });
        }
        if let Err(error) = written {
            drop(file);
            // A crash would leave it as well: the next opening removes it.
            let _ = folder.remove(&name);
            return Err(error);
        }
        item.digest = xxh3_128(&content);
        item.temporary = Some(name);
        Ok(())
    }

    /// Renames a written file to its place, or removes what is there. Folders whose names changed go to `touched`.
    fn place(&self, item: &Move, touched: &mut BTreeSet<String>) -> Result<()> {
        let failed = |error: &std::io::Error| self.io("replace", item.spot.path(), error).at_key(&item.key);
        touched.insert(item.spot.folder().to_owned());
        let folder = self.folder(item.spot.folder())?;
        match (&item.record, &item.temporary, folder) {
            (Some(record), Some(temporary), Some(folder)) => {
                folder.rename(temporary, &folder, item.spot.name()).map_err(|error| failed(&error))?;
                self.remember(item, record, &folder);
            }
            (None, _, Some(folder)) => {
                self.cache.remove(&item.key);
                folder.remove(item.spot.name()).map_err(|error| failed(&error))?;
                self.prune(item.spot.folder(), touched)?;
            }
            (None, _, None) => {}
            (Some(_), _, _) => {
                let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
                return Err(failed(&gone));
            }
        }
        Ok(())
    }

    fn remember(&self, item: &Move, record: &Record, folder: &Folder) {
        match folder.stat(item.spot.name()) {
            Ok(Some((stamp, Kind::File))) => {
                let record = Record { updated_at: Some(stamp.millis()), ..record.clone() };
                let known = Known { record, stamp, settled: false };
                self.cache.insert(item.key.clone(), Arc::new(known));
            }
            _ => drop(self.cache.remove(&item.key)),
        }
    }

    /// Removes `path` and its parents as long as they are empty.
    pub fn prune(&self, path: &str, touched: &mut BTreeSet<String>) -> Result<()> {
        let mut path = path;
        while !path.is_empty() && path != LONG {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(folder) = self.folder(parent)? else { break };
            if !folder.remove_folder(name).map_err(|error| self.io("remove the folder", path, &error))? {
                break;
            }
            touched.remove(path);
            touched.insert(parent.to_owned());
            path = parent;
        }
        Ok(())
    }

    /// Keeps what open views need of the records about to be overwritten.
    fn keep_images(&self, plan: &Plan, seq: u64) {
        let mut moments = self.moments.lock();
        if !moments.any() {
            return;
        }
        let user = plan.moves.iter().map(|item| (Space::User, &item.key));
        let internal = plan.entry.internal.iter().map(|(key, _)| (Space::Internal, key));
        for (space, key) in user.chain(internal) {
            // What cannot be read is absent from the view: there is nothing left to show it.
            let image = self.record(space, key).unwrap_or_default();
            moments.keep(seq, space, key.clone(), image);
        }
    }

    fn refuse_folder(&self, item: &Move) -> Result<()> {
        let Some(folder) = self.folder(item.spot.folder())? else { return Ok(()) };
        match folder.stat(item.spot.name()) {
            Ok(Some((_, Kind::Folder))) => {
                let message =
                    format!("a folder lies at {}, where the key's file belongs", self.shown(item.spot.path()));
                Err(Error::new(Code::Io, message).at_key(&item.key))
            }
            _ => Ok(()),
        }
    }

    fn drop_temporaries(&self, moves: &[Move]) {
        for item in moves {
            if let (Some(temporary), Ok(Some(folder))) = (&item.temporary, self.folder(item.spot.folder())) {
                // What stays is removed when the store is opened after a crash, or by `compact`.
                let _ = folder.remove(temporary);
            }
        }
    }

    fn sync_all(&self) -> Result<bool> {
        self.root.sync_all().map_err(|error| {
            self.poison();
            self.io("sync", "", &error)
        })
    }

    fn sync_temporaries(&self, moves: &[Move]) -> Result<()> {
        for item in moves {
            let Some(temporary) = &item.temporary else { continue };
            let Some(folder) = self.folder(item.spot.folder())? else { continue };
            let opened = folder.open(temporary).map_err(|error| self.io("sync", item.spot.path(), &error))?;
            if let Some((file, _)) = opened {
                os::sync(&file).map_err(|error| {
                    self.poison();
                    self.io("sync", item.spot.path(), &error)
                })?;
            }
        }
        Ok(())
    }

    pub fn sync_folders<'f>(&self, folders: impl IntoIterator<Item = &'f String>) -> Result<()> {
        for path in folders {
            // A folder that is gone was removed with its last file, and its parent is in the list.
            let Some(folder) = self.folder(path)? else { continue };
            folder.sync().map_err(|error| {
                self.poison();
                self.io("sync the folder", path, &error)
            })?;
        }
        Ok(())
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
        let some = self.sidecars.some(limit);
        if some.is_empty() {
            return Ok(false);
        }
        self.sidecars.mark_stored();
        writer.ledger.write_sidecars(&some)?;
        self.sidecars.stored(&some);
        Ok(some.len() == limit)
    }
}

impl Writer {
    /// Makes sure that `seq` was never used, however the process ends.
    fn reserve(&mut self, seq: u64) -> Result<()> {
        if seq > self.reserved {
            self.ledger.set_meta("seq", seq + RESERVED)?;
            self.reserved = seq + RESERVED;
        }
        Ok(())
    }
}

impl Plan {
    /// A name for a new long key that no other of this group has.
    fn long_name(&self, shelf: &Shelf, key: &Key) -> String {
        let name = shelf.long.read().name_for(key);
        let taken: BTreeMap<&str, ()> = self.entry.long.iter().map(|(_, name)| (name.as_str(), ())).collect();
        let mut candidate = name.clone();
        let mut number = 0;
        while taken.contains_key(candidate.as_str()) {
            number += 1;
            candidate = format!("{}-g{number}.json", name.trim_end_matches(".json"));
        }
        candidate
    }
}

/// The side data that `record` needs; `None` if its file tells everything.
fn sidecar(record: &Record) -> Option<Sidecar> {
    let created_at = record.created_at.filter(|created| Some(*created) != record.updated_at);
    let version = Version::digest(&record.value, None);
    let sidecar = Sidecar { version, expires_at: record.expires_at, metadata: record.metadata.clone(), created_at };
    (matters(&sidecar) || created_at.is_some()).then_some(sidecar)
}

/// True if the side data changes what the key is, not only when it was made.
fn matters(sidecar: &Sidecar) -> bool {
    sidecar.expires_at.is_some() || sidecar.metadata.is_some()
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

fn fail(provisional: Provisional, error: &Error) -> Vec<Result<Commit>> {
    provisional.into_iter().map(|result| result.and_then(|_| Err(error.clone()))).collect()
}
