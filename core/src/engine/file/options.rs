//! Options of the file engine.

use std::path::PathBuf;

use crate::engine::Durability;
use crate::format::file_text::Encoding;

/// Options of the file engine.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// The folder of the store, made with its parents where missing.
    pub base_path: PathBuf,
    /// The encoding of the user's `.json` files.
    pub encoding: Encoding,
    /// Opens what is there without writing anything.
    pub read_only: bool,
    /// Milliseconds to wait at most for another process to close the store.
    pub lock_timeout: u64,
    /// The failure that a finished write survives.
    pub durability: Durability,
}

impl FileOptions {
    /// The defaults, with the store in `base_path`.
    #[must_use]
    pub fn new(base_path: impl Into<PathBuf>) -> Self {
        FileOptions {
            base_path: base_path.into(),
            encoding: Encoding::default(),
            read_only: false,
            lock_timeout: 0,
            durability: Durability::default(),
        }
    }

    /// The options that two users of one store must agree on.
    pub(super) fn fingerprint(&self) -> String {
        let FileOptions { encoding, read_only, durability, .. } = self;
        format!("encoding={encoding:?},readOnly={read_only},durability={durability:?}")
    }
}
