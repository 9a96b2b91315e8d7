//! The branch of a transaction is an engine: it passes the suite, too.

use holdfast_core::conformance::Fixture;
use holdfast_core::engine::memory::{self, MemoryOptions};
use holdfast_core::engine::registry::Lease;
use holdfast_core::error::Result;
use holdfast_core::transaction::{Options, Transaction};

struct Inside;

impl Fixture for Inside {
    fn open(&self) -> Result<Lease> {
        let transaction = Transaction::new(Options::default(), None);
        Ok(Lease::private(transaction.on("memory", &memory::open(MemoryOptions::default()))))
    }

    fn persistent(&self) -> bool {
        false
    }
}

// Left out are the cases that concern no transaction (closing, sharing, verifying), and those that concern its commit
// (durability, the limit of a batch, the version of a record, sweeping).
holdfast_core::conformance!(map Inside);
