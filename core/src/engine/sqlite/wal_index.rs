//! The header of the WAL index, by which a connection knows without a system call whether anybody has
//! committed since.
//!
//! The header lies in memory that all processes of a database share. It holds the number of frames in the
//! WAL, the running checksum over all of them and the WAL's salts, so that equal headers mean equal contents.
//! A commit writes the second copy, then the first, before it returns.
//! Source: <https://www.sqlite.org/walformat.html>, section 2.1.

use std::os::raw::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use rusqlite::ffi;

/// Words in one copy of the header.
const WORDS: usize = 12;
/// The bytes of one region of the index, fixed by the format.
const REGION: i32 = 32_768;

/// One consistent state of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header([u32; WORDS]);

impl Header {
    /// Counts commits; wraps.
    pub fn commits(&self) -> u32 {
        self.0[2]
    }

    /// The size of a page.
    pub fn page_bytes(&self) -> u32 {
        // The upper half of a word in the machine's byte order, as the format has it; 1 stands for 65,536.
        let bytes = self.0[3].to_ne_bytes();
        match u16::from_ne_bytes([bytes[2], bytes[3]]) {
            1 => 65_536,
            size => size.into(),
        }
    }

    /// Frames in the WAL, written back or not.
    pub fn frames(&self) -> u32 {
        self.0[4]
    }
}

/// The header of one connection's database, mapped for as long as the connection is open.
#[derive(Clone, Copy)]
pub(super) struct WalIndex {
    words: *const AtomicU32,
}

impl WalIndex {
    /// Maps the header through the connection's own file object: were the file opened and closed by us, POSIX
    /// would drop the locks this process holds on it.
    ///
    /// # Safety
    ///
    /// `db` is an open connection of the calling thread, in WAL mode, that has read its database. The result is
    /// not used after `db` was closed.
    pub unsafe fn map(db: *mut ffi::sqlite3) -> Option<WalIndex> {
        let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
        // SAFETY: SQLITE_FCNTL_FILE_POINTER writes one pointer to its argument.
        let rc = unsafe {
            ffi::sqlite3_file_control(
                db,
                c"main".as_ptr(),
                ffi::SQLITE_FCNTL_FILE_POINTER,
                ptr::from_mut(&mut file).cast::<c_void>(),
            )
        };
        if rc != ffi::SQLITE_OK || file.is_null() {
            return None;
        }
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

    /// The header now, or `None` while somebody writes it.
    pub fn read(&self) -> Option<Header> {
        let first = self.copy(0);
        fence(Ordering::Acquire);
        let second = self.copy(WORDS);
        // The byte behind the commit count says whether the header was ever written.
        (first == second && first[3] != 0).then_some(Header(first))
    }

    fn copy(&self, from: usize) -> [u32; WORDS] {
        std::array::from_fn(|at| {
            // SAFETY: the region is 32 KiB and page-aligned, the two copies are its first 96 bytes. Others write
            // them at the same time, therefore atomically, word by word.
            unsafe { (*self.words.add(from + at)).load(Ordering::Acquire) }
        })
    }
}
