//! The database file: found or made, and the reasons why it cannot be written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::options::{NAME, SqliteOptions};
use super::other_copies::Turn;
use crate::engine::path::{not_writable, prepare_folder, refuse_asar};
use crate::error::{Code, Error, Result};

/// The absolute path of the file, and the turn to open it. The file is made if it is missing and the options let it be
/// made.
pub(super) fn find_or_make(options: &SqliteOptions) -> Result<(PathBuf, Turn)> {
    /// Held while a new file is open: closing it drops the locks of a connection to it.
    static MAKING: Mutex<()> = Mutex::new(());
    let path = std::path::absolute(&options.path).map_err(|error| {
        Error::new(Code::InvalidArgument, format!("{} is not a path", options.path.display())).caused_by(&error)
    })?;
    refuse_asar(&path, NAME)?;
    let take_turn = || Turn::take(path.parent(), options.busy_timeout);
    let turn = take_turn();
    let _making = MAKING.lock();
    let missing = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("{} is a folder; the sqlite engine needs the path of a file", path.display()),
            ));
        }
        Ok(_) => return Ok((path, turn)),
        Err(error) => error,
    };
    let can_be_made = missing.kind() == io::ErrorKind::NotFound && !options.read_only;
    let Some(folder) = path.parent() else { return Err(cannot_open(&path, &missing)) };
    if options.read_only && missing.kind() == io::ErrorKind::NotFound {
        return Err(cannot_open(&path, &missing));
    }
    prepare_folder(folder, NAME, options.read_only)?;
    if !can_be_made {
        return Err(cannot_open(&path, &missing));
    }
    let turn = if turn.is_taken() { turn } else { take_turn() };
    make(&path, folder).map_err(|error| cannot_open(&path, &error))?;
    Ok((path, turn))
}

/// Makes an empty file for its owner alone, whose name survives power loss.
fn make(path: &Path, folder: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => file.sync_all()?,
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    sync_folder(folder)
}

/// Makes the names in `folder` survive power loss.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Makes the name of the WAL survive power loss. SQLite syncs it too, but ignores an error. Without its WAL a database
/// that was being checkpointed is damaged.
pub(super) fn sync_wal_name(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_folder).map_err(|error| cannot_open(path, &error))
}

fn cannot_open(path: &Path, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return not_writable(path);
    }
    Error::io(format_args!("cannot open {}", path.display()), error)
}

/// Why no file can be made beside `path`, if none can. Found by trying: the kernel's answer alone is sure.
pub(super) fn cannot_write_beside(path: &Path) -> Option<io::ErrorKind> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!("-probe-{}", std::process::id()));
    let probe = path.with_file_name(name);
    match fs::OpenOptions::new().write(true).create_new(true).open(&probe) {
        Ok(_) => {
            // The name is ours: a leftover file is no reason to fail.
            let _ = fs::remove_file(&probe);
            None
        }
        Err(error) => Some(error.kind()),
    }
}

/// True if the database has a WAL with frames.
pub(super) fn has_wal(path: &Path) -> bool {
    size(&wal_path(path)) > 0
}

pub(super) fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// The size of a file, 0 if it is missing. The file is never opened: closing it would drop SQLite's locks.
pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
