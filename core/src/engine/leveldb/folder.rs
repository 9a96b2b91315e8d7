//! What lies in the folder before RocksDB sees it, and the lock that keeps other processes out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rocksdb::{DB, Options};

use super::database::FAMILIES;
use super::{NAME, fault};
use crate::engine::path::not_writable;
use crate::error::{Code, Error, Result};

/// The lock file, made before the store: its presence also says that the folder is ours. RocksDB's own lock is an fcntl lock, which
/// any close of the file in this process drops.
const LOCK_FILE: &str = ".holdfast.lock";

const LOCK_RETRY: Duration = Duration::from_millis(20);

/// What is in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No store, or one whose making was interrupted: nothing can be lost by making it.
    New,
    Store,
}

/// True if the folder has our lock file.
pub(super) fn is_marked(path: &Path) -> bool {
    path.join(LOCK_FILE).exists()
}

/// Looks at the folder without changing it: UNSUPPORTED_FORMAT for another program's store, CORRUPTED for one that lost
/// its `CURRENT`.
pub(super) fn inspect(path: &Path) -> Result<Found> {
    let mut names = Vec::new();
    let failed = |error| Error::io(format_args!("cannot list {}", path.display()), &error).in_engine(NAME);
    for entry in fs::read_dir(path).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    let has = |name: &str| names.iter().any(|other| other == name);
    let numbered = |extension: &str| {
        names.iter().any(|name| {
            name.strip_suffix(extension)
                .is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    if !has("CURRENT") {
        // RocksDB writes the first manifest, then CURRENT, then the rest.
        let manifest = names.iter().any(|name| name.starts_with("MANIFEST-") && name != "MANIFEST-000001");
        if manifest || numbered(".sst") || numbered(".ldb") || numbered(".log") {
            return Err(Error::corrupted("the store lacks its file CURRENT; restore a backup, nothing was changed")
                .in_engine(NAME));
        }
        return Ok(Found::New);
    }
    let ours = has(LOCK_FILE);
    let rocksdb = ours || has("IDENTITY") || names.iter().any(|name| name.starts_with("OPTIONS-"));
    if numbered(".ldb") || !rocksdb {
        return Err(fault::foreign("LevelDB"));
    }
    let families = DB::list_cf(&Options::default(), path).map_err(|error| fault::translate_open(&error))?;
    if !families.iter().all(|name| FAMILIES.contains(&name.as_str())) {
        return Err(fault::foreign("RocksDB"));
    }
    match families.len() == FAMILIES.len() {
        true => Ok(Found::Store),
        // Column families are made one after the other; ours without them all is one whose making was interrupted.
        false if ours => Ok(Found::New),
        false => Err(fault::foreign("RocksDB")),
    }
}

/// A held lock. Dropping it lets go.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not do: between fork and exec a child of this process has the same lock open.
        let _ = self.0.unlock();
    }
}

/// Takes the lock of the folder, waiting up to `timeout` milliseconds: alone for a writer, shared among readers. A reader of
/// a folder that was never locked needs none.
pub(super) fn lock(path: &Path, read_only: bool, timeout: u64) -> Result<Option<Lock>> {
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
    let lock = match opened {
        Ok(lock) => lock,
        Err(error) if read_only && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) if !read_only && error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(not_writable(path).in_engine(NAME));
        }
        Err(error) => {
            let error = Error::io(format_args!("cannot open {}", file.display()), &error).in_engine(NAME);
            return Err(match error.code() {
                Code::ReadOnly => Error::new(
                    Code::ReadOnly,
                    format!("{} is on a read-only medium; open it with readOnly", path.display()),
                )
                .in_engine(NAME),
                _ => error,
            });
        }
    };
    let deadline = Instant::now().checked_add(Duration::from_millis(timeout));
    loop {
        let attempt = if read_only { lock.try_lock_shared() } else { lock.try_lock() };
        match attempt {
            Ok(()) => return Ok(Some(Lock(lock))),
            Err(TryLockError::WouldBlock) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                thread::sleep(LOCK_RETRY);
            }
            Err(TryLockError::WouldBlock) => return Err(fault::locked(path.display())),
            Err(TryLockError::Error(error)) => {
                return Err(Error::io(format_args!("cannot lock {}", file.display()), &error).in_engine(NAME));
            }
        }
    }
}
