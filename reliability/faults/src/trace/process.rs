//! A stopped thread of the traced program: its registers, its memory, its files.

use std::fs;
use std::io::{self, Error};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use libc::{c_int, c_long, pid_t, user_regs_struct};

/// One thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Thread(pub pid_t);

impl Thread {
    fn ptrace(self, request: libc::c_uint, data: c_long) -> io::Result<()> {
        // SAFETY: the requests made here take an integer or nothing; the kernel checks that the thread is ours and
        // stopped.
        if unsafe { libc::ptrace(request, self.0, 0_usize, data) } < 0 { Err(Error::last_os_error()) } else { Ok(()) }
    }

    pub(super) fn set_options(self) -> io::Result<()> {
        let options = libc::PTRACE_O_TRACESECCOMP
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_EXITKILL;
        self.ptrace(libc::PTRACE_SETOPTIONS, c_long::from(options))
    }

    /// Lets the thread run, delivering `signal` unless it is 0.
    pub(super) fn run_on(self, signal: c_int) -> io::Result<()> {
        self.ptrace(libc::PTRACE_CONT, c_long::from(signal))
    }

    /// Lets the thread run to the end of the call it is in.
    pub(super) fn finish_call(self) -> io::Result<()> {
        self.ptrace(libc::PTRACE_SYSCALL, 0)
    }

    pub(super) fn registers(self) -> io::Result<user_regs_struct> {
        // SAFETY: the struct is plain numbers, for which zeros are valid; the kernel fills it.
        let mut registers: user_regs_struct = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a struct of the size the request fills.
        let done = unsafe { libc::ptrace(libc::PTRACE_GETREGS, self.0, 0_usize, &raw mut registers) };
        if done < 0 { Err(Error::last_os_error()) } else { Ok(registers) }
    }

    pub(super) fn set_registers(self, registers: &user_regs_struct) -> io::Result<()> {
        // SAFETY: the pointer is to a struct of the size the request reads.
        let done = unsafe { libc::ptrace(libc::PTRACE_SETREGS, self.0, 0_usize, std::ptr::from_ref(registers)) };
        if done < 0 { Err(Error::last_os_error()) } else { Ok(()) }
    }

    /// `length` bytes of the program's memory.
    pub(super) fn memory(self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0_u8; length];
        let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: length };
        let remote = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: length };
        // SAFETY: `local` describes the buffer above; the kernel checks the other side.
        let read = unsafe { libc::process_vm_readv(self.0, &raw const local, 1, &raw const remote, 1, 0) };
        bytes.truncate(usize::try_from(read).map_err(|_| Error::last_os_error())?);
        Ok(bytes)
    }

    /// The text at `at`, up to its NUL.
    pub(super) fn text(self, at: u64) -> io::Result<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        const PAGE: u64 = 4096;
        let mut bytes = Vec::new();
        let mut at = at;
        while bytes.len() < libc::PATH_MAX.unsigned_abs() as usize {
            // Not across the end of a page, behind which there may be nothing.
            let piece = self.memory(at, usize::try_from(PAGE - at % PAGE).unwrap_or(1))?;
            if let Some(end) = piece.iter().position(|byte| *byte == 0) {
                bytes.extend_from_slice(piece.get(..end).unwrap_or_default());
                return Ok(std::ffi::OsString::from_vec(bytes).into());
            }
            at += piece.len() as u64;
            bytes.extend(piece);
        }
        Err(Error::other("a path without an end"))
    }

    /// The path that `fd` was opened at, as it is called now.
    pub(super) fn path_of(self, fd: c_int) -> Option<PathBuf> {
        let link = match fd {
            libc::AT_FDCWD => format!("/proc/{}/cwd", self.0),
            fd => format!("/proc/{}/fd/{fd}", self.0),
        };
        fs::read_link(link).ok()
    }

    /// The absolute path of `path` seen from the folder `fd`.
    pub(super) fn absolute(self, fd: c_int, path: &Path) -> Option<PathBuf> {
        let joined = if path.is_absolute() { path.to_path_buf() } else { self.path_of(fd)?.join(path) };
        let mut clean = PathBuf::new();
        for part in joined.components() {
            match part {
                Component::ParentDir => drop(clean.pop()),
                Component::CurDir => {}
                part => clean.push(part),
            }
        }
        Some(clean)
    }

    /// The inode that `fd` is open on.
    pub(super) fn inode(self, fd: c_int) -> Option<u64> {
        fs::metadata(format!("/proc/{}/fd/{fd}", self.0)).ok().map(|found| found.ino())
    }

    /// Where the next write to `fd` goes.
    pub(super) fn position(self, fd: c_int) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", self.0)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("pos:")?.trim().parse().ok())
    }
}
