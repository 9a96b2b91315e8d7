//! The lock that keeps a second process out. It is the operating system's, so it ends with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::fault;
use crate::engine::path::not_writable;
use crate::engine::process;
use crate::error::{Error, Result};

/// A held lock. Dropping it releases it.
pub(super) struct ProcessLock {
    file: File,
}

impl Drop for ProcessLock {
    fn drop(&mut self) {
        // Closing the file is not enough: between fork and exec a child of this process has the same lock open.
        let _ = self.file.unlock();
    }
}

impl ProcessLock {
    /// Takes the lock at `path` for this process alone, waiting at most `timeout`.
    pub(super) fn exclusive(path: &Path, timeout: Duration) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        }
        let mut file = options.open(path).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => not_writable(path),
            _ => failed(path, &error),
        })?;
        wait(&mut file, path, timeout, File::try_lock)?;
        process::leave_mark(&mut file);
        Ok(ProcessLock { file })
    }

    /// Takes the lock at `path` together with other readers; `None` if there is no lock file.
    pub(super) fn shared(path: &Path, timeout: Duration) -> Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path, &error)),
        };
        wait(&mut file, path, timeout, File::try_lock_shared)?;
        Ok(Some(ProcessLock { file }))
    }
}

fn wait(
    file: &mut File,
    path: &Path,
    timeout: Duration,
    take: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<()> {
    let start = Instant::now();
    loop {
        match take(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(failed(path, &error)),
            Err(TryLockError::WouldBlock) if start.elapsed() < timeout => {
                thread::sleep(Duration::from_millis(10).min(timeout));
            }
            Err(TryLockError::WouldBlock) => return Err(process::locked(process::holder(file), path.display())),
        }
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    fault::io("lock", path.display(), error)
}
