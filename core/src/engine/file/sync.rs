//! Syncs of the tree of files. After a failed sync nobody knows what the disk holds, so each poisons the store.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Arc;

use super::change::FileChange;
use super::os::{self, Folder};
use super::records::Records;
use crate::error::Result;

/// From so many files on, one sync of the whole file system is faster than one for each.
pub(super) const BULK: usize = 8;

/// The writer's syncs, and the folders that they still owe.
pub(super) struct TreeSync {
    records: Arc<Records>,
    full: bool,
    /// At `full`: the folders in which a folder was made that is not synced yet, perhaps by a write that then failed.
    unsynced_parents: RefCell<BTreeSet<String>>,
}

impl TreeSync {
    /// `full` says that commits survive power loss.
    pub(super) fn new(records: Arc<Records>, full: bool) -> Self {
        TreeSync { records, full, unsynced_parents: RefCell::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// True if no folder waits for its sync.
    pub(super) fn is_complete(&self) -> bool {
        self.unsynced_parents.borrow().is_empty()
    }

    /// The folder at `path`, made with its parents where missing.
    pub(super) fn make_folder(&self, path: &str) -> io::Result<Folder> {
        let mut parents = Vec::new();
        let folder = self.records.tree().make_folder(path, &mut parents);
        if self.full {
            self.unsynced_parents.borrow_mut().extend(parents);
        }
        folder
    }

    /// Syncs the content of an open file.
    pub(super) fn file(&self, file: &File) -> io::Result<()> {
        self.records.counters().fsyncs.one();
        os::sync(file).inspect_err(|_| self.records.poison())
    }

    /// Syncs the temporary files of `changes`, or the whole file system. True if it was that, which includes folders.
    pub(super) fn temporaries(&self, changes: &[FileChange]) -> Result<bool> {
        if self.file_system()? {
            return Ok(true);
        }
        let tree = self.records.tree();
        for change in changes {
            let failed = |error: io::Error| tree.fault("sync", change.path.as_str(), &error);
            let Some(temporary) = change.temporary() else { continue };
            let Some(folder) = tree.folder(change.path.folder())? else { continue };
            if let Some((file, _)) = folder.open(temporary).map_err(failed)? {
                self.file(&file).map_err(failed)?;
            }
        }
        Ok(false)
    }

    /// Syncs the names in `folders`.
    pub(super) fn folders<'f>(&self, folders: impl IntoIterator<Item = &'f String>) -> Result<()> {
        let tree = self.records.tree();
        for path in folders {
            // A folder that is gone was removed with its last file, and its parent is in the list.
            let Some(folder) = tree.folder(path)? else { continue };
            self.records.counters().fsyncs.one();
            folder.sync().map_err(|error| {
                self.records.poison();
                tree.fault("sync the folder", path, &error)
            })?;
        }
        Ok(())
    }

    /// Syncs the names in `folders`, and the folders made since the last such sync.
    pub(super) fn folders_and_parents(&self, folders: &BTreeSet<String>) -> Result<()> {
        let parents = self.unsynced_parents.borrow().clone();
        self.folders(folders.union(&parents))?;
        self.unsynced_parents.borrow_mut().clear();
        Ok(())
    }

    /// Syncs every folder of the user's, or the whole file system: after a crash nobody knows which of their names are
    /// durable.
    pub(super) fn tree(&self) -> Result<()> {
        if self.file_system()? {
            return Ok(());
        }
        self.folders(&self.records.tree().folders_below("")?)
    }

    /// Syncs the whole file system; false where that cannot be done.
    pub(super) fn file_system(&self) -> Result<bool> {
        self.records.counters().fsyncs.one();
        let synced = self.records.tree().sync_file_system().inspect_err(|_| self.records.poison())?;
        if synced {
            self.unsynced_parents.borrow_mut().clear();
        }
        Ok(synced)
    }
}
