//! The leveldb engine, on RocksDB: one folder, one process, snapshots, a log that is synced once a group.

mod database;
mod expiry;
mod fault;
mod folder;
mod maintenance;
mod overlay;
mod record_cache;
mod rocksdb_options;
mod store;
mod view;
mod wal_format;

use std::path::PathBuf;
use std::sync::Arc;

use self::store::LevelDb;
use super::registry::{self, Lease, StoreId};
use super::{Durability, Embedded, Engine, path};
use crate::error::{Code, Error, Result};
use crate::format::leveldb as format;

const NAME: &str = "leveldb";

/// The smallest cache that is worth having.
const MIN_CACHE_BYTES: u64 = 1 << 20;

/// How tables are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compression {
    None,
    #[default]
    Snappy,
    Lz4,
    Zstd,
}

/// Options of the leveldb engine.
#[derive(Clone, Debug)]
pub struct LevelDbOptions {
    /// The folder of the store, made with its parents.
    pub path: PathBuf,
    /// Bytes of cache, shared by records and table blocks.
    pub cache_size: u64,
    pub compression: Compression,
    /// Bits of bloom filter a key; 0 for none.
    pub bloom_bits: u32,
    pub read_only: bool,
    /// How long to wait for another process to close the store, in milliseconds.
    pub lock_timeout: u64,
    pub durability: Durability,
}

impl LevelDbOptions {
    /// The default options for the folder `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        LevelDbOptions {
            path: path.into(),
            cache_size: 32 << 20,
            compression: Compression::default(),
            bloom_bits: 10,
            read_only: false,
            lock_timeout: 0,
            durability: Durability::default(),
        }
    }

    fn check(&self) -> Result<()> {
        if self.cache_size < MIN_CACHE_BYTES {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("cacheSize is at least {MIN_CACHE_BYTES} bytes, not {}", self.cache_size),
            )
            .in_engine(NAME));
        }
        Ok(())
    }

    /// What two users of one store must agree on.
    fn fingerprint(&self) -> String {
        format!(
            "{} {:?} {} {} {:?}",
            self.cache_size, self.compression, self.bloom_bits, self.read_only, self.durability
        )
    }
}

/// Opens the store in a folder, or shares the one this process has open.
pub fn open(options: LevelDbOptions) -> Result<Lease> {
    options.check()?;
    path::prepare_folder(&options.path, NAME, options.read_only)?;
    let id = StoreId::of(NAME, &options.path, "")?;
    let fingerprint = options.fingerprint();
    registry::open(id, &fingerprint, || {
        let engine: Arc<dyn Engine> = Arc::new(Embedded::new(LevelDb::open(options)?));
        Ok(engine)
    })
}
