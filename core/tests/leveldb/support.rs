//! Helpers of the leveldb engine's tests.
use std::path::Path;

use holdfast_core::engine::Durability;
use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::registry::Lease;

pub(crate) fn options(path: &Path) -> LevelDbOptions {
    LevelDbOptions { durability: Durability::Normal, ..LevelDbOptions::new(path) }
}

pub(crate) fn start(path: &Path) -> Lease {
    open(options(path)).unwrap()
}
