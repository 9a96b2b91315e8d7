//! The tree of files, for writing: temporary files, their installation by a rename, removals.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::change::{FileChange, Prepared};
use super::cleanup::set_aside;
use super::fault;
use super::layout::{LONG_FOLDER, QUARANTINE_FOLDER};
use super::os::{self, Kind};
use super::records::Records;
use super::sync::TreeSync;
use super::versions::{InstallRight, Installing};
use crate::error::{Error, Result};
use crate::format::file_name::{FilePath, TEMPORARY};
use crate::record::Millis;

/// The writing half of the tree. Only the owner of the writer's lock has it.
pub(super) struct TreeWriter {
    records: Arc<Records>,
    right: InstallRight,
    sync: TreeSync,
    /// Set when a temporary file was removed without a sync: power loss may bring it back.
    has_leftovers: Cell<bool>,
}

impl TreeWriter {
    /// `full` says that commits survive power loss.
    pub(super) fn new(records: Arc<Records>, right: InstallRight, full: bool) -> Self {
        let sync = TreeSync::new(records.clone(), full);
        TreeWriter { records, right, sync, has_leftovers: Cell::new(false) }
    }

    pub(super) fn records(&self) -> &Arc<Records> {
        &self.records
    }

    pub(super) fn right(&self) -> &InstallRight {
        &self.right
    }

    pub(super) fn sync(&self) -> &TreeSync {
        &self.sync
    }

    /// Waits until files may be put in place.
    pub(super) fn begin_install(&self) -> Installing<'_> {
        self.records.versions().begin_install(&self.right)
    }

    /// True if the next opening need not look for temporary files, nor sync folders.
    pub(super) fn is_clean(&self) -> bool {
        !self.has_leftovers.get() && self.sync.is_complete()
    }

    /// Writes the content of `change` to a temporary file, if it has any, and syncs that with `sync`.
    pub(super) fn write_temporary(&self, change: &mut FileChange, sync: bool) -> Result<()> {
        let Some(record) = &change.record else { return Ok(()) };
        let failed = |error: io::Error| self.fault("write", change, &error);
        let content = self.records.tree().encode(&record.value);
        let folder = self.sync.make_folder(change.path.folder()).map_err(failed)?;
        let name = format!("{TEMPORARY}{:016x}", RandomState::new().build_hasher().finish());
        let mut file = folder.create(&name).map_err(failed)?;
        let mut written = folder.keep_mode(change.path.name(), &file);
        if written.is_ok() {
            written = write_content(&mut file, &content, record.updated_at);
        }
        if sync && written.is_ok() {
            written = self.sync.file(&file);
        }
        if let Err(error) = written {
            drop(file);
            // The next opening removes the rest.
            self.has_leftovers.set(true);
            let _ = folder.remove(&name);
            return Err(failed(error));
        }
        change.prepared = Prepared::Temporary { name, digest: xxh3_128(&content) };
        Ok(())
    }

    /// Renames the temporary file of `change` to its name, or removes what is there. Folders whose names changed go to
    /// `touched`.
    pub(super) fn install(&self, change: &FileChange, touched: &mut BTreeSet<String>) -> Result<()> {
        let failed = |error: io::Error| self.fault("replace", change, &error);
        let (key, path, cache) = (&change.key, &change.path, self.records.cache());
        touched.insert(path.folder().to_owned());
        let folder = self.records.tree().folder(path.folder())?;
        match (&change.record, change.temporary(), folder) {
            (Some(record), Some(temporary), Some(folder)) => {
                folder.rename(temporary, &folder, path.name()).map_err(failed)?;
                match folder.stat(path.name()) {
                    Ok(Some((stamp, Kind::File))) => cache.insert_written(key, record, stamp),
                    _ => cache.remove(key),
                }
                Ok(())
            }
            (None, _, Some(folder)) => {
                cache.remove(key);
                folder.remove(path.name()).map_err(failed)?;
                self.remove_empty_parents(path.folder(), touched)
            }
            (None, _, None) => Ok(()),
            (Some(_), _, _) => Err(failed(io::ErrorKind::NotFound.into())),
        }
    }

    /// Removes the folder `path` and its parents as long as they are empty.
    pub(super) fn remove_empty_parents(&self, path: &str, touched: &mut BTreeSet<String>) -> Result<()> {
        let tree = self.records.tree();
        let mut path = path;
        while !path.is_empty() && path != LONG_FOLDER {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(folder) = tree.folder(parent)? else { break };
            if !folder.remove_folder(name).map_err(|error| tree.fault("remove the folder", path, &error))? {
                break;
            }
            touched.remove(path);
            touched.insert(parent.to_owned());
            path = parent;
        }
        Ok(())
    }

    /// An error if a folder lies where the file of `change` belongs.
    pub(super) fn refuse_folder(&self, change: &FileChange) -> Result<()> {
        let tree = self.records.tree();
        let Some(folder) = tree.folder(change.path.folder())? else { return Ok(()) };
        match folder.stat(change.path.name()) {
            Ok(Some((_, Kind::Folder))) => {
                Err(fault::folder_in_the_way(tree.display(change.path.as_str())).at_key(&change.key))
            }
            _ => Ok(()),
        }
    }

    /// Removes the temporary files of `changes`.
    pub(super) fn remove_temporaries(&self, changes: &[FileChange]) {
        self.has_leftovers.set(true);
        for change in changes {
            if let (Some(temporary), Ok(Some(folder))) =
                (change.temporary(), self.records.tree().folder(change.path.folder()))
            {
                // The next opening after a crash removes the rest, or `compact`.
                let _ = folder.remove(temporary);
            }
        }
    }

    /// Moves the file at `path` to the quarantine.
    pub(super) fn quarantine(&self, path: &FilePath) -> Result<()> {
        let tree = self.records.tree();
        let Some(folder) = tree.folder(path.folder())? else { return Ok(()) };
        set_aside(tree, &folder, path.folder(), path.name())?;
        let mut touched = BTreeSet::from([path.folder().to_owned()]);
        self.remove_empty_parents(path.folder(), &mut touched)?;
        if self.sync.is_full() {
            self.sync.folders(touched.iter().chain([&QUARANTINE_FOLDER.to_owned()]))?;
        }
        Ok(())
    }

    /// The system's error of `action` on the file of `change`.
    pub(super) fn fault(&self, action: &str, change: &FileChange, error: &io::Error) -> Error {
        self.records.tree().fault(action, change.path.as_str(), error).at_key(&change.key)
    }
}

/// Writes `content`, and `at` as the time of the write: the system's own may lie some milliseconds before the call.
fn write_content(file: &mut File, content: &[u8], at: Option<Millis>) -> io::Result<()> {
    os::write(file, content)?;
    at.map_or(Ok(()), |at| os::set_modified(file, at))
}
