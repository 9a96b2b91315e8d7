//! A tree of files and folders, as it can be built on a real disk.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use super::{Id, ROOT};

/// The files and folders that are found after power loss.
pub(crate) struct Tree {
    pub(super) folders: HashMap<Id, BTreeMap<OsString, Id>>,
    pub(super) files: HashMap<Id, Vec<u8>>,
}

impl Tree {
    /// Builds the tree in `root`, which is removed first if it exists.
    pub(crate) fn build(&self, root: &Path) -> io::Result<()> {
        if root.exists() {
            fs::remove_dir_all(root)?;
        }
        self.folder(ROOT, root)
    }

    fn folder(&self, id: Id, path: &Path) -> io::Result<()> {
        fs::create_dir(path)?;
        for (name, id) in self.folders.get(&id).into_iter().flatten() {
            let path = path.join(name);
            match self.files.get(id) {
                Some(bytes) => fs::write(path, bytes)?,
                None => self.folder(*id, &path)?,
            }
        }
        Ok(())
    }
}
