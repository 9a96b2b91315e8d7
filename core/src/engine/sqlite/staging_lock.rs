//! The lock that says that a replacement is staged in a database: `<database>-<table>-staging`, a file beside it.
//!
//! It is the operating system's, so it ends with the process, and the next one may remove what was staged.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::engine::path::not_writable;
use crate::error::{Code, Error, Result};

/// A held lock. Its drop removes the file.
pub(super) struct StagingLock {
    file: File,
    path: PathBuf,
}

impl StagingLock {
    /// Takes the lock for a table of the database at `database`.
    ///
    /// # Errors
    ///
    /// `LOCKED` if another process has it, or an error of the medium.
    pub(super) fn take(database: &Path, table: &str) -> Result<Self> {
        let mut name = database.as_os_str().to_owned();
        name.push(format!("-{table}-staging"));
        let path = PathBuf::from(name);
        loop {
            let file = open(&path)?;
            match file.try_lock() {
                // A holder may have removed the file since it was opened here.
                Ok(()) if names(&path, &file) => return Ok(StagingLock { file, path }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(locked(&path)),
                Err(TryLockError::Error(error)) => {
                    return Err(Error::io(format_args!("cannot lock {}", path.display()), &error));
                }
            }
        }
    }
}

impl Drop for StagingLock {
    fn drop(&mut self) {
        // A file that stays is no lock: the next one takes it.
        let _ = fs::remove_file(&self.path);
        // Closing the file is not enough: between fork and exec a child of this process has the same lock open.
        let _ = self.file.unlock();
    }
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| match error.kind() {
        // Windows refuses to open a file that its holder has removed.
        std::io::ErrorKind::PermissionDenied if cfg!(windows) => locked(path),
        std::io::ErrorKind::PermissionDenied => not_writable(path),
        _ => Error::io(format_args!("cannot open {}", path.display()), &error),
    })
}

fn locked(path: &Path) -> Error {
    let message = "another process is replacing the content of the store";
    Error::new(Code::Locked, format!("{message}; wait until it is over (it holds {})", path.display()))
}

/// True if `path` still names the file that is open.
#[cfg(unix)]
fn names(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(path), file.metadata()) {
        (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
        _ => false,
    }
}

/// True if `path` still names the file that is open: elsewhere a removed file keeps its name until it is closed.
#[cfg(not(unix))]
fn names(path: &Path, _file: &File) -> bool {
    path.exists()
}
