//! The tree of files below the base folder, for reading: paths, stamps, contents, listings.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use parking_lot::RwLock;

use super::fault;
use super::layout::{LongNames, STORE_FOLDER, join};
use super::os::{Folder, Kind, Root, Stamp, nanos, stamp_of};
use crate::error::{Error, Result};
use crate::format::file_name::{self, FilePath};
use crate::format::file_text::{self, Encoding};
use crate::value::Value;

/// Attempts to read a file that changes meanwhile.
const MAX_READS: usize = 8;

pub(super) struct FileTree {
    /// The open base folder; `None` once closed.
    root: RwLock<Option<Root>>,
    /// The base folder as the user wrote it.
    base: PathBuf,
    encoding: Encoding,
    long_names: LongNames,
}

/// The content of a file at one time.
pub(super) struct FileContent {
    pub value: Value,
    pub stamp: Stamp,
    /// True if a later change need not show in the stamp.
    pub racy: bool,
}

impl FileTree {
    pub(super) fn new(root: Root, base: &Path, encoding: Encoding, long_names: LongNames) -> Self {
        FileTree { root: RwLock::new(Some(root)), base: base.to_owned(), encoding, long_names }
    }

    /// Closes the base folder. Every call that needs it is CLOSED from now on. Views may hold the tree for longer.
    pub(super) fn close(&self) {
        drop(self.root.write().take());
    }

    fn root(&self) -> Result<Root> {
        self.root.read().clone().ok_or_else(Error::closed)
    }

    pub(super) fn long_names(&self) -> &LongNames {
        &self.long_names
    }

    /// The path of the file of `key`; `None` if no file of it can exist.
    pub(super) fn path(&self, key: &[u8]) -> Option<FilePath> {
        file_name::path_of(key).or_else(|| self.long_names.path(key))
    }

    pub(super) fn folder(&self, path: &str) -> Result<Option<Folder>> {
        self.root()?.folder(path).map_err(|error| self.fault("open the folder", path, &error))
    }

    /// The folder at `path`, made with its parents where missing. The folders in which it made one go to `parents`.
    pub(super) fn make_folder(&self, path: &str, parents: &mut Vec<String>) -> io::Result<Folder> {
        let root = self.root().map_err(io::Error::other)?;
        root.make_folder(path, parents)
    }

    /// The stamp of a key's file; `None` if there is none.
    pub(super) fn stat(&self, key: &[u8]) -> Result<Option<Stamp>> {
        let Some(path) = self.path(key) else { return Ok(None) };
        let Some(folder) = self.folder(path.folder())? else { return Ok(None) };
        let found =
            folder.stat(path.name()).map_err(|error| self.fault("look at", path.as_str(), &error).at_key(key))?;
        Ok(found.filter(|(_, kind)| *kind == Kind::File).map(|(stamp, _)| stamp))
    }

    /// The content of the file at `path`. CORRUPTED if that is no value.
    pub(super) fn read(&self, path: &FilePath) -> Result<Option<FileContent>> {
        let Some((bytes, stamp, racy)) = self.read_bytes(path)? else { return Ok(None) };
        let value = file_text::decode(bytes, self.encoding)
            .map_err(|error| fault::in_file(self.display(path.as_str()), &error))?;
        Ok(Some(FileContent { value, stamp, racy }))
    }

    /// The bytes of a file that holds `value`.
    pub(super) fn encode(&self, value: &Value) -> Vec<u8> {
        file_text::encode(value, self.encoding)
    }

    /// The bytes of a file, read at one time, its stamp, and whether that is racy.
    fn read_bytes(&self, path: &FilePath) -> Result<Option<(Vec<u8>, Stamp, bool)>> {
        let failed = |error: io::Error| self.fault("read", path.as_str(), &error);
        let Some(folder) = self.folder(path.folder())? else { return Ok(None) };
        // An editor that writes in place may be in the middle of it: read again while the stamp changes.
        for _ in 0..MAX_READS {
            let Some((mut file, before)) = folder.open(path.name()).map_err(failed)? else { return Ok(None) };
            let size = usize::try_from(before.size.min(1 << 30)).unwrap_or(0);
            let mut bytes = Vec::with_capacity(size + 1);
            let read_at = nanos();
            file.read_to_end(&mut bytes).map_err(failed)?;
            let after = stamp_of(&file).map_err(failed)?;
            if before == after {
                return Ok(Some((bytes, after, after.is_racy(read_at))));
            }
        }
        Err(fault::unstable_file(self.display(path.as_str())))
    }

    /// The names in `folder`, the folder at `path`, in no order.
    pub(super) fn list(&self, folder: &Folder, path: &str, take: impl FnMut(&str, Kind)) -> Result<()> {
        folder.list(take).map_err(|error| self.fault("list", path, &error))
    }

    /// The folder `path` and those below, except the store's own.
    pub(super) fn folders_below(&self, path: &str) -> Result<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        let mut paths = vec![path.to_owned()];
        while let Some(path) = paths.pop() {
            let Some(folder) = self.folder(&path)? else { continue };
            self.list(&folder, &path, |name, kind| {
                if kind == Kind::Folder && name != STORE_FOLDER {
                    paths.push(join(&path, name));
                }
            })?;
            all.insert(path);
        }
        Ok(all)
    }

    /// True if the whole file system can be synced at once.
    pub(super) fn can_sync_file_system(&self) -> bool {
        self.root().is_ok_and(|root| root.can_sync_all())
    }

    /// Syncs the whole file system; false where that cannot be done, or reports no errors.
    pub(super) fn sync_file_system(&self) -> Result<bool> {
        self.root()?.sync_all().map_err(|error| self.fault("sync", "", &error))
    }

    /// A path below the base folder as messages show it.
    pub(super) fn display(&self, path: &str) -> String {
        format!("{}/{path}", self.base.display())
    }

    /// A path below the base folder for calls that take no open folder.
    pub(super) fn full_path(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// The system's error of `action` on what lies at `path`.
    pub(super) fn fault(&self, action: &str, path: &str, error: &io::Error) -> Error {
        fault::io(action, self.display(path), error)
    }
}
