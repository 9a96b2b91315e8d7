//! Keeps a second copy of SQLite in this process from a database that is open.
//!
//! POSIX locks belong to the process. A second copy of SQLite, which knows nothing of the connections of the first,
//! takes itself for the last user of a database as it closes it: it deletes the WAL, and the system drops the locks of
//! both. A process has several copies as soon as it loads two versions of this library, or another binding of SQLite.
//!
//! What all copies share is the process, which can tell whether a file is open in it. The file must not be opened to
//! find that out, because closing it would drop the locks. On Windows a lock belongs to an open file, so copies are to
//! each other as processes are.
//!
//! Source: <https://www.sqlite.org/howtocorrupt.html>, section 2.2.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::engine::registry::StoreId;
use crate::error::{Code, Error, Result};

/// The right to have a database open in this process. Every connection holds it until it is closed.
#[derive(Debug)]
pub(super) struct SoleCopy(());

impl SoleCopy {
    /// The right to open the database at `path`.
    ///
    /// # Errors
    ///
    /// `LOCKED` if another copy of SQLite has it open, `IO` if there is no such file.
    pub(super) fn of(path: &Path) -> Result<Arc<Self>> {
        /// The databases that this copy has open.
        static OPEN: Mutex<Vec<(StoreId, Weak<SoleCopy>)>> = Mutex::new(Vec::new());
        let id = StoreId::of(super::options::NAME, path, "")?;
        let mut open = OPEN.lock();
        open.retain(|(_, copy)| copy.strong_count() > 0);
        if let Some(copy) = open.iter().find(|(held, _)| *held == id).and_then(|(_, copy)| copy.upgrade()) {
            return Ok(copy);
        }
        if is_open(path) {
            let message = "this process has the database open already, through another copy of holdfast or of SQLite, \
                           and their locks would cancel each other; use one copy, or close the database there first";
            return Err(Error::new(Code::Locked, format!("{message} ({})", path.display())));
        }
        let copy = Arc::new(SoleCopy(()));
        open.push((id, Arc::downgrade(&copy)));
        Ok(copy)
    }
}

/// True if this process has the file open. False where the system does not tell.
#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let Ok(sought) = std::fs::metadata(path).map(identity) else { return false };
    let descriptors = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let Ok(descriptors) = std::fs::read_dir(descriptors) else { return false };
    descriptors.flatten().any(|open| std::fs::metadata(open.path()).map(identity).is_ok_and(|open| open == sought))
}

#[cfg(not(unix))]
fn is_open(_path: &Path) -> bool {
    false
}

/// The turn of the one copy that looks for a database and opens it. Dropping it ends the turn.
pub(super) struct Turn(Option<File>);

impl Turn {
    /// Takes the turn for the databases in `folder`, if it is there. After `timeout` milliseconds the copy goes on
    /// without it: it only keeps away another one that opens the same database at the same moment.
    pub(super) fn take(folder: Option<&Path>, timeout: u64) -> Self {
        // The lock of a file of its own would leave that file behind. This is no POSIX lock, so copies exclude each
        // other.
        let opened = folder.filter(|_| cfg!(unix)).map(File::open);
        let Some(Ok(folder)) = opened else { return Turn(None) };
        let deadline = Instant::now().checked_add(Duration::from_millis(timeout));
        loop {
            match folder.try_lock() {
                Ok(()) => return Turn(Some(folder)),
                Err(std::fs::TryLockError::WouldBlock) if deadline.is_none_or(|at| Instant::now() < at) => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(_) => return Turn(None),
            }
        }
    }

    pub(super) fn is_taken(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            // Closing it is not enough: between fork and exec a child of this process has the same lock.
            let _ = folder.unlock();
        }
    }
}
