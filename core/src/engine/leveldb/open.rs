//! How the database in a folder is opened or made: looked at first, changed only once it is known to be ours.

use std::path::Path;

use rocksdb::{Cache, DB, ErrorKind, Options, WriteOptions};

use super::database::OpenDatabase;
use super::folder::{self, FolderContents};
use super::lock;
use super::options::{LevelDbOptions, NAME};
use super::rocksdb_options;
use super::{fault, recovery, wal};
use crate::error::{Code, Error, Result};

const MARKER_KEY: &[u8] = b"format";
const MARKER: &[u8] = b"holdfast 1";

/// Opens the store in the folder of `options`, or makes it.
pub(super) fn open(options: &LevelDbOptions, block_cache_bytes: usize) -> Result<OpenDatabase> {
    let path = &options.path;
    if !lock::is_marked(path) {
        // Another program's store is refused before the lock file is made, which marks a folder as ours.
        folder::inspect(path)?;
    }
    let lock = lock::lock(path, options.read_only, options.lock_timeout)?;
    recovery::cut_torn_manifest(options)?;
    let contents = folder::inspect(path)?;
    if contents == FolderContents::NoStore && options.read_only {
        return Err(Error::new(Code::Io, format!("{} holds no store to read", path.display())).in_engine(NAME));
    }
    let block_cache = Cache::new_hyper_clock_cache(block_cache_bytes, 0);
    if contents == FolderContents::Store {
        recovery::cut_endless_wal(options)?;
    }
    let mut database = rocksdb_options::database(options, contents == FolderContents::NoStore);
    let mut opened = open_rocksdb(path, options, &database, &block_cache);
    if opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corruption)
        && wal::ends_torn(path).unwrap_or(false)
    {
        rocksdb_options::end_at_torn_record(&mut database);
        opened = open_rocksdb(path, options, &database, &block_cache);
    }
    let db = opened.map_err(|error| fault::translate_open(&error))?;
    let open = OpenDatabase::new(db, block_cache, lock);
    check_marker(&open, options.read_only)?;
    Ok(open)
}

fn open_rocksdb(
    path: &Path,
    options: &LevelDbOptions,
    database: &Options,
    block_cache: &Cache,
) -> Result<DB, rocksdb::Error> {
    let families = rocksdb_options::column_families(options, block_cache);
    if options.read_only {
        DB::open_cf_descriptors_read_only(database, path, families, false)
    } else {
        DB::open_cf_descriptors(database, path, families)
    }
}

/// Writes the format marker of a new store. Fails with `UNSUPPORTED_FORMAT` for a store with another one.
fn check_marker(open: &OpenDatabase, read_only: bool) -> Result<()> {
    let family = open.engine_family()?;
    let found = open.db.get_pinned_cf(family, MARKER_KEY);
    match found.map_err(|error| fault::translate("read the format marker", &error))? {
        Some(marker) if marker.as_ref() == MARKER => Ok(()),
        Some(marker) => Err(Error::new(
            Code::UnsupportedFormat,
            format!(
                "the store has format {:?}, this version reads {:?}; use a newer version",
                String::from_utf8_lossy(&marker),
                String::from_utf8_lossy(MARKER)
            ),
        )
        .in_engine(NAME)),
        None if read_only => Ok(()),
        None => {
            let mut options = WriteOptions::default();
            options.set_sync(true);
            open.db
                .put_cf_opt(family, MARKER_KEY, MARKER, &options)
                .map_err(|error| fault::translate("write the format marker", &error))
        }
    }
}
