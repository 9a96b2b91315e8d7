//! The options of the leveldb engine.

use std::path::PathBuf;

use crate::engine::Durability;
use crate::error::{Code, Error, Result};

/// The engine's name.
pub(super) const NAME: &str = "leveldb";

/// The smallest cache that is useful.
const MIN_CACHE_BYTES: u64 = 1 << 20;

/// How tables are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// With Snappy, which costs the least time.
    #[default]
    Snappy,
    /// With LZ4.
    Lz4,
    /// With Zstandard, which saves the most space.
    Zstd,
}

/// Options of the leveldb engine.
#[derive(Clone, Debug)]
pub struct LevelDbOptions {
    /// The folder of the store. It is made with its parents.
    pub path: PathBuf,
    /// Bytes of cache: half for records, half for blocks of tables.
    pub cache_size: u64,
    /// The compression of new tables. Old ones are read with any.
    pub compression: Compression,
    /// Bits of bloom filter for each key; 0 for no filter.
    pub bloom_bits: u32,
    /// Reads an existing store and writes nothing. Several processes may do so at once.
    pub read_only: bool,
    /// How long to wait for another process to close the store, in milliseconds.
    pub lock_timeout: u64,
    /// The failure that a finished write survives.
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

    pub(super) fn check(&self) -> Result<()> {
        if self.cache_size < MIN_CACHE_BYTES {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("cacheSize is at least {MIN_CACHE_BYTES} bytes, not {}", self.cache_size),
            )
            .in_engine(NAME));
        }
        Ok(())
    }

    /// The options that two users of one store must agree on.
    pub(super) fn fingerprint(&self) -> String {
        format!(
            "cacheSize={},compression={:?},bloomBits={},readOnly={},durability={:?}",
            self.cache_size, self.compression, self.bloom_bits, self.read_only, self.durability
        )
    }
}
