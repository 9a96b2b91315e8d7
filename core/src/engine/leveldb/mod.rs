//! The leveldb engine, on RocksDB: one folder, one process, snapshots, a WAL that is synced once a group.
//!
//! RocksDB owns the WAL, the memtables, the tables and the snapshots. This engine adds a record cache in front of it
//! (`record_cache.rs`), one writer that numbers commits (`write.rs`), an expiry index (`expiry.rs`), a replacement of
//! the whole content (`generation.rs`, `replace.rs`), and a look at the folder before RocksDB may change it
//! (`open.rs`).

mod column_families;
mod crc32c;
mod database;
mod expiry;
mod fault;
mod folder;
mod generation;
mod generations;
mod iterator;
mod lock;
mod maintenance;
mod manifest;
mod modes;
mod open;
mod options;
mod overlay;
mod page;
mod process_end;
mod read;
mod record_cache;
mod recovery;
mod replace;
mod rocksdb_options;
mod sorted_run;
mod store;
mod view;
mod wal;
mod wal_format;
mod write;
mod write_set;

use std::sync::Arc;

use self::options::NAME;
use self::store::LevelDbStore;
use super::registry::{self, Lease, StoreId};
use super::{Embedded, Engine, path};
use crate::error::Result;

pub use options::{Compression, LevelDbOptions};
pub use process_end::process_ends;

/// Opens the store in a folder, or shares the one that this process has open. Blocks.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for a path that is no folder or lies in an asar archive, for a cache below 1 MiB, and if this
/// process has the store open with other options. LOCKED while another process has it open, `READ_ONLY` for a store
/// that cannot be written without `read_only`, `UNSUPPORTED_FORMAT` for the folder of another program or of a newer
/// version, CORRUPTED for one that is damaged.
pub fn open(options: LevelDbOptions) -> Result<Lease> {
    options.check()?;
    path::prepare_folder(&options.path, NAME, options.read_only)?;
    let id = StoreId::of(NAME, &options.path, "")?;
    let fingerprint = options.fingerprint();
    registry::open(id, &fingerprint, || {
        let engine: Arc<dyn Engine> = Arc::new(Embedded::new(LevelDbStore::open(options)?));
        Ok(engine)
    })
}
