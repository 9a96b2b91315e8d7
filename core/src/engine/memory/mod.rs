//! The memory engine: a persistent ordered map (imbl), so that a view is one reference to the map as it was, and a page
//! of a scan holds no lock.
//!
//! Two roles have no file of their own. `store.rs` holds the few lines of maintenance (verify, stats, compact). There
//! is no `fault.rs`, as no library below reports errors.

mod eviction;
mod options;
mod records;
mod replace;
mod state;
mod store;
mod view;
mod write;

use std::sync::Arc;

use self::store::MemoryStore;
use super::{Embedded, Engine};

pub use options::{Eviction, MemoryOptions};

/// Makes an empty memory engine.
#[must_use]
pub fn open(options: MemoryOptions) -> Arc<dyn Engine> {
    Arc::new(Embedded::new(MemoryStore::new(options)))
}
