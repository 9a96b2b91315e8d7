//! Looking at the whole store: verification and figures.

use std::fs;

use bytes::Bytes;
use rocksdb::{BottommostLevelCompaction, CompactOptions, DBRawIterator, ReadOptions};

use super::database::{ENGINE, INTERNAL, Open};
use super::format::{decode, read_expiry_key};
use super::store::LevelDb;
use super::view::successor;
use super::{NAME, fault};
use crate::engine::{Progress, Report, Stats};
use crate::error::{Error, Result};

/// Progress is told once for so many records.
const STRIDE: u64 = 4096;

/// Reads every block with its checksum and decodes every record.
pub(super) fn verify(open: &Open, progress: Progress<'_>) -> Result<Report> {
    let mut report = Report::default();
    let mut total = 0;
    for name in [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, INTERNAL] {
        total += estimated_keys(open, name).unwrap_or(0);
    }
    for name in [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, INTERNAL, ENGINE] {
        family(open, name, &mut report, &mut |done| progress(done, total.max(done)))?;
    }
    progress(report.checked, report.checked)?;
    Ok(report)
}

fn family(open: &Open, name: &str, report: &mut Report, progress: &mut dyn FnMut(u64) -> Result<()>) -> Result<()> {
    let Some(family) = open.db.cf_handle(name) else {
        report.errors.push(Error::corrupted(format!("the column family {name} is missing")).in_engine(NAME));
        return Ok(());
    };
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_verify_checksums(true);
    let mut keys = open.db.raw_iterator_cf_opt(family, options);
    keys.seek_to_first();
    let mut last: Vec<u8> = Vec::new();
    loop {
        while let Some((key, value)) = keys.item() {
            report.checked += 1;
            if name == ENGINE {
                if key.first() == Some(&super::format::EXPIRY) && read_expiry_key(key).is_none() {
                    report
                        .errors
                        .push(Error::corrupted("an entry of the expiry index is damaged").at_key(key).in_engine(NAME));
                }
            } else if let Err(error) = decode(&Bytes::copy_from_slice(value)) {
                report.errors.push(error.at_key(key).in_engine(NAME));
            }
            if report.checked.is_multiple_of(STRIDE) {
                progress(report.checked)?;
            }
            last.clear();
            last.extend_from_slice(key);
            keys.next();
        }
        let Err(error) = keys.status() else { return Ok(()) };
        report.errors.push(fault::translate("read the records behind this key", &error).at_key(&last));
        if !skip_damage(open, name, &mut keys, &mut last)? {
            return Ok(());
        }
    }
}

/// Moves `keys` behind a damaged block: to the next boundary of a table file that reads again. False if there is none.
fn skip_damage(open: &Open, name: &str, keys: &mut DBRawIterator<'_>, last: &mut Vec<u8>) -> Result<bool> {
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

/// Rewrites every column family without what was deleted.
pub(super) fn compact(open: &Open) -> Result<()> {
    open.db.flush_wal(false).map_err(|error| fault::translate("compact", &error))?;
    for name in [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, INTERNAL, ENGINE] {
        if let Some(family) = open.db.cf_handle(name) {
            open.db.flush_cf(family).map_err(|error| fault::translate("compact", &error))?;
            let mut options = CompactOptions::default();
            // Else a range tombstone whose data lies in the last level would free nothing.
            options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
            open.db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        }
    }
    Ok(())
}

pub(super) fn stats(store: &LevelDb, open: &Open) -> Stats {
    let property = |family: &str, property: &str| -> u64 {
        let family = open.db.cf_handle(family);
        family.and_then(|family| open.db.property_int_value_cf(family, property).ok().flatten()).unwrap_or(0)
    };
    let every = |name: &str| -> u64 {
        [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, INTERNAL, ENGINE].iter().map(|family| property(family, name)).sum()
    };
    let memtables = every("rocksdb.cur-size-all-mem-tables");
    let readers = every("rocksdb.estimate-table-readers-mem");
    let blocks = open.blocks.get_usage() as u64;
    let records = store.cache.bytes();
    Stats {
        keys: estimated_keys(open, rocksdb::DEFAULT_COLUMN_FAMILY_NAME),
        memory_bytes: Some(memtables + readers + blocks + records),
        disk_bytes: disk_bytes(&store.handle.path),
        details: vec![
            ("memtableBytes", memtables),
            ("tableReaderBytes", readers),
            ("blockCacheBytes", blocks),
            ("recordCacheBytes", records),
            ("tableBytes", every("rocksdb.live-sst-files-size")),
            ("pendingCompactionBytes", every("rocksdb.estimate-pending-compaction-bytes")),
        ],
        ..Stats::default()
    }
}

/// About how many keys a column family holds.
fn estimated_keys(open: &Open, name: &str) -> Option<u64> {
    let family = open.db.cf_handle(name)?;
    open.db.property_int_value_cf(family, "rocksdb.estimate-num-keys").ok().flatten()
}

/// The length of the files in the folder.
fn disk_bytes(path: &std::path::Path) -> Option<u64> {
    let files = fs::read_dir(path).ok()?;
    // A file that RocksDB removes meanwhile counts nothing.
    Some(
        files
            .flatten()
            .filter_map(|file| file.metadata().ok())
            .filter(fs::Metadata::is_file)
            .map(|file| file.len())
            .sum(),
    )
}
