//! The SQLite engine passes the suite, on a file and in memory.

use holdfast_core::conformance::Fixture;
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::error::Result;
use tempfile::TempDir;

struct File(TempDir);

impl File {
    fn new() -> Self {
        File(tempfile::tempdir().unwrap())
    }
}

impl Fixture for File {
    fn open(&self) -> Result<Lease> {
        open(SqliteOptions::new(self.0.path().join("data/store.db")))
    }

    fn persistent(&self) -> bool {
        true
    }
}

holdfast_core::conformance!(File::new());

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
