//! Systems without folder-relative calls, Windows above all: paths, each part looked at before it is used.

#![allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the calls are those of `unix.rs`")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::failpoint::step;
use super::regular_file::Overwritable;
use super::stamp::{Kind, Stamp};

/// The base folder.
#[derive(Clone)]
pub(crate) struct Root {
    path: PathBuf,
}

/// A folder that was there when it was asked for.
#[derive(Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Root { path: fs::canonicalize(path)? })
    }

    /// The folder at `path`, "" for the base folder; `None` if there is none that is not a link.
    pub(crate) fn folder(&self, path: &str) -> io::Result<Option<Folder>> {
        let mut full = self.path.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            full.push(name);
            match fs::symlink_metadata(&full) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Ok(None),
                Err(error) if is_missing(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Folder { path: full }))
    }

    /// The folder at `path`, made with its parents where missing. The folders in which it made one go to `parents`.
    pub(crate) fn make_folder(&self, path: &str, parents: &mut Vec<String>) -> io::Result<Folder> {
        let mut full = self.path.clone();
        let mut parent = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            full.push(name);
            step()?;
            match fs::create_dir(&full) {
                Ok(()) => parents.push(parent.clone()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if !fs::symlink_metadata(&full)?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            if !parent.is_empty() {
                parent.push('/');
            }
            parent.push_str(name);
        }
        Ok(Folder { path: full })
    }

    pub(crate) fn can_sync_all(&self) -> bool {
        false
    }

    /// Nothing here syncs a whole file system.
    pub(crate) fn sync_all(&self) -> io::Result<bool> {
        Ok(false)
    }
}

impl Folder {
    /// The stamp and the kind of what lies at `name`; a link is not followed.
    pub(crate) fn stat(&self, name: &str) -> io::Result<Option<(Stamp, Kind)>> {
        match fs::symlink_metadata(self.path.join(name)) {
            Ok(metadata) => Ok(Some((stamp(&metadata), kind(metadata.file_type())))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The regular file at `name`, open for reading.
    pub(crate) fn open(&self, name: &str) -> io::Result<Option<(File, Stamp)>> {
        if !matches!(self.stat(name)?, Some((_, Kind::File))) {
            return Ok(None);
        }
        match File::open(self.path.join(name)) {
            Ok(file) => {
                let stamp = stamp_of(&file)?;
                Ok(Some((file, stamp)))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A new file.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        step()?;
        OpenOptions::new().write(true).create_new(true).open(self.path.join(name))
    }

    /// Nothing is written in place: other names of a file cannot be told here.
    pub(crate) fn overwritable(&self, _name: &str) -> Option<Overwritable> {
        None
    }

    /// Nothing: a new file has the rights of its folder.
    pub(crate) fn keep_mode(&self, _name: &str, _file: &File) -> io::Result<()> {
        Ok(())
    }

    /// Renames over what is there, waiting for scanners and indexers that hold it open.
    pub(crate) fn rename(&self, from: &str, into: &Folder, to: &str) -> io::Result<()> {
        step()?;
        retry_while_open(|| fs::rename(self.path.join(from), into.path.join(to)))
    }

    /// Removes the file `name`; false if there is none.
    pub(crate) fn remove(&self, name: &str) -> io::Result<bool> {
        step()?;
        match retry_while_open(|| fs::remove_file(self.path.join(name))) {
            Ok(()) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the folder `name`; false if it is not empty or not there.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<bool> {
        step()?;
        match fs::remove_dir(self.path.join(name)) {
            Ok(()) => Ok(true),
            Err(error) if is_missing(&error) || error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The names in the folder, in no order. Names that are not Unicode come lossily: they are no key's.
    pub(crate) fn list(&self, mut take: impl FnMut(&str, Kind)) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            take(&entry.file_name().to_string_lossy(), kind(entry.file_type()?));
        }
        Ok(())
    }

    /// Windows has no call for it; its file systems journal names themselves.
    pub(crate) fn sync(&self) -> io::Result<()> {
        step()
    }
}

/// The stamp of an open file.
pub(crate) fn stamp_of(file: &File) -> io::Result<Stamp> {
    Ok(stamp(&file.metadata()?))
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    let nanos = |time: io::Result<SystemTime>| {
        time.ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |elapsed| i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX))
    };
    // A file that replaces another has its own time of making: that stands in for an inode.
    let made = nanos(metadata.created());
    Stamp {
        modified: nanos(metadata.modified()),
        changed: made,
        size: metadata.len(),
        inode: u64::try_from(made & i128::from(u64::MAX)).unwrap_or(0),
    }
}

fn kind(file_type: fs::FileType) -> Kind {
    if file_type.is_file() {
        Kind::File
    } else if file_type.is_dir() {
        Kind::Folder
    } else {
        Kind::Other
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Tries again for about a second where another program has the file open.
fn retry_while_open(mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut pause = Duration::from_millis(1);
    loop {
        match call() {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ResourceBusy)
                    && pause < Duration::from_millis(600) =>
            {
                thread::sleep(pause);
                pause *= 2;
            }
            answer => return answer,
        }
    }
}
