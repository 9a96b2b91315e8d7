//! The memory engine: a persistent ordered map, so that a snapshot is one reference more and a page of a
//! scan holds no lock.

mod eviction;
mod store;
mod view;
mod write;

pub use store::{Eviction, MemoryOptions, open};
