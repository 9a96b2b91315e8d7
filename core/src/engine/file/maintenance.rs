//! Looking after a store: what expired, what is damaged, what takes room for nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::metadata::WriteSet;
use super::name::{self, is_temporary};
use super::os::Kind;
use super::records::{OURS, Shelf};
use super::view::FileView;
use super::write::Writer;
use crate::batch::{Batch, Op};
use crate::engine::{Durability, Progress, Projection, Report, Stats, for_each_page};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::Millis;

/// Where damaged files go.
const QUARANTINE: &str = ".holdfast/quarantine";

/// Entries handled under one hold of the writer's lock.
const CHUNK: usize = 512;

impl Shelf {
    /// Frees what expired by `now`, and stores the side data that waits.
    pub fn sweep(&self, now: Millis) -> Result<u64> {
        if self.read_only || self.poisoned.load(Ordering::Acquire) {
            return Ok(0);
        }
        if self.sidecars.is_quiet() {
            while self.with_writer(|writer| self.store_sidecars(writer, CHUNK))? {}
        }
        let mut freed = 0;
        let limit = u32::try_from(CHUNK).unwrap_or(u32::MAX);
        loop {
            let users = self.reader.expired_users(now, limit)?;
            let internals = self.reader.expired_internals(now, limit)?;
            let found = users.len() + internals.len();
            if found == 0 {
                return Ok(freed);
            }
            for key in users {
                freed += u64::from(self.free(Space::User, &key, now)?);
            }
            for key in internals {
                freed += u64::from(self.free(Space::Internal, &key, now)?);
            }
            if found < CHUNK {
                return Ok(freed);
            }
        }
    }

    /// Deletes `key` if it still holds a value that expired by `now`, else only side data that fits no more.
    fn free(&self, space: Space, key: &Key, now: Millis) -> Result<bool> {
        self.with_writer(|writer| {
            // A check reads an expired record as absent, so this one is made here, under the writer's lock.
            if self.record(space, key).is_ok_and(|record| record.is_some_and(|record| record.expired(now))) {
                let batch = Batch::one(Op::Delete { space, key: key.clone() });
                let mut results = self.commit_with(writer, std::slice::from_ref(&batch));
                return results.pop().unwrap_or_else(|| Err(Error::closed())).map(|_| true);
            }
            let stored = if space == Space::User { writer.metadata.sidecar(key)? } else { None };
            if stored.is_some_and(|sidecar| sidecar.expires_at.is_some_and(|at| at <= now)) {
                // Edited since, or damaged: what is in the file stays, what said that it expires goes.
                writer.metadata.write_sidecars(&[(key.clone(), None)])?;
                self.cache.remove(key);
            }
            Ok(false)
        })
    }

    fn with_writer<T>(&self, write: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        match self.writer.lock().as_mut() {
            Some(writer) => write(writer),
            None => Err(self.no_writer()),
        }
    }

    pub fn stats(self: &Arc<Self>) -> Result<Stats> {
        let mut keys = 0;
        let mut bytes = 0;
        let view = FileView::open(self);
        for_each_page(&view, Space::User, &KeyRange::all(), Projection::Keys, |page| {
            for (key, _) in page {
                if let Some(stamp) = self.stat(&key)? {
                    keys += 1;
                    bytes += stamp.size;
                }
            }
            Ok(true)
        })?;
        let mut ours = 0;
        for name in ["store.db", "store.db-wal", "store.db-shm", "redo"] {
            let found = self.folder(OURS)?.map(|folder| folder.stat(name)).transpose();
            if let Some((stamp, _)) = found.map_err(|error| self.io("look at", OURS, &error))?.flatten() {
                ours += stamp.size;
            }
        }
        Ok(Stats {
            keys: Some(keys),
            memory_bytes: Some(self.cache.weight()),
            disk_bytes: Some(bytes + ours),
            details: vec![("fileBytes", bytes), ("databaseBytes", ours)],
            ..Stats::default()
        })
    }

    /// Reads every file; with `repair`, moves damaged ones aside and removes stray temporary files.
    pub fn verify(self: &Arc<Self>, repair: bool, progress: Progress<'_>) -> Result<Report> {
        if repair && self.read_only {
            return Err(self.no_writer());
        }
        let mut report = Report::default();
        for fault in self.reader.check_integrity()? {
            report.errors.push(Error::corrupted(format!("store.db: {fault}")));
        }
        let view = FileView::open(self);
        let total = crate::engine::View::count(&view, Space::User, &KeyRange::all())?;
        for_each_page(&view, Space::User, &KeyRange::all(), Projection::Keys, |page| {
            for (key, _) in page {
                report.checked += 1;
                let read = {
                    let _files = self.files.read();
                    self.load(&key)
                };
                if let Err(error) = read {
                    if repair && error.code() == Code::Corrupted {
                        self.with_writer(|_| self.set_aside(&key))?;
                    }
                    report.errors.push(error);
                }
            }
            progress(report.checked, total.max(report.checked))?;
            Ok(true)
        })?;
        self.find_strays(repair, &mut report)?;
        Ok(report)
    }

