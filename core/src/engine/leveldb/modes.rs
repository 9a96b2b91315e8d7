//! Keeps the files of the store for their owner alone. RocksDB lets anybody read them, as far as the umask does.

use std::path::PathBuf;
use std::time::SystemTime;

use parking_lot::Mutex;

/// The folder whose files are made private.
pub(super) struct Modes {
    folder: PathBuf,
    /// The time of the folder's latest change that was looked at.
    seen: Mutex<Option<SystemTime>>,
}

impl Modes {
    pub(super) fn new(folder: PathBuf) -> Self {
        Modes { folder, seen: Mutex::default() }
    }

    /// Takes the rights of others away from files that RocksDB has made since the last call. A file that belongs to
    /// another user stays as it is.
    #[cfg(unix)]
    pub(super) fn make_private(&self) {
        use std::fs;
        use std::os::unix::fs::PermissionsExt;
        let mut seen = self.seen.lock();
        let changed = fs::metadata(&self.folder).and_then(|metadata| metadata.modified()).ok();
        if changed.is_some() && *seen == changed {
            return;
        }
        *seen = changed;
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let mode = metadata.permissions().mode();
            if metadata.is_file() && mode & 0o077 != 0 {
                // RocksDB may have removed it since.
                let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode & 0o700));
            }
        }
    }

    #[cfg(not(unix))]
    pub(super) fn make_private(&self) {
        let _ = (&self.folder, &self.seen);
    }
}
