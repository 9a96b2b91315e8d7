//! A call of the traced program that changes the disk below the folder that counts, or says something.

use std::io;
use std::path::{Path, PathBuf};

use libc::{c_int, c_long, user_regs_struct};

use super::process::Thread;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// An opening that makes a file or cuts one to nothing. `inode` is known once it is made.
    Open {
        path: PathBuf,
        existed: bool,
        cut: bool,
        inode: u64,
    },
    /// `offset` is known once it is done where the file's own position says it.
    Write {
        inode: u64,
        path: PathBuf,
        offset: Option<u64>,
        data: Vec<u8>,
    },
    Resize {
        inode: u64,
        size: u64,
    },
    /// Space is reserved; the file grows to `size` where it is shorter.
    Grow {
        inode: u64,
        size: u64,
    },
    Zero {
        inode: u64,
        offset: u64,
        length: u64,
    },
    Sync {
        inode: u64,
        path: PathBuf,
    },
    SyncAll,
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
        inode: u64,
    },
    /// A line of the workload.
    Said(Vec<u8>),
    /// A way to change a file that is not understood: the trace would be wrong.
    Unknown(String),
}

impl Call {
    /// Its kind, for messages.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Call::Open { .. } => "open",
            Call::Write { .. } => "write",
            Call::Resize { .. } => "truncate",
            Call::Grow { .. } | Call::Zero { .. } => "fallocate",
            Call::Sync { .. } => "fsync",
            Call::SyncAll => "syncfs",
            Call::Rename { .. } => "rename",
            Call::Link { .. } => "link",
            Call::Remove { .. } => "unlink",
            Call::MakeFolder { .. } => "mkdir",
            Call::Said(_) => "said",
            Call::Unknown(_) => "unknown",
        }
    }

    /// Its kind, and the last part of the path it concerns where there is one.
    #[must_use]
    pub(crate) fn label(&self) -> String {
        let (Call::Open { path, .. }
        | Call::Write { path, .. }
        | Call::Sync { path, .. }
        | Call::Rename { to: path, .. }
        | Call::Remove { path }
        | Call::MakeFolder { path, .. }) = self
        else {
            return self.name().to_owned();
        };
        format!("{} {}", self.name(), path.file_name().unwrap_or_default().to_string_lossy())
    }

    #[must_use]
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Call::Sync { .. } | Call::SyncAll)
    }
}

/// The call that a stopped thread is about to make, if it is of interest.
pub(super) struct Decoder<'a> {
    pub thread: Thread,
    pub registers: &'a user_regs_struct,
    /// Only files below this folder count.
    pub root: &'a Path,
}

/// The descriptor that lines of the workload go to.
const STDOUT: c_int = 1;

