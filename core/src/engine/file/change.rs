//! One file that a commit writes or removes.

use super::os::Overwritable;
use crate::error::Error;
use crate::format::file_name::FilePath;
use crate::key::Key;
use crate::record::Record;

/// One file that a commit writes, or removes if there is no record.
pub(super) struct FileChange {
    pub key: Key,
    pub path: FilePath,
    pub record: Option<Record>,
    pub prepared: Prepared,
}

/// The work that was done for a change before its commit point.
#[derive(Default)]
pub(super) enum Prepared {
    #[default]
    Nothing,
    /// The content lies in this file of the same folder, which will be renamed.
    Temporary {
        name: String,
        /// XXH3-128 of the content.
        digest: u128,
    },
    /// The old file will be overwritten.
    InPlace(InPlace),
}

pub(super) struct InPlace {
    pub content: Vec<u8>,
    /// The old file; `None` where too many are open already.
    pub file: Option<Overwritable>,
}

impl FileChange {
    pub(super) fn new(key: Key, path: FilePath, record: Option<Record>) -> Self {
        FileChange { key, path, record, prepared: Prepared::Nothing }
    }

    /// The name of the temporary file, if there is one.
    pub(super) fn temporary(&self) -> Option<&str> {
        match &self.prepared {
            Prepared::Temporary { name, .. } => Some(name),
            Prepared::Nothing | Prepared::InPlace(_) => None,
        }
    }

    pub(super) fn is_in_place(&self) -> bool {
        matches!(self.prepared, Prepared::InPlace(_))
    }
}

/// The changes that could not be made, by key.
pub(super) type Failures = std::collections::HashMap<Key, Error>;
