//! The content of a folder before RocksDB sees it.

use std::fs;
use std::path::Path;

use rocksdb::{DB, Options};

use super::column_families;
use super::fault;
use super::lock::LOCK_FILE;
use super::options::NAME;
use crate::error::{Error, Result};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum FolderContents {
    /// No store, or one whose making was interrupted: making it loses nothing.
    NoStore,
    /// A store with these column families.
    Store(Vec<String>),
}

/// Looks at the folder without changing it. Fails with `UNSUPPORTED_FORMAT` for another program's store, with CORRUPTED
/// for a store that lost its `CURRENT`.
pub(super) fn inspect(path: &Path) -> Result<FolderContents> {
    let names = file_names(path)?;
    let has = |name: &str| names.iter().any(|other| other == name);
    let has_numbered = |extension: &str| names.iter().any(|name| is_numbered(name, extension));
    if !has("CURRENT") {
        // RocksDB writes the first manifest, then CURRENT, then the rest.
        let manifest = names.iter().any(|name| name.starts_with("MANIFEST-") && name != "MANIFEST-000001");
        if manifest || [".sst", ".ldb", ".log"].into_iter().any(has_numbered) {
            return Err(Error::corrupted("the store lacks its file CURRENT; restore a backup, nothing was changed")
                .in_engine(NAME));
        }
        return Ok(FolderContents::NoStore);
    }
    let ours = has(LOCK_FILE);
    let rocksdb = ours || has("IDENTITY") || names.iter().any(|name| name.starts_with("OPTIONS-"));
    if has_numbered(".ldb") || !rocksdb {
        return Err(fault::foreign("LevelDB"));
    }
    let families = DB::list_cf(&Options::default(), path).map_err(|error| fault::translate_open(&error))?;
    if let Some(name) = families.iter().find(|name| column_families::generation_of(name).is_none()) {
        return Err(if ours {
            fault::newer(format_args!("column family {name:?}"))
        } else {
            fault::foreign("RocksDB")
        });
    }
    match column_families::ALWAYS.iter().all(|name| families.iter().any(|family| family == name)) {
        true => Ok(FolderContents::Store(families)),
        // Column families are made one after the other. A store of ours that lacks some is one whose making was
        // interrupted.
        false if ours => Ok(FolderContents::NoStore),
        false => Err(fault::foreign("RocksDB")),
    }
}

fn file_names(path: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::io(format_args!("cannot list {}", path.display()), &error).in_engine(NAME);
    let entries = fs::read_dir(path).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())).collect()
}

/// True for names such as `000012.sst`.
fn is_numbered(name: &str, extension: &str) -> bool {
    name.strip_suffix(extension).is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit()))
}
