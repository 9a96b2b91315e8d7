//! The file engine: one `.json` file a key below a folder, for people and programs to read and edit, with an embedded
//! database beside them for what files cannot hold.
//!
//! `docs/engines/file.md` states its promises, `docs/formats/file.md` its files.
//!
//! # Parts
//!
//! `FileStore` composes them. Readers share `Records`: the tree of files, the cache, the sidecars, the reading
//! connection to the database, the old versions for views. The `Committer` holds the `Writer`, which alone changes
//! files and rows.
//!
//! # Order of locks
//!
//! 1. The lock of the writer, in `Committer`. What needs it is a method of `Writer`.
//! 2. The lock of the files, in `Versions`. A commit that puts its files in place holds it for writing, and whoever
//!    reads several files as one moment holds it for reading. Taking it for writing needs the `InstallRight`, which
//!    lies behind the first lock.
//! 3. The locks within a part: `LongNames`, `SidecarBuffer`, `MetadataReader`, `RecordCache`, the old versions in
//!    `Versions`. Each is private, and the method that holds it calls no other part. So no two are held at once.
//!
//! A scan of a view holds the lock of that view's listings around the second and the third. No writer takes it.

mod cache;
mod change;
mod cleanup;
mod committer;
mod expiry;
mod fault;
mod journal;
mod layout;
mod maintenance;
mod merged_keys;
mod metadata;
mod open;
mod options;
mod os;
mod overwrite;
mod plan;
mod process_lock;
mod records;
mod recover;
mod redo_log;
mod rename;
mod replacement;
mod sidecar_buffer;
mod staging;
mod store;
mod sync;
mod tree;
mod tree_writer;
mod versions;
mod view;
mod walk;
mod write;

#[cfg(test)]
mod crash_tests;

use std::sync::Arc;

use self::store::NAME;
use super::path::prepare_folder;
use super::registry::{self, Lease, StoreId};
use super::{Embedded, Engine};
use crate::error::Result;

pub use self::options::FileOptions;
pub use crate::format::file_text::Encoding;

/// Opens the store of `options`, or shares it if this process has it open. Blocks.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for a path that is no folder or lies in an asar archive, LOCKED while another process has the
/// store open, `READ_ONLY` for a store that cannot be written without `read_only`, CORRUPTED or `UNSUPPORTED_FORMAT`
/// for a `.holdfast/store.db` that cannot be read.
#[allow(clippy::needless_pass_by_value, reason = "every engine takes its options so")]
pub fn open(options: FileOptions) -> Result<Lease> {
    let base = std::path::absolute(&options.base_path).unwrap_or_else(|_| options.base_path.clone());
    prepare_folder(
        if options.base_path.as_os_str().is_empty() { &options.base_path } else { &base },
        NAME,
        options.read_only,
    )?;
    let id = StoreId::of(NAME, &base, "")?;
    registry::open(id, &options.fingerprint(), || {
        let store = open::open(&base, &options).map_err(|error| error.in_engine(NAME))?;
        Ok(Arc::new(Embedded::new(store)) as Arc<dyn Engine>)
    })
}
