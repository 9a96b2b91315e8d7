//! Room at the end of the WAL, made ahead of commits that sync it.
//!
//! A sync of a file that has just grown writes the file's new length and blocks too: on ext4 240 us instead of 120, measured. So the WAL grows by zeros, much
//! at a time. To SQLite they are what is left of an earlier use of the WAL: frames end at the first whose salt is not the header's.
//! Source: <https://www.sqlite.org/fileformat2.html>, section 4.

use std::os::raw::{c_int, c_void};
use std::ptr;

use rusqlite::ffi;

use super::wal_index::Header;

/// Bytes the WAL grows by.
const STEP: i64 = 1 << 20;
/// Bytes there should be for the next commit.
const ROOM: u64 = 256 << 10;
/// Zeros written at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

const WAL_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// How large a WAL is known to be.
#[derive(Default)]
pub(super) struct WalRoom {
    size: u64,
    /// A write failed: SQLite's own will tell.
    given_up: bool,
}

impl WalRoom {
    /// Sees to it that there is room in the WAL of `db` behind its frames. At `most` of them it will start anew.
    ///
    /// # Safety
    ///
    /// `db` is an open connection of the calling thread that holds the database's write lock, so that nobody else writes to the WAL or
    /// truncates it.
    pub unsafe fn make(&mut self, db: *mut ffi::sqlite3, header: Header, most: u32) {
        if header.frames() == 0 {
            // The WAL was made or cut just now, which no sync has covered yet: zeros could land on frames that are still there after power loss, and make
            // SQLite take the first of them, older than what the database holds, for the whole. A first frame comes behind a sync of the WAL's header.
            return;
        }
        let frame = FRAME_HEADER + u64::from(header.page_bytes());
        let end = |frames: u32| WAL_HEADER + u64::from(frames) * frame;
        let mut wanted = end(header.frames()) + ROOM;
        if header.frames() < most {
            // Unless views keep it from starting anew there.
            wanted = wanted.min(end(most));
        }
        if self.given_up || wanted <= self.size {
            return;
        }
        // SAFETY: as the caller promises.
        let grown = unsafe { wal_of(db).and_then(|wal| grow(wal, wanted)) };
        match grown {
            Some(size) => self.size = size,
            None => self.given_up = true,
        }
    }
}

/// The file of the WAL, as the connection has it open: closing another would drop locks.
unsafe fn wal_of(db: *mut ffi::sqlite3) -> Option<*mut ffi::sqlite3_file> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: SQLITE_FCNTL_JOURNAL_POINTER writes one pointer to its argument.
    let rc = unsafe {
        ffi::sqlite3_file_control(
            db,
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_JOURNAL_POINTER,
            ptr::from_mut(&mut file).cast::<c_void>(),
        )
    };
    (rc == ffi::SQLITE_OK && !file.is_null()).then_some(file)
}

/// Sees to it that the file has `wanted` bytes, and a step more if it has to grow; its size then.
unsafe fn grow(file: *mut ffi::sqlite3_file, wanted: u64) -> Option<u64> {
    // SAFETY: an open file has its methods set, and they take the file itself.
    unsafe {
        let methods = (*file).pMethods.as_ref()?;
        let (file_size, write) = (methods.xFileSize?, methods.xWrite?);
        let mut size = 0;
        if file_size(file, &raw mut size) != ffi::SQLITE_OK {
            return None;
        }
        let wanted = i64::try_from(wanted).ok()?;
        let aim = if size < wanted { wanted.checked_add(STEP)? } else { size };
        while size < aim {
            let piece = (aim - size).min(ZEROS.len() as i64);
            if write(file, ZEROS.as_ptr().cast(), c_int::try_from(piece).ok()?, size) != ffi::SQLITE_OK {
                return None;
            }
            size += piece;
        }
        u64::try_from(size).ok()
    }
}
