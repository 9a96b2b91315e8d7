//! RocksDB's errors as ours.

use std::fmt::Display;

use rocksdb::ErrorKind;

use super::options::NAME;
use crate::engine::process::{self, Holder};
use crate::error::{Code, Error, TOO_MANY_FILES};

/// True if RocksDB would have had to wait or to read a file.
pub(super) fn would_block(error: &rocksdb::Error) -> bool {
    matches!(error.kind(), ErrorKind::Incomplete | ErrorKind::Busy | ErrorKind::TryAgain)
}

/// The error of a call that failed to do `what`.
pub(super) fn translate(what: &str, error: &rocksdb::Error) -> Error {
    let text: &str = error.as_ref();
    let (code, hint) = match error.kind() {
        ErrorKind::Corruption => (Code::Corrupted, "; restore a backup, nothing was changed"),
        ErrorKind::InvalidArgument => (Code::InvalidArgument, ""),
        ErrorKind::NotSupported => (Code::UnsupportedFormat, ""),
        _ if no_space(error) => (Code::NoSpace, "; free some space"),
        _ if text.contains("Read-only file system") => (Code::ReadOnly, ""),
        _ if text.contains("Too many open files") => (Code::Io, TOO_MANY_FILES),
        _ => (Code::Io, ""),
    };
    Error::new(code, format!("cannot {what}: {text}{hint}")).in_engine(NAME)
}

/// The error of opening an existing store.
pub(super) fn translate_open(error: &rocksdb::Error) -> Error {
    let text: &str = error.as_ref();
    if text.contains("While lock file") || text.contains("lock hold by current process") {
        return process::locked(Holder::Unknown, text).in_engine(NAME);
    }
    if text.contains("legacy magic number") || text.contains("leveldb.BytewiseComparator") {
        return foreign("LevelDB");
    }
    let missing_file = error.kind() == ErrorKind::IOError && text.contains("No such file or directory");
    if missing_file || error.kind() == ErrorKind::NotFound {
        return Error::corrupted(format!("the store lacks a file: {text}; restore a backup, nothing was changed"))
            .in_engine(NAME);
    }
    translate("open the store", error)
}

/// True if the disk is full.
pub(super) fn no_space(error: &rocksdb::Error) -> bool {
    let text: &str = error.as_ref();
    text.contains("No space left on device") || text.contains("Disk quota exceeded")
}

/// True if written data may not be durable, and may never become so.
pub(super) fn poisons(error: &rocksdb::Error) -> bool {
    let text: &str = error.as_ref();
    !no_space(error) || text.contains("sync")
}

/// The error where the store has something of a version that is newer than this one.
pub(super) fn newer(what: impl Display) -> Error {
    let message = format!("the store has {what}, which this version does not know; use a newer version");
    Error::new(Code::UnsupportedFormat, message).in_engine(NAME)
}

/// The error where the folder holds a database of another program.
pub(super) fn foreign(program: &str) -> Error {
    Error::new(
        Code::UnsupportedFormat,
        format!(
            "the folder holds a {program} database, which this engine does not read; choose another folder, and copy \
             the data over with the program that wrote it"
        ),
    )
    .in_engine(NAME)
}
