//! The sqlite engine passes the conformance suite, on a file and in memory. The modules test what is particular to it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use holdfast_core::conformance::Fixture;
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::error::Result;
use holdfast_core::testing::TempStore;

#[path = "sqlite/cache.rs"]
mod cache;
#[path = "sqlite/faults.rs"]
mod faults;
#[path = "sqlite/intents.rs"]
mod intents;
#[path = "sqlite/interop.rs"]
mod interop;
#[path = "sqlite/options.rs"]
mod options;
#[path = "sqlite/processes.rs"]
mod processes;
#[path = "sqlite/replacement.rs"]
mod replacement;
#[path = "sqlite/support.rs"]
mod support;
#[path = "sqlite/views.rs"]
mod views;
#[path = "sqlite/wal.rs"]
mod wal;

fn database() -> TempStore {
    TempStore::new(|folder| open(SqliteOptions::new(folder.join("data/store.db"))))
}

holdfast_core::conformance!(database());

#[test]
fn a_damaged_intent_stops_writes_until_it_is_set_aside() {
    holdfast_core::conformance::intents::a_damaged_intent_stops_writes_until_it_is_set_aside(&database());
}

mod in_memory {
    use super::*;

    struct Memory;

    impl Fixture for Memory {
        fn open(&self) -> Result<Lease> {
            open(SqliteOptions::new(":memory:"))
        }

        fn persistent(&self) -> bool {
            false
        }
    }

    holdfast_core::conformance!(Memory);
}
