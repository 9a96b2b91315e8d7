//! What is particular to the file engine; what every engine owes is in the conformance suite.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "file/edits.rs"]
mod edits;
#[path = "file/names.rs"]
mod names;
#[path = "file/opening.rs"]
mod opening;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use holdfast_core::batch::{Batch, IntentId, Op, Outcome};
use holdfast_core::engine::file::{Encoding, FileOptions, open};
use holdfast_core::engine::intent::Decision;
use holdfast_core::engine::{Durability, EngineExt, Projection, for_each_page};
use holdfast_core::record::now;
use holdfast_core::testing::{Calls, TempStore, code_of, json, key};
use holdfast_core::{Code, Key, KeyRange, Space, Value};

fn options(path: &Path) -> FileOptions {
    FileOptions { durability: Durability::Normal, ..FileOptions::new(path) }
}

fn store(durability: Durability) -> TempStore {
    TempStore::new(move |folder| open(FileOptions { durability, ..FileOptions::new(folder) }))
}

mod full {
    holdfast_core::conformance!(super::store(super::Durability::Full));
}

mod none {
    holdfast_core::conformance!(super::store(super::Durability::None));
}

#[test]
fn a_damaged_intent_stops_writes_until_it_is_set_aside() {
    for durability in [Durability::Full, Durability::Normal] {
        holdfast_core::conformance::intents::a_damaged_intent_stops_writes_until_it_is_set_aside(&store(durability));
    }
}

#[test]
fn an_intent_that_fails_to_be_carried_out_still_stands() {
    let root = tempfile::tempdir().unwrap();
    let lease = open(options(root.path())).unwrap();
    let engine = lease.engine();
    let id = IntentId { log: 1, number: 1 };
    engine.prepare(id, Batch::of([Op::set("a", json("1")), Op::set("b", json("1"))])).unwrap();
    std::fs::create_dir_all(root.path().join("a.json/x")).unwrap();
    assert!(engine.resolve(id, Decision::Apply).is_err());
    assert_eq!(engine.commit(Batch::one(Op::set("b", json("2")))).unwrap_err().code(), Code::Conflict);
    std::fs::remove_dir_all(root.path().join("a.json")).unwrap();
    assert!(engine.resolve(id, Decision::Apply).unwrap().is_some());
    assert_eq!(code_of(engine.commit(Batch::one(Op::set("b", json("2"))))), None);
}

#[test]
fn a_view_shows_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    for key in ["a", "b/x", "c"] {
        engine.set(key, "1");
    }
    let view = engine.view().unwrap();
    engine.set("a", "2");
    engine.run([Op::delete("b/x"), Op::set("b/y", json("2")), Op::set("d", json("2"))]);
    let mut seen = Vec::new();
    for_each_page(&*view, Space::User, &KeyRange::all(), Projection::Records, |page| {
        seen.extend(page.into_iter().map(|(key, item)| match item {
            holdfast_core::engine::Item::Record(record) => (key, record.value),
            _ => panic!("not a record"),
        }));
        Ok(true)
    })
    .unwrap();
    let expected: Vec<_> =
        ["a", "b/x", "c"].iter().map(|key| (Key::from_static(key.as_bytes()), Value::json("1"))).collect();
    assert_eq!(seen, expected);
    assert_eq!(view.get(Space::User, b"b/x").unwrap().unwrap().value, Value::json("1"));
    assert_eq!(view.get(Space::User, b"d").unwrap(), None);
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "b/y", "c", "d"]);
}