    /// Moves the file of `key`, if it is still damaged, to the quarantine.
    fn set_aside(&self, key: &Key) -> Result<()> {
        let Err(_) = self.load(key) else { return Ok(()) };
        let Some(path) = self.path(key) else { return Ok(()) };
        let failed = |error: &std::io::Error| self.io("set aside", path.as_str(), error);
        let aside = self.root.make_folder(QUARANTINE, &mut Vec::new()).map_err(|error| failed(&error))?;
        let Some(folder) = self.folder(path.folder())? else { return Ok(()) };
        let mut to = path.name().to_owned();
        let mut number = 0;
        while aside.stat(&to).map_err(|error| failed(&error))?.is_some() {
            number += 1;
            to = format!("{}-{number}.json", path.name().trim_end_matches(".json"));
        }
        folder.rename(path.name(), &aside, &to).map_err(|error| failed(&error))?;
        let mut touched = BTreeSet::from([path.folder().to_owned()]);
        self.prune(path.folder(), &mut touched)?;
        if self.durability == Durability::Full {
            self.sync_folders(touched.iter().chain([&QUARANTINE.to_owned()]))?;
        }
        Ok(())
    }

    /// Reports what lies in the folders and belongs to no key. Another program's files stay where they are.
    fn find_strays(&self, repair: bool, report: &mut Report) -> Result<()> {
        let mut paths = vec![String::new()];
        while let Some(path) = paths.pop() {
            // A temporary file exists only while the writer is at work.
            let writer = self.writer.lock();
            let Some(folder) = self.folder(&path)? else { continue };
            let mut temporaries = Vec::new();
            let shown = |name: &str| {
                self.shown(if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }.as_str())
            };
            let listed = folder.list(|name, kind| {
                let known = match kind {
                    Kind::File => name::fits(&path, name) && name::file_segment(name).is_some(),
                    Kind::Folder if path.is_empty() && name == OURS => return,
                    Kind::Folder => {
                        let known = name::fits(&path, name) && name::folder_segment(name).is_some();
                        if known {
                            paths.push(if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") });
                        }
                        known
                    }
                    Kind::Other => false,
                };
                if kind == Kind::File && is_temporary(name) {
                    temporaries.push(name.to_owned());
                } else if !known {
                    let message = format!("{} belongs to no key; it is left alone", shown(name));
                    report.errors.push(Error::new(Code::InvalidKey, message));
                }
            });
            listed.map_err(|error| self.io("list", &path, &error))?;
            for name in temporaries {
                if repair {
                    folder.remove(&name).map_err(|error| self.io("remove from", &path, &error))?;
                }
                let message = format!("{} is left over from a write that a crash ended", shown(&name));
                report.errors.push(Error::new(Code::Io, message));
            }
            drop(writer);
        }
        Ok(())
    }

    /// Removes empty folders, stray temporary files and what the database keeps of keys that are gone.
    pub fn compact(&self) -> Result<()> {
        self.with_writer(|writer| {
            self.check_writable()?;
            self.remove_temporaries("")?;
            self.remove_empty_folders("")?;
            while self.store_sidecars(writer, CHUNK)? {}
            let mut after = Key::new();
            let limit = u32::try_from(CHUNK).unwrap_or(u32::MAX);
            loop {
                let keys = writer.metadata.sidecar_keys(&after, limit)?;
                let Some(last) = keys.last() else { break };
                after = last.clone();
                let mut gone = Vec::new();
                for key in keys {
                    if self.stat(&key)?.is_none() {
                        gone.push((key, None));
                    }
                }
                writer.metadata.write_sidecars(&gone)?;
            }
            let long: Vec<Key> = self.long.read().names().keys().cloned().collect();
            let mut gone = Vec::new();
            for key in long {
                if self.stat(&key)?.is_none() {
                    gone.push(key);
                }
            }
            writer.metadata.remove_long_names(&gone)?;
            for key in &gone {
                self.long.write().remove(key);
            }
            writer.metadata.vacuum()
        })
    }

    /// Removes the empty folders below `path`; the depth is bounded by the length of a path.
    fn remove_empty_folders(&self, path: &str) -> Result<()> {
        let Some(folder) = self.folder(path)? else { return Ok(()) };
        let mut below = Vec::new();
        let listed = folder.list(|name, kind| {
            let ours = path.is_empty() && name == OURS;
            if kind == Kind::Folder && !ours && name::fits(path, name) && name::folder_segment(name).is_some() {
                below.push(name.to_owned());
            }
        });
        listed.map_err(|error| self.io("list", path, &error))?;
        for name in below {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            self.remove_empty_folders(&inner)?;
            folder.remove_folder(&name).map_err(|error| self.io("remove the folder", &inner, &error))?;
        }
        Ok(())
    }

    /// Stores what waits and lets the lock go. Idempotent.
    pub fn close(&self) -> Result<()> {
        let writer = self.writer.lock().take();
        let mut closed = self.reader.close();
        drop(self.shared_lock.lock().take());
        if let Some(mut writer) = writer {
            let finished = self.finish(&mut writer);
            closed = closed.and(finished).and(writer.metadata.close());
        }
        closed
    }

    fn finish(&self, writer: &mut Writer) -> Result<()> {
        if self.poisoned.load(Ordering::Acquire) {
            // What the journal still holds is for the next opening.
            return Ok(());
        }
        while self.store_sidecars(writer, CHUNK)? {}
        if self.durability == Durability::Full {
            self.sync_folders(&writer.unsynced)?;
        }
        writer.metadata.write(&WriteSet::default())?;
        writer.metadata.set_meta("seq", self.seq.load(Ordering::Acquire))?;
        // Otherwise the next opening looks for temporary files, and syncs what may not be.
        if !self.untidy.load(Ordering::Acquire) && self.grown.lock().is_empty() {
            writer.metadata.set_meta("clean", 1)?;
        }
        Ok(())
    }
}
