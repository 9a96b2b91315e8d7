//! The errors of this engine: errors of the system, errors of SQLite and damage as our [`Error`].

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::error::{Code, Error};

/// The system's error of `action` on the file or folder at `path`.
pub(super) fn io(action: &str, path: impl Display, error: &io::Error) -> Error {
    Error::io(format_args!("cannot {action} {path}"), error)
}

/// SQLite's error of `action` on the database.
pub(super) fn sqlite(action: &str, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let code = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Code::Corrupted,
        Some(ErrorCode::DiskFull) => Code::NoSpace,
        Some(ErrorCode::ReadOnly) => Code::ReadOnly,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Code::Locked,
        None => match error {
            rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => Code::Corrupted,
            _ => Code::Io,
        },
        Some(_) => Code::Io,
    };
    Error::new(code, format!("cannot {action} store.db: {error}")).caused_by(error)
}

/// `error`, found in the content of the file at `path`.
pub(super) fn in_file(path: impl Display, error: &Error) -> Error {
    Error::new(error.code(), format!("{path}: {}", error.message()))
}

/// A row of the database holds `what`, which no version writes.
pub(super) fn damaged_row(what: &str) -> Error {
    Error::corrupted(format!("store.db holds {what} that cannot have been written"))
}

/// A finding of SQLite's own check of the database.
pub(super) fn damaged_database(finding: impl Display) -> Error {
    Error::corrupted(format!("store.db: {finding}"))
}

/// A connection of this process reads the database where none may.
pub(super) fn busy_database() -> Error {
    Error::new(Code::Locked, "cannot write store.db back: it is being read")
}

pub(super) fn foreign_database() -> Error {
    Error::new(Code::UnsupportedFormat, "the database is not one of this engine")
}

pub(super) fn unknown_format(found: i64, known: i64) -> Error {
    Error::new(Code::UnsupportedFormat, format!("the store has format {found}, this version knows {known}"))
}

/// A newer version wrote the redo log.
pub(super) fn newer_redo_log() -> Error {
    Error::new(Code::UnsupportedFormat, "a newer version wrote it; open the store with that one")
}

/// The redo log holds an operation that is no plain write of a user key.
pub(super) fn foreign_redo_operation(path: impl Display) -> Error {
    Error::corrupted(format!("{path} holds what no write puts there"))
}

/// A store opened read-only cannot finish what a crash left.
pub(super) fn unfinished_batch() -> Error {
    let message = "a crash left a batch half done; open the store once for writing to finish it";
    Error::new(Code::ReadOnly, message)
}

/// A store opened read-only cannot finish the replacement of its content.
pub(super) fn unfinished_replacement() -> Error {
    let message = "a crash left a replacement of the content half done; open the store once for writing to finish it";
    Error::new(Code::ReadOnly, message)
}

/// The content of a view was replaced.
pub(super) fn content_replaced() -> Error {
    Error::new(Code::Conflict, "the content of the store was replaced meanwhile; read it again")
}

/// A replacement of the content failed behind its commit point, or the database could not be opened again. The next
/// opening finishes it, or finds the old content.
pub(super) fn halted() -> Error {
    let message = "a replacement of the content could not be finished; close the store, and open it again";
    Error::new(Code::Io, message)
}

/// `cause` ended a replacement of the content behind its commit point.
pub(super) fn replacement_unfinished(cause: &Error) -> Error {
    let message =
        format!("the replacement of the content could not be finished; open the store again for that: {cause}");
    Error::new(Code::UnknownOutcome, message).caused_by(cause)
}

/// The staged content was removed by somebody else.
pub(super) fn stage_is_gone() -> Error {
    Error::new(Code::Conflict, "the content that was staged is gone; stage it again")
}

/// A foreign file or folder lies where one of the new content belongs.
pub(super) fn in_the_way(path: impl Display) -> Error {
    let message = format!("{path} belongs to no key, and lies where a file or folder of the new content belongs");
    Error::new(Code::Io, message)
}

pub(super) fn read_only() -> Error {
    Error::new(Code::ReadOnly, "the store is open read-only; open it without readOnly to write")
}

/// A write or a sync failed in a way that only the next opening can repair.
pub(super) fn poisoned() -> Error {
    let message = "an earlier write could not be finished; writes are refused until the store is opened again";
    Error::new(Code::Io, message)
}

pub(super) fn not_a_folder(path: &Path) -> Error {
    Error::new(Code::InvalidArgument, format!("{} is not a folder", path.display()))
}

pub(super) fn folder_in_the_way(path: impl Display) -> Error {
    Error::new(Code::Io, format!("a folder lies at {path}, where the key's file belongs"))
}

/// Another program writes the file faster than it can be read.
pub(super) fn unstable_file(path: impl Display) -> Error {
    Error::new(Code::Io, format!("{path} changes faster than it can be read"))
}

/// `verify` found a file or a folder that is no key's and no temporary file.
pub(super) fn foreign_name(path: impl Display) -> Error {
    Error::new(Code::InvalidKey, format!("{path} belongs to no key; it is left alone"))
}

/// `verify` found a temporary file.
pub(super) fn stray_temporary(path: impl Display) -> Error {
    Error::new(Code::Io, format!("{path} is left over from a write that a crash ended"))
}
