//! RocksDB's options: little memory, and every damage reported.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, DataBlockIndexType, LogLevel,
    Options, ReadOptions, ReadTier, WriteOptions,
};

use super::column_families;
use super::options::{Compression, LevelDbOptions};
use crate::engine::Durability;

/// Large enough that a page of a scan takes few reads, small enough that a single read copies little.
const BLOCK_BYTES: usize = 8 << 10;
/// Small, because the time of a write grows with the write buffer: at 8 MiB a write took 2.7 us, at 16 MiB 3.2, at 32
/// MiB 3.7.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
const SMALL_WRITE_BUFFER_BYTES: usize = 2 << 20;
/// Memtables of a column family. More than two, so that writes go on while one is flushed.
const WRITE_BUFFERS: i32 = 4;
/// Of all column families together.
const ALL_WRITE_BUFFERS_BYTES: usize = 32 << 20;
const MAX_WAL_BYTES: u64 = 64 << 20;
const MAX_OPEN_FILES: i32 = 256;
const MAX_MANIFEST_BYTES: usize = 4 << 20;
/// Of the file LOG, in which RocksDB says what it does.
const MAX_INFO_LOG_BYTES: usize = 1 << 20;

/// The options of the whole database, which is made if it is missing and `create` is set.
pub(super) fn database(options: &LevelDbOptions, create: bool) -> Options {
    let mut out = Options::default();
    out.create_if_missing(create);
    out.create_missing_column_families(create);
    out.set_paranoid_checks(true);
    out.set_wal_recovery_mode(match options.durability {
        // A record that a crash cut off ends the WAL. Damage before its end is reported (`wal.rs`).
        Durability::Full => DBRecoveryMode::TolerateCorruptedTailRecords,
        // Power loss may leave any part of what was not synced, which looks like damage.
        Durability::Normal | Durability::None => DBRecoveryMode::PointInTime,
    });
    out.set_track_and_verify_wals_in_manifest(true);
    // The WAL then reaches the system in large pieces. Each record is still whole or not there.
    out.set_manual_wal_flush(options.durability == Durability::None);
    out.set_db_write_buffer_size(ALL_WRITE_BUFFERS_BYTES);
    out.set_max_total_wal_size(MAX_WAL_BYTES);
    out.set_max_open_files(MAX_OPEN_FILES);
    out.set_max_manifest_file_size(MAX_MANIFEST_BYTES);
    out.set_max_background_jobs(2);
    out.set_bytes_per_sync(1 << 20);
    // There is one writer at a time, so nothing to share, and no thread to yield to.
    out.set_allow_concurrent_memtable_write(false);
    out.set_enable_write_thread_adaptive_yield(false);
    out.set_skip_stats_update_on_db_open(true);
    out.set_stats_dump_period_sec(0);
    out.set_stats_persist_period_sec(0);
    out.set_log_level(LogLevel::Warn);
    out.set_keep_log_file_num(2);
    out.set_max_log_file_size(MAX_INFO_LOG_BYTES);
    out
}

/// Makes the WAL end at the first record that is not whole.
pub(super) fn end_at_torn_record(database: &mut Options) {
    database.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
}

/// These column families. They share one block cache.
pub(super) fn column_families(
    options: &LevelDbOptions,
    block_cache: &Cache,
    names: &[String],
) -> Vec<ColumnFamilyDescriptor> {
    let descriptor = |name: &String| ColumnFamilyDescriptor::new(name, column_family(options, block_cache, name));
    names.iter().map(descriptor).collect()
}

/// The options of the column family `name`, and of tables that are written for it.
pub(super) fn column_family(options: &LevelDbOptions, block_cache: &Cache, name: &str) -> Options {
    let mut out = Options::default();
    let small = column_families::has_index(name);
    out.set_write_buffer_size(if small { SMALL_WRITE_BUFFER_BYTES } else { WRITE_BUFFER_BYTES });
    out.set_max_write_buffer_number(WRITE_BUFFERS);
    out.set_compression_type(match options.compression {
        Compression::None => DBCompressionType::None,
        Compression::Snappy => DBCompressionType::Snappy,
        Compression::Lz4 => DBCompressionType::Lz4,
        Compression::Zstd => DBCompressionType::Zstd,
    });
    let mut table = BlockBasedOptions::default();
    table.set_block_size(BLOCK_BYTES);
    table.set_block_cache(block_cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    if options.bloom_bits > 0 {
        table.set_bloom_filter(f64::from(options.bloom_bits), false);
    }
    out.set_block_based_table_factory(&table);
    out
}

/// Reads from memory. RocksDB fails them with `Incomplete` where they would need the disk.
pub(super) fn memory_reads() -> ReadOptions {
    let mut out = ReadOptions::default();
    out.set_read_tier(ReadTier::BlockCache);
    out
}

/// Writes on the caller's thread. RocksDB fails them with `Incomplete` where they would wait for a flush.
pub(super) fn inline_writes() -> WriteOptions {
    let mut out = WriteOptions::default();
    out.set_no_slowdown(true);
    out
}

/// Writes on a thread of our own.
pub(super) fn grouped_writes(durability: Durability) -> WriteOptions {
    let mut out = WriteOptions::default();
    out.set_sync(durability == Durability::Full);
    out
}
