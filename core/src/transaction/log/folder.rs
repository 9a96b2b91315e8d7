//! The calls to the operating system that transaction logs need. Each change of the disk is a step at which a test can
//! make it fail.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::step::Step;
use crate::engine::path::{make_private, sync_folder};
use crate::error::{Code, Error, Result};

const SUFFIX: &str = ".log";

/// The file that a recovery locks. Any other file that is locked then is the log of a living process.
const RECOVERY_LOCK: &str = "recovery.lock";

/// How long to wait for the recovery of another process.
const RECOVERY_PATIENCE: Duration = Duration::from_secs(30);

/// The folder of the transaction logs.
#[derive(Clone, Debug)]
pub(crate) struct LogFolder {
    path: PathBuf,
    #[cfg(test)]
    pub faults: Option<std::sync::Arc<super::fault_injector::FaultInjector>>,
}

/// The file of a log. The operating system keeps it locked until this is dropped, or the process ends.
pub(crate) struct LogFile {
    file: File,
    folder: LogFolder,
    name: String,
}

/// Keeps other recoveries away until it is dropped.
pub(crate) struct RecoveryLock {
    file: File,
}

impl Drop for LogFile {
    fn drop(&mut self) {
        // To close the file is not enough: between fork and exec, a child of this process has the same lock open.
        let _ = self.file.unlock();
    }
}

impl Drop for RecoveryLock {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl LogFolder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        LogFolder {
            path: path.into(),
            #[cfg(test)]
            faults: None,
        }
    }

    /// The path of the log of `id`.
    pub(crate) fn path_of(&self, id: u64) -> PathBuf {
        self.path.join(name(id))
    }

    /// Makes the folder with its parents, private to its owner.
    pub(crate) fn make(&self) -> io::Result<()> {
        self.step(|| Step::MakeFolder)?;
        make_private(&self.path)
    }

    /// The ids of the logs that are there.
    pub(crate) fn ids(&self) -> io::Result<Vec<u64>> {
        let mut ids = Vec::new();
        match fs::read_dir(&self.path) {
            Ok(entries) => {
                for entry in entries {
                    ids.extend(entry?.file_name().to_str().and_then(id_of));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Makes and locks the file of log `id`; `None` if there is one already, or another process was faster to lock it.
    pub(crate) fn create(&self, id: u64) -> io::Result<Option<LogFile>> {
        let name = name(id);
        self.step(|| Step::Create(name.clone()))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        match options.open(self.path.join(&name)) {
            Ok(file) => self.lock(file, name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens and locks the file of log `id`; `None` if it is gone, is no plain file, or a living process has locked it.
    pub(crate) fn open(&self, id: u64) -> io::Result<Option<LogFile>> {
        let name = name(id);
        let path = self.path.join(&name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => self.lock(file, name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lock(&self, file: File, name: String) -> io::Result<Option<LogFile>> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let locked = LogFile { file, folder: self.clone(), name };
        // The process that held the lock before may have removed the file. A name is never used twice.
        Ok(self.path.join(&locked.name).exists().then_some(locked))
    }

    /// Waits until no other process recovers here, and keeps others away. Blocks.
    pub(crate) fn lock_recovery(&self) -> Result<RecoveryLock> {
        let path = self.path.join(RECOVERY_LOCK);
        let cannot = |error: &io::Error| Error::io(format_args!("cannot lock {}", path.display()), error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(&path).map_err(|error| cannot(&error))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(RecoveryLock { file }),
                Err(TryLockError::Error(error)) => return Err(cannot(&error)),
                Err(TryLockError::WouldBlock) if start.elapsed() < RECOVERY_PATIENCE => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(
                        Code::Locked,
                        format!("another process has been recovering for long ({})", path.display()),
                    ));
                }
            }
        }
    }

    /// Makes the names in the folder survive power loss.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.step(|| Step::SyncFolder)?;
        self.sync_unless_simulated(|| sync_folder(&self.path))
    }

    /// Syncs, unless a test simulates the disk.
    #[allow(clippy::unused_self, reason = "tests look at it")]
    fn sync_unless_simulated(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        #[cfg(test)]
        if self.faults.is_some() {
            return Ok(());
        }
        sync()
    }

    #[cfg(test)]
    fn step(&self, step: impl FnOnce() -> Step) -> io::Result<()> {
        self.faults.as_ref().map_or(Ok(()), |faults| faults.step(step()))
    }

    #[cfg(not(test))]
    #[inline]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests fail here")]
    fn step(&self, _: impl FnOnce() -> Step) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path.join(&self.name)
    }

    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes all of `bytes` at byte `at`. One caller at a time.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at))?;
        if let Err(error) = self.folder.step(|| Step::Write(self.name.clone(), at, bytes.to_vec())) {
            // A crash in the middle of a write leaves a part of it.
            file.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
            return Err(error);
        }
        file.write_all(bytes)
    }

    /// Makes what was written survive power loss.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.folder.step(|| Step::Sync(self.name.clone()))?;
        self.folder.sync_unless_simulated(|| self.file.sync_data())
    }

    /// Cuts the file off behind byte `end`.
    pub(crate) fn cut(&self, end: u64) -> io::Result<()> {
        self.folder.step(|| Step::Cut(self.name.clone(), end))?;
        self.file.set_len(end)
    }

    /// Removes the file while it is locked, so that no recovery opens it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.folder.step(|| Step::Remove(self.name.clone()))?;
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn name(id: u64) -> String {
    format!("{id:016x}{SUFFIX}")
}

fn id_of(name: &str) -> Option<u64> {
    let id = u64::from_str_radix(name.strip_suffix(SUFFIX)?, 16).ok()?;
    (self::name(id) == name).then_some(id)
}