impl Decoder<'_> {
    pub(super) fn decode(&self) -> io::Result<Option<Call>> {
        let r = self.registers;
        let number = c_long::try_from(r.orig_rax).unwrap_or(-1);
        let cwd = libc::AT_FDCWD;
        Ok(match number {
            libc::SYS_open => self.open(cwd, r.rdi, int(r.rsi))?,
            libc::SYS_creat => self.open(cwd, r.rdi, libc::O_CREAT | libc::O_TRUNC)?,
            libc::SYS_openat => self.open(int(r.rdi), r.rsi, int(r.rdx))?,
            libc::SYS_openat2 => {
                let flags = self.thread.memory(r.rdx, 8)?;
                let flags = flags.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
                self.open(int(r.rdi), r.rsi, int(flags))?
            }
            libc::SYS_write if int(r.rdi) == STDOUT => Some(Call::Said(self.thread.memory(r.rsi, size(r.rdx))?)),
            libc::SYS_write => self.write(None, || self.thread.memory(r.rsi, size(r.rdx)))?,
            libc::SYS_pwrite64 => self.write(Some(r.r10), || self.thread.memory(r.rsi, size(r.rdx)))?,
            libc::SYS_writev => self.write(None, || self.gather(r.rsi, r.rdx))?,
            libc::SYS_pwritev => self.write(Some(r.r10), || self.gather(r.rsi, r.rdx))?,
            libc::SYS_ftruncate => self.of_file(|inode| Call::Resize { inode, size: r.rsi }),
            libc::SYS_fallocate => self.allocate(),
            libc::SYS_fsync | libc::SYS_fdatasync => self.of_file(|inode| Call::Sync { inode, path: self.path() }),
            libc::SYS_syncfs => self.of_file(|_| Call::SyncAll),
            libc::SYS_sync => Some(Call::SyncAll),
            libc::SYS_rename => self.two((cwd, r.rdi), (cwd, r.rsi))?.map(|(from, to)| Call::Rename { from, to }),
            libc::SYS_renameat | libc::SYS_renameat2 => {
                let both = self.two((int(r.rdi), r.rsi), (int(r.rdx), r.r10))?;
                both.map(|(from, to)| match number == libc::SYS_renameat2 && int(r.r8) & !1 != 0 {
                    true => Call::Unknown("renameat2 with flags".into()),
                    false => Call::Rename { from, to },
                })
            }
            libc::SYS_link => self.two((cwd, r.rdi), (cwd, r.rsi))?.map(|(from, to)| Call::Link { from, to }),
            libc::SYS_linkat => {
                self.two((int(r.rdi), r.rsi), (int(r.rdx), r.r10))?.map(|(from, to)| Call::Link { from, to })
            }
            libc::SYS_unlink | libc::SYS_rmdir => self.one(cwd, r.rdi)?.map(|path| Call::Remove { path }),
            libc::SYS_unlinkat => self.one(int(r.rdi), r.rsi)?.map(|path| Call::Remove { path }),
            libc::SYS_mkdir => self.one(cwd, r.rdi)?.map(|path| Call::MakeFolder { path, inode: 0 }),
            libc::SYS_mkdirat => self.one(int(r.rdi), r.rsi)?.map(|path| Call::MakeFolder { path, inode: 0 }),
            libc::SYS_mmap => self.map(),
            libc::SYS_truncate | libc::SYS_symlink => self.one(cwd, r.rdi)?.map(|_| unknown(number)),
            libc::SYS_symlinkat => self.one(int(r.rsi), r.rdx)?.map(|_| unknown(number)),
            libc::SYS_copy_file_range => self.below(int(r.rdx)).map(|_| unknown(number)),
            libc::SYS_splice => self.below(int(r.rdx)).map(|_| unknown(number)),
            libc::SYS_sendfile | libc::SYS_pwritev2 => self.below(int(r.rdi)).map(|_| unknown(number)),
            libc::SYS_io_uring_setup => Some(unknown(number)),
            _ => None,
        })
    }

    /// Adds what is known only at the end of a call.
    pub(super) fn complete(&self, call: Call, result: i64) -> Call {
        let done = u64::try_from(result).unwrap_or(0);
        match call {
            Call::Open { path, existed, cut, .. } => {
                let inode = self.thread.inode(int(done)).unwrap_or(0);
                Call::Open { path, existed, cut, inode }
            }
            Call::MakeFolder { path, .. } => {
                use std::os::unix::fs::MetadataExt;
                let inode = std::fs::metadata(&path).map_or(0, |found| found.ino());
                Call::MakeFolder { path, inode }
            }
            Call::Write { inode, path, offset, mut data } => {
                data.truncate(size(done));
                let offset = offset.or_else(|| self.thread.position(int(self.registers.rdi))?.checked_sub(done));
                Call::Write { inode, path, offset, data }
            }
            other => other,
        }
    }

    fn open(&self, folder: c_int, path: u64, flags: c_int) -> io::Result<Option<Call>> {
        if flags & (libc::O_CREAT | libc::O_TRUNC) == 0 {
            return Ok(None);
        }
        let Some(path) = self.one(folder, path)? else { return Ok(None) };
        let found = path.symlink_metadata();
        let existed = found.is_ok();
        let cut = flags & libc::O_TRUNC != 0 && found.is_ok_and(|found| found.len() > 0);
        let makes = flags & libc::O_CREAT != 0 && !existed;
        Ok((makes || cut).then_some(Call::Open { path, existed, cut, inode: 0 }))
    }

    fn write(&self, offset: Option<u64>, data: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Option<Call>> {
        let Some(inode) = self.below(int(self.registers.rdi)) else { return Ok(None) };
        Ok(Some(Call::Write { inode, path: self.path(), offset, data: data()? }))
    }

    /// The bytes of a vector of buffers.
    fn gather(&self, at: u64, count: u64) -> io::Result<Vec<u8>> {
        let table = self.thread.memory(at, size(count) * 16)?;
        let mut bytes = Vec::new();
        for entry in table.chunks_exact(16) {
            let (base, length) = entry.split_at(8);
            let number = |bytes: &[u8]| bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            bytes.extend(self.thread.memory(number(base), size(number(length)))?);
        }
        Ok(bytes)
    }

    fn allocate(&self) -> Option<Call> {
        let r = self.registers;
        let (mode, offset, length) = (int(r.rsi), r.rdx, r.r10);
        match mode {
            0 => self.of_file(|inode| Call::Grow { inode, size: offset + length }),
            libc::FALLOC_FL_KEEP_SIZE => None,
            mode if mode == libc::FALLOC_FL_KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE => {
                self.of_file(|inode| Call::Zero { inode, offset, length })
            }
            _ => self.of_file(|_| Call::Unknown("fallocate with flags".into())),
        }
    }

    /// Memory shared with a file is written without a call. SQLite's index of its WAL may be: it is made anew after a
    /// crash.
    fn map(&self) -> Option<Call> {
        let path = self.thread.path_of(int(self.registers.r8))?;
        let counts = path.starts_with(self.root) && !path.to_string_lossy().ends_with("-shm");
        counts.then(|| Call::Unknown(format!("{} is written through memory", path.display())))
    }

    fn of_file(&self, call: impl FnOnce(u64) -> Call) -> Option<Call> {
        self.below(int(self.registers.rdi)).map(call)
    }

    fn path(&self) -> PathBuf {
        self.thread.path_of(int(self.registers.rdi)).unwrap_or_default()
    }

    /// The inode of `fd` if it lies below the folder that counts.
    fn below(&self, fd: c_int) -> Option<u64> {
        if !self.thread.path_of(fd)?.starts_with(self.root) {
            return None;
        }
        self.thread.inode(fd)
    }

    fn one(&self, folder: c_int, path: u64) -> io::Result<Option<PathBuf>> {
        let path = self.thread.text(path)?;
        Ok(self.thread.absolute(folder, &path).filter(|path| path.starts_with(self.root)))
    }

    fn two(&self, from: (c_int, u64), to: (c_int, u64)) -> io::Result<Option<(PathBuf, PathBuf)>> {
        Ok(match (self.one(from.0, from.1)?, self.one(to.0, to.1)?) {
            (Some(from), Some(to)) => Some((from, to)),
            _ => None,
        })
    }
}

fn unknown(number: c_long) -> Call {
    Call::Unknown(format!("call {number}"))
}

/// The lower half of a register: a descriptor or flags.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the kernel takes it so")]
fn int(register: u64) -> c_int {
    register as u32 as c_int
}

fn size(register: u64) -> usize {
    usize::try_from(register).unwrap_or(usize::MAX)
}
