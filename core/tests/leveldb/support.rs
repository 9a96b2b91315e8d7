//! Helpers of the leveldb engine's tests.
use std::path::Path;

use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Durability, Stats};

/// About how many keys a store holds.
pub(crate) fn estimated_keys(stats: &Stats) -> u64 {
    stats.details.iter().find(|(name, _)| *name == "estimatedKeys").unwrap().1
}

pub(crate) fn options(path: &Path) -> LevelDbOptions {
    LevelDbOptions { durability: Durability::Normal, ..LevelDbOptions::new(path) }
}

pub(crate) fn start(path: &Path) -> Lease {
    open(options(path)).unwrap()
}
