//! Unix: `openat2` where there is one, else folder by folder with `O_NOFOLLOW`.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, fchmod, fchown, fstat, mkdirat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::failpoint::step;
use super::regular_file::Overwritable;
use super::stamp::{Kind, Stamp};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// The mode of a new file.
const OWNER_ALONE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The open base folder.
#[derive(Clone)]
pub(crate) struct Root {
    fd: Arc<OwnedFd>,
}

/// An open folder.
#[derive(Clone)]
pub(crate) struct Folder {
    fd: Arc<OwnedFd>,
}

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Root { fd: Arc::new(rustix::fs::open(path, flags, Mode::empty())?) })
    }

    /// The folder at `path`, "" for the base folder; `None` if there is none that is not a link.
    pub(crate) fn folder(&self, path: &str) -> io::Result<Option<Folder>> {
        if path.is_empty() {
            return Ok(Some(Folder { fd: self.fd.clone() }));
        }
        match open_below(&self.fd, path) {
            Ok(fd) => Ok(Some(Folder { fd: Arc::new(fd) })),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder at `path`, made with its parents where missing. The folders in which it made one go to `parents`.
    pub(crate) fn make_folder(&self, path: &str, parents: &mut Vec<String>) -> io::Result<Folder> {
        if let Some(folder) = self.folder(path)? {
            return Ok(folder);
        }
        let mut fd = self.fd.clone();
        let mut parent = String::new();
        for name in path.split('/') {
            step()?;
            match mkdirat(&fd, name, Mode::RWXU) {
                Ok(()) => parents.push(parent.clone()),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            fd = Arc::new(openat(&fd, name, FOLDER, Mode::empty())?);
            if !parent.is_empty() {
                parent.push('/');
            }
            parent.push_str(name);
        }
        Ok(Folder { fd })
    }

    /// True if [`sync_all`](Self::sync_all) does something.
    #[allow(clippy::unused_self, reason = "it is the base folder's file system")]
    pub(crate) fn can_sync_all(&self) -> bool {
        reports_errors()
    }

    /// Makes every write below the base folder survive power loss, or says that it cannot be told here.
    pub(crate) fn sync_all(&self) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        if self.can_sync_all() {
            step()?;
            rustix::fs::syncfs(&self.fd)?;
            return Ok(true);
        }
        Ok(false)
    }
}

impl Folder {
    /// The stamp and the kind of what lies at `name`; a link is not followed.
    pub(crate) fn stat(&self, name: &str) -> io::Result<Option<(Stamp, Kind)>> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some((stamp(&stat), kind(FileType::from_raw_mode(stat.st_mode))))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The regular file at `name`, open for reading.
    pub(crate) fn open(&self, name: &str) -> io::Result<Option<(File, Stamp)>> {
        // Without NONBLOCK, opening a pipe would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        Ok(Some((File::from(fd), stamp(&stat))))
    }

    /// A new file that only its owner reads.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        step()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.fd, name, flags, OWNER_ALONE)?))
    }

    /// Gives the new `file` the mode of the file at `name`, which it will replace, and its group where that is allowed.
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs from system to system")]
    pub(crate) fn keep_mode(&self, name: &str, file: &File) -> io::Result<()> {
        let Ok(old) = statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(()) };
        let mode = Mode::from_raw_mode(old.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO);
        if FileType::from_raw_mode(old.st_mode) != FileType::RegularFile || mode == OWNER_ALONE {
            return Ok(());
        }
        let new = fstat(file)?;
        // Without the group, its rights would be those of another one.
        if new.st_gid != old.st_gid && fchown(file, None, Some(Gid::from_raw(old.st_gid))).is_err() {
            return Ok(fchmod(file, mode & (Mode::RWXU | Mode::RWXO))?);
        }
        Ok(fchmod(file, mode)?)
    }

    /// The file `name`, open for writing, if it may be written in place.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // The fields' types differ from system to system.
    pub(crate) fn overwritable(&self, name: &str) -> Option<Overwritable> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // Whatever forbids it, the write under a temporary name tells.
        let fd = openat(&self.fd, name, flags, Mode::empty()).ok()?;
        let stat = fstat(&fd).ok()?;
        let is_plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink as u64 == 1;
        let capacity = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        is_plain.then_some(Overwritable { file: File::from(fd), size, capacity })
    }

    pub(crate) fn rename(&self, from: &str, into: &Folder, to: &str) -> io::Result<()> {
        step()?;
        Ok(renameat(&self.fd, from, &into.fd, to)?)
    }

    /// Removes the file `name`; false if there is none.
    pub(crate) fn remove(&self, name: &str) -> io::Result<bool> {
        step()?;
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the folder `name`; false if it is not empty or not there.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<bool> {
        step()?;
        match unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The names in the folder, in no order. Names that are not UTF-8 come lossily: they are no key's.
    pub(crate) fn list(&self, mut take: impl FnMut(&str, Kind)) -> io::Result<()> {
        let mut dir = Dir::read_from(&self.fd)?;
        while let Some(entry) = dir.read() {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if name == "." || name == ".." {
                continue;
            }
            let found = match entry.file_type() {
                FileType::Unknown => match statat(&self.fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => kind(FileType::from_raw_mode(stat.st_mode)),
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                },
                known => kind(known),
            };
            take(&name, found);
        }
        Ok(())
    }

    /// Makes the names in the folder survive power loss.
    pub(crate) fn sync(&self) -> io::Result<()> {
        step()?;
        Ok(rustix::fs::fsync(&self.fd)?)
    }
}

/// The stamp of an open file.
pub(crate) fn stamp_of(file: &File) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok(Stamp {
        modified: time(metadata.mtime(), metadata.mtime_nsec()),
        changed: time(metadata.ctime(), metadata.ctime_nsec()),
        size: metadata.size(),
        inode: metadata.ino(),
    })
}

fn open_below(root: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(root, path, FOLDER, Mode::empty(), resolve) {
            // Old kernels and some sandboxes have no openat2.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
            answer => return answer,
        }
    }
    let mut names = path.split('/');
    let mut fd = openat(root, names.next().unwrap_or_default(), FOLDER, Mode::empty())?;
    for name in names {
        fd = openat(&fd, name, FOLDER, Mode::empty())?;
    }
    Ok(fd)
}

#[cfg(not(target_os = "linux"))]
fn reports_errors() -> bool {
    false
}

/// Linux tells of failed writes at syncfs since 5.8.
#[cfg(target_os = "linux")]
fn reports_errors() -> bool {
    use once_cell::sync::Lazy;
    static REPORTS: Lazy<bool> = Lazy::new(|| {
        let uname = rustix::system::uname();
        let release = uname.release().to_string_lossy();
        let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 8)
    });
    *REPORTS
}

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    clippy::cast_possible_wrap,
    clippy::cast_lossless,
    reason = "the fields' types differ from system to system"
)]
fn stamp(stat: &rustix::fs::Stat) -> Stamp {
    Stamp {
        modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        changed: time(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        inode: stat.st_ino as u64,
    }
}

fn time(seconds: i64, nanos: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        _ => Kind::Other,
    }
}
