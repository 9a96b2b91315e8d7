//! SQLite's result codes as ours.

use std::ffi::CStr;
use std::os::raw::c_int;

use rusqlite::ffi;

use crate::error::{Code, Error, TOO_MANY_FILES, is_too_many_files};

/// The error of the extended result code `rc`, which `db` returned while it was doing `what`.
///
/// SQLite's own message names tables and columns at most, never a bound value.
pub(super) fn error(db: *mut ffi::sqlite3, rc: c_int, what: &str) -> Error {
    let (message, errno) = if db.is_null() {
        (None, 0)
    } else {
        // SAFETY: `db` is an open connection of the calling thread; the message is copied before another call.
        unsafe {
            let message = ffi::sqlite3_errmsg(db);
            let message = (!message.is_null()).then(|| CStr::from_ptr(message).to_string_lossy().into_owned());
            (message, ffi::sqlite3_system_errno(db))
        }
    };
    let os = std::io::Error::from_raw_os_error(errno);
    let code = code_of(rc, &os);
    let text = match code {
        Code::Timeout => format!("{what}: another connection held the database for longer than the busy timeout"),
        Code::Corrupted => format!("{what}: the file is damaged or no SQLite database; nothing was changed"),
        Code::NoSpace => format!("{what}: the disk or memory is full"),
        Code::ReadOnly => format!("{what}: the database cannot be written"),
        _ if is_too_many_files(&os) => format!("{what}: {os}{TOO_MANY_FILES}"),
        _ => format!("{what}: {}", name_of(rc)),
    };
    let error = Error::new(code, text);
    match message {
        Some(message) => error.caused_by(&message),
        None => error,
    }
}

fn code_of(rc: c_int, os: &std::io::Error) -> Code {
    match rc & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => Code::Timeout,
        ffi::SQLITE_FULL | ffi::SQLITE_NOMEM => Code::NoSpace,
        ffi::SQLITE_READONLY => Code::ReadOnly,
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Code::Corrupted,
        ffi::SQLITE_TOOBIG => Code::ValueTooLarge,
        ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN => match os.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Code::NoSpace,
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => Code::ReadOnly,
            _ => Code::Io,
        },
        _ => Code::Io,
    }
}

fn name_of(rc: c_int) -> String {
    // SAFETY: sqlite3_errstr gives a static string for every code.
    let text = unsafe { CStr::from_ptr(ffi::sqlite3_errstr(rc)) };
    text.to_string_lossy().into_owned()
}

/// True if a sync failed. The system may have dropped the pages that it failed to write, so no later sync is to be
/// trusted.
pub(super) fn is_failed_sync(rc: c_int) -> bool {
    matches!(rc, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
}
