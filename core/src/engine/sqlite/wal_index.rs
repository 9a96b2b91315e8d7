//! The header of the WAL index. It shows a connection without a system call whether any process has committed since.
//!
//! The header lies in memory that all processes of a database share. It holds the number of frames in the WAL, the
//! running checksum over all of them and the WAL's salts, so that equal headers mean equal contents. A commit writes
//! the second copy of the header, then the first, before it returns.
//!
//! Source: <https://www.sqlite.org/walformat.html>, section 2.1.

use std::os::raw::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use rusqlite::ffi;

/// The words in one copy of the header.
const WORDS: usize = 12;
/// The bytes of one region of the index, set by the format.
const REGION: i32 = 32_768;

/// One consistent state of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WalIndexHeader([u32; WORDS]);

impl WalIndexHeader {
    /// The number of commits. It wraps.
    pub(super) fn commits(&self) -> u32 {
        self.0[2]
    }

    /// The size of a page, in bytes.
    pub(super) fn page_bytes(&self) -> u32 {
        // The upper half of a word in the machine's byte order, as the format has it; 1 stands for 65,536.
        let bytes = self.0[3].to_ne_bytes();
        match u16::from_ne_bytes([bytes[2], bytes[3]]) {
            1 => 65_536,
            size => size.into(),
        }
    }

    /// The number of frames in the WAL, written back or not.
    pub(super) fn frames(&self) -> u32 {
        self.0[4]
    }
}

/// The header of one connection's database, mapped for as long as the connection is open.
#[derive(Clone, Copy)]
pub(super) struct WalIndex {
    words: *const AtomicU32,
}

impl WalIndex {
    /// Maps the header through the connection's own file object. If we opened and closed the file ourselves, POSIX
    /// would drop the locks that this process holds on it.
    ///
    /// # Safety
    ///
    /// `db` is an open connection of the calling thread, in WAL mode, that has read its database. The result is
    /// not used after `db` was closed.
    pub(super) unsafe fn map(db: *mut ffi::sqlite3) -> Option<WalIndex> {
        // SAFETY: as the caller promises.
        let file = unsafe { file_of(db, ffi::SQLITE_FCNTL_FILE_POINTER)? };
        let mut region: *mut c_void = ptr::null_mut();
        // SAFETY: an open file has its methods set. Region 0 is mapped by the connection's first read; asking for it
        // again gives the same address, which stays until the connection closes.
        let rc = unsafe {
            let methods = (*file).pMethods.as_ref()?;
            if methods.iVersion < 2 {
                return None;
            }
            methods.xShmMap?(file, 0, REGION, 0, &raw mut region)
        };
        let mapped = matches!(rc, ffi::SQLITE_OK | ffi::SQLITE_READONLY) && !region.is_null();
        mapped.then_some(WalIndex { words: region.cast::<AtomicU32>().cast_const() })
    }

    /// The header now, or `None` while a process writes it.
    pub(super) fn read(self) -> Option<WalIndexHeader> {
        let first = self.copy(0);
        fence(Ordering::Acquire);
        let second = self.copy(WORDS);
        // The byte behind the commit count says whether the header was ever written.
        (first == second && first[3] != 0).then_some(WalIndexHeader(first))
    }

    fn copy(self, from: usize) -> [u32; WORDS] {
        std::array::from_fn(|at| {
            // SAFETY: the region is 32 KiB and page-aligned, the two copies are its first 96 bytes. Others write
            // them at the same time, therefore atomically, word by word.
            unsafe { (*self.words.add(from + at)).load(Ordering::Acquire) }
        })
    }
}

/// A file of the database as the connection has it open: `pointer` is `SQLITE_FCNTL_FILE_POINTER` or
/// `SQLITE_FCNTL_JOURNAL_POINTER`. Another handle must not be opened: closing it would drop the locks of this process.
///
/// # Safety
///
/// `db` is an open connection of the calling thread. The result is not used after `db` was closed.
pub(super) unsafe fn file_of(db: *mut ffi::sqlite3, pointer: c_int) -> Option<*mut ffi::sqlite3_file> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: both of these write one pointer to their argument.
    let rc =
        unsafe { ffi::sqlite3_file_control(db, c"main".as_ptr(), pointer, ptr::from_mut(&mut file).cast::<c_void>()) };
    (rc == ffi::SQLITE_OK && !file.is_null()).then_some(file)
}
