//! The leveldb engine passes the conformance suite. The modules test what is particular to it.

// A test, and its helpers, may stop at the first surprise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

#[path = "leveldb/commits.rs"]
mod commits;
#[path = "leveldb/faults.rs"]
mod faults;
#[path = "leveldb/model.rs"]
mod model;
#[path = "leveldb/processes.rs"]
mod processes;
#[path = "leveldb/records.rs"]
mod records;
#[path = "leveldb/replacement.rs"]
mod replacement;
#[path = "leveldb/replacement_faults.rs"]
mod replacement_faults;
#[path = "shared/roles.rs"]
mod roles;
#[path = "leveldb/support.rs"]
mod support;
#[path = "leveldb/views.rs"]
mod views;

use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::{Durability, EngineExt, Request};
use holdfast_core::testing::{TempStore, json};
use holdfast_core::{Batch, Op, Result};

fn store(durability: Durability) -> TempStore {
    TempStore::new(move |folder| open(LevelDbOptions { durability, ..LevelDbOptions::new(folder.join("db")) }))
}

mod at_full {
    holdfast_core::conformance!(super::store(super::Durability::Full));
}

mod at_none {
    holdfast_core::conformance!(super::store(super::Durability::None));
}

/// Batches written at once share a sync.
#[test]
fn commits_that_wait_for_one_another_share_syncs() {
    for (durability, syncs) in [(Durability::Full, true), (Durability::None, false)] {
        let store = store(durability);
        let lease = store.lease();
        let (sender, receiver) = std::sync::mpsc::channel();
        for n in 0..1000 {
            let sender = sender.clone();
            let batch = Batch::one(Op::set(n.to_string(), json("1")));
            let done = move |reply: Result<_>| sender.send(reply.is_ok()).unwrap();
            lease.engine().submit(Request::Commit(batch), Box::new(done));
        }
        drop(sender);
        assert!(receiver.iter().all(|ok| ok));
        let counts = lease.engine().stats().unwrap().counts;
        assert_eq!(counts.commits, Some(1000));
        assert_eq!(counts.fsyncs, if syncs { counts.groups } else { Some(0) });
        assert!(counts.groups < Some(500), "{counts:?}");
    }
}

#[test]
fn a_damaged_intent_stops_writes_until_it_is_set_aside() {
    for durability in [Durability::Full, Durability::None] {
        holdfast_core::conformance::intents::a_damaged_intent_stops_writes_until_it_is_set_aside(&store(durability));
    }
}
