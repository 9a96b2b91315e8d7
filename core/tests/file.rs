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
use std::sync::Arc;

use bytes::Bytes;
use holdfast_core::batch::{Batch, IntentId, Op};
use holdfast_core::conformance::Fixture;
use holdfast_core::engine::file::{Encoding, FileOptions, open};
use holdfast_core::engine::intent::Decision;
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Durability, Engine, EngineExt, Projection, Read, Reply, Request, for_each_page};
use holdfast_core::record::{Record, now};
use holdfast_core::{Code, Key, KeyRange, Result, Space, Value};

fn options(path: &Path) -> FileOptions {
    FileOptions { durability: Durability::Normal, ..FileOptions::new(path) }
}

struct File(tempfile::TempDir, Durability);

impl File {
    fn new(durability: Durability) -> Self {
        File(tempfile::tempdir().unwrap(), durability)
    }
}

impl Fixture for File {
    fn open(&self) -> Result<Lease> {
        open(FileOptions { durability: self.1, ..FileOptions::new(self.0.path()) })
    }

    fn persistent(&self) -> bool {
        true
    }
}

mod full {
    use super::{Durability, File};
    holdfast_core::conformance!(File::new(Durability::Full));
}

mod none {
    use super::{Durability, File};
    holdfast_core::conformance!(File::new(Durability::None));
}

#[test]
fn a_damaged_intent_stops_writes_until_it_is_set_aside() {
    for durability in [Durability::Full, Durability::Normal] {
        holdfast_core::conformance::intents::a_damaged_intent_stops_writes_until_it_is_set_aside(&File::new(
            durability,
        ));
    }
}

#[test]
fn an_intent_that_fails_to_be_carried_out_still_stands() {
    let root = tempfile::tempdir().unwrap();
    let lease = open(options(root.path())).unwrap();
    let engine = lease.engine();
    let id = IntentId { log: 1, number: 1 };
    engine.prepare(id, Batch { ops: vec![op("a", "1"), op("b", "1")], ..Batch::default() }).unwrap();
    std::fs::create_dir_all(root.path().join("a.json/x")).unwrap();
    assert!(engine.resolve(id, Decision::Apply).is_err());
    assert_eq!(engine.commit(Batch::one(op("b", "2"))).unwrap_err().code(), Code::Conflict);
    std::fs::remove_dir_all(root.path().join("a.json")).unwrap();
    assert!(engine.resolve(id, Decision::Apply).unwrap().is_some());
    assert_eq!(engine.commit(Batch::one(op("b", "2"))).err().map(|error| error.code()), None);
}

fn op(key: &str, text: &str) -> Op {
    Op::Set {
        space: Space::User,
        key: Key::copy_from_slice(key.as_bytes()),
        value: Value::json(text.to_owned()),
        expires_at: None,
        metadata: None,
    }
}

fn delete(key: &str) -> Op {
    Op::Delete { space: Space::User, key: Key::copy_from_slice(key.as_bytes()) }
}

fn set(engine: &Arc<dyn Engine>, key: &str, text: &str) {
    engine.commit(Batch::one(op(key, text))).unwrap();
}

fn entry(engine: &Arc<dyn Engine>, key: &str) -> Result<Option<Record>> {
    let read = Read::Entry(Space::User, Key::copy_from_slice(key.as_bytes()));
    let reply = match engine.try_read(&read) {
        Some(reply) => reply?,
        None => engine.wait(Request::Read(read))?,
    };
    match reply {
        Reply::Entry(record) => Ok(record),
        _ => panic!("the reply is of the wrong kind"),
    }
}

fn get(engine: &Arc<dyn Engine>, key: &str) -> Option<String> {
    entry(engine, key).unwrap().map(|record| String::from_utf8(record.value.to_text().to_vec()).unwrap())
}

fn keys(engine: &Arc<dyn Engine>) -> Vec<String> {
    keys_of(engine, &KeyRange::all())
}

fn keys_of(engine: &Arc<dyn Engine>, range: &KeyRange) -> Vec<String> {
    let mut keys = Vec::new();
    let view = engine.view().unwrap();
    for_each_page(&*view, Space::User, range, Projection::Keys, |page| {
        keys.extend(page.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()));
        Ok(true)
    })
    .unwrap();
    keys
}

#[test]
fn a_view_shows_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    for key in ["a", "b/x", "c"] {
        set(engine, key, "1");
    }
    let view = engine.view().unwrap();
    set(engine, "a", "2");
    engine.commit(Batch { ops: vec![delete("b/x"), op("b/y", "2"), op("d", "2")], ..Batch::default() }).unwrap();
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
    assert_eq!(keys(engine), ["a", "b/y", "c", "d"]);
}
