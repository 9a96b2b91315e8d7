//! How the database in a folder is opened or made: looked at first, changed only once it is known to be ours.

use std::path::Path;

use rocksdb::{Cache, ErrorKind, Options, WriteOptions};

use super::column_families::{self, ENGINE};
use super::database::OpenDatabase;
use super::folder::{self, FolderContents};
use super::generation::{Db, Family, Generation};
use super::generations::Generations;
use super::lock;
use super::options::{LevelDbOptions, NAME};
use super::{fault, recovery, replace, rocksdb_options, wal};
use crate::error::{Code, Error, Result};

const MARKER_KEY: &[u8] = b"format";
const MARKER: &[u8] = b"holdfast 1";

/// The key of the marker that names the current generation, in decimal digits. Without it, that is generation 0.
pub(super) const GENERATION_KEY: &[u8] = b"generation";

/// Opens the store in the folder of `options`, or makes it.
pub(super) fn open(options: &LevelDbOptions, block_cache_bytes: usize) -> Result<OpenDatabase> {
    let path = &options.path;
    if !lock::is_marked(path) {
        // Another program's store is refused before the lock file is made, which marks a folder as ours.
        folder::inspect(path)?;
    }
    let lock = lock::lock(path, options.read_only, options.lock_timeout)?;
    recovery::cut_torn_manifest(options)?;
    let (is_new, families) = match folder::inspect(path)? {
        FolderContents::NoStore if options.read_only => {
            return Err(Error::new(Code::Io, format!("{} holds no store to read", path.display())).in_engine(NAME));
        }
        FolderContents::NoStore => (true, column_families::names(0).to_vec()),
        FolderContents::Store(families) => (false, families),
    };
    let block_cache = Cache::new_hyper_clock_cache(block_cache_bytes, 0);
    if !is_new {
        recovery::cut_endless_wal(options)?;
    }
    let mut database = rocksdb_options::database(options, is_new);
    let mut opened = open_rocksdb(path, options, &database, &block_cache, &families);
    if opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corruption)
        && wal::ends_torn(path).unwrap_or(false)
    {
        rocksdb_options::end_at_torn_record(&mut database);
        opened = open_rocksdb(path, options, &database, &block_cache, &families);
    }
    let db = Box::new(opened.map_err(|error| fault::translate_open(&error))?);
    // SAFETY: until it moves into `OpenDatabase`, it is dropped before `db`, which was declared earlier.
    let engine = unsafe { Family::find(&db, ENGINE) }?;
    check_marker(&db, &engine, options.read_only)?;
    let number = current_generation(&db, &engine)?;
    // SAFETY: as above.
    let current = unsafe { Generation::find(&db, number) }?;
    let latest = families.iter().filter_map(|name| column_families::generation_of(name)).max().unwrap_or(0);
    let open = OpenDatabase::new(Generations::new(current, latest), engine, db, block_cache, lock);
    if !options.read_only {
        open.remove_leftovers(&families)?;
        replace::remove_table(path)?;
    }
    Ok(open)
}

fn open_rocksdb(
    path: &Path,
    options: &LevelDbOptions,
    database: &Options,
    block_cache: &Cache,
    families: &[String],
) -> Result<Db, rocksdb::Error> {
    let families = rocksdb_options::column_families(options, block_cache, families);
    if options.read_only {
        Db::open_cf_descriptors_read_only(database, path, families, false)
    } else {
        Db::open_cf_descriptors(database, path, families)
    }
}

/// Writes the format marker of a new store. Fails with `UNSUPPORTED_FORMAT` for a store with another one.
fn check_marker(db: &Db, engine: &Family, read_only: bool) -> Result<()> {
    let found = db.get_pinned_cf(&engine.handle, MARKER_KEY);
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
            db.put_cf_opt(&engine.handle, MARKER_KEY, MARKER, &options)
                .map_err(|error| fault::translate("write the format marker", &error))
        }
    }
}

/// The number of the current generation. Fails with `UNSUPPORTED_FORMAT` for a marker of a newer version.
fn current_generation(db: &Db, engine: &Family) -> Result<u64> {
    let found = db.get_pinned_cf(&engine.handle, GENERATION_KEY);
    let found = found.map_err(|error| fault::translate("read the marker of the generation", &error))?;
    let Some(marker) = found else { return Ok(0) };
    let text = String::from_utf8_lossy(&marker);
    let number = text.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == text);
    number.ok_or_else(|| fault::newer(format_args!("the marker {text:?} of its generation")))
}
