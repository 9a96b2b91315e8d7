//! The removal of what a replacement leaves: the old files that were moved away, and a content that was not swapped in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::engine::file::cleanup::set_aside;
use crate::engine::file::layout::{REPLACED_FOLDER, STAGED_FOLDER, join};
use crate::engine::file::os::{Folder, Kind};
use crate::engine::file::records::Records;
use crate::engine::file::tree::FileTree;
use crate::error::Result;
use crate::format::file_name;

/// The old files of an open store, which its sweeps remove bit by bit.
pub(crate) struct Leftovers {
    records: Arc<Records>,
    /// The removal under way. No other lock is taken under this one, and it is never held with another.
    removal: Mutex<Option<Removal>>,
}

impl Leftovers {
    pub(crate) fn new(records: Arc<Records>) -> Self {
        Leftovers { records, removal: Mutex::new(None) }
    }

    /// Says that files were moved away.
    pub(crate) fn add(&self) {
        *self.removal.lock() = Some(Removal::new(REPLACED_FOLDER, true));
    }

    /// Removes files for at most `time`.
    pub(crate) fn remove_some(&self, time: Duration) -> Result<()> {
        let mut under_way = self.removal.lock();
        let Some(removal) = under_way.as_mut() else { return Ok(()) };
        let start = Instant::now();
        while removal.next(self.records.tree())? {
            if start.elapsed() >= time {
                return Ok(());
            }
        }
        *under_way = None;
        Ok(())
    }

    /// Removes all that is there, also of other processes.
    pub(crate) fn remove_all(&self) -> Result<()> {
        let mut under_way = self.removal.lock();
        remove_leftovers(self.records.tree())?;
        *under_way = None;
        Ok(())
    }
}

/// Removes a content that was not swapped in, and the files of one that was replaced. No moves are to be made again.
pub(crate) fn remove_leftovers(tree: &FileTree) -> Result<()> {
    remove_staged(tree)?;
    remove(tree, Removal::new(REPLACED_FOLDER, true))
}

/// Removes a content that was not swapped in.
pub(super) fn remove_staged(tree: &FileTree) -> Result<()> {
    remove(tree, Removal::new(STAGED_FOLDER, false))
}

fn remove(tree: &FileTree, mut removal: Removal) -> Result<()> {
    while removal.next(tree)? {}
    Ok(())
}

/// A removal of a folder with all that lies in it, in steps.
struct Removal {
    /// A file that no key has goes to the quarantine: another program put it there while the folder was in use.
    keeps_foreign: bool,
    /// The next folder to go into.
    inner: Option<String>,
    /// The folders that the removal is in.
    stack: Vec<Level>,
}

struct Level {
    path: String,
    folder: Folder,
    entries: Vec<(String, Kind)>,
}

impl Removal {
    fn new(path: &str, keeps_foreign: bool) -> Self {
        Removal { keeps_foreign, inner: Some(path.to_owned()), stack: Vec::new() }
    }

    /// Removes one thing. False if nothing is left.
    fn next(&mut self, tree: &FileTree) -> Result<bool> {
        if let Some(path) = self.inner.take() {
            if let Some(folder) = tree.folder(&path)? {
                let mut entries = Vec::new();
                tree.list(&folder, &path, |name, kind| entries.push((name.to_owned(), kind)))?;
                self.stack.push(Level { path, folder, entries });
            }
            return Ok(true);
        }
        let Some(level) = self.stack.last_mut() else { return Ok(false) };
        let Some((name, kind)) = level.entries.pop() else {
            let path = std::mem::take(&mut level.path);
            self.stack.pop();
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if let Some(folder) = tree.folder(parent)? {
                folder.remove_folder(name).map_err(|error| tree.fault("remove the folder", &path, &error))?;
            }
            return Ok(true);
        };
        let is_ours = match kind {
            Kind::File => file_name::is_temporary(&name) || file_name::file_segment(&name).is_some(),
            Kind::Folder => file_name::folder_segment(&name).is_some(),
            Kind::Other => false,
        };
        if self.keeps_foreign && !is_ours {
            set_aside(tree, &level.folder, &level.path, &name)?;
        } else if kind == Kind::Folder {
            self.inner = Some(join(&level.path, &name));
        } else {
            level.folder.remove(&name).map_err(|error| tree.fault("remove from", &level.path, &error))?;
        }
        Ok(true)
    }
}
