//! Files and their names: temporary ones, their renaming, their syncs.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use xxhash_rust::xxh3::xxh3_128;

use super::name::TEMPORARY;
use super::os::{self, Kind, Stamp};
use super::plan::{Move, Plan};
use super::records::{Known, LONG, Shelf};
use super::text;
use crate::engine::Durability;
use crate::error::{Code, Error, Result};
use crate::key::Space;
use crate::record::Record;

impl Shelf {
    /// Writes the content of `item` beside its place.
    pub fn write_temporary(&self, item: &mut Move, sync: bool) -> Result<()> {
        let Some(record) = &item.record else { return Ok(()) };
        let failed = |error: &std::io::Error| self.io("write", item.path.as_str(), error).at_key(&item.key);
        let content = text::encode(&record.value, self.encoding);
        let mut grown = Vec::new();
        let folder = self.root.make_folder(item.path.folder(), &mut grown);
        if self.durability == Durability::Full {
            self.grown.lock().extend(grown);
        }
        let folder = folder.map_err(|error| failed(&error))?;
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
            self.counters.fsyncs.one();
            written = os::sync(&file).map_err(|error| {
                self.poison();
                failed(&error)
            });
        }
        if let Err(error) = written {
            drop(file);
            // A crash would leave it as well: the next opening removes it.
            self.untidy.store(true, Ordering::Release);
            let _ = folder.remove(&name);
            return Err(error);
        }
        item.digest = xxh3_128(&content);
        item.temporary = Some(name);
        Ok(())
    }

    /// Renames a written file to its place, or removes what is there. Folders whose names changed go to `touched`.
    pub fn place(&self, item: &Move, touched: &mut BTreeSet<String>) -> Result<()> {
        let failed = |error: &std::io::Error| self.io("replace", item.path.as_str(), error).at_key(&item.key);
        touched.insert(item.path.folder().to_owned());
        let folder = self.folder(item.path.folder())?;
        match (&item.record, &item.temporary, folder) {
            (Some(record), Some(temporary), Some(folder)) => {
                folder.rename(temporary, &folder, item.path.name()).map_err(|error| failed(&error))?;
                match folder.stat(item.path.name()) {
                    Ok(Some((stamp, Kind::File))) => self.remember(item, record, stamp),
                    _ => drop(self.cache.remove(&item.key)),
                }
            }
            (None, _, Some(folder)) => {
                self.cache.remove(&item.key);
                folder.remove(item.path.name()).map_err(|error| failed(&error))?;
                self.prune(item.path.folder(), touched)?;
            }
            (None, _, None) => {}
            (Some(_), _, _) => {
                let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
                return Err(failed(&gone));
            }
        }
        Ok(())
    }

    /// Remembers what was just written to a file that has `stamp` now.
    pub fn remember(&self, item: &Move, record: &Record, stamp: Stamp) {
        let record = Record { updated_at: Some(stamp.millis()), ..record.clone() };
        let known = Known { record, stamp, racy: true };
        self.cache.insert(item.key.clone(), Arc::new(known));
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
    pub fn keep_images(&self, plan: &Plan, seq: u64) {
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

    pub fn refuse_folder(&self, item: &Move) -> Result<()> {
        let Some(folder) = self.folder(item.path.folder())? else { return Ok(()) };
        match folder.stat(item.path.name()) {
            Ok(Some((_, Kind::Folder))) => {
                let message =
                    format!("a folder lies at {}, where the key's file belongs", self.shown(item.path.as_str()));
                Err(Error::new(Code::Io, message).at_key(&item.key))
            }
            _ => Ok(()),
        }
    }

    pub fn drop_temporaries(&self, moves: &[Move]) {
        self.untidy.store(true, Ordering::Release);
        for item in moves {
            if let (Some(temporary), Ok(Some(folder))) = (&item.temporary, self.folder(item.path.folder())) {
                // What stays is removed when the store is opened after a crash, or by `compact`.
                let _ = folder.remove(temporary);
            }
        }
    }

    pub fn sync_all(&self) -> Result<bool> {
        self.counters.fsyncs.one();
        let synced = self.root.sync_all().map_err(|error| {
            self.poison();
            self.io("sync", "", &error)
        })?;
        if synced {
            self.grown.lock().clear();
        }
        Ok(synced)
    }

    /// Syncs every folder of the user's, or the whole file system at once: after a crash nobody knows which of their names are durable.
    pub fn sync_tree(&self) -> Result<()> {
        if self.sync_all()? {
            return Ok(());
        }
        self.sync_folders(&self.all_folders("")?)
    }

    /// Syncs folders, and those in which a folder was made and not synced yet.
    pub fn sync_grown(&self, folders: &BTreeSet<String>) -> Result<()> {
        let grown = self.grown.lock().clone();
        self.sync_folders(folders.union(&grown))?;
        self.grown.lock().clear();
        Ok(())
    }

    /// Shows readers what a commit decided of files that could not be put in place.
    pub fn show_decided(&self, moves: &[Move]) {
        let mut moments = self.moments.lock();
        for item in moves {
            moments.decide(item.key.clone(), item.record.clone());
        }
    }

    pub fn sync_temporaries(&self, moves: &[Move]) -> Result<()> {
        for item in moves {
            let Some(temporary) = &item.temporary else { continue };
            let Some(folder) = self.folder(item.path.folder())? else { continue };
            let opened = folder.open(temporary).map_err(|error| self.io("sync", item.path.as_str(), &error))?;
            if let Some((file, _)) = opened {
                self.counters.fsyncs.one();
                os::sync(&file).map_err(|error| {
                    self.poison();
                    self.io("sync", item.path.as_str(), &error)
                })?;
            }
        }
        Ok(())
    }

    pub fn sync_folders<'f>(&self, folders: impl IntoIterator<Item = &'f String>) -> Result<()> {
        for path in folders {
            // A folder that is gone was removed with its last file, and its parent is in the list.
            let Some(folder) = self.folder(path)? else { continue };
            self.counters.fsyncs.one();
            folder.sync().map_err(|error| {
                self.poison();
                self.io("sync the folder", path, &error)
            })?;
        }
        Ok(())
    }
}
