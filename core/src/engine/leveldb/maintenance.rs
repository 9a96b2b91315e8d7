//! Verification, figures and compaction of a whole store.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use rocksdb::{BottommostLevelCompaction, CompactOptions, ReadOptions};

use super::column_families;
use super::database::OpenDatabase;
use super::fault;
use super::generation::{Family, Generation};
use super::iterator::{RawIterator, successor};
use super::options::NAME;
use crate::engine::{Progress, Report, Stats};
use crate::error::{Error, Result};
use crate::format::leveldb::{EXPIRY, decode, read_expiry_key};
use crate::key::Space;

/// Progress is reported once for so many records.
const STRIDE: u64 = 4096;

/// Reads every block with its checksum and decodes every record.
pub(super) fn verify(open: &OpenDatabase, progress: Progress<'_>) -> Result<Report> {
    let mut report = Report::default();
    let generation = open.current();
    let total: u64 =
        [Space::User, Space::Internal].iter().map(|space| estimated_keys(open, generation.of(*space))).sum();
    for family in families(open, &generation) {
        verify_family(open, family, &mut report, &mut |done| progress(done, total.max(done)))?;
    }
    progress(report.checked, report.checked)?;
    Ok(report)
}

/// The column families of a generation, and that of the engine itself.
fn families<'a>(open: &'a OpenDatabase, generation: &'a Generation) -> impl Iterator<Item = &'a Family> {
    let engine = (generation.expiry.name != open.engine.name).then_some(&open.engine);
    generation.families().into_iter().chain(engine)
}

fn verify_family(
    open: &OpenDatabase,
    family: &Family,
    report: &mut Report,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_verify_checksums(true);
    let mut keys = open.db.raw_iterator_cf_opt(&family.handle, options);
    keys.seek_to_first();
    let mut last: Vec<u8> = Vec::new();
    loop {
        while let Some((key, value)) = keys.item() {
            report.checked += 1;
            report.errors.extend(damage(&family.name, key, value));
            if report.checked.is_multiple_of(STRIDE) {
                progress(report.checked)?;
            }
            last.clear();
            last.extend_from_slice(key);
            keys.next();
        }
        let Err(error) = keys.status() else { return Ok(()) };
        report.errors.push(fault::translate("read the records behind this key", &error).at_key(&last));
        if !skip_damage(open, &family.name, &mut keys, &mut last)? {
            return Ok(());
        }
    }
}

/// The damage of one entry of the column family `name`, if there is any.
fn damage(name: &str, key: &[u8], value: &[u8]) -> Option<Error> {
    if !column_families::has_index(name) {
        return decode(&Bytes::copy_from_slice(value)).err().map(|error| error.at_key(key).in_engine(NAME));
    }
    (key.first() == Some(&EXPIRY) && read_expiry_key(key).is_none())
        .then(|| Error::corrupted("an entry of the expiry index is damaged").at_key(key).in_engine(NAME))
}

/// Moves `keys` behind a damaged block, to the next boundary of a table that reads again. False if there is none.
fn skip_damage(open: &OpenDatabase, name: &str, keys: &mut RawIterator<'_>, last: &mut Vec<u8>) -> Result<bool> {
    let files = open.db.live_files().map_err(|error| fault::translate("list the tables", &error))?;
    let mut bounds: Vec<Vec<u8>> = files
        .into_iter()
        .filter(|file| file.column_family_name == name)
        .flat_map(|file| [file.start_key, file.end_key.map(|key| successor(&key))])
        .flatten()
        .filter(|bound| bound > last)
        .collect();
    bounds.sort();
    for bound in bounds {
        keys.seek(&bound);
        *last = bound;
        if keys.valid() {
            return Ok(true);
        }
        if keys.status().is_ok() {
            return Ok(false);
        }
    }
    Ok(false)
}

/// Rewrites every column family without deleted records.
pub(super) fn compact(open: &OpenDatabase) -> Result<()> {
    open.db.flush_wal(false).map_err(|error| fault::translate("compact", &error))?;
    let generation = open.current();
    for family in families(open, &generation) {
        open.db.flush_cf(&family.handle).map_err(|error| fault::translate("compact", &error))?;
        let mut options = CompactOptions::default();
        // Otherwise a range tombstone whose records lie in the last level would free nothing.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        open.db.compact_range_cf_opt(&family.handle, None::<&[u8]>, None::<&[u8]>, &options);
    }
    Ok(())
}

/// The figures of a store in the folder `path` whose record cache holds `record_cache_bytes`.
pub(super) fn stats(open: &OpenDatabase, path: &Path, record_cache_bytes: u64) -> Stats {
    let generation = open.current();
    let sum = |property: &str| -> u64 {
        let figure = |family: &Family| open.db.property_int_value_cf(&family.handle, property).ok().flatten();
        families(open, &generation).filter_map(figure).sum()
    };
    let memtables = sum("rocksdb.cur-size-all-mem-tables");
    let readers = sum("rocksdb.estimate-table-readers-mem");
    let blocks = open.block_cache.get_usage() as u64;
    Stats {
        // Only a walk over all of them would tell.
        keys: None,
        memory_bytes: Some(memtables + readers + blocks + record_cache_bytes),
        disk_bytes: disk_bytes(path),
        details: vec![
            ("estimatedKeys", estimated_keys(open, generation.of(Space::User))),
            ("memtableBytes", memtables),
            ("tableReaderBytes", readers),
            ("blockCacheBytes", blocks),
            ("recordCacheBytes", record_cache_bytes),
            ("tableBytes", sum("rocksdb.live-sst-files-size")),
            ("pendingCompactionBytes", sum("rocksdb.estimate-pending-compaction-bytes")),
        ],
        ..Stats::default()
    }
}

/// About how many keys a column family holds. A key that was written several times counts as often until a compaction.
fn estimated_keys(open: &OpenDatabase, family: &Family) -> u64 {
    // RocksDB's own estimate leaves out every table that was written before the database was opened.
    let properties = "rocksdb.aggregated-table-properties";
    let tables = open.db.property_value_cf(&family.handle, properties).ok().flatten().unwrap_or_default();
    let in_tables = |name: &str| -> u64 {
        let figures = tables.split(';').filter_map(|field| field.trim().split_once('='));
        figures.filter(|(field, _)| *field == name).filter_map(|(_, count)| count.parse::<u64>().ok()).sum()
    };
    let in_memory = |name: &str| open.db.property_int_value_cf(&family.handle, name).ok().flatten().unwrap_or(0);
    let entries = in_tables("# entries")
        + in_memory("rocksdb.num-entries-active-mem-table")
        + in_memory("rocksdb.num-entries-imm-mem-tables");
    let deletions = in_tables("# deletions")
        + in_memory("rocksdb.num-deletes-active-mem-table")
        + in_memory("rocksdb.num-deletes-imm-mem-tables");
    // A deletion is an entry, and hides another one.
    entries.saturating_sub(deletions.saturating_mul(2))
}

/// The length of the files in a folder. A file that RocksDB removes meanwhile counts nothing.
fn disk_bytes(path: &Path) -> Option<u64> {
    let files = fs::read_dir(path).ok()?.flatten();
    let metadata = files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file);
    Some(metadata.map(|file| file.len()).sum())
}
