//! Allocates room at the end of the WAL ahead of commits that sync it.
//!
//! A sync of a file that has just grown writes the file's new length and blocks too: on ext4 240 us instead of 120,
//! measured. So the WAL grows by zeros, a large step at a time. SQLite takes them for the rest of an earlier use of the
//! WAL: frames end at the first whose salt is not the header's.
//!
//! Source: <https://www.sqlite.org/fileformat2.html>, section 4.

use std::os::raw::c_int;

use rusqlite::ffi;

use super::wal_index::{WalIndexHeader, file_of};

/// The bytes that the WAL grows by.
const STEP: i64 = 1 << 20;
/// The bytes to have for the next commit.
const ROOM: u64 = 256 << 10;
/// The zeros to write at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

const WAL_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

#[derive(Default)]
pub(super) struct WalPreallocation {
    /// The size that the WAL is known to have at least.
    size: u64,
    /// Set after a write failed. The error is left for SQLite's own write to report.
    given_up: bool,
}

impl WalPreallocation {
    /// Makes sure that there is room in the WAL of `db` behind its frames. At `most` of them the WAL starts anew.
    ///
    /// # Safety
    ///
    /// `db` is an open connection of the calling thread that holds the database's write lock, so that nobody else
    /// writes to the WAL or truncates it.
    pub(super) unsafe fn allocate(&mut self, db: *mut ffi::sqlite3, header: WalIndexHeader, most: u32) {
        if header.frames() == 0 {
            // The WAL was made or truncated just now, and no sync covers that yet. After power loss its old frames may
            // be there again. A zero in them would make SQLite take the frames before it, which are older than the
            // database, for the whole WAL. The first frame of the new WAL comes behind a sync of its header.
            return;
        }
        let frame = FRAME_HEADER + u64::from(header.page_bytes());
        let end = |frames: u32| WAL_HEADER + u64::from(frames) * frame;
        let mut wanted = end(header.frames()) + ROOM;
        if header.frames() < most {
            // Views may keep the WAL from starting anew there. It then grows beyond.
            wanted = wanted.min(end(most));
        }
        if self.given_up || wanted <= self.size {
            return;
        }
        // SAFETY: as the caller promises.
        let grown = unsafe { file_of(db, ffi::SQLITE_FCNTL_JOURNAL_POINTER).and_then(|wal| grow(wal, wanted)) };
        match grown {
            Some(size) => self.size = size,
            None => self.given_up = true,
        }
    }
}

/// Makes sure that the file has `wanted` bytes. If it has to grow, it grows by a step more. Returns its size.
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
        let longest = i64::try_from(ZEROS.len()).ok()?;
        while size < aim {
            let piece = (aim - size).min(longest);
            if write(file, ZEROS.as_ptr().cast(), c_int::try_from(piece).ok()?, size) != ffi::SQLITE_OK {
                return None;
            }
            size += piece;
        }
        u64::try_from(size).ok()
    }
}
