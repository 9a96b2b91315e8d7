//! The lock that keeps other processes out of a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::options::NAME;
use crate::engine::path::not_writable;
use crate::engine::process;
use crate::error::{Code, Error, Result};

/// The lock file. It is made before the store, so its presence also says that the folder is ours. RocksDB's own lock
/// does not do: it is an fcntl lock, which any close of the file in this process drops.
pub(super) const LOCK_FILE: &str = ".holdfast.lock";

const RETRY: Duration = Duration::from_millis(20);

/// A held lock. Dropping it releases the lock.
pub(super) struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file is not enough: between fork and exec a child of this process has the same lock open.
        let _ = self.0.unlock();
    }
}

/// True if the folder has our lock file.
pub(super) fn is_marked(path: &Path) -> bool {
    path.join(LOCK_FILE).exists()
}

/// Takes the lock of the folder and waits up to `timeout` milliseconds for it. A writer holds it alone, readers share
/// it. A reader of a folder that was never locked needs no lock.
pub(super) fn lock(path: &Path, read_only: bool, timeout: u64) -> Result<Option<FolderLock>> {
    let Some(mut lock) = open_lock_file(path, read_only)? else { return Ok(None) };
    let deadline = Instant::now().checked_add(Duration::from_millis(timeout));
    loop {
        let attempt = if read_only { lock.try_lock_shared() } else { lock.try_lock() };
        match attempt {
            Ok(()) => {
                if !read_only {
                    process::leave_mark(&mut lock);
                }
                return Ok(Some(FolderLock(lock)));
            }
            Err(TryLockError::WouldBlock) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                thread::sleep(RETRY);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(process::locked(process::holder(&mut lock), path.display()).in_engine(NAME));
            }
            Err(TryLockError::Error(error)) => {
                let file = path.join(LOCK_FILE);
                return Err(Error::io(format_args!("cannot lock {}", file.display()), &error).in_engine(NAME));
            }
        }
    }
}

/// The lock file, which a writer makes; `None` if there is none for a reader.
fn open_lock_file(path: &Path, read_only: bool) -> Result<Option<File>> {
    let file = path.join(LOCK_FILE);
    let opened = if read_only {
        File::open(&file)
    } else {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&file)
    };
    match opened {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if read_only && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if !read_only && error.kind() == ErrorKind::PermissionDenied => {
            Err(not_writable(path).in_engine(NAME))
        }
        Err(error) => {
            let error = Error::io(format_args!("cannot open {}", file.display()), &error);
            let error = match error.code() {
                Code::ReadOnly => Error::new(
                    Code::ReadOnly,
                    format!("{} is on a read-only medium; open it with readOnly", path.display()),
                ),
                _ => error,
            };
            Err(error.in_engine(NAME))
        }
    }
}
